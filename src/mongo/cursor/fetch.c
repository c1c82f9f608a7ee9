/*
 * How a caller waits for batches and takes documents out of them.
 */
#include "mongo/cursor/fetch.h"

#include <limits.h>

#include <mouv/await.h>
#include <mouv/task.h>

#include "async/loop/line.h"
#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/client_ref.h"

/* How late a poll may be that should have ended by itself: a kill would end the cursor. */
#define POLL_LATE_NS INT64_C(1000000000)

/* --- The future ------------------------------------------------------------------------------ */

/** Says whose error it is, where no operation of the cursor has said so. */
static void fetch_name_error(const mouv__batch_cursor_t *cursor, mouv_error_t *error) {
    if (cursor && error->operation[0] == '\0')
        mouv__line_format(error->operation, sizeof error->operation, "%s", cursor->text);
}

void mouv__fetch_settle(mouv__fetch_t *fetch, int code, const mouv_error_t *error) {
    mouv_error_t named;
    fetch->cursor->fetch = NULL;
    mouv__timer_stop(fetch->future.runtime, &fetch->timer);
    if (code < 0) {
        if (error)
            named = *error;
        else
            mouv_error_set(&named, code, "%s", mouv_error_message(code));
        fetch_name_error(fetch->cursor, &named);
    }
    mouv__future_complete(&fetch->future, code, code < 0 ? &named : NULL);
}

static bool fetch_is_expired(const mouv__fetch_t *fetch) {
    return mouv__clock_now_ns(fetch->future.runtime) >= fetch->deadline_ns;
}

/** Whether a poll runs that ends by itself before `deadline_ns`, and so need not be stopped then:
 *  its answer is the next fetch's. */
static bool fetch_poll_ends(const mouv__batch_cursor_t *cursor, int64_t deadline_ns) {
    return cursor->running && cursor->poll_end_ns > 0 && cursor->poll_end_ns <= deadline_ns;
}

/** Whether what runs has to be stopped with the fetch. */
static bool fetch_is_bound(const mouv__fetch_t *fetch) {
    return fetch->cursor->running &&
           !(fetch_is_expired(fetch) && fetch_poll_ends(fetch->cursor, fetch->deadline_ns));
}

void mouv__fetch_cancel(mouv__future_t *future) {
    mouv__fetch_t *fetch = (mouv__fetch_t *)future;
    if (fetch_is_bound(fetch)) {
        mouv__future_cancel(fetch->cursor->running); /* what comes of that settles it */
    } else {
        mouv__fetch_settle(fetch, MOUV_ECANCELED, NULL);
    }
}

/** Between polls nothing runs that has the deadline too, and a poll may be late. */
static void fetch_on_deadline(mouv__timer_t *timer) {
    mouv__fetch_t *fetch = mouv__container_of(timer, mouv__fetch_t, timer);
    if (!fetch_is_bound(fetch)) mouv__fetch_settle(fetch, MOUV_ETIMEDOUT, NULL);
}

static void fetch_arm(mouv__fetch_t *fetch) {
    if (fetch->deadline_ns == MOUV__NEVER || !fetch->cursor->polls) return;
    mouv__timer_start(fetch->future.runtime, &fetch->timer, fetch->deadline_ns, fetch_on_deadline);
}

/** timeoutMS begins anew for a fetch of several polls. */
static void fetch_refresh(mouv__fetch_t *fetch) {
    const mouv__batch_cursor_t *cursor = fetch->cursor;
    fetch->limit_ns = MOUV__NEVER;
    if (cursor->client && cursor->polls)
        fetch->limit_ns = mouv__cursor_timeout_wait_ns(&cursor->limit, cursor->client);
    fetch->deadline_ns = fetch->limit_ns < fetch->scope_ns ? fetch->limit_ns : fetch->scope_ns;
    fetch_arm(fetch);
}

void mouv__fetch_shorten_running(mouv__batch_cursor_t *cursor, int64_t deadline_ns) {
    if (!cursor->running) return;
    if (fetch_poll_ends(cursor, deadline_ns) && deadline_ns != MOUV__NEVER)
        deadline_ns += POLL_LATE_NS;
    mouv__future_shorten(cursor->running, deadline_ns);
}

void mouv__fetch_shorten(mouv__future_t *future, int64_t deadline_ns) {
    mouv__fetch_t *fetch = (mouv__fetch_t *)future;
    if (deadline_ns < fetch->scope_ns) fetch->scope_ns = deadline_ns;
    if (deadline_ns >= fetch->deadline_ns) return;
    fetch->deadline_ns = deadline_ns;
    fetch_arm(fetch);
    mouv__fetch_shorten_running(fetch->cursor, deadline_ns);
}

bool mouv__fetch_visit(mouv__future_t *future, bool (*each)(mouv__future_t *child, void *arg),
                       void *arg) {
    mouv__fetch_t *fetch = (mouv__fetch_t *)future;
    return fetch->cursor->running && each(fetch->cursor->running, arg);
}

void mouv__fetch_deliver(mouv__future_t *future, bool whole) {
    mouv__fetch_t *fetch = (mouv__fetch_t *)future;
    if (!whole || future->code < 0 || !fetch->output.to) return;
    if (fetch->output.kind == MOUV__TO_NAMES) {
        *(char ***)fetch->output.to = mouv__bson_view_names(fetch->list);
    } else if (fetch->output.kind == MOUV__TO_VALUE) {
        *(bson_t **)fetch->output.to = fetch->list;
        fetch->list = NULL;
    }
}

void mouv__fetch_release(mouv__future_t *future) {
    mouv__fetch_t *fetch = (mouv__fetch_t *)future;
    bson_destroy(fetch->list);
    mouv__batch_cursor_let_go(fetch->cursor);
    mouv__free(fetch);
}

/* --- What runs ------------------------------------------------------------------------------- */

void mouv__fetch_wake(mouv__batch_cursor_t *cursor) {
    mouv__fetch_t *fetch = cursor->fetch;
    if (!fetch || mouv__ready_is_queued(&fetch->look)) return;
    mouv__future_hold(&fetch->future);
    mouv__runtime_ready(fetch->future.runtime, &fetch->look);
}

static void fetch_on_arrived(mouv__ready_t *ready) {
    mouv__batch_cursor_t *cursor = mouv__container_of(ready, mouv__batch_cursor_t, arrived);
    mouv__future_t *running = cursor->running;
    mouv_error_t error;
    bool late = mouv__batch_cursor_is_late(cursor);
    cursor->running = NULL;
    mouv__batch_cursor_hold(cursor); /* the operation's own reference may be the last */
    int rc = mouv__future_take(running, &error);
    if (rc < 0) cursor->fetch_ops->failed(cursor, &error, late);
    mouv__future_let_go(running);
    if (rc > 0 && cursor->fetch) cursor->fetch->polled = true;
    mouv__fetch_wake(cursor);
    mouv__batch_cursor_let_go(cursor);
}

static void fetch_on_done(mouv__future_listener_t *listener, mouv__future_t *future) {
    mouv__batch_cursor_t *cursor = mouv__container_of(listener, mouv__batch_cursor_t, arrival);
    mouv__runtime_ready(future->runtime, &cursor->arrived);
}

void mouv__fetch_run(mouv__batch_cursor_t *cursor, mouv_future_t handle) {
    mouv_error_t error;
    mouv__future_t *future = mouv__future_consume_pending(handle, &error);
    if (!future) {
        cursor->fetch_ops->failed(cursor, &error, false);
        return;
    }
    cursor->running = future;
    cursor->arrival.done = fetch_on_done;
    cursor->arrived.run = fetch_on_arrived;
    mouv__future_listen(future, &cursor->arrival);
}

/* --- Looking at the cursor ------------------------------------------------------------------- */

static void fetch_settle_final(mouv__fetch_t *fetch) {
    const mouv__batch_cursor_t *cursor = fetch->cursor;
    mouv_error_t error;
    if (cursor->state == MOUV__CURSOR_ENDED) {
        mouv__fetch_settle(fetch, fetch->count > INT_MAX ? INT_MAX : (int)fetch->count, NULL);
    } else if (cursor->state == MOUV__CURSOR_CLOSED) {
        mouv_error_set(&error, MOUV_ECLOSED, "the %s has been closed", fetch->future.ops->kind);
        mouv__fetch_settle(fetch, MOUV_ECLOSED, &error);
    } else {
        mouv__fetch_settle(fetch, cursor->error ? cursor->error->code : MOUV_ENOMEM, cursor->error);
    }
}

/** Appends what is at hand to the list, as far as the limit goes; false: it grew too large. */
static bool fetch_collect(mouv__fetch_t *fetch) {
    mouv__batch_cursor_t *cursor = fetch->cursor;
    char text[16];
    const char *key;
    while ((fetch->limit == 0 || fetch->count < fetch->limit) && cursor->fetch_ops->take(cursor)) {
        bson_uint32_to_string((uint32_t)fetch->count, &key, text, sizeof text);
        if (!bson_append_document(fetch->list, key, -1, &cursor->view)) return false;
        fetch->count++;
    }
    return true;
}

static void fetch_take_documents(mouv__fetch_t *fetch) {
    mouv_error_t error;
    if (!fetch->list) {
        mouv__fetch_settle(fetch, 1, NULL);
    } else if (!fetch_collect(fetch)) {
        mouv_error_set(&error, MOUV_EINVAL, "the list would be longer than 2 GiB");
        mouv__fetch_settle(fetch, MOUV_EINVAL, &error);
    } else if (fetch->limit > 0 && fetch->count == fetch->limit) {
        mouv__fetch_settle(fetch, (int)fetch->count, NULL);
    } else {
        mouv__fetch_wake(fetch->cursor);
    }
}

/** No document is at hand: a batch is under way, or will be, or never. */
static void fetch_need(mouv__fetch_t *fetch) {
    mouv__batch_cursor_t *cursor = fetch->cursor;
    if (fetch->opens && cursor->state != MOUV__CURSOR_FRESH && !cursor->running) {
        fetch->opens = false;
        fetch_refresh(fetch); /* what comes after the first batch has a time of its own */
    }
    if (cursor->state == MOUV__CURSOR_FRESH) fetch->opens = true;
    cursor->fetch_ops->need(fetch);
    if (mouv__future_is_done(&fetch->future) || cursor->running) return;
    if (cursor->state >= MOUV__CURSOR_ENDED)
        fetch_settle_final(fetch);
    else if (fetch_is_expired(fetch))
        mouv__fetch_settle(fetch, MOUV_ETIMEDOUT, NULL);
    else
        fetch_arm(fetch); /* too little time for another poll */
}

static void fetch_look(mouv__ready_t *ready) {
    mouv__fetch_t *fetch = mouv__container_of(ready, mouv__fetch_t, look);
    mouv__batch_cursor_t *cursor = fetch->cursor;
    if (!mouv__future_is_done(&fetch->future)) {
        bool turned =
            !cursor->at_hand && cursor->fetch_ops->turn && cursor->fetch_ops->turn(cursor);
        if (cursor->at_hand) {
            fetch_take_documents(fetch);
        } else if (cursor->fetch_ops->is_answer(fetch, turned)) {
            mouv__fetch_settle(fetch, (int)fetch->count, NULL);
        } else {
            fetch_need(fetch);
        }
    }
    mouv__future_let_go(&fetch->future);
}

/* --- Making one ------------------------------------------------------------------------------ */

/** 0, or why nobody may fetch now. */
static int fetch_check(const mouv__fetch_ops_t *ops, const mouv__batch_cursor_t *cursor,
                       mouv_error_t *error) {
    int rc = 0;
    if (!mouv__runtime()) return mouv_error_set(error, MOUV_ENOLOOP, "no running event loop");
    if (!cursor) return mouv_error_set(error, MOUV_EINVAL, "'%s' is NULL", ops->argument);
    if (cursor->client && mouv__client_check(cursor->client, error) == MOUV_ETHREAD)
        return MOUV_ETHREAD;
    if (cursor->fetch)
        rc = mouv_error_set(error, MOUV_ESTATE, "another task is using the %s", ops->future.kind);
    else if (mouv__current_refused())
        rc = mouv_error_set(error, MOUV_ECANCELED, "%s", mouv_error_message(MOUV_ECANCELED));
    if (rc < 0) fetch_name_error(cursor, error);
    return rc;
}

mouv_future_t mouv__fetch_future(const mouv__fetch_ops_t *ops, mouv__batch_cursor_t *cursor,
                                 mouv__fetch_wanted_t wanted, size_t limit, mouv__output_t output) {
    mouv_error_t error;
    if (fetch_check(ops, cursor, &error) < 0)
        return mouv__future_failed_with(mouv__runtime(), &error);
    if (cursor->unmade) return mouv__future_failed(MOUV_ENOMEM);
    mouv__fetch_t *fetch = mouv__alloc(sizeof *fetch);
    if (!fetch || mouv__future_init(&fetch->future, &ops->future, mouv__runtime(), true) < 0) {
        mouv__free(fetch);
        return mouv__future_failed(MOUV_ENOMEM);
    }
    fetch->cursor = cursor;
    mouv__batch_cursor_hold(cursor);
    fetch->look.run = fetch_look;
    fetch->scope_ns = mouv__current_deadline_ns();
    fetch->wanted = (uint8_t)wanted;
    fetch->limit = limit;
    fetch->list = wanted == MOUV__FETCH_LIST ? bson_new() : NULL;
    fetch->output = output;
    cursor->fetch = fetch;
    if (cursor->at_hand && !fetch->list) {
        mouv__fetch_settle(fetch, 1, NULL);
    } else {
        fetch_refresh(fetch);
        mouv__fetch_wake(cursor);
    }
    return mouv__future_handle(&fetch->future);
}

/* --- Taking ---------------------------------------------------------------------------------- */

int mouv__fetch_next_buffered(mouv__batch_cursor_t *cursor, const bson_t **doc) {
    if (!doc) return MOUV_EINVAL;
    *doc = NULL;
    if (!cursor || !cursor->fetch_ops->take(cursor)) return 0;
    *doc = &cursor->view;
    return 1;
}

static bool fetch_is_refused(const mouv__batch_cursor_t *cursor) {
    return cursor &&
           (cursor->fetch || (cursor->client && mouv__client_is_elsewhere(cursor->client)));
}

/** What is at hand, or why nobody may fetch now; 0: it has to be fetched. */
static int fetch_next_at_hand(const mouv__fetch_ops_t *ops, mouv__batch_cursor_t *cursor,
                              const bson_t **doc, mouv_error_t *error) {
    mouv_error_t refused;
    if (!fetch_is_refused(cursor)) return mouv__fetch_next_buffered(cursor, doc);
    if (fetch_check(ops, cursor, &refused) >= 0) return 0;
    if (error) *error = refused;
    return mouv__raise_error(&refused);
}

int mouv__fetch_next(const mouv__fetch_ops_t *ops, mouv__batch_cursor_t *cursor,
                     mouv__fetch_wanted_t wanted, const bson_t **doc, mouv_error_t *error) {
    if (!doc) return mouv__raise(error, MOUV_EINVAL, "'doc' is NULL");
    *doc = NULL;
    if (!mouv_in_coroutine())
        return mouv__raise(error, MOUV_ENOTCORO, "%s_%s() outside of a coroutine", ops->prefix,
                           wanted == MOUV__FETCH_ANY ? "next" : "try_next");
    int rc = fetch_next_at_hand(ops, cursor, doc, error);
    if (rc != 0) return rc;
    if (cursor) mouv__batch_cursor_hold(cursor); /* others may release it meanwhile */
    do {
        rc = mouv_await(mouv__fetch_future(ops, cursor, wanted, 0, mouv__reply_to_nobody()), error);
    } while (rc > 0 && (rc = fetch_next_at_hand(ops, cursor, doc, error)) == 0);
    if (cursor) mouv__batch_cursor_let_go(cursor);
    return rc;
}
