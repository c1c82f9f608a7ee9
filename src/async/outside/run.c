/*
 * The ways in from plain code: mouv_run_until, mouv_run, mouv_main.
 */
#include <mouv/runtime.h>

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "async/loop/log.h"
#include "async/loop/state.h"
#include "async/outside/signal.h"
#include "async/task/current.h"
#include "async/task/lifetime.h"
#include "context/alloc.h"

#include <mouv/debug.h>
#include <mouv/task.h>

/* ---- run_until ---- */

static int run_drive(mouv_runtime_t *runtime, mouv__future_t *future) {
    runtime->goal = future;
    while (!mouv__future_is_done(future) && runtime == mouv__thread_runtime)
        if (uv_run(runtime->loop, UV_RUN_ONCE) == 0) break;
    runtime->goal = NULL;
    return mouv__future_is_done(future) ? 0 : MOUV_ESTATE;
}

static int run_settle(mouv__future_t *future, mouv_error_t *error) {
    int code = future->code;
    mouv__future_deliver(future, code >= 0);
    mouv__future_take(future, error);
    mouv__future_let_go(future);
    return code;
}

static int run_give_up(mouv__future_t *future, mouv_error_t *error, const char *why) {
    mouv__future_discard(future);
    return mouv_error_set(error, MOUV_ESTATE, "%s", why);
}

int mouv_run_until(mouv_runtime_t *runtime, mouv_future_t handle, mouv_error_t *error) {
    int code = 0;
    if (runtime == NULL || runtime != mouv__runtime())
        return mouv_error_set(error, MOUV_EINVAL, "mouv_run_until: not this thread's runtime");
    mouv__future_t *future = mouv__future_consume(handle, &code, error);
    if (future == NULL) return code;
    mouv__current_task(); /* one that was left by a jump has left the loop with it */
    if (runtime->goal != NULL || runtime->in_tick)
        return run_give_up(future, error, "mouv_run_until: the event loop is already running");
    mouv__future_start(future);
    if (run_drive(runtime, future) == 0)
        code = run_settle(future, error);
    else if (runtime != mouv__thread_runtime)
        return mouv_error_set(error, MOUV_ETHREAD,
                              "mouv_run_until: in a child of fork() the loop is its parent's");
    else
        code =
            run_give_up(future, error,
                        "mouv_run_until: the event loop has nothing left to do, but the future is "
                        "not done");
    if (runtime->closed) mouv__lifetime_free(runtime);
    return code;
}

/* ---- run ---- */

/* libuv aborts where the first loop of a process finds no descriptors for its signal pipe. */
static int run_check_descriptors(mouv_error_t *error) {
    enum { WANTED = 2 }; /* pipes: more than libuv opens until it can fail in order */
    int pipes[WANTED][2], made = 0, reason = 0;
    while (made < WANTED && (reason = uv_pipe(pipes[made], 0, 0)) == 0) made++;
    while (made-- > 0) {
        close(pipes[made][0]);
        close(pipes[made][1]);
    }
    return reason == 0 ? 0
                       : mouv_error_set(error, MOUV_ESYSTEM, "an event loop wants descriptors: %s",
                                        uv_strerror(reason));
}

/* `prepare` (may be NULL) is called with the main task before it starts. */
static int run_on_own_loop(mouv_fn_t fn, void *arg, mouv_error_t *error,
                           void (*prepare)(mouv_future_t, void *), void *prepare_arg) {
    mouv_runtime_t *runtime;
    mouv__lifetime_end_deserted();
    if (mouv__runtime() != NULL)
        return mouv__raise(error, MOUV_ESTATE,
                           "mouv_run() cannot be called from a running event loop");
    int rc = run_check_descriptors(error);
    if (rc == 0) rc = mouv__lifetime_open(&runtime, error);
    if (rc != 0) return rc;
    mouv_future_t task = mouv_task_at(fn, arg, NULL, "main", "mouv_run", 0);
    if (prepare != NULL) prepare(task, prepare_arg);
    rc = mouv_run_until(runtime, task, error);
    if (runtime == mouv__thread_runtime) mouv__lifetime_end(runtime); /* else a child of fork() */
    return rc;
}

int mouv_run(mouv_fn_t fn, void *arg, mouv_error_t *error) {
    if (fn == NULL) return mouv__raise(error, MOUV_EINVAL, "mouv_run: no function");
    return run_on_own_loop(fn, arg, error, NULL, NULL);
}

/* ---- main ---- */

typedef struct watch {
    mouv_future_t main_task;
    int seen;
} watch_t;

/* From here on both signals have their default effect: the second ends the process. */
static void run_on_signal(int signum, void *arg) {
    watch_t *watch = arg;
    watch->seen = signum;
    mouv__signal_remove(signum == SIGINT ? SIGTERM : SIGINT, run_on_signal, watch);
    mouv_future_cancel(watch->main_task);
}

/* One that is ignored (nohup, a script's background job) or that the program handles is left so. */
static void run_watch_signal(int signum, watch_t *watch) {
    struct sigaction now;
    if (sigaction(signum, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
        mouv__signal_add_once(signum, run_on_signal, watch);
}

static void run_watch_signals(mouv_future_t main_task, void *arg) {
    watch_t *watch = arg;
    watch->main_task = main_task;
    mouv_report_stack_overflow();
    run_watch_signal(SIGINT, watch);
    run_watch_signal(SIGTERM, watch);
}

int mouv_main(mouv_fn_t fn, void *arg) {
    watch_t watch = {0};
    mouv_error_t error;
    int rc = fn != NULL ? run_on_own_loop(fn, arg, &error, run_watch_signals, &watch)
                        : mouv_error_set(&error, MOUV_EINVAL, "mouv_main: no function");
    if (watch.seen != 0) return 128 + watch.seen;
    if (rc >= 0) return rc <= 255 ? rc : 1;
    mouv__log(MOUV_LOG_ERROR, "%s%s%s: %s", error.operation, *error.operation ? ": " : "",
              mouv_error_name(error.code), error.message);
    return 1;
}
