/* mouv_condition_t: the lock is given up while waiting, and held again after, whatever happened. */
#include "../support/async_support.h"

#include "context/alloc.h"

static mouv_condition_t changed;
static int state_value;

static mouv_lock_t *its_lock(void) {
    return mouv_condition_lock(&changed);
}

static void acquire(void) {
    CHECK_INT(mouv_lock_acquire(its_lock()), 0);
}

static void release(void) {
    CHECK_INT(mouv_lock_release(its_lock()), 0);
}

static void note(const char *word, int rc) {
    event("%s%s%s", word, rc < 0 ? ":" : "", rc < 0 ? mouv_error_name(rc) + 5 : "");
}

/* Waits once, says its word, and expects to hold the lock in every case. */
static int waiter(void *word) {
    int rc = mouv_lock_acquire(its_lock());
    if (rc < 0) return rc;
    rc = mouv_condition_wait(&changed);
    note(word, rc);
    release();
    return rc;
}

static bool is_positive(void *value) {
    return *(int *)value > 0;
}

static int waiter_for_positive(void *word) {
    acquire();
    int rc = mouv_condition_wait_for(&changed, is_positive, &state_value);
    note(word, rc);
    release();
    return rc;
}

/* --- Waking --------------------------------------------------------------------------------- */

CORO_CASE(notify_wakes_so_many_in_the_order_in_which_they_came) {
    mouv_future_t ab = mouv_gather(mouv_task(waiter, "a"), mouv_task(waiter, "b"));
    mouv_future_t cd = mouv_gather(mouv_task(waiter, "c"), mouv_task(waiter, "d"));
    yield(1);
    acquire(); /* all have given it up */
    CHECK_INT(mouv_condition_notify(&changed, 2), 0);
    yield(2);
    CHECK_STRING(events(), ""); /* not before they have the lock */
    release();
    CHECK_INT(mouv_await(ab, NULL), 0);
    yield(3);
    CHECK_STRING(events(), "a b");
    acquire();
    CHECK_INT(mouv_condition_notify_all(&changed), 0);
    release();
    CHECK_INT(mouv_await(cd, NULL), 0);
    CHECK_STRING(events(), "a b c d");
    CHECK(!mouv_lock_locked(its_lock()));
    return 0;
}

CORO_CASE(notify_of_nobody_is_forgotten) {
    acquire();
    CHECK_INT(mouv_condition_notify(&changed, 3), 0);
    CHECK_INT(mouv_condition_notify(&changed, 0), 0);
    CHECK_INT(mouv_await_for(mouv_condition_wait_future(&changed), 5, NULL), MOUV_ETIMEDOUT);
    release();
    return 0;
}

CORO_CASE(notified_stand_in_line_with_those_who_want_the_lock) {
    mouv_future_t a = mouv_task(waiter, "a");
    yield(1);
    acquire();
    mouv_future_t before = mouv_lock_acquire_future(its_lock());
    CHECK_INT(mouv_condition_notify(&changed, 1), 0);
    mouv_future_t after = mouv_lock_acquire_future(its_lock());
    release();
    CHECK_INT(mouv_await(before, NULL), 0);
    event("before");
    release();
    CHECK_INT(mouv_await(after, NULL), 0);
    event("after");
    release();
    CHECK_INT(mouv_await(a, NULL), 0);
    CHECK_STRING(events(), "before a after");
    return 0;
}

CORO_CASE(wait_for_goes_on_when_the_predicate_is_true) {
    state_value = 0;
    mouv_future_t a = mouv_task(waiter_for_positive, "a");
    yield(1);
    acquire();
    CHECK_INT(mouv_condition_notify_all(&changed), 0);
    release();
    yield(3);
    CHECK_STRING(events(), "");
    acquire();
    state_value = 1;
    CHECK_INT(mouv_condition_wait_for(&changed, is_positive, &state_value), 0); /* at once */
    CHECK_INT(mouv_condition_notify_all(&changed), 0);
    release();
    CHECK_INT(mouv_await(a, NULL), 0);
    CHECK_STRING(events(), "a");
    return 0;
}

CORO_CASE(thousands_wait_and_go_on_in_order) {
    enum { COUNT = 2000 };
    static mouv_future_t tasks[COUNT];
    state_value = 0;
    for (int i = 0; i < COUNT; i++) tasks[i] = mouv_task(waiter_for_positive, "");
    yield(1);
    acquire();
    state_value = 1;
    CHECK_INT(mouv_condition_notify_all(&changed), 0);
    release();
    CHECK_INT(mouv_await(mouv_gather_array(tasks, COUNT), NULL), 0);
    CHECK(!mouv_lock_locked(its_lock()));
    return 0;
}

/* --- Misuse --------------------------------------------------------------------------------- */

CORO_CASE(wait_and_notify_without_the_lock_are_an_invalid_state) {
    mouv_error_t error = {0};
    CHECK_INT(mouv_condition_wait(&changed), MOUV_ESTATE);
    CHECK_INT(mouv_await(mouv_condition_wait_future(&changed), &error), MOUV_ESTATE);
    CHECK_STRING(error.message, "cannot wait on un-acquired lock");
    CHECK_INT(mouv_condition_wait_for(&changed, is_positive, &state_value), MOUV_ESTATE);
    CHECK_INT(mouv_condition_notify(&changed, 1), MOUV_ESTATE);
    CHECK_INT(mouv_condition_notify_all(&changed), MOUV_ESTATE);
    mouv_future_t held = mouv_lock_acquire_future(its_lock()); /* not taken: not the caller's */
    CHECK_INT(mouv_condition_notify(&changed, 1), MOUV_ESTATE);
    mouv_future_drop(&held);
    return 0;
}

CORO_CASE(null_is_invalid_everywhere) {
    CHECK_INT(mouv_condition_wait(NULL), MOUV_EINVAL);
    CHECK_INT(mouv_condition_wait_for(NULL, is_positive, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_condition_wait_for(&changed, NULL, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_condition_wait_for_future(&changed, NULL, NULL), NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_condition_wait_for_future(NULL, is_positive, NULL), NULL),
              MOUV_EINVAL);
    CHECK_INT(mouv_condition_notify(NULL, 1), MOUV_EINVAL);
    CHECK(mouv_condition_lock(NULL) == NULL);
    mouv_condition_init(NULL, NULL);
    mouv_condition_clear(NULL);
    return 0;
}

CORO_CASE(wait_without_memory_does_not_release_the_lock) {
    acquire();
    mouv__alloc_fail_at = 1;
    CHECK_INT(mouv_await(mouv_condition_wait_future(&changed), NULL), MOUV_ENOMEM);
    mouv__alloc_fail_at = -1;
    release();
    return 0;
}

/* --- Cancel --------------------------------------------------------------------------------- */

CORO_CASE(cancel_before_a_notify_returns_with_the_lock_held) {
    mouv_future_t a = mouv_task(waiter, "a"), b = mouv_task(waiter, "b");
    yield(1);
    acquire();
    mouv_future_cancel(a);
    yield(3);
    CHECK_STRING(events(), ""); /* it waits for the lock, refused suspensions or not */
    CHECK_INT(mouv_condition_notify(&changed, 1), 0); /* goes to b */
    release();
    CHECK_INT(mouv_await(a, NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_await(b, NULL), 0);
    CHECK_STRING(events(), "a:ECANCELED b");
    CHECK(!mouv_lock_locked(its_lock()));
    return 0;
}

/* CPython 3.11 loses the notification here, 3.13 passes it on as this does. */
CORO_CASE(cancel_after_a_notify_passes_the_notification_on) {
    mouv_future_t a = mouv_task(waiter, "a"), b = mouv_task(waiter, "b");
    yield(1);
    acquire();
    CHECK_INT(mouv_condition_notify(&changed, 1), 0);
    mouv_future_cancel(a);
    release();
    CHECK_INT(mouv_await(a, NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_await(b, NULL), 0);
    CHECK_STRING(events(), "a:ECANCELED b");
    return 0;
}

CORO_CASE(cancel_after_the_lock_was_handed_over_is_too_late) {
    mouv_future_t a = mouv_task(waiter, "a");
    yield(1);
    acquire();
    CHECK_INT(mouv_condition_notify(&changed, 1), 0);
    release();
    mouv_future_cancel(a);
    CHECK_INT(mouv_await(a, NULL), 0);
    CHECK_STRING(events(), "a");
    return 0;
}

static int waits_while_cancelled(void *arg) {
    (void)arg;
    CHECK_INT(mouv_sleep_ms(400000), MOUV_ECANCELED);
    acquire(); /* free: does not suspend */
    CHECK_INT(mouv_condition_wait(&changed), MOUV_ECANCELED);
    CHECK_INT(mouv_condition_wait(&changed), MOUV_ECANCELED);
    release();
    return 0;
}

CORO_CASE(cancelled_task_that_waits_again_holds_the_lock_again) {
    mouv_future_t a = mouv_task(waits_while_cancelled, NULL);
    yield(1);
    mouv_future_cancel(a);
    CHECK_INT(mouv_await(a, NULL), 0);
    CHECK(!mouv_lock_locked(its_lock()));
    return 0;
}

CORO_CASE(timeout_returns_with_the_lock_held_when_that_is_free) {
    acquire();
    int64_t began = clock_ms();
    CHECK_INT(mouv_await_for(mouv_condition_wait_future(&changed), 10, NULL), MOUV_ETIMEDOUT);
    CHECK(took(began, 10));
    CHECK_INT(mouv_await(mouv_wait_for(mouv_condition_wait_future(&changed), 10), NULL),
              MOUV_ETIMEDOUT);
    release();
    MOUV_TIMEOUT_SCOPE(scope, 10);
    acquire();
    int rc = mouv_condition_wait(&changed);
    release();
    CHECK_INT(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    return 0;
}

static int holder_for_50_ms(void *arg) {
    (void)arg;
    acquire();
    mouv_sleep_ms(50);
    release();
    return 0;
}

CORO_CASE(timeout_waits_for_a_lock_that_is_held) {
    acquire();
    int64_t began = clock_ms();
    mouv_future_t holder = mouv_task(holder_for_50_ms, NULL);
    CHECK_INT(mouv_await_for(mouv_condition_wait_future(&changed), 10, NULL), MOUV_ETIMEDOUT);
    CHECK(took(began, 50));
    release();
    CHECK_INT(mouv_await(holder, NULL), 0);
    return 0;
}

/* --- The twins ------------------------------------------------------------------------------ */

CORO_CASE(twin_releases_at_the_call_and_acquires_at_the_await) {
    acquire();
    mouv_future_t waits = mouv_condition_wait_future(&changed);
    CHECK(!mouv_lock_locked(its_lock()));
    acquire();
    CHECK_INT(mouv_condition_notify(&changed, 1), 0);
    release();
    CHECK(mouv_future_done(waits));
    CHECK_INT(mouv_lock_release(its_lock()), MOUV_ESTATE);
    CHECK_INT(mouv_await(waits, NULL), 0);
    release();
    return 0;
}

CORO_CASE(drop_while_waiting_does_not_acquire) {
    acquire();
    mouv_future_t a = mouv_condition_wait_future(&changed);
    acquire();
    mouv_future_t b = mouv_condition_wait_future(&changed);
    acquire();
    mouv_future_drop(&a);
    mouv_future_unref(b);
    release();
    CHECK(!mouv_lock_locked(its_lock()));
    CHECK(changed.waiting == NULL);
    return 0;
}

CORO_CASE(drop_after_a_notify_passes_lock_and_notification_on) {
    acquire();
    mouv_future_t a = mouv_condition_wait_future(&changed);
    acquire();
    mouv_future_t b = mouv_condition_wait_future(&changed);
    acquire();
    CHECK_INT(mouv_condition_notify(&changed, 1), 0);
    release();
    CHECK(mouv_future_done(a) && !mouv_future_done(b));
    mouv_future_drop(&a);
    CHECK_INT(mouv_await(b, NULL), 0);
    release();
    return 0;
}

CORO_CASE(unref_in_line_for_the_lock_passes_the_notification_on) {
    acquire();
    mouv_future_t a = mouv_condition_wait_future(&changed);
    acquire();
    mouv_future_t b = mouv_condition_wait_future(&changed);
    acquire();
    CHECK_INT(mouv_condition_notify(&changed, 1), 0);
    mouv_future_unref(a);
    release();
    CHECK_INT(mouv_await_for(b, 1000, NULL), 0);
    release();
    return 0;
}

CORO_CASE(wait_for_twin_asks_the_predicate_on_each_notify) {
    state_value = 0;
    acquire();
    mouv_future_t waits = mouv_condition_wait_for_future(&changed, is_positive, &state_value);
    for (int i = 0; i < 3; i++) {
        acquire();
        state_value = i == 2;
        CHECK_INT(mouv_condition_notify(&changed, 1), 0);
        release();
        yield(2);
        CHECK_INT(mouv_future_done(waits), i == 2);
    }
    CHECK(mouv_lock_locked(its_lock()));
    CHECK_INT(mouv_await(waits, NULL), 0);
    CHECK_INT(mouv_await(mouv_condition_wait_for_future(&changed, is_positive, &state_value), NULL),
              0);
    release();
    return 0;
}

CORO_CASE(wait_for_twin_cancelled_returns_with_the_lock_held) {
    state_value = 0;
    acquire();
    CHECK_INT(mouv_await_for(mouv_condition_wait_for_future(&changed, is_positive, &state_value),
                             10, NULL),
              MOUV_ETIMEDOUT);
    /* while the predicate is still to be asked */
    mouv_future_t waits = mouv_condition_wait_for_future(&changed, is_positive, &state_value);
    mouv_future_cancel(waits);
    CHECK_INT(mouv_await(waits, NULL), MOUV_ECANCELED);
    waits = mouv_condition_wait_for_future(&changed, is_positive, &state_value);
    mouv_future_drop(&waits);
    yield(2);
    CHECK(!mouv_lock_locked(its_lock()));
    return 0;
}

/* --- Clear ---------------------------------------------------------------------------------- */

CORO_CASE(clear_over_a_lock_fails_those_who_wait_with_it_held) {
    mouv_lock_t lock = {0};
    mouv_condition_t *mine = malloc(sizeof *mine);
    mouv_condition_init(mine, &lock);
    CHECK(mouv_condition_lock(mine) == &lock);
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t a = mouv_condition_wait_future(mine);
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t b = mouv_condition_wait_future(mine);
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t asks = mouv_condition_wait_for_future(mine, is_positive, &state_value);
    state_value = 0;
    CHECK_INT(mouv_await(mouv_task(say, ""), NULL), 0);
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    CHECK_INT(mouv_condition_notify(mine, 1), 0);
    mouv_condition_clear(mine);
    free(mine);
    mouv_future_cancel(a); /* notified, but there is nobody left to pass it on to */
    CHECK_INT(mouv_lock_release(&lock), 0);
    CHECK_INT(mouv_await(a, NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_lock_release(&lock), 0);
    CHECK_INT(mouv_await(b, NULL), MOUV_ECLOSED);
    CHECK_INT(mouv_lock_release(&lock), 0);
    CHECK_INT(mouv_await(asks, NULL), MOUV_ECLOSED);
    CHECK_INT(mouv_lock_release(&lock), 0);
    return 0;
}

CORO_CASE(clear_while_the_predicate_is_still_to_be_asked_fails_with_the_lock_held) {
    mouv_lock_t lock = {0};
    mouv_condition_t *mine = malloc(sizeof *mine);
    mouv_condition_init(mine, &lock);
    state_value = 0;
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t asks = mouv_condition_wait_for_future(mine, is_positive, &state_value);
    mouv_condition_clear(mine);
    free(mine);
    CHECK_INT(mouv_await(asks, NULL), MOUV_ECLOSED);
    CHECK_INT(mouv_lock_release(&lock), 0);
    return 0;
}

CORO_CASE(unref_after_the_predicate_was_asked_leaves_the_lock_to_its_holder) {
    state_value = 0;
    acquire();
    mouv_future_t asks = mouv_condition_wait_for_future(&changed, is_positive, &state_value);
    yield(2); /* asked: it waits for a notification now */
    acquire();
    mouv_future_unref(asks); /* must not free the lock, which is ours */
    CHECK_INT(mouv_lock_release(its_lock()), 0);
    return 0;
}

CORO_CASE(clear_with_its_own_lock_ends_both) {
    mouv_condition_t *mine = calloc(1, sizeof *mine);
    state_value = 0;
    CHECK_INT(mouv_lock_acquire(mouv_condition_lock(mine)), 0);
    mouv_future_t a = mouv_condition_wait_future(mine);
    CHECK_INT(mouv_lock_acquire(mouv_condition_lock(mine)), 0);
    mouv_future_t b = mouv_condition_wait_future(mine);
    CHECK_INT(mouv_lock_acquire(mouv_condition_lock(mine)), 0);
    CHECK_INT(mouv_condition_notify(mine, 1), 0);
    mouv_future_t asks = mouv_condition_wait_for_future(mine, is_positive, &state_value);
    mouv_condition_clear(mine);
    free(mine);
    CHECK_INT(mouv_await(a, NULL), MOUV_ECLOSED);
    CHECK_INT(mouv_await(b, NULL), MOUV_ECLOSED);
    CHECK_INT(mouv_await(asks, NULL), MOUV_ECLOSED);
    return 0;
}

/* --- Ends ----------------------------------------------------------------------------------- */

static int hold_for_ever(void *arg) {
    acquire();
    int rc = mouv_sleep_ms(400000);
    (void)arg;
    release();
    return rc;
}

static int leave_waiters_behind(void *arg) {
    (void)arg;
    forget(mouv_task(waiter, "a"));
    forget(mouv_task(waiter, "b"));
    yield(1);
    forget(mouv_task(hold_for_ever, NULL));
    yield(1);
    return 0;
}

static void runtime_that_closes_ends_tasks_that_wait(void **state) {
    (void)state;
    mouv_condition_clear(&changed);
    assert_int_equal(mouv_run(leave_waiters_behind, NULL, NULL), 0);
    assert_string_equal(events(), "a:ECANCELED b:ECANCELED");
    assert_false(mouv_lock_locked(its_lock()));
}

static void on_done(mouv_future_t future, void *word) {
    note(word, mouv_future_result(future, NULL));
}

static void runtime_that_closes_ends_callbacks_that_wait(void **state) {
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    assert_int_equal(mouv_condition_wait(&changed), MOUV_ENOTCORO);
    assert_int_equal(mouv_run_until(runtime, mouv_lock_acquire_future(its_lock()), NULL), 0);
    assert_int_equal(mouv_then(mouv_condition_wait_future(&changed), on_done, "one"), 0);
    assert_int_equal(mouv_run_until(runtime, mouv_lock_acquire_future(its_lock()), NULL), 0);
    assert_int_equal(mouv_condition_notify_all(&changed), 0);
    assert_int_equal(mouv_lock_release(its_lock()), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(events(), "one"); /* and has the lock */
    assert_int_equal(mouv_then(mouv_condition_wait_future(&changed), on_done, "two"), 0);
    assert_int_equal(mouv_run_until(runtime, mouv_lock_acquire_future(its_lock()), NULL), 0);
    mouv_runtime_close(runtime, NULL, NULL); /* with the lock held */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_string_equal(events(), "one two:ECANCELED");
    mouv_condition_clear(&changed);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(notify_wakes_so_many_in_the_order_in_which_they_came),
        TEST(notify_of_nobody_is_forgotten),
        TEST(notified_stand_in_line_with_those_who_want_the_lock),
        TEST(wait_for_goes_on_when_the_predicate_is_true),
        TEST(thousands_wait_and_go_on_in_order),
        TEST(wait_and_notify_without_the_lock_are_an_invalid_state),
        TEST(null_is_invalid_everywhere),
        TEST(wait_without_memory_does_not_release_the_lock),
        TEST(cancel_before_a_notify_returns_with_the_lock_held),
        TEST(cancel_after_a_notify_passes_the_notification_on),
        TEST(cancel_after_the_lock_was_handed_over_is_too_late),
        TEST(cancelled_task_that_waits_again_holds_the_lock_again),
        TEST(timeout_returns_with_the_lock_held_when_that_is_free),
        TEST(timeout_waits_for_a_lock_that_is_held),
        TEST(twin_releases_at_the_call_and_acquires_at_the_await),
        TEST(drop_while_waiting_does_not_acquire),
        TEST(drop_after_a_notify_passes_lock_and_notification_on),
        TEST(unref_in_line_for_the_lock_passes_the_notification_on),
        TEST(wait_for_twin_asks_the_predicate_on_each_notify),
        TEST(wait_for_twin_cancelled_returns_with_the_lock_held),
        TEST(clear_over_a_lock_fails_those_who_wait_with_it_held),
        TEST(clear_while_the_predicate_is_still_to_be_asked_fails_with_the_lock_held),
        TEST(unref_after_the_predicate_was_asked_leaves_the_lock_to_its_holder),
        TEST(clear_with_its_own_lock_ends_both),
        TEST(runtime_that_closes_ends_tasks_that_wait),
        TEST(runtime_that_closes_ends_callbacks_that_wait),
    };
    return RUN_CASES(cases);
}
