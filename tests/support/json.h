/*
 * Documents for cases that need no server, from JSON with single quotes.
 */
#ifndef MOUV_TESTS_JSON_H
#define MOUV_TESTS_JSON_H

#include <stdlib.h>
#include <string.h>

#include <bson/bson.h>

/** The caller's to destroy. */
static inline bson_t *from_json(const char *text) {
    bson_error_t error;
    char *copy = bson_strdup(text);
    for (char *at = copy; *at; at++)
        if (*at == '\'') *at = '"';
    bson_t *document = bson_new_from_json((const uint8_t *)copy, -1, &error);
    if (!document) abort();
    bson_free(copy);
    return document;
}

/** Whether a document is what the JSON says, number types included. */
static inline bool equals_json(const bson_t *document, const char *text) {
    bson_t *expected = from_json(text);
    bool equal = bson_equal(document, expected);
    bson_destroy(expected);
    return equal;
}

#endif
