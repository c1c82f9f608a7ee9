/*
 * What the pool keeps of each server.
 */
#include "mongo/pool/server_pool.h"

#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/pool/pool.h"

/* An answer that takes less than so many round trips is none that is late. */
#define PATIENCE_ROUND_TRIPS 4

mouv__server_pool_t *mouv__server_pool_of(const mouv__pool_t *pool, uint32_t server_id) {
    mouv__server_pool_t *servers = pool->servers;
    while (servers && servers->server->id != server_id) servers = servers->next;
    return servers;
}

int64_t mouv__server_pool_patience_ns(const mouv__pool_t *pool, uint32_t server_id,
                                      int64_t least_ns) {
    const mouv__server_pool_t *servers = mouv__server_pool_of(pool, server_id);
    if (!servers) return least_ns;
    int64_t rtt_ns = mouv__rtt_least_ns(&servers->server->rtt);
    if (servers->kill_ns > rtt_ns) rtt_ns = servers->kill_ns;
    return PATIENCE_ROUND_TRIPS * rtt_ns > least_ns ? PATIENCE_ROUND_TRIPS * rtt_ns : least_ns;
}

/* --- events ----------------------------------------------------------------------------------- */

static void server_pool_tell(const mouv__pool_t *pool, const mouv__server_pool_t *of,
                             mouv__event_kind_t kind, const bson_oid_t *service_id) {
    const mouv_connection_pool_options_t *options =
        kind == MOUV__EVENT_POOL_CREATED ? &pool->told : NULL;
    mouv_connection_pool_event_t what = {.host = of->server->host,
                                         .server_id = of->server->id,
                                         .options = options,
                                         .service_id = service_id};
    mouv__events_pool(mouv__client_events(pool->client), kind, &what);
}

static void server_pool_tell_link(const mouv__pool_t *pool, const mouv__server_pool_t *of,
                                  mouv__event_kind_t kind, uint64_t number,
                                  mouv_connection_closed_reason_t reason, int64_t duration_ns) {
    mouv_connection_event_t what = {.host = of->server->host,
                                    .server_id = of->server->id,
                                    .connection_id = number,
                                    .closed_reason = reason,
                                    .duration_us = duration_ns / 1000};
    mouv__events_connection(mouv__client_events(pool->client), kind, &what);
}

/* --- life ------------------------------------------------------------------------------------- */

static mouv__server_pool_t *server_pool_new(mouv__pool_t *pool, mouv__server_t *server) {
    mouv__server_pool_t *of = mouv__alloc(sizeof(*of));
    if (!of) return NULL;
    of->server = mouv__server_ref(server);
    of->next = pool->servers;
    pool->servers = of;
    server_pool_tell(pool, of, MOUV__EVENT_POOL_CREATED, NULL);
    return of;
}

bool mouv__server_pool_ready(mouv__pool_t *pool, mouv__server_t *server) {
    mouv__server_pool_t *of = mouv__server_pool_of(pool, server->id);
    if (!of) of = server_pool_new(pool, server);
    if (!of) return false;
    if (!of->ready) server_pool_tell(pool, of, MOUV__EVENT_POOL_READY, NULL);
    of->ready = true;
    return true;
}

/* Those of control connections, which are in no pool of the specification's. */
static void server_pool_drop_controls(const mouv__pool_t *pool, uint32_t server_id) {
    for (int i = 0; i < MOUV__CONTROLS; i++) {
        mouv__connection_t *connection = pool->transport->controls[i].connection;
        if (connection) mouv__connection_drop_link(connection, server_id);
    }
}

static void server_pool_drop_all_stale(mouv__pool_t *pool) {
    for (uint32_t i = 0; i < pool->connection_count; i++)
        if (!mouv__connection_is_busy(pool->connections[i]))
            mouv__server_pool_drop_stale(pool, pool->connections[i]);
}

void mouv__server_pool_clear(mouv__pool_t *pool, mouv__server_pool_t *of) {
    of->server->generation++;
    server_pool_drop_controls(pool, of->server->id);
    if (of->ready) server_pool_tell(pool, of, MOUV__EVENT_POOL_CLEARED, NULL);
    of->ready = false;
    server_pool_drop_all_stale(pool);
}

/* A generation for each service would say no more than this: what leads there now is stale, what is
 * set up later is not. */
void mouv__server_pool_clear_service(mouv__pool_t *pool, mouv__connection_t *connection,
                                     uint32_t server_id) {
    const mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    const mouv__server_link_t *of_it = mouv__connection_link(connection, server_id);
    if (!of || !of_it || !of_it->balanced || !mouv__server_pool_has(pool, of_it)) return;
    bson_oid_t service_id = of_it->service_id;
    server_pool_tell(pool, of, MOUV__EVENT_POOL_CLEARED, &service_id);
    for (uint32_t i = 0; i < pool->connection_count; i++) {
        mouv__server_link_t *link = mouv__connection_link(pool->connections[i], server_id);
        if (link && link->balanced && bson_oid_equal(&link->service_id, &service_id))
            link->generation = of->server->generation - 1;
    }
    server_pool_drop_all_stale(pool);
}

static void server_pool_drop_links(mouv__pool_t *pool, const mouv__server_pool_t *of, bool busy) {
    for (uint32_t i = 0; i < pool->connection_count; i++)
        if (mouv__connection_is_busy(pool->connections[i]) == busy)
            mouv__server_pool_drop_link(pool, pool->connections[i], of->server->id,
                                        MOUV_CONNECTION_CLOSED_POOL);
}

/* Connections in use outlive their pool, so they are told of after it. */
void mouv__server_pool_close(mouv__pool_t *pool, mouv__server_pool_t *of) {
    server_pool_drop_links(pool, of, false);
    server_pool_drop_controls(pool, of->server->id);
    server_pool_tell(pool, of, MOUV__EVENT_POOL_CLOSED, NULL);
    server_pool_drop_links(pool, of, true);
    mouv__server_pool_t **at = &pool->servers;
    while (*at != of) at = &(*at)->next;
    *at = of->next;
    mouv__server_unref(of->server);
    mouv__free(of);
}

/* --- links ------------------------------------------------------------------------------------ */

uint64_t mouv__server_pool_begin_link(mouv__pool_t *pool, mouv__server_pool_t *of) {
    server_pool_tell_link(pool, of, MOUV__EVENT_CONNECTION_CREATED, ++of->numbers, 0, 0);
    return of->numbers;
}

void mouv__server_pool_fail_link(mouv__pool_t *pool, mouv__server_pool_t *of, uint64_t number,
                                 const mouv_error_t *error) {
    mouv_connection_event_t what = {.host = of->server->host,
                                    .server_id = of->server->id,
                                    .connection_id = number,
                                    .closed_reason = MOUV_CONNECTION_CLOSED_ERROR,
                                    .error = error};
    mouv__events_connection(mouv__client_events(pool->client), MOUV__EVENT_CONNECTION_CLOSED,
                            &what);
}

bool mouv__server_pool_has(const mouv__pool_t *pool, const mouv__server_link_t *link) {
    const mouv__server_pool_t *of = mouv__server_pool_of(pool, link->server_id);
    return of && of->server->generation == link->generation;
}

bool mouv__server_pool_add_link(mouv__pool_t *pool, mouv__connection_t *connection,
                                const mouv__server_link_t *set_up) {
    const mouv__server_pool_t *of = mouv__server_pool_of(pool, set_up->server_id);
    mouv__server_link_t *link =
        of ? mouv__connection_add_link(connection, set_up->server_id) : NULL;
    if (!link) return false;
    int64_t now_ns = mouv__client_now_ns(pool->client);
    link->number = set_up->number;
    link->generation = set_up->generation;
    link->since_ns = now_ns;
    link->balanced = set_up->balanced;
    link->service_id = set_up->service_id;
    server_pool_tell_link(pool, of, MOUV__EVENT_CONNECTION_READY, link->number, 0,
                          now_ns - set_up->since_ns);
    return true;
}

void mouv__server_pool_drop_link(mouv__pool_t *pool, mouv__connection_t *connection,
                                 uint32_t server_id, mouv_connection_closed_reason_t reason) {
    const mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    const mouv__server_link_t *link = mouv__connection_link(connection, server_id);
    if (link && of)
        server_pool_tell_link(pool, of, MOUV__EVENT_CONNECTION_CLOSED, link->number, reason, 0);
    mouv__connection_drop_link(connection, server_id);
}

void mouv__server_pool_lose_link(mouv__connection_t *connection, uint32_t server_id) {
    mouv__server_link_t *link = mouv__connection_link(connection, server_id);
    if (link) link->state = MOUV__LINK_LOST;
}

void mouv__server_pool_cut_link(mouv__pool_t *pool, mouv__connection_t *connection,
                                uint32_t server_id) {
    mouv__server_pool_note_link(pool, connection, server_id);
    mouv__server_link_t *link = mouv__connection_link(connection, server_id);
    if (link) link->state = MOUV__LINK_CUT;
}

void mouv__server_pool_note_link(mouv__pool_t *pool, mouv__connection_t *connection,
                                 uint32_t server_id) {
    mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    if (!of || mouv__connection_is_ready(connection, server_id)) return;
    mouv__server_link_t made = {.server_id = server_id,
                                .number = mouv__server_pool_begin_link(pool, of),
                                .generation = of->server->generation,
                                .since_ns = mouv__client_now_ns(pool->client)};
    mouv__server_pool_add_link(pool, connection, &made);
}

void mouv__server_pool_drop_stale(mouv__pool_t *pool, mouv__connection_t *connection) {
    for (mouv__server_link_t *link = connection->links, *next; link; link = next) {
        next = link->next;
        if (link->state == MOUV__LINK_LOST)
            mouv__server_pool_drop_link(pool, connection, link->server_id,
                                        MOUV_CONNECTION_CLOSED_ERROR);
        else if (!mouv__server_pool_has(pool, link))
            mouv__server_pool_drop_link(pool, connection, link->server_id,
                                        MOUV_CONNECTION_CLOSED_STALE);
    }
}
