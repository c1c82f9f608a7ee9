/*
 * mouv_gather(): many futures awaited as one.
 */
#ifndef MOUV_GATHER_H
#define MOUV_GATHER_H

#include <mouv/base.h>
#include <mouv/future.h>

MOUV_BEGIN_DECLS

/**
 * One future for all of `futures`: done with 0 when every one has succeeded, or with the first
 * failure as soon as there is one, while the others run on. Cold coroutines become tasks, in order.
 * Awaiting it moves the results of all children to their outputs; after a failure only replies of
 * children that had settled are given and no other output is touched. Cancelling it cancels every
 * child; it then settles when all have settled. Of nothing, it is done at once with 0.
 *
 * Context:   the runtime's thread; never suspends.
 * Ownership: consumes every future, also on failure; the array is the caller's.
 * Like:      asyncio.gather().
 */
MOUV_API mouv_future_t mouv_gather_array(const mouv_future_t *futures, size_t count);

/**
 * As mouv_gather_array(), but waits for every child and never fails for one: `codes[i]` receives
 * the i-th result or negative code when this future is awaited, `errors[i]` the whole error. Either
 * array may be NULL; both have `count` places and must outlive the await. The result is the number
 * of children that failed.
 *
 * Like: asyncio.gather(return_exceptions=True).
 */
MOUV_API mouv_future_t mouv_gather_all(const mouv_future_t *futures, size_t count, int *codes,
                                       mouv_error_t *errors);

MOUV_END_DECLS

/** mouv_gather(a, b, ...): mouv_gather_array() of its arguments. */
#ifdef __cplusplus
template <typename... Futures> inline mouv_future_t mouv_gather(Futures... futures) {
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
