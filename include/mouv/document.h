/*
 * What one misses most with libbson: a field by its path with a clear error, and a document from a
 * template whose values are never text.
 *
 * Any thread; nothing here suspends.
 */
#ifndef MOUV_DOCUMENT_H
#define MOUV_DOCUMENT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bson/bson.h>

#include <mouv/base.h>
#include <mouv/error.h>

/** A binary value, as mouv_bson_build() takes it. */
typedef struct mouv_bson_bytes {
    const void *data;  /**< may be NULL where there are none */
    size_t size_bytes; /**< how many */
    uint8_t subtype;   /**< BSON_SUBTYPE_BINARY is 0 */
} mouv_bson_bytes_t;

/** A timestamp as the server makes them; a date is another type. */
typedef struct mouv_bson_timestamp {
    uint32_t seconds;   /**< since 1970 */
    uint32_t increment; /**< within the second */
} mouv_bson_timestamp_t;

MOUV_BEGIN_DECLS

/** Whether there is a field at a dotted path, "address.lines.0"; numbers count array elements. */
MOUV_API bool mouv_bson_has(const bson_t *document, const char *path);

/*
 * Each gives the field at a dotted path. Returns 0, or MOUV_EINVAL with `*value` as it was and
 * `error` saying what is there instead: "no field 'address.zip'", "field 'age': expected a number,
 * got a string". Keys that contain a dot cannot be reached.
 */

/** Any number without a fraction that fits. */
MOUV_API MOUV_CHECK_RESULT int mouv_bson_get_int64(const bson_t *document, const char *path,
                                                   int64_t *value, mouv_error_t *error);

/** The same, of what fits into 32 bits. */
MOUV_API MOUV_CHECK_RESULT int mouv_bson_get_int32(const bson_t *document, const char *path,
                                                   int32_t *value, mouv_error_t *error);

/** Any number but Decimal128. */
MOUV_API MOUV_CHECK_RESULT int mouv_bson_get_double(const bson_t *document, const char *path,
                                                    double *value, mouv_error_t *error);

/** A boolean, nothing that merely looks like one. */
MOUV_API MOUV_CHECK_RESULT int mouv_bson_get_bool(const bson_t *document, const char *path,
                                                  bool *value, mouv_error_t *error);

/** A string without NUL bytes; it lies in `document`. */
MOUV_API MOUV_CHECK_RESULT int mouv_bson_get_utf8(const bson_t *document, const char *path,
                                                  const char **value, mouv_error_t *error);

/** An object id; a copy. */
MOUV_API MOUV_CHECK_RESULT int mouv_bson_get_oid(const bson_t *document, const char *path,
                                                 bson_oid_t *value, mouv_error_t *error);

/** Milliseconds since 1970. */
MOUV_API MOUV_CHECK_RESULT int mouv_bson_get_date(const bson_t *document, const char *path,
                                                  int64_t *value, mouv_error_t *error);

/** A view into `document`, with nothing to destroy. */
MOUV_API MOUV_CHECK_RESULT int mouv_bson_get_document(const bson_t *document, const char *path,
                                                      bson_t *value, mouv_error_t *error);
MOUV_API MOUV_CHECK_RESULT int mouv_bson_get_array(const bson_t *document, const char *path,
                                                   bson_t *value, mouv_error_t *error);

/*
 * For fields that may be missing: what is there, else `fallback`. What the reader of the same type
 * above would refuse (null, another type, a number that does not fit) counts as missing: where that
 * would be a mistake to be told, it is the reader to call. `document` may be NULL.
 */

/** Any number without a fraction that fits, else `fallback`. */
MOUV_API int64_t mouv_bson_int64_or(const bson_t *document, const char *path, int64_t fallback);
MOUV_API int32_t mouv_bson_int32_or(const bson_t *document, const char *path, int32_t fallback);

/** Any number but Decimal128, else `fallback`. */
MOUV_API double mouv_bson_double_or(const bson_t *document, const char *path, double fallback);

/** A boolean, else `fallback`. */
MOUV_API bool mouv_bson_bool_or(const bson_t *document, const char *path, bool fallback);

/** A date in milliseconds since 1970, else `fallback`. */
MOUV_API int64_t mouv_bson_date_or(const bson_t *document, const char *path, int64_t fallback);

/** A string, which lies in `document`, else `fallback`, which may be NULL. */
MOUV_API const char *mouv_bson_utf8_or(const bson_t *document, const char *path,
                                       const char *fallback);

/**
 * Goes to the elements of the array, or the fields of the document, at a path: none where there is
 * neither. No path has to be printed for each:
 *
 *     mouv_bson_each(subscriber, "slices", &each);
 *     while (mouv_bson_next(&each, &slice)) add(mouv_bson_int32_or(&slice, "sst", 1));
 *
 * `each` is libbson's, for bson_iter_next() and the like, and lies in `document`. Returns whether
 * there is an array or a document. Like: bson_iter_find_descendant() and bson_iter_recurse().
 */
MOUV_API bool mouv_bson_each(const bson_t *document, const char *path, bson_iter_t *each);

/** Goes on to the next element that is a document or an array, a view of which is in `*view`, and
 *  passes over others; false: there is none. */
MOUV_API bool mouv_bson_next(bson_iter_t *each, bson_t *view);

/**
 * Makes a document (or an array document, for pipelines) from a template: Extended JSON, in which
 * strings may have ' for ", with placeholders where values go:
 *
 *     mouv_bson_build(&filter, &error, "{'name': %s, 'age': {'$gte': %d}}", name, 18)
 *
 * A value goes from the argument into the document as it is: whatever a string contains, it stays
 * one string. Conversions are those of printf, so that compilers check the arguments:
 *
 *     %s               const char *            a string, UTF-8
 *     %d %i            int                     int32
 *     %u %ld %lld %zu  and PRId64              int64
 *     %f %lf %g        double
 *     %hhd             bool
 *     %lldT %ldT       and PRId64 "T"          a date, in milliseconds since 1970
 *     %pO              const bson_oid_t *      an object id      (-Wpedantic wants (void *) before
 *     %pD              const bson_t *          a document         the argument of %p)
 *     %pA              const bson_t *          an array
 *     %pN              const bson_decimal128_t *     a Decimal128
 *     %pB              const mouv_bson_bytes_t *     binary
 *     %pU              const uint8_t * of 16 bytes   binary, a UUID (subtype 4)
 *     %pS              const mouv_bson_timestamp_t * a timestamp
 *
 * A placeholder is a whole value; inside of a string, as a key, and inside of {'$oid': ...} and the
 * like it is refused, except as the pattern of {'$regex': %s, '$options': ''}. A % in a string is
 * written %%.
 *
 * Ownership: arguments are copied; `*document` is the caller's, release with bson_destroy(). It is
 *            NULL on failure, which a read would take as "everything": hence the result must be
 *            looked at.
 * Returns:   0, or MOUV_EINVAL (the template, with the byte where it is wrong; an argument that is
 *            NULL or not UTF-8), MOUV_ENOMEM.
 */
MOUV_API MOUV_CHECK_RESULT int mouv_bson_build(bson_t **document, mouv_error_t *error,
                                               const char *format, ...) MOUV_PRINTF(3, 4);

/** The same with the arguments as a va_list. */
MOUV_API MOUV_CHECK_RESULT int mouv_bson_vbuild(bson_t **document, mouv_error_t *error,
                                                const char *format, va_list arguments)
    MOUV_PRINTF(3, 0);

/**
 * What MOUV_AUTO_BSON calls: destroys `*document`, which may be NULL.
 *
 *     MOUV_AUTO_BSON bson_t *filter = BCON_NEW("_id", BCON_INT32(7));
 */
MOUV_API void mouv_bson_drop(bson_t **document);

MOUV_END_DECLS

#ifdef MOUV_CLEANUP
/** A document that is destroyed at the end of its block, also on early return. */
#define MOUV_AUTO_BSON MOUV_CLEANUP(mouv_bson_drop)
#endif

#endif
