/*
 * Extended JSON from people: what a place accepts.
 */
#ifndef MOUV_CLI_JSON_H
#define MOUV_CLI_JSON_H

#include <stddef.h>
#include <stdint.h>

#include <bson/bson.h>
#include <mouv/error.h>

/* What a place accepts; a mask. */
enum { CLI_JSON_DOCUMENT = 1, CLI_JSON_ARRAY = 2 };

/* Parses one JSON value. NULL on failure, with `error` filled (code CLI_EDATA), for example
 * "expected ':' at position 9" or "... at line 2, position 4". An array becomes a document with the
 * keys "0", "1", ... and `*is_array` (may be NULL) is set. Release with bson_destroy(). */
bson_t *mouv_cli_json_parse(const char *text, size_t size_bytes, unsigned kinds, bool *is_array,
                            mouv_error_t *error);

#endif
