/*
 * The transport.
 */
#include "mongo/transport/loop/loop.h"

#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/transport/loop/call.h"
#include "mongo/transport/loop/goodbye.h"
#include "mongo/transport/loop/job.h"
#include "mongo/transport/loop/pack.h"
#include "mongo/transport/workers/worker_threads.h"

/* Workers, started as they are needed: each connects by a factory at a time. Servers that hang then
 * have no more than their share of them, though maxConnecting is large. */
#define WORKERS_MAX MOUV__FACTORIES_MAX
#define CONNECTING_MAX (WORKERS_MAX / 4)

/* Workers that compress and uncompress; more of them than processors would be of no use. */
#define PACKERS_MAX 4

/* Each cut costs a new connection: with TLS its key exchange. */
#define CUT_PRICE_NS INT64_C(500000)
#define TLS_CUT_PRICE_NS INT64_C(4000000)

/* --- connections ------------------------------------------------------------------------------ */

/* Its socket to this server, or NULL. */
static mouv__peer_t *loop_peer(mouv__connection_t *connection, uint32_t server_id) {
    MOUV__LIST_EACH(&mouv__loop_connection_of(connection)->peers, mouv__peer_t, peer, sibling)
        if (peer->server_id == server_id) return peer;
    return NULL;
}

/* An exchange that is under way may end first. */
static void loop_on_dropped(mouv__connection_t *connection, uint32_t server_id) {
    mouv__peer_t *peer = loop_peer(connection, server_id);
    if (!peer) return;
    if (peer->exchange)
        peer->leaves = true;
    else
        mouv__peer_close(peer, false);
}

static mouv__connection_t *loop_connection_new(mouv__transport_t *transport) {
    mouv__loop_connection_t *self = mouv__alloc(sizeof(*self));
    (void)transport;
    if (!self) return NULL;
    mouv__connection_init(&self->connection);
    self->connection.dropped = loop_on_dropped;
    return &self->connection;
}

static int loop_connect(mouv__transport_t *transport, mouv__connection_t *connection,
                        uint32_t server_id, mouv__transport_ended_fn_t ended, void *arg) {
    return mouv__job_connect(mouv__loop_of(transport), mouv__loop_connection_of(connection),
                             server_id, ended, arg)
               ? 0
               : MOUV_ENOMEM;
}

/* Its socket, if there will be one, is closed. */
static mouv__connection_t *loop_orphan(mouv__transport_t *transport, mouv__connection_t *connection,
                                       mouv__transport_ended_fn_t ended, void *arg) {
    MOUV__LIST_EACH(&mouv__loop_of(transport)->background, mouv__background_t, each, link) {
        mouv__connecting_t *connecting = mouv__job_is_connect(each);
        if (!connecting || connecting->connection != mouv__loop_connection_of(connection)) continue;
        connecting->connection = NULL;
        each->ended = ended;
        each->arg = arg;
        return connection;
    }
    return NULL;
}

/* --- exchanges -------------------------------------------------------------------------------- */

static void loop_begin(mouv__loop_t *self, mouv__exchange_t *exchange) {
    mouv__peer_t *peer = loop_peer(exchange->connection, exchange->server_id);
    bson_error_t error;
    if (peer && !peer->exchange) {
        mouv__call_begin(self, peer, exchange);
        return;
    }
    bson_set_error(&error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_NOT_ESTABLISHED,
                   "the server has closed the connection");
    mouv__call_fail(self, exchange, &error, false);
}

static void loop_take(mouv__transport_t *transport, mouv__exchange_t *exchange, int8_t control) {
    exchange->transport = transport;
    exchange->control = control;
    exchange->loop.peer = NULL;
    exchange->loop.connecting = NULL;
    exchange->loop.again = false;
    exchange->loop.lost = false;
}

static int loop_send(mouv__transport_t *transport, mouv__exchange_t *exchange) {
    loop_take(transport, exchange, -1);
    loop_begin(mouv__loop_of(transport), exchange);
    return 0;
}

/* --- control connections ---------------------------------------------------------------------- */

static mouv__connection_t *loop_control_connection(mouv__transport_t *transport,
                                                   mouv__control_kind_t kind) {
    mouv__connection_t **connection = &transport->controls[kind].connection;
    if (!*connection) *connection = loop_connection_new(transport);
    return *connection;
}

static void loop_on_control_connected(void *arg, const mouv_error_t *error) {
    mouv__connecting_t *connecting = arg;
    mouv__exchange_t *exchange = connecting->exchange;
    (void)error;
    if (!exchange) return; /* it was cut; the connection is there for the next one */
    exchange->loop.connecting = NULL;
    if (exchange->stage == MOUV__EXCHANGE_WITHDRAWN)
        mouv__call_fail(connecting->loop, exchange, &(bson_error_t){0}, false);
    else if (connecting->background.ok)
        loop_begin(connecting->loop, exchange);
    else
        mouv__call_fail(connecting->loop, exchange, &connecting->background.error, false);
}

/* One that is under way to the same server may do. */
static mouv__connecting_t *loop_find_connecting(mouv__loop_t *self,
                                                const mouv__exchange_t *exchange) {
    MOUV__LIST_EACH(&self->background, mouv__background_t, each, link) {
        mouv__connecting_t *connecting = mouv__job_is_connect(each);
        if (connecting && !connecting->exchange && connecting->server_id == exchange->server_id &&
            connecting->connection == mouv__loop_connection_of(exchange->connection))
            return connecting;
    }
    return NULL;
}

static int loop_connect_control(mouv__loop_t *self, mouv__exchange_t *exchange) {
    mouv__connecting_t *connecting = loop_find_connecting(self, exchange);
    if (!connecting)
        connecting = mouv__job_connect(self, mouv__loop_connection_of(exchange->connection),
                                       exchange->server_id, loop_on_control_connected, NULL);
    if (!connecting) return MOUV_ENOMEM;
    connecting->is_control = true;
    connecting->exchange = exchange;
    exchange->loop.connecting = connecting;
    return 0;
}

static int loop_control(mouv__transport_t *transport, mouv__control_kind_t kind,
                        mouv__exchange_t *exchange) {
    mouv__loop_t *self = mouv__loop_of(transport);
    mouv__connection_t *connection = loop_control_connection(transport, kind);
    if (!connection) return MOUV_ENOMEM;
    loop_take(transport, exchange, (int8_t)kind);
    exchange->connection = connection;
    bool open = loop_peer(connection, exchange->server_id) != NULL;
    if (!open && loop_connect_control(self, exchange) < 0) return MOUV_ENOMEM;
    mouv__connection_move(connection, MOUV__CONNECTION_IN_USE);
    transport->controls[kind].busy = true;
    if (open) loop_begin(self, exchange);
    return 0;
}

/* Its connection was lost: once more on a new one, which is set up first. */
static bool loop_set_up_again(mouv__loop_t *self, mouv__exchange_t *exchange) {
    if (!exchange->sets_up || exchange->control < 0 || exchange->loop.again) return false;
    exchange->loop.again = true;
    exchange->stage = MOUV__EXCHANGE_PREPARING;
    return loop_connect_control(self, exchange) == 0;
}

/* --- no longer -------------------------------------------------------------------------------- */

static void loop_leave_connecting(mouv__exchange_t *exchange) {
    if (exchange->loop.connecting) exchange->loop.connecting->exchange = NULL;
    exchange->loop.connecting = NULL;
}

static bool loop_cut(mouv__exchange_t *exchange) {
    mouv__loop_t *self = mouv__loop_of(exchange->transport);
    if (exchange->call_id == 0) return false;
    if (exchange->loop.peer && mouv__pack_is_out(exchange->loop.peer)) return false;
    if (exchange->loop.peer) {
        mouv__call_cut(self, exchange);
        return true;
    }
    if (!exchange->loop.connecting) return false;
    loop_leave_connecting(exchange);
    bson_error_t error;
    bson_set_error(&error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT,
                   "the connection was not there in time");
    mouv__call_fail(self, exchange, &error, true);
    return true;
}

static void loop_on_discard(mouv__ready_t *ready) {
    mouv__exchange_t *exchange = mouv__container_of(ready, mouv__exchange_t, loop.ready);
    exchange->discard(exchange);
}

static void loop_abandon(mouv__exchange_t *exchange) {
    mouv__loop_t *self = mouv__loop_of(exchange->transport);
    mouv__peer_t *peer = exchange->loop.peer;
    bool packs = peer && mouv__pack_is_out(peer);
    loop_leave_connecting(exchange);
    if (peer) {
        mouv__patience_end(&self->patience, peer);
        peer->exchange = NULL;
        mouv__peer_close(peer, true);
    }
    if (exchange->control >= 0) {
        self->transport.controls[exchange->control].busy = false;
        mouv__connection_move(exchange->connection, MOUV__CONNECTION_IDLE);
    } else {
        mouv__list_push_back(&self->left, &mouv__loop_connection_of(exchange->connection)->left);
    }
    if (mouv__ready_is_queued(&exchange->loop.ready))
        exchange->loop.ready.run = loop_on_discard;
    else if (!packs) /* else when the worker is back */
        exchange->discard(exchange);
}

/* Connections that were being set up go with the transport. */
static void loop_abandon_jobs(mouv__transport_t *transport) {
    mouv__loop_t *self = mouv__loop_of(transport);
    mouv__goodbye_abandon(self);
    MOUV__LIST_EACH(&self->background, mouv__background_t, each, link) {
        mouv__connecting_t *connecting = mouv__job_is_connect(each);
        if (!connecting) continue;
        if (!connecting->is_control && connecting->connection)
            mouv__list_push_back(&self->left, &connecting->connection->left);
        connecting->connection = NULL;
    }
    mouv__background_abandon_all(&self->background);
}

/* --- begin and end ---------------------------------------------------------------------------- */

static int loop_open(mouv__transport_t *transport, mouv__transport_ended_fn_t ended, void *arg) {
    mouv__loop_t *self = mouv__loop_of(transport);
    if (!self->peers.open && mouv__peers_open(&self->peers, transport->client) < 0)
        return MOUV_ENOMEM;
    return mouv__job_open(self, ended, arg);
}

static int loop_seek(mouv__transport_t *transport, bool write,
                     const mongoc_read_prefs_t *read_prefs, mouv__transport_ended_fn_t ended,
                     void *arg) {
    return mouv__job_seek(mouv__loop_of(transport), write, read_prefs, ended, arg);
}

static void loop_close(mouv__transport_t *transport, const mouv__transport_end_t *end,
                       mouv__transport_ended_fn_t ended, void *arg) {
    mouv__goodbye(mouv__loop_of(transport), end, ended, arg);
}

static void loop_forget_session(mouv__server_session_t *session) {
    (void)session; /* it has been in endSessions, or the server forgets it by itself */
}

static void loop_free(mouv__transport_t *transport) {
    mouv__loop_t *self = mouv__loop_of(transport);
    if (self->peers.count > 0) { /* libuv holds on to handles for a moment */
        self->freeing = true;
        return;
    }
    if (self->executor) self->executor->close(self->executor);
    if (self->packers) self->packers->close(self->packers);
    mouv__goodbye_free(self->goodbye);
    mouv__request_common_clear(&self->common);
    mouv__session_store_clear(&transport->sessions, loop_forget_session);
    if (self->driver_pool) mouv__driver_pool_unref(self->driver_pool); /* it was never closed */
    mouv__free(self);
}

static const mouv__transport_ops_t loop_ops = {
    .connection_new = loop_connection_new,
    .open = loop_open,
    .seek = loop_seek,
    .connect = loop_connect,
    .orphan = loop_orphan,
    .control_connection = loop_control_connection,
    .send = loop_send,
    .control = loop_control,
    .cut = loop_cut,
    .abandon = loop_abandon,
    .abandon_jobs = loop_abandon_jobs,
    .close = loop_close,
    .free = loop_free,
};

mouv__transport_t *mouv__loop_new(mouv_client_t *client, mouv__driver_pool_t *driver_pool,
                                  mouv__topology_t *topology, uint32_t capacity) {
    mouv__loop_t *self = mouv__alloc(sizeof(*self));
    if (!self) return NULL;
    self->goodbye = mouv__goodbye_new();
    mouv__mailbox_t *mailbox = mouv__runtime_mailbox(mouv__client_runtime(client));
    self->executor = mouv__worker_threads_new(mailbox, WORKERS_MAX);
    self->packers = mouv__worker_threads_new(mailbox, PACKERS_MAX);
    self->transport = (mouv__transport_t){
        .ops = &loop_ops,
        .client = client,
        .connection_max = capacity,
        .connecting_max = CONNECTING_MAX,
        .connect_timeout_ms = driver_pool->connect_timeout_ms,
        .socket_timeout_ms = driver_pool->socket_timeout_ms,
        .cuts = true,
        .cut_price_ns = mongoc_uri_get_tls(driver_pool->uri) ? TLS_CUT_PRICE_NS : CUT_PRICE_NS,
        .shares_sessions = true,
        .takes_sequences = true,
        .sessions = {.renews = true},
    };
    self->topology = topology;
    if (!self->goodbye || !self->executor || !self->packers) {
        loop_free(&self->transport);
        return NULL;
    }
    mouv__request_common_init(&self->common, driver_pool);
    mouv__call_listen(self);
    self->set_up_again = loop_set_up_again;
    self->patience.client = client;
    self->patience.limit_ns = driver_pool->socket_timeout_ms * MOUV__NS_PER_MS;
    self->driver_pool = driver_pool;
    return &self->transport;
}
