/*
 * Seeing inside: debug mode's reports, the dump of the task tree, the census of stacks, the last
 * words of a task whose stack overflows.
 */
#include "context/sanitizer.h"

#include "../support/async_support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mouv/debug.h>

/* --- The dump ------------------------------------------------------------------------------- */

static char dumped[4096];

static size_t dump(void) {
    memset(dumped, 0, sizeof dumped);
    FILE *out = fmemopen(dumped, sizeof dumped - 1, "w");
    size_t count = mouv_dump_tasks(out);
    fclose(out);
    return count;
}

static int naps(void *arg) {
    (void)arg;
    return mouv_sleep_ms(200);
}

static int awaits_two(void *arg) {
    (void)arg;
    return mouv_await(mouv_gather(mouv_coro(naps, NULL), mouv_coro(naps, NULL)), NULL);
}

CORO_CASE(dump_shows_who_awaits_whom_and_where) {
    mouv_future_t parent = mouv_task(awaits_two, NULL);
    yield(5);
    CHECK_INT((long long)dump(), 4);
    CHECK_CONTAINS(dumped, "Task-1 main (mouv_run:0): running\n");
    CHECK_CONTAINS(dumped, "\nTask-2 awaits_two (");
    CHECK_CONTAINS(dumped, "awaits gather at ");
    CHECK_CONTAINS(dumped, "\n  Task-3 naps (");
    CHECK_CONTAINS(dumped, "\n  Task-4 naps (");
    CHECK_CONTAINS(dumped, "sleeps for ");
    CHECK_CONTAINS(dumped, "test_debug.c:");
    CHECK_INT(mouv_await(parent, NULL), 0);
    return 0;
}

CORO_CASE(dump_shows_tasks_that_have_not_started_and_cancelled_ones) {
    mouv_future_t fresh = mouv_task(naps, NULL);
    dump();
    CHECK_CONTAINS(dumped, "Task-2 naps (");
    CHECK_CONTAINS(dumped, "): not started\n");
    mouv_sleep_ms(0);
    mouv_future_cancel(fresh);
    dump();
    CHECK_CONTAINS(dumped, ", cancelled\n");
    CHECK_INT(mouv_await(fresh, NULL), MOUV_ECANCELED);
    return 0;
}

CORO_CASE(all_tasks_counts_and_fills_no_more_than_asked) {
    mouv_future_t one = mouv_task(naps, NULL), two = mouv_task(naps, NULL), found[2] = {{0}, {0}};
    CHECK_INT((long long)mouv_all_tasks(NULL, 0), 3);
    CHECK_INT((long long)mouv_all_tasks(found, 2), 3);
    CHECK(found[0].id == mouv_current_task().id);
    CHECK(found[1].id == one.id);
    return mouv_await(mouv_gather(one, two), NULL);
}

static void dump_without_a_runtime_is_nothing(void **state) {
    (void)state;
    assert_int_equal(mouv_dump_tasks(stderr), 0);
    assert_int_equal(mouv_all_tasks(NULL, 0), 0);
    assert_int_equal(mouv_dump_on_signal(SIGUSR1), MOUV_ENOLOOP);
}

static int raises_usr1(void *arg) {
    (void)arg;
    if (mouv_dump_on_signal(SIGUSR1) != 0) return 1;
    raise(SIGUSR1);
    return mouv_sleep_ms(50);
}

/* What a child process that runs `body` under mouv_main() writes to stderr, and how it ends. */
static int run_child(mouv_fn_t body, char *text, size_t size) {
    int ends[2], status = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        mouv_log_set_handler(NULL, NULL);
        signal(SIGSEGV, SIG_DFL); /* cmocka has set its own */
        _exit(mouv_main(body, NULL));
    }
    close(ends[1]);
    size_t used = 0;
    ssize_t got;
    while ((got = read(ends[0], text + used, size - 1 - used)) > 0) used += (size_t)got;
    text[used] = '\0';
    close(ends[0]);
    waitpid(child, &status, 0);
    return status;
}

static void dump_on_a_signal_goes_to_stderr(void **state) {
    (void)state;
    char text[4096];
    int status = run_child(raises_usr1, text, sizeof text);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_non_null(strstr(text, "Task-1 main (mouv_run:0): sleeps for "));
}

CORO_CASE(dump_on_a_number_that_is_no_signal_is_refused) {
    CHECK_INT(mouv_dump_on_signal(12345), MOUV_EINVAL);
    return 0;
}

/* --- Debug mode ----------------------------------------------------------------------------- */

static int is_slow(void *arg) {
    (void)arg;
    for (int64_t until = clock_ms() + 30; clock_ms() < until;) continue;
    return 0;
}

/* How long a step takes is real time. */
REAL_CASE(slow_step_is_reported_with_name_and_duration_in_debug_mode_only) {
    const char *text;
    CHECK_INT(mouv_await(mouv_task(is_slow, NULL), NULL), 0);
    CHECK_NO_WARNING();
    mouv_debug_enable(true);
    mouv_debug_set_slow_ms(20);
    CHECK_INT(mouv_await(mouv_task(is_slow, NULL), NULL), 0);
    mouv_debug_enable(false);
    mouv_debug_set_slow_ms(100);
    CHECK(take_log(&text) >= 1);
    CHECK_CONTAINS(text, "Executing task 'Task-3' (is_slow at ");
    CHECK_CONTAINS(text, " seconds");
    return 0;
}

static void cancel_elsewhere(void *future) {
    mouv_future_cancel(*(mouv_future_t *)future);
}

REAL_CASE(use_on_a_wrong_thread_is_reported_in_debug_mode) {
    uv_thread_t thread;
    mouv_future_t future = mouv_future_new();
    mouv_debug_set_slow_ms(400000);
    mouv_debug_enable(true);
    CHECK(mouv_debug_enabled());
    uv_thread_create(&thread, cancel_elsewhere, &future);
    uv_thread_join(&thread);
    mouv_debug_enable(false);
    mouv_debug_set_slow_ms(100);
    CHECK_ONE_WARNING("Non-thread-safe operation");
    CHECK(!mouv_future_done(future));
    mouv_future_unref(future);
    return 0;
}

/* --- Stacks --------------------------------------------------------------------------------- */

static int uses_100_kib(void *arg) {
    volatile char block[100 * 1024];
    for (size_t i = 0; i < sizeof block; i += 512) block[i] = 1;
    (void)arg;
    return mouv_sleep_ms(200) + block[0] - 1;
}

CORO_CASE(census_finds_the_deepest_stack) {
    mouv_stack_census_t census;
    mouv_future_t deep = mouv_task(uses_100_kib, NULL), flat = mouv_task(naps, NULL);
    yield(5);
    mouv_stack_census(&census);
    CHECK_INT((long long)census.tasks, 3);
    CHECK(census.high_water_bytes >= 100 * 1024);
    CHECK(census.touched_bytes > census.high_water_bytes);
    CHECK(census.reserved_bytes >= 3 * 250 * 1024);
    CHECK_STRING(census.deepest, "Task-2 uses_100_kib");
    return mouv_await(mouv_gather(deep, flat), NULL);
}

/* Each call is kept in being by what its callee writes into its frame. */
static int recurses(void *arg) {
    volatile char block[1024];
    block[0] = 0;
    if (arg != NULL) *(volatile char *)arg = 1;
    if (uv_hrtime() == 0) return 0; /* never; the compiler cannot know */
    return recurses((void *)block) + block[0];
}

static int overflows(void *arg) {
    return mouv_await(mouv_task(recurses, arg), NULL);
}

static void overflowing_task_is_named_before_the_process_dies(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("a sanitizer has the SIGSEGV handler: only that the process dies is checked\n");
    char text[65536];
    assert_int_not_equal(run_child(overflows, text, sizeof text), 0);
#else
    char text[65536];
    int status = run_child(overflows, text, sizeof text);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    assert_non_null(strstr(text, "mouv: stack overflow in task 'Task-2' (recurses at "));
#endif
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static volatile size_t frame_bytes;

/* One frame that begins far below its stack: only its far end is touched. */
__attribute__((noinline)) static int jumps(void *arg) {
    volatile char frame[frame_bytes];
    frame[0] = arg != NULL;
    return snprintf((char *)frame, 32, "%f", 1.5);
}

static int jumps_out_of_its_stack(void *arg) {
    return mouv_await(mouv_task(jumps, arg), NULL);
}

static void frame_that_steps_over_the_guard_is_named_as_well(void **state) {
    char text[65536];
    const size_t sizes[] = {264 * 1024, 300 * 1024, (size_t)1 << 40};
    /* Below valgrind's stacks there is no such room: the pointer would wrap around. */
    size_t count = mouv__fiber_wants_fence() ? 2 : 3;
    (void)state;
    for (size_t i = 0; i < count; i++) {
        frame_bytes = sizes[i];
        int status = run_child(jumps_out_of_its_stack, text, sizeof text);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
        assert_non_null(strstr(text, "mouv: stack overflow in task 'Task-2' (jumps at "));
    }
}
#endif

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(dump_shows_who_awaits_whom_and_where),
        TEST(dump_shows_tasks_that_have_not_started_and_cancelled_ones),
        TEST(all_tasks_counts_and_fills_no_more_than_asked),
        TEST(dump_without_a_runtime_is_nothing),
        TEST(dump_on_a_signal_goes_to_stderr),
        TEST(dump_on_a_number_that_is_no_signal_is_refused),
        TEST(slow_step_is_reported_with_name_and_duration_in_debug_mode_only),
        TEST(use_on_a_wrong_thread_is_reported_in_debug_mode),
        TEST(census_finds_the_deepest_stack),
        TEST(overflowing_task_is_named_before_the_process_dies),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        TEST(frame_that_steps_over_the_guard_is_named_as_well),
#endif
    };
    return RUN_CASES(cases);
}
