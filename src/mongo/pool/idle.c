/*
 * Idle connections.
 */
#include "mongo/pool/idle.h"

void mouv__idle_push(mouv__pool_t *pool, mouv__connection_t *connection) {
    mouv__list_push_front(&pool->idle, &connection->idle);
}

void mouv__idle_remove(mouv__pool_t *pool, mouv__connection_t *connection) {
    mouv__list_remove(&pool->idle, &connection->idle);
}

/* A cursor or session on a connection with a stream would wait for its polls. */
static bool idle_suits(const mouv__connection_t *connection, const mouv__checkout_t *checkout) {
    return connection->streams == 0 &&
           !(checkout->poll && mouv__session_store_is_kept(&connection->sessions));
}

static bool idle_may_grow(const mouv__pool_t *pool) {
    return pool->connection_count < pool->connection_max;
}

mouv__connection_t *mouv__idle_find(const mouv__pool_t *pool, const mouv__checkout_t *checkout) {
    mouv__connection_t *best = NULL;
    MOUV__LIST_EACH(&pool->idle, mouv__connection_t, each, idle) {
        if (!mouv__connection_is_ready(each, checkout->server_id)) continue;
        if (idle_suits(each, checkout)) return each;
        if (!best || each->streams < best->streams) best = each;
    }
    return idle_may_grow(pool) ? NULL : best;
}

mouv__connection_t *mouv__idle_find_other(const mouv__pool_t *pool,
                                          const mouv__checkout_t *checkout) {
    bool choosy = idle_may_grow(pool); /* none is connected to it, or it would be used */
    MOUV__LIST_EACH(&pool->idle, mouv__connection_t, each, idle)
        if (!choosy || idle_suits(each, checkout)) return each;
    return NULL;
}
