/*
 * wait: until all, or the first, of some futures are done.
 *
 * It borrows: it holds each of them until it is released itself, and neither takes the caller's
 * references nor cancels anything. It completes a tick after what it waits for, as asyncio does.
 */
#include "async/combine/wait.h"

#include <limits.h>

#include "async/loop/handle.h"
#include "async/loop/timer.h"
#include "async/task/runtime.h"
#include "context/alloc.h"

/* ---- borrowing ---- */

int mouv__wait_borrow(const char *who, const mouv_future_t *futures, size_t index,
                      mouv__future_t **future, int *code, mouv_error_t *error) {
    mouv_future_t handle = futures[index];
    mouv_error_t why;
    *future = NULL;
    if (mouv__handles_find(NULL, handle.id, future) == MOUV__HANDLE_FAILED) {
        *code = mouv__handle_failure(handle.id);
        return 0;
    }
    *future = mouv__future_consume(handle, code, &why);
    if (*future == NULL)
        return mouv_error_set(error, MOUV_EINVAL, "%s: futures[%zu]: %s", who, index, why.message);
    (*future)->owned++; /* the caller keeps his reference */
    return 0;
}

int mouv__wait_for_own(mouv_future_t own, mouv_error_t *error) {
    int rc = mouv_await(mouv_future_ref(own), error);
    mouv_future_drop(&own);
    return rc;
}

/* ---- wait ---- */

typedef struct wait wait_t;

typedef struct watched {
    mouv__future_listener_t listener; /* first */
    wait_t *wait;
    mouv__future_t *future; /* NULL: failed from the start, with `code` */
    int code;
} watched_t;

struct wait {
    mouv__future_t future; /* first */
    mouv__ready_t ready;   /* completes it */
    mouv__timer_t timer;
    mouv_wait_mode_t mode;
    bool limited; /* in time */
    size_t count, pending;
    watched_t watched[];
};

static int wait_count_done(const wait_t *wait) {
    size_t done = 0;
    for (size_t i = 0; i < wait->count; i++) {
        const mouv__future_t *future = wait->watched[i].future;
        done += future == NULL || mouv__future_is_done(future);
    }
    return done < INT_MAX ? (int)done : INT_MAX;
}

static void wait_finish_wait(wait_t *wait, int code) {
    mouv__timer_stop(wait->future.runtime, &wait->timer);
    for (size_t i = 0; i < wait->count; i++) {
        watched_t *watched = &wait->watched[i];
        if (watched->future != NULL) mouv__future_unlisten(watched->future, &watched->listener);
    }
    mouv__future_complete(&wait->future, code, NULL);
}

static void wait_run_wait(mouv__ready_t *ready) {
    wait_t *wait = mouv__container_of(ready, wait_t, ready);
    if (!mouv__future_is_done(&wait->future)) wait_finish_wait(wait, wait_count_done(wait));
    mouv__future_let_go(&wait->future);
}

/* On the next tick, as asyncio's callbacks: whatever ends in this one is counted as well. */
static void wait_finish_wait_soon(wait_t *wait) {
    if (mouv__ready_is_queued(&wait->ready)) return;
    mouv__future_hold(&wait->future);
    wait->ready.run = wait_run_wait;
    mouv__runtime_ready(wait->future.runtime, &wait->ready);
}

static void wait_note_done(wait_t *wait, int code) {
    bool failed = code < 0 && code != MOUV_ECANCELED;
    wait->pending--;
    if (wait->pending == 0 || wait->mode == MOUV_FIRST_COMPLETED ||
        (wait->mode == MOUV_FIRST_EXCEPTION && failed))
        wait_finish_wait_soon(wait);
}

static void wait_on_watched(mouv__future_listener_t *listener, mouv__future_t *future) {
    watched_t *watched = (watched_t *)listener;
    wait_note_done(watched->wait, future->code);
}

static void wait_on_wait_timeout(mouv__timer_t *timer) {
    wait_t *wait = mouv__container_of(timer, wait_t, timer);
    wait_finish_wait(wait, wait_count_done(wait));
}

static void wait_cancel_wait(mouv__future_t *future) {
    wait_finish_wait((wait_t *)future, MOUV_ECANCELED);
}

/* Only what it cannot end without: a wait that has a limit, or a choice, closes no cycle. */
static bool wait_visit_watched(mouv__future_t *future,
                               bool (*visit_child)(mouv__future_t *, void *), void *arg) {
    wait_t *wait = (wait_t *)future;
    bool choice = wait->mode != MOUV_ALL_COMPLETED && wait->pending > 1;
    if (wait->limited || choice || mouv__ready_is_queued(&wait->ready)) return false;
    for (size_t i = 0; i < wait->count; i++)
        if (mouv__future_listener_listens(&wait->watched[i].listener) &&
            visit_child(wait->watched[i].future, arg))
            return true;
    return false;
}

static void wait_release_watched(wait_t *wait) {
    for (size_t i = 0; i < wait->count; i++)
        if (wait->watched[i].future != NULL) mouv__future_let_go(wait->watched[i].future);
    mouv__free(wait);
}

static void wait_release_wait(mouv__future_t *future) {
    wait_release_watched((wait_t *)future);
}

static const mouv__future_ops_t wait_ops = {
    .kind = "wait",
    .cancel = wait_cancel_wait,
    .visit = wait_visit_watched,
    .release = wait_release_wait,
};

/* As asyncio: ValueError of an empty set, TypeError of a coroutine. */
static int wait_check_wait(const mouv_future_t *futures, size_t count, mouv_wait_mode_t mode,
                           mouv_error_t *error) {
    if (mouv__runtime() == NULL)
        return mouv_error_set(error, MOUV_ENOLOOP, "wait: no running event loop");
    if (futures == NULL || count == 0)
        return mouv_error_set(error, MOUV_EINVAL, "wait: the set of futures is empty");
    if (mode != MOUV_ALL_COMPLETED && mode != MOUV_FIRST_COMPLETED && mode != MOUV_FIRST_EXCEPTION)
        return mouv_error_set(error, MOUV_EINVAL, "wait: unknown mode %d", (int)mode);
    return 0;
}

static int wait_borrow_watched(wait_t *wait, const mouv_future_t *futures, size_t index,
                               mouv_error_t *error) {
    watched_t *watched = &wait->watched[index];
    int rc = mouv__wait_borrow("wait", futures, index, &watched->future, &watched->code, error);
    if (rc != 0) return rc;
    wait->count = index + 1;
    if (watched->future == NULL || watched->future->state != MOUV__COLD) return 0;
    return mouv_error_set(error, MOUV_EINVAL,
                          "wait: futures[%zu]: a coroutine that has not been started; make it a "
                          "task",
                          index);
}

static void wait_watch(wait_t *wait, size_t index) {
    watched_t *watched = &wait->watched[index];
    watched->wait = wait;
    if (watched->future == NULL || mouv__future_is_done(watched->future)) {
        wait_note_done(wait, watched->future != NULL ? watched->future->code : watched->code);
        return;
    }
    watched->listener.done = wait_on_watched;
    mouv__future_listen(watched->future, &watched->listener);
}

static void wait_limit_wait(wait_t *wait, int64_t timeout_ms) {
    mouv_runtime_t *runtime = wait->future.runtime;
    wait->limited = timeout_ms != MOUV_FOREVER;
    if (timeout_ms <= 0)
        wait_finish_wait_soon(wait);
    else if (mouv__timer_start(runtime, &wait->timer, mouv__clock_deadline_in(runtime, timeout_ms),
                               wait_on_wait_timeout) != 0)
        wait_finish_wait(wait, MOUV_ENOMEM);
}

/* With all futures borrowed; NULL and `error` on failure. */
static wait_t *wait_make_wait(const mouv_future_t *futures, size_t count, mouv_error_t *error) {
    mouv_runtime_t *runtime = mouv__runtime();
    wait_t *wait = mouv__alloc(sizeof *wait + count * sizeof(watched_t));
    int rc = 0;
    for (size_t i = 0; wait != NULL && rc == 0 && i < count; i++)
        rc = wait_borrow_watched(wait, futures, i, error);
    if (wait == NULL ||
        (rc == 0 && mouv__future_init(&wait->future, &wait_ops, runtime, true) != 0))
        rc = mouv_error_set(error, MOUV_ENOMEM, "wait: out of memory");
    if (rc == 0) return wait;
    if (wait != NULL) wait_release_watched(wait);
    return NULL;
}

mouv_future_t mouv_wait_future(const mouv_future_t *futures, size_t count, mouv_wait_mode_t mode,
                               int64_t timeout_ms) {
    mouv_error_t error;
    wait_t *wait = NULL;
    if (wait_check_wait(futures, count, mode, &error) == 0)
        wait = wait_make_wait(futures, count, &error);
    if (wait == NULL) return mouv__future_failed_with(mouv__runtime(), &error);
    mouv_future_t handle = mouv__future_handle(&wait->future);
    wait->mode = mode;
    wait->pending = count;
    for (size_t i = 0; i < count; i++) wait_watch(wait, i);
    wait_limit_wait(wait, timeout_ms);
    return handle;
}

int mouv_wait(const mouv_future_t *futures, size_t count, mouv_wait_mode_t mode, int64_t timeout_ms,
              mouv_error_t *error) {
    if (mouv__current_task_future() == NULL)
        return mouv_error_set(error, MOUV_ENOTCORO, "wait: outside of a coroutine");
    int rc = mouv__wait_for_own(mouv_wait_future(futures, count, mode, timeout_ms), error);
    if (rc < 0) return rc;
    int done = 0; /* more may be by now than had completed it */
    for (size_t i = 0; i < count; i++) done += mouv_future_done(futures[i]);
    return done;
}
