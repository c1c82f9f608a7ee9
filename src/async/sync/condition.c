/*
 * A condition. One who waits stands first among its waiters, then (notified, cancelled or expelled,
 * which is the code it will complete with) in the line for the lock, and is done when it has that.
 * As it is one future from the beginning to the end, no refused suspension can come in between.
 */
#include <mouv/condition.h>

#include <mouv/await.h>
#include <mouv/task.h>

#include "async/loop/state.h"
#include "async/sync/lock.h"

typedef struct sleeper {
    mouv__waiter_t waiter;       /* first; its object is the lock */
    mouv_condition_t *condition; /* NULL once that was cleared */
    bool notified;
    mouv_predicate_t predicate; /* of wait_for, else NULL */
    void *arg;
    mouv__ready_t check;
} sleeper_t;

static mouv_lock_t *condition_lock_of(mouv_condition_t *condition) {
    return condition->lock != NULL ? condition->lock : &condition->own;
}

/* ---- waking ---- */

static void condition_wake(sleeper_t *sleeper, int code) {
    mouv_lock_t *lock = sleeper->waiter.object;
    sleeper->waiter.code = code;
    mouv__waiter_leave(&sleeper->waiter);
    mouv__lock_queue(lock, &sleeper->waiter);
}

static void condition_notify(mouv_condition_t *condition, size_t n) {
    for (; n > 0 && condition->waiting != NULL; n--) {
        sleeper_t *sleeper = (sleeper_t *)condition->waiting;
        sleeper->notified = true;
        condition_wake(sleeper, 0);
    }
}

/* Its notification must not be lost with it. */
static void condition_renounce(sleeper_t *sleeper) {
    if (!sleeper->notified) return;
    sleeper->notified = false;
    if (sleeper->condition != NULL) condition_notify(sleeper->condition, 1);
}

/* ---- as a future ---- */

static bool condition_stands_in(const sleeper_t *sleeper, mouv__waiter_t **list) {
    return sleeper->waiter.list == list;
}

static void condition_cancel(mouv__future_t *future) {
    sleeper_t *sleeper = (sleeper_t *)future;
    mouv_lock_t *lock = sleeper->waiter.object;
    condition_renounce(sleeper);
    if (future->runtime->phase >= MOUV__DETACHING)
        mouv__waiter_cancel(future); /* every task has ended: no one is left to give the lock */
    else if (condition_stands_in(sleeper, &lock->waiting))
        sleeper->waiter.code = MOUV_ECANCELED;
    else if (!condition_stands_in(
                 sleeper, &lock->granted)) /* where condition_check_predicate() will see it */
        condition_wake(sleeper, MOUV_ECANCELED);
}

static void condition_take(mouv__waiter_t *waiter) {
    ((sleeper_t *)waiter)->notified = false;
    mouv__lock_take(waiter);
}

static void condition_release(mouv__future_t *future) {
    sleeper_t *sleeper = (sleeper_t *)future;
    if (sleeper->waiter.object != NULL) condition_renounce(sleeper);
    mouv__waiter_release(future);
}

/* ---- wait_for without a task: the program's predicate is called in a tick of its own ---- */

static void condition_sleep_again(sleeper_t *sleeper) {
    mouv_lock_t *lock = sleeper->waiter.object;
    sleeper->notified = sleeper->waiter.granted = false;
    mouv__waiter_join(&sleeper->waiter, &sleeper->condition->waiting);
    mouv__lock_free(lock);
}

static void condition_check_predicate(mouv__ready_t *ready) {
    sleeper_t *sleeper = mouv__container_of(ready, sleeper_t, check);
    mouv__future_t *future = &sleeper->waiter.future;
    bool come = !mouv__future_is_done(future) && sleeper->predicate(sleeper->arg);
    if (mouv__future_is_done(future))
        ; /* the lock has been cleared */
    else if (future->asked)
        mouv__future_complete(future, MOUV_ECANCELED, NULL);
    else if (come || sleeper->condition == NULL)
        mouv__future_complete(future, come ? 0 : MOUV_ECLOSED, NULL);
    else
        condition_sleep_again(sleeper);
    mouv__future_let_go(future);
}

static void condition_granted(mouv__waiter_t *waiter) {
    sleeper_t *sleeper = (sleeper_t *)waiter;
    if (sleeper->predicate == NULL || waiter->code != 0) {
        mouv__future_complete(&waiter->future, waiter->code, NULL);
        return;
    }
    sleeper->check.run = condition_check_predicate;
    mouv__future_hold(&waiter->future);
    mouv__runtime_ready(waiter->future.runtime, &sleeper->check);
}

static const mouv__waiter_ops_t wait_ops = {
    .future = {.kind = "condition",
               .cancel = condition_cancel,
               .deliver = mouv__waiter_deliver,
               .release = condition_release},
    .granted = condition_granted,
    .take = condition_take,
    .pass_on = mouv__lock_pass_on,
};

/* ---- waiting ---- */

/* Whether the caller may wait for or notify it: 0, or why not. */
static int condition_check(mouv_condition_t *condition, const char *what, mouv_error_t *error) {
    if (condition == NULL) return mouv__raise(error, MOUV_EINVAL, "condition: NULL");
    if (mouv__waiters_foreign(condition->waiting))
        return mouv__raise(error, MOUV_ETHREAD, "condition: used on another thread");
    if (!mouv__lock_held(condition_lock_of(condition)))
        return mouv__raise(error, MOUV_ESTATE, "cannot %s on un-acquired lock", what);
    return 0;
}

static sleeper_t *condition_new_sleeper(mouv_condition_t *condition, mouv_future_t *handle) {
    mouv_lock_t *lock = condition_lock_of(condition);
    mouv__waiter_t *waiter = mouv__waiter_new(&wait_ops, sizeof(sleeper_t), lock, handle);
    if (waiter != NULL) ((sleeper_t *)waiter)->condition = condition;
    return (sleeper_t *)waiter;
}

mouv_future_t mouv_condition_wait_future(mouv_condition_t *condition) {
    mouv_error_t error;
    mouv_future_t handle;
    if (condition_check(condition, "wait", &error) != 0)
        return mouv__future_failed_with(mouv__runtime(), &error);
    sleeper_t *sleeper = condition_new_sleeper(condition, &handle);
    if (sleeper == NULL) return handle;
    mouv__waiter_join(&sleeper->waiter, &condition->waiting);
    mouv__lock_free(sleeper->waiter.object);
    return handle;
}

mouv_future_t mouv_condition_wait_for_future(mouv_condition_t *condition,
                                             mouv_predicate_t predicate, void *arg) {
    mouv_error_t error;
    mouv_future_t handle;
    if (predicate == NULL) return mouv__future_failed(MOUV_EINVAL);
    if (condition_check(condition, "wait", &error) != 0)
        return mouv__future_failed_with(mouv__runtime(), &error);
    sleeper_t *sleeper = condition_new_sleeper(condition, &handle);
    if (sleeper == NULL) return handle;
    sleeper->predicate = predicate;
    sleeper->arg = arg;
    mouv__lock_lend(condition_lock_of(condition), &sleeper->waiter);
    return handle;
}

int mouv_condition_wait(mouv_condition_t *condition) {
    if (!mouv_in_coroutine()) return MOUV_ENOTCORO;
    return mouv_await(mouv_condition_wait_future(condition), NULL);
}

int mouv_condition_wait_for(mouv_condition_t *condition, mouv_predicate_t predicate, void *arg) {
    if (!mouv_in_coroutine()) return MOUV_ENOTCORO;
    if (predicate == NULL) return mouv__raise(NULL, MOUV_EINVAL, "condition: no predicate");
    int rc = condition_check(condition, "wait", NULL);
    while (rc == 0 && !predicate(arg)) rc = mouv_condition_wait(condition);
    return rc;
}

/* ---- the rest of the public calls ---- */

void mouv_condition_init(mouv_condition_t *condition, mouv_lock_t *lock) {
    if (condition != NULL) *condition = (mouv_condition_t){.lock = lock};
}

/* Those who have left for the lock must not come back. */
static void condition_forget(const mouv_condition_t *condition, mouv__waiter_t *list) {
    for (mouv__waiter_t *waiter = list; waiter != NULL; waiter = mouv__waiter_after(waiter)) {
        sleeper_t *sleeper = (sleeper_t *)waiter;
        bool is_one = waiter->future.ops == &wait_ops.future;
        if (is_one && sleeper->condition == condition) sleeper->condition = NULL;
    }
}

static void condition_expel(mouv_condition_t *condition) {
    while (condition->waiting != NULL) {
        sleeper_t *sleeper = (sleeper_t *)condition->waiting;
        sleeper->condition = NULL;
        condition_wake(sleeper, MOUV_ECLOSED);
    }
    condition_forget(condition, condition->lock->waiting);
    condition_forget(condition, condition->lock->granted);
}

void mouv_condition_clear(mouv_condition_t *condition) {
    if (condition == NULL) return;
    if (condition->lock != NULL) {
        condition_expel(condition);
    } else {
        mouv__waiters_close(&condition->waiting);
        mouv_lock_clear(&condition->own);
    }
    mouv_condition_init(condition, NULL);
}

mouv_lock_t *mouv_condition_lock(mouv_condition_t *condition) {
    return condition != NULL ? condition_lock_of(condition) : NULL;
}

int mouv_condition_notify(mouv_condition_t *condition, size_t n) {
    int rc = condition_check(condition, "notify", NULL);
    if (rc == 0) condition_notify(condition, n);
    return rc;
}

int mouv_condition_notify_all(mouv_condition_t *condition) {
    return mouv_condition_notify(condition, SIZE_MAX);
}
