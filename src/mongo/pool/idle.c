/*
 * Idle connections.
 */
#include "mongo/pool/idle.h"

#include "mongo/api/client.h"
#include "mongo/operation/operation.h"
#include "mongo/pool/breaker.h"
#include "mongo/pool/establish.h"

/* --- the list -------------------------------------------------------------------------------- */

void mouv__idle_push(mouv__pool_t *pool, mouv__connection_t *connection) {
    connection->prev = NULL;
    connection->next = pool->idle;
    if (pool->idle) pool->idle->prev = connection;
    pool->idle = connection;
}

void mouv__idle_remove(mouv__pool_t *pool, mouv__connection_t *connection) {
    if (connection->prev)
        connection->prev->next = connection->next;
    else
        pool->idle = connection->next;
    if (connection->next) connection->next->prev = connection->prev;
    connection->prev = connection->next = NULL;
}

static bool idle_is_kept(const mouv__connection_t *connection) {
    const mouv__server_session_t *session = connection->sessions;
    while (session && !session->keepers) session = session->next;
    return session != NULL;
}

/* A cursor or session on a connection with a stream would wait for its polls. */
static bool idle_suits(const mouv__connection_t *connection, const mouv__operation_t *op) {
    return connection->streams == 0 &&
           !((op->row->flags & MOUV__OP_POLL) && idle_is_kept(connection));
}

static bool idle_may_grow(const mouv__pool_t *pool) {
    return pool->connection_count < pool->connection_max;
}

/* Its connection to this server (0: to any) was cut, and it waits for another one. */
static bool idle_awaits_reconnect(const mouv__connection_t *connection, uint32_t server_id) {
    return connection->reconnect_id && (server_id == 0 || connection->reconnect_id == server_id);
}

mouv__connection_t *mouv__idle_find(const mouv__pool_t *pool, const mouv__operation_t *op) {
    uint32_t server_id = op->attempt.server_id;
    uint64_t mask = server_id ? mouv__server_bit(server_id) : UINT64_MAX;
    mouv__connection_t *best = NULL;
    for (mouv__connection_t *connection = pool->idle; connection; connection = connection->next) {
        if (!(connection->connected & mask) || idle_awaits_reconnect(connection, server_id))
            continue;
        if (idle_suits(connection, op)) return connection;
        if (!best || connection->streams < best->streams) best = connection;
    }
    return idle_may_grow(pool) ? NULL : best;
}

/* --- other connections ----------------------------------------------------------------------- */

static mouv__connection_t *idle_new_connection(mouv_client_t *client) {
    mouv__pool_t *pool = &client->pool;
    if (pool->connection_count >= pool->connection_max) return NULL;
    mouv__connection_t *connection = mouv__connection_new(client->driver_pool);
    if (!connection) return NULL;
    pool->connections[pool->connection_count++] = connection;
    return connection;
}

bool mouv__idle_grow(mouv_client_t *client, const mouv__operation_t *op) {
    mouv__pool_t *pool = &client->pool;
    uint32_t server_id = op->attempt.server_id;
    uint8_t connecting = pool->connecting[server_id % 64];
    if (connecting >= MOUV__CONNECTING_MAX || connecting >= pool->ready.count) return true;
    mouv__connection_t *connection = pool->idle; /* not connected to it, or it would be used */
    bool choosy = idle_may_grow(pool);
    while (connection && ((choosy && !idle_suits(connection, op)) ||
                          (server_id == 0 && connection->reconnect_id)))
        connection = connection->next;
    if (connection)
        mouv__idle_remove(pool, connection);
    else
        connection = idle_new_connection(client);
    if (!connection) return pool->connection_count > 0;
    connection->busy = true;
    if (connection->reconnect_id == server_id) connection->reconnect_id = 0;
    return mouv__connect(client, connection, server_id);
}

void mouv__idle_reconnect(mouv_client_t *client, mouv__connection_t *connection) {
    mouv__pool_t *pool = &client->pool;
    uint32_t server_id = connection->reconnect_id;
    const mouv__server_t *server = mouv__topology_server(pool->topology, server_id);
    bool there = mouv__server_is_known(server);
    bool kept = mouv__breaker_keeps_cut(client, connection, server_id);
    if (there && !kept && pool->connecting[server_id % 64] >= MOUV__CONNECTING_MAX) return;
    connection->reconnect_id = 0;
    pool->reconnecting = true; /* others may be waiting for their turn */
    if (kept || !there || !mouv__client_is_open(client)) return;
    mouv__idle_remove(pool, connection);
    connection->busy = true;
    mouv__connect(client, connection, server_id);
}

void mouv__idle_reconnect_all(mouv_client_t *client) {
    client->pool.reconnecting = false;
    for (mouv__connection_t *connection = client->pool.idle, *next; connection; connection = next) {
        next = connection->next;
        if (!connection->reconnect_id) continue;
        mouv__idle_reconnect(client, connection);
        client->pool.reconnecting = true;
    }
}

void mouv__idle_forget_lost(mouv__pool_t *pool) {
    uint64_t known = 0;
    for (uint32_t i = 0; i < pool->topology->count; i++)
        if (pool->topology->servers[i]->kind != MOUV__SERVER_UNKNOWN)
            known |= mouv__server_bit(pool->topology->servers[i]->id);
    for (uint32_t i = 0; i < pool->connection_count; i++) pool->connections[i]->connected &= known;
}
