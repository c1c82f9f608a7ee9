/*
 * add_done_callback, remove_done_callback and mouv_then.
 */
#include "async/loop/callback.h"

#include <mouv/await.h>

#include "async/task/runtime.h"
#include "context/alloc.h"

struct mouv__callback {
    mouv__callback_t *next;
    mouv_future_fn_t fn;
    void *arg;
    bool consumes; /* of mouv_then: moves the results first and holds the future */
};

static void callback_append(mouv__future_t *future, mouv__callback_t *callback) {
    if (future->callbacks == NULL)
        future->callbacks = callback;
    else
        future->last_callback->next = callback;
    future->last_callback = callback;
}

static void callback_run_one(mouv__future_t *future, mouv__callback_t *callback) {
    if (callback->consumes) mouv__future_deliver(future, future->code >= 0);
    callback->fn(mouv__future_handle(future), callback->arg);
    if (callback->consumes) mouv__future_let_go(future);
    mouv__free(callback);
}

static void callback_run_all(mouv__ready_t *ready) {
    mouv__future_t *future = (mouv__future_t *)((char *)ready - offsetof(mouv__future_t, ready));
    while (future->callbacks != NULL) {
        mouv__callback_t *callback = future->callbacks;
        future->callbacks = callback->next;
        callback_run_one(future, callback);
    }
    mouv__future_let_go(future);
}

void mouv__callbacks_schedule(mouv__future_t *future) {
    if (future->callbacks == NULL || future->ready.queued) return;
    mouv__future_hold(future);
    future->ready.run = callback_run_all;
    mouv__runtime_ready(future->runtime, &future->ready);
}

static int callback_remove_matching(mouv__future_t *future, mouv_future_fn_t fn, void *arg,
                                    bool every) {
    int removed = 0;
    mouv__callback_t *list = future->callbacks;
    future->callbacks = future->last_callback = NULL;
    while (list != NULL) {
        mouv__callback_t *callback = list;
        list = list->next;
        callback->next = NULL;
        if (every || (!callback->consumes && callback->fn == fn && callback->arg == arg)) {
            mouv__free(callback);
            removed++;
        } else {
            callback_append(future, callback);
        }
    }
    return removed;
}

void mouv__callbacks_clear(mouv__future_t *future) {
    callback_remove_matching(future, NULL, NULL, true);
}

static int callback_add(mouv__future_t *future, mouv_future_fn_t fn, void *arg, bool consumes) {
    mouv__callback_t *callback = mouv__alloc(sizeof *callback);
    if (callback == NULL) return MOUV_ENOMEM;
    *callback = (mouv__callback_t){.fn = fn, .arg = arg, .consumes = consumes};
    callback_append(future, callback);
    if (future->state == MOUV__DONE) mouv__callbacks_schedule(future);
    return 0;
}

int mouv_future_add_done_callback(mouv_future_t handle, mouv_future_fn_t fn, void *arg) {
    mouv__future_t *future = mouv__future_peek(handle);
    if (future == NULL || fn == NULL)
        return mouv__raise(NULL, MOUV_EINVAL, "add_done_callback: %s",
                           fn == NULL ? "no function" : "the handle is stale");
    return callback_add(future, fn, arg, false);
}

int mouv_future_remove_done_callback(mouv_future_t handle, mouv_future_fn_t fn, void *arg) {
    mouv__future_t *future = mouv__future_peek(handle);
    return future != NULL ? callback_remove_matching(future, fn, arg, false) : 0;
}

int mouv_then(mouv_future_t handle, mouv_future_fn_t fn, void *arg) {
    int code = MOUV_EINVAL;
    mouv_error_t error;
    mouv__future_t *future = mouv__future_consume(handle, &code, &error);
    if (future == NULL) return mouv__record_error(&error);
    if (fn == NULL)
        code = mouv__raise(NULL, MOUV_EINVAL, "mouv_then: no function");
    else
        code = callback_add(future, fn, arg, true);
    if (code == 0) {
        mouv__future_start(future);
    } else {
        mouv__future_cancel(future);
        mouv__future_let_go(future);
    }
    return code;
}
