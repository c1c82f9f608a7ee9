/*
 * Timers: a binary heap of those that are armed, and the one uv_timer_t that stands for its top.
 *
 * A timer is embedded in what waits for it and knows its place in the heap, so that disarming needs
 * no search. Whoever embeds it disarms it before freeing it; arming may need memory for the heap,
 * which only grows. What is due is fired from the loop, in the order of times and then of arming,
 * never inside a task, and only by the clock of clock.c: on a virtual or manual one the alarm
 * stands still and every tick asks mouv__timers_due() instead. Loop thread only.
 */
#include "async/loop/timer.h"

#include <mouv/clock.h>
#include <mouv/error.h>

#include "async/loop/state.h"
#include "context/alloc.h"

static bool timer_earlier(const mouv__timer_t *a, const mouv__timer_t *b) {
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void timer_put(mouv__timers_t *timers, size_t place, mouv__timer_t *timer) {
    timers->heap[place] = timer;
    timer->index = place + 1;
}

static void timer_sift_up(mouv__timers_t *timers, size_t place, mouv__timer_t *timer) {
    while (place > 0) {
        size_t parent = (place - 1) / 2;
        if (!timer_earlier(timer, timers->heap[parent])) break;
        timer_put(timers, place, timers->heap[parent]);
        place = parent;
    }
    timer_put(timers, place, timer);
}

static void timer_sift_down(mouv__timers_t *timers, size_t place, mouv__timer_t *timer) {
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= timers->count) break;
        if (child + 1 < timers->count &&
            timer_earlier(timers->heap[child + 1], timers->heap[child]))
            child++;
        if (!timer_earlier(timers->heap[child], timer)) break;
        timer_put(timers, place, timers->heap[child]);
        place = child;
    }
    timer_put(timers, place, timer);
}

static void timer_on_alarm(uv_timer_t *alarm);

/* uv's clock is cached and counts whole milliseconds: round up, and look again when it fires. */
static void timer_set_alarm(mouv_runtime_t *runtime) {
    mouv__timers_t *timers = &runtime->timers;
    int64_t at = timers->count > 0 ? timers->heap[0]->at_ns : MOUV__NEVER;
    if (at == timers->alarm_at_ns) return;
    if (at != MOUV__NEVER && !mouv__clock_runs(&runtime->clock)) {
        if (mouv__timers_due(runtime)) mouv__runtime_turn(runtime);
        return;
    }
    timers->alarm_at_ns = at;
    if (at == MOUV__NEVER) {
        uv_timer_stop(&runtime->alarm);
        return;
    }
    int64_t left = at - mouv__clock_now_ns(runtime);
    uint64_t delay = left <= 0 ? 0 : (uint64_t)(left + MOUV__NS_PER_MS - 1) / MOUV__NS_PER_MS;
    uv_update_time(runtime->loop);
    uv_timer_start(&runtime->alarm, timer_on_alarm, delay, 0);
}

static bool timer_reserve(mouv__timers_t *timers) {
    if (timers->count < timers->capacity) return true;
    size_t capacity = timers->capacity == 0 ? 64 : timers->capacity * 2;
    mouv__timer_t **heap = mouv__realloc(timers->heap, capacity * sizeof(mouv__timer_t *));
    if (heap == NULL) return false;
    timers->heap = heap;
    timers->capacity = capacity;
    return true;
}

static void timer_take_out(mouv__timers_t *timers, mouv__timer_t *timer) {
    size_t place = timer->index - 1;
    mouv__timer_t *last = timers->heap[--timers->count];
    timer->index = 0;
    if (last == timer) return;
    if (place > 0 && timer_earlier(last, timers->heap[(place - 1) / 2]))
        timer_sift_up(timers, place, last);
    else
        timer_sift_down(timers, place, last);
}

int mouv__timer_start(mouv_runtime_t *runtime, mouv__timer_t *timer, int64_t at_ns,
                      void (*fire)(mouv__timer_t *self)) {
    mouv__timers_t *timers = &runtime->timers;
    if (mouv__timer_armed(timer)) timer_take_out(timers, timer);
    timer->at_ns = at_ns;
    timer->fire = fire;
    timer->order = timers->armed++;
    if (at_ns != MOUV__NEVER) {
        if (!timer_reserve(timers)) return MOUV_ENOMEM;
        timer_sift_up(timers, timers->count++, timer);
    }
    timer_set_alarm(runtime);
    return 0;
}

void mouv__timer_stop(mouv_runtime_t *runtime, mouv__timer_t *timer) {
    if (!mouv__timer_armed(timer)) return;
    timer_take_out(&runtime->timers, timer);
    timer_set_alarm(runtime);
}

/* A timer that nobody waits for is no reason to go on, nor is any once the goal is reached. */
bool mouv__timers_due(const mouv_runtime_t *runtime) {
    bool over = runtime->goal != NULL && mouv__future_is_done(runtime->goal);
    return !over && runtime->timers.count > 0 && runtime->kept > 0 &&
           mouv__clock_reaches(&runtime->clock, runtime->timers.heap[0]->at_ns);
}

/* The clock has been changed: when to wake is to be found anew. */
static void timer_look(mouv_runtime_t *runtime) {
    runtime->timers.alarm_at_ns = MOUV__NEVER;
    uv_timer_stop(&runtime->alarm);
    timer_set_alarm(runtime);
}

void mouv__timers_outside(mouv_runtime_t *runtime, bool begins) {
    mouv__clock_outside(&runtime->clock, begins);
    if (runtime->clock.mode != MOUV__REAL_CLOCK) timer_look(runtime);
}

void mouv__timers_fire(mouv_runtime_t *runtime) {
    mouv__timers_t *timers = &runtime->timers;
    if (timers->count == 0) return;
    if (mouv__list_is_empty(&runtime->ready))
        mouv__clock_jump(&runtime->clock, timers->heap[0]->at_ns);
    int64_t now = mouv__clock_now_ns(runtime);
    while (timers->count > 0 && timers->heap[0]->at_ns <= now) {
        mouv__timer_t *timer = timers->heap[0];
        timer_take_out(timers, timer);
        timer->fire(timer);
    }
    timer_set_alarm(runtime);
}

static void timer_on_alarm(uv_timer_t *alarm) {
    mouv_runtime_t *runtime = alarm->data;
    if (runtime != mouv__thread_runtime) return; /* the child of a fork() */
    runtime->timers.alarm_at_ns = MOUV__NEVER;
    mouv__timers_fire(runtime);
}

int mouv__timers_open(mouv_runtime_t *runtime) {
    runtime->timers.alarm_at_ns = MOUV__NEVER;
    mouv__clock_open(&runtime->clock);
    int rc = uv_timer_init(runtime->loop, &runtime->alarm);
    if (rc != 0) return rc;
    runtime->alarm.data = runtime;
    uv_unref((uv_handle_t *)&runtime->alarm);
    return 0;
}

void mouv__timers_close(mouv_runtime_t *runtime) {
    mouv__free(runtime->timers.heap);
    runtime->timers.heap = NULL;
}

/* ---- for tests ---- */

static int timer_change_clock(mouv__clock_mode_t mode) {
    mouv_runtime_t *runtime = mouv__runtime();
    if (runtime == NULL) return MOUV_ENOLOOP;
    mouv__clock_set(&runtime->clock, mode);
    timer_look(runtime);
    return 0;
}

int mouv_clock_set_virtual(void) {
    return timer_change_clock(MOUV__VIRTUAL_CLOCK);
}

int mouv_clock_set_manual(void) {
    return timer_change_clock(MOUV__MANUAL_CLOCK);
}

int mouv_clock_advance_ms(int64_t ms) {
    mouv_runtime_t *runtime = mouv__runtime();
    if (runtime == NULL) return MOUV_ENOLOOP;
    if (runtime->clock.mode == MOUV__REAL_CLOCK)
        return mouv__raise(NULL, MOUV_ESTATE, "mouv_clock_advance_ms: the clock is the real one");
    int64_t now = mouv__clock_now_ns(runtime), at = mouv__clock_deadline_in(runtime, ms);
    if (ms < 0 || at == MOUV__NEVER)
        return mouv__raise(NULL, MOUV_EINVAL, "mouv_clock_advance_ms: not a time to move by");
    runtime->clock.ns += at - now;
    timer_look(runtime);
    return 0;
}
