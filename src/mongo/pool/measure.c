/*
 * Round trips.
 */
#include "mongo/pool/measure.h"

#include "mongo/base/client_ref.h"
#include "mongo/pool/probe.h"

typedef struct measurement {
    mouv__probe_t probe; /* first */
    int left;            /* to be sent after it: the first may have to set the connection up */
} measurement_t;

static bool measure_send(mouv__pool_t *pool, uint32_t server_id, int left);

/* A hello on a connection that was there takes just one round trip, also if it is refused. */
static void measure_done(mouv__probe_t *probe) {
    mouv__pool_t *pool = probe->pool;
    uint32_t server_id = probe->exchange.server_id;
    mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    int left = ((measurement_t *)probe)->left;
    if (probe->answered) mouv__breaker_heard(pool, server_id);
    if (of && probe->answered && probe->was_ready)
        mouv__rtt_add(&of->server->rtt, probe->exchange.took_ns);
    if (of && probe->answered && left > 0 && measure_send(pool, server_id, left - 1)) return;
    pool->changed(pool, false);
}

static bool measure_send(mouv__pool_t *pool, uint32_t server_id, int left) {
    measurement_t *measurement =
        mouv__probe_new(pool, server_id, sizeof(*measurement), "hello", measure_done);
    if (!measurement) return false;
    measurement->left = left;
    measurement->probe.exchange.call_id = ++pool->measured;
    return mouv__probe_send(&measurement->probe, MOUV__CONTROL_SELECT, &pool->measurement);
}

void mouv__measure_server(mouv__pool_t *pool, uint32_t server_id) {
    mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    if (!of || mouv__breaker_is_asked(&of->breaker) || pool->state != MOUV__POOL_READY ||
        pool->transport->controls[MOUV__CONTROL_SELECT].busy)
        return;
    of->server->measured_ns = mouv__client_now_ns(pool->client);
    measure_send(pool, server_id, of->server->rtt.count < MOUV__RTT_SAMPLES_LEAST ? 2 : 1);
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
        now_ns - next->measured_ns >= pool->topology->heartbeat_ms * MOUV__NS_PER_MS)
        mouv__measure_server(pool, next->id);
}

void mouv__measure_yield(mouv__pool_t *pool) {
    if (pool->measurement) pool->transport->ops->cut(&pool->measurement->exchange);
}

void mouv__measure_close(mouv__pool_t *pool) {
    mouv__probe_abandon(&pool->measurement);
}
