/*
 * timeoutMS of a cursor: the limit of its life, or of each iteration (timeoutMode), and what that
 * makes of its commands. A change stream and a tailable cursor have iterations alone. Where it is
 * given says base/timeout.h, and docs/decisions/0010 why it is not a scope.
 */
#ifndef MOUV_MONGO_CURSOR_CURSOR_TIMEOUT_H
#define MOUV_MONGO_CURSOR_CURSOR_TIMEOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "mongo/base/timeout.h"

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

/** The first command of a cursor, to be awaited until `deadline_ns`. */
void mouv__cursor_timeout_begin(mouv__cursor_timeout_t *limit, mouv__operation_t *op,
                                int64_t deadline_ns, bool await_data);

/** The first command of a stream, whose iteration has this limit. */
void mouv__cursor_timeout_begin_stream(const mouv__cursor_timeout_t *limit, mouv__operation_t *op,
                                       int64_t limit_ns);

/** A getMore of it. */
void mouv__cursor_timeout_go_on(const mouv__cursor_timeout_t *limit, mouv__operation_t *op);

/** Until when a batch that is needed now is waited for, beside other deadlines. */
int64_t mouv__cursor_timeout_wait_ns(const mouv__cursor_timeout_t *limit,
                                     const mouv_client_t *client);

#endif
