/*
 * Connections, from nothing to ready.
 */
#include "mongo/pool/establish.h"

#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/error.h"

/* A set-up that takes less hangs not. */
#define SET_UP_NS (1000 * MOUV__NS_PER_MS)

mouv__connection_t *mouv__establish_new(mouv__pool_t *pool) {
    if (pool->connection_count >= pool->connection_max) return NULL;
    mouv__connection_t *connection = pool->transport->ops->connection_new(pool->transport);
    if (!connection) return NULL;
    connection->owner = pool;
    pool->connections[pool->connection_count++] = connection;
    return connection;
}

bool mouv__establish_may_begin(const mouv__pool_t *pool, const mouv__server_pool_t *of) {
    if (of->orphans > 0 && of->breaker.heard_ns <= of->orphaned_ns) return false;
    return of->connecting < pool->connecting_max;
}

int mouv__establish_begin(mouv__connection_t *connection, uint32_t server_id,
                          mouv__transport_ended_fn_t ended) {
    mouv__pool_t *pool = connection->owner;
    mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    if (!of) return MOUV_ENOMEM;
    int rc =
        pool->transport->ops->connect(pool->transport, connection, server_id, ended, connection);
    if (rc < 0) return rc;
    of->connecting++;
    mouv__connection_move(connection, MOUV__CONNECTION_SETTING_UP);
    connection->setting_up = (mouv__server_link_t){.server_id = server_id,
                                                   .number = mouv__server_pool_begin_link(pool, of),
                                                   .generation = of->server->generation,
                                                   .since_ns = mouv__client_now_ns(pool->client)};
    return 0;
}

/* It has gone well. */
static void establish_heard(mouv__pool_t *pool, mouv__server_pool_t *of, int64_t since_ns) {
    of->set_up_ns = mouv__client_now_ns(pool->client) - since_ns;
    mouv__breaker_heard(pool, of->server->id);
}

uint32_t mouv__establish_end(mouv__connection_t *connection, const mouv_error_t *error) {
    mouv__pool_t *pool = connection->owner;
    const mouv__server_link_t *link = &connection->setting_up;
    mouv__server_pool_t *of = mouv__server_pool_of(pool, link->server_id);
    mouv__connection_move(connection, MOUV__CONNECTION_IDLE);
    if (of) of->connecting--;
    if (of && error) mouv__server_pool_fail_link(pool, of, link->number, error);
    if (error) return link->server_id;
    if (of) establish_heard(pool, of, link->since_ns);
    bool linked = of && mouv__server_pool_add_link(pool, connection, link);
    if (!linked && connection->dropped) connection->dropped(connection, link->server_id);
    return link->server_id;
}

bool mouv__establish_any(const mouv__pool_t *pool, uint32_t server_id) {
    for (uint32_t i = 0; i < pool->connection_count; i++)
        if (mouv__connection_is_ready(pool->connections[i], server_id)) return true;
    return false;
}

/* --- set-ups that hang ------------------------------------------------------------------------ */

typedef struct orphan {
    mouv__link_t link;
    mouv__pool_t *pool;
    uint32_t server_id;
    int64_t since_ns;
} orphan_t;

static void establish_on_orphan_ended(void *arg, const mouv_error_t *error) {
    orphan_t *orphan = arg;
    mouv__pool_t *pool = orphan->pool;
    mouv__server_pool_t *of = mouv__server_pool_of(pool, orphan->server_id);
    if (of) of->orphans--;
    if (of && !error) establish_heard(pool, of, orphan->since_ns);
    mouv__list_remove(&pool->orphans, &orphan->link);
    mouv__free(orphan);
    pool->changed(pool, false);
}

/* When a set-up has taken too long; MOUV__NEVER: none is under way. */
static int64_t establish_hangs_ns(const mouv__pool_t *pool, const mouv__connection_t *connection) {
    const mouv__server_link_t *link = &connection->setting_up;
    const mouv__server_pool_t *of = mouv__server_pool_of(pool, link->server_id);
    if (connection->state != MOUV__CONNECTION_SETTING_UP || !of || connection->pinned.count > 0)
        return MOUV__NEVER;
    if (mouv__breaker_is_open(pool, link->server_id)) return 0;
    int64_t least_ns = 2 * of->set_up_ns > SET_UP_NS ? 2 * of->set_up_ns : SET_UP_NS;
    return link->since_ns + mouv__server_pool_patience_ns(pool, link->server_id, least_ns);
}

static void establish_replace(mouv__pool_t *pool, mouv__connection_t *connection,
                              mouv__connection_t *by) {
    while (connection->links)
        mouv__server_pool_drop_link(pool, connection, connection->links->server_id,
                                    MOUV_CONNECTION_CLOSED_ERROR);
    by->owner = pool;
    for (uint32_t i = 0; i < pool->connection_count; i++)
        if (pool->connections[i] == connection) pool->connections[i] = by;
}

static void establish_note_orphan(mouv__pool_t *pool, const mouv__server_link_t *link) {
    mouv__server_pool_t *of = mouv__server_pool_of(pool, link->server_id);
    of->connecting--;
    of->orphans++;
    if (link->since_ns > of->orphaned_ns) of->orphaned_ns = link->since_ns;
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ENETWORK, "%s does not answer; its place is needed",
                   of->server->host);
    mouv__server_pool_fail_link(pool, of, link->number, &error);
}

mouv__connection_t *mouv__establish_orphan(mouv__connection_t *connection) {
    mouv__pool_t *pool = connection->owner;
    mouv__transport_t *transport = pool->transport;
    mouv__server_link_t link = connection->setting_up;
    orphan_t *orphan = transport->ops->orphan ? mouv__alloc(sizeof(*orphan)) : NULL;
    if (!orphan) return NULL;
    mouv__connection_t *place =
        transport->ops->orphan(transport, connection, establish_on_orphan_ended, orphan);
    if (!place) {
        mouv__free(orphan);
        return NULL;
    }
    *orphan = (orphan_t){.pool = pool, .server_id = link.server_id, .since_ns = link.since_ns};
    mouv__list_push_back(&pool->orphans, &orphan->link);
    establish_note_orphan(pool, &link);
    if (place != connection)
        establish_replace(pool, connection, place);
    else
        mouv__connection_move(place, MOUV__CONNECTION_IDLE);
    return place;
}

static bool establish_is_any_out(const mouv__pool_t *pool) {
    const mouv__server_pool_t *of = pool->servers;
    while (of && of->connecting == 0) of = of->next;
    return of && pool->transport->ops->orphan && pool->topology->count > 1;
}

mouv__connection_t *mouv__establish_reclaim(mouv__pool_t *pool, uint32_t server_id) {
    int64_t now_ns = mouv__client_now_ns(pool->client);
    if (!establish_is_any_out(pool)) return NULL;
    for (uint32_t i = 0; i < pool->connection_count; i++) {
        mouv__connection_t *connection = pool->connections[i];
        if (connection->setting_up.server_id == server_id ||
            establish_hangs_ns(pool, connection) > now_ns)
            continue;
        mouv__connection_t *place = mouv__establish_orphan(connection);
        if (place) return place;
    }
    return NULL;
}

static void establish_on_reclaim(mouv__timer_t *timer) {
    mouv__pool_t *pool = mouv__container_of(timer, mouv__pool_t, reclaim);
    pool->changed(pool, false);
}

bool mouv__establish_may_reclaim(mouv__pool_t *pool) {
    int64_t next_ns = MOUV__NEVER;
    if (!establish_is_any_out(pool)) return false;
    for (uint32_t i = 0; i < pool->connection_count; i++) {
        int64_t at_ns = establish_hangs_ns(pool, pool->connections[i]);
        if (at_ns < next_ns) next_ns = at_ns;
    }
    if (next_ns <= mouv__client_now_ns(pool->client)) return true;
    if (next_ns != MOUV__NEVER)
        mouv__timer_start(mouv__client_runtime(pool->client), &pool->reclaim, next_ns,
                          establish_on_reclaim);
    return false;
}

void mouv__establish_close(mouv__pool_t *pool) {
    orphan_t *orphan;
    mouv__timer_stop(mouv__client_runtime(pool->client), &pool->reclaim);
    while ((orphan = MOUV__LIST_POP(&pool->orphans, orphan_t, link)) != NULL) mouv__free(orphan);
}
