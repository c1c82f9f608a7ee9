/*
 * gather and gather_all: one future for many.
 *
 * It consumes its children, starts those that are cold and listens to each. The first failure
 * completes a gather, which then listens no more and leaves the others alone; a gather_all, or one
 * that is being cancelled, waits until every child has settled. The children's results stay with
 * them until the whole is taken, and they are let go of with it.
 */
#include <mouv/gather.h>

#include "async/loop/future.h"
#include "async/task/runtime.h"
#include "context/alloc.h"

typedef struct gather gather_t;

typedef struct child {
    mouv__future_listener_t listener; /* first */
    gather_t *gather;
    mouv__future_t *future;
} child_t;

struct gather {
    mouv__future_t future; /* first */
    bool all;              /* waits for every child and never fails for one */
    int *codes;            /* of gather_all, may be NULL */
    mouv_error_t *errors;  /* likewise */
    size_t count, pending;
    child_t children[];
};

static bool gather_cancelling(const gather_t *gather) {
    return gather->future.asked;
}

/* ---- its outcome ---- */

static void gather_fail_with(gather_t *gather, mouv__future_t *child) {
    mouv_error_t error;
    mouv__future_error(child, &error);
    mouv__future_complete(&gather->future, child->code, &error);
}

/* A write of unknown outcome goes first, then what failed by itself, then what was cancelled. */
static int gather_weight(int code) {
    return code == MOUV_EUNKNOWN ? 3 : code == MOUV_ECANCELED ? 1 : code < 0 ? 2 : 0;
}

static mouv__future_t *gather_main_failure(gather_t *gather) {
    mouv__future_t *found = gather->children[0].future;
    for (size_t i = 1; i < gather->count; i++) {
        mouv__future_t *child = gather->children[i].future;
        if (gather_weight(child->code) > gather_weight(found->code)) found = child;
    }
    return found;
}

/* Every child has settled and none has failed the whole before. */
static void gather_conclude(gather_t *gather) {
    size_t failed = 0;
    for (size_t i = 0; i < gather->count; i++) failed += gather->children[i].future->code < 0;
    if (!gather_cancelling(gather) || failed == 0) {
        mouv__future_complete(&gather->future, gather->all ? (int)failed : 0, NULL);
        return;
    }
    mouv__future_t *main = gather_main_failure(gather);
    if (gather->all && main->code != MOUV_EUNKNOWN)
        mouv__future_complete(&gather->future, MOUV_ECANCELED, NULL);
    else
        gather_fail_with(gather, main);
}

static void gather_stop_listening(gather_t *gather) {
    for (size_t i = 0; i < gather->count; i++) {
        child_t *child = &gather->children[i];
        if (!mouv__future_listener_listens(&child->listener)) continue;
        mouv__future_unlisten(child->future, &child->listener);
        child->future->retrieved = true; /* as in asyncio: later failures are not reported */
    }
}

static void gather_child_is_done(gather_t *gather, mouv__future_t *child) {
    gather->pending--;
    child->retrieved = true;
    if (child->code < 0 && !gather->all && !gather_cancelling(gather)) {
        gather_stop_listening(gather);
        gather_fail_with(gather, child);
    } else if (gather->pending == 0) {
        gather_conclude(gather);
    }
}

static void gather_on_child(mouv__future_listener_t *listener, mouv__future_t *future) {
    child_t *child = (child_t *)listener;
    gather_child_is_done(child->gather, future);
}

/* ---- as a future ---- */

static void gather_cancel(mouv__future_t *future) {
    gather_t *gather = (gather_t *)future;
    for (size_t i = 0; i < gather->count && future->state == MOUV__PENDING; i++)
        mouv__future_cancel(gather->children[i].future);
}

static void gather_shorten(mouv__future_t *future, int64_t deadline_ns) {
    gather_t *gather = (gather_t *)future;
    for (size_t i = 0; i < gather->count; i++)
        mouv__future_shorten(gather->children[i].future, deadline_ns);
}

static void gather_report(gather_t *gather, size_t i) {
    mouv__future_t *child = gather->children[i].future;
    if (gather->codes != NULL) gather->codes[i] = child->code;
    if (gather->errors == NULL) return;
    if (child->code < 0)
        mouv__future_error(child, &gather->errors[i]);
    else
        gather->errors[i] = (mouv_error_t){0};
}

static void gather_deliver(mouv__future_t *future, bool whole) {
    gather_t *gather = (gather_t *)future;
    for (size_t i = 0; i < gather->count; i++) {
        mouv__future_t *child = gather->children[i].future;
        if (gather->all && whole) gather_report(gather, i);
        mouv__future_deliver(child, whole && child->code >= 0);
    }
}

static bool gather_visit(mouv__future_t *future, bool (*visit_child)(mouv__future_t *, void *),
                         void *arg) {
    gather_t *gather = (gather_t *)future;
    for (size_t i = 0; i < gather->count; i++)
        if (mouv__future_listener_listens(&gather->children[i].listener) &&
            visit_child(gather->children[i].future, arg))
            return true;
    return false;
}

static void gather_release(mouv__future_t *future) {
    gather_t *gather = (gather_t *)future;
    for (size_t i = 0; i < gather->count; i++) mouv__future_let_go(gather->children[i].future);
    mouv__free(gather);
}

static const mouv__future_ops_t gather_ops = {
    .kind = "gather",
    .cancel = gather_cancel,
    .shorten = gather_shorten,
    .deliver = gather_deliver,
    .visit = gather_visit,
    .release = gather_release,
};

/* ---- making one ---- */

/* The rule for every function that consumes: also when it fails. */
static mouv_future_t gather_refuse(const mouv_future_t *futures, size_t count, gather_t *gather,
                                   const mouv_error_t *error) {
    for (size_t i = 0; i < count; i++) {
        int code;
        mouv__future_t *child = gather != NULL && i < gather->count
                                    ? gather->children[i].future
                                    : mouv__future_consume(futures[i], &code, NULL);
        if (child != NULL) mouv__future_discard(child);
    }
    mouv__free(gather);
    return mouv__future_failed_with(mouv__runtime(), error);
}

static void gather_adopt(gather_t *gather, size_t i) {
    child_t *child = &gather->children[i];
    child->gather = gather;
    mouv__future_start(child->future);
    if (mouv__future_is_done(child->future)) return;
    child->listener.done = gather_on_child;
    mouv__future_listen(child->future, &child->listener);
}

/* Children that were done already count in order, once all others are being listened to. */
static void gather_count_done(gather_t *gather) {
    for (size_t i = 0; i < gather->count && gather->future.state == MOUV__PENDING; i++)
        if (!mouv__future_listener_listens(&gather->children[i].listener))
            gather_child_is_done(gather, gather->children[i].future);
}

static mouv_future_t gather(const mouv_future_t *futures, size_t count, bool all, int *codes,
                            mouv_error_t *errors) {
    mouv_error_t error;
    mouv_runtime_t *runtime = mouv__runtime();
    gather_t *made = NULL;
    mouv_error_set(&error, MOUV_EINVAL, "gather: no array of futures");
    if (futures == NULL && count > 0) return mouv__future_failed_with(runtime, &error);
    if (runtime != NULL) made = mouv__alloc_array(sizeof *made, count, sizeof(child_t));
    if (made == NULL) {
        int code = runtime == NULL ? MOUV_ENOLOOP : MOUV_ENOMEM;
        mouv_error_set(&error, code, "gather: %s", mouv_error_message(code));
        return gather_refuse(futures, count, NULL, &error);
    }
    for (size_t i = 0; i < count; i++) {
        int code;
        mouv_error_t why;
        made->children[i].future = mouv__future_consume(futures[i], &code, &why);
        if (made->children[i].future == NULL) {
            mouv_error_set(&error, code, "gather: argument %zu: %.400s", i + 1, why.message);
            return gather_refuse(futures, count, made, &error);
        }
        made->count = i + 1;
    }
    if (mouv__future_init(&made->future, &gather_ops, runtime, true) != 0) {
        mouv_error_set(&error, MOUV_ENOMEM, "gather: out of memory");
        return gather_refuse(futures, count, made, &error);
    }
    made->all = all;
    made->codes = codes;
    made->errors = errors;
    made->pending = count;
    mouv__future_hold(&made->future);
    for (size_t i = 0; i < count; i++) gather_adopt(made, i);
    if (count == 0)
        gather_conclude(made);
    else
        gather_count_done(made);
    mouv_future_t handle = mouv__future_handle(&made->future);
    mouv__future_let_go(&made->future);
    return handle;
}

mouv_future_t mouv_gather_array(const mouv_future_t *futures, size_t count) {
    return gather(futures, count, false, NULL, NULL);
}

mouv_future_t mouv_gather_all(const mouv_future_t *futures, size_t count, int *codes,
                              mouv_error_t *errors) {
    return gather(futures, count, true, codes, errors);
}
