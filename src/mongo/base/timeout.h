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

/** When it is over, counted from now; MOUV__NEVER. */
int64_t mouv__timeout_end_ns(const mouv_client_t *client, mouv__timeout_t timeout);

/* --- Cursors --------------------------------------------------------------------------------- */

typedef enum mouv__timeout_mode {
    MOUV__TIMEOUT_LIFETIME, /**< all of the cursor's commands together */
    MOUV__TIMEOUT_ITERATION /**< its first command, and then every batch that is waited for */
} mouv__timeout_mode_t;

/** The limit of a cursor's life. */
typedef struct mouv__cursor_timeout {
    mouv__timeout_t timeout;
    uint8_t mode;        /**< mouv__timeout_mode_t */
    bool within;         /**< it does not outlive the scope that it begins in: its deadline is sent
                              as maxTimeMS, too */
    int64_t deadline_ns; /**< LIFETIME: once it has begun; else MOUV__NEVER */
    int64_t close_ms;    /**< for killCursors; 0 or less: none */
} mouv__cursor_timeout_t;

/** Reads timeoutMS and timeoutMode; a combination that makes no sense makes the command fail. */
void mouv__cursor_timeout_init(mouv__cursor_timeout_t *limit, mouv__command_t *command);

/** The first command of it, to be awaited until `deadline_ns`. */
void mouv__cursor_timeout_begin(mouv__cursor_timeout_t *limit, mouv__operation_t *op,
                                int64_t deadline_ns, bool await_data);

/** A getMore of it. */
void mouv__cursor_timeout_go_on(const mouv__cursor_timeout_t *limit, mouv__operation_t *op);

/** Until when a batch that is needed now is waited for, beside other deadlines. */
int64_t mouv__cursor_timeout_wait_ns(const mouv__cursor_timeout_t *limit,
                                     const mouv_client_t *client);

#endif
