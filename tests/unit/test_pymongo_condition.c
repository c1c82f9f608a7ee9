/*
 * The cancels of PyMongo 4.13's test_locks.py, which are asyncio's own for conditions, case by
 * case: a cancel, whenever it comes, leaves nobody in line, loses no notification and keeps the
 * lock in order.
 */
#include "../support/async_support.h"

static mouv_condition_t condition;
static mouv_lock_t *lock;
static int items;

/** A condition of its own for each case, with nobody waiting. */
static void renew(void) {
    mouv_condition_init(&condition, NULL);
    lock = mouv_condition_lock(&condition);
    items = 0;
}

/** Whoever waits holds the lock when this returns, and records what he saw. */
static int waits(void *word) {
    MOUV_LOCKED(held, lock);
    if (held.code < 0) return held.code;
    int rc = mouv_condition_wait(&condition);
    event("%s:%s", (const char *)word, mouv_error_name(rc));
    CHECK(mouv_lock_locked(lock));
    return rc;
}

CORO_CASE(wait_cancel) {
    renew();
    mouv_future_t wait = mouv_task(waits, "w");
    yield(1);
    CHECK(!mouv_lock_locked(lock));
    CHECK_INT(mouv_lock_acquire(lock), 0); /* somebody else's, who notifies nobody later on */
    mouv_lock_release(lock);
    mouv_future_cancel(wait);
    CHECK_INT(mouv_await(wait, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "w:MOUV_ECANCELED");
    CHECK(!mouv_lock_locked(lock));
    CHECK(condition.waiting == NULL);
    mouv_condition_clear(&condition);
    return 0;
}

/** It was notified, and only the lock is missing, which is released in the round of the cancel. */
CORO_CASE(wait_cancel_contested) {
    renew();
    mouv_future_t wait = mouv_task(waits, "w"), next = mouv_task(waits, "next");
    yield(1);
    CHECK_INT(mouv_lock_acquire(lock), 0);
    CHECK_INT(mouv_condition_notify(&condition, 1), 0);
    mouv_future_cancel(wait);
    mouv_lock_release(lock);
    int rc = mouv_await(wait, NULL);
    CHECK(rc == 0 || rc == MOUV_ECANCELED);
    yield(3);
    CHECK(mouv_future_done(next) == (rc < 0)); /* exactly one of them has the notification */
    if (rc == 0) {
        CHECK_INT(mouv_lock_acquire(lock), 0);
        mouv_condition_notify(&condition, 1);
        mouv_lock_release(lock);
    }
    CHECK_INT(mouv_await(next, NULL), 0);
    CHECK(!mouv_lock_locked(lock));
    mouv_condition_clear(&condition);
    return 0;
}

CORO_CASE(wait_cancel_after_notify) {
    renew();
    mouv_future_t waiter = mouv_task(waits, "w");
    yield(1);
    CHECK_INT(mouv_lock_acquire(lock), 0);
    mouv_condition_notify(&condition, 1);
    yield(1); /* it wants the lock */
    mouv_future_cancel(waiter);
    yield(1);
    CHECK(!mouv_future_done(waiter)); /* and does not go on without it */
    mouv_lock_release(lock);
    yield(2);
    CHECK(mouv_future_done(waiter));
    CHECK(mouv_future_cancelled(waiter));
    CHECK_INT(mouv_await(waiter, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "w:MOUV_ECANCELED");
    mouv_condition_clear(&condition);
    return 0;
}

static bool is_awake(void *arg) {
    (void)arg;
    return items != 0;
}

/** Passes on what it was refused with. */
static int waits_for(void *word) {
    MOUV_LOCKED(held, lock);
    if (held.code < 0) return held.code;
    int rc = mouv_condition_wait_for(&condition, is_awake, NULL);
    event("%s:%s", (const char *)word, mouv_error_name(rc));
    return rc;
}

CORO_CASE(cancelled_error_wakeup) {
    renew();
    mouv_future_t task = mouv_task(waits_for, "w");
    yield(1);
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "w:MOUV_ECANCELED");
    mouv_condition_clear(&condition);
    return 0;
}

CORO_CASE(cancelled_error_re_acquire) {
    renew();
    mouv_future_t task = mouv_task(waits_for, "w");
    yield(1);
    CHECK_INT(mouv_lock_acquire(lock), 0);
    items = 1;
    mouv_condition_notify(&condition, 1);
    yield(1);
    mouv_future_cancel(task);
    mouv_lock_release(lock);
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK_STRING(events(), "w:MOUV_ECANCELED");
    mouv_condition_clear(&condition);
    return 0;
}

static int consumes(void *arg) {
    (void)arg;
    MOUV_LOCKED(held, lock);
    if (held.code < 0) return held.code;
    for (;;) {
        int rc = mouv_condition_wait_for(&condition, is_awake, NULL);
        if (rc < 0) return rc;
        if (items < 0) return 0;
        items--;
    }
}

static bool is_consumed(void *arg) {
    (void)arg;
    return items == 0;
}

/** One item for two consumers, the first of whom is cancelled `turns` after he was notified. */
static int item_is_consumed(int turns) {
    renew();
    mouv_future_t consumers[] = {mouv_task(consumes, NULL), mouv_task(consumes, NULL)};
    yield(1);
    CHECK_INT(mouv_lock_acquire(lock), 0);
    items = 1;
    mouv_condition_notify(&condition, 1);
    yield(turns);
    mouv_future_cancel(consumers[0]);
    mouv_scope_t limit;
    mouv_timeout_begin(&limit, 500);
    int rc = mouv_condition_wait_for(&condition, is_consumed, NULL);
    rc = mouv_timeout_end(&limit, rc, NULL);
    CHECK(rc == 0 || rc == MOUV_ETIMEDOUT); /* nobody notifies of it; it gives the lock away */
    CHECK_INT(items, 0);
    items = -1;
    mouv_condition_notify_all(&condition);
    mouv_lock_release(lock);
    CHECK_INT(mouv_await(consumers[1], NULL), 0);
    rc = mouv_await(consumers[0], NULL);
    CHECK(rc == 0 || rc == MOUV_ECANCELED);
    CHECK(!mouv_lock_locked(lock));
    mouv_condition_clear(&condition);
    return 0;
}

CORO_CASE(cancelled_wakeup) {
    return item_is_consumed(0);
}

CORO_CASE(cancelled_wakeup_relock) {
    return item_is_consumed(1);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(wait_cancel),
        TEST(wait_cancel_contested),
        TEST(wait_cancel_after_notify),
        TEST(cancelled_error_wakeup),
        TEST(cancelled_error_re_acquire),
        TEST(cancelled_wakeup),
        TEST(cancelled_wakeup_relock),
    };
    return RUN_CASES(cases);
}
