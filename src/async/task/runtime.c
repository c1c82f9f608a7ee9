/*
 * The runtime on its loop: the ready queue and its ticks, attaching, closing.
 */
#include "async/task/runtime.h"

#include <assert.h>

#include "async/loop/fork.h"
#include "async/loop/state.h"
#include "async/task/debug.h"
#include "async/task/task.h"
#include "context/alloc.h"

#include <mouv/debug.h>
#include <mouv/log.h>

/* Ready tasks run for at most this long before the loop polls for I/O again. */
#define TICK_NS UINT64_C(1000000)
#define ROUNDS_PER_LOOK 8
#define JOIN_WARNING_MS 1000

_Thread_local mouv_runtime_t *mouv__thread_runtime __attribute__((tls_model("initial-exec")));

/* Its handles close: nothing can start on it any more, as if it had gone. */
mouv_runtime_t *mouv__runtime(void) {
    mouv_runtime_t *runtime = mouv__thread_runtime;
    return runtime != NULL && runtime->phase != MOUV__CLOSING ? runtime : NULL;
}

mouv_runtime_t *mouv_runtime_current(void) {
    return mouv__runtime();
}

uv_loop_t *mouv_runtime_loop(mouv_runtime_t *runtime) {
    return runtime != NULL ? runtime->loop : NULL;
}

mouv__mailbox_t *mouv__runtime_mailbox(mouv_runtime_t *runtime) {
    return runtime->mailbox;
}

void mouv__runtime_keep(mouv_runtime_t *runtime) {
    if (runtime->kept++ == 0) uv_ref((uv_handle_t *)&runtime->wake);
}

void mouv__runtime_unkeep(mouv_runtime_t *runtime) {
    assert(runtime->kept > 0);
    if (--runtime->kept == 0) uv_unref((uv_handle_t *)&runtime->wake);
}

/* ---- ticks ---- */

static void runtime_on_idle(uv_idle_t *idle);
static void runtime_advance_close(mouv_runtime_t *runtime);

void mouv__runtime_turn(mouv_runtime_t *runtime) {
    if (!runtime->in_tick) uv_idle_start(&runtime->idle, runtime_on_idle);
}

void mouv__runtime_ready(mouv_runtime_t *runtime, mouv__ready_t *ready) {
    assert(!ready->queued);
    ready->queued = true;
    ready->next = NULL;
    if (runtime->ready_head == NULL) {
        runtime->ready_head = ready;
        mouv__runtime_turn(runtime);
    } else {
        runtime->ready_tail->next = ready;
    }
    runtime->ready_tail = ready;
}

/* False in the child of a fork(). */
static bool runtime_is_here(const mouv_runtime_t *runtime) {
    return runtime == mouv__thread_runtime;
}

/* All that is ready now; what becomes ready meanwhile is for the next round. */
static void runtime_run_snapshot(mouv_runtime_t *runtime) {
    mouv__ready_t *ready = runtime->ready_head;
    runtime->ready_head = runtime->ready_tail = NULL;
    while (ready != NULL) {
        mouv__ready_t *next = ready->next;
        ready->queued = false;
        ready->run(ready); /* may free it, or fork: what else is ready is the parent's */
        if (!runtime_is_here(runtime)) return;
        ready = next;
    }
}

/* In a child that has come back to the loop: who drives it gets out without a look at what it
 * shares with the parent. */
static void runtime_abandon(mouv_runtime_t *runtime) {
    int rc = uv_loop_fork(runtime->loop);
    if (rc != 0) mouv__log(MOUV_LOG_ERROR, "uv_loop_fork: %s", uv_strerror(rc));
    uv_idle_stop(&runtime->idle);
    uv_stop(runtime->loop);
}

static void runtime_tick(mouv_runtime_t *runtime) {
    uint64_t start = uv_hrtime();
    runtime->in_tick = true;
    for (unsigned round = 1; runtime->ready_head != NULL; round++) {
        runtime_run_snapshot(runtime);
        if (!runtime_is_here(runtime)) {
            runtime_abandon(runtime);
            return;
        }
        if (round % ROUNDS_PER_LOOK == 0 && uv_hrtime() - start > TICK_NS) break;
    }
    runtime->in_tick = false;
    if (runtime->ready_head != NULL || mouv__timers_due(runtime))
        uv_idle_start(&runtime->idle, runtime_on_idle);
    else
        uv_idle_stop(&runtime->idle);
    if (runtime->phase != MOUV__OPEN) runtime_advance_close(runtime);
}

static void runtime_on_idle(uv_idle_t *idle) {
    if (runtime_is_here(idle->data))
        runtime_tick(idle->data);
    else
        uv_idle_stop(idle);
}

static void runtime_on_check(uv_check_t *check) {
    mouv_runtime_t *runtime = check->data;
    if (!runtime_is_here(runtime)) return;
    if (mouv__timers_due(runtime)) mouv__timers_fire(runtime);
    if (runtime->ready_head != NULL) runtime_tick(runtime);
}

static void runtime_on_wake(uv_async_t *wake) {
    mouv_runtime_t *runtime = wake->data;
    if (runtime_is_here(runtime)) mouv__mailbox_empty(runtime->mailbox);
}

/* ---- attaching ---- */

void mouv__runtime_free(mouv_runtime_t *runtime) {
    mouv__debug_close(runtime);
    mouv__timers_close(runtime);
    mouv__stack_pool_clear(&runtime->stacks);
    mouv__handles_close(&runtime->handles);
    if (runtime->mailbox != NULL) mouv__mailbox_unref(runtime->mailbox);
    mouv__free(runtime);
}

static int runtime_open_handles(mouv_runtime_t *runtime, uv_loop_t *loop) {
    int rc = uv_async_init(loop, &runtime->wake, runtime_on_wake);
    if (rc != 0) return rc; /* the others cannot fail */
    uv_check_init(loop, &runtime->check);
    uv_idle_init(loop, &runtime->idle);
    mouv__timers_open(runtime);
    runtime->wake.data = runtime->check.data = runtime->idle.data = runtime;
    runtime->open_handles = 4;
    uv_check_start(&runtime->check, runtime_on_check);
    uv_unref((uv_handle_t *)&runtime->wake);
    uv_unref((uv_handle_t *)&runtime->check);
    return 0;
}

int mouv_runtime_attach(mouv_runtime_t **out, uv_loop_t *loop) {
    if (out == NULL || loop == NULL) return MOUV_EINVAL;
    if (mouv__thread_runtime != NULL) return MOUV_ESTATE;
    mouv_runtime_t *runtime = mouv__alloc(sizeof *runtime);
    if (runtime == NULL) return MOUV_ENOMEM;
    if (mouv__handles_open(&runtime->handles) != 0) {
        mouv__free(runtime);
        return MOUV_ENOMEM;
    }
    runtime->loop = loop;
    mouv__stack_pool_init(&runtime->stacks);
    mouv__context_init_thread(&runtime->context);
    runtime->mailbox = mouv__mailbox_new(&runtime->wake);
    if (runtime->mailbox == NULL) {
        mouv__runtime_free(runtime);
        return MOUV_ENOMEM;
    }
    if (runtime_open_handles(runtime, loop) != 0) {
        mouv__runtime_free(runtime);
        return MOUV_ESYSTEM;
    }
    mouv__thread_runtime = *out = runtime;
    mouv__fork_watch();
    mouv__fork_adopted();
    mouv__debug_read_environment();
    if (mouv__debug()) mouv_report_stack_overflow();
    return 0;
}

void mouv__runtime_attach(mouv_runtime_t *runtime, mouv__attachment_t *attachment) {
    attachment->prev = NULL;
    attachment->next = runtime->attachments;
    if (runtime->attachments != NULL) runtime->attachments->prev = attachment;
    runtime->attachments = attachment;
}

void mouv__runtime_detach(mouv_runtime_t *runtime, mouv__attachment_t *attachment) {
    if (attachment->prev != NULL)
        attachment->prev->next = attachment->next;
    else
        runtime->attachments = attachment->next;
    if (attachment->next != NULL) attachment->next->prev = attachment->prev;
    if (runtime->phase != MOUV__OPEN) mouv__runtime_turn(runtime);
}

/* ---- closing ---- */

static void runtime_on_closed(uv_handle_t *handle) {
    mouv_runtime_t *runtime = handle->data;
    if (--runtime->open_handles > 0) return;
    mouv__closer_t *closer = runtime->closers;
    mouv__thread_runtime = NULL;
    while (closer != NULL) {
        mouv__closer_t *next = closer->next;
        if (closer->fn != NULL) closer->fn(runtime, closer->arg);
        if (closer != &runtime->first_closer) mouv__free(closer);
        closer = next;
    }
    runtime->closed = true;
    if (runtime->goal == NULL) mouv__runtime_free(runtime);
}

static void runtime_close_handles(mouv_runtime_t *runtime) {
    runtime->phase = MOUV__CLOSING;
    mouv__mailbox_close(runtime->mailbox);
    mouv__futures_cancel_all(runtime); /* what callbacks have started since runtime_detach_all() */
    while (runtime->ready_head != NULL) runtime_run_snapshot(runtime);
    mouv__futures_release_all(runtime);
    uv_close((uv_handle_t *)&runtime->wake, runtime_on_closed);
    uv_close((uv_handle_t *)&runtime->check, runtime_on_closed);
    uv_close((uv_handle_t *)&runtime->idle, runtime_on_closed);
    uv_close((uv_handle_t *)&runtime->alarm, runtime_on_closed);
}

static void runtime_detach_all(mouv_runtime_t *runtime) {
    runtime->phase = MOUV__DETACHING;
    mouv__timer_stop(runtime, &runtime->join_timer);
    mouv__futures_cancel_all(runtime);
    mouv__attachment_t *attachment = runtime->attachments;
    while (attachment != NULL) {
        mouv__attachment_t *next = attachment->next;
        attachment->close(attachment);
        attachment = next;
    }
    mouv__runtime_turn(runtime);
}

static void runtime_advance_close(mouv_runtime_t *runtime) {
    if (runtime->phase == MOUV__JOINING && runtime->tasks == NULL) runtime_detach_all(runtime);
    if (runtime->phase == MOUV__DETACHING && runtime->attachments == NULL &&
        runtime->tasks == NULL && runtime->ready_head == NULL)
        runtime_close_handles(runtime);
}

static void runtime_warn_of_stubborn(mouv__timer_t *timer) {
    mouv_runtime_t *runtime =
        (mouv_runtime_t *)((char *)timer - offsetof(mouv_runtime_t, join_timer));
    for (mouv__task_t *task = runtime->tasks; task != NULL; task = task->next) {
        char what[160];
        mouv__future_describe(&task->future, what, sizeof what);
        mouv__log(MOUV_LOG_WARNING,
                  "the runtime is closing and waits for %s, which goes on after being cancelled",
                  what);
    }
}

static void runtime_begin_close(mouv_runtime_t *runtime) {
    runtime->phase = MOUV__JOINING;
    mouv__runtime_keep(runtime);
    mouv__task_t *task = runtime->tasks;
    while (task != NULL) {
        mouv__task_t *next = task->next; /* tasks complete in later ticks only */
        mouv__future_cancel(&task->future);
        task = next;
    }
    if (runtime->tasks != NULL)
        mouv__timer_start(runtime, &runtime->join_timer,
                          mouv__deadline_in(runtime, JOIN_WARNING_MS), runtime_warn_of_stubborn);
    mouv__runtime_turn(runtime);
}

void mouv_runtime_close(mouv_runtime_t *runtime, mouv_runtime_close_fn_t fn, void *arg) {
    if (runtime != NULL && runtime != mouv__thread_runtime && mouv__debug()) mouv__debug_foreign();
    if (runtime == NULL || runtime != mouv__thread_runtime) return;
    mouv__closer_t *closer =
        runtime->closers == NULL ? &runtime->first_closer : mouv__alloc(sizeof *closer);
    if (closer != NULL) {
        mouv__closer_t **end = &runtime->closers;
        *closer = (mouv__closer_t){.fn = fn, .arg = arg};
        while (*end != NULL) end = &(*end)->next;
        *end = closer;
    }
    if (runtime->phase == MOUV__OPEN) runtime_begin_close(runtime);
}
