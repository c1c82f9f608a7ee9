/* wait and as_completed: outcomes as CPython 3.11's asyncio gives them, and what they leave alone.
 */
#include "../support/async_support.h"

#include <mouv/wait.h>

static int turns(void *count) {
    yield(*(int *)count);
    return *(int *)count;
}

static int fails_now(void *text) {
    return mouv_fail(-5, "%s", (char *)text);
}

static int sleeps_10_s(void *word) {
    int rc = mouv_sleep_ms(10000);
    event("%s", rc == MOUV_ECANCELED ? "cancelled" : (char *)word);
    return rc;
}

static int none = 0, one = 1, two = 2, three = 3;

static void drop_all(mouv_future_t *futures, int count) {
    for (int i = 0; i < count; i++) mouv_future_drop(&futures[i]);
}

/* --- wait: when it returns ------------------------------------------------------------------ */

CORO_CASE(wait_for_all_returns_when_the_last_is_done) {
    int64_t began = clock_ms();
    mouv_future_t f[] = {mouv_sleep_future(5), mouv_sleep_future(20), mouv_sleep_future(1)};
    CHECK_INT(mouv_wait(f, 3, MOUV_ALL_COMPLETED, MOUV_FOREVER, NULL), 3);
    CHECK(took(began, 20));
    for (int i = 0; i < 3; i++) CHECK_INT(mouv_await(f[i], NULL), 0);
    return 0;
}

CORO_CASE(wait_for_the_first_counts_what_ended_by_the_time_it_returns) {
    /* asyncio: the waiter runs two ticks after the first has ended */
    const struct { int *second, done; } rows[] = {{&none, 2}, {&one, 2}, {&two, 1}, {&three, 1}};
    for (int i = 0; i < 4; i++) {
        mouv_future_t f[] = {mouv_task(turns, &none), mouv_task(turns, rows[i].second)};
        CHECK_INT(mouv_wait(f, 2, MOUV_FIRST_COMPLETED, MOUV_FOREVER, NULL), rows[i].done);
        CHECK(mouv_future_done(f[0]));
        CHECK(mouv_future_done(f[1]) == (rows[i].done == 2));
        drop_all(f, 2);
        yield(5);
    }
    return 0;
}

CORO_CASE(wait_for_an_exception_returns_at_the_first_failure) {
    int64_t began = clock_ms();
    mouv_future_t f[] = {mouv_task(fails_now, "bad"), mouv_task(sleeps_10_s, "x")};
    CHECK_INT(mouv_wait(f, 2, MOUV_FIRST_EXCEPTION, MOUV_FOREVER, NULL), 1);
    CHECK(took(began, 0));
    CHECK_INT(mouv_await(f[0], NULL), -5);
    drop_all(f, 2);
    return 0;
}

CORO_CASE(wait_for_an_exception_is_not_ended_by_a_cancelled_one) {
    mouv_future_t f[] = {mouv_task(sleeps_10_s, "x"), mouv_sleep_future(20)};
    yield(1);
    mouv_future_cancel(f[0]);
    CHECK_INT(mouv_wait(f, 2, MOUV_FIRST_EXCEPTION, MOUV_FOREVER, NULL), 2);
    CHECK_INT(mouv_await(f[1], NULL), 0);
    drop_all(f, 2);
    return 0;
}

CORO_CASE(wait_for_an_exception_without_one_waits_for_all) {
    mouv_future_t f[] = {mouv_sleep_future(1), mouv_sleep_future(5)};
    CHECK_INT(mouv_wait(f, 2, MOUV_FIRST_EXCEPTION, MOUV_FOREVER, NULL), 2);
    drop_all(f, 2);
    return 0;
}

CORO_CASE(wait_that_times_out_returns_the_number_done_and_cancels_nothing) {
    int64_t began = clock_ms();
    mouv_future_t f[] = {mouv_sleep_future(1), mouv_task(sleeps_10_s, "x")};
    CHECK_INT(mouv_wait(f, 2, MOUV_ALL_COMPLETED, 20, NULL), 1);
    CHECK(took(began, 20));
    CHECK(!mouv_future_done(f[1]));
    CHECK_STRING(events(), "");
    CHECK_INT(mouv_wait(&f[1], 1, MOUV_ALL_COMPLETED, 1, NULL), 0);
    drop_all(f, 2);
    return 0;
}

CORO_CASE(wait_without_time_lets_every_ready_task_run_once) {
    const struct {
        int *turns;
        int64_t ms;
        int done;
    } rows[] = {{&none, 0, 1}, {&one, 0, 1}, {&two, 0, 0}, {&none, -1, 1}, {&none, INT64_MIN, 1}};
    for (int i = 0; i < 5; i++) {
        mouv_future_t task = mouv_task(turns, rows[i].turns);
        CHECK_INT(mouv_wait(&task, 1, MOUV_ALL_COMPLETED, rows[i].ms, NULL), rows[i].done);
        mouv_future_drop(&task);
        yield(5);
    }
    return 0;
}

CORO_CASE(wait_for_what_is_done_lets_others_run) {
    mouv_future_t done = mouv_future_new();
    mouv_future_set_result(done, 1);
    mouv_future_unref(mouv_task(say, "other"));
    CHECK_INT(mouv_wait(&done, 1, MOUV_FIRST_COMPLETED, MOUV_FOREVER, NULL), 1);
    CHECK_STRING(events(), "other");
    CHECK_INT(mouv_await(done, NULL), 1);
    return 0;
}

CORO_CASE(wait_counts_a_constructor_that_failed_as_done) {
    mouv_future_t f[] = {mouv_task(NULL, NULL), mouv_sleep_future(60000)};
    CHECK_INT(mouv_wait(f, 2, MOUV_FIRST_EXCEPTION, MOUV_FOREVER, NULL), 1);
    CHECK_INT(mouv_await(f[0], NULL), MOUV_EINVAL);
    drop_all(f, 2);
    return 0;
}

CORO_CASE(future_that_stands_twice_counts_twice) {
    mouv_future_t f = mouv_sleep_future(1);
    mouv_future_t twice[] = {f, f};
    CHECK_INT(mouv_wait(twice, 2, MOUV_ALL_COMPLETED, MOUV_FOREVER, NULL), 2);
    CHECK_INT(mouv_await(f, NULL), 0);
    return 0;
}

/* --- wait: borrowing ------------------------------------------------------------------------ */

CORO_CASE(wait_leaves_the_references_to_the_caller) {
    mouv_future_t f = mouv_task(turns, &one);
    for (int i = 0; i < 3; i++) CHECK_INT(mouv_wait(&f, 1, MOUV_ALL_COMPLETED, 1000, NULL), 1);
    CHECK_INT(mouv_await(f, NULL), 1);
    CHECK_INT(mouv_await(f, NULL), MOUV_EINVAL);
    return 0;
}

CORO_CASE(failure_seen_by_a_wait_alone_is_reported) {
    mouv_future_t f = mouv_task(fails_now, "lost");
    CHECK_INT(mouv_wait(&f, 1, MOUV_FIRST_EXCEPTION, MOUV_FOREVER, NULL), 1);
    mouv_future_unref(f);
    CHECK_ONE_WARNING("lost");
    return 0;
}

static mouv_future_t shared[2];

static int waits_for_shared(void *arg) {
    (void)arg;
    mouv_error_t error = {0};
    int rc = mouv_wait(shared, 2, MOUV_ALL_COMPLETED, MOUV_FOREVER, &error);
    CHECK_INT(error.code, rc);
    event("waiter=%d", rc);
    return rc;
}

CORO_CASE(cancelled_waiter_leaves_the_futures_alone) {
    shared[0] = mouv_task(sleeps_10_s, "x");
    shared[1] = mouv_sleep_future(60000);
    mouv_future_t waiter = mouv_task(waits_for_shared, NULL);
    yield(2);
    mouv_future_cancel(waiter);
    CHECK_INT(mouv_await(waiter, NULL), MOUV_ECANCELED);
    CHECK(!mouv_future_done(shared[0]));
    CHECK(!mouv_future_done(shared[1]));
    CHECK_STRING(events(), "waiter=-20002");
    drop_all(shared, 2);
    yield(2);
    return 0;
}

CORO_CASE(expired_scope_ends_a_wait_and_leaves_the_futures_alone) {
    mouv_scope_t scope;
    mouv_future_t f = mouv_task(sleeps_10_s, "x");
    mouv_timeout_begin(&scope, 10);
    int rc = mouv_wait(&f, 1, MOUV_ALL_COMPLETED, MOUV_FOREVER, NULL);
    CHECK_INT(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    CHECK(!mouv_future_done(f));
    CHECK_INT(mouv_wait(&f, 1, MOUV_ALL_COMPLETED, 0, NULL), 0);
    mouv_future_drop(&f);
    yield(2);
    return 0;
}

static int time_left(void *out) {
    mouv_sleep_ms(1);
    *(int64_t *)out = mouv_time_left_ms();
    return 0;
}

CORO_CASE(waited_for_futures_do_not_learn_the_deadline) {
    int64_t left = 0;
    MOUV_TIMEOUT_SCOPE(limit, 50000);
    mouv_future_t f = mouv_task(time_left, &left);
    CHECK_INT(mouv_wait(&f, 1, MOUV_ALL_COMPLETED, MOUV_FOREVER, NULL), 1);
    CHECK(left == INT64_MAX);
    return mouv_await(f, NULL);
}

/* --- wait: bad input ------------------------------------------------------------------------ */

CORO_CASE(wait_for_nothing_is_refused) {
    mouv_error_t error = {0};
    mouv_future_t f = mouv_sleep_future(1);
    CHECK_INT(mouv_wait(NULL, 0, MOUV_ALL_COMPLETED, 10, &error), MOUV_EINVAL);
    CHECK_CONTAINS(error.message, "empty");
    CHECK_INT(mouv_wait(&f, 0, MOUV_ALL_COMPLETED, 10, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_wait(NULL, 2, MOUV_ALL_COMPLETED, 10, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_wait(&f, 1, (mouv_wait_mode_t)7, 10, &error), MOUV_EINVAL);
    CHECK_CONTAINS(error.message, "mode 7");
    return mouv_await(f, NULL);
}

CORO_CASE(wait_for_a_cold_coroutine_is_refused_and_leaves_it_cold) {
    mouv_error_t error = {0};
    mouv_future_t f[] = {mouv_sleep_future(1), mouv_coro(say, "ran")};
    CHECK_INT(mouv_wait(f, 2, MOUV_ALL_COMPLETED, 10, &error), MOUV_EINVAL);
    CHECK_CONTAINS(error.message, "futures[1]");
    CHECK_STRING(events(), "");
    CHECK_INT(mouv_await(f[1], NULL), 0);
    CHECK_STRING(events(), "ran");
    return mouv_await(f[0], NULL);
}

CORO_CASE(wait_for_an_unusable_handle_names_its_index) {
    mouv_error_t error = {0};
    mouv_future_t used = mouv_sleep_future(0);
    mouv_await(used, NULL);
    const mouv_future_t bad[] = {stale_zero, stale_garbage, stale_ones, used};
    for (int i = 0; i < 4; i++) {
        mouv_future_t f[] = {mouv_sleep_future(1), bad[i]};
        CHECK_INT(mouv_wait(f, 2, MOUV_FIRST_COMPLETED, 10, &error), MOUV_EINVAL);
        CHECK_CONTAINS(error.message, "futures[1]");
        CHECK_INT(mouv_await(f[0], NULL), 0); /* is still the caller's */
    }
    return 0;
}

static mouv_future_t myself;

static int waits_for_itself(void *arg) {
    (void)arg;
    mouv_future_t both[] = {myself, mouv_sleep_future(5)};
    CHECK_INT(mouv_wait(&myself, 1, MOUV_ALL_COMPLETED, MOUV_FOREVER, NULL), MOUV_EDEADLK);
    CHECK_INT(mouv_wait(&myself, 1, MOUV_ALL_COMPLETED, 5, NULL), 0);
    CHECK_INT(mouv_wait(both, 2, MOUV_FIRST_COMPLETED, MOUV_FOREVER, NULL), 1);
    return mouv_await(both[1], NULL);
}

CORO_CASE(wait_for_oneself_is_a_deadlock_unless_something_else_can_end_it) {
    myself = mouv_task(waits_for_itself, NULL);
    int rc = mouv_await(mouv_future_ref(myself), NULL);
    mouv_future_drop(&myself);
    return rc;
}

static void wait_outside_a_coroutine_is_refused(void **state) {
    (void)state;
    mouv_error_t error = {0};
    mouv_future_t f = mouv_sleep_future(1);
    CHECK_INT(mouv_wait(&f, 1, MOUV_ALL_COMPLETED, 10, &error), MOUV_ENOTCORO);
    CHECK_INT(error.code, MOUV_ENOTCORO);
    CHECK_INT(mouv_future_result(mouv_wait_future(&f, 1, MOUV_ALL_COMPLETED, 10), NULL),
              MOUV_ENOLOOP);
    mouv_as_completed_t *it = mouv_as_completed(&f, 1, 10);
    CHECK_INT(mouv_as_completed_next(it, &f, NULL), MOUV_ENOTCORO);
    CHECK_INT(mouv_future_result(mouv_as_completed_next_future(it, &f), NULL), MOUV_ENOLOOP);
    CHECK(mouv_as_completed_unref(it) == NULL);
    assert_int_equal(support_failures, 0);
}

/* --- its twin ------------------------------------------------------------------------------- */

CORO_CASE(wait_future_gives_the_number_done_and_cancels_nothing_itself) {
    mouv_future_t f[] = {mouv_sleep_future(5), mouv_task(sleeps_10_s, "x")};
    mouv_future_t first = mouv_wait_future(f, 2, MOUV_FIRST_COMPLETED, MOUV_FOREVER);
    CHECK_INT(mouv_await_for(first, 1000, NULL), 1);
    mouv_future_t all = mouv_wait_future(f, 2, MOUV_ALL_COMPLETED, MOUV_FOREVER);
    CHECK_INT(mouv_await_for(all, 5, NULL), MOUV_ETIMEDOUT);
    CHECK(!mouv_future_done(f[1]));
    mouv_future_unref(mouv_wait_future(f, 2, MOUV_ALL_COMPLETED, 10));
    mouv_sleep_ms(20);
    all = mouv_wait_future(f, 2, MOUV_FIRST_COMPLETED, 10); /* its tick is still to come */
    mouv_future_cancel(all);
    CHECK_INT(mouv_await(all, NULL), MOUV_ECANCELED);
    drop_all(f, 2);
    yield(2);
    return 0;
}

/* --- as_completed --------------------------------------------------------------------------- */

CORO_CASE(as_completed_gives_the_callers_handles_in_the_order_of_completion) {
    mouv_future_t f[] = {mouv_sleep_future(30), mouv_sleep_future(10), mouv_sleep_future(20)}, next;
    MOUV_AUTO_AS_COMPLETED mouv_as_completed_t *it = mouv_as_completed(f, 3, MOUV_FOREVER);
    const int order[] = {1, 2, 0};
    for (int i = 0; i < 3; i++) {
        CHECK_INT(mouv_as_completed_next(it, &next, NULL), 1);
        CHECK(next.id == f[order[i]].id);
        CHECK_INT(mouv_await(next, NULL), 0);
    }
    CHECK_INT(mouv_as_completed_next(it, &next, NULL), 0);
    CHECK_INT(mouv_as_completed_next(it, &next, NULL), 0);
    return 0;
}

CORO_CASE(as_completed_gives_what_is_done_first_and_does_not_suspend_for_it) {
    mouv_future_t f[] = {mouv_sleep_future(5), mouv_task(turns, &none), mouv_task(NULL, NULL)},
                  next;
    yield(2);
    mouv_future_unref(mouv_task(say, "other"));
    mouv_as_completed_t *it = mouv_as_completed(f, 3, 1000);
    CHECK_INT(mouv_as_completed_next(it, &next, NULL), 1);
    CHECK(next.id == f[1].id);
    CHECK_INT(mouv_as_completed_next(it, &next, NULL), 1);
    CHECK_INT(mouv_await(next, NULL), MOUV_EINVAL); /* the one that could not be made */
    CHECK_STRING(events(), "");
    CHECK_INT(mouv_as_completed_next(it, &next, NULL), 1);
    CHECK(next.id == f[0].id);
    CHECK_INT(mouv_as_completed_next(it, &next, NULL), 0);
    it = mouv_as_completed_unref(it);
    drop_all(f, 3);
    return 0;
}

CORO_CASE(as_completed_starts_coroutines_in_order) {
    mouv_future_t f[] = {mouv_coro(say, "a"), mouv_coro(say, "b")}, next;
    MOUV_AUTO_AS_COMPLETED mouv_as_completed_t *it = mouv_as_completed(f, 2, MOUV_FOREVER);
    while (mouv_as_completed_next(it, &next, NULL) > 0) CHECK_INT(mouv_await(next, NULL), 0);
    CHECK_STRING(events(), "a b");
    return 0;
}

CORO_CASE(as_completed_of_nothing_ends_at_once) {
    mouv_future_t next;
    mouv_as_completed_t *it = mouv_as_completed(NULL, 0, 0);
    CHECK_INT(mouv_as_completed_next(it, &next, NULL), 0);
    CHECK_INT(mouv_await(mouv_as_completed_next_future(it, &next), NULL), 0);
    mouv_as_completed_unref(it);
    return 0;
}

CORO_CASE(as_completed_that_times_out_gives_first_what_was_done_and_cancels_nothing) {
    /* asyncio, with the same times: [1, 3, TimeoutError] */
    mouv_error_t error = {0};
    mouv_future_t f[] = {mouv_sleep_future(10), mouv_sleep_future(200), mouv_sleep_future(20)},
                  next;
    MOUV_AUTO_AS_COMPLETED mouv_as_completed_t *it = mouv_as_completed(f, 3, 40);
    pause_ms(60);
    CHECK_INT(mouv_as_completed_next(it, &next, NULL), 1);
    CHECK(next.id == f[0].id);
    CHECK_INT(mouv_as_completed_next(it, &next, NULL), 1);
    CHECK(next.id == f[2].id);
    for (int i = 0; i < 2; i++)
        CHECK_INT(mouv_as_completed_next(it, &next, &error), MOUV_ETIMEDOUT);
    CHECK_INT(error.code, MOUV_ETIMEDOUT);
    CHECK_CONTAINS(error.message, "1 of 3");
    CHECK_INT(mouv_await(f[1], NULL), 0);
    drop_all(f, 3);
    return 0;
}

CORO_CASE(as_completed_times_out_while_it_is_awaited) {
    int64_t began = clock_ms();
    mouv_future_t f = mouv_sleep_future(60000), next;
    MOUV_AUTO_AS_COMPLETED mouv_as_completed_t *it = mouv_as_completed(&f, 1, 20);
    CHECK_INT(mouv_as_completed_next(it, &next, NULL), MOUV_ETIMEDOUT);
    CHECK(took(began, 20));
    CHECK(!mouv_future_done(f));
    mouv_future_drop(&f);
    return 0;
}

CORO_CASE(as_completed_without_time_gives_what_is_done_already) {
    const int64_t times[] = {0, -1};
    for (int i = 0; i < 2; i++) {
        mouv_future_t f[] = {mouv_task(turns, &none), mouv_task(turns, &two)}, next;
        yield(1);
        mouv_as_completed_t *it = mouv_as_completed(f, 2, times[i]);
        CHECK_INT(mouv_as_completed_next(it, &next, NULL), 1);
        CHECK(next.id == f[0].id);
        CHECK_INT(mouv_as_completed_next(it, &next, NULL), MOUV_ETIMEDOUT);
        mouv_as_completed_unref(it);
        CHECK_INT(mouv_await(f[1], NULL), 2);
        mouv_future_drop(&f[0]);
    }
    return 0;
}

static int takes_one(void *it) {
    mouv_future_t next = {0};
    int rc = mouv_as_completed_next(it, &next, NULL);
    event(rc == 1 ? "took" : rc == 0 ? "end" : "refused");
    return rc;
}

CORO_CASE(several_tasks_take_in_turn_and_a_cancelled_one_loses_nothing) {
    mouv_future_t f[] = {mouv_sleep_future(10), mouv_sleep_future(20)};
    mouv_as_completed_t *it = mouv_as_completed(f, 2, MOUV_FOREVER);
    mouv_future_t takers[4];
    for (int i = 0; i < 4; i++) takers[i] = mouv_task(takes_one, it);
    yield(1);
    mouv_future_cancel(takers[0]);
    CHECK_INT(mouv_await(takers[0], NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_await(takers[1], NULL), 1);
    CHECK_INT(mouv_await(takers[2], NULL), 1);
    CHECK_INT(mouv_await(takers[3], NULL), 0);
    CHECK_STRING(events(), "refused took took end");
    CHECK(mouv_future_done(f[0]));
    mouv_as_completed_unref(it);
    drop_all(f, 2);
    return 0;
}

CORO_CASE(what_a_dropped_next_had_got_is_the_next_again) {
    mouv_future_t f[] = {mouv_sleep_future(1), mouv_sleep_future(2)}, next = {0}, other = {0};
    mouv_as_completed_t *it = mouv_as_completed(f, 2, MOUV_FOREVER);
    mouv_future_t taken = mouv_as_completed_next_future(it, &other);
    mouv_sleep_ms(5);
    CHECK(mouv_future_done(taken));
    mouv_future_drop(&taken);
    CHECK(other.id == 0); /* nobody awaited it */
    CHECK_INT(mouv_as_completed_next(it, &next, NULL), 1);
    CHECK(next.id == f[0].id);
    taken = mouv_as_completed_next_future(it, &other);
    mouv_as_completed_unref(it);
    CHECK_INT(mouv_await(taken, NULL), 1);
    CHECK(other.id == f[1].id);
    drop_all(f, 2);
    return 0;
}

CORO_CASE(unref_of_an_iterator_leaves_the_futures_alone) {
    mouv_future_t f = mouv_task(sleeps_10_s, "x");
    mouv_as_completed_unref(mouv_as_completed(&f, 1, 5));
    pause_ms(10);
    CHECK(!mouv_future_done(f));
    mouv_future_drop(&f);
    yield(2);
    CHECK(mouv_as_completed_unref(NULL) == NULL);
    return 0;
}

CORO_CASE(as_completed_of_an_unusable_handle_fails_at_every_next) {
    mouv_error_t error = {0};
    mouv_future_t f[] = {mouv_sleep_future(1), stale_garbage}, next;
    MOUV_AUTO_AS_COMPLETED mouv_as_completed_t *it = mouv_as_completed(f, 2, 10);
    for (int i = 0; i < 2; i++) CHECK_INT(mouv_as_completed_next(it, &next, &error), MOUV_EINVAL);
    CHECK_CONTAINS(error.message, "futures[1]");
    CHECK_INT(mouv_as_completed_next(NULL, &next, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_as_completed_next(it, NULL, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_as_completed_next_future(it, &next), NULL), MOUV_EINVAL);
    return mouv_await(f[0], NULL);
}

static void iterator_outlives_its_runtime(void **state) {
    (void)state;
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    mouv_future_t f[] = {mouv_sleep_future(60000), mouv_future_new()}, next;
    mouv_as_completed_t *it = mouv_as_completed(f, 2, 30000);
    mouv_future_unref(mouv_as_completed_next_future(it, &next));
    mouv_runtime_close(runtime, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    CHECK_INT(mouv_future_result(mouv_as_completed_next_future(it, &next), NULL), MOUV_ECLOSED);
    mouv_as_completed_unref(it);
    assert_int_equal(support_failures, 0);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(wait_for_all_returns_when_the_last_is_done),
        TEST(wait_for_the_first_counts_what_ended_by_the_time_it_returns),
        TEST(wait_for_an_exception_returns_at_the_first_failure),
        TEST(wait_for_an_exception_is_not_ended_by_a_cancelled_one),
        TEST(wait_for_an_exception_without_one_waits_for_all),
        TEST(wait_that_times_out_returns_the_number_done_and_cancels_nothing),
        TEST(wait_without_time_lets_every_ready_task_run_once),
        TEST(wait_for_what_is_done_lets_others_run),
        TEST(wait_counts_a_constructor_that_failed_as_done),
        TEST(future_that_stands_twice_counts_twice),
        TEST(wait_leaves_the_references_to_the_caller),
        TEST(failure_seen_by_a_wait_alone_is_reported),
        TEST(cancelled_waiter_leaves_the_futures_alone),
        TEST(expired_scope_ends_a_wait_and_leaves_the_futures_alone),
        TEST(waited_for_futures_do_not_learn_the_deadline),
        TEST(wait_for_nothing_is_refused),
        TEST(wait_for_a_cold_coroutine_is_refused_and_leaves_it_cold),
        TEST(wait_for_an_unusable_handle_names_its_index),
        TEST(wait_for_oneself_is_a_deadlock_unless_something_else_can_end_it),
        TEST(wait_outside_a_coroutine_is_refused),
        TEST(wait_future_gives_the_number_done_and_cancels_nothing_itself),
        TEST(as_completed_gives_the_callers_handles_in_the_order_of_completion),
        TEST(as_completed_gives_what_is_done_first_and_does_not_suspend_for_it),
        TEST(as_completed_starts_coroutines_in_order),
        TEST(as_completed_of_nothing_ends_at_once),
        TEST(as_completed_that_times_out_gives_first_what_was_done_and_cancels_nothing),
        TEST(as_completed_times_out_while_it_is_awaited),
        TEST(as_completed_without_time_gives_what_is_done_already),
        TEST(several_tasks_take_in_turn_and_a_cancelled_one_loses_nothing),
        TEST(what_a_dropped_next_had_got_is_the_next_again),
        TEST(unref_of_an_iterator_leaves_the_futures_alone),
        TEST(as_completed_of_an_unusable_handle_fails_at_every_next),
        TEST(iterator_outlives_its_runtime),
    };
    return RUN_CASES(cases);
}
