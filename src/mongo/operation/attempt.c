/*
 * Attempts.
 */
#include "mongo/operation/attempt.h"

#include <stddef.h>

#include "context/alloc.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/concern.h"
#include "mongo/operation/limits.h"
#include "mongo/operation/state.h"
#include "mongo/session/session.h"

/* Secondaries from this wire version on (5.0) have the primary write what an aggregate yields. */
#define WIRE_VERSION_WRITING_AGGREGATE 13

/* --- where ------------------------------------------------------------------------------------ */

static bool attempt_needs_primary(const mouv__operation_t *op) {
    if (!mouv__is_write(op)) return false;
    if (op->parts.row->flags & MOUV__OP_GIVEN) return !op->parts.read_prefs;
    return !(op->parts.row->flags & MOUV__OP_READ_PREFERENCE) ||
           !mouv__topology_speaks(op->operations->pool->topology, WIRE_VERSION_WRITING_AGGREGATE);
}

/* What says where it goes: the cursor's, else the transaction's; or NULL. */
static const mouv__pin_t *attempt_pin(const mouv__operation_t *op) {
    if (op->parts.pin) return op->parts.pin;
    return op->parts.session ? mouv__session_bound(&op->parts) : NULL;
}

mouv__connection_t *mouv__attempt_kept_connection(const mouv__operation_t *op) {
    const mouv__pin_t *pin = attempt_pin(op);
    return pin ? mouv__pin_connection(pin) : NULL;
}

mouv__criteria_t mouv__attempt_criteria(const mouv__operation_t *op) {
    mouv__criteria_t criteria = {.write = attempt_needs_primary(op)};
    const mouv__pin_t *pin = attempt_pin(op);
    criteria.server_id = pin ? mouv__pin_server_id(pin) : op->server_id;
    if (criteria.write) return criteria;
    criteria.read_prefs = op->parts.read_prefs;
    if (!criteria.read_prefs && (op->parts.row->flags & MOUV__OP_READ_PREFERENCE))
        criteria.read_prefs = mouv__concern_read_prefs(op->parts.defaults,
                                                       mouv__client_ref_of(op->client)->read_prefs);
    return criteria;
}

/* --- what ------------------------------------------------------------------------------------- */

static void attempt_append_default(bson_t *beside, const mouv__operation_t *op, uint32_t flag,
                                   const bson_t *value, const char *name) {
    bson_t concern;
    if (mouv__bson_view_inside(value, name, &concern) && bson_empty(&concern))
        return; /* the server's */
    if (!(op->parts.row->flags & flag) || !value || bson_has_field(op->parts.command, name)) return;
    if (op->parts.has_timeout && flag == MOUV__OP_WRITE_CONCERN)
        mouv__concern_append_untimed(beside, value);
    else
        bson_concat(beside, value);
}

/* Whatever goes beside the command, worked out once for every transport. */
static void attempt_build(mouv__operation_t *op) {
    mouv__attempt_t *attempt = &op->attempt;
    const mouv__client_ref_t *ref = mouv__client_ref_of(op->client);
    if (attempt->beside)
        bson_reinit(attempt->beside);
    else
        attempt->beside = bson_new();
    bson_t *beside = attempt->beside;
    if (attempt->max_time_ms > 0) BSON_APPEND_INT32(beside, "maxTimeMS", attempt->max_time_ms);
    if (op->parts.txn_number > 0) BSON_APPEND_INT64(beside, "txnNumber", op->parts.txn_number);
    if (op->parts.fields) {
        bson_concat(beside, op->parts.fields);
        return;
    }
    attempt_append_default(beside, op, MOUV__OP_READ_CONCERN,
                           mouv__concern_read(op->parts.defaults, ref->read_concern),
                           "readConcern");
    attempt_append_default(beside, op, MOUV__OP_WRITE_CONCERN,
                           mouv__concern_write(op->parts.defaults, ref->write_concern),
                           "writeConcern");
}

/* --- memory ----------------------------------------------------------------------------------- */

static void attempt_free_memory(mouv__operation_t *op) {
    bson_destroy(op->parts.command);
    if (op->parts.sequence) mouv__sequence_free(op->parts.sequence);
    bson_destroy(op->attempt.exchange.reply);
    bson_destroy(op->parts.fields);
    bson_destroy(op->attempt.beside);
    bson_destroy(op->parts.cluster_time);
    mongoc_read_prefs_destroy(op->parts.read_prefs);
    mouv__concern_unref(op->parts.defaults);
    mouv__free(op);
}

void mouv__attempt_unref_memory(mouv__operation_t *op) {
    if (__atomic_sub_fetch(&op->memory, 1, __ATOMIC_ACQ_REL) == 0) attempt_free_memory(op);
}

static void attempt_discard(mouv__exchange_t *exchange) {
    mouv__attempt_unref_memory(mouv__container_of(exchange, mouv__operation_t, attempt.exchange));
}

/* --- there and back --------------------------------------------------------------------------- */

mouv__server_session_t *mouv__attempt_pinned_session(const mouv__operation_t *op) {
    if (op->parts.pin) return mouv__pin_session(op->parts.pin);
    mouv__server_session_t *pinned =
        op->parts.session ? mouv__session_pinned(op->parts.session, NULL) : NULL;
    return pinned ? pinned : op->attempt.exchange.session;
}

/* A transaction is bound to the mongos, or to the connection through a load balancer, on which it
 * begins. */
static mouv__session_place_t attempt_place(const mouv__operation_t *op,
                                           mouv__connection_t *connection) {
    const mouv__topology_t *topology = op->operations->pool->topology;
    bool balanced = mouv__topology_is_balanced(topology);
    return (mouv__session_place_t){.server_session = op->attempt.exchange.session,
                                   .server_id = op->checkout.server_id,
                                   .connection = balanced ? connection : NULL,
                                   .binds = balanced || mouv__topology_is_sharded(topology)};
}

/* Clean-up whose session is none that is pinned uses one of its control connection. */
static int attempt_take_session(mouv__operation_t *op, mouv__connection_t *connection) {
    mouv__exchange_t *exchange = &op->attempt.exchange;
    exchange->session = mouv__attempt_pinned_session(op);
    if (!exchange->session)
        exchange->session = mouv__server_session_take(
            mouv__transport_sessions(op->operations->pool->transport, connection),
            mouv__operation_now_ns(op));
    if (!exchange->session) return MOUV_ENOMEM;
    if (!op->parts.session) return 0;
    mouv__session_place_t place = attempt_place(op, connection);
    return mouv__session_apply_to(&op->parts, &place, op->retries > 0);
}

void mouv__attempt_drop_session(mouv__operation_t *op) {
    mouv__server_session_t *session = op->attempt.exchange.session;
    if (session) mouv__server_session_give_back(session, mouv__operation_now_ns(op));
    op->attempt.exchange.session = NULL;
}

/* How many are in progress on its server, for those that choose between servers. */
static void attempt_count(const mouv__operation_t *op, int by) {
    mouv__server_t *server = mouv__operation_server(op);
    if (server && (by > 0 || server->operations > 0)) server->operations += (uint32_t)by;
}

int mouv__attempt_begin(mouv__operation_t *op, mouv__connection_t *connection,
                        void (*done)(mouv__exchange_t *exchange)) {
    mouv__attempt_t *attempt = &op->attempt;
    mouv__exchange_t *exchange = &attempt->exchange;
    mouv__transport_t *transport = op->operations->pool->transport;
    bool control = connection == NULL;
    if (control) connection = transport->ops->control_connection(transport, MOUV__CONTROL_CLEANUP);
    int rc = connection ? attempt_take_session(op, connection) : MOUV_ENOMEM;
    if (rc < 0) return rc;
    attempt_build(op);
    mouv__exchange_init(exchange);
    exchange->connection = connection;
    exchange->server_id = op->checkout.server_id;
    exchange->call_id = exchange->operation_id = op->number;
    exchange->database = op->database;
    exchange->command = op->parts.command;
    exchange->sequence = op->parts.sequence;
    exchange->fields = attempt->beside;
    exchange->read_prefs = op->checkout.criteria.read_prefs;
    exchange->cluster_time = op->parts.cluster_time;
    exchange->unacknowledged = (op->parts.row->flags & MOUV__OP_WRITE_CONCERN) &&
                               mouv__session_is_unacknowledged(&op->parts, op->client);
    exchange->needs_session = op->parts.session != NULL;
    exchange->quiet = op->inquiry != NULL;
    exchange->expected_code = mouv__session_expected_code(&op->parts);
    exchange->done = done;
    exchange->discard = attempt_discard;
    __atomic_add_fetch(&op->memory, 1, __ATOMIC_RELAXED);
    attempt_count(op, 1);
    exchange->session->out++;
    rc = control ? transport->ops->control(transport, MOUV__CONTROL_CLEANUP, exchange)
                 : transport->ops->send(transport, exchange);
    if (rc < 0) mouv__attempt_end(op, false);
    return rc;
}

void mouv__attempt_end(mouv__operation_t *op, bool keep_session) {
    if (op->attempt.exchange.session) op->attempt.exchange.session->out--;
    if (!keep_session) mouv__attempt_drop_session(op);
    attempt_count(op, -1);
    op->attempt.exchange.connection = NULL;
    mouv__attempt_unref_memory(op); /* never the last: the future has its own */
}

void mouv__attempt_abandon(mouv__operation_t *op) {
    op->operations->pool->transport->ops->abandon(&op->attempt.exchange);
}
