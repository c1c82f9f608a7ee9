/*
 * The transport of blocking calls. Two executors: one for operations and the set-up of their
 * connections, one for everything else, always with threads of its own, so that a kill is never in
 * a queue behind operations.
 */
#include "mongo/transport/threads/threads.h"

#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/transport/threads/driver_client.h"
#include "mongo/transport/threads/errand.h"
#include "mongo/transport/threads/exchange.h"
#include "mongo/transport/workers/uvpool.h"
#include "mongo/transport/workers/worker_threads.h"

/* Each cut costs a new connection: with TLS its key exchange and, in libmongoc 1.x, its own
 * SSL_CTX, up to 40 ms of CPU. */
#define CUT_PRICE_NS INT64_C(500000)
#define TLS_CUT_PRICE_NS INT64_C(20000000)

typedef struct threads {
    mouv__transport_t transport;      /* first */
    mouv__driver_pool_t *driver_pool; /* a share, until close() */
    mouv__executor_t *operations, *controls;
    mouv__list_t background; /* jobs that are out */
    mouv__errand_t *reserve; /* for close() */
    mouv__list_t spares;     /* connections that were orphans, for those who want a new one */
    uint32_t orphans;        /* connections beside the pool's: spares, and those to be */
    uint32_t orphans_max;
} threads_t;

static threads_t *threads_of(mouv__transport_t *transport) {
    return (threads_t *)transport;
}

static mouv__background_place_t threads_place(threads_t *self, mouv__executor_t *executor,
                                              mouv__transport_ended_fn_t ended, void *arg) {
    return (mouv__background_place_t){.transport = &self->transport,
                                      .list = &self->background,
                                      .executor = executor,
                                      .driver_pool = self->driver_pool,
                                      .ended = ended,
                                      .arg = arg};
}

static mouv__connection_t *threads_connection_new(mouv__transport_t *transport) {
    threads_t *self = threads_of(transport);
    mouv__connection_t *spare = MOUV__LIST_POP(&self->spares, mouv__connection_t, idle);
    if (spare) {
        self->orphans--;
        return spare;
    }
    mouv__driver_client_t *client = mouv__driver_client_new(self->driver_pool);
    return client ? &client->connection : NULL;
}

/* --- controls --------------------------------------------------------------------------------- */

static mouv__connection_t *threads_control_connection(mouv__transport_t *transport,
                                                      mouv__control_kind_t kind) {
    mouv__connection_t **connection = &transport->controls[kind].connection;
    if (!*connection) *connection = threads_connection_new(transport);
    return *connection;
}

static mouv__connection_t *threads_take_control(threads_t *self, mouv__control_kind_t kind) {
    mouv__connection_t *connection = threads_control_connection(&self->transport, kind);
    if (!connection) return NULL;
    mouv__connection_move(connection, MOUV__CONNECTION_IN_USE);
    self->transport.controls[kind].busy = true;
    return connection;
}

static int threads_give_control_back(threads_t *self, mouv__control_kind_t kind, int rc) {
    if (rc == 0) return 0;
    mouv__connection_move(self->transport.controls[kind].connection, MOUV__CONNECTION_IDLE);
    self->transport.controls[kind].busy = false;
    return rc;
}

static int threads_open(mouv__transport_t *transport, mouv__transport_ended_fn_t ended, void *arg) {
    threads_t *self = threads_of(transport);
    mouv__background_place_t place = threads_place(self, self->controls, ended, arg);
    mouv__connection_t *connection = threads_take_control(self, MOUV__CONTROL_SELECT);
    if (!connection) return MOUV_ENOMEM;
    return threads_give_control_back(self, MOUV__CONTROL_SELECT,
                                     mouv__errand_open(&place, connection));
}

static int threads_seek(mouv__transport_t *transport, bool write,
                        const mongoc_read_prefs_t *read_prefs, mouv__transport_ended_fn_t ended,
                        void *arg) {
    threads_t *self = threads_of(transport);
    mouv__background_place_t place = threads_place(self, self->controls, ended, arg);
    mouv__connection_t *connection = threads_take_control(self, MOUV__CONTROL_SELECT);
    if (!connection) return MOUV_ENOMEM;
    return threads_give_control_back(self, MOUV__CONTROL_SELECT,
                                     mouv__errand_seek(&place, connection, write, read_prefs));
}

static int threads_control(mouv__transport_t *transport, mouv__control_kind_t kind,
                           mouv__exchange_t *exchange) {
    threads_t *self = threads_of(transport);
    exchange->connection = threads_take_control(self, kind);
    if (!exchange->connection) return MOUV_ENOMEM;
    exchange->transport = transport;
    exchange->control = (int8_t)kind;
    return threads_give_control_back(
        self, kind, mouv__exchange_submit(exchange, self->controls, self->driver_pool));
}

/* --- connections of the pool's ---------------------------------------------------------------- */

static int threads_connect(mouv__transport_t *transport, mouv__connection_t *connection,
                           uint32_t server_id, mouv__transport_ended_fn_t ended, void *arg) {
    threads_t *self = threads_of(transport);
    mouv__background_place_t place = threads_place(self, self->operations, ended, arg);
    return mouv__errand_connect(&place, connection, server_id);
}

/* The libmongoc client is in its worker's hands: another one takes its place, unless somebody has a
 * session of that one. */
static mouv__connection_t *threads_orphan(mouv__transport_t *transport,
                                          mouv__connection_t *connection,
                                          mouv__transport_ended_fn_t ended, void *arg) {
    threads_t *self = threads_of(transport);
    mouv__background_place_t place = threads_place(self, self->operations, ended, arg);
    if (self->orphans == self->orphans_max || mouv__session_store_is_used(&connection->sessions))
        return NULL;
    mouv__connection_t *other = threads_connection_new(transport);
    if (!other) return NULL;
    self->orphans++;
    if (mouv__errand_orphan(&place, connection, &self->spares)) return other;
    mouv__list_push_front(&self->spares, &other->idle); /* in its place */
    return NULL;
}

static int threads_disconnect(mouv__transport_t *transport, mouv__connection_t *connection,
                              uint32_t server_id, mouv__transport_ended_fn_t ended, void *arg) {
    threads_t *self = threads_of(transport);
    mouv__background_place_t place = threads_place(self, self->operations, ended, arg);
    return mouv__errand_disconnect(&place, connection, server_id);
}

static int threads_send(mouv__transport_t *transport, mouv__exchange_t *exchange) {
    threads_t *self = threads_of(transport);
    exchange->transport = transport;
    exchange->control = -1;
    return mouv__exchange_submit(exchange, self->operations, self->driver_pool);
}

static bool threads_cut(mouv__exchange_t *exchange) {
    if (exchange->call_id == 0) return false;
    return mouv__interruptible_interrupt(
        mouv__driver_client_of(exchange->connection)->interruptible, exchange->call_id);
}

/* --- begin and end ---------------------------------------------------------------------------- */

static void threads_abandon_jobs(mouv__transport_t *transport) {
    mouv__background_abandon_all(&threads_of(transport)->background);
}

static void threads_close(mouv__transport_t *transport, const mouv__transport_end_t *given,
                          mouv__transport_ended_fn_t ended, void *arg) {
    threads_t *self = threads_of(transport);
    mouv__background_place_t place = threads_place(self, self->controls, ended, arg);
    mouv__errand_t *reserve = self->reserve;
    mouv__transport_end_t end = *given;
    for (int i = 0; i < MOUV__CONTROLS; i++) {
        mouv__connection_t *connection = transport->controls[i].connection;
        if (connection && !transport->controls[i].busy) end.connections[end.count++] = connection;
        transport->controls[i].connection = NULL;
    }
    for (mouv__connection_t *spare;
         (spare = MOUV__LIST_POP(&self->spares, mouv__connection_t, idle));)
        end.connections[end.count++] = spare;
    self->reserve = NULL;
    self->driver_pool = NULL;
    mouv__errand_close(reserve, &place, &end);
}

static void threads_free(mouv__transport_t *transport) {
    threads_t *self = threads_of(transport);
    if (self->operations) self->operations->close(self->operations);
    if (self->controls) self->controls->close(self->controls);
    mouv__errand_unreserve(self->reserve);
    if (self->driver_pool) mouv__driver_pool_unref(self->driver_pool); /* it was never closed */
    mouv__free(self);
}

static const mouv__transport_ops_t threads_ops = {
    .connection_new = threads_connection_new,
    .open = threads_open,
    .seek = threads_seek,
    .connect = threads_connect,
    .orphan = threads_orphan,
    .disconnect = threads_disconnect,
    .control_connection = threads_control_connection,
    .send = threads_send,
    .control = threads_control,
    .cut = threads_cut,
    .abandon = mouv__exchange_abandon,
    .abandon_jobs = threads_abandon_jobs,
    .close = threads_close,
    .free = threads_free,
};

mouv__transport_t *mouv__threads_new(mouv_client_t *client, mouv__driver_pool_t *driver_pool,
                                     bool uvpool, uint32_t capacity) {
    threads_t *self = mouv__alloc(sizeof(*self));
    if (!self) return NULL;
    mouv__mailbox_t *mailbox = mouv__runtime_mailbox(mouv__client_runtime(client));
    self->reserve = mouv__errand_reserve();
    self->controls = mouv__worker_threads_new(mailbox, MOUV__CONTROLS + 1);
    self->orphans_max = uvpool ? 0 : MOUV__ORPHANS_MAX; /* each has a thread beside the others' */
    self->operations = uvpool ? mouv__uvpool_new(mailbox, capacity)
                              : mouv__worker_threads_new(mailbox, capacity + self->orphans_max);
    self->transport = (mouv__transport_t){
        .ops = &threads_ops,
        .client = client,
        .connect_timeout_ms = driver_pool->connect_timeout_ms,
        .socket_timeout_ms = driver_pool->socket_timeout_ms,
        .cuts = driver_pool->own_streams,
        .keeps_sockets = !driver_pool->own_streams,
        .cut_price_ns = mongoc_uri_get_tls(driver_pool->uri) ? TLS_CUT_PRICE_NS : CUT_PRICE_NS,
    };
    if (!self->reserve || !self->controls || !self->operations) {
        threads_free(&self->transport);
        return NULL;
    }
    self->transport.connection_max = self->operations->capacity - self->orphans_max;
    self->driver_pool = driver_pool;
    return &self->transport;
}
