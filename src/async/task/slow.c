/*
 * Debug mode of tasks: its switch, and steps that take too long.
 */
#include "async/task/slow.h"

#include <uv.h>

#include <mouv/debug.h>

#include "async/loop/debug.h"
#include "async/loop/log.h"

static int64_t slow_ns = INT64_C(100000000);

void mouv_debug_enable(bool enable) {
    mouv__debug_set(enable);
    if (enable && mouv__runtime() != NULL) mouv_report_stack_overflow();
}

void mouv_debug_set_slow_ms(int64_t limit_ms) {
    if (limit_ms < 0) limit_ms = 0;
    if (limit_ms > INT64_MAX / 1000000) limit_ms = INT64_MAX / 1000000;
    __atomic_store_n(&slow_ns, limit_ms * 1000000, __ATOMIC_RELAXED);
}

void mouv__slow_step(const mouv__future_t *task, uint64_t start) {
    int64_t took = (int64_t)(uv_hrtime() - start);
    if (took <= __atomic_load_n(&slow_ns, __ATOMIC_RELAXED)) return;
    char what[160];
    mouv__future_describe(task, what, sizeof what);
    mouv__log(MOUV_LOG_WARNING, "Executing %s took %.3f seconds", what, (double)took / 1e9);
}
