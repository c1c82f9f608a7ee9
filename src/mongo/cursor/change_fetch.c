/*
 * Waiting for a change stream and taking events from it. One future does all of it: it sends one
 * command after the other until there is an event.
 */
#include <stddef.h>

#include <mouv/await.h>
#include <mouv/task.h>

#include "async/loop/timer.h"
#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/cursor/change_stream.h"

#define MS_NS INT64_C(1000000)

/* A poll ends by itself so long before the deadline, which else would cost the cursor. */
#define MARGIN_MS 10

/** What is waited for. */
typedef enum wanted {
    AN_EVENT,
    ONE_POLL, /**< an event, but a poll that brings none is an answer too */
    A_CURSOR  /**< that the server has one */
} wanted_t;

struct mouv__change_fetch {
    mouv__future_t future;
    mouv_change_stream_t *stream; /**< counted */
    mouv__ready_t look;           /**< counts as a reference while it is queued */
    mouv__timer_t timer;          /**< at the deadline */
    int64_t scope_ns;             /**< the caller's deadline */
    int64_t limit_ns;             /**< timeoutMS's */
    int64_t deadline_ns;          /**< the nearer of the two */
    wanted_t wanted;
    bool opens;  /**< the aggregate is under way that begins the stream */
    bool polled; /**< a getMore has been answered */
};

/* --- The future ------------------------------------------------------------------------------ */

static void change_fetch_settle(mouv__change_fetch_t *fetch, int code, const mouv_error_t *error) {
    fetch->stream->fetch = NULL;
    mouv__timer_stop(fetch->future.runtime, &fetch->timer);
    mouv__future_complete(&fetch->future, code, error);
}

void mouv__change_fetch_fail(mouv__change_fetch_t *fetch, const mouv_error_t *error) {
    change_fetch_settle(fetch, error->code, error);
}

static void change_fetch_cancel(mouv__future_t *future) {
    mouv__change_fetch_t *fetch = (mouv__change_fetch_t *)future;
    if (fetch->stream->running)
        mouv__future_cancel(
            fetch->stream->running); /* on_failure() or change_fetch_look() settles */
    else
        change_fetch_settle(fetch, MOUV_ECANCELED, NULL);
}

/** An operation that runs has the deadline too. */
static void change_fetch_on_deadline(mouv__timer_t *timer) {
    mouv__change_fetch_t *fetch =
        (mouv__change_fetch_t *)((char *)timer - offsetof(mouv__change_fetch_t, timer));
    if (!fetch->stream->running) change_fetch_settle(fetch, MOUV_ETIMEDOUT, NULL);
}

static void change_fetch_arm(mouv__change_fetch_t *fetch) {
    if (fetch->deadline_ns == MOUV__NEVER) return;
    mouv__timer_start(fetch->future.runtime, &fetch->timer, fetch->deadline_ns,
                      change_fetch_on_deadline);
}

/** timeoutMS begins anew. */
static void change_fetch_refresh(mouv__change_fetch_t *fetch) {
    fetch->limit_ns = mouv__timeout_end_ns(fetch->stream->client, fetch->stream->timeout);
    fetch->deadline_ns = fetch->limit_ns < fetch->scope_ns ? fetch->limit_ns : fetch->scope_ns;
    change_fetch_arm(fetch);
}

static void change_fetch_shorten(mouv__future_t *future, int64_t deadline_ns) {
    mouv__change_fetch_t *fetch = (mouv__change_fetch_t *)future;
    if (deadline_ns < fetch->scope_ns) fetch->scope_ns = deadline_ns;
    if (deadline_ns >= fetch->deadline_ns) return;
    fetch->deadline_ns = deadline_ns;
    change_fetch_arm(fetch);
    if (fetch->stream->running) mouv__future_shorten(fetch->stream->running, deadline_ns);
}

static bool change_fetch_visit(mouv__future_t *future,
                               bool (*each)(mouv__future_t *child, void *arg), void *arg) {
    mouv__change_fetch_t *fetch = (mouv__change_fetch_t *)future;
    return fetch->stream->running && each(fetch->stream->running, arg);
}

static void change_fetch_release(mouv__future_t *future) {
    mouv__change_fetch_t *fetch = (mouv__change_fetch_t *)future;
    mouv__stream_let_go(fetch->stream);
    mouv__free(fetch);
}

static const mouv__future_ops_t fetch_ops = {.kind = "change stream",
                                             .cancel = change_fetch_cancel,
                                             .shorten = change_fetch_shorten,
                                             .visit = change_fetch_visit,
                                             .release = change_fetch_release};

/* --- Looking at the stream ------------------------------------------------------------------- */

static void change_fetch_wake(mouv__change_fetch_t *fetch) {
    if (mouv__ready_is_queued(&fetch->look)) return;
    mouv__future_hold(&fetch->future);
    mouv__runtime_ready(fetch->future.runtime, &fetch->look);
}

void mouv__change_fetch_wake(mouv__change_fetch_t *fetch, bool answered) {
    if (answered) fetch->polled = true;
    change_fetch_wake(fetch);
}

static void change_fetch_settle_final(mouv__change_fetch_t *fetch) {
    const mouv_change_stream_t *stream = fetch->stream;
    mouv_error_t error;
    if (stream->state == MOUV__STREAM_ENDED) {
        change_fetch_settle(fetch, 0, NULL);
    } else if (stream->state == MOUV__STREAM_CLOSED) {
        mouv_error_set(&error, MOUV_ECLOSED, "the change stream has been closed");
        change_fetch_settle(fetch, MOUV_ECLOSED, &error);
    } else {
        change_fetch_settle(fetch, stream->error ? stream->error->code : MOUV_ENOMEM,
                            stream->error);
    }
}

/** Whether what there is is enough, without an event. */
static bool change_fetch_is_content(const mouv__change_fetch_t *fetch) {
    return (fetch->wanted == ONE_POLL && fetch->polled) ||
           (fetch->wanted == A_CURSOR && fetch->stream->state == MOUV__STREAM_OPEN);
}

/** Sends the next command, unless so little time is left that only the deadline can come. */
static void change_fetch_send_next(mouv__change_fetch_t *fetch) {
    int64_t wait_ms = INT64_MAX;
    if (fetch->deadline_ns != MOUV__NEVER) {
        int64_t now_ns = mouv__clock_now_ns(fetch->future.runtime);
        int64_t margin_ms = fetch->limit_ns == MOUV__NEVER ? MARGIN_MS : 0;
        wait_ms = (fetch->deadline_ns - now_ns) / MS_NS - margin_ms;
        if (wait_ms <= 0 && fetch->stream->state == MOUV__STREAM_OPEN) {
            if (now_ns >= fetch->deadline_ns)
                change_fetch_settle(fetch, MOUV_ETIMEDOUT, NULL);
            else
                change_fetch_arm(fetch);
            return;
        }
    }
    fetch->opens = fetch->stream->state == MOUV__STREAM_FRESH;
    mouv__stream_send(fetch->stream, wait_ms, fetch->deadline_ns, fetch->limit_ns);
    if (fetch->stream->fetch == fetch && !fetch->stream->running) change_fetch_wake(fetch);
}

static void change_fetch_look(mouv__ready_t *ready) {
    mouv__change_fetch_t *fetch =
        (mouv__change_fetch_t *)((char *)ready - offsetof(mouv__change_fetch_t, look));
    mouv_change_stream_t *stream = fetch->stream;
    if (!mouv__future_is_done(&fetch->future) && !stream->running) {
        if (stream->at_hand) {
            change_fetch_settle(fetch, 1, NULL);
        } else if (stream->state >= MOUV__STREAM_ENDED) {
            change_fetch_settle_final(fetch);
        } else if (fetch->future.asked) {
            change_fetch_settle(fetch, MOUV_ECANCELED, NULL);
        } else if (change_fetch_is_content(fetch)) {
            change_fetch_settle(fetch, 0, NULL);
        } else {
            if (fetch->opens)
                change_fetch_refresh(fetch); /* the first batch has a time of its own */
            change_fetch_send_next(fetch);
        }
    }
    mouv__future_let_go(&fetch->future);
}

/* --- Making one ------------------------------------------------------------------------------ */

/** 0, or why nobody may fetch now. */
static int change_fetch_check(mouv_change_stream_t *stream, mouv_error_t *error) {
    if (!mouv__runtime()) return mouv_error_set(error, MOUV_ENOLOOP, "no running event loop");
    if (!stream) return mouv_error_set(error, MOUV_EINVAL, "'stream' is NULL");
    if (stream->client && mouv__client_check(stream->client, error) == MOUV_ETHREAD)
        return MOUV_ETHREAD;
    if (stream->fetch)
        return mouv_error_set(error, MOUV_ESTATE, "another task is using the change stream");
    if (mouv__current_refused()) return mouv_error_set(error, MOUV_ECANCELED, "cancelled");
    return 0;
}

static mouv_future_t change_fetch_fetch_future(mouv_change_stream_t *stream, wanted_t wanted) {
    mouv_error_t error;
    if (change_fetch_check(stream, &error) < 0)
        return mouv__future_failed_with(mouv__runtime(), &error);
    if (!stream->command) return mouv__future_failed(MOUV_ENOMEM); /* there was none for it */
    mouv__change_fetch_t *fetch = mouv__alloc(sizeof *fetch);
    if (!fetch || mouv__future_init(&fetch->future, &fetch_ops, mouv__runtime(), true) < 0) {
        mouv__free(fetch);
        return mouv__future_failed(MOUV_ENOMEM);
    }
    fetch->stream = stream;
    mouv__stream_hold(stream);
    fetch->look.run = change_fetch_look;
    fetch->wanted = wanted;
    fetch->scope_ns = fetch->deadline_ns = mouv__current_deadline_ns();
    fetch->limit_ns = MOUV__NEVER;
    stream->fetch = fetch;
    if (stream->at_hand) {
        change_fetch_settle(fetch, 1, NULL);
    } else {
        if (stream->client)
            change_fetch_refresh(fetch);
        else
            change_fetch_arm(fetch);
        change_fetch_wake(fetch);
    }
    return mouv__future_handle(&fetch->future);
}

mouv_future_t mouv_change_stream_fetch(mouv_change_stream_t *stream) {
    return change_fetch_fetch_future(stream, AN_EVENT);
}

mouv_future_t mouv_change_stream_try_fetch(mouv_change_stream_t *stream) {
    return change_fetch_fetch_future(stream, ONE_POLL);
}

mouv_future_t mouv_change_stream_open(mouv_change_stream_t *stream) {
    return change_fetch_fetch_future(stream, A_CURSOR);
}

/* --- Taking ---------------------------------------------------------------------------------- */

int mouv_change_stream_next_buffered(mouv_change_stream_t *stream, const bson_t **doc) {
    if (!doc) return MOUV_EINVAL;
    *doc = NULL;
    if (!stream || !mouv__stream_take(stream)) return 0;
    *doc = &stream->view;
    return 1;
}

static bool change_fetch_is_refused(const mouv_change_stream_t *stream) {
    return stream &&
           (stream->fetch || (stream->client && mouv__client_is_elsewhere(stream->client)));
}

static int change_fetch_next(mouv_change_stream_t *stream, wanted_t wanted, const bson_t **doc,
                             mouv_error_t *error) {
    mouv_error_t refused;
    int rc = change_fetch_is_refused(stream) ? change_fetch_check(stream, &refused)
                                             : mouv_change_stream_next_buffered(stream, doc);
    if (rc < 0) return mouv__raise(error, rc, "%s", refused.message);
    if (rc > 0) return rc;
    rc = mouv_await(change_fetch_fetch_future(stream, wanted), error);
    if (rc <= 0 || mouv_change_stream_next_buffered(stream, doc) == 1) return rc;
    return mouv_await(change_fetch_fetch_future(stream, wanted),
                      error); /* an event without a token */
}

int mouv_change_stream_next(mouv_change_stream_t *stream, const bson_t **doc, mouv_error_t *error) {
    if (!doc) return mouv__raise(error, MOUV_EINVAL, "'doc' is NULL");
    *doc = NULL;
    if (!mouv_in_coroutine())
        return mouv__raise(error, MOUV_ENOTCORO,
                           "mouv_change_stream_next() outside of a coroutine");
    return change_fetch_next(stream, AN_EVENT, doc, error);
}

int mouv_change_stream_try_next(mouv_change_stream_t *stream, const bson_t **doc,
                                mouv_error_t *error) {
    if (!doc) return mouv__raise(error, MOUV_EINVAL, "'doc' is NULL");
    *doc = NULL;
    if (!mouv_in_coroutine())
        return mouv__raise(error, MOUV_ENOTCORO,
                           "mouv_change_stream_try_next() outside of a coroutine");
    return change_fetch_next(stream, ONE_POLL, doc, error);
}
