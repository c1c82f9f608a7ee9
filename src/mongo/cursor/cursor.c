/*
 * Cursors: what they send when, and the calls of cursor.h.
 */
#include "mongo/cursor/cursor.h"

#include <string.h>

#include <mouv/await.h>

#include "async/task/runtime.h"
#include "mongo/base/client_ref.h"
#include "mongo/cursor/fetch.h"
#include "mongo/operation/limits.h"

/* What the server waits by itself. */
#define POLL_DEFAULT_MS 1000

#define CODE_NAMESPACE_NOT_FOUND 26

static const mouv__fetch_ops_t fetch_ops;

/** What constructors give when there is no memory for more. */
static mouv_cursor_t out_of_memory = {
    .base = {.unmade = true, .state = MOUV__CURSOR_FAILED, .fetch_ops = &fetch_ops}};

/* --- Answers --------------------------------------------------------------------------------- */

static int cursor_failed(mouv__batch_cursor_t *base, const mouv__batch_outcome_t *outcome,
                         const mouv_error_t *error) {
    (void)outcome;
    if (!((mouv_cursor_t *)base)->empty_if_missing || error->code != MOUV_ESERVER ||
        error->server_code != CODE_NAMESPACE_NOT_FOUND)
        return error->code;
    if (base->state == MOUV__CURSOR_OPEN) mouv__batch_cursor_move(base, MOUV__CURSOR_ENDED);
    return 0;
}

static void cursor_closes(mouv__batch_cursor_t *base, const mouv_error_t *error) {
    mouv__batch_cursor_give_up(base, error);
    mouv__fetch_wake(base);
}

static const mouv__batch_cursor_ops_t batch_cursor_ops = {.failed = cursor_failed,
                                                          .closes = cursor_closes};

static void cursor_fail(mouv__batch_cursor_t *base, const mouv_error_t *error, bool late) {
    /* What the server itself ended with an error it has closed. */
    if (error->code == MOUV_ESERVER && base->state < MOUV__CURSOR_FAILED) base->id = 0;
    mouv__batch_cursor_fail(base, error, late);
}

/* --- Commands -------------------------------------------------------------------------------- */

static mouv_future_t cursor_send_first(mouv_cursor_t *cursor, int64_t deadline_ns) {
    mouv__batch_cursor_t *base = &cursor->base;
    mouv_future_t failed;
    bson_t *command = base->command;
    mongoc_read_prefs_t *read_prefs = base->read_prefs;
    base->command = NULL;
    base->read_prefs = NULL;
    mouv__operation_t *operation =
        mouv__batch_cursor_open(base, &cursor->row->operation, command, read_prefs, &failed);
    if (!operation) return failed;
    mouv__cursor_timeout_begin(&base->limit, operation, deadline_ns, cursor->await_data);
    mouv__batch_cursor_move(base, MOUV__CURSOR_OPEN);
    return mouv__operation_start(operation);
}

static void cursor_send_next(mouv_cursor_t *cursor, int64_t deadline_ns) {
    mouv__fetch_run(&cursor->base,
                    cursor->base.state == MOUV__CURSOR_FRESH
                        ? cursor_send_first(cursor, deadline_ns)
                        : mouv__batch_cursor_get_more(&cursor->base, cursor->poll_ms));
}

/** How long the next getMore may wait, into `poll_ms`; false: there is no time left to wait. */
static bool cursor_plan_poll(mouv_cursor_t *cursor, int64_t deadline_ns) {
    mouv__batch_cursor_t *base = &cursor->base;
    int64_t most_ms = base->max_await_ms;
    cursor->poll_ms = most_ms > 0 ? most_ms : 0;
    base->poll_end_ns = 0;
    if (deadline_ns == MOUV__NEVER || base->state != MOUV__CURSOR_OPEN) return true;
    bool timeout = base->limit.timeout.ms > 0; /* is not sent; what was asked for is */
    int64_t left_ms = mouv__limits_poll_left_ms(base->client, base->pin, deadline_ns);
    if (!timeout) left_ms -= MOUV__FETCH_MARGIN_MS;
    if (timeout && most_ms <= 0) return left_ms > 0;
    if (most_ms <= 0) most_ms = POLL_DEFAULT_MS;
    cursor->poll_ms = left_ms < most_ms ? left_ms : most_ms;
    if (!timeout)
        base->poll_end_ns =
            mouv__clock_deadline_in(mouv__client_runtime(base->client), cursor->poll_ms);
    return left_ms > 0;
}

/* --- Fetching -------------------------------------------------------------------------------- */

static bool cursor_turn(mouv__batch_cursor_t *base) {
    mouv_cursor_t *cursor = (mouv_cursor_t *)base;
    if (!mouv__batch_cursor_turn(base)) return false;
    if (base->state == MOUV__CURSOR_OPEN && !base->running && cursor->prefetch &&
        !cursor->tailable && !base->session)
        cursor_send_next(cursor, MOUV__NEVER);
    return true;
}

/** Whether the empty batch that was just read is what the caller is told: nothing for now. */
static bool cursor_is_answer(const mouv__fetch_t *fetch, bool turned) {
    const mouv_cursor_t *cursor = (const mouv_cursor_t *)fetch->cursor;
    if (!turned || cursor->base.state != MOUV__CURSOR_OPEN) return false;
    if (cursor->tailable && !cursor->await_data) return true;
    return cursor->base.polled && (fetch->wanted == MOUV__FETCH_TRY ||
                                   (cursor->tailable && fetch->wanted == MOUV__FETCH_LIST));
}

/** Sees to it that a batch is on its way, by the fetch's deadline. A poll is made to end before
 *  that; where too little time is left for one, nothing is sent. */
static void cursor_need(mouv__fetch_t *fetch) {
    mouv__batch_cursor_t *base = fetch->cursor;
    mouv_cursor_t *cursor = (mouv_cursor_t *)base;
    int64_t deadline_ns = fetch->deadline_ns;
    if (!base->polls) { /* a fetch of one that does has its limit as a whole */
        int64_t own_ns = mouv__cursor_timeout_wait_ns(&base->limit, base->client);
        if (own_ns < deadline_ns) deadline_ns = own_ns;
    }
    if (!base->running && base->state <= MOUV__CURSOR_OPEN) {
        if (base->polls && !cursor_plan_poll(cursor, deadline_ns)) return;
        cursor_send_next(cursor, deadline_ns);
    }
    mouv__fetch_shorten_running(base, deadline_ns);
}

/** A batch that has been read is not kept until the next one is wanted. */
static bool cursor_take(mouv__batch_cursor_t *base) {
    if (mouv__batch_cursor_take(base)) return true;
    bson_destroy(base->batch);
    base->batch = NULL;
    return false;
}

static const mouv__fetch_ops_t fetch_ops = {.future = MOUV__FETCH_FUTURE("cursor"),
                                            .argument = "cursor",
                                            .prefix = "mouv_cursor",
                                            .turn = cursor_turn,
                                            .take = cursor_take,
                                            .is_answer = cursor_is_answer,
                                            .need = cursor_need,
                                            .failed = cursor_fail};

static mouv__batch_cursor_t *cursor_base(mouv_cursor_t *cursor) {
    return cursor ? &cursor->base : NULL;
}

static mouv_future_t cursor_fetch(mouv_cursor_t *cursor, mouv__fetch_wanted_t wanted, size_t limit,
                                  mouv__output_t output) {
    return mouv__fetch_future(&fetch_ops, cursor_base(cursor), wanted, limit, output);
}

mouv_future_t mouv_cursor_fetch(mouv_cursor_t *cursor) {
    return cursor_fetch(cursor, MOUV__FETCH_ANY, 0, mouv__reply_to_nobody());
}

mouv_future_t mouv_cursor_try_fetch(mouv_cursor_t *cursor) {
    return cursor_fetch(cursor, MOUV__FETCH_TRY, 0, mouv__reply_to_nobody());
}

mouv_future_t mouv_cursor_to_list_future(mouv_cursor_t *cursor, size_t limit, bson_t **list) {
    return cursor_fetch(cursor, MOUV__FETCH_LIST, limit, mouv__reply_to_value(list));
}

mouv_future_t mouv__cursor_names_future(mouv_cursor_t *cursor, char ***names) {
    mouv_future_t future = cursor_fetch(cursor, MOUV__FETCH_LIST, 0, mouv__reply_to_names(names));
    mouv__batch_cursor_let_go(&cursor->base); /* the future holds it */
    return future;
}

int mouv_cursor_next_buffered(mouv_cursor_t *cursor, const bson_t **doc) {
    return mouv__fetch_next_buffered(cursor_base(cursor), doc);
}

int mouv_cursor_next(mouv_cursor_t *cursor, const bson_t **doc, mouv_error_t *error) {
    return mouv__fetch_next(&fetch_ops, cursor_base(cursor), MOUV__FETCH_ANY, doc, error);
}

int mouv_cursor_try_next(mouv_cursor_t *cursor, const bson_t **doc, mouv_error_t *error) {
    return mouv__fetch_next(&fetch_ops, cursor_base(cursor), MOUV__FETCH_TRY, doc, error);
}

int mouv_cursor_to_list(mouv_cursor_t *cursor, size_t limit, bson_t **list, mouv_error_t *error) {
    return mouv_await(mouv_cursor_to_list_future(cursor, limit, list), error);
}

/* --- Beginning and end ----------------------------------------------------------------------- */

/** {cursor: {batchSize}} of commands other than find; one that writes answers with nothing. */
static void cursor_append_cursor(mouv__command_t *command) {
    bson_t cursor;
    if (!(command->row->families & MOUV__FAMILY_CURSOR) || mouv__command_failed(command)) return;
    int64_t batch_size = command->opts.batch_size;
    bool writes = command->row->operation.flags & MOUV__OP_WRITE;
    bson_append_document_begin(command->bson, "cursor", -1, &cursor);
    if (batch_size > 0 || (batch_size == 0 && !writes)) {
        bson_append_int64(&cursor, "batchSize", -1, batch_size);
    }
    bson_append_document_end(command->bson, &cursor);
}

mouv_cursor_t *mouv__cursor_new(mouv__command_t *command) {
    const mouv__opts_t *opts = &command->opts;
    cursor_append_cursor(command);
    mouv_cursor_t *cursor = (mouv_cursor_t *)mouv__batch_cursor_new(command, sizeof *cursor,
                                                                    &batch_cursor_ops, &fetch_ops);
    if (!cursor) return &out_of_memory;
    cursor->row = command->row;
    cursor->tailable = opts->tailable;
    cursor->await_data = opts->await_data;
    cursor->base.polls = opts->tailable && opts->await_data;
    cursor->prefetch = opts->prefetch;
    /* as it is asked for: only the server knows whether what the command is may have one */
    if (command->row->families & MOUV__FAMILY_GIVEN && opts->max_await_ms > 0)
        cursor->poll_ms = opts->max_await_ms;
    return cursor;
}

mouv_cursor_t *mouv__cursor_empty_if_missing(mouv_cursor_t *cursor) {
    if (!cursor->base.unmade) cursor->empty_if_missing = true;
    return cursor;
}

mouv_cursor_t *mouv__cursor_within_scope(mouv_cursor_t *cursor) {
    if (!cursor->base.unmade) cursor->base.limit.within = true;
    return cursor;
}

bool mouv_cursor_alive(const mouv_cursor_t *cursor) {
    if (!cursor || cursor->base.state == MOUV__CURSOR_CLOSED) return false;
    return cursor->base.state <= MOUV__CURSOR_OPEN || cursor->base.at_hand || cursor->base.ahead;
}

static bool cursor_is_foreign(const mouv_cursor_t *cursor) {
    return mouv__batch_cursor_is_foreign(&cursor->base, "mouv_cursor_close");
}

void mouv_cursor_close(mouv_cursor_t *cursor) {
    if (!cursor || cursor->base.unmade || cursor->base.state == MOUV__CURSOR_CLOSED) return;
    if (cursor_is_foreign(cursor)) return;
    if (cursor->base.state == MOUV__CURSOR_FAILED) {
        mouv__batch_cursor_drop(&cursor->base);
    } else {
        mouv__batch_cursor_close(&cursor->base);
        mouv__fetch_wake(&cursor->base);
    }
}

void mouv_cursor_close_within(mouv_cursor_t *cursor, int64_t timeout_ms) {
    if (!cursor || cursor->base.state >= MOUV__CURSOR_FAILED) return;
    cursor->base.limit.close_ms = timeout_ms;
    mouv_cursor_close(cursor);
}

mouv_cursor_t *mouv_cursor_unref(mouv_cursor_t *cursor) {
    if (!cursor || cursor_is_foreign(cursor)) return NULL;
    mouv_cursor_close(cursor);
    mouv__batch_cursor_let_go(&cursor->base);
    return NULL;
}

void mouv_cursor_drop(mouv_cursor_t **cursor) {
    if (cursor) *cursor = mouv_cursor_unref(*cursor);
}

/* --- aggregate, explain ---------------------------------------------------------------------- */

/** Whether the last stage of the pipeline is $out or $merge. */
static bool cursor_writes(const bson_t *pipeline) {
    bson_iter_t iter, stage;
    bool found = false;
    if (!pipeline || !bson_iter_init(&iter, pipeline)) return false;
    if (bson_iter_find(&iter, "pipeline")) {
        if (!bson_iter_recurse(&iter, &iter)) return false;
    } else {
        bson_iter_init(&iter, pipeline);
    }
    while (bson_iter_next(&iter)) {
        found = bson_iter_recurse(&iter, &stage) && bson_iter_next(&stage) &&
                (strcmp(bson_iter_key(&stage), "$out") == 0 ||
                 strcmp(bson_iter_key(&stage), "$merge") == 0);
    }
    return found;
}

const mouv__row_t *mouv__cursor_aggregate_row(const bson_t *pipeline) {
    static const mouv__row_t read = {{"aggregate", MOUV__READ}, MOUV__FAMILY_CURSOR, NULL};
    static const mouv__row_t write = {
        {"aggregate", MOUV__ADMIN | MOUV__OP_READ_CONCERN | MOUV__OP_READ_PREFERENCE},
        MOUV__FAMILY_CURSOR,
        NULL};
    return cursor_writes(pipeline) ? &write : &read;
}

/** What the cursor's own command was given: where it is read from, and in which session. */
static void cursor_explain_as(mouv__command_t *command, const mouv__batch_cursor_t *base) {
    if (!command->opts.read_preference.data && base->read_prefs)
        command->read_prefs = mongoc_read_prefs_copy(base->read_prefs);
    command->defaults = base->defaults;
    command->session = base->session;
    command->server_id = base->server_id;
}

mouv_future_t mouv_cursor_explain(mouv_cursor_t *cursor, const bson_t *opts, bson_t **reply) {
    static const mouv__row_t row = {
        {"explain", MOUV__OP_RETRYABLE | MOUV__OP_MAX_TIME | MOUV__OP_READ_PREFERENCE},
        MOUV__FAMILY_PLAIN,
        NULL};
    const mouv__batch_cursor_t *base = cursor_base(cursor);
    mouv__command_t command;
    mouv__command_begin_bare(&command, &row, base ? base->database : NULL, opts);
    if (base && base->error) {
        command.error = *base->error;
    } else if (base && !base->command) {
        mouv__command_fail(&command, MOUV_ESTATE, "the cursor has begun: explain it before that");
    } else if (base) {
        mouv__command_document(&command, "explain", base->command, "command");
        cursor_explain_as(&command, base);
    }
    return mouv__command_send(&command, mouv__reply_to_reply(reply));
}
