/*
 * The runtime on its loop: attaching, ticks, closing.
 *
 * A tick runs the ready queue (runtime.c). It comes from the idle handle, which is active while
 * something is ready, or after the poll from the check handle, if that has made something ready.
 *
 * Closing goes by phases, each begun by a tick in which nothing is left of the one before: tasks are
 * cancelled and end (JOINING), then what is attached closes (DETACHING; how long a client may take:
 * docs/decisions/0006), then the handles (CLOSING). The runtime is freed when
 * libuv has closed the last of them; if mouv_run_until() or mouv_runtime_pump() is still on the stack, by
 * that.
 * All of this on the loop thread; a child of fork() finds it dead (docs/decisions/0012).
 */
#include "async/task/lifetime.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "async/loop/debug.h"
#include "async/loop/forgotten.h"
#include "async/loop/fork.h"
#include "async/loop/log.h"
#include "async/loop/state.h"
#include "async/task/current.h"
#include "async/task/stacks.h"
#include "async/task/task.h"
#include "context/alloc.h"

#include <mouv/debug.h>

#define JOIN_WARNING_MS 1000

/* ---- ticks ---- */

static void lifetime_advance_close(mouv_runtime_t *runtime);

/* False in the child of a fork(). */
static bool lifetime_is_here(const mouv_runtime_t *runtime) {
    return runtime == mouv__thread_runtime;
}

/* In a child that has come back to the loop: who drives it gets out without a look at what it
 * shares with the parent. */
static void lifetime_abandon(mouv_runtime_t *runtime) {
    int rc = uv_loop_fork(runtime->loop);
    if (rc != 0) mouv__log(MOUV_LOG_ERROR, "uv_loop_fork: %s", uv_strerror(rc));
    uv_idle_stop(&runtime->idle);
    uv_stop(runtime->loop);
}

/* Code of a coroutine's cannot be gone on with by the loop that it runs: whatever it waits for there
 * waits for the coroutine itself. The inner uv_run() comes back at once. */
static void lifetime_refuse_nested(mouv_runtime_t *runtime, mouv__task_t *task) {
    uv_stop(runtime->loop);
    if (runtime->nested_task == task->number) return;
    runtime->nested_task = task->number;
    char what[160];
    mouv__future_describe(&task->future, what, sizeof what);
    mouv__log(
        MOUV_LOG_ERROR,
        "uv_run() inside of a coroutine, %s: tasks do not go on in it, and it returns at once; "
        "await what it is to wait for",
        what);
}

/* False in a uv_run() that a coroutine has called. One that was left by a jump is found out here. */
static bool lifetime_may_tick(mouv_runtime_t *runtime) {
    mouv__task_t *task = runtime->current != NULL ? mouv__current_task() : NULL;
    if (task == NULL) return true;
    lifetime_refuse_nested(runtime, task);
    return false;
}

static void lifetime_tick(mouv_runtime_t *runtime) {
    runtime->in_tick = true;
    if (!mouv__runtime_run_ready(runtime)) {
        lifetime_abandon(runtime);
        return;
    }
    runtime->in_tick = false;
    if (mouv__runtime_has_ready(runtime) || mouv__timers_due(runtime))
        mouv__runtime_turn(runtime);
    else
        uv_idle_stop(&runtime->idle);
    if (runtime->phase != MOUV__OPEN) lifetime_advance_close(runtime);
}

static void lifetime_on_idle(uv_idle_t *idle) {
    if (!lifetime_is_here(idle->data))
        uv_idle_stop(idle);
    else if (lifetime_may_tick(idle->data))
        lifetime_tick(idle->data);
}

/* In a callback's own uv_run() what is left of the round outside goes on. */
static void lifetime_on_prepare(uv_prepare_t *prepare) {
    mouv_runtime_t *runtime = prepare->data;
    if (!lifetime_is_here(runtime) || !lifetime_may_tick(runtime)) return;
    if (mouv__runtime_has_ready(runtime)) uv_idle_start(&runtime->idle, runtime->tick);
}

static void lifetime_on_check(uv_check_t *check) {
    mouv_runtime_t *runtime = check->data;
    if (!lifetime_is_here(runtime) || !lifetime_may_tick(runtime)) return;
    if (mouv__timers_due(runtime)) mouv__timers_fire(runtime);
    if (!mouv__list_is_empty(&runtime->ready)) lifetime_tick(runtime);
}

static void lifetime_on_wake(uv_async_t *wake) {
    mouv_runtime_t *runtime = wake->data;
    if (lifetime_is_here(runtime)) mouv__mailbox_empty(runtime->mailbox);
}

/* ---- attaching ---- */

void mouv__lifetime_free(mouv_runtime_t *runtime) {
    mouv__stacks_close(runtime);
    mouv__timers_close(runtime);
    mouv__stack_pool_clear(&runtime->stacks);
    mouv__handles_close(&runtime->handles);
    if (runtime->mailbox != NULL) mouv__mailbox_unref(runtime->mailbox);
    mouv__free(runtime);
}

static bool lifetime_has_standard_descriptors(void) {
    return fcntl(STDIN_FILENO, F_GETFD) >= 0 && fcntl(STDOUT_FILENO, F_GETFD) >= 0 &&
           fcntl(STDERR_FILENO, F_GETFD) >= 0;
}

/* Else sockets take their numbers: what is written to stderr then goes to a server, and libuv aborts
 * where it closes such a one. */
static int lifetime_fill_standard_descriptors(void) {
    if (lifetime_has_standard_descriptors()) return 0;
    int fd;
    do fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) close(fd);
    return lifetime_has_standard_descriptors() ? 0 : MOUV_ESYSTEM;
}

static int lifetime_open_handles(mouv_runtime_t *runtime, uv_loop_t *loop) {
    int rc = uv_async_init(loop, &runtime->wake, lifetime_on_wake);
    if (rc != 0) return rc; /* the others cannot fail */
    uv_prepare_init(loop, &runtime->prepare);
    uv_check_init(loop, &runtime->check);
    uv_idle_init(loop, &runtime->idle);
    mouv__timers_open(runtime);
    runtime->wake.data = runtime->idle.data = runtime;
    runtime->prepare.data = runtime->check.data = runtime;
    runtime->open_handles = 5;
    uv_prepare_start(&runtime->prepare, lifetime_on_prepare);
    uv_check_start(&runtime->check, lifetime_on_check);
    uv_unref((uv_handle_t *)&runtime->wake);
    uv_unref((uv_handle_t *)&runtime->prepare);
    uv_unref((uv_handle_t *)&runtime->check);
    return 0;
}

int mouv_runtime_attach(mouv_runtime_t **out, uv_loop_t *loop) {
    if (out == NULL || loop == NULL) return MOUV_EINVAL;
    mouv__lifetime_end_deserted();
    if (mouv__thread_runtime != NULL) return MOUV_ESTATE;
    if (lifetime_fill_standard_descriptors() != 0) return MOUV_ESYSTEM;
    mouv_runtime_t *runtime = mouv__alloc(sizeof *runtime);
    if (runtime == NULL) return MOUV_ENOMEM;
    if (mouv__handles_open(&runtime->handles) != 0) {
        mouv__free(runtime);
        return MOUV_ENOMEM;
    }
    runtime->loop = loop;
    runtime->tick = lifetime_on_idle;
    mouv__stack_pool_init(&runtime->stacks);
    mouv__context_init_thread(&runtime->context);
    runtime->mailbox = mouv__mailbox_new(&runtime->wake);
    if (runtime->mailbox == NULL) {
        mouv__lifetime_free(runtime);
        return MOUV_ENOMEM;
    }
    if (lifetime_open_handles(runtime, loop) != 0) {
        mouv__lifetime_free(runtime);
        return MOUV_ESYSTEM;
    }
    runtime->stirred = true; /* its poller does not know of the mailbox yet */
    mouv__thread_runtime = *out = runtime;
    mouv__fork_watch();
    mouv__fork_adopted();
    mouv__debug_read_environment();
    if (mouv__debug()) mouv_report_stack_overflow();
    return 0;
}

/* ---- closing ---- */

/* Asked before the runtime closes them itself. */
static bool lifetime_was_walked(const mouv_runtime_t *runtime) {
    return uv_is_closing((const uv_handle_t *)&runtime->wake);
}

/* Does by looking each millisecond what the handles were told. */
static void lifetime_on_substitute(uv_timer_t *substitute) {
    mouv_runtime_t *runtime = substitute->data;
    if (!lifetime_is_here(runtime) || !lifetime_may_tick(runtime)) return;
    mouv__mailbox_empty(runtime->mailbox);
    if (mouv__clock_runs(&runtime->clock) || mouv__timers_due(runtime)) mouv__timers_fire(runtime);
    lifetime_tick(runtime);
}

/* The program has closed every handle of its loop (uv_walk()), the runtime's among them. */
static void lifetime_substitute(mouv_runtime_t *runtime) {
    uv_timer_init(runtime->loop, &runtime->substitute);
    runtime->substitute.data = runtime;
    runtime->open_handles++;
    uv_timer_start(&runtime->substitute, lifetime_on_substitute, 1, 1);
}

static void lifetime_enter(mouv_runtime_t *runtime, mouv__runtime_phase_t phase) {
    assert(phase == runtime->phase + 1);
    runtime->phase = phase;
}

static void lifetime_on_closed(uv_handle_t *handle) {
    mouv_runtime_t *runtime = handle->data;
    if (--runtime->open_handles > 0) return;
    mouv__closer_t *closer;
    mouv__thread_runtime = NULL;
    while ((closer = MOUV__LIST_POP(&runtime->closers, mouv__closer_t, link)) != NULL) {
        if (closer->fn != NULL) closer->fn(runtime, closer->arg);
        if (closer != &runtime->first_closer) mouv__free(closer);
    }
    runtime->closed = true;
    if (runtime->goal == NULL && !runtime->pumped) mouv__lifetime_free(runtime);
}

static void lifetime_close_handles(mouv_runtime_t *runtime) {
    lifetime_enter(runtime, MOUV__CLOSING);
    mouv__mailbox_close(runtime->mailbox);
    mouv__futures_cancel_all(runtime); /* what callbacks have started since lifetime_detach_all() */
    while (mouv__runtime_has_ready(runtime)) mouv__runtime_run_ready(runtime);
    mouv__forgotten_report(runtime);
    mouv__futures_release_all(runtime);
    if (lifetime_was_walked(runtime))
        uv_close((uv_handle_t *)&runtime->substitute, lifetime_on_closed);
    mouv__runtime_close_handle((uv_handle_t *)&runtime->wake, lifetime_on_closed);
    mouv__runtime_close_handle((uv_handle_t *)&runtime->prepare, lifetime_on_closed);
    mouv__runtime_close_handle((uv_handle_t *)&runtime->check, lifetime_on_closed);
    mouv__runtime_close_handle((uv_handle_t *)&runtime->idle, lifetime_on_closed);
    mouv__runtime_close_handle((uv_handle_t *)&runtime->alarm, lifetime_on_closed);
}

static void lifetime_detach_all(mouv_runtime_t *runtime) {
    lifetime_enter(runtime, MOUV__DETACHING);
    mouv__timer_stop(runtime, &runtime->join_timer);
    mouv__futures_cancel_all(runtime);
    MOUV__LIST_EACH(&runtime->attachments, mouv__attachment_t, attachment, link)
        attachment->close(attachment);
    mouv__runtime_turn(runtime);
}

static void lifetime_advance_close(mouv_runtime_t *runtime) {
    if (!mouv__list_is_empty(&runtime->tasks)) return;
    if (runtime->phase == MOUV__JOINING) lifetime_detach_all(runtime);
    if (runtime->phase == MOUV__DETACHING && mouv__list_is_empty(&runtime->tasks) &&
        mouv__list_is_empty(&runtime->attachments) && !mouv__runtime_has_ready(runtime))
        lifetime_close_handles(runtime);
}

static void lifetime_warn_of_stubborn(mouv__timer_t *timer) {
    mouv_runtime_t *runtime = mouv__container_of(timer, mouv_runtime_t, join_timer);
    MOUV__LIST_EACH(&runtime->tasks, mouv__task_t, task, link) {
        char what[160];
        mouv__future_describe(&task->future, what, sizeof what);
        mouv__log(MOUV_LOG_WARNING,
                  "the runtime is closing and waits for %s, which goes on after being cancelled",
                  what);
    }
}

static void lifetime_begin_close(mouv_runtime_t *runtime) {
    lifetime_enter(runtime, MOUV__JOINING);
    if (lifetime_was_walked(runtime)) lifetime_substitute(runtime);
    mouv__runtime_keep(runtime);
    MOUV__LIST_EACH(&runtime->tasks, mouv__task_t, task, link)
        mouv__future_cancel(&task->future); /* they complete in later ticks only */
    if (!mouv__list_is_empty(&runtime->tasks))
        mouv__timer_start(runtime, &runtime->join_timer,
                          mouv__clock_deadline_in(runtime, JOIN_WARNING_MS),
                          lifetime_warn_of_stubborn);
    mouv__runtime_turn(runtime);
}

void mouv_runtime_close(mouv_runtime_t *runtime, mouv_runtime_close_fn_t fn, void *arg) {
    if (runtime == NULL) return;
    if (runtime != mouv__thread_runtime) {
        mouv__debug_foreign();
        return;
    }
    mouv__closer_t *closer = mouv__list_is_empty(&runtime->closers) ? &runtime->first_closer
                                                                    : mouv__alloc(sizeof *closer);
    if (closer != NULL) {
        *closer = (mouv__closer_t){.fn = fn, .arg = arg};
        mouv__list_push_back(&runtime->closers, &closer->link);
    }
    mouv__current_task(); /* one that was left by a jump would never end */
    if (runtime->phase == MOUV__OPEN) lifetime_begin_close(runtime);
}

/* ---- one with a loop of its own ---- */

static void lifetime_note_closed(mouv_runtime_t *runtime, void *closed) {
    (void)runtime;
    *(bool *)closed = true;
}

static void lifetime_close_handle(uv_handle_t *handle, void *arg) {
    (void)arg;
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

/* Handles that the program left open on it go with it. */
static void lifetime_close_loop(uv_loop_t *loop) {
    while (uv_loop_close(loop) == UV_EBUSY) {
        uv_walk(loop, lifetime_close_handle, NULL);
        uv_run(loop, UV_RUN_DEFAULT);
    }
    mouv__free(loop);
}

int mouv__lifetime_open(mouv_runtime_t **out, mouv_error_t *error) {
    if (lifetime_fill_standard_descriptors() != 0)
        return mouv_error_set(error, MOUV_ESYSTEM,
                              "a standard descriptor is closed, and /dev/null cannot be opened: %s",
                              strerror(errno));
    uv_loop_t *loop = mouv__alloc(sizeof *loop);
    if (loop == NULL) return mouv_error_set(error, MOUV_ENOMEM, "no memory for an event loop");
    int rc = uv_loop_init(loop);
    if (rc != 0) {
        mouv__free(loop);
        return mouv_error_set(error, MOUV_ESYSTEM, "uv_loop_init: %s", uv_strerror(rc));
    }
    rc = mouv_runtime_attach(out, loop);
    if (rc == 0)
        (*out)->owns_loop = true;
    else
        lifetime_close_loop(loop);
    return rc == 0 ? 0 : mouv_error_set(error, rc, "mouv_run: %s", mouv_error_message(rc));
}

void mouv__lifetime_end(mouv_runtime_t *runtime) {
    uv_loop_t *loop = runtime->loop;
    bool closed = false;
    mouv_runtime_close(runtime, lifetime_note_closed, &closed);
    while (!closed) uv_run(loop, UV_RUN_ONCE);
    lifetime_close_loop(loop);
}

/* Whose handles the program has closed while it was to run the loop until the end: nothing will ever
 * call it again, and what it has may still be in use. */
static void lifetime_forget(void) {
    mouv__thread_runtime = NULL;
    mouv__log(MOUV_LOG_ERROR,
              "a runtime is left as it is: its handles were closed (uv_walk()) before the function "
              "of mouv_runtime_close() was called");
}

void mouv__lifetime_end_deserted(void) {
    mouv_runtime_t *runtime = mouv__thread_runtime;
    mouv__current_task();
    if (runtime == NULL) return;
    if (runtime->owns_loop && runtime->deserted)
        mouv__lifetime_end(runtime);
    else if (runtime->phase != MOUV__CLOSING && lifetime_was_walked(runtime) &&
             runtime->substitute.data == NULL)
        lifetime_forget();
}
