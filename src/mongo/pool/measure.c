/*
 * Round trips.
 */
#include "mongo/pool/measure.h"

#include "context/alloc.h"
#include "mongo/base/client_ref.h"

#define MS_NS INT64_C(1000000)

/* Memory of its own: it may outlive the client. */
typedef struct measurement {
    mouv__exchange_t exchange; /* first */
    mouv__pool_t *pool;
    bson_t *command;
    int left; /* to be sent: the first may have to set the connection up */
} measurement_t;

static void measure_discard(mouv__exchange_t *exchange) {
    measurement_t *measurement = (measurement_t *)exchange;
    bson_destroy(exchange->reply);
    bson_destroy(measurement->command);
    mouv__free(measurement);
}

static void measure_done(mouv__exchange_t *exchange);

static int measure_send(measurement_t *measurement) {
    mouv__transport_t *transport = measurement->pool->transport;
    mouv__exchange_t *exchange = &measurement->exchange;
    bson_destroy(exchange->reply);
    exchange->reply = NULL;
    mouv__exchange_init(exchange);
    return transport->ops->control(transport, MOUV__CONTROL_SELECT, exchange);
}

/* A hello on a connection that was there takes just one round trip, also if it is refused. */
static void measure_done(mouv__exchange_t *exchange) {
    measurement_t *measurement = (measurement_t *)exchange;
    mouv__pool_t *pool = measurement->pool;
    mouv__server_pool_t *of = mouv__server_pool_of(pool, exchange->server_id);
    bool was_ready = mouv__connection_is_ready(exchange->connection, exchange->server_id);
    pool->measurement = NULL;
    mouv__connection_note(exchange->connection, exchange->server_id, exchange->reply != NULL);
    if (exchange->reply) mouv__breaker_heard(pool, exchange->server_id);
    if (of && exchange->reply && was_ready) mouv__rtt_add(&of->server->rtt, exchange->took_ns);
    if (of && exchange->reply && measurement->left-- > 0 && measure_send(measurement) == 0) {
        pool->measurement = exchange;
        return;
    }
    measure_discard(exchange);
    pool->changed(pool, false);
}

void mouv__measure_server(mouv__pool_t *pool, uint32_t server_id) {
    const mouv__transport_t *transport = pool->transport;
    mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    if (!of || mouv__breaker_is_asked(&of->breaker) || pool->state != MOUV__POOL_READY ||
        transport->controls[MOUV__CONTROL_SELECT].busy)
        return;
    measurement_t *measurement = mouv__alloc(sizeof(*measurement));
    if (!measurement) return;
    of->server->measured_ns = mouv__client_now_ns(pool->client);
    measurement->pool = pool;
    measurement->left = of->server->rtt.count < MOUV__RTT_SAMPLES_LEAST ? 2 : 1;
    measurement->command = bson_new();
    BSON_APPEND_INT32(measurement->command, "hello", 1);
    measurement->exchange = (mouv__exchange_t){.server_id = server_id,
                                               .database = "admin",
                                               .command = measurement->command,
                                               .call_id = ++pool->measured,
                                               .limit_ms = transport->connect_timeout_ms,
                                               .quiet = true,
                                               .sets_up = true,
                                               .done = measure_done,
                                               .discard = measure_discard};
    if (measure_send(measurement) == 0)
        pool->measurement = &measurement->exchange;
    else
        measure_discard(&measurement->exchange);
}

void mouv__measure_unknown(mouv__pool_t *pool, uint32_t server_id) {
    const mouv__server_t *server = mouv__topology_server(pool->topology, server_id);
    if (server && server->rtt.count < MOUV__RTT_SAMPLES_LEAST)
        mouv__measure_server(pool, server_id);
}

void mouv__measure_due(mouv__pool_t *pool) {
    int64_t now_ns = mouv__client_now_ns(pool->client);
    mouv__server_t *next = NULL;
    for (mouv__server_pool_t *of = pool->servers; of; of = of->next) {
        if (!mouv__server_takes_operations(of->server) || mouv__breaker_is_asked(&of->breaker))
            continue;
        if (of->server->measured_ns == 0) of->server->measured_ns = now_ns;
        if (!next || of->server->measured_ns < next->measured_ns) next = of->server;
    }
    if (next && mouv__client_is_open(pool->client) &&
        now_ns - next->measured_ns >= pool->topology->heartbeat_ms * MS_NS)
        mouv__measure_server(pool, next->id);
}

void mouv__measure_yield(mouv__pool_t *pool) {
    if (pool->measurement) pool->transport->ops->cut(pool->measurement);
}

void mouv__measure_close(mouv__pool_t *pool) {
    if (pool->measurement) pool->transport->ops->abandon(pool->measurement);
    pool->measurement = NULL;
}
