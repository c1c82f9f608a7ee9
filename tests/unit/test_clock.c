/* The virtual clock: jumps in the right order, waits for what is outside, moves by hand. */
#include "../support/async_support.h"

#include <time.h>

enum { ALIKE_MS = 150 }; /* real time that "no time" may take */

static int64_t real_began;

static void begin(void) {
    real_began = clock_ms();
    check_int(mouv_clock_set_virtual(), 0);
}

static void check_took_no_time(void) {
    check(clock_ms() - real_began < ALIKE_MS + slack_ms());
}

CORO_CASE(sleeping_takes_no_time) {
    begin();
    int64_t before = mouv_now_ms();
    check_int(mouv_sleep_ms(400 * 1000), 0);
    check_int(mouv_now_ms() - before, 400 * 1000);
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
CORO_CASE(times_pass_in_order_whoever_waits) {
    begin();
    int64_t three = 3000, five = 5000, seven = 7000;
    mouv_future_t all = mouv_gather(mouv_coro(naps_and_says, &five),
                                    mouv_coro(naps_and_says, &three),
                                    mouv_coro(naps_and_says, &seven));
    check_int(mouv_await(all, NULL), 0);
    check_str(events(), "3000 5000 6000 7000 9000 10000 14000 15000 21000");
    check_took_no_time();
    return 0;
}

static int spins(void *arg) {
    for (int i = 0; i < 20000; i++) mouv_sleep_ms(0);
    *(int64_t *)arg = mouv_now_ms();
    return 0;
}

CORO_CASE(time_stands_still_while_anything_is_ready) {
    begin();
    int64_t before = mouv_now_ms(), after = 0;
    mouv_future_t nap = mouv_sleep_future(1);
    check_int(mouv_await(mouv_coro(spins, &after), NULL), 0);
    check_int(after - before, 0);
    check(!mouv_future_done(nap));
    check_int(mouv_await(nap, NULL), 0);
    return 0;
}

CORO_CASE(timeouts_fire_in_virtual_time) {
    begin();
    int64_t hour = 3600 * 1000, before = mouv_now_ms();
    check_int(mouv_await_for(mouv_coro(sleeper, &hour), 1000, NULL), MOUV_ETIMEDOUT);
    check_int(mouv_now_ms() - before, 1000);
    MOUV_TIMEOUT_SCOPE(scope, 5000);
    check_int((int)mouv_time_left_ms(), 5000);
    mouv_sleep_ms(4000);
    check_int((int)mouv_time_left_ms(), 1000);
    check_took_no_time();
    return 0;
}

static int blocks(void *arg) {
    uv_sleep(*(unsigned *)arg);
    return 0;
}

CORO_CASE(clock_does_not_jump_while_a_function_is_offloaded) {
    begin();
    unsigned ms = 50;
    mouv_future_t nap = mouv_sleep_future(100 * 1000);
    check_int(mouv_await(mouv_offload(blocks, &ms), NULL), 0);
    check(clock_ms() - real_began >= 49);
    check(!mouv_future_done(nap));
    check_int(mouv_await(nap, NULL), 0);
    check(clock_ms() - real_began < 1000 + slack_ms());
    return 0;
}

CORO_CASE(timeout_of_an_offloaded_function_fires_in_real_time) {
    begin();
    unsigned ms = 200;
    static unsigned kept;
    kept = ms;
    check_int(mouv_await_for(mouv_offload_detached(blocks, &kept, NULL), 30, NULL), MOUV_ETIMEDOUT);
    check(clock_ms() - real_began >= 29);
    mouv_sleep_ms(400 * 1000); /* what was left behind holds nothing up */
    check(clock_ms() - real_began < 200 + slack_ms());
    for (int i = 0; i < 300; i++) uv_sleep(1);
    return 0;
}

CORO_CASE(manual_clock_moves_when_told) {
    check_int(mouv_clock_set_manual(), 0);
    int64_t before = mouv_now_ms();
    mouv_future_t two = mouv_sleep_future(2000), one = mouv_sleep_future(1000);
    uv_sleep(5);
    yield(50);
    check_int(mouv_now_ms() - before, 0);
    check_int(mouv_clock_advance_ms(999), 0);
    yield(3);
    check(!mouv_future_done(one));
    check_int(mouv_clock_advance_ms(1), 0);
    check(!mouv_future_done(one)); /* on the loop's next turn */
    for (int i = 0; i < 1000000 && !mouv_future_done(one); i++) mouv_sleep_ms(0);
    check(mouv_future_done(one)); /* although something was ready all the time */
    check(!mouv_future_done(two));
    check_int(mouv_clock_advance_ms(5000), 0);
    check_int(mouv_await(two, NULL), 0);
    check_int(mouv_await(one, NULL), 0);
    check_int(mouv_now_ms() - before, 6000);
    return 0;
}

static void advance(void *arg) {
    (void)arg;
    check_int(mouv_clock_advance_ms(60 * 1000), 0);
}

CORO_CASE(advance_wakes_a_loop_that_has_nothing_else) {
    mouv_clock_set_manual();
    mouv_call_soon(advance, NULL, NULL);
    check_int(mouv_sleep_ms(60 * 1000), 0);
    return 0;
}

CORO_CASE(virtual_clock_can_be_advanced_too) {
    begin();
    int64_t before = mouv_now_ms();
    mouv_clock_advance_ms(250);
    check_int(mouv_now_ms() - before, 250);
    mouv_sleep_ms(100);
    check_int(mouv_now_ms() - before, 350);
    return 0;
}

CORO_CASE(manual_and_virtual_may_change_at_any_time) {
    mouv_clock_set_manual();
    int64_t before = mouv_now_ms();
    mouv_future_t nap = mouv_sleep_future(1000);
    yield(3);
    mouv_clock_set_virtual();
    check_int(mouv_await(nap, NULL), 0);
    check_int(mouv_now_ms() - before, 1000);
    return 0;
}

CORO_CASE(timers_of_the_real_clock_go_over) {
    mouv_future_t nap = mouv_sleep_future(400 * 1000);
    mouv_sleep_ms(5);
    begin();
    check_int(mouv_await(nap, NULL), 0);
    check_took_no_time();
    return 0;
}

CORO_CASE(misuse_is_refused) {
    check_int(mouv_clock_advance_ms(1), MOUV_ESTATE);
    begin();
    check_int(mouv_clock_advance_ms(-1), MOUV_EINVAL);
    check_int(mouv_clock_advance_ms(INT64_MAX), MOUV_EINVAL);
    check_int(mouv_clock_advance_ms(0), 0);
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
    check(clock_ms() - began < ALIKE_MS + slack_ms());
    day = 20;
    began = clock_ms();
    assert_int_equal(mouv_run(sleeper, &day, NULL), 0);
    check(took(began, 20));
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

static int64_t cpu_ms(void) {
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

/* a clock that stands must not keep the processor busy */
CORO_CASE(waiting_loop_does_not_spin) {
    unsigned ms = 100;
    for (int manual = 0; manual < 2; manual++) {
        manual ? mouv_clock_set_manual() : mouv_clock_set_virtual();
        mouv_future_t never = mouv_sleep_future(100 * 1000);
        int64_t used_ms = cpu_ms();
        check_int(mouv_await(mouv_offload(blocks, &ms), NULL), 0);
        check(cpu_ms() - used_ms < 50);
        mouv_future_drop(&never);
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(sleeping_takes_no_time),
        CASE(times_pass_in_order_whoever_waits),
        CASE(time_stands_still_while_anything_is_ready),
        CASE(timeouts_fire_in_virtual_time),
        CASE(clock_does_not_jump_while_a_function_is_offloaded),
        CASE(timeout_of_an_offloaded_function_fires_in_real_time),
        CASE(manual_clock_moves_when_told),
        CASE(advance_wakes_a_loop_that_has_nothing_else),
        CASE(virtual_clock_can_be_advanced_too),
        CASE(manual_and_virtual_may_change_at_any_time),
        CASE(timers_of_the_real_clock_go_over),
        CASE(misuse_is_refused),
        CASE(without_a_loop_there_is_no_clock),
        CASE(environment_makes_every_clock_virtual),
        CASE(virtual_loop_of_the_user_runs_dry),
        CASE(waiting_loop_does_not_spin),
    };
    return RUN_CASES(cases);
}
