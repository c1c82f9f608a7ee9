/* Gather: one future for many, its first failure, its cancel, and the variant that collects all. */
#include "../support/async_support.h"

static int greetings(void *arg) {
    (void)arg;
    event("Welcome");
    mouv_sleep_ms(20);
    event("Goodbye");
    return 0;
}

static int says_after_30_ms(void *word) {
    int rc = mouv_sleep_ms(30);
    event(rc == MOUV_ECANCELED ? "cancelled" : "%s", (char *)word);
    return rc;
}

static int fails_after_10_ms(void *text) {
    mouv_sleep_ms(10);
    return mouv_fail(-5, "%s", (char *)text);
}

static int fails_after_20_ms(void *text) {
    mouv_sleep_ms(20);
    return mouv_fail(-6, "%s", (char *)text);
}

static int value_after_ms(void *ms) {
    mouv_sleep_ms(*(int *)ms);
    event("%d", *(int *)ms);
    return *(int *)ms;
}

/* --- Success -------------------------------------------------------------------------------- */

CORO_CASE(gathered_coroutines_run_at_the_same_time) {
    int64_t began = clock_ms();
    mouv_future_t all = mouv_gather(mouv_coro(greetings, NULL), mouv_coro(greetings, NULL));
    CHECK_INT(mouv_await(all, NULL), 0);
    CHECK(took(began, 20));
    CHECK_STRING(events(), "Welcome Welcome Goodbye Goodbye");
    return 0;
}

CORO_CASE(gather_does_not_run_its_children_at_once_but_in_order) {
    mouv_future_t all = mouv_gather(mouv_coro(say, "a"), mouv_task(say, "b"), mouv_coro(say, "c"));
    event("made");
    CHECK(!mouv_future_done(all));
    yield(1);
    event("turn");
    CHECK_INT(mouv_await(all, NULL), 0);
    /* the coroutines become tasks when gather is called, after the task that was made before it */
    CHECK_STRING(events(), "made b a c turn");
    return 0;
}

CORO_CASE(gather_runs_its_coroutines_also_if_it_is_not_awaited) {
    mouv_future_unref(mouv_gather(mouv_coro(say, "a"), mouv_coro(say, "b")));
    yield(2);
    CHECK_STRING(events(), "a b");
    return 0;
}

CORO_CASE(gather_of_positive_results_is_zero) {
    int five = 5, seven = 7;
    mouv_future_t all = mouv_gather(mouv_task(return_int, &five), mouv_coro(return_int, &seven));
    CHECK_INT(mouv_await(all, NULL), 0);
    return 0;
}

CORO_CASE(gather_of_nothing_is_done_at_once_with_zero) {
    mouv_future_t none = mouv_gather_array(NULL, 0);
    CHECK(mouv_future_done(none));
    CHECK_INT(mouv_await(none, NULL), 0);
    none = mouv_gather_all(NULL, 0, NULL, NULL);
    CHECK(mouv_future_done(none));
    CHECK_INT(mouv_await(none, NULL), 0);
    none = mouv_gather();
    CHECK_INT(mouv_await(none, NULL), 0);
    return 0;
}

CORO_CASE(gather_of_an_array_leaves_the_array_to_its_caller) {
    int five = 5;
    mouv_future_t futures[] = {mouv_task(return_int, &five), mouv_coro(return_int, &five)};
    mouv_future_t all = mouv_gather_array(futures, 2);
    futures[0] = futures[1] = stale_garbage;
    CHECK_INT(mouv_await(all, NULL), 0);
    return 0;
}

CORO_CASE(gather_of_done_futures_gives_their_outcome) {
    mouv_future_t one = mouv_future_new(), two = mouv_future_new();
    mouv_future_set_result(one, 1);
    mouv_future_set_result(two, -2);
    CHECK_INT(mouv_await(mouv_gather(one, two), NULL), -2);
    return 0;
}

CORO_CASE(gathers_nest) {
    int ms[] = {1, 2, 3, 4};
    mouv_future_t inner =
        mouv_gather(mouv_task(value_after_ms, ms), mouv_task(value_after_ms, ms + 1));
    mouv_future_t other = mouv_gather(mouv_task(value_after_ms, ms + 2), mouv_gather());
    CHECK_INT(mouv_await(mouv_gather(inner, other, mouv_task(value_after_ms, ms + 3)), NULL), 0);
    CHECK_STRING(events(), "1 2 3 4");
    return 0;
}

CORO_CASE(same_future_twice_by_reference_runs_once) {
    mouv_future_t task = mouv_task(greetings, NULL);
    CHECK_INT(mouv_await(mouv_gather(task, mouv_future_ref(task)), NULL), 0);
    CHECK_STRING(events(), "Welcome Goodbye");
    return 0;
}

CORO_CASE(same_future_twice_without_a_reference_is_refused) {
    mouv_error_t error = {0};
    mouv_future_t task = mouv_task(says_after_30_ms, "end");
    CHECK_INT(mouv_await(mouv_gather(task, task), &error), MOUV_EINVAL);
    CHECK_CONTAINS(error.message, "already consumed");
    mouv_sleep_ms(50);
    return 0;
}

CORO_CASE(gather_can_be_awaited_once) {
    mouv_future_t all = mouv_gather(mouv_sleep_future(1));
    CHECK_INT(mouv_await(all, NULL), 0);
    CHECK_INT(mouv_await(all, NULL), MOUV_EINVAL);
    return 0;
}

static int do_nothing(void *arg) {
    (void)arg;
    return 0;
}

CORO_CASE(ten_thousand_are_gathered) {
    enum { N = 10000 };
    mouv_future_t *tasks = calloc(N, sizeof *tasks);
    for (int i = 0; i < N; i++)
        tasks[i] = i % 2 ? mouv_task(do_nothing, NULL) : mouv_coro(do_nothing, NULL);
    CHECK_INT(mouv_await(mouv_gather_array(tasks, N), NULL), 0);
    free(tasks);
    return 0;
}

/* --- Failure -------------------------------------------------------------------------------- */

CORO_CASE(gather_first_error_cancels_and_joins_the_others) {
    mouv_error_t error = {0};
    int64_t began = clock_ms();
    mouv_future_t all =
        mouv_gather(mouv_coro(says_after_30_ms, "sibling"), mouv_coro(fails_after_10_ms, "first"));
    CHECK_INT(mouv_await(all, &error), -5);
    CHECK(took(began, 10));
    CHECK_STRING(error.message, "first");
    CHECK_STRING(events(), "cancelled");
    return 0;
}

static int cleans_up_for_30_ms(void *word) {
    int rc = mouv_sleep_ms(60000);
    MOUV_SHIELD_SCOPE(cleanup, 5000);
    CHECK_INT(mouv_sleep_ms(30), 0);
    event("%s", (char *)word);
    return rc;
}

CORO_CASE(gather_that_has_failed_waits_for_the_clean_up_of_the_others) {
    int64_t began = clock_ms();
    mouv_future_t all = mouv_gather(mouv_coro(fails_after_10_ms, "first"),
                                    mouv_coro(cleans_up_for_30_ms, "cleaned"));
    CHECK_INT(mouv_await(all, NULL), -5);
    CHECK(took(began, 40));
    CHECK_STRING(events(), "cleaned");
    return 0;
}

static int frame_with_arguments(void *arg) {
    (void)arg;
    char word[] = "mine";
    return mouv_await(
        mouv_gather(mouv_coro(cleans_up_for_30_ms, word), mouv_coro(fails_after_10_ms, "first")),
        NULL);
}

CORO_CASE(cancel_of_a_gather_that_has_failed_changes_nothing) {
    mouv_error_t error = {0};
    mouv_future_t task = mouv_task(frame_with_arguments, NULL);
    pause_ms(20);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, &error), -5);
    CHECK_STRING(events(), "mine");
    return 0;
}

CORO_CASE(sibling_with_a_reference_of_its_own_runs_on) {
    mouv_future_t job = mouv_task(says_after_30_ms, "job");
    mouv_future_t all = mouv_gather(mouv_future_ref(job), mouv_coro(fails_after_10_ms, "first"));
    int64_t began = clock_ms();
    CHECK_INT(mouv_await(all, NULL), -5);
    CHECK(took(began, 10));
    CHECK_STRING(events(), "");
    CHECK_INT(mouv_await(job, NULL), 0);
    CHECK_STRING(events(), "job");
    return 0;
}

static int awaits_it(void *future) {
    return mouv_await(*(mouv_future_t *)future, NULL);
}

CORO_CASE(sibling_that_somebody_else_awaits_runs_on) {
    mouv_future_t job = mouv_task(says_after_30_ms, "job"), ref = mouv_future_ref(job);
    mouv_future_t other = mouv_task(awaits_it, &ref);
    yield(1);
    CHECK_INT(mouv_await(mouv_gather(job, mouv_coro(fails_after_10_ms, "first")), NULL), -5);
    CHECK_INT(mouv_await(other, NULL), 0);
    CHECK_STRING(events(), "job");
    return 0;
}

static void note_then(mouv_future_t future, void *arg) {
    (void)arg;
    event("then %d", mouv_future_result(future, NULL));
}

CORO_CASE(sibling_that_is_for_a_callback_runs_on) {
    mouv_future_t job = mouv_task(says_after_30_ms, "job");
    CHECK_INT(mouv_then(mouv_future_ref(job), note_then, NULL), 0);
    CHECK_INT(mouv_await(mouv_gather(job, mouv_coro(fails_after_10_ms, "first")), NULL), -5);
    pause_ms(40);
    CHECK_STRING(events(), "job then 0");
    return 0;
}

CORO_CASE(sibling_under_a_shield_runs_on) {
    mouv_future_t all = mouv_gather(mouv_shield(mouv_coro(says_after_30_ms, "shielded")),
                                    mouv_coro(fails_after_10_ms, "first"));
    int64_t began = clock_ms();
    CHECK_INT(mouv_await(all, NULL), -5);
    CHECK(took(began, 10));
    pause_ms(40);
    CHECK_STRING(events(), "shielded");
    return 0;
}

CORO_CASE(same_child_twice_is_nobody_else_s) {
    mouv_future_t task = mouv_task(says_after_30_ms, "end");
    mouv_future_t all =
        mouv_gather(task, mouv_future_ref(task), mouv_coro(fails_after_10_ms, "first"));
    CHECK_INT(mouv_await(all, NULL), -5);
    CHECK_STRING(events(), "cancelled");
    return 0;
}

CORO_CASE(gather_within_a_gather_is_cancelled_and_spares_as_that_does) {
    mouv_future_t job = mouv_task(says_after_30_ms, "job");
    mouv_future_t inner = mouv_gather(mouv_future_ref(job), mouv_coro(says_after_30_ms, "x"));
    CHECK_INT(mouv_await(mouv_gather(inner, mouv_coro(fails_after_10_ms, "first")), NULL), -5);
    CHECK_STRING(events(), "cancelled");
    CHECK_INT(mouv_await(job, NULL), 0);
    CHECK_STRING(events(), "cancelled job");
    return 0;
}

CORO_CASE(gather_within_a_gather_that_spares_all_its_children_ends_at_once) {
    mouv_future_t job = mouv_task(says_after_30_ms, "job");
    mouv_future_t inner = mouv_gather(mouv_future_ref(job));
    int64_t began = clock_ms();
    CHECK_INT(mouv_await(mouv_gather(inner, mouv_coro(fails_after_10_ms, "first")), NULL), -5);
    CHECK(took(began, 10));
    CHECK_INT(mouv_await(job, NULL), 0);
    return 0;
}

CORO_CASE(cancel_spares_no_child_that_is_not_shielded) {
    mouv_future_t job = mouv_task(says_after_30_ms, "job");
    mouv_future_t all = mouv_gather(mouv_future_ref(job), mouv_sleep_future(60000));
    CHECK_INT(mouv_await_for(all, 10, NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_await(job, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "cancelled");
    return 0;
}

static int says_unknown_when_cancelled(void *arg) {
    (void)arg;
    return mouv_sleep_ms(60000) < 0 ? mouv_fail(MOUV_EUNKNOWN, "who knows") : 0;
}

CORO_CASE(write_of_unknown_outcome_goes_before_the_failure_that_stopped_it) {
    mouv_error_t error = {0};
    mouv_future_t all = mouv_gather(mouv_coro(fails_after_10_ms, "first"),
                                    mouv_coro(says_unknown_when_cancelled, NULL));
    CHECK_INT(mouv_await(all, &error), MOUV_EUNKNOWN);
    CHECK_STRING(error.message, "who knows");
    return 0;
}

CORO_CASE(child_that_had_failed_before_stops_the_others_before_they_begin) {
    mouv_future_t failed = mouv_future_new();
    mouv_future_set_result(failed, -3);
    mouv_future_t all =
        mouv_gather(mouv_coro(say, "a"), failed, mouv_sleep_future(60000), mouv_coro(say, "b"));
    int64_t began = clock_ms();
    CHECK_INT(mouv_await(all, NULL), -3);
    CHECK(took(began, 0));
    CHECK_STRING(events(), "");
    return 0;
}

CORO_CASE(timed_out_gather_says_how_many_had_succeeded) {
    mouv_error_t error = {0};
    mouv_future_t all = mouv_gather(mouv_sleep_future(1), mouv_sleep_future(60000));
    CHECK_INT(mouv_await_for(all, 10, &error), MOUV_ETIMEDOUT);
    CHECK_STRING(error.message, "timed out: 1 of 2 had succeeded");
    return 0;
}

CORO_CASE(gather_gives_the_first_failure_in_time_and_is_silent_about_later_ones) {
    mouv_error_t error = {0};
    mouv_future_t all =
        mouv_gather(mouv_coro(fails_after_20_ms, "later"), mouv_coro(fails_after_10_ms, "sooner"));
    CHECK_INT(mouv_await(all, &error), -5);
    CHECK_STRING(error.message, "sooner");
    pause_ms(40);
    CHECK_NO_WARNING(); /* asyncio, too, marks the exceptions of a gather's children retrieved */
    return 0;
}

CORO_CASE(child_that_could_not_be_made_fails_the_gather) {
    mouv_future_t all = mouv_gather(mouv_coro(says_after_30_ms, "sibling"), mouv_task(NULL, NULL));
    CHECK_INT(mouv_await(all, NULL), MOUV_EINVAL);
    mouv_sleep_ms(60);
    return 0;
}

CORO_CASE(stale_child_fails_the_gather_and_the_others_are_consumed) {
    mouv_error_t error = {0};
    mouv_future_t sibling = mouv_task(cleans_up_for_30_ms, "sibling");
    yield(1);
    mouv_future_t all = mouv_gather(sibling, stale_garbage);
    int64_t began = clock_ms();
    CHECK_INT(mouv_await(all, &error), MOUV_EINVAL);
    CHECK_CONTAINS(error.message, "gather: argument 2: ");
    CHECK(took(began, 30));
    CHECK_STRING(events(), "sibling");
    CHECK_INT(mouv_await(sibling, NULL), MOUV_EINVAL);
    return 0;
}

CORO_CASE(null_array_with_a_count_is_refused) {
    CHECK_INT(mouv_await(mouv_gather_array(NULL, 3), NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_gather_all(NULL, 3, NULL, NULL), NULL), MOUV_EINVAL);
    return 0;
}

CORO_CASE(cancelled_child_fails_the_gather_and_stops_the_others) {
    mouv_future_t child = mouv_task(says_after_30_ms, "child");
    mouv_future_t own = mouv_future_ref(child);
    mouv_future_t all = mouv_gather(child, mouv_task(says_after_30_ms, "sibling"));
    yield(1);
    mouv_future_cancel(own);
    CHECK_INT(mouv_await(all, NULL), MOUV_ECANCELED);
    CHECK(!mouv_cancelling());
    CHECK_STRING(events(), "cancelled cancelled");
    mouv_future_unref(own);
    return 0;
}

/* --- Cancel --------------------------------------------------------------------------------- */

CORO_CASE(cancelling_a_gather_cancels_every_child_and_waits_for_all) {
    mouv_future_t all =
        mouv_gather(mouv_coro(says_after_30_ms, "x"), mouv_coro(cleans_up_for_30_ms, "cleaned"),
                    mouv_sleep_future(60000));
    yield(1);
    int64_t began = clock_ms();
    CHECK(mouv_future_cancel(all));
    CHECK(!mouv_future_cancel(all));
    CHECK(!mouv_future_done(all)); /* a child is cleaning up */
    CHECK_INT(mouv_await(all, NULL), MOUV_ECANCELED);
    CHECK(took(began, 30));
    CHECK_STRING(events(), "cancelled cleaned");
    return 0;
}

CORO_CASE(cancelling_a_gather_before_its_children_start_runs_none_of_them) {
    mouv_future_t all = mouv_gather(mouv_coro(say, "a"), mouv_task(say, "b"));
    mouv_future_cancel(all);
    CHECK_INT(mouv_await(all, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "");
    CHECK_NO_WARNING();
    return 0;
}

static int gathers(void *arg) {
    (void)arg;
    mouv_future_t a = mouv_coro(says_after_30_ms, "a"), b = mouv_coro(cleans_up_for_30_ms, "b");
    return mouv_await(mouv_gather(a, b), NULL);
}

CORO_CASE(cancel_of_the_awaiting_task_reaches_every_child) {
    mouv_future_t task = mouv_task(gathers, NULL);
    yield(2);
    int64_t began = clock_ms();
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK(took(began, 30));
    CHECK_STRING(events(), "cancelled b");
    return 0;
}

CORO_CASE(dropped_gather_cancels_every_child) {
    mouv_future_t all =
        mouv_gather(mouv_task(says_after_30_ms, "a"), mouv_task(says_after_30_ms, "b"));
    yield(1);
    mouv_future_drop(&all);
    yield(4);
    CHECK_STRING(events(), "cancelled cancelled");
    return 0;
}

CORO_CASE(child_of_two_gathers_is_cancelled_for_both) {
    mouv_future_t child = mouv_task(says_after_30_ms, "child");
    mouv_future_t one = mouv_gather(mouv_future_ref(child)), two = mouv_gather(child);
    yield(1);
    mouv_future_cancel(one);
    CHECK_INT(mouv_await(two, NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_await(one, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "cancelled");
    return 0;
}

/* --- gather_all ----------------------------------------------------------------------------- */

CORO_CASE(gather_all_collects_codes_and_errors_in_argument_order) {
    int ms[] = {30, 10};
    int codes[4] = {99, 99, 99, 99};
    mouv_error_t errors[4] = {{0}};
    mouv_future_t futures[] = {mouv_coro(value_after_ms, &ms[0]), mouv_coro(fails_after_20_ms, "b"),
                               mouv_coro(value_after_ms, &ms[1]),
                               mouv_coro(fails_after_10_ms, "d")};
    mouv_future_t all = mouv_gather_all(futures, 4, codes, errors);
    CHECK_INT(mouv_await(all, NULL), 2);
    CHECK_INT(codes[0], 30);
    CHECK_INT(codes[1], -6);
    CHECK_INT(codes[2], 10);
    CHECK_INT(codes[3], -5);
    CHECK_INT(errors[0].code, 0);
    CHECK_INT(errors[2].code, 0);
    CHECK_INT(errors[1].code, -6);
    CHECK_STRING(errors[1].message, "b");
    CHECK_INT(errors[3].code, -5);
    CHECK_STRING(errors[3].message, "d");
    CHECK_STRING(events(), "10 30");
    return 0;
}

CORO_CASE(gather_all_accepts_no_arrays) {
    mouv_future_t futures[] = {mouv_coro(fails_after_10_ms, "a"), mouv_sleep_future(1)};
    CHECK_INT(mouv_await(mouv_gather_all(futures, 2, NULL, NULL), NULL), 1);
    CHECK_NO_WARNING();
    return 0;
}

CORO_CASE(gather_all_writes_only_when_it_is_awaited) {
    int codes[2] = {99, 99}, five = 5;
    mouv_future_t futures[] = {mouv_task(return_int, &five), mouv_task(return_int, &five)};
    mouv_future_t all = mouv_gather_all(futures, 2, codes, NULL);
    mouv_sleep_ms(5);
    CHECK(mouv_future_done(all));
    CHECK_INT(codes[0], 99);
    CHECK_INT(mouv_await(all, NULL), 0);
    CHECK_INT(codes[0], 5);
    CHECK_INT(codes[1], 5);
    return 0;
}

CORO_CASE(gather_all_that_nobody_awaits_writes_nowhere) {
    int *codes = malloc(2 * sizeof *codes), five = 5;
    mouv_future_t futures[] = {mouv_task(return_int, &five), mouv_task(return_int, &five)};
    mouv_future_t all = mouv_gather_all(futures, 2, codes, NULL);
    free(codes);
    mouv_future_unref(all);
    mouv_sleep_ms(5);
    return 0;
}

CORO_CASE(gather_all_gives_a_cancelled_child_as_a_code) {
    int codes[2] = {99, 99};
    mouv_future_t child = mouv_task(says_after_30_ms, "child");
    mouv_future_t own = mouv_future_ref(child);
    mouv_future_t futures[] = {child, mouv_sleep_future(1)};
    mouv_future_t all = mouv_gather_all(futures, 2, codes, NULL);
    yield(1);
    mouv_future_cancel(own);
    CHECK_INT(mouv_await(all, NULL), 1);
    CHECK_INT(codes[0], MOUV_ECANCELED);
    CHECK_INT(codes[1], 0);
    mouv_future_unref(own);
    return 0;
}

CORO_CASE(gather_all_gives_a_stale_child_as_a_code) {
    int codes[2] = {99, 99}, five = 5;
    mouv_future_t futures[] = {stale_zero, mouv_task(return_int, &five)};
    CHECK_INT(mouv_await(mouv_gather_all(futures, 2, codes, NULL), NULL), 1);
    CHECK_INT(codes[0], MOUV_EINVAL);
    CHECK_INT(codes[1], 5);
    return 0;
}

CORO_CASE(gather_all_that_times_out_gives_every_code) {
    int codes[3] = {99, 99, 99}, ms = 5;
    mouv_error_t error, errors[3] = {{0}};
    mouv_future_t futures[] = {mouv_coro(value_after_ms, &ms), mouv_sleep_future(60000),
                               mouv_coro(fails_after_10_ms, "b")};
    mouv_future_t all = mouv_gather_all(futures, 3, codes, errors);
    CHECK_INT(mouv_await_for(all, 15, &error), MOUV_ETIMEDOUT);
    CHECK_STRING(error.message, "timed out: 1 of 3 had succeeded");
    CHECK_INT(codes[0], 5);
    CHECK_INT(codes[1], MOUV_ECANCELED);
    CHECK_INT(codes[2], -5);
    CHECK_STRING(errors[2].message, "b");
    return 0;
}

CORO_CASE(gather_all_times_out_like_any_future) {
    mouv_future_t futures[] = {mouv_coro(says_after_30_ms, "a"), mouv_sleep_future(60000)};
    CHECK_INT(mouv_await_for(mouv_gather_all(futures, 2, NULL, NULL), 10, NULL), MOUV_ETIMEDOUT);
    CHECK_STRING(events(), "cancelled");
    return 0;
}

CORO_CASE(gather_all_within_a_gather_writes_when_the_outer_one_is_awaited) {
    int codes[2] = {99, 99};
    mouv_future_t futures[] = {mouv_coro(fails_after_10_ms, "a"), mouv_sleep_future(1)};
    mouv_future_t all = mouv_gather(mouv_gather_all(futures, 2, codes, NULL), mouv_sleep_future(1));
    pause_ms(30);
    CHECK_INT(codes[0], 99);
    CHECK_INT(mouv_await(all, NULL), 0);
    CHECK_INT(codes[0], -5);
    CHECK_INT(codes[1], 0);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(gathered_coroutines_run_at_the_same_time),
        TEST(gather_does_not_run_its_children_at_once_but_in_order),
        TEST(gather_runs_its_coroutines_also_if_it_is_not_awaited),
        TEST(gather_of_positive_results_is_zero),
        TEST(gather_of_nothing_is_done_at_once_with_zero),
        TEST(gather_of_an_array_leaves_the_array_to_its_caller),
        TEST(gather_of_done_futures_gives_their_outcome),
        TEST(gathers_nest),
        TEST(same_future_twice_by_reference_runs_once),
        TEST(same_future_twice_without_a_reference_is_refused),
        TEST(gather_can_be_awaited_once),
        TEST(ten_thousand_are_gathered),
        TEST(gather_first_error_cancels_and_joins_the_others),
        TEST(gather_that_has_failed_waits_for_the_clean_up_of_the_others),
        TEST(cancel_of_a_gather_that_has_failed_changes_nothing),
        TEST(sibling_with_a_reference_of_its_own_runs_on),
        TEST(sibling_that_somebody_else_awaits_runs_on),
        TEST(sibling_that_is_for_a_callback_runs_on),
        TEST(sibling_under_a_shield_runs_on),
        TEST(same_child_twice_is_nobody_else_s),
        TEST(gather_within_a_gather_is_cancelled_and_spares_as_that_does),
        TEST(gather_within_a_gather_that_spares_all_its_children_ends_at_once),
        TEST(cancel_spares_no_child_that_is_not_shielded),
        TEST(write_of_unknown_outcome_goes_before_the_failure_that_stopped_it),
        TEST(child_that_had_failed_before_stops_the_others_before_they_begin),
        TEST(timed_out_gather_says_how_many_had_succeeded),
        TEST(gather_gives_the_first_failure_in_time_and_is_silent_about_later_ones),
        TEST(child_that_could_not_be_made_fails_the_gather),
        TEST(stale_child_fails_the_gather_and_the_others_are_consumed),
        TEST(null_array_with_a_count_is_refused),
        TEST(cancelled_child_fails_the_gather_and_stops_the_others),
        TEST(cancelling_a_gather_cancels_every_child_and_waits_for_all),
        TEST(cancelling_a_gather_before_its_children_start_runs_none_of_them),
        TEST(cancel_of_the_awaiting_task_reaches_every_child),
        TEST(dropped_gather_cancels_every_child),
        TEST(child_of_two_gathers_is_cancelled_for_both),
        TEST(gather_all_collects_codes_and_errors_in_argument_order),
        TEST(gather_all_accepts_no_arrays),
        TEST(gather_all_writes_only_when_it_is_awaited),
        TEST(gather_all_that_nobody_awaits_writes_nowhere),
        TEST(gather_all_gives_a_cancelled_child_as_a_code),
        TEST(gather_all_gives_a_stale_child_as_a_code),
        TEST(gather_all_that_times_out_gives_every_code),
        TEST(gather_all_times_out_like_any_future),
        TEST(gather_all_within_a_gather_writes_when_the_outer_one_is_awaited),
    };
    return RUN_CASES(cases);
}
