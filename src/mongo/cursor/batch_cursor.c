/*
 * What a cursor says to the server and what becomes of the answers.
 */
#include "mongo/cursor/batch_cursor.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "context/alloc.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/concern.h"
#include "mongo/operation/limits.h"
#include "mongo/session/session.h"

/** One command of a cursor. */
typedef struct batch_operation {
    mouv__operation_t operation;
    mouv__batch_cursor_t *cursor; /**< counted */
} batch_operation_t;

/* --- States ---------------------------------------------------------------------------------- */

#define TO(state) (1u << MOUV__CURSOR_##state)

static const unsigned transitions[MOUV__CURSOR_STATES] = {
    [MOUV__CURSOR_FRESH] = TO(OPEN) | TO(ENDED) | TO(FAILED) | TO(CLOSED),
    [MOUV__CURSOR_OPEN] = TO(LOST) | TO(ENDED) | TO(FAILED) | TO(CLOSED),
    [MOUV__CURSOR_LOST] = TO(OPEN) | TO(ENDED) | TO(FAILED) | TO(CLOSED),
    [MOUV__CURSOR_ENDED] = TO(FAILED) | TO(CLOSED),
};

void mouv__batch_cursor_move(mouv__batch_cursor_t *cursor, mouv__batch_cursor_state_t state) {
    assert(transitions[cursor->state] & (1u << state));
    cursor->state = (uint8_t)state;
}

/* --- killCursors ----------------------------------------------------------------------------- */

/** What killCursors is about. */
typedef struct batch_target {
    mouv_client_t *client;
    const char *database, *collection;
    int64_t id;
    uint32_t server_id;
    mouv__pin_t *pin; /**< that keeps its connection; or NULL */
    int64_t timeout_ms;
} batch_target_t;

static void batch_cursor_kill(const batch_target_t *target) {
    static const mouv__operation_row_t row = {"killCursors", MOUV__OP_CLEANUP};
    mouv_future_t failed;
    mouv__operation_t *operation =
        mouv__operation_new(target->client, &row, target->database, NULL, 0, &failed);
    if (!operation) { /* the client has closed, and its sessions with it */
        mouv_future_result(failed, NULL);
        mouv_future_unref(failed);
        return;
    }
    bson_t ids;
    operation->parts.command = bson_new();
    BSON_APPEND_UTF8(operation->parts.command, "killCursors", target->collection);
    mouv__append_array_begin(operation->parts.command, "cursors", &ids);
    bson_append_int64(&ids, "0", -1, target->id);
    bson_append_array_end(operation->parts.command, &ids);
    operation->server_id = target->server_id;
    operation->parts.pin = target->pin;
    mouv__limits_set_cleanup_timeout(operation, target->timeout_ms);
    mouv__operation_start_detached(operation);
}

void mouv__batch_cursor_kill(const mouv__batch_cursor_t *cursor, int64_t id, uint32_t server_id) {
    batch_cursor_kill(&(batch_target_t){.client = cursor->client,
                                        .database = cursor->database->name,
                                        .collection = cursor->collection,
                                        .id = id,
                                        .server_id = server_id,
                                        .timeout_ms = cursor->limit.close_ms});
}

/** What killCursors has to go with: only behind a load balancer on the cursor's own connection. */
static mouv__pin_t *batch_cursor_kept(mouv__pin_t *pin) {
    return pin && mouv__pin_connection(pin) ? pin : NULL;
}

/** The same of the cursor that it has: on the connection that is kept for it. The server has ended
 *  it with one that was lost. */
static void batch_cursor_kill_own(const mouv__batch_cursor_t *cursor) {
    if (mouv__pin_is_lost(cursor->pin)) return;
    batch_cursor_kill(&(batch_target_t){.client = cursor->client,
                                        .database = cursor->database->name,
                                        .collection = cursor->collection,
                                        .id = cursor->id,
                                        .server_id = mouv__pin_server_id(cursor->pin),
                                        .pin = batch_cursor_kept(cursor->pin),
                                        .timeout_ms = cursor->limit.close_ms});
}

/** The collection of {cursor: {ns: "database.collection"}}, as getMore wants it. */
static const char *batch_cursor_collection(const bson_t *reply) {
    bson_iter_t field;
    const char *name =
        mouv__bson_view_find(reply, "cursor.ns", &field) ? bson_iter_utf8(&field, NULL) : NULL;
    const char *dot = name ? strchr(name, '.') : NULL;
    return dot ? dot + 1 : "";
}

/** The cursor of a first answer that nobody will read, if it has one: it came after the close, or
 *  when the operation had been given up. That of a getMore is killed by who has it. */
static void batch_cursor_kill_answered(mouv__operation_t *operation, bson_t *reply) {
    int64_t id = mouv__bson_view_number(reply, "cursor.id");
    if (id == 0 || operation->parts.pin) return;
    mouv__operation_keep_connection(operation);
    batch_cursor_kill(
        &(batch_target_t){.client = operation->client,
                          .database = operation->database,
                          .collection = batch_cursor_collection(reply),
                          .id = id,
                          .server_id = operation->checkout.server_id,
                          .pin = batch_cursor_kept(operation->parts.pin),
                          .timeout_ms = ((batch_operation_t *)operation)->cursor->limit.close_ms});
}

void mouv__batch_cursor_forget(mouv__batch_cursor_t *cursor) {
    cursor->id = 0;
    mouv__pin_free(cursor->pin);
    cursor->pin = NULL;
}

bool mouv__batch_cursor_leave_kept(mouv__batch_cursor_t *cursor) {
    if (!mouv__pin_connection(cursor->pin) && !mouv__pin_is_lost(cursor->pin)) return false;
    batch_cursor_kill_own(cursor);
    return true;
}

/** The server may forget it. */
static void batch_cursor_leave(mouv__batch_cursor_t *cursor) {
    if (cursor->id != 0) batch_cursor_kill_own(cursor);
    mouv__batch_cursor_forget(cursor);
}

/* --- Batches --------------------------------------------------------------------------------- */

/** Points `documents` to the first of a reply's batch; false: it has none. */
static bool batch_cursor_find_batch(const bson_t *reply, bson_iter_t *documents) {
    bson_iter_t field;
    return (mouv__bson_view_find(reply, "cursor.firstBatch", &field) ||
            mouv__bson_view_find(reply, "cursor.nextBatch", &field)) &&
           BSON_ITER_HOLDS_ARRAY(&field) && bson_iter_recurse(&field, documents);
}

bool mouv__batch_cursor_turn(mouv__batch_cursor_t *cursor) {
    bson_iter_t next;
    if (!cursor->ahead) return false;
    bson_destroy(cursor->batch);
    cursor->batch = cursor->ahead;
    cursor->ahead = NULL;
    cursor->polled = mouv__bson_view_find(cursor->batch, "cursor.nextBatch", &next);
    cursor->at_hand = batch_cursor_find_batch(cursor->batch, &cursor->documents) &&
                      bson_iter_next(&cursor->documents);
    return true;
}

bool mouv__batch_cursor_take(mouv__batch_cursor_t *cursor) {
    if (!cursor->at_hand || !BSON_ITER_HOLDS_DOCUMENT(&cursor->documents) ||
        !mouv__bson_view_of(&cursor->documents, &cursor->view))
        return false;
    cursor->at_hand = bson_iter_next(&cursor->documents);
    return true;
}

void mouv__batch_cursor_drop(mouv__batch_cursor_t *cursor) {
    bson_destroy(cursor->batch);
    bson_destroy(cursor->ahead);
    cursor->batch = cursor->ahead = NULL;
    cursor->at_hand = false;
}

/* --- Commands -------------------------------------------------------------------------------- */

/** The first answer has brought a cursor: its client, server and session are kept for it. */
static int batch_cursor_keep(mouv__batch_cursor_t *cursor, mouv__operation_t *operation,
                             bson_t *reply) {
    cursor->pin = cursor->polls ? mouv__operation_keep_poll_pin(operation)
                                : mouv__operation_keep_pin(operation);
    if (!cursor->pin) {
        batch_cursor_kill_answered(operation, reply);
        cursor->id = 0;
        return MOUV_ENOMEM;
    }
    bson_free(cursor->collection);
    cursor->collection = bson_strdup(batch_cursor_collection(reply));
    return 0;
}

/** The client closes, so this batch is the last: the next fetch is refused. */
static void batch_cursor_end_last(mouv__batch_cursor_t *cursor, mouv__operation_t *operation,
                                  bson_t *reply) {
    if (cursor->pin)
        batch_cursor_leave(cursor);
    else
        batch_cursor_kill_answered(operation, reply); /* nothing has been kept for it */
    cursor->id = 0;
}

static int batch_cursor_finish(mouv__operation_t *operation, bson_t *reply, mouv_error_t *error) {
    mouv__batch_cursor_t *cursor = ((batch_operation_t *)operation)->cursor;
    bson_iter_t documents;
    mouv__batch_outcome_t outcome = {.more = operation->parts.pin != NULL,
                                     .expired = operation->expired,
                                     .wire_version = mouv__operation_wire_version(operation)};
    if (error->code < 0) return cursor->ops->failed(cursor, &outcome, error);
    if (!batch_cursor_find_batch(reply, &documents))
        return mouv__operation_fail(operation, error, MOUV_ESERVER, "the reply has no batch");
    if (cursor->state >= MOUV__CURSOR_ENDED) {
        batch_cursor_kill_answered(operation, reply); /* closed meanwhile */
        return 0;
    }
    int64_t id = cursor->id = mouv__bson_view_number(reply, "cursor.id");
    if (id != 0 && !mouv__client_is_open(cursor->client))
        batch_cursor_end_last(cursor, operation, reply);
    else if (id != 0 && !cursor->pin && batch_cursor_keep(cursor, operation, reply) < 0)
        return mouv__operation_fail(operation, error, MOUV_ENOMEM, "out of memory");
    if (id == 0) {
        if (cursor->pin) mouv__pin_let_connection_go(cursor->pin); /* before it is back */
        mouv__batch_cursor_forget(cursor);
        mouv__batch_cursor_move(cursor, MOUV__CURSOR_ENDED);
    } else if (cursor->state != MOUV__CURSOR_OPEN) {
        mouv__batch_cursor_move(cursor, MOUV__CURSOR_OPEN);
    }
    cursor->ahead = mouv__reply_take(operation);
    return cursor->ops->answered ? cursor->ops->answered(cursor, &outcome) : 0;
}

/** The worker is back as well: what was given up is no longer in the way of killCursors. */
static void batch_cursor_release(mouv__operation_t *operation) {
    mouv__batch_cursor_t *cursor = ((batch_operation_t *)operation)->cursor;
    if (cursor->state == MOUV__CURSOR_FAILED) batch_cursor_leave(cursor);
    mouv__batch_cursor_let_go(cursor);
}

static mouv__operation_t *batch_cursor_new_operation(mouv__batch_cursor_t *cursor,
                                                     const mouv__operation_row_t *row,
                                                     const bson_t *command, mouv_future_t *failed) {
    mouv__operation_t *operation = mouv__operation_new(cursor->client, row, cursor->database->name,
                                                       command, sizeof(batch_operation_t), failed);
    if (!operation) return NULL;
    ((batch_operation_t *)operation)->cursor = cursor;
    mouv__batch_cursor_hold(cursor);
    if (cursor->session) mouv__session_attach(cursor->session, &operation->parts);
    operation->finish = batch_cursor_finish;
    operation->late = batch_cursor_kill_answered;
    operation->release = batch_cursor_release;
    return operation;
}

mouv__operation_t *mouv__batch_cursor_open(mouv__batch_cursor_t *cursor,
                                           const mouv__operation_row_t *row, bson_t *command,
                                           mongoc_read_prefs_t *read_prefs, mouv_future_t *failed) {
    mouv__operation_t *operation = batch_cursor_new_operation(cursor, row, command, failed);
    if (!operation) {
        bson_destroy(command);
        mongoc_read_prefs_destroy(read_prefs);
        return NULL;
    }
    operation->parts.command = command;
    operation->parts.read_prefs = read_prefs;
    operation->parts.defaults = mouv__concern_ref(cursor->defaults);
    operation->server_id = cursor->server_id;
    if (!cursor->error) return operation;
    *failed = mouv__operation_refuse(operation, cursor->error->code, "%s", cursor->error->message);
    return NULL;
}

mouv_future_t mouv__batch_cursor_get_more(mouv__batch_cursor_t *cursor, int64_t wait_ms) {
    static const mouv__operation_row_t get_more = {"getMore", 0}, poll = {"getMore", MOUV__OP_POLL};
    mouv_future_t failed;
    bson_t *command = bson_new();
    bson_append_int64(command, "getMore", -1, cursor->id);
    BSON_APPEND_UTF8(command, "collection", cursor->collection);
    if (cursor->batch_size > 0) bson_append_int64(command, "batchSize", -1, cursor->batch_size);
    if (wait_ms > 0) bson_append_int64(command, "maxTimeMS", -1, wait_ms);
    if (cursor->comment) bson_concat(command, cursor->comment);
    mouv__operation_t *operation =
        batch_cursor_new_operation(cursor, cursor->polls ? &poll : &get_more, command, &failed);
    if (!operation) {
        bson_destroy(command);
        return failed;
    }
    operation->parts.command = command;
    operation->parts.pin = cursor->pin;
    mouv__cursor_timeout_go_on(&cursor->limit, operation);
    return mouv__operation_start(operation);
}

bool mouv__batch_cursor_is_late(const mouv__batch_cursor_t *cursor) {
    return ((const mouv__operation_t *)cursor->running)->state == MOUV__OP_LATE;
}

/* --- Beginning and end ----------------------------------------------------------------------- */

static bson_t *batch_cursor_comment(const bson_t *opts) {
    bson_iter_t iter;
    if (!opts || !bson_iter_init_find(&iter, opts, "comment")) return NULL;
    bson_t *comment = bson_new();
    bson_append_iter(comment, "comment", -1, &iter);
    return comment;
}

static void batch_cursor_set_error(mouv__batch_cursor_t *cursor, const mouv_error_t *error) {
    if (!cursor->error) cursor->error = mouv__alloc(sizeof *cursor->error);
    if (cursor->error) *cursor->error = *error;
}

/** What runs may bring a last batch, see batch_cursor_finish(); a poll would only wait for one. */
static void batch_cursor_on_client_close(mouv__client_hook_t *hook) {
    mouv__batch_cursor_t *cursor = mouv__container_of(hook, mouv__batch_cursor_t, hook);
    mouv_error_t error;
    bool has_one = cursor->state == MOUV__CURSOR_OPEN || cursor->state == MOUV__CURSOR_LOST;
    bool waits = cursor->polls && cursor->pin;
    if (!has_one || (cursor->running && !waits)) return;
    mouv_error_set(&error, MOUV_ECLOSED, "the client has been closed");
    cursor->ops->closes(cursor, &error);
}

mouv__batch_cursor_t *mouv__batch_cursor_new(mouv__command_t *command, size_t size,
                                             const mouv__batch_cursor_ops_t *ops,
                                             const mouv__fetch_ops_t *fetch_ops) {
    mouv__batch_cursor_t *cursor = aligned_alloc(_Alignof(mouv__batch_cursor_t), size);
    if (!cursor) {
        mouv__command_clear(command);
        return NULL;
    }
    memset(cursor, 0, size);
    mouv__command_end(command);
    mouv__cursor_timeout_init(&cursor->limit, command);
    mouv__operation_write_text(cursor->text, sizeof cursor->text, command->row->operation.name,
                               command->database ? command->database->name : NULL, command->bson);
    cursor->references = 1;
    cursor->ops = ops;
    cursor->fetch_ops = fetch_ops;
    cursor->command = command->bson;
    cursor->read_prefs = command->read_prefs;
    cursor->defaults = mouv__concern_ref(command->defaults);
    cursor->database = command->database;
    cursor->batch_size = command->opts.batch_size;
    cursor->max_await_ms = command->opts.max_await_ms;
    cursor->server_id = command->server_id;
    if (mouv__command_failed(command)) {
        batch_cursor_set_error(cursor, &command->error);
        if (!cursor->database) mouv__batch_cursor_move(cursor, MOUV__CURSOR_FAILED);
    } else {
        cursor->comment = batch_cursor_comment(command->opts.given);
        cursor->session = command->session;
        if (cursor->session) mouv__session_hold(cursor->session);
    }
    if (cursor->database) cursor->client = mouv__client_keep_open(cursor->database->client);
    cursor->hook.closes = batch_cursor_on_client_close;
    if (cursor->client) mouv__client_add_hook(cursor->client, &cursor->hook);
    return cursor;
}

void mouv__batch_cursor_hold(mouv__batch_cursor_t *cursor) {
    if (!cursor->unmade) cursor->references++;
}

void mouv__batch_cursor_let_go(mouv__batch_cursor_t *cursor) {
    if (cursor->unmade || --cursor->references > 0) return;
    if (cursor->ops->clear) cursor->ops->clear(cursor);
    batch_cursor_leave(cursor);
    mouv__batch_cursor_drop(cursor);
    if (cursor->session) mouv__session_let_go(cursor->session);
    bson_destroy(cursor->command);
    bson_destroy(cursor->comment);
    mongoc_read_prefs_destroy(cursor->read_prefs);
    mouv__concern_unref(cursor->defaults);
    bson_free(cursor->collection);
    mouv__free(cursor->error);
    if (cursor->client) mouv__client_remove_hook(cursor->client, &cursor->hook);
    mouv__client_may_close(cursor->client);
    free(cursor);
}

bool mouv__batch_cursor_is_foreign(const mouv__batch_cursor_t *cursor, const char *function) {
    return cursor->client && mouv__client_is_foreign(cursor->client, function);
}

void mouv__batch_cursor_fail(mouv__batch_cursor_t *cursor, const mouv_error_t *error, bool late) {
    if (transitions[cursor->state] == 0) return;
    if (!late) batch_cursor_leave(cursor);
    batch_cursor_set_error(cursor, error);
    mouv__batch_cursor_move(cursor, MOUV__CURSOR_FAILED);
}

void mouv__batch_cursor_give_up(mouv__batch_cursor_t *cursor, const mouv_error_t *error) {
    mouv__batch_cursor_fail(cursor, error, cursor->running != NULL);
    if (cursor->running) mouv__future_cancel(cursor->running);
}

void mouv__batch_cursor_close(mouv__batch_cursor_t *cursor) {
    mouv__batch_cursor_drop(cursor);
    batch_cursor_leave(cursor);
    mouv__batch_cursor_move(cursor, MOUV__CURSOR_CLOSED);
    if (cursor->running) mouv__future_cancel(cursor->running);
}
