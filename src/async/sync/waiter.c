/*
 * Lists of waiters. What stands in the public structs is a pointer to the first waiter: the head of
 * a mouv__list_t, which is no more than that, in other words.
 */
#include "async/sync/waiter.h"

#include "context/alloc.h"

static const mouv__waiter_ops_t *waiter_ops_of(const mouv__waiter_t *waiter) {
    return (const mouv__waiter_ops_t *)waiter->future.ops;
}

mouv__waiter_t *mouv__waiter_new(const mouv__waiter_ops_t *ops, size_t size, void *object,
                                 mouv_future_t *handle) {
    mouv_runtime_t *runtime = mouv__runtime();
    mouv__waiter_t *waiter = runtime != NULL ? mouv__alloc(size) : NULL;
    if (waiter == NULL || mouv__future_init(&waiter->future, &ops->future, runtime, false) != 0) {
        mouv__free(waiter);
        *handle = mouv__future_failed(runtime == NULL ? MOUV_ENOLOOP : MOUV_ENOMEM);
        return NULL;
    }
    waiter->object = object;
    *handle = mouv__future_handle(&waiter->future);
    return waiter;
}

static mouv__list_t waiter_as_list(mouv__waiter_t *first) {
    return (mouv__list_t){first != NULL ? &first->link : NULL};
}

void mouv__waiter_join(mouv__waiter_t *waiter, mouv__waiter_t **list) {
    mouv__waiter_leave(waiter);
    mouv__list_t all = waiter_as_list(*list);
    mouv__list_push_back(&all, &waiter->link);
    *list = MOUV__LIST_FIRST(&all, mouv__waiter_t, link);
    waiter->list = list;
}

void mouv__waiter_leave(mouv__waiter_t *waiter) {
    if (waiter->list == NULL) return;
    mouv__list_t all = waiter_as_list(*waiter->list);
    mouv__list_remove(&all, &waiter->link);
    *waiter->list = MOUV__LIST_FIRST(&all, mouv__waiter_t, link);
    waiter->list = NULL;
}

mouv__waiter_t *mouv__waiter_after(const mouv__waiter_t *waiter) {
    mouv__list_t all = waiter_as_list(*waiter->list);
    return MOUV__LIST_NEXT(&all, waiter, mouv__waiter_t, link);
}

void mouv__waiter_grant(mouv__waiter_t *waiter, mouv__waiter_t **granted) {
    mouv__waiter_leave(waiter);
    waiter->granted = true;
    if (granted != NULL) mouv__waiter_join(waiter, granted);
    bool going = waiter->future.owned == 0 && waiter->future.held == 0;
    if (going) return; /* its release is under way, and passes on what it is granted now */
    if (waiter_ops_of(waiter)->granted != NULL)
        waiter_ops_of(waiter)->granted(waiter);
    else
        mouv__future_complete(&waiter->future, waiter->code, NULL);
}

void mouv__waiters_fail(mouv__waiter_t **list, int code) {
    while (*list != NULL) {
        mouv__waiter_t *waiter = *list;
        mouv__waiter_leave(waiter);
        mouv__future_complete(&waiter->future, code, NULL);
    }
}

void mouv__waiters_close(mouv__waiter_t **list) {
    while (*list != NULL) {
        mouv__waiter_t *waiter = *list;
        mouv__waiter_leave(waiter);
        waiter->object = NULL;
        if (!mouv__future_is_done(&waiter->future))
            mouv__future_complete(&waiter->future, MOUV_ECLOSED, NULL);
    }
}

/* ---- hooks ---- */

void mouv__waiter_cancel(mouv__future_t *future) {
    mouv__waiter_leave((mouv__waiter_t *)future);
    mouv__future_complete(future, MOUV_ECANCELED, NULL);
}

/* A success inside of a whole that failed is unknown to its awaiter, who therefore has not got it;
 * a failure is told, and so is what comes with it (the lock of a condition). */
void mouv__waiter_deliver(mouv__future_t *future, bool whole) {
    mouv__waiter_t *waiter = (mouv__waiter_t *)future;
    if (!waiter->granted || (!whole && future->code >= 0)) return;
    waiter->granted = false;
    mouv__waiter_leave(waiter);
    if (waiter_ops_of(waiter)->take != NULL) waiter_ops_of(waiter)->take(waiter);
}

void mouv__waiter_release(mouv__future_t *future) {
    mouv__waiter_t *waiter = (mouv__waiter_t *)future;
    mouv__waiter_leave(waiter);
    if (waiter->granted && waiter_ops_of(waiter)->pass_on != NULL)
        waiter_ops_of(waiter)->pass_on(waiter);
    mouv__free(waiter);
}
