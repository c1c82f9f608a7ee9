/*
 * The log hook inside.
 */
#ifndef MOUV_ASYNC_LOOP_LOG_H
#define MOUV_ASYNC_LOOP_LOG_H

#include <stdbool.h>

#include <mouv/log.h>

/** Says something through the log hook. Any thread. */
void mouv__log(mouv_log_level_t level, const char *format, ...) MOUV_PRINTF(2, 3);

/** `error` of `what`, a task or another future, was never retrieved. */
void mouv__log_unretrieved(const mouv_error_t *error, bool task, const char *what);

#endif
