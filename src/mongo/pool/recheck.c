/*
 * Servers that are marked are asked.
 */
#include "mongo/pool/recheck.h"

#include "mongo/base/client_ref.h"
#include "mongo/pool/pool.h"
#include "mongo/pool/probe.h"

/* minHeartbeatFrequencyMS */
#define PAUSE_NS (500 * MOUV__NS_PER_MS)

/* A client that drains is not held up by it for nothing. */
static bool recheck_is_over(const mouv__pool_t *pool) {
    bool wanted = mouv__client_is_open(pool->client) || pool->selecting.count > 0;
    return !wanted || mouv__client_state(pool->client) > MOUV__CLIENT_DRAINING ||
           pool->state != MOUV__POOL_READY;
}

static void recheck_on_timer(mouv__timer_t *timer) {
    mouv__pool_t *pool = mouv__container_of(timer, mouv__pool_t, recheck.timer);
    mouv__client_hold(pool->client);
    mouv__recheck(pool);
    mouv__client_let_go(pool->client);
}

/* Whose turn it is, or NULL. */
static mouv__server_pool_t *recheck_next(const mouv__pool_t *pool) {
    mouv__server_pool_t *next = NULL;
    for (mouv__server_pool_t *of = pool->servers; of; of = of->next)
        if (mouv__server_is_marked(of->server) && (!next || of->recheck_ns < next->recheck_ns))
            next = of;
    return next;
}

/* While its monitor has not seen a change that it tells of here the next answer is no other. */
static void recheck_done(mouv__probe_t *probe) {
    mouv__pool_t *pool = probe->pool;
    const mouv__exchange_t *exchange = &probe->exchange;
    mouv__server_pool_t *of = mouv__server_pool_of(pool, exchange->server_id);
    bool lifted = false;
    if (probe->answered) mouv__breaker_heard(pool, exchange->server_id);
    if (of && probe->answered)
        lifted = mouv__topology_hear(pool->topology, of->server, exchange->reply,
                                     bson_get_monotonic_time() / 1000);
    if (of && !lifted) of->recheck_ns = mouv__client_now_ns(pool->client) + PAUSE_NS;
    pool->changed(pool, lifted);
}

static void recheck_send(mouv__pool_t *pool, mouv__server_pool_t *of) {
    mouv__probe_t *hello =
        mouv__probe_new(pool, of->server->id, sizeof(*hello), "hello", recheck_done);
    if (hello && mouv__probe_send(hello, MOUV__CONTROL_CHECK, &pool->recheck.out)) return;
    of->recheck_ns = mouv__client_now_ns(pool->client) + PAUSE_NS;
}

void mouv__recheck(mouv__pool_t *pool) {
    if (!pool->topology->has_marks || pool->recheck.out || recheck_is_over(pool)) return;
    mouv__server_pool_t *next = recheck_next(pool);
    if (!next) {
        pool->topology->has_marks = false;
        return;
    }
    if (next->recheck_ns <= mouv__client_now_ns(pool->client)) recheck_send(pool, next);
    if (!pool->recheck.out) /* without memory for it the next operation asks */
        mouv__timer_start(mouv__client_runtime(pool->client), &pool->recheck.timer,
                          next->recheck_ns, recheck_on_timer);
}

void mouv__recheck_close(mouv__pool_t *pool) {
    mouv__probe_abandon(&pool->recheck.out);
    mouv__timer_stop(mouv__client_runtime(pool->client), &pool->recheck.timer);
}
