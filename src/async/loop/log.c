/*
 * The log hook: the only way in which the library says anything.
 */
#include "async/loop/log.h"
#include "async/loop/line.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

static void log_write_to_stderr(mouv_log_level_t level, const char *message, void *arg) {
    (void)arg;
    if (level >= MOUV_LOG_WARNING) fprintf(stderr, "%s\n", message);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static mouv_log_fn_t current_handler = log_write_to_stderr;
static void *current_arg;
static mouv_unretrieved_fn_t unretrieved_handler; /* NULL: a line of the log */
static void *unretrieved_arg;

static void log_lock(void) {
    pthread_mutex_lock(&lock);
}

static void log_unlock(void) {
    pthread_mutex_unlock(&lock);
}

/* A fork takes the lock: else the child may find it taken by a thread that it has not. As the library
 * is loaded, since handlers that come while a fork is under way are not for that one. */
__attribute__((constructor)) static void log_watch_forks(void) {
    pthread_atfork(log_lock, log_unlock, log_unlock);
}

void mouv_log_set_handler(mouv_log_fn_t handler, void *arg) {
    log_lock();
    current_handler = handler != NULL ? handler : log_write_to_stderr;
    current_arg = handler != NULL ? arg : NULL;
    log_unlock();
}

void mouv__log(mouv_log_level_t level, const char *format, ...) {
    char message[1024];
    va_list args;
    va_start(args, format);
    mouv__line_vformat(message, sizeof message, format, args);
    va_end(args);

    log_lock();
    mouv_log_fn_t handler = current_handler;
    void *arg = current_arg;
    log_unlock();
    handler(level, message, arg);
}

void mouv_log_set_unretrieved_handler(mouv_unretrieved_fn_t handler, void *arg) {
    log_lock();
    unretrieved_handler = handler;
    unretrieved_arg = arg;
    log_unlock();
}

void mouv__log_unretrieved(const mouv_error_t *error, bool task, const char *what) {
    log_lock();
    mouv_unretrieved_fn_t handler = unretrieved_handler;
    void *arg = unretrieved_arg;
    log_unlock();
    if (handler != NULL)
        handler(error, what, arg);
    else
        mouv__log(MOUV_LOG_WARNING, "%s exception was never retrieved: %s: %s: %s",
                  task ? "Task" : "Future", what, mouv_error_name(error->code), error->message);
}
