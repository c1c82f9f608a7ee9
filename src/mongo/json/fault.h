/*
 * What is wrong with a text of JSON, and where.
 */
#ifndef MOUV_MONGO_JSON_FAULT_H
#define MOUV_MONGO_JSON_FAULT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct mouv__json_fault {
    size_t at; /**< the byte */
    char why[160];
} mouv__json_fault_t;

/** Says what is wrong, in the words of printf(). Always false. */
bool mouv__json_wrong(mouv__json_fault_t *fault, size_t at, const char *why, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * Where it is, for people who have the text before them: "position 9, before '30}'", or "line 2, position 4".
 */
void mouv__json_place(const mouv__json_fault_t *fault, const char *text, size_t size, char *place,
                      size_t place_size);

#endif
