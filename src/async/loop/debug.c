/*
 * Debug mode: its flag, and what it says of wrong threads.
 */
#include "async/loop/debug.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <mouv/debug.h>

#include "async/loop/log.h"

bool mouv__debug_on;

void mouv__debug_set(bool enable) {
    __atomic_store_n(&mouv__debug_on, enable, __ATOMIC_RELAXED);
}

bool mouv_debug_enabled(void) {
    return mouv__debug();
}

static void debug_read_environment(void) {
    const char *value = getenv("MOUV_DEBUG");
    if (value != NULL && *value != '\0' && strcmp(value, "0") != 0) mouv__debug_set(true);
}

void mouv__debug_read_environment(void) {
    static uv_once_t once = UV_ONCE_INIT;
    uv_once(&once, debug_read_environment);
}

void mouv__debug_foreign(void) {
    if (!mouv__debug()) return;
    mouv__log(MOUV_LOG_WARNING,
              "Non-thread-safe operation invoked on an event loop other than the current one: a "
              "future of another runtime was used on this thread");
}
