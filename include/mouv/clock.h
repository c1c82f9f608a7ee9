/*
 * A clock that tests move: sleep(400 s) takes no time, and timeouts fire in their order.
 */
#ifndef MOUV_CLOCK_H
#define MOUV_CLOCK_H

#include <mouv/base.h>
#include <mouv/error.h>

MOUV_BEGIN_DECLS

/**
 * Puts this thread's runtime on a virtual clock. It stands still while anything is ready to run and
 * jumps to the next timer when the loop would have waited for it. While something outside the loop
 * is awaited (mouv_offload(), an operation on a server) it goes at the speed of the real clock
 * instead, so that a timeout of such work still fires. Threads and handles of the program's own are
 * unknown to it; where those matter take mouv_clock_set_manual().
 *
 * Timers of mouv, scopes and mouv_now_ms() follow it; a uv_timer_t of the program's own does not.
 * It begins at the time that it is. There is no way back to the real clock.
 *
 * With MOUV_VIRTUAL_CLOCK=1 in the environment every runtime begins so: for running an unchanged
 * program in a test.
 *
 * Context: a thread with a runtime, in or outside a coroutine; never suspends.
 * Errors:  MOUV_ENOLOOP.
 * Like:    trio's MockClock(autojump_threshold=0).
 */
MOUV_API int mouv_clock_set_virtual(void);

/** As mouv_clock_set_virtual(), but time passes in mouv_clock_advance_ms() alone. */
MOUV_API int mouv_clock_set_manual(void);

/**
 * Moves a virtual or manual clock on. Timers that are due by then fire when the loop turns next,
 * the earliest first; what they wake sees the new time.
 *
 * Context: a thread with a runtime, in or outside a coroutine; never suspends.
 * Errors:  MOUV_ESTATE with the real clock, MOUV_EINVAL for a negative or too large time,
 *          MOUV_ENOLOOP.
 * Like:    trio's MockClock.jump().
 */
MOUV_API int mouv_clock_advance_ms(int64_t ms);

MOUV_END_DECLS

#endif
