/*
 * The runtime's clock: the real one, or one that tests move. Timers ask it what is due.
 */
#ifndef MOUV_ASYNC_LOOP_CLOCK_H
#define MOUV_ASYNC_LOOP_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mouv/runtime.h>

/** A time that never comes. */
#define MOUV__NEVER INT64_MAX

#define MOUV__NS_PER_MS INT64_C(1000000)

/** REAL -> VIRTUAL <-> MANUAL. */
typedef enum mouv__clock_mode {
    MOUV__REAL_CLOCK,
    MOUV__VIRTUAL_CLOCK, /* jumps to the next timer */
    MOUV__MANUAL_CLOCK   /* moves when it is told to */
} mouv__clock_mode_t;

typedef struct mouv__clock {
    mouv__clock_mode_t mode;
    int64_t ns;     /* the time, unless REAL or running */
    int64_t since;  /* of the real clock, when it began to run */
    size_t outside; /* pending futures that something outside the loop will complete */
} mouv__clock_t;

/** The runtime's clock. */
int64_t mouv__clock_now_ns(mouv_runtime_t *runtime);

/** `ms` from now as an absolute time: <= 0 is now, too far is MOUV__NEVER. */
int64_t mouv__clock_deadline_in(mouv_runtime_t *runtime, int64_t ms);

/** Obeys MOUV_VIRTUAL_CLOCK. */
void mouv__clock_open(mouv__clock_t *clock);

int64_t mouv__clock_ns(const mouv__clock_t *clock);

/** Whether time passes by itself, so that timers need an alarm. */
bool mouv__clock_runs(const mouv__clock_t *clock);

/** Whether the loop must not wait for a timer of this time. */
bool mouv__clock_reaches(const mouv__clock_t *clock, int64_t at_ns);

/** Nothing is ready: time jumps to this timer, if that is the clock's way. */
void mouv__clock_jump(mouv__clock_t *clock, int64_t at_ns);

/** Another mode from now on; the time stays. */
void mouv__clock_set(mouv__clock_t *clock, mouv__clock_mode_t mode);

/** See mouv__timers_outside(). */
void mouv__clock_outside(mouv__clock_t *clock, bool begins);

#endif
