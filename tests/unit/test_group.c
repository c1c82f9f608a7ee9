/* The task group: outcomes as CPython 3.11's asyncio.TaskGroup gives them; errors, limits, leaving.
 */
#include "../support/async_support.h"

#include <mouv/group.h>
#include <mouv/wait.h>

static int sleeps_1_s(void *word) {
    int rc = mouv_sleep_ms(1000);
    event("%s%s", (char *)word, rc == MOUV_ECANCELED ? "-cancelled" : "");
    return rc;
}

static int sleeps_20_ms(void *word) {
    int rc = mouv_sleep_ms(20);
    event("%s%s", (char *)word, rc == MOUV_ECANCELED ? "-cancelled" : "");
    return rc;
}

static int fails(void *text) {
    event("%s-fails", (char *)text);
    return mouv_fail(-5, "%s", (char *)text);
}

static int fails_after_10_ms(void *text) {
    mouv_sleep_ms(10);
    return fails(text);
}

static int fails_when_cancelled(void *text) {
    mouv_sleep_ms(1000);
    return mouv_fail(-6, "%s", (char *)text);
}

/* As an operation that had been sent. */
static int unknown_when_cancelled(void *arg) {
    (void)arg;
    mouv_sleep_ms(1000);
    return mouv_fail(MOUV_EUNKNOWN, "sent");
}

static int cleans_up_for_30_ms(void *word) {
    int rc = mouv_sleep_ms(1000);
    MOUV_SHIELD_SCOPE(cleanup, 5000);
    check_int(mouv_sleep_ms(30), 0);
    event("%s", (char *)word);
    return rc;
}

/* --- Success -------------------------------------------------------------------------------- */

CORO_CASE(children_run_at_the_same_time_and_the_join_waits_for_all) {
    int64_t began = clock_ms();
    MOUV_GROUP(group);
    check_int(mouv_group_start(&group, sleeps_20_ms, "a"), 0);
    check_int(mouv_group_start_copy(&group, sleeps_20_ms, "b", 2), 0);
    check_int(mouv_group_add(&group, mouv_coro(say, "coro")), 0);
    check_int(mouv_group_add(&group, mouv_sleep_future(30)), 0);
    event("body");
    check_int(mouv_group_join(&group, NULL), 0);
    check(took(began, 30));
    check_str(events(), "body coro a b");
    return 0;
}

CORO_CASE(group_of_nothing_joins_at_once_and_again) {
    MOUV_GROUP(group);
    mouv_future_unref(mouv_task(say, "other"));
    check_int(mouv_group_join(&group, NULL), 0);
    check_int(mouv_group_join(&group, NULL), 0);
    check_str(events(), "");
    return 0;
}

static mouv_group_t *the_group;

static int adds_a_sibling(void *arg) {
    mouv_sleep_ms(5);
    return mouv_group_start(the_group, sleeps_20_ms, arg);
}

CORO_CASE(child_may_add_siblings_during_the_join) {
    MOUV_GROUP(group);
    the_group = &group;
    mouv_group_start(&group, adds_a_sibling, "sibling");
    check_int(mouv_group_join(&group, NULL), 0);
    check_str(events(), "sibling");
    return 0;
}

CORO_CASE(cancelled_child_is_no_failure) {
    MOUV_GROUP(group);
    mouv_future_t child = mouv_task(sleeps_1_s, "c");
    mouv_group_add(&group, mouv_future_ref(child));
    mouv_group_start(&group, sleeps_20_ms, "d");
    yield(1);
    mouv_future_cancel(child);
    check_int(mouv_group_join(&group, NULL), 0);
    check_str(events(), "c-cancelled d");
    check_int(mouv_group_error_count(&group), 0);
    mouv_future_unref(child);
    return 0;
}

CORO_CASE(ten_thousand_children_join) {
    MOUV_GROUP(group);
    for (int i = 0; i < 10000; i++) mouv_group_add(&group, mouv_sleep_future(i % 3));
    return mouv_group_join(&group, NULL);
}

/* --- Failure -------------------------------------------------------------------------------- */

CORO_CASE(first_failure_cancels_the_rest_and_is_the_error_of_the_join) {
    mouv_error_t error = {0};
    int64_t began = clock_ms();
    MOUV_GROUP(group);
    mouv_group_start(&group, sleeps_1_s, "a");
    mouv_group_start(&group, fails_after_10_ms, "b");
    mouv_group_start(&group, cleans_up_for_30_ms, "c-cleaned");
    check_int(mouv_group_join(&group, &error), -5);
    check(took(began, 40)); /* also for the clean-up */
    check_str(error.message, "b");
    check_str(events(), "b-fails a-cancelled c-cleaned");
    check_int(mouv_group_join(&group, &error), -5);
    check_int(mouv_sleep_ms(1), 0);
    return 0;
}

CORO_CASE(two_that_fail_in_one_tick_are_both_heard) {
    mouv_error_t error = {0};
    MOUV_GROUP(group);
    mouv_group_start(&group, fails, "a");
    mouv_group_start(&group, fails, "b");
    mouv_group_start(&group, sleeps_1_s, "c");
    check_int(mouv_group_join(&group, &error), -5);
    check_str(events(), "a-fails b-fails c-cancelled");
    check_str(error.message, "a (and 1 more error)");
    check_int((long long)mouv_group_error_count(&group), 2);
    check_int(mouv_group_error(&group, 0, &error), -5);
    check_str(error.message, "a");
    check_int(mouv_group_error(&group, 1, &error), -5);
    check_str(error.message, "b");
    check_int(mouv_group_error(&group, 2, &error), MOUV_EINVAL);
    check_str(error.message, "b");
    return 0;
}

CORO_CASE(errors_of_children_that_are_being_cancelled_are_kept_too) {
    mouv_error_t error = {0};
    MOUV_GROUP(group);
    mouv_group_start(&group, fails_when_cancelled, "x");
    mouv_group_start(&group, fails_when_cancelled, "y");
    mouv_group_start(&group, fails_after_10_ms, "first");
    check_int(mouv_group_join(&group, &error), -5);
    check_str(error.message, "first (and 2 more errors)");
    check_int(mouv_group_error(&group, 2, &error), -6);
    check_str(error.message, "y");
    return 0;
}

CORO_CASE(write_of_unknown_outcome_goes_before_the_first_failure) {
    mouv_error_t error = {0};
    MOUV_GROUP(group);
    mouv_group_start(&group, unknown_when_cancelled, NULL);
    mouv_group_start(&group, fails_after_10_ms, "first");
    check_int(mouv_group_join(&group, &error), MOUV_EUNKNOWN);
    check_has(error.message, "sent (and 1 more");
    return 0;
}

CORO_CASE(failure_of_a_child_refuses_the_body_until_the_join) {
    mouv_error_t error = {0};
    int64_t began = clock_ms();
    MOUV_GROUP(group);
    mouv_group_start(&group, fails, "a");
    mouv_group_start(&group, sleeps_1_s, "c");
    check_int(mouv_sleep_ms(1000), MOUV_ECANCELED);
    event("body");
    check_int(mouv_sleep_ms(0), MOUV_ECANCELED);
    check(!mouv_cancelling());
    check(took(began, 0));
    check_int(mouv_group_join(&group, &error), -5);
    check_str(events(), "a-fails c-cancelled body");
    check_int(mouv_sleep_ms(0), 0);
    return 0;
}

CORO_CASE(body_waits_for_an_outside_future_which_its_failing_child_cancels) {
    MOUV_GROUP(group);
    mouv_group_start(&group, fails, "a");
    check_int(mouv_await(mouv_task(sleeps_1_s, "outside"), NULL), MOUV_ECANCELED);
    check_int(mouv_group_join(&group, NULL), -5);
    check_str(events(), "a-fails outside-cancelled");
    return 0;
}

static int inner_group(void *arg) {
    (void)arg;
    MOUV_GROUP(group);
    mouv_group_start(&group, fails, "inner");
    return mouv_group_join(&group, NULL);
}

CORO_CASE(failure_of_an_inner_group_fails_the_outer_one) {
    mouv_error_t error = {0};
    MOUV_GROUP(group);
    mouv_group_start(&group, sleeps_1_s, "outer");
    mouv_group_start(&group, inner_group, NULL);
    check_int(mouv_group_join(&group, &error), -5);
    check_str(error.message, "inner");
    check_str(events(), "inner-fails outer-cancelled");
    return 0;
}

/* --- Adding --------------------------------------------------------------------------------- */

CORO_CASE(adding_to_a_group_that_shuts_down_is_refused_and_cancels_what_was_added) {
    MOUV_GROUP(group);
    mouv_future_t hot = mouv_task(cleans_up_for_30_ms, "hot-cleaned");
    mouv_future_t seen = mouv_future_ref(hot);
    mouv_group_start(&group, fails, "a");
    check_int(mouv_sleep_ms(1000), MOUV_ECANCELED);
    check_int(mouv_group_start(&group, say, "late"), MOUV_ESTATE);
    check_int(mouv_group_add(&group, mouv_coro(say, "late")), MOUV_ESTATE);
    check_int(mouv_group_add(&group, hot), MOUV_ESTATE);
    check_int(mouv_await(mouv_group_add_future(&group, mouv_coro(say, "late")), NULL), MOUV_ESTATE);
    check_int(mouv_group_join(&group, NULL), -5);
    check(mouv_future_cancelled(seen)); /* also what was refused has ended */
    check_str(events(), "a-fails hot-cleaned");
    mouv_future_unref(seen);
    return 0;
}

CORO_CASE(adding_to_a_group_that_has_ended_is_refused) {
    MOUV_GROUP(group);
    check_int(mouv_group_join(&group, NULL), 0);
    mouv_future_t hot = mouv_task(sleeps_1_s, "hot");
    mouv_future_t seen = mouv_future_ref(hot);
    check_int(mouv_group_start(&group, say, "late"), MOUV_ESTATE);
    check_int(mouv_group_add(&group, hot), MOUV_ESTATE);
    check_int(mouv_await(seen, NULL), MOUV_ECANCELED);
    check_int(mouv_group_join(&group, NULL), 0);
    check_str(events(), "");
    return 0;
}

CORO_CASE(what_cannot_be_added_fails_the_group) {
    mouv_error_t error = {0};
    const mouv_future_t bad[] = {stale_zero, stale_garbage};
    for (int i = 0; i < 2; i++) {
        events_clear();
        MOUV_GROUP(group);
        mouv_group_start(&group, sleeps_1_s, "a");
        yield(1);
        check_int(mouv_group_add(&group, bad[i]), MOUV_EINVAL);
        check_int(mouv_group_join(&group, &error), MOUV_EINVAL);
        check_int((long long)mouv_group_error_count(&group), 1);
        check_str(events(), "a-cancelled");
    }
    return 0;
}

CORO_CASE(constructor_that_failed_is_a_child_that_failed) {
    mouv_future_t bare = {1}; /* a handle that carries MOUV_ETIMEDOUT and no future */
    mouv_future_t cancelled = {2};
    MOUV_GROUP(a);
    check_int(mouv_group_start(&a, NULL, NULL), 0);
    check_int(mouv_group_join(&a, NULL), MOUV_EINVAL);
    MOUV_GROUP(b);
    check_int(mouv_group_add(&b, bare), 0);
    check_int(mouv_group_join(&b, NULL), MOUV_ETIMEDOUT);
    MOUV_GROUP(c);
    check_int(mouv_await(mouv_group_add_future(&c, bare), NULL), 0);
    check_int(mouv_group_join(&c, NULL), MOUV_ETIMEDOUT);
    MOUV_GROUP(d);
    check_int(mouv_group_add(&d, cancelled), 0);
    check_int(mouv_group_join(&d, NULL), 0);
    return 0;
}

CORO_CASE(group_cannot_be_its_own_child) {
    MOUV_GROUP(group);
    mouv_future_t whole = mouv_group_join_future(&group);
    check_int(mouv_group_add(&group, whole), MOUV_EDEADLK); /* of nothing: it had ended */
    MOUV_GROUP(other);
    mouv_group_start(&other, sleeps_20_ms, "a");
    whole = mouv_group_join_future(&other);
    check_int(mouv_group_add(&other, whole), MOUV_EDEADLK);
    check_int(mouv_group_join(&other, NULL), 0);
    return 0;
}

static int joins_its_own_group(void *arg) {
    (void)arg;
    event("%s", mouv_error_name(mouv_group_join(the_group, NULL)) + 5);
    return 0;
}

CORO_CASE(join_by_a_child_is_a_deadlock_and_fails) {
    MOUV_GROUP(group);
    the_group = &group;
    mouv_group_start(&group, joins_its_own_group, NULL);
    check_int(mouv_group_join(&group, NULL), 0);
    check_str(events(), "EDEADLK");
    return 0;
}

/* --- Limit ---------------------------------------------------------------------------------- */

static int running, most;

static int counts_itself(void *arg) {
    (void)arg;
    if (++running > most) most = running;
    int rc = mouv_sleep_ms(2);
    running--;
    return rc;
}

CORO_CASE(adding_suspends_at_the_limit) {
    most = running = 0;
    MOUV_GROUP(group);
    check_int(mouv_group_set_limit(&group, 3), 0);
    for (int i = 0; i < 20; i++) {
        check_int(mouv_group_start(&group, counts_itself, NULL), 0);
        check(running <= 3);
    }
    check_int(mouv_group_join(&group, NULL), 0);
    check_int(most, 3);
    return 0;
}

CORO_CASE(raised_limit_lets_waiting_children_in) {
    MOUV_GROUP(group);
    mouv_group_set_limit(&group, 1);
    mouv_group_start(&group, sleeps_20_ms, "a");
    mouv_future_t b = mouv_group_add_future(&group, mouv_coro(sleeps_20_ms, "b"));
    yield(2);
    check(!mouv_future_done(b));
    mouv_group_set_limit(&group, 0);
    check(mouv_future_done(b));
    check_int(mouv_await(b, NULL), 0);
    check_int(mouv_group_join(&group, NULL), 0);
    check_str(events(), "a b");
    return 0;
}

CORO_CASE(join_waits_for_children_that_wait_for_room) {
    MOUV_GROUP(group);
    mouv_group_set_limit(&group, 1);
    mouv_group_start(&group, sleeps_20_ms, "a");
    mouv_future_unref(mouv_group_add_future(&group, mouv_coro(sleeps_20_ms, "b")));
    check_int(mouv_group_join(&group, NULL), 0);
    check_str(events(), "a b");
    return 0;
}

CORO_CASE(failure_turns_away_those_that_wait_for_room) {
    mouv_error_t error = {0};
    MOUV_GROUP(group);
    mouv_group_set_limit(&group, 1);
    mouv_group_start(&group, fails_after_10_ms, "a");
    mouv_future_t waits = mouv_group_add_future(&group, mouv_coro(say, "never"));
    check_int(mouv_group_start(&group, say, "never"), MOUV_ECANCELED); /* the body is refused */
    check_int(mouv_group_join(&group, NULL), -5);
    check_int(mouv_await(waits, &error), MOUV_ESTATE);
    check_has(error.message, "shutting down");
    check_str(events(), "a-fails");
    check_no_warning();
    return 0;
}

static int adds_to_the_full_group(void *arg) {
    (void)arg;
    return mouv_group_start(the_group, say, "never");
}

CORO_CASE(cancel_while_waiting_for_room_never_starts_the_child) {
    MOUV_GROUP(group);
    the_group = &group;
    mouv_group_set_limit(&group, 1);
    mouv_group_start(&group, sleeps_20_ms, "a");
    mouv_future_t task = mouv_task(adds_to_the_full_group, NULL);
    yield(2);
    mouv_future_cancel(task);
    check_int(mouv_await(task, NULL), MOUV_ECANCELED);
    check_int(mouv_group_join(&group, NULL), 0);
    check_str(events(), "a");
    return 0;
}

/* --- Cancel --------------------------------------------------------------------------------- */

static int joins_two(void *second) {
    MOUV_GROUP(group);
    mouv_group_start(&group, sleeps_1_s, "c");
    mouv_group_start(&group, *(mouv_fn_t *)second, "d");
    int rc = mouv_group_join(&group, NULL);
    event("joined");
    return rc;
}

CORO_CASE(cancel_while_joining_cancels_the_children_and_still_waits_for_all) {
    mouv_fn_t second = cleans_up_for_30_ms;
    mouv_future_t task = mouv_task(joins_two, &second);
    yield(2);
    int64_t began = clock_ms();
    mouv_future_cancel(task);
    check_int(mouv_await(task, NULL), MOUV_ECANCELED);
    check(took(began, 30));
    check_str(events(), "c-cancelled d joined");
    return 0;
}

CORO_CASE(child_that_fails_while_the_join_is_cancelled_goes_before_the_cancel) {
    mouv_error_t error = {0};
    mouv_fn_t second = fails_when_cancelled;
    mouv_future_t task = mouv_task(joins_two, &second);
    yield(2);
    mouv_future_cancel(task);
    check_int(mouv_await(task, &error), -6);
    check_str(error.message, "d");
    return 0;
}

CORO_CASE(deadline_around_a_group_cancels_the_children_and_is_a_timeout) {
    mouv_scope_t scope;
    int64_t began = clock_ms();
    mouv_timeout_begin(&scope, 20);
    MOUV_GROUP(group);
    mouv_group_start(&group, sleeps_1_s, "c");
    int rc = mouv_group_join(&group, NULL);
    check_int(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    check(took(began, 20));
    check_str(events(), "c-cancelled");
    return 0;
}

static int joins_within_20_ms(void *arg) {
    (void)arg;
    MOUV_GROUP(group);
    mouv_group_start(&group, sleeps_1_s, "c");
    MOUV_TIMEOUT_SCOPE(limit, 20);
    return mouv_group_join(&group, NULL);
}

CORO_CASE(deadline_inside_a_group_limits_its_join) {
    check_int(mouv_await(mouv_coro(joins_within_20_ms, NULL), NULL), MOUV_ETIMEDOUT);
    check_int(mouv_await(mouv_task(joins_within_20_ms, NULL), NULL), MOUV_ETIMEDOUT);
    check_int(mouv_with_timeout(1000, joins_within_20_ms, NULL, NULL), MOUV_ETIMEDOUT);
    check_int(mouv_sleep_ms(0), 0);
    return 0;
}

static int time_left(void *out) {
    *(int64_t *)out = mouv_time_left_ms();
    return 0;
}

CORO_CASE(children_inherit_the_deadline_around_the_group) {
    int64_t child = 0, task = 0;
    {
        MOUV_TIMEOUT_SCOPE(limit, 50000);
        MOUV_GROUP(group);
        mouv_group_start(&group, time_left, &child);
        mouv_group_add(&group, mouv_task(time_left, &task));
        yield(1);
        check(child != 0); /* it has run before the join */
        check_int(mouv_group_join(&group, NULL), 0);
    }
    check(child <= 50000 && child > 40000);
    check(task == INT64_MAX); /* as everywhere */
    return 0;
}

CORO_CASE(group_cancel_ends_the_group_early_and_is_no_failure) {
    MOUV_GROUP(group);
    mouv_group_start(&group, sleeps_1_s, "c");
    mouv_group_start(&group, cleans_up_for_30_ms, "d");
    yield(1);
    check(mouv_group_cancel(&group));
    check(!mouv_group_cancel(&group));
    check_int(mouv_sleep_ms(0), MOUV_ECANCELED);
    check_int(mouv_group_start(&group, say, "late"), MOUV_ESTATE);
    check_int(mouv_group_join(&group, NULL), 0);
    check_str(events(), "c-cancelled d");
    check(!mouv_group_cancel(&group));
    return 0;
}

static int finds_it(void *arg) {
    mouv_sleep_ms(5);
    mouv_group_cancel(arg);
    return 0;
}

CORO_CASE(child_that_cancels_its_group_during_the_join_ends_it_without_failure) {
    MOUV_GROUP(group);
    mouv_group_start(&group, sleeps_1_s, "c");
    mouv_group_start(&group, finds_it, &group);
    check_int(mouv_group_join(&group, NULL), 0);
    check_str(events(), "c-cancelled");
    check(!mouv_cancelling());
    return 0;
}

CORO_CASE(group_cancel_before_the_first_step_runs_no_child) {
    MOUV_GROUP(group);
    mouv_group_start(&group, say, "a");
    mouv_group_cancel(&group);
    check_int(mouv_group_join(&group, NULL), 0);
    check_str(events(), "");
    return 0;
}

/* --- Leaving without a join ----------------------------------------------------------------- */

struct leave {
    mouv_fn_t child;
    int rc;      /* what the body returns */
    bool awaits; /* ... or what an await of 1 s in it gives */
};

static int leaves(void *arg) {
    struct leave *leave = arg;
    MOUV_GROUP(group);
    mouv_group_start(&group, sleeps_1_s, "a");
    mouv_group_start(&group, leave->child, "b");
    yield(1);
    int rc = leave->awaits ? mouv_sleep_ms(1000) : leave->rc;
    return leave->rc == -7 ? mouv_fail(-7, "body") : rc;
}

CORO_CASE(early_return_cancels_the_children_and_waits_for_all) {
    mouv_error_t error = {0};
    struct leave leave = {cleans_up_for_30_ms, -7, false};
    int64_t began = clock_ms();
    check_int(mouv_await(mouv_coro(leaves, &leave), &error), -7);
    check_str(error.message, "body");
    check(took(began, 30));
    check_str(events(), "a-cancelled b");
    leave.rc = 7;
    check_int(mouv_await(mouv_task(leaves, &leave), NULL), 7);
    return 0;
}

CORO_CASE(body_that_returns_its_refusal_fails_with_what_its_child_failed_with) {
    mouv_error_t error = {0};
    struct leave leave = {fails_after_10_ms, 0, true};
    check_int(mouv_await(mouv_coro(leaves, &leave), &error), -5);
    check_str(error.message, "b");
    check_int(mouv_await(mouv_task(leaves, &leave), &error), -5);
    check_int(error.code, -5);
    check_int(mouv_with_timeout(1000, leaves, &leave, &error), -5);
    check_int(mouv_await_for(mouv_coro(leaves, &leave), 1000, &error), -5);
    check_int(mouv_sleep_ms(0), 0);
    return 0;
}

CORO_CASE(body_that_fails_by_itself_keeps_its_error_and_that_of_the_child_is_reported) {
    mouv_error_t error = {0};
    struct leave leave = {fails_when_cancelled, -7, false};
    check_int(mouv_await(mouv_coro(leaves, &leave), &error), -7);
    check_str(error.message, "body");
    check_one_warning("never retrieved");
    leave = (struct leave){fails_after_10_ms, -7, true};
    check_int(mouv_await(mouv_coro(leaves, &leave), &error), -7);
    check_str(error.message, "body");
    check_one_warning("never retrieved");
    return 0;
}

CORO_CASE(cancelled_body_with_a_write_of_unknown_outcome_does_not_claim_that_nothing_was_stored) {
    struct leave leave = {unknown_when_cancelled, 0, true};
    mouv_future_t task = mouv_task(leaves, &leave);
    mouv_sleep_ms(5);
    mouv_future_cancel(task);
    check_int(mouv_await(task, NULL), MOUV_EUNKNOWN);
    check_int(mouv_await_for(mouv_task(leaves, &leave), 10, NULL), MOUV_EUNKNOWN);
    check_int(mouv_await_for(mouv_coro(leaves, &leave), 10, NULL), MOUV_EUNKNOWN);
    check_int(mouv_with_timeout(10, leaves, &leave, NULL), MOUV_EUNKNOWN);
    return 0;
}

static int leaves_in_scope(void *arg) {
    MOUV_TIMEOUT_SCOPE(limit, 10);
    return leaves(arg);
}

CORO_CASE(timeout_of_a_group_that_is_left_is_a_timeout_unless_a_child_fails) {
    struct leave leave = {sleeps_1_s, 0, true};
    check_int(mouv_await(mouv_coro(leaves_in_scope, &leave), NULL), MOUV_ETIMEDOUT);
    leave.child = unknown_when_cancelled;
    check_int(mouv_await(mouv_coro(leaves_in_scope, &leave), NULL), MOUV_EUNKNOWN);
    return 0;
}

static int leaves_after_20_ms(void *arg) {
    (void)arg;
    MOUV_GROUP(group);
    mouv_group_start(&group, sleeps_1_s, "c");
    MOUV_TIMEOUT_SCOPE(limit, 20);
    return mouv_sleep_ms(1000);
}

CORO_CASE(timeout_inside_a_group_stays_one_when_the_group_is_left) {
    check_int(mouv_await(mouv_coro(leaves_after_20_ms, NULL), NULL), MOUV_ETIMEDOUT);
    check_int(mouv_await(mouv_task(leaves_after_20_ms, NULL), NULL), MOUV_ETIMEDOUT);
    check_str(events(), "c-cancelled c-cancelled");
    return 0;
}

static int never_leaves(void *group) {
    mouv_group_begin(group);
    mouv_group_start(group, fails, "a");
    return mouv_sleep_ms(1000);
}

CORO_CASE(group_that_its_task_did_not_leave_refuses_it_without_calling_that_a_timeout) {
    mouv_group_t group;
    check_int(mouv_await(mouv_task(never_leaves, &group), NULL), MOUV_ECANCELED);
    check_int(mouv_group_join(&group, NULL), -5);
    mouv_group_leave(&group);
    return 0;
}

CORO_CASE(end_of_the_block_without_a_join_cancels_the_children) {
    {
        MOUV_GROUP(group);
        mouv_group_start(&group, sleeps_1_s, "a");
        yield(1);
    }
    check_str(events(), "a-cancelled");
    check_int(mouv_sleep_ms(0), 0);
    return 0;
}

CORO_CASE(cancelled_task_that_leaves_a_group_still_waits_for_its_children) {
    struct leave leave = {cleans_up_for_30_ms, 0, true};
    mouv_future_t task = mouv_task(leaves, &leave);
    mouv_sleep_ms(5);
    mouv_future_cancel(task);
    check_int(mouv_await(task, NULL), MOUV_ECANCELED);
    check_str(events(), "a-cancelled b");
    return 0;
}

CORO_CASE(group_without_macro_is_begun_joined_and_left) {
    mouv_group_t group = {0};
    mouv_group_leave(&group);
    check_int(mouv_group_start(&group, say, "a"), MOUV_EINVAL);
    check_int(mouv_group_add(&group, mouv_coro(say, "a")), MOUV_EINVAL);
    check_int(mouv_group_join(&group, NULL), MOUV_EINVAL);
    check_int(mouv_group_begin(&group), 0);
    check_int(mouv_group_start(&group, say, "a"), 0);
    check_int(mouv_group_join(&group, NULL), 0);
    for (int i = 0; i < 2; i++) mouv_group_leave(&group);
    check_int(mouv_group_join(&group, NULL), MOUV_EINVAL);
    check_int(mouv_group_begin(NULL), MOUV_EINVAL);
    check_int(mouv_group_set_limit(NULL, 1), MOUV_EINVAL);
    check(!mouv_group_cancel(NULL));
    mouv_group_leave(NULL);
    check_str(events(), "a");
    return 0;
}

/* --- Results -------------------------------------------------------------------------------- */

static mouv_future_t later_gather_all(int *code) {
    mouv_future_t nap = mouv_sleep_future(5);
    return mouv_gather_all(&nap, 1, code, NULL);
}

CORO_CASE(results_of_futures_are_moved_by_the_join) {
    int code = 99;
    MOUV_GROUP(group);
    mouv_group_add(&group, later_gather_all(&code));
    pause_ms(20);
    check_int(code, 99);
    check_int(mouv_group_join(&group, NULL), 0);
    check_int(code, 0);
    return 0;
}

CORO_CASE(results_are_not_moved_by_a_failed_join_nor_by_leaving) {
    int code = 99;
    {
        MOUV_GROUP(group);
        mouv_group_add(&group, later_gather_all(&code));
        mouv_group_start(&group, fails_after_10_ms, "a");
        check_int(mouv_group_join(&group, NULL), -5);
    }
    {
        MOUV_GROUP(group);
        mouv_group_add(&group, later_gather_all(&code));
        mouv_sleep_ms(20);
    }
    check_int(code, 99);
    return 0;
}

/* --- Without coroutines --------------------------------------------------------------------- */

static void on_joined(mouv_future_t future, void *group) {
    mouv_error_t error = {0};
    int rc = mouv_future_result(future, &error);
    event("joined=%d", rc);
    if (rc < 0) event("%s", error.message);
    mouv_group_leave(group);
}

static void close_loop(mouv_runtime_t *runtime, uv_loop_t *loop) {
    mouv_runtime_close(runtime, NULL, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
    assert_int_equal(support_failures, 0);
}

static void group_works_without_coroutines(void **state) {
    (void)state;
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    mouv_group_t group, failing, full;
    assert_int_equal(mouv_group_begin(&group), MOUV_ENOLOOP);
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    mouv_clock_set_virtual();
    mouv_group_begin(&group);
    mouv_group_add(&group, mouv_sleep_future(5));
    mouv_group_start(&group, say, "task");
    check_int(mouv_group_join(&group, NULL), MOUV_ENOTCORO);
    mouv_then(mouv_group_join_future(&group), on_joined, &group);
    mouv_group_begin(&failing);
    mouv_group_start(&failing, fails_after_10_ms, "b");
    mouv_group_start(&failing, sleeps_1_s, "c");
    mouv_then(mouv_group_join_future(&failing), on_joined, &failing);
    uv_run(&loop, UV_RUN_DEFAULT);
    check_str(events(), "task joined=0 b-fails c-cancelled joined=-5 b");

    events_clear();
    mouv_group_begin(&full);
    mouv_group_set_limit(&full, 1);
    mouv_group_start(&full, sleeps_20_ms, "a");
    mouv_future_unref(mouv_group_add_future(&full, mouv_coro(sleeps_20_ms, "b")));
    mouv_then(mouv_group_join_future(&full), on_joined, &full);
    uv_run(&loop, UV_RUN_DEFAULT);
    check_str(events(), "a b joined=0");

    events_clear();
    mouv_group_begin(&full);
    mouv_group_set_limit(&full, 1);
    mouv_group_start(&full, sleeps_1_s, "a");
    check_int(mouv_group_start(&full, say, "never"), MOUV_ENOTCORO);
    mouv_then(mouv_group_join_future(&full), on_joined, &full);
    uv_run(&loop, UV_RUN_DEFAULT);
    check_has(events(), "joined=-20010");
    close_loop(runtime, &loop);
}

static void group_that_is_left_on_the_plain_stack_ends_by_itself(void **state) {
    (void)state;
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    {
        MOUV_GROUP(group);
        mouv_group_start(&group, sleeps_1_s, "never started");
        mouv_group_add(&group, mouv_task(cleans_up_for_30_ms, "x"));
    }
    mouv_group_t *open = malloc(sizeof *open); /* still open when the runtime closes */
    mouv_group_begin(open);
    mouv_group_start(open, sleeps_1_s, "open");
    mouv_group_add(open, mouv_future_new());
    uv_run(&loop, UV_RUN_NOWAIT);
    close_loop(runtime, &loop);
    mouv_group_leave(open);
    free(open);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(children_run_at_the_same_time_and_the_join_waits_for_all),
        CASE(group_of_nothing_joins_at_once_and_again),
        CASE(child_may_add_siblings_during_the_join),
        CASE(cancelled_child_is_no_failure),
        CASE(ten_thousand_children_join),
        CASE(first_failure_cancels_the_rest_and_is_the_error_of_the_join),
        CASE(two_that_fail_in_one_tick_are_both_heard),
        CASE(errors_of_children_that_are_being_cancelled_are_kept_too),
        CASE(write_of_unknown_outcome_goes_before_the_first_failure),
        CASE(failure_of_a_child_refuses_the_body_until_the_join),
        CASE(body_waits_for_an_outside_future_which_its_failing_child_cancels),
        CASE(failure_of_an_inner_group_fails_the_outer_one),
        CASE(adding_to_a_group_that_shuts_down_is_refused_and_cancels_what_was_added),
        CASE(adding_to_a_group_that_has_ended_is_refused),
        CASE(what_cannot_be_added_fails_the_group),
        CASE(constructor_that_failed_is_a_child_that_failed),
        CASE(group_cannot_be_its_own_child),
        CASE(join_by_a_child_is_a_deadlock_and_fails),
        CASE(adding_suspends_at_the_limit),
        CASE(raised_limit_lets_waiting_children_in),
        CASE(join_waits_for_children_that_wait_for_room),
        CASE(failure_turns_away_those_that_wait_for_room),
        CASE(cancel_while_waiting_for_room_never_starts_the_child),
        CASE(cancel_while_joining_cancels_the_children_and_still_waits_for_all),
        CASE(child_that_fails_while_the_join_is_cancelled_goes_before_the_cancel),
        CASE(deadline_around_a_group_cancels_the_children_and_is_a_timeout),
        CASE(deadline_inside_a_group_limits_its_join),
        CASE(children_inherit_the_deadline_around_the_group),
        CASE(group_cancel_ends_the_group_early_and_is_no_failure),
        CASE(child_that_cancels_its_group_during_the_join_ends_it_without_failure),
        CASE(group_cancel_before_the_first_step_runs_no_child),
        CASE(early_return_cancels_the_children_and_waits_for_all),
        CASE(body_that_returns_its_refusal_fails_with_what_its_child_failed_with),
        CASE(body_that_fails_by_itself_keeps_its_error_and_that_of_the_child_is_reported),
        CASE(cancelled_body_with_a_write_of_unknown_outcome_does_not_claim_that_nothing_was_stored),
        CASE(timeout_of_a_group_that_is_left_is_a_timeout_unless_a_child_fails),
        CASE(timeout_inside_a_group_stays_one_when_the_group_is_left),
        CASE(group_that_its_task_did_not_leave_refuses_it_without_calling_that_a_timeout),
        CASE(end_of_the_block_without_a_join_cancels_the_children),
        CASE(cancelled_task_that_leaves_a_group_still_waits_for_its_children),
        CASE(group_without_macro_is_begun_joined_and_left),
        CASE(results_of_futures_are_moved_by_the_join),
        CASE(results_are_not_moved_by_a_failed_join_nor_by_leaving),
        CASE(group_works_without_coroutines),
        CASE(group_that_is_left_on_the_plain_stack_ends_by_itself),
    };
    return RUN_CASES(cases);
}
