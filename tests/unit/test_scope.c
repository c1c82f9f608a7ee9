/* Scopes: deadlines for a block, shields for clean-up, and the shield around a future. */
#include "../support/async_support.h"

static int forever(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(400000);
    event(rc == MOUV_ECANCELED ? "cancelled" : "completed");
    return rc;
}

static bool left(int64_t ms) {
    return mouv_time_left_ms() == ms;
}

/* --- Timeout scopes ------------------------------------------------------------------------- */

CORO_CASE(scope_that_ends_in_time_changes_nothing) {
    const int codes[] = {0, 7, -5, MOUV_EINVAL, MOUV_ECANCELED};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        mouv_error_t error = {.code = 77};
        mouv_scope_t scope;
        check_int(mouv_timeout_begin(&scope, 5000), 0);
        check_int(mouv_sleep_ms(1), 0);
        check(!mouv_timeout_expired(&scope));
        check_int(mouv_timeout_end(&scope, codes[i], &error), codes[i]);
        check(!mouv_timeout_expired(&scope));
        check_int(error.code, 77);
    }
    return 0;
}

CORO_CASE(scope_that_fires_turns_its_cancel_into_a_timeout) {
    mouv_error_t error = {0};
    mouv_scope_t scope;
    int64_t began = clock_ms();
    mouv_timeout_begin(&scope, 20);
    int rc = mouv_sleep_ms(60000);
    check_int(rc, MOUV_ECANCELED);
    check(took(began, 20));
    check(mouv_timeout_expired(&scope));
    check_int(mouv_timeout_end(&scope, rc, &error), MOUV_ETIMEDOUT);
    check_int(error.code, MOUV_ETIMEDOUT);
    check(error.message[0] != '\0');
    check(mouv_timeout_expired(&scope));
    check_int(mouv_sleep_ms(1), 0);
    return 0;
}

CORO_CASE(scope_that_fires_leaves_other_codes_alone) {
    mouv_scope_t scope;
    const int codes[] = {0, 3, -5, MOUV_EUNKNOWN, MOUV_ESERVER};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        mouv_timeout_begin(&scope, 1);
        check_int(mouv_sleep_ms(60000), MOUV_ECANCELED);
        check_int(mouv_timeout_end(&scope, codes[i], NULL), codes[i]);
    }
    return 0;
}

CORO_CASE(everything_in_an_expired_scope_is_refused_until_its_end) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 1);
    check_int(mouv_sleep_ms(60000), MOUV_ECANCELED);
    for (int i = 0; i < 3; i++) {
        check_int(mouv_sleep_ms(0), MOUV_ECANCELED);
        check_int(mouv_await(mouv_sleep_future(1), NULL), MOUV_ECANCELED);
        check_int(mouv_await(mouv_task(forever, NULL), NULL), MOUV_ECANCELED);
        check_int(mouv_await(mouv_gather(mouv_task(forever, NULL)), NULL), MOUV_ECANCELED);
        check_int(mouv_await_for(mouv_sleep_future(1), 1000, NULL), MOUV_ECANCELED);
    }
    mouv_scope_leave(&scope);
    check_int(mouv_sleep_ms(0), 0);
    check_str(events(), ""); /* cancelled before their first step, those tasks never ran */
    return 0;
}

CORO_CASE(scope_without_time_has_expired_at_once) {
    const int64_t nothing[] = {0, -1, INT64_MIN};
    for (int i = 0; i < 3; i++) {
        mouv_scope_t scope;
        int64_t began = clock_ms();
        check_int(mouv_timeout_begin(&scope, nothing[i]), 0);
        check(mouv_time_left_ms() <= 0);
        int rc = mouv_sleep_ms(60000);
        check_int(rc, MOUV_ECANCELED);
        check(mouv_timeout_expired(&scope));
        check_int(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
        check(took(began, 0));
    }
    return 0;
}

CORO_CASE(done_future_is_delivered_in_an_expired_scope) {
    mouv_scope_t scope;
    mouv_future_t future = mouv_future_new();
    mouv_future_set_result(future, 6);
    mouv_timeout_begin(&scope, 0);
    check_int(mouv_await(future, NULL), 6);
    check_int(mouv_timeout_end(&scope, 6, NULL), 6);
    return 0;
}

CORO_CASE(scope_without_end_never_fires) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, INT64_MAX);
    check(mouv_time_left_ms() > INT64_C(1) << 40);
    check_int(mouv_sleep_ms(10), 0);
    check(!mouv_timeout_expired(&scope));
    check_int(mouv_timeout_end(&scope, 0, NULL), 0);
    return 0;
}

CORO_CASE(time_left_is_that_of_the_nearest_deadline) {
    check(mouv_time_left_ms() == INT64_MAX);
    {
        MOUV_TIMEOUT_SCOPE(outer, 50000);
        check(left(50000));
        {
            MOUV_TIMEOUT_SCOPE(inner, 20000);
            check(left(20000));
        }
        check(left(50000));
        {
            MOUV_TIMEOUT_SCOPE(longer, 900000);
            check(left(50000));
        }
    }
    check(mouv_time_left_ms() == INT64_MAX);
    return 0;
}

static int leaves_early(void *arg) {
    MOUV_TIMEOUT_SCOPE(limit, 20);
    if (arg) return 1;
    return mouv_sleep_ms(60000);
}

CORO_CASE(early_return_ends_the_scope) {
    for (int i = 0; i < 100; i++) check_int(leaves_early("yes"), 1);
    check(mouv_time_left_ms() == INT64_MAX);
    check_int(mouv_sleep_ms(40), 0);
    return 0;
}

CORO_CASE(timeout_returned_by_a_body_reaches_its_awaiter) {
    mouv_error_t error = {0};
    check_int(mouv_await(mouv_coro(leaves_early, NULL), &error), MOUV_ETIMEDOUT);
    check_int(error.code, MOUV_ETIMEDOUT);
    memset(&error, 0, sizeof error);
    check_int(mouv_await(mouv_task(leaves_early, NULL), &error), MOUV_ETIMEDOUT);
    check_int(error.code, MOUV_ETIMEDOUT);
    check(error.message[0] != '\0');
    check_int(mouv_await(mouv_gather(mouv_coro(leaves_early, NULL)), NULL), MOUV_ETIMEDOUT);
    check_int(mouv_sleep_ms(1), 0);
    return 0;
}

static void timeout_returned_by_the_main_task_reaches_the_caller_of_run(void **state) {
    (void)state;
    mouv_error_t error = {0};
    assert_int_equal(mouv_run(leaves_early, NULL, &error), MOUV_ETIMEDOUT);
    assert_int_equal(error.code, MOUV_ETIMEDOUT);
}

static int ignores_its_timeout(void *arg) {
    (void)arg;
    MOUV_TIMEOUT_SCOPE(limit, 5);
    check_int(mouv_sleep_ms(60000), MOUV_ECANCELED);
    return 4;
}

CORO_CASE(body_that_ignores_its_timeout_gives_its_own_value) {
    check_int(mouv_await(mouv_coro(ignores_its_timeout, NULL), NULL), 4);
    check_int(mouv_await(mouv_task(ignores_its_timeout, NULL), NULL), 4);
    check_int(mouv_sleep_ms(1), 0);
    return 0;
}

CORO_CASE(ended_scope_can_be_left_again) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 1000);
    mouv_timeout_end(&scope, 0, NULL);
    mouv_scope_leave(&scope);
    mouv_scope_leave(&scope);
    check(mouv_time_left_ms() == INT64_MAX);
    check_int(mouv_sleep_ms(0), 0);
    return 0;
}

/* --- Nesting -------------------------------------------------------------------------------- */

CORO_CASE(inner_scope_that_fires_leaves_the_outer_one_alone) {
    mouv_scope_t outer, inner;
    mouv_timeout_begin(&outer, 60000);
    mouv_timeout_begin(&inner, 10);
    int rc = mouv_sleep_ms(60000);
    check(mouv_timeout_expired(&inner));
    check(!mouv_timeout_expired(&outer));
    check_int(mouv_timeout_end(&inner, rc, NULL), MOUV_ETIMEDOUT);
    check_int(mouv_sleep_ms(1), 0);
    check_int(mouv_timeout_end(&outer, 0, NULL), 0);
    return 0;
}

CORO_CASE(outer_scope_that_fires_is_no_timeout_of_the_inner_one) {
    mouv_scope_t outer, inner;
    int64_t began = clock_ms();
    mouv_timeout_begin(&outer, 10);
    mouv_timeout_begin(&inner, 60000);
    int rc = mouv_sleep_ms(60000);
    check(took(began, 10));
    check(!mouv_timeout_expired(&inner));
    check(mouv_timeout_expired(&outer));
    check_int(mouv_timeout_end(&inner, rc, NULL), MOUV_ECANCELED);
    check_int(mouv_sleep_ms(1), MOUV_ECANCELED);
    check_int(mouv_timeout_end(&outer, rc, NULL), MOUV_ETIMEDOUT);
    check_int(mouv_sleep_ms(1), 0);
    return 0;
}

static int notes_time_left(void *out) {
    *(int64_t *)out = mouv_time_left_ms();
    return 0;
}

CORO_CASE(inline_coroutine_inherits_the_deadline_and_a_task_does_not) {
    int64_t in_coro = 0, in_task = 0;
    MOUV_TIMEOUT_SCOPE(limit, 50000);
    check_int(mouv_await(mouv_coro(notes_time_left, &in_coro), NULL), 0);
    check_int(mouv_await(mouv_task(notes_time_left, &in_task), NULL), 0);
    check(in_coro <= 50000 && in_coro > 40000);
    check(in_task == INT64_MAX);
    return 0;
}

CORO_CASE(coroutine_under_await_for_inherits_its_deadline) {
    int64_t inside = 0;
    check_int(mouv_await_for(mouv_coro(notes_time_left, &inside), 50000, NULL), 0);
    check(inside <= 50000 && inside > 40000);
    return 0;
}

CORO_CASE(deadline_cancels_what_is_awaited_in_its_scope) {
    mouv_scope_t scope;
    mouv_future_t task = mouv_task(forever, NULL);
    mouv_timeout_begin(&scope, 10);
    int rc = mouv_await(task, NULL);
    check_int(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    check_str(events(), "cancelled");
    return 0;
}

static int coro_in_scope(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(60000);
    event("%s", mouv_error_name(rc) + 5);
    return rc;
}

CORO_CASE(deadline_reaches_into_an_inline_coroutine_as_a_cancel) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 10);
    int rc = mouv_await(mouv_coro(coro_in_scope, NULL), NULL);
    check_int(rc, MOUV_ECANCELED);
    check_int(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    check_str(events(), "ECANCELED");
    return 0;
}

/* --- Rescheduling --------------------------------------------------------------------------- */

CORO_CASE(rescheduled_scope_has_its_new_time_counted_from_now) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 20);
    check_int(mouv_sleep_ms(5), 0);
    check_int(mouv_timeout_reschedule(&scope, 60000), 0);
    check(left(60000));
    check_int(mouv_sleep_ms(40), 0);
    int64_t began = clock_ms();
    check_int(mouv_timeout_reschedule(&scope, 10), 0);
    int rc = mouv_sleep_ms(60000);
    check(took(began, 10));
    check_int(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    return 0;
}

CORO_CASE(rescheduling_with_no_time_expires_at_once) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 60000);
    check_int(mouv_timeout_reschedule(&scope, 0), 0);
    int rc = mouv_sleep_ms(60000);
    check_int(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    return 0;
}

CORO_CASE(rescheduling_an_expired_or_ended_scope_is_refused) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 1);
    mouv_sleep_ms(60000);
    check_int(mouv_timeout_reschedule(&scope, 60000), MOUV_ESTATE);
    check_int(mouv_sleep_ms(0), MOUV_ECANCELED);
    mouv_scope_leave(&scope);
    check_int(mouv_timeout_reschedule(&scope, 60000), MOUV_ESTATE);
    check(mouv_time_left_ms() == INT64_MAX);
    return 0;
}

CORO_CASE(rescheduling_an_inner_scope_does_not_lengthen_the_outer_one) {
    mouv_scope_t outer, inner;
    int64_t began = clock_ms();
    mouv_timeout_begin(&outer, 20);
    mouv_timeout_begin(&inner, 5);
    check_int(mouv_timeout_reschedule(&inner, 60000), 0);
    int rc = mouv_sleep_ms(60000);
    check(took(began, 20));
    check_int(mouv_timeout_end(&inner, rc, NULL), MOUV_ECANCELED);
    check_int(mouv_timeout_end(&outer, rc, NULL), MOUV_ETIMEDOUT);
    return 0;
}

/* --- Cancel and timeout --------------------------------------------------------------------- */

static int scope_of_60_s(void *arg) {
    (void)arg;
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 60000);
    int rc = mouv_sleep_ms(60000);
    rc = mouv_timeout_end(&scope, rc, NULL);
    event("%s", mouv_error_name(rc) + 5);
    return rc;
}

CORO_CASE(cancel_of_the_task_is_no_timeout) {
    mouv_future_t task = mouv_task(scope_of_60_s, NULL);
    yield(1);
    mouv_future_cancel(task);
    check_int(mouv_await(task, NULL), MOUV_ECANCELED);
    check_str(events(), "ECANCELED");
    return 0;
}

static int scope_macro_of_60_s(void *arg) {
    (void)arg;
    MOUV_TIMEOUT_SCOPE(limit, 60000);
    return mouv_sleep_ms(60000);
}

CORO_CASE(cancel_of_a_task_with_a_scope_is_returned_as_a_cancel) {
    mouv_future_t task = mouv_task(scope_macro_of_60_s, NULL);
    yield(1);
    mouv_future_cancel(task);
    check_int(mouv_await(task, NULL), MOUV_ECANCELED);
    return 0;
}

CORO_CASE(uncancel_does_not_revive_an_expired_scope) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 1);
    check_int(mouv_sleep_ms(60000), MOUV_ECANCELED);
    mouv_uncancel();
    check(mouv_timeout_expired(&scope));
    int rc = mouv_sleep_ms(0);
    check_int(rc, MOUV_ECANCELED);
    check_int(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    return 0;
}

/* --- Shield scopes -------------------------------------------------------------------------- */

static int cleans_up_in_a_shield(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(60000);
    {
        MOUV_SHIELD_SCOPE(cleanup, 5000);
        check(left(5000));
        check_int(mouv_sleep_ms(10), 0);
        check_int(mouv_await(mouv_sleep_future(10), NULL), 0);
        event("cleaned");
    }
    check_int(mouv_sleep_ms(0), MOUV_ECANCELED);
    check(mouv_cancelling());
    return rc;
}

CORO_CASE(shield_lets_a_cancelled_task_clean_up) {
    mouv_future_t task = mouv_task(cleans_up_in_a_shield, NULL);
    yield(1);
    mouv_future_cancel(task);
    check_int(mouv_await(task, NULL), MOUV_ECANCELED);
    check_str(events(), "cleaned");
    return 0;
}

CORO_CASE(shield_lets_an_expired_scope_clean_up) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 1);
    int rc = mouv_sleep_ms(60000);
    {
        MOUV_SHIELD_SCOPE(cleanup, 5000);
        check_int(mouv_sleep_ms(10), 0);
    }
    check_int(mouv_sleep_ms(0), MOUV_ECANCELED);
    check_int(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    return 0;
}

CORO_CASE(deadline_that_passes_inside_a_shield_is_seen_after_it) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 10);
    {
        MOUV_SHIELD_SCOPE(critical, 5000);
        check_int(mouv_sleep_ms(40), 0);
    }
    int rc = mouv_sleep_ms(60000);
    check_int(rc, MOUV_ECANCELED);
    check_int(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    return 0;
}

static int critical_section(void *arg) {
    (void)arg;
    {
        MOUV_SHIELD_SCOPE(critical, 5000);
        int64_t began = clock_ms();
        check_int(mouv_sleep_ms(40), 0);
        check(took(began, 40));
    }
    int rc = mouv_sleep_ms(60000);
    event(rc == MOUV_ECANCELED ? "refused" : "slept");
    return rc;
}

CORO_CASE(cancel_that_comes_inside_a_shield_is_seen_after_it) {
    mouv_future_t task = mouv_task(critical_section, NULL);
    mouv_sleep_ms(5);
    mouv_future_cancel(task);
    check_int(mouv_await(task, NULL), MOUV_ECANCELED);
    check_str(events(), "refused");
    return 0;
}

static int overlong_cleanup(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(60000);
    int64_t began = clock_ms();
    MOUV_SHIELD_SCOPE(cleanup, 20);
    check_int(mouv_sleep_ms(60000), MOUV_ECANCELED);
    check(took(began, 20));
    check_int(mouv_sleep_ms(0), MOUV_ECANCELED);
    event("given up");
    return rc;
}

CORO_CASE(shield_ends_with_its_limit) {
    mouv_future_t task = mouv_task(overlong_cleanup, NULL);
    yield(1);
    mouv_future_cancel(task);
    check_int(mouv_await(task, NULL), MOUV_ECANCELED);
    check_str(events(), "given up");
    return 0;
}

static int cleanup_with_a_timeout(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(60000);
    MOUV_SHIELD_SCOPE(cleanup, 5000);
    check_int(mouv_await_for(mouv_sleep_future(60000), 10, NULL), MOUV_ETIMEDOUT);
    mouv_scope_t limit;
    mouv_timeout_begin(&limit, 10);
    int inner = mouv_sleep_ms(60000);
    check_int(mouv_timeout_end(&limit, inner, NULL), MOUV_ETIMEDOUT);
    check_int(mouv_sleep_ms(1), 0);
    return rc;
}

CORO_CASE(timeouts_work_inside_a_shield) {
    mouv_future_t task = mouv_task(cleanup_with_a_timeout, NULL);
    yield(1);
    mouv_future_cancel(task);
    check_int(mouv_await(task, NULL), MOUV_ECANCELED);
    return 0;
}

/* --- Outside a coroutine -------------------------------------------------------------------- */

static void scope_outside_a_coroutine_does_nothing(void **state) {
    (void)state;
    mouv_scope_t timeout, shield;
    assert_int_equal(mouv_timeout_begin(&timeout, 0), MOUV_ENOTCORO);
    assert_int_equal(mouv_shield_begin(&shield, 0), MOUV_ENOTCORO);
    assert_false(mouv_timeout_expired(&timeout));
    assert_true(mouv_time_left_ms() == INT64_MAX);
    assert_true(mouv_timeout_reschedule(&timeout, 10) < 0);
    assert_int_equal(mouv_timeout_end(&timeout, MOUV_ECANCELED, NULL), MOUV_ECANCELED);
    mouv_scope_leave(&timeout);
    mouv_scope_leave(&shield);
    {
        MOUV_TIMEOUT_SCOPE(declared, 10);
        MOUV_SHIELD_SCOPE(also, 10);
    }
    assert_int_equal(mouv_with_timeout(10, forever, NULL, NULL), MOUV_ENOTCORO);
    assert_string_equal(events(), "");
}

CORO_CASE(scope_of_nothing_is_refused) {
    check(mouv_timeout_begin(NULL, 10) < 0);
    check(mouv_shield_begin(NULL, 10) < 0);
    check(mouv_timeout_reschedule(NULL, 10) < 0);
    check(!mouv_timeout_expired(NULL));
    check_int(mouv_timeout_end(NULL, 7, NULL), 7);
    mouv_scope_leave(NULL);
    check_int(mouv_with_timeout(10, NULL, NULL, NULL), MOUV_EINVAL);
    return 0;
}

CORO_CASE(ten_thousand_scopes_leave_nothing_behind) {
    for (int i = 0; i < 10000; i++) {
        MOUV_TIMEOUT_SCOPE(limit, 100000);
        MOUV_SHIELD_SCOPE(cleanup, 5000);
        if (i % 1000 == 0) check_int(mouv_sleep_ms(0), 0);
    }
    check(mouv_time_left_ms() == INT64_MAX);
    return 0;
}

/* --- mouv_with_timeout ---------------------------------------------------------------------- */

static int returns_5(void *arg) {
    (void)arg;
    return 5;
}

CORO_CASE(with_timeout_gives_the_result_or_the_timeout) {
    mouv_error_t error = {0};
    int64_t ms = 5;
    check_int(mouv_with_timeout(5000, sleeper, &ms, &error), 0);
    check_int(mouv_with_timeout(5000, returns_5, NULL, &error), 5);
    check_int(mouv_with_timeout(5000, fail_minus_5, "why", &error), -5);
    check_str(error.message, "why");
    int64_t began = clock_ms();
    check_int(mouv_with_timeout(10, forever, NULL, &error), MOUV_ETIMEDOUT);
    check(took(began, 10));
    check_int(error.code, MOUV_ETIMEDOUT);
    check_int(mouv_sleep_ms(1), 0);
    check(mouv_time_left_ms() == INT64_MAX);
    return 0;
}

CORO_CASE(with_timeout_of_nothing_runs_the_body_up_to_its_first_suspension) {
    check_int(mouv_with_timeout(0, returns_5, NULL, NULL), 5); /* as asyncio.timeout(0) */
    check_int(mouv_with_timeout(0, forever, NULL, NULL), MOUV_ETIMEDOUT);
    check_str(events(), "cancelled");
    return 0;
}

CORO_CASE(with_timeout_runs_the_body_as_a_call_that_inherits) {
    uint64_t self = mouv_current_task().id;
    int64_t inside = 0;
    MOUV_TIMEOUT_SCOPE(limit, 20000);
    check_int(mouv_with_timeout(900000, notes_time_left, &inside, NULL), 0);
    check(inside <= 20000 && inside > 10000);
    check(self == mouv_current_task().id);
    return 0;
}

/* --- mouv_shield ---------------------------------------------------------------------------- */

static int finishes_after_40_ms(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(40);
    event(rc == 0 ? "finished" : "cancelled");
    return rc < 0 ? rc : 8;
}

CORO_CASE(shielded_future_has_the_outcome_of_the_inner_one) {
    mouv_error_t error = {0};
    int five = 5;
    check_int(mouv_await(mouv_shield(mouv_task(return_int, &five)), NULL), 5);
    check_int(mouv_await(mouv_shield(mouv_coro(finishes_after_40_ms, NULL)), NULL), 8);
    check_int(mouv_await(mouv_shield(mouv_coro(fail_minus_5, "why")), &error), -5);
    check_str(error.message, "why");
    return 0;
}

CORO_CASE(timeout_of_a_shielded_task_lets_it_finish) {
    int64_t began = clock_ms();
    mouv_future_t inner = mouv_task(finishes_after_40_ms, NULL);
    mouv_future_t own = mouv_future_ref(inner);
    check_int(mouv_await_for(mouv_shield(inner), 10, NULL), MOUV_ETIMEDOUT);
    check(took(began, 10));
    check(!mouv_future_done(own));
    check_int(mouv_await(own, NULL), 8);
    check_str(events(), "finished");
    return 0;
}

CORO_CASE(cancel_of_a_shielded_coroutine_lets_it_finish) {
    mouv_future_t shielded = mouv_shield(mouv_coro(finishes_after_40_ms, NULL));
    yield(1);
    check(mouv_future_cancel(shielded));
    check(mouv_future_cancelled(shielded));
    check_int(mouv_await(shielded, NULL), MOUV_ECANCELED);
    pause_ms(80);
    check_str(events(), "finished");
    return 0;
}

static int fails_after_20_ms(void *arg) {
    (void)arg;
    mouv_sleep_ms(20);
    return mouv_fail(-5, "late in the shield");
}

CORO_CASE(failure_behind_a_cancelled_shield_is_reported) {
    check_int(mouv_await_for(mouv_shield(mouv_coro(fails_after_20_ms, NULL)), 5, NULL),
              MOUV_ETIMEDOUT);
    pause_ms(60);
    check_one_warning("late in the shield");
    return 0;
}

CORO_CASE(cancel_of_the_inner_task_reaches_the_shielded_future) {
    mouv_future_t inner = mouv_task(finishes_after_40_ms, NULL);
    mouv_future_t own = mouv_future_ref(inner);
    mouv_future_t shielded = mouv_shield(inner);
    yield(1);
    mouv_future_cancel(own);
    check_int(mouv_await(shielded, NULL), MOUV_ECANCELED);
    mouv_future_unref(own);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(scope_that_ends_in_time_changes_nothing),
        CASE(scope_that_fires_turns_its_cancel_into_a_timeout),
        CASE(scope_that_fires_leaves_other_codes_alone),
        CASE(everything_in_an_expired_scope_is_refused_until_its_end),
        CASE(scope_without_time_has_expired_at_once),
        CASE(done_future_is_delivered_in_an_expired_scope),
        CASE(scope_without_end_never_fires),
        CASE(time_left_is_that_of_the_nearest_deadline),
        CASE(early_return_ends_the_scope),
        CASE(timeout_returned_by_a_body_reaches_its_awaiter),
        CASE(timeout_returned_by_the_main_task_reaches_the_caller_of_run),
        CASE(body_that_ignores_its_timeout_gives_its_own_value),
        CASE(ended_scope_can_be_left_again),
        CASE(inner_scope_that_fires_leaves_the_outer_one_alone),
        CASE(outer_scope_that_fires_is_no_timeout_of_the_inner_one),
        CASE(inline_coroutine_inherits_the_deadline_and_a_task_does_not),
        CASE(coroutine_under_await_for_inherits_its_deadline),
        CASE(deadline_cancels_what_is_awaited_in_its_scope),
        CASE(deadline_reaches_into_an_inline_coroutine_as_a_cancel),
        CASE(rescheduled_scope_has_its_new_time_counted_from_now),
        CASE(rescheduling_with_no_time_expires_at_once),
        CASE(rescheduling_an_expired_or_ended_scope_is_refused),
        CASE(rescheduling_an_inner_scope_does_not_lengthen_the_outer_one),
        CASE(cancel_of_the_task_is_no_timeout),
        CASE(cancel_of_a_task_with_a_scope_is_returned_as_a_cancel),
        CASE(uncancel_does_not_revive_an_expired_scope),
        CASE(shield_lets_a_cancelled_task_clean_up),
        CASE(shield_lets_an_expired_scope_clean_up),
        CASE(deadline_that_passes_inside_a_shield_is_seen_after_it),
        CASE(cancel_that_comes_inside_a_shield_is_seen_after_it),
        CASE(shield_ends_with_its_limit),
        CASE(timeouts_work_inside_a_shield),
        CASE(scope_outside_a_coroutine_does_nothing),
        CASE(with_timeout_gives_the_result_or_the_timeout),
        CASE(with_timeout_of_nothing_runs_the_body_up_to_its_first_suspension),
        CASE(with_timeout_runs_the_body_as_a_call_that_inherits),
        CASE(shielded_future_has_the_outcome_of_the_inner_one),
        CASE(timeout_of_a_shielded_task_lets_it_finish),
        CASE(cancel_of_a_shielded_coroutine_lets_it_finish),
        CASE(failure_behind_a_cancelled_shield_is_reported),
        CASE(cancel_of_the_inner_task_reaches_the_shielded_future),
        CASE(scope_of_nothing_is_refused),
        CASE(ten_thousand_scopes_leave_nothing_behind),
    };
    return RUN_CASES(cases);
}
