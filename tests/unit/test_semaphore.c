/* mouv_semaphore_t: at most so many at once, first come first served. */
#include "../support/async_support.h"

#include <limits.h>

#include "context/alloc.h"

static mouv_semaphore_t limit = MOUV_SEMAPHORE_INIT(2);
static int inside, most_inside;

static int visit(void *word) {
    int rc = mouv_semaphore_acquire(&limit);
    if (rc < 0) {
        event("%s:%s", (char *)word, mouv_error_name(rc) + 5);
        return rc;
    }
    event("%s", (char *)word);
    if (++inside > most_inside) most_inside = inside;
    yield(2);
    inside--;
    CHECK_INT(mouv_semaphore_release(&limit), 0);
    return 0;
}

static void begin(int value) {
    inside = most_inside = 0;
    CHECK_INT(mouv_semaphore_init(&limit, value), 0);
}

static void await_ok(mouv_future_t future) {
    CHECK_INT(mouv_await(future, NULL), 0);
}

CORO_CASE(acquire_above_zero_neither_suspends_nor_allocates) {
    mouv_future_t other = mouv_task(say, "ran");
    mouv__alloc_fail_at = 1;
    CHECK_INT(mouv_semaphore_acquire(&limit), 0);
    CHECK(!mouv_semaphore_locked(&limit));
    CHECK_INT(mouv_semaphore_acquire(&limit), 0);
    CHECK_INT(mouv__alloc_fail_at, 1);
    mouv__alloc_fail_at = -1;
    CHECK(mouv_semaphore_locked(&limit));
    CHECK_STRING(events(), "");
    CHECK_INT(mouv_semaphore_release(&limit), 0);
    CHECK_INT(mouv_semaphore_release(&limit), 0);
    await_ok(other);
    return 0;
}

CORO_CASE(no_more_than_the_value_are_inside_in_order) {
    begin(2);
    await_ok(mouv_gather(mouv_task(visit, "a"), mouv_task(visit, "b"), mouv_task(visit, "c"),
                         mouv_task(visit, "d"), mouv_task(visit, "e")));
    CHECK_STRING(events(), "a b c d e");
    CHECK_INT(most_inside, 2);
    CHECK_INT(limit.value, 2);
    return 0;
}

CORO_CASE(zeroed_semaphore_waits_for_a_release) {
    mouv_semaphore_t mine = {0};
    CHECK(mouv_semaphore_locked(&mine));
    mouv_future_t waits = mouv_semaphore_acquire_future(&mine);
    yield(1);
    CHECK(!mouv_future_done(waits));
    CHECK_INT(mouv_semaphore_release(&mine), 0);
    await_ok(waits);
    CHECK(mouv_semaphore_locked(&mine));
    return 0;
}

CORO_CASE(release_goes_to_who_waits_and_not_to_who_comes) {
    begin(1);
    CHECK_INT(mouv_semaphore_acquire(&limit), 0);
    mouv_future_t first = mouv_semaphore_acquire_future(&limit);
    CHECK_INT(mouv_semaphore_release(&limit), 0);
    CHECK(mouv_semaphore_locked(&limit)); /* on its way */
    mouv_future_t late = mouv_semaphore_acquire_future(&limit);
    CHECK(mouv_future_done(first) && !mouv_future_done(late));
    await_ok(first);
    CHECK_INT(mouv_semaphore_release(&limit), 0);
    await_ok(late);
    return 0;
}

CORO_CASE(bounded_over_release_is_an_invalid_state_as_is_overflow) {
    mouv_semaphore_t mine = MOUV_BOUNDED_SEMAPHORE_INIT(1);
    CHECK_INT(mouv_semaphore_release(&mine), MOUV_ESTATE);
    CHECK_INT(mouv_semaphore_acquire(&mine), 0);
    CHECK_INT(mouv_semaphore_release(&mine), 0);
    CHECK_INT(mouv_semaphore_release(&mine), MOUV_ESTATE);
    CHECK_INT(mouv_semaphore_init_bounded(&mine, 2), 0);
    CHECK_INT(mouv_semaphore_release(&mine), MOUV_ESTATE);
    CHECK_INT(mouv_semaphore_init(&mine, 2), 0);
    CHECK_INT(mouv_semaphore_release(&mine), 0);
    CHECK_INT(mine.value, 3);
    CHECK_INT(mouv_semaphore_init(&mine, INT_MAX), 0);
    CHECK_INT(mouv_semaphore_release(&mine), MOUV_ESTATE);
    return 0;
}

CORO_CASE(bad_arguments_are_invalid) {
    mouv_semaphore_t mine;
    CHECK_INT(mouv_semaphore_init(&mine, -1), MOUV_EINVAL);
    CHECK(mouv_semaphore_locked(&mine));
    CHECK_INT(mouv_semaphore_init(NULL, 1), MOUV_EINVAL);
    CHECK_INT(mouv_semaphore_init_bounded(NULL, 1), MOUV_EINVAL);
    CHECK_INT(mouv_semaphore_acquire(NULL), MOUV_EINVAL);
    CHECK_INT(mouv_semaphore_release(NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_semaphore_acquire_future(NULL), NULL), MOUV_EINVAL);
    CHECK(mouv_semaphore_locked(NULL));
    mouv_semaphore_clear(NULL);
    return 0;
}

CORO_CASE(cancel_while_waiting_takes_nothing) {
    begin(1);
    CHECK_INT(mouv_semaphore_acquire(&limit), 0);
    mouv_future_t a = mouv_task(visit, "a"), b = mouv_task(visit, "b");
    yield(1);
    mouv_future_cancel(a);
    CHECK_INT(mouv_semaphore_release(&limit), 0);
    CHECK_INT(mouv_await(a, NULL), MOUV_ECANCELED);
    await_ok(b);
    CHECK_STRING(events(), "a:ECANCELED b");
    CHECK_INT(limit.value, 1);
    return 0;
}

CORO_CASE(cancel_after_hand_over_has_acquired) {
    begin(1);
    CHECK_INT(mouv_semaphore_acquire(&limit), 0);
    mouv_future_t a = mouv_task(visit, "a"), b = mouv_task(visit, "b");
    yield(1);
    CHECK_INT(mouv_semaphore_release(&limit), 0);
    mouv_future_cancel(a);
    CHECK_INT(mouv_await(a, NULL), 0);
    await_ok(b);
    CHECK_STRING(events(), "a b");
    CHECK_INT(limit.value, 1);
    return 0;
}

CORO_CASE(drop_gives_back_what_was_handed_over) {
    begin(2);
    mouv_future_t a = mouv_semaphore_acquire_future(&limit);
    mouv_future_t b = mouv_semaphore_acquire_future(&limit);
    mouv_future_t c = mouv_semaphore_acquire_future(&limit);
    mouv_future_t d = mouv_semaphore_acquire_future(&limit);
    mouv_future_drop(&d);
    mouv_future_drop(&a);
    CHECK(mouv_future_done(c));
    mouv_future_unref(b);
    await_ok(c);
    CHECK_INT(limit.value, 1);
    CHECK_INT(mouv_semaphore_release(&limit), 0);
    return 0;
}

CORO_CASE(gather_that_fails_gives_back) {
    begin(1);
    CHECK_INT(mouv_await(
                  mouv_gather(mouv_semaphore_acquire_future(&limit), mouv_task(fail_minus_5, "no")),
                  NULL),
              -5);
    CHECK_INT(limit.value, 1);
    return 0;
}

CORO_CASE(timeout_takes_nothing) {
    begin(0);
    CHECK_INT(mouv_await_for(mouv_semaphore_acquire_future(&limit), 10, NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_semaphore_release(&limit), 0);
    CHECK_INT(limit.value, 1);
    return 0;
}

CORO_CASE(clear_fails_those_who_wait) {
    mouv_semaphore_t *heap = malloc(sizeof *heap);
    CHECK_INT(mouv_semaphore_init(heap, 1), 0);
    mouv_future_t a = mouv_semaphore_acquire_future(heap);
    mouv_future_t b = mouv_semaphore_acquire_future(heap);
    mouv_semaphore_clear(heap);
    free(heap);
    CHECK_INT(mouv_await(a, NULL), 0); /* it was handed over */
    CHECK_INT(mouv_await(b, NULL), MOUV_ECLOSED);
    return 0;
}

CORO_CASE(thousands_pass_and_dropped_ones_do_not_recurse) {
    enum { COUNT = 3000 };
    static mouv_future_t tasks[COUNT];
    begin(10);
    for (int i = 0; i < COUNT; i++) tasks[i] = mouv_task(visit, "");
    await_ok(mouv_gather_array(tasks, COUNT));
    CHECK_INT(most_inside, 10);
    CHECK_INT(limit.value, 10);
    begin(0);
    for (int i = 0; i < 20000; i++)
        mouv_future_unref(mouv_wait_for(mouv_semaphore_acquire_future(&limit), 400000));
    mouv_future_t last = mouv_semaphore_acquire_future(&limit);
    CHECK_INT(mouv_semaphore_release(&limit), 0);
    await_ok(last);
    CHECK_INT(limit.value, 0);
    return 0;
}

static void release_elsewhere(void *rc) {
    *(int *)rc = mouv_semaphore_release(&limit);
}

CORO_CASE(release_on_another_thread_is_refused) {
    uv_thread_t thread;
    int rc = 0;
    begin(0);
    mouv_future_t waits = mouv_semaphore_acquire_future(&limit);
    uv_thread_create(&thread, release_elsewhere, &rc);
    uv_thread_join(&thread);
    CHECK_INT(rc, MOUV_ETHREAD);
    CHECK_INT(mouv_semaphore_release(&limit), 0);
    await_ok(waits);
    return 0;
}

static void outside_of_a_coroutine_one_may_only_use_the_twin(void **state) {
    (void)state;
    mouv_semaphore_t mine = MOUV_SEMAPHORE_INIT(1);
    assert_int_equal(mouv_semaphore_acquire(&mine), MOUV_ENOTCORO);
    assert_int_equal(mine.value, 1);
    assert_int_equal(mouv_semaphore_release(&mine), 0);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(acquire_above_zero_neither_suspends_nor_allocates),
        TEST(no_more_than_the_value_are_inside_in_order),
        TEST(zeroed_semaphore_waits_for_a_release),
        TEST(release_goes_to_who_waits_and_not_to_who_comes),
        TEST(bounded_over_release_is_an_invalid_state_as_is_overflow),
        TEST(bad_arguments_are_invalid),
        TEST(cancel_while_waiting_takes_nothing),
        TEST(cancel_after_hand_over_has_acquired),
        TEST(drop_gives_back_what_was_handed_over),
        TEST(gather_that_fails_gives_back),
        TEST(timeout_takes_nothing),
        TEST(clear_fails_those_who_wait),
        TEST(thousands_pass_and_dropped_ones_do_not_recurse),
        TEST(release_on_another_thread_is_refused),
        TEST(outside_of_a_coroutine_one_may_only_use_the_twin),
    };
    return RUN_CASES(cases);
}
