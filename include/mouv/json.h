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

/** How text looks; a mask. Without any it is relaxed, on one line. */
typedef enum mouv_json_flags {
    MOUV_JSON_RELAXED = 0,
    MOUV_JSON_CANONICAL = 1, /**< every number with its type */
    MOUV_JSON_PRETTY = 2,    /**< indented, over several lines */
    MOUV_JSON_LOSSY = 4      /**< U+FFFD for each byte that is not UTF-8, which is an error else */
} mouv_json_flags_t;

/**
 * Writes a document as Extended JSON that mouv_bson_from_json() reads as the same again; relaxed, but for what
 * whole numbers were: int64 may become int32. Dates before 1970 and after 9999 have no relaxed form and are
 * written as {"$date": {"$numberLong": "..."}}. A document that is stored with the keys of a type, {"$oid": 5},
 * cannot be read again: Extended JSON has no way to write it.
 *
 * Ownership: `*json` is NUL-terminated and the caller's, release with bson_free(); NULL on failure.
 * Returns:   0, or MOUV_EINVAL: text is not UTF-8 (the field is named), or the document is malformed.
 * Like:      bson_as_relaxed_extended_json(), which depends on the locale.
 */
MOUV_API MOUV_CHECK_RESULT int mouv_bson_to_json(const bson_t *document, unsigned flags,
                                                 char **json, mouv_error_t *error);

/** The same of the value of the field that `field` is at, whatever its type. */
MOUV_API MOUV_CHECK_RESULT int mouv_bson_value_to_json(const bson_iter_t *field, unsigned flags,
                                                       char **json, mouv_error_t *error);

MOUV_END_DECLS

#endif
