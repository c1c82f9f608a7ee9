/*
 * An event: one flag, and those who wait for it.
 */
#include <mouv/event.h>

#include <mouv/await.h>
#include <mouv/task.h>

#include "async/sync/waiter.h"

static const mouv__waiter_ops_t wait_ops = {
    .future = {.kind = "event",
               .cancel = mouv__waiter_cancel,
               .deliver = mouv__waiter_deliver,
               .release = mouv__waiter_release},
};

void mouv_event_init(mouv_event_t *event) {
    if (event != NULL) *event = (mouv_event_t){0};
}

void mouv_event_close(mouv_event_t *event) {
    if (event == NULL) return;
    mouv__waiters_close(&event->waiting);
    mouv_event_init(event);
}

int mouv_event_set(mouv_event_t *event) {
    if (event == NULL) return mouv__raise(NULL, MOUV_EINVAL, "event: NULL");
    if (mouv__waiters_foreign(event->waiting))
        return mouv__raise(NULL, MOUV_ETHREAD, "event: set on another thread");
    event->set = true;
    while (event->waiting != NULL) mouv__waiter_grant(event->waiting, NULL);
    return 0;
}

int mouv_event_clear(mouv_event_t *event) {
    if (event == NULL) return mouv__raise(NULL, MOUV_EINVAL, "event: NULL");
    event->set = false;
    return 0;
}

bool mouv_event_is_set(const mouv_event_t *event) {
    return event != NULL && event->set;
}

mouv_future_t mouv_event_wait_future(mouv_event_t *event) {
    mouv_future_t handle;
    if (event == NULL) return mouv__future_failed(MOUV_EINVAL);
    if (mouv__waiters_foreign(event->waiting)) return mouv__future_failed(MOUV_ETHREAD);
    mouv__waiter_t *waiter = mouv__waiter_new(&wait_ops, sizeof(mouv__waiter_t), event, &handle);
    if (waiter == NULL) return handle;
    if (event->set)
        mouv__waiter_grant(waiter, NULL);
    else
        mouv__waiter_join(waiter, &event->waiting);
    return handle;
}

int mouv_event_wait(mouv_event_t *event) {
    if (event == NULL) return mouv__raise(NULL, MOUV_EINVAL, "event: NULL");
    if (!mouv_in_coroutine()) return MOUV_ENOTCORO;
    return event->set ? 0 : mouv_await(mouv_event_wait_future(event), NULL);
}
