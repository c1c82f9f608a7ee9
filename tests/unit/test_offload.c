/*
 * Functions on libuv's pool: results, errors, both contracts of cancelling, closing. In real time,
 * since threads are; what must be in order waits at a gate.
 */
#include "../support/async_support.h"

/* A function that says that it has begun and returns when it is let. */
typedef struct gate {
    uv_sem_t begun, go;
    int result;
    int returned; /* atomic */
    int freed;    /* atomic */
} gate_t;

static void gate_open(gate_t *gate, int result) {
    *gate = (gate_t){.result = result};
    uv_sem_init(&gate->begun, 0);
    uv_sem_init(&gate->go, 0);
}

static void gate_close(gate_t *gate) {
    uv_sem_destroy(&gate->begun);
    uv_sem_destroy(&gate->go);
}

static int pass(void *arg) {
    gate_t *gate = arg;
    uv_sem_post(&gate->begun);
    uv_sem_wait(&gate->go);
    __atomic_store_n(&gate->returned, 1, __ATOMIC_RELEASE);
    return gate->result;
}

static int returned(gate_t *gate) {
    return __atomic_load_n(&gate->returned, __ATOMIC_ACQUIRE);
}

static void free_gate(void *arg) {
    gate_t *gate = arg;
    __atomic_add_fetch(&gate->freed, 1, __ATOMIC_RELEASE);
}

static int freed(gate_t *gate) {
    return __atomic_load_n(&gate->freed, __ATOMIC_ACQUIRE);
}

static void wait_until_freed(gate_t *gate) {
    for (int i = 0; i < 60000 && !freed(gate); i++) uv_sleep(1);
}

/* All threads of the pool stand at gates, so that nothing else can start. */
enum { THREADS = 4 };
static gate_t gates[THREADS];
static mouv_future_t at_gates[THREADS];

static void fill_pool(void) {
    for (int i = 0; i < THREADS; i++) {
        gate_open(&gates[i], i);
        at_gates[i] = mouv_offload(pass, &gates[i]);
    }
    for (int i = 0; i < THREADS; i++) uv_sem_wait(&gates[i].begun);
}

static void empty_pool(void) {
    for (int i = 0; i < THREADS; i++) uv_sem_post(&gates[i].go);
    for (int i = 0; i < THREADS; i++) CHECK_INT(mouv_await(at_gates[i], NULL), i);
    for (int i = 0; i < THREADS; i++) gate_close(&gates[i]);
}

/* --- Results -------------------------------------------------------------------------------- */

static uv_thread_t seen_thread;

static int notes_its_thread(void *arg) {
    seen_thread = uv_thread_self();
    CHECK(mouv_runtime_current() == NULL);
    CHECK(!mouv_in_coroutine());
    return *(int *)arg;
}

REAL_CASE(function_runs_on_another_thread_and_gives_its_int) {
    int seven = 7;
    uv_thread_t own = uv_thread_self();
    CHECK_INT(mouv_await(mouv_offload(notes_its_thread, &seven), NULL), 7);
    CHECK(!uv_thread_equal(&own, &seen_thread));
    return 0;
}

static int ticker(void *arg) {
    for (int *ticks = arg; *ticks >= 0 && *ticks < 1000; ++*ticks) mouv_sleep_ms(1);
    return 0;
}

REAL_CASE(loop_goes_on_while_functions_run) {
    int ticks = 0;
    fill_pool();
    mouv_future_t counting = mouv_task(ticker, &ticks);
    for (int i = 0; i < 60000 && ticks <= 3; i++) mouv_sleep_ms(1);
    CHECK(ticks > 3);
    ticks = -1;
    empty_pool();
    return mouv_await(counting, NULL) == 0 ? 0 : -1;
}

REAL_CASE(functions_run_side_by_side) {
    fill_pool(); /* returns when all four have begun */
    empty_pool();
    return 0;
}

static int adds_one(void *arg) { /* some run side by side */
    return __atomic_add_fetch((int *)arg, 1, __ATOMIC_RELAXED);
}

REAL_CASE(thousand_functions_each_run_once) {
    enum { COUNT = 1000 };
    static int values[COUNT];
    static mouv_future_t futures[COUNT];
    for (int i = 0; i < COUNT; i++) {
        values[i] = 0;
        futures[i] = mouv_offload(adds_one, &values[i]);
    }
    CHECK_INT(mouv_await(mouv_gather_array(futures, COUNT), NULL), 0);
    for (int i = 0; i < COUNT; i++) CHECK_INT(values[i], 1);
    return 0;
}

/* --- Errors --------------------------------------------------------------------------------- */

static int fails_with_text(void *arg) {
    mouv_fail(-9, "an earlier error");
    return mouv_fail(-5, "no file %s", (char *)arg);
}

static int fails_silently(void *arg) {
    mouv_fail(-9, "another error");
    return *(int *)arg;
}

REAL_CASE(error_of_the_function_comes_whole) {
    mouv_error_t error = {0};
    CHECK_INT(mouv_await(mouv_offload(fails_with_text, "here"), &error), -5);
    CHECK_INT(error.code, -5);
    CHECK_STRING(error.message, "no file here");
    return 0;
}

REAL_CASE(negative_int_without_a_text_names_the_function) {
    mouv_error_t error = {0};
    int code = -6;
    CHECK_INT(mouv_await(mouv_offload(fails_silently, &code), &error), -6);
    CHECK_CONTAINS(error.message, "fails_silently");
    code = MOUV_ECLOSED;
    CHECK_INT(mouv_await(mouv_offload(fails_silently, &code), &error), MOUV_ECLOSED);
    CHECK_STRING(error.message, mouv_error_message(MOUV_ECLOSED));
    return 0;
}

static int awaits(void *arg) {
    mouv_error_t error = {0};
    CHECK_INT(mouv_sleep_ms(1), MOUV_ENOTCORO);
    CHECK_INT(mouv_await(mouv_sleep_future(1), &error), MOUV_ENOTCORO);
    mouv_future_unref(mouv_task(say, "never"));
    return *(int *)arg;
}

REAL_CASE(offloaded_function_cannot_await) {
    int two = 2;
    CHECK_INT(mouv_await(mouv_offload(awaits, &two), NULL), 2);
    CHECK_STRING(events(), "");
    return 0;
}

REAL_CASE(offload_of_nothing_fails_and_frees_its_argument) {
    gate_t gate = {.freed = 0};
    CHECK_INT(mouv_await(mouv_offload(NULL, NULL), NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_offload_detached(NULL, &gate, free_gate), NULL), MOUV_EINVAL);
    CHECK_INT(gate.freed, 1);
    return 0;
}

static void offload_without_a_loop_fails(void **state) {
    (void)state;
    gate_t gate = {.freed = 0};
    CHECK_INT(mouv_future_result(mouv_offload(adds_one, &gate.result), NULL), MOUV_ENOLOOP);
    mouv_future_t detached = mouv_offload_detached(adds_one, &gate, free_gate);
    CHECK_INT(mouv_future_result(detached, NULL), MOUV_ENOLOOP);
    assert_int_equal(gate.freed, 1);
}

/* --- Cancelling, default: waits for the function -------------------------------------------- */

REAL_CASE(cancel_before_the_start_never_runs_the_function) {
    int count = 0;
    fill_pool();
    mouv_future_t waiting = mouv_offload(adds_one, &count);
    CHECK(mouv_future_cancel(waiting));
    CHECK(mouv_future_cancelled(waiting));
    CHECK_INT(mouv_await(waiting, NULL), MOUV_ECANCELED);
    empty_pool();
    CHECK_INT(count, 0);
    return 0;
}

static int awaits_offload(void *gate) {
    int rc = mouv_await(mouv_offload(pass, gate), NULL);
    event("%d", rc);
    CHECK(returned(gate));
    CHECK_INT(mouv_sleep_ms(0), MOUV_ECANCELED); /* the cancel has stayed pending */
    return rc;
}

REAL_CASE(cancelled_await_waits_for_the_running_function_and_gives_its_result) {
    gate_t gate;
    gate_open(&gate, 8);
    mouv_future_t task = mouv_task(awaits_offload, &gate);
    mouv_sleep_ms(0);
    uv_sem_wait(&gate.begun);
    mouv_future_cancel(task);
    mouv_sleep_ms(10);
    CHECK(!mouv_future_done(task));
    uv_sem_post(&gate.go);
    CHECK_INT(mouv_await(task, NULL), 8);
    gate_close(&gate);
    return 0;
}

static void let_go(void *gate) {
    uv_sem_post(&((gate_t *)gate)->go);
}

REAL_CASE(timeout_waits_for_the_running_function) {
    gate_t gate;
    gate_open(&gate, 3);
    mouv_future_t future = mouv_offload(pass, &gate);
    uv_sem_wait(&gate.begun);
    int64_t began = clock_ms();
    mouv_call_later(60, let_go, &gate, NULL);
    CHECK_INT(mouv_await_for(future, 10, NULL), 3);
    CHECK(took(began, 60));
    gate_close(&gate);
    return 0;
}

static int offloads_when_cancelled(void *arg) {
    gate_t gate = {.freed = 0};
    mouv_sleep_ms(400000);
    CHECK_INT(mouv_await(mouv_offload(adds_one, arg), NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_await(mouv_offload_detached(adds_one, &gate, free_gate), NULL), MOUV_ECANCELED);
    CHECK_INT(gate.freed, 1);
    return 0;
}

REAL_CASE(cancelled_task_starts_no_function) {
    int count = 0;
    mouv_future_t task = mouv_task(offloads_when_cancelled, &count);
    mouv_sleep_ms(0);
    mouv_future_cancel(task);
    mouv_await(task, NULL);
    CHECK_INT(count, 0);
    return 0;
}

/* --- Cancelling, detached: leaves it behind ------------------------------------------------- */

REAL_CASE(detached_function_that_ends_frees_its_argument_before_the_await_returns) {
    gate_t gate;
    gate_open(&gate, 4);
    uv_sem_post(&gate.go);
    CHECK_INT(mouv_await(mouv_offload_detached(pass, &gate, free_gate), NULL), 4);
    wait_until_freed(&gate);
    CHECK_INT(freed(&gate), 1);
    gate_close(&gate);
    return 0;
}

REAL_CASE(cancelled_detached_function_is_left_at_once_and_freed_at_its_end) {
    gate_t gate;
    gate_open(&gate, 4);
    mouv_future_t future = mouv_offload_detached(pass, &gate, free_gate);
    uv_sem_wait(&gate.begun);
    CHECK(mouv_future_cancel(future));
    CHECK(mouv_future_done(future));
    CHECK_INT(mouv_await(future, NULL), MOUV_ECANCELED);
    CHECK_INT(freed(&gate), 0);
    uv_sem_post(&gate.go);
    for (int i = 0; i < 60000 && !freed(&gate); i++) mouv_sleep_ms(1);
    CHECK_INT(freed(&gate), 1);
    gate_close(&gate);
    return 0;
}

REAL_CASE(timeout_leaves_a_detached_function_at_once) {
    gate_t gate;
    gate_open(&gate, 4);
    mouv_future_t future = mouv_offload_detached(pass, &gate, free_gate);
    uv_sem_wait(&gate.begun);
    int64_t began = clock_ms();
    CHECK_INT(mouv_await_for(future, 20, NULL), MOUV_ETIMEDOUT);
    CHECK(took(began, 20));
    uv_sem_post(&gate.go);
    for (int i = 0; i < 60000 && !freed(&gate); i++) mouv_sleep_ms(1);
    CHECK_INT(freed(&gate), 1);
    gate_close(&gate);
    return 0;
}

REAL_CASE(cancelled_detached_function_that_has_not_begun_is_freed_at_once) {
    gate_t gate = {.freed = 0};
    fill_pool();
    mouv_future_t future = mouv_offload_detached(adds_one, &gate, free_gate);
    mouv_future_cancel(future);
    CHECK_INT(gate.freed, 1);
    CHECK_INT(mouv_await(future, NULL), MOUV_ECANCELED);
    empty_pool();
    CHECK_INT(gate.freed, 1);
    return 0;
}

REAL_CASE(failure_of_a_function_left_behind_is_not_reported) {
    gate_t gate;
    gate_open(&gate, -5);
    mouv_future_t future = mouv_offload_detached(pass, &gate, free_gate);
    uv_sem_wait(&gate.begun);
    mouv_future_drop(&future);
    uv_sem_post(&gate.go);
    for (int i = 0; i < 60000 && !freed(&gate); i++) mouv_sleep_ms(1);
    gate_close(&gate);
    return 0;
}

REAL_CASE(failure_that_nobody_retrieves_is_reported) {
    int code = -5;
    mouv_future_t future = mouv_offload(fails_silently, &code);
    while (!mouv_future_done(future)) mouv_sleep_ms(1);
    mouv_future_unref(future);
    CHECK_ONE_WARNING("fails_silently");
    return 0;
}

/* --- Closing the runtime -------------------------------------------------------------------- */

static gate_t left;

static int leaves_a_function(void *arg) {
    (void)arg;
    mouv_future_unref(mouv_offload(pass, &left));
    uv_sem_wait(&left.begun);
    mouv_call_later(0, let_go, &left, NULL);
    mouv_sleep_ms(1);
    return 0;
}

static void runtime_waits_for_a_running_function_that_borrows(void **state) {
    (void)state;
    gate_open(&left, 1);
    run_body(leaves_a_function);
    assert_int_equal(returned(&left), 1);
    gate_close(&left);
}

static void let_go_later(void *gate) {
    uv_sleep(30);
    uv_sem_post(&((gate_t *)gate)->go);
}

static int ends_before_its_function(void *arg) {
    mouv_future_unref(mouv_offload(pass, &left));
    uv_sem_wait(&left.begun);
    uv_thread_create(arg, let_go_later, &left);
    return 0;
}

static void closing_runtime_waits_for_a_running_function_that_borrows(void **state) {
    (void)state;
    uv_thread_t thread;
    gate_open(&left, 1);
    int64_t began = clock_ms();
    assert_int_equal(mouv_run(ends_before_its_function, &thread, NULL), 0);
    assert_int_equal(returned(&left), 1);
    CHECK(took(began, 30));
    uv_thread_join(&thread);
    gate_close(&left);
}

static int leaves_a_detached_function(void *arg) {
    (void)arg;
    mouv_future_unref(mouv_offload_detached(pass, &left, free_gate));
    uv_sem_wait(&left.begun);
    return 0;
}

/* mouv_run() closes its loop and would not return if something pinned it. */
static void runtime_leaves_a_detached_function_behind_and_names_it(void **state) {
    (void)state;
    gate_open(&left, 1);
    run_body(leaves_a_detached_function);
    CHECK_ONE_WARNING("'pass'");
    assert_int_equal(returned(&left), 0);
    assert_int_equal(freed(&left), 0);
    uv_sem_post(&left.go);
    wait_until_freed(&left);
    assert_int_equal(freed(&left), 1);
    gate_close(&left);
}

static void on_closed(mouv_runtime_t *runtime, void *arg) {
    (void)runtime;
    *(bool *)arg = true;
}

static void loop_of_the_user_closes_while_a_detached_function_runs(void **state) {
    (void)state;
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    bool closed = false;
    gate_open(&left, 1);
    uv_loop_init(&loop);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    mouv_future_t future = mouv_offload_detached(pass, &left, free_gate);
    uv_sem_wait(&left.begun);
    mouv_runtime_close(runtime, on_closed, &closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(closed);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(returned(&left), 0);
    CHECK(mouv_future_done(future));
    CHECK_ONE_WARNING("left behind");
    uv_sem_post(&left.go);
    wait_until_freed(&left);
    assert_int_equal(freed(&left), 1);
    gate_close(&left);
}

static int leaves_waiting_functions(void *arg) {
    fill_pool();
    for (int i = 0; i < 10; i++) mouv_future_unref(mouv_offload(adds_one, arg));
    for (int i = 0; i < THREADS; i++) uv_sem_post(&gates[i].go);
    for (int i = 0; i < THREADS; i++) mouv_future_unref(at_gates[i]);
    return 0;
}

static void functions_that_wait_for_a_thread_are_cancelled_or_run_before_the_end(void **state) {
    (void)state;
    int count = 0;
    assert_int_equal(mouv_run(leaves_waiting_functions, &count, NULL), 0);
    assert_true(count <= 10);
    for (int i = 0; i < THREADS; i++) gate_close(&gates[i]);
}

static uv_barrier_t all_open;

/* All loops stay open together: TSan does not see libuv close a descriptor that is then reused. */
static int count_to_100(void *out) {
    for (int i = 0; i < 100; i++)
        if (mouv_await(mouv_offload(adds_one, out), NULL) != i + 1) *(int *)out = -1000;
    uv_barrier_wait(&all_open);
    return 0;
}

static void counts_on_a_thread(void *out) {
    mouv_run(count_to_100, out, NULL);
}

static void loops_share_the_pool(void **state) {
    (void)state;
    uv_thread_t threads[4];
    int counts[4] = {0};
    uv_barrier_init(&all_open, 4);
    for (int i = 0; i < 4; i++) uv_thread_create(&threads[i], counts_on_a_thread, &counts[i]);
    for (int i = 0; i < 4; i++) uv_thread_join(&threads[i]);
    uv_barrier_destroy(&all_open);
    for (int i = 0; i < 4; i++) assert_int_equal(counts[i], 100);
}

static int races(void *arg) {
    gate_t *all = arg;
    for (int i = 0; i < 200; i++) {
        gate_open(&all[i], 1);
        uv_sem_post(&all[i].go);
        mouv_future_t future =
            i % 2 ? mouv_offload(pass, &all[i]) : mouv_offload_detached(pass, &all[i], free_gate);
        for (int spin = 0; spin < i * 50; spin++) returned(&all[i]);
        mouv_future_cancel(future);
        int rc = mouv_await(future, NULL);
        CHECK(rc == 1 || rc == MOUV_ECANCELED);
        if (i % 2 && rc == MOUV_ECANCELED) CHECK(!returned(&all[i]));
    }
    return 0;
}

static void cancel_that_races_with_the_worker_is_always_clean(void **state) {
    (void)state;
    static gate_t all[200];
    assert_int_equal(mouv_run(races, all, NULL), 0);
    take_log(NULL); /* some may have been left behind */
    for (int i = 0; i < 200; i += 2) {
        wait_until_freed(&all[i]);
        assert_int_equal(freed(&all[i]), 1);
    }
    for (int i = 0; i < 200; i++) gate_close(&all[i]);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(function_runs_on_another_thread_and_gives_its_int),
        TEST(loop_goes_on_while_functions_run),
        TEST(functions_run_side_by_side),
        TEST(thousand_functions_each_run_once),
        TEST(error_of_the_function_comes_whole),
        TEST(negative_int_without_a_text_names_the_function),
        TEST(offloaded_function_cannot_await),
        TEST(offload_of_nothing_fails_and_frees_its_argument),
        TEST(offload_without_a_loop_fails),
        TEST(cancel_before_the_start_never_runs_the_function),
        TEST(cancelled_await_waits_for_the_running_function_and_gives_its_result),
        TEST(timeout_waits_for_the_running_function),
        TEST(cancelled_task_starts_no_function),
        TEST(detached_function_that_ends_frees_its_argument_before_the_await_returns),
        TEST(cancelled_detached_function_is_left_at_once_and_freed_at_its_end),
        TEST(timeout_leaves_a_detached_function_at_once),
        TEST(cancelled_detached_function_that_has_not_begun_is_freed_at_once),
        TEST(failure_of_a_function_left_behind_is_not_reported),
        TEST(failure_that_nobody_retrieves_is_reported),
        TEST(runtime_waits_for_a_running_function_that_borrows),
        TEST(closing_runtime_waits_for_a_running_function_that_borrows),
        TEST(runtime_leaves_a_detached_function_behind_and_names_it),
        TEST(loop_of_the_user_closes_while_a_detached_function_runs),
        TEST(functions_that_wait_for_a_thread_are_cancelled_or_run_before_the_end),
        TEST(loops_share_the_pool),
        TEST(cancel_that_races_with_the_worker_is_always_clean),
    };
    return RUN_CASES(cases);
}
