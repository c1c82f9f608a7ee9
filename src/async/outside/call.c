/*
 * call_soon, call_later, call_at. A call is a future that nobody owns: that gives it a handle that
 * can go stale, keeps the loop alive and ends it with the runtime.
 */
#include <mouv/callback.h>

#include "async/loop/future.h"
#include "async/loop/local.h"
#include "async/loop/timer.h"
#include "async/task/runtime.h"
#include "context/alloc.h"

typedef struct call {
    mouv__future_t future; /* first */
    mouv__ready_t ready;
    mouv__timer_t timer;
    mouv_call_fn_t fn;
    void *arg;
    mouv__locals_t *locals; /* that it sees, those of who made it */
} call_t;

static void call_run(mouv__ready_t *ready) {
    call_t *call = mouv__container_of(ready, call_t, ready);
    mouv_call_fn_t fn = call->fn;
    void *arg = call->arg;
    bool cancelled = call->future.asked;
    mouv_runtime_t *runtime = call->future.runtime;
    mouv__locals_t *locals = call->locals;
    call->locals = NULL;
    mouv__future_complete(&call->future, cancelled ? MOUV_ECANCELED : 0, NULL);
    mouv__locals_t **outer = mouv__locals_enter(runtime, &locals);
    if (!cancelled) fn(arg);
    mouv__locals_enter(runtime, outer);
    mouv__locals_drop(locals);
}

static void call_on_time(mouv__timer_t *timer) {
    call_t *call = mouv__container_of(timer, call_t, timer);
    mouv__runtime_ready(call->future.runtime, &call->ready);
}

/* One that is queued completes at its turn. */
static void call_cancel(mouv__future_t *future) {
    call_t *call = (call_t *)future;
    if (mouv__ready_is_queued(&call->ready)) return;
    mouv__timer_stop(future->runtime, &call->timer);
    mouv__future_complete(future, MOUV_ECANCELED, NULL);
}

static void call_release(mouv__future_t *future) {
    mouv__locals_drop(((call_t *)future)->locals);
    mouv__free(future);
}

static const mouv__future_ops_t call_ops = {
    .kind = "call", .cancel = call_cancel, .release = call_release};

static int call_make(mouv_call_fn_t fn, void *arg, call_t **made) {
    mouv_runtime_t *runtime = mouv__runtime();
    if (runtime == NULL) return MOUV_ENOLOOP;
    if (fn == NULL) return mouv__raise(NULL, MOUV_EINVAL, "call: no function");
    mouv__locals_t *locals = mouv__locals_inherit(runtime);
    call_t *call = mouv__locals_failed(locals) ? NULL : mouv__alloc(sizeof *call);
    if (call == NULL || mouv__future_init(&call->future, &call_ops, runtime, true) != 0) {
        mouv__locals_drop(locals);
        mouv__free(call);
        return mouv__raise(NULL, MOUV_ENOMEM, "no memory for a call");
    }
    call->future.owned = 0;
    call->locals = locals;
    call->fn = fn;
    call->arg = arg;
    call->ready.run = call_run;
    *made = call;
    return 0;
}

static void call_tell(const call_t *call, mouv_handle_t *handle) {
    if (handle != NULL) handle->id = call->future.id;
}

int mouv_call_soon(mouv_call_fn_t fn, void *arg, mouv_handle_t *handle) {
    call_t *call = NULL;
    int rc = call_make(fn, arg, &call);
    if (rc != 0) return rc;
    mouv__runtime_ready(call->future.runtime, &call->ready);
    call_tell(call, handle);
    return 0;
}

static int call_at_ns(int64_t at_ns, mouv_call_fn_t fn, void *arg, mouv_handle_t *handle) {
    call_t *call = NULL;
    int rc = call_make(fn, arg, &call);
    if (rc != 0) return rc;
    if (mouv__timer_start(call->future.runtime, &call->timer, at_ns, call_on_time) != 0) {
        mouv__future_complete(&call->future, MOUV_ENOMEM, NULL);
        return mouv__raise(NULL, MOUV_ENOMEM, "no memory for a timer");
    }
    call_tell(call, handle);
    return 0;
}

int mouv_call_later(int64_t delay_ms, mouv_call_fn_t fn, void *arg, mouv_handle_t *handle) {
    mouv_runtime_t *runtime = mouv__runtime();
    if (runtime == NULL) return MOUV_ENOLOOP;
    return call_at_ns(mouv__clock_deadline_in(runtime, delay_ms), fn, arg, handle);
}

int mouv_call_at(int64_t when_ms, mouv_call_fn_t fn, void *arg, mouv_handle_t *handle) {
    if (when_ms > MOUV__NEVER / 1000000) return call_at_ns(MOUV__NEVER, fn, arg, handle);
    return call_at_ns(when_ms > 0 ? when_ms * 1000000 : 0, fn, arg, handle);
}

static mouv__future_t *call_find(mouv_handle_t handle) {
    mouv__future_t *future = mouv__future_peek((mouv_future_t){handle.id});
    return future != NULL && future->ops == &call_ops ? future : NULL;
}

bool mouv_handle_cancel(mouv_handle_t handle) {
    mouv__future_t *future = call_find(handle);
    return future != NULL && mouv__future_cancel(future);
}

bool mouv_handle_pending(mouv_handle_t handle) {
    const mouv__future_t *future = call_find(handle);
    return future != NULL && !future->asked;
}
