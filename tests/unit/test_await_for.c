/* Awaiting for a limited time: mouv_await_for() and its twin mouv_wait_for(). */
#include "../support/async_support.h"

static int forever(void *arg) {
    (void)arg;
    event("began");
    int rc = mouv_sleep_ms(400000);
    event(rc == MOUV_ECANCELED ? "cancelled" : "completed");
    return rc;
}

static int never_runs(void *arg) {
    (void)arg;
    event("ran");
    return 0;
}

static int value_after_20_ms(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(20);
    return rc < 0 ? rc : 9;
}

static void check_timed_out(int rc, const mouv_error_t *error) {
    CHECK_INT(rc, MOUV_ETIMEDOUT);
    CHECK_INT(error->code, MOUV_ETIMEDOUT);
    CHECK_INT(error->cause, MOUV_ECANCELED);
    CHECK(error->message[0] != '\0');
}

/* --- In time and too late ------------------------------------------------------------------- */

CORO_CASE(result_in_time_is_returned) {
    mouv_error_t error = {.code = 77};
    CHECK_INT(mouv_await_for(mouv_task(value_after_20_ms, NULL), 5000, &error), 9);
    CHECK_INT(mouv_await_for(mouv_coro(value_after_20_ms, NULL), 5000, &error), 9);
    CHECK_INT(mouv_await(mouv_wait_for(mouv_task(value_after_20_ms, NULL), 5000), &error), 9);
    CHECK_INT(mouv_await(mouv_wait_for(mouv_coro(value_after_20_ms, NULL), 5000), &error), 9);
    CHECK_INT(error.code, 77);
    return 0;
}

CORO_CASE(failure_in_time_is_returned_whole) {
    mouv_error_t error = {0};
    CHECK_INT(mouv_await_for(mouv_task(fail_minus_5, "why"), 5000, &error), -5);
    CHECK_STRING(error.message, "why");
    mouv_future_t twin = mouv_wait_for(mouv_coro(fail_minus_5, "twin"), 5000);
    CHECK_INT(mouv_await(twin, &error), -5);
    CHECK_STRING(error.message, "twin");
    return 0;
}

CORO_CASE(late_task_is_cancelled_and_timed_out) {
    mouv_error_t error = {0};
    int64_t began = clock_ms();
    int rc = mouv_await_for(mouv_task(forever, NULL), 20, &error);
    CHECK(took(began, 20));
    check_timed_out(rc, &error);
    CHECK_STRING(events(), "began cancelled");
    CHECK(!mouv_cancelling());
    CHECK_INT(mouv_sleep_ms(1), 0);
    return 0;
}

CORO_CASE(late_coroutine_is_cancelled_and_timed_out) {
    mouv_error_t error = {0};
    int64_t began = clock_ms();
    int rc = mouv_await_for(mouv_coro(forever, NULL), 20, &error);
    CHECK(took(began, 20));
    check_timed_out(rc, &error);
    CHECK_STRING(events(), "began cancelled");
    CHECK_INT(mouv_sleep_ms(1), 0);
    return 0;
}

CORO_CASE(late_twin_is_cancelled_and_timed_out) {
    mouv_error_t error = {0};
    int64_t began = clock_ms();
    int rc = mouv_await(mouv_wait_for(mouv_coro(forever, NULL), 20), &error);
    CHECK(took(began, 20));
    check_timed_out(rc, &error);
    CHECK_STRING(events(), "began cancelled");
    return 0;
}

CORO_CASE(late_future_is_cancelled_and_timed_out) {
    mouv_error_t error = {0};
    mouv_future_t future = mouv_future_new();
    mouv_future_t own = mouv_future_ref(future);
    check_timed_out(mouv_await_for(future, 10, &error), &error);
    CHECK(mouv_future_cancelled(own));
    CHECK_INT(mouv_future_set_result(own, 1), MOUV_ESTATE);
    mouv_future_unref(own);
    return 0;
}

static int cleans_up_for_60_ms(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(400000);
    MOUV_SHIELD_SCOPE(cleanup, 5000);
    CHECK_INT(mouv_sleep_ms(60), 0);
    event("cleaned");
    return rc;
}

CORO_CASE(timeout_waits_until_the_task_has_really_ended) {
    mouv_error_t error = {0};
    int64_t began = clock_ms();
    int rc = mouv_await_for(mouv_task(cleans_up_for_60_ms, NULL), 20, &error);
    CHECK(took(began, 80));
    check_timed_out(rc, &error);
    CHECK_STRING(events(), "cleaned");
    began = clock_ms();
    CHECK_INT(mouv_await(mouv_wait_for(mouv_task(cleans_up_for_60_ms, NULL), 20), NULL),
              MOUV_ETIMEDOUT);
    CHECK(took(began, 80));
    return 0;
}

static int swallows_and_returns_7(void *arg) {
    (void)arg;
    CHECK_INT(mouv_sleep_ms(400000), MOUV_ECANCELED);
    return 7;
}

static int fails_differently(void *arg) {
    (void)arg;
    mouv_sleep_ms(400000);
    return mouv_fail(-9, "while cleaning up");
}

CORO_CASE(late_result_of_a_swallowed_cancel_is_returned_as_it_is) {
    CHECK_INT(mouv_await_for(mouv_task(swallows_and_returns_7, NULL), 10, NULL), 7);
    CHECK_INT(mouv_await_for(mouv_coro(swallows_and_returns_7, NULL), 10, NULL), 7);
    mouv_future_t twin = mouv_wait_for(mouv_task(swallows_and_returns_7, NULL), 10);
    CHECK_INT(mouv_await(twin, NULL), 7);
    return 0;
}

CORO_CASE(late_failure_of_another_kind_is_returned_as_it_is) {
    mouv_error_t error = {0};
    CHECK_INT(mouv_await_for(mouv_task(fails_differently, NULL), 10, &error), -9);
    CHECK_STRING(error.message, "while cleaning up");
    mouv_future_t twin = mouv_wait_for(mouv_task(fails_differently, NULL), 10);
    CHECK_INT(mouv_await(twin, NULL), -9);
    return 0;
}

/* --- Edge values of the limit --------------------------------------------------------------- */

static const int64_t expired[] = {0, -1, INT64_MIN};

CORO_CASE(expired_limit_returns_the_result_of_a_done_future) {
    for (int i = 0; i < 3; i++) {
        mouv_future_t future = mouv_future_new(), other = mouv_future_new();
        mouv_future_set_result(future, 4);
        mouv_future_set_result(other, 6);
        CHECK_INT(mouv_await_for(future, expired[i], NULL), 4);
        CHECK_INT(mouv_await(mouv_wait_for(other, expired[i]), NULL), 6);
    }
    return 0;
}

CORO_CASE(expired_limit_times_a_pending_future_out_at_once) {
    for (int i = 0; i < 3; i++) {
        mouv_error_t error = {0};
        int64_t began = clock_ms();
        check_timed_out(mouv_await_for(mouv_sleep_future(60000), expired[i], &error), &error);
        CHECK_INT(mouv_await(mouv_wait_for(mouv_sleep_future(60000), expired[i]), &error),
                  MOUV_ETIMEDOUT);
        CHECK(took(began, 0));
    }
    return 0;
}

CORO_CASE(expired_limit_never_runs_a_cold_coroutine_and_does_not_warn) {
    for (int i = 0; i < 3; i++) {
        mouv_error_t error = {0};
        check_timed_out(mouv_await_for(mouv_coro(never_runs, NULL), expired[i], &error), &error);
        CHECK_INT(mouv_await(mouv_wait_for(mouv_coro(never_runs, NULL), expired[i]), NULL),
                  MOUV_ETIMEDOUT);
    }
    yield(3);
    CHECK_STRING(events(), "");
    CHECK_NO_WARNING();
    return 0;
}

CORO_CASE(expired_limit_never_runs_a_task_that_has_not_started) {
    CHECK_INT(mouv_await_for(mouv_task(never_runs, NULL), 0, NULL), MOUV_ETIMEDOUT);
    yield(3);
    CHECK_STRING(events(), "");
    return 0;
}

CORO_CASE(expired_limit_cancels_a_task_that_has_started) {
    mouv_future_t task = mouv_task(forever, NULL);
    yield(1);
    CHECK_INT(mouv_await_for(task, 0, NULL), MOUV_ETIMEDOUT);
    CHECK_STRING(events(), "began cancelled");
    return 0;
}

CORO_CASE(limit_without_end_is_no_limit) {
    CHECK_INT(mouv_await_for(mouv_task(value_after_20_ms, NULL), INT64_MAX, NULL), 9);
    CHECK_INT(mouv_await_for(mouv_coro(value_after_20_ms, NULL), INT64_MAX - 1, NULL), 9);
    mouv_future_t twin = mouv_wait_for(mouv_coro(value_after_20_ms, NULL), INT64_MAX);
    CHECK_INT(mouv_await(twin, NULL), 9);
    return 0;
}

/* --- Consuming ------------------------------------------------------------------------------ */

CORO_CASE(limited_await_consumes_whatever_the_outcome) {
    mouv_error_t error = {0};
    mouv_future_t done = mouv_future_new(), late = mouv_sleep_future(60000);
    mouv_future_set_result(done, 1);
    CHECK_INT(mouv_await_for(done, 10, NULL), 1);
    CHECK_INT(mouv_await_for(late, 10, NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_await_for(done, 10, &error), MOUV_EINVAL);
    CHECK_CONTAINS(error.message, "already consumed");
    CHECK_INT(mouv_await_for(late, 0, &error), MOUV_EINVAL);
    CHECK_CONTAINS(error.message, "already consumed");
    return 0;
}

CORO_CASE(dropped_twin_cancels_its_future) {
    mouv_future_t twin = mouv_wait_for(mouv_task(forever, NULL), 5000);
    yield(1);
    mouv_future_drop(&twin);
    yield(4);
    CHECK_STRING(events(), "began cancelled");
    return 0;
}

CORO_CASE(cancelled_twin_is_cancelled_and_not_timed_out) {
    mouv_future_t twin = mouv_wait_for(mouv_task(forever, NULL), 5000);
    yield(1);
    CHECK(mouv_future_cancel(twin));
    CHECK_INT(mouv_await(twin, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "began cancelled");
    return 0;
}

CORO_CASE(unreferenced_twin_still_ends_its_task_in_time) {
    mouv_future_unref(mouv_wait_for(mouv_task(forever, NULL), 20));
    pause_ms(80);
    CHECK_STRING(events(), "began cancelled");
    take_log(NULL); /* the timeout itself was not retrieved */
    return 0;
}

/* --- One limit inside another, and cancels from outside ------------------------------------- */

static int waits_long_inside(void *arg) {
    (void)arg;
    int rc = mouv_await_for(mouv_task(forever, NULL), 5000, NULL);
    event("%s", mouv_error_name(rc) + 5);
    return rc;
}

CORO_CASE(outer_limit_is_seen_as_a_cancel_inside) {
    int64_t began = clock_ms();
    CHECK_INT(mouv_await_for(mouv_coro(waits_long_inside, NULL), 20, NULL), MOUV_ETIMEDOUT);
    CHECK(took(began, 20));
    CHECK_STRING(events(), "began cancelled ECANCELED");
    events_clear();
    CHECK_INT(mouv_await_for(mouv_task(waits_long_inside, NULL), 20, NULL), MOUV_ETIMEDOUT);
    CHECK_STRING(events(), "began cancelled ECANCELED");
    return 0;
}

static int waits_shortly_inside(void *arg) {
    (void)arg;
    int rc = mouv_await_for(mouv_task(forever, NULL), 10, NULL);
    CHECK_INT(rc, MOUV_ETIMEDOUT);
    CHECK_INT(mouv_sleep_ms(5), 0);
    return 3;
}

CORO_CASE(inner_limit_leaves_the_outer_one_alone) {
    CHECK_INT(mouv_await_for(mouv_coro(waits_shortly_inside, NULL), 5000, NULL), 3);
    CHECK_INT(mouv_await_for(mouv_task(waits_shortly_inside, NULL), 5000, NULL), 3);
    return 0;
}

static int returns_timed_out_of_inner(void *arg) {
    (void)arg;
    return mouv_await_for(mouv_sleep_future(60000), 10, NULL);
}

CORO_CASE(timeout_of_an_inner_limit_passes_through_an_outer_one) {
    mouv_error_t error = {0};
    int64_t began = clock_ms();
    int rc = mouv_await_for(mouv_task(returns_timed_out_of_inner, NULL), 5000, &error);
    check_timed_out(rc, &error);
    CHECK(took(began, 10));
    return 0;
}

CORO_CASE(cancel_of_the_waiting_task_is_no_timeout) {
    mouv_future_t task = mouv_task(waits_long_inside, NULL);
    yield(2);
    CHECK(mouv_future_cancel(task));
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "began cancelled ECANCELED");
    return 0;
}

CORO_CASE(limit_on_a_gather_ends_all_its_children) {
    int64_t began = clock_ms();
    mouv_future_t all =
        mouv_gather(mouv_coro(forever, NULL), mouv_task(forever, NULL), mouv_sleep_future(1));
    CHECK_INT(mouv_await_for(all, 20, NULL), MOUV_ETIMEDOUT);
    CHECK(took(began, 20));
    CHECK_STRING(events(), "began began cancelled cancelled");
    return 0;
}

CORO_CASE(hundred_limits_end_in_their_order) {
    enum { N = 100 };
    mouv_future_t twins[N];
    int codes[N], wrong = 0;
    int64_t began = clock_ms();
    for (int i = 0; i < N; i++) twins[i] = mouv_wait_for(mouv_sleep_future(60000), 20 + i % 3);
    CHECK_INT(mouv_await(mouv_gather_all(twins, N, codes, NULL), NULL), N);
    CHECK(took(began, 22));
    for (int i = 0; i < N; i++) wrong += codes[i] != MOUV_ETIMEDOUT;
    CHECK_INT(wrong, 0);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(result_in_time_is_returned),
        TEST(failure_in_time_is_returned_whole),
        TEST(late_task_is_cancelled_and_timed_out),
        TEST(late_coroutine_is_cancelled_and_timed_out),
        TEST(late_twin_is_cancelled_and_timed_out),
        TEST(late_future_is_cancelled_and_timed_out),
        TEST(timeout_waits_until_the_task_has_really_ended),
        TEST(late_result_of_a_swallowed_cancel_is_returned_as_it_is),
        TEST(late_failure_of_another_kind_is_returned_as_it_is),
        TEST(expired_limit_returns_the_result_of_a_done_future),
        TEST(expired_limit_times_a_pending_future_out_at_once),
        TEST(expired_limit_never_runs_a_cold_coroutine_and_does_not_warn),
        TEST(expired_limit_never_runs_a_task_that_has_not_started),
        TEST(expired_limit_cancels_a_task_that_has_started),
        TEST(limit_without_end_is_no_limit),
        TEST(limited_await_consumes_whatever_the_outcome),
        TEST(dropped_twin_cancels_its_future),
        TEST(cancelled_twin_is_cancelled_and_not_timed_out),
        TEST(unreferenced_twin_still_ends_its_task_in_time),
        TEST(outer_limit_is_seen_as_a_cancel_inside),
        TEST(inner_limit_leaves_the_outer_one_alone),
        TEST(timeout_of_an_inner_limit_passes_through_an_outer_one),
        TEST(cancel_of_the_waiting_task_is_no_timeout),
        TEST(limit_on_a_gather_ends_all_its_children),
        TEST(hundred_limits_end_in_their_order),
    };
    return RUN_CASES(cases);
}
