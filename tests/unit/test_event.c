/* mouv_event_t: all who wait go on when it is set. */
#include "../support/async_support.h"

#include "context/alloc.h"

static mouv_event_t door;

static int pass(void *word) {
    int rc = mouv_event_wait(&door);
    if (rc < 0)
        event("%s:%s", (char *)word, mouv_error_name(rc) + 5);
    else
        event("%s", (char *)word);
    return rc;
}

CORO_CASE(wait_for_a_set_event_neither_suspends_nor_allocates) {
    mouv_event_t mine = {0};
    CHECK(!mouv_event_is_set(&mine));
    CHECK_INT(mouv_event_set(&mine), 0);
    CHECK_INT(mouv_event_set(&mine), 0);
    CHECK(mouv_event_is_set(&mine));
    mouv__alloc_fail_at = 1;
    CHECK_INT(mouv_event_wait(&mine), 0);
    CHECK_INT(mouv__alloc_fail_at, 1);
    mouv__alloc_fail_at = -1;
    CHECK_INT(mouv_await(mouv_event_wait_future(&mine), NULL), 0);
    CHECK_INT(mouv_event_clear(&mine), 0);
    CHECK(!mouv_event_is_set(&mine));
    CHECK_INT(mouv_await_for(mouv_event_wait_future(&mine), 5, NULL), MOUV_ETIMEDOUT);
    return 0;
}

CORO_CASE(set_wakes_all_in_the_order_in_which_they_came) {
    mouv_future_t all =
        mouv_gather(mouv_task(pass, "a"), mouv_task(pass, "b"), mouv_task(pass, "c"));
    yield(2);
    CHECK_STRING(events(), "");
    CHECK_INT(mouv_event_set(&door), 0);
    CHECK_STRING(events(), ""); /* on a later tick */
    CHECK_INT(mouv_await(all, NULL), 0);
    CHECK_STRING(events(), "a b c");
    mouv_event_init(&door);
    return 0;
}

CORO_CASE(set_that_is_cleared_at_once_still_wakes_who_waited) {
    mouv_future_t a = mouv_task(pass, "a");
    yield(1);
    CHECK_INT(mouv_event_set(&door), 0);
    CHECK_INT(mouv_event_clear(&door), 0);
    mouv_future_t b = mouv_task(pass, "b");
    CHECK_INT(mouv_await(a, NULL), 0);
    yield(2);
    CHECK_STRING(events(), "a");
    CHECK_INT(mouv_event_set(&door), 0);
    CHECK_INT(mouv_await(b, NULL), 0);
    mouv_event_init(&door);
    return 0;
}

CORO_CASE(cancel_before_the_set_leaves_after_it_is_too_late) {
    mouv_future_t a = mouv_task(pass, "a"), b = mouv_task(pass, "b");
    yield(1);
    mouv_future_cancel(a);
    CHECK_INT(mouv_event_set(&door), 0);
    mouv_future_cancel(b);
    CHECK_INT(mouv_await(a, NULL), MOUV_ECANCELED);
    CHECK_INT(mouv_await(b, NULL), 0);
    CHECK_STRING(events(), "a:ECANCELED b");
    mouv_event_init(&door);
    return 0;
}

CORO_CASE(dropped_futures_are_forgotten) {
    mouv_event_t mine = {0};
    mouv_future_t a = mouv_event_wait_future(&mine), b = mouv_event_wait_future(&mine);
    mouv_future_drop(&a);
    mouv_future_unref(b);
    CHECK(mine.waiting == NULL);
    CHECK_INT(mouv_event_set(&mine), 0);
    mouv_future_t c = mouv_event_wait_future(&mine);
    mouv_future_drop(&c);
    return 0;
}

CORO_CASE(close_fails_those_who_wait_but_not_those_who_may_go) {
    mouv_event_t mine = {0};
    mouv_future_t may_go = mouv_event_wait_future(&mine);
    CHECK_INT(mouv_event_set(&mine), 0);
    CHECK_INT(mouv_event_clear(&mine), 0);
    mouv_future_t waits = mouv_event_wait_future(&mine);
    mouv_event_close(&mine);
    CHECK_INT(mouv_await(may_go, NULL), 0);
    CHECK_INT(mouv_await(waits, NULL), MOUV_ECLOSED);
    return 0;
}

CORO_CASE(null_is_invalid_everywhere) {
    CHECK_INT(mouv_event_set(NULL), MOUV_EINVAL);
    CHECK_INT(mouv_event_clear(NULL), MOUV_EINVAL);
    CHECK_INT(mouv_event_wait(NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_event_wait_future(NULL), NULL), MOUV_EINVAL);
    CHECK(!mouv_event_is_set(NULL));
    mouv_event_init(NULL);
    mouv_event_close(NULL);
    return 0;
}

CORO_CASE(thousands_wake_in_one_set) {
    enum { COUNT = 5000 };
    static mouv_future_t all[COUNT];
    for (int i = 0; i < COUNT; i++) all[i] = mouv_event_wait_future(&door);
    CHECK_INT(mouv_event_set(&door), 0);
    CHECK_INT(mouv_await(mouv_gather_array(all, COUNT), NULL), 0);
    mouv_event_init(&door);
    return 0;
}

static void set_elsewhere(void *rc) {
    *(int *)rc = mouv_event_set(&door);
}

CORO_CASE(set_on_another_thread_is_refused) {
    uv_thread_t thread;
    int rc = 0;
    mouv_future_t waits = mouv_event_wait_future(&door);
    uv_thread_create(&thread, set_elsewhere, &rc);
    uv_thread_join(&thread);
    CHECK_INT(rc, MOUV_ETHREAD);
    CHECK(!mouv_event_is_set(&door));
    CHECK_INT(mouv_event_set(&door), 0);
    CHECK_INT(mouv_await(waits, NULL), 0);
    mouv_event_init(&door);
    return 0;
}

static void through(mouv_future_t future, void *word) {
    event("%s=%d", (char *)word, mouv_future_result(future, NULL));
}

static void set_outside_of_a_coroutine_calls_back(void **state) {
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    assert_int_equal(mouv_event_wait(&door), MOUV_ENOTCORO);
    assert_int_equal(mouv_then(mouv_event_wait_future(&door), through, "one"), 0);
    uv_run(&loop, UV_RUN_DEFAULT); /* a wait alone keeps no loop alive */
    assert_string_equal(events(), "");
    assert_int_equal(mouv_event_set(&door), 0);
    assert_string_equal(events(), "");
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(events(), "one=0");
    mouv_event_init(&door);
    assert_int_equal(mouv_then(mouv_event_wait_future(&door), through, "two"), 0);
    mouv_runtime_close(runtime, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_string_equal(events(), "one=0 two=-20002");
    assert_null(door.waiting);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(wait_for_a_set_event_neither_suspends_nor_allocates),
        TEST(set_wakes_all_in_the_order_in_which_they_came),
        TEST(set_that_is_cleared_at_once_still_wakes_who_waited),
        TEST(cancel_before_the_set_leaves_after_it_is_too_late),
        TEST(dropped_futures_are_forgotten),
        TEST(close_fails_those_who_wait_but_not_those_who_may_go),
        TEST(null_is_invalid_everywhere),
        TEST(thousands_wake_in_one_set),
        TEST(set_on_another_thread_is_refused),
        TEST(set_outside_of_a_coroutine_calls_back),
    };
    return RUN_CASES(cases);
}
