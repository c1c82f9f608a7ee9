/*
 * libmongoc's beginning and its log.
 */
#include "mongo/base/libmongoc.h"

#include <stdio.h>

#include <mongoc/mongoc.h>
#include <uv.h>

#include "async/loop/line.h"
#include "async/task/runtime.h"

static _Thread_local char *listener;

/* What matters of libmongoc's log comes back as an operation's error; the rest is for the curious.
 */
static void libmongoc_on_log(mongoc_log_level_t level, const char *domain, const char *message,
                             void *arg) {
    (void)arg;
    if (listener) {
        mouv__line_format(listener, MOUV__LIBMONGOC_LOG_SIZE, "%s", message);
        return;
    }
    bool grave = level == MONGOC_LOG_LEVEL_ERROR || level == MONGOC_LOG_LEVEL_CRITICAL;
    mouv__log(grave ? MOUV_LOG_WARNING : MOUV_LOG_DEBUG, "libmongoc: %s: %s", domain, message);
}

static void libmongoc_init(void) {
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
