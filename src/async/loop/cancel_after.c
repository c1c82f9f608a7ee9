/*
 * mouv_future_cancel_after(): a timer beside a future, which ends with it (future.c). It is no listener:
 * whoever counts those who wait for the future (a gather) does not find it.
 */
#include <mouv/await.h>

#include "async/loop/raise.h"
#include "async/loop/state.h"
#include "context/alloc.h"

static void cancel_after_on_time(mouv__timer_t *timer) {
    mouv__future_t *future = mouv__container_of(timer, mouv__limit_t, timer)->future;
    mouv__future_hold(future);
    mouv__future_unlimit(future);
    mouv__future_cancel(future);
    mouv__future_let_go(future);
}

static int cancel_after_limit(mouv__future_t *future, int64_t at_ns) {
    if (future->limit == NULL) {
        future->limit = mouv__alloc(sizeof *future->limit);
        if (future->limit == NULL) return MOUV_ENOMEM;
        future->limit->future = future;
        mouv__future_hold(future);
        mouv__runtime_keep(future->runtime);
    }
    mouv__timer_t *timer = &future->limit->timer;
    int rc = mouv__timer_start(future->runtime, timer, at_ns, cancel_after_on_time);
    if (rc != 0) mouv__future_unlimit(future);
    return rc;
}

int mouv_future_cancel_after(mouv_future_t handle, int64_t ms) {
    mouv__future_t *future = mouv__future_peek(handle);
    if (future == NULL)
        return mouv__raise(NULL, MOUV_EINVAL, "mouv_future_cancel_after: the handle is stale");
    if (ms == MOUV_FOREVER) mouv__future_unlimit(future);
    if (ms == MOUV_FOREVER || mouv__future_is_done(future)) return 0;
    int rc = cancel_after_limit(future, mouv__clock_deadline_in(future->runtime, ms));
    return rc == 0 ? 0 : mouv__raise(NULL, rc, "mouv_future_cancel_after: no memory");
}
