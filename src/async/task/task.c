/*
 * Coroutines and tasks: making them, their first step, their end, cancelling them.
 */
#include "async/task/task.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "async/loop/state.h"
#include "async/task/debug.h"
#include "async/task/scope.h"
#include "context/alloc.h"

mouv__task_t *mouv__current_task(void) {
    return mouv__thread_runtime != NULL ? mouv__thread_runtime->current : NULL;
}

static mouv__task_t *task_of_ready(mouv__ready_t *ready) {
    return (mouv__task_t *)((char *)ready - offsetof(mouv__task_t, ready));
}

/* ---- suspending and waking ---- */

void mouv__task_suspend(mouv__task_t *task) {
    mouv__context_switch(&task->context, &task->future.runtime->context);
    task->place_file = NULL;
}

void mouv_at(const char *file, int line) {
    mouv__task_t *task = mouv__current_task();
    if (task == NULL) return;
    task->place_file = file;
    task->place_line = line;
}

void mouv__task_wake(mouv__task_t *task) {
    mouv__runtime_ready(task->future.runtime, &task->ready);
}

bool mouv__task_refused(const mouv__task_t *task) {
    bool shielded;
    return mouv__scopes_expired(task->scopes, &shielded) || (task->cancelled && !shielded);
}

int64_t mouv__task_deadline(const mouv__task_t *task) {
    bool shielded;
    int64_t deadline = mouv__scopes_deadline(task->scopes, &shielded);
    return !shielded && task->limit_ns < deadline ? task->limit_ns : deadline;
}

void mouv__task_interrupt(mouv__task_t *task) {
    if (!mouv__task_refused(task)) return;
    if (task->awaiting != NULL) {
        mouv__future_cancel(task->awaiting);
    } else if (task->sleeping) {
        task->sleeping = false;
        mouv__timer_stop(task->future.runtime, &task->timer);
        mouv__task_wake(task);
    }
}

static void task_run_expiry(mouv__ready_t *ready) {
    mouv__task_t *task = (mouv__task_t *)((char *)ready - offsetof(mouv__task_t, expiry));
    mouv__scopes_expire_due(task);
    mouv__future_let_go(&task->future);
}

void mouv__task_expire_soon(mouv__task_t *task) {
    if (task->expiry.queued) return;
    mouv__future_hold(&task->future);
    task->expiry.run = task_run_expiry;
    mouv__runtime_ready(task->future.runtime, &task->expiry);
}

/* ---- the end ---- */

int mouv__task_outcome(mouv__task_t *task, int rc, const char *fn_name, mouv_error_t *error) {
    if (rc >= 0) return rc;
    if (rc == MOUV_ECANCELED && task->means != 0) rc = task->means;
    if (task->last_error != NULL && task->last_error->code == rc)
        *error = *task->last_error;
    else
        mouv__error_of_result(error, rc, "coroutine", fn_name);
    return rc;
}

static void task_unlist(mouv__task_t *task) {
    mouv_runtime_t *runtime = task->future.runtime;
    if (task->prev != NULL)
        task->prev->next = task->next;
    else
        runtime->tasks = task->next;
    if (task->next != NULL)
        task->next->prev = task->prev;
    else
        runtime->last_task = task->prev;
}

static void task_enlist(mouv__task_t *task) {
    mouv_runtime_t *runtime = task->future.runtime;
    task->number = ++runtime->tasks_made;
    task->prev = runtime->last_task;
    if (runtime->last_task != NULL)
        runtime->last_task->next = task;
    else
        runtime->tasks = task;
    runtime->last_task = task;
}

void mouv__task_forget_cold(mouv__future_t *future, bool warn) {
    mouv__task_t *coroutine = (mouv__task_t *)future;
    *coroutine->link_cold = coroutine->next_cold;
    if (coroutine->next_cold != NULL) coroutine->next_cold->link_cold = coroutine->link_cold;
    if (warn)
        mouv__log(MOUV_LOG_WARNING, "%s:%d: RuntimeWarning: coroutine '%s' was never awaited",
                  coroutine->file, coroutine->line, coroutine->fn_name);
}

/* Its maker has ended: nobody can be meant to await it any more. */
static void task_drop_cold(mouv__task_t *coroutine) {
    mouv__future_hold(&coroutine->future);
    coroutine->future.owned = 0;
    mouv__future_let_go(&coroutine->future);
}

static void task_complete(mouv__task_t *task, int code, const mouv_error_t *error) {
    task_unlist(task);
    while (task->cold != NULL) task_drop_cold(task->cold);
    mouv__locals_drop(task->locals);
    mouv__future_complete(&task->future, code, error);
}

static void task_fail(mouv__task_t *task, int rc) {
    mouv_error_t error;
    rc = mouv__task_outcome(task, rc, task->fn_name, &error);
    task_complete(task, rc, &error);
}

static void task_finish(mouv__task_t *task) {
    mouv__context_clear(&task->context);
    mouv__stack_pool_put(&task->future.runtime->stacks, task->stack);
    task->stack = NULL;
    if (task->result >= 0)
        task_complete(task, task->result, NULL);
    else
        task_fail(task, task->result);
}

/* ---- steps ---- */

static void task_entry(void *arg) {
    mouv__task_t *task = arg;
    task->result = task->fn(task->arg);
    mouv__scopes_unwind(task, NULL);
    task->ended = true;
    mouv__context_exit(&task->context, &task->future.runtime->context);
}

/* False if the body will never run, and the task has completed. */
static bool task_begin(mouv__task_t *task) {
    mouv__stack_pool_t *stacks = &task->future.runtime->stacks;
    if (task->cancelled) {
        task_complete(task, MOUV_ECANCELED, NULL);
        return false;
    }
    if (mouv__locals_failed(task->locals)) {
        task_complete(task, MOUV_ENOMEM, NULL);
        return false;
    }
    mouv_error_t error;
    if (mouv__stack_pool_get(stacks, task->stack_size, &task->stack) != 0) {
        mouv_error_set(&error, MOUV_ENOMEM, "no stack for coroutine '%s': %s", task->fn_name,
                       mouv__stack_pool_reason(stacks));
        task_complete(task, MOUV_ENOMEM, &error);
        return false;
    }
    task->stack->user = task;
    mouv__context_init(&task->context, task->stack->low, task->stack->size - task->stack->colour,
                       task_entry, task);
    return true;
}

static void task_step(mouv__ready_t *ready) {
    mouv__task_t *task = task_of_ready(ready);
    mouv_runtime_t *runtime = task->future.runtime;
    if (task->stack == NULL && !task_begin(task)) return;
    uint64_t start = mouv__debug() ? uv_hrtime() : 0;
    runtime->current = task;
    mouv__context_switch(&runtime->context, &task->context);
    runtime->current = NULL;
    if (start != 0) mouv__debug_step(&task->future, start);
    if (task->ended) task_finish(task);
}

/* ---- as a future ---- */

static void task_cancel(mouv__future_t *future) {
    mouv__task_t *task = (mouv__task_t *)future;
    task->cancelled = true;
    if (task != future->runtime->current) mouv__task_interrupt(task);
}

static void task_shorten(mouv__future_t *future, int64_t deadline_ns) {
    mouv__task_t *task = (mouv__task_t *)future;
    if (!task->inherits || deadline_ns >= task->limit_ns) return;
    task->limit_ns = deadline_ns;
    if (task->awaiting != NULL) mouv__future_shorten(task->awaiting, deadline_ns);
}

static bool task_visit(mouv__future_t *future, bool (*visit_child)(mouv__future_t *, void *),
                       void *arg) {
    mouv__task_t *task = (mouv__task_t *)future;
    return task->awaiting != NULL && visit_child(task->awaiting, arg);
}

static void task_release(mouv__future_t *future) {
    mouv__task_t *task = (mouv__task_t *)future;
    mouv__free(task->last_error);
    mouv__free(task);
}

static const mouv__future_ops_t task_ops = {
    .kind = "task",
    .cancel = task_cancel,
    .shorten = task_shorten,
    .visit = task_visit,
    .release = task_release,
};

mouv__task_t *mouv__task_of(const mouv__future_t *future) {
    return future->ops == &task_ops ? (mouv__task_t *)future : NULL;
}

/* ---- making them ---- */

/* The copied argument block follows the task in the same allocation. */
#define COPY_OFFSET \
    ((sizeof(mouv__task_t) + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t))

static mouv__task_t *task_make(mouv_fn_t fn, void *arg, const mouv_task_opts_t *opts, int *code) {
    mouv_runtime_t *runtime = mouv__runtime();
    const mouv_task_opts_t none = {0};
    if (opts == NULL) opts = &none;
    *code = runtime == NULL ? MOUV_ENOLOOP : fn == NULL ? MOUV_EINVAL : 0;
    if (*code != 0) return NULL;

    size_t copy_size = opts->copy != NULL ? opts->copy_size_bytes : 0;
    mouv__task_t *task = mouv__alloc_array(COPY_OFFSET, copy_size, 1);
    *code = MOUV_ENOMEM;
    if (task == NULL) return NULL;
    if (mouv__future_init(&task->future, &task_ops, runtime, false) != 0) {
        mouv__free(task);
        return NULL;
    }
    task->fn = fn;
    task->arg = arg;
    task->stack_size = opts->stack_size;
    task->limit_ns = MOUV__NEVER;
    task->ready.run = task_step;
    if (opts->copy != NULL) {
        task->arg = (char *)task + COPY_OFFSET;
        memcpy(task->arg, opts->copy, copy_size);
    }
    if (opts->name != NULL) mouv_future_set_name(mouv__future_handle(&task->future), opts->name);
    *code = 0;
    return task;
}

static void task_schedule(mouv__task_t *task) {
    mouv_runtime_t *runtime = task->future.runtime;
    task_enlist(task);
    task->locals = mouv__locals_inherit(runtime);
    mouv__future_count(&task->future);
    /* while the runtime closes, only a shielded clean-up can still start something that runs */
    if (runtime->phase != MOUV__OPEN)
        task->cancelled = runtime->current == NULL || mouv__task_refused(runtime->current);
    mouv__task_wake(task);
}

static mouv_future_t task_make_task(mouv_fn_t fn, void *arg, const mouv_task_opts_t *opts,
                                    const char *fn_name, const char *file, int line) {
    int code;
    mouv__task_t *task = task_make(fn, arg, opts, &code);
    if (task == NULL) return mouv__future_failed(code);
    task->fn_name = fn_name;
    task->file = file;
    task->line = line;
    task_schedule(task);
    return mouv__future_handle(&task->future);
}

mouv_future_t mouv_task_at(mouv_fn_t fn, void *arg, const mouv_task_opts_t *opts,
                           const char *fn_name, const char *file, int line) {
    return task_make_task(fn, arg, opts, fn_name, file, line);
}

mouv_future_t mouv_task_copy_at(mouv_fn_t fn, const void *args, size_t size, const char *fn_name,
                                const char *file, int line) {
    if (args == NULL && size > 0) return mouv__future_failed(MOUV_EINVAL);
    mouv_task_opts_t opts = {.copy = args, .copy_size_bytes = size};
    return task_make_task(fn, NULL, &opts, fn_name, file, line);
}

/* ---- cold coroutines ---- */

mouv_future_t mouv__coro_with(mouv_fn_t fn, void *arg, const mouv_task_opts_t *opts,
                              const char *fn_name, const char *file, int line) {
    int code;
    mouv__task_t *coroutine = task_make(fn, arg, opts, &code);
    if (coroutine == NULL) return mouv__future_failed(code);
    coroutine->fn_name = fn_name;
    coroutine->file = file;
    coroutine->line = line;
    coroutine->future.state = MOUV__COLD;

    mouv_runtime_t *runtime = coroutine->future.runtime;
    mouv__task_t **list = runtime->current != NULL ? &runtime->current->cold : &runtime->cold;
    coroutine->next_cold = *list;
    coroutine->link_cold = list;
    if (*list != NULL) (*list)->link_cold = &coroutine->next_cold;
    *list = coroutine;
    return mouv__future_handle(&coroutine->future);
}

mouv_future_t mouv_coro_at(mouv_fn_t fn, void *arg, const char *fn_name, const char *file,
                           int line) {
    return mouv__coro_with(fn, arg, NULL, fn_name, file, line);
}

static void task_warm_up(mouv__future_t *coroutine) {
    mouv__task_forget_cold(coroutine, false);
    coroutine->state = MOUV__PENDING;
}

void mouv__task_start_cold(mouv__future_t *coroutine) {
    mouv__task_t *task = (mouv__task_t *)coroutine;
    task_warm_up(coroutine);
    task->inherits = true;
    task_schedule(task);
}

void mouv__task_cancel_cold(mouv__future_t *coroutine) {
    task_warm_up(coroutine);
    mouv__future_complete(coroutine, MOUV_ECANCELED, NULL);
}

/* Apart from the call below so that a deep recursion of coroutines has small frames. */
__attribute__((noinline)) static int fail_inline(mouv__task_t *task, mouv__future_t *coroutine,
                                                 int rc, mouv_error_t *error) {
    mouv_error_t failure;
    rc = mouv__task_outcome(task, rc, ((mouv__task_t *)coroutine)->fn_name, &failure);
    coroutine->retrieved = true;
    mouv__future_complete(coroutine, rc, &failure);
    if (error != NULL) *error = failure;
    return mouv__record_error(&failure);
}

int mouv__task_run_inline(mouv__task_t *task, mouv__future_t *coroutine, mouv_error_t *error) {
    mouv__task_t *callee = (mouv__task_t *)coroutine;
    mouv_scope_t *outer = task->scopes;
    task_warm_up(coroutine);
    int rc = callee->fn(callee->arg);
    mouv__scopes_unwind(task, outer);
    if (rc >= 0) {
        mouv__future_complete(coroutine, rc, NULL);
        return rc;
    }
    return fail_inline(task, coroutine, rc, error);
}

/* ---- what code inside a task asks ---- */

mouv__future_t *mouv__current_task_future(void) {
    mouv__task_t *task = mouv__current_task();
    return task != NULL ? &task->future : NULL;
}

mouv_future_t mouv_current_task(void) {
    mouv__task_t *task = mouv__current_task();
    mouv_future_t none = {0};
    return task != NULL ? mouv__future_handle(&task->future) : none;
}

bool mouv_in_coroutine(void) {
    return mouv__current_task() != NULL;
}

bool mouv_cancelling(void) {
    mouv__task_t *task = mouv__current_task();
    return task != NULL && task->cancelled;
}

bool mouv_uncancel(void) {
    mouv__task_t *task = mouv__current_task();
    if (task == NULL || !task->cancelled) return false;
    task->cancelled = false;
    task->future.asked = false;
    return true;
}

bool mouv__current_refused(void) {
    mouv__task_t *task = mouv__current_task();
    return task != NULL && mouv__task_refused(task);
}

int64_t mouv__current_deadline_ns(void) {
    mouv__task_t *task = mouv__current_task();
    return task != NULL ? mouv__task_deadline(task) : MOUV__NEVER;
}
