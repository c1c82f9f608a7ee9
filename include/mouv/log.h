/*
 * The one hook through which the library says anything: warnings go to stderr by default.
 */
#ifndef MOUV_LOG_H
#define MOUV_LOG_H

#include <mouv/base.h>

/** How much a message matters; libmongoc's trace and debug are MOUV_LOG_DEBUG. */
typedef enum mouv_log_level {
    MOUV_LOG_DEBUG,   /**< for those who work on mouv or libmongoc */
    MOUV_LOG_INFO,    /**< nothing is wrong */
    MOUV_LOG_WARNING, /**< the program goes on, somebody should look */
    MOUV_LOG_ERROR    /**< something has failed */
} mouv_log_level_t;

/** Receives one message, without a newline at its end. May be called on any thread. */
typedef void (*mouv_log_fn_t)(mouv_log_level_t level, const char *message, void *arg);

MOUV_BEGIN_DECLS

/**
 * Replaces the process-wide handler; NULL restores the default, which writes warnings and errors
 * to stderr. libmongoc's own log comes through here too.
 *
 * Context: any thread, best before the first client. The handler must not call mouv.
 */
MOUV_API void mouv_log_set_handler(mouv_log_fn_t handler, void *arg);

MOUV_END_DECLS

#endif
