/*
 * mouv_gather(): many futures awaited as one.
 */
#ifndef MOUV_GATHER_H
#define MOUV_GATHER_H

#include <mouv/base.h>
#include <mouv/future.h>

MOUV_BEGIN_DECLS

/**
 * One future for all of `futures`: done with 0 when every one has succeeded. It settles when all have
 * settled, so their arguments and outputs may lie on the stack of who awaits it. At the first failure
 * the others are cancelled, and that failure is the outcome; only a write of unknown outcome
 * (MOUV_EUNKNOWN) goes before it. Cold coroutines become tasks, in order. Awaiting it moves the
 * results of all children to their outputs; after a failure only replies are given and no other
 * output is touched: writes that had succeeded are not told then (mouv_gather_all() tells of each).
 * Cancelling it cancels every child; it succeeds if all of them did. Of nothing, it is done at once
 * with 0.
 *
 * What is to run on after a sibling's failure stands under mouv_shield(), or somebody has a reference
 * to it, by mouv_future_ref(), besides the one that is consumed here. The gather does not wait for
 * that one. A cancel spares only what is shielded.
 *
 *     mouv_future_t job = mouv_task(import, &args);
 *     int rc = mouv_await(mouv_gather(mouv_future_ref(job), mouv_coro(watch, &args)), NULL);
 *     ...                                  // whatever became of watch(), import() goes on
 *     rc = mouv_await(job, NULL);
 *
 * Context:   the runtime's thread; never suspends.
 * Ownership: consumes every future, also on failure; the array is the caller's. A handle that cannot
 *            be consumed (stale, foreign) counts as a child that has failed.
 * Like:      asyncio.gather(), whose siblings run on after a failure (docs/differences.md).
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_gather_array(const mouv_future_t *futures,
                                                           size_t count);

/**
 * As mouv_gather_array(), but waits for every child and never fails for one: `codes[i]` receives
 * the i-th result or negative code when this future is awaited, `errors[i]` the whole error, also
 * where this future was cancelled or has run out of time. Either array may be NULL; both have `count`
 * places and must outlive the await. The result is the number of children that failed.
 *
 * Like: asyncio.gather(return_exceptions=True).
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_gather_all(const mouv_future_t *futures, size_t count,
                                                         int *codes, mouv_error_t *errors);

MOUV_END_DECLS

/** mouv_gather(a, b, ...): mouv_gather_array() of its arguments. */
#ifdef __cplusplus
template <typename... Futures>
MOUV_CHECK_RESULT inline mouv_future_t mouv_gather(Futures... futures) {
    const mouv_future_t all[] = {mouv_future_t(), futures...};
    return mouv_gather_array(all + 1, sizeof...(futures));
}
#else
#define MOUV_GATHER_LIST(...) ((const mouv_future_t[]){{0}, __VA_ARGS__})
/** As mouv_gather_array(), of its arguments. */
#define mouv_gather(...) \
    mouv_gather_array(MOUV_GATHER_LIST(__VA_ARGS__) + 1, \
                      sizeof(MOUV_GATHER_LIST(__VA_ARGS__)) / sizeof(mouv_future_t) - 1)
#endif

#endif
