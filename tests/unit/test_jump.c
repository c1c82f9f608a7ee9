/* A coroutine that is left by a jump, as failed assertions of cmocka, Check and Unity leave it. */
/* test: no-tsan */
#include <ucontext.h>

#include "../support/async_support.h"

/* ThreadSanitizer ends a program that jumps from one fiber to another. */

static jmp_buf framework; /* where a test framework's runner waits for failed assertions */
static mouv_runtime_t *runtime;
static uv_loop_t loop;

static int fails(void *arg) {
    (void)arg;
    mouv_sleep_ms(1);
    event("fails");
    longjmp(framework, 1);
}

#define CHECK_LEFT(fn) CHECK_ONE_WARNING(fn)

/* What a test does until its assertion fails: true if one did. */
#define FAILS_IN(statement) (setjmp(framework) == 0 ? ((void)(statement), false) : true)

static void fixture_begin(void) {
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
}

static void fixture_end(void) {
    mouv_runtime_close(runtime, NULL, NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(support_failures, 0);
}

static void coroutine_left_by_a_jump_is_named_and_the_loop_runs_again(void **state) {
    (void)state;
    fixture_begin();
    assert_true(FAILS_IN(mouv_run_until(runtime, mouv_coro(fails, NULL), NULL)));
    assert_false(mouv_in_coroutine());
    CHECK_LEFT("(fails at ");
    assert_int_equal(mouv_run_until(runtime, mouv_coro(say, "next"), NULL), 0);
    assert_string_equal(events(), "fails next");
    fixture_end();
}

/* As a teardown does that is nested more deeply than the test was. */
static __attribute__((noinline)) int run_deeper(int depth) {
    volatile char frame[2048];
    memset((void *)frame, depth, sizeof frame);
    if (depth > 0) return run_deeper(depth - 1) + (frame[7] != depth);
    return mouv_run_until(runtime, mouv_coro(say, "deeper"), NULL);
}

static void coroutine_left_by_a_jump_is_found_from_a_deeper_frame(void **state) {
    (void)state;
    fixture_begin();
    assert_true(FAILS_IN(mouv_run_until(runtime, mouv_coro(fails, NULL), NULL)));
    assert_int_equal(run_deeper(40), 0);
    CHECK_LEFT("(fails at ");
    fixture_end();
}

static void await_after_a_jump_is_outside_of_a_coroutine(void **state) {
    (void)state;
    mouv_scope_t scope;
    fixture_begin();
    assert_true(FAILS_IN(mouv_run_until(runtime, mouv_coro(fails, NULL), NULL)));
    assert_int_equal(mouv_await(mouv_sleep_future(1), NULL), MOUV_ENOTCORO);
    CHECK_LEFT("(fails at ");
    assert_int_equal(mouv_sleep_ms(1), MOUV_ENOTCORO);
    assert_int_equal(mouv_timeout_begin(&scope, 1), MOUV_ENOTCORO);
    fixture_end();
}

static void runtime_closes_after_a_jump(void **state) {
    (void)state;
    fixture_begin();
    assert_true(FAILS_IN(mouv_run_until(runtime, mouv_coro(fails, NULL), NULL)));
    fixture_end();
    CHECK_LEFT("(fails at ");
}

static int sleeps_and_says(void *word) {
    mouv_sleep_ms(1);
    return say(word);
}

/* All three are ready in the same tick, and the one in the middle jumps. */
static void others_that_were_ready_go_on_after_a_jump(void **state) {
    (void)state;
    fixture_begin();
    use_virtual_clock();
    mouv_future_t before = mouv_task(sleeps_and_says, "before");
    mouv_future_t left = mouv_task(fails, NULL);
    mouv_future_t after = mouv_task(sleeps_and_says, "after");
    assert_true(FAILS_IN(uv_run(&loop, UV_RUN_DEFAULT)));
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK_LEFT("(fails at ");
    assert_string_equal(events(), "before fails after");
    mouv_error_t error;
    assert_int_equal(mouv_future_result(left, &error), MOUV_ESTATE);
    assert_string_equal(error.message, "coroutine 'fails' was left by a jump");
    mouv_future_unref(before);
    mouv_future_unref(left);
    mouv_future_unref(after);
    fixture_end();
}

struct words {
    char word[64];
};

static int says_late(void *arg) {
    struct words *words = arg;
    mouv_sleep_ms(20);
    return say(words->word);
}

static int starts_and_fails(void *arg) {
    struct words words = {"argument"};
    (void)arg;
    MOUV_TIMEOUT_SCOPE(limit, 10);
    mouv_future_unref(mouv_task(says_late, &words));
    mouv_sleep_ms(1);
    longjmp(framework, 1);
}

static int uses_stacks(void *arg) {
    volatile char frame[8192];
    memset((void *)frame, 'x', sizeof frame);
    (void)arg;
    mouv_sleep_ms(50);
    return frame[100] == 'x' ? 0 : -1;
}

static void frames_that_a_jump_has_left_stay_for_the_tasks_that_use_them(void **state) {
    (void)state;
    fixture_begin();
    use_virtual_clock();
    assert_true(FAILS_IN(mouv_run_until(runtime, mouv_coro(starts_and_fails, NULL), NULL)));
    assert_int_equal(mouv_run_until(runtime, mouv_coro(uses_stacks, NULL), NULL), 0);
    CHECK_LEFT("(starts_and_fails at ");
    assert_string_equal(events(), "argument");
    fixture_end();
}

static int waits_for_ever(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(1000000);
    event(rc == MOUV_ECANCELED ? "cancelled" : "slept");
    return rc;
}

static void what_the_loop_was_run_for_is_cancelled_by_a_jump(void **state) {
    (void)state;
    fixture_begin();
    mouv_future_t both = mouv_gather(mouv_coro(waits_for_ever, NULL), mouv_coro(fails, NULL));
    assert_true(FAILS_IN(mouv_run_until(runtime, both, NULL)));
    assert_int_equal(mouv_run_until(runtime, mouv_sleep_future(1), NULL), 0);
    CHECK_LEFT("(fails at ");
    assert_string_equal(events(), "fails cancelled");
    fixture_end();
}

static int awaits_one_that_fails(void *arg) {
    return mouv_await(mouv_coro(fails, arg), NULL);
}

static void call_within_a_coroutine_that_jumps_names_its_task(void **state) {
    (void)state;
    fixture_begin();
    assert_true(FAILS_IN(mouv_run_until(runtime, mouv_task(awaits_one_that_fails, NULL), NULL)));
    assert_int_equal(mouv_run_until(runtime, mouv_sleep_future(0), NULL), 0);
    CHECK_LEFT("(awaits_one_that_fails at ");
    fixture_end();
}

static void run_that_was_left_by_a_jump_is_ended_by_the_next(void **state) {
    (void)state;
    assert_true(FAILS_IN(mouv_run(fails, NULL, NULL)));
    assert_int_equal(mouv_run(say, "next", NULL), 0);
    CHECK_LEFT("'Task-1' (main at ");
    assert_string_equal(events(), "fails next");
    assert_null(mouv_runtime_current());
}

static void run_that_was_left_by_a_jump_makes_way_for_a_fixture(void **state) {
    (void)state;
    assert_int_equal(uv_loop_init(&loop),
                     0); /* with ASan, mouv clears its frames away before others come */
    assert_true(FAILS_IN(mouv_run(fails, NULL, NULL)));
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    CHECK_LEFT("'Task-1' (main at ");
    fixture_end();
}

/* Stacks of the program's own, within a task: no jump has left anything. */
static ucontext_t task_context, own_context;

static void sleeps_on_another_stack(void) {
    CHECK(mouv_in_coroutine());
    CHECK_INT(mouv_sleep_ms(5), 0);
    event("slept");
}

CORO_CASE(task_may_await_on_a_stack_of_the_programs_own) {
    static char memory[128 * 1024];
    getcontext(&own_context);
    own_context.uc_stack.ss_sp = memory;
    own_context.uc_stack.ss_size = sizeof memory;
    own_context.uc_link = &task_context;
    makecontext(&own_context, sleeps_on_another_stack, 0);
    swapcontext(&task_context, &own_context);
    CHECK_STRING(events(), "slept");
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(coroutine_left_by_a_jump_is_named_and_the_loop_runs_again),
        TEST(coroutine_left_by_a_jump_is_found_from_a_deeper_frame),
        TEST(await_after_a_jump_is_outside_of_a_coroutine),
        TEST(runtime_closes_after_a_jump),
        TEST(others_that_were_ready_go_on_after_a_jump),
        TEST(frames_that_a_jump_has_left_stay_for_the_tasks_that_use_them),
        TEST(what_the_loop_was_run_for_is_cancelled_by_a_jump),
        TEST(call_within_a_coroutine_that_jumps_names_its_task),
        TEST(run_that_was_left_by_a_jump_is_ended_by_the_next),
        TEST(run_that_was_left_by_a_jump_makes_way_for_a_fixture),
        TEST(task_may_await_on_a_stack_of_the_programs_own),
    };
    return RUN_CASES(cases);
}
