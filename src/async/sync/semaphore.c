/*
 * A semaphore: a number, and those who wait for it to be above 0; never both.
 */
#include <mouv/semaphore.h>

#include <limits.h>

#include <mouv/await.h>
#include <mouv/task.h>

#include "async/sync/waiter.h"

static void semaphore_advance(mouv_semaphore_t *semaphore) {
    while (semaphore->value > 0 && semaphore->waiting != NULL) {
        semaphore->value--;
        mouv__waiter_grant(semaphore->waiting, &semaphore->granted);
    }
}

/* False if it is full. */
static bool semaphore_add_one(mouv_semaphore_t *semaphore) {
    if (semaphore->value >= (semaphore->bounded ? semaphore->bound : INT_MAX)) return false;
    semaphore->value++;
    semaphore_advance(semaphore);
    return true;
}

static void semaphore_pass_on(mouv__waiter_t *waiter) {
    if (waiter->object != NULL) semaphore_add_one(waiter->object);
}

static const mouv__waiter_ops_t acquire_ops = {
    .future = {.kind = "semaphore",
               .cancel = mouv__waiter_cancel,
               .deliver = mouv__waiter_deliver,
               .release = mouv__waiter_release},
    .pass_on = semaphore_pass_on,
};

static int semaphore_init(mouv_semaphore_t *semaphore, int value, bool bounded) {
    if (semaphore == NULL) return mouv__raise(NULL, MOUV_EINVAL, "semaphore: NULL");
    *semaphore = (mouv_semaphore_t){.bounded = bounded};
    if (value < 0) return mouv__raise(NULL, MOUV_EINVAL, "Semaphore initial value must be >= 0");
    semaphore->value = value;
    semaphore->bound = bounded ? value : 0;
    return 0;
}

int mouv_semaphore_init(mouv_semaphore_t *semaphore, int value) {
    return semaphore_init(semaphore, value, false);
}

int mouv_semaphore_init_bounded(mouv_semaphore_t *semaphore, int value) {
    return semaphore_init(semaphore, value, true);
}

void mouv_semaphore_clear(mouv_semaphore_t *semaphore) {
    if (semaphore == NULL) return;
    mouv__waiters_close(&semaphore->granted); /* first: nothing can be given back any more */
    mouv__waiters_close(&semaphore->waiting);
    *semaphore = (mouv_semaphore_t){0};
}

mouv_future_t mouv_semaphore_acquire_future(mouv_semaphore_t *semaphore) {
    mouv_future_t handle;
    if (semaphore == NULL) return mouv__future_failed(MOUV_EINVAL);
    if (mouv__waiters_foreign(semaphore->waiting)) return mouv__future_failed(MOUV_ETHREAD);
    mouv__waiter_t *waiter =
        mouv__waiter_new(&acquire_ops, sizeof(mouv__waiter_t), semaphore, &handle);
    if (waiter == NULL) return handle;
    mouv__waiter_join(waiter, &semaphore->waiting);
    semaphore_advance(semaphore);
    return handle;
}

int mouv_semaphore_acquire(mouv_semaphore_t *semaphore) {
    if (semaphore == NULL) return mouv__raise(NULL, MOUV_EINVAL, "semaphore: NULL");
    if (!mouv_in_coroutine()) return MOUV_ENOTCORO;
    if (semaphore->value > 0) {
        semaphore->value--;
        return 0;
    }
    return mouv_await(mouv_semaphore_acquire_future(semaphore), NULL);
}

int mouv_semaphore_release(mouv_semaphore_t *semaphore) {
    if (semaphore == NULL) return mouv__raise(NULL, MOUV_EINVAL, "semaphore: NULL");
    if (mouv__waiters_foreign(semaphore->waiting))
        return mouv__raise(NULL, MOUV_ETHREAD, "semaphore: released on another thread");
    if (!semaphore_add_one(semaphore))
        return mouv__raise(NULL, MOUV_ESTATE, "semaphore: released too many times");
    return 0;
}

bool mouv_semaphore_locked(const mouv_semaphore_t *semaphore) {
    return semaphore == NULL || semaphore->value == 0;
}
