/*
 * Upkeep.
 */
#include "mongo/pool/upkeep.h"

#include "mongo/base/client_ref.h"
#include "mongo/pool/establish.h"
#include "mongo/pool/idle.h"
#include "mongo/pool/pool.h"

#define MS_NS INT64_C(1000000)

static int64_t upkeep_now_ns(const mouv__pool_t *pool) {
    return mouv__client_now_ns(pool->client);
}

static int64_t upkeep_earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* --- idle links ------------------------------------------------------------------------------- */

/* When it has been idle for too long; one that was cut is set up anew or dropped anyway. */
static int64_t upkeep_end_ns(const mouv__pool_t *pool, const mouv__server_link_t *link) {
    int64_t idle_ns = pool->upkeep.idle_ns;
    return idle_ns > 0 && link->state == MOUV__LINK_READY ? link->since_ns + idle_ns : MOUV__NEVER;
}

bool mouv__upkeep_expire(mouv__pool_t *pool, mouv__connection_t *connection, uint32_t server_id) {
    mouv__transport_t *transport = pool->transport;
    const mouv__server_link_t *link = mouv__connection_link(connection, server_id);
    if (!link || upkeep_end_ns(pool, link) > upkeep_now_ns(pool)) return false;
    mouv__server_pool_drop_link(pool, connection, server_id, MOUV_CONNECTION_CLOSED_IDLE);
    /* without memory for it the socket is there for the next link */
    if (!transport->ops->disconnect ||
        transport->ops->disconnect(transport, connection, server_id, pool->upkeep.disconnected,
                                   connection) < 0)
        return true;
    mouv__idle_remove(pool, connection);
    mouv__connection_move(connection, MOUV__CONNECTION_SETTING_UP);
    connection->setting_up = (mouv__server_link_t){0};
    return true;
}

static void upkeep_expire_links(mouv__pool_t *pool, mouv__connection_t *connection) {
    for (mouv__server_link_t *link = connection->links, *next; link; link = next) {
        next = link->next;
        mouv__upkeep_expire(pool, connection, link->server_id);
        if (connection->state != MOUV__CONNECTION_IDLE) return; /* one at a time */
    }
}

static void upkeep_expire_all(mouv__pool_t *pool) {
    MOUV__LIST_EACH(&pool->idle, mouv__connection_t, connection, idle)
        upkeep_expire_links(pool, connection);
}

static int64_t upkeep_next_end_ns(const mouv__pool_t *pool) {
    int64_t next_ns = MOUV__NEVER;
    MOUV__LIST_EACH(&pool->idle, mouv__connection_t, connection, idle)
        for (const mouv__server_link_t *link = connection->links; link; link = link->next)
            next_ns = upkeep_earlier(next_ns, upkeep_end_ns(pool, link));
    return next_ns;
}

/* --- minPoolSize ------------------------------------------------------------------------------ */

static uint32_t upkeep_count(const mouv__pool_t *pool, const mouv__server_pool_t *of) {
    uint32_t count = of->connecting;
    for (uint32_t i = 0; i < pool->connection_count; i++) {
        const mouv__server_link_t *link =
            mouv__connection_link(pool->connections[i], of->server->id);
        count += link && link->generation == of->server->generation;
    }
    return count;
}

static bool upkeep_lacks(const mouv__pool_t *pool, const mouv__server_pool_t *of) {
    return of->ready && mouv__server_is_known(of->server) &&
           of->server->kind != MOUV__SERVER_OTHER && !mouv__breaker_is_asked(&of->breaker) &&
           upkeep_count(pool, of) < pool->upkeep.least;
}

/* One that is connected nowhere. Those that are elsewhere are left to operations. */
static mouv__connection_t *upkeep_spare(mouv__pool_t *pool) {
    MOUV__LIST_EACH(&pool->idle, mouv__connection_t, connection, idle) {
        if (connection->links) continue;
        mouv__idle_remove(pool, connection);
        return connection;
    }
    return mouv__establish_new(pool);
}

static bool upkeep_add(mouv__pool_t *pool, mouv__server_pool_t *of) {
    if (of->fill_ns > upkeep_now_ns(pool) || !mouv__establish_may_begin(pool, of) ||
        !upkeep_lacks(pool, of))
        return false;
    mouv__connection_t *connection = upkeep_spare(pool);
    if (!connection) return false;
    if (mouv__establish_begin(connection, of->server->id, pool->upkeep.connected) == 0) return true;
    mouv__idle_push(pool, connection);
    return false;
}

/* One for each server in turn, so that none gets all the room. */
static void upkeep_fill(mouv__pool_t *pool) {
    bool again = true;
    while (again) {
        again = false;
        for (mouv__server_pool_t *of = pool->servers; of; of = of->next)
            again = upkeep_add(pool, of) || again;
    }
}

static int64_t upkeep_next_try_ns(const mouv__pool_t *pool) {
    int64_t next_ns = MOUV__NEVER;
    for (const mouv__server_pool_t *of = pool->servers; of; of = of->next)
        if (of->fill_ns > upkeep_now_ns(pool) && upkeep_lacks(pool, of))
            next_ns = upkeep_earlier(next_ns, of->fill_ns);
    return next_ns;
}

void mouv__upkeep_failed(mouv__pool_t *pool, uint32_t server_id) {
    mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    if (of) of->fill_ns = upkeep_now_ns(pool) + pool->topology->heartbeat_ms * MS_NS;
}

/* --- the look --------------------------------------------------------------------------------- */

static bool upkeep_is_over(const mouv__pool_t *pool) {
    return !mouv__client_is_open(pool->client) || pool->state != MOUV__POOL_READY;
}

static void upkeep_on_timer(mouv__timer_t *timer);

/* Without memory for it the next change looks. */
static void upkeep_arm(mouv__pool_t *pool, int64_t at_ns) {
    mouv__timer_t *timer = &pool->upkeep.timer;
    if (at_ns == MOUV__NEVER || (mouv__timer_armed(timer) && timer->at_ns <= at_ns)) return;
    mouv__timer_start(mouv__client_runtime(pool->client), timer, at_ns, upkeep_on_timer);
}

static void upkeep_on_timer(mouv__timer_t *timer) {
    mouv__pool_t *pool = mouv__container_of(timer, mouv__pool_t, upkeep.timer);
    if (upkeep_is_over(pool)) return;
    mouv__client_hold(pool->client);
    if (pool->upkeep.idle_ns > 0) upkeep_expire_all(pool);
    if (pool->upkeep.least > 0) upkeep_fill(pool);
    if (pool->upkeep.idle_ns > 0) upkeep_arm(pool, upkeep_next_end_ns(pool));
    if (pool->upkeep.least > 0) upkeep_arm(pool, upkeep_next_try_ns(pool));
    mouv__client_let_go(pool->client);
}

void mouv__upkeep_wake(mouv__pool_t *pool) {
    if ((pool->upkeep.idle_ns > 0 || pool->upkeep.least > 0) && !upkeep_is_over(pool))
        upkeep_arm(pool, upkeep_now_ns(pool));
}

/* The timer is not put off by what is used meanwhile: it finds another one, or none, and is armed
 * anew. */
void mouv__upkeep_returned(mouv__pool_t *pool, const mouv__connection_t *connection,
                           uint32_t server_id) {
    mouv__server_link_t *link = mouv__connection_link(connection, server_id);
    if (!link) return;
    link->since_ns = upkeep_now_ns(pool);
    if (!upkeep_is_over(pool)) upkeep_arm(pool, link->since_ns + pool->upkeep.idle_ns);
}

void mouv__upkeep_close(mouv__pool_t *pool) {
    mouv__timer_stop(mouv__client_runtime(pool->client), &pool->upkeep.timer);
}
