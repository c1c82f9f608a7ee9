/*
 * Calls and tasks from other threads: mail that starts them, a condition variable that tells how a
 * task has ended. A remote task is counted: by who has its handle, on any thread, and by the mail or
 * the loop that has it in hand; its last user frees it. A call is freed by whoever gets its mail.
 */
#include <mouv/threadsafe.h>

#include "async/loop/future.h"
#include "async/task/runtime.h"
#include "context/alloc.h"

#include <mouv/task.h>

/* ---- addresses ---- */

mouv_remote_t *mouv_remote_new(mouv_runtime_t *runtime) {
    if (runtime == NULL || runtime != mouv__runtime()) return NULL;
    return mouv__mailbox_ref(mouv__runtime_mailbox(runtime));
}

mouv_remote_t *mouv_remote_ref(mouv_remote_t *remote) {
    return remote != NULL ? mouv__mailbox_ref(remote) : NULL;
}

mouv_remote_t *mouv_remote_unref(mouv_remote_t *remote) {
    if (remote != NULL) mouv__mailbox_unref(remote);
    return NULL;
}

static bool threadsafe_is_own_thread(const mouv_remote_t *remote) {
    mouv_runtime_t *runtime = mouv__runtime();
    return runtime != NULL && mouv__runtime_mailbox(runtime) == remote;
}

/* ---- callbacks ---- */

typedef struct call {
    mouv__mail_t mail; /* first */
    mouv__ready_t ready;
    void (*fn)(void *arg);
    void *arg;
} call_t;

static void threadsafe_run_call(mouv__ready_t *ready) {
    call_t *call = mouv__container_of(ready, call_t, ready);
    void (*fn)(void *) = call->fn;
    void *arg = call->arg;
    mouv__free(call);
    fn(arg);
}

static void threadsafe_deliver_call(mouv__mail_t *mail) {
    mouv__runtime_ready(mouv__runtime(), &((call_t *)mail)->ready);
}

static void threadsafe_discard_call(mouv__mail_t *mail) {
    mouv__free(mail);
}

int mouv_call_soon_threadsafe(mouv_remote_t *remote, void (*fn)(void *arg), void *arg) {
    if (remote == NULL || fn == NULL) return MOUV_EINVAL;
    if (mouv__mailbox_is_orphaned(remote)) return MOUV_ETHREAD;
    call_t *call = mouv__alloc(sizeof *call);
    if (call == NULL) return MOUV_ENOMEM;
    *call =
        (call_t){.mail = {.deliver = threadsafe_deliver_call, .discard = threadsafe_discard_call},
                 .ready = {.run = threadsafe_run_call},
                 .fn = fn,
                 .arg = arg};
    return mouv__mailbox_post(remote, &call->mail) ? 0 : MOUV_ECLOSED;
}

/* ---- tasks ---- */

struct mouv_remote_task {
    mouv__mail_t start; /* first; then the task */
    mouv__mail_t stop;  /* posted once, if cancelled */
    mouv_remote_t *remote;
    mouv_fn_t fn;
    void *arg;
    const char *fn_name, *file;
    int line;
    mouv__future_t *future; /* loop thread; while it runs */
    mouv__future_listener_t listener;

    uv_mutex_t lock; /* for what follows */
    uv_cond_t ended;
    size_t references;
    bool asked, begun, done; /* done without having begun: it never begins */
    int code;
    mouv_error_t error;
};

/* In a child of fork() nothing becomes of its parent's tasks, whose locks may be taken. */
static bool threadsafe_is_of_parent(const mouv_remote_task_t *task) {
    return mouv__mailbox_is_orphaned(task->remote);
}

static void threadsafe_unref(mouv_remote_task_t *task) {
    uv_mutex_lock(&task->lock);
    bool last = --task->references == 0;
    uv_mutex_unlock(&task->lock);
    if (!last) return;
    uv_cond_destroy(&task->ended);
    uv_mutex_destroy(&task->lock);
    mouv__mailbox_unref(task->remote);
    mouv__free(task);
}

/* `error` is read for a failure only. Gives up the reference of whoever ran it. */
static void threadsafe_end(mouv_remote_task_t *task, int code, const mouv_error_t *error) {
    uv_mutex_lock(&task->lock);
    task->done = true;
    task->code = code;
    if (code < 0) task->error = *error;
    uv_cond_broadcast(&task->ended);
    uv_mutex_unlock(&task->lock);
    threadsafe_unref(task);
}

/* On the loop, when its mail is there: false if nobody waits for it any more. */
static bool threadsafe_begin(mouv_remote_task_t *task) {
    uv_mutex_lock(&task->lock);
    bool wanted = !task->done;
    task->begun = true;
    uv_mutex_unlock(&task->lock);
    if (!wanted) threadsafe_unref(task);
    return wanted;
}

static void threadsafe_fail(mouv_remote_task_t *task, int code) {
    mouv_error_t error;
    mouv_error_set(&error, code, "task '%s' from another thread: %s", task->fn_name,
                   mouv_error_message(code));
    threadsafe_end(task, code, &error);
}

static void threadsafe_on_done(mouv__future_listener_t *listener, mouv__future_t *future) {
    mouv_remote_task_t *task = mouv__container_of(listener, mouv_remote_task_t, listener);
    mouv_error_t error;
    task->future = NULL;
    int code = mouv__future_take(future, &error);
    threadsafe_end(task, code, &error);
    mouv__future_let_go(future);
}

static void threadsafe_deliver_start(mouv__mail_t *mail) {
    mouv_remote_task_t *task = (mouv_remote_task_t *)mail;
    int code = 0;
    if (!threadsafe_begin(task)) return;
    mouv_future_t handle =
        mouv_task_at(task->fn, task->arg, NULL, task->fn_name, task->file, task->line);
    task->future = mouv__future_consume(handle, &code, NULL);
    if (task->future == NULL) {
        threadsafe_fail(task, code);
    } else if (mouv__future_is_done(task->future)) {
        threadsafe_on_done(&task->listener, task->future);
    } else {
        task->listener.done = threadsafe_on_done;
        mouv__future_listen(task->future, &task->listener);
    }
}

static void threadsafe_discard_start(mouv__mail_t *mail) {
    mouv_remote_task_t *task = (mouv_remote_task_t *)mail;
    if (threadsafe_begin(task)) threadsafe_fail(task, MOUV_ECLOSED);
}

static mouv_remote_task_t *threadsafe_task_of_stop(mouv__mail_t *mail) {
    return mouv__container_of(mail, mouv_remote_task_t, stop);
}

static void threadsafe_deliver_stop(mouv__mail_t *mail) {
    mouv_remote_task_t *task = threadsafe_task_of_stop(mail);
    if (task->future != NULL) mouv__future_cancel(task->future);
    threadsafe_unref(task);
}

static void threadsafe_discard_stop(mouv__mail_t *mail) {
    threadsafe_unref(threadsafe_task_of_stop(mail));
}

static bool threadsafe_open_locks(mouv_remote_task_t *task) {
    if (uv_mutex_init(&task->lock) != 0) return false;
    if (uv_cond_init(&task->ended) == 0) return true;
    uv_mutex_destroy(&task->lock);
    return false;
}

mouv_remote_task_t *mouv_remote_task_at(mouv_remote_t *remote, mouv_fn_t fn, void *arg,
                                        const char *fn_name, const char *file, int line) {
    mouv_remote_task_t *task = remote != NULL && fn != NULL ? mouv__alloc(sizeof *task) : NULL;
    if (task == NULL || !threadsafe_open_locks(task)) {
        mouv__free(task);
        return NULL;
    }
    task->start =
        (mouv__mail_t){.deliver = threadsafe_deliver_start, .discard = threadsafe_discard_start};
    task->stop =
        (mouv__mail_t){.deliver = threadsafe_deliver_stop, .discard = threadsafe_discard_stop};
    task->remote = mouv__mailbox_ref(remote);
    task->fn = fn;
    task->arg = arg;
    task->fn_name = fn_name;
    task->file = file;
    task->line = line;
    task->references = 2; /* the caller's, and its own until it has ended */
    mouv__mailbox_post(remote, &task->start);
    return task;
}

/* Whether it is done in time. With the lock. */
static bool threadsafe_wait_until_done(mouv_remote_task_t *task, int64_t timeout_ms) {
    uint64_t began = uv_hrtime();
    uint64_t limit = timeout_ms > 0 ? (uint64_t)timeout_ms * 1000000 : 0;
    while (!task->done) {
        uint64_t passed = uv_hrtime() - began;
        if (timeout_ms > INT64_MAX / 1000000)
            uv_cond_wait(&task->ended, &task->lock);
        else if (passed >= limit)
            return false;
        else
            uv_cond_timedwait(&task->ended, &task->lock, limit - passed);
    }
    return true;
}

int mouv_remote_task_wait(mouv_remote_task_t *task, int64_t timeout_ms, mouv_error_t *error) {
    if (task == NULL) return mouv_error_set(error, MOUV_EINVAL, "mouv_remote_task_wait: no task");
    if (threadsafe_is_of_parent(task))
        return mouv_error_set(error, MOUV_ETHREAD, "mouv_remote_task_wait: in a child of fork()");
    bool own = threadsafe_is_own_thread(task->remote);
    uv_mutex_lock(&task->lock);
    bool done = threadsafe_wait_until_done(task, own ? 0 : timeout_ms);
    int code = done ? task->code : own ? MOUV_EDEADLK : MOUV_ETIMEDOUT;
    if (done && code < 0 && error != NULL) *error = task->error;
    uv_mutex_unlock(&task->lock);
    if (done) return code;
    return mouv_error_set(error, code, "%s",
                          own ? "waiting for a task of this thread's own loop would never end"
                              : mouv_error_message(MOUV_ETIMEDOUT));
}

bool mouv_remote_task_cancel(mouv_remote_task_t *task) {
    if (task == NULL || threadsafe_is_of_parent(task)) return false;
    uv_mutex_lock(&task->lock);
    bool first = !task->asked && !task->done;
    if (first) {
        task->asked = true;
        task->references++;
    }
    uv_mutex_unlock(&task->lock);
    if (first) mouv__mailbox_post(task->remote, &task->stop);
    return first;
}

bool mouv_remote_task_done(mouv_remote_task_t *task) {
    if (task == NULL || threadsafe_is_of_parent(task)) return true;
    uv_mutex_lock(&task->lock);
    bool done = task->done;
    uv_mutex_unlock(&task->lock);
    return done;
}

mouv_remote_task_t *mouv_remote_task_unref(mouv_remote_task_t *task) {
    if (task != NULL && !threadsafe_is_of_parent(task)) threadsafe_unref(task);
    return NULL;
}

/* ---- start and wait ---- */

/* While the loop is busy it can neither begin nor be cancelled, but left undone. */
static bool threadsafe_withdraw(mouv_remote_task_t *task) {
    uv_mutex_lock(&task->lock);
    bool withdrawn = !task->begun && !task->done;
    if (withdrawn) task->done = true;
    uv_mutex_unlock(&task->lock);
    return withdrawn;
}

static int threadsafe_time_out(mouv_remote_task_t *task, mouv_error_t *error) {
    if (threadsafe_withdraw(task))
        return mouv_error_set(error, MOUV_ETIMEDOUT,
                              "timed out before the task began: the loop is busy");
    mouv_remote_task_cancel(task);
    int rc = mouv_remote_task_wait(task, INT64_MAX, error);
    if (rc != MOUV_ECANCELED) return rc;
    mouv_error_set(error, MOUV_ETIMEDOUT, "%s", mouv_error_message(MOUV_ETIMEDOUT));
    if (error != NULL) error->cause = MOUV_ECANCELED;
    return MOUV_ETIMEDOUT;
}

int mouv_run_threadsafe_at(mouv_remote_t *remote, mouv_fn_t fn, void *arg, mouv_error_t *error,
                           const char *fn_name, const char *file, int line) {
    return mouv_run_threadsafe_for_at(remote, fn, arg, INT64_MAX, error, fn_name, file, line);
}

int mouv_run_threadsafe_for_at(mouv_remote_t *remote, mouv_fn_t fn, void *arg, int64_t timeout_ms,
                               mouv_error_t *error, const char *fn_name, const char *file,
                               int line) {
    if (remote == NULL || fn == NULL)
        return mouv_error_set(error, MOUV_EINVAL, "mouv_run_threadsafe: %s",
                              fn == NULL ? "no function" : "no runtime");
    if (mouv__mailbox_is_orphaned(remote))
        return mouv_error_set(error, MOUV_ETHREAD, "mouv_run_threadsafe: in a child of fork()");
    if (threadsafe_is_own_thread(remote))
        return mouv_error_set(error, MOUV_EDEADLK,
                              "mouv_run_threadsafe: called on the runtime's own thread");
    mouv_remote_task_t *task = mouv_remote_task_at(remote, fn, arg, fn_name, file, line);
    if (task == NULL)
        return mouv_error_set(error, MOUV_ENOMEM, "%s", mouv_error_message(MOUV_ENOMEM));
    int rc = mouv_remote_task_wait(task, timeout_ms, error);
    if (rc == MOUV_ETIMEDOUT && !mouv_remote_task_done(task)) rc = threadsafe_time_out(task, error);
    threadsafe_unref(task);
    return rc;
}
