/*
 * What every future has in common: its states, its references, its completion, its listeners and
 * callbacks.
 *
 * A future is one object on the heap, in whose beginning each kind embeds mouv__future_t. Users
 * have handles, which the table of handle.c turns into the object or into "stale"; `owned` counts
 * the references that users hold, `held` those inside mouv (an awaiter, a parent, and the loop
 * while it is counted). When both are 0 it is disposed of: its handle is stale from then on, and
 * ops->release frees it (docs/decisions/0001). It completes once; then its listeners are told at
 * once, inside of mouv__future_complete(), and the user's callbacks run on the next tick. Results
 * are moved to the user's outputs only when somebody takes them (deliver). All of this happens on
 * the loop thread; other threads send mail to have a future completed.
 */
#include "async/loop/future.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "async/loop/debug.h"
#include "async/loop/line.h"
#include "async/loop/log.h"
#include "async/loop/state.h"
#include "context/alloc.h"

/* Cold ones are made pending, and are so at once. */
const bool mouv__future_may_become[3][3] = {
    [MOUV__PENDING] = {[MOUV__COLD] = true, [MOUV__DONE] = true},
    [MOUV__COLD] = {[MOUV__PENDING] = true},
};

/* ---- chores ---- */

/*
 * Completing, cancelling or disposing of a future leads to the same for those around it. However
 * deeply they are nested, it needs no depth of stack: what comes up during a chore of the same kind
 * waits until that one has returned. Two links do for the three: one that is being disposed of has
 * no references left, which a completion that waits holds.
 */
enum { NOTIFYING, CANCELLING, DISPOSING };

static mouv__future_t *future_next_chore(mouv__chores_t *chores, int kind) {
    mouv__link_t *link = mouv__list_pop_front(&chores->waiting);
    return kind == CANCELLING ? MOUV__LIST_ITEM(link, mouv__future_t, cancelling)
                              : MOUV__LIST_ITEM(link, mouv__future_t, ending);
}

static void future_do_chore(mouv__future_t *future, int kind, void (*chore)(mouv__future_t *)) {
    mouv__chores_t *chores = &future->runtime->chores[kind];
    if (chores->busy) {
        mouv__list_push_back(&chores->waiting,
                             kind == CANCELLING ? &future->cancelling : &future->ending);
        return;
    }
    chores->busy = true;
    do chore(future);
    while ((future = future_next_chore(chores, kind)) != NULL);
    chores->busy = false;
}

/* ---- names ---- */

static mouv__description_t future_description(const mouv__future_t *future) {
    mouv__description_t description = {.fn_name = NULL};
    if (future->ops->describe != NULL)
        future->ops->describe(future, &description);
    else
        mouv__line_format(description.name, sizeof description.name, "%s", future->ops->kind);
    if (future->name != NULL)
        mouv__line_format(description.name, sizeof description.name, "%s", future->name);
    return description;
}

void mouv__future_name(const mouv__future_t *future, char *name) {
    mouv__line_format(name, MOUV__NAME_BYTES, "%s", future_description(future).name);
}

void mouv__future_describe(const mouv__future_t *future, char *text, size_t size) {
    mouv__description_t what = future_description(future);
    if (what.fn_name != NULL)
        mouv__line_format(text, size, "%s '%s' (%s at %s:%d)", future->ops->kind, what.name,
                          what.fn_name, what.file, what.line);
    else
        mouv__line_format(text, size, "%s '%s'", future->ops->kind, what.name);
}

/* ---- references ---- */

void mouv__future_free_callback(mouv__callback_t *callback) {
    mouv__locals_drop(callback->locals);
    mouv__free(callback);
}

static void future_report_unretrieved(mouv__future_t *future) {
    if (future->code >= 0 || future->code == MOUV_ECANCELED || future->retrieved) return;
    mouv_error_t error;
    mouv__future_error(future, &error);
    char what[160];
    mouv__future_describe(future, what, sizeof what);
    mouv__log_unretrieved(&error, future->ops->start != NULL, what);
}

/* A task tells itself where it was made. */
static void future_note_maker(mouv__future_t *future) {
    char maker[160];
    const mouv_runtime_t *runtime = future->runtime;
    if (runtime->current == NULL || future->ops->start != NULL) return;
    mouv__future_describe((const mouv__future_t *)runtime->current, maker, sizeof maker);
    size_t size = strlen(maker) + 1;
    future->maker = mouv__alloc(size);
    if (future->maker != NULL) memcpy(future->maker, maker, size);
}

static void future_dispose(mouv__future_t *future) {
    if (future->state == MOUV__DONE) future_report_unretrieved(future);
    mouv__callback_t *callback; /* that will never run */
    while ((callback = MOUV__LIST_POP(&future->callbacks, mouv__callback_t, link)) != NULL)
        mouv__future_free_callback(callback);
    mouv__handles_remove(&future->runtime->handles, future->id);
    mouv__free(future->error);
    mouv__free(future->name);
    mouv__free(future->maker);
    if (future->ops->release != NULL)
        future->ops->release(future);
    else
        mouv__free(future);
}

static void future_dispose_if_unused(mouv__future_t *future) {
    if (future->owned > 0 || future->held > 0 || future->going) return;
    future->going = true;
    future_do_chore(future, DISPOSING, future_dispose);
}

int mouv__future_init(mouv__future_t *future, const mouv__future_ops_t *ops,
                      mouv_runtime_t *runtime, bool counted) {
    future->id = mouv__handles_add(&runtime->handles, future);
    if (future->id == 0) return MOUV_ENOMEM;
    future->ops = ops;
    future->runtime = runtime;
    future->owned = 1;
    future->state = MOUV__PENDING;
    if (counted) mouv__future_count(future);
    if (mouv__debug()) future_note_maker(future);
    return 0;
}

void mouv__future_count(mouv__future_t *future) {
    assert(!future->counted);
    future->counted = true;
    future->held++;
    mouv__runtime_keep(future->runtime);
    if (future->ops->outside) mouv__timers_outside(future->runtime, true);
}

void mouv__future_hold(mouv__future_t *future) {
    future->held++;
}

void mouv__future_let_go(mouv__future_t *future) {
    assert(future->held > 0);
    future->held--;
    future_dispose_if_unused(future);
}

void mouv__future_discard(mouv__future_t *future) {
    future->retrieved = true;
    mouv__future_cancel(future);
    mouv__future_let_go(future);
}

/* ---- handles ---- */

mouv_future_t mouv__future_failed(int code) {
    mouv_future_t handle = {mouv__handle_of_failure(code)};
    return handle;
}

static const mouv__future_ops_t plain_ops = {.kind = "future"};

mouv_future_t mouv__future_failed_with(mouv_runtime_t *runtime, const mouv_error_t *error) {
    mouv__future_t *future = runtime != NULL ? mouv__alloc(sizeof *future) : NULL;
    if (future == NULL || mouv__future_init(future, &plain_ops, runtime, false) != 0) {
        mouv__free(future);
        return mouv__future_failed(error->code);
    }
    mouv__future_complete(future, error->code, error);
    return mouv__future_handle(future);
}

static mouv__handle_kind_t future_find(mouv_future_t handle, mouv__future_t **future) {
    mouv_runtime_t *runtime = mouv__runtime();
    mouv__handle_kind_t kind =
        mouv__handles_find(runtime != NULL ? &runtime->handles : NULL, handle.id, future);
    return kind == MOUV__HANDLE_LIVE && (*future)->going ? MOUV__HANDLE_STALE : kind;
}

mouv__future_t *mouv__future_peek(mouv_future_t handle) {
    mouv__future_t *future = NULL;
    mouv__handle_kind_t kind = future_find(handle, &future);
    if (kind == MOUV__HANDLE_FOREIGN) mouv__debug_foreign();
    return kind == MOUV__HANDLE_LIVE ? future : NULL;
}

/* Why a handle that is not live cannot be used. */
static int future_explain(mouv__handle_kind_t kind, mouv_future_t handle, mouv_error_t *error) {
    switch (kind) {
    case MOUV__HANDLE_NULL:
        return mouv_error_set(error, MOUV_EINVAL, "future: the handle is zero");
    case MOUV__HANDLE_FAILED: {
        int code = mouv__handle_failure(handle.id);
        return mouv_error_set(error, code, "%s", mouv_error_message(code));
    }
    case MOUV__HANDLE_FOREIGN:
        mouv__debug_foreign();
        return mouv_error_set(error, MOUV_EINVAL,
                              "future: the handle belongs to another runtime or thread");
    default:
        return mouv_error_set(error, MOUV_EINVAL, "future: already consumed");
    }
}

mouv__future_t *mouv__future_consume(mouv_future_t handle, int *code, mouv_error_t *error) {
    mouv__future_t *future = NULL;
    mouv__handle_kind_t kind = future_find(handle, &future);
    if (kind == MOUV__HANDLE_FAILED) {
        /* what was only a code becomes a future, as everything that waits needs one */
        mouv_error_t why;
        future_explain(kind, handle, &why);
        kind = future_find(mouv__future_failed_with(mouv__runtime(), &why), &future);
    }
    if (kind == MOUV__HANDLE_LIVE && future->owned == 0) kind = MOUV__HANDLE_STALE;
    if (kind != MOUV__HANDLE_LIVE) {
        *code = future_explain(kind, handle, error);
        return NULL;
    }
    future->owned--;
    future->held++;
    return future;
}

mouv__future_t *mouv__future_consume_pending(mouv_future_t handle, mouv_error_t *error) {
    int code = 0;
    mouv__future_t *future = mouv__future_consume(handle, &code, error);
    if (future == NULL || !mouv__future_is_done(future)) return future;
    mouv__future_take(future, error);
    mouv__future_let_go(future);
    return NULL;
}

/* ---- completion ---- */

static void future_run_callbacks(mouv__ready_t *ready) {
    mouv__future_t *future = mouv__container_of(ready, mouv__future_t, ready);
    mouv__callback_t *callback;
    while ((callback = MOUV__LIST_POP(&future->callbacks, mouv__callback_t, link)) != NULL) {
        if (callback->consumes) mouv__future_deliver(future, future->code >= 0);
        mouv__locals_t **outer = mouv__locals_enter(future->runtime, &callback->locals);
        callback->fn(mouv__future_handle(future), callback->arg);
        mouv__locals_enter(future->runtime, outer);
        if (callback->consumes) mouv__future_let_go(future);
        mouv__future_free_callback(callback);
    }
    mouv__future_let_go(future);
}

void mouv__future_schedule_callbacks(mouv__future_t *future) {
    if (mouv__list_is_empty(&future->callbacks) || mouv__ready_is_queued(&future->ready)) return;
    mouv__future_hold(future);
    future->ready.run = future_run_callbacks;
    mouv__runtime_ready(future->runtime, &future->ready);
}

void mouv__future_unlimit(mouv__future_t *future) {
    mouv__limit_t *limit = future->limit;
    if (limit == NULL) return;
    future->limit = NULL;
    mouv__timer_stop(future->runtime, &limit->timer);
    mouv__runtime_unkeep(future->runtime);
    mouv__free(limit);
    mouv__future_let_go(future);
}

static void future_notify(mouv__future_t *future) {
    mouv__future_listener_t *listener;
    mouv__future_unlimit(future);
    while ((listener = MOUV__LIST_POP(&future->listeners, mouv__future_listener_t, link)) != NULL)
        listener->done(listener, future);
    mouv__future_schedule_callbacks(future);
    if (future->counted) {
        future->counted = false;
        future->held--;
        if (future->ops->outside) mouv__timers_outside(future->runtime, false);
        mouv__runtime_unkeep(future->runtime);
    }
    mouv__future_let_go(future);
}

void mouv__future_complete(mouv__future_t *future, int code, const mouv_error_t *error) {
    mouv__future_become(future, MOUV__DONE);
    future->code = code;
    if (code < 0 && error != NULL) {
        future->error = mouv__alloc(sizeof *error);
        if (future->error != NULL) *future->error = *error; /* else the standard text remains */
    }
    mouv__future_hold(future);
    future_do_chore(future, NOTIFYING, future_notify);
}

static void future_cancel_pending(mouv__future_t *future) {
    if (future->state == MOUV__PENDING) {
        if (future->ops->cancel != NULL)
            future->ops->cancel(future);
        else
            mouv__future_complete(future, MOUV_ECANCELED, NULL);
    }
    mouv__future_let_go(future);
}

bool mouv__future_cancel(mouv__future_t *future) {
    if (future->state == MOUV__DONE || future->asked) return false;
    future->asked = true;
    if (future->state == MOUV__COLD) {
        future->ops->cancel(future);
        return true;
    }
    mouv__future_hold(future);
    future_do_chore(future, CANCELLING, future_cancel_pending);
    return true;
}

void mouv__future_shorten(mouv__future_t *future, int64_t deadline_ns) {
    if (future->ops->shorten == NULL || future->state == MOUV__DONE) return;
    if (deadline_ns != MOUV__NEVER) future->ops->shorten(future, deadline_ns);
}

void mouv__future_deliver(mouv__future_t *future, bool whole) {
    if (future->state != MOUV__DONE || future->delivered) return;
    future->delivered = true;
    if (future->ops->deliver != NULL) future->ops->deliver(future, whole);
}

void mouv__future_error(const mouv__future_t *future, mouv_error_t *error) {
    if (future->error != NULL)
        *error = *future->error;
    else
        mouv_error_set(error, future->code, "%s", mouv_error_message(future->code));
}

int mouv__future_take(mouv__future_t *future, mouv_error_t *error) {
    future->retrieved = true;
    if (future->code < 0 && error != NULL) mouv__future_error(future, error);
    return future->code;
}

void mouv__future_start(mouv__future_t *future) {
    if (future->state == MOUV__COLD) future->ops->start(future);
}

/* ---- listeners ---- */

void mouv__future_listen(mouv__future_t *future, mouv__future_listener_t *listener) {
    assert(future->state != MOUV__DONE);
    mouv__list_push_back(&future->listeners, &listener->link);
}

void mouv__future_unlisten(mouv__future_t *future, mouv__future_listener_t *listener) {
    mouv__list_remove(&future->listeners, &listener->link);
}

/* ---- the end of the runtime ---- */

static void future_for_each(mouv_runtime_t *runtime, void (*visit)(mouv__future_t *)) {
    for (uint32_t i = 0; i < runtime->handles.count; i++) {
        mouv__future_t *future = runtime->handles.slots[i].future;
        if (future != NULL) visit(future);
    }
}

static void future_cancel_if_pending(mouv__future_t *future) {
    if (future->state == MOUV__PENDING) mouv__future_cancel(future);
}

static void future_disown(mouv__future_t *future) {
    mouv__future_hold(future);
    future->owned = 0;
    mouv__future_let_go(future);
}

void mouv__futures_cancel_all(mouv_runtime_t *runtime) {
    future_for_each(runtime, future_cancel_if_pending);
}

void mouv__futures_release_all(mouv_runtime_t *runtime) {
    future_for_each(runtime, future_disown);
}

/* ---- futures of the program's own ---- */

mouv_future_t mouv_future_new(void) {
    mouv_runtime_t *runtime = mouv__runtime();
    if (runtime == NULL) return mouv__future_failed(MOUV_ENOLOOP);
    mouv__future_t *future = mouv__alloc(sizeof *future);
    if (future == NULL || mouv__future_init(future, &plain_ops, runtime, false) != 0) {
        mouv__free(future);
        return mouv__future_failed(MOUV_ENOMEM);
    }
    return mouv__future_handle(future);
}

static int future_complete_plain(mouv_future_t handle, int code, const mouv_error_t *error) {
    mouv__future_t *future = mouv__future_peek(handle);
    if (future == NULL || future->ops != &plain_ops)
        return mouv__raise(NULL, MOUV_EINVAL, "future: not one of mouv_future_new()");
    if (future->state == MOUV__DONE) return mouv__raise(NULL, MOUV_ESTATE, "invalid state");
    mouv__future_complete(future, code, error);
    return 0;
}

int mouv_future_set_result(mouv_future_t handle, int result) {
    return future_complete_plain(handle, result, NULL);
}

int mouv_future_set_error(mouv_future_t handle, const mouv_error_t *error) {
    if (error == NULL || error->code >= 0)
        return mouv__raise(NULL, MOUV_EINVAL, "mouv_future_set_error: no negative code");
    return future_complete_plain(handle, error->code, error);
}

int mouv_future_result(mouv_future_t handle, mouv_error_t *error) {
    mouv__future_t *future = NULL;
    mouv__handle_kind_t kind = future_find(handle, &future);
    if (kind != MOUV__HANDLE_LIVE) return future_explain(kind, handle, error);
    if (future->state != MOUV__DONE)
        return mouv_error_set(error, MOUV_ESTATE, "Result is not set.");
    return mouv__future_take(future, error);
}
