/*
 * Looking into BSON without copying it: fields by their path, documents and arrays where they
 * stand. A view is a bson_t on somebody else's bytes: it lives as long as they do and is not
 * destroyed. Pure functions; any thread.
 */
#ifndef MOUV_MONGO_BASE_BSON_VIEW_H
#define MOUV_MONGO_BASE_BSON_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <bson/bson.h>

/** The field at a dotted path; false if it is not there. */
bool mouv__bson_view_find(const bson_t *reply, const char *path, bson_iter_t *field);

/** The number at a dotted path, else 0. */
int64_t mouv__bson_view_number(const bson_t *reply, const char *path);

/** A view of the document or array that `field` is at; false if it is neither. */
bool mouv__bson_view_of(const bson_iter_t *field, bson_t *view);

/** The document in {<name>: {...}} as a view; false if there is none. `outer` may be NULL. */
bool mouv__bson_view_inside(const bson_t *outer, const char *name, bson_t *view);

/** The timestamp at a dotted path: seconds, increment; false, with `time` as it was: there is none.
 */
bool mouv__bson_view_timestamp(const bson_t *document, const char *path, uint32_t time[2]);

/** Of times as mouv__bson_view_timestamp() gives them. */
bool mouv__bson_view_is_later(const uint32_t a[2], const uint32_t b[2]);

/** Of $clusterTime documents; one that is NULL, or has no time, is later than none. */
bool mouv__bson_view_cluster_time_is_later(const bson_t *a, const bson_t *b);

/** The `name` of each document of an array, as a list for bson_strfreev(). */
char **mouv__bson_view_names(const bson_t *array);

/** What a type is called in messages: "a string". */
const char *mouv__bson_view_type_name(bson_type_t type);

/** bson_append_array_begin(), whose name libbson 2.5 deprecates; bson_append_array_end() ends it.
 */
static inline bool mouv__append_array_begin(bson_t *bson, const char *key, bson_t *child) {
#ifdef BSON_APPEND_ARRAY_UNSAFE_BEGIN
    return bson_append_array_unsafe_begin(bson, key, (int)strlen(key), child);
#else
    return bson_append_array_begin(bson, key, (int)strlen(key), child);
#endif
}

#endif
