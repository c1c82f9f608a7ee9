/*
 * What a cursor says to the server: its first command, getMore, killCursors; one reply, one batch.
 */
#include "mongo/cursor/cursor.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/concern.h"
#include "mongo/command/reply.h"
#include "mongo/operation/limits.h"
#include "mongo/session/session.h"

/* A poll ends by itself so long before the deadline, which else would cost the cursor. */
#define POLL_MARGIN_MS 10

/* ... and how late it may be all the same: a kill would end the cursor. */
#define POLL_LATE_NS INT64_C(1000000000)

/* What the server waits by itself. */
#define POLL_DEFAULT_MS 1000

/** One command of a cursor. */
typedef struct exchange {
    mouv__operation_t operation;
    mouv_cursor_t *cursor; /**< counted */
} exchange_t;

/** What constructors give when there is no memory for more. Never freed, never written. */
static mouv_cursor_t out_of_memory = {.state = MOUV__CURSOR_FAILED, .references = 1};

/* --- States ---------------------------------------------------------------------------------- */

static void cursor_move_to(mouv_cursor_t *cursor, mouv__cursor_state_t state) {
    assert(cursor->state < state && cursor->state < MOUV__CURSOR_FAILED);
    cursor->state = (uint8_t)state;
}

static void cursor_drop_batches(mouv_cursor_t *cursor) {
    bson_destroy(cursor->batch);
    bson_destroy(cursor->ahead);
    cursor->batch = cursor->ahead = NULL;
    cursor->at_hand = false;
}

/* --- killCursors ---------------------------------------------------------------------------- */

void mouv__cursor_kill(mouv_client_t *client, const char *database, int64_t id, uint32_t server_id,
                       const char *collection, int64_t timeout_ms) {
    static const mouv__operation_row_t row = {"killCursors", MOUV__OP_CLEANUP};
    mouv_future_t failed;
    mouv__operation_t *operation = mouv__operation_new(client, &row, database, 0, &failed);
    if (!operation) { /* the client has closed, and its sessions with it */
        mouv_future_result(failed, NULL);
        mouv_future_unref(failed);
        return;
    }
    bson_t ids;
    operation->command = bson_new();
    BSON_APPEND_UTF8(operation->command, "killCursors", collection);
    mouv__append_array_begin(operation->command, "cursors", &ids);
    bson_append_int64(&ids, "0", -1, id);
    bson_append_array_end(operation->command, &ids);
    operation->server_id = server_id;
    mouv__limits_set_cleanup_timeout(operation, timeout_ms);
    mouv__operation_start_detached(operation);
}

/** The server has forgotten it: client and session are given back. */
static void cursor_forget(mouv_cursor_t *cursor) {
    cursor->id = 0;
    mouv__pin_free(cursor->pin);
    cursor->pin = NULL;
}

/** The server may forget it: hands killCursors to the clean-up control connection. */
static void cursor_leave(mouv_cursor_t *cursor) {
    if (cursor->id != 0) {
        mouv__cursor_kill(cursor->client, cursor->database->name, cursor->id,
                          mouv__pin_server_id(cursor->pin), cursor->collection,
                          cursor->limit.close_ms);
    }
    cursor_forget(cursor);
}

/* --- References ---------------------------------------------------------------------------- */

void mouv__cursor_hold(mouv_cursor_t *cursor) {
    cursor->references++;
}

void mouv__cursor_let_go(mouv_cursor_t *cursor) {
    if (cursor == &out_of_memory || --cursor->references > 0) return;
    cursor_leave(cursor);
    cursor_drop_batches(cursor);
    if (cursor->session) mouv__session_let_go(cursor->session);
    bson_destroy(cursor->command);
    bson_destroy(cursor->comment);
    mongoc_read_prefs_destroy(cursor->read_prefs);
    mouv__concern_unref(cursor->defaults);
    bson_free(cursor->collection);
    mouv__free(cursor->error);
    mouv__client_may_close(cursor->client);
    free(cursor);
}

/* --- Replies -------------------------------------------------------------------------------- */

const char *mouv__cursor_collection(const bson_t *reply) {
    bson_iter_t field;
    const char *name =
        mouv__bson_view_find(reply, "cursor.ns", &field) ? bson_iter_utf8(&field, NULL) : NULL;
    const char *dot = name ? strchr(name, '.') : NULL;
    return dot ? dot + 1 : "";
}

bool mouv__cursor_batch(const bson_t *reply, bson_iter_t *documents) {
    bson_iter_t field;
    return (mouv__bson_view_find(reply, "cursor.firstBatch", &field) ||
            mouv__bson_view_find(reply, "cursor.nextBatch", &field)) &&
           BSON_ITER_HOLDS_ARRAY(&field) && bson_iter_recurse(&field, documents);
}

/** That the collection is missing is the answer. */
static bool cursor_is_missing(const mouv_cursor_t *cursor, const mouv_error_t *error) {
    return cursor->empty_if_missing && error->code == MOUV_ESERVER && error->server_code == 26;
}

void mouv__cursor_kill_answered(const mouv__operation_t *operation, const bson_t *reply,
                                int64_t timeout_ms) {
    int64_t id = mouv__bson_view_number(reply, "cursor.id");
    if (id == 0) return;
    mouv__cursor_kill(operation->client, operation->database, id, operation->attempt.server_id,
                      mouv__cursor_collection(reply), timeout_ms);
}

bool mouv__cursor_polls(const mouv_cursor_t *cursor) {
    return cursor->tailable && cursor->await_data;
}

/** The first answer has brought a cursor: its client, server and session are kept for it. */
static int cursor_keep(mouv_cursor_t *cursor, mouv__operation_t *operation, const bson_t *reply) {
    cursor->pin =
        mouv__cursor_polls(cursor) ? mouv__pin_for_polls(operation) : mouv__pin_for(operation);
    if (!cursor->pin) {
        mouv__cursor_kill_answered(operation, reply, cursor->limit.close_ms);
        return MOUV_ENOMEM;
    }
    bson_free(cursor->collection);
    cursor->collection = bson_strdup(mouv__cursor_collection(reply));
    return 0;
}

static int cursor_finish(mouv__operation_t *operation, bson_t *reply, mouv_error_t *error) {
    mouv_cursor_t *cursor = ((exchange_t *)operation)->cursor;
    bson_iter_t documents;
    if (cursor_is_missing(cursor, error)) {
        if (cursor->state == MOUV__CURSOR_OPEN) cursor_move_to(cursor, MOUV__CURSOR_ENDED);
        return 0;
    }
    if (error->code < 0) return error->code;
    if (!mouv__cursor_batch(reply, &documents)) {
        return mouv__operation_fail(operation, error, MOUV_ESERVER, "the reply has no batch");
    }
    if (cursor->state > MOUV__CURSOR_OPEN) {
        mouv__cursor_kill_answered(operation, reply, cursor->limit.close_ms); /* closed meanwhile */
        return 0;
    }
    cursor->id = mouv__bson_view_number(reply, "cursor.id");
    if (cursor->id != 0 && !cursor->pin && cursor_keep(cursor, operation, reply) < 0) {
        cursor->id = 0;
        return mouv__operation_fail(operation, error, MOUV_ENOMEM, "out of memory");
    }
    if (cursor->id == 0) {
        cursor_forget(cursor);
        cursor_move_to(cursor, MOUV__CURSOR_ENDED);
    }
    cursor->ahead = mouv__reply_take(operation);
    return 0;
}

/** It was given up, and then answered after all. */
static void cursor_late(mouv__operation_t *operation, bson_t *reply) {
    mouv__cursor_kill_answered(operation, reply, ((exchange_t *)operation)->cursor->limit.close_ms);
}

/** The worker is back as well: what was given up is no longer in the way of killCursors. */
static void cursor_release(mouv__operation_t *operation) {
    mouv_cursor_t *cursor = ((exchange_t *)operation)->cursor;
    if (cursor->state == MOUV__CURSOR_FAILED) cursor_leave(cursor);
    mouv__cursor_let_go(cursor);
}

/* --- Commands ------------------------------------------------------------------------------- */

static mouv__operation_t *cursor_new_exchange(mouv_cursor_t *cursor,
                                              const mouv__operation_row_t *row,
                                              mouv_future_t *failed) {
    mouv__operation_t *operation = mouv__operation_new(cursor->client, row, cursor->database->name,
                                                       sizeof(exchange_t), failed);
    if (!operation) return NULL;
    ((exchange_t *)operation)->cursor = cursor;
    mouv__cursor_hold(cursor);
    mouv__session_attach(cursor->session, operation);
    operation->finish = cursor_finish;
    operation->late = cursor_late;
    operation->release = cursor_release;
    return operation;
}

static mouv_future_t cursor_send_first(mouv_cursor_t *cursor, int64_t deadline_ns) {
    mouv_future_t failed;
    mouv__operation_t *operation = cursor_new_exchange(cursor, &cursor->row->operation, &failed);
    if (!operation) return failed;
    operation->command = cursor->command;
    operation->read_prefs = cursor->read_prefs;
    operation->defaults = mouv__concern_ref(cursor->defaults);
    operation->server_id = cursor->server_id;
    cursor->command = NULL;
    cursor->read_prefs = NULL;
    if (cursor->error) {
        return mouv__operation_refuse(operation, cursor->error->code, "%s", cursor->error->message);
    }
    mouv__cursor_timeout_begin(&cursor->limit, operation, deadline_ns, cursor->await_data);
    cursor_move_to(cursor, MOUV__CURSOR_OPEN);
    return mouv__operation_start(operation);
}

static mouv_future_t cursor_send_get_more(mouv_cursor_t *cursor) {
    static const mouv__operation_row_t get_more = {"getMore", 0}, poll = {"getMore", MOUV__OP_POLL};
    mouv_future_t failed;
    mouv__operation_t *operation =
        cursor_new_exchange(cursor, mouv__cursor_polls(cursor) ? &poll : &get_more, &failed);
    if (!operation) return failed;
    bson_t *command = operation->command = bson_new();
    bson_append_int64(command, "getMore", -1, cursor->id);
    BSON_APPEND_UTF8(command, "collection", cursor->collection);
    if (cursor->batch_size > 0) bson_append_int64(command, "batchSize", -1, cursor->batch_size);
    if (cursor->poll_ms > 0) bson_append_int64(command, "maxTimeMS", -1, cursor->poll_ms);
    if (cursor->comment) bson_concat(command, cursor->comment);
    operation->pin = cursor->pin;
    mouv__cursor_timeout_go_on(&cursor->limit, operation);
    return mouv__operation_start(operation);
}

/** `late`: a worker still has what has failed, cursor_release() is still to come. */
static void cursor_fail(mouv_cursor_t *cursor, const mouv_error_t *error, bool late) {
    if (cursor->state >= MOUV__CURSOR_FAILED) return;
    /* What the server itself ended with an error it has closed. */
    if (error->code == MOUV_ESERVER) cursor->id = 0;
    if (!late) cursor_leave(cursor);
    if (!cursor->error) cursor->error = mouv__alloc(sizeof *cursor->error);
    if (cursor->error) *cursor->error = *error;
    cursor_move_to(cursor, MOUV__CURSOR_FAILED);
}

static void cursor_on_arrived(mouv__ready_t *ready) {
    mouv_cursor_t *cursor = (mouv_cursor_t *)((char *)ready - offsetof(mouv_cursor_t, arrived));
    mouv__future_t *running = cursor->running;
    mouv_error_t error;
    cursor->running = NULL;
    mouv__cursor_hold(cursor); /* the operation's own reference may be the last */
    bool late = ((mouv__operation_t *)running)->state == MOUV__OP_LATE;
    if (mouv__future_take(running, &error) < 0) cursor_fail(cursor, &error, late);
    mouv__future_let_go(running);
    if (cursor->fetch) mouv__fetch_wake(cursor->fetch);
    mouv__cursor_let_go(cursor);
}

static void cursor_on_done(mouv__future_listener_t *listener, mouv__future_t *future) {
    mouv_cursor_t *cursor = (mouv_cursor_t *)((char *)listener - offsetof(mouv_cursor_t, arrival));
    mouv__runtime_ready(future->runtime, &cursor->arrived);
}

static void cursor_send_next(mouv_cursor_t *cursor, int64_t deadline_ns) {
    mouv_future_t handle = cursor->state == MOUV__CURSOR_FRESH
                               ? cursor_send_first(cursor, deadline_ns)
                               : cursor_send_get_more(cursor);
    mouv_error_t error;
    mouv__future_t *future = mouv__future_consume_pending(handle, &error);
    if (!future) {
        cursor_fail(cursor, &error, false);
        return;
    }
    cursor->running = future;
    cursor->arrival.done = cursor_on_done;
    cursor->arrived.run = cursor_on_arrived;
    mouv__future_listen(future, &cursor->arrival);
}

/** How long the next getMore may wait, into `poll_ms`; false: there is no time left to wait. */
static bool cursor_plan_poll(mouv_cursor_t *cursor, int64_t deadline_ns) {
    int64_t most_ms = cursor->max_await_ms;
    cursor->poll_ms = most_ms > 0 ? most_ms : 0;
    cursor->poll_end_ns = 0;
    if (deadline_ns == MOUV__NEVER || cursor->state != MOUV__CURSOR_OPEN) return true;
    bool timeout = cursor->limit.timeout.ms > 0; /* is not sent; what was asked for is */
    int64_t left_ms = mouv__limits_time_for_server_ms(cursor->client, deadline_ns);
    if (!timeout) left_ms -= POLL_MARGIN_MS;
    if (timeout && most_ms <= 0) return left_ms > 0;
    if (most_ms <= 0) most_ms = POLL_DEFAULT_MS;
    cursor->poll_ms = left_ms < most_ms ? left_ms : most_ms;
    if (!timeout)
        cursor->poll_end_ns =
            mouv__deadline_in(mouv__client_runtime(cursor->client), cursor->poll_ms);
    return left_ms > 0;
}

bool mouv__cursor_poll_ends(const mouv_cursor_t *cursor, int64_t deadline_ns) {
    return cursor->running && cursor->poll_end_ns > 0 && cursor->poll_end_ns <= deadline_ns;
}

void mouv__cursor_shorten(mouv_cursor_t *cursor, int64_t deadline_ns) {
    if (!cursor->running) return;
    if (mouv__cursor_poll_ends(cursor, deadline_ns) && deadline_ns != MOUV__NEVER)
        deadline_ns += POLL_LATE_NS;
    mouv__future_shorten(cursor->running, deadline_ns);
}

void mouv__cursor_need(mouv_cursor_t *cursor, int64_t deadline_ns) {
    if (!mouv__cursor_polls(cursor)) { /* a fetch of one that does has its limit as a whole */
        int64_t own_ns = mouv__cursor_timeout_wait_ns(&cursor->limit, cursor->client);
        if (own_ns < deadline_ns) deadline_ns = own_ns;
    }
    if (!cursor->running && cursor->state <= MOUV__CURSOR_OPEN) {
        if (mouv__cursor_polls(cursor) && !cursor_plan_poll(cursor, deadline_ns)) return;
        cursor_send_next(cursor, deadline_ns);
    }
    mouv__cursor_shorten(cursor, deadline_ns);
}

bool mouv__cursor_turn(mouv_cursor_t *cursor) {
    bson_iter_t next;
    if (!cursor->ahead) return false;
    bson_destroy(cursor->batch);
    cursor->batch = cursor->ahead;
    cursor->ahead = NULL;
    cursor->polled = mouv__bson_view_find(cursor->batch, "cursor.nextBatch", &next);
    cursor->at_hand =
        mouv__cursor_batch(cursor->batch, &cursor->documents) && bson_iter_next(&cursor->documents);
    if (cursor->state == MOUV__CURSOR_OPEN && !cursor->running && cursor->prefetch &&
        !cursor->tailable && !cursor->session) {
        cursor_send_next(cursor, MOUV__NEVER);
    }
    return true;
}

/* --- Beginning and end ---------------------------------------------------------------------- */

static bson_t *cursor_comment_of(const mouv__opts_t *opts) {
    bson_iter_t iter;
    if (!opts->given || !bson_iter_init_find(&iter, opts->given, "comment")) return NULL;
    bson_t *comment = bson_new();
    bson_append_iter(comment, "comment", -1, &iter);
    return comment;
}

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

static void cursor_keep_error(mouv_cursor_t *cursor, const mouv_error_t *error) {
    cursor->error = mouv__alloc(sizeof *cursor->error);
    if (cursor->error) *cursor->error = *error;
}

mouv_cursor_t *mouv__cursor_new(mouv__command_t *command) {
    mouv_cursor_t *cursor = aligned_alloc(_Alignof(mouv_cursor_t), sizeof *cursor);
    if (!cursor) {
        mouv__command_clear(command);
        return &out_of_memory;
    }
    memset(cursor, 0, sizeof *cursor);
    cursor_append_cursor(command);
    mouv__command_end(command);
    mouv__cursor_timeout_init(&cursor->limit, command);
    cursor->references = 1;
    cursor->row = command->row;
    cursor->command = command->bson;
    cursor->read_prefs = command->read_prefs;
    cursor->defaults = mouv__concern_ref(command->defaults);
    cursor->database = command->database;
    cursor->tailable = command->opts.tailable;
    cursor->await_data = command->opts.await_data;
    cursor->batch_size = command->opts.batch_size;
    cursor->max_await_ms = command->opts.max_await_ms;
    cursor->prefetch = command->opts.prefetch;
    cursor->server_id = command->server_id;
    if (mouv__command_failed(command)) {
        cursor_keep_error(cursor, &command->error);
        if (!cursor->database) cursor->state = MOUV__CURSOR_FAILED;
    } else {
        cursor->comment = cursor_comment_of(&command->opts);
        cursor->session = command->session;
        if (cursor->session) mouv__session_hold(cursor->session);
    }
    if (cursor->database) cursor->client = mouv__client_keep_open(cursor->database->client);
    return cursor;
}

mouv_cursor_t *mouv__cursor_empty_if_missing(mouv_cursor_t *cursor) {
    if (cursor != &out_of_memory) cursor->empty_if_missing = true;
    return cursor;
}

bool mouv_cursor_alive(const mouv_cursor_t *cursor) {
    if (!cursor || cursor->state == MOUV__CURSOR_CLOSED) return false;
    return cursor->state <= MOUV__CURSOR_OPEN || cursor->at_hand || cursor->ahead;
}

mouv_cursor_t *mouv__cursor_within_scope(mouv_cursor_t *cursor) {
    if (cursor != &out_of_memory) cursor->limit.within = true;
    return cursor;
}

static bool cursor_is_foreign(const mouv_cursor_t *cursor) {
    return cursor->client && mouv__client_is_foreign(cursor->client, "mouv_cursor_close");
}

void mouv_cursor_close(mouv_cursor_t *cursor) {
    if (!cursor || cursor == &out_of_memory || cursor->state == MOUV__CURSOR_CLOSED) return;
    if (cursor_is_foreign(cursor)) return;
    cursor_drop_batches(cursor);
    if (cursor->state == MOUV__CURSOR_FAILED) return;
    cursor_leave(cursor);
    cursor_move_to(cursor, MOUV__CURSOR_CLOSED);
    if (cursor->running) mouv__future_cancel(cursor->running);
    if (cursor->fetch) mouv__fetch_wake(cursor->fetch);
}

void mouv_cursor_close_within(mouv_cursor_t *cursor, int64_t timeout_ms) {
    if (!cursor || cursor == &out_of_memory || cursor->state >= MOUV__CURSOR_FAILED) return;
    cursor->limit.close_ms = timeout_ms;
    mouv_cursor_close(cursor);
}

mouv_cursor_t *mouv_cursor_unref(mouv_cursor_t *cursor) {
    if (!cursor || cursor == &out_of_memory || cursor_is_foreign(cursor)) return NULL;
    mouv_cursor_close(cursor);
    mouv__cursor_let_go(cursor);
    return NULL;
}

void mouv_cursor_drop(mouv_cursor_t **cursor) {
    *cursor = mouv_cursor_unref(*cursor);
}

/* --- aggregate ------------------------------------------------------------------------------ */

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

const mouv__row_t *mouv__aggregate_row(const bson_t *pipeline) {
    static const mouv__row_t read = {{"aggregate", MOUV__READ}, MOUV__FAMILY_CURSOR, NULL};
    static const mouv__row_t write = {
        {"aggregate", MOUV__ADMIN | MOUV__OP_READ_CONCERN | MOUV__OP_READ_PREFERENCE},
        MOUV__FAMILY_CURSOR,
        NULL};
    return cursor_writes(pipeline) ? &write : &read;
}
