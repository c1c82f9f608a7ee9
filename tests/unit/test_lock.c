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
    check_int(mouv_lock_release(&lock), 0);
    return 0;
}

static void await_ok(mouv_future_t future) {
    check_int(mouv_await(future, NULL), 0);
}

/* --- One task ------------------------------------------------------------------------------- */

CORO_CASE(acquire_of_a_free_lock_neither_suspends_nor_allocates) {
    mouv_lock_t mine = {0};
    mouv_future_t other = mouv_task(say, "ran");
    mouv__alloc_fail_at = 1;
    check_int(mouv_lock_acquire(&mine), 0);
    check_int(mouv__alloc_fail_at, 1);
    mouv__alloc_fail_at = -1;
    check(mouv_lock_locked(&mine));
    check_str(events(), "");
    check_int(mouv_lock_release(&mine), 0);
    check(!mouv_lock_locked(&mine));
    await_ok(other);
    return 0;
}

CORO_CASE(release_of_a_free_lock_is_an_invalid_state) {
    mouv_lock_t mine;
    mouv_lock_init(&mine);
    check_int(mouv_lock_release(&mine), MOUV_ESTATE);
    check_int(mouv_lock_acquire(&mine), 0);
    check_int(mouv_lock_release(&mine), 0);
    check_int(mouv_lock_release(&mine), MOUV_ESTATE);
    return 0;
}

CORO_CASE(acquire_by_its_holder_is_a_deadlock_and_is_told) {
    check_int(mouv_lock_acquire(&lock), 0);
    check_int(mouv_lock_acquire(&lock), MOUV_EDEADLK);
    check_int(mouv_await_for(mouv_lock_acquire_future(&lock), 5, NULL), MOUV_ETIMEDOUT);
    check_int(mouv_lock_release(&lock), 0);
    return 0;
}

static int release_it(void *arg) {
    (void)arg;
    return mouv_lock_release(&lock);
}

CORO_CASE(release_by_another_task_is_an_invalid_state) {
    check_int(mouv_lock_acquire(&lock), 0);
    check_int(mouv_await(mouv_task(release_it, NULL), NULL), MOUV_ESTATE);
    check(mouv_lock_locked(&lock));
    check_int(mouv_await(mouv_coro(release_it, NULL), NULL), 0); /* inline: the same task */
    return 0;
}

CORO_CASE(null_is_invalid_everywhere) {
    check_int(mouv_lock_acquire(NULL), MOUV_EINVAL);
    check_int(mouv_await(mouv_lock_acquire_future(NULL), NULL), MOUV_EINVAL);
    check_int(mouv_lock_release(NULL), MOUV_EINVAL);
    check(!mouv_lock_locked(NULL));
    mouv_lock_init(NULL);
    mouv_lock_clear(NULL);
    return 0;
}

/* --- In line -------------------------------------------------------------------------------- */

CORO_CASE(waiters_get_the_lock_first_come_first_served) {
    check_int(mouv_lock_acquire(&lock), 0);
    mouv_future_t all =
        mouv_gather(mouv_task(visit, "a"), mouv_task(visit, "b"), mouv_task(visit, "c"));
    yield(2);
    check_str(events(), "");
    check_int(mouv_lock_release(&lock), 0);
    await_ok(all);
    check_str(events(), "a b c");
    check(!mouv_lock_locked(&lock));
    return 0;
}

CORO_CASE(releaser_that_acquires_again_stands_behind_those_who_wait) {
    check_int(mouv_lock_acquire(&lock), 0);
    mouv_future_t other = mouv_task(visit, "other");
    yield(1);
    check_int(mouv_lock_release(&lock), 0);
    check(mouv_lock_locked(&lock)); /* on its way */
    check_int(mouv_lock_acquire(&lock), 0);
    event("mine");
    check_int(mouv_lock_release(&lock), 0);
    await_ok(other);
    check_str(events(), "other mine");
    return 0;
}

CORO_CASE(lock_on_its_way_can_be_released_by_nobody) {
    check_int(mouv_lock_acquire(&lock), 0);
    mouv_future_t next = mouv_lock_acquire_future(&lock);
    check_int(mouv_lock_release(&lock), 0);
    check(mouv_future_done(next));
    check_int(mouv_lock_release(&lock), MOUV_ESTATE);
    await_ok(next);
    check_int(mouv_lock_release(&lock), 0);
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
    check_int(counter, COUNT);
    check(!mouv_lock_locked(&lock));
    return 0;
}

/* --- Cancel --------------------------------------------------------------------------------- */

CORO_CASE(cancel_while_waiting_leaves_the_line) {
    check_int(mouv_lock_acquire(&lock), 0);
    mouv_future_t a = mouv_task(visit, "a"), b = mouv_task(visit, "b");
    yield(1);
    mouv_future_cancel(a);
    check_int(mouv_await(a, NULL), MOUV_ECANCELED);
    check_int(mouv_lock_release(&lock), 0);
    await_ok(b);
    check_str(events(), "a:ECANCELED b");
    return 0;
}

/* CPython's test_cancel_race. */
CORO_CASE(cancel_and_release_in_one_tick_gives_it_to_the_next) {
    check_int(mouv_lock_acquire(&lock), 0);
    mouv_future_t b = mouv_task(visit, "b"), c = mouv_task(visit, "c");
    yield(1);
    mouv_future_cancel(b);
    check_int(mouv_lock_release(&lock), 0);
    check_int(mouv_await(b, NULL), MOUV_ECANCELED);
    await_ok(c);
    check_str(events(), "b:ECANCELED c");
    return 0;
}

static int acquire_then_sleep(void *arg) {
    (void)arg;
    check_int(mouv_lock_acquire(&lock), 0);
    check(mouv_cancelling());
    int rc = mouv_sleep_ms(400000);
    check_int(mouv_lock_release(&lock), 0);
    return rc;
}

CORO_CASE(cancel_after_hand_over_delivers_the_lock_and_stays_pending) {
    check_int(mouv_lock_acquire(&lock), 0);
    mouv_future_t a = mouv_task(acquire_then_sleep, NULL), b = mouv_task(visit, "b");
    yield(1);
    check_int(mouv_lock_release(&lock), 0);
    mouv_future_cancel(a);
    check_int(mouv_await(a, NULL), MOUV_ECANCELED);
    await_ok(b);
    check_str(events(), "b");
    return 0;
}

static int acquire_while_cancelled(void *arg) {
    (void)arg;
    check_int(mouv_sleep_ms(400000), MOUV_ECANCELED);
    check_int(mouv_lock_acquire(&lock), MOUV_ECANCELED); /* held by another */
    mouv_lock_t mine = {0};
    check_int(mouv_lock_acquire(&mine), 0); /* does not suspend */
    return mouv_lock_release(&mine);
}

CORO_CASE(cancelled_task_may_not_wait_but_may_take_what_is_free) {
    check_int(mouv_lock_acquire(&lock), 0);
    mouv_future_t task = mouv_task(acquire_while_cancelled, NULL);
    yield(1);
    mouv_future_cancel(task);
    await_ok(task);
    check_int(mouv_lock_release(&lock), 0);
    check(!mouv_lock_locked(&lock));
    return 0;
}

CORO_CASE(timeout_while_waiting_leaves_the_line) {
    check_int(mouv_lock_acquire(&lock), 0);
    int64_t began = clock_ms();
    mouv_future_t other = mouv_wait_for(mouv_lock_acquire_future(&lock), 20);
    check_int(mouv_await(other, NULL), MOUV_ETIMEDOUT);
    check(took(began, 20));
    check_int(mouv_lock_release(&lock), 0);
    check(!mouv_lock_locked(&lock));
    return 0;
}

CORO_CASE(await_for_delivers_the_lock_in_time) {
    check_int(mouv_await_for(mouv_lock_acquire_future(&lock), 1000, NULL), 0);
    check_int(mouv_lock_release(&lock), 0);
    check_int(mouv_await(mouv_wait_for(mouv_lock_acquire_future(&lock), 1000), NULL), 0);
    check_int(mouv_lock_release(&lock), 0);
    return 0;
}

/* --- The twin ------------------------------------------------------------------------------- */

CORO_CASE(drop_of_a_waiting_future_leaves_the_line) {
    check_int(mouv_lock_acquire(&lock), 0);
    mouv_future_t gone = mouv_lock_acquire_future(&lock);
    mouv_future_t lost = mouv_lock_acquire_future(&lock);
    mouv_future_t next = mouv_lock_acquire_future(&lock);
    mouv_future_drop(&gone);
    mouv_future_unref(lost);
    check_int(mouv_lock_release(&lock), 0);
    check(mouv_future_done(next));
    await_ok(next);
    check_int(mouv_lock_release(&lock), 0);
    return 0;
}

CORO_CASE(drop_after_hand_over_passes_the_lock_on) {
    check_int(mouv_lock_acquire(&lock), 0);
    mouv_future_t first = mouv_lock_acquire_future(&lock);
    mouv_future_t second = mouv_lock_acquire_future(&lock);
    mouv_future_t third = mouv_lock_acquire_future(&lock);
    check_int(mouv_lock_release(&lock), 0);
    check(mouv_future_done(first) && !mouv_future_done(second));
    mouv_future_drop(&first);
    check(mouv_future_done(second) && !mouv_future_done(third));
    mouv_future_unref(second);
    await_ok(third);
    check_int(mouv_lock_release(&lock), 0);
    check(!mouv_lock_locked(&lock));
    return 0;
}

CORO_CASE(gather_that_fails_leaves_the_lock_to_the_next) {
    check_int(
        mouv_await(mouv_gather(mouv_lock_acquire_future(&lock), mouv_task(fail_minus_5, "no")),
                   NULL),
        -5);
    check(!mouv_lock_locked(&lock));
    check_int(mouv_lock_acquire(&lock), 0);
    mouv_future_t all = mouv_gather(mouv_lock_acquire_future(&lock), mouv_task(fail_minus_5, "no"));
    check_int(mouv_await(all, NULL), -5); /* the lock comes too late */
    check_int(mouv_lock_release(&lock), 0);
    check(!mouv_lock_locked(&lock));
    return 0;
}

/* What the first passes on is for one whose end is under way as well. */
CORO_CASE(gather_that_fails_with_several_in_line_frees_all_locks) {
    mouv_lock_t mine = {0};
    check_int(
        mouv_await(mouv_gather(mouv_lock_acquire_future(&lock), mouv_lock_acquire_future(&lock),
                               mouv_lock_acquire_future(&mine), mouv_task(fail_minus_5, "no")),
                   NULL),
        -5);
    check(!mouv_lock_locked(&lock));
    check(!mouv_lock_locked(&mine));
    check(lock.waiting == NULL && lock.granted == NULL);
    return 0;
}

CORO_CASE(gather_that_succeeds_holds_all_its_locks) {
    mouv_lock_t one = {0}, two = {0};
    await_ok(mouv_gather(mouv_lock_acquire_future(&one), mouv_lock_acquire_future(&two)));
    check_int(mouv_lock_release(&one), 0);
    check_int(mouv_lock_release(&two), 0);
    return 0;
}

CORO_CASE(thousands_of_dropped_hand_overs_do_not_recurse) {
    enum { COUNT = 20000 };
    check_int(mouv_lock_acquire(&lock), 0);
    for (int i = 0; i < COUNT; i++) /* each holds its acquire until it completes */
        mouv_future_unref(mouv_wait_for(mouv_lock_acquire_future(&lock), 400000));
    mouv_future_t last = mouv_lock_acquire_future(&lock);
    check_int(mouv_lock_release(&lock), 0);
    await_ok(last);
    check_int(mouv_lock_release(&lock), 0);
    return 0;
}

/* --- Clear ---------------------------------------------------------------------------------- */

CORO_CASE(clear_fails_those_who_wait) {
    mouv_lock_t mine = {0};
    check_int(mouv_lock_acquire(&mine), 0);
    mouv_future_t a = mouv_lock_acquire_future(&mine), b = mouv_lock_acquire_future(&mine);
    mouv_lock_clear(&mine);
    check(!mouv_lock_locked(&mine));
    check_int(mouv_await(a, NULL), MOUV_ECLOSED);
    check_int(mouv_await(b, NULL), MOUV_ECLOSED);
    check_int(mouv_lock_acquire(&mine), 0); /* as new */
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
    check_int(mouv_await(b, NULL), MOUV_ECANCELED);
    check_int(mouv_await(c, NULL), MOUV_ECLOSED);
    mouv_future_drop(&a);
    return 0;
}

static int acquire_leased(void *leased) {
    return mouv_lock_acquire(leased);
}

CORO_CASE(clear_wakes_tasks_that_wait) {
    mouv_lock_t mine = {0};
    check_int(mouv_lock_acquire(&mine), 0);
    mouv_future_t a = mouv_task(acquire_leased, &mine), b = mouv_task(acquire_leased, &mine);
    yield(1);
    mouv_lock_clear(&mine);
    check_int(mouv_await(a, NULL), MOUV_ECLOSED);
    check_int(mouv_await(b, NULL), MOUV_ECLOSED);
    return 0;
}

CORO_CASE(clear_of_a_gathered_hand_over_gives_it_to_nobody) {
    mouv_lock_t mine = {0};
    mouv_future_t granted = mouv_lock_acquire_future(&mine);
    mouv_future_t waiting = mouv_lock_acquire_future(&mine);
    mouv_future_t third = mouv_lock_acquire_future(&mine);
    mouv_future_unref(mouv_gather(waiting, granted)); /* goes with its first failure */
    mouv_lock_clear(&mine);
    check_int(mouv_await(third, NULL), MOUV_ECLOSED);
    check_one_warning("never retrieved");
    return 0;
}

/* --- MOUV_LOCKED ---------------------------------------------------------------------------- */

static int leave_early(void *arg) {
    (void)arg;
    MOUV_LOCKED(held, &lock);
    if (held.code < 0) return held.code;
    check(mouv_lock_locked(&lock));
    return 7;
}

CORO_CASE(locked_block_releases_on_early_return) {
    check_int(leave_early(NULL), 7);
    check(!mouv_lock_locked(&lock));
    return 0;
}

CORO_CASE(locked_block_that_failed_releases_nothing) {
    check_int(mouv_lock_acquire(&lock), 0);
    {
        MOUV_LOCKED(held, &lock);
        check_int(held.code, MOUV_EDEADLK);
    }
    check(mouv_lock_locked(&lock));
    check_int(mouv_lock_release(&lock), 0);
    mouv_locked_t held;
    check_int(mouv_locked_begin(&held, &lock), 0);
    mouv_locked_end(&held);
    mouv_locked_end(&held);
    mouv_locked_end(NULL);
    check_int(mouv_locked_begin(NULL, &lock), MOUV_EINVAL);
    check(!mouv_lock_locked(&lock));
    return 0;
}

/* --- Outside of coroutines ------------------------------------------------------------------ */

static void got_it(mouv_future_t future, void *word) {
    check_int(mouv_future_result(future, NULL), 0);
    event("%s", (char *)word);
    check_int(mouv_lock_release(&lock), 0);
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
    mouv_task(wait_for_ever, NULL);
    mouv_lock_acquire_future(&lock); /* leaked */
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
    mouv_lock_acquire_future(&lock);
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
    check_int(mouv_lock_acquire(&lock), 0);
    mouv_future_t next = mouv_lock_acquire_future(&lock);
    uv_thread_create(&thread, release_elsewhere, &rc);
    uv_thread_join(&thread);
    check_int(rc, MOUV_ETHREAD);
    check_int(mouv_lock_release(&lock), 0);
    await_ok(next);
    check_int(mouv_lock_release(&lock), 0);
    return 0;
}

CORO_CASE(acquire_without_memory_leaves_the_line_as_it_was) {
    check_int(mouv_lock_acquire(&lock), 0);
    mouv_future_t next = mouv_lock_acquire_future(&lock);
    mouv__alloc_fail_at = 1;
    check_int(mouv_await(mouv_lock_acquire_future(&lock), NULL), MOUV_ENOMEM);
    mouv__alloc_fail_at = -1;
    check_int(mouv_lock_release(&lock), 0);
    await_ok(next);
    check_int(mouv_lock_release(&lock), 0);
    check(!mouv_lock_locked(&lock));
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        CASE(acquire_of_a_free_lock_neither_suspends_nor_allocates),
        CASE(release_of_a_free_lock_is_an_invalid_state),
        CASE(acquire_by_its_holder_is_a_deadlock_and_is_told),
        CASE(release_by_another_task_is_an_invalid_state),
        CASE(null_is_invalid_everywhere),
        CASE(waiters_get_the_lock_first_come_first_served),
        CASE(releaser_that_acquires_again_stands_behind_those_who_wait),
        CASE(lock_on_its_way_can_be_released_by_nobody),
        CASE(thousands_of_waiters_never_meet),
        CASE(cancel_while_waiting_leaves_the_line),
        CASE(cancel_and_release_in_one_tick_gives_it_to_the_next),
        CASE(cancel_after_hand_over_delivers_the_lock_and_stays_pending),
        CASE(cancelled_task_may_not_wait_but_may_take_what_is_free),
        CASE(timeout_while_waiting_leaves_the_line),
        CASE(await_for_delivers_the_lock_in_time),
        CASE(drop_of_a_waiting_future_leaves_the_line),
        CASE(drop_after_hand_over_passes_the_lock_on),
        CASE(gather_that_fails_leaves_the_lock_to_the_next),
        CASE(gather_that_fails_with_several_in_line_frees_all_locks),
        CASE(gather_that_succeeds_holds_all_its_locks),
        CASE(thousands_of_dropped_hand_overs_do_not_recurse),
        CASE(clear_fails_those_who_wait),
        CASE(clear_with_the_lock_on_its_way_leaves_it_alone),
        CASE(clear_wakes_tasks_that_wait),
        CASE(clear_of_a_gathered_hand_over_gives_it_to_nobody),
        CASE(locked_block_releases_on_early_return),
        CASE(locked_block_that_failed_releases_nothing),
        CASE(callbacks_hold_the_lock_for_the_loop),
        CASE(without_a_runtime_there_is_nothing_to_wait_on),
        CASE(static_lock_outlives_a_runtime_that_ends_with_waiters),
        CASE(hand_over_that_nobody_took_ends_with_the_runtime),
        CASE(release_on_another_thread_is_refused),
        CASE(acquire_without_memory_leaves_the_line_as_it_was),
    };
    return RUN_CASES(cases);
}
