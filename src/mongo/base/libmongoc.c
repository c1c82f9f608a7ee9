/*
 * libmongoc's beginning and its log. That is a handler of the process; a program that uses libmongoc
 * itself may have set one before the first client, which gets all that it would have got, and then
 * mouv's log does not.
 */
#include "mongo/base/libmongoc.h"

#include <stdio.h>

#include <mongoc/mongoc.h>
#include <uv.h>

#include "async/loop/line.h"
#include "async/task/runtime.h"

/* No header has it, but the library: NULL where a release does not export it. */
extern void _mongoc_log_get_handler(mongoc_log_func_t *handler, void **arg) __attribute__((weak));

static _Thread_local char *listener;

/* The program's own; NULL too if that is what it has set, to hear nothing. */
static struct {
    bool is_set;
    mongoc_log_func_t handler;
    void *arg;
} own;

static mouv_log_level_t libmongoc_level(mongoc_log_level_t level) {
    switch (level) {
    case MONGOC_LOG_LEVEL_ERROR:
    case MONGOC_LOG_LEVEL_CRITICAL:
        return MOUV_LOG_ERROR;
    case MONGOC_LOG_LEVEL_WARNING:
        return MOUV_LOG_WARNING;
    case MONGOC_LOG_LEVEL_MESSAGE:
    case MONGOC_LOG_LEVEL_INFO:
        return MOUV_LOG_INFO;
    default:
        return MOUV_LOG_DEBUG;
    }
}

static void libmongoc_on_log(mongoc_log_level_t level, const char *domain, const char *message,
                             void *arg) {
    (void)arg;
    if (listener)
        mouv__line_format(listener, MOUV__LIBMONGOC_LOG_SIZE, "%s", message);
    else if (!own.is_set)
        mouv__log(libmongoc_level(level), "libmongoc: %s: %s", domain, message);
    else if (own.handler)
        own.handler(level, domain, message, own.arg);
}

static void libmongoc_keep_own_handler(void) {
    if (!_mongoc_log_get_handler) return;
    _mongoc_log_get_handler(&own.handler, &own.arg);
    own.is_set = own.handler != mongoc_log_default_handler;
}

static void libmongoc_init(void) {
    libmongoc_keep_own_handler();
    mongoc_log_set_handler(libmongoc_on_log, NULL);
    mongoc_init();
}

void mouv__libmongoc_init(void) {
    static uv_once_t once = UV_ONCE_INIT;
    uv_once(&once, libmongoc_init);
}

void mouv__libmongoc_listen(char text[MOUV__LIBMONGOC_LOG_SIZE]) {
    listener = text;
    if (text) text[0] = '\0';
}
