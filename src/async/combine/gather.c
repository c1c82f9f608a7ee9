/*
 * gather and gather_all: one future for many.
 *
 * It consumes its children, starts those that are cold and listens to each, until every one has
 * settled: their arguments may lie on the stack of whoever awaits the whole. The first failure makes
 * a gather cancel the others (docs/decisions/0021), but for those that somebody else has a reference
 * to: it listens to these no more and spares them, as does a gather among the others. The children's
 * results stay with them until the whole is taken, and they are let go of with it.
 */
#include <mouv/gather.h>

#include <limits.h>
#include <string.h>

#include "async/loop/error.h"
#include "async/loop/future.h"
#include "async/task/runtime.h"
#include "context/alloc.h"

typedef struct gather gather_t;

typedef struct child {
    mouv__future_listener_t listener; /* first */
    gather_t *gather;
    mouv__future_t *future;
    bool counted; /* is pending no more */
    bool spared;  /* left to whoever else has a reference */
} child_t;

struct gather {
    mouv__future_t future;  /* first */
    bool all;               /* never fails for a child */
    bool sparing;           /* its cancel comes of a sibling's failure */
    bool stopping;          /* is in gather_stop() */
    mouv__future_t *failed; /* the child that has failed the whole */
    int *codes;             /* of gather_all, may be NULL */
    mouv_error_t *errors;   /* likewise */
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

/* Its own failure; but a write of unknown outcome must not hide behind another. */
static mouv__future_t *gather_first_failure(gather_t *gather) {
    for (size_t i = 0; i < gather->count; i++)
        if (gather->children[i].future->code == MOUV_EUNKNOWN) return gather->children[i].future;
    return gather->failed;
}

static int gather_count_failures(const gather_t *gather) {
    size_t failures = 0;
    for (size_t i = 0; i < gather->count; i++)
        failures += gather->children[i].spared || gather->children[i].future->code < 0;
    return failures < INT_MAX ? (int)failures : INT_MAX;
}

/* That nothing was stored is not so of those that were done before. */
static void gather_tell_of_successes(const gather_t *gather, mouv_error_t *error) {
    size_t done = gather->count - (size_t)gather_count_failures(gather);
    if (done == 0 || (error->code != MOUV_ECANCELED && error->code != MOUV_ETIMEDOUT)) return;
    bool plain = strcmp(error->message, mouv_error_message(error->code)) == 0;
    mouv__error_reword(error, "%.400s%s%zu of %zu had succeeded", plain ? "" : error->message,
                       plain ? "" : "; ", done, gather->count);
}

static void gather_conclude_cancelled(gather_t *gather) {
    mouv_error_t error;
    mouv__future_t *main = gather_main_failure(gather);
    if (main->code >= 0 || (gather->all && main->code != MOUV_EUNKNOWN))
        mouv_error_set(&error, MOUV_ECANCELED, "%s", mouv_error_message(MOUV_ECANCELED));
    else
        mouv__future_error(main, &error);
    gather_tell_of_successes(gather, &error);
    mouv__future_complete(&gather->future, error.code, &error);
}

/* Every child has settled, or was spared. */
static void gather_conclude(gather_t *gather) {
    int failures = gather_count_failures(gather);
    if (gather->failed != NULL)
        gather_fail_with(gather, gather_first_failure(gather));
    else if (gather_cancelling(gather) && failures > 0)
        gather_conclude_cancelled(gather);
    else
        mouv__future_complete(&gather->future, gather->all ? failures : 0, NULL);
}

static void gather_conclude_if_settled(gather_t *gather) {
    if (gather->pending == 0 && !gather->stopping) gather_conclude(gather);
}

/* ---- stopping its children ---- */

static void gather_on_child(mouv__future_listener_t *listener, mouv__future_t *future);

/* By somebody who has a reference, or has given one to what waits for it. */
static bool gather_is_shared(const gather_t *gather, const mouv__future_t *future) {
    if (future->owned > 0) return true;
    MOUV__LIST_EACH(&future->listeners, const mouv__future_listener_t, listener, link)
        if (listener->done != gather_on_child || ((const child_t *)listener)->gather != gather)
            return true;
    MOUV__LIST_EACH(&future->callbacks, const mouv__callback_t, callback, link)
        if (callback->consumes) return true;
    return false;
}

static void gather_spare(gather_t *gather, child_t *child) {
    mouv__future_unlisten(child->future, &child->listener);
    child->future->retrieved = true; /* as in asyncio: later failures are not reported */
    child->counted = child->spared = true;
    gather->pending--;
}

static void gather_stop_child(gather_t *gather, child_t *child) {
    if (gather->sparing && gather_is_shared(gather, child->future)) {
        gather_spare(gather, child);
        return;
    }
    if (gather->sparing && child->future->ops == gather->future.ops)
        ((gather_t *)child->future)->sparing = true;
    mouv__future_cancel(child->future);
}

/* Some settle at once. */
static void gather_stop(gather_t *gather) {
    gather->stopping = true;
    for (size_t i = 0; i < gather->count; i++)
        if (mouv__future_listener_listens(&gather->children[i].listener))
            gather_stop_child(gather, &gather->children[i]);
    gather->stopping = false;
}

static void gather_child_is_done(child_t *child) {
    gather_t *gather = child->gather;
    child->counted = true;
    child->future->retrieved = true;
    gather->pending--;
    bool fails = child->future->code < 0 && !gather->all && !gather_cancelling(gather);
    if (fails && gather->failed == NULL) {
        gather->failed = child->future;
        gather->sparing = true;
        gather_stop(gather);
    }
    gather_conclude_if_settled(gather);
}

static void gather_on_child(mouv__future_listener_t *listener, mouv__future_t *future) {
    (void)future;
    gather_child_is_done((child_t *)listener);
}

/* ---- as a future ---- */

static void gather_cancel(mouv__future_t *future) {
    gather_t *gather = (gather_t *)future;
    gather_stop(gather);
    gather_conclude_if_settled(gather);
}

static void gather_shorten(mouv__future_t *future, int64_t deadline_ns) {
    gather_t *gather = (gather_t *)future;
    for (size_t i = 0; i < gather->count; i++)
        if (!gather->children[i].spared)
            mouv__future_shorten(gather->children[i].future, deadline_ns);
}

/* Also if it was cancelled itself: what has become of each is known all the same. */
static void gather_report(gather_t *gather, size_t i) {
    const mouv__future_t *child = gather->children[i].future;
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
        const child_t *child = &gather->children[i];
        if (gather->all && (whole || future->code < 0)) gather_report(gather, i);
        if (!child->spared) mouv__future_deliver(child->future, whole && child->future->code >= 0);
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

/* No memory for one: what was to be its children is cancelled all the same. */
static mouv_future_t gather_refuse(gather_t *gather, const mouv_future_t *futures, size_t count) {
    size_t taken = gather != NULL ? gather->count : 0;
    for (size_t i = 0; i < count; i++) {
        int code;
        mouv__future_t *child =
            i < taken ? gather->children[i].future : mouv__future_consume(futures[i], &code, NULL);
        if (child != NULL) mouv__future_discard(child);
    }
    mouv__free(gather);
    return mouv__future_failed(mouv__runtime() != NULL ? MOUV_ENOMEM : MOUV_ENOLOOP);
}

/* One that cannot be used counts as a child that has failed: the others are cancelled and joined. */
static mouv__future_t *gather_receive(mouv_runtime_t *runtime, mouv_future_t handle, size_t index) {
    int code;
    mouv_error_t why, error;
    mouv__future_t *future = mouv__future_consume(handle, &code, &why);
    if (future != NULL) return future;
    mouv_error_set(&error, code, "gather: argument %zu: %s", index + 1, why.message);
    return mouv__future_consume(mouv__future_failed_with(runtime, &error), &code, &why);
}

/* NULL if there is no memory for it all. */
static gather_t *gather_make(mouv_runtime_t *runtime, const mouv_future_t *futures, size_t count) {
    gather_t *made = mouv__alloc_array(sizeof(gather_t), count, sizeof(child_t));
    while (made != NULL && made->count < count) {
        mouv__future_t *child = gather_receive(runtime, futures[made->count], made->count);
        if (child == NULL) break;
        made->children[made->count++].future = child;
    }
    if (made != NULL && made->count == count &&
        mouv__future_init(&made->future, &gather_ops, runtime, true) == 0)
        return made;
    gather_refuse(made, futures, count);
    return NULL;
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
    for (size_t i = 0; i < gather->count; i++) {
        child_t *child = &gather->children[i];
        if (!child->counted && !mouv__future_listener_listens(&child->listener))
            gather_child_is_done(child);
    }
}

static mouv_future_t gather(const mouv_future_t *futures, size_t count, bool all, int *codes,
                            mouv_error_t *errors) {
    mouv_error_t error;
    mouv_runtime_t *runtime = mouv__runtime();
    mouv_error_set(&error, MOUV_EINVAL, "gather: no array of futures");
    if (futures == NULL && count > 0) return mouv__future_failed_with(runtime, &error);
    if (runtime == NULL) return gather_refuse(NULL, futures, count);
    gather_t *made = gather_make(runtime, futures, count);
    if (made == NULL) return mouv__future_failed(MOUV_ENOMEM);
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
