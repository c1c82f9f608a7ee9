/*
 * Change streams: what they send when, what ends them, and the calls of change_stream.h.
 */
#include "mongo/cursor/change_stream.h"

#include "async/task/runtime.h"
#include "mongo/base/bson_view.h"
#include "mongo/cursor/fetch.h"

#define DEFAULT_AWAIT_MS 1000

static const mouv__fetch_ops_t fetch_ops;

/** What constructors give when there is no memory for more. */
static mouv_change_stream_t out_of_memory = {
    .base = {.unmade = true, .state = MOUV__CURSOR_FAILED, .fetch_ops = &fetch_ops}};

/* --- The cursor's end ------------------------------------------------------------------------ */

static void change_stream_kill_lost(mouv_change_stream_t *stream) {
    if (stream->lost_id != 0)
        mouv__batch_cursor_kill(&stream->base, stream->lost_id, stream->lost_server_id);
    stream->lost_id = 0;
}

static void change_stream_lose(mouv_change_stream_t *stream) {
    mouv__batch_cursor_t *base = &stream->base;
    if (base->state != MOUV__CURSOR_OPEN) return;
    if (base->id != 0) {
        change_stream_kill_lost(stream);
        if (!mouv__batch_cursor_leave_kept(base)) {
            stream->lost_id = base->id;
            stream->lost_server_id = mouv__pin_server_id(base->pin);
        }
    }
    mouv__batch_cursor_forget(base);
    mouv__batch_cursor_move(base, MOUV__CURSOR_LOST);
}

static void change_stream_fail(mouv_change_stream_t *stream, const mouv_error_t *error) {
    change_stream_kill_lost(stream);
    mouv__batch_cursor_fail(&stream->base, error, false);
}

static void change_stream_closes(mouv__batch_cursor_t *base, const mouv_error_t *error) {
    change_stream_kill_lost((mouv_change_stream_t *)base);
    mouv__batch_cursor_give_up(base, error);
    mouv__fetch_wake(base);
}

static void change_stream_clear(mouv__batch_cursor_t *base) {
    mouv_change_stream_t *stream = (mouv_change_stream_t *)base;
    change_stream_kill_lost(stream);
    mouv__resume_clear(&stream->resume);
}

/* --- Answers --------------------------------------------------------------------------------- */

static int change_stream_failed(mouv__batch_cursor_t *base, const mouv__batch_outcome_t *outcome,
                                const mouv_error_t *error) {
    /* an aggregate is retried like other reads */
    ((mouv_change_stream_t *)base)->resumable =
        outcome->more && mouv__resume_survives(error, outcome->expired, outcome->wire_version);
    return error->code;
}

static int change_stream_answered(mouv__batch_cursor_t *base,
                                  const mouv__batch_outcome_t *outcome) {
    mouv_change_stream_t *stream = (mouv_change_stream_t *)base;
    if (outcome->more)
        stream->resume.count = 0;
    else
        change_stream_kill_lost(stream);
    mouv__batch_cursor_turn(base);
    if (!base->at_hand)
        mouv__resume_take_empty(&stream->resume, base->batch, !outcome->more,
                                outcome->wire_version);
    return outcome->more ? 1 : 0;
}

static const mouv__batch_cursor_ops_t batch_cursor_ops = {.failed = change_stream_failed,
                                                          .answered = change_stream_answered,
                                                          .closes = change_stream_closes,
                                                          .clear = change_stream_clear};

/** These leave the stream as it was, though its cursor may have been killed on the server. */
static bool change_stream_is_pause(int code) {
    return code == MOUV_ETIMEDOUT || code == MOUV_ECANCELED || code == MOUV_EQUEUE;
}

static void change_stream_on_failure(mouv__batch_cursor_t *base, const mouv_error_t *error,
                                     bool late) {
    mouv_change_stream_t *stream = (mouv_change_stream_t *)base;
    (void)late;
    if (base->state >= MOUV__CURSOR_FAILED) return; /* closed meanwhile: a later fetch is told so */
    if (stream->resumable && base->state == MOUV__CURSOR_OPEN &&
        mouv__resume_again(&stream->resume)) {
        if (error->server_code == MOUV__CODE_CURSOR_NOT_FOUND) base->id = 0;
        change_stream_lose(stream);
        return;
    }
    if (!change_stream_is_pause(error->code))
        change_stream_fail(stream, error);
    else if (error->code != MOUV_EQUEUE)
        change_stream_lose(stream);
    if (base->fetch) mouv__fetch_settle(base->fetch, error->code, error);
}

/* --- Commands -------------------------------------------------------------------------------- */

static void change_stream_append_pipeline(const mouv_change_stream_t *stream, bson_t *command) {
    bson_t pipeline;
    bson_iter_t iter, stages;
    uint32_t count = 0;
    char text[16];
    const char *key;
    mouv__append_array_begin(command, "pipeline", &pipeline);
    mouv__resume_append(&stream->resume, stream->base.state == MOUV__CURSOR_FRESH, &pipeline);
    if (bson_iter_init_find(&iter, stream->base.command, "pipeline") &&
        bson_iter_recurse(&iter, &stages)) {
        while (bson_iter_next(&stages)) {
            bson_uint32_to_string(++count, &key, text, sizeof text);
            bson_append_iter(&pipeline, key, -1, &stages);
        }
    }
    bson_append_array_end(command, &pipeline);
}

static bson_t *change_stream_make_aggregate(const mouv_change_stream_t *stream) {
    int64_t batch_size = stream->base.batch_size;
    bson_t *command = bson_new(), cursor;
    bson_copy_to_excluding_noinit(stream->base.command, command, "pipeline", NULL);
    change_stream_append_pipeline(stream, command);
    bson_append_document_begin(command, "cursor", -1, &cursor);
    if (batch_size >= 0) bson_append_int64(&cursor, "batchSize", -1, batch_size);
    bson_append_document_end(command, &cursor);
    return command;
}

/* Without MOUV__OP_MAX_TIME: the cursor outlives the deadline. What timeoutMS says is sent. */
const mouv__row_t mouv__change_stream_row = {
    {"aggregate",
     MOUV__OP_RETRYABLE | MOUV__OP_READ_PREFERENCE | MOUV__OP_READ_CONCERN | MOUV__OP_POLL},
    MOUV__FAMILY_CURSOR | MOUV__FAMILY_STREAM,
    NULL};

static mouv_future_t change_stream_send_aggregate(mouv_change_stream_t *stream, int64_t limit_ns) {
    mouv__batch_cursor_t *base = &stream->base;
    mouv_future_t failed;
    mouv__operation_t *operation = mouv__batch_cursor_open(
        base, &mouv__change_stream_row.operation, change_stream_make_aggregate(stream),
        base->read_prefs ? mongoc_read_prefs_copy(base->read_prefs) : NULL, &failed);
    if (!operation) return failed;
    mouv__cursor_timeout_begin_stream(&base->limit, operation, limit_ns);
    return mouv__operation_start(operation);
}

static mouv_future_t change_stream_send_get_more(mouv_change_stream_t *stream, int64_t wait_ms) {
    mouv__batch_cursor_t *base = &stream->base;
    if (wait_ms > base->max_await_ms) wait_ms = base->max_await_ms;
    if (wait_ms <= 0) wait_ms = 1;
    bool told = stream->await_given || base->limit.timeout.ms <= 0;
    return mouv__batch_cursor_get_more(base, told ? wait_ms : 0);
}

/* --- Fetching -------------------------------------------------------------------------------- */

static bool change_stream_take(mouv__batch_cursor_t *base) {
    mouv_change_stream_t *stream = (mouv_change_stream_t *)base;
    mouv_error_t error;
    if (!mouv__batch_cursor_take(base)) return false;
    if (mouv__resume_take_event(&stream->resume, &base->view, base->at_hand ? NULL : base->batch))
        return true;
    mouv__batch_cursor_drop(base);
    mouv_error_set(&error, MOUV_EINVAL,
                   "an event without its resume token: the pipeline must keep '_id' as it is");
    change_stream_fail(stream, &error);
    return false;
}

static bool change_stream_is_answer(const mouv__fetch_t *fetch, bool turned) {
    const mouv__batch_cursor_t *base = fetch->cursor;
    (void)turned;
    if (base->running || base->state >= MOUV__CURSOR_ENDED || fetch->future.asked) return false;
    return (fetch->wanted == MOUV__FETCH_TRY && fetch->polled) ||
           (fetch->wanted == MOUV__FETCH_OPEN && base->state == MOUV__CURSOR_OPEN);
}

/** Sends the next command, unless so little time is left that only the deadline can come. */
static void change_stream_need(mouv__fetch_t *fetch) {
    mouv__batch_cursor_t *base = fetch->cursor;
    mouv_change_stream_t *stream = (mouv_change_stream_t *)base;
    int64_t wait_ms = INT64_MAX;
    if (base->running || base->state >= MOUV__CURSOR_ENDED) return;
    if (fetch->future.asked) {
        mouv__fetch_settle(fetch, MOUV_ECANCELED, NULL);
        return;
    }
    if (fetch->deadline_ns != MOUV__NEVER) {
        int64_t margin_ms = fetch->limit_ns == MOUV__NEVER ? MOUV__FETCH_MARGIN_MS : 0;
        wait_ms =
            (fetch->deadline_ns - mouv__clock_now_ns(fetch->future.runtime)) / MOUV__NS_PER_MS -
            margin_ms;
        if (wait_ms <= 0 && base->state == MOUV__CURSOR_OPEN) return;
    }
    stream->resumable = false;
    mouv__fetch_run(base, base->state == MOUV__CURSOR_OPEN
                              ? change_stream_send_get_more(stream, wait_ms)
                              : change_stream_send_aggregate(stream, fetch->limit_ns));
    mouv__fetch_shorten_running(base, fetch->deadline_ns);
}

static const mouv__fetch_ops_t fetch_ops = {.future = MOUV__FETCH_FUTURE("change stream"),
                                            .argument = "stream",
                                            .prefix = "mouv_change_stream",
                                            .take = change_stream_take,
                                            .is_answer = change_stream_is_answer,
                                            .need = change_stream_need,
                                            .failed = change_stream_on_failure};

static mouv__batch_cursor_t *change_stream_base(mouv_change_stream_t *stream) {
    return stream ? &stream->base : NULL;
}

static mouv_future_t change_stream_fetch(mouv_change_stream_t *stream,
                                         mouv__fetch_wanted_t wanted) {
    return mouv__fetch_future(&fetch_ops, change_stream_base(stream), wanted, 0,
                              mouv__reply_to_nobody());
}

mouv_future_t mouv_change_stream_fetch(mouv_change_stream_t *stream) {
    return change_stream_fetch(stream, MOUV__FETCH_ANY);
}

mouv_future_t mouv_change_stream_try_fetch(mouv_change_stream_t *stream) {
    return change_stream_fetch(stream, MOUV__FETCH_TRY);
}

mouv_future_t mouv_change_stream_open(mouv_change_stream_t *stream) {
    return change_stream_fetch(stream, MOUV__FETCH_OPEN);
}

int mouv_change_stream_next_buffered(mouv_change_stream_t *stream, const bson_t **doc) {
    return mouv__fetch_next_buffered(change_stream_base(stream), doc);
}

int mouv_change_stream_next(mouv_change_stream_t *stream, const bson_t **doc, mouv_error_t *error) {
    return mouv__fetch_next(&fetch_ops, change_stream_base(stream), MOUV__FETCH_ANY, doc, error);
}

int mouv_change_stream_try_next(mouv_change_stream_t *stream, const bson_t **doc,
                                mouv_error_t *error) {
    return mouv__fetch_next(&fetch_ops, change_stream_base(stream), MOUV__FETCH_TRY, doc, error);
}

/* --- Beginning and end ----------------------------------------------------------------------- */

mouv_change_stream_t *mouv__change_stream_new(mouv__command_t *command, const bson_t *pipeline,
                                              bool whole_deployment) {
    static const bson_t no_stages = BSON_INITIALIZER;
    mouv__command_pipeline(command, pipeline ? pipeline : &no_stages);
    mouv_change_stream_t *stream = (mouv_change_stream_t *)mouv__batch_cursor_new(
        command, sizeof *stream, &batch_cursor_ops, &fetch_ops);
    if (!stream) return &out_of_memory;
    stream->base.polls = true;
    stream->await_given = stream->base.max_await_ms >= 0;
    if (!stream->await_given) stream->base.max_await_ms = DEFAULT_AWAIT_MS;
    mouv__resume_init(&stream->resume, mouv__command_failed(command) ? NULL : &command->opts,
                      whole_deployment);
    return stream;
}

static bool change_stream_is_foreign(const mouv_change_stream_t *stream) {
    return mouv__batch_cursor_is_foreign(&stream->base, "mouv_change_stream_close");
}

void mouv_change_stream_close(mouv_change_stream_t *stream) {
    mouv_error_t error;
    if (!stream || stream->base.state >= MOUV__CURSOR_FAILED || change_stream_is_foreign(stream))
        return;
    change_stream_kill_lost(stream);
    mouv__batch_cursor_close(&stream->base);
    mouv_error_set(&error, MOUV_ECLOSED, "the change stream has been closed");
    if (stream->base.fetch) mouv__fetch_settle(stream->base.fetch, error.code, &error);
}

mouv_change_stream_t *mouv_change_stream_unref(mouv_change_stream_t *stream) {
    if (!stream || change_stream_is_foreign(stream)) return NULL;
    mouv_change_stream_close(stream);
    mouv__batch_cursor_let_go(&stream->base);
    return NULL;
}

void mouv_change_stream_drop(mouv_change_stream_t **stream) {
    if (stream) *stream = mouv_change_stream_unref(*stream);
}

bool mouv_change_stream_alive(const mouv_change_stream_t *stream) {
    return stream && stream->base.state < MOUV__CURSOR_ENDED;
}

const bson_t *mouv_change_stream_resume_token(const mouv_change_stream_t *stream) {
    return stream ? stream->resume.token : NULL;
}
