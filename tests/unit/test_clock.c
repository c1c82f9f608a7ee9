/*
 * The virtual clock: jumps in the right order, waits for what is outside, moves by hand. Each case
 * begins on the real one.
 */
#include "../support/async_support.h"

static int64_t real_began;

static void begin(void) {
    real_began = clock_ms();
    CHECK_INT(mouv_clock_set_virtual(), 0);
}

static void check_took_no_time(void) {
    CHECK(clock_ms() - real_began < slack_ms());
}

REAL_CASE(sleeping_takes_no_time) {
    begin();
    int64_t before = mouv_now_ms();
    CHECK_INT(mouv_sleep_ms(400 * 1000), 0);
    CHECK_INT(mouv_now_ms() - before, 400 * 1000);
    check_took_no_time();
    return 0;
}

static int naps_and_says(void *arg) {
    int64_t ms = *(int64_t *)arg;
    for (int i = 1; i <= 3; i++) {
        mouv_sleep_ms(ms);
        event("%d", (int)ms * i);
    }
    return 0;
}

/* what a task does when it wakes comes before any later time */
REAL_CASE(times_pass_in_order_whoever_waits) {
    begin();
    int64_t three = 3000, five = 5000, seven = 7000;
    mouv_future_t all =
        mouv_gather(mouv_coro(naps_and_says, &five), mouv_coro(naps_and_says, &three),
                    mouv_coro(naps_and_says, &seven));
    CHECK_INT(mouv_await(all, NULL), 0);
    CHECK_STRING(events(), "3000 5000 6000 7000 9000 10000 14000 15000 21000");
    check_took_no_time();
    return 0;
}

static int spins(void *arg) {
    for (int i = 0; i < 20000; i++) mouv_sleep_ms(0);
    *(int64_t *)arg = mouv_now_ms();
    return 0;
}

REAL_CASE(time_stands_still_while_anything_is_ready) {
    begin();
    int64_t before = mouv_now_ms(), after = 0;
    mouv_future_t nap = mouv_sleep_future(1);
    CHECK_INT(mouv_await(mouv_coro(spins, &after), NULL), 0);
    CHECK_INT(after - before, 0);
    CHECK(!mouv_future_done(nap));
    CHECK_INT(mouv_await(nap, NULL), 0);
    return 0;
}

REAL_CASE(timeouts_fire_in_virtual_time) {
    begin();
    int64_t hour = 3600 * 1000, before = mouv_now_ms();
    CHECK_INT(mouv_await_for(mouv_coro(sleeper, &hour), 1000, NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_now_ms() - before, 1000);
    MOUV_TIMEOUT_SCOPE(scope, 5000);
    CHECK_INT((int)mouv_time_left_ms(), 5000);
    mouv_sleep_ms(4000);
    CHECK_INT((int)mouv_time_left_ms(), 1000);
    check_took_no_time();
    return 0;
}

static int waits_to_go(void *go) {
    uv_sem_wait(go);
    return 0;
}

static int blocks(void *arg) {
    uv_sleep(*(unsigned *)arg);
    return 0;
}

REAL_CASE(clock_does_not_jump_while_a_function_is_offloaded) {
    begin();
    unsigned ms = 50;
    mouv_future_t nap = mouv_sleep_future(100 * 1000);
    CHECK_INT(mouv_await(mouv_offload(blocks, &ms), NULL), 0);
    CHECK(clock_ms() - real_began >= 49);
    CHECK(!mouv_future_done(nap));
    CHECK_INT(mouv_await(nap, NULL), 0);
    check_took_no_time();
    return 0;
}

static int freed; /* atomic */

static void free_go(void *go) {
    (void)go;
    __atomic_store_n(&freed, 1, __ATOMIC_RELEASE);
}

REAL_CASE(timeout_of_an_offloaded_function_fires_in_real_time) {
    begin();
    uv_sem_t go;
    uv_sem_init(&go, 0);
    mouv_future_t blocked = mouv_offload_detached(waits_to_go, &go, free_go);
    CHECK_INT(mouv_await_for(blocked, 30, NULL), MOUV_ETIMEDOUT);
    CHECK(clock_ms() - real_began >= 29);
    mouv_sleep_ms(400 * 1000); /* what was left behind holds nothing up */
    check_took_no_time();
    uv_sem_post(&go);
    while (!__atomic_load_n(&freed, __ATOMIC_ACQUIRE)) {
        uv_sleep(1);
        mouv_sleep_ms(0);
    }
    uv_sem_destroy(&go);
    return 0;
}

REAL_CASE(manual_clock_moves_when_told) {
    CHECK_INT(mouv_clock_set_manual(), 0);
    int64_t before = mouv_now_ms();
    mouv_future_t two = mouv_sleep_future(2000), one = mouv_sleep_future(1000);
    uv_sleep(5);
    yield(50);
    CHECK_INT(mouv_now_ms() - before, 0);
    CHECK_INT(mouv_clock_advance_ms(999), 0);
    yield(3);
    CHECK(!mouv_future_done(one));
    CHECK_INT(mouv_clock_advance_ms(1), 0);
    CHECK(!mouv_future_done(one)); /* on the loop's next turn */
    for (int i = 0; i < 1000000 && !mouv_future_done(one); i++) mouv_sleep_ms(0);
    CHECK(mouv_future_done(one)); /* although something was ready all the time */
    CHECK(!mouv_future_done(two));
    CHECK_INT(mouv_clock_advance_ms(5000), 0);
    CHECK_INT(mouv_await(two, NULL), 0);
    CHECK_INT(mouv_await(one, NULL), 0);
    CHECK_INT(mouv_now_ms() - before, 6000);
    return 0;
}

static void advance(void *arg) {
    (void)arg;
    CHECK_INT(mouv_clock_advance_ms(60 * 1000), 0);
}

REAL_CASE(advance_wakes_a_loop_that_has_nothing_else) {
    mouv_clock_set_manual();
    mouv_call_soon(advance, NULL, NULL);
    CHECK_INT(mouv_sleep_ms(60 * 1000), 0);
    return 0;
}

REAL_CASE(virtual_clock_can_be_advanced_too) {
    begin();
    int64_t before = mouv_now_ms();
    mouv_clock_advance_ms(250);
    CHECK_INT(mouv_now_ms() - before, 250);
    mouv_sleep_ms(100);
    CHECK_INT(mouv_now_ms() - before, 350);
    return 0;
}

REAL_CASE(manual_and_virtual_may_change_at_any_time) {
    mouv_clock_set_manual();
    int64_t before = mouv_now_ms();
    mouv_future_t nap = mouv_sleep_future(1000);
    yield(3);
    mouv_clock_set_virtual();
    CHECK_INT(mouv_await(nap, NULL), 0);
    CHECK_INT(mouv_now_ms() - before, 1000);
    return 0;
}

REAL_CASE(timers_of_the_real_clock_go_over) {
    mouv_future_t nap = mouv_sleep_future(400 * 1000);
    mouv_sleep_ms(5);
    begin();
    CHECK_INT(mouv_await(nap, NULL), 0);
    check_took_no_time();
    return 0;
}

REAL_CASE(misuse_is_refused) {
    CHECK_INT(mouv_clock_advance_ms(1), MOUV_ESTATE);
    begin();
    CHECK_INT(mouv_clock_advance_ms(-1), MOUV_EINVAL);
    CHECK_INT(mouv_clock_advance_ms(INT64_MAX), MOUV_EINVAL);
    CHECK_INT(mouv_clock_advance_ms(0), 0);
    return 0;
}

static void without_a_loop_there_is_no_clock(void **state) {
    (void)state;
    assert_int_equal(mouv_clock_set_virtual(), MOUV_ENOLOOP);
    assert_int_equal(mouv_clock_set_manual(), MOUV_ENOLOOP);
    assert_int_equal(mouv_clock_advance_ms(1), MOUV_ENOLOOP);
}

static void environment_makes_every_clock_virtual(void **state) {
    (void)state;
    int64_t day = 24 * 3600 * 1000, began = clock_ms();
    setenv("MOUV_VIRTUAL_CLOCK", "1", 1);
    assert_int_equal(mouv_run(sleeper, &day, NULL), 0);
    setenv("MOUV_VIRTUAL_CLOCK", "0", 1);
    CHECK(clock_ms() - began < slack_ms());
    day = 20;
    began = clock_ms();
    assert_int_equal(mouv_run(sleeper, &day, NULL), 0);
    CHECK(took(began, 20));
    unsetenv("MOUV_VIRTUAL_CLOCK");
}

static void virtual_loop_of_the_user_runs_dry(void **state) {
    (void)state;
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    uv_loop_init(&loop);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    mouv_clock_set_virtual();
    mouv_future_unref(mouv_sleep_future(400 * 1000));
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    mouv_runtime_close(runtime, NULL, NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void count_turn(uv_prepare_t *prepare) {
    ++*(int *)prepare->data;
}

/* a clock that stands must not keep the processor busy */
REAL_CASE(waiting_loop_does_not_spin) {
    static uv_prepare_t prepare;
    unsigned ms = 100;
    int turns;
    uv_prepare_init(mouv_runtime_loop(mouv_runtime_current()), &prepare);
    prepare.data = &turns;
    uv_prepare_start(&prepare, count_turn);
    for (int manual = 0; manual < 2; manual++) {
        manual ? mouv_clock_set_manual() : mouv_clock_set_virtual();
        mouv_future_t never = mouv_sleep_future(100 * 1000);
        turns = 0;
        CHECK_INT(mouv_await(mouv_offload(blocks, &ms), NULL), 0);
        CHECK(turns < 20);
        mouv_future_drop(&never);
    }
    uv_close((uv_handle_t *)&prepare, NULL);
    yield(2);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(sleeping_takes_no_time),
        TEST(times_pass_in_order_whoever_waits),
        TEST(time_stands_still_while_anything_is_ready),
        TEST(timeouts_fire_in_virtual_time),
        TEST(clock_does_not_jump_while_a_function_is_offloaded),
        TEST(timeout_of_an_offloaded_function_fires_in_real_time),
        TEST(manual_clock_moves_when_told),
        TEST(advance_wakes_a_loop_that_has_nothing_else),
        TEST(virtual_clock_can_be_advanced_too),
        TEST(manual_and_virtual_may_change_at_any_time),
        TEST(timers_of_the_real_clock_go_over),
        TEST(misuse_is_refused),
        TEST(without_a_loop_there_is_no_clock),
        TEST(environment_makes_every_clock_virtual),
        TEST(virtual_loop_of_the_user_runs_dry),
        TEST(waiting_loop_does_not_spin),
    };
    return RUN_CASES(cases);
}
