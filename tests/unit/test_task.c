/* Coroutines and tasks: when they start, on which stack, with which arguments, under which name. */
#include <limits.h>
#include <stdalign.h>

#include "../support/async_support.h"

/* --- Starting ------------------------------------------------------------------------------- */

CORO_CASE(task_starts_at_its_creators_next_suspension) {
    mouv_future_t task = mouv_task(say, "body");
    event("created");
    mouv_sleep_ms(0);
    event("resumed");
    CHECK_INT(mouv_await(task, NULL), 0);
    CHECK_STRING(events(), "created body resumed");
    return 0;
}

CORO_CASE(tasks_start_first_come_first_served) {
    const char *words[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) mouv_future_unref(mouv_task(say, (void *)words[i]));
    yield(1);
    CHECK_STRING(events(), "a b c d e");
    return 0;
}

static int two_steps(void *word) {
    for (int i = 1; i <= 3; i++) {
        event("%s%d", (const char *)word, i);
        mouv_sleep_ms(0);
    }
    return 0;
}

CORO_CASE(ready_tasks_take_turns) {
    mouv_future_t both = mouv_gather(mouv_task(two_steps, "a"), mouv_task(two_steps, "b"));
    CHECK_INT(mouv_await(both, NULL), 0);
    CHECK_STRING(events(), "a1 b1 a2 b2 a3 b3");
    return 0;
}

static int spawns(void *arg) {
    (void)arg;
    event("parent");
    mouv_future_unref(mouv_task(say, "child"));
    return 0;
}

CORO_CASE(task_made_in_a_tick_runs_after_those_that_were_ready) {
    mouv_future_unref(mouv_task(spawns, NULL));
    mouv_future_unref(mouv_task(say, "other"));
    yield(3);
    CHECK_STRING(events(), "parent other child");
    return 0;
}

CORO_CASE(unreferenced_task_runs_to_its_end) {
    int64_t ms = 5;
    mouv_future_unref(mouv_task(sleeper, &ms));
    mouv_future_unref(mouv_task(two_steps, "x"));
    pause_ms(20);
    CHECK_STRING(events(), "x1 x2 x3");
    return 0;
}

CORO_CASE(awaited_task_gives_its_int) {
    const int values[] = {0, 1, 200, INT_MAX, -1, -5, INT_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        int value = values[i];
        CHECK_INT(mouv_await(mouv_task(return_int, &value), NULL), value);
        CHECK_INT(mouv_await(mouv_coro(return_int, &value), NULL), value);
    }
    return 0;
}

CORO_CASE(task_without_a_body_fails_at_the_await) {
    mouv_error_t error = {0};
    CHECK_INT(mouv_await(mouv_task(NULL, NULL), &error), MOUV_EINVAL);
    CHECK(error.message[0] != '\0');
    CHECK_INT(mouv_await(mouv_coro(NULL, NULL), NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_task_copy(NULL, "x", 1), NULL), MOUV_EINVAL);
    return 0;
}

/* --- Coroutines ----------------------------------------------------------------------------- */

CORO_CASE(coroutine_does_not_run_before_it_is_awaited) {
    mouv_future_t coro = mouv_coro(say, "body");
    mouv_sleep_ms(5);
    CHECK(!mouv_future_done(coro));
    event("await");
    CHECK_INT(mouv_await(coro, NULL), 0);
    CHECK_STRING(events(), "await body");
    return 0;
}

static int note_task(void *id) {
    *(uint64_t *)id = mouv_current_task().id;
    return 0;
}

CORO_CASE(awaited_coroutine_is_a_call_in_the_same_task) {
    uint64_t in_coro = 0, in_task = 0;
    mouv_future_unref(mouv_task(say, "other"));
    CHECK_INT(mouv_await(mouv_coro(note_task, &in_coro), NULL), 0);
    CHECK_STRING(events(), ""); /* it did not suspend, so nothing else ran */
    CHECK(in_coro == mouv_current_task().id);
    CHECK_INT(mouv_await(mouv_task(note_task, &in_task), NULL), 0);
    CHECK(in_task != mouv_current_task().id);
    return 0;
}

CORO_CASE(coroutine_can_be_awaited_once) {
    mouv_error_t error = {0};
    mouv_future_t coro = mouv_coro(say, "body");
    CHECK_INT(mouv_await(coro, NULL), 0);
    CHECK_INT(mouv_await(coro, &error), MOUV_EINVAL);
    CHECK_CONTAINS(error.message, "already consumed");
    CHECK_STRING(events(), "body");
    return 0;
}

static int nested(void *depth) {
    int left = *(int *)depth - 1;
    if (left == 0) return mouv_sleep_ms(1);
    return mouv_await(mouv_coro(nested, &left), NULL);
}

CORO_CASE(coroutines_nest) {
    int depth = 40;
    CHECK_INT(mouv_await(mouv_coro(nested, &depth), NULL), 0);
    return 0;
}

static int chain(void *depth) {
    int left = *(int *)depth - 1;
    if (left == 0) return 7;
    return mouv_await(mouv_task(chain, &left), NULL);
}

CORO_CASE(thousand_tasks_await_one_another_in_a_chain) {
    int depth = 1000;
    CHECK_INT(mouv_await(mouv_task(chain, &depth), NULL), 7);
    return 0;
}

/* --- Arguments ------------------------------------------------------------------------------ */

struct args {
    int a, b;
    char text[100];
};

static int add(void *arg) {
    struct args *args = arg;
    mouv_sleep_ms(1);
    CHECK_INT((uintptr_t)arg % alignof(max_align_t), 0);
    CHECK_STRING(args->text, "copied");
    args->text[0] = 'X'; /* ours to write to */
    return args->a + args->b;
}

static mouv_future_t add_later(int a, int b) {
    struct args args = {a, b, "copied"};
    mouv_future_t task = mouv_task_copy(add, &args, sizeof args);
    memset(&args, 'x', sizeof args);
    return task;
}

CORO_CASE(task_copy_outlives_its_arguments) {
    mouv_future_t tasks[20];
    for (int i = 0; i < 20; i++) tasks[i] = add_later(i, 1000);
    for (int i = 0; i < 20; i++) CHECK_INT(mouv_await(tasks[i], NULL), i + 1000);
    return 0;
}

static int checksum(void *arg) {
    const unsigned char *bytes = arg;
    int sum = 0;
    for (int i = 0; i < 100000; i++) sum += bytes[i];
    return sum;
}

CORO_CASE(task_copy_takes_large_blocks) {
    unsigned char *block = malloc(100000);
    memset(block, 3, 100000);
    mouv_future_t task = mouv_task_copy(checksum, block, 100000);
    free(block);
    CHECK_INT(mouv_await(task, NULL), 300000);
    return 0;
}

static mouv_future_t add_cold(int a, int b) {
    struct args args = {a, b, "copied"};
    mouv_future_t coro = mouv_coro_copy(add, &args, sizeof args);
    memset(&args, 'x', sizeof args);
    return coro;
}

CORO_CASE(coro_copy_outlives_its_arguments_awaited_or_as_a_child) {
    CHECK_INT(mouv_await(add_cold(1, 2), NULL), 3);
    int64_t ms = 5;
    mouv_future_t third = add_cold(3, 4);
    CHECK_INT(
        mouv_await(mouv_gather(add_cold(1, 1), mouv_future_ref(third), mouv_coro(sleeper, &ms)),
                   NULL),
        0);
    CHECK_INT(mouv_await(third, NULL), 7);
    CHECK_INT(mouv_await(mouv_coro_copy(add, NULL, 8), NULL), MOUV_EINVAL);
    return 0;
}

static int ends_with_7(void *arg) {
    (void)arg;
    return 7;
}

CORO_CASE(task_copy_of_nothing_runs) {
    CHECK_INT(mouv_await(mouv_task_copy(ends_with_7, NULL, 0), NULL), 7);
    CHECK_INT(mouv_await(mouv_task_copy(ends_with_7, "", 0), NULL), 7);
    return 0;
}

CORO_CASE(task_copy_of_null_with_a_size_is_refused) {
    CHECK_INT(mouv_await(mouv_task_copy(ends_with_7, NULL, 8), NULL), MOUV_EINVAL);
    return 0;
}

CORO_CASE(task_with_copy_ignores_arg) {
    struct args args = {1, 2, "copied"};
    mouv_task_opts_t opts = {.copy = &args, .copy_size_bytes = sizeof args};
    mouv_future_t task = mouv_task_with(add, (void *)1, &opts);
    memset(&args, 'x', sizeof args);
    CHECK_INT(mouv_await(task, NULL), 3);
    return 0;
}

CORO_CASE(task_with_zero_options_is_a_task) {
    int five = 5;
    mouv_task_opts_t opts = {0};
    CHECK_INT(mouv_await(mouv_task_with(return_int, &five, &opts), NULL), 5);
    CHECK_INT(mouv_await(mouv_task_with(return_int, &five, NULL), NULL), 5);
    return 0;
}

/* --- Names and the current task ------------------------------------------------------------- */

static int says_its_name(void *arg) {
    (void)arg;
    event("%s", mouv_future_name(mouv_current_task()));
    return 0;
}

CORO_CASE(task_with_a_name_has_it_copied_and_cut) {
    char name[] = "worker";
    mouv_task_opts_t opts = {.name = name};
    mouv_future_t task = mouv_task_with(says_its_name, NULL, &opts);
    name[0] = 'X';
    CHECK_INT(mouv_await(task, NULL), 0);
    opts.name = "1234567890123456789012345678901234567890";
    CHECK_INT(mouv_await(mouv_task_with(says_its_name, NULL, &opts), NULL), 0);
    CHECK_STRING(events(), "worker 1234567890123456789012345678901");
    return 0;
}

CORO_CASE(current_task_is_the_handle_the_creator_has) {
    uint64_t id = 0;
    mouv_future_t task = mouv_task(note_task, &id);
    CHECK_INT(mouv_await(task, NULL), 0);
    CHECK(id == task.id);
    CHECK(!mouv_future_done(mouv_current_task()));
    return 0;
}

static void outside(mouv_future_t future, void *arg) {
    (void)future, (void)arg;
    CHECK(!mouv_in_coroutine());
    CHECK(mouv_future_done(mouv_current_task()));
    CHECK(!mouv_future_cancel(mouv_current_task()));
    CHECK(!mouv_cancelling());
    CHECK(!mouv_uncancel());
    event("outside");
}

CORO_CASE(there_is_no_current_task_in_a_callback) {
    CHECK(mouv_in_coroutine());
    CHECK_INT(mouv_then(mouv_sleep_future(0), outside, NULL), 0);
    mouv_sleep_ms(5);
    CHECK_STRING(events(), "outside");
    CHECK(mouv_in_coroutine());
    return 0;
}

static void there_is_no_current_task_without_a_runtime(void **state) {
    (void)state;
    outside(stale_zero, NULL);
    assert_int_equal(support_failures, 0);
}

CORO_CASE(task_is_not_cancelling_by_itself) {
    CHECK(!mouv_cancelling());
    CHECK(!mouv_uncancel());
    CHECK_INT(mouv_sleep_ms(0), 0);
    return 0;
}

/* --- Stacks --------------------------------------------------------------------------------- */

static int use_stack(int kib) {
    volatile char block[1024];
    memset((char *)block, kib, sizeof block);
    if (kib > 1) return use_stack(kib - 1) + (block[7] == (char)kib);
    return 1;
}

static int uses_stack(void *kib) {
    int depth = *(int *)kib;
    mouv_sleep_ms(0);
    return use_stack(depth);
}

/* A frame is larger than its block, and a sanitizer makes it several times so. */
CORO_CASE(default_stack_carries_deep_recursion) {
    int kib = getenv("MOUV_TEST_SLOW") ? 40 : 150;
    mouv_future_t a = mouv_task(uses_stack, &kib), b = mouv_task(uses_stack, &kib);
    CHECK_INT(mouv_await(a, NULL), kib);
    CHECK_INT(mouv_await(b, NULL), kib);
    return 0;
}

CORO_CASE(larger_stack_carries_deeper_recursion) {
    int kib = 1500;
    mouv_task_opts_t opts = {.stack_size = 16 << 20};
    CHECK_INT(mouv_await(mouv_task_with(uses_stack, &kib, &opts), NULL), kib);
    return 0;
}

CORO_CASE(smallest_stack_is_still_usable) {
    int kib = 2;
    const size_t sizes[] = {32 << 10, (32 << 10) + 1, 40000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        mouv_task_opts_t opts = {.stack_size = sizes[i]};
        CHECK_INT(mouv_await(mouv_task_with(uses_stack, &kib, &opts), NULL), kib);
    }
    return 0;
}

CORO_CASE(stack_below_the_least_is_refused_by_name) {
    const size_t sizes[] = {1, 16 << 10, (32 << 10) - 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        mouv_error_t error = {0};
        mouv_task_opts_t opts = {.stack_size = sizes[i]};
        CHECK_INT(mouv_await(mouv_task_with(ends_with_7, NULL, &opts), &error), MOUV_EINVAL);
        CHECK_CONTAINS(error.message, "task 'ends_with_7': a stack of ");
    }
    return 0;
}

CORO_CASE(impossible_stack_fails_at_the_await) {
    mouv_error_t error = {0};
    mouv_task_opts_t opts = {.stack_size = SIZE_MAX};
    int rc = mouv_await(mouv_task_with(ends_with_7, NULL, &opts), &error);
    CHECK(rc == MOUV_ENOMEM || rc == MOUV_EINVAL);
    CHECK(error.message[0] != '\0');
    opts.stack_size = SIZE_MAX / 2;
    rc = mouv_await(mouv_task_with(ends_with_7, NULL, &opts), NULL);
    CHECK(rc == MOUV_ENOMEM || rc == MOUV_EINVAL);
    return 0;
}

/* --- Many ----------------------------------------------------------------------------------- */

static int counts(void *count) {
    mouv_sleep_ms(10);
    ++*(int *)count;
    return 1;
}

/* TSan itself ends at 8,128 threads and fibers, so fewer run beside it. */
CORO_CASE(ten_thousand_tasks_run_at_once) {
    const int many = getenv("MOUV_TEST_SLOW") ? 2000 : 10000;
    mouv_future_t *tasks = calloc((size_t)many, sizeof *tasks);
    int count = 0, wrong = 0;
    int64_t began = clock_ms();
    for (int i = 0; i < many; i++) tasks[i] = mouv_task(counts, &count);
    CHECK_INT(count, 0);
    for (int i = 0; i < many; i++) wrong += mouv_await(tasks[i], NULL) != 1;
    CHECK_INT(wrong, 0);
    CHECK_INT(count, many);
    CHECK(took(began, 10)); /* one by one: 10 ms each */
    free(tasks);
    return 0;
}

CORO_CASE(ten_thousand_tasks_run_one_after_another) {
    int value = 3, sum = 0;
    for (int i = 0; i < 10000; i++) sum += mouv_await(mouv_task(return_int, &value), NULL);
    CHECK_INT(sum, 30000);
    return 0;
}

static int keeps_locals(void *arg) {
    unsigned seed = *(unsigned *)arg, x = seed, y = seed;
    for (int i = 0; i < 50; i++) {
        x = x * 1664525 + 1013904223;
        mouv_sleep_ms(x % 3 ? 0 : 1);
        y = y * 1664525 + 1013904223;
        if (x != y) return 1;
    }
    return 0;
}

CORO_CASE(locals_survive_switches) {
    unsigned seeds[50];
    mouv_future_t tasks[50];
    for (unsigned i = 0; i < 50; i++) {
        seeds[i] = i;
        tasks[i] = mouv_task(keeps_locals, &seeds[i]);
    }
    CHECK_INT(mouv_await(mouv_gather_array(tasks, 50), NULL), 0);
    return 0;
}

static int floats(void *arg) {
    double x = *(int *)arg, sum = 0;
    for (int i = 0; i < 20; i++) {
        sum += x / 3;
        mouv_sleep_ms(0);
    }
    double expected = 0;
    for (int i = 0; i < 20; i++) expected += x / 3;
    return !(sum > expected - 1e-9 && sum < expected + 1e-9);
}

CORO_CASE(floating_point_survives_switches) {
    int a = 1, b = 1000;
    CHECK_INT(mouv_await(mouv_task(floats, &a), NULL), 0);
    CHECK_INT(mouv_await(mouv_gather(mouv_task(floats, &a), mouv_task(floats, &b)), NULL), 0);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(task_starts_at_its_creators_next_suspension),
        TEST(tasks_start_first_come_first_served),
        TEST(ready_tasks_take_turns),
        TEST(task_made_in_a_tick_runs_after_those_that_were_ready),
        TEST(unreferenced_task_runs_to_its_end),
        TEST(awaited_task_gives_its_int),
        TEST(task_without_a_body_fails_at_the_await),
        TEST(coroutine_does_not_run_before_it_is_awaited),
        TEST(awaited_coroutine_is_a_call_in_the_same_task),
        TEST(coroutine_can_be_awaited_once),
        TEST(coroutines_nest),
        TEST(thousand_tasks_await_one_another_in_a_chain),
        TEST(task_copy_outlives_its_arguments),
        TEST(task_copy_takes_large_blocks),
        TEST(task_copy_of_nothing_runs),
        TEST(coro_copy_outlives_its_arguments_awaited_or_as_a_child),
        TEST(task_copy_of_null_with_a_size_is_refused),
        TEST(task_with_copy_ignores_arg),
        TEST(task_with_zero_options_is_a_task),
        TEST(task_with_a_name_has_it_copied_and_cut),
        TEST(current_task_is_the_handle_the_creator_has),
        TEST(there_is_no_current_task_in_a_callback),
        TEST(there_is_no_current_task_without_a_runtime),
        TEST(task_is_not_cancelling_by_itself),
        TEST(default_stack_carries_deep_recursion),
        TEST(larger_stack_carries_deeper_recursion),
        TEST(smallest_stack_is_still_usable),
        TEST(stack_below_the_least_is_refused_by_name),
        TEST(impossible_stack_fails_at_the_await),
        TEST(ten_thousand_tasks_run_at_once),
        TEST(ten_thousand_tasks_run_one_after_another),
        TEST(locals_survive_switches),
        TEST(floating_point_survives_switches),
    };
    return RUN_CASES(cases);
}
