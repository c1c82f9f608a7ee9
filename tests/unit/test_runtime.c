/* A runtime on the user's own loop: attaching, idling, running, closing. */
#include "../support/async_support.h"

struct place {
    uv_loop_t loop;
    mouv_runtime_t *runtime;
};

static void open_place_in_real_time(struct place *place) {
    *place = (struct place){.runtime = NULL};
    assert_int_equal(uv_loop_init(&place->loop), 0);
    assert_int_equal(mouv_runtime_attach(&place->runtime, &place->loop), 0);
    assert_non_null(place->runtime);
}

static void open_place(struct place *place) {
    open_place_in_real_time(place);
    use_virtual_clock();
}

static void on_closed(mouv_runtime_t *runtime, void *word) {
    (void)runtime;
    event("%s", (char *)word);
}

/* Closes, and checks the promise: afterwards mouv has nothing on the loop. */
static void close_place(struct place *place) {
    mouv_runtime_close(place->runtime, on_closed, "closed");
    check(!strstr(events(), "closed"));
    check_int(uv_run(&place->loop, UV_RUN_DEFAULT), 0);
    check_has(events(), "closed");
    check(mouv_runtime_current() == NULL);
    int rc = uv_loop_close(&place->loop);
    check_int(rc, 0);
    if (rc != 0) uv_print_all_handles(&place->loop, stderr);
    assert_int_equal(support_failures, 0);
}

static int forever(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(400000);
    event(rc == MOUV_ECANCELED ? "cancelled" : "completed");
    return rc;
}

static int after_20_ms(void *word) {
    mouv_sleep_ms(20);
    event("%s", (char *)word);
    return 4;
}

/* --- Attaching ------------------------------------------------------------------------------ */

static void attach_of_nothing_is_refused(void **state) {
    (void)state;
    uv_loop_t loop;
    mouv_runtime_t *runtime = NULL;
    uv_loop_init(&loop);
    assert_int_equal(mouv_runtime_attach(NULL, &loop), MOUV_EINVAL);
    assert_int_equal(mouv_runtime_attach(&runtime, NULL), MOUV_EINVAL);
    assert_null(runtime);
    assert_null(mouv_runtime_current());
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void second_runtime_on_a_thread_is_refused(void **state) {
    (void)state;
    struct place place;
    uv_loop_t other;
    mouv_runtime_t *second = NULL;
    open_place(&place);
    uv_loop_init(&other);
    assert_int_equal(mouv_runtime_attach(&second, &other), MOUV_ESTATE);
    assert_int_equal(mouv_runtime_attach(&second, &place.loop), MOUV_ESTATE);
    assert_null(second);
    assert_int_equal(mouv_run(forever, NULL, NULL), MOUV_ESTATE);
    assert_int_equal(uv_loop_close(&other), 0);
    close_place(&place);
}

static void runtime_knows_its_thread_and_its_loop(void **state) {
    (void)state;
    struct place place;
    assert_null(mouv_runtime_current());
    open_place(&place);
    assert_ptr_equal(mouv_runtime_current(), place.runtime);
    assert_ptr_equal(mouv_runtime_loop(place.runtime), &place.loop);
    assert_true(mouv_now_ms() > 0);
    assert_false(mouv_in_coroutine());
    close_place(&place);
}

static void thread_can_attach_again_after_closing(void **state) {
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct place place;
        open_place(&place);
        assert_int_equal(mouv_run_until(place.runtime, mouv_sleep_future(0), NULL), 0);
        events_clear();
        close_place(&place);
    }
}

/* --- Keeping the loop alive, or not --------------------------------------------------------- */

static void idle_runtime_keeps_no_loop_alive(void **state) {
    (void)state;
    struct place place;
    open_place(&place);
    int64_t began = clock_ms();
    for (int i = 0; i < 3; i++) assert_int_equal(uv_run(&place.loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_alive(&place.loop), 0);
    check(took(began, 0));
    close_place(&place);
}

static void pending_task_keeps_the_loop_alive_until_it_has_ended(void **state) {
    (void)state;
    struct place place;
    open_place(&place);
    int64_t began = clock_ms();
    mouv_future_unref(mouv_task(after_20_ms, "task"));
    assert_string_equal(events(), "");
    assert_int_equal(uv_run(&place.loop, UV_RUN_DEFAULT), 0);
    check(took(began, 20));
    assert_string_equal(events(), "task");
    assert_int_equal(uv_run(&place.loop, UV_RUN_DEFAULT), 0);
    close_place(&place);
}

static int ends_at_once(void *arg) {
    (void)arg;
    event("ran");
    return 0;
}

static void ready_task_keeps_the_loop_alive(void **state) {
    (void)state;
    struct place place;
    open_place(&place);
    mouv_future_unref(mouv_task(ends_at_once, NULL));
    assert_int_equal(uv_run(&place.loop, UV_RUN_DEFAULT), 0);
    assert_string_equal(events(), "ran");
    close_place(&place);
}

static void set_the_future(uv_timer_t *timer) {
    mouv_future_set_result(*(mouv_future_t *)timer->data, 3);
    uv_close((uv_handle_t *)timer, NULL);
}

static int awaits_it(void *future) {
    event("%d", mouv_await(*(mouv_future_t *)future, NULL));
    return 0;
}

static void users_own_handles_run_beside_tasks(void **state) {
    (void)state;
    struct place place;
    uv_timer_t timer;
    open_place(&place);
    mouv_future_t future = mouv_future_new();
    uv_timer_init(&place.loop, &timer);
    timer.data = &future;
    uv_timer_start(&timer, set_the_future, 20, 0);
    mouv_future_unref(mouv_task(awaits_it, &future));
    assert_int_equal(uv_run(&place.loop, UV_RUN_DEFAULT), 0);
    assert_string_equal(events(), "3");
    close_place(&place);
}

static void on_tick(uv_timer_t *timer) {
    if (!strstr(events(), "task")) return;
    event("tick");
    uv_close((uv_handle_t *)timer, NULL);
}

static void end_of_the_last_task_does_not_stop_the_users_loop(void **state) {
    (void)state;
    struct place place;
    uv_timer_t timer;
    open_place(&place);
    uv_timer_init(&place.loop, &timer);
    uv_timer_start(&timer, on_tick, 1, 1);
    mouv_future_unref(mouv_task(after_20_ms, "task"));
    assert_int_equal(uv_run(&place.loop, UV_RUN_DEFAULT), 0);
    assert_string_equal(events(), "task tick");
    close_place(&place);
}

static void loop_can_be_run_step_by_step(void **state) {
    (void)state;
    struct place place;
    open_place_in_real_time(&place);
    mouv_future_t task = mouv_task(after_20_ms, "task");
    int64_t began = clock_ms();
    while (!mouv_future_done(task) && clock_ms() - began < slack_ms())
        uv_run(&place.loop, UV_RUN_NOWAIT);
    check_int(mouv_future_result(task, NULL), 4);
    mouv_future_unref(task);
    close_place(&place);
}

/* --- mouv_run_until ------------------------------------------------------------------------- */

static void run_until_returns_as_await_would(void **state) {
    (void)state;
    struct place place;
    mouv_error_t error = {.code = 77};
    open_place(&place);
    mouv_future_t done = mouv_future_new(), task = mouv_task(after_20_ms, "task");
    mouv_future_set_result(done, 6);
    check_int(mouv_run_until(place.runtime, done, &error), 6);
    check_int(mouv_run_until(place.runtime, task, &error), 4);
    check_int(mouv_run_until(place.runtime, mouv_coro(after_20_ms, "coro"), &error), 4);
    check_int(mouv_run_until(place.runtime, mouv_sleep_future(5), &error), 0);
    check_int(error.code, 77);
    check_int(mouv_run_until(place.runtime, mouv_coro(fail_minus_5, "why"), &error), -5);
    check_str(error.message, "why");
    check_int(mouv_run_until(place.runtime, task, &error), MOUV_EINVAL);
    check_has(error.message, "already consumed");
    check_int(mouv_run_until(place.runtime, stale_garbage, &error), MOUV_EINVAL);
    check_int(mouv_run_until(NULL, mouv_sleep_future(1), &error), MOUV_EINVAL);
    close_place(&place);
}

static void run_until_gathers_and_times_out(void **state) {
    (void)state;
    struct place place;
    int codes[2] = {99, 99};
    open_place(&place);
    mouv_future_t both[] = {mouv_coro(after_20_ms, "a"), mouv_coro(fail_minus_5, "b")};
    check_int(mouv_run_until(place.runtime, mouv_gather_all(both, 2, codes, NULL), NULL), 1);
    check_int(codes[0], 4);
    check_int(codes[1], -5);
    mouv_future_t late = mouv_wait_for(mouv_coro(forever, NULL), 10);
    check_int(mouv_run_until(place.runtime, late, NULL), MOUV_ETIMEDOUT);
    close_place(&place);
}

static void run_until_stops_when_the_future_is_done_and_leaves_the_rest(void **state) {
    (void)state;
    struct place place;
    uv_timer_t timer;
    open_place(&place);
    uv_timer_init(&place.loop, &timer);
    uv_timer_start(&timer, on_tick, 400000, 0);
    mouv_future_t other = mouv_task(forever, NULL);
    int64_t began = clock_ms();
    check_int(mouv_run_until(place.runtime, mouv_coro(after_20_ms, "task"), NULL), 4);
    check(took(began, 20));
    check_str(events(), "task");
    check(uv_is_active((uv_handle_t *)&timer));
    check(!mouv_future_done(other));
    uv_close((uv_handle_t *)&timer, NULL);
    mouv_future_unref(other);
    close_place(&place);
}

static void run_until_with_nothing_left_to_do_is_refused_and_cancels(void **state) {
    (void)state;
    struct place place;
    mouv_error_t error = {0};
    open_place(&place);
    mouv_future_t future = mouv_future_new();
    mouv_future_t own = mouv_future_ref(future);
    check_int(mouv_run_until(place.runtime, future, &error), MOUV_ESTATE);
    check(error.message[0] != '\0');
    check(mouv_future_done(own));
    check(mouv_future_cancelled(own));
    mouv_future_unref(own);
    close_place(&place);
}

static int runs_until(void *place) {
    mouv_error_t error = {0};
    mouv_runtime_t *runtime = ((struct place *)place)->runtime;
    check_int(mouv_run_until(runtime, mouv_sleep_future(5), &error), MOUV_ESTATE);
    check(error.message[0] != '\0');
    event("refused");
    return 0;
}

static void runs_until_in_a_callback(mouv_future_t future, void *place) {
    (void)future;
    runs_until(place);
}

static void run_until_inside_the_running_loop_is_refused(void **state) {
    (void)state;
    struct place place;
    open_place(&place);
    check_int(mouv_run_until(place.runtime, mouv_coro(runs_until, &place), NULL), 0);
    check_int(mouv_then(mouv_sleep_future(1), runs_until_in_a_callback, &place), 0);
    uv_run(&place.loop, UV_RUN_DEFAULT);
    check_str(events(), "refused refused");
    close_place(&place);
}

/* --- Closing -------------------------------------------------------------------------------- */

static int cleans_up_for_30_ms(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(400000);
    MOUV_SHIELD_SCOPE(cleanup, 60000);
    check_int(mouv_sleep_ms(30), 0);
    event("cleaned");
    return rc;
}

static void close_cancels_every_task_and_waits_for_all(void **state) {
    (void)state;
    struct place place;
    open_place_in_real_time(&place);
    mouv_future_unref(mouv_task(forever, NULL));
    mouv_future_unref(mouv_task(cleans_up_for_30_ms, NULL));
    mouv_future_unref(mouv_gather(mouv_coro(forever, NULL), mouv_sleep_future(400000)));
    uv_run(&place.loop, UV_RUN_NOWAIT);
    uv_run(&place.loop, UV_RUN_NOWAIT);
    int64_t began = clock_ms();
    close_place(&place);
    check(took(began, 30));
    check_str(events(), "cancelled cancelled cleaned closed");
}

static void close_never_runs_a_task_that_has_not_started(void **state) {
    (void)state;
    struct place place;
    open_place(&place);
    mouv_future_unref(mouv_task(ends_at_once, NULL));
    close_place(&place);
    check_str(events(), "closed");
}

static void close_settles_futures_of_every_kind(void **state) {
    (void)state;
    struct place place;
    open_place_in_real_time(&place);
    mouv_future_t kinds[] = {
        mouv_future_new(), mouv_sleep_future(400000), mouv_gather(mouv_sleep_future(400000)),
        mouv_wait_for(mouv_sleep_future(400000), 400000), mouv_shield(mouv_sleep_future(400000))};
    int64_t began = clock_ms();
    close_place(&place);
    check(took(began, 0));
    for (int i = 0; i < 5; i++) {
        check(mouv_future_done(kinds[i]));
        mouv_future_unref(kinds[i]); /* harmless, also afterwards */
    }
}

static void close_twice_calls_both_functions(void **state) {
    (void)state;
    struct place place;
    open_place(&place);
    mouv_runtime_close(place.runtime, on_closed, "first");
    mouv_runtime_close(place.runtime, on_closed, "second");
    check_str(events(), "");
    uv_run(&place.loop, UV_RUN_DEFAULT);
    check_str(events(), "first second");
    check_int(uv_loop_close(&place.loop), 0);
}

static void close_without_a_function_closes(void **state) {
    (void)state;
    struct place place;
    open_place(&place);
    mouv_runtime_close(place.runtime, NULL, NULL);
    uv_run(&place.loop, UV_RUN_DEFAULT);
    check(mouv_runtime_current() == NULL);
    check_int(uv_loop_close(&place.loop), 0);
}

static void close_of_nothing_is_harmless(void **state) {
    (void)state;
    mouv_runtime_close(NULL, NULL, NULL);
    assert_null(mouv_runtime_loop(NULL));
}

static void close_from_timer(uv_timer_t *timer) {
    mouv_runtime_close(((struct place *)timer->data)->runtime, on_closed, "closed");
    event("called");
    uv_close((uv_handle_t *)timer, NULL);
}

static void close_from_a_callback_of_the_loop(void **state) {
    (void)state;
    struct place place;
    uv_timer_t timer;
    open_place_in_real_time(&place);
    mouv_future_unref(mouv_task(forever, NULL));
    uv_run(&place.loop, UV_RUN_NOWAIT); /* it has begun when the timer fires */
    uv_run(&place.loop, UV_RUN_NOWAIT);
    uv_timer_init(&place.loop, &timer);
    timer.data = &place;
    uv_timer_start(&timer, close_from_timer, 10, 0);
    uv_run(&place.loop, UV_RUN_DEFAULT);
    check_str(events(), "called cancelled closed");
    check_int(uv_loop_close(&place.loop), 0);
}

static void close_from_then(mouv_future_t future, void *place) {
    (void)future;
    mouv_runtime_close(((struct place *)place)->runtime, on_closed, "closed");
}

static void close_from_a_callback_of_a_future(void **state) {
    (void)state;
    struct place place;
    open_place(&place);
    mouv_then(mouv_sleep_future(5), close_from_then, &place);
    mouv_future_unref(mouv_task(forever, NULL));
    uv_run(&place.loop, UV_RUN_DEFAULT);
    check_str(events(), "cancelled closed");
    check_int(uv_loop_close(&place.loop), 0);
}

static void close_the_loop(mouv_runtime_t *runtime, void *loop) {
    (void)runtime;
    int rc = uv_loop_close(loop);
    event(rc == 0 || rc == UV_EBUSY ? "asked" : "odd");
}

/* A loop that is being run cannot be closed: libuv may refuse, nothing of mouv's may break. */
static void callback_that_closes_the_loop_is_harmless(void **state) {
    (void)state;
    if (uv_version() >= 0x012d00) {
        print_message("skipped: uv_run() itself breaks from libuv 1.45 on\n");
        skip();
    }
    struct place place;
    open_place(&place);
    mouv_runtime_close(place.runtime, close_the_loop, &place.loop);
    for (int i = 0; i < 5 && !events()[0]; i++) uv_run(&place.loop, UV_RUN_NOWAIT);
    check_str(events(), "asked");
    uv_loop_close(&place.loop);
}

static int awaits_on_after_the_cancel(void *arg) {
    (void)arg;
    int64_t began = clock_ms();
    while (mouv_sleep_ms(1000) == 0) {
    }
    while (support_log_count == 0 && clock_ms() - began < slack_ms()) mouv_sleep_ms(100);
    event("ended");
    return 0;
}

static void task_that_keeps_awaiting_is_named_in_a_warning_and_waited_for(void **state) {
    (void)state;
    struct place place;
    const char *text;
    open_place_in_real_time(&place);
    mouv_task_opts_t opts = {.name = "stubborn"};
    mouv_future_unref(mouv_task_with(awaits_on_after_the_cancel, NULL, &opts));
    uv_run(&place.loop, UV_RUN_NOWAIT);
    close_place(&place);
    check_str(events(), "ended closed");
    check_int(take_log(&text), 1);
    check_has(text, "stubborn");
}

static void uses_of_a_closing_runtime_end_cleanly(void **state) {
    (void)state;
    struct place place;
    open_place_in_real_time(&place);
    mouv_runtime_close(place.runtime, on_closed, "closed");
    mouv_future_t futures[] = {mouv_task(ends_at_once, NULL), mouv_sleep_future(10),
                               mouv_future_new(), mouv_gather(mouv_sleep_future(60000))};
    mouv_then(mouv_sleep_future(60000), runs_until_in_a_callback, &place);
    int64_t began = clock_ms();
    uv_run(&place.loop, UV_RUN_DEFAULT);
    check(took(began, 0));
    for (int i = 0; i < 4; i++) check(mouv_future_done(futures[i]));
    check_int(uv_loop_close(&place.loop), 0);
    take_log(NULL);
}

static void run_until_on_a_closing_runtime_fails(void **state) {
    (void)state;
    struct place place;
    mouv_error_t error = {0};
    open_place(&place);
    mouv_runtime_close(place.runtime, on_closed, "closed");
    check(mouv_run_until(place.runtime, mouv_sleep_future(10), &error) < 0);
    check(error.message[0] != '\0');
    uv_run(&place.loop, UV_RUN_DEFAULT);
    check_str(events(), "closed");
    check_int(uv_loop_close(&place.loop), 0);
    take_log(NULL);
}

static int awaits_in_its_own_runtime(void *arg) {
    (void)arg;
    return mouv_await(mouv_sleep_future(30), NULL);
}

static void on_thread(void *out) {
    struct place place = {.runtime = NULL};
    uv_loop_init(&place.loop);
    int rc = mouv_runtime_attach(&place.runtime, &place.loop);
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = mouv_run_until(place.runtime, mouv_coro(awaits_in_its_own_runtime, NULL), NULL);
    mouv_runtime_close(place.runtime, NULL, NULL);
    uv_run(&place.loop, UV_RUN_DEFAULT);
    *(int *)out = rc + uv_loop_close(&place.loop);
}

static void threads_have_runtimes_of_their_own(void **state) {
    (void)state;
    uv_thread_t threads[4];
    int results[4] = {1, 1, 1, 1};
    for (int i = 0; i < 4; i++) uv_thread_create(&threads[i], on_thread, &results[i]);
    for (int i = 0; i < 4; i++) uv_thread_join(&threads[i]);
    for (int i = 0; i < 4; i++) assert_int_equal(results[i], 0);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(attach_of_nothing_is_refused),
        CASE(second_runtime_on_a_thread_is_refused),
        CASE(runtime_knows_its_thread_and_its_loop),
        CASE(thread_can_attach_again_after_closing),
        CASE(idle_runtime_keeps_no_loop_alive),
        CASE(pending_task_keeps_the_loop_alive_until_it_has_ended),
        CASE(ready_task_keeps_the_loop_alive),
        CASE(users_own_handles_run_beside_tasks),
        CASE(end_of_the_last_task_does_not_stop_the_users_loop),
        CASE(loop_can_be_run_step_by_step),
        CASE(run_until_returns_as_await_would),
        CASE(run_until_gathers_and_times_out),
        CASE(run_until_stops_when_the_future_is_done_and_leaves_the_rest),
        CASE(run_until_with_nothing_left_to_do_is_refused_and_cancels),
        CASE(run_until_inside_the_running_loop_is_refused),
        CASE(close_cancels_every_task_and_waits_for_all),
        CASE(close_never_runs_a_task_that_has_not_started),
        CASE(close_settles_futures_of_every_kind),
        CASE(close_twice_calls_both_functions),
        CASE(close_without_a_function_closes),
        CASE(close_of_nothing_is_harmless),
        CASE(close_from_a_callback_of_the_loop),
        CASE(close_from_a_callback_of_a_future),
        CASE(callback_that_closes_the_loop_is_harmless),
        CASE(task_that_keeps_awaiting_is_named_in_a_warning_and_waited_for),
        CASE(threads_have_runtimes_of_their_own),
        CASE(uses_of_a_closing_runtime_end_cleanly),
        CASE(run_until_on_a_closing_runtime_fails),
    };
    return RUN_CASES(cases);
}
