/* call_soon, call_later, call_at and their handles. */
#include "../support/async_support.h"

#include <signal.h>

static void say_it(void *word) {
    event("%s", (const char *)word);
}

/* --- Soon ----------------------------------------------------------------------------------- */

CORO_CASE(soon_runs_later_and_in_order) {
    CHECK_INT(mouv_call_soon(say_it, "a", NULL), 0);
    CHECK_INT(mouv_call_soon(say_it, "b", NULL), 0);
    CHECK_INT(mouv_call_soon(say_it, "c", NULL), 0);
    CHECK_STRING(events(), "");
    mouv_sleep_ms(0);
    CHECK_STRING(events(), "a b c");
    return 0;
}

CORO_CASE(calls_and_tasks_share_one_order) {
    mouv_call_soon(say_it, "1", NULL);
    mouv_future_t task = mouv_task(say, "2");
    mouv_call_soon(say_it, "3", NULL);
    mouv_await(task, NULL);
    CHECK_STRING(events(), "1 2 3");
    return 0;
}

static void calls_again(void *arg) {
    int *left = arg;
    event("%d", *left);
    CHECK(!mouv_in_coroutine());
    if (--*left > 0) mouv_call_soon(calls_again, left, NULL);
}

CORO_CASE(call_made_in_a_call_runs_in_the_next_turn) {
    int left = 3;
    mouv_call_soon(calls_again, &left, NULL);
    mouv_call_soon(say_it, "x", NULL);
    yield(5);
    CHECK_STRING(events(), "3 x 2 1");
    return 0;
}

/* --- Later ---------------------------------------------------------------------------------- */

CORO_CASE(later_runs_in_order_of_time) {
    int64_t began = mouv_now_ms();
    mouv_call_later(300000, say_it, "third", NULL);
    mouv_call_later(100000, say_it, "first", NULL);
    mouv_call_later(200000, say_it, "second", NULL);
    mouv_sleep_ms(250000);
    CHECK_STRING(events(), "first second");
    mouv_sleep_ms(60000);
    CHECK_STRING(events(), "first second third");
    CHECK_INT(mouv_now_ms() - began, 310000);
    return 0;
}

CORO_CASE(calls_of_one_time_run_in_order_of_asking) {
    int64_t at = mouv_now_ms() + 5000;
    mouv_call_at(at, say_it, "a", NULL);
    mouv_call_at(at, say_it, "b", NULL);
    mouv_call_at(at, say_it, "c", NULL);
    mouv_sleep_ms(6000);
    CHECK_STRING(events(), "a b c");
    return 0;
}

static void note_time(void *arg) {
    *(int64_t *)arg = mouv_now_ms();
}

CORO_CASE(call_at_runs_at_its_time_and_never_before) {
    int64_t at = mouv_now_ms() + 12345, seen = 0;
    mouv_call_at(at, note_time, &seen, NULL);
    mouv_sleep_ms(20000);
    CHECK_INT(seen, at);
    return 0;
}

CORO_CASE(times_of_zero_past_and_minus_run_at_once) {
    int64_t began = mouv_now_ms();
    mouv_call_later(0, say_it, "zero", NULL);
    mouv_call_later(-5, say_it, "minus", NULL);
    mouv_call_later(INT64_MIN, say_it, "least", NULL);
    mouv_call_at(began - 100, say_it, "past", NULL);
    mouv_call_at(INT64_MIN, say_it, "longago", NULL);
    CHECK_STRING(events(), "");
    mouv_sleep_ms(1);
    CHECK_INT(mouv_now_ms() - began, 1);
    CHECK_STRING(events(), "longago past zero minus least");
    return 0;
}

CORO_CASE(time_that_never_comes_is_cancelled_at_the_end) {
    mouv_handle_t one, two;
    CHECK_INT(mouv_call_later(INT64_MAX, say_it, "never", &one), 0);
    CHECK_INT(mouv_call_at(INT64_MAX, say_it, "never", &two), 0);
    mouv_sleep_ms(1000000);
    CHECK(mouv_handle_pending(one));
    CHECK(mouv_handle_pending(two));
    return 0;
}

/* asks for the next at once: the loop must turn in between */
static int zeros;
static void zero_again(void *arg) {
    zeros++;
    if (!*(bool *)arg) mouv_call_later(0, zero_again, arg, NULL);
}

CORO_CASE(call_of_no_delay_that_asks_anew_does_not_freeze_the_loop) {
    bool stop = false;
    zeros = 0;
    mouv_call_later(0, zero_again, &stop, NULL);
    for (int i = 0; i < 1000000 && zeros < 5; i++) mouv_sleep_ms(0);
    CHECK(zeros == 5);
    stop = true;
    mouv_sleep_ms(1);
    return 0;
}

/* --- Handles -------------------------------------------------------------------------------- */

CORO_CASE(cancelled_call_does_not_run) {
    mouv_handle_t soon, later;
    mouv_call_soon(say_it, "soon", &soon);
    mouv_call_later(1000, say_it, "later", &later);
    CHECK(mouv_handle_pending(soon));
    CHECK(mouv_handle_cancel(soon));
    CHECK(mouv_handle_cancel(later));
    CHECK(!mouv_handle_pending(soon));
    CHECK(!mouv_handle_pending(later));
    CHECK(!mouv_handle_cancel(soon));
    CHECK(!mouv_handle_cancel(later));
    mouv_sleep_ms(2000);
    CHECK_STRING(events(), "");
    return 0;
}

static mouv_handle_t own;

static void looks_at_its_handle(void *arg) {
    (void)arg;
    CHECK(!mouv_handle_pending(own));
    CHECK(!mouv_handle_cancel(own));
    event("ran");
}

CORO_CASE(handle_is_over_once_the_call_begins) {
    mouv_call_later(10, looks_at_its_handle, NULL, &own);
    CHECK(mouv_handle_pending(own));
    mouv_sleep_ms(20);
    CHECK_STRING(events(), "ran");
    CHECK(!mouv_handle_pending(own));
    CHECK(!mouv_handle_cancel(own));
    return 0;
}

static void cancels(void *handle) {
    CHECK(mouv_handle_cancel(*(mouv_handle_t *)handle));
}

CORO_CASE(call_may_cancel_another_of_the_same_turn) {
    mouv_handle_t soon, later;
    mouv_call_soon(cancels, &soon, NULL);
    mouv_call_soon(say_it, "soon", &soon);
    mouv_call_later(10, cancels, &later, NULL);
    mouv_call_later(10, say_it, "later", &later);
    mouv_sleep_ms(20);
    CHECK_STRING(events(), "");
    return 0;
}

CORO_CASE(stale_and_foreign_handles_are_recognised) {
    const uint64_t ids[] = {0, 1, 9, 0xdeadbeefcafef00d, UINT64_MAX};
    for (int i = 0; i < 5; i++) {
        CHECK(!mouv_handle_pending((mouv_handle_t){ids[i]}));
        CHECK(!mouv_handle_cancel((mouv_handle_t){ids[i]}));
    }
    mouv_future_t future = mouv_sleep_future(1000); /* a future is no call */
    CHECK(!mouv_handle_cancel((mouv_handle_t){future.id}));
    CHECK(!mouv_future_done(future));
    mouv_future_drop(&future);
    return 0;
}

CORO_CASE(call_of_no_function_is_refused) {
    mouv_handle_t handle = {77};
    CHECK_INT(mouv_call_soon(NULL, NULL, &handle), MOUV_EINVAL);
    CHECK_INT(mouv_call_later(1, NULL, NULL, &handle), MOUV_EINVAL);
    CHECK_INT(mouv_call_at(1, NULL, NULL, NULL), MOUV_EINVAL);
    CHECK_INT((int)handle.id, 77);
    return 0;
}

static void calls_without_a_loop_are_refused(void **state) {
    (void)state;
    mouv_handle_t handle = {0};
    assert_int_equal(mouv_call_soon(say_it, "x", &handle), MOUV_ENOLOOP);
    assert_int_equal(mouv_call_later(1, say_it, "x", &handle), MOUV_ENOLOOP);
    assert_int_equal(mouv_call_at(1, say_it, "x", &handle), MOUV_ENOLOOP);
    assert_false(mouv_handle_pending(handle));
    assert_false(mouv_handle_cancel(handle));
}

/* --- A program without coroutines ----------------------------------------------------------- */

static void close_it(void *runtime) {
    event("closing");
    mouv_runtime_close(runtime, NULL, NULL);
}

static void pending_calls_keep_a_plain_loop_alive_and_no_longer(void **state) {
    (void)state;
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    mouv_handle_t handle;
    uv_loop_init(&loop);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    mouv_call_later(20, say_it, "later", NULL);
    mouv_call_later(400000, say_it, "never", &handle);
    mouv_handle_cancel(handle);
    mouv_call_soon(say_it, "soon", NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_string_equal(events(), "soon later");
    mouv_call_later(400000, say_it, "never", NULL);
    mouv_call_later(1, close_it, runtime, NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_string_equal(events(), "soon later closing");
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void sleeps_again(mouv_future_t future, void *count) {
    (void)future;
    ++*(int *)count;
    mouv_then(mouv_sleep_future(1000), sleeps_again, count);
    mouv_call_later(1000, say_it, "never", NULL);
}

static void callback_that_asks_anew_for_ever_does_not_hold_up_the_close(void **state) {
    (void)state;
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    int count = 0;
    uv_loop_init(&loop);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    mouv_then(mouv_sleep_future(1000), sleeps_again, &count);
    mouv_runtime_close(runtime, NULL, NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_true(count >= 1 && count <= 10);
    assert_string_equal(events(), "");
    take_log(NULL);
}

/* Between the close of mouv's handles and its end the loop turns once more. */
static void starts_everything(uv_handle_t *handle) {
    (void)handle;
    event("%s", mouv_error_name(mouv_call_soon(say_it, "never", NULL)));
    mouv_call_later(0, say_it, "never", NULL);
    mouv_future_unref(mouv_task(say, "never"));
    mouv_future_unref(mouv_offload(say, "never"));
    mouv_future_unref(mouv_signal_future(SIGUSR1));
}

static void close_it_again(uv_prepare_t *prepare) {
    uv_close((uv_handle_t *)prepare, starts_everything);
}

static void nothing_starts_while_the_handles_close(void **state) {
    (void)state;
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    uv_prepare_t prepare;
    uv_loop_init(&loop);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    uv_prepare_init(&loop, &prepare);
    uv_prepare_start(&prepare, close_it_again);
    mouv_runtime_close(runtime, NULL, NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_string_equal(events(), "MOUV_ENOLOOP");
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(soon_runs_later_and_in_order),
        TEST(calls_and_tasks_share_one_order),
        TEST(call_made_in_a_call_runs_in_the_next_turn),
        TEST(later_runs_in_order_of_time),
        TEST(calls_of_one_time_run_in_order_of_asking),
        TEST(call_at_runs_at_its_time_and_never_before),
        TEST(times_of_zero_past_and_minus_run_at_once),
        TEST(time_that_never_comes_is_cancelled_at_the_end),
        TEST(call_of_no_delay_that_asks_anew_does_not_freeze_the_loop),
        TEST(cancelled_call_does_not_run),
        TEST(handle_is_over_once_the_call_begins),
        TEST(call_may_cancel_another_of_the_same_turn),
        TEST(stale_and_foreign_handles_are_recognised),
        TEST(call_of_no_function_is_refused),
        TEST(calls_without_a_loop_are_refused),
        TEST(pending_calls_keep_a_plain_loop_alive_and_no_longer),
        TEST(callback_that_asks_anew_for_ever_does_not_hold_up_the_close),
        TEST(nothing_starts_while_the_handles_close),
    };
    return RUN_CASES(cases);
}
