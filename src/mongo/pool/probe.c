/*
 * Probes.
 */
#include "mongo/pool/probe.h"

#include "context/alloc.h"

/* Any thread. */
static void probe_discard(mouv__exchange_t *exchange) {
    mouv__probe_t *probe = (mouv__probe_t *)exchange;
    bson_destroy(exchange->reply);
    bson_destroy(probe->command);
    mouv__free(probe);
}

/* A server that refuses it has answered as well. */
static void probe_done(mouv__exchange_t *exchange) {
    mouv__probe_t *probe = (mouv__probe_t *)exchange;
    *probe->out = NULL;
    probe->answered = exchange->reply && !exchange->cut;
    probe->was_ready = mouv__connection_is_ready(exchange->connection, exchange->server_id);
    mouv__connection_note(exchange->connection, exchange->server_id, probe->answered);
    probe->done(probe);
    probe_discard(exchange);
}

void *mouv__probe_new(mouv__pool_t *pool, uint32_t server_id, size_t size, const char *name,
                      void (*done)(mouv__probe_t *probe)) {
    mouv__probe_t *probe = mouv__alloc(size);
    if (!probe) return NULL;
    probe->pool = pool;
    probe->done = done;
    probe->command = bson_new();
    if (name) BSON_APPEND_INT32(probe->command, name, 1);
    probe->exchange = (mouv__exchange_t){.server_id = server_id,
                                         .database = "admin",
                                         .command = probe->command,
                                         .limit_ms = pool->transport->connect_timeout_ms,
                                         .quiet = true,
                                         .sets_up = true,
                                         .done = probe_done,
                                         .discard = probe_discard};
    return probe;
}

bool mouv__probe_send(mouv__probe_t *probe, mouv__control_kind_t kind, mouv__probe_t **out) {
    mouv__transport_t *transport = probe->pool->transport;
    if (transport->ops->control(transport, kind, &probe->exchange) < 0) {
        probe_discard(&probe->exchange);
        return false;
    }
    probe->out = out;
    *out = probe;
    return true;
}

void mouv__probe_abandon(mouv__probe_t **out) {
    if (*out) (*out)->pool->transport->ops->abandon(&(*out)->exchange);
    *out = NULL;
}
