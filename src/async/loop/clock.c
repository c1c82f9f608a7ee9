/*
 * Three clocks: the real one, a virtual one that jumps, one that is moved by hand. A virtual one
 * runs at real speed while work outside the loop is pending: it can neither be hurried nor, if it
 * is stuck, be waited for at a standing clock.
 */
#include "async/loop/clock.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "async/loop/state.h"

static int64_t clock_real_ns(void) {
    return (int64_t)uv_hrtime();
}

bool mouv__clock_runs(const mouv__clock_t *clock) {
    return clock->mode == MOUV__REAL_CLOCK ||
           (clock->mode == MOUV__VIRTUAL_CLOCK && clock->outside > 0);
}

int64_t mouv__clock_ns(const mouv__clock_t *clock) {
    if (clock->mode == MOUV__REAL_CLOCK) return clock_real_ns();
    return mouv__clock_runs(clock) ? clock->ns + clock_real_ns() - clock->since : clock->ns;
}

bool mouv__clock_reaches(const mouv__clock_t *clock, int64_t at_ns) {
    if (mouv__clock_runs(clock)) return false; /* the alarm sees to it */
    return clock->mode == MOUV__VIRTUAL_CLOCK || at_ns <= clock->ns;
}

void mouv__clock_jump(mouv__clock_t *clock, int64_t at_ns) {
    if (clock->mode == MOUV__VIRTUAL_CLOCK && clock->outside == 0 && at_ns > clock->ns)
        clock->ns = at_ns;
}

void mouv__clock_set(mouv__clock_t *clock, mouv__clock_mode_t mode) {
    clock->ns = mouv__clock_ns(clock);
    clock->since = clock_real_ns();
    clock->mode = mode;
}

void mouv__clock_open(mouv__clock_t *clock) {
    const char *wanted = getenv("MOUV_VIRTUAL_CLOCK");
    if (wanted != NULL && strcmp(wanted, "1") == 0) mouv__clock_set(clock, MOUV__VIRTUAL_CLOCK);
}

void mouv__clock_outside(mouv__clock_t *clock, bool begins) {
    if (clock->mode != MOUV__REAL_CLOCK) mouv__clock_set(clock, clock->mode);
    clock->outside += begins ? 1 : (size_t)-1;
}

/* ---- a runtime's ---- */

int64_t mouv__clock_now_ns(mouv_runtime_t *runtime) {
    return mouv__clock_ns(&runtime->clock);
}

int64_t mouv__clock_deadline_in(mouv_runtime_t *runtime, int64_t ms) {
    int64_t now = mouv__clock_now_ns(runtime);
    if (ms <= 0) return now;
    if (ms > (MOUV__NEVER - now) / MOUV__NS_PER_MS - 1) return MOUV__NEVER;
    return now + ms * MOUV__NS_PER_MS;
}

int64_t mouv_now_ms(void) {
    mouv_runtime_t *runtime = mouv__runtime();
    return runtime != NULL ? mouv__clock_now_ns(runtime) / MOUV__NS_PER_MS : 0;
}
