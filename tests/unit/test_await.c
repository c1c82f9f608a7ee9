/* Awaiting and sleeping: who may, what is consumed, what is delivered, in which order. */
#include "../support/async_support.h"

static int long_sleep(void *arg) {
    (void)arg;
    return mouv_sleep_ms(60000);
}

static int says_body(void *arg) {
    (void)arg;
    event("body");
    return 0;
}

/* --- Consuming ------------------------------------------------------------------------------ */

static void check_consumed(mouv_future_t future) {
    mouv_error_t error = {0};
    CHECK_INT(mouv_await(future, &error), MOUV_EINVAL);
    CHECK_INT(error.code, MOUV_EINVAL);
    CHECK_CONTAINS(error.message, "already consumed");
}

CORO_CASE(await_twice_is_already_consumed_for_every_kind) {
    int five = 5;
    mouv_future_t own = mouv_future_new();
    mouv_future_set_result(own, 5);
    mouv_future_t kinds[] = {own,
                             mouv_task(return_int, &five),
                             mouv_coro(return_int, &five),
                             mouv_sleep_future(1),
                             mouv_gather(mouv_sleep_future(1)),
                             mouv_wait_for(mouv_task(return_int, &five), 1000),
                             mouv_shield(mouv_task(return_int, &five))};
    const int expected[] = {5, 5, 5, 0, 0, 5, 5};
    for (size_t i = 0; i < 7; i++) {
        CHECK_INT(mouv_await(kinds[i], NULL), expected[i]);
        check_consumed(kinds[i]);
        check_consumed(kinds[i]);
    }
    return 0;
}

CORO_CASE(await_twice_is_already_consumed_after_a_failure) {
    int minus = -3;
    mouv_future_t task = mouv_task(return_int, &minus);
    CHECK_INT(mouv_await(task, NULL), -3);
    check_consumed(task);
    return 0;
}

CORO_CASE(what_a_consumer_has_taken_is_already_consumed) {
    mouv_future_t a = mouv_sleep_future(1), b = mouv_sleep_future(1), c = mouv_sleep_future(1);
    mouv_future_t all = mouv_gather(a, mouv_wait_for(b, 1000), mouv_shield(c));
    check_consumed(a);
    check_consumed(b);
    check_consumed(c);
    CHECK_INT(mouv_await(all, NULL), 0);
    return 0;
}

static int awaits_once_more(void *future) {
    return mouv_await(*(mouv_future_t *)future, NULL);
}

CORO_CASE(future_that_another_task_awaits_is_already_consumed) {
    mouv_future_t future = mouv_sleep_future(20);
    mouv_future_t other = mouv_task(awaits_once_more, &future);
    yield(1);
    check_consumed(future);
    CHECK_INT(mouv_await(other, NULL), 0); /* the misuse did not disturb the rightful awaiter */
    return 0;
}

CORO_CASE(handles_of_nothing_are_invalid) {
    mouv_error_t error = {0};
    CHECK_INT(mouv_await(stale_zero, &error), MOUV_EINVAL);
    CHECK(error.message[0] != '\0');
    CHECK_INT(mouv_await(stale_garbage, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(stale_ones, NULL), MOUV_EINVAL);
    return 0;
}

/* --- Delivering ----------------------------------------------------------------------------- */

CORO_CASE(await_of_a_done_future_does_not_suspend) {
    mouv_future_t future = mouv_future_new();
    mouv_future_set_result(future, 5);
    mouv_future_unref(mouv_task(says_body, NULL));
    CHECK_INT(mouv_await(future, NULL), 5);
    CHECK_STRING(events(), "");
    yield(1);
    CHECK_STRING(events(), "body");
    return 0;
}

CORO_CASE(await_accepts_no_error) {
    int minus = -3;
    CHECK_INT(mouv_await(mouv_task(return_int, &minus), NULL), -3);
    CHECK_INT(mouv_await(mouv_coro(return_int, &minus), NULL), -3);
    return 0;
}

CORO_CASE(await_takes_coroutines_tasks_and_futures_alike) {
    int one = 1, two = 2;
    mouv_future_t three = mouv_future_new();
    mouv_future_set_result(three, 3);
    CHECK_INT(mouv_await(mouv_coro(return_int, &one), NULL), 1);
    CHECK_INT(mouv_await(mouv_task(return_int, &two), NULL), 2);
    CHECK_INT(mouv_await(three, NULL), 3);
    return 0;
}

static int await_and_say(void *future) {
    int rc = mouv_await(*(mouv_future_t *)future, NULL);
    event("%d", rc);
    return rc;
}

CORO_CASE(every_holder_of_a_reference_is_woken_in_order) {
    mouv_future_t future = mouv_future_new(), tasks[5], refs[5];
    for (int i = 0; i < 5; i++) {
        refs[i] = i ? mouv_future_ref(future) : future;
        tasks[i] = mouv_task(await_and_say, &refs[i]);
    }
    yield(2);
    mouv_future_set_result(future, 8);
    for (int i = 0; i < 5; i++) CHECK_INT(mouv_await(tasks[i], NULL), 8);
    CHECK_STRING(events(), "8 8 8 8 8");
    return 0;
}

static void set_from_timer(uv_timer_t *timer) {
    mouv_future_set_result(*(mouv_future_t *)timer->data, 12);
    uv_close((uv_handle_t *)timer, NULL);
}

REAL_CASE(future_completed_by_a_callback_of_the_loop_wakes_its_awaiter) {
    mouv_future_t future = mouv_future_new();
    static uv_timer_t timer;
    uv_timer_init(mouv_runtime_loop(mouv_runtime_current()), &timer);
    timer.data = &future;
    uv_timer_start(&timer, set_from_timer, 10, 0);
    CHECK_INT(mouv_await(future, NULL), 12);
    mouv_sleep_ms(2);
    return 0;
}

/* --- Outside a coroutine -------------------------------------------------------------------- */

static void awaits_in_a_callback(mouv_future_t future, void *task) {
    mouv_error_t error = {0};
    mouv_future_t *given = task;
    (void)future;
    CHECK_INT(mouv_await(*given, &error), MOUV_ENOTCORO);
    CHECK_INT(error.code, MOUV_ENOTCORO);
    CHECK_STRING(error.message, mouv_error_message(MOUV_ENOTCORO));
    CHECK_INT(mouv_sleep_ms(0), MOUV_ENOTCORO);
    CHECK_INT(mouv_sleep_ms(10), MOUV_ENOTCORO);
    CHECK_INT(mouv_await_for(mouv_sleep_future(10), 10, &error), MOUV_ENOTCORO);
    CHECK_INT(mouv_with_timeout(10, says_body, NULL, NULL), MOUV_ENOTCORO);
    event("refused");
}

CORO_CASE(suspending_in_a_callback_is_refused_and_what_was_given_is_cancelled) {
    mouv_future_t task = mouv_task(long_sleep, NULL);
    mouv_future_t own = mouv_future_ref(task);
    yield(1);
    CHECK_INT(mouv_then(mouv_sleep_future(0), awaits_in_a_callback, &task), 0);
    pause_ms(10);
    CHECK_STRING(events(), "refused");
    CHECK(mouv_future_cancelled(own));
    CHECK_INT(mouv_await(own, NULL), MOUV_ECANCELED);
    return 0;
}

static void coro_in_a_callback(mouv_future_t future, void *arg) {
    (void)future, (void)arg;
    CHECK_INT(mouv_await(mouv_coro(says_body, NULL), NULL), MOUV_ENOTCORO);
    event("refused");
}

CORO_CASE(coroutine_awaited_outside_a_coroutine_does_not_run) {
    CHECK_INT(mouv_then(mouv_sleep_future(0), coro_in_a_callback, NULL), 0);
    pause_ms(10);
    CHECK_STRING(events(), "refused");
    take_log(NULL); /* whether that counts as "never awaited" is left open */
    return 0;
}

static void await_without_a_runtime_is_refused(void **state) {
    (void)state;
    mouv_error_t error = {0};
    assert_int_equal(mouv_await(stale_zero, &error), MOUV_ENOTCORO);
    assert_true(error.message[0] != '\0');
    assert_int_equal(mouv_await_for(stale_garbage, 10, NULL), MOUV_ENOTCORO);
    assert_int_equal(mouv_sleep_ms(10), MOUV_ENOTCORO);
    assert_false(mouv_in_coroutine());
}

/* --- Deadlocks ------------------------------------------------------------------------------ */

static int awaits_itself(void *arg) {
    mouv_error_t error = {0};
    (void)arg;
    CHECK_INT(mouv_await(mouv_current_task(), &error), MOUV_EDEADLK);
    CHECK_STRING(error.message, mouv_error_message(MOUV_EDEADLK));
    CHECK(!mouv_cancelling());
    CHECK_INT(mouv_await_for(mouv_current_task(), 1000, NULL), MOUV_EDEADLK);
    CHECK_INT(mouv_sleep_ms(1), 0);
    event("refused");
    return 5;
}

CORO_CASE(task_that_awaits_itself_is_told_and_goes_on) {
    mouv_future_t task = mouv_task(awaits_itself, NULL); /* its reference is not consumed */
    CHECK_INT(mouv_await_for(task, 5000, NULL), 5);
    CHECK_STRING(events(), "refused");
    return 0;
}

static int awaits_itself_within(void *arg) {
    mouv_error_t error = {0};
    (void)arg;
    mouv_future_t all = mouv_gather(mouv_future_ref(mouv_current_task()), mouv_sleep_future(1));
    CHECK_INT(mouv_await(all, &error), MOUV_EDEADLK);
    event("refused");
    return 0;
}

CORO_CASE(task_that_awaits_itself_through_a_gather_is_told) {
    mouv_await_for(mouv_task(awaits_itself_within, NULL), 2000, NULL);
    CHECK_STRING(events(), "refused");
    return 0;
}

/* Task i of a ring awaits task (i + 1) mod n. */
static struct ring {
    mouv_future_t tasks[5];
    int size, told;
    bool through_gather;
} ring;

static int awaits_its_neighbour(void *index) {
    int next = (*(int *)index + 1) % ring.size;
    mouv_future_t neighbour = mouv_future_ref(ring.tasks[next]);
    mouv_future_t future = ring.through_gather
                               ? mouv_gather(neighbour, mouv_wait_for(mouv_sleep_future(1), 5000))
                               : neighbour;
    int rc = mouv_await(future, NULL);
    ring.told += rc == MOUV_EDEADLK;
    return rc == MOUV_EDEADLK ? 0 : rc;
}

/* Exactly one is told; nothing is cancelled, so that all of them end well once it has gone on. */
static void check_ring(int size, bool through_gather) {
    int index[] = {0, 1, 2, 3, 4};
    int64_t began = clock_ms();
    ring = (struct ring){.size = size, .through_gather = through_gather};
    for (int i = 0; i < size; i++) ring.tasks[i] = mouv_task(awaits_its_neighbour, &index[i]);
    mouv_future_t all = mouv_gather_all(ring.tasks, (size_t)size, NULL, NULL);
    CHECK_INT(mouv_await_for(all, 8000, NULL), 0);
    CHECK_INT(ring.told, 1);
    CHECK(took(began, through_gather ? 1 : 0));
}

CORO_CASE(cycle_of_two_is_told_to_the_one_that_closes_it) {
    check_ring(2, false);
    return 0;
}

CORO_CASE(cycle_of_five_is_told_to_the_one_that_closes_it) {
    check_ring(5, false);
    return 0;
}

CORO_CASE(cycle_through_gathers_is_told_to_the_one_that_closes_it) {
    check_ring(2, true);
    check_ring(3, true);
    return 0;
}

static int shields_the_next(void *arg) {
    (void)arg;
    int rc = mouv_await(mouv_shield(mouv_future_ref(ring.tasks[1])), NULL);
    ring.told += rc == MOUV_EDEADLK;
    return 0;
}

static int limits_the_first(void *arg) {
    (void)arg;
    int rc = mouv_await(mouv_wait_for(mouv_future_ref(ring.tasks[0]), 60000), NULL);
    ring.told += rc == MOUV_EDEADLK;
    return 0;
}

CORO_CASE(cycle_through_shield_and_wait_for_is_told) {
    ring.told = 0;
    ring.tasks[0] = mouv_task(shields_the_next, NULL);
    ring.tasks[1] = mouv_task(limits_the_first, NULL);
    mouv_await_for(mouv_gather_array(ring.tasks, 2), 8000, NULL);
    CHECK_INT(ring.told, 1);
    return 0;
}

CORO_CASE(two_ways_to_the_same_task_are_no_cycle) {
    int64_t ms = 5;
    mouv_future_t bottom = mouv_task(sleeper, &ms);
    mouv_future_t left = mouv_future_ref(bottom), right = mouv_future_ref(bottom);
    mouv_future_t all = mouv_gather(mouv_task(awaits_once_more, &left),
                                    mouv_task(awaits_once_more, &right), mouv_gather(bottom));
    CHECK_INT(mouv_await(all, NULL), 0);
    return 0;
}

/* --- Sleeping ------------------------------------------------------------------------------- */

CORO_CASE(sleep_takes_its_time) {
    int64_t began = clock_ms();
    CHECK_INT(mouv_sleep_ms(30), 0);
    CHECK(took(began, 30));
    began = clock_ms();
    CHECK_INT(mouv_await(mouv_sleep_future(30), NULL), 0);
    CHECK(took(began, 30));
    return 0;
}

static int sleep_and_say(void *ms) {
    mouv_sleep_ms(*(int64_t *)ms);
    event("%d", (int)*(int64_t *)ms);
    return 0;
}

CORO_CASE(sleepers_wake_in_the_order_of_their_times) {
    int64_t times[] = {90, 0, 60, 30, -5};
    mouv_future_t tasks[5];
    for (int i = 0; i < 5; i++) tasks[i] = mouv_task(sleep_and_say, &times[i]);
    CHECK_INT(mouv_await(mouv_gather_array(tasks, 5), NULL), 0);
    CHECK_STRING(events(), "0 -5 30 60 90");
    return 0;
}

static int sleep_equal(void *word) {
    mouv_sleep_ms(10);
    event("%s", (char *)word);
    return 0;
}

CORO_CASE(sleepers_of_one_tick_and_one_time_wake_in_order) {
    mouv_future_t all = mouv_gather(mouv_task(sleep_equal, "a"), mouv_task(sleep_equal, "b"),
                                    mouv_task(sleep_equal, "c"), mouv_task(sleep_equal, "d"));
    CHECK_INT(mouv_await(all, NULL), 0);
    CHECK_STRING(events(), "a b c d");
    return 0;
}

CORO_CASE(sleep_of_nothing_lets_every_ready_task_run_once) {
    const int64_t nothing[] = {0, -1, INT64_MIN};
    for (int i = 0; i < 3; i++) {
        events_clear();
        mouv_future_unref(mouv_task(say, "a"));
        mouv_future_unref(mouv_task(say, "b"));
        CHECK_INT(mouv_sleep_ms(nothing[i]), 0);
        CHECK_STRING(events(), "a b");
    }
    return 0;
}

CORO_CASE(sleep_without_end_does_not_end) {
    CHECK_INT(mouv_await_for(mouv_sleep_future(INT64_MAX), 20, NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_await_for(mouv_sleep_future(INT64_MAX - 1), 20, NULL), MOUV_ETIMEDOUT);
    return 0;
}

CORO_CASE(thousand_sleepers_end_in_the_time_of_one) {
    enum { N = 1000 };
    static mouv_future_t tasks[N];
    int64_t ms = 100, began = clock_ms();
    for (int i = 0; i < N; i++) tasks[i] = mouv_task(sleeper, &ms);
    CHECK_INT(mouv_await(mouv_gather_array(tasks, N), NULL), 0);
    CHECK(took(began, 100));
    return 0;
}

static bool stop;

static int spins(void *arg) {
    (void)arg;
    int64_t began = clock_ms();
    while (!stop && clock_ms() - began < 2 * slack_ms()) mouv_sleep_ms(0);
    return 0;
}

static int stops_after_20_ms(void *arg) {
    (void)arg;
    mouv_sleep_ms(20);
    stop = true;
    return 0;
}

/* The virtual clock would stand still. */
REAL_CASE(task_that_only_yields_does_not_starve_timers) {
    stop = false;
    int64_t began = clock_ms();
    mouv_future_t both = mouv_gather(mouv_task(spins, NULL), mouv_task(stops_after_20_ms, NULL));
    CHECK_INT(mouv_await(both, NULL), 0);
    CHECK(took(began, 20));
    return 0;
}

static int64_t respawn_until;

static int respawns(void *arg) {
    if (clock_ms() < respawn_until) mouv_future_unref(mouv_task(respawns, arg));
    return 0;
}

REAL_CASE(tasks_that_replace_themselves_do_not_starve_timers) {
    respawn_until = clock_ms() + 2 * slack_ms();
    mouv_future_unref(mouv_task(respawns, NULL));
    int64_t began = clock_ms();
    CHECK_INT(mouv_sleep_ms(10), 0);
    CHECK(took(began, 10));
    respawn_until = 0;
    return 0;
}

/* --- Depth: what one future awaits through others must not cost stack ----------------------- */

enum { DEPTH = 1000 };

static mouv_future_t wrap(mouv_future_t future, char how) {
    for (int i = 0; i < DEPTH; i++)
        future = how == 'g'   ? mouv_gather(future)
                 : how == 's' ? mouv_shield(future)
                              : mouv_wait_for(future, 60000);
    return future;
}

static void check_depth(char how) {
    int five = 5, expected = how == 'g' ? 0 : 5;
    CHECK_INT(mouv_await(wrap(mouv_task(return_int, &five), how), NULL), expected);
    CHECK_INT(mouv_await(wrap(mouv_task(fail_minus_5, "deep"), how), NULL), -5);
    mouv_future_t cancelled = wrap(mouv_sleep_future(60000), how);
    mouv_future_cancel(cancelled);
    CHECK_INT(mouv_await(cancelled, NULL), MOUV_ECANCELED);
    mouv_future_unref(wrap(mouv_sleep_future(1), how));
    CHECK_INT(mouv_await_for(wrap(mouv_sleep_future(60000), how), 5, NULL), MOUV_ETIMEDOUT);
    mouv_sleep_ms(5);
}

CORO_CASE(gathers_a_thousand_deep_settle) {
    check_depth('g');
    return 0;
}

CORO_CASE(shields_a_thousand_deep_settle) {
    check_depth('s');
    return 0;
}

CORO_CASE(limits_a_thousand_deep_settle) {
    check_depth('w');
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(await_twice_is_already_consumed_for_every_kind),
        TEST(await_twice_is_already_consumed_after_a_failure),
        TEST(what_a_consumer_has_taken_is_already_consumed),
        TEST(future_that_another_task_awaits_is_already_consumed),
        TEST(handles_of_nothing_are_invalid),
        TEST(await_of_a_done_future_does_not_suspend),
        TEST(await_accepts_no_error),
        TEST(await_takes_coroutines_tasks_and_futures_alike),
        TEST(every_holder_of_a_reference_is_woken_in_order),
        TEST(future_completed_by_a_callback_of_the_loop_wakes_its_awaiter),
        TEST(suspending_in_a_callback_is_refused_and_what_was_given_is_cancelled),
        TEST(coroutine_awaited_outside_a_coroutine_does_not_run),
        TEST(await_without_a_runtime_is_refused),
        TEST(task_that_awaits_itself_is_told_and_goes_on),
        TEST(task_that_awaits_itself_through_a_gather_is_told),
        TEST(cycle_of_two_is_told_to_the_one_that_closes_it),
        TEST(cycle_of_five_is_told_to_the_one_that_closes_it),
        TEST(cycle_through_gathers_is_told_to_the_one_that_closes_it),
        TEST(sleep_takes_its_time),
        TEST(sleepers_wake_in_the_order_of_their_times),
        TEST(sleepers_of_one_tick_and_one_time_wake_in_order),
        TEST(sleep_of_nothing_lets_every_ready_task_run_once),
        TEST(sleep_without_end_does_not_end),
        TEST(thousand_sleepers_end_in_the_time_of_one),
        TEST(task_that_only_yields_does_not_starve_timers),
        TEST(cycle_through_shield_and_wait_for_is_told),
        TEST(two_ways_to_the_same_task_are_no_cycle),
        TEST(tasks_that_replace_themselves_do_not_starve_timers),
        TEST(gathers_a_thousand_deep_settle),
        TEST(shields_a_thousand_deep_settle),
        TEST(limits_a_thousand_deep_settle),
    };
    return RUN_CASES(cases);
}
