/* Scopes: deadlines for a block, shields for clean-up, and the shield around a future. */
#include "context/sanitizer.h"

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
        CHECK_INT(mouv_timeout_begin(&scope, 5000), 0);
        CHECK_INT(mouv_sleep_ms(1), 0);
        CHECK(!mouv_timeout_expired(&scope));
        CHECK_INT(mouv_timeout_end(&scope, codes[i], &error), codes[i]);
        CHECK(!mouv_timeout_expired(&scope));
        CHECK_INT(error.code, 77);
    }
    return 0;
}

CORO_CASE(scope_that_fires_turns_its_cancel_into_a_timeout) {
    mouv_error_t error = {0};
    mouv_scope_t scope;
    int64_t began = clock_ms();
    mouv_timeout_begin(&scope, 20);
    int rc = mouv_sleep_ms(60000);
    CHECK_INT(rc, MOUV_ECANCELED);
    CHECK(took(began, 20));
    CHECK(mouv_timeout_expired(&scope));
    CHECK_INT(mouv_timeout_end(&scope, rc, &error), MOUV_ETIMEDOUT);
    CHECK_INT(error.code, MOUV_ETIMEDOUT);
    CHECK(error.message[0] != '\0');
    CHECK(mouv_timeout_expired(&scope));
    CHECK_INT(mouv_sleep_ms(1), 0);
    return 0;
}

CORO_CASE(scope_that_fires_leaves_other_codes_alone) {
    mouv_scope_t scope;
    const int codes[] = {0, 3, -5, MOUV_EUNKNOWN, MOUV_ESERVER};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        mouv_timeout_begin(&scope, 1);
        CHECK_INT(mouv_sleep_ms(60000), MOUV_ECANCELED);
        CHECK_INT(mouv_timeout_end(&scope, codes[i], NULL), codes[i]);
    }
    return 0;
}

CORO_CASE(everything_in_an_expired_scope_is_refused_until_its_end) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 1);
    CHECK_INT(mouv_sleep_ms(60000), MOUV_ECANCELED);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(mouv_sleep_ms(0), MOUV_ECANCELED);
        CHECK_INT(mouv_await(mouv_sleep_future(1), NULL), MOUV_ECANCELED);
        CHECK_INT(mouv_await(mouv_task(forever, NULL), NULL), MOUV_ECANCELED);
        CHECK_INT(mouv_await(mouv_gather(mouv_task(forever, NULL)), NULL), MOUV_ECANCELED);
        CHECK_INT(mouv_await_for(mouv_sleep_future(1), 1000, NULL), MOUV_ECANCELED);
    }
    mouv_scope_leave(&scope);
    CHECK_INT(mouv_sleep_ms(0), 0);
    CHECK_STRING(events(), ""); /* cancelled before their first step, those tasks never ran */
    return 0;
}

CORO_CASE(scope_without_time_has_expired_at_once) {
    const int64_t nothing[] = {0, -1, INT64_MIN};
    for (int i = 0; i < 3; i++) {
        mouv_scope_t scope;
        int64_t began = clock_ms();
        CHECK_INT(mouv_timeout_begin(&scope, nothing[i]), 0);
        CHECK(mouv_time_left_ms() <= 0);
        int rc = mouv_sleep_ms(60000);
        CHECK_INT(rc, MOUV_ECANCELED);
        CHECK(mouv_timeout_expired(&scope));
        CHECK_INT(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
        CHECK(took(began, 0));
    }
    return 0;
}

CORO_CASE(done_future_is_delivered_in_an_expired_scope) {
    mouv_scope_t scope;
    mouv_future_t future = mouv_future_new();
    mouv_future_set_result(future, 6);
    mouv_timeout_begin(&scope, 0);
    CHECK_INT(mouv_await(future, NULL), 6);
    CHECK_INT(mouv_timeout_end(&scope, 6, NULL), 6);
    return 0;
}

CORO_CASE(scope_without_end_never_fires) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, INT64_MAX);
    CHECK(mouv_time_left_ms() > INT64_C(1) << 40);
    CHECK_INT(mouv_sleep_ms(10), 0);
    CHECK(!mouv_timeout_expired(&scope));
    CHECK_INT(mouv_timeout_end(&scope, 0, NULL), 0);
    return 0;
}

CORO_CASE(time_left_is_that_of_the_nearest_deadline) {
    CHECK(mouv_time_left_ms() == INT64_MAX);
    {
        MOUV_TIMEOUT_SCOPE(outer, 50000);
        CHECK(left(50000));
        {
            MOUV_TIMEOUT_SCOPE(inner, 20000);
            CHECK(left(20000));
        }
        CHECK(left(50000));
        {
            MOUV_TIMEOUT_SCOPE(longer, 900000);
            CHECK(left(50000));
        }
    }
    CHECK(mouv_time_left_ms() == INT64_MAX);
    return 0;
}

static int leaves_early(void *arg) {
    MOUV_TIMEOUT_SCOPE(limit, 20);
    if (arg) return 1;
    return mouv_sleep_ms(60000);
}

CORO_CASE(early_return_ends_the_scope) {
    for (int i = 0; i < 100; i++) CHECK_INT(leaves_early("yes"), 1);
    CHECK(mouv_time_left_ms() == INT64_MAX);
    CHECK_INT(mouv_sleep_ms(40), 0);
    return 0;
}

CORO_CASE(timeout_returned_by_a_body_reaches_its_awaiter) {
    mouv_error_t error = {0};
    CHECK_INT(mouv_await(mouv_coro(leaves_early, NULL), &error), MOUV_ETIMEDOUT);
    CHECK_INT(error.code, MOUV_ETIMEDOUT);
    memset(&error, 0, sizeof error);
    CHECK_INT(mouv_await(mouv_task(leaves_early, NULL), &error), MOUV_ETIMEDOUT);
    CHECK_INT(error.code, MOUV_ETIMEDOUT);
    CHECK(error.message[0] != '\0');
    CHECK_INT(mouv_await(mouv_gather(mouv_coro(leaves_early, NULL)), NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_sleep_ms(1), 0);
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
    CHECK_INT(mouv_sleep_ms(60000), MOUV_ECANCELED);
    return 4;
}

CORO_CASE(body_that_ignores_its_timeout_gives_its_own_value) {
    CHECK_INT(mouv_await(mouv_coro(ignores_its_timeout, NULL), NULL), 4);
    CHECK_INT(mouv_await(mouv_task(ignores_its_timeout, NULL), NULL), 4);
    CHECK_INT(mouv_sleep_ms(1), 0);
    return 0;
}

CORO_CASE(ended_scope_can_be_left_again) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 1000);
    mouv_timeout_end(&scope, 0, NULL);
    mouv_scope_leave(&scope);
    mouv_scope_leave(&scope);
    CHECK(mouv_time_left_ms() == INT64_MAX);
    CHECK_INT(mouv_sleep_ms(0), 0);
    return 0;
}

/* --- Nesting -------------------------------------------------------------------------------- */

CORO_CASE(inner_scope_that_fires_leaves_the_outer_one_alone) {
    mouv_scope_t outer, inner;
    mouv_timeout_begin(&outer, 60000);
    mouv_timeout_begin(&inner, 10);
    int rc = mouv_sleep_ms(60000);
    CHECK(mouv_timeout_expired(&inner));
    CHECK(!mouv_timeout_expired(&outer));
    CHECK_INT(mouv_timeout_end(&inner, rc, NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_sleep_ms(1), 0);
    CHECK_INT(mouv_timeout_end(&outer, 0, NULL), 0);
    return 0;
}

CORO_CASE(outer_scope_that_fires_is_no_timeout_of_the_inner_one) {
    mouv_scope_t outer, inner;
    int64_t began = clock_ms();
    mouv_timeout_begin(&outer, 10);
    mouv_timeout_begin(&inner, 60000);
    int rc = mouv_sleep_ms(60000);
    CHECK(took(began, 10));
    CHECK(!mouv_timeout_expired(&inner));
    CHECK(mouv_timeout_expired(&outer));
    CHECK_INT(mouv_timeout_end(&inner, rc, NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_sleep_ms(1), MOUV_ECANCELED);
    CHECK_INT(mouv_timeout_end(&outer, rc, NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_sleep_ms(1), 0);
    return 0;
}

static int notes_time_left(void *out) {
    *(int64_t *)out = mouv_time_left_ms();
    return 0;
}

CORO_CASE(inline_coroutine_inherits_the_deadline_and_a_task_does_not) {
    int64_t in_coro = 0, in_task = 0;
    MOUV_TIMEOUT_SCOPE(limit, 50000);
    CHECK_INT(mouv_await(mouv_coro(notes_time_left, &in_coro), NULL), 0);
    CHECK_INT(mouv_await(mouv_task(notes_time_left, &in_task), NULL), 0);
    CHECK(in_coro <= 50000 && in_coro > 40000);
    CHECK(in_task == INT64_MAX);
    return 0;
}

CORO_CASE(coroutine_under_await_for_inherits_its_deadline) {
    int64_t inside = 0;
    CHECK_INT(mouv_await_for(mouv_coro(notes_time_left, &inside), 50000, NULL), 0);
    CHECK(inside <= 50000 && inside > 40000);
    return 0;
}

CORO_CASE(deadline_cancels_what_is_awaited_in_its_scope) {
    mouv_scope_t scope;
    mouv_future_t task = mouv_task(forever, NULL);
    mouv_timeout_begin(&scope, 10);
    int rc = mouv_await(task, NULL);
    CHECK_INT(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    CHECK_STRING(events(), "cancelled");
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
    CHECK_INT(rc, MOUV_ECANCELED);
    CHECK_INT(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    CHECK_STRING(events(), "ECANCELED");
    return 0;
}

/* --- Rescheduling --------------------------------------------------------------------------- */

CORO_CASE(rescheduled_scope_has_its_new_time_counted_from_now) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 20);
    CHECK_INT(mouv_sleep_ms(5), 0);
    CHECK_INT(mouv_timeout_reschedule(&scope, 60000), 0);
    CHECK(left(60000));
    CHECK_INT(mouv_sleep_ms(40), 0);
    int64_t began = clock_ms();
    CHECK_INT(mouv_timeout_reschedule(&scope, 10), 0);
    int rc = mouv_sleep_ms(60000);
    CHECK(took(began, 10));
    CHECK_INT(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    return 0;
}

CORO_CASE(rescheduling_with_no_time_expires_at_once) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 60000);
    CHECK_INT(mouv_timeout_reschedule(&scope, 0), 0);
    int rc = mouv_sleep_ms(60000);
    CHECK_INT(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    return 0;
}

CORO_CASE(rescheduling_an_expired_or_ended_scope_is_refused) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 1);
    mouv_sleep_ms(60000);
    CHECK_INT(mouv_timeout_reschedule(&scope, 60000), MOUV_ESTATE);
    CHECK_INT(mouv_sleep_ms(0), MOUV_ECANCELED);
    mouv_scope_leave(&scope);
    CHECK_INT(mouv_timeout_reschedule(&scope, 60000), MOUV_ESTATE);
    CHECK(mouv_time_left_ms() == INT64_MAX);
    return 0;
}

CORO_CASE(rescheduling_an_inner_scope_does_not_lengthen_the_outer_one) {
    mouv_scope_t outer, inner;
    int64_t began = clock_ms();
    mouv_timeout_begin(&outer, 20);
    mouv_timeout_begin(&inner, 5);
    CHECK_INT(mouv_timeout_reschedule(&inner, 60000), 0);
    int rc = mouv_sleep_ms(60000);
    CHECK(took(began, 20));
    CHECK_INT(mouv_timeout_end(&inner, rc, NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_timeout_end(&outer, rc, NULL), MOUV_ETIMEDOUT);
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
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "ECANCELED");
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
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    return 0;
}

CORO_CASE(uncancel_does_not_revive_an_expired_scope) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 1);
    CHECK_INT(mouv_sleep_ms(60000), MOUV_ECANCELED);
    mouv_uncancel();
    CHECK(mouv_timeout_expired(&scope));
    int rc = mouv_sleep_ms(0);
    CHECK_INT(rc, MOUV_ECANCELED);
    CHECK_INT(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    return 0;
}

/* --- Shield scopes -------------------------------------------------------------------------- */

static int cleans_up_in_a_shield(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(60000);
    {
        MOUV_SHIELD_SCOPE(cleanup, 5000);
        CHECK(left(5000));
        CHECK_INT(mouv_sleep_ms(10), 0);
        CHECK_INT(mouv_await(mouv_sleep_future(10), NULL), 0);
        event("cleaned");
    }
    CHECK_INT(mouv_sleep_ms(0), MOUV_ECANCELED);
    CHECK(mouv_cancelling());
    return rc;
}

CORO_CASE(shield_lets_a_cancelled_task_clean_up) {
    mouv_future_t task = mouv_task(cleans_up_in_a_shield, NULL);
    yield(1);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "cleaned");
    return 0;
}

CORO_CASE(shield_lets_an_expired_scope_clean_up) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 1);
    int rc = mouv_sleep_ms(60000);
    {
        MOUV_SHIELD_SCOPE(cleanup, 5000);
        CHECK_INT(mouv_sleep_ms(10), 0);
    }
    CHECK_INT(mouv_sleep_ms(0), MOUV_ECANCELED);
    CHECK_INT(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    return 0;
}

CORO_CASE(deadline_that_passes_inside_a_shield_is_seen_after_it) {
    mouv_scope_t scope;
    mouv_timeout_begin(&scope, 10);
    {
        MOUV_SHIELD_SCOPE(critical, 5000);
        CHECK_INT(mouv_sleep_ms(40), 0);
    }
    int rc = mouv_sleep_ms(60000);
    CHECK_INT(rc, MOUV_ECANCELED);
    CHECK_INT(mouv_timeout_end(&scope, rc, NULL), MOUV_ETIMEDOUT);
    return 0;
}

static int critical_section(void *arg) {
    (void)arg;
    {
        MOUV_SHIELD_SCOPE(critical, 5000);
        int64_t began = clock_ms();
        CHECK_INT(mouv_sleep_ms(40), 0);
        CHECK(took(began, 40));
    }
    int rc = mouv_sleep_ms(60000);
    event(rc == MOUV_ECANCELED ? "refused" : "slept");
    return rc;
}

CORO_CASE(cancel_that_comes_inside_a_shield_is_seen_after_it) {
    mouv_future_t task = mouv_task(critical_section, NULL);
    mouv_sleep_ms(5);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "refused");
    return 0;
}

static int overlong_cleanup(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(60000);
    int64_t began = clock_ms();
    MOUV_SHIELD_SCOPE(cleanup, 20);
    CHECK_INT(mouv_sleep_ms(60000), MOUV_ECANCELED);
    CHECK(took(began, 20));
    CHECK_INT(mouv_sleep_ms(0), MOUV_ECANCELED);
    event("given up");
    return rc;
}

CORO_CASE(shield_ends_with_its_limit) {
    mouv_future_t task = mouv_task(overlong_cleanup, NULL);
    yield(1);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "given up");
    return 0;
}

static int cleanup_with_a_timeout(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(60000);
    MOUV_SHIELD_SCOPE(cleanup, 5000);
    CHECK_INT(mouv_await_for(mouv_sleep_future(60000), 10, NULL), MOUV_ETIMEDOUT);
    mouv_scope_t limit;
    mouv_timeout_begin(&limit, 10);
    int inner = mouv_sleep_ms(60000);
    CHECK_INT(mouv_timeout_end(&limit, inner, NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_sleep_ms(1), 0);
    return rc;
}

CORO_CASE(timeouts_work_inside_a_shield) {
    mouv_future_t task = mouv_task(cleanup_with_a_timeout, NULL);
    yield(1);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
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
    CHECK(mouv_timeout_begin(NULL, 10) < 0);
    CHECK(mouv_shield_begin(NULL, 10) < 0);
    CHECK(mouv_timeout_reschedule(NULL, 10) < 0);
    CHECK(!mouv_timeout_expired(NULL));
    CHECK_INT(mouv_timeout_end(NULL, 7, NULL), 7);
    mouv_scope_leave(NULL);
    CHECK_INT(mouv_with_timeout(10, NULL, NULL, NULL), MOUV_EINVAL);
    return 0;
}

CORO_CASE(ten_thousand_scopes_leave_nothing_behind) {
    for (int i = 0; i < 10000; i++) {
        MOUV_TIMEOUT_SCOPE(limit, 100000);
        MOUV_SHIELD_SCOPE(cleanup, 5000);
        if (i % 1000 == 0) CHECK_INT(mouv_sleep_ms(0), 0);
    }
    CHECK(mouv_time_left_ms() == INT64_MAX);
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
    CHECK_INT(mouv_with_timeout(5000, sleeper, &ms, &error), 0);
    CHECK_INT(mouv_with_timeout(5000, returns_5, NULL, &error), 5);
    CHECK_INT(mouv_with_timeout(5000, fail_minus_5, "why", &error), -5);
    CHECK_STRING(error.message, "why");
    int64_t began = clock_ms();
    CHECK_INT(mouv_with_timeout(10, forever, NULL, &error), MOUV_ETIMEDOUT);
    CHECK(took(began, 10));
    CHECK_INT(error.code, MOUV_ETIMEDOUT);
    CHECK_INT(mouv_sleep_ms(1), 0);
    CHECK(mouv_time_left_ms() == INT64_MAX);
    return 0;
}

CORO_CASE(with_timeout_of_nothing_runs_the_body_up_to_its_first_suspension) {
    CHECK_INT(mouv_with_timeout(0, returns_5, NULL, NULL), 5); /* as asyncio.timeout(0) */
    CHECK_INT(mouv_with_timeout(0, forever, NULL, NULL), MOUV_ETIMEDOUT);
    CHECK_STRING(events(), "cancelled");
    return 0;
}

CORO_CASE(with_timeout_runs_the_body_as_a_call_that_inherits) {
    uint64_t self = mouv_current_task().id;
    int64_t inside = 0;
    MOUV_TIMEOUT_SCOPE(limit, 20000);
    CHECK_INT(mouv_with_timeout(900000, notes_time_left, &inside, NULL), 0);
    CHECK(inside <= 20000 && inside > 10000);
    CHECK(self == mouv_current_task().id);
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
    CHECK_INT(mouv_await(mouv_shield(mouv_task(return_int, &five)), NULL), 5);
    CHECK_INT(mouv_await(mouv_shield(mouv_coro(finishes_after_40_ms, NULL)), NULL), 8);
    CHECK_INT(mouv_await(mouv_shield(mouv_coro(fail_minus_5, "why")), &error), -5);
    CHECK_STRING(error.message, "why");
    return 0;
}

CORO_CASE(timeout_of_a_shielded_task_lets_it_finish) {
    int64_t began = clock_ms();
    mouv_future_t inner = mouv_task(finishes_after_40_ms, NULL);
    mouv_future_t own = mouv_future_ref(inner);
    CHECK_INT(mouv_await_for(mouv_shield(inner), 10, NULL), MOUV_ETIMEDOUT);
    CHECK(took(began, 10));
    CHECK(!mouv_future_done(own));
    CHECK_INT(mouv_await(own, NULL), 8);
    CHECK_STRING(events(), "finished");
    return 0;
}

CORO_CASE(cancel_of_a_shielded_coroutine_lets_it_finish) {
    mouv_future_t shielded = mouv_shield(mouv_coro(finishes_after_40_ms, NULL));
    yield(1);
    CHECK(mouv_future_cancel(shielded));
    CHECK(mouv_future_cancelled(shielded));
    CHECK_INT(mouv_await(shielded, NULL), MOUV_ECANCELED);
    pause_ms(80);
    CHECK_STRING(events(), "finished");
    return 0;
}

static int fails_after_20_ms(void *arg) {
    (void)arg;
    mouv_sleep_ms(20);
    return mouv_fail(-5, "late in the shield");
}

CORO_CASE(failure_behind_a_cancelled_shield_is_reported) {
    CHECK_INT(mouv_await_for(mouv_shield(mouv_coro(fails_after_20_ms, NULL)), 5, NULL),
              MOUV_ETIMEDOUT);
    pause_ms(60);
    CHECK_ONE_WARNING("late in the shield");
    return 0;
}

CORO_CASE(cancel_of_the_inner_task_reaches_the_shielded_future) {
    mouv_future_t inner = mouv_task(finishes_after_40_ms, NULL);
    mouv_future_t own = mouv_future_ref(inner);
    mouv_future_t shielded = mouv_shield(inner);
    yield(1);
    mouv_future_cancel(own);
    CHECK_INT(mouv_await(shielded, NULL), MOUV_ECANCELED);
    mouv_future_unref(own);
    return 0;
}

CORO_CASE(scope_that_has_never_begun_can_be_ended) {
    mouv_scope_t zero = MOUV_ZERO, garbage;
    mouv_error_t error = {0};
    CHECK_INT(mouv_timeout_end(&zero, MOUV_ECANCELED, &error), MOUV_ECANCELED);
    CHECK_INT(error.code, 0);
    mouv_scope_leave(&zero);
    CHECK(!mouv_timeout_expired(&zero));
    CHECK_INT(mouv_timeout_reschedule(&zero, 10), MOUV_ESTATE);
    memset(&garbage, 0x5a, sizeof garbage);
    MOUV_TIMEOUT_SCOPE(limit, 60000);
    CHECK_INT(mouv_timeout_end(&garbage, -7, NULL), -7);
    mouv_scope_leave(&garbage);
    CHECK(mouv_time_left_ms() <= 60000);
    return 0;
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
__attribute__((noinline)) static int jumps_over_its_scopes(int rc) {
    if (rc < 0) goto out;
    MOUV_TIMEOUT_SCOPE(limit, 1000);
    MOUV_SHIELD_SCOPE(shield, 1000);
    rc = mouv_sleep_ms(1);
out:
    return rc;
}

__attribute__((noinline)) static int jumps_over_its_group(int rc) {
    if (rc < 0) goto out;
    MOUV_GROUP(group);
    rc = mouv_sleep_ms(1);
out:
    return rc;
}

__attribute__((noinline)) static void leave_garbage_on_the_stack(void) {
    volatile char garbage[2000];
    for (size_t i = 0; i < sizeof garbage; i++) garbage[i] = (char)(i * 7 + 1);
}

CORO_CASE(scopes_that_were_jumped_over_end_without_harm) {
    leave_garbage_on_the_stack();
    CHECK_INT(jumps_over_its_scopes(-7), -7);
    CHECK_INT(jumps_over_its_scopes(0), 0);
    leave_garbage_on_the_stack();
    CHECK_INT(jumps_over_its_scopes(-7), -7);
    return 0;
}

/* A group is a handle in the user's storage: garbage names none, but it is read, as memcheck tells. */
CORO_CASE(group_that_was_jumped_over_is_left_without_harm) {
    mouv__checks_pause();
    leave_garbage_on_the_stack();
    CHECK_INT(jumps_over_its_group(-7), -7);
    CHECK_INT(jumps_over_its_group(0), 0);
    leave_garbage_on_the_stack();
    CHECK_INT(jumps_over_its_group(-7), -7);
    mouv__checks_resume();
    return 0;
}

CORO_CASE(scope_that_has_begun_cannot_be_begun_again) {
    MOUV_TIMEOUT_SCOPE(limit, 20);
    MOUV_TIMEOUT_SCOPE(inner, 60000);
    CHECK_INT(mouv_timeout_begin(&limit, 60000), MOUV_ESTATE);
    CHECK_INT(mouv_shield_begin(&inner, 60000), MOUV_ESTATE);
    CHECK_INT(mouv_timeout_end(&limit, mouv_sleep_ms(60000), NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_timeout_begin(&limit, 60000), 0);
    return 0;
}

/* --- Is it refused? --------------------------------------------------------------------------- */

CORO_CASE(body_can_ask_whether_a_scope_refuses_it) {
    CHECK(!mouv_refused());
    MOUV_TIMEOUT_SCOPE(limit, 20);
    CHECK(!mouv_refused());
    mouv_sleep_ms(60000);
    CHECK(mouv_refused());
    CHECK(!mouv_cancelling());
    {
        MOUV_SHIELD_SCOPE(cleanup, 5000);
        CHECK(!mouv_refused());
    }
    CHECK(mouv_refused());
    mouv_timeout_end(&limit, MOUV_ECANCELED, NULL);
    CHECK(!mouv_refused());
    return 0;
}

static int asks_whether_it_is_refused(void *arg) {
    (void)arg;
    mouv_sleep_ms(60000);
    event(mouv_refused() ? "refused" : "not");
    mouv_uncancel();
    event(mouv_refused() ? "refused" : "not");
    return 0;
}

CORO_CASE(body_can_ask_whether_a_cancel_refuses_it) {
    mouv_future_t task = mouv_task(asks_whether_it_is_refused, NULL);
    yield(1);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, NULL), 0);
    CHECK_STRING(events(), "refused not");
    return 0;
}

static int fails_at_once(void *arg) {
    (void)arg;
    return mouv_fail(-5, "no");
}

CORO_CASE(body_can_ask_whether_a_group_refuses_it) {
    MOUV_GROUP(group);
    mouv_group_start(&group, fails_at_once, NULL);
    CHECK_INT(mouv_sleep_ms(60000), MOUV_ECANCELED);
    CHECK(mouv_refused());
    CHECK(!mouv_cancelling());
    CHECK_INT(mouv_group_join(&group, NULL), -5);
    CHECK(!mouv_refused());
    return 0;
}

static void nothing_is_refused_outside_of_coroutines(void **state) {
    (void)state;
    assert_false(mouv_refused());
}

/* --- Words inside ------------------------------------------------------------------------------ */

CORO_CASE(what_is_refused_for_want_of_time_names_that_as_its_cause) {
    mouv_error_t error;
    MOUV_TIMEOUT_SCOPE(limit, 20);
    CHECK_INT(mouv_await(mouv_sleep_future(60000), &error), MOUV_ECANCELED);
    CHECK_INT(error.cause, MOUV_ETIMEDOUT);
    CHECK(mouv_error_is_timeout(&error));
    CHECK_INT(mouv_timeout_end(&limit, MOUV_ECANCELED, &error), MOUV_ETIMEDOUT);
    CHECK_INT(error.cause, MOUV_ECANCELED);
    CHECK_STRING(error.message, "timed out");
    return 0;
}

static int is_cancelled_in_a_scope(void *arg) {
    mouv_error_t error;
    MOUV_TIMEOUT_SCOPE(limit, 60000);
    CHECK_INT(mouv_await(mouv_sleep_future(60000), &error), MOUV_ECANCELED);
    CHECK(!mouv_error_is_timeout(&error));
    return arg ? 0 : MOUV_ECANCELED;
}

CORO_CASE(what_is_cancelled_is_no_timeout) {
    mouv_future_t task = mouv_task(is_cancelled_in_a_scope, NULL);
    yield(1);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    return 0;
}

static int was_cut_short(void *arg) {
    (void)arg;
    mouv_sleep_ms(60000);
    return mouv_fail(MOUV_ECANCELED, "cancelled; the last try: no luck");
}

CORO_CASE(words_of_how_far_it_got_are_kept) {
    mouv_error_t error;
    CHECK_INT(mouv_await_for(mouv_coro(was_cut_short, NULL), 20, &error), MOUV_ETIMEDOUT);
    CHECK_STRING(error.message, "timed out; the last try: no luck");
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(body_can_ask_whether_a_scope_refuses_it),
        TEST(body_can_ask_whether_a_cancel_refuses_it),
        TEST(body_can_ask_whether_a_group_refuses_it),
        TEST(nothing_is_refused_outside_of_coroutines),
        TEST(what_is_refused_for_want_of_time_names_that_as_its_cause),
        TEST(what_is_cancelled_is_no_timeout),
        TEST(words_of_how_far_it_got_are_kept),
        TEST(scope_that_has_never_begun_can_be_ended),
        TEST(scopes_that_were_jumped_over_end_without_harm),
        TEST(group_that_was_jumped_over_is_left_without_harm),
        TEST(scope_that_has_begun_cannot_be_begun_again),
        TEST(scope_that_ends_in_time_changes_nothing),
        TEST(scope_that_fires_turns_its_cancel_into_a_timeout),
        TEST(scope_that_fires_leaves_other_codes_alone),
        TEST(everything_in_an_expired_scope_is_refused_until_its_end),
        TEST(scope_without_time_has_expired_at_once),
        TEST(done_future_is_delivered_in_an_expired_scope),
        TEST(scope_without_end_never_fires),
        TEST(time_left_is_that_of_the_nearest_deadline),
        TEST(early_return_ends_the_scope),
        TEST(timeout_returned_by_a_body_reaches_its_awaiter),
        TEST(timeout_returned_by_the_main_task_reaches_the_caller_of_run),
        TEST(body_that_ignores_its_timeout_gives_its_own_value),
        TEST(ended_scope_can_be_left_again),
        TEST(inner_scope_that_fires_leaves_the_outer_one_alone),
        TEST(outer_scope_that_fires_is_no_timeout_of_the_inner_one),
        TEST(inline_coroutine_inherits_the_deadline_and_a_task_does_not),
        TEST(coroutine_under_await_for_inherits_its_deadline),
        TEST(deadline_cancels_what_is_awaited_in_its_scope),
        TEST(deadline_reaches_into_an_inline_coroutine_as_a_cancel),
        TEST(rescheduled_scope_has_its_new_time_counted_from_now),
        TEST(rescheduling_with_no_time_expires_at_once),
        TEST(rescheduling_an_expired_or_ended_scope_is_refused),
        TEST(rescheduling_an_inner_scope_does_not_lengthen_the_outer_one),
        TEST(cancel_of_the_task_is_no_timeout),
        TEST(cancel_of_a_task_with_a_scope_is_returned_as_a_cancel),
        TEST(uncancel_does_not_revive_an_expired_scope),
        TEST(shield_lets_a_cancelled_task_clean_up),
        TEST(shield_lets_an_expired_scope_clean_up),
        TEST(deadline_that_passes_inside_a_shield_is_seen_after_it),
        TEST(cancel_that_comes_inside_a_shield_is_seen_after_it),
        TEST(shield_ends_with_its_limit),
        TEST(timeouts_work_inside_a_shield),
        TEST(scope_outside_a_coroutine_does_nothing),
        TEST(with_timeout_gives_the_result_or_the_timeout),
        TEST(with_timeout_of_nothing_runs_the_body_up_to_its_first_suspension),
        TEST(with_timeout_runs_the_body_as_a_call_that_inherits),
        TEST(shielded_future_has_the_outcome_of_the_inner_one),
        TEST(timeout_of_a_shielded_task_lets_it_finish),
        TEST(cancel_of_a_shielded_coroutine_lets_it_finish),
        TEST(failure_behind_a_cancelled_shield_is_reported),
        TEST(cancel_of_the_inner_task_reaches_the_shielded_future),
        TEST(scope_of_nothing_is_refused),
        TEST(ten_thousand_scopes_leave_nothing_behind),
    };
    return RUN_CASES(cases);
}
