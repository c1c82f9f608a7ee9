/*
 * What a change stream says to the server, and how it goes on when its cursor has gone: as
 * MongoDB's change streams specification says.
 */
#include "mongo/cursor/change_stream.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/concern.h"
#include "mongo/command/reply.h"
#include "mongo/cursor/cursor.h"
#include "mongo/session/session.h"

/* Without an answer in between. */
#define RESUMES_MAX 5

/* Servers from this wire version on (4.0) know startAtOperationTime. */
#define WIRE_VERSION_START_AT 7

#define DEFAULT_AWAIT_MS 1000

#define CODE_CURSOR_NOT_FOUND 43

/** One command of a stream. */
typedef struct exchange {
    mouv__operation_t operation;
    mouv_change_stream_t *stream; /**< counted */
} exchange_t;

/** What constructors give when there is no memory for more. Never freed, never written. */
static mouv_change_stream_t out_of_memory = {.state = MOUV__STREAM_FAILED, .references = 1};

/* --- States ---------------------------------------------------------------------------------- */

#define TO(state) (1u << MOUV__STREAM_##state)

static const unsigned transitions[] = {
    [MOUV__STREAM_FRESH] = TO(OPEN) | TO(ENDED) | TO(FAILED) | TO(CLOSED),
    [MOUV__STREAM_OPEN] = TO(LOST) | TO(ENDED) | TO(FAILED) | TO(CLOSED),
    [MOUV__STREAM_LOST] = TO(OPEN) | TO(ENDED) | TO(FAILED) | TO(CLOSED),
    [MOUV__STREAM_ENDED] = TO(FAILED) | TO(CLOSED),
    [MOUV__STREAM_FAILED] = 0,
    [MOUV__STREAM_CLOSED] = 0,
};

static void change_stream_move_to(mouv_change_stream_t *stream, mouv__stream_state_t state) {
    assert(transitions[stream->state] & (1u << state));
    stream->state = (uint8_t)state;
}

static bool change_stream_is_final(const mouv_change_stream_t *stream) {
    return transitions[stream->state] == 0;
}

static void change_stream_drop_batch(mouv_change_stream_t *stream) {
    bson_destroy(stream->batch);
    stream->batch = NULL;
    stream->at_hand = false;
}

static void change_stream_kill_lost(mouv_change_stream_t *stream) {
    if (stream->lost_id != 0) {
        mouv__cursor_kill(stream->client, stream->database->name, stream->lost_id,
                          stream->lost_server_id, stream->collection, stream->timeout.ms);
    }
    stream->lost_id = 0;
}

/** Gives the cursor up, with its client; change_stream_kill_lost() is still to come. */
static void change_stream_forget_cursor(mouv_change_stream_t *stream) {
    if (stream->id != 0) {
        change_stream_kill_lost(stream);
        stream->lost_id = stream->id;
        stream->lost_server_id = mouv__pin_server_id(stream->pin);
    }
    stream->id = 0;
    mouv__pin_free(stream->pin);
    stream->pin = NULL;
}

/** The server may forget its cursor. */
static void change_stream_leave_cursor(mouv_change_stream_t *stream) {
    change_stream_forget_cursor(stream);
    change_stream_kill_lost(stream);
}

/** The server may be out of reach just now: the old cursor is killed when there is a new one. */
static void change_stream_lose(mouv_change_stream_t *stream) {
    if (stream->state != MOUV__STREAM_OPEN) return;
    change_stream_forget_cursor(stream);
    change_stream_move_to(stream, MOUV__STREAM_LOST);
}

static void change_stream_fail(mouv_change_stream_t *stream, const mouv_error_t *error) {
    if (change_stream_is_final(stream)) return;
    change_stream_leave_cursor(stream);
    if (!stream->error) stream->error = mouv__alloc(sizeof *stream->error);
    if (stream->error) *stream->error = *error;
    change_stream_move_to(stream, MOUV__STREAM_FAILED);
}

/* --- References ------------------------------------------------------------------------------ */

void mouv__stream_hold(mouv_change_stream_t *stream) {
    if (stream != &out_of_memory) stream->references++;
}

void mouv__stream_let_go(mouv_change_stream_t *stream) {
    if (stream == &out_of_memory || --stream->references > 0) return;
    change_stream_leave_cursor(stream);
    change_stream_drop_batch(stream);
    if (stream->session) mouv__session_let_go(stream->session);
    bson_destroy(stream->command);
    bson_destroy(stream->stage);
    bson_destroy(stream->start);
    bson_destroy(stream->token);
    mongoc_read_prefs_destroy(stream->read_prefs);
    mouv__concern_unref(stream->defaults);
    bson_free(stream->collection);
    mouv__free(stream->error);
    mouv__client_may_close(stream->client);
    free(stream);
}

/* --- Where to go on -------------------------------------------------------------------------- */

static void change_stream_set_token(mouv_change_stream_t *stream, const bson_iter_t *field) {
    bson_t view;
    if (!mouv__bson_view_of(field, &view)) return;
    bson_destroy(stream->token);
    stream->token = bson_copy(&view);
}

/** The batch has been read to its end: the server may know a later place than its last event's. */
static bool change_stream_set_token_after_batch(mouv_change_stream_t *stream) {
    bson_iter_t field;
    if (!mouv__bson_view_find(stream->batch, "cursor.postBatchResumeToken", &field)) return false;
    change_stream_set_token(stream, &field);
    return true;
}

bool mouv__stream_take(mouv_change_stream_t *stream) {
    const uint8_t *data;
    uint32_t length;
    bson_iter_t id;
    mouv_error_t error;
    if (!stream->at_hand || !BSON_ITER_HOLDS_DOCUMENT(&stream->documents)) return false;
    bson_iter_document(&stream->documents, &length, &data);
    if (!data || !bson_init_static(&stream->view, data, length)) return false;
    if (!bson_iter_init_find(&id, &stream->view, "_id") || !BSON_ITER_HOLDS_DOCUMENT(&id)) {
        change_stream_drop_batch(stream);
        mouv_error_set(&error, MOUV_EINVAL,
                       "an event without its resume token: the pipeline must keep '_id' as it is");
        change_stream_fail(stream, &error);
        return false;
    }
    stream->at_hand = bson_iter_next(&stream->documents);
    if (stream->at_hand || !change_stream_set_token_after_batch(stream))
        change_stream_set_token(stream, &id);
    stream->returned = true;
    return true;
}

/** The first answer, without events and tokens: the stream can only go on from its time. */
static void change_stream_note_operation_time(mouv_change_stream_t *stream,
                                              const mouv__operation_t *operation) {
    bson_iter_t time;
    if (!bson_empty(stream->start)) return;
    if (mouv__operation_wire_version(operation) < WIRE_VERSION_START_AT) return;
    if (!bson_iter_init_find(&time, stream->batch, "operationTime")) return;
    bson_append_iter(stream->start, "startAtOperationTime", -1, &time);
}

/* --- Replies --------------------------------------------------------------------------------- */

/** What servers before 4.4 mean by an error that a stream survives. */
static bool change_stream_is_old_resumable(int32_t code) {
    static const int32_t codes[] = {6,   7,    63,    89,    91,    133,   150,   189,  234,
                                    262, 9001, 10107, 11600, 11602, 13388, 13435, 13436};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i] == code) return true;
    return false;
}

static bool change_stream_is_resumable(const mouv__operation_t *operation,
                                       const mouv_error_t *error) {
    if (!operation->pin) return false; /* an aggregate, which is retried like other reads */
    if (error->code == MOUV_ENETWORK || error->code == MOUV_ESELECTION) return true;
    bool out_of_time = error->code == MOUV_ETIMEDOUT && !operation->expired; /* the server's word */
    if (error->code != MOUV_ESERVER && !out_of_time) return false;
    if (error->server_code == CODE_CURSOR_NOT_FOUND) return true;
    if (mouv__operation_wire_version(operation) < MOUV__WIRE_VERSION_LABELS)
        return change_stream_is_old_resumable(error->server_code);
    return mouv_error_has_label(error, "ResumableChangeStreamError");
}

/** The aggregate's answer: a cursor to keep. */
static int change_stream_open_cursor(mouv_change_stream_t *stream, mouv__operation_t *operation,
                                     const bson_t *reply, mouv_error_t *error) {
    change_stream_kill_lost(stream);
    if (mouv__bson_view_number(reply, "cursor.id") == 0) return 0;
    stream->pin = mouv__pin_for_polls(operation);
    if (!stream->pin) {
        mouv__cursor_kill_answered(operation, reply, stream->timeout.ms);
        return mouv__operation_fail(operation, error, MOUV_ENOMEM, "out of memory");
    }
    bson_free(stream->collection);
    stream->collection = bson_strdup(mouv__cursor_collection(reply));
    return 0;
}

static void change_stream_take_batch(mouv_change_stream_t *stream, mouv__operation_t *operation) {
    change_stream_drop_batch(stream);
    stream->batch = mouv__reply_take(operation);
    stream->at_hand =
        mouv__cursor_batch(stream->batch, &stream->documents) && bson_iter_next(&stream->documents);
    if (!stream->at_hand && !change_stream_set_token_after_batch(stream) && !operation->pin)
        change_stream_note_operation_time(stream, operation);
}

static int change_stream_finish(mouv__operation_t *operation, bson_t *reply, mouv_error_t *error) {
    mouv_change_stream_t *stream = ((exchange_t *)operation)->stream;
    bson_iter_t documents;
    stream->resumable = false;
    if (error->code < 0) {
        stream->resumable = change_stream_is_resumable(operation, error);
        return error->code;
    }
    if (!mouv__cursor_batch(reply, &documents))
        return mouv__operation_fail(operation, error, MOUV_ESERVER, "the reply has no batch");
    if (!operation->pin && change_stream_open_cursor(stream, operation, reply, error) < 0)
        return error->code;
    stream->id = mouv__bson_view_number(reply, "cursor.id");
    if (change_stream_is_final(stream)) {
        change_stream_leave_cursor(stream); /* closed meanwhile */
        return 0;
    }
    if (operation->pin) stream->resumes = 0;
    change_stream_take_batch(stream, operation);
    if (stream->id == 0) {
        change_stream_leave_cursor(stream);
        change_stream_move_to(stream, MOUV__STREAM_ENDED);
    } else if (stream->state != MOUV__STREAM_OPEN) {
        change_stream_move_to(stream, MOUV__STREAM_OPEN);
    }
    return operation->pin ? 1 : 0;
}

/** It was given up, and then answered after all. */
static void change_stream_late(mouv__operation_t *operation, bson_t *reply) {
    const mouv_change_stream_t *stream = ((exchange_t *)operation)->stream;
    mouv__cursor_kill_answered(operation, reply, stream->timeout.ms);
}

static void change_stream_release(mouv__operation_t *operation) {
    mouv__stream_let_go(((exchange_t *)operation)->stream);
}

/* --- Commands -------------------------------------------------------------------------------- */

static mouv__operation_t *change_stream_new_exchange(mouv_change_stream_t *stream,
                                                     const mouv__operation_row_t *row,
                                                     mouv_future_t *failed) {
    mouv__operation_t *operation = mouv__operation_new(stream->client, row, stream->database->name,
                                                       sizeof(exchange_t), failed);
    if (!operation) return NULL;
    ((exchange_t *)operation)->stream = stream;
    mouv__stream_hold(stream);
    mouv__session_attach(stream->session, operation);
    operation->finish = change_stream_finish;
    operation->late = change_stream_late;
    operation->release = change_stream_release;
    operation->has_timeout = stream->timeout.ms != MOUV__TIMEOUT_UNSET;
    return operation;
}

/** {$changeStream: {...}} */
static void change_stream_append_stage(const mouv_change_stream_t *stream, bson_t *pipeline) {
    bson_t outer, stage;
    bool first = stream->state == MOUV__STREAM_FRESH;
    bson_append_document_begin(pipeline, "0", -1, &outer);
    bson_append_document_begin(&outer, "$changeStream", -1, &stage);
    if (stream->whole_deployment) bson_append_bool(&stage, "allChangesForCluster", -1, true);
    bson_concat(&stage, stream->stage);
    if (first || !stream->token) {
        bson_concat(&stage, stream->start);
    } else {
        bool after = !stream->returned && bson_has_field(stream->start, "startAfter");
        bson_append_document(&stage, after ? "startAfter" : "resumeAfter", -1, stream->token);
    }
    bson_append_document_end(&outer, &stage);
    bson_append_document_end(pipeline, &outer);
}

static void change_stream_append_pipeline(const mouv_change_stream_t *stream, bson_t *command) {
    bson_t pipeline;
    bson_iter_t iter, stages;
    uint32_t count = 0;
    char text[16];
    const char *key;
    mouv__append_array_begin(command, "pipeline", &pipeline);
    change_stream_append_stage(stream, &pipeline);
    if (bson_iter_init_find(&iter, stream->command, "pipeline") &&
        bson_iter_recurse(&iter, &stages)) {
        while (bson_iter_next(&stages)) {
            bson_uint32_to_string(++count, &key, text, sizeof text);
            bson_append_iter(&pipeline, key, -1, &stages);
        }
    }
    bson_append_array_end(command, &pipeline);
}

static bson_t *change_stream_make_aggregate(const mouv_change_stream_t *stream) {
    bson_t *command = bson_new(), cursor;
    bson_copy_to_excluding_noinit(stream->command, command, "pipeline", NULL);
    change_stream_append_pipeline(stream, command);
    bson_append_document_begin(command, "cursor", -1, &cursor);
    if (stream->batch_size >= 0) bson_append_int64(&cursor, "batchSize", -1, stream->batch_size);
    bson_append_document_end(command, &cursor);
    return command;
}

/* Without MOUV__OP_MAX_TIME: the cursor outlives the deadline. What timeoutMS says is sent. */
static const mouv__row_t aggregate = {{"aggregate", MOUV__OP_RETRYABLE | MOUV__OP_READ_PREFERENCE |
                                                        MOUV__OP_READ_CONCERN | MOUV__OP_POLL},
                                      MOUV__FAMILY_CURSOR | MOUV__FAMILY_STREAM,
                                      NULL};

static mouv_future_t change_stream_send_aggregate(mouv_change_stream_t *stream, int64_t limit_ns) {
    mouv_future_t failed;
    mouv__operation_t *operation =
        change_stream_new_exchange(stream, &aggregate.operation, &failed);
    if (!operation) return failed;
    operation->command = change_stream_make_aggregate(stream);
    operation->own_limit = operation->has_timeout;
    operation->limit_ns = limit_ns;
    operation->read_prefs = stream->read_prefs ? mongoc_read_prefs_copy(stream->read_prefs) : NULL;
    operation->defaults = mouv__concern_ref(stream->defaults);
    if (stream->error)
        return mouv__operation_refuse(operation, stream->error->code, "%s", stream->error->message);
    return mouv__operation_start(operation);
}

static mouv_future_t change_stream_send_get_more(mouv_change_stream_t *stream, int64_t wait_ms) {
    static const mouv__operation_row_t get_more = {"getMore", MOUV__OP_POLL};
    mouv_future_t failed;
    bson_iter_t comment;
    mouv__operation_t *operation = change_stream_new_exchange(stream, &get_more, &failed);
    if (!operation) return failed;
    bson_t *command = operation->command = bson_new();
    bson_append_int64(command, "getMore", -1, stream->id);
    BSON_APPEND_UTF8(command, "collection", stream->collection);
    if (stream->batch_size > 0) bson_append_int64(command, "batchSize", -1, stream->batch_size);
    if (stream->await_given || stream->timeout.ms <= 0)
        bson_append_int64(command, "maxTimeMS", -1, wait_ms);
    if (bson_iter_init_find(&comment, stream->command, "comment"))
        bson_append_iter(command, "comment", -1, &comment);
    operation->pin = stream->pin;
    return mouv__operation_start(operation);
}

/** These leave the stream as it was, though its cursor may have been killed on the server. */
static bool change_stream_is_pause(int code) {
    return code == MOUV_ETIMEDOUT || code == MOUV_ECANCELED || code == MOUV_EQUEUE;
}

static void change_stream_on_failure(mouv_change_stream_t *stream, const mouv_error_t *error) {
    if (change_stream_is_final(stream)) return; /* closed meanwhile: a later fetch is told so */
    if (stream->resumable && stream->state == MOUV__STREAM_OPEN && stream->resumes < RESUMES_MAX) {
        stream->resumes++;
        if (error->server_code == CODE_CURSOR_NOT_FOUND) stream->id = 0;
        change_stream_lose(stream);
        return;
    }
    if (!change_stream_is_pause(error->code))
        change_stream_fail(stream, error);
    else if (error->code != MOUV_EQUEUE)
        change_stream_lose(stream);
    if (stream->fetch) mouv__change_fetch_fail(stream->fetch, error);
}

static void change_stream_on_arrived(mouv__ready_t *ready) {
    mouv_change_stream_t *stream =
        (mouv_change_stream_t *)((char *)ready - offsetof(mouv_change_stream_t, arrived));
    mouv__future_t *running = stream->running;
    mouv_error_t error;
    stream->running = NULL;
    mouv__stream_hold(stream); /* the operation's own reference may be the last */
    int rc = mouv__future_take(running, &error);
    if (rc < 0) change_stream_on_failure(stream, &error);
    mouv__future_let_go(running);
    if (stream->fetch) mouv__change_fetch_wake(stream->fetch, rc > 0);
    mouv__stream_let_go(stream);
}

static void change_stream_on_done(mouv__future_listener_t *listener, mouv__future_t *future) {
    mouv_change_stream_t *stream =
        (mouv_change_stream_t *)((char *)listener - offsetof(mouv_change_stream_t, arrival));
    mouv__runtime_ready(future->runtime, &stream->arrived);
}

void mouv__stream_send(mouv_change_stream_t *stream, int64_t wait_ms, int64_t deadline_ns,
                       int64_t limit_ns) {
    if (wait_ms > stream->max_await_ms) wait_ms = stream->max_await_ms;
    stream->resumable = false;
    mouv_future_t handle = stream->state == MOUV__STREAM_OPEN
                               ? change_stream_send_get_more(stream, wait_ms > 0 ? wait_ms : 1)
                               : change_stream_send_aggregate(stream, limit_ns);
    mouv_error_t error;
    mouv__future_t *future = mouv__future_consume_pending(handle, &error);
    if (!future) {
        change_stream_on_failure(stream, &error);
        return;
    }
    stream->running = future;
    stream->arrival.done = change_stream_on_done;
    stream->arrived.run = change_stream_on_arrived;
    mouv__future_listen(future, &stream->arrival);
    mouv__future_shorten(future, deadline_ns);
}

/* --- Beginning and end ----------------------------------------------------------------------- */

static void change_stream_read_start(mouv_change_stream_t *stream, const mouv__opts_t *opts) {
    bson_iter_t field;
    mouv__opts_append(opts, MOUV__PLACE_STAGE, stream->stage);
    mouv__opts_append(opts, MOUV__PLACE_START, stream->start);
    if (bson_iter_init_find(&field, stream->start, "startAfter") ||
        bson_iter_init_find(&field, stream->start, "resumeAfter"))
        change_stream_set_token(stream, &field);
}

static void change_stream_read_timeout(mouv_change_stream_t *stream, mouv__command_t *command) {
    stream->timeout = mouv__command_timeout(command);
    if (command->opts.timeout_mode.data)
        mouv__command_fail(command, MOUV_EINVAL,
                           "option 'timeoutMode': a change stream has iteration alone");
    mouv__command_check_await(command, stream->timeout);
}

/** Consumes the command. */
static mouv_change_stream_t *change_stream_stream_new(mouv__command_t *command,
                                                      const bson_t *pipeline) {
    static const bson_t no_stages = BSON_INITIALIZER;
    mouv_change_stream_t *stream = aligned_alloc(_Alignof(mouv_change_stream_t), sizeof *stream);
    if (!stream) {
        mouv__command_clear(command);
        return &out_of_memory;
    }
    memset(stream, 0, sizeof *stream);
    mouv__command_pipeline(command, pipeline ? pipeline : &no_stages);
    mouv__command_end(command);
    change_stream_read_timeout(stream, command);
    stream->references = 1;
    stream->command = command->bson;
    stream->read_prefs = command->read_prefs;
    stream->defaults = mouv__concern_ref(command->defaults);
    stream->database = command->database;
    stream->batch_size = command->opts.batch_size;
    stream->max_await_ms =
        command->opts.max_await_ms >= 0 ? command->opts.max_await_ms : DEFAULT_AWAIT_MS;
    stream->await_given = command->opts.max_await_ms >= 0;
    stream->stage = bson_new();
    stream->start = bson_new();
    if (mouv__command_failed(command)) {
        stream->error = mouv__alloc(sizeof *stream->error);
        if (stream->error) *stream->error = command->error;
        if (!stream->database) change_stream_move_to(stream, MOUV__STREAM_FAILED);
    } else {
        change_stream_read_start(stream, &command->opts);
        stream->session = command->session;
        if (stream->session) mouv__session_hold(stream->session);
    }
    if (stream->database) stream->client = mouv__client_keep_open(stream->database->client);
    return stream;
}

mouv_change_stream_t *mouv_collection_watch(mouv_collection_t *collection, const bson_t *pipeline,
                                            const bson_t *opts) {
    mouv__command_t command;
    mouv__command_begin(&command, &aggregate, collection, opts);
    return change_stream_stream_new(&command, pipeline);
}

mouv_change_stream_t *mouv_database_watch(mouv_database_t *database, const bson_t *pipeline,
                                          const bson_t *opts) {
    mouv__command_t command;
    mouv__command_begin_database(&command, &aggregate, database, opts);
    return change_stream_stream_new(&command, pipeline);
}

mouv_change_stream_t *mouv_client_watch(mouv_client_t *client, const bson_t *pipeline,
                                        const bson_t *opts) {
    mouv_change_stream_t *stream = mouv_database_watch(
        client ? mouv_client_get_database(client, "admin") : NULL, pipeline, opts);
    if (stream != &out_of_memory) stream->whole_deployment = true;
    return stream;
}

static bool change_stream_is_foreign(const mouv_change_stream_t *stream) {
    return stream->client && mouv__client_is_foreign(stream->client, "mouv_change_stream_close");
}

void mouv_change_stream_close(mouv_change_stream_t *stream) {
    mouv_error_t error;
    if (!stream || change_stream_is_final(stream) || change_stream_is_foreign(stream)) return;
    change_stream_drop_batch(stream);
    change_stream_leave_cursor(stream);
    change_stream_move_to(stream, MOUV__STREAM_CLOSED);
    if (stream->running) mouv__future_cancel(stream->running);
    mouv_error_set(&error, MOUV_ECLOSED, "the change stream has been closed");
    if (stream->fetch) mouv__change_fetch_fail(stream->fetch, &error);
}

mouv_change_stream_t *mouv_change_stream_unref(mouv_change_stream_t *stream) {
    if (!stream || stream == &out_of_memory || change_stream_is_foreign(stream)) return NULL;
    mouv_change_stream_close(stream);
    mouv__stream_let_go(stream);
    return NULL;
}

void mouv_change_stream_drop(mouv_change_stream_t **stream) {
    *stream = mouv_change_stream_unref(*stream);
}

bool mouv_change_stream_alive(const mouv_change_stream_t *stream) {
    return stream && stream->state < MOUV__STREAM_ENDED;
}

const bson_t *mouv_change_stream_resume_token(const mouv_change_stream_t *stream) {
    return stream ? stream->token : NULL;
}
