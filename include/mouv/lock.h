/*
 * A lock between tasks of one loop.
 */
#ifndef MOUV_LOCK_H
#define MOUV_LOCK_H

#include <stdbool.h>

#include <mouv/base.h>
#include <mouv/future.h>

/**
 * In the caller's storage; zero-initialised it is ready to use. Opaque. It must stay where it is
 * until nobody waits for it or mouv_lock_clear() has been called.
 *
 * Whoever takes the lock holds it: a task, or the plain code of the loop outside of any. Those who
 * wait get it first come first served: it is handed over, and cannot be snatched in between. It is
 * not reentrant, and not for other threads (MOUV_ETHREAD where that is seen).
 *
 * Like: asyncio.Lock, with an owner.
 */
typedef struct mouv_lock {
    struct mouv__waiter *waiting, *granted;
    uint64_t owner;
    bool locked;
} mouv_lock_t;

/** A lock held until the end of a C scope, see MOUV_LOCKED(). */
typedef struct mouv_locked {
    mouv_lock_t *lock; /**< NULL: not held */
    int code;          /**< 0, or why the lock was not acquired */
} mouv_locked_t;

/*
 * MOUV_LOCKED(name, &lock) acquires the lock and releases it at the end of the enclosing block,
 * also on early return. It suspends as mouv_lock_acquire() does and may fail likewise:
 *
 *     MOUV_LOCKED(held, &lock);
 *     if (held.code < 0) return held.code;
 *
 * Like: `async with lock:`.
 */
#ifdef MOUV_CLEANUP
/** Holds the lock until the end of the enclosing block; see above. */
#define MOUV_LOCKED(name, lock) \
    MOUV_CLEANUP(mouv_locked_end) mouv_locked_t name; \
    mouv_locked_begin(&name, (lock))
#endif

MOUV_BEGIN_DECLS

/** Makes it an unlocked lock: the same as zeroing it. Not while it is in use. */
MOUV_API void mouv_lock_init(mouv_lock_t *lock);

/**
 * Ends the use of a lock: those who wait for it fail with MOUV_ECLOSED, and it is as after
 * mouv_lock_init(). NULL does nothing.
 *
 * Context: the loop thread; never suspends.
 */
MOUV_API void mouv_lock_clear(mouv_lock_t *lock);

/**
 * Waits until the lock is the caller's. Suspends, and allocates, only if it is not free.
 *
 * Context: a coroutine.
 * Cancel:  the caller leaves the line; a lock that was handed over first is acquired (0), and the
 *          cancel stays pending.
 * Errors:  MOUV_ECANCELED; MOUV_EDEADLK if the calling task holds it; MOUV_ECLOSED if it is
 *          cleared meanwhile; MOUV_ENOTCORO, MOUV_EINVAL for NULL, MOUV_ENOMEM, MOUV_ETHREAD.
 * Like:    asyncio.Lock.acquire().
 */
MOUV_API MOUV_SUSPENDS int mouv_lock_acquire(mouv_lock_t *lock);

/**
 * The twin of mouv_lock_acquire(). The lock is reserved for this future when it completes, and held
 * by whoever takes its success: the task that awaits it, or the loop's own code by mouv_then(). A
 * future that is dropped (or stands in a gather that fails) passes the lock on.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_lock_acquire_future(mouv_lock_t *lock);

/**
 * Gives the lock to the first who waits for it, else frees it.
 *
 * Context: the holder; never suspends.
 * Errors:  MOUV_ESTATE if the caller does not hold it, MOUV_EINVAL for NULL, MOUV_ETHREAD.
 */
MOUV_API int mouv_lock_release(mouv_lock_t *lock);

/** Whether acquiring would have to wait: it is held, or on its way to one who waited. */
MOUV_API bool mouv_lock_locked(const mouv_lock_t *lock);

/** Acquires `lock`; sets `*held`, also on failure; returns held->code. What MOUV_LOCKED calls. */
MOUV_API MOUV_SUSPENDS int mouv_locked_begin(mouv_locked_t *held, mouv_lock_t *lock);

/** Releases what mouv_locked_begin() acquired, once; nothing if it failed. */
MOUV_API void mouv_locked_end(mouv_locked_t *held);

MOUV_END_DECLS

#endif
