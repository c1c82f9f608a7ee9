/*
 * timeoutMS, as MongoDB's client-side operations timeout specification has it: where it is given
 * and when it is over. It is a deadline beside those of scopes (the nearest counts,
 * docs/decisions/0010) that also changes how an operation behaves: it is retried until the time is
 * up, and the older limits (maxTimeMS, wtimeout, waitQueueTimeoutMS, ...) are ignored; that is
 * operation/limits.h. What counts where a command, its session and its handle give one is
 * mouv__command_timeout().
 */
#ifndef MOUV_MONGO_BASE_TIMEOUT_H
#define MOUV_MONGO_BASE_TIMEOUT_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

#include <mouv/client.h>

#include "async/loop/timer.h"
#include "mongo/base/types.h"
#include "mongo/base/uri_options.h"

/** timeoutMS is given nowhere. (0: it is given, and is no limit.) */
#define MOUV__TIMEOUT_UNSET MOUV__URI_UNSET

/** What counts for one call. */
typedef struct mouv__timeout {
    int64_t ms;       /**< or MOUV__TIMEOUT_UNSET */
    int64_t until_ns; /**< it has begun already (mouv_with_transaction()); else MOUV__NEVER */
} mouv__timeout_t;

/** A time in an options struct, where 0 is the default: MOUV_FOREVER becomes 0, 0 UNSET. */
int mouv__timeout_from_struct(int64_t given, const char *field, int64_t *timeout_ms,
                              mouv_error_t *error);

/** What operations on a handle of these defaults (may be NULL) get. */
int64_t mouv__timeout_inherited(const mouv_client_t *client, const mouv__concerns_t *defaults);

/** When it is over, counted from now; MOUV__NEVER. */
int64_t mouv__timeout_end_ns(const mouv_client_t *client, mouv__timeout_t timeout);

#endif
