/*
 * The log hook inside.
 */
#ifndef MOUV_ASYNC_LOOP_LOG_H
#define MOUV_ASYNC_LOOP_LOG_H

#include <mouv/log.h>

/** Says something through the log hook. Any thread. */
void mouv__log(mouv_log_level_t level, const char *format, ...) MOUV_PRINTF(2, 3);

#endif
