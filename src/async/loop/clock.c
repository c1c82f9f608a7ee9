/*
 * Three clocks: the real one, a virtual one that jumps, one that is moved by hand. A virtual one
 * runs at real speed while work outside the loop is pending: it can neither be hurried nor, if it
 * is stuck, be waited for at a standing clock.
 */
#include "async/loop/clock.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <mouv/clock.h>

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

static void clock_set(mouv__clock_t *clock, mouv__clock_mode_t mode) {
    clock->ns = mouv__clock_ns(clock);
    clock->since = clock_real_ns();
    clock->mode = mode;
}

void mouv__clock_open(mouv__clock_t *clock) {
    const char *wanted = getenv("MOUV_VIRTUAL_CLOCK");
    if (wanted != NULL && strcmp(wanted, "1") == 0) clock_set(clock, MOUV__VIRTUAL_CLOCK);
}

void mouv__clock_outside(mouv_runtime_t *runtime, bool begins) {
    mouv__clock_t *clock = &runtime->clock;
    if (clock->mode != MOUV__REAL_CLOCK) clock_set(clock, clock->mode);
    clock->outside += begins ? 1 : (size_t)-1;
    if (clock->mode != MOUV__REAL_CLOCK) mouv__timers_look(runtime);
}

/* ---- for tests ---- */

static int clock_change(mouv__clock_mode_t mode) {
    mouv_runtime_t *runtime = mouv__runtime();
    if (runtime == NULL) return MOUV_ENOLOOP;
    clock_set(&runtime->clock, mode);
    mouv__timers_look(runtime);
    return 0;
}

int mouv_clock_set_virtual(void) {
    return clock_change(MOUV__VIRTUAL_CLOCK);
}

int mouv_clock_set_manual(void) {
    return clock_change(MOUV__MANUAL_CLOCK);
}

int mouv_clock_advance_ms(int64_t ms) {
    mouv_runtime_t *runtime = mouv__runtime();
    if (runtime == NULL) return MOUV_ENOLOOP;
    if (runtime->clock.mode == MOUV__REAL_CLOCK)
        return mouv__raise(NULL, MOUV_ESTATE, "mouv_clock_advance_ms: the clock is the real one");
    int64_t now = mouv__now_ns(runtime), at = mouv__deadline_in(runtime, ms);
    if (ms < 0 || at == MOUV__NEVER)
        return mouv__raise(NULL, MOUV_EINVAL, "mouv_clock_advance_ms: not a time to move by");
    runtime->clock.ns += at - now;
    mouv__timers_look(runtime);
    return 0;
}
