/*
 * Deadlines: a heap of timers on one uv_timer_t, by the nanosecond clock of clock.h, which tests
 * may replace by a virtual one. A timer never fires early. Loop thread only.
 */
#ifndef MOUV_ASYNC_LOOP_TIMER_H
#define MOUV_ASYNC_LOOP_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include <mouv/runtime.h>
#include <mouv/scope.h>

#include "async/loop/clock.h"

/**
 * Embedded, zero-initialised: the time, the order of arming (equal times fire in it), the place in
 * the heap plus one (0 when not armed), what to call. The struct stands in <mouv/scope.h>.
 */
typedef struct mouv__timer mouv__timer_t;

static inline bool mouv__timer_armed(const mouv__timer_t *timer) {
    return timer->index != 0;
}

/** Arms (or arms anew) a timer; `fire` runs from the loop, not inside a task. 0 or MOUV_ENOMEM. */
int mouv__timer_start(mouv_runtime_t *runtime, mouv__timer_t *timer, int64_t at_ns,
                      void (*fire)(mouv__timer_t *self));

/** Disarms; harmless if it is not armed. */
void mouv__timer_stop(mouv_runtime_t *runtime, mouv__timer_t *timer);

/** The runtime's own timers begin and end with it. 0 or a code of libuv. */
int mouv__timers_open(mouv_runtime_t *runtime);
void mouv__timers_close(mouv_runtime_t *runtime);

/** Something outside the loop is awaited, or no more: a virtual clock runs meanwhile. */
void mouv__timers_outside(mouv_runtime_t *runtime, bool begins);

/** Whether the loop must look at its timers by itself (never on the real clock). */
bool mouv__timers_due(const mouv_runtime_t *runtime);

/** Fires what is due; if nothing is ready a virtual clock jumps first. */
void mouv__timers_fire(mouv_runtime_t *runtime);

#endif
