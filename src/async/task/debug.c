/*
 * Debug mode: its switch, slow steps, wrong threads.
 */
#include "async/task/debug.h"

#include <stdlib.h>
#include <string.h>

#include <mouv/debug.h>

bool mouv__debug_on;
static int64_t slow_ns = INT64_C(100000000);

void mouv_debug_enable(bool enable) {
    __atomic_store_n(&mouv__debug_on, enable, __ATOMIC_RELAXED);
    if (enable && mouv__runtime() != NULL) mouv_report_stack_overflow();
}

bool mouv_debug_enabled(void) {
    return mouv__debug();
}

void mouv_debug_set_slow_ms(int64_t limit_ms) {
    if (limit_ms < 0) limit_ms = 0;
    if (limit_ms > INT64_MAX / 1000000) limit_ms = INT64_MAX / 1000000;
    __atomic_store_n(&slow_ns, limit_ms * 1000000, __ATOMIC_RELAXED);
}

static uv_once_t once = UV_ONCE_INIT;

static void debug_read_environment(void) {
    const char *value = getenv("MOUV_DEBUG");
    if (value != NULL && *value != '\0' && strcmp(value, "0") != 0)
        __atomic_store_n(&mouv__debug_on, true, __ATOMIC_RELAXED);
}

void mouv__debug_read_environment(void) {
    uv_once(&once, debug_read_environment);
}

void mouv__debug_step(const mouv__future_t *task, uint64_t start) {
    int64_t took = (int64_t)(uv_hrtime() - start);
    if (took <= __atomic_load_n(&slow_ns, __ATOMIC_RELAXED)) return;
    char what[160];
    mouv__future_describe(task, what, sizeof what);
    mouv__log(MOUV_LOG_WARNING, "Executing %s took %.3f seconds", what, (double)took / 1e9);
}

void mouv__debug_foreign(void) {
    mouv__log(MOUV_LOG_WARNING,
              "Non-thread-safe operation invoked on an event loop other than the current one: a "
              "future of another runtime was used on this thread");
}
