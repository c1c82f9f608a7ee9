/*
 * Waiting for several futures without taking them: until all, or the first, is done, and one after
 * another as they complete. Everything here borrows.
 */
#ifndef MOUV_WAIT_H
#define MOUV_WAIT_H

#include <mouv/await.h>
#include <mouv/base.h>
#include <mouv/error.h>
#include <mouv/future.h>

/** When mouv_wait() returns. */
typedef enum mouv_wait_mode {
    MOUV_ALL_COMPLETED,   /**< when all are done */
    MOUV_FIRST_COMPLETED, /**< when one is done, in whichever way */
    MOUV_FIRST_EXCEPTION  /**< when one has failed (not: was cancelled), or all are done */
} mouv_wait_mode_t;

/** Futures in the order in which they complete. Opaque. */
typedef struct mouv_as_completed_iterator mouv_as_completed_t;

MOUV_BEGIN_DECLS

/**
 * Suspends until `mode` is fulfilled or `timeout_ms` (MOUV_FOREVER: no limit) have passed, and
 * returns how many of `futures` are done; mouv_future_done() tells which, awaiting those gives
 * their results. Never cancels one, and a timeout is no failure. Other tasks always run before it
 * returns; with a timeout of 0 or less all that are ready run once.
 *
 *     while ((done = mouv_wait(jobs, 3, MOUV_FIRST_COMPLETED, 1000, &error)) == 0) puts("...");
 *
 * Context:   a coroutine.
 * Ownership: borrows: each handle still has to be awaited or dropped by the caller, who must not
 *            let another task consume it meanwhile. One that stands twice counts twice.
 * Cancel:    MOUV_ECANCELED at once; the futures are not touched and do not learn the deadline.
 * Errors:    MOUV_EINVAL for an empty set, a coroutine that is not a task yet, a stale, consumed or
 *            foreign handle (with its index), an unknown mode; MOUV_EDEADLK where it could never
 *            end; MOUV_ECANCELED, MOUV_ENOTCORO, MOUV_ENOMEM.
 * Like:      asyncio.wait(); but a failure that it saw and nobody retrieves is reported.
 */
MOUV_API MOUV_SUSPENDS int mouv_wait(const mouv_future_t *futures, size_t count,
                                     mouv_wait_mode_t mode, int64_t timeout_ms,
                                     mouv_error_t *error);

/** The twin of mouv_wait(): a future whose result is the number done when it completed. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_wait_future(const mouv_future_t *futures,
                                                          size_t count, mouv_wait_mode_t mode,
                                                          int64_t timeout_ms);

/**
 * Iterates over futures as they complete: first those that are done, in order, then the others.
 * The time limit counts from this call and is for the whole iteration. Cold coroutines become
 * tasks. Of nothing, the iteration ends at once.
 *
 *     MOUV_AUTO_AS_COMPLETED mouv_as_completed_t *it = mouv_as_completed(jobs, 3, 5000);
 *     mouv_future_t job;
 *     while ((rc = mouv_as_completed_next(it, &job, &error)) > 0) use(mouv_await(job, NULL));
 *
 * Context:   the runtime's thread; never suspends.
 * Ownership: the iterator is the caller's, release with mouv_as_completed_unref(). It borrows the
 *            futures, which are given back by mouv_as_completed_next() as the handles they are; one
 *            that stands twice is given twice. The array is the caller's.
 * Returns:   an iterator; what is wrong (as in mouv_wait(), or MOUV_ENOLOOP) shows at
 *            mouv_as_completed_next(). NULL only if memory is out.
 * Like:      asyncio.as_completed(), as an async iterator (Python 3.13).
 */
MOUV_API mouv_as_completed_t *mouv_as_completed(const mouv_future_t *futures, size_t count,
                                                int64_t timeout_ms);

/**
 * The next one that is done: 1 with `*future` set, 0 when all have been given, or a negative error.
 * Suspends only if none is at hand. Several tasks may take from one iterator, first come first
 * served.
 *
 * Context:   a coroutine.
 * Ownership: `*future` is the caller's own handle, to be awaited or dropped as ever.
 * Cancel:    MOUV_ECANCELED; nothing is lost to the next call and the futures are not touched.
 * Errors:    MOUV_ETIMEDOUT when the time is up and those that were done by then have been given:
 *            the others run on; MOUV_EINVAL (also for `it` NULL), MOUV_ECANCELED, MOUV_ENOTCORO,
 *            MOUV_ECLOSED when the runtime has closed, MOUV_ENOMEM.
 */
MOUV_API MOUV_SUSPENDS int mouv_as_completed_next(mouv_as_completed_t *it, mouv_future_t *future,
                                                  mouv_error_t *error);

/** The twin of mouv_as_completed_next(): awaiting it sets `*future`; result 1, 0 or an error. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_as_completed_next_future(mouv_as_completed_t *it,
                                                                       mouv_future_t *future);

/** Releases the iterator, never the futures; takes NULL, returns NULL. */
MOUV_API mouv_as_completed_t *mouv_as_completed_unref(mouv_as_completed_t *it);

/** What MOUV_AUTO_AS_COMPLETED calls. */
MOUV_API void mouv_as_completed_drop(mouv_as_completed_t **it);

MOUV_END_DECLS

#ifdef MOUV_CLEANUP
/** An iterator that is released at the end of its block, also on early return. */
#define MOUV_AUTO_AS_COMPLETED MOUV_CLEANUP(mouv_as_completed_drop)
#endif

#endif
