/*
 * A condition: tasks that share state under a lock wait until another one has changed it.
 */
#ifndef MOUV_CONDITION_H
#define MOUV_CONDITION_H

#include <stdbool.h>

#include <mouv/base.h>
#include <mouv/future.h>
#include <mouv/lock.h>

/**
 * In the caller's storage; zero-initialised it is ready to use, with a lock of its own. Opaque. It
 * must stay where it is until nobody waits for it or mouv_condition_clear() has been called.
 *
 *     mouv_lock_t *lock = mouv_condition_lock(&changed);
 *     MOUV_LOCKED(held, lock);
 *     if (held.code < 0) return held.code;
 *     while (!ready) {
 *         int rc = mouv_condition_wait(&changed);
 *         if (rc < 0) return rc;              // the lock is held here, too
 *     }
 *
 * Like: asyncio.Condition.
 */
typedef struct mouv_condition {
    struct mouv__waiter *waiting;
    mouv_lock_t *lock; /* NULL: its own */
    mouv_lock_t own;
} mouv_condition_t;

/** What mouv_condition_wait_for() waits to become true; called with the lock held. */
typedef bool (*mouv_predicate_t)(void *arg);

MOUV_BEGIN_DECLS

/** Makes it a condition over `lock`, which must outlive it; NULL: over a lock of its own. */
MOUV_API void mouv_condition_init(mouv_condition_t *condition, mouv_lock_t *lock);

/**
 * Ends the use of a condition, before that of its lock: those who wait fail with MOUV_ECLOSED, once
 * they have the lock again (a lock of its own ends here, and is not held then). It is as zeroed
 * afterwards. NULL does nothing.
 *
 * Context: the loop thread; never suspends.
 */
MOUV_API void mouv_condition_clear(mouv_condition_t *condition);

/** The lock to hold while the shared state is looked at or changed; NULL for NULL. */
MOUV_API mouv_lock_t *mouv_condition_lock(mouv_condition_t *condition);

/**
 * Releases the lock, waits for a notification and acquires the lock again. There are no spurious
 * wake-ups, but the state may have changed until the lock was acquired: check it in a loop.
 *
 * Context: a coroutine that holds the lock.
 * Cancel:  it stops waiting for the notification (one that has come goes to the next who waits) but
 *          still acquires the lock, however long that takes, and returns MOUV_ECANCELED with the
 *          lock held. A deadline works likewise.
 * Errors:  MOUV_ESTATE "cannot wait on un-acquired lock", MOUV_ENOMEM (the lock was not released);
 *          MOUV_ECANCELED, MOUV_ECLOSED, MOUV_ENOTCORO, MOUV_EINVAL for NULL, MOUV_ETHREAD.
 */
MOUV_API MOUV_SUSPENDS int mouv_condition_wait(mouv_condition_t *condition);

/**
 * The twin of mouv_condition_wait(): this call releases the lock, the await that takes the outcome,
 * whichever it is, has the lock. Await it directly or with a time limit, not in a gather. One that
 * is dropped does not acquire the lock, and passes its notification on.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_condition_wait_future(mouv_condition_t *condition);

/**
 * mouv_condition_wait() until `predicate(arg)` is true, which is called with the lock held, by this
 * task; 0 at once if it is true already. Errors as there.
 */
MOUV_API MOUV_SUSPENDS int mouv_condition_wait_for(mouv_condition_t *condition,
                                                   mouv_predicate_t predicate, void *arg);

/**
 * The twin of mouv_condition_wait_for(), see mouv_condition_wait_future(). `predicate` is called
 * from the loop, outside of any task, and must not use the lock or the condition.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_condition_wait_for_future(mouv_condition_t *condition,
                                                                        mouv_predicate_t predicate,
                                                                        void *arg);

/**
 * Wakes the first `n` who wait, or all. They go on in this order when they have the lock.
 *
 * Context: a holder of the lock; never suspends.
 * Errors:  MOUV_ESTATE "cannot notify on un-acquired lock", MOUV_EINVAL for NULL, MOUV_ETHREAD.
 */
MOUV_API int mouv_condition_notify(mouv_condition_t *condition, size_t n);
MOUV_API int mouv_condition_notify_all(mouv_condition_t *condition);

MOUV_END_DECLS

#endif
