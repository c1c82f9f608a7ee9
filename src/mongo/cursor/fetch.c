/*
 * Waiting for a cursor and taking documents from it. One future does all of it: it looks at the
 * cursor on a tick of its own, so a batch boundary lets the loop turn even if the batch is there.
 */
#include <limits.h>

#include <mouv/await.h>
#include <mouv/task.h>

#include "async/loop/timer.h"
#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/base/bson_view.h"
#include "mongo/command/reply.h"
#include "mongo/cursor/cursor.h"

struct mouv__fetch {
    mouv__future_t future;
    mouv_cursor_t *cursor; /**< counted */
    mouv__ready_t look;    /**< counts as a reference while it is queued */
    int64_t scope_ns;      /**< the caller's deadline */
    int64_t deadline_ns;   /**< that, or if it polls timeoutMS's */
    bool opens;            /**< the first command is under way */
    mouv__timer_t timer;   /**< at the deadline, of a cursor that polls */
    bool once;             /**< one getMore that brings nothing is an answer */
    size_t limit, count;   /**< of documents to collect; 0: no limit */
    bson_t *list;          /**< collected; NULL: wanted is only that a document is at hand */
    mouv__output_t output;
};

/* --- The future ----------------------------------------------------------------------------- */

static void fetch_settle(mouv__fetch_t *fetch, int code, const mouv_error_t *error) {
    fetch->cursor->fetch = NULL;
    mouv__timer_stop(fetch->future.runtime, &fetch->timer);
    mouv__future_complete(&fetch->future, code, error);
}

/** Whether what runs has to be stopped with the fetch. */
static bool fetch_is_bound(const mouv__fetch_t *fetch) {
    const mouv_cursor_t *cursor = fetch->cursor;
    bool expired = mouv__now_ns(fetch->future.runtime) >= fetch->deadline_ns;
    return cursor->running && !(expired && mouv__cursor_poll_ends(cursor, fetch->deadline_ns));
}

static void fetch_cancel(mouv__future_t *future) {
    mouv__fetch_t *fetch = (mouv__fetch_t *)future;
    if (fetch_is_bound(fetch)) {
        mouv__future_cancel(fetch->cursor->running);
    } else {
        fetch_settle(fetch, MOUV_ECANCELED, NULL);
    }
}

/** Between polls nothing runs that has the deadline too, and a poll may be late. */
static void fetch_on_deadline(mouv__timer_t *timer) {
    mouv__fetch_t *fetch = (mouv__fetch_t *)((char *)timer - offsetof(mouv__fetch_t, timer));
    if (!fetch_is_bound(fetch)) fetch_settle(fetch, MOUV_ETIMEDOUT, NULL);
}

static void fetch_arm(mouv__fetch_t *fetch) {
    if (fetch->deadline_ns == MOUV__NEVER || !mouv__cursor_polls(fetch->cursor)) return;
    mouv__timer_start(fetch->future.runtime, &fetch->timer, fetch->deadline_ns, fetch_on_deadline);
}

/** timeoutMS begins anew for a fetch of several polls. */
static void fetch_refresh(mouv__fetch_t *fetch) {
    const mouv_cursor_t *cursor = fetch->cursor;
    fetch->deadline_ns = fetch->scope_ns;
    if (cursor->client && mouv__cursor_polls(cursor)) {
        int64_t own_ns = mouv__cursor_timeout_wait_ns(&cursor->limit, cursor->client);
        if (own_ns < fetch->deadline_ns) fetch->deadline_ns = own_ns;
    }
    fetch_arm(fetch);
}

static void fetch_shorten(mouv__future_t *future, int64_t deadline_ns) {
    mouv__fetch_t *fetch = (mouv__fetch_t *)future;
    if (deadline_ns < fetch->scope_ns) fetch->scope_ns = deadline_ns;
    if (deadline_ns >= fetch->deadline_ns) return;
    fetch->deadline_ns = deadline_ns;
    fetch_arm(fetch);
    mouv__cursor_shorten(fetch->cursor, deadline_ns);
}

static bool fetch_visit(mouv__future_t *future, bool (*each)(mouv__future_t *child, void *arg),
                        void *arg) {
    mouv__fetch_t *fetch = (mouv__fetch_t *)future;
    return fetch->cursor->running && each(fetch->cursor->running, arg);
}

static void fetch_deliver(mouv__future_t *future, bool whole) {
    mouv__fetch_t *fetch = (mouv__fetch_t *)future;
    if (!whole || future->code < 0 || !fetch->output.to) return;
    if (fetch->output.kind == MOUV__TO_NAMES) {
        *(char ***)fetch->output.to = mouv__bson_view_names(fetch->list);
    } else if (fetch->output.kind == MOUV__TO_VALUE) {
        *(bson_t **)fetch->output.to = fetch->list;
        fetch->list = NULL;
    }
}

static void fetch_release(mouv__future_t *future) {
    mouv__fetch_t *fetch = (mouv__fetch_t *)future;
    bson_destroy(fetch->list);
    mouv__cursor_let_go(fetch->cursor);
    mouv__free(fetch);
}

static const mouv__future_ops_t fetch_ops = {.kind = "cursor",
                                             .cancel = fetch_cancel,
                                             .shorten = fetch_shorten,
                                             .deliver = fetch_deliver,
                                             .visit = fetch_visit,
                                             .release = fetch_release};

/* --- Looking at the cursor ------------------------------------------------------------------ */

void mouv__fetch_wake(mouv__fetch_t *fetch) {
    if (fetch->look.queued) return;
    mouv__future_hold(&fetch->future);
    mouv__runtime_ready(fetch->future.runtime, &fetch->look);
}

static void fetch_settle_final(mouv__fetch_t *fetch) {
    mouv_cursor_t *cursor = fetch->cursor;
    mouv_error_t error;
    if (cursor->state == MOUV__CURSOR_ENDED) {
        fetch_settle(fetch, fetch->count > INT_MAX ? INT_MAX : (int)fetch->count, NULL);
    } else if (cursor->state == MOUV__CURSOR_CLOSED) {
        mouv_error_set(&error, MOUV_ECLOSED, "the cursor has been closed");
        fetch_settle(fetch, MOUV_ECLOSED, &error);
    } else {
        fetch_settle(fetch, cursor->error ? cursor->error->code : MOUV_ENOMEM, cursor->error);
    }
}

/** Appends what is at hand to the list, as far as the limit goes; false: it grew too large. */
static bool fetch_collect(mouv__fetch_t *fetch) {
    const bson_t *document;
    char text[16];
    const char *key;
    while ((fetch->limit == 0 || fetch->count < fetch->limit) &&
           mouv_cursor_next_buffered(fetch->cursor, &document) == 1) {
        bson_uint32_to_string((uint32_t)fetch->count, &key, text, sizeof text);
        if (!bson_append_document(fetch->list, key, -1, document)) return false;
        fetch->count++;
    }
    return true;
}

static void fetch_take_documents(mouv__fetch_t *fetch) {
    mouv_error_t error;
    if (!fetch->list) {
        fetch_settle(fetch, 1, NULL);
    } else if (!fetch_collect(fetch)) {
        mouv_error_set(&error, MOUV_EINVAL, "the list would be longer than 2 GiB");
        fetch_settle(fetch, MOUV_EINVAL, &error);
    } else if (fetch->limit > 0 && fetch->count == fetch->limit) {
        fetch_settle(fetch, (int)fetch->count, NULL);
    } else {
        mouv__fetch_wake(fetch);
    }
}

/** Whether the empty batch that was just read is what the caller is told: nothing for now. */
static bool fetch_is_answer(const mouv__fetch_t *fetch) {
    const mouv_cursor_t *cursor = fetch->cursor;
    if (cursor->state != MOUV__CURSOR_OPEN) return false;
    if (cursor->tailable && !cursor->await_data) return true;
    return cursor->polled && (fetch->once || (cursor->tailable && fetch->list));
}

static void fetch_need(mouv__fetch_t *fetch) {
    mouv_cursor_t *cursor = fetch->cursor;
    if (fetch->opens && cursor->state != MOUV__CURSOR_FRESH && !cursor->running) {
        fetch->opens = false;
        fetch_refresh(fetch);
    }
    if (cursor->state == MOUV__CURSOR_FRESH) fetch->opens = true;
    mouv__cursor_need(cursor, fetch->deadline_ns);
    if (cursor->running) return;
    if (cursor->state >= MOUV__CURSOR_ENDED)
        fetch_settle_final(fetch);
    else if (mouv__now_ns(fetch->future.runtime) >= fetch->deadline_ns)
        fetch_settle(fetch, MOUV_ETIMEDOUT, NULL);
    else
        fetch_arm(fetch); /* too little time for another poll */
}

static void fetch_look(mouv__ready_t *ready) {
    mouv__fetch_t *fetch = (mouv__fetch_t *)((char *)ready - offsetof(mouv__fetch_t, look));
    mouv_cursor_t *cursor = fetch->cursor;
    if (!mouv__future_is_done(&fetch->future)) {
        bool turned = !cursor->at_hand && mouv__cursor_turn(cursor);
        if (cursor->at_hand) {
            fetch_take_documents(fetch);
        } else if (turned && fetch_is_answer(fetch)) {
            fetch_settle(fetch, (int)fetch->count, NULL);
        } else {
            fetch_need(fetch);
        }
    }
    mouv__future_let_go(&fetch->future);
}

/* --- Making one ----------------------------------------------------------------------------- */

/** 0, or why nobody may fetch now. */
static int fetch_check(mouv_cursor_t *cursor, mouv_error_t *error) {
    if (!mouv__runtime()) return mouv_error_set(error, MOUV_ENOLOOP, "no running event loop");
    if (!cursor) return mouv_error_set(error, MOUV_EINVAL, "'cursor' is NULL");
    if (cursor->client && mouv__client_check(cursor->client, error) == MOUV_ETHREAD) {
        return MOUV_ETHREAD;
    }
    if (cursor->fetch) {
        return mouv_error_set(error, MOUV_ESTATE, "another task is using the cursor");
    }
    if (mouv__current_refused()) return mouv_error_set(error, MOUV_ECANCELED, "cancelled");
    return 0;
}

/** What is wanted of a fetch. */
typedef enum wanted { ANY, ANY_AT_ONCE, LIST } wanted_t;

static mouv_future_t fetch_future(mouv_cursor_t *cursor, wanted_t wanted, size_t limit,
                                  mouv__output_t output) {
    mouv_error_t error;
    if (fetch_check(cursor, &error) < 0) return mouv__future_failed_with(mouv__runtime(), &error);
    mouv__fetch_t *fetch = mouv__alloc(sizeof *fetch);
    if (!fetch || mouv__future_init(&fetch->future, &fetch_ops, mouv__runtime(), true) < 0) {
        mouv__free(fetch);
        return mouv__future_failed(MOUV_ENOMEM);
    }
    fetch->cursor = cursor;
    mouv__cursor_hold(cursor);
    fetch->look.run = fetch_look;
    fetch->scope_ns = mouv__current_deadline_ns();
    fetch->limit = limit;
    fetch->once = wanted == ANY_AT_ONCE;
    fetch->list = wanted == LIST ? bson_new() : NULL;
    fetch->output = output;
    cursor->fetch = fetch;
    if (cursor->at_hand && !fetch->list) {
        fetch_settle(fetch, 1, NULL);
    } else {
        fetch_refresh(fetch);
        mouv__fetch_wake(fetch);
    }
    return mouv__future_handle(&fetch->future);
}

mouv_future_t mouv_cursor_fetch(mouv_cursor_t *cursor) {
    return fetch_future(cursor, ANY, 0, mouv__reply_to_nobody());
}

mouv_future_t mouv_cursor_try_fetch(mouv_cursor_t *cursor) {
    return fetch_future(cursor, ANY_AT_ONCE, 0, mouv__reply_to_nobody());
}

mouv_future_t mouv_cursor_to_list_future(mouv_cursor_t *cursor, size_t limit, bson_t **list) {
    return fetch_future(cursor, LIST, limit, mouv__reply_to_value(list));
}

mouv_future_t mouv__cursor_names_future(mouv_cursor_t *cursor, char ***names) {
    return fetch_future(cursor, LIST, 0, mouv__reply_to_names(names));
}

/* --- Taking --------------------------------------------------------------------------------- */

int mouv_cursor_next_buffered(mouv_cursor_t *cursor, const bson_t **doc) {
    const uint8_t *data;
    uint32_t length;
    if (!doc) return MOUV_EINVAL;
    *doc = NULL;
    if (!cursor || !cursor->at_hand) return 0;
    bson_iter_document(&cursor->documents, &length, &data);
    if (!data || !bson_init_static(&cursor->view, data, length)) return 0;
    cursor->at_hand = bson_iter_next(&cursor->documents);
    *doc = &cursor->view;
    return 1;
}

static bool fetch_is_refused(const mouv_cursor_t *cursor) {
    return cursor &&
           (cursor->fetch || (cursor->client && mouv__client_is_elsewhere(cursor->client)));
}

static int fetch_next(mouv_cursor_t *cursor, wanted_t wanted, const bson_t **doc,
                      mouv_error_t *error) {
    mouv_error_t refused;
    if (!doc) return mouv__raise(error, MOUV_EINVAL, "'doc' is NULL");
    *doc = NULL;
    if (!mouv_in_coroutine()) {
        return mouv__raise(error, MOUV_ENOTCORO, "%s outside of a coroutine",
                           wanted == ANY ? "mouv_cursor_next()" : "mouv_cursor_try_next()");
    }
    for (;;) {
        int rc = fetch_is_refused(cursor) ? fetch_check(cursor, &refused)
                                          : mouv_cursor_next_buffered(cursor, doc);
        if (rc < 0) return mouv__raise(error, rc, "%s", refused.message);
        if (rc > 0) return rc;
        rc = mouv_await(fetch_future(cursor, wanted, 0, mouv__reply_to_nobody()), error);
        if (rc <= 0) return rc;
    }
}

int mouv_cursor_next(mouv_cursor_t *cursor, const bson_t **doc, mouv_error_t *error) {
    return fetch_next(cursor, ANY, doc, error);
}

int mouv_cursor_try_next(mouv_cursor_t *cursor, const bson_t **doc, mouv_error_t *error) {
    return fetch_next(cursor, ANY_AT_ONCE, doc, error);
}

int mouv_cursor_to_list(mouv_cursor_t *cursor, size_t limit, bson_t **list, mouv_error_t *error) {
    return mouv_await(mouv_cursor_to_list_future(cursor, limit, list), error);
}
