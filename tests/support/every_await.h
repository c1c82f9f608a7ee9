/*
 * A program that uses each way of waiting once, as steps for the sweeps: test_nomem.c makes every
 * allocation of it fail, test_cancel_sweep.c cancels it at every suspension. A step cleans up after
 * itself whatever happens, and returns what its first failing call returned. Time is virtual.
 */
#ifndef MOUV_TEST_EVERY_AWAIT_H
#define MOUV_TEST_EVERY_AWAIT_H

#include <signal.h>

#include "async_support.h"

typedef struct step {
    const char *name;
    int (*run)(void);
} step_t;

/* Bodies that have begun and not returned: 0 at the end, or somebody was lost. */
static int bodies_open;

static inline int five(void *arg) {
    (void)arg;
    bodies_open++;
    int rc = mouv_sleep_ms(10);
    bodies_open--;
    return rc < 0 ? rc : 5;
}

static inline int at_once(void *arg) {
    return *(const int *)arg;
}

static inline int goes_deeper(void *arg) {
    (void)arg;
    bodies_open++;
    int rc = mouv_await(mouv_coro(five, NULL), NULL);
    if (rc >= 0) rc = mouv_await(mouv_task(five, NULL), NULL);
    bodies_open--;
    return rc;
}

static inline int fails_with_text(void *arg) {
    (void)arg;
    return mouv_fail(-5, "a text of its own");
}

static inline int as_expected(int rc, int expected) {
    if (rc >= 0 || rc == expected) CHECK_INT(rc, expected);
    return rc == expected ? 0 : rc;
}

/* --- Awaiting ------------------------------------------------------------------------------- */

static int step_sleep(void) {
    int rc = mouv_sleep_ms(5);
    return rc < 0 ? rc : mouv_sleep_ms(0);
}

static int step_coroutine(void) {
    return as_expected(mouv_await(mouv_coro(goes_deeper, NULL), NULL), 5);
}

static int step_task(void) {
    return as_expected(mouv_await(mouv_task(goes_deeper, NULL), NULL), 5);
}

static int step_task_copy(void) {
    int four = 4;
    mouv_task_opts_t opts = {.name = "with a name", .copy = &four, .copy_size_bytes = sizeof four};
    int rc = as_expected(mouv_await(mouv_task_copy(at_once, &four, sizeof four), NULL), 4);
    return rc < 0 ? rc : as_expected(mouv_await(mouv_task_with(at_once, NULL, &opts), NULL), 4);
}

static int step_failing_task(void) {
    mouv_error_t error;
    int rc = mouv_await(mouv_task(fails_with_text, NULL), &error);
    CHECK(rc != -5 || error.message[0] != '\0');
    return as_expected(rc, -5);
}

static int step_future(void) {
    mouv_future_t future = mouv_future_new();
    mouv_future_set_name(future, "by hand");
    mouv_error_t error;
    mouv_error_set(&error, -6, "set by hand");
    mouv_future_set_error(future, &error);
    return as_expected(mouv_await(future, NULL), -6);
}

static int step_timer(void) {
    return as_expected(mouv_await(mouv_sleep_future(20), NULL), 0);
}

static int step_await_for(void) {
    int64_t hour = 3600 * 1000;
    int rc = as_expected(mouv_await_for(mouv_coro(goes_deeper, NULL), 1000, NULL), 5);
    if (rc < 0) return rc;
    return as_expected(mouv_await_for(mouv_task(sleeper, &hour), 30, NULL), MOUV_ETIMEDOUT);
}

static int step_wait_for(void) {
    int64_t hour = 3600 * 1000;
    int rc = as_expected(mouv_await(mouv_wait_for(mouv_coro(goes_deeper, NULL), 1000), NULL), 5);
    if (rc < 0) return rc;
    rc = mouv_await(mouv_wait_for(mouv_task(sleeper, &hour), 30), NULL);
    return as_expected(rc, MOUV_ETIMEDOUT);
}

static int step_shield(void) {
    return as_expected(mouv_await(mouv_shield(mouv_coro(five, NULL)), NULL), 5);
}

static int step_timeout_scope(void) {
    MOUV_TIMEOUT_SCOPE(outer, 100000);
    mouv_scope_t inner;
    int rc = mouv_timeout_begin(&inner, 10);
    if (rc < 0) return rc;
    return as_expected(mouv_timeout_end(&inner, mouv_sleep_ms(3600 * 1000), NULL), MOUV_ETIMEDOUT);
}

static int step_with_timeout(void) {
    return as_expected(mouv_with_timeout(1000, goes_deeper, NULL, NULL), 5);
}

/* --- Many ----------------------------------------------------------------------------------- */

static int step_gather(void) {
    return mouv_await(
        mouv_gather(mouv_coro(five, NULL), mouv_task(goes_deeper, NULL), mouv_sleep_future(5)),
        NULL);
}

static int step_failing_gather(void) {
    mouv_future_t slow = mouv_task(five, NULL);
    int rc = mouv_await(mouv_gather(mouv_future_ref(slow), mouv_task(fails_with_text, NULL)), NULL);
    int left = mouv_await(slow, NULL);
    if (rc == -5 && left < 0 && left != MOUV_EINVAL) return left;
    return as_expected(rc, -5);
}

static int step_gather_all(void) {
    int codes[2];
    mouv_error_t errors[2];
    mouv_future_t both[] = {mouv_task(five, NULL), mouv_task(fails_with_text, NULL)};
    int rc = mouv_await(mouv_gather_all(both, 2, codes, errors), NULL);
    if (rc == 2) return codes[0]; /* more than was meant to has failed */
    return as_expected(rc < 0 ? rc : rc == 1 && codes[0] < 0 ? codes[0] : rc, 1) < 0 ? rc : 0;
}

static int step_wait(void) {
    mouv_future_t jobs[] = {mouv_task(five, NULL), mouv_task(goes_deeper, NULL)};
    int rc = mouv_wait(jobs, 2, MOUV_FIRST_COMPLETED, 1000, NULL), last = 0;
    for (int i = 0; i < 2; i++) {
        int code = mouv_await(jobs[i], NULL);
        if (code < 0) last = code;
    }
    return rc < 0 ? rc : last;
}

static int step_as_completed(void) {
    mouv_future_t jobs[] = {mouv_task(five, NULL), mouv_task(goes_deeper, NULL)}, job;
    mouv_as_completed_t *it = mouv_as_completed(jobs, 2, 1000);
    mouv_error_t error;
    int rc, last = 0;
    while ((rc = mouv_as_completed_next(it, &job, &error)) > 0) {
        int code = mouv_await(job, NULL);
        if (code < 0) last = code;
    }
    if (it == NULL) rc = MOUV_ENOMEM; /* as documented */
    mouv_as_completed_unref(it);
    for (int i = 0; i < 2; i++) mouv_future_drop(&jobs[i]);
    return rc < 0 ? rc : last;
}

static int step_group(void) {
    mouv_group_t group;
    int rc = mouv_group_begin(&group);
    if (rc < 0) return rc;
    mouv_group_start(&group, five, NULL);
    mouv_group_start(&group, goes_deeper, NULL);
    rc = mouv_group_join(&group, NULL);
    mouv_group_leave(&group);
    return rc;
}

/* --- Between tasks -------------------------------------------------------------------------- */

static mouv_queue_t shared_queue;

static inline int produces(void *arg) {
    (void)arg;
    static int items[3];
    int rc = 0;
    for (int i = 0; i < 3 && rc >= 0; i++) rc = mouv_queue_put(&shared_queue, &items[i]);
    if (rc < 0) mouv_queue_shutdown(&shared_queue, true);
    return rc;
}

static int step_queue(void) {
    void *item;
    int rc = 0;
    mouv_queue_init(&shared_queue, 1);
    mouv_future_t producer = mouv_task(produces, NULL);
    if (!mouv_future_done(producer))
        for (int i = 0; i < 3 && rc >= 0; i++) rc = mouv_queue_get(&shared_queue, &item);
    if (rc < 0) mouv_queue_shutdown(&shared_queue, true);
    int produced = mouv_await(producer, NULL);
    mouv_queue_clear(&shared_queue);
    if (rc == MOUV_ESHUTDOWN || rc == 0) return produced == MOUV_ESHUTDOWN ? 0 : produced;
    return rc;
}

static mouv_lock_t shared_lock;

static inline int holds_the_lock(void *arg) {
    (void)arg;
    int rc = mouv_lock_acquire(&shared_lock);
    if (rc < 0) return rc;
    rc = mouv_sleep_ms(5);
    mouv_lock_release(&shared_lock);
    return rc;
}

static int step_lock(void) {
    mouv_lock_init(&shared_lock);
    mouv_future_t one = mouv_task(holds_the_lock, NULL), two = mouv_task(holds_the_lock, NULL);
    int first = mouv_await(one, NULL), second = mouv_await(two, NULL);
    CHECK(!mouv_lock_locked(&shared_lock));
    mouv_lock_clear(&shared_lock);
    return first < 0 ? first : second;
}

static mouv_event_t shared_event;

static inline int waits_for_the_event(void *arg) {
    (void)arg;
    return mouv_event_wait(&shared_event);
}

static int step_event(void) {
    mouv_event_init(&shared_event);
    mouv_future_t one = mouv_task(waits_for_the_event, NULL);
    int slept = mouv_sleep_ms(5);
    mouv_event_set(&shared_event);
    int rc = mouv_await(one, NULL);
    mouv_event_close(&shared_event);
    return slept < 0 ? slept : rc;
}

/* --- Callbacks ------------------------------------------------------------------------------ */

static inline void on_future(mouv_future_t future, void *called) {
    (void)future;
    *(bool *)called = true;
}

static int step_then(void) {
    static bool then, done; /* the callbacks may outlive a step that fails */
    then = done = false;
    mouv_future_t nap = mouv_sleep_future(5);
    int rc = mouv_future_add_done_callback(nap, on_future, &done);
    int rc_then = mouv_then(nap, on_future, &then);
    if (rc_then == 0) {
        while (!then && rc_then == 0) rc_then = mouv_sleep_ms(1);
        MOUV_SHIELD_SCOPE(until_called, 1000);
        while (!then && mouv_sleep_ms(1) == 0) {
        }
        CHECK(then);
    }
    return rc_then < 0 ? rc_then : rc < 0 && rc != MOUV_EINVAL ? rc : 0;
}

static inline void set_true(void *called) {
    *(bool *)called = true;
}

static int step_calls(void) {
    static bool soon, later, never;
    mouv_handle_t handle = {0};
    soon = later = never = false;
    int rc = mouv_call_soon(set_true, &soon, NULL);
    int rc_later = mouv_call_later(10, set_true, &later, NULL);
    int rc_never = mouv_call_later(10, set_true, &never, &handle);
    mouv_handle_cancel(handle);
    int slept = mouv_sleep_ms(20);
    if (slept == 0) {
        CHECK(soon == (rc == 0));
        CHECK(later == (rc_later == 0));
        CHECK(!never);
    }
    return rc < 0 ? rc : rc_later < 0 ? rc_later : rc_never < 0 ? rc_never : slept;
}

/* --- Outside the loop ----------------------------------------------------------------------- */

static inline int on_worker(void *arg) {
    uv_sleep(1);
    return *(int *)arg < 0 ? mouv_fail(*(int *)arg, "from a worker") : *(int *)arg;
}

static int step_offload(void) {
    int three = 3, minus = -8;
    int rc = as_expected(mouv_await(mouv_offload(on_worker, &three), NULL), 3);
    return rc < 0 ? rc : as_expected(mouv_await(mouv_offload(on_worker, &minus), NULL), -8);
}

static int step_offload_detached(void) {
    int *three = malloc(sizeof *three);
    *three = 3;
    return as_expected(mouv_await(mouv_offload_detached(on_worker, three, free), NULL), 3);
}

static inline int runs_on_the_loop(void *remote) {
    mouv_error_t error;
    int rc = mouv_call_soon_threadsafe(remote, (void (*)(void *))free, NULL);
    return rc < 0 ? rc : mouv_run_threadsafe_for(remote, five, NULL, 1000000, &error);
}

/* The worker waits for the loop, so the remote must stay until it has returned: offload waits. */
static int step_threadsafe(void) {
    mouv_remote_t *remote = mouv_remote_new(mouv_runtime_current());
    int rc = mouv_await(mouv_offload(runs_on_the_loop, remote), NULL);
    mouv_remote_unref(remote);
    return as_expected(rc, 5);
}

static int step_signal(void) {
    mouv_future_t future = mouv_signal_future(SIGUSR1);
    if (!mouv_future_done(future)) raise(SIGUSR1);
    return as_expected(mouv_await(future, NULL), SIGUSR1);
}

#define EVERY_AWAIT_STEP(name) \
    { #name, step_##name }
static const step_t every_await[] = {
    EVERY_AWAIT_STEP(sleep),
    EVERY_AWAIT_STEP(coroutine),
    EVERY_AWAIT_STEP(task),
    EVERY_AWAIT_STEP(task_copy),
    EVERY_AWAIT_STEP(failing_task),
    EVERY_AWAIT_STEP(future),
    EVERY_AWAIT_STEP(timer),
    EVERY_AWAIT_STEP(await_for),
    EVERY_AWAIT_STEP(wait_for),
    EVERY_AWAIT_STEP(shield),
    EVERY_AWAIT_STEP(timeout_scope),
    EVERY_AWAIT_STEP(with_timeout),
    EVERY_AWAIT_STEP(gather),
    EVERY_AWAIT_STEP(failing_gather),
    EVERY_AWAIT_STEP(gather_all),
    EVERY_AWAIT_STEP(wait),
    EVERY_AWAIT_STEP(as_completed),
    EVERY_AWAIT_STEP(group),
    EVERY_AWAIT_STEP(queue),
    EVERY_AWAIT_STEP(lock),
    EVERY_AWAIT_STEP(event),
    EVERY_AWAIT_STEP(then),
    EVERY_AWAIT_STEP(calls),
    EVERY_AWAIT_STEP(offload),
    EVERY_AWAIT_STEP(offload_detached),
    EVERY_AWAIT_STEP(threadsafe),
    EVERY_AWAIT_STEP(signal),
};
enum { EVERY_AWAIT = sizeof every_await / sizeof *every_await };

#endif
