/*
 * The one hook through which the library says anything: warnings go to stderr by default.
 */
#ifndef MOUV_LOG_H
#define MOUV_LOG_H

#include <mouv/base.h>
#include <mouv/error.h>

/** How much a message matters; of libmongoc's, trace and debug are MOUV_LOG_DEBUG, info and messages
 *  MOUV_LOG_INFO, error and critical MOUV_LOG_ERROR. */
typedef enum mouv_log_level {
    MOUV_LOG_DEBUG,   /**< for those who work on mouv or libmongoc */
    MOUV_LOG_INFO,    /**< nothing is wrong */
    MOUV_LOG_WARNING, /**< the program goes on, somebody should look */
    MOUV_LOG_ERROR    /**< something has failed */
} mouv_log_level_t;

/** Receives one message, without a newline at its end. May be called on any thread. */
typedef void (*mouv_log_fn_t)(mouv_log_level_t level, const char *message, void *arg);

/** Receives an error that nobody has retrieved; `what` failed: "task 'Task-3' (load at main.c:12)".
 *  Both are valid during the call. */
typedef void (*mouv_unretrieved_fn_t)(const mouv_error_t *error, const char *what, void *arg);

MOUV_BEGIN_DECLS

/**
 * Replaces the process-wide handler; NULL restores the default, which writes warnings and errors
 * to stderr. libmongoc's own log comes through here too, unless the program has set a handler for
 * it, before the first client or later (mongoc_log_set_handler()): that one gets it instead. (Where a
 * build of libmongoc hides which one is set, one set before the first client is replaced.)
 *
 * Context: any thread, best before the first client. The handler must not call mouv.
 */
MOUV_API void mouv_log_set_handler(mouv_log_fn_t handler, void *arg);

/**
 * Replaces, for the whole process, what becomes of a failure that nobody has seen when the last reference
 * to its future goes: by default a warning of the log, "Task exception was never retrieved: ...". The
 * handler gets the error whole (the server's code, labels, operation); NULL restores the default.
 *
 * Context: any thread. The handler is called on the thread of the future's runtime and must not call mouv,
 *          but for mouv_error_*() and mouv_call_soon_threadsafe().
 * Like:    asyncio's loop.set_exception_handler().
 */
MOUV_API void mouv_log_set_unretrieved_handler(mouv_unretrieved_fn_t handler, void *arg);

MOUV_END_DECLS

#endif
