/* A runtime on the user's own loop: attaching, idling, running, closing. */
#include <signal.h>

#include "../support/async_support.h"
#include "async/task/lifetime.h"

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
    CHECK(!strstr(events(), "closed"));
    CHECK_INT(uv_run(&place->loop, UV_RUN_DEFAULT), 0);
    CHECK_CONTAINS(events(), "closed");
    CHECK(mouv_runtime_current() == NULL);
    int rc = uv_loop_close(&place->loop);
    CHECK_INT(rc, 0);
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
    CHECK(took(began, 0));
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
    CHECK(took(began, 20));
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
    CHECK_INT(mouv_future_result(task, NULL), 4);
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
    CHECK_INT(mouv_run_until(place.runtime, done, &error), 6);
    CHECK_INT(mouv_run_until(place.runtime, task, &error), 4);
    CHECK_INT(mouv_run_until(place.runtime, mouv_coro(after_20_ms, "coro"), &error), 4);
    CHECK_INT(mouv_run_until(place.runtime, mouv_sleep_future(5), &error), 0);
    CHECK_INT(error.code, 77);
    CHECK_INT(mouv_run_until(place.runtime, mouv_coro(fail_minus_5, "why"), &error), -5);
    CHECK_STRING(error.message, "why");
    CHECK_INT(mouv_run_until(place.runtime, task, &error), MOUV_EINVAL);
    CHECK_CONTAINS(error.message, "already consumed");
    CHECK_INT(mouv_run_until(place.runtime, stale_garbage, &error), MOUV_EINVAL);
    CHECK_INT(mouv_run_until(NULL, mouv_sleep_future(1), &error), MOUV_EINVAL);
    close_place(&place);
}

static void run_until_gathers_and_times_out(void **state) {
    (void)state;
    struct place place;
    int codes[2] = {99, 99};
    open_place(&place);
    mouv_future_t both[] = {mouv_coro(after_20_ms, "a"), mouv_coro(fail_minus_5, "b")};
    CHECK_INT(mouv_run_until(place.runtime, mouv_gather_all(both, 2, codes, NULL), NULL), 1);
    CHECK_INT(codes[0], 4);
    CHECK_INT(codes[1], -5);
    mouv_future_t late = mouv_wait_for(mouv_coro(forever, NULL), 10);
    CHECK_INT(mouv_run_until(place.runtime, late, NULL), MOUV_ETIMEDOUT);
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
    CHECK_INT(mouv_run_until(place.runtime, mouv_coro(after_20_ms, "task"), NULL), 4);
    CHECK(took(began, 20));
    CHECK_STRING(events(), "task");
    CHECK(uv_is_active((uv_handle_t *)&timer));
    CHECK(!mouv_future_done(other));
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
    CHECK_INT(mouv_run_until(place.runtime, future, &error), MOUV_ESTATE);
    CHECK(error.message[0] != '\0');
    CHECK(mouv_future_done(own));
    CHECK(mouv_future_cancelled(own));
    mouv_future_unref(own);
    close_place(&place);
}

static int runs_until(void *place) {
    mouv_error_t error = {0};
    mouv_runtime_t *runtime = ((struct place *)place)->runtime;
    CHECK_INT(mouv_run_until(runtime, mouv_sleep_future(5), &error), MOUV_ESTATE);
    CHECK(error.message[0] != '\0');
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
    CHECK_INT(mouv_run_until(place.runtime, mouv_coro(runs_until, &place), NULL), 0);
    CHECK_INT(mouv_then(mouv_sleep_future(1), runs_until_in_a_callback, &place), 0);
    uv_run(&place.loop, UV_RUN_DEFAULT);
    CHECK_STRING(events(), "refused refused");
    close_place(&place);
}

static int runs_the_loop(void *mode) {
    uv_loop_t *loop = mouv_runtime_loop(mouv_runtime_current());
    mouv_future_t other = mouv_task(say, "other");
    for (int i = 0; i < 3; i++) uv_run(loop, *(uv_run_mode *)mode);
    CHECK_STRING(events(), ""); /* tasks do not go on in it */
    int rc = mouv_await(other, NULL);
    event("end");
    return rc;
}

static void uv_run_inside_of_a_coroutine_is_refused(void **state) {
    (void)state;
    const uv_run_mode modes[] = {UV_RUN_DEFAULT, UV_RUN_ONCE, UV_RUN_NOWAIT};
    for (int i = 0; i < 3; i++) {
        struct place place;
        uv_run_mode mode = modes[i];
        open_place_in_real_time(&place);
        events_clear();
        CHECK_INT(mouv_run_until(place.runtime, mouv_task(runs_the_loop, &mode), NULL), 0);
        CHECK_STRING(events(), "other end");
        CHECK_ONE_WARNING("uv_run() inside of a coroutine, task 'Task-1' (runs_the_loop at ");
        close_place(&place);
    }
}

/* Where nothing but the tasks themselves could end the poll. */
static int runs_the_loop_second(void *mode) {
    mouv_sleep_ms(5);
    return runs_the_loop(mode);
}

static void uv_run_inside_of_a_coroutine_does_not_wait_for_what_cannot_come(void **state) {
    (void)state;
    struct place place;
    uv_run_mode mode = UV_RUN_ONCE;
    open_place_in_real_time(&place);
    CHECK_INT(mouv_run_until(place.runtime, mouv_task(runs_the_loop_second, &mode), NULL), 0);
    CHECK_ONE_WARNING("uv_run() inside of a coroutine");
    close_place(&place);
}

static void runs_the_loop_in_a_callback(mouv_future_t future, void *loop) {
    (void)future;
    event("in");
    while (!strstr(events(), "second")) uv_run(loop, UV_RUN_ONCE);
    event("out");
}

/* Both are ready in one round; the second goes on in the callback's own uv_run(). */
static void uv_run_in_a_callback_goes_on_with_what_is_ready(void **state) {
    (void)state;
    struct place place;
    open_place(&place);
    mouv_then(mouv_coro(say, "first"), runs_the_loop_in_a_callback, &place.loop);
    mouv_future_t second = mouv_task(after_20_ms, "second");
    uv_run(&place.loop, UV_RUN_DEFAULT);
    mouv_future_unref(second);
    CHECK_STRING(events(), "first in second out");
    close_place(&place);
}

/* --- Closing -------------------------------------------------------------------------------- */

static int cleans_up_for_30_ms(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(400000);
    MOUV_SHIELD_SCOPE(cleanup, 60000);
    CHECK_INT(mouv_sleep_ms(30), 0);
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
    CHECK(took(began, 30));
    CHECK_STRING(events(), "cancelled cancelled cleaned closed");
}

static void close_if_open(uv_handle_t *handle, void *arg) {
    (void)arg;
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

static void on_usr1(int signum, void *arg) {
    (void)signum, (void)arg;
}

/* The way of libuv's examples: all handles are closed, then whatever owns them. */
static void close_after_a_walk_that_closed_everything(void **state) {
    (void)state;
    for (int run_between = 0; run_between < 2; run_between++) {
        struct place place;
        events_clear();
        open_place_in_real_time(&place);
        CHECK_INT(mouv_signal_add_handler(SIGUSR1, on_usr1, NULL), 0);
        CHECK_INT(mouv_dump_on_signal(SIGUSR2), 0);
        mouv_future_unref(mouv_signal_future(SIGUSR1));
        mouv_future_unref(mouv_task(forever, NULL));
        mouv_future_unref(mouv_task(cleans_up_for_30_ms, NULL));
        uv_run(&place.loop, UV_RUN_NOWAIT);
        uv_run(&place.loop, UV_RUN_NOWAIT);
        uv_walk(&place.loop, close_if_open, NULL);
        if (run_between) uv_run(&place.loop, UV_RUN_DEFAULT);
        close_place(&place);
        CHECK_STRING(events(), "cancelled cleaned closed");
    }
}

static void attaches_and_runs(uv_idle_t *idle) {
    mouv_runtime_t *other = NULL;
    uv_loop_t loop;
    if (mouv_runtime_current() != NULL) return; /* until the handles close */
    assert_int_equal(uv_loop_init(&loop), 0);
    CHECK_INT(mouv_runtime_attach(&other, &loop), MOUV_ESTATE);
    CHECK_INT(mouv_run(forever, NULL, NULL), MOUV_ESTATE);
    assert_int_equal(uv_loop_close(&loop), 0);
    event("refused");
    uv_close((uv_handle_t *)idle, NULL);
}

static void close_whenever_called(mouv_runtime_t *runtime, void *idle) {
    (void)runtime;
    event("closed");
    if (!uv_is_closing(idle)) uv_close(idle, NULL);
}

/* A runtime that closes its handles itself is no walked one. */
static void attach_while_handles_close_is_refused(void **state) {
    (void)state;
    struct place place;
    uv_idle_t idle;
    open_place(&place);
    uv_idle_init(&place.loop, &idle);
    uv_idle_start(&idle, attaches_and_runs);
    mouv_runtime_close(place.runtime, close_whenever_called, &idle);
    uv_run(&place.loop, UV_RUN_DEFAULT);
    CHECK_STRING(events(), "refused closed");
    CHECK_INT(uv_loop_close(&place.loop), 0);
    assert_int_equal(support_failures, 0);
}

/* Then nobody calls the runtime any more. */
static void walk_that_closes_everything_during_the_close_ends_the_runtime(void **state) {
    (void)state;
    struct place place;
    open_place(&place);
    mouv_runtime_close(place.runtime, on_closed, "closed");
    uv_walk(&place.loop, close_if_open, NULL);
    CHECK_INT(uv_run(&place.loop, UV_RUN_DEFAULT), 0);
    CHECK_INT(uv_loop_close(&place.loop), 0);
    mouv_runtime_t *left = place.runtime;
    open_place(&place);
    CHECK_ONE_WARNING("its handles were closed (uv_walk())");
    mouv__lifetime_free(left); /* as only this test can know that it may */
    close_place(&place);
}

static void close_never_runs_a_task_that_has_not_started(void **state) {
    (void)state;
    struct place place;
    open_place(&place);
    mouv_future_unref(mouv_task(ends_at_once, NULL));
    close_place(&place);
    CHECK_STRING(events(), "closed");
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
    CHECK(took(began, 0));
    for (int i = 0; i < 5; i++) {
        CHECK(mouv_future_done(kinds[i]));
        mouv_future_unref(kinds[i]); /* harmless, also afterwards */
    }
}

static void close_twice_calls_both_functions(void **state) {
    (void)state;
    struct place place;
    open_place(&place);
    mouv_runtime_close(place.runtime, on_closed, "first");
    mouv_runtime_close(place.runtime, on_closed, "second");
    CHECK_STRING(events(), "");
    uv_run(&place.loop, UV_RUN_DEFAULT);
    CHECK_STRING(events(), "first second");
    CHECK_INT(uv_loop_close(&place.loop), 0);
}

static void close_without_a_function_closes(void **state) {
    (void)state;
    struct place place;
    open_place(&place);
    mouv_runtime_close(place.runtime, NULL, NULL);
    uv_run(&place.loop, UV_RUN_DEFAULT);
    CHECK(mouv_runtime_current() == NULL);
    CHECK_INT(uv_loop_close(&place.loop), 0);
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
    CHECK_STRING(events(), "called cancelled closed");
    CHECK_INT(uv_loop_close(&place.loop), 0);
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
    CHECK_STRING(events(), "cancelled closed");
    CHECK_INT(uv_loop_close(&place.loop), 0);
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
    CHECK_STRING(events(), "asked");
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
    CHECK_STRING(events(), "ended closed");
    CHECK_INT(take_log(&text), 1);
    CHECK_CONTAINS(text, "stubborn");
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
    CHECK(took(began, 0));
    for (int i = 0; i < 4; i++) CHECK(mouv_future_done(futures[i]));
    CHECK_INT(uv_loop_close(&place.loop), 0);
    take_log(NULL);
}

static void run_until_on_a_closing_runtime_fails(void **state) {
    (void)state;
    struct place place;
    mouv_error_t error = {0};
    open_place(&place);
    mouv_runtime_close(place.runtime, on_closed, "closed");
    CHECK(mouv_run_until(place.runtime, mouv_sleep_future(10), &error) < 0);
    CHECK(error.message[0] != '\0');
    uv_run(&place.loop, UV_RUN_DEFAULT);
    CHECK_STRING(events(), "closed");
    CHECK_INT(uv_loop_close(&place.loop), 0);
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
    /* A small stack may lie so near the thread's that valgrind could take a switch for a large frame. */
    for (int i = 0; i < 4 && rc == 0; i++) {
        mouv_task_opts_t opts = {.stack_size = i % 2 == 0 ? 32 * 1024 : 0};
        rc = mouv_run_until(place.runtime, mouv_task_with(awaits_in_its_own_runtime, NULL, &opts),
                            NULL);
    }
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
        TEST(attach_of_nothing_is_refused),
        TEST(second_runtime_on_a_thread_is_refused),
        TEST(runtime_knows_its_thread_and_its_loop),
        TEST(thread_can_attach_again_after_closing),
        TEST(idle_runtime_keeps_no_loop_alive),
        TEST(pending_task_keeps_the_loop_alive_until_it_has_ended),
        TEST(ready_task_keeps_the_loop_alive),
        TEST(users_own_handles_run_beside_tasks),
        TEST(end_of_the_last_task_does_not_stop_the_users_loop),
        TEST(loop_can_be_run_step_by_step),
        TEST(run_until_returns_as_await_would),
        TEST(run_until_gathers_and_times_out),
        TEST(run_until_stops_when_the_future_is_done_and_leaves_the_rest),
        TEST(run_until_with_nothing_left_to_do_is_refused_and_cancels),
        TEST(run_until_inside_the_running_loop_is_refused),
        TEST(uv_run_inside_of_a_coroutine_is_refused),
        TEST(uv_run_inside_of_a_coroutine_does_not_wait_for_what_cannot_come),
        TEST(uv_run_in_a_callback_goes_on_with_what_is_ready),
        TEST(close_cancels_every_task_and_waits_for_all),
        TEST(close_after_a_walk_that_closed_everything),
        TEST(attach_while_handles_close_is_refused),
        TEST(walk_that_closes_everything_during_the_close_ends_the_runtime),
        TEST(close_never_runs_a_task_that_has_not_started),
        TEST(close_settles_futures_of_every_kind),
        TEST(close_twice_calls_both_functions),
        TEST(close_without_a_function_closes),
        TEST(close_of_nothing_is_harmless),
        TEST(close_from_a_callback_of_the_loop),
        TEST(close_from_a_callback_of_a_future),
        TEST(callback_that_closes_the_loop_is_harmless),
        TEST(task_that_keeps_awaiting_is_named_in_a_warning_and_waited_for),
        TEST(threads_have_runtimes_of_their_own),
        TEST(uses_of_a_closing_runtime_end_cleanly),
        TEST(run_until_on_a_closing_runtime_fails),
    };
    return RUN_CASES(cases);
}
