/*
 * What releases of libmongoc call by different names; libbson's are in bson_view.h. What one of
 * them cannot do at all is said where it is done: connection.c, close.c, stream_connect.c.
 */
#ifndef MOUV_MONGO_BASE_COMPAT_H
#define MOUV_MONGO_BASE_COMPAT_H

#include <mongoc/mongoc.h>

/** Deprecated by libmongoc 2, as servers have no use for it from 8.0 on; older ones have. */
static inline void mouv__read_prefs_set_hedge(mongoc_read_prefs_t *prefs, const bson_t *hedge) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    mongoc_read_prefs_set_hedge(prefs, hedge);
#pragma GCC diagnostic pop
}

/** NULL or empty: none. */
static inline const bson_t *mouv__read_prefs_get_hedge(const mongoc_read_prefs_t *prefs) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    return mongoc_read_prefs_get_hedge(prefs);
#pragma GCC diagnostic pop
}

#endif
