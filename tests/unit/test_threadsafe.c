/*
 * Calls and tasks from other threads: order, results, timeouts, cancelling, a runtime that goes. In
 * real time, since threads are.
 */
#include "../support/async_support.h"

/* Runs `fn` on another thread and waits for it without stopping the loop. */
typedef struct other {
    uv_thread_t thread;
    mouv_remote_t *remote;
    void (*fn)(mouv_remote_t *remote, void *arg);
    void *arg;
    mouv_future_t ended;
} other_t;

static void note_ended(void *arg) {
    mouv_future_set_result(((other_t *)arg)->ended, 0);
}

static void on_thread(void *arg) {
    other_t *other = arg;
    other->fn(other->remote, other->arg);
    CHECK_INT(mouv_call_soon_threadsafe(other->remote, note_ended, other), 0);
}

static void start(other_t *other, void (*fn)(mouv_remote_t *, void *), void *arg) {
    *other = (other_t){.fn = fn, .arg = arg};
    other->remote = mouv_remote_new(mouv_runtime_current());
    other->ended = mouv_future_new();
    CHECK(uv_thread_create(&other->thread, on_thread, other) == 0);
}

static void join(other_t *other) {
    CHECK_INT(mouv_await(other->ended, NULL), 0);
    uv_thread_join(&other->thread);
    CHECK(mouv_remote_unref(other->remote) == NULL);
}

static void on_other_thread(void (*fn)(mouv_remote_t *, void *), void *arg) {
    other_t other;
    start(&other, fn, arg);
    join(&other);
}

/* --- Callbacks ------------------------------------------------------------------------------ */

static uv_thread_t loop_thread;
static int calls;

static void counts(void *arg) {
    uv_thread_t own = uv_thread_self();
    CHECK(uv_thread_equal(&own, &loop_thread));
    CHECK(!mouv_in_coroutine());
    CHECK_INT(calls, *(int *)arg);
    calls++;
}

static void calls_500_times(mouv_remote_t *remote, void *arg) {
    static int numbers[500];
    (void)arg;
    for (int i = 0; i < 500; i++) {
        numbers[i] = i;
        CHECK_INT(mouv_call_soon_threadsafe(remote, counts, &numbers[i]), 0);
    }
}

REAL_CASE(calls_of_a_thread_run_on_the_loop_in_their_order) {
    loop_thread = uv_thread_self();
    calls = 0;
    on_other_thread(calls_500_times, NULL);
    CHECK_INT(calls, 500);
    return 0;
}

static void adds(void *arg) {
    ++*(int *)arg;
}

static void calls_200_times(mouv_remote_t *remote, void *arg) {
    for (int i = 0; i < 200; i++) mouv_call_soon_threadsafe(remote, adds, arg);
}

REAL_CASE(calls_of_many_threads_all_run) {
    other_t others[8];
    int count = 0;
    for (int i = 0; i < 8; i++) start(&others[i], calls_200_times, &count);
    for (int i = 0; i < 8; i++) join(&others[i]);
    CHECK_INT(count, 1600);
    return 0;
}

static void say_it(void *word) {
    event("%s", (const char *)word);
}

REAL_CASE(call_on_the_own_thread_runs_later) {
    mouv_remote_t *remote = mouv_remote_new(mouv_runtime_current());
    CHECK_INT(mouv_call_soon_threadsafe(remote, say_it, "called"), 0);
    CHECK_STRING(events(), "");
    pause_ms(5);
    CHECK_STRING(events(), "called");
    mouv_remote_unref(remote);
    return 0;
}

static void wakes(mouv_remote_t *remote, void *arg) {
    (void)remote, (void)arg;
    uv_sleep(30);
}

REAL_CASE(call_wakes_a_sleeping_loop) {
    int64_t began = clock_ms();
    on_other_thread(wakes, NULL);
    CHECK(took(began, 30));
    return 0;
}

/* --- Tasks ---------------------------------------------------------------------------------- */

static int sleeps_and_returns(void *arg) {
    CHECK(mouv_in_coroutine());
    CHECK_INT(mouv_sleep_ms(10), 0);
    return *(int *)arg;
}

static int fails_with_text(void *arg) {
    mouv_sleep_ms(1);
    return mouv_fail(-5, "no user %d", *(int *)arg);
}

static void runs_both(mouv_remote_t *remote, void *arg) {
    mouv_error_t error = {0};
    CHECK_INT(mouv_run_threadsafe(remote, sleeps_and_returns, arg, &error), 6);
    CHECK_INT(mouv_run_threadsafe(remote, fails_with_text, arg, &error), -5);
    CHECK_STRING(error.message, "no user 6");
    CHECK_INT(mouv_run_threadsafe(remote, fails_with_text, arg, NULL), -5);
}

REAL_CASE(run_gives_the_result_or_the_whole_error) {
    int six = 6;
    on_other_thread(runs_both, &six);
    return 0;
}

static int begun; /* atomic: what has a timeout or a cancel has taken its first step */

static int forever(void *arg) {
    __atomic_store_n(&begun, 1, __ATOMIC_RELEASE);
    int rc = mouv_sleep_ms(400000);
    event("%s", rc == MOUV_ECANCELED ? "cancelled" : "slept");
    MOUV_SHIELD_SCOPE(cleanup, 60000);
    mouv_sleep_ms(20);
    event("cleaned");
    *(int *)arg = 1;
    return rc;
}

static int swallows(void *arg) {
    (void)arg;
    __atomic_store_n(&begun, 1, __ATOMIC_RELEASE);
    mouv_sleep_ms(400000);
    return 9;
}

/* Its timeout is long enough for the body to begin, however busy the machine is: `*ms` tells it. */
static int times_out(mouv_remote_t *remote, mouv_fn_t body, void *arg, int64_t *ms,
                     mouv_error_t *error) {
    int rc;
    begun = 0;
    for (*ms = 20;; *ms *= 4) {
        rc = mouv_run_threadsafe_for(remote, body, arg, *ms, error);
        if (__atomic_load_n(&begun, __ATOMIC_ACQUIRE)) return rc;
        CHECK_INT(rc, MOUV_ETIMEDOUT);
    }
}

static void runs_for_20_ms(mouv_remote_t *remote, void *arg) {
    mouv_error_t error = {0};
    int cleaned = 0;
    int64_t ms, began = clock_ms();
    (void)arg;
    CHECK_INT(times_out(remote, forever, &cleaned, &ms, &error), MOUV_ETIMEDOUT);
    CHECK(took(began, ms + 20)); /* also for the clean-up */
    CHECK_INT(cleaned, 1);       /* the body has returned: `cleaned` may lie on this stack */
    CHECK_INT(error.code, MOUV_ETIMEDOUT);
    CHECK_INT(error.cause, MOUV_ECANCELED);
    CHECK_INT(times_out(remote, swallows, NULL, &ms, &error), 9);
    CHECK_INT(mouv_run_threadsafe_for(remote, sleeps_and_returns, &(int){3}, 60000, &error), 3);
    CHECK(mouv_run_threadsafe_for(remote, forever, &cleaned, 0, &error) < 0);
    CHECK(mouv_run_threadsafe_for(remote, forever, &cleaned, -1, &error) < 0);
}

REAL_CASE(timeout_cancels_the_task_and_waits_for_its_end) {
    on_other_thread(runs_for_20_ms, NULL);
    CHECK_CONTAINS(events(), "cancelled cleaned");
    return 0;
}

static void handles_a_task(mouv_remote_t *remote, void *arg) {
    int cleaned = 0;
    (void)arg;
    begun = 0;
    mouv_remote_task_t *task = mouv_remote_task(remote, forever, &cleaned);
    while (!__atomic_load_n(&begun, __ATOMIC_ACQUIRE)) uv_sleep(1);
    CHECK_INT(mouv_remote_task_wait(task, 20, NULL), MOUV_ETIMEDOUT);
    CHECK(!mouv_remote_task_done(task));
    CHECK(mouv_remote_task_cancel(task));
    CHECK(!mouv_remote_task_cancel(task));
    CHECK_INT(mouv_remote_task_wait(task, INT64_MAX, NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_remote_task_wait(task, 0, NULL), MOUV_ECANCELED); /* again */
    CHECK(mouv_remote_task_done(task));
    CHECK(!mouv_remote_task_cancel(task));
    CHECK_INT(cleaned, 1);
    CHECK(mouv_remote_task_unref(task) == NULL);

    task = mouv_remote_task(remote, sleeps_and_returns, &(int){4});
    CHECK_INT(mouv_remote_task_wait(task, 60000, NULL), 4);
    mouv_remote_task_unref(task);
}

static uv_sem_t loop_is_busy, loop_may_go_on;

static void keeps_the_loop_busy(void *arg) {
    (void)arg;
    uv_sem_post(&loop_is_busy);
    uv_sem_wait(&loop_may_go_on);
}

static int counts_a_begin(void *arg) {
    ++*(int *)arg;
    return 0;
}

static void runs_on_a_busy_loop(mouv_remote_t *remote, void *begins) {
    mouv_error_t error;
    int later = 0;
    CHECK_INT(mouv_call_soon_threadsafe(remote, keeps_the_loop_busy, NULL), 0);
    uv_sem_wait(&loop_is_busy);
    CHECK_INT(mouv_run_threadsafe_for(remote, counts_a_begin, begins, 5, &error), MOUV_ETIMEDOUT);
    CHECK_CONTAINS(error.message, "before the task began");
    uv_sem_post(&loop_may_go_on); /* the mail of the task comes next */
    CHECK_INT(mouv_run_threadsafe(remote, counts_a_begin, &later, &error), 0);
    CHECK_INT(later, 1);
}

REAL_CASE(timeout_while_the_loop_is_busy_withdraws_the_task) {
    int begins = 0;
    CHECK(uv_sem_init(&loop_is_busy, 0) == 0 && uv_sem_init(&loop_may_go_on, 0) == 0);
    on_other_thread(runs_on_a_busy_loop, &begins);
    CHECK_INT(begins, 0);
    uv_sem_destroy(&loop_is_busy);
    uv_sem_destroy(&loop_may_go_on);
    return 0;
}

REAL_CASE(cancel_reaches_into_the_loop) {
    on_other_thread(handles_a_task, NULL);
    CHECK_STRING(events(), "cancelled cleaned");
    return 0;
}

static int notes(void *arg) {
    ++*(int *)arg;
    return mouv_fail(-7, "nobody sees this");
}

static void leaves_tasks(mouv_remote_t *remote, void *arg) {
    for (int i = 0; i < 20; i++) mouv_remote_task_unref(mouv_remote_task(remote, notes, arg));
    for (int i = 0; i < 20; i++) {
        mouv_remote_task_t *task = mouv_remote_task(remote, notes, arg);
        mouv_remote_task_cancel(task);
        mouv_remote_task_unref(task);
    }
}

REAL_CASE(task_that_is_let_go_runs_on) {
    int count = 0;
    on_other_thread(leaves_tasks, &count);
    pause_ms(5);
    CHECK(count >= 20 && count <= 40);
    return 0;
}

/* --- Misuse --------------------------------------------------------------------------------- */

REAL_CASE(waiting_on_the_own_thread_is_refused) {
    mouv_error_t error = {0};
    int count = 0;
    mouv_remote_t *remote = mouv_remote_new(mouv_runtime_current());
    CHECK_INT(mouv_run_threadsafe(remote, notes, &count, &error), MOUV_EDEADLK);
    CHECK_INT(error.code, MOUV_EDEADLK);
    CHECK_INT(mouv_run_threadsafe_for(remote, notes, &count, 10, NULL), MOUV_EDEADLK);
    mouv_sleep_ms(5);
    CHECK_INT(count, 0);

    mouv_remote_task_t *task = mouv_remote_task(remote, notes, &count);
    CHECK_INT(mouv_remote_task_wait(task, 1000, &error), MOUV_EDEADLK);
    pause_ms(5);
    CHECK_INT(mouv_remote_task_wait(task, 1000, &error), -7); /* done: nothing to wait for */
    mouv_remote_task_unref(task);
    mouv_remote_unref(remote);
    return 0;
}

static void nothing_is_refused(void **state) {
    (void)state;
    mouv_error_t error = {0};
    assert_null(mouv_remote_new(NULL));
    assert_null(mouv_remote_ref(NULL));
    assert_null(mouv_remote_unref(NULL));
    assert_null(mouv_remote_task(NULL, notes, NULL));
    assert_null(mouv_remote_task_unref(NULL));
    assert_false(mouv_remote_task_cancel(NULL));
    assert_true(mouv_remote_task_done(NULL));
    assert_int_equal(mouv_remote_task_wait(NULL, 1, &error), MOUV_EINVAL);
    assert_int_equal(mouv_call_soon_threadsafe(NULL, say_it, NULL), MOUV_EINVAL);
    assert_int_equal(mouv_run_threadsafe(NULL, notes, NULL, &error), MOUV_EINVAL);
    assert_int_equal(error.code, MOUV_EINVAL);
}

static void asks_for_a_foreign_address(mouv_remote_t *remote, void *runtime) {
    (void)remote;
    CHECK(mouv_remote_new(runtime) == NULL);
    CHECK_INT(mouv_call_soon_threadsafe(remote, NULL, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_run_threadsafe(remote, NULL, NULL, NULL), MOUV_EINVAL);
    CHECK(mouv_remote_task(remote, NULL, NULL) == NULL);
}

REAL_CASE(address_is_given_on_the_own_thread_only) {
    on_other_thread(asks_for_a_foreign_address, mouv_runtime_current());
    return 0;
}

/* --- A runtime that goes -------------------------------------------------------------------- */

static mouv_remote_t *kept;

static int keeps_its_address(void *arg) {
    (void)arg;
    kept = mouv_remote_new(mouv_runtime_current());
    return 0;
}

static void address_of_a_runtime_that_has_gone_says_so(void **state) {
    (void)state;
    mouv_error_t error = {0};
    int count = 0;
    run_body(keeps_its_address);
    assert_int_equal(mouv_call_soon_threadsafe(kept, adds, &count), MOUV_ECLOSED);
    assert_int_equal(mouv_run_threadsafe(kept, notes, &count, &error), MOUV_ECLOSED);
    assert_int_equal(error.code, MOUV_ECLOSED);
    mouv_remote_task_t *task = mouv_remote_task(kept, notes, &count);
    assert_true(mouv_remote_task_done(task));
    assert_false(mouv_remote_task_cancel(task));
    assert_int_equal(mouv_remote_task_wait(task, INT64_MAX, NULL), MOUV_ECLOSED);
    mouv_remote_task_unref(task);
    mouv_remote_unref(mouv_remote_ref(kept));
    mouv_remote_unref(kept);
    assert_int_equal(count, 0);
}

typedef struct bother {
    uv_thread_t thread;
    mouv_remote_t *remote;
    int closed;
} bother_t;

static int naps(void *arg) {
    (void)arg;
    return mouv_sleep_ms(1);
}

/* Sends all it can until the runtime has gone. */
static void bothers(void *arg) {
    bother_t *bother = arg;
    static int ignored;
    mouv_error_t error;
    for (;;) {
        mouv_call_soon_threadsafe(bother->remote, (void (*)(void *))free, NULL);
        mouv_remote_task_t *task = mouv_remote_task(bother->remote, naps, &ignored);
        mouv_remote_task_cancel(task);
        mouv_remote_task_unref(task);
        int rc = mouv_run_threadsafe_for(bother->remote, naps, NULL, 100000, &error);
        if (rc == MOUV_ECLOSED) break;
        CHECK(rc == 0 || rc == MOUV_ECANCELED);
    }
    bother->closed = 1;
    mouv_remote_unref(bother->remote);
}

static int is_bothered(void *arg) {
    bother_t *all = arg;
    for (int i = 0; i < 4; i++) {
        all[i].remote = mouv_remote_new(mouv_runtime_current());
        uv_thread_create(&all[i].thread, bothers, &all[i]);
    }
    return mouv_sleep_ms(10);
}

static void runtime_closes_amid_calls_and_every_thread_gets_its_answer(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        bother_t all[4] = {{.closed = 0}};
        assert_int_equal(mouv_run(is_bothered, all, NULL), 0);
        for (int i = 0; i < 4; i++) {
            uv_thread_join(&all[i].thread);
            assert_int_equal(all[i].closed, 1);
        }
    }
}

static void offloaded(mouv_remote_t *remote, void *arg) {
    (void)arg;
    CHECK_INT(mouv_run_threadsafe(remote, sleeps_and_returns, &(int){2}, NULL), 2);
}

static int calls_back(void *remote) {
    offloaded(remote, NULL);
    return 5;
}

REAL_CASE(offloaded_function_may_run_a_task_on_the_loop_that_awaits_it) {
    mouv_remote_t *remote = mouv_remote_new(mouv_runtime_current());
    CHECK_INT(mouv_await(mouv_offload(calls_back, remote), NULL), 5);
    mouv_remote_unref(remote);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(calls_of_a_thread_run_on_the_loop_in_their_order),
        TEST(calls_of_many_threads_all_run),
        TEST(call_on_the_own_thread_runs_later),
        TEST(call_wakes_a_sleeping_loop),
        TEST(run_gives_the_result_or_the_whole_error),
        TEST(timeout_cancels_the_task_and_waits_for_its_end),
        TEST(timeout_while_the_loop_is_busy_withdraws_the_task),
        TEST(cancel_reaches_into_the_loop),
        TEST(task_that_is_let_go_runs_on),
        TEST(waiting_on_the_own_thread_is_refused),
        TEST(nothing_is_refused),
        TEST(address_is_given_on_the_own_thread_only),
        TEST(address_of_a_runtime_that_has_gone_says_so),
        TEST(runtime_closes_amid_calls_and_every_thread_gets_its_answer),
        TEST(offloaded_function_may_run_a_task_on_the_loop_that_awaits_it),
    };
    return RUN_CASES(cases);
}
