/*
 * Futures with the outcome of another one: wait_for, which limits it in time, and shield, which
 * keeps cancellation from it. And the simplest of all, a future of a time.
 */
#include <mouv/await.h>
#include <mouv/scope.h>

#include "async/loop/future.h"
#include "async/loop/timer.h"
#include "async/task/runtime.h"
#include "async/task/scope.h"
#include "context/alloc.h"

typedef struct proxy {
    mouv__future_t future;            /* first */
    mouv__future_listener_t listener; /* to the inner one */
    mouv__future_t *inner;
    mouv__timer_t timer; /* of wait_for */
    mouv__ready_t ready; /* its time has come */
    int stopped_by;      /* what the ECANCELED of the inner one becomes; 0: it stays */
} proxy_t;

/* ---- both kinds ---- */

static void proxy_settle(proxy_t *proxy) {
    mouv__future_t *inner = proxy->inner;
    mouv_error_t error;
    mouv__timer_stop(proxy->future.runtime, &proxy->timer);
    inner->retrieved = true;
    if (inner->code >= 0) {
        mouv__future_complete(&proxy->future, inner->code, NULL);
        return;
    }
    mouv__future_error(inner, &error);
    if (proxy->stopped_by != 0) mouv__scope_stopped_by(proxy->stopped_by, &error);
    mouv__future_complete(&proxy->future, error.code, &error);
}

static void proxy_on_inner(mouv__future_listener_t *listener, mouv__future_t *inner) {
    (void)inner;
    proxy_settle(mouv__container_of(listener, proxy_t, listener));
}

static void proxy_shorten(mouv__future_t *future, int64_t deadline_ns) {
    mouv__future_shorten(((proxy_t *)future)->inner, deadline_ns);
}

static void proxy_deliver(mouv__future_t *future, bool whole) {
    mouv__future_deliver(((proxy_t *)future)->inner, whole);
}

static bool proxy_visit(mouv__future_t *future, bool (*visit_child)(mouv__future_t *, void *),
                        void *arg) {
    mouv__future_t *inner = ((proxy_t *)future)->inner;
    return !mouv__future_is_done(inner) && visit_child(inner, arg);
}

static void proxy_release(mouv__future_t *future) {
    proxy_t *proxy = (proxy_t *)future;
    mouv__future_let_go(proxy->inner);
    mouv__free(proxy);
}

/* Consumes `handle`. NULL on failure, with `*failed` the handle to return. */
static proxy_t *proxy_wrap(mouv_future_t handle, const mouv__future_ops_t *ops,
                           mouv_future_t *failed) {
    int code = 0;
    mouv_error_t error;
    mouv__future_t *inner = mouv__future_consume(handle, &code, &error);
    if (inner == NULL) {
        *failed = mouv__future_failed_with(mouv__runtime(), &error);
        return NULL;
    }
    proxy_t *proxy = mouv__alloc(sizeof *proxy);
    if (proxy == NULL || mouv__future_init(&proxy->future, ops, inner->runtime, true) != 0) {
        mouv__free(proxy);
        mouv__future_cancel(inner);
        mouv__future_let_go(inner);
        *failed = mouv__future_failed(MOUV_ENOMEM);
        return NULL;
    }
    proxy->inner = inner;
    return proxy;
}

static mouv_future_t proxy_begin(proxy_t *proxy) {
    mouv_future_t handle = mouv__future_handle(&proxy->future);
    if (mouv__future_is_done(proxy->inner)) {
        proxy_settle(proxy);
    } else {
        proxy->listener.done = proxy_on_inner;
        mouv__future_listen(proxy->inner, &proxy->listener);
    }
    return handle;
}

/* ---- wait_for ---- */

/* Also while the inner one cleans up after the timeout: then it is a cancel all the same. */
static void proxy_cancel_inner(mouv__future_t *future) {
    proxy_t *proxy = (proxy_t *)future;
    proxy->stopped_by = 0;
    mouv__future_cancel(proxy->inner);
}

static const mouv__future_ops_t wait_for_ops = {
    .kind = "wait_for",
    .cancel = proxy_cancel_inner,
    .shorten = proxy_shorten,
    .deliver = proxy_deliver,
    .visit = proxy_visit,
    .release = proxy_release,
};

static void proxy_stop(proxy_t *proxy, int because) {
    proxy->stopped_by = because;
    mouv__future_cancel(proxy->inner);
}

static void proxy_run_timeout(mouv__ready_t *ready) {
    proxy_t *proxy = mouv__container_of(ready, proxy_t, ready);
    if (!mouv__future_is_done(&proxy->future) && !proxy->future.asked)
        proxy_stop(proxy, MOUV_ETIMEDOUT);
    mouv__future_let_go(&proxy->future);
}

/* In its turn: what earlier timers have made ready goes first. */
static void proxy_on_timeout(mouv__timer_t *timer) {
    proxy_t *proxy = mouv__container_of(timer, proxy_t, timer);
    mouv__future_hold(&proxy->future);
    proxy->ready.run = proxy_run_timeout;
    mouv__runtime_ready(proxy->future.runtime, &proxy->ready);
}

mouv_future_t mouv_wait_for(mouv_future_t handle, int64_t timeout_ms) {
    mouv_future_t failed;
    proxy_t *proxy = proxy_wrap(handle, &wait_for_ops, &failed);
    if (proxy == NULL) return failed;
    mouv_runtime_t *runtime = proxy->future.runtime;
    int64_t at = mouv__clock_deadline_in(runtime, timeout_ms);
    if (timeout_ms <= 0) {
        proxy_stop(proxy, MOUV_ETIMEDOUT); /* of a cold coroutine the body never runs */
    } else {
        mouv__future_start(proxy->inner);
        mouv__future_shorten(proxy->inner, at);
        if (mouv__timer_start(runtime, &proxy->timer, at, proxy_on_timeout) != 0)
            proxy_stop(proxy, MOUV_ENOMEM);
    }
    return proxy_begin(proxy);
}

/* ---- shield ---- */

static void proxy_leave_inner(mouv__future_t *future) {
    proxy_t *proxy = (proxy_t *)future;
    mouv__future_unlisten(proxy->inner, &proxy->listener);
    mouv__future_complete(future, MOUV_ECANCELED, NULL);
}

static void proxy_deliver_if_done(mouv__future_t *future, bool whole) {
    if (future->code != MOUV_ECANCELED) proxy_deliver(future, whole);
}

static const mouv__future_ops_t shield_ops = {
    .kind = "shield",
    .cancel = proxy_leave_inner,
    .deliver = proxy_deliver_if_done,
    .visit = proxy_visit,
    .release = proxy_release,
};

mouv_future_t mouv_shield(mouv_future_t handle) {
    mouv_future_t failed;
    proxy_t *proxy = proxy_wrap(handle, &shield_ops, &failed);
    if (proxy == NULL) return failed;
    mouv__future_start(proxy->inner);
    return proxy_begin(proxy);
}

/* ---- a time ---- */

typedef struct nap {
    mouv__future_t future; /* first */
    mouv__timer_t timer;
} nap_t;

static void proxy_cancel_nap(mouv__future_t *future) {
    mouv__timer_stop(future->runtime, &((nap_t *)future)->timer);
    mouv__future_complete(future, MOUV_ECANCELED, NULL);
}

static const mouv__future_ops_t nap_ops = {.kind = "sleep", .cancel = proxy_cancel_nap};

static void proxy_on_time(mouv__timer_t *timer) {
    nap_t *nap = mouv__container_of(timer, nap_t, timer);
    mouv__future_complete(&nap->future, 0, NULL);
}

mouv_future_t mouv_sleep_future(int64_t timeout_ms) {
    mouv_runtime_t *runtime = mouv__runtime();
    if (runtime == NULL) return mouv__future_failed(MOUV_ENOLOOP);
    nap_t *nap = mouv__alloc(sizeof *nap);
    if (nap == NULL || mouv__future_init(&nap->future, &nap_ops, runtime, true) != 0) {
        mouv__free(nap);
        return mouv__future_failed(MOUV_ENOMEM);
    }
    mouv_future_t handle = mouv__future_handle(&nap->future);
    int64_t at = mouv__clock_deadline_in(runtime, timeout_ms);
    if (mouv__timer_start(runtime, &nap->timer, at, proxy_on_time) != 0)
        mouv__future_complete(&nap->future, MOUV_ENOMEM, NULL);
    return handle;
}
