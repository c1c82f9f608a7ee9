/*
 * Extended JSON from and to BSON: strict, whatever the locale.
 *
 * Any thread; nothing here suspends.
 */
#ifndef MOUV_JSON_H
#define MOUV_JSON_H

#include <stddef.h>

#include <bson/bson.h>

#include <mouv/base.h>
#include <mouv/document.h>
#include <mouv/error.h>

MOUV_BEGIN_DECLS

/**
 * Reads a document, or an array (whose elements get the keys "0", "1", ...), from Extended JSON:
 * version 2, canonical and relaxed, by MongoDB's specification. What is almost right is refused, never
 * stored as something else: "$oid: expected 24 hexadecimal digits, as a string at position 15, before
 * '\"507f1f77bc'".
 *
 * A whole number without type becomes int32, int64, or beyond that a double. Equal keys are kept, as
 * BSON can have them. Beyond the specification these are taken: dates with a time zone and with more digits
 * than milliseconds, which are cut off; {"$binary": "...", "$type": "00"}, and {"$regex": "...", "$options":
 * "..."} with nothing beside them as a regular expression. `$type` and `$regex` in other places are
 * operators of queries. Documents may be 190 deep, of which servers store 180.
 *
 * libbson's bson_new_from_json() takes malformed values for others, and depends on the locale.
 *
 * Ownership: `*document` is the caller's, release with bson_destroy(); NULL on failure.
 * Returns:   0, or MOUV_EINVAL with what is wrong, where.
 * Like:      bson_new_from_json(); json_util.loads() of PyMongo.
 */
MOUV_API MOUV_CHECK_RESULT int mouv_bson_from_json(bson_t **document, const char *json,
                                                   size_t size_bytes, mouv_error_t *error);

MOUV_END_DECLS

#endif
