/*
 * Signals: for each that is of interest one watch, which stays until the runtime closes. It has two
 * libuv handles, as libuv changes without a gap from one kind to the other: `every` while each
 * signal counts, `once` for a handler that serves once.
 */
#include "async/outside/signal.h"

#include <signal.h>

#include "async/loop/state.h"
#include "context/alloc.h"

/** A signal that is watched. */
typedef struct watch {
    mouv__link_t link; /* among the runtime's */
    mouv__attachment_t attachment;
    uv_signal_t every, once;
    int open_handles;
    int signum;
    mouv_signal_fn_t fn; /* NULL: no handler */
    void *arg;
    bool serves_once;
    mouv__list_t waiters;
} watch_t;

typedef struct waiter {
    mouv__future_t future; /* first */
    watch_t *watch;
    mouv__link_t link; /* there, until it is done */
} waiter_t;

/* The program has closed its handles, with all of its loop. */
static bool signal_was_walked(const watch_t *watch) {
    return uv_is_closing((const uv_handle_t *)&watch->every) ||
           uv_is_closing((const uv_handle_t *)&watch->once);
}

/* ---- listening to what is wanted, and to no more ---- */

static void signal_on_signal(uv_signal_t *handle, int signum);

static int signal_arm(watch_t *watch) {
    if (signal_was_walked(watch)) return MOUV_ECLOSED;
    bool handler = watch->fn != NULL;
    bool every = !mouv__list_is_empty(&watch->waiters) || (handler && !watch->serves_once);
    int rc = 0;
    if (every)
        rc = uv_signal_start(&watch->every, signal_on_signal, watch->signum);
    else if (handler)
        rc = uv_signal_start_oneshot(&watch->once, signal_on_signal, watch->signum);
    if (!every) uv_signal_stop(&watch->every);
    if (every || !handler) uv_signal_stop(&watch->once);
    return rc == 0 ? 0 : rc == UV_EINVAL ? MOUV_EINVAL : MOUV_ESYSTEM;
}

static void signal_tell_waiters(watch_t *watch) {
    mouv__list_t waiters = mouv__list_take_all(&watch->waiters);
    waiter_t *waiter;
    signal_arm(watch);
    while ((waiter = MOUV__LIST_POP(&waiters, waiter_t, link)) != NULL)
        mouv__future_complete(&waiter->future, watch->signum, NULL);
}

static void signal_on_signal(uv_signal_t *handle, int signum) {
    watch_t *watch = handle->data;
    if (!mouv__list_is_empty(&watch->waiters)) {
        signal_tell_waiters(watch);
    } else if (watch->fn != NULL) {
        mouv_signal_fn_t fn = watch->fn;
        if (watch->serves_once) watch->fn = NULL;
        fn(signum, watch->arg);
    }
}

/* ---- watches ---- */

static void signal_on_closed(uv_handle_t *handle) {
    watch_t *watch = handle->data;
    if (--watch->open_handles > 0) return;
    mouv__runtime_detach(mouv__runtime(), &watch->attachment);
    mouv__free(watch);
}

static void signal_close_watch(mouv__attachment_t *attachment) {
    watch_t *watch = mouv__container_of(attachment, watch_t, attachment);
    mouv__list_remove(&mouv__runtime()->signals, &watch->link);
    mouv__runtime_close_handle((uv_handle_t *)&watch->every, signal_on_closed);
    mouv__runtime_close_handle((uv_handle_t *)&watch->once, signal_on_closed);
}

/* uv_signal_init() fails only for want of a pipe, which the loop's first signal handle makes. */
static int signal_make_watch(mouv_runtime_t *runtime, int signum, watch_t **made) {
    watch_t *watch = mouv__alloc(sizeof *watch);
    if (watch == NULL) return MOUV_ENOMEM;
    if (uv_signal_init(runtime->loop, &watch->every) != 0) {
        mouv__free(watch);
        return MOUV_ESYSTEM;
    }
    uv_signal_init(runtime->loop, &watch->once);
    watch->every.data = watch->once.data = watch;
    uv_unref((uv_handle_t *)&watch->every);
    uv_unref((uv_handle_t *)&watch->once);
    watch->open_handles = 2;
    watch->signum = signum;
    watch->attachment.close = signal_close_watch;
    mouv__runtime_attach(runtime, &watch->attachment);
    mouv__list_push_front(&runtime->signals, &watch->link);
    *made = watch;
    return 0;
}

static watch_t *signal_find(mouv_runtime_t *runtime, int signum) {
    if (runtime == NULL) return NULL;
    MOUV__LIST_EACH(&runtime->signals, watch_t, watch, link)
        if (watch->signum == signum) return watch;
    return NULL;
}

static int signal_find_or_make(int signum, watch_t **watch) {
    mouv_runtime_t *runtime = mouv__runtime();
    if (runtime == NULL) return MOUV_ENOLOOP;
    if (runtime->phase >= MOUV__DETACHING) return MOUV_ECLOSED;
    if (signum <= 0 || signum >= NSIG || signum == SIGKILL || signum == SIGSTOP) return MOUV_EINVAL;
    *watch = signal_find(runtime, signum);
    return *watch != NULL ? 0 : signal_make_watch(runtime, signum, watch);
}

/* ---- handlers ---- */

static int signal_add(int signum, mouv_signal_fn_t fn, void *arg, bool once) {
    watch_t *watch;
    int rc = fn == NULL ? MOUV_EINVAL : signal_find_or_make(signum, &watch);
    if (rc == 0) {
        watch->fn = fn;
        watch->arg = arg;
        watch->serves_once = once;
        rc = signal_arm(watch);
        if (rc != 0) watch->fn = NULL;
    }
    return rc == 0 ? 0 : mouv__raise(NULL, rc, "signal %d: %s", signum, mouv_error_message(rc));
}

int mouv_signal_add_handler(int signum, mouv_signal_fn_t fn, void *arg) {
    return signal_add(signum, fn, arg, false);
}

int mouv__signal_add_once(int signum, mouv_signal_fn_t fn, void *arg) {
    return signal_add(signum, fn, arg, true);
}

bool mouv_signal_remove_handler(int signum) {
    watch_t *watch = signal_find(mouv__runtime(), signum);
    if (watch == NULL || watch->fn == NULL) return false;
    watch->fn = NULL;
    signal_arm(watch);
    return true;
}

void mouv__signal_remove(int signum, mouv_signal_fn_t fn, void *arg) {
    watch_t *watch = signal_find(mouv__runtime(), signum);
    if (watch != NULL && watch->fn == fn && watch->arg == arg) mouv_signal_remove_handler(signum);
}

/* ---- the future of the next one ---- */

static void signal_cancel(mouv__future_t *future) {
    waiter_t *waiter = (waiter_t *)future;
    mouv__list_remove(&waiter->watch->waiters, &waiter->link);
    signal_arm(waiter->watch);
    mouv__future_complete(future, MOUV_ECANCELED, NULL);
}

static const mouv__future_ops_t waiter_ops = {.kind = "signal", .cancel = signal_cancel};

mouv_future_t mouv_signal_future(int signum) {
    watch_t *watch;
    int rc = signal_find_or_make(signum, &watch);
    if (rc != 0) return mouv__future_failed(rc);
    mouv_runtime_t *runtime = mouv__runtime();
    waiter_t *waiter = mouv__alloc(sizeof *waiter);
    if (waiter == NULL || mouv__future_init(&waiter->future, &waiter_ops, runtime, true) != 0) {
        mouv__free(waiter);
        return mouv__future_failed(MOUV_ENOMEM);
    }
    mouv_future_t handle = mouv__future_handle(&waiter->future);
    waiter->watch = watch;
    mouv__list_push_back(&watch->waiters, &waiter->link);
    if ((rc = signal_arm(watch)) != 0) {
        mouv__list_remove(&watch->waiters, &waiter->link);
        mouv__future_complete(&waiter->future, rc, NULL);
    }
    return handle;
}
