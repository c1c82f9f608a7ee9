/* Cancellation: level-triggered, returned and not thrown, never losing a result that won. */
#include "../support/async_support.h"

static int forever(void *word) {
    int rc = mouv_sleep_ms(400000);
    event("%s", word ? (char *)word : rc == MOUV_ECANCELED ? "cancelled" : "completed");
    return rc;
}

static int cleans_up_for_30_ms(void *word) {
    int rc = mouv_sleep_ms(400000);
    MOUV_SHIELD_SCOPE(cleanup, 5000);
    CHECK_INT(mouv_sleep_ms(30), 0);
    event("%s", (char *)word);
    return rc;
}

/* --- One cancel ----------------------------------------------------------------------------- */

CORO_CASE(cancel_before_the_first_step_never_runs_the_body) {
    mouv_future_t task = mouv_task(say, "ran");
    CHECK(mouv_future_cancel(task));
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    yield(3);
    CHECK_STRING(events(), "");
    return 0;
}

CORO_CASE(cancel_of_a_cold_coroutine_never_runs_the_body) {
    mouv_future_t coro = mouv_coro(say, "ran");
    CHECK(mouv_future_cancel(coro));
    CHECK_INT(mouv_await(coro, NULL), MOUV_ECANCELED);
    yield(3);
    CHECK_STRING(events(), "");
    return 0;
}

CORO_CASE(cancel_wakes_a_sleeping_task) {
    mouv_error_t error = {0};
    int64_t began = clock_ms();
    mouv_future_t task = mouv_task(forever, NULL);
    yield(1);
    CHECK(mouv_future_cancel(task));
    CHECK_STRING(events(), ""); /* not inside the call that cancels */
    CHECK(!mouv_future_done(task));
    CHECK_INT(mouv_await(task, &error), MOUV_ECANCELED);
    CHECK_INT(error.code, MOUV_ECANCELED);
    CHECK(error.message[0] != '\0');
    CHECK(took(began, 0));
    CHECK_STRING(events(), "cancelled");
    return 0;
}

CORO_CASE(cancel_tells_whether_it_was_the_first) {
    mouv_future_t task = mouv_task(forever, NULL);
    yield(1);
    CHECK(mouv_future_cancel(task));
    CHECK(!mouv_future_cancel(task));
    CHECK(!mouv_future_cancelled(task));
    yield(3);
    CHECK(mouv_future_done(task));
    CHECK(mouv_future_cancelled(task));
    CHECK(!mouv_future_cancel(task));
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK(!mouv_future_cancel(task));
    return 0;
}

CORO_CASE(cancel_of_a_done_future_changes_nothing) {
    int five = 5;
    mouv_future_t task = mouv_task(return_int, &five);
    yield(2);
    CHECK(!mouv_future_cancel(task));
    CHECK(!mouv_future_cancelled(task));
    CHECK_INT(mouv_await(task, NULL), 5);
    return 0;
}

CORO_CASE(cancelled_timer_settles_by_itself) {
    mouv_future_t timer = mouv_sleep_future(400000);
    CHECK(mouv_future_cancel(timer));
    CHECK(mouv_future_cancelled(timer));
    CHECK_INT(mouv_await(timer, NULL), MOUV_ECANCELED);
    return 0;
}

static int ignores_and_returns_7(void *arg) {
    (void)arg;
    mouv_sleep_ms(400000);
    return 7;
}

CORO_CASE(task_that_swallows_its_cancel_has_survived) {
    mouv_future_t task = mouv_task(ignores_and_returns_7, NULL);
    yield(1);
    mouv_future_cancel(task);
    yield(3);
    CHECK(!mouv_future_cancelled(task));
    CHECK_INT(mouv_await(task, NULL), 7);
    return 0;
}

static int returns_ecanceled(void *arg) {
    (void)arg;
    return MOUV_ECANCELED;
}

CORO_CASE(task_that_returns_ecanceled_is_cancelled) {
    mouv_future_t task = mouv_task(returns_ecanceled, NULL);
    yield(2);
    CHECK(mouv_future_cancelled(task));
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK(!mouv_cancelling());
    return 0;
}

static int cancels_itself(void *arg) {
    (void)arg;
    CHECK(mouv_future_cancel(mouv_current_task()));
    CHECK(mouv_cancelling());
    event("on");
    CHECK_INT(mouv_sleep_ms(400000), MOUV_ECANCELED);
    event("refused");
    return MOUV_ECANCELED;
}

CORO_CASE(task_may_cancel_itself) {
    CHECK_INT(mouv_await(mouv_task(cancels_itself, NULL), NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "on refused");
    return 0;
}

/* --- Level-triggered ------------------------------------------------------------------------ */

static int suspends_in_every_way(void *arg) {
    (void)arg;
    mouv_sleep_ms(400000);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(mouv_sleep_ms(0), MOUV_ECANCELED);
        CHECK_INT(mouv_sleep_ms(10), MOUV_ECANCELED);
        CHECK_INT(mouv_await(mouv_sleep_future(400000), NULL), MOUV_ECANCELED);
        CHECK_INT(mouv_await_for(mouv_sleep_future(400000), 10000, NULL), MOUV_ECANCELED);
        CHECK_INT(mouv_await(mouv_task(forever, "ran"), NULL), MOUV_ECANCELED);
        CHECK_INT(mouv_await(mouv_gather(mouv_coro(forever, "ran")), NULL), MOUV_ECANCELED);
        CHECK_INT(mouv_await(mouv_wait_for(mouv_coro(forever, "ran"), 9), NULL), MOUV_ECANCELED);
        CHECK_INT(mouv_await(mouv_shield(mouv_sleep_future(1)), NULL), MOUV_ECANCELED);
        CHECK_INT(mouv_with_timeout(1000, forever, NULL, NULL), MOUV_ECANCELED);
        CHECK(mouv_cancelling());
    }
    return 3;
}

CORO_CASE(every_further_suspension_is_refused) {
    int64_t began = clock_ms();
    mouv_future_t task = mouv_task(suspends_in_every_way, NULL);
    yield(1);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, NULL), 3);
    CHECK(took(began, 0));
    CHECK(!strstr(events(), "ran"));
    return 0;
}

static bool stop;

static int ignores_every_error(void *arg) {
    (void)arg;
    int64_t began = clock_ms();
    while (!stop && clock_ms() - began < 2 * slack_ms()) mouv_sleep_ms(1000);
    return stop ? 1 : 2;
}

static int awaits_and_ignores(void *arg) {
    (void)arg;
    int64_t began = clock_ms();
    while (!stop && clock_ms() - began < 2 * slack_ms()) mouv_await(mouv_sleep_future(1000), NULL);
    return stop ? 1 : 2;
}

static int stops_after_20_ms(void *arg) {
    (void)arg;
    mouv_sleep_ms(20);
    stop = true;
    return 0;
}

static void check_loop_turns_beside(mouv_fn_t body) {
    stop = false;
    mouv_future_t task = mouv_task(body, NULL);
    yield(1);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(mouv_task(stops_after_20_ms, NULL), NULL), 0);
    CHECK_INT(mouv_await(task, NULL), 1);
}

/* The virtual clock would stand still. */
REAL_CASE(body_that_ignores_every_error_does_not_freeze_the_loop) {
    check_loop_turns_beside(ignores_every_error);
    check_loop_turns_beside(awaits_and_ignores);
    return 0;
}

CORO_CASE(refused_await_cancels_what_it_consumed_before_it_started) {
    mouv_future_cancel(mouv_current_task());
    mouv_future_t child = mouv_task(forever, "ran");
    CHECK_INT(mouv_await(child, NULL), MOUV_ECANCELED);
    CHECK(mouv_future_done(child));
    CHECK(mouv_uncancel());
    yield(3);
    CHECK_STRING(events(), "");
    return 0;
}

CORO_CASE(refused_await_returns_when_what_it_consumed_has_settled) {
    mouv_future_t child = mouv_task(cleans_up_for_30_ms, "cleaned");
    yield(1);
    mouv_future_cancel(mouv_current_task());
    int64_t began = clock_ms();
    CHECK_INT(mouv_await(child, NULL), MOUV_ECANCELED);
    CHECK(took(began, 30));
    CHECK_STRING(events(), "cleaned");
    CHECK(mouv_uncancel());
    return 0;
}

/* Whether its body begins is left open; a call is no suspension. Either way it was awaited. */
CORO_CASE(cold_coroutine_awaited_in_a_cancelled_task_sees_the_cancel) {
    mouv_future_cancel(mouv_current_task());
    CHECK_INT(mouv_await(mouv_coro(forever, NULL), NULL), MOUV_ECANCELED);
    CHECK(mouv_uncancel());
    CHECK_INT(mouv_sleep_ms(0), 0);
    CHECK_NO_WARNING();
    return 0;
}

/* --- Uncancel ------------------------------------------------------------------------------- */

static int uncancels(void *arg) {
    (void)arg;
    CHECK_INT(mouv_sleep_ms(400000), MOUV_ECANCELED);
    CHECK(mouv_cancelling());
    CHECK(mouv_uncancel());
    CHECK(!mouv_cancelling());
    CHECK(!mouv_uncancel());
    CHECK_INT(mouv_sleep_ms(1), 0);
    CHECK_INT(mouv_await(mouv_task(say, "child"), NULL), 0);
    event("again");
    return mouv_sleep_ms(400000);
}

CORO_CASE(uncancelled_task_may_suspend_again) {
    mouv_future_t task = mouv_task(uncancels, NULL);
    yield(1);
    mouv_future_cancel(task);
    pause_ms(20);
    CHECK_STRING(events(), "child again");
    mouv_future_cancel(task); /* a second cancel is seen like the first */
    CHECK_INT(mouv_await_for(task, 5000, NULL), MOUV_ECANCELED);
    return 0;
}

/* --- Races ---------------------------------------------------------------------------------- */

static mouv_future_t raced;

static int races(void *arg) {
    (void)arg;
    int rc = mouv_await(raced, NULL);
    event("%d", rc);
    event(mouv_cancelling() ? "pending" : "not");
    CHECK_INT(mouv_sleep_ms(0), MOUV_ECANCELED);
    return rc;
}

CORO_CASE(result_that_won_the_race_is_delivered_and_the_cancel_stays_pending) {
    raced = mouv_future_new();
    mouv_future_t task = mouv_task(races, NULL);
    yield(1);
    mouv_future_set_result(raced, 5);
    CHECK(mouv_future_cancel(task));
    CHECK_INT(mouv_await(task, NULL), 5);
    CHECK_STRING(events(), "5 pending");
    return 0;
}

static int waits_for_raced(void *arg) {
    (void)arg;
    return mouv_await(raced, NULL);
}

CORO_CASE(cancel_that_won_the_race_cancels_the_future) {
    raced = mouv_future_new();
    mouv_future_t task = mouv_task(waits_for_raced, NULL);
    yield(1);
    mouv_future_cancel(task);
    CHECK_INT(mouv_future_set_result(raced, 5), MOUV_ESTATE);
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    return 0;
}

static int finishes_with_6(void *arg) {
    (void)arg;
    mouv_sleep_ms(0);
    event("done");
    return 6;
}

static int awaits_a_task_that_finishes(void *task) {
    int rc = mouv_await(*(mouv_future_t *)task, NULL);
    event(mouv_cancelling() ? "pending" : "not");
    return rc;
}

CORO_CASE(task_that_ended_in_the_same_tick_as_the_cancel_is_delivered) {
    mouv_future_t inner = mouv_task(finishes_with_6, NULL);
    mouv_future_t own = mouv_future_ref(inner);
    mouv_future_t outer = mouv_task(awaits_a_task_that_finishes, &inner);
    while (!mouv_future_done(own)) mouv_sleep_ms(0);
    if (mouv_future_cancel(outer)) { /* the awaiter had not been resumed yet */
        CHECK_INT(mouv_await(outer, NULL), 6);
        CHECK_STRING(events(), "done pending");
    } else {
        CHECK_INT(mouv_await(outer, NULL), 6);
    }
    mouv_future_unref(own);
    return 0;
}

/* --- How far it reaches --------------------------------------------------------------------- */

static int middle(void *arg) {
    (void)arg;
    int rc = mouv_await(mouv_task(forever, "inner"), NULL);
    event("middle");
    return rc;
}

static int outer(void *arg) {
    (void)arg;
    int rc = mouv_await(mouv_task(middle, NULL), NULL);
    event("outer");
    return rc;
}

CORO_CASE(cancel_reaches_down_a_chain_of_tasks_and_ends_it_from_below) {
    mouv_future_t task = mouv_task(outer, NULL);
    yield(4);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "inner middle outer");
    return 0;
}

static int chain(void *depth) {
    int left = *(int *)depth - 1;
    return left ? mouv_await(mouv_task(chain, &left), NULL) : mouv_sleep_ms(400000);
}

CORO_CASE(cancel_reaches_down_a_chain_of_a_thousand_tasks) {
    int depth = 1000;
    mouv_future_t task = mouv_task(chain, &depth);
    yield(depth + 1);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    return 0;
}

static int ends_at_once(void *arg) {
    (void)arg;
    return 0;
}

CORO_CASE(copied_arguments_of_a_task_that_never_started_are_freed) {
    char block[1000] = {0};
    for (int i = 0; i < 10; i++) {
        MOUV_AUTO mouv_future_t task = mouv_task_copy(ends_at_once, block, sizeof block);
    }
    yield(3);
    return 0;
}

static int nests(void *depth) {
    int left = *(int *)depth - 1;
    int rc = left ? mouv_await(mouv_coro(nests, &left), NULL) : mouv_sleep_ms(400000);
    event("%d", left);
    return rc;
}

CORO_CASE(cancel_reaches_into_nested_coroutines) {
    int depth = 4;
    mouv_future_t task = mouv_task(nests, &depth);
    yield(1);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "0 1 2 3");
    return 0;
}

static int awaits_it(void *future) {
    return mouv_await(*(mouv_future_t *)future, NULL);
}

CORO_CASE(cancel_of_one_awaiter_cancels_the_shared_future) {
    mouv_future_t future = mouv_future_new();
    mouv_future_t second = mouv_future_ref(future);
    mouv_future_t a = mouv_task(awaits_it, &future), b = mouv_task(awaits_it, &second);
    yield(1);
    mouv_future_cancel(a);
    CHECK_INT(mouv_await(a, NULL), MOUV_ECANCELED); /* as asyncio: both see it */
    CHECK_INT(mouv_await_for(b, 2000, NULL), MOUV_ECANCELED);
    return 0;
}

/* --- At every suspension point -------------------------------------------------------------- */

enum { STEPS = 12 };

static int many_steps(void *steps) {
    int *done = steps, five = 5, rc = 0;
    for (*done = 0; *done < STEPS && rc >= 0; ++*done) {
        switch (*done % 4) {
        case 0:
            rc = mouv_sleep_ms(0);
            break;
        case 1:
            rc = mouv_await(mouv_task(return_int, &five), NULL);
            break;
        case 2:
            rc = mouv_await(mouv_gather(mouv_sleep_future(1)), NULL);
            break;
        case 3:
            rc = mouv_await_for(mouv_coro(return_int, &five), 1000, NULL);
            break;
        }
    }
    MOUV_SHIELD_SCOPE(cleanup, 5000);
    CHECK_INT(mouv_sleep_ms(0), 0);
    event("clean");
    return rc < 0 ? rc : 0;
}

CORO_CASE(cancel_at_any_suspension_point_ends_the_task_cleanly) {
    bool completed = false, cancelled = false;
    for (int ticks = 0; ticks < 80; ticks++) {
        int steps = -1;
        events_clear();
        mouv_future_t task = mouv_task(many_steps, &steps);
        for (int i = 0; i < ticks; i++) mouv_sleep_ms(i % 4 == 3);
        bool asked = mouv_future_cancel(task);
        int rc = mouv_await_for(task, 5000, NULL);
        if (!CHECK(rc == 0 || rc == MOUV_ECANCELED)) break;
        CHECK_STRING(events(), steps < 0 ? "" : "clean");
        if (rc == 0) CHECK_INT(steps, STEPS);
        if (!asked) CHECK_INT(rc, 0);
        completed |= rc == 0;
        cancelled |= rc != 0;
    }
    CHECK(completed && cancelled);
    return 0;
}

/* --- At a time ------------------------------------------------------------------------------ */

CORO_CASE(cancel_after_cancels_a_task_at_its_time) {
    int64_t second = 1000, began = clock_ms();
    mouv_future_t task = mouv_task(sleeper, &second);
    CHECK_INT(mouv_future_cancel_after(task, 30), 0);
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK(took(began, 30));
    return 0;
}

CORO_CASE(cancel_after_of_what_ends_before_does_nothing) {
    int64_t ms = 10, began = clock_ms();
    mouv_future_t task = mouv_task(sleeper, &ms);
    CHECK_INT(mouv_future_cancel_after(task, 30), 0);
    CHECK_INT(mouv_await(mouv_future_ref(task), NULL), 0);
    CHECK_INT(mouv_future_cancel_after(task, 30), 0);
    mouv_future_unref(task);
    CHECK(took(began, 10));
    CHECK_INT(mouv_future_cancel_after(task, 30), MOUV_EINVAL);
    return 0;
}

CORO_CASE(cancel_after_takes_the_last_time_that_it_was_given) {
    int64_t began = clock_ms();
    mouv_future_t other = mouv_future_new(), future = mouv_future_new();
    CHECK_INT(mouv_future_cancel_after(other, 5), 0);
    CHECK_INT(mouv_future_cancel_after(other, MOUV_FOREVER), 0);
    CHECK_INT(mouv_future_cancel_after(future, 10), 0);
    CHECK_INT(mouv_future_cancel_after(future, 40), 0);
    CHECK_INT(mouv_await(future, NULL), MOUV_ECANCELED);
    CHECK(took(began, 40));
    CHECK(!mouv_future_done(other));
    mouv_future_unref(other);
    return 0;
}

CORO_CASE(cancel_after_of_a_child_makes_it_nobody_elses) {
    int64_t second = 1000, began = clock_ms();
    mouv_future_t child = mouv_task(sleeper, &second);
    CHECK_INT(mouv_future_cancel_after(child, 5000), 0);
    CHECK_INT(mouv_await(mouv_gather(child, mouv_task(fail_minus_5, "x")), NULL), -5);
    CHECK(took(began, 0));
    CHECK(mouv_future_done(child));
    return 0;
}

CORO_CASE(cancel_after_ends_with_its_runtime) {
    int five = 5;
    mouv_future_t cold = mouv_coro(return_int, &five), left = mouv_future_new();
    CHECK_INT(mouv_future_cancel_after(cold, 0), 0);
    mouv_sleep_ms(1);
    CHECK_INT(mouv_await(cold, NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_future_cancel_after(left, 1000000), 0);
    mouv_future_unref(left);
    return 0;
}

CORO_CASE(handles_are_equal_where_they_are_one_futures) {
    mouv_future_t a = mouv_future_new(), b = mouv_future_new(), again = mouv_future_ref(a);
    CHECK(mouv_future_equal(a, again));
    CHECK(!mouv_future_equal(a, b));
    CHECK(!mouv_future_equal(a, stale_zero));
    mouv_future_unref(a);
    mouv_future_unref(again);
    CHECK(mouv_future_equal(a, again));
    mouv_future_t c = mouv_future_new();
    CHECK(!mouv_future_equal(a, c));
    mouv_future_unref(b);
    mouv_future_unref(c);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(cancel_before_the_first_step_never_runs_the_body),
        TEST(cancel_of_a_cold_coroutine_never_runs_the_body),
        TEST(cancel_wakes_a_sleeping_task),
        TEST(cancel_tells_whether_it_was_the_first),
        TEST(cancel_of_a_done_future_changes_nothing),
        TEST(cancelled_timer_settles_by_itself),
        TEST(task_that_swallows_its_cancel_has_survived),
        TEST(task_that_returns_ecanceled_is_cancelled),
        TEST(task_may_cancel_itself),
        TEST(every_further_suspension_is_refused),
        TEST(body_that_ignores_every_error_does_not_freeze_the_loop),
        TEST(refused_await_cancels_what_it_consumed_before_it_started),
        TEST(refused_await_returns_when_what_it_consumed_has_settled),
        TEST(cold_coroutine_awaited_in_a_cancelled_task_sees_the_cancel),
        TEST(uncancelled_task_may_suspend_again),
        TEST(result_that_won_the_race_is_delivered_and_the_cancel_stays_pending),
        TEST(cancel_that_won_the_race_cancels_the_future),
        TEST(task_that_ended_in_the_same_tick_as_the_cancel_is_delivered),
        TEST(cancel_reaches_down_a_chain_of_tasks_and_ends_it_from_below),
        TEST(cancel_reaches_into_nested_coroutines),
        TEST(cancel_of_one_awaiter_cancels_the_shared_future),
        TEST(cancel_at_any_suspension_point_ends_the_task_cleanly),
        TEST(cancel_reaches_down_a_chain_of_a_thousand_tasks),
        TEST(copied_arguments_of_a_task_that_never_started_are_freed),
        TEST(cancel_after_cancels_a_task_at_its_time),
        TEST(cancel_after_of_what_ends_before_does_nothing),
        TEST(cancel_after_takes_the_last_time_that_it_was_given),
        TEST(cancel_after_of_a_child_makes_it_nobody_elses),
        TEST(cancel_after_ends_with_its_runtime),
        TEST(handles_are_equal_where_they_are_one_futures),
    };
    return RUN_CASES(cases);
}
