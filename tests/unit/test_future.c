/* Futures as values: completion, callbacks, references, stale handles, handles of other threads. */
#include "../support/async_support.h"

/* --- Completion ----------------------------------------------------------------------------- */

CORO_CASE(new_future_is_pending) {
    mouv_future_t future = mouv_future_new();
    CHECK(!mouv_future_done(future));
    CHECK(!mouv_future_cancelled(future));
    mouv_future_unref(future);
    return 0;
}

CORO_CASE(future_program_of_the_tutorial_says_false_false_true_true) {
    mouv_future_t future = mouv_future_new();
    CHECK_INT(mouv_future_done(future), false);
    CHECK_INT(mouv_future_cancelled(future), false);
    CHECK_INT(mouv_future_cancel(future), true);
    CHECK_INT(mouv_future_done(future), true);
    CHECK_INT(mouv_future_cancelled(future), true);
    CHECK_INT(mouv_future_cancel(future), false);
    mouv_future_unref(future);
    return 0;
}

CORO_CASE(set_result_completes_and_await_delivers_it) {
    mouv_future_t future = mouv_future_new();
    CHECK_INT(mouv_future_set_result(future, 42), 0);
    CHECK(mouv_future_done(future));
    CHECK(!mouv_future_cancelled(future));
    CHECK_INT(mouv_future_result(future, NULL), 42);
    CHECK_INT(mouv_await(future, NULL), 42);
    return 0;
}

CORO_CASE(negative_result_is_a_failure_with_that_code) {
    mouv_error_t error = {0};
    mouv_future_t future = mouv_future_new();
    CHECK_INT(mouv_future_set_result(future, -9), 0);
    CHECK_INT(mouv_await(future, &error), -9);
    CHECK_INT(error.code, -9);
    CHECK(error.message[0] != '\0');
    return 0;
}

CORO_CASE(set_error_is_copied_and_delivered_whole) {
    mouv_error_t in = {.code = -9, .server_code = 3, .labels = "A B", .message = "text"}, out = {0};
    mouv_future_t future = mouv_future_new();
    CHECK_INT(mouv_future_set_error(future, &in), 0);
    memset(&in, 'x', sizeof in);
    CHECK_INT(mouv_await(future, &out), -9);
    CHECK_INT(out.code, -9);
    CHECK_INT(out.server_code, 3);
    CHECK_STRING(out.labels, "A B");
    CHECK_STRING(out.message, "text");
    return 0;
}

CORO_CASE(set_error_refuses_what_is_no_error) {
    mouv_error_t zero = {.code = 0}, plus = {.code = 4, .message = "plus"};
    mouv_future_t future = mouv_future_new();
    CHECK_INT(mouv_future_set_error(future, &zero), MOUV_EINVAL);
    CHECK_INT(mouv_future_set_error(future, &plus), MOUV_EINVAL);
    CHECK_INT(mouv_future_set_error(future, NULL), MOUV_EINVAL);
    CHECK(!mouv_future_done(future));
    mouv_future_unref(future);
    return 0;
}

CORO_CASE(second_completion_is_refused_and_changes_nothing) {
    mouv_error_t error = {.code = -9, .message = "late"};
    mouv_future_t future = mouv_future_new();
    mouv_future_set_result(future, 1);
    CHECK_INT(mouv_future_set_result(future, 2), MOUV_ESTATE);
    CHECK_INT(mouv_future_set_error(future, &error), MOUV_ESTATE);
    CHECK_INT(mouv_future_cancel(future), false);
    CHECK_INT(mouv_await(future, NULL), 1);
    return 0;
}

CORO_CASE(completion_after_cancel_is_refused) {
    mouv_future_t future = mouv_future_new();
    mouv_future_cancel(future);
    CHECK_INT(mouv_future_set_result(future, 2), MOUV_ESTATE);
    CHECK_INT(mouv_await(future, NULL), MOUV_ECANCELED);
    return 0;
}

CORO_CASE(completing_a_future_of_another_kind_is_refused) {
    mouv_error_t error = {.code = -9, .message = "x"};
    int five = 5;
    mouv_future_t kinds[] = {mouv_task(return_int, &five), mouv_coro(return_int, &five),
                             mouv_sleep_future(0), mouv_gather(mouv_sleep_future(1))};
    const int expected[] = {5, 5, 0, 0};
    for (size_t i = 0; i < 4; i++) {
        CHECK_INT(mouv_future_set_result(kinds[i], 1), MOUV_EINVAL);
        CHECK_INT(mouv_future_set_error(kinds[i], &error), MOUV_EINVAL);
        CHECK_INT(mouv_await(kinds[i], NULL), expected[i]);
    }
    return 0;
}

/* --- Reading the result --------------------------------------------------------------------- */

CORO_CASE(result_of_a_pending_future_is_not_set) {
    mouv_error_t error = {0};
    mouv_future_t future = mouv_future_new();
    CHECK_INT(mouv_future_result(future, &error), MOUV_ESTATE);
    CHECK_INT(error.code, MOUV_ESTATE);
    CHECK_STRING(error.message, "Result is not set.");
    CHECK_INT(mouv_future_result(future, NULL), MOUV_ESTATE);
    CHECK(!mouv_future_done(future));
    mouv_future_unref(future);
    return 0;
}

CORO_CASE(result_of_a_failed_future_fills_the_error_each_time) {
    mouv_error_t in = {.code = -9, .message = "text"};
    mouv_future_t future = mouv_future_new();
    mouv_future_set_error(future, &in);
    for (int i = 0; i < 2; i++) {
        mouv_error_t out = {0};
        CHECK_INT(mouv_future_result(future, &out), -9);
        CHECK_STRING(out.message, "text");
    }
    mouv_future_unref(future);
    return 0;
}

CORO_CASE(result_of_a_cancelled_future_is_ecanceled) {
    mouv_error_t error = {0};
    mouv_future_t future = mouv_future_new();
    mouv_future_cancel(future);
    CHECK_INT(mouv_future_result(future, &error), MOUV_ECANCELED);
    CHECK_INT(error.code, MOUV_ECANCELED);
    mouv_future_unref(future);
    return 0;
}

/* --- Awaiters and callbacks run on a later tick --------------------------------------------- */

static int await_int(void *future) {
    int rc = mouv_await(*(mouv_future_t *)future, NULL);
    event("got%d", rc);
    return rc;
}

CORO_CASE(awaiters_run_on_a_later_tick_in_their_order) {
    mouv_future_t future = mouv_future_new();
    mouv_future_t second = mouv_future_ref(future);
    mouv_future_t a = mouv_task(await_int, &future), b = mouv_task(await_int, &second);
    yield(2);
    event("set");
    mouv_future_set_result(future, 3);
    event("after");
    CHECK_INT(mouv_await(a, NULL), 3);
    CHECK_INT(mouv_await(b, NULL), 3);
    CHECK_STRING(events(), "set after got3 got3");
    return 0;
}

static void on_done(mouv_future_t future, void *word) {
    event("%s%d", (const char *)word, mouv_future_result(future, NULL));
}

CORO_CASE(callbacks_run_on_a_later_tick_in_their_order) {
    mouv_future_t future = mouv_future_new();
    CHECK_INT(mouv_future_add_done_callback(future, on_done, "a"), 0);
    CHECK_INT(mouv_future_add_done_callback(future, on_done, "b"), 0);
    CHECK_INT(mouv_future_add_done_callback(future, on_done, "c"), 0);
    event("set");
    mouv_future_set_result(future, 1);
    event("after");
    yield(1);
    CHECK_STRING(events(), "set after a1 b1 c1");
    mouv_future_unref(future);
    return 0;
}

CORO_CASE(callback_of_a_done_future_runs_on_a_later_tick_too) {
    mouv_future_t future = mouv_future_new();
    mouv_future_set_result(future, 1);
    yield(1);
    mouv_future_add_done_callback(future, on_done, "a");
    event("added");
    yield(1);
    CHECK_STRING(events(), "added a1");
    mouv_future_unref(future);
    return 0;
}

static void on_cancelled(mouv_future_t future, void *arg) {
    (void)arg;
    event(mouv_future_cancelled(future) ? "cancelled" : "not");
}

CORO_CASE(callback_never_runs_inside_cancel) {
    mouv_future_t future = mouv_future_new();
    mouv_future_add_done_callback(future, on_cancelled, NULL);
    mouv_future_cancel(future);
    event("after");
    yield(1);
    CHECK_STRING(events(), "after cancelled");
    mouv_future_unref(future);
    return 0;
}

CORO_CASE(callback_runs_once) {
    mouv_future_t future = mouv_future_new();
    mouv_future_add_done_callback(future, on_done, "a");
    mouv_future_set_result(future, 1);
    yield(5);
    mouv_future_set_result(future, 2);
    mouv_future_cancel(future);
    yield(5);
    CHECK_STRING(events(), "a1");
    mouv_future_unref(future);
    return 0;
}

static int returns_8_later(void *arg) {
    (void)arg;
    mouv_sleep_ms(5);
    event("end");
    return 8;
}

CORO_CASE(callback_of_a_task_runs_after_its_body_also_without_a_reference) {
    mouv_future_t task = mouv_task(returns_8_later, NULL);
    mouv_future_add_done_callback(task, on_done, "cb");
    mouv_future_unref(task);
    pause_ms(30);
    CHECK_STRING(events(), "end cb8");
    return 0;
}

static void same_handle(mouv_future_t future, void *handle) {
    CHECK(future.id == ((mouv_future_t *)handle)->id);
    CHECK(mouv_future_done(future));
    CHECK(!mouv_in_coroutine());
    event("cb");
}

CORO_CASE(callback_gets_the_handle_it_was_added_to_outside_any_coroutine) {
    mouv_future_t future = mouv_future_new();
    mouv_future_add_done_callback(future, same_handle, &future);
    mouv_future_set_result(future, 0);
    yield(1);
    CHECK_STRING(events(), "cb");
    mouv_future_unref(future);
    return 0;
}

static void adds_another(mouv_future_t future, void *arg) {
    (void)arg;
    event("first");
    mouv_future_add_done_callback(future, on_done, "second");
    event("added");
}

CORO_CASE(callback_added_by_a_callback_runs_later) {
    mouv_future_t future = mouv_future_new();
    mouv_future_add_done_callback(future, adds_another, NULL);
    mouv_future_set_result(future, 4);
    yield(3);
    CHECK_STRING(events(), "first added second4");
    mouv_future_unref(future);
    return 0;
}

CORO_CASE(removed_callbacks_do_not_run_and_are_counted) {
    char *a = "a", *b = "b";
    mouv_future_t future = mouv_future_new();
    mouv_future_add_done_callback(future, on_done, a);
    mouv_future_add_done_callback(future, on_done, b);
    mouv_future_add_done_callback(future, on_done, a);
    mouv_future_add_done_callback(future, on_cancelled, a);
    CHECK_INT(mouv_future_remove_done_callback(future, on_done, a), 2);
    CHECK_INT(mouv_future_remove_done_callback(future, on_done, a), 0);
    mouv_future_set_result(future, 1);
    yield(1);
    CHECK_STRING(events(), "b1 not");
    CHECK_INT(mouv_future_remove_done_callback(future, on_done, b), 0);
    mouv_future_unref(future);
    return 0;
}

static char first_arg, second_arg;

static void removes_the_second(mouv_future_t future, void *arg) {
    event(arg == &first_arg ? "first" : "second");
    CHECK_INT(mouv_future_remove_done_callback(future, removes_the_second, &second_arg), 1);
}

CORO_CASE(callback_may_remove_a_later_one) {
    mouv_future_t future = mouv_future_new();
    mouv_future_add_done_callback(future, removes_the_second, &first_arg);
    mouv_future_add_done_callback(future, removes_the_second, &second_arg);
    mouv_future_set_result(future, 1);
    yield(2);
    CHECK_STRING(events(), "first");
    mouv_future_unref(future);
    return 0;
}

static void gives_up(mouv_future_t future, void *arg) {
    (void)arg;
    mouv_future_unref(future);
    event("called");
}

CORO_CASE(callback_may_give_up_its_future) {
    mouv_future_t future = mouv_future_new();
    mouv_future_add_done_callback(future, gives_up, NULL);
    mouv_future_add_done_callback(future, gives_up, NULL);
    mouv_future_set_result(future, 1);
    yield(2);
    CHECK_STRING(events(), "called called");
    CHECK_INT(mouv_await(future, NULL), MOUV_EINVAL);
    return 0;
}

static void add_one(mouv_future_t future, void *count) {
    (void)future;
    ++*(int *)count;
}

CORO_CASE(ten_thousand_callbacks_run) {
    int count = 0;
    mouv_future_t future = mouv_future_new();
    for (int i = 0; i < 10000; i++) mouv_future_add_done_callback(future, add_one, &count);
    mouv_future_set_result(future, 0);
    yield(2);
    CHECK_INT(count, 10000);
    mouv_future_unref(future);
    return 0;
}

CORO_CASE(callback_without_a_function_is_refused) {
    mouv_future_t future = mouv_future_new();
    CHECK_INT(mouv_future_add_done_callback(future, NULL, NULL), MOUV_EINVAL);
    mouv_future_set_result(future, 1);
    yield(1);
    mouv_future_unref(future);
    return 0;
}

static void takes_a_reference(mouv_future_t future, void *out) {
    *(mouv_future_t *)out = mouv_future_ref(future);
}

CORO_CASE(callback_may_keep_a_reference) {
    mouv_future_t kept = {0};
    mouv_future_t task = mouv_task(returns_8_later, NULL);
    mouv_future_add_done_callback(task, takes_a_reference, &kept);
    mouv_future_unref(task);
    pause_ms(30);
    CHECK_INT(mouv_await(kept, NULL), 8);
    return 0;
}

/* --- References ----------------------------------------------------------------------------- */

CORO_CASE(each_reference_can_be_awaited_once) {
    mouv_error_t error = {0};
    mouv_future_t future = mouv_future_new();
    mouv_future_t again = mouv_future_ref(future);
    CHECK(again.id == future.id);
    mouv_future_set_result(future, 5);
    CHECK_INT(mouv_await(future, NULL), 5);
    CHECK_INT(mouv_await(again, NULL), 5);
    CHECK_INT(mouv_await(future, &error), MOUV_EINVAL);
    CHECK_CONTAINS(error.message, "already consumed");
    return 0;
}

CORO_CASE(unref_twice_is_harmless) {
    mouv_future_t future = mouv_future_new(), other = mouv_future_new();
    mouv_future_unref(future);
    mouv_future_unref(future);
    mouv_future_t third = mouv_future_new(); /* may sit in the slot of the first */
    mouv_future_unref(future);
    CHECK(!mouv_future_done(other));
    CHECK(!mouv_future_done(third));
    mouv_future_set_result(other, 1);
    mouv_future_set_result(third, 3);
    CHECK_INT(mouv_await(other, NULL), 1);
    CHECK_INT(mouv_await(third, NULL), 3);
    return 0;
}

CORO_CASE(unref_never_cancels_a_task) {
    mouv_future_unref(mouv_task(returns_8_later, NULL));
    pause_ms(30);
    CHECK_STRING(events(), "end");
    return 0;
}

static int says_how_it_ended(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(20);
    event(rc == MOUV_ECANCELED ? "cancelled" : "slept");
    return rc;
}

CORO_CASE(drop_cancels_and_gives_up) {
    mouv_future_t task = mouv_task(says_how_it_ended, NULL);
    yield(1);
    mouv_future_drop(&task);
    mouv_future_drop(&task);
    mouv_future_drop(NULL);
    pause_ms(40);
    CHECK_STRING(events(), "cancelled");
    CHECK_INT(mouv_await(task, NULL), MOUV_EINVAL);
    return 0;
}

static int cleans_up(void *word) {
    int rc = mouv_sleep_ms(60000);
    MOUV_SHIELD_SCOPE(cleanup, 5000);
    CHECK_INT(mouv_sleep_ms(30), 0);
    event("%s", (char *)word);
    return rc;
}

static void leave_early(void) {
    MOUV_AUTO mouv_future_t task = mouv_task(says_how_it_ended, NULL);
    yield(1);
    event("leaving");
}

CORO_CASE(auto_future_is_cancelled_at_the_end_of_its_scope) {
    leave_early();
    CHECK_STRING(events(), "leaving cancelled");
    return 0;
}

static int page_with_argument(void *waits) {
    char word[] = "mine";
    MOUV_AUTO mouv_future_t task = mouv_task(cleans_up, word);
    yield(1);
    event("leaving");
    return waits != NULL ? mouv_sleep_ms(60000) : -1;
}

CORO_CASE(auto_task_is_waited_for_until_its_body_has_returned) {
    int64_t began = clock_ms();
    CHECK_INT(mouv_await(mouv_coro(page_with_argument, NULL), NULL), -1);
    CHECK(took(began, 30));
    CHECK_STRING(events(), "leaving mine");
    return 0;
}

CORO_CASE(auto_task_is_waited_for_by_a_cancelled_task_too) {
    mouv_future_t page = mouv_task(page_with_argument, "waits");
    pause_ms(10);
    mouv_future_cancel(page);
    CHECK_INT(mouv_await(page, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "leaving mine");
    return 0;
}

CORO_CASE(auto_task_is_waited_for_also_if_its_dropper_is_cancelled_meanwhile) {
    mouv_future_t page = mouv_task(page_with_argument, NULL);
    pause_ms(10);
    CHECK_STRING(events(), "leaving");
    mouv_future_cancel(page);
    CHECK_INT(mouv_await(page, NULL), -1);
    CHECK_STRING(events(), "leaving mine");
    return 0;
}

CORO_CASE(auto_task_is_waited_for_in_an_expired_scope_without_a_trace) {
    mouv_error_t error = {0};
    MOUV_TIMEOUT_SCOPE(limit, 10);
    {
        char word[] = "mine";
        MOUV_AUTO mouv_future_t task = mouv_task(cleans_up, word);
        CHECK_INT(mouv_sleep_ms(60000), MOUV_ECANCELED);
    }
    CHECK_STRING(events(), "mine");
    CHECK_INT(mouv_timeout_end(&limit, MOUV_ECANCELED, &error), MOUV_ETIMEDOUT);
    CHECK_STRING(error.message, "timed out");
    return 0;
}

CORO_CASE(dropped_gather_wait_for_and_group_are_waited_for_as_well) {
    char word[] = "mine";
    mouv_future_t all =
        mouv_gather(mouv_wait_for(mouv_coro(cleans_up, word), 60000), mouv_sleep_future(60000));
    yield(2);
    mouv_future_drop(&all);
    CHECK_STRING(events(), "mine");
    return 0;
}

struct on_a_worker {
    _Atomic bool begun, may_end;
    bool ended;
};

static int ends_when_it_may(void *arg) {
    struct on_a_worker *work = arg;
    work->begun = true;
    while (!work->may_end) uv_sleep(1);
    work->ended = true;
    return 0;
}

static void let_it_end(void *arg) {
    ((struct on_a_worker *)arg)->may_end = true;
}

CORO_CASE(dropped_offload_is_waited_for) {
    struct on_a_worker work = {.begun = false};
    mouv_future_t offload = mouv_offload(ends_when_it_may, &work);
    while (!work.begun) yield(1);
    mouv_call_soon(let_it_end, &work, NULL);
    mouv_future_drop(&offload);
    CHECK(work.ended);
    return 0;
}

CORO_CASE(dropped_operation_or_time_is_not_waited_for) {
    int64_t began = clock_ms();
    mouv_future_t nap = mouv_sleep_future(60000), own = mouv_future_new();
    mouv_future_t shielded = mouv_shield(mouv_task(returns_8_later, NULL));
    yield(1);
    mouv_future_drop(&nap);
    mouv_future_drop(&own);
    mouv_future_drop(&shielded);
    CHECK(took(began, 0));
    pause_ms(30);
    CHECK_STRING(events(), "end");
    return 0;
}

static int drops_its_own(void *arg) {
    (void)arg;
    mouv_future_t self = mouv_future_ref(mouv_current_task());
    mouv_future_drop(&self);
    return mouv_cancelling() ? 5 : 6;
}

static int drops_its_awaiter(void *awaiter) {
    yield(1);
    mouv_future_drop(awaiter);
    event("dropped");
    return 0;
}

static int awaits_its_dropper(void *handle) {
    return mouv_await(mouv_coro(drops_its_awaiter, handle), NULL);
}

static int awaits_its_dropper_s_task(void *handle) {
    return mouv_await(mouv_task(drops_its_awaiter, handle), NULL);
}

CORO_CASE(task_that_drops_itself_or_its_awaiter_does_not_wait_for_itself) {
    mouv_future_t own;
    CHECK_INT(mouv_await(mouv_task(drops_its_own, NULL), NULL), 5);
    mouv_future_t task = mouv_task(awaits_its_dropper, &own);
    own = mouv_future_ref(task);
    CHECK_INT(mouv_await(task, NULL), 0);
    task = mouv_task(awaits_its_dropper_s_task, &own);
    own = mouv_future_ref(task);
    CHECK_INT(mouv_await(task, NULL), 0);
    CHECK_STRING(events(), "dropped dropped");
    return 0;
}

CORO_CASE(auto_future_that_was_awaited_is_left_alone) {
    {
        MOUV_AUTO mouv_future_t task = mouv_task(returns_8_later, NULL);
        CHECK_INT(mouv_await(task, NULL), 8);
    }
    CHECK_STRING(events(), "end");
    return 0;
}

CORO_CASE(auto_future_that_failed_to_be_made_is_harmless) {
    MOUV_AUTO mouv_future_t failed = mouv_task(NULL, NULL);
    MOUV_AUTO mouv_future_t zero = stale_zero;
    CHECK(mouv_future_done(failed));
    CHECK(mouv_future_done(zero));
    return 0;
}

/* --- Names ---------------------------------------------------------------------------------- */

CORO_CASE(name_is_copied_and_cut) {
    char name[] = "importer of users";
    mouv_future_t future = mouv_future_new();
    mouv_future_set_name(future, name);
    name[0] = 'X';
    CHECK_STRING(mouv_future_name(future), "importer of users");
    mouv_future_set_name(future, "1234567890123456789012345678901234567890");
    CHECK_STRING(mouv_future_name(future), "1234567890123456789012345678901");
    mouv_future_set_name(future, NULL);
    CHECK(mouv_future_name(future) != NULL);
    mouv_future_unref(future);
    return 0;
}

CORO_CASE(tasks_are_named_by_number) {
    char first[64];
    mouv_future_t a = mouv_task(returns_8_later, NULL), b = mouv_task(returns_8_later, NULL);
    snprintf(first, sizeof first, "%s", mouv_future_name(a));
    CHECK(strncmp(first, "Task-", 5) == 0 && atoi(first + 5) > 0);
    CHECK(strncmp(mouv_future_name(b), "Task-", 5) == 0);
    CHECK(strcmp(mouv_future_name(b), first) != 0);
    mouv_await(mouv_gather(a, b), NULL);
    return 0;
}

/* --- Stale handles -------------------------------------------------------------------------- */

static void check_everything_refuses(mouv_future_t stale) {
    mouv_error_t error = {.code = -9, .message = "x"};
    CHECK(mouv_future_done(stale));
    CHECK(!mouv_future_cancelled(stale));
    CHECK(!mouv_future_cancel(stale));
    CHECK_INT(mouv_future_set_result(stale, 1), MOUV_EINVAL);
    CHECK_INT(mouv_future_set_error(stale, &error), MOUV_EINVAL);
    CHECK_INT(mouv_future_result(stale, &error), MOUV_EINVAL);
    CHECK_INT(error.code, MOUV_EINVAL);
    CHECK(error.message[0] != '\0');
    CHECK_INT(mouv_future_add_done_callback(stale, on_done, "never"), MOUV_EINVAL);
    CHECK(mouv_future_remove_done_callback(stale, on_done, "never") <= 0);
    CHECK(mouv_future_name(stale) != NULL);
    mouv_future_set_name(stale, "nobody");
    mouv_future_unref(mouv_future_ref(stale));
    mouv_future_unref(stale);
    mouv_future_t copy = stale;
    mouv_future_drop(&copy);
    CHECK_INT(mouv_await(stale, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await_for(stale, 10, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await_for(stale, 0, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_wait_for(stale, 10), NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_shield(stale), NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_gather(stale), NULL), MOUV_EINVAL);
    CHECK_INT(mouv_then(stale, on_done, "never"), MOUV_EINVAL);
    yield(2);
    CHECK_STRING(events(), "");
}

CORO_CASE(zero_and_garbage_handles_are_refused_everywhere) {
    mouv_future_t alive = mouv_future_new();
    check_everything_refuses(stale_zero);
    check_everything_refuses(stale_garbage);
    check_everything_refuses(stale_ones);
    check_everything_refuses((mouv_future_t){alive.id + 1});
    check_everything_refuses((mouv_future_t){alive.id ^ (UINT64_C(1) << 63)});
    check_everything_refuses((mouv_future_t){alive.id + (UINT64_C(1) << 32)});
    CHECK(!mouv_future_done(alive));
    mouv_future_unref(alive);
    return 0;
}

CORO_CASE(awaited_handle_is_refused_everywhere) {
    mouv_future_t future = mouv_future_new();
    mouv_future_set_result(future, 1);
    mouv_await(future, NULL);
    check_everything_refuses(future);
    return 0;
}

CORO_CASE(released_handle_is_refused_everywhere_also_when_its_slot_is_used_again) {
    mouv_future_t old = mouv_future_new();
    mouv_future_unref(old);
    for (int i = 0; i < 10000; i++) {
        mouv_future_t future = mouv_future_new();
        if (!CHECK(future.id != old.id) || !CHECK(mouv_future_done(old))) break;
        mouv_future_unref(future);
    }
    mouv_future_t alive = mouv_future_new();
    check_everything_refuses(old);
    CHECK(!mouv_future_done(alive));
    mouv_future_unref(alive);
    return 0;
}

static mouv_future_t kept;

static int keep_one(void *arg) {
    (void)arg;
    kept = mouv_future_new();
    return 0;
}

static int refuse_the_kept_one(void *arg) {
    (void)arg;
    mouv_future_t future = mouv_future_new();
    CHECK(future.id != kept.id);
    check_everything_refuses(kept);
    CHECK(!mouv_future_done(future));
    mouv_future_unref(future);
    return 0;
}

static void handle_of_an_earlier_run_is_refused_everywhere(void **state) {
    (void)state;
    assert_int_equal(mouv_run(keep_one, NULL, NULL), 0);
    assert_int_equal(mouv_run(refuse_the_kept_one, NULL, NULL), 0);
}

CORO_CASE(many_futures_at_once_are_distinct) {
    enum { N = 20000 };
    mouv_future_t *all = calloc(N, sizeof *all);
    for (int i = 0; i < N; i++) all[i] = mouv_future_new();
    for (int i = 0; i < N; i++) mouv_future_set_result(all[i], i);
    int wrong = 0;
    for (int i = 0; i < N; i++) wrong += mouv_await(all[i], NULL) != i;
    CHECK_INT(wrong, 0);
    free(all);
    return 0;
}

/* --- Other threads -------------------------------------------------------------------------- */

static void on_plain_thread(void *arg) {
    mouv_future_t future = *(mouv_future_t *)arg;
    CHECK(mouv_await(future, NULL) < 0);
    CHECK(mouv_await_for(future, 10, NULL) < 0);
    CHECK(mouv_future_set_result(future, 1) < 0);
    CHECK(mouv_future_result(future, NULL) < 0);
    CHECK(mouv_future_add_done_callback(future, on_done, "never") < 0);
    CHECK(mouv_then(future, on_done, "never") < 0);
    CHECK(!mouv_future_cancel(future));
    mouv_future_unref(future);
    CHECK(!mouv_in_coroutine());
    CHECK(mouv_runtime_current() == NULL);
}

static int in_runtime_of_other_thread(void *arg) {
    mouv_future_t future = *(mouv_future_t *)arg;
    mouv_future_t own = mouv_future_new();
    CHECK_INT(mouv_await(future, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await_for(future, 10, NULL), MOUV_EINVAL);
    CHECK(mouv_future_set_result(future, 1) < 0);
    CHECK(!mouv_future_cancel(future));
    CHECK(mouv_then(future, on_done, "never") < 0);
    CHECK_INT(mouv_await(mouv_gather(future), NULL), MOUV_EINVAL);
    mouv_future_unref(future);
    CHECK(!mouv_future_done(own));
    mouv_future_unref(own);
    return 0;
}

static void on_thread_with_a_runtime(void *arg) {
    CHECK_INT(mouv_run(in_runtime_of_other_thread, arg, NULL), 0);
}

static void use_on(uv_thread_cb entry) {
    mouv_future_t future = mouv_future_new();
    mouv_future_t first = mouv_future_new(); /* where the other thread's own first one lies */
    uv_thread_t thread;
    CHECK_INT(uv_thread_create(&thread, entry, &future), 0);
    uv_thread_join(&thread);
    CHECK(!mouv_future_done(future));
    CHECK(!mouv_future_done(first));
    CHECK_INT(mouv_future_set_result(future, 6), 0);
    CHECK_INT(mouv_await(future, NULL), 6);
    mouv_future_unref(first);
    yield(2);
    CHECK_STRING(events(), "");
}

CORO_CASE(thread_without_a_runtime_cannot_use_a_handle) {
    use_on(on_plain_thread);
    return 0;
}

CORO_CASE(thread_with_a_runtime_of_its_own_cannot_use_a_handle_of_another) {
    use_on(on_thread_with_a_runtime);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(new_future_is_pending),
        TEST(future_program_of_the_tutorial_says_false_false_true_true),
        TEST(set_result_completes_and_await_delivers_it),
        TEST(negative_result_is_a_failure_with_that_code),
        TEST(set_error_is_copied_and_delivered_whole),
        TEST(set_error_refuses_what_is_no_error),
        TEST(second_completion_is_refused_and_changes_nothing),
        TEST(completion_after_cancel_is_refused),
        TEST(completing_a_future_of_another_kind_is_refused),
        TEST(result_of_a_pending_future_is_not_set),
        TEST(result_of_a_failed_future_fills_the_error_each_time),
        TEST(result_of_a_cancelled_future_is_ecanceled),
        TEST(awaiters_run_on_a_later_tick_in_their_order),
        TEST(callbacks_run_on_a_later_tick_in_their_order),
        TEST(callback_of_a_done_future_runs_on_a_later_tick_too),
        TEST(callback_never_runs_inside_cancel),
        TEST(callback_runs_once),
        TEST(callback_of_a_task_runs_after_its_body_also_without_a_reference),
        TEST(callback_gets_the_handle_it_was_added_to_outside_any_coroutine),
        TEST(callback_added_by_a_callback_runs_later),
        TEST(removed_callbacks_do_not_run_and_are_counted),
        TEST(callback_without_a_function_is_refused),
        TEST(callback_may_keep_a_reference),
        TEST(each_reference_can_be_awaited_once),
        TEST(unref_twice_is_harmless),
        TEST(unref_never_cancels_a_task),
        TEST(drop_cancels_and_gives_up),
        TEST(auto_future_is_cancelled_at_the_end_of_its_scope),
        TEST(auto_future_that_was_awaited_is_left_alone),
        TEST(auto_task_is_waited_for_until_its_body_has_returned),
        TEST(auto_task_is_waited_for_by_a_cancelled_task_too),
        TEST(auto_task_is_waited_for_also_if_its_dropper_is_cancelled_meanwhile),
        TEST(auto_task_is_waited_for_in_an_expired_scope_without_a_trace),
        TEST(dropped_gather_wait_for_and_group_are_waited_for_as_well),
        TEST(dropped_offload_is_waited_for),
        TEST(dropped_operation_or_time_is_not_waited_for),
        TEST(task_that_drops_itself_or_its_awaiter_does_not_wait_for_itself),
        TEST(auto_future_that_failed_to_be_made_is_harmless),
        TEST(name_is_copied_and_cut),
        TEST(tasks_are_named_by_number),
        TEST(zero_and_garbage_handles_are_refused_everywhere),
        TEST(awaited_handle_is_refused_everywhere),
        TEST(released_handle_is_refused_everywhere_also_when_its_slot_is_used_again),
        TEST(handle_of_an_earlier_run_is_refused_everywhere),
        TEST(many_futures_at_once_are_distinct),
        TEST(thread_without_a_runtime_cannot_use_a_handle),
        TEST(thread_with_a_runtime_of_its_own_cannot_use_a_handle_of_another),
        TEST(callback_may_remove_a_later_one),
        TEST(callback_may_give_up_its_future),
        TEST(ten_thousand_callbacks_run),
    };
    return RUN_CASES(cases);
}
