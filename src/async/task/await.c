/*
 * Suspending the running task until a future is done, or until a time. An await consumes its future
 * whatever comes of it. One that could only be waited for by itself is refused
 * (docs/decisions/0009). Dropping a future is here as well, for it waits for what still runs in it.
 */
#include <mouv/await.h>

#include "async/loop/fork.h"
#include "async/loop/timer.h"
#include "async/task/coroutine.h"
#include "async/task/current.h"
#include "async/task/scope.h"

/* ---- may it wait? ---- */

static bool await_leads_to(mouv__future_t *future, void *goal) {
    while (future != goal) {
        const mouv__task_t *task = mouv__coroutine_of(future);
        if (task == NULL)
            return future->ops->visit != NULL && future->ops->visit(future, await_leads_to, goal);
        if (task->awaiting == NULL) return false;
        future = task->awaiting;
    }
    return true;
}

/* A cycle can only close at a task that something waits for. */
static bool await_closes_cycle(const mouv__task_t *task, mouv__future_t *future) {
    return !mouv__list_is_empty(&task->future.listeners) &&
           await_leads_to(future, (void *)&task->future);
}

__attribute__((noinline)) static int await_refuse(mouv_future_t handle, mouv__task_t *task,
                                                  mouv_error_t *error) {
    mouv_error_t local;
    int code = 0;
    if (error == NULL) error = &local;
    if (task != NULL) return mouv__raise(error, MOUV_EDEADLK, "task cannot await on itself");

    mouv__future_t *future = mouv__future_consume(handle, &code, error);
    if (future != NULL) mouv__future_discard(future);
    if (mouv__fork_orphaned())
        return mouv_error_set(error, MOUV_ETHREAD, "await in a child of fork()");
    return mouv_error_set(error, MOUV_ENOTCORO, "await outside of a coroutine%s",
                          mouv__runtime() == NULL ? " (no running event loop)" : "");
}

__attribute__((noinline)) static mouv__future_t *await_consume(mouv_future_t handle, int *code,
                                                               mouv_error_t *error) {
    mouv_error_t local;
    if (error == NULL) error = &local;
    mouv__future_t *future = mouv__future_consume(handle, code, error);
    if (future == NULL) mouv__raise_error(error);
    return future;
}

/* ---- waiting ---- */

static void await_on_done(mouv__future_listener_t *listener, mouv__future_t *future) {
    (void)future;
    mouv__task_wake(mouv__container_of(listener, mouv__task_t, listener));
}

static void await_wait_until_done(mouv__task_t *task, mouv__future_t *future) {
    mouv__task_become(task, MOUV__TASK_AWAITING);
    task->awaiting = future;
    task->listener.done = await_on_done;
    mouv__future_listen(future, &task->listener);
    mouv__future_shorten(future, mouv__task_deadline(task));
    if (mouv__task_refused(task)) mouv__future_cancel(future);
    mouv__task_suspend(task);
    task->awaiting = NULL;
}

__attribute__((noinline)) static int await_fail(mouv__future_t *future, mouv_error_t *error) {
    mouv_error_t local;
    if (error == NULL) error = &local;
    int code = mouv__future_take(future, error);
    mouv__future_let_go(future);
    if (code == MOUV_ECANCELED && error->cause == 0 && mouv__current_timed_out())
        error->cause = MOUV_ETIMEDOUT; /* which its scope makes of it at its end */
    mouv__raise_error(error);
    return code;
}

/* Moves the results and lets the future go. */
static int await_settle(mouv__future_t *future, mouv_error_t *error) {
    int code = future->code;
    mouv__future_deliver(future, code >= 0);
    if (code < 0) return await_fail(future, error);
    mouv__future_let_go(future);
    return code;
}

static int await_consumed(mouv__task_t *task, mouv__future_t *future, mouv_error_t *error) {
    if (future->state == MOUV__COLD) {
        int rc = mouv__coroutine_run_inline(task, future, error);
        mouv__future_let_go(future);
        return rc;
    }
    if (future->state == MOUV__PENDING) {
        if (await_closes_cycle(task, future)) {
            mouv__future_let_go(future);
            return mouv__raise(error, MOUV_EDEADLK, "this await would wait for its own task");
        }
        await_wait_until_done(task, future);
    }
    return await_settle(future, error);
}

int mouv_await(mouv_future_t handle, mouv_error_t *error) {
    mouv__task_t *task = mouv__current_task();
    if (task == NULL) return await_refuse(handle, NULL, error);
    if (handle.id == task->future.id) return await_refuse(handle, task, error);
    int code = 0;
    mouv__future_t *future = await_consume(handle, &code, error);
    if (future == NULL) return code;
    return await_consumed(task, future, error);
}

int mouv_await_for(mouv_future_t handle, int64_t timeout_ms, mouv_error_t *error) {
    mouv__task_t *task = mouv__current_task();
    if (task == NULL) return await_refuse(handle, NULL, error);
    if (handle.id == task->future.id) return await_refuse(handle, task, error);
    int code = 0;
    mouv__future_t *future = await_consume(handle, &code, error);
    if (future == NULL) return code;

    mouv_scope_t scope;
    int rc = mouv_timeout_begin(&scope, timeout_ms);
    if (rc != 0 || (timeout_ms <= 0 && future->state == MOUV__COLD)) mouv__future_cancel(future);
    int result = await_consumed(task, future, error);
    if (rc != 0) return mouv__raise(error, rc, "no memory for a timeout");
    return mouv_timeout_end(&scope, result, error);
}

/* ---- sleeping ---- */

static void await_on_time(mouv__timer_t *timer) {
    mouv__task_wake(mouv__container_of(timer, mouv__task_t, timer));
}

static int await_yield_once(mouv__task_t *task) {
    mouv__task_wake(task);
    mouv__task_suspend(task);
    return mouv__task_refused(task) ? mouv__raise(NULL, MOUV_ECANCELED, "cancelled") : 0;
}

int mouv_sleep_ms(int64_t timeout_ms) {
    mouv__task_t *task = mouv__current_task();
    if (task == NULL) return MOUV_ENOTCORO;
    if (timeout_ms <= 0 || mouv__task_refused(task)) return await_yield_once(task);

    mouv_runtime_t *runtime = task->future.runtime;
    int64_t at = mouv__clock_deadline_in(runtime, timeout_ms);
    if (mouv__timer_start(runtime, &task->timer, at, await_on_time) != 0)
        return mouv__raise(NULL, MOUV_ENOMEM, "no memory for a timer");
    mouv__task_become(task, MOUV__TASK_SLEEPING);
    mouv__task_suspend(task);
    /* woken before its time, it was interrupted */
    if (mouv__clock_now_ns(runtime) < at) return mouv__raise(NULL, MOUV_ECANCELED, "cancelled");
    return 0;
}

/* ---- dropping ---- */

/* Whether code of the program's still runs in it, or in what it waits for: that may have its
 * argument beside the handle which is being dropped. */
static bool await_runs_a_body(mouv__future_t *future, void *nothing) {
    const mouv__task_t *task = mouv__coroutine_of(future);
    if (mouv__future_is_done(future)) return false;
    if (task != NULL) return task->stack != NULL;
    return future->ops->runs_body ||
           (future->ops->visit != NULL && future->ops->visit(future, await_runs_a_body, nothing));
}

static bool await_may_join(const mouv__task_t *task, mouv__future_t *future) {
    return task != NULL && future != &task->future && await_runs_a_body(future, NULL) &&
           !await_closes_cycle(task, future);
}

void mouv_future_drop(mouv_future_t *handle) {
    if (handle == NULL) return;
    mouv__future_t *future = mouv__future_peek(*handle);
    mouv__task_t *task = mouv__current_task();
    handle->id = 0;
    if (future == NULL || future->owned == 0) return;
    mouv__future_hold(future);
    if (future->state == MOUV__PENDING) mouv__future_cancel(future);
    future->owned--;
    if (await_may_join(task, future)) await_wait_until_done(task, future);
    mouv__future_let_go(future);
}
