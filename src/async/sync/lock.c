/*
 * A lock: one flag, and who holds it. While it is on its way to a waiter, that waiter is the owner.
 */
#include "async/sync/lock.h"

#include <mouv/await.h>
#include <mouv/task.h>

#include "async/task/current.h"

/* Ids, not pointers: a task that ended with the lock held must not lend its name to another. */
static uint64_t lock_running(void) {
    const mouv__future_t *task = mouv__current_task_future();
    return task != NULL ? task->id : 0;
}

static void lock_own(mouv_lock_t *lock, uint64_t owner) {
    lock->locked = true;
    lock->owner = owner;
}

bool mouv__lock_held(const mouv_lock_t *lock) {
    return lock->locked && lock->owner == lock_running();
}

static void lock_advance(mouv_lock_t *lock) {
    while (!lock->locked && lock->waiting != NULL) {
        lock_own(lock, lock->waiting->future.id);
        mouv__waiter_grant(lock->waiting, &lock->granted);
    }
}

void mouv__lock_queue(mouv_lock_t *lock, mouv__waiter_t *waiter) {
    mouv__waiter_join(waiter, &lock->waiting);
    lock_advance(lock);
}

void mouv__lock_lend(mouv_lock_t *lock, mouv__waiter_t *waiter) {
    lock_own(lock, waiter->future.id);
    mouv__waiter_grant(waiter, &lock->granted);
}

void mouv__lock_free(mouv_lock_t *lock) {
    lock->locked = false;
    lock->owner = 0;
    lock_advance(lock);
}

void mouv__lock_take(mouv__waiter_t *waiter) {
    if (waiter->object != NULL) lock_own(waiter->object, lock_running());
}

void mouv__lock_pass_on(mouv__waiter_t *waiter) {
    if (waiter->object != NULL) mouv__lock_free(waiter->object);
}

static const mouv__waiter_ops_t acquire_ops = {
    .future = {.kind = "lock",
               .cancel = mouv__waiter_cancel,
               .deliver = mouv__waiter_deliver,
               .release = mouv__waiter_release},
    .take = mouv__lock_take,
    .pass_on = mouv__lock_pass_on,
};

/* ---- public ---- */

void mouv_lock_init(mouv_lock_t *lock) {
    if (lock != NULL) *lock = (mouv_lock_t){0};
}

void mouv_lock_clear(mouv_lock_t *lock) {
    if (lock == NULL) return;
    mouv__waiters_close(&lock->granted); /* first: it cannot be passed on any more */
    mouv__waiters_close(&lock->waiting);
    mouv_lock_init(lock);
}

mouv_future_t mouv_lock_acquire_future(mouv_lock_t *lock) {
    mouv_future_t handle;
    if (lock == NULL) return mouv__future_failed(MOUV_EINVAL);
    if (mouv__waiters_foreign(lock->waiting)) return mouv__future_failed(MOUV_ETHREAD);
    mouv__waiter_t *waiter = mouv__waiter_new(&acquire_ops, sizeof(mouv__waiter_t), lock, &handle);
    if (waiter != NULL) mouv__lock_queue(lock, waiter);
    return handle;
}

int mouv_lock_acquire(mouv_lock_t *lock) {
    if (lock == NULL) return mouv__raise(NULL, MOUV_EINVAL, "lock: NULL");
    if (!mouv_in_coroutine()) return MOUV_ENOTCORO;
    if (!lock->locked) {
        lock_own(lock, lock_running());
        return 0;
    }
    if (mouv__lock_held(lock))
        return mouv__raise(NULL, MOUV_EDEADLK, "lock: the task holds it already");
    return mouv_await(mouv_lock_acquire_future(lock), NULL);
}

int mouv_lock_release(mouv_lock_t *lock) {
    if (lock == NULL) return mouv__raise(NULL, MOUV_EINVAL, "lock: NULL");
    if (mouv__waiters_foreign(lock->waiting))
        return mouv__raise(NULL, MOUV_ETHREAD, "lock: released on another thread");
    if (!lock->locked) return mouv__raise(NULL, MOUV_ESTATE, "Lock is not acquired.");
    if (!mouv__lock_held(lock))
        return mouv__raise(NULL, MOUV_ESTATE, "lock: released by one who does not hold it");
    mouv__lock_free(lock);
    return 0;
}

bool mouv_lock_locked(const mouv_lock_t *lock) {
    return lock != NULL && lock->locked;
}

int mouv_locked_begin(mouv_locked_t *held, mouv_lock_t *lock) {
    if (held == NULL) return mouv__raise(NULL, MOUV_EINVAL, "MOUV_LOCKED: NULL");
    held->code = mouv_lock_acquire(lock);
    held->lock = held->code == 0 ? lock : NULL;
    return held->code;
}

void mouv_locked_end(mouv_locked_t *held) {
    if (held == NULL || held->lock == NULL) return;
    mouv_lock_release(held->lock);
    held->lock = NULL;
}
