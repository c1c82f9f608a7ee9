/*
 * Overload.
 */
#include "mongo/pool/pressure.h"

#include "mongo/base/client_ref.h"
#include "mongo/pool/queue.h"

/* Where nobody has had time enough for so long, one goes all the same. */
#define DOUBT_NS (250 * MOUV__NS_PER_MS)

static int64_t pressure_now_ns(const mouv__pool_t *pool) {
    return mouv__client_now_ns(pool->client);
}

/* --- who presses ------------------------------------------------------------------------------ */

/* A server that is gone has taken its count along. */
static void pressure_count(mouv__checkout_t *checkout, bool on) {
    mouv__server_pool_t *of = mouv__server_pool_of(checkout->pool, checkout->server_id);
    if (of) of->pressure.waiting += on ? 1 : UINT32_MAX; /* -1 */
    checkout->presses = on && of;
}

void mouv__pressure_begin(mouv__checkout_t *checkout) {
    mouv__pool_t *pool = checkout->pool;
    const mouv__server_pool_t *of = mouv__server_pool_of(pool, checkout->server_id);
    int64_t now_ns = pressure_now_ns(pool);
    int64_t spare_ns = checkout->deadline_ns - checkout->entered_ns;
    if (of) spare_ns -= mouv__took_least_ns(&of->server->took, now_ns);
    checkout->press_ns = checkout->entered_ns + (spare_ns > 0 ? spare_ns / 2 : 0);
    if (now_ns > checkout->entered_ns) mouv__pressure_rise(checkout); /* it waited for a server */
}

bool mouv__pressure_rise(mouv__checkout_t *checkout) {
    mouv__pool_t *pool = checkout->pool;
    mouv__server_pool_t *of = mouv__server_pool_of(pool, checkout->server_id);
    if (pressure_now_ns(pool) < checkout->press_ns) return false;
    if (of) of->pressure.half_ns = checkout->press_ns - checkout->entered_ns;
    checkout->press_ns = MOUV__NEVER;
    mouv__queue_remove(checkout);
    mouv__queue_push(&pool->waiting[MOUV__WAITING_PRESSED], checkout);
    pressure_count(checkout, true);
    return true;
}

void mouv__pressure_end(mouv__checkout_t *checkout) {
    pressure_count(checkout, false);
}

void mouv__pressure_turn(mouv__checkout_t *checkout, uint32_t server_id) {
    pressure_count(checkout, false);
    checkout->server_id = server_id;
    pressure_count(checkout, true);
}

bool mouv__pressure_is_on(const mouv__pool_t *pool, uint32_t server_id) {
    const mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    return of && of->pressure.waiting > 0;
}

/* --- what waits ------------------------------------------------------------------------------- */

/* How long the server needs for all that waits now; -1: not known. */
static int64_t pressure_backlog_ns(const mouv__pool_t *pool, const mouv__server_pool_t *of) {
    int64_t mean_ns = mouv__took_mean_ns(&of->server->took, pressure_now_ns(pool));
    if (mean_ns == 0 || pool->connection_count == 0) return -1;
    return mouv__queue_count_waiting(pool) * mean_ns / pool->connection_count;
}

bool mouv__pressure_newest_first(const mouv__pool_t *pool) {
    const mouv__checkout_t *newest = mouv__queue_last(&pool->waiting[MOUV__WAITING_PRESSED]);
    const mouv__server_pool_t *of = newest ? mouv__server_pool_of(pool, newest->server_id) : NULL;
    if (!of || mouv__took_any_late(&of->server->took, pressure_now_ns(pool))) return newest;
    int64_t backlog_ns = pressure_backlog_ns(pool, of);
    return backlog_ns < 0 || backlog_ns > of->pressure.half_ns;
}

int64_t mouv__pressure_backlog_ns(const mouv__pool_t *pool) {
    int64_t most_ns = 0;
    for (const mouv__server_pool_t *of = pool->servers; of; of = of->next) {
        int64_t backlog_ns = pressure_backlog_ns(pool, of);
        if (backlog_ns > most_ns) most_ns = backlog_ns;
    }
    return most_ns;
}

/* --- who has time enough ---------------------------------------------------------------------- */

/* For so long nobody has gone, so that it is not known whether the server takes as long as before. */
static bool pressure_doubts(const mouv__server_pool_t *of, int64_t now_ns) {
    return now_ns - of->pressure.admitted_ns >= DOUBT_NS;
}

bool mouv__pressure_admits(const mouv__checkout_t *checkout, mouv_error_t *error) {
    const mouv__pool_t *pool = checkout->pool;
    mouv__server_pool_t *of = mouv__server_pool_of(pool, checkout->server_id);
    if (!of || of->pressure.waiting == 0) return true;
    int64_t now_ns = pressure_now_ns(pool);
    int64_t took_ns = mouv__took_least_ns(&of->server->took, now_ns);
    bool has_time =
        checkout->deadline_ns == MOUV__NEVER || checkout->deadline_ns - now_ns >= took_ns;
    if (has_time || pressure_doubts(of, now_ns)) {
        of->pressure.admitted_ns = now_ns;
        return true;
    }
    mouv_error_set(
        error, MOUV_ETIMEDOUT,
        "%.1f ms are left after a wait of %.1f ms, and %s has lately taken at least %.1f ms",
        (double)(checkout->deadline_ns - now_ns) / 1e6,
        (double)(now_ns - checkout->entered_ns) / 1e6, of->server->host, (double)took_ns / 1e6);
    return false;
}
