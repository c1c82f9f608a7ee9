/* What is reported when something is forgotten: never awaited, never retrieved. */
#include <unistd.h>

#include "../support/async_support.h"

static int hello(void *arg) {
    (void)arg;
    event("Hello");
    return 0;
}

static int fails(void *text) {
    return mouv_fail(-5, "%s", (char *)text);
}

static int fails_after_10_ms(void *text) {
    mouv_sleep_ms(10);
    return mouv_fail(-5, "%s", (char *)text);
}

/* Makes a coroutine of hello() and remembers on which line. */
static int line;
#define HELLO() (line = __LINE__, mouv_coro(hello, NULL))

static void check_never_awaited(void) {
    char expected[512];
    const char *text;
    snprintf(expected, sizeof expected,
             "%s:%d: RuntimeWarning: coroutine 'hello' was never awaited\n", __FILE__, line);
    CHECK_INT(take_log(&text), 1);
    CHECK_STRING(text, expected);
}

/* --- Never awaited -------------------------------------------------------------------------- */

CORO_CASE(coroutine_given_up_is_reported_at_once_with_its_file_and_line) {
    mouv_future_unref(HELLO());
    check_never_awaited();
    yield(3);
    CHECK_STRING(events(), "");
    return 0;
}

CORO_CASE(coroutine_dropped_is_reported) {
    mouv_future_t coro = HELLO();
    mouv_future_drop(&coro);
    check_never_awaited();
    {
        MOUV_AUTO mouv_future_t other = HELLO();
        CHECK_NO_WARNING();
    }
    check_never_awaited();
    return 0;
}

static int forgets(void *arg) {
    (void)arg;
    forget(HELLO());
    mouv_sleep_ms(5);
    CHECK_NO_WARNING(); /* the handle might still be awaited */
    event("end");
    return 0;
}

CORO_CASE(coroutine_forgotten_is_reported_when_the_task_that_made_it_ends) {
    CHECK_INT(mouv_await(mouv_task(forgets, NULL), NULL), 0);
    check_never_awaited();
    CHECK_STRING(events(), "end");
    return 0;
}

static void coroutine_forgotten_by_the_main_task_is_reported_by_the_end_of_run(void **state) {
    (void)state;
    run_body(forgets);
    check_never_awaited();
}

static int forgets_in_a_call(void *arg) {
    return mouv_await(mouv_coro(forgets, arg), NULL);
}

CORO_CASE(coroutine_forgotten_by_an_inline_coroutine_is_reported_by_the_end_of_the_task) {
    CHECK_INT(mouv_await(mouv_task(forgets_in_a_call, NULL), NULL), 0);
    check_never_awaited();
    return 0;
}

static int makes_one_for_another(void *out) {
    *(mouv_future_t *)out = HELLO();
    return 0;
}

CORO_CASE(handle_of_a_forgotten_coroutine_is_stale_after_its_task) {
    mouv_future_t coro = {0};
    CHECK_INT(mouv_await(mouv_task(makes_one_for_another, &coro), NULL), 0);
    check_never_awaited();
    CHECK_INT(mouv_await(coro, NULL), MOUV_EINVAL);
    CHECK_STRING(events(), "");
    return 0;
}

CORO_CASE(each_forgotten_coroutine_is_reported_once) {
    const char *text;
    for (int i = 0; i < 3; i++) mouv_future_unref(mouv_coro(hello, NULL));
    CHECK_INT(take_log(&text), 3);
    mouv_future_t coro = mouv_coro(hello, NULL);
    mouv_future_ref(coro);
    mouv_future_unref(coro);
    CHECK_NO_WARNING(); /* a reference is left */
    mouv_future_unref(coro);
    CHECK_INT(take_log(&text), 1);
    mouv_future_unref(coro);
    return 0;
}

CORO_CASE(coroutine_that_was_awaited_in_some_way_is_not_reported) {
    CHECK_INT(mouv_await(mouv_coro(hello, NULL), NULL), 0);
    CHECK_INT(mouv_await(mouv_gather(mouv_coro(hello, NULL), mouv_coro(hello, NULL)), NULL), 0);
    CHECK_INT(mouv_await_for(mouv_coro(hello, NULL), 1000, NULL), 0);
    CHECK_INT(mouv_await(mouv_wait_for(mouv_coro(hello, NULL), 1000), NULL), 0);
    CHECK_INT(mouv_await(mouv_shield(mouv_coro(hello, NULL)), NULL), 0);
    mouv_future_unref(mouv_gather(mouv_coro(hello, NULL)));
    yield(3);
    CHECK_STRING(events(), "Hello Hello Hello Hello Hello Hello Hello");
    CHECK_NO_WARNING();
    return 0;
}

CORO_CASE(task_given_up_is_not_reported) {
    mouv_future_unref(mouv_task(hello, NULL));
    yield(2);
    CHECK_NO_WARNING();
    CHECK_STRING(events(), "Hello");
    return 0;
}

static void coroutine_made_outside_a_task_is_reported_by_the_end_of_its_runtime(void **state) {
    (void)state;
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    uv_loop_init(&loop);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    forget(HELLO());
    uv_run(&loop, UV_RUN_DEFAULT);
    mouv_runtime_close(runtime, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&loop), 0);
    check_never_awaited();
    assert_int_equal(support_failures, 0);
}

/* --- Never retrieved ------------------------------------------------------------------------ */

CORO_CASE(failure_of_a_task_that_nobody_awaits_is_reported) {
    const char *text;
    mouv_task_opts_t opts = {.name = "importer"};
    mouv_future_unref(mouv_task_with(fails, "no such file", &opts));
    yield(3);
    CHECK_INT(take_log(&text), 1);
    CHECK(strncmp(text, "Task exception was never retrieved", 34) == 0);
    CHECK_CONTAINS(text, "no such file");
    CHECK_CONTAINS(text, "importer");
    return 0;
}

CORO_CASE(failure_of_a_task_is_reported_when_its_reference_is_given_up) {
    mouv_future_t task = mouv_task(fails, "why");
    yield(3);
    CHECK_NO_WARNING();
    mouv_future_unref(task);
    CHECK_ONE_WARNING("Task exception was never retrieved");
    return 0;
}

CORO_CASE(failure_is_reported_with_the_last_of_several_references) {
    mouv_future_t task = mouv_task(fails, "why");
    mouv_future_ref(task);
    yield(3);
    mouv_future_unref(task);
    CHECK_NO_WARNING();
    mouv_future_unref(task);
    CHECK_ONE_WARNING("why");
    return 0;
}

CORO_CASE(failure_of_a_future_is_reported_as_one_of_a_future) {
    const char *text;
    mouv_error_t error = {.code = -9, .message = "broken pipe"};
    mouv_future_t future = mouv_future_new();
    mouv_future_set_error(future, &error);
    mouv_future_unref(future);
    CHECK_INT(take_log(&text), 1);
    CHECK(strncmp(text, "Future exception was never retrieved", 36) == 0);
    CHECK_CONTAINS(text, "broken pipe");
    return 0;
}

CORO_CASE(failure_that_was_retrieved_is_not_reported) {
    mouv_error_t error;
    CHECK_INT(mouv_await(mouv_task(fails, "a"), &error), -5);
    CHECK_INT(mouv_await(mouv_task(fails, "b"), NULL), -5); /* awaiting is enough */
    mouv_future_t task = mouv_task(fails, "c");
    yield(2);
    CHECK_INT(mouv_future_result(task, &error), -5);
    mouv_future_unref(task);
    task = mouv_task(fails, "d");
    mouv_future_t again = mouv_future_ref(task);
    CHECK_INT(mouv_await(task, NULL), -5);
    mouv_future_unref(again);
    CHECK_NO_WARNING();
    return 0;
}

CORO_CASE(cancelled_task_is_not_reported) {
    int64_t ms = 60000;
    mouv_future_t task = mouv_task(sleeper, &ms);
    yield(1);
    mouv_future_drop(&task);
    mouv_future_t future = mouv_future_new();
    mouv_future_drop(&future);
    mouv_future_t timer = mouv_sleep_future(60000);
    mouv_future_drop(&timer);
    yield(4);
    CHECK_NO_WARNING();
    return 0;
}

CORO_CASE(pending_future_given_up_is_not_reported) {
    mouv_future_unref(mouv_future_new());
    mouv_future_unref(mouv_sleep_future(1));
    mouv_sleep_ms(5);
    CHECK_NO_WARNING();
    return 0;
}

static int passes_on(void *arg) {
    return mouv_await(mouv_task(fails, arg), NULL);
}

CORO_CASE(failure_that_is_passed_on_is_reported_once) {
    const char *text;
    mouv_future_unref(mouv_task(passes_on, "from below"));
    yield(5);
    CHECK_INT(take_log(&text), 1);
    CHECK_CONTAINS(text, "from below");
    return 0;
}

CORO_CASE(failure_of_a_gather_that_nobody_awaits_is_reported_once) {
    mouv_future_unref(mouv_gather(mouv_coro(fails, "in a gather")));
    yield(5);
    CHECK_ONE_WARNING("exception was never retrieved");
    return 0;
}

static int leaves_a_failing_task(void *arg) {
    mouv_future_unref(mouv_task(fails_after_10_ms, "while ending"));
    mouv_sleep_ms(1);
    return arg != NULL;
}

static void failure_of_a_task_left_behind_is_reported_by_the_end_of_run(void **state) {
    (void)state;
    run_body(leaves_a_failing_task);
    CHECK_ONE_WARNING("while ending");
}

static int keeps_a_failed_task(void *arg) {
    (void)arg;
    forget(mouv_task(fails, "kept for ever"));
    mouv_sleep_ms(5);
    return 0;
}

static void failure_behind_a_forgotten_handle_is_reported_by_the_end_of_run(void **state) {
    (void)state;
    run_body(keeps_a_failed_task);
    CHECK_ONE_WARNING("kept for ever");
}

static int main_fails(void *arg) {
    (void)arg;
    return -5;
}

static void failure_of_the_main_task_is_returned_and_not_reported(void **state) {
    (void)state;
    assert_int_equal(mouv_run(main_fails, NULL, NULL), -5);
    CHECK_NO_WARNING();
}

/* --- Where it goes -------------------------------------------------------------------------- */

static int forgets_one(void *arg) {
    (void)arg;
    mouv_future_unref(HELLO());
    return 0;
}

static void warnings_go_to_stderr_by_default(void **state) {
    (void)state;
    char text[1024] = "", expected[512];
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    mouv_log_set_handler(NULL, NULL);
    fflush(stderr);
    dup2(ends[1], STDERR_FILENO);
    mouv_run(forgets_one, NULL, NULL);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(ends[1]);
    close(saved);
    assert_true(read(ends[0], text, sizeof text - 1) >= 0);
    close(ends[0]);
    snprintf(expected, sizeof expected,
             "%s:%d: RuntimeWarning: coroutine 'hello' was never awaited\n", __FILE__, line);
    assert_string_equal(text, expected);
}

static void notes_its_argument(mouv_log_level_t level, const char *message, void *arg) {
    CHECK(level == MOUV_LOG_WARNING || level == MOUV_LOG_ERROR);
    CHECK(message[0] && message[strlen(message) - 1] != '\n');
    event("%s", (char *)arg);
}

static void handler_gets_its_argument_a_level_and_no_newline(void **state) {
    (void)state;
    mouv_log_set_handler(notes_its_argument, "mine");
    mouv_run(forgets_one, NULL, NULL);
    assert_string_equal(events(), "mine");
}

static void notes_the_error(const mouv_error_t *error, const char *what, void *arg) {
    event("%s: %d %s (%d): %s", (char *)arg, error->code, error->code_name, error->server_code,
          error->message);
    CHECK_CONTAINS(what, "task 'Task-2' (fails_whole at " __FILE__);
}

static int fails_whole(void *arg) {
    mouv_error_t error = {.code = MOUV_ESERVER, .server_code = 11000, .code_name = "DuplicateKey"};
    (void)arg;
    snprintf(error.message, sizeof error.message, "E11000");
    return mouv_fail_with(&error);
}

static int forgets_a_failure(void *arg) {
    (void)arg;
    mouv_future_unref(mouv_task(fails_whole, NULL));
    yield(2);
    return 0;
}

static void handler_of_unretrieved_errors_gets_them_whole_in_place_of_the_log(void **state) {
    (void)state;
    mouv_log_set_unretrieved_handler(notes_the_error, "mine");
    mouv_run(forgets_a_failure, NULL, NULL);
    CHECK_NO_WARNING();
    assert_string_equal(events(), "mine: -20003 DuplicateKey (11000): E11000");
    mouv_log_set_unretrieved_handler(NULL, NULL);
    mouv_run(forgets_a_failure, NULL, NULL);
    CHECK_ONE_WARNING("Task exception was never retrieved");
}

/* --- Debug mode: forgotten ------------------------------------------------------------------- */

static int forgets_twelve(void *arg) {
    (void)arg;
    forget(mouv_task_copy(hello, NULL, 0));
    forget(mouv_sleep_future(1));
    for (int i = 0; i < 10; i++) forget(mouv_future_new());
    mouv_future_unref(mouv_future_new()); /* is not forgotten, */
    mouv_await(mouv_task(hello, NULL), NULL);
    forget(HELLO()); /* and this is told of in every mode */
    return 0;
}

static void close_names_ten_futures_that_were_forgotten(void **state) {
    const char *text;
    (void)state;
    mouv_run(forgets_twelve, NULL, NULL);
    check_never_awaited();
    mouv_debug_enable(true);
    mouv_run(forgets_twelve, NULL, NULL);
    mouv_debug_enable(false);
    assert_int_equal(take_log(&text), 11);
    CHECK_CONTAINS(text, "'hello' was never awaited");
    CHECK_CONTAINS(text, "forgotten: task 'Task-2' (hello at " __FILE__);
    CHECK_CONTAINS(text, "forgotten: sleep 'sleep', made in task 'Task-1' (main at ");
    CHECK_CONTAINS(text, "forgotten: and 3 more");
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(coroutine_given_up_is_reported_at_once_with_its_file_and_line),
        TEST(coroutine_dropped_is_reported),
        TEST(coroutine_forgotten_is_reported_when_the_task_that_made_it_ends),
        TEST(coroutine_forgotten_by_the_main_task_is_reported_by_the_end_of_run),
        TEST(coroutine_forgotten_by_an_inline_coroutine_is_reported_by_the_end_of_the_task),
        TEST(handle_of_a_forgotten_coroutine_is_stale_after_its_task),
        TEST(each_forgotten_coroutine_is_reported_once),
        TEST(coroutine_that_was_awaited_in_some_way_is_not_reported),
        TEST(task_given_up_is_not_reported),
        TEST(coroutine_made_outside_a_task_is_reported_by_the_end_of_its_runtime),
        TEST(failure_of_a_task_that_nobody_awaits_is_reported),
        TEST(failure_of_a_task_is_reported_when_its_reference_is_given_up),
        TEST(failure_is_reported_with_the_last_of_several_references),
        TEST(failure_of_a_future_is_reported_as_one_of_a_future),
        TEST(failure_that_was_retrieved_is_not_reported),
        TEST(cancelled_task_is_not_reported),
        TEST(pending_future_given_up_is_not_reported),
        TEST(failure_that_is_passed_on_is_reported_once),
        TEST(failure_of_a_gather_that_nobody_awaits_is_reported_once),
        TEST(failure_of_a_task_left_behind_is_reported_by_the_end_of_run),
        TEST(failure_behind_a_forgotten_handle_is_reported_by_the_end_of_run),
        TEST(failure_of_the_main_task_is_returned_and_not_reported),
        TEST(warnings_go_to_stderr_by_default),
        TEST(handler_gets_its_argument_a_level_and_no_newline),
        TEST(handler_of_unretrieved_errors_gets_them_whole_in_place_of_the_log),
        TEST(close_names_ten_futures_that_were_forgotten),
    };
    return RUN_CASES(cases);
}
