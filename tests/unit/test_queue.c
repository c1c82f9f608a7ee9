/* mouv_queue_t: nothing lost, nothing twice, in order, with back-pressure. */
#include "../support/async_support.h"

#include "context/alloc.h"

static mouv_queue_t queue;

static int put_item(void *item) {
    int rc = mouv_queue_put(&queue, item);
    event("+%s%s%s", (char *)item, rc < 0 ? ":" : "", rc < 0 ? mouv_error_name(rc) + 5 : "");
    return rc;
}

static int get_item(void *word) {
    void *item = "untouched";
    int rc = mouv_queue_get(&queue, &item);
    event("%s=%s", (char *)word, rc < 0 ? mouv_error_name(rc) + 5 : (char *)item);
    if (rc < 0) CHECK_STRING(item, "untouched");
    return rc;
}

static void begin(size_t maxsize) {
    mouv_queue_clear(&queue);
    mouv_queue_init(&queue, maxsize);
}

static void await_ok(mouv_future_t future) {
    CHECK_INT(mouv_await(future, NULL), 0);
}

static void put_now(const char *item) {
    CHECK_INT(mouv_queue_put_nowait(&queue, (void *)item), 0);
}

static void expect_next(const char *expected) {
    void *item = NULL;
    CHECK_INT(mouv_queue_get_nowait(&queue, &item), 0);
    CHECK_STRING(item, expected);
}

/* --- Without waiting ------------------------------------------------------------------------ */

CORO_CASE(items_come_out_in_the_order_in_which_they_went_in) {
    mouv_queue_t mine = {0};
    for (uintptr_t i = 1; i <= 1000; i++) CHECK_INT(mouv_queue_put(&mine, (void *)i), 0);
    CHECK_INT(mouv_queue_size(&mine), 1000);
    CHECK(!mouv_queue_empty(&mine) && !mouv_queue_full(&mine));
    for (uintptr_t i = 1; i <= 1000; i++) {
        void *item;
        CHECK_INT(mouv_queue_get(&mine, &item), 0);
        CHECK_INT((uintptr_t)item, i);
        if (i % 3 == 0) CHECK_INT(mouv_queue_put(&mine, (void *)(1000 + i / 3)), 0);
    }
    CHECK_INT(mouv_queue_size(&mine), 333);
    mouv_queue_clear(&mine);
    CHECK(mouv_queue_empty(&mine));
    return 0;
}

CORO_CASE(null_is_an_item) {
    begin(0);
    void *item = "x";
    CHECK_INT(mouv_queue_put(&queue, NULL), 0);
    CHECK_INT(mouv_queue_get(&queue, &item), 0);
    CHECK(item == NULL);
    begin(0);
    return 0;
}

CORO_CASE(nowait_tells_full_and_empty) {
    begin(2);
    void *item = "untouched";
    CHECK_INT(mouv_queue_get_nowait(&queue, &item), MOUV_EAGAIN);
    CHECK_STRING(item, "untouched");
    put_now("1");
    CHECK(!mouv_queue_full(&queue));
    put_now("2");
    CHECK(mouv_queue_full(&queue));
    CHECK_INT(mouv_queue_put_nowait(&queue, "3"), MOUV_EAGAIN);
    expect_next("1");
    expect_next("2");
    CHECK(mouv_queue_empty(&queue));
    begin(0);
    return 0;
}

CORO_CASE(null_is_an_invalid_queue_or_place) {
    void *item;
    CHECK_INT(mouv_queue_put(NULL, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_queue_get(NULL, &item), MOUV_EINVAL);
    CHECK_INT(mouv_queue_get(&queue, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_queue_get_nowait(&queue, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_queue_put_nowait(NULL, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_queue_get_nowait(NULL, &item), MOUV_EINVAL);
    CHECK_INT(mouv_queue_task_done(NULL), MOUV_EINVAL);
    CHECK_INT(mouv_queue_join(NULL), MOUV_EINVAL);
    CHECK_INT(mouv_queue_shutdown(NULL, true), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_queue_put_future(NULL, NULL), NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_queue_get_future(NULL, &item), NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_queue_get_future(&queue, NULL), NULL), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_queue_join_future(NULL), NULL), MOUV_EINVAL);
    CHECK(mouv_queue_empty(NULL) && !mouv_queue_full(NULL) && mouv_queue_size(NULL) == 0);
    mouv_queue_init(NULL, 0);
    mouv_queue_clear(NULL);
    mouv_queue_set_destroy(NULL, free);
    return 0;
}

/* --- Waiting -------------------------------------------------------------------------------- */

CORO_CASE(getters_are_served_first_come_first_served) {
    begin(0);
    mouv_future_t all =
        mouv_gather(mouv_task(get_item, "a"), mouv_task(get_item, "b"), mouv_task(get_item, "c"));
    yield(1);
    put_now("1");
    put_now("2");
    CHECK_INT(mouv_queue_size(&queue), 0); /* handed over */
    CHECK_INT(mouv_queue_put(&queue, "3"), 0);
    await_ok(all);
    CHECK_STRING(events(), "a=1 b=2 c=3");
    begin(0);
    return 0;
}

CORO_CASE(getter_who_comes_later_cannot_snatch_an_item) {
    begin(0);
    void *item;
    mouv_future_t a = mouv_task(get_item, "a");
    yield(1);
    put_now("1");
    CHECK_INT(mouv_queue_get_nowait(&queue, &item), MOUV_EAGAIN);
    await_ok(a);
    CHECK_STRING(events(), "a=1");
    begin(0);
    return 0;
}

CORO_CASE(putters_wait_while_it_is_full_and_come_in_in_order) {
    begin(2);
    mouv_future_t all = mouv_gather(mouv_task(put_item, "1"), mouv_task(put_item, "2"),
                                    mouv_task(put_item, "3"), mouv_task(put_item, "4"));
    yield(1);
    CHECK_STRING(events(), "+1 +2");
    CHECK_INT(mouv_queue_size(&queue), 2);
    expect_next("1");
    CHECK_INT(mouv_queue_put_nowait(&queue, "x"), MOUV_EAGAIN); /* 3 is in */
    expect_next("2");
    expect_next("3");
    expect_next("4");
    await_ok(all);
    CHECK_STRING(events(), "+1 +2 +3 +4");
    begin(0);
    return 0;
}

static int produce(void *arg) {
    for (uintptr_t i = 1; i <= 2000; i++)
        if (mouv_queue_put(&queue, (void *)i) < 0) return -1;
    (void)arg;
    return 0;
}

static int consume(void *sum) {
    for (;;) {
        void *item;
        int rc = mouv_queue_get(&queue, &item);
        if (rc < 0) return rc == MOUV_ECANCELED ? 0 : rc;
        *(uint64_t *)sum += (uintptr_t)item;
        CHECK_INT(mouv_queue_task_done(&queue), 0);
    }
}

CORO_CASE(producers_and_consumers_lose_nothing) {
    begin(7);
    uint64_t sum = 0;
    mouv_future_t consumers[5], producers[4];
    for (int i = 0; i < 5; i++) consumers[i] = mouv_task(consume, &sum);
    for (int i = 0; i < 4; i++) producers[i] = mouv_task(produce, NULL);
    await_ok(mouv_gather_array(producers, 4));
    CHECK_INT(mouv_queue_join(&queue), 0);
    CHECK_INT(sum, 4u * 2000 * 2001 / 2);
    mouv_future_t all = mouv_gather_array(consumers, 5);
    mouv_future_cancel(all);
    await_ok(all); /* each returned 0 */
    begin(0);
    return 0;
}

CORO_CASE(thousands_of_getters_then_thousands_of_putters) {
    enum { COUNT = 4000 };
    static mouv_future_t futures[COUNT];
    static void *items[COUNT];
    begin(1);
    for (int i = 0; i < COUNT; i++) futures[i] = mouv_queue_get_future(&queue, &items[i]);
    for (uintptr_t i = 0; i < COUNT; i++) CHECK_INT(mouv_queue_put(&queue, (void *)i), 0);
    await_ok(mouv_gather_array(futures, COUNT));
    for (uintptr_t i = 0; i < COUNT; i++) CHECK_INT((uintptr_t)items[i], i);
    for (uintptr_t i = 0; i < COUNT; i++) futures[i] = mouv_queue_put_future(&queue, (void *)i);
    for (uintptr_t i = 0; i < COUNT; i++) {
        void *item;
        CHECK_INT(mouv_queue_get(&queue, &item), 0);
        CHECK_INT((uintptr_t)item, i);
    }
    await_ok(mouv_gather_array(futures, COUNT));
    begin(0);
    return 0;
}

/* --- Cancel --------------------------------------------------------------------------------- */

CORO_CASE(put_cancelled_before_it_came_in_stores_nothing) {
    begin(1);
    put_now("1");
    mouv_future_t a = mouv_task(put_item, "a"), b = mouv_task(put_item, "b");
    yield(1);
    mouv_future_cancel(a);
    CHECK_INT(mouv_await(a, NULL), MOUV_ECANCELED);
    expect_next("1");
    expect_next("b");
    await_ok(b);
    CHECK(mouv_queue_empty(&queue));
    begin(0);
    return 0;
}

CORO_CASE(put_cancelled_after_it_came_in_has_put) {
    begin(1);
    put_now("1");
    mouv_future_t a = mouv_task(put_item, "a");
    yield(1);
    expect_next("1");
    mouv_future_cancel(a);
    await_ok(a);
    expect_next("a");
    CHECK_STRING(events(), "+a");
    begin(0);
    return 0;
}

CORO_CASE(get_cancelled_while_waiting_leaves_the_line) {
    begin(0);
    mouv_future_t a = mouv_task(get_item, "a"), b = mouv_task(get_item, "b");
    yield(1);
    mouv_future_cancel(a);
    put_now("1");
    CHECK_INT(mouv_await(a, NULL), MOUV_ECANCELED);
    await_ok(b);
    CHECK_STRING(events(), "a=ECANCELED b=1");
    begin(0);
    return 0;
}

CORO_CASE(get_cancelled_after_hand_over_has_the_item) {
    begin(0);
    mouv_future_t a = mouv_task(get_item, "a");
    yield(1);
    put_now("1");
    mouv_future_cancel(a);
    await_ok(a);
    CHECK_STRING(events(), "a=1");
    begin(0);
    return 0;
}

CORO_CASE(get_dropped_after_hand_over_gives_the_item_to_the_next) {
    begin(0);
    void *first = "untouched", *second = NULL;
    mouv_future_t a = mouv_queue_get_future(&queue, &first);
    mouv_future_t b = mouv_queue_get_future(&queue, &second);
    put_now("1");
    CHECK(mouv_future_done(a) && !mouv_future_done(b));
    mouv_future_drop(&a);
    await_ok(b);
    CHECK_STRING(first, "untouched");
    CHECK_STRING(second, "1");
    begin(0);
    return 0;
}

CORO_CASE(get_dropped_after_hand_over_puts_the_item_back_to_the_front) {
    begin(2);
    void *lost[2], *item;
    mouv_future_t a = mouv_queue_get_future(&queue, &lost[0]);
    mouv_future_t b = mouv_queue_get_future(&queue, &lost[1]);
    for (int i = 1; i <= 4; i++) put_now((const char *[]){"", "1", "2", "3", "4"}[i]);
    mouv_future_unref(b);
    mouv_future_drop(&a);
    CHECK_INT(mouv_queue_size(&queue), 4); /* more than its limit, for a while */
    mouv_future_t putter = mouv_queue_put_future(&queue, "5");
    for (int i = 1; i <= 3; i++) expect_next((const char *[]){"", "1", "2", "3"}[i]);
    await_ok(putter);
    expect_next("4");
    expect_next("5");
    CHECK_INT(mouv_queue_get_nowait(&queue, &item), MOUV_EAGAIN);
    begin(0);
    return 0;
}

CORO_CASE(many_hand_overs_dropped_find_their_place_in_a_queue_that_filled_up) {
    enum { COUNT = 9 };
    begin(8);
    void *lost[COUNT];
    mouv_future_t futures[COUNT];
    static char names[COUNT + 8][12];
    for (int i = 0; i < COUNT; i++) futures[i] = mouv_queue_get_future(&queue, &lost[i]);
    for (int i = 0; i < COUNT + 8; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        put_now(names[i]);
    }
    for (int i = COUNT - 1; i >= 0; i--) mouv_future_drop(&futures[i]);
    for (int i = 0; i < COUNT + 8; i++) expect_next(names[i]);
    begin(0);
    return 0;
}

CORO_CASE(item_of_a_gather_that_fails_goes_back) {
    begin(0);
    void *item = "untouched";
    put_now("1");
    CHECK_INT(
        mouv_await(mouv_gather(mouv_queue_get_future(&queue, &item), mouv_task(fail_minus_5, "no")),
                   NULL),
        -5);
    CHECK_STRING(item, "untouched");
    expect_next("1");
    begin(0);
    return 0;
}

CORO_CASE(time_limits_on_the_twins) {
    begin(1);
    void *item = "untouched";
    CHECK_INT(mouv_await_for(mouv_queue_get_future(&queue, &item), 10, NULL), MOUV_ETIMEDOUT);
    CHECK_STRING(item, "untouched");
    put_now("1");
    CHECK_INT(mouv_await_for(mouv_queue_put_future(&queue, "2"), 10, NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_await_for(mouv_queue_get_future(&queue, &item), 10, NULL), 0);
    CHECK_STRING(item, "1");
    CHECK(mouv_queue_empty(&queue));
    begin(0);
    return 0;
}

CORO_CASE(put_that_nobody_awaits_still_puts) {
    begin(1);
    put_now("1");
    mouv_future_unref(mouv_queue_put_future(&queue, "2"));
    expect_next("1");
    expect_next("2");
    put_now("1");
    mouv_future_t dropped = mouv_queue_put_future(&queue, "3");
    mouv_future_drop(&dropped); /* this cancels */
    expect_next("1");
    CHECK(mouv_queue_empty(&queue));
    begin(0);
    return 0;
}

CORO_CASE(get_that_nobody_awaits_gets_nothing) {
    begin(0);
    void *item = "untouched";
    mouv_future_unref(mouv_queue_get_future(&queue, &item));
    put_now("1");
    expect_next("1");
    CHECK_STRING(item, "untouched");
    begin(0);
    return 0;
}

CORO_CASE(thousands_of_dropped_hand_overs_do_not_recurse) {
    begin(0);
    static void *items[20000];
    for (int i = 0; i < 20000; i++)
        mouv_future_unref(mouv_wait_for(mouv_queue_get_future(&queue, &items[i]), 400000));
    put_now("1");
    expect_next("1");
    begin(0);
    return 0;
}

/* --- Join ----------------------------------------------------------------------------------- */

static int join_it(void *word) {
    int rc = mouv_queue_join(&queue);
    event("%s", (char *)word);
    return rc;
}

CORO_CASE(join_waits_until_all_is_done) {
    begin(0);
    CHECK_INT(mouv_queue_join(&queue), 0); /* nothing was put */
    put_now("1");
    put_now("2");
    mouv_future_t both = mouv_gather(mouv_task(join_it, "a"), mouv_task(join_it, "b"));
    expect_next("1");
    expect_next("2");
    CHECK_INT(mouv_queue_task_done(&queue), 0);
    yield(2);
    CHECK_STRING(events(), "");
    CHECK_INT(mouv_queue_task_done(&queue), 0);
    put_now("3"); /* too late to matter to them */
    await_ok(both);
    CHECK_STRING(events(), "a b");
    begin(0);
    return 0;
}

CORO_CASE(task_done_too_often_is_an_invalid_state) {
    begin(0);
    put_now("1");
    CHECK_INT(mouv_queue_task_done(&queue), 0); /* as asyncio: also before it was got */
    CHECK_INT(mouv_queue_task_done(&queue), MOUV_ESTATE);
    begin(0);
    return 0;
}

CORO_CASE(item_given_back_counts_once) {
    begin(0);
    void *item;
    mouv_future_t a = mouv_queue_get_future(&queue, &item);
    put_now("1");
    mouv_future_drop(&a);
    expect_next("1");
    CHECK_INT(mouv_queue_task_done(&queue), 0);
    CHECK_INT(mouv_await_for(mouv_queue_join_future(&queue), 5, NULL), 0);
    put_now("2");
    CHECK_INT(mouv_await_for(mouv_queue_join_future(&queue), 5, NULL), MOUV_ETIMEDOUT);
    begin(0);
    return 0;
}

/* --- Shutdown ------------------------------------------------------------------------------- */

static int destroyed;

static void count_destroyed(void *item) {
    (void)item;
    destroyed++;
}

CORO_CASE(shutdown_lets_what_is_in_come_out) {
    begin(0);
    void *item;
    put_now("1");
    CHECK_INT(mouv_queue_shutdown(&queue, false), 0);
    CHECK_INT(mouv_queue_put(&queue, "2"), MOUV_ESHUTDOWN);
    CHECK_INT(mouv_queue_put_nowait(&queue, "2"), MOUV_ESHUTDOWN);
    CHECK_INT(mouv_await(mouv_queue_put_future(&queue, "2"), NULL), MOUV_ESHUTDOWN);
    CHECK_INT(mouv_queue_get(&queue, &item), 0);
    CHECK_STRING(item, "1");
    CHECK_INT(mouv_queue_get(&queue, &item), MOUV_ESHUTDOWN);
    CHECK_INT(mouv_queue_get_nowait(&queue, &item), MOUV_ESHUTDOWN);
    CHECK_INT(mouv_await(mouv_queue_get_future(&queue, &item), NULL), MOUV_ESHUTDOWN);
    CHECK_INT(mouv_await_for(mouv_queue_join_future(&queue), 5, NULL), MOUV_ETIMEDOUT);
    CHECK_INT(mouv_queue_task_done(&queue), 0);
    CHECK_INT(mouv_queue_join(&queue), 0);
    begin(0);
    return 0;
}

CORO_CASE(shutdown_wakes_all_who_wait) {
    begin(0);
    mouv_future_t a = mouv_task(get_item, "a"), b = mouv_task(get_item, "b");
    yield(1);
    CHECK_INT(mouv_queue_shutdown(&queue, false), 0);
    CHECK_INT(mouv_await(a, NULL), MOUV_ESHUTDOWN);
    CHECK_INT(mouv_await(b, NULL), MOUV_ESHUTDOWN);
    begin(1);
    put_now("1");
    mouv_future_t c = mouv_task(put_item, "c");
    yield(1);
    CHECK_INT(mouv_queue_shutdown(&queue, false), 0);
    CHECK_INT(mouv_await(c, NULL), MOUV_ESHUTDOWN);
    CHECK_STRING(events(), "a=ESHUTDOWN b=ESHUTDOWN +c:ESHUTDOWN");
    expect_next("1");
    begin(0);
    return 0;
}

CORO_CASE(immediate_shutdown_destroys_what_is_in_and_ends_joins) {
    begin(0);
    void *item;
    destroyed = 0;
    mouv_queue_set_destroy(&queue, count_destroyed);
    put_now("1");
    put_now("2");
    put_now("3");
    expect_next("1");
    mouv_future_t join = mouv_task(join_it, "joined");
    yield(1);
    CHECK_INT(mouv_queue_shutdown(&queue, true), 0);
    CHECK_INT(mouv_queue_shutdown(&queue, false), 0);
    CHECK_INT(destroyed, 2);
    CHECK_INT(mouv_queue_get(&queue, &item), MOUV_ESHUTDOWN);
    yield(2);
    CHECK_STRING(events(), ""); /* 1 is still worked on */
    CHECK_INT(mouv_queue_task_done(&queue), 0);
    await_ok(join);
    CHECK_STRING(events(), "joined");
    begin(0);
    return 0;
}

CORO_CASE(shutdown_after_hand_over_still_delivers) {
    begin(0);
    destroyed = 0;
    mouv_queue_set_destroy(&queue, count_destroyed);
    void *item, *lost;
    mouv_future_t a = mouv_queue_get_future(&queue, &item);
    mouv_future_t b = mouv_queue_get_future(&queue, &lost);
    put_now("1");
    put_now("2");
    CHECK_INT(mouv_queue_shutdown(&queue, true), 0);
    CHECK_INT(mouv_queue_shutdown(&queue, false), 0); /* changes nothing */
    await_ok(a);
    CHECK_STRING(item, "1");
    mouv_future_drop(&b); /* has nowhere to go back to */
    CHECK_INT(destroyed, 1);
    CHECK_INT(mouv_queue_task_done(&queue), 0);
    CHECK_INT(mouv_queue_join(&queue), 0);
    begin(0);
    return 0;
}

/* --- Clear, memory, threads, runtimes ------------------------------------------------------- */

CORO_CASE(clear_fails_those_who_wait_and_destroys_what_is_in) {
    mouv_queue_t *mine = malloc(sizeof *mine);
    void *items[3] = {"", "", "untouched"};
    destroyed = 0;
    mouv_queue_init(mine, 1);
    mouv_queue_set_destroy(mine, count_destroyed);
    mouv_future_t taken = mouv_queue_get_future(mine, &items[0]);
    mouv_future_t dropped = mouv_queue_get_future(mine, &items[1]);
    CHECK_INT(mouv_queue_put(mine, "1"), 0);
    CHECK_INT(mouv_queue_put(mine, "2"), 0);
    CHECK_INT(mouv_queue_put(mine, "3"), 0);
    mouv_future_t putter = mouv_queue_put_future(mine, "4");
    mouv_future_t joiner = mouv_queue_join_future(mine);
    mouv_queue_clear(mine);
    free(mine);
    CHECK_INT(destroyed, 1); /* 3; 4 stays the putter's */
    await_ok(taken);
    CHECK_STRING(items[0], "1");
    mouv_future_drop(&dropped);
    CHECK_INT(destroyed, 2);
    CHECK_INT(mouv_await(putter, NULL), MOUV_ECLOSED);
    CHECK_INT(mouv_await(joiner, NULL), MOUV_ECLOSED);

    begin(0);
    mouv_future_t getter = mouv_queue_get_future(&queue, &items[2]);
    mouv_queue_clear(&queue);
    CHECK_INT(mouv_await(getter, NULL), MOUV_ECLOSED);
    CHECK_STRING(items[2], "untouched");
    return 0;
}

CORO_CASE(without_memory_nothing_changes) {
    for (int n = 1; n <= 2; n++) {
        begin(0);
        void *item;
        mouv__alloc_fail_at = n;
        mouv_future_t getter = mouv_queue_get_future(&queue, &item);
        CHECK_INT(mouv__alloc_fail_at, 0);
        mouv__alloc_fail_at = -1;
        CHECK_INT(mouv_await(getter, NULL), MOUV_ENOMEM);
        CHECK_INT(queue.waiters, 0);
    }
    begin(0);
    mouv__alloc_fail_at = 1;
    CHECK_INT(mouv_await(mouv_queue_put_future(&queue, "1"), NULL), MOUV_ENOMEM);
    mouv__alloc_fail_at = -1;
    CHECK(mouv_queue_empty(&queue));
    CHECK_INT(mouv_queue_join(&queue), 0);
    mouv__alloc_fail_at = 1;
    int rc = mouv_queue_put(&queue, "1");
    mouv__alloc_fail_at = -1;
    CHECK_INT(rc, MOUV_ENOMEM);
    CHECK(mouv_queue_empty(&queue));
    begin(0);
    return 0;
}

static void put_elsewhere(void *rc) {
    *(int *)rc = mouv_queue_put_nowait(&queue, "x");
}

CORO_CASE(put_on_another_thread_is_refused) {
    begin(0);
    uv_thread_t thread;
    void *item;
    int rc = 0;
    mouv_future_t getter = mouv_queue_get_future(&queue, &item);
    uv_thread_create(&thread, put_elsewhere, &rc);
    uv_thread_join(&thread);
    CHECK_INT(rc, MOUV_ETHREAD);
    put_now("1");
    await_ok(getter);
    begin(0);
    return 0;
}

static void got(mouv_future_t future, void *item) {
    event("%d:%s", mouv_future_result(future, NULL), *(char **)item);
}

static void callbacks_do_without_coroutines(void **state) {
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    void *one = "", *two = "";
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    begin(1);
    assert_int_equal(mouv_queue_put(&queue, "x"), MOUV_ENOTCORO);
    assert_int_equal(mouv_queue_get(&queue, &one), MOUV_ENOTCORO);
    assert_int_equal(mouv_queue_join(&queue), MOUV_ENOTCORO);
    assert_int_equal(mouv_then(mouv_queue_get_future(&queue, &one), got, &one), 0);
    assert_int_equal(mouv_then(mouv_queue_get_future(&queue, &two), got, &two), 0);
    assert_int_equal(mouv_queue_put_nowait(&queue, "1"), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_string_equal(events(), "0:1");
    mouv_runtime_close(runtime, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_string_equal(events(), "0:1 -20002:");
    mouv_queue_clear(&queue);
}

static int leave_all_kinds_behind(void *arg) {
    static void *item;
    (void)arg;
    begin(1);
    forget(mouv_task(get_item, "a"));
    yield(1);
    forget(mouv_queue_get_future(&queue, &item));
    put_now("1");
    put_now("2");
    put_now("3");
    forget(mouv_queue_put_future(&queue, "4"));
    forget(mouv_queue_join_future(&queue));
    return 0;
}

static void static_queue_outlives_a_runtime_that_ends_with_waiters(void **state) {
    (void)state;
    assert_int_equal(mouv_run(leave_all_kinds_behind, NULL, NULL), 0);
    assert_string_equal(events(), "a=1");
    assert_null(queue.getters);
    assert_null(queue.putters);
    assert_null(queue.joiners);
    assert_null(queue.granted);
    assert_int_equal(mouv_queue_size(&queue), 2); /* 2 went back */
    assert_int_equal(queue.waiters, 0);
    mouv_queue_clear(&queue);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(items_come_out_in_the_order_in_which_they_went_in),
        TEST(null_is_an_item),
        TEST(nowait_tells_full_and_empty),
        TEST(null_is_an_invalid_queue_or_place),
        TEST(getters_are_served_first_come_first_served),
        TEST(getter_who_comes_later_cannot_snatch_an_item),
        TEST(putters_wait_while_it_is_full_and_come_in_in_order),
        TEST(producers_and_consumers_lose_nothing),
        TEST(thousands_of_getters_then_thousands_of_putters),
        TEST(put_cancelled_before_it_came_in_stores_nothing),
        TEST(put_cancelled_after_it_came_in_has_put),
        TEST(get_cancelled_while_waiting_leaves_the_line),
        TEST(get_cancelled_after_hand_over_has_the_item),
        TEST(get_dropped_after_hand_over_gives_the_item_to_the_next),
        TEST(get_dropped_after_hand_over_puts_the_item_back_to_the_front),
        TEST(many_hand_overs_dropped_find_their_place_in_a_queue_that_filled_up),
        TEST(item_of_a_gather_that_fails_goes_back),
        TEST(time_limits_on_the_twins),
        TEST(put_that_nobody_awaits_still_puts),
        TEST(get_that_nobody_awaits_gets_nothing),
        TEST(thousands_of_dropped_hand_overs_do_not_recurse),
        TEST(join_waits_until_all_is_done),
        TEST(task_done_too_often_is_an_invalid_state),
        TEST(item_given_back_counts_once),
        TEST(shutdown_lets_what_is_in_come_out),
        TEST(shutdown_wakes_all_who_wait),
        TEST(immediate_shutdown_destroys_what_is_in_and_ends_joins),
        TEST(shutdown_after_hand_over_still_delivers),
        TEST(clear_fails_those_who_wait_and_destroys_what_is_in),
        TEST(without_memory_nothing_changes),
        TEST(put_on_another_thread_is_refused),
        TEST(callbacks_do_without_coroutines),
        TEST(static_queue_outlives_a_runtime_that_ends_with_waiters),
    };
    return RUN_CASES(cases);
}
