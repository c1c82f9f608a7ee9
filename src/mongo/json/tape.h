/*
 * A text of JSON as a row of tokens, in its order: an object is followed by its keys and values, and
 * knows where they end. What is in an object can so be looked at before it is decided what it is.
 */
#ifndef MOUV_MONGO_JSON_TAPE_H
#define MOUV_MONGO_JSON_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mongo/json/fault.h"

/** Objects and arrays inside each other. Servers store 180 levels and refuse a document by name up to some 195; what is
 *  deeper they take for a broken command. */
#define MOUV__JSON_DEPTH_MAX 190

typedef enum mouv__json_kind {
    MOUV__JSON_NULL,
    MOUV__JSON_FALSE,
    MOUV__JSON_TRUE,
    MOUV__JSON_NUMBER, /**< its text, as it stands */
    MOUV__JSON_STRING, /**< what it means: any bytes that are UTF-8, NUL too */
    MOUV__JSON_ARRAY,
    MOUV__JSON_OBJECT,
    MOUV__JSON_MARK /**< a null that stands for a value of the reader's */
} mouv__json_kind_t;

typedef struct mouv__json_token {
    const char *text; /**< of a number or a string; not NUL-terminated */
    uint32_t size;    /**< of `text`; of an object or array the number of its tokens' values; of a
                           mark its index */
    uint32_t end;     /**< the index of what comes after it */
    uint32_t at;      /**< its byte in the text */
    mouv__json_kind_t kind;
} mouv__json_token_t;

/** Nulls that stand for something else: their bytes in the text, in its order. */
typedef struct mouv__json_marks {
    const size_t *at;
    size_t count;
} mouv__json_marks_t;

typedef struct mouv__json_tape {
    mouv__json_token_t *tokens; /**< the first is the value itself */
    uint32_t count, capacity;
    char *unescaped; /**< strings that differ from how they are written */
} mouv__json_tape_t;

/**
 * Reads one value and nothing after it, strictly as RFC 8259 has it. `text` must stay as long as the
 * tape, which its caller clears, also after a failure. `marks` may be NULL. False with `fault`.
 * libbson's memory: where there is none left, the process ends.
 */
bool mouv__json_tape_read(mouv__json_tape_t *tape, const char *text, size_t size,
                          const mouv__json_marks_t *marks, mouv__json_fault_t *fault);
void mouv__json_tape_clear(mouv__json_tape_t *tape);

/** What is there, in words: "a string". */
const char *mouv__json_kind_name(mouv__json_kind_t kind);

#endif
