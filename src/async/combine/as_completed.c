/*
 * as_completed: futures one after another, in the order in which they complete.
 *
 * The iterator borrows the futures, and queues each in `done` when it is. Those who ask for the next
 * one while there is none stand in `takers`, each a future that holds the iterator; what one has got
 * and never delivers goes back to the front. The iterator is freed with its last reference; when the
 * runtime closes before that, it lets go of the futures and fails every further call.
 */
#include "async/combine/wait.h"
#include "async/loop/timer.h"
#include "async/task/runtime.h"
#include "context/alloc.h"

typedef struct entry entry_t;
typedef struct taker taker_t;

struct entry {
    mouv__future_listener_t listener; /* first */
    mouv_as_completed_t *it;
    mouv__link_t link;      /* in `done` */
    mouv_future_t handle;   /* the caller's own */
    mouv__future_t *future; /* NULL: failed from the start, or given */
};

/** A future of mouv_as_completed_next_future(). */
struct taker {
    mouv__future_t future; /* first */
    mouv_as_completed_t *it;
    mouv__link_t link; /* in `takers` */
    entry_t *entry;    /* what it has got and not delivered */
    mouv_future_t *out;
};

struct mouv_as_completed_iterator {
    mouv__attachment_t attachment; /* first */
    mouv_runtime_t *runtime;       /* NULL when it has closed */
    size_t references;             /* the user and the takers */
    mouv_error_t error;            /* what every call fails with; code 0: nothing */
    mouv__timer_t timer;
    bool timed_out;
    mouv__list_t done, takers;
    size_t count, running; /* running: not done yet */
    entry_t entries[];
};

/* 1 with `*entry`, 0 at the end, a failure, or MOUV_EAGAIN: one has to wait. */
static int as_completed_take_entry(mouv_as_completed_t *it, entry_t **entry, mouv_error_t *error) {
    if (it->error.code != 0) {
        *error = it->error;
        return error->code;
    }
    *entry = MOUV__LIST_POP(&it->done, entry_t, link);
    if (*entry != NULL) return 1;
    if (it->running == 0) return 0;
    if (!it->timed_out) return MOUV_EAGAIN;
    return mouv_error_set(error, MOUV_ETIMEDOUT, "as_completed: %zu of %zu are not done in time",
                          it->running, it->count);
}

static mouv_future_t as_completed_give(entry_t *entry) {
    if (entry->future != NULL) mouv__future_let_go(entry->future);
    entry->future = NULL;
    return entry->handle;
}

static void as_completed_serve_takers(mouv_as_completed_t *it) {
    taker_t *taker;
    while ((taker = MOUV__LIST_FIRST(&it->takers, taker_t, link)) != NULL) {
        mouv_error_t error;
        int rc = as_completed_take_entry(it, &taker->entry, &error);
        if (rc == MOUV_EAGAIN) return;
        mouv__list_remove(&it->takers, &taker->link);
        mouv__future_complete(&taker->future, rc, rc < 0 ? &error : NULL);
    }
}

static void as_completed_stop_entries(mouv_as_completed_t *it) {
    mouv__timer_stop(it->runtime, &it->timer);
    for (size_t i = 0; i < it->count; i++) {
        entry_t *entry = &it->entries[i];
        if (entry->future != NULL) mouv__future_unlisten(entry->future, &entry->listener);
    }
}

static void as_completed_on_entry(mouv__future_listener_t *listener, mouv__future_t *future) {
    entry_t *entry = (entry_t *)listener;
    mouv_as_completed_t *it = entry->it;
    (void)future;
    if (--it->running == 0) mouv__timer_stop(it->runtime, &it->timer);
    mouv__list_push_back(&it->done, &entry->link);
    as_completed_serve_takers(it);
}

static void as_completed_on_iteration_timeout(mouv__timer_t *timer) {
    mouv_as_completed_t *it = mouv__container_of(timer, mouv_as_completed_t, timer);
    it->timed_out = true;
    as_completed_stop_entries(it);
    as_completed_serve_takers(it);
}

/* It lets go of the futures but stays, for whoever still has a pointer to it. */
static void as_completed_retire(mouv_as_completed_t *it) {
    if (it->runtime == NULL) return;
    as_completed_stop_entries(it);
    for (size_t i = 0; i < it->count; i++) as_completed_give(&it->entries[i]);
    mouv__runtime_detach(it->runtime, &it->attachment);
    it->runtime = NULL;
}

static void as_completed_on_runtime_close(mouv__attachment_t *attachment) {
    mouv_as_completed_t *it = (mouv_as_completed_t *)attachment;
    mouv_error_set(&it->error, MOUV_ECLOSED, "as_completed: its runtime has closed");
    as_completed_retire(it);
}

mouv_as_completed_t *mouv_as_completed_unref(mouv_as_completed_t *it) {
    if (it == NULL || --it->references > 0) return NULL;
    as_completed_retire(it);
    mouv__free(it);
    return NULL;
}

void mouv_as_completed_drop(mouv_as_completed_t **it) {
    if (it != NULL) *it = mouv_as_completed_unref(*it);
}

static void as_completed_begin_entry(entry_t *entry) {
    mouv__future_t *future = entry->future;
    if (future != NULL) mouv__future_start(future);
    if (future == NULL || mouv__future_is_done(future)) {
        mouv__list_push_back(&entry->it->done, &entry->link);
        return;
    }
    entry->it->running++;
    entry->listener.done = as_completed_on_entry;
    mouv__future_listen(future, &entry->listener);
}

static void as_completed_limit_iteration(mouv_as_completed_t *it, int64_t timeout_ms) {
    if (it->running == 0) return;
    int64_t at = mouv__clock_deadline_in(it->runtime, timeout_ms);
    if (timeout_ms <= 0)
        as_completed_on_iteration_timeout(&it->timer);
    else if (mouv__timer_start(it->runtime, &it->timer, at, as_completed_on_iteration_timeout) != 0)
        mouv_error_set(&it->error, MOUV_ENOMEM, "as_completed: no memory for a timer");
}

static int as_completed_borrow_entries(mouv_as_completed_t *it, const mouv_future_t *futures,
                                       size_t count) {
    int rc = 0, code;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        entry_t *entry = &it->entries[i];
        entry->it = it;
        entry->handle = futures[i];
        it->count = i + 1;
        rc = mouv__wait_borrow("as_completed", futures, i, &entry->future, &code, &it->error);
    }
    return rc;
}

mouv_as_completed_t *mouv_as_completed(const mouv_future_t *futures, size_t count,
                                       int64_t timeout_ms) {
    mouv_runtime_t *runtime = mouv__runtime();
    size_t room = futures != NULL ? count : 0;
    mouv_as_completed_t *it = mouv__alloc_array(sizeof *it, room, sizeof(entry_t));
    if (it == NULL) return NULL;
    it->references = 1;
    if (runtime == NULL) {
        mouv_error_set(&it->error, MOUV_ENOLOOP, "as_completed: no running event loop");
        return it;
    }
    if (room < count) {
        mouv_error_set(&it->error, MOUV_EINVAL, "as_completed: no array of futures");
        return it;
    }
    it->runtime = runtime;
    it->attachment.close = as_completed_on_runtime_close;
    mouv__runtime_attach(runtime, &it->attachment);
    if (as_completed_borrow_entries(it, futures, count) != 0) return it;
    for (size_t i = 0; i < count; i++) as_completed_begin_entry(&it->entries[i]);
    as_completed_limit_iteration(it, timeout_ms);
    return it;
}

/* ---- its next ---- */

static void as_completed_cancel_taker(mouv__future_t *future) {
    taker_t *taker = (taker_t *)future;
    mouv__list_remove(&taker->it->takers, &taker->link);
    mouv__future_complete(future, MOUV_ECANCELED, NULL);
}

static void as_completed_deliver_taker(mouv__future_t *future, bool whole) {
    taker_t *taker = (taker_t *)future;
    (void)whole;
    if (taker->entry == NULL) return;
    *taker->out = as_completed_give(taker->entry);
    taker->entry = NULL;
}

/* What it had got and nobody took is the next one again. */
static void as_completed_release_taker(mouv__future_t *future) {
    taker_t *taker = (taker_t *)future;
    mouv_as_completed_t *it = taker->it;
    if (taker->entry != NULL && it->runtime != NULL) {
        mouv__list_push_front(&it->done, &taker->entry->link);
        as_completed_serve_takers(it);
    }
    mouv_as_completed_unref(it);
    mouv__free(taker);
}

static const mouv__future_ops_t taker_ops = {
    .kind = "as_completed",
    .cancel = as_completed_cancel_taker,
    .deliver = as_completed_deliver_taker,
    .release = as_completed_release_taker,
};

static int as_completed_check_next(const mouv_as_completed_t *it, const mouv_future_t *future,
                                   mouv_error_t *error) {
    if (it == NULL || future == NULL)
        return mouv_error_set(error, MOUV_EINVAL, "as_completed: no %s",
                              it == NULL ? "iterator" : "place for the future");
    if (it->runtime != NULL && it->runtime != mouv__runtime())
        return mouv_error_set(error, MOUV_EINVAL, "as_completed: of another runtime or thread");
    return 0;
}

mouv_future_t mouv_as_completed_next_future(mouv_as_completed_t *it, mouv_future_t *future) {
    mouv_error_t error;
    mouv_runtime_t *runtime = mouv__runtime();
    if (as_completed_check_next(it, future, &error) != 0)
        return mouv__future_failed_with(runtime, &error);
    if (runtime == NULL) return mouv__future_failed(it->error.code);
    taker_t *taker = mouv__alloc(sizeof *taker);
    if (taker == NULL || mouv__future_init(&taker->future, &taker_ops, runtime, true) != 0) {
        mouv__free(taker);
        return mouv__future_failed(MOUV_ENOMEM);
    }
    mouv_future_t handle = mouv__future_handle(&taker->future);
    taker->it = it;
    taker->out = future;
    it->references++;
    mouv__list_push_back(&it->takers, &taker->link);
    as_completed_serve_takers(it);
    return handle;
}

int mouv_as_completed_next(mouv_as_completed_t *it, mouv_future_t *future, mouv_error_t *error) {
    mouv_error_t local;
    entry_t *entry = NULL;
    if (error == NULL) error = &local;
    if (mouv__current_task_future() == NULL)
        return mouv_error_set(error, MOUV_ENOTCORO, "as_completed: outside of a coroutine");
    int rc = as_completed_check_next(it, future, error);
    if (rc == 0) rc = as_completed_take_entry(it, &entry, error);
    if (rc == MOUV_EAGAIN)
        return mouv__wait_for_own(mouv_as_completed_next_future(it, future), error);
    if (rc > 0) *future = as_completed_give(entry);
    return rc < 0 ? mouv__raise_error(error) : rc;
}
