/*
 * A task between its steps: suspended, woken, refused, interrupted.
 *
 * The running task suspends by switching to the loop's stack, once it has left word of what it waits
 * for: a listener at a future, its timer, or (it only yields) its place in the ready queue. What it
 * waits for wakes it by queueing `ready`, whose run is the next step (coroutine.c). So a task is
 * never continued from within something else, but from the loop alone.
 *
 * Cancelling sets a mark and makes what the task waits for stop; the task goes on with that
 * outcome. From then on it is refused every suspension, as it is by a scope around it that has
 * expired, up to the nearest shield. All on the loop thread.
 */
#include "async/task/task.h"

#include "async/loop/error.h"
#include "async/loop/log.h"
#include "async/loop/state.h"

/* A cold one that is run as a call, or never, ends at once. */
const bool mouv__task_may_become[7][7] = {
    [MOUV__TASK_NEW] = {[MOUV__TASK_RUNNING] = true, [MOUV__TASK_ENDED] = true},
    [MOUV__TASK_READY] = {[MOUV__TASK_RUNNING] = true},
    [MOUV__TASK_RUNNING] = {[MOUV__TASK_READY] = true,
                            [MOUV__TASK_AWAITING] = true,
                            [MOUV__TASK_SLEEPING] = true,
                            [MOUV__TASK_ENDED] = true,
                            [MOUV__TASK_LEFT] = true},
    [MOUV__TASK_LEFT] = {[MOUV__TASK_ENDED] = true},
    [MOUV__TASK_AWAITING] = {[MOUV__TASK_READY] = true},
    [MOUV__TASK_SLEEPING] = {[MOUV__TASK_READY] = true},
};

/* ---- suspending and waking ---- */

void mouv__task_suspend(mouv__task_t *task) {
    mouv__context_switch(&task->context, &task->future.runtime->context);
    task->place_file = NULL;
}

void mouv__task_wake(mouv__task_t *task) {
    mouv__task_become(task, MOUV__TASK_READY);
    mouv__runtime_ready(task->future.runtime, &task->ready);
}

/* ---- being left ---- */

/* The frames of the tick, of uv_run() and of mouv_run_until() are gone as the body's are. */
static void task_leave_loop(mouv_runtime_t *runtime) {
    mouv__future_t *goal = runtime->goal;
    runtime->current = NULL;
    runtime->last_error = NULL;
    runtime->locals = NULL;
    runtime->in_tick = false;
    runtime->deserted = true;
    runtime->goal = NULL;
    if (goal != NULL) mouv__future_discard(goal);
}

void mouv__task_leave(mouv__task_t *task) {
    mouv_runtime_t *runtime = task->future.runtime;
    char what[160];
    mouv__future_describe(&task->future, what, sizeof what);
    mouv__log(MOUV_LOG_ERROR,
              "%s was left by a jump (a failed assertion, longjmp): it is ended, and what it had "
              "not released stays so",
              what);
    mouv__context_jumped(&task->context, &runtime->context, runtime->thread_stack);
    mouv__task_become(task, MOUV__TASK_LEFT);
    task->future.retrieved = true; /* it has been told */
    mouv__runtime_ready(runtime, &task->ready);
    task_leave_loop(runtime);
    mouv__runtime_turn(runtime);
}

/* ---- being refused ---- */

bool mouv__task_refused(const mouv__task_t *task) {
    for (const mouv_scope_t *scope = task->scopes; scope != NULL; scope = scope->parent) {
        if (scope->flags & MOUV__SCOPE_EXPIRED) return true;
        if (scope->flags & MOUV__SCOPE_SHIELD) return false;
    }
    return task->cancelled;
}

/* A cancel, or a group's failure, is told rather than a time that is over as well. */
bool mouv__task_timed_out(const mouv__task_t *task) {
    bool timed_out = false;
    for (const mouv_scope_t *scope = task->scopes; scope != NULL; scope = scope->parent) {
        bool expired = (scope->flags & MOUV__SCOPE_EXPIRED) != 0;
        if (expired && (scope->flags & MOUV__SCOPE_GROUP)) return false;
        if (expired) timed_out = true;
        if (scope->flags & MOUV__SCOPE_SHIELD) return timed_out;
    }
    return timed_out && !task->cancelled;
}

int64_t mouv__task_deadline(const mouv__task_t *task) {
    int64_t earliest = MOUV__NEVER;
    for (const mouv_scope_t *scope = task->scopes; scope != NULL; scope = scope->parent) {
        if (scope->deadline_ns < earliest) earliest = scope->deadline_ns;
        if (scope->flags & MOUV__SCOPE_SHIELD) return earliest;
    }
    return task->limit_ns < earliest ? task->limit_ns : earliest;
}

void mouv__task_interrupt(mouv__task_t *task) {
    if (!mouv__task_refused(task)) return;
    if (task->state == MOUV__TASK_AWAITING) {
        mouv__future_cancel(task->awaiting);
    } else if (task->state == MOUV__TASK_SLEEPING) {
        mouv__timer_stop(task->future.runtime, &task->timer);
        mouv__task_wake(task);
    }
}

static void task_run_expiry(mouv__ready_t *ready) {
    mouv__task_t *task = mouv__container_of(ready, mouv__task_t, expiry);
    for (mouv_scope_t *scope = task->scopes; scope != NULL; scope = scope->parent)
        if (scope->flags & MOUV__SCOPE_DUE) scope->flags |= MOUV__SCOPE_EXPIRED;
    mouv__task_interrupt(task);
    mouv__future_let_go(&task->future);
}

void mouv__task_expire_soon(mouv__task_t *task) {
    if (mouv__ready_is_queued(&task->expiry)) return;
    mouv__future_hold(&task->future);
    task->expiry.run = task_run_expiry;
    mouv__runtime_ready(task->future.runtime, &task->expiry);
}

/* ---- what it comes to ---- */

int mouv__task_outcome(mouv__task_t *task, int rc, const char *fn_name, mouv_error_t *error) {
    if (rc >= 0) return rc;
    if (rc == MOUV_ECANCELED && task->last.means != 0) rc = task->last.means;
    if (task->last.error != NULL && task->last.error->code == rc)
        *error = *task->last.error;
    else
        mouv__error_of_result(error, rc, "coroutine", fn_name);
    return rc;
}
