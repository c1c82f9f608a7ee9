/*
 * How a command goes out on a worker: libmongoc gets the command, and beside it as its `opts` what
 * the loop has worked out (exchange->fields), the server's number and the session. The worker has
 * the exchange and its connection alone until it comes back by mail.
 */
#include "mongo/transport/threads/exchange.h"

#include <stddef.h>

#include <uv.h>

#include "mongo/base/client_ref.h"
#include "mongo/topology/events_apm.h"
#include "mongo/transport/threads/driver_client.h"

static mouv__exchange_t *exchange_of(mouv__job_t *job) {
    return (mouv__exchange_t *)((char *)job - offsetof(mouv__exchange_t, threads.job));
}

/* --- on the worker --------------------------------------------------------------------------- */

static bool exchange_append_session(const mouv__exchange_t *exchange, bson_t *opts,
                                    bson_error_t *error) {
    mongoc_client_session_t *handle = exchange->session->handle;
    if (exchange->unacknowledged) return true;
    if (!handle && exchange->needs_session)
        bson_set_error(error, MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_SESSION_FAILURE,
                       "the server does not support sessions");
    if (!handle) return !exchange->needs_session; /* others go without */
    if (exchange->cluster_time)
        mongoc_client_session_advance_cluster_time(handle, exchange->cluster_time);
    return mongoc_client_session_append(handle, opts, error);
}

static bool exchange_build_opts(mouv__exchange_t *exchange, bson_t *opts) {
    BSON_APPEND_INT32(opts, "serverId", (int32_t)exchange->server_id);
    if (exchange->fields) bson_concat(opts, exchange->fields);
    return exchange_append_session(exchange, opts, &exchange->error);
}

static bool exchange_enter_sent(mouv__exchange_t *exchange) {
    int expected = MOUV__EXCHANGE_PREPARING;
    return __atomic_compare_exchange_n(&exchange->stage, &expected, MOUV__EXCHANGE_SENT, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/*
 * Moves a reply that libmongoc has written into a bson_t on the stack into one on the heap, without
 * copying the bytes. bson_steal() brings the flag "this struct is not malloc's" along, which would
 * leak it later; what that flag is, two fresh documents tell.
 */
static bson_t *exchange_move_to_heap(bson_t *reply) {
    static const bson_t on_stack = BSON_INITIALIZER;
    bson_t *heap = bson_new();
    uint32_t not_malloced = on_stack.flags & ~heap->flags;
    bson_steal(heap, reply);
    heap->flags &= ~not_malloced;
    return heap;
}

/* libmongoc waits for no answer only where its opts say w: 0. */
static bson_t *exchange_move_write_concern(const mouv__exchange_t *exchange, bson_t *opts) {
    bson_iter_t concern;
    if (!exchange->unacknowledged ||
        !bson_iter_init_find(&concern, exchange->command, "writeConcern"))
        return NULL;
    bson_append_iter(opts, NULL, -1, &concern);
    bson_t *command = bson_new();
    bson_copy_to_excluding_noinit(exchange->command, command, "writeConcern", NULL);
    return command;
}

/* What libmongoc has written: nothing, an answer, or what is none. (An unacknowledged write has no
 * answer, and libmongoc an empty document for it.) */
static void exchange_take_reply(mouv__exchange_t *exchange, bson_t *reply, uint64_t began_ns) {
    if (exchange->unacknowledged && exchange->ok && bson_empty(reply))
        BSON_APPEND_INT32(reply, "ok", 1);
    if (bson_has_field(reply, "ok")) {
        if (!exchange->unacknowledged) exchange->took_ns = (int64_t)(uv_hrtime() - began_ns);
        exchange->reply = exchange_move_to_heap(reply);
        return;
    }
    if (exchange->ok && !bson_empty(reply)) {
        exchange->ok = false;
        bson_set_error(&exchange->error, MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_INVALID_REPLY,
                       "the server's answer is not valid: it has no field 'ok'");
    }
    bson_destroy(reply);
}

static void exchange_call(mouv__exchange_t *exchange, bson_t *opts) {
    mouv__driver_client_t *client = mouv__driver_client_of(exchange->connection);
    mouv__driver_pool_t *driver_pool = exchange->threads.driver_pool;
    mouv__events_t *events = exchange->quiet ? NULL : mouv__listener_events(driver_pool->listener);
    bson_t *without = exchange_move_write_concern(exchange, opts);
    const bson_t *command = without ? without : exchange->command;
    bson_t reply;
    uint64_t began_ns = uv_hrtime();
    if (events)
        mouv__events_apm_enter(events, exchange->operation_id, exchange->database,
                               exchange->command, exchange->expected_code);
    mouv__driver_client_begin(client, driver_pool, exchange->call_id, exchange->limit_ms);
    if (exchange->session)
        exchange->ok =
            mongoc_client_command_with_opts(client->client, exchange->database, command,
                                            exchange->read_prefs, opts, &reply, &exchange->error);
    else /* which has no session of libmongoc's either */
        exchange->ok = mongoc_client_command_simple_with_server_id(
            client->client, exchange->database, command, exchange->read_prefs, exchange->server_id,
            &reply, &exchange->error);
    exchange->cut = mouv__driver_client_end(client, exchange->ok);
    exchange->reached = mouv__interruptible_was_sent(client->interruptible);
    if (events) mouv__events_apm_leave();
    if (!exchange->ok) mouv__interruptible_explain(client->interruptible, &exchange->error);
    bson_destroy(without);
    exchange_take_reply(exchange, &reply, began_ns);
}

static bool exchange_prepare(mouv__exchange_t *exchange, bson_t *opts) {
    mouv__driver_client_t *client = mouv__driver_client_of(exchange->connection);
    return mouv__driver_client_open(client, exchange->threads.driver_pool, &exchange->error) &&
           (!exchange->session ||
            (mouv__driver_client_begin_session(client, exchange->session, &exchange->error) &&
             exchange_build_opts(exchange, opts)));
}

/* A connection that was cut between two calls shows only now: libmongoc drops it, dials anew. */
static bool exchange_meets_stale(const mouv__exchange_t *exchange) {
    return exchange->sets_up && !exchange->ok &&
           mouv__interruptible_was_stale(
               mouv__driver_client_of(exchange->connection)->interruptible);
}

static void exchange_run(mouv__job_t *job) {
    mouv__exchange_t *exchange = exchange_of(job);
    if (__atomic_load_n(&exchange->stage, __ATOMIC_ACQUIRE) == MOUV__EXCHANGE_WITHDRAWN) return;
    bson_t opts = BSON_INITIALIZER;
    if (exchange_prepare(exchange, &opts) && exchange_enter_sent(exchange)) {
        exchange_call(exchange, &opts);
        if (exchange_meets_stale(exchange)) exchange_call(exchange, &opts);
    }
    bson_destroy(&opts);
}

/* --- there and back -------------------------------------------------------------------------- */

static void exchange_done(mouv__job_t *job) {
    mouv__exchange_t *exchange = exchange_of(job);
    mouv_client_t *client = exchange->transport->client;
    mouv__client_hold(client);
    mouv__driver_pool_unref(exchange->threads.driver_pool);
    exchange->threads.driver_pool = NULL;
    if (exchange->control >= 0) {
        exchange->transport->controls[exchange->control].busy = false;
        mouv__connection_move(exchange->connection, MOUV__CONNECTION_IDLE);
    }
    exchange->done(exchange);
    mouv__client_quiet(client);
    mouv__client_let_go(client);
}

/* The loop has gone, or has left it behind: what the worker had goes here. */
static void exchange_discard(mouv__job_t *job) {
    mouv__exchange_t *exchange = exchange_of(job);
    mouv__driver_pool_t *driver_pool = exchange->threads.driver_pool;
    mouv__driver_client_free(mouv__driver_client_of(exchange->connection), driver_pool);
    mouv__driver_pool_unref(driver_pool);
    exchange->discard(exchange);
}

int mouv__exchange_submit(mouv__exchange_t *exchange, mouv__executor_t *executor,
                          mouv__driver_pool_t *driver_pool) {
    exchange->threads.job =
        (mouv__job_t){.run = exchange_run, .done = exchange_done, .discard = exchange_discard};
    exchange->threads.driver_pool = mouv__driver_pool_ref(driver_pool);
    int rc = executor->submit(executor, &exchange->threads.job);
    if (rc < 0) {
        mouv__driver_pool_unref(driver_pool);
        exchange->threads.driver_pool = NULL;
    }
    return rc;
}

void mouv__exchange_abandon(mouv__exchange_t *exchange) {
    exchange->threads.job.done = exchange_discard;
}
