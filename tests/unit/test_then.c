/* mouv_then(): programs without coroutines. */
#include "../support/async_support.h"

static void on_done(mouv_future_t future, void *word) {
    mouv_error_t error = {0};
    int rc = mouv_future_result(future, &error);
    event("%s=%d", (char *)word, rc);
    if (rc < 0) event("(%s)", error.message);
}

static int value_after_10_ms(void *value) {
    int rc = mouv_sleep_ms(10);
    return rc < 0 ? rc : *(int *)value;
}

/* --- On a user's loop, without any coroutine of its own ------------------------------------- */

static uv_loop_t loop;
static mouv_runtime_t *runtime;

static void open_loop_in_real_time(void) {
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
}

static void open_loop(void) {
    open_loop_in_real_time();
    use_virtual_clock();
}

static void close_loop(void) {
    mouv_runtime_close(runtime, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(support_failures, 0);
}

static void then_keeps_the_loop_alive_and_calls_once_with_the_outcome(void **state) {
    (void)state;
    int five = 5;
    open_loop();
    int64_t began = clock_ms();
    CHECK_INT(mouv_then(mouv_sleep_future(200), on_done, "timer"), 0);
    CHECK_INT(mouv_then(mouv_task(value_after_10_ms, &five), on_done, "task"), 0);
    CHECK_INT(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK(took(began, 200));
    CHECK_STRING(events(), "task=5 timer=0");
    close_loop();
    CHECK_STRING(events(), "task=5 timer=0");
}

static void then_makes_a_cold_coroutine_a_task(void **state) {
    (void)state;
    int five = 5;
    open_loop();
    CHECK_INT(mouv_then(mouv_coro(value_after_10_ms, &five), on_done, "coro"), 0);
    CHECK_STRING(events(), "");
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_STRING(events(), "coro=5");
    close_loop();
}

static void then_gets_a_failure_with_its_message(void **state) {
    (void)state;
    open_loop();
    CHECK_INT(mouv_then(mouv_task(fail_minus_5, "why"), on_done, "task"), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_STRING(events(), "task=-5 (why)");
    close_loop();
}

static void then_gets_the_failure_of_a_constructor_too(void **state) {
    (void)state;
    open_loop();
    CHECK_INT(mouv_then(mouv_task(NULL, NULL), on_done, "task"), 0);
    CHECK_STRING(events(), "");
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(strncmp(events(), "task=-20008 (", 13) == 0);
    close_loop();
}

static void then_after_gather_and_wait_for(void **state) {
    (void)state;
    int five = 5, codes[2] = {99, 99};
    open_loop();
    mouv_future_t both[] = {mouv_coro(value_after_10_ms, &five), mouv_coro(fail_minus_5, "b")};
    CHECK_INT(mouv_then(mouv_gather_all(both, 2, codes, NULL), on_done, "all"), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_STRING(events(), "all=1");
    CHECK_INT(codes[0], 5); /* outputs are moved before the callback */
    CHECK_INT(codes[1], -5);
    events_clear();
    CHECK_INT(mouv_then(mouv_wait_for(mouv_sleep_future(60000), 10), on_done, "late"), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(strncmp(events(), "late=-20001 (", 13) == 0);
    close_loop();
}

static int steps;

static void next_step(mouv_future_t future, void *arg) {
    (void)future;
    CHECK(!mouv_in_coroutine());
    if (++steps < 5) CHECK_INT(mouv_then(mouv_sleep_future(1), next_step, arg), 0);
}

static void then_chains(void **state) {
    (void)state;
    steps = 0;
    open_loop();
    mouv_then(mouv_sleep_future(0), next_step, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_INT(steps, 5);
    close_loop();
}

static void then_is_called_when_the_runtime_closes(void **state) {
    (void)state;
    open_loop_in_real_time();
    mouv_then(mouv_sleep_future(400000), on_done, "timer");
    uv_run(&loop, UV_RUN_NOWAIT);
    close_loop();
    CHECK(strncmp(events(), "timer=-20002 (", 14) == 0);
}

/* --- Ticks and handles ---------------------------------------------------------------------- */

CORO_CASE(then_of_a_done_future_calls_on_a_later_tick) {
    mouv_future_t future = mouv_future_new();
    mouv_future_set_result(future, 7);
    yield(1);
    CHECK_INT(mouv_then(future, on_done, "f"), 0);
    event("after");
    yield(1);
    CHECK_STRING(events(), "after f=7");
    return 0;
}

CORO_CASE(then_calls_in_the_order_of_completion) {
    mouv_future_t a = mouv_future_new(), b = mouv_future_new(), c = mouv_future_new();
    mouv_then(a, on_done, "a");
    mouv_then(b, on_done, "b");
    mouv_then(c, on_done, "c");
    mouv_future_set_result(c, 3);
    mouv_future_set_result(a, 1);
    mouv_future_set_result(b, 2);
    CHECK_STRING(events(), "");
    yield(2);
    CHECK_STRING(events(), "c=3 a=1 b=2");
    return 0;
}

CORO_CASE(then_consumes_its_future) {
    mouv_error_t error = {0};
    mouv_future_t timer = mouv_sleep_future(5);
    CHECK_INT(mouv_then(timer, on_done, "timer"), 0);
    CHECK_INT(mouv_await(timer, &error), MOUV_EINVAL);
    CHECK_CONTAINS(error.message, "already consumed");
    CHECK_INT(mouv_then(timer, on_done, "again"), MOUV_EINVAL);
    pause_ms(20);
    CHECK_STRING(events(), "timer=0");
    CHECK(mouv_future_done(timer));
    CHECK_INT(mouv_future_result(timer, NULL), MOUV_EINVAL);
    return 0;
}

CORO_CASE(then_of_an_unusable_handle_is_refused_and_never_calls) {
    CHECK_INT(mouv_then(stale_zero, on_done, "never"), MOUV_EINVAL);
    CHECK_INT(mouv_then(stale_garbage, on_done, "never"), MOUV_EINVAL);
    CHECK_INT(mouv_then(stale_ones, on_done, "never"), MOUV_EINVAL);
    yield(3);
    CHECK_STRING(events(), "");
    return 0;
}

CORO_CASE(then_without_a_function_is_refused_and_cancels) {
    mouv_future_t timer = mouv_sleep_future(60000);
    mouv_future_t own = mouv_future_ref(timer);
    CHECK_INT(mouv_then(timer, NULL, NULL), MOUV_EINVAL);
    CHECK(mouv_future_cancelled(own));
    mouv_future_unref(own);
    return 0;
}

CORO_CASE(then_gets_a_cancel) {
    mouv_future_t timer = mouv_sleep_future(60000);
    mouv_future_t own = mouv_future_ref(timer);
    mouv_then(timer, on_done, "timer");
    mouv_future_cancel(own);
    CHECK_STRING(events(), "");
    yield(2);
    CHECK(strncmp(events(), "timer=-20002 (", 14) == 0);
    mouv_future_unref(own);
    return 0;
}

static void does_not_look(mouv_future_t future, void *arg) {
    (void)future, (void)arg;
    event("called");
}

CORO_CASE(then_runs_beside_a_second_reference) {
    int five = 5;
    mouv_future_t task = mouv_task(value_after_10_ms, &five);
    mouv_then(mouv_future_ref(task), does_not_look, NULL);
    CHECK_INT(mouv_await(task, NULL), 5);
    yield(2);
    CHECK_STRING(events(), "called");
    return 0;
}

CORO_CASE(then_of_ten_thousand_futures) {
    enum { N = 10000 };
    steps = 0;
    for (int i = 0; i < N; i++) mouv_then(mouv_sleep_future(i % 7), next_step, NULL);
    mouv_sleep_ms(100);
    for (int i = 0; i < 1000 && steps < N; i++) mouv_sleep_ms(5);
    CHECK(steps >= N);
    return 0;
}

static int64_t again_until;

static void again(mouv_future_t future, void *arg) {
    (void)future;
    if (clock_ms() >= again_until) return;
    mouv_future_t done = mouv_future_new();
    mouv_future_set_result(done, 1);
    CHECK_INT(mouv_then(done, again, arg), 0);
}

/* The virtual clock would stand still. */
REAL_CASE(callbacks_that_go_on_for_ever_do_not_starve_timers) {
    again_until = clock_ms() + 2 * slack_ms();
    again(stale_zero, NULL);
    int64_t began = clock_ms();
    CHECK_INT(mouv_sleep_ms(10), 0);
    CHECK(took(began, 10));
    again_until = 0;
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(then_keeps_the_loop_alive_and_calls_once_with_the_outcome),
        TEST(then_makes_a_cold_coroutine_a_task),
        TEST(then_gets_a_failure_with_its_message),
        TEST(then_gets_the_failure_of_a_constructor_too),
        TEST(then_after_gather_and_wait_for),
        TEST(then_chains),
        TEST(then_is_called_when_the_runtime_closes),
        TEST(then_of_a_done_future_calls_on_a_later_tick),
        TEST(then_calls_in_the_order_of_completion),
        TEST(then_consumes_its_future),
        TEST(then_of_an_unusable_handle_is_refused_and_never_calls),
        TEST(then_without_a_function_is_refused_and_cancels),
        TEST(then_gets_a_cancel),
        TEST(then_runs_beside_a_second_reference),
        TEST(then_of_ten_thousand_futures),
        TEST(callbacks_that_go_on_for_ever_do_not_starve_timers),
    };
    return RUN_CASES(cases);
}
