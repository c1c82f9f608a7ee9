/*
 * A semaphore: at most so many at once.
 */
#ifndef MOUV_SEMAPHORE_H
#define MOUV_SEMAPHORE_H

#include <stdbool.h>

#include <mouv/base.h>
#include <mouv/future.h>

/**
 * In the caller's storage. Zero-initialised it is ready to use with the value 0, so that everyone
 * waits for a release; mouv_semaphore_init() and MOUV_SEMAPHORE_INIT() give it another. Opaque. It
 * must stay where it is until nobody waits for it or mouv_semaphore_clear() has been called.
 *
 * First come, first served: a release is handed to the first who waits. Not for other threads.
 *
 * Like: asyncio.Semaphore and asyncio.BoundedSemaphore (whose value is 1 by default).
 */
typedef struct mouv_semaphore {
    struct mouv__waiter *waiting, *granted;
    int value, bound;
    bool bounded;
} mouv_semaphore_t;

/** `static mouv_semaphore_t limit = MOUV_SEMAPHORE_INIT(10);` */
#define MOUV_SEMAPHORE_INIT(value) \
    { NULL, NULL, (value), 0, false }

/** The same, of one that is never greater than it begins: see mouv_semaphore_init_bounded(). */
#define MOUV_BOUNDED_SEMAPHORE_INIT(value) \
    { NULL, NULL, (value), (value), true }

MOUV_BEGIN_DECLS

/** Makes it a semaphore of this value. MOUV_EINVAL for NULL and, making it 0, for less than 0. */
MOUV_API int mouv_semaphore_init(mouv_semaphore_t *semaphore, int value);

/** As mouv_semaphore_init(); releasing above this value is then an error. */
MOUV_API int mouv_semaphore_init_bounded(mouv_semaphore_t *semaphore, int value);

/**
 * Ends the use of a semaphore: those who wait fail with MOUV_ECLOSED, and it is as zeroed. NULL
 * does nothing.
 *
 * Context: the loop thread; never suspends.
 */
MOUV_API void mouv_semaphore_clear(mouv_semaphore_t *semaphore);

/**
 * Takes one off the value, waiting until there is one. Suspends, and allocates, only at 0.
 *
 * Context: a coroutine.
 * Cancel:  the caller leaves the line; one that was handed over first is acquired (0), and the
 *          cancel stays pending.
 * Errors:  MOUV_ECANCELED, MOUV_ECLOSED, MOUV_ENOTCORO, MOUV_EINVAL for NULL, MOUV_ENOMEM,
 *          MOUV_ETHREAD.
 */
MOUV_API MOUV_SUSPENDS int mouv_semaphore_acquire(mouv_semaphore_t *semaphore);

/**
 * The twin of mouv_semaphore_acquire(). What is granted to this future goes to whoever takes its
 * success; a future that is dropped (or stands in a gather that fails) gives it back.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_semaphore_acquire_future(mouv_semaphore_t *semaphore);

/**
 * Hands one to the first who waits, else adds it to the value.
 *
 * Context: the loop thread, in or outside a coroutine, not only one who acquired; never suspends.
 * Errors:  MOUV_ESTATE "released too many times" (bounded, or above INT_MAX), MOUV_EINVAL for NULL,
 *          MOUV_ETHREAD.
 */
MOUV_API int mouv_semaphore_release(mouv_semaphore_t *semaphore);

/** Whether acquiring would have to wait. */
MOUV_API bool mouv_semaphore_locked(const mouv_semaphore_t *semaphore);

MOUV_END_DECLS

#endif
