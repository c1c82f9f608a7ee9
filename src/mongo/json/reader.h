/*
 * Extended JSON (version 2, canonical and relaxed) becomes BSON.
 */
#ifndef MOUV_MONGO_JSON_READER_H
#define MOUV_MONGO_JSON_READER_H

#include <bson/bson.h>

#include "mongo/json/fault.h"
#include "mongo/json/tape.h"

/**
 * The document, or for an array its elements as "0", "1", ...; the caller's, release with bson_destroy().
 * NULL with `fault`. `marks` are nulls in whose place `values` go, one each; both may be NULL. Independent
 * of the locale; any thread; never recursive.
 */
bson_t *mouv__json_read(const char *text, size_t size, const mouv__json_marks_t *marks,
                        const bson_value_t *values, mouv__json_fault_t *fault);

#endif
