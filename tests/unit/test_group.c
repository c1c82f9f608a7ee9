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
    CHECK_INT(mouv_sleep_ms(30), 0);
    event("%s", (char *)word);
    return rc;
}

/* --- Success -------------------------------------------------------------------------------- */

CORO_CASE(children_run_at_the_same_time_and_the_join_waits_for_all) {
    int64_t began = clock_ms();
    MOUV_GROUP(group);
    CHECK_INT(mouv_group_start(&group, sleeps_20_ms, "a"), 0);
    CHECK_INT(mouv_group_start_copy(&group, sleeps_20_ms, "b", 2), 0);
    CHECK_INT(mouv_group_add(&group, mouv_coro(say, "coro")), 0);
    CHECK_INT(mouv_group_add(&group, mouv_sleep_future(30)), 0);
    event("body");
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK(took(began, 30));
    CHECK_STRING(events(), "body coro a b");
    return 0;
}

CORO_CASE(group_of_nothing_joins_at_once_and_again) {
    MOUV_GROUP(group);
    mouv_future_unref(mouv_task(say, "other"));
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK_STRING(events(), "");
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
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK_STRING(events(), "sibling");
    return 0;
}

CORO_CASE(cancelled_child_is_no_failure) {
    MOUV_GROUP(group);
    mouv_future_t child = mouv_task(sleeps_1_s, "c");
    mouv_group_add(&group, mouv_future_ref(child));
    mouv_group_start(&group, sleeps_20_ms, "d");
    yield(1);
    mouv_future_cancel(child);
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK_STRING(events(), "c-cancelled d");
    CHECK_INT(mouv_group_error_count(&group), 0);
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
    CHECK_INT(mouv_group_join(&group, &error), -5);
    CHECK(took(began, 40)); /* also for the clean-up */
    CHECK_STRING(error.message, "b");
    CHECK_STRING(events(), "b-fails a-cancelled c-cleaned");
    CHECK_INT(mouv_group_join(&group, &error), -5);
    CHECK_INT(mouv_sleep_ms(1), 0);
    return 0;
}

CORO_CASE(two_that_fail_in_one_tick_are_both_heard) {
    mouv_error_t error = {0};
    MOUV_GROUP(group);
    mouv_group_start(&group, fails, "a");
    mouv_group_start(&group, fails, "b");
    mouv_group_start(&group, sleeps_1_s, "c");
    CHECK_INT(mouv_group_join(&group, &error), -5);
    CHECK_STRING(events(), "a-fails b-fails c-cancelled");
    CHECK_STRING(error.message, "a (and 1 more error)");
    CHECK_INT((long long)mouv_group_error_count(&group), 2);
    CHECK_INT(mouv_group_error(&group, 0, &error), -5);
    CHECK_STRING(error.message, "a");
    CHECK_INT(mouv_group_error(&group, 1, &error), -5);
    CHECK_STRING(error.message, "b");
    CHECK_INT(mouv_group_error(&group, 2, &error), MOUV_EINVAL);
    CHECK_STRING(error.message, "b");
    return 0;
}

CORO_CASE(errors_of_children_that_are_being_cancelled_are_kept_too) {
    mouv_error_t error = {0};
    MOUV_GROUP(group);
    mouv_group_start(&group, fails_when_cancelled, "x");
    mouv_group_start(&group, fails_when_cancelled, "y");
    mouv_group_start(&group, fails_after_10_ms, "first");
    CHECK_INT(mouv_group_join(&group, &error), -5);
    CHECK_STRING(error.message, "first (and 2 more errors)");
    CHECK_INT(mouv_group_error(&group, 2, &error), -6);
    CHECK_STRING(error.message, "y");
    return 0;
}

CORO_CASE(write_of_unknown_outcome_goes_before_the_first_failure) {
    mouv_error_t error = {0};
    MOUV_GROUP(group);
    mouv_group_start(&group, unknown_when_cancelled, NULL);
    mouv_group_start(&group, fails_after_10_ms, "first");
    CHECK_INT(mouv_group_join(&group, &error), MOUV_EUNKNOWN);
    CHECK_CONTAINS(error.message, "sent (and 1 more");
    return 0;
}

CORO_CASE(failure_of_a_child_refuses_the_body_until_the_join) {
    mouv_error_t error = {0};
    int64_t began = clock_ms();
    MOUV_GROUP(group);
    mouv_group_start(&group, fails, "a");
    mouv_group_start(&group, sleeps_1_s, "c");
    CHECK_INT(mouv_sleep_ms(1000), MOUV_ECANCELED);
    event("body");
    CHECK_INT(mouv_sleep_ms(0), MOUV_ECANCELED);
    CHECK(!mouv_cancelling());
    CHECK(took(began, 0));
    CHECK_INT(mouv_group_join(&group, &error), -5);
    CHECK_STRING(events(), "a-fails c-cancelled body");
    CHECK_INT(mouv_sleep_ms(0), 0);
    return 0;
}

CORO_CASE(body_waits_for_an_outside_future_which_its_failing_child_cancels) {
    MOUV_GROUP(group);
    mouv_group_start(&group, fails, "a");
    CHECK_INT(mouv_await(mouv_task(sleeps_1_s, "outside"), NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_group_join(&group, NULL), -5);
    CHECK_STRING(events(), "a-fails outside-cancelled");
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
    CHECK_INT(mouv_group_join(&group, &error), -5);
    CHECK_STRING(error.message, "inner");
    CHECK_STRING(events(), "inner-fails outer-cancelled");
    return 0;
}

/* --- Adding --------------------------------------------------------------------------------- */

CORO_CASE(adding_to_a_group_that_shuts_down_is_refused_and_cancels_what_was_added) {
    MOUV_GROUP(group);
    mouv_future_t hot = mouv_task(cleans_up_for_30_ms, "hot-cleaned");
    mouv_future_t seen = mouv_future_ref(hot);
    mouv_group_start(&group, fails, "a");
    CHECK_INT(mouv_sleep_ms(1000), MOUV_ECANCELED);
    CHECK_INT(mouv_group_start(&group, say, "late"), MOUV_ESTATE);
    CHECK_INT(mouv_group_add(&group, mouv_coro(say, "late")), MOUV_ESTATE);
    CHECK_INT(mouv_group_add(&group, hot), MOUV_ESTATE);
    CHECK_INT(mouv_await(mouv_group_add_future(&group, mouv_coro(say, "late")), NULL), MOUV_ESTATE);
    CHECK_INT(mouv_group_join(&group, NULL), -5);
    CHECK(mouv_future_cancelled(seen)); /* also what was refused has ended */
    CHECK_STRING(events(), "a-fails hot-cleaned");
    mouv_future_unref(seen);
    return 0;
}

CORO_CASE(adding_to_a_group_that_has_ended_is_refused) {
    MOUV_GROUP(group);
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    mouv_future_t hot = mouv_task(sleeps_1_s, "hot");
    mouv_future_t seen = mouv_future_ref(hot);
    CHECK_INT(mouv_group_start(&group, say, "late"), MOUV_ESTATE);
    CHECK_INT(mouv_group_add(&group, hot), MOUV_ESTATE);
    CHECK_INT(mouv_await(seen, NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK_STRING(events(), "");
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
        CHECK_INT(mouv_group_add(&group, bad[i]), MOUV_EINVAL);
        CHECK_INT(mouv_group_join(&group, &error), MOUV_EINVAL);
        CHECK_INT((long long)mouv_group_error_count(&group), 1);
        CHECK_STRING(events(), "a-cancelled");
    }
    return 0;
}

CORO_CASE(constructor_that_failed_is_a_child_that_failed) {
    mouv_future_t bare = {1}; /* a handle that carries MOUV_ETIMEDOUT and no future */
    mouv_future_t cancelled = {2};
    MOUV_GROUP(a);
    CHECK_INT(mouv_group_start(&a, NULL, NULL), 0);
    CHECK_INT(mouv_group_join(&a, NULL), MOUV_EINVAL);
    MOUV_GROUP(b);
    CHECK_INT(mouv_group_add(&b, bare), 0);
    CHECK_INT(mouv_group_join(&b, NULL), MOUV_ETIMEDOUT);
    MOUV_GROUP(c);
    CHECK_INT(mouv_await(mouv_group_add_future(&c, bare), NULL), 0);
    CHECK_INT(mouv_group_join(&c, NULL), MOUV_ETIMEDOUT);
    MOUV_GROUP(d);
    CHECK_INT(mouv_group_add(&d, cancelled), 0);
    CHECK_INT(mouv_group_join(&d, NULL), 0);
    return 0;
}

CORO_CASE(group_cannot_be_its_own_child) {
    MOUV_GROUP(group);
    mouv_future_t whole = mouv_group_join_future(&group);
    CHECK_INT(mouv_group_add(&group, whole), MOUV_EDEADLK); /* of nothing: it had ended */
    MOUV_GROUP(other);
    mouv_group_start(&other, sleeps_20_ms, "a");
    whole = mouv_group_join_future(&other);
    CHECK_INT(mouv_group_add(&other, whole), MOUV_EDEADLK);
    CHECK_INT(mouv_group_join(&other, NULL), 0);
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
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK_STRING(events(), "EDEADLK");
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
    CHECK_INT(mouv_group_set_limit(&group, 3), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_INT(mouv_group_start(&group, counts_itself, NULL), 0);
        CHECK(running <= 3);
    }
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK_INT(most, 3);
    return 0;
}

CORO_CASE(raised_limit_lets_waiting_children_in) {
    MOUV_GROUP(group);
    mouv_group_set_limit(&group, 1);
    mouv_group_start(&group, sleeps_20_ms, "a");
    mouv_future_t b = mouv_group_add_future(&group, mouv_coro(sleeps_20_ms, "b"));
    yield(2);
    CHECK(!mouv_future_done(b));
    mouv_group_set_limit(&group, 0);
    CHECK(mouv_future_done(b));
    CHECK_INT(mouv_await(b, NULL), 0);
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK_STRING(events(), "a b");
    return 0;
}

CORO_CASE(join_waits_for_children_that_wait_for_room) {
    MOUV_GROUP(group);
    mouv_group_set_limit(&group, 1);
    mouv_group_start(&group, sleeps_20_ms, "a");
    mouv_future_unref(mouv_group_add_future(&group, mouv_coro(sleeps_20_ms, "b")));
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK_STRING(events(), "a b");
    return 0;
}

CORO_CASE(failure_turns_away_those_that_wait_for_room) {
    mouv_error_t error = {0};
    MOUV_GROUP(group);
    mouv_group_set_limit(&group, 1);
    mouv_group_start(&group, fails_after_10_ms, "a");
    mouv_future_t waits = mouv_group_add_future(&group, mouv_coro(say, "never"));
    CHECK_INT(mouv_group_start(&group, say, "never"), MOUV_ECANCELED); /* the body is refused */
    CHECK_INT(mouv_group_join(&group, NULL), -5);
    CHECK_INT(mouv_await(waits, &error), MOUV_ESTATE);
    CHECK_CONTAINS(error.message, "shutting down");
    CHECK_STRING(events(), "a-fails");
    CHECK_NO_WARNING();
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
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK_STRING(events(), "a");
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
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK(took(began, 30));
    CHECK_STRING(events(), "c-cancelled d joined");
    return 0;
}

CORO_CASE(child_that_fails_while_the_join_is_cancelled_goes_before_the_cancel) {
    mouv_error_t error = {0};
    mouv_fn_t second = fails_when_cancelled;
    mouv_future_t task = mouv_task(joins_two, &second);
    yield(2);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, &error), -6);
    CHECK_STRING(error.message, "d");
    return 0;
}

CORO_CASE(deadline_around_a_group_cancels_the_children_and_is_a_timeout) {
    mouv_scope_t scope;
    int64_t began = clock_ms();
    mouv_timeout_begin(&scope, 20);
    MOUV_GROUP(group);
    mouv_group_start(&group, sleeps_1_s, "c");
    int rc = mouv_group_join(&group, NULL);
    CHECK_INT(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    CHECK(took(began, 20));
    CHECK_STRING(events(), "c-cancelled");
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
    CHECK_INT(mouv_await(mouv_coro(joins_within_20_ms, NULL), NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_await(mouv_task(joins_within_20_ms, NULL), NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_with_timeout(1000, joins_within_20_ms, NULL, NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_sleep_ms(0), 0);
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
        CHECK(child != 0); /* it has run before the join */
        CHECK_INT(mouv_group_join(&group, NULL), 0);
    }
    CHECK(child <= 50000 && child > 40000);
    CHECK(task == INT64_MAX); /* as everywhere */
    return 0;
}

CORO_CASE(group_cancel_ends_the_group_early_and_is_no_failure) {
    MOUV_GROUP(group);
    mouv_group_start(&group, sleeps_1_s, "c");
    mouv_group_start(&group, cleans_up_for_30_ms, "d");
    yield(1);
    CHECK(mouv_group_cancel(&group));
    CHECK(!mouv_group_cancel(&group));
    CHECK_INT(mouv_sleep_ms(0), MOUV_ECANCELED);
    CHECK_INT(mouv_group_start(&group, say, "late"), MOUV_ESTATE);
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK_STRING(events(), "c-cancelled d");
    CHECK(!mouv_group_cancel(&group));
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
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK_STRING(events(), "c-cancelled");
    CHECK(!mouv_cancelling());
    return 0;
}

CORO_CASE(group_cancel_before_the_first_step_runs_no_child) {
    MOUV_GROUP(group);
    mouv_group_start(&group, say, "a");
    mouv_group_cancel(&group);
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK_STRING(events(), "");
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
    CHECK_INT(mouv_await(mouv_coro(leaves, &leave), &error), -7);
    CHECK_STRING(error.message, "body");
    CHECK(took(began, 30));
    CHECK_STRING(events(), "a-cancelled b");
    leave.rc = 7;
    CHECK_INT(mouv_await(mouv_task(leaves, &leave), NULL), 7);
    return 0;
}

CORO_CASE(body_that_returns_its_refusal_fails_with_what_its_child_failed_with) {
    mouv_error_t error = {0};
    struct leave leave = {fails_after_10_ms, 0, true};
    CHECK_INT(mouv_await(mouv_coro(leaves, &leave), &error), -5);
    CHECK_STRING(error.message, "b");
    CHECK_INT(mouv_await(mouv_task(leaves, &leave), &error), -5);
    CHECK_INT(error.code, -5);
    CHECK_INT(mouv_with_timeout(1000, leaves, &leave, &error), -5);
    CHECK_INT(mouv_await_for(mouv_coro(leaves, &leave), 1000, &error), -5);
    CHECK_INT(mouv_sleep_ms(0), 0);
    return 0;
}

CORO_CASE(body_that_fails_by_itself_keeps_its_error_and_that_of_the_child_is_reported) {
    mouv_error_t error = {0};
    struct leave leave = {fails_when_cancelled, -7, false};
    CHECK_INT(mouv_await(mouv_coro(leaves, &leave), &error), -7);
    CHECK_STRING(error.message, "body");
    CHECK_ONE_WARNING("never retrieved");
    leave = (struct leave){fails_after_10_ms, -7, true};
    CHECK_INT(mouv_await(mouv_coro(leaves, &leave), &error), -7);
    CHECK_STRING(error.message, "body");
    CHECK_ONE_WARNING("never retrieved");
    return 0;
}

CORO_CASE(cancelled_body_with_a_write_of_unknown_outcome_does_not_claim_that_nothing_was_stored) {
    struct leave leave = {unknown_when_cancelled, 0, true};
    mouv_future_t task = mouv_task(leaves, &leave);
    mouv_sleep_ms(5);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, NULL), MOUV_EUNKNOWN);
    CHECK_INT(mouv_await_for(mouv_task(leaves, &leave), 10, NULL), MOUV_EUNKNOWN);
    CHECK_INT(mouv_await_for(mouv_coro(leaves, &leave), 10, NULL), MOUV_EUNKNOWN);
    CHECK_INT(mouv_with_timeout(10, leaves, &leave, NULL), MOUV_EUNKNOWN);
    return 0;
}

static int leaves_in_scope(void *arg) {
    MOUV_TIMEOUT_SCOPE(limit, 10);
    return leaves(arg);
}

CORO_CASE(timeout_of_a_group_that_is_left_is_a_timeout_unless_a_child_fails) {
    struct leave leave = {sleeps_1_s, 0, true};
    CHECK_INT(mouv_await(mouv_coro(leaves_in_scope, &leave), NULL), MOUV_ETIMEDOUT);
    leave.child = unknown_when_cancelled;
    CHECK_INT(mouv_await(mouv_coro(leaves_in_scope, &leave), NULL), MOUV_EUNKNOWN);
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
    CHECK_INT(mouv_await(mouv_coro(leaves_after_20_ms, NULL), NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_await(mouv_task(leaves_after_20_ms, NULL), NULL), MOUV_ETIMEDOUT);
    CHECK_STRING(events(), "c-cancelled c-cancelled");
    return 0;
}

static int never_leaves(void *group) {
    mouv_group_begin(group);
    mouv_group_start(group, fails, "a");
    return mouv_sleep_ms(1000);
}

CORO_CASE(group_that_its_task_did_not_leave_refuses_it_without_calling_that_a_timeout) {
    mouv_group_t group;
    CHECK_INT(mouv_await(mouv_task(never_leaves, &group), NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_group_join(&group, NULL), -5);
    mouv_group_leave(&group);
    return 0;
}

CORO_CASE(end_of_the_block_without_a_join_cancels_the_children) {
    {
        MOUV_GROUP(group);
        mouv_group_start(&group, sleeps_1_s, "a");
        yield(1);
    }
    CHECK_STRING(events(), "a-cancelled");
    CHECK_INT(mouv_sleep_ms(0), 0);
    return 0;
}

CORO_CASE(cancelled_task_that_leaves_a_group_still_waits_for_its_children) {
    struct leave leave = {cleans_up_for_30_ms, 0, true};
    mouv_future_t task = mouv_task(leaves, &leave);
    mouv_sleep_ms(5);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "a-cancelled b");
    return 0;
}

CORO_CASE(group_without_macro_is_begun_joined_and_left) {
    mouv_group_t group = {0};
    mouv_group_leave(&group);
    CHECK_INT(mouv_group_start(&group, say, "a"), MOUV_EINVAL);
    CHECK_INT(mouv_group_add(&group, mouv_coro(say, "a")), MOUV_EINVAL);
    CHECK_INT(mouv_group_join(&group, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_group_begin(&group), 0);
    CHECK_INT(mouv_group_start(&group, say, "a"), 0);
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    for (int i = 0; i < 2; i++) mouv_group_leave(&group);
    CHECK_INT(mouv_group_join(&group, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_group_begin(NULL), MOUV_EINVAL);
    CHECK_INT(mouv_group_set_limit(NULL, 1), MOUV_EINVAL);
    CHECK(!mouv_group_cancel(NULL));
    mouv_group_leave(NULL);
    CHECK_STRING(events(), "a");
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
    CHECK_INT(code, 99);
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK_INT(code, 0);
    return 0;
}

CORO_CASE(results_are_not_moved_by_a_failed_join_nor_by_leaving) {
    int code = 99;
    {
        MOUV_GROUP(group);
        mouv_group_add(&group, later_gather_all(&code));
        mouv_group_start(&group, fails_after_10_ms, "a");
        CHECK_INT(mouv_group_join(&group, NULL), -5);
    }
    {
        MOUV_GROUP(group);
        mouv_group_add(&group, later_gather_all(&code));
        mouv_sleep_ms(20);
    }
    CHECK_INT(code, 99);
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
    CHECK_INT(mouv_group_join(&group, NULL), MOUV_ENOTCORO);
    mouv_then(mouv_group_join_future(&group), on_joined, &group);
    mouv_group_begin(&failing);
    mouv_group_start(&failing, fails_after_10_ms, "b");
    mouv_group_start(&failing, sleeps_1_s, "c");
    mouv_then(mouv_group_join_future(&failing), on_joined, &failing);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_STRING(events(), "task joined=0 b-fails c-cancelled joined=-5 b");

    events_clear();
    mouv_group_begin(&full);
    mouv_group_set_limit(&full, 1);
    mouv_group_start(&full, sleeps_20_ms, "a");
    mouv_future_unref(mouv_group_add_future(&full, mouv_coro(sleeps_20_ms, "b")));
    mouv_then(mouv_group_join_future(&full), on_joined, &full);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_STRING(events(), "a b joined=0");

    events_clear();
    mouv_group_begin(&full);
    mouv_group_set_limit(&full, 1);
    mouv_group_start(&full, sleeps_1_s, "a");
    CHECK_INT(mouv_group_start(&full, say, "never"), MOUV_ENOTCORO);
    mouv_then(mouv_group_join_future(&full), on_joined, &full);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_CONTAINS(events(), "joined=-20010");
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

/* --- Handles of children -------------------------------------------------------------------- */

CORO_CASE(child_with_a_handle_can_be_awaited_or_cancelled_alone) {
    int64_t second = 1000;
    int five = 5;
    MOUV_GROUP(group);
    MOUV_AUTO mouv_future_t slow = mouv_group_task(&group, sleeper, &second);
    mouv_future_t quick = mouv_group_task_copy(&group, return_int, &five, sizeof five);
    int64_t began = clock_ms();
    CHECK_INT(mouv_await(quick, NULL), 5);
    CHECK(mouv_future_cancel(slow));
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK(took(began, 0));
    CHECK(mouv_future_cancelled(slow));
    return 0;
}

CORO_CASE(failure_of_a_child_with_a_handle_is_the_groups_too) {
    mouv_error_t error;
    MOUV_GROUP(group);
    mouv_future_t child = mouv_group_task(&group, fails, "a");
    CHECK_INT(mouv_await(child, &error), -5);
    CHECK_INT(mouv_group_join(&group, &error), -5);
    CHECK_STRING(error.message, "a");
    return 0;
}

CORO_CASE(handle_of_a_child_that_a_group_refuses_has_failed) {
    mouv_error_t error;
    mouv_group_t none = {0};
    MOUV_GROUP(group);
    mouv_group_cancel(&group);
    CHECK_INT(mouv_await(mouv_group_task(&group, fails, "never"), &error), MOUV_ESTATE);
    CHECK_CONTAINS(error.message, "shutting down");
    CHECK_INT(mouv_group_join(&group, NULL), 0);
    CHECK_INT(mouv_await(mouv_group_task(&none, fails, "never"), &error), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_group_task_copy(&group, fails, NULL, 1), &error), MOUV_ESTATE);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(children_run_at_the_same_time_and_the_join_waits_for_all),
        TEST(group_of_nothing_joins_at_once_and_again),
        TEST(child_may_add_siblings_during_the_join),
        TEST(cancelled_child_is_no_failure),
        TEST(ten_thousand_children_join),
        TEST(first_failure_cancels_the_rest_and_is_the_error_of_the_join),
        TEST(two_that_fail_in_one_tick_are_both_heard),
        TEST(errors_of_children_that_are_being_cancelled_are_kept_too),
        TEST(write_of_unknown_outcome_goes_before_the_first_failure),
        TEST(failure_of_a_child_refuses_the_body_until_the_join),
        TEST(body_waits_for_an_outside_future_which_its_failing_child_cancels),
        TEST(failure_of_an_inner_group_fails_the_outer_one),
        TEST(adding_to_a_group_that_shuts_down_is_refused_and_cancels_what_was_added),
        TEST(adding_to_a_group_that_has_ended_is_refused),
        TEST(what_cannot_be_added_fails_the_group),
        TEST(constructor_that_failed_is_a_child_that_failed),
        TEST(group_cannot_be_its_own_child),
        TEST(join_by_a_child_is_a_deadlock_and_fails),
        TEST(adding_suspends_at_the_limit),
        TEST(raised_limit_lets_waiting_children_in),
        TEST(join_waits_for_children_that_wait_for_room),
        TEST(failure_turns_away_those_that_wait_for_room),
        TEST(cancel_while_waiting_for_room_never_starts_the_child),
        TEST(cancel_while_joining_cancels_the_children_and_still_waits_for_all),
        TEST(child_that_fails_while_the_join_is_cancelled_goes_before_the_cancel),
        TEST(deadline_around_a_group_cancels_the_children_and_is_a_timeout),
        TEST(deadline_inside_a_group_limits_its_join),
        TEST(children_inherit_the_deadline_around_the_group),
        TEST(group_cancel_ends_the_group_early_and_is_no_failure),
        TEST(child_that_cancels_its_group_during_the_join_ends_it_without_failure),
        TEST(group_cancel_before_the_first_step_runs_no_child),
        TEST(early_return_cancels_the_children_and_waits_for_all),
        TEST(body_that_returns_its_refusal_fails_with_what_its_child_failed_with),
        TEST(body_that_fails_by_itself_keeps_its_error_and_that_of_the_child_is_reported),
        TEST(cancelled_body_with_a_write_of_unknown_outcome_does_not_claim_that_nothing_was_stored),
        TEST(timeout_of_a_group_that_is_left_is_a_timeout_unless_a_child_fails),
        TEST(timeout_inside_a_group_stays_one_when_the_group_is_left),
        TEST(group_that_its_task_did_not_leave_refuses_it_without_calling_that_a_timeout),
        TEST(end_of_the_block_without_a_join_cancels_the_children),
        TEST(cancelled_task_that_leaves_a_group_still_waits_for_its_children),
        TEST(group_without_macro_is_begun_joined_and_left),
        TEST(results_of_futures_are_moved_by_the_join),
        TEST(results_are_not_moved_by_a_failed_join_nor_by_leaving),
        TEST(group_works_without_coroutines),
        TEST(group_that_is_left_on_the_plain_stack_ends_by_itself),
        TEST(child_with_a_handle_can_be_awaited_or_cancelled_alone),
        TEST(failure_of_a_child_with_a_handle_is_the_groups_too),
        TEST(handle_of_a_child_that_a_group_refuses_has_failed),
    };
    return RUN_CASES(cases);
}
