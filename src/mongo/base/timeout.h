/*
 * timeoutMS, as MongoDB's client-side operations timeout specification has it: where it is given,
 * what counts where several give it, and what it makes of operations. It is a deadline beside those
 * of scopes (the nearest counts) that also changes how an operation behaves: it is retried until
 * the time is up, and the older limits (maxTimeMS, wtimeout, waitQueueTimeoutMS, ...) are ignored.
 */
#ifndef MOUV_MONGO_BASE_TIMEOUT_H
#define MOUV_MONGO_BASE_TIMEOUT_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

#include <mouv/client.h>

#include "async/loop/timer.h"
#include "mongo/base/types.h"

/** timeoutMS is given nowhere. (0: it is given, and is no limit.) */
#define MOUV__TIMEOUT_UNSET (-1)

/** What counts for one call. */
typedef struct mouv__timeout {
    int64_t ms;       /**< or MOUV__TIMEOUT_UNSET */
    int64_t until_ns; /**< it has begun already (mouv_with_transaction()); else MOUV__NEVER */
} mouv__timeout_t;

/**
 * A copy of a URI without its timeoutMS, which libmongoc does not know, for mouv__free(), and the
 * value. NULL: MOUV_EINVAL or MOUV_ENOMEM in `error`.
 */
char *mouv__timeout_from_uri(const char *uri, int64_t *timeout_ms, mouv_error_t *error);

/** A time in an options struct, where 0 is the default: MOUV_FOREVER becomes 0, 0 UNSET. */
int mouv__timeout_from_struct(int64_t given, const char *field, int64_t *timeout_ms,
                              mouv_error_t *error);

/** What operations on a handle of these defaults (may be NULL) get. */
int64_t mouv__timeout_inherited(const mouv_client_t *client, const mouv__concerns_t *defaults);

/** What counts for a command whose options are read and whose session is known; may make it fail.
 */
mouv__timeout_t mouv__timeout_of(mouv__command_t *command);

/** When it is over, counted from now; MOUV__NEVER. */
int64_t mouv__timeout_end_ns(const mouv_client_t *client, mouv__timeout_t timeout);

/** What the server may take of the time until then: less the least round trip so far, of commands
 * or of the last heartbeats. */
int64_t mouv__time_for_server_ms(const mouv_client_t *client, int64_t until_ns);

/** Before mouv__operation_start(). */
void mouv__operation_set_timeout(mouv__operation_t *op, mouv__timeout_t timeout);

/** The same for clean-up, which has no other limit; `ms` 0 or less: none. */
void mouv__operation_set_cleanup_timeout(mouv__operation_t *op, int64_t ms);

/** Before a command of it is sent: takes out of it what timeoutMS replaces. */
void mouv__operation_drop_old_timeouts(mouv__operation_t *op);

/** Appends {writeConcern: {...}} without its wtimeout, unless that was all there was. */
void mouv__append_untimed_concern(bson_t *to, const bson_t *write_concern);

/** That maxAwaitTimeMS leaves timeoutMS a chance; else the command fails. */
void mouv__timeout_check_await(mouv__command_t *command, mouv__timeout_t timeout);

#endif
