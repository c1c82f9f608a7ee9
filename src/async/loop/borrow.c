/*
 * The public calls on a future that leave it where it is: its references, its state, its name.
 */
#include <mouv/future.h>

#include <stdio.h>

#include "async/loop/future.h"
#include "async/loop/line.h"
#include "context/alloc.h"

/* ---- references ---- */

mouv_future_t mouv_future_ref(mouv_future_t handle) {
    mouv__future_t *future = mouv__future_peek(handle);
    if (future != NULL) future->owned++;
    return handle;
}

void mouv_future_unref(mouv_future_t handle) {
    mouv__future_t *future = mouv__future_peek(handle);
    if (future == NULL || future->owned == 0) return;
    mouv__future_hold(future);
    future->owned--;
    mouv__future_let_go(future);
}

/* ---- state ---- */

bool mouv_future_cancel(mouv_future_t handle) {
    mouv__future_t *future = mouv__future_peek(handle);
    return future != NULL && mouv__future_cancel(future);
}

bool mouv_future_done(mouv_future_t handle) {
    mouv__future_t *future = mouv__future_peek(handle);
    return future == NULL || future->state == MOUV__DONE;
}

bool mouv_future_cancelled(mouv_future_t handle) {
    mouv__future_t *future = mouv__future_peek(handle);
    return future != NULL && future->state == MOUV__DONE && future->code == MOUV_ECANCELED;
}

bool mouv_future_equal(mouv_future_t a, mouv_future_t b) {
    return a.id == b.id;
}

/* ---- name ---- */

const char *mouv_future_name(mouv_future_t handle) {
    static _Thread_local char name[MOUV__NAME_BYTES];
    const mouv__future_t *future = mouv__future_peek(handle);
    if (future == NULL) return "";
    mouv__future_name(future, name);
    return name;
}

void mouv_future_set_name(mouv_future_t handle, const char *name) {
    mouv__future_t *future = mouv__future_peek(handle);
    if (future == NULL || name == NULL) return;
    if (future->name == NULL) future->name = mouv__alloc(MOUV__NAME_BYTES);
    if (future->name != NULL) mouv__line_format(future->name, MOUV__NAME_BYTES, "%s", name);
}
