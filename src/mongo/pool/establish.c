/*
 * Connections, from nothing to ready.
 */
#include "mongo/pool/establish.h"

#include "mongo/base/client_ref.h"

mouv__connection_t *mouv__establish_new(mouv__pool_t *pool) {
    if (pool->connection_count >= pool->connection_max) return NULL;
    mouv__connection_t *connection = pool->transport->ops->connection_new(pool->transport);
    if (!connection) return NULL;
    connection->owner = pool;
    pool->connections[pool->connection_count++] = connection;
    return connection;
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
                                                   .generation = of->generation,
                                                   .since_ns = mouv__client_now_ns(pool->client)};
    return 0;
}

uint32_t mouv__establish_end(mouv__connection_t *connection, const mouv_error_t *error) {
    mouv__pool_t *pool = connection->owner;
    const mouv__server_link_t *link = &connection->setting_up;
    mouv__server_pool_t *of = mouv__server_pool_of(pool, link->server_id);
    mouv__connection_move(connection, MOUV__CONNECTION_IDLE);
    if (of) of->connecting--;
    if (of && error) mouv__server_pool_fail_link(pool, of, link->number, error);
    if (error) return link->server_id;
    if (of) mouv__breaker_heard(pool, link->server_id);
    bool linked = of && mouv__server_pool_add_link(pool, connection, link);
    if (!linked && connection->dropped) connection->dropped(connection, link->server_id);
    return link->server_id;
}

bool mouv__establish_any(const mouv__pool_t *pool, uint32_t server_id) {
    for (uint32_t i = 0; i < pool->connection_count; i++)
        if (mouv__connection_is_ready(pool->connections[i], server_id)) return true;
    return false;
}
