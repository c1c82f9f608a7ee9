/*
 * New connections to silent servers.
 */
#include "mongo/pool/beside.h"

#include "mongo/base/client_ref.h"
#include "mongo/pool/establish.h"
#include "mongo/pool/idle.h"
#include "mongo/pool/queue.h"

/* How long one is waited for before there is another: twice what the last one took, within these; to a
 * server that answers, as long as that takes. */
#define PAUSE_MIN_NS (1000 * MOUV__NS_PER_MS)
#define PAUSE_MAX_NS (2000 * MOUV__NS_PER_MS)

/* Most that go on for nobody, to one server: each has a worker. */
#define ORPHANS_MAX 12

static void beside_on_timer(mouv__timer_t *timer) {
    mouv__pool_t *pool = mouv__container_of(timer, mouv__pool_t, beside);
    pool->changed(pool, false);
}

static bool beside_is_open(const mouv__server_pool_t *of) {
    return of->breaker.state == MOUV__BREAKER_OPEN;
}

static int64_t beside_pause_ns(const mouv__pool_t *pool, const mouv__server_pool_t *of) {
    int64_t pause_ns = mouv__server_pool_patience_ns(pool, of->server->id, 2 * of->set_up_ns);
    if (pause_ns < PAUSE_MIN_NS) return PAUSE_MIN_NS;
    return pause_ns < PAUSE_MAX_NS || !beside_is_open(of) ? pause_ns : PAUSE_MAX_NS;
}

static bool beside_is_set_up(const mouv__connection_t *connection, uint32_t server_id) {
    return connection->state == MOUV__CONNECTION_SETTING_UP &&
           connection->setting_up.server_id == server_id;
}

/* Begun before the server's last answer: its own is lost, if it has had its time. */
static bool beside_is_overtaken(const mouv__server_pool_t *of,
                                const mouv__connection_t *connection) {
    return beside_is_set_up(connection, of->server->id) &&
           connection->setting_up.since_ns < of->breaker.heard_ns;
}

/* Whoever waits for a connection there waits for those that are under way, and one is overtaken. */
static bool beside_is_blocked(const mouv__pool_t *pool, const mouv__server_pool_t *of) {
    if (of->connecting < pool->connecting_max || mouv__queue_count_waiting(pool) == 0) return false;
    for (uint32_t i = 0; i < pool->connection_count; i++)
        if (beside_is_overtaken(of, pool->connections[i])) return true;
    return false;
}

/* Those to this server that have had their time go on for nobody: of one that is silent all, else what
 * was begun before its last answer, whose bytes are lost. False: one has not, or as many as may be keep
 * their places. */
static bool beside_let_go(mouv__pool_t *pool, const mouv__server_pool_t *of, int64_t now_ns) {
    int64_t since_ns = now_ns - beside_pause_ns(pool, of);
    for (uint32_t i = 0; i < pool->connection_count; i++) {
        mouv__connection_t *connection = pool->connections[i];
        if (!beside_is_set_up(connection, of->server->id)) continue;
        if (connection->setting_up.since_ns > since_ns) return false;
        if (!beside_is_open(of) && !beside_is_overtaken(of, connection)) continue;
        mouv__connection_t *place = mouv__establish_orphan(connection);
        if (!place) continue; /* somebody has a session of it */
        mouv__server_pool_drop_stale(pool, place);
        mouv__idle_push(pool, place);
    }
    return of->connecting < pool->connecting_max;
}

/* One that is not connected there, or not any more; in no list. */
static mouv__connection_t *beside_take(mouv__pool_t *pool, uint32_t server_id) {
    MOUV__LIST_EACH(&pool->idle, mouv__connection_t, connection, idle) {
        const mouv__server_link_t *link = mouv__connection_link(connection, server_id);
        if (link && link->state != MOUV__LINK_HELD) continue;
        if (connection->pinned.count > 0) continue;
        mouv__server_pool_drop_link(pool, connection, server_id, MOUV_CONNECTION_CLOSED_ERROR);
        mouv__idle_remove(pool, connection);
        return connection;
    }
    return mouv__establish_new(pool);
}

static void beside_begin(mouv__pool_t *pool, mouv__server_pool_t *of, int64_t now_ns,
                         mouv__transport_ended_fn_t ended) {
    if (of->beside_ns > now_ns) return;
    of->beside_ns = now_ns + beside_pause_ns(pool, of);
    if (of->orphans >= ORPHANS_MAX || !beside_let_go(pool, of, now_ns)) return;
    if (!beside_is_open(of)) return; /* the pool begins others for who waits */
    mouv__connection_t *connection = beside_take(pool, of->server->id);
    if (connection && mouv__establish_begin(connection, of->server->id, ended) < 0)
        mouv__idle_push(pool, connection);
}

void mouv__beside(mouv__pool_t *pool, mouv__transport_ended_fn_t ended) {
    int64_t now_ns = mouv__client_now_ns(pool->client), next_ns = MOUV__NEVER;
    if (!mouv__client_is_open(pool->client)) return;
    for (mouv__server_pool_t *of = pool->servers; of; of = of->next) {
        if (!beside_is_open(of) && !beside_is_blocked(pool, of)) continue;
        beside_begin(pool, of, now_ns, ended);
        if (of->beside_ns < next_ns) next_ns = of->beside_ns;
    }
    if (next_ns != MOUV__NEVER) /* without memory for it the next operation asks */
        mouv__timer_start(mouv__client_runtime(pool->client), &pool->beside, next_ns,
                          beside_on_timer);
}

void mouv__beside_close(mouv__pool_t *pool) {
    mouv__timer_stop(mouv__client_runtime(pool->client), &pool->beside);
}
