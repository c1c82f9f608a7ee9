/*
 * The worker's side of an operation, and the hand-over to and from it. The worker reads the
 * operation's command, database and read preference, and owns `attempt` while it is out.
 */
#include "mongo/operation/attempt.h"

#include <assert.h>
#include <stddef.h>

#include <uv.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/base/concern.h"
#include "mongo/base/timeout.h"
#include "mongo/operation/limits.h"
#include "mongo/operation/state.h"
#include "mongo/pool/establish.h"
#include "mongo/session/session.h"
#include "mongo/topology/events.h"

#define MS_NS INT64_C(1000000)

/* How often a retry asks libmongoc for another server than the one that failed. */
#define OTHER_SERVER_TRIES 5

static mouv__operation_t *attempt_operation_of(mouv__job_t *job) {
    return (mouv__operation_t *)((char *)job - offsetof(mouv__operation_t, attempt.job));
}

/* --- on the worker --------------------------------------------------------------------------- */

static const mongoc_read_prefs_t *attempt_read_prefs_of(const mouv__operation_t *op) {
    if (op->attempt.primary) return NULL;
    if (op->read_prefs) return op->read_prefs;
    if (!(op->row->flags & MOUV__OP_READ_PREFERENCE)) return NULL;
    return mouv__concern_read_prefs(op->defaults, op->attempt.driver_pool->read_prefs);
}

static bool attempt_select_server(mouv__operation_t *op) {
    mouv__attempt_t *attempt = &op->attempt;
    for (int tries = 0; tries < OTHER_SERVER_TRIES; tries++) {
        mongoc_server_description_t *server =
            mongoc_client_select_server(attempt->connection->client, attempt->primary,
                                        attempt_read_prefs_of(op), &attempt->error);
        if (!server) return false;
        attempt->server_id = mongoc_server_description_id(server);
        mongoc_server_description_destroy(server);
        if (attempt->server_id != attempt->avoid_id) break;
    }
    return true;
}

static void attempt_append_default(bson_t *opts, const mouv__operation_t *op, uint32_t flag,
                                   const bson_t *value, const char *name) {
    if (!(op->row->flags & flag) || !value || bson_has_field(op->command, name)) return;
    if (op->has_timeout && flag == MOUV__OP_WRITE_CONCERN)
        mouv__concern_append_untimed(opts, value);
    else
        bson_concat(opts, value);
}

static bool attempt_append_session(const mouv__operation_t *op, bson_t *opts, bson_error_t *error) {
    const mouv__attempt_t *attempt = &op->attempt;
    mongoc_client_session_t *handle = attempt->session->handle;
    if (attempt->unacknowledged) return true;
    if (!handle && op->user_session)
        bson_set_error(error, MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_SESSION_FAILURE,
                       "the server does not support sessions");
    if (!handle) return !op->user_session; /* other operations go without */
    if (attempt->cluster_time)
        mongoc_client_session_advance_cluster_time(handle, attempt->cluster_time);
    return mongoc_client_session_append(handle, opts, error);
}

static bool attempt_build_opts(const mouv__operation_t *op, bson_t *opts, bson_error_t *error) {
    const mouv__attempt_t *attempt = &op->attempt;
    const mouv__driver_pool_t *driver_pool = attempt->driver_pool;
    BSON_APPEND_INT32(opts, "serverId", (int32_t)attempt->server_id);
    if (attempt->max_time_ms > 0) BSON_APPEND_INT32(opts, "maxTimeMS", attempt->max_time_ms);
    if (attempt->txn_number > 0) BSON_APPEND_INT64(opts, "txnNumber", attempt->txn_number);
    if (attempt->fields) {
        bson_concat(opts, attempt->fields);
    } else {
        attempt_append_default(opts, op, MOUV__OP_READ_CONCERN,
                               mouv__concern_read(op->defaults, driver_pool->read_concern),
                               "readConcern");
        attempt_append_default(opts, op, MOUV__OP_WRITE_CONCERN,
                               mouv__concern_write(op->defaults, driver_pool->write_concern),
                               "writeConcern");
    }
    return attempt_append_session(op, opts, error);
}

static bool attempt_prepare(mouv__operation_t *op, bson_t *opts) {
    mouv__attempt_t *attempt = &op->attempt;
    return mouv__connection_open(attempt->connection, attempt->driver_pool, &attempt->error) &&
           mouv__server_session_begin(attempt->session, &attempt->error) &&
           (attempt->server_id != 0 || attempt_select_server(op)) &&
           attempt_build_opts(op, opts, &attempt->error);
}

static bool attempt_enter_sent(mouv__attempt_t *attempt) {
    int expected = MOUV__STAGE_PREPARING;
    return __atomic_compare_exchange_n(&attempt->stage, &expected, MOUV__STAGE_SENT, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/*
 * Moves a reply that libmongoc has written into a bson_t on the stack into one on the heap, without
 * copying the bytes. bson_steal() brings the flag "this struct is not malloc's" along, which would
 * leak it later; what that flag is, two fresh documents tell.
 */
static bson_t *attempt_move_to_heap(bson_t *reply) {
    static const bson_t on_stack = BSON_INITIALIZER;
    bson_t *heap = bson_new();
    uint32_t not_malloced = on_stack.flags & ~heap->flags;
    bson_steal(heap, reply);
    heap->flags &= ~not_malloced;
    return heap;
}

/* libmongoc waits for no answer only where its opts say w: 0. */
static bson_t *attempt_move_write_concern(const mouv__operation_t *op, bson_t *opts) {
    bson_iter_t concern;
    if (!op->attempt.unacknowledged || !bson_iter_init_find(&concern, op->command, "writeConcern"))
        return NULL;
    bson_append_iter(opts, NULL, -1, &concern);
    bson_t *command = bson_new();
    bson_copy_to_excluding_noinit(op->command, command, "writeConcern", NULL);
    return command;
}

/* Valid BSON, but no answer to a command. (An unacknowledged write has none, and libmongoc an empty
 * document for it.) */
static void attempt_refuse_answer(mouv__attempt_t *attempt) {
    attempt->ok = false;
    bson_set_error(&attempt->error, MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_INVALID_REPLY,
                   "the server's answer is not valid: it has no field 'ok'");
}

static void attempt_send_command(mouv__operation_t *op, bson_t *opts) {
    mouv__attempt_t *attempt = &op->attempt;
    bson_t *without = attempt_move_write_concern(op, opts);
    mouv__events_t *events =
        attempt->is_question ? NULL : mouv__listener_events(attempt->driver_pool->listener);
    bson_t reply;
    uint64_t began = uv_hrtime();
    mouv__events_enter(events, op->number, op->database, op->command);
    mouv__connection_begin(attempt->connection, attempt->driver_pool, op->number,
                           attempt->limit_ms);
    attempt->ok = mongoc_client_command_with_opts(
        attempt->connection->client, op->database, without ? without : op->command,
        attempt_read_prefs_of(op), opts, &reply, &attempt->error);
    attempt->cut = mouv__connection_end(attempt->connection, attempt->ok);
    attempt->reached = mouv__interruptible_was_sent(attempt->connection->interruptible);
    mouv__events_leave(events);
    if (!attempt->ok)
        mouv__interruptible_explain(attempt->connection->interruptible, &attempt->error);
    bson_destroy(without);
    if (attempt->unacknowledged && attempt->ok && bson_empty(&reply))
        BSON_APPEND_INT32(&reply, "ok", 1);
    if (bson_has_field(&reply, "ok")) {
        if (!attempt->unacknowledged)
            mouv__driver_pool_note_rtt(attempt->driver_pool, (int64_t)(uv_hrtime() - began));
        attempt->reply = attempt_move_to_heap(&reply);
    } else {
        if (attempt->ok && !bson_empty(&reply)) attempt_refuse_answer(attempt);
        bson_destroy(&reply);
    }
}

static void attempt_run(mouv__job_t *job) {
    mouv__operation_t *op = attempt_operation_of(job);
    mouv__attempt_t *attempt = &op->attempt;
    if (__atomic_load_n(&attempt->stage, __ATOMIC_ACQUIRE) == MOUV__STAGE_STOPPED) return;
    bson_t opts = BSON_INITIALIZER;
    if (attempt_prepare(op, &opts) && attempt_enter_sent(attempt)) attempt_send_command(op, &opts);
    bson_destroy(&opts);
}

/* --- limits ---------------------------------------------------------------------------------- */

static int32_t attempt_lesser(int32_t a, int64_t b) {
    return a > 0 && a < b ? a : b > INT32_MAX ? INT32_MAX : (int32_t)b;
}

static bool attempt_set_max_time(mouv__operation_t *op) {
    bool sent = op->own_limit || (op->row->flags & MOUV__OP_MAX_TIME);
    int64_t limit_ns = op->own_limit ? op->limit_ns : op->deadline_ns;
    op->attempt.max_time_ms = op->user_max_time_ms;
    if (op->deadline_ns != MOUV__NEVER &&
        mouv__limits_time_for_server_ms(op->client, op->deadline_ns) < 1)
        return false;
    if (sent && limit_ns != MOUV__NEVER)
        op->attempt.max_time_ms = attempt_lesser(
            op->user_max_time_ms, mouv__limits_time_for_server_ms(op->client, limit_ns));
    return true;
}

/* Clean-up without a deadline must not wait for a silent server for minutes. */
#define CLEANUP_LIMIT_MS 5000

/* How long after its deadline a kill may bring an operation back before its socket gives up. */
#define LATE_LIMIT_MS 250

/* ... where mouv's own streams bring it back; this is for when the client has gone before that. */
#define LEFT_BEHIND_MS 300000

/* What one wait for the server may take; timeoutMS takes the place of socketTimeoutMS. */
static int32_t attempt_wait_limit_ms(const mouv__operation_t *op) {
    bool own_streams = op->client->driver_pool->own_streams;
    if (op->deadline_ns == MOUV__NEVER)
        return mouv__is_cleanup(op) ? CLEANUP_LIMIT_MS : op->has_timeout ? -1 : 0;
    if (own_streams && !op->has_timeout) return 0;
    int64_t left_ms = (op->deadline_ns - mouv__client_now_ns(op->client)) / MS_NS;
    return attempt_lesser(op->has_timeout ? 0 : op->client->driver_pool->socket_timeout_ms,
                          left_ms + (own_streams ? LEFT_BEHIND_MS : LATE_LIMIT_MS));
}

bool mouv__attempt_set_limits(mouv__operation_t *op) {
    op->attempt.limit_ms = attempt_wait_limit_ms(op);
    return attempt_set_max_time(op);
}

/* --- hand-over ------------------------------------------------------------------------------- */

static void attempt_free_memory(mouv__operation_t *op) {
    bson_destroy(op->command);
    bson_destroy(op->attempt.reply);
    bson_destroy(op->attempt.fields);
    bson_destroy(op->attempt.cluster_time);
    mongoc_read_prefs_destroy(op->read_prefs);
    mouv__concern_unref(op->defaults);
    mouv__free(op);
}

void mouv__operation_unref_memory(mouv__operation_t *op) {
    if (__atomic_sub_fetch(&op->memory, 1, __ATOMIC_ACQ_REL) == 0) attempt_free_memory(op);
}

/* The loop has gone, or has left the attempt behind: what it had is freed here. */
static void attempt_discard(mouv__job_t *job) {
    mouv__operation_t *op = attempt_operation_of(job);
    mouv__driver_pool_t *driver_pool = op->attempt.driver_pool;
    mouv__connection_free(op->attempt.connection, driver_pool);
    mouv__driver_pool_unref(driver_pool);
    mouv__operation_unref_memory(op);
}

mouv__server_session_t *mouv__pinned_session(const mouv__operation_t *op) {
    if (op->pin) return mouv__pin_session(op->pin);
    mouv__server_session_t *pinned =
        op->user_session ? mouv__session_pinned(op->user_session, NULL) : NULL;
    return pinned ? pinned : op->attempt.session;
}

static int attempt_take_session(mouv__operation_t *op, mouv__connection_t *connection) {
    mouv__attempt_t *attempt = &op->attempt;
    attempt->session = mouv__pinned_session(op);
    if (!attempt->session)
        attempt->session = mouv__server_session_take(connection, mouv__client_now_ns(op->client));
    if (!attempt->session) return MOUV_ENOMEM;
    return op->user_session ? mouv__session_apply_to(op, attempt->session) : 0;
}

int mouv__attempt_begin(mouv__operation_t *op, mouv__connection_t *connection,
                        mouv__executor_t *executor) {
    mouv__attempt_t *attempt = &op->attempt;
    int rc = attempt_take_session(op, connection);
    if (rc < 0) return rc;
    attempt->job =
        (mouv__job_t){.run = attempt_run, .done = mouv__operation_back, .discard = attempt_discard};
    attempt->connection = connection;
    attempt->driver_pool = mouv__driver_pool_ref(op->client->driver_pool);
    attempt->unacknowledged = mouv__operation_is_unacknowledged(op);
    attempt->primary = mouv__operation_criteria(op).write;
    attempt->is_question = op->inquiry != NULL;
    attempt->ok = attempt->cut = attempt->reached = false;
    attempt->error = (bson_error_t){0};
    __atomic_store_n(&attempt->stage, MOUV__STAGE_PREPARING, __ATOMIC_RELAXED);
    __atomic_add_fetch(&op->memory, 1, __ATOMIC_RELAXED);
    connection->busy = true;
    rc = executor->submit(executor, &attempt->job);
    if (rc < 0) {
        mouv__attempt_end(op, false);
        connection->busy = false;
    }
    return rc;
}

bool mouv__attempt_stop(mouv__operation_t *op) {
    int expected = MOUV__STAGE_PREPARING;
    return __atomic_compare_exchange_n(&op->attempt.stage, &expected, MOUV__STAGE_STOPPED, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
           expected == MOUV__STAGE_STOPPED;
}

bool mouv__attempt_is_sent(const mouv__operation_t *op) {
    return __atomic_load_n(&op->attempt.stage, __ATOMIC_ACQUIRE) == MOUV__STAGE_SENT;
}

mouv__connection_t *mouv__attempt_end(mouv__operation_t *op, bool keep_session) {
    mouv__attempt_t *attempt = &op->attempt;
    mouv__connection_t *connection = attempt->connection;
    if (!keep_session && attempt->session) {
        mouv__server_session_give_back(attempt->session, mouv__client_now_ns(op->client));
        attempt->session = NULL;
    }
    attempt->connection = NULL;
    mouv__driver_pool_unref(attempt->driver_pool);
    attempt->driver_pool = NULL;
    mouv__operation_unref_memory(op); /* never the last: the future has its own */
    return connection;
}

void mouv__attempt_abandon(mouv__operation_t *op) {
    op->attempt.job.done = attempt_discard;
}
