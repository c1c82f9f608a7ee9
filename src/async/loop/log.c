/*
 * The log hook: the only way in which the library says anything.
 */
#include "async/loop/log.h"
#include "async/loop/line.h"

#include <stdarg.h>
#include <stdio.h>
#include <uv.h>

static void log_write_to_stderr(mouv_log_level_t level, const char *message, void *arg) {
    (void)arg;
    if (level >= MOUV_LOG_WARNING) fprintf(stderr, "%s\n", message);
}

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock;
static mouv_log_fn_t current_handler = log_write_to_stderr;
static void *current_arg;

static void log_make_lock(void) {
    if (uv_mutex_init(&lock) != 0) current_handler = log_write_to_stderr;
}

void mouv_log_set_handler(mouv_log_fn_t handler, void *arg) {
    uv_once(&once, log_make_lock);
    uv_mutex_lock(&lock);
    current_handler = handler != NULL ? handler : log_write_to_stderr;
    current_arg = handler != NULL ? arg : NULL;
    uv_mutex_unlock(&lock);
}

void mouv__log(mouv_log_level_t level, const char *format, ...) {
    char message[1024];
    va_list args;
    va_start(args, format);
    mouv__line_vformat(message, sizeof message, format, args);
    va_end(args);

    uv_once(&once, log_make_lock);
    uv_mutex_lock(&lock);
    mouv_log_fn_t handler = current_handler;
    void *arg = current_arg;
    uv_mutex_unlock(&lock);
    handler(level, message, arg);
}
