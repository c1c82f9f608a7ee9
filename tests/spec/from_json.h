/* Documents from Extended JSON with ' for ", as the tests here write them. */
#ifndef MOUV_TESTS_SPEC_FROM_JSON_H
#define MOUV_TESTS_SPEC_FROM_JSON_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bson/bson.h>

/** The caller's, to be released with bson_destroy(). */
static inline bson_t *from_json(const char *text) {
    bson_error_t error;
    char *quoted = bson_strdup(text);
    for (char *at = quoted; *at; at++) {
        if (*at == '\'') *at = '"';
    }
    bson_t *document = bson_new_from_json((const uint8_t *)quoted, -1, &error);
    bson_free(quoted);
    if (!document) {
        fprintf(stderr, "test is wrong: %s: %s\n", text, error.message);
        abort();
    }
    return document;
}

#endif
