/*
 * The options of a URI that libmongoc does not know, or not in every release: mouv takes them out
 * before libmongoc sees it, and keeps them. Times that are negative are refused, whosever they are.
 */
#ifndef MOUV_MONGO_BASE_URI_OPTIONS_H
#define MOUV_MONGO_BASE_URI_OPTIONS_H

#include <stdint.h>

#include <mouv/error.h>

/** Each MOUV__URI_UNSET if the URI has none. */
typedef struct mouv__uri_options {
    int64_t timeout_ms;     /**< timeoutMS; 0: no limit */
    int64_t min_pool_size;  /**< minPoolSize */
    int64_t max_connecting; /**< maxConnecting */
} mouv__uri_options_t;

#define MOUV__URI_UNSET (-1)

/** A copy of a URI without them, for mouv__free(). NULL: MOUV_EINVAL or MOUV_ENOMEM in `error`. */
char *mouv__uri_options_take(const char *uri, mouv__uri_options_t *options, mouv_error_t *error);

#endif
