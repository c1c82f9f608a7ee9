/* mouv_lock_t: one at a time, first come first served, never lost. */
#include "../support/async_support.h"

#include "context/alloc.h"

static mouv_lock_t lock;

/* Acquires, says its word, releases. */
static int visit(void *word) {
    int rc = mouv_lock_acquire(&lock);
    if (rc < 0) {
        event("%s:%s", (char *)word, mouv_error_name(rc) + 5);
        return rc;
    }
    event("%s", (char *)word);
    yield(1);
    CHECK_INT(mouv_lock_release(&lock), 0);
    return 0;
}

static void await_ok(mouv_future_t future) {
    CHECK_INT(mouv_await(future, NULL), 0);
}

/* --- One task ------------------------------------------------------------------------------- */

CORO_CASE(acquire_of_a_free_lock_neither_suspends_nor_allocates) {
    mouv_lock_t mine = {0};
    mouv_future_t other = mouv_task(say, "ran");
    mouv__alloc_fail_at = 1;
    CHECK_INT(mouv_lock_acquire(&mine), 0);
    CHECK_INT(mouv__alloc_fail_at, 1);
    mouv__alloc_fail_at = -1;
    CHECK(mouv_lock_locked(&mine));
    CHECK_STRING(events(), "");
    CHECK_INT(mouv_lock_release(&mine), 0);
    CHECK(!mouv_lock_locked(&mine));
    await_ok(other);
    return 0;
}

CORO_CASE(release_of_a_free_lock_is_an_invalid_state) {
    mouv_lock_t mine;
    mouv_lock_init(&mine);
    CHECK_INT(mouv_lock_release(&mine), MOUV_ESTATE);
    CHECK_INT(mouv_lock_acquire(&mine), 0);
    CHECK_INT(mouv_lock_release(&mine), 0);
    CHECK_INT(mouv_lock_release(&mine), MOUV_ESTATE);
    return 0;
}

CORO_CASE(acquire_by_its_holder_is_a_deadlock_and_is_told) {
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    CHECK_INT(mouv_lock_acquire(&lock), MOUV_EDEADLK);
    CHECK_INT(mouv_await_for(mouv_lock_acquire_future(&lock), 5, NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_lock_release(&lock), 0);
    return 0;
}

static int release_it(void *arg) {
    (void)arg;
    return mouv_lock_release(&lock);
}

CORO_CASE(release_by_another_task_is_an_invalid_state) {
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    CHECK_INT(mouv_await(mouv_task(release_it, NULL), NULL), MOUV_ESTATE);
    CHECK(mouv_lock_locked(&lock));
    CHECK_INT(mouv_await(mouv_coro(release_it, NULL), NULL), 0); /* inline: the same task */
    return 0;
}

CORO_CASE(null_is_invalid_everywhere) {
    CHECK_INT(mouv_lock_acquire(NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_lock_acquire_future(NULL), NULL), MOUV_EINVAL);
    CHECK_INT(mouv_lock_release(NULL), MOUV_EINVAL);
    CHECK(!mouv_lock_locked(NULL));
    mouv_lock_init(NULL);
    mouv_lock_clear(NULL);
    return 0;
}

/* --- In line -------------------------------------------------------------------------------- */

CORO_CASE(waiters_get_the_lock_first_come_first_served) {
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t all =
        mouv_gather(mouv_task(visit, "a"), mouv_task(visit, "b"), mouv_task(visit, "c"));
    yield(2);
    CHECK_STRING(events(), "");
    CHECK_INT(mouv_lock_release(&lock), 0);
    await_ok(all);
    CHECK_STRING(events(), "a b c");
    CHECK(!mouv_lock_locked(&lock));
    return 0;
}

CORO_CASE(releaser_that_acquires_again_stands_behind_those_who_wait) {
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t other = mouv_task(visit, "other");
    yield(1);
    CHECK_INT(mouv_lock_release(&lock), 0);
    CHECK(mouv_lock_locked(&lock)); /* on its way */
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    event("mine");
    CHECK_INT(mouv_lock_release(&lock), 0);
    await_ok(other);
    CHECK_STRING(events(), "other mine");
    return 0;
}

CORO_CASE(lock_on_its_way_can_be_released_by_nobody) {
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t next = mouv_lock_acquire_future(&lock);
    CHECK_INT(mouv_lock_release(&lock), 0);
    CHECK(mouv_future_done(next));
    CHECK_INT(mouv_lock_release(&lock), MOUV_ESTATE);
    await_ok(next);
    CHECK_INT(mouv_lock_release(&lock), 0);
    return 0;
}

static int increment(void *counter) {
    MOUV_LOCKED(held, &lock);
    if (held.code < 0) return held.code;
    int seen = *(int *)counter;
    yield(1);
    *(int *)counter = seen + 1;
    return 0;
}

CORO_CASE(thousands_of_waiters_never_meet) {
    enum { COUNT = 3000 };
    static mouv_future_t tasks[COUNT];
    int counter = 0;
    for (int i = 0; i < COUNT; i++) tasks[i] = mouv_task(increment, &counter);
    await_ok(mouv_gather_array(tasks, COUNT));
    CHECK_INT(counter, COUNT);
    CHECK(!mouv_lock_locked(&lock));
    return 0;
}

/* --- Cancel --------------------------------------------------------------------------------- */

CORO_CASE(cancel_while_waiting_leaves_the_line) {
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t a = mouv_task(visit, "a"), b = mouv_task(visit, "b");
    yield(1);
    mouv_future_cancel(a);
    CHECK_INT(mouv_await(a, NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_lock_release(&lock), 0);
    await_ok(b);
    CHECK_STRING(events(), "a:ECANCELED b");
    return 0;
}

/* CPython's test_cancel_race. */
CORO_CASE(cancel_and_release_in_one_tick_gives_it_to_the_next) {
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t b = mouv_task(visit, "b"), c = mouv_task(visit, "c");
    yield(1);
    mouv_future_cancel(b);
    CHECK_INT(mouv_lock_release(&lock), 0);
    CHECK_INT(mouv_await(b, NULL), MOUV_ECANCELED);
    await_ok(c);
    CHECK_STRING(events(), "b:ECANCELED c");
    return 0;
}

static int acquire_then_sleep(void *arg) {
    (void)arg;
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    CHECK(mouv_cancelling());
    int rc = mouv_sleep_ms(400000);
    CHECK_INT(mouv_lock_release(&lock), 0);
    return rc;
}

CORO_CASE(cancel_after_hand_over_delivers_the_lock_and_stays_pending) {
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t a = mouv_task(acquire_then_sleep, NULL), b = mouv_task(visit, "b");
    yield(1);
    CHECK_INT(mouv_lock_release(&lock), 0);
    mouv_future_cancel(a);
    CHECK_INT(mouv_await(a, NULL), MOUV_ECANCELED);
    await_ok(b);
    CHECK_STRING(events(), "b");
    return 0;
}

static int acquire_while_cancelled(void *arg) {
    (void)arg;
    CHECK_INT(mouv_sleep_ms(400000), MOUV_ECANCELED);
    CHECK_INT(mouv_lock_acquire(&lock), MOUV_ECANCELED); /* held by another */
    mouv_lock_t mine = {0};
    CHECK_INT(mouv_lock_acquire(&mine), 0); /* does not suspend */
    return mouv_lock_release(&mine);
}

CORO_CASE(cancelled_task_may_not_wait_but_may_take_what_is_free) {
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t task = mouv_task(acquire_while_cancelled, NULL);
    yield(1);
    mouv_future_cancel(task);
    await_ok(task);
    CHECK_INT(mouv_lock_release(&lock), 0);
    CHECK(!mouv_lock_locked(&lock));
    return 0;
}

CORO_CASE(timeout_while_waiting_leaves_the_line) {
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    int64_t began = clock_ms();
    mouv_future_t other = mouv_wait_for(mouv_lock_acquire_future(&lock), 20);
    CHECK_INT(mouv_await(other, NULL), MOUV_ETIMEDOUT);
    CHECK(took(began, 20));
    CHECK_INT(mouv_lock_release(&lock), 0);
    CHECK(!mouv_lock_locked(&lock));
    return 0;
}

CORO_CASE(await_for_delivers_the_lock_in_time) {
    CHECK_INT(mouv_await_for(mouv_lock_acquire_future(&lock), 1000, NULL), 0);
    CHECK_INT(mouv_lock_release(&lock), 0);
    CHECK_INT(mouv_await(mouv_wait_for(mouv_lock_acquire_future(&lock), 1000), NULL), 0);
    CHECK_INT(mouv_lock_release(&lock), 0);
    return 0;
}

/* --- The twin ------------------------------------------------------------------------------- */

CORO_CASE(drop_of_a_waiting_future_leaves_the_line) {
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t gone = mouv_lock_acquire_future(&lock);
    mouv_future_t lost = mouv_lock_acquire_future(&lock);
    mouv_future_t next = mouv_lock_acquire_future(&lock);
    mouv_future_drop(&gone);
    mouv_future_unref(lost);
    CHECK_INT(mouv_lock_release(&lock), 0);
    CHECK(mouv_future_done(next));
    await_ok(next);
    CHECK_INT(mouv_lock_release(&lock), 0);
    return 0;
}

CORO_CASE(drop_after_hand_over_passes_the_lock_on) {
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t first = mouv_lock_acquire_future(&lock);
    mouv_future_t second = mouv_lock_acquire_future(&lock);
    mouv_future_t third = mouv_lock_acquire_future(&lock);
    CHECK_INT(mouv_lock_release(&lock), 0);
    CHECK(mouv_future_done(first) && !mouv_future_done(second));
    mouv_future_drop(&first);
    CHECK(mouv_future_done(second) && !mouv_future_done(third));
    mouv_future_unref(second);
    await_ok(third);
    CHECK_INT(mouv_lock_release(&lock), 0);
    CHECK(!mouv_lock_locked(&lock));
    return 0;
}

CORO_CASE(gather_that_fails_leaves_the_lock_to_the_next) {
    CHECK_INT(
        mouv_await(mouv_gather(mouv_lock_acquire_future(&lock), mouv_task(fail_minus_5, "no")),
                   NULL),
        -5);
    CHECK(!mouv_lock_locked(&lock));
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t all = mouv_gather(mouv_lock_acquire_future(&lock), mouv_task(fail_minus_5, "no"));
    CHECK_INT(mouv_await(all, NULL), -5); /* the lock comes too late */
    CHECK_INT(mouv_lock_release(&lock), 0);
    CHECK(!mouv_lock_locked(&lock));
    return 0;
}

/* What the first passes on is for one whose end is under way as well. */
CORO_CASE(gather_that_fails_with_several_in_line_frees_all_locks) {
    mouv_lock_t mine = {0};
    CHECK_INT(
        mouv_await(mouv_gather(mouv_lock_acquire_future(&lock), mouv_lock_acquire_future(&lock),
                               mouv_lock_acquire_future(&mine), mouv_task(fail_minus_5, "no")),
                   NULL),
        -5);
    CHECK(!mouv_lock_locked(&lock));
    CHECK(!mouv_lock_locked(&mine));
    CHECK(lock.waiting == NULL && lock.granted == NULL);
    return 0;
}

CORO_CASE(gather_that_succeeds_holds_all_its_locks) {
    mouv_lock_t one = {0}, two = {0};
    await_ok(mouv_gather(mouv_lock_acquire_future(&one), mouv_lock_acquire_future(&two)));
    CHECK_INT(mouv_lock_release(&one), 0);
    CHECK_INT(mouv_lock_release(&two), 0);
    return 0;
}

CORO_CASE(thousands_of_dropped_hand_overs_do_not_recurse) {
    enum { COUNT = 20000 };
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    for (int i = 0; i < COUNT; i++) /* each holds its acquire until it completes */
        mouv_future_unref(mouv_wait_for(mouv_lock_acquire_future(&lock), 400000));
    mouv_future_t last = mouv_lock_acquire_future(&lock);
    CHECK_INT(mouv_lock_release(&lock), 0);
    await_ok(last);
    CHECK_INT(mouv_lock_release(&lock), 0);
    return 0;
}

/* --- Clear ---------------------------------------------------------------------------------- */

CORO_CASE(clear_fails_those_who_wait) {
    mouv_lock_t mine = {0};
    CHECK_INT(mouv_lock_acquire(&mine), 0);
    mouv_future_t a = mouv_lock_acquire_future(&mine), b = mouv_lock_acquire_future(&mine);
    mouv_lock_clear(&mine);
    CHECK(!mouv_lock_locked(&mine));
    CHECK_INT(mouv_await(a, NULL), MOUV_ECLOSED);
    CHECK_INT(mouv_await(b, NULL), MOUV_ECLOSED);
    CHECK_INT(mouv_lock_acquire(&mine), 0); /* as new */
    mouv_lock_clear(&mine);
    return 0;
}

CORO_CASE(clear_with_the_lock_on_its_way_leaves_it_alone) {
    mouv_lock_t *heap = calloc(1, sizeof *heap);
    mouv_future_t a = mouv_lock_acquire_future(heap), b = mouv_lock_acquire_future(heap);
    mouv_future_t c = mouv_lock_acquire_future(heap);
    mouv_future_cancel(b);
    mouv_lock_clear(heap);
    free(heap);
    CHECK_INT(mouv_await(b, NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_await(c, NULL), MOUV_ECLOSED);
    mouv_future_drop(&a);
    return 0;
}

static int acquire_leased(void *leased) {
    return mouv_lock_acquire(leased);
}

CORO_CASE(clear_wakes_tasks_that_wait) {
    mouv_lock_t mine = {0};
    CHECK_INT(mouv_lock_acquire(&mine), 0);
    mouv_future_t a = mouv_task(acquire_leased, &mine), b = mouv_task(acquire_leased, &mine);
    yield(1);
    mouv_lock_clear(&mine);
    CHECK_INT(mouv_await(a, NULL), MOUV_ECLOSED);
    CHECK_INT(mouv_await(b, NULL), MOUV_ECLOSED);
    return 0;
}

CORO_CASE(clear_of_a_gathered_hand_over_gives_it_to_nobody) {
    mouv_lock_t mine = {0};
    mouv_future_t granted = mouv_lock_acquire_future(&mine);
    mouv_future_t waiting = mouv_lock_acquire_future(&mine);
    mouv_future_t third = mouv_lock_acquire_future(&mine);
    mouv_future_unref(mouv_gather(waiting, granted)); /* goes with its first failure */
    mouv_lock_clear(&mine);
    CHECK_INT(mouv_await(third, NULL), MOUV_ECLOSED);
    CHECK_ONE_WARNING("never retrieved");
    return 0;
}

/* --- MOUV_LOCKED ---------------------------------------------------------------------------- */

static int leave_early(void *arg) {
    (void)arg;
    MOUV_LOCKED(held, &lock);
    if (held.code < 0) return held.code;
    CHECK(mouv_lock_locked(&lock));
    return 7;
}

CORO_CASE(locked_block_releases_on_early_return) {
    CHECK_INT(leave_early(NULL), 7);
    CHECK(!mouv_lock_locked(&lock));
    return 0;
}

CORO_CASE(locked_block_that_failed_releases_nothing) {
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    {
        MOUV_LOCKED(held, &lock);
        CHECK_INT(held.code, MOUV_EDEADLK);
    }
    CHECK(mouv_lock_locked(&lock));
    CHECK_INT(mouv_lock_release(&lock), 0);
    mouv_locked_t held;
    CHECK_INT(mouv_locked_begin(&held, &lock), 0);
    mouv_locked_end(&held);
    mouv_locked_end(&held);
    mouv_locked_end(NULL);
    CHECK_INT(mouv_locked_begin(NULL, &lock), MOUV_EINVAL);
    CHECK(!mouv_lock_locked(&lock));
    return 0;
}

/* --- Outside of coroutines ------------------------------------------------------------------ */

static void got_it(mouv_future_t future, void *word) {
    CHECK_INT(mouv_future_result(future, NULL), 0);
    event("%s", (char *)word);
    CHECK_INT(mouv_lock_release(&lock), 0);
}

static void callbacks_hold_the_lock_for_the_loop(void **state) {
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    assert_int_equal(mouv_lock_acquire(&lock), MOUV_ENOTCORO);
    assert_int_equal(mouv_run_until(runtime, mouv_lock_acquire_future(&lock), NULL), 0);
    assert_int_equal(mouv_then(mouv_lock_acquire_future(&lock), got_it, "one"), 0);
    assert_int_equal(mouv_then(mouv_lock_acquire_future(&lock), got_it, "two"), 0);
    /* a wait alone keeps no loop alive: nobody is left who could end it */
    assert_int_equal(mouv_run_until(runtime, mouv_lock_acquire_future(&lock), NULL), MOUV_ESTATE);
    mouv_future_t task = mouv_task(visit, "task");
    assert_int_equal(mouv_lock_release(&lock), 0);
    assert_int_equal(mouv_run_until(runtime, task, NULL), 0);
    assert_string_equal(events(), "one two task");
    mouv_runtime_close(runtime, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(support_failures, 0);
}

static void without_a_runtime_there_is_nothing_to_wait_on(void **state) {
    (void)state;
    mouv_lock_t mine = {0};
    mouv_error_t error;
    assert_int_equal(mouv_lock_acquire(&mine), MOUV_ENOTCORO);
    assert_int_equal(mouv_future_result(mouv_lock_acquire_future(&mine), &error), MOUV_ENOLOOP);
    assert_int_equal(mouv_lock_release(&mine), MOUV_ESTATE);
}

static int wait_for_ever(void *arg) {
    (void)arg;
    return mouv_lock_acquire(&lock);
}

static int leave_waiters_behind(void *arg) {
    (void)arg;
    mouv_lock_acquire(&lock);
    forget(mouv_task(wait_for_ever, NULL));
    forget(mouv_lock_acquire_future(&lock)); /* leaked */
    yield(1);
    return 0;
}

static void static_lock_outlives_a_runtime_that_ends_with_waiters(void **state) {
    (void)state;
    assert_int_equal(mouv_run(leave_waiters_behind, NULL, NULL), 0);
    assert_null(lock.waiting);
    assert_null(lock.granted);
    assert_true(mouv_lock_locked(&lock)); /* its holder never released it */
    mouv_lock_clear(&lock);
}

static int leave_a_grant_behind(void *arg) {
    (void)arg;
    forget(mouv_lock_acquire_future(&lock));
    return 0;
}

static void hand_over_that_nobody_took_ends_with_the_runtime(void **state) {
    (void)state;
    assert_int_equal(mouv_run(leave_a_grant_behind, NULL, NULL), 0);
    assert_false(mouv_lock_locked(&lock));
}

static void release_elsewhere(void *rc) {
    *(int *)rc = mouv_lock_release(&lock);
}

CORO_CASE(release_on_another_thread_is_refused) {
    uv_thread_t thread;
    int rc = 0;
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t next = mouv_lock_acquire_future(&lock);
    uv_thread_create(&thread, release_elsewhere, &rc);
    uv_thread_join(&thread);
    CHECK_INT(rc, MOUV_ETHREAD);
    CHECK_INT(mouv_lock_release(&lock), 0);
    await_ok(next);
    CHECK_INT(mouv_lock_release(&lock), 0);
    return 0;
}

CORO_CASE(acquire_without_memory_leaves_the_line_as_it_was) {
    CHECK_INT(mouv_lock_acquire(&lock), 0);
    mouv_future_t next = mouv_lock_acquire_future(&lock);
    mouv__alloc_fail_at = 1;
    CHECK_INT(mouv_await(mouv_lock_acquire_future(&lock), NULL), MOUV_ENOMEM);
    mouv__alloc_fail_at = -1;
    CHECK_INT(mouv_lock_release(&lock), 0);
    await_ok(next);
    CHECK_INT(mouv_lock_release(&lock), 0);
    CHECK(!mouv_lock_locked(&lock));
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(acquire_of_a_free_lock_neither_suspends_nor_allocates),
        TEST(release_of_a_free_lock_is_an_invalid_state),
        TEST(acquire_by_its_holder_is_a_deadlock_and_is_told),
        TEST(release_by_another_task_is_an_invalid_state),
        TEST(null_is_invalid_everywhere),
        TEST(waiters_get_the_lock_first_come_first_served),
        TEST(releaser_that_acquires_again_stands_behind_those_who_wait),
        TEST(lock_on_its_way_can_be_released_by_nobody),
        TEST(thousands_of_waiters_never_meet),
        TEST(cancel_while_waiting_leaves_the_line),
        TEST(cancel_and_release_in_one_tick_gives_it_to_the_next),
        TEST(cancel_after_hand_over_delivers_the_lock_and_stays_pending),
        TEST(cancelled_task_may_not_wait_but_may_take_what_is_free),
        TEST(timeout_while_waiting_leaves_the_line),
        TEST(await_for_delivers_the_lock_in_time),
        TEST(drop_of_a_waiting_future_leaves_the_line),
        TEST(drop_after_hand_over_passes_the_lock_on),
        TEST(gather_that_fails_leaves_the_lock_to_the_next),
        TEST(gather_that_fails_with_several_in_line_frees_all_locks),
        TEST(gather_that_succeeds_holds_all_its_locks),
        TEST(thousands_of_dropped_hand_overs_do_not_recurse),
        TEST(clear_fails_those_who_wait),
        TEST(clear_with_the_lock_on_its_way_leaves_it_alone),
        TEST(clear_wakes_tasks_that_wait),
        TEST(clear_of_a_gathered_hand_over_gives_it_to_nobody),
        TEST(locked_block_releases_on_early_return),
        TEST(locked_block_that_failed_releases_nothing),
        TEST(callbacks_hold_the_lock_for_the_loop),
        TEST(without_a_runtime_there_is_nothing_to_wait_on),
        TEST(static_lock_outlives_a_runtime_that_ends_with_waiters),
        TEST(hand_over_that_nobody_took_ends_with_the_runtime),
        TEST(release_on_another_thread_is_refused),
        TEST(acquire_without_memory_leaves_the_line_as_it_was),
    };
    return RUN_CASES(cases);
}
