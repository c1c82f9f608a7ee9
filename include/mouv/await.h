/*
 * Waiting for one future: in a coroutine, for a limited time, with a callback; and sleeping.
 */
#ifndef MOUV_AWAIT_H
#define MOUV_AWAIT_H

#include <mouv/base.h>
#include <mouv/error.h>
#include <mouv/future.h>

/** A `timeout_ms` that never runs out. */
#define MOUV_FOREVER INT64_MAX

MOUV_BEGIN_DECLS

/**
 * Suspends until the future is done, moves its results to their outputs and returns its code: a
 * task's own int, an operation's result (0 or more), or a negative error with `error` filled. A
 * cold coroutine is run right here, as a call.
 *
 * Context:   a coroutine. Does not suspend if the future is done.
 * Ownership: consumes the future, also on failure.
 * Cancel:    if the calling task is cancelled (or its timeout scope expires) the future is
 *            cancelled, waited for until it has settled, and MOUV_ECANCELED returned; a future that
 *            completed first is delivered and the cancel stays pending.
 * Errors:    the future's own; MOUV_ECANCELED; MOUV_ENOTCORO outside a coroutine; MOUV_EINVAL for a
 *            consumed, stale or foreign handle; MOUV_EDEADLK for the task itself (nothing is
 *            consumed) or a cycle (the reference is given up, nothing is cancelled).
 * Like:      Python's `await`.
 */
MOUV_API MOUV_SUSPENDS int mouv_await(mouv_future_t future, mouv_error_t *error);

/**
 * As mouv_await(), for at most `timeout_ms`. When the time is up the future is cancelled, waited
 * for until it has settled, and MOUV_ETIMEDOUT returned with cause MOUV_ECANCELED; an outcome that
 * is neither (a result that won, MOUV_EUNKNOWN of a write) is returned as it is. Operations learn
 * the deadline and pass it to the server; a sent write that no answer comes for settles as
 * MOUV_EUNKNOWN half a second after its time. 0 or less has expired: the result if it is done, else
 * MOUV_ETIMEDOUT, and the body of a cold coroutine never runs.
 *
 * Like: asyncio.wait_for().
 */
MOUV_API MOUV_SUSPENDS int mouv_await_for(mouv_future_t future, int64_t timeout_ms,
                                          mouv_error_t *error);

/** The twin of mouv_await_for(): a future with the same outcome. Consumes `future`. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_wait_for(mouv_future_t future, int64_t timeout_ms);

/**
 * Suspends for at least this long; 0 or less lets every ready task run once.
 *
 * Errors: MOUV_ECANCELED, MOUV_ENOTCORO, MOUV_ENOMEM.
 * Like:   asyncio.sleep().
 */
MOUV_API MOUV_SUSPENDS int mouv_sleep_ms(int64_t timeout_ms);

/** The twin of mouv_sleep_ms(): a future that completes with 0 after this time. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_sleep_future(int64_t timeout_ms);

/**
 * Calls `fn(future, arg)` once when the future is done, after its results have been moved to their
 * outputs; inside `fn`, mouv_future_result() tells the outcome. Consumes `future`; `fn` is called
 * on a later tick, also on failure. A cold coroutine becomes a task.
 *
 * Context: the runtime's thread, in or outside a coroutine; never suspends.
 * Returns: 0, or a negative error (MOUV_EINVAL: stale or consumed; MOUV_ENOMEM); `fn` is not
 *          called then.
 */
MOUV_API int mouv_then(mouv_future_t future, mouv_future_fn_t fn, void *arg);

MOUV_END_DECLS

#endif
