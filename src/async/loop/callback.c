/*
 * add_done_callback, remove_done_callback and mouv_then. They are kept in order, with the future,
 * which runs and frees them (future.c).
 */
#include <mouv/await.h>

#include "async/loop/future.h"
#include "async/loop/raise.h"
#include "context/alloc.h"

static int callback_add(mouv__future_t *future, mouv_future_fn_t fn, void *arg, bool consumes) {
    mouv__callback_t *callback = mouv__alloc(sizeof *callback);
    if (callback == NULL) return MOUV_ENOMEM;
    *callback = (mouv__callback_t){.fn = fn, .arg = arg, .consumes = consumes};
    callback->locals = mouv__locals_inherit(future->runtime);
    if (mouv__locals_failed(callback->locals)) {
        mouv__free(callback);
        return MOUV_ENOMEM;
    }
    mouv__list_push_back(&future->callbacks, &callback->link);
    if (mouv__future_is_done(future)) mouv__future_schedule_callbacks(future);
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
    int removed = 0;
    if (future == NULL) return 0;
    MOUV__LIST_EACH(&future->callbacks, mouv__callback_t, callback, link) {
        if (callback->consumes || callback->fn != fn || callback->arg != arg) continue;
        mouv__list_remove(&future->callbacks, &callback->link);
        mouv__future_free_callback(callback);
        removed++;
    }
    return removed;
}

int mouv_then(mouv_future_t handle, mouv_future_fn_t fn, void *arg) {
    int code = MOUV_EINVAL;
    mouv_error_t error;
    mouv__future_t *future = mouv__future_consume(handle, &code, &error);
    if (future == NULL) return mouv__raise_error(&error);
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
