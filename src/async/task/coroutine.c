/*
 * Coroutines: making them, their steps, their end.
 *
 * mouv_coro() makes a cold one: a future with a function, which stands in a list of its maker and
 * runs nothing. Awaited, it runs as a call on the stack of the awaiting task; handed to whatever
 * wants a future that is under way (a gather, mouv_then), it becomes a task (ops->start). Left when
 * its maker ends, it is dropped with a warning (docs/decisions/0002).
 *
 * A task takes a stack from the runtime's pool at its first step, not before, runs on it until the
 * body returns, and leaves it from the loop's side, as nobody can free the stack he stands on. It
 * is counted, and so held, from its making to its end; the object then stays as long as somebody
 * has a reference, as any future. One that is cancelled before its first step never gets a stack.
 * Who inherits whose deadline: docs/decisions/0003. All on the loop thread.
 */
#include "async/task/coroutine.h"

#include <stdio.h>
#include <string.h>

#include "async/loop/debug.h"
#include "async/loop/log.h"
#include "async/loop/state.h"
#include "async/task/current.h"
#include "async/task/scope.h"
#include "async/task/slow.h"
#include "context/alloc.h"

/* ---- the end ---- */

static void coroutine_complete(mouv__task_t *task, int code, const mouv_error_t *error) {
    mouv__task_t *cold;
    mouv__list_remove(&task->future.runtime->tasks, &task->link);
    while ((cold = MOUV__LIST_POP(&task->cold, mouv__task_t, link)) != NULL) {
        mouv__future_hold(&cold->future); /* nobody can be meant to await it any more */
        cold->future.owned = 0;
        mouv__future_let_go(&cold->future);
    }
    mouv__locals_drop(task->locals);
    mouv__future_complete(&task->future, code, error);
}

/* On the loop's stack. */
static void coroutine_finish(mouv__task_t *task) {
    mouv_error_t error;
    mouv__context_clear(&task->context);
    mouv__stack_pool_put(&task->future.runtime->stacks, task->stack);
    task->stack = NULL;
    int rc = mouv__task_outcome(task, task->result, task->fn_name, &error);
    coroutine_complete(task, rc, rc < 0 ? &error : NULL);
}

static void coroutine_finish_calls(mouv__task_t *task, const mouv_error_t *error) {
    mouv__task_t *callee;
    while ((callee = task->call) != NULL) {
        task->call = callee->call_outside;
        callee->future.retrieved = true;
        mouv__future_complete(&callee->future, error->code, error);
        mouv__future_let_go(&callee->future); /* which its await has held */
    }
}

/* Its frames stay as they are: tasks that it has started may have their arguments there. */
static void coroutine_finish_left(mouv__task_t *task) {
    mouv_error_t error;
    mouv_error_set(&error, MOUV_ESTATE, "coroutine '%s' was left by a jump", task->fn_name);
    mouv__scopes_drop(task);
    mouv__task_become(task, MOUV__TASK_ENDED);
    mouv__context_clear(&task->context);
    mouv__stack_pool_retire(&task->future.runtime->stacks, task->stack);
    task->stack = NULL;
    coroutine_finish_calls(task, &error);
    coroutine_complete(task, error.code, &error);
}

/* ---- steps ---- */

static void coroutine_entry(void *arg) {
    mouv__task_t *task = arg;
    task->result = task->fn(task->arg);
    mouv__scopes_unwind(task, NULL);
    mouv__task_become(task, MOUV__TASK_ENDED);
    mouv__context_exit(&task->context, &task->future.runtime->context);
}

/* The body will never run. */
static bool coroutine_refuse(mouv__task_t *task, int code, const mouv_error_t *error) {
    mouv__task_become(task, MOUV__TASK_ENDED);
    coroutine_complete(task, code, error);
    return false;
}

/* False if the task has completed without having begun. */
static bool coroutine_begin(mouv__task_t *task) {
    mouv__stack_pool_t *stacks = &task->future.runtime->stacks;
    mouv_error_t error;
    if (task->cancelled) return coroutine_refuse(task, MOUV_ECANCELED, NULL);
    if (mouv__locals_failed(task->locals)) return coroutine_refuse(task, MOUV_ENOMEM, NULL);
    if (mouv__stack_pool_get(stacks, task->stack_size, &task->stack) != 0) {
        mouv_error_set(&error, MOUV_ENOMEM, "no stack for coroutine '%s': %s", task->fn_name,
                       mouv__stack_pool_reason(stacks));
        return coroutine_refuse(task, MOUV_ENOMEM, &error);
    }
    task->stack->user = task;
    mouv__context_init(&task->context, task->stack->low, task->stack->size - task->stack->colour,
                       coroutine_entry, task);
    return true;
}

/* Of one that does not go on after a suspension. */
static bool coroutine_may_run(mouv__task_t *task) {
    if (task->state == MOUV__TASK_NEW) return coroutine_begin(task);
    coroutine_finish_left(task);
    return false;
}

static void coroutine_step(mouv__ready_t *ready) {
    mouv__task_t *task = mouv__container_of(ready, mouv__task_t, ready);
    mouv_runtime_t *runtime = task->future.runtime;
    if (task->state != MOUV__TASK_READY && !coroutine_may_run(task)) return;
    uint64_t start = mouv__debug() ? uv_hrtime() : 0;
    mouv__task_become(task, MOUV__TASK_RUNNING);
    runtime->current = task;
    runtime->last_error = &task->last;
    runtime->locals = &task->locals;
    mouv__context_switch(&runtime->context, &task->context);
    runtime->current = NULL;
    runtime->last_error = NULL;
    runtime->locals = NULL;
    if (start != 0) mouv__slow_step(&task->future, start);
    if (task->state == MOUV__TASK_ENDED) coroutine_finish(task);
}

/* The first step is due. */
static void coroutine_schedule(mouv__task_t *task) {
    mouv_runtime_t *runtime = task->future.runtime;
    const mouv__task_t *maker = mouv__current_task();
    task->number = ++runtime->tasks_made;
    mouv__list_push_back(&runtime->tasks, &task->link);
    task->locals = mouv__locals_inherit(runtime);
    mouv__future_count(&task->future);
    /* while the runtime closes, only a shielded clean-up can still start something that runs */
    if (runtime->phase != MOUV__OPEN) task->cancelled = maker == NULL || mouv__task_refused(maker);
    mouv__runtime_ready(runtime, &task->ready);
}

/* ---- cold ones ---- */

/* It is cold no more. */
static void coroutine_warm_up(mouv__task_t *coroutine) {
    mouv__list_remove(coroutine->cold_in, &coroutine->link);
    mouv__future_become(&coroutine->future, MOUV__PENDING);
}

/* Apart from the call below so that a deep recursion of coroutines has small frames. */
__attribute__((noinline)) static int
coroutine_fail_inline(mouv__task_t *task, mouv__task_t *coroutine, int rc, mouv_error_t *error) {
    mouv_error_t failure;
    rc = mouv__task_outcome(task, rc, coroutine->fn_name, &failure);
    coroutine->future.retrieved = true;
    mouv__future_complete(&coroutine->future, rc, &failure);
    if (error != NULL) *error = failure;
    return mouv__raise_error(&failure);
}

int mouv__coroutine_run_inline(mouv__task_t *task, mouv__future_t *coroutine, mouv_error_t *error) {
    mouv__task_t *callee = (mouv__task_t *)coroutine;
    mouv_scope_t *outer = task->scopes;
    coroutine_warm_up(callee);
    mouv__task_become(callee, MOUV__TASK_ENDED); /* as a task, which it never is */
    callee->call_outside = task->call;
    task->call = callee;
    int rc = callee->fn(callee->arg);
    task->call = callee->call_outside;
    mouv__scopes_unwind(task, outer);
    if (rc < 0) return coroutine_fail_inline(task, callee, rc, error);
    mouv__future_complete(coroutine, rc, NULL);
    return rc;
}

/* ---- as a future ---- */

static void coroutine_start(mouv__future_t *future) {
    mouv__task_t *task = (mouv__task_t *)future;
    coroutine_warm_up(task);
    task->inherits = true;
    coroutine_schedule(task);
}

static void coroutine_cancel(mouv__future_t *future) {
    mouv__task_t *task = (mouv__task_t *)future;
    if (future->state == MOUV__COLD) {
        coroutine_warm_up(task);
        mouv__task_become(task, MOUV__TASK_ENDED);
        mouv__future_complete(future, MOUV_ECANCELED, NULL);
        return;
    }
    task->cancelled = true;
    if (task != future->runtime->current) mouv__task_interrupt(task);
}

static void coroutine_shorten(mouv__future_t *future, int64_t deadline_ns) {
    mouv__task_t *task = (mouv__task_t *)future;
    if (!task->inherits || deadline_ns >= task->limit_ns) return;
    task->limit_ns = deadline_ns;
    if (task->awaiting != NULL) mouv__future_shorten(task->awaiting, deadline_ns);
}

static bool coroutine_visit(mouv__future_t *future, bool (*visit_child)(mouv__future_t *, void *),
                            void *arg) {
    mouv__task_t *task = (mouv__task_t *)future;
    return task->awaiting != NULL && visit_child(task->awaiting, arg);
}

static void coroutine_describe(const mouv__future_t *future, mouv__description_t *description) {
    const mouv__task_t *task = (const mouv__task_t *)future;
    description->fn_name = task->fn_name;
    description->file = task->file;
    description->line = task->line;
    if (task->number != 0)
        snprintf(description->name, sizeof description->name, "Task-%llu",
                 (unsigned long long)task->number);
    else
        snprintf(description->name, sizeof description->name, "%s", task->fn_name);
}

static void coroutine_release(mouv__future_t *future) {
    mouv__task_t *task = (mouv__task_t *)future;
    if (future->state == MOUV__COLD) {
        mouv__list_remove(task->cold_in, &task->link);
        mouv__log(MOUV_LOG_WARNING, "%s:%d: RuntimeWarning: coroutine '%s' was never awaited",
                  task->file, task->line, task->fn_name);
    }
    mouv__free(task->last.error);
    mouv__free(task);
}

static const mouv__future_ops_t coroutine_ops = {
    .kind = "task",
    .start = coroutine_start,
    .cancel = coroutine_cancel,
    .shorten = coroutine_shorten,
    .visit = coroutine_visit,
    .describe = coroutine_describe,
    .release = coroutine_release,
};

mouv__task_t *mouv__coroutine_of(mouv__future_t *future) {
    return future->ops == &coroutine_ops ? (mouv__task_t *)future : NULL;
}

/* ---- making them ---- */

/* The copied argument block follows the task in the same allocation. */
#define COPY_OFFSET \
    ((sizeof(mouv__task_t) + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t))

static mouv__task_t *coroutine_make(mouv_fn_t fn, void *arg, const mouv_task_opts_t *opts,
                                    int *code) {
    mouv_runtime_t *runtime = mouv__runtime();
    const mouv_task_opts_t none = {0};
    if (opts == NULL) opts = &none;
    *code = runtime == NULL ? MOUV_ENOLOOP : fn == NULL ? MOUV_EINVAL : 0;
    if (*code != 0) return NULL;

    size_t copy_size = opts->copy != NULL ? opts->copy_size_bytes : 0;
    mouv__task_t *task = mouv__alloc_array(COPY_OFFSET, copy_size, 1);
    *code = MOUV_ENOMEM;
    if (task == NULL) return NULL;
    if (mouv__future_init(&task->future, &coroutine_ops, runtime, false) != 0) {
        mouv__free(task);
        return NULL;
    }
    task->fn = fn;
    task->arg = arg;
    task->stack_size = opts->stack_size;
    task->limit_ns = MOUV__NEVER;
    task->ready.run = coroutine_step;
    if (opts->copy != NULL) {
        task->arg = (char *)task + COPY_OFFSET;
        memcpy(task->arg, opts->copy, copy_size);
    }
    if (opts->name != NULL) mouv_future_set_name(mouv__future_handle(&task->future), opts->name);
    *code = 0;
    return task;
}

static mouv_future_t coroutine_make_task(mouv_fn_t fn, void *arg, const mouv_task_opts_t *opts,
                                         const char *fn_name, const char *file, int line) {
    int code;
    mouv__task_t *task = coroutine_make(fn, arg, opts, &code);
    if (task == NULL) return mouv__future_failed(code);
    task->fn_name = fn_name;
    task->file = file;
    task->line = line;
    coroutine_schedule(task);
    return mouv__future_handle(&task->future);
}

mouv_future_t mouv_task_at(mouv_fn_t fn, void *arg, const mouv_task_opts_t *opts,
                           const char *fn_name, const char *file, int line) {
    if (opts != NULL && opts->stack_size != 0 && opts->stack_size < MOUV__STACK_LEAST_BYTES) {
        mouv_error_t error;
        mouv_error_set(&error, MOUV_EINVAL, "task '%s': a stack of %zu bytes, less than 32 KiB",
                       fn_name, opts->stack_size);
        return mouv__future_failed_with(mouv__runtime(), &error);
    }
    return coroutine_make_task(fn, arg, opts, fn_name, file, line);
}

mouv_future_t mouv_task_copy_at(mouv_fn_t fn, const void *args, size_t size, const char *fn_name,
                                const char *file, int line) {
    if (args == NULL && size > 0) return mouv__future_failed(MOUV_EINVAL);
    mouv_task_opts_t opts = {.copy = args, .copy_size_bytes = size};
    return coroutine_make_task(fn, NULL, &opts, fn_name, file, line);
}

mouv_future_t mouv__coroutine_with(mouv_fn_t fn, void *arg, const mouv_task_opts_t *opts,
                                   const char *fn_name, const char *file, int line) {
    int code;
    mouv__task_t *coroutine = coroutine_make(fn, arg, opts, &code);
    if (coroutine == NULL) return mouv__future_failed(code);
    mouv_runtime_t *runtime = coroutine->future.runtime;
    mouv__task_t *maker = mouv__current_task();
    coroutine->fn_name = fn_name;
    coroutine->file = file;
    coroutine->line = line;
    coroutine->cold_in = maker != NULL ? &maker->cold : &runtime->cold;
    mouv__list_push_front(coroutine->cold_in, &coroutine->link);
    mouv__future_become(&coroutine->future, MOUV__COLD);
    return mouv__future_handle(&coroutine->future);
}

mouv_future_t mouv_coro_copy_at(mouv_fn_t fn, const void *args, size_t size, const char *fn_name,
                                const char *file, int line) {
    if (args == NULL && size > 0) return mouv__future_failed(MOUV_EINVAL);
    mouv_task_opts_t opts = {.copy = args, .copy_size_bytes = size};
    return mouv__coroutine_with(fn, NULL, &opts, fn_name, file, line);
}

mouv_future_t mouv_coro_at(mouv_fn_t fn, void *arg, const char *fn_name, const char *file,
                           int line) {
    return mouv__coroutine_with(fn, arg, NULL, fn_name, file, line);
}
