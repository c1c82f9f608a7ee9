/*
 * Breakers.
 */
#include "mongo/pool/breaker.h"

#include <assert.h>

#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/error.h"
#include "mongo/pool/pool.h"
#include "mongo/pool/probe.h"

/* Deadlines in a row after which a server is asked, by a ping, whether it is there. */
#define MISSES 3

/* Nothing can be expected within less. */
#define LEAST_NS (10 * MOUV__NS_PER_MS)

/* How long the ping is waited for before the breaker opens; and how long it is until another one if
 * it has ended without an answer. */
#define PATIENCE_NS (250 * MOUV__NS_PER_MS)
#define PAUSE_NS (500 * MOUV__NS_PER_MS)

/* --- states ----------------------------------------------------------------------------------- */

#define BIT(state) (1u << MOUV__BREAKER_##state)

static const uint8_t may_follow[] = {
    [MOUV__BREAKER_CLOSED] = BIT(MISSED),
    [MOUV__BREAKER_MISSED] = BIT(ASKED) | BIT(CLOSED),
    [MOUV__BREAKER_ASKED] = BIT(OPEN) | BIT(CLOSED),
    [MOUV__BREAKER_OPEN] = BIT(CLOSED),
};

static void breaker_move(mouv__breaker_t *breaker, mouv__breaker_state_t state) {
    (void)may_follow; /* only assertions read it */
    assert(may_follow[breaker->state] & (1u << state));
    breaker->state = (uint8_t)state;
}

static int64_t breaker_now_ns(const mouv__pool_t *pool) {
    return mouv__client_now_ns(pool->client);
}

static long long breaker_silent_ms(const mouv__pool_t *pool, const mouv__breaker_t *breaker) {
    return (long long)((breaker_now_ns(pool) - breaker->since_ns) / MOUV__NS_PER_MS);
}

static int64_t breaker_least_ns(const mouv__pool_t *pool, uint32_t server_id) {
    return mouv__server_pool_patience_ns(pool, server_id, LEAST_NS);
}

bool mouv__breaker_is_asked(const mouv__breaker_t *breaker) {
    return breaker->state >= MOUV__BREAKER_ASKED;
}

/* --- the ping --------------------------------------------------------------------------------- */

static void breaker_go_on_asking(mouv__breakers_t *breakers);

/* What it took is a round trip that counts, unless it contains a silence or connecting. */
static void breaker_pinged(mouv__probe_t *ping) {
    mouv__pool_t *pool = ping->pool;
    uint32_t server_id = ping->exchange.server_id;
    mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    if (of) of->breaker.ping_ns = breaker_now_ns(pool) + PAUSE_NS;
    if (of && ping->answered && ping->was_ready && of->breaker.state != MOUV__BREAKER_OPEN)
        mouv__rtt_add(&of->server->rtt, ping->exchange.took_ns);
    if (ping->answered) mouv__breaker_heard(pool, server_id);
    breaker_go_on_asking(&pool->breakers);
    pool->changed(pool, false);
}

static void breaker_send_ping(mouv__breakers_t *breakers, mouv__server_pool_t *of) {
    mouv__pool_t *pool = breakers->pool;
    int64_t now_ns = breaker_now_ns(pool);
    of->breaker.ping_ns = now_ns + PAUSE_NS;
    mouv__probe_t *ping =
        mouv__probe_new(pool, of->server->id, sizeof(*ping), "ping", breaker_pinged);
    if (!ping || !mouv__probe_send(ping, MOUV__CONTROL_PING, &breakers->ping)) return;
    if (of->breaker.open_ns == MOUV__NEVER)
        of->breaker.open_ns =
            now_ns + mouv__server_pool_patience_ns(pool, of->server->id, PATIENCE_NS);
}

/* Of several that are asked that whose turn it is. */
static mouv__server_pool_t *breaker_next_ping(const mouv__breakers_t *breakers) {
    mouv__server_pool_t *next = NULL;
    for (mouv__server_pool_t *of = breakers->pool->servers; of; of = of->next)
        if (mouv__breaker_is_asked(&of->breaker) &&
            (!next || of->breaker.ping_ns < next->breaker.ping_ns))
            next = of;
    return next;
}

static void breaker_open(mouv__breakers_t *breakers, mouv__server_pool_t *of) {
    mouv__pool_t *pool = breakers->pool;
    breaker_move(&of->breaker, MOUV__BREAKER_OPEN);
    breakers->open[breakers->open_count++] = of->server->id;
    mouv__client_stats(pool->client)->circuits++;
    mouv__log(MOUV_LOG_WARNING,
              "%s has not answered for %lld ms; until it does only pings are sent",
              of->server->host, breaker_silent_ms(pool, &of->breaker));
}

/* Opens those whose ping has had its time; gives when that is so of the next one. */
static int64_t breaker_open_unanswered(mouv__breakers_t *breakers, int64_t now_ns) {
    int64_t next_ns = MOUV__NEVER;
    for (mouv__server_pool_t *of = breakers->pool->servers; of; of = of->next) {
        if (of->breaker.state != MOUV__BREAKER_ASKED) continue;
        if (of->breaker.open_ns <= now_ns)
            breaker_open(breakers, of);
        else if (of->breaker.open_ns < next_ns)
            next_ns = of->breaker.open_ns;
    }
    return next_ns;
}

/* Those who wait for a connection to a server that is silent now wait for the server. */
static void breaker_on_timer(mouv__timer_t *timer) {
    mouv__breakers_t *breakers = mouv__container_of(timer, mouv__breakers_t, timer);
    breaker_go_on_asking(breakers);
    breakers->pool->changed(breakers->pool, false);
}

static void breaker_go_on_asking(mouv__breakers_t *breakers) {
    mouv_client_t *client = breakers->pool->client;
    mouv__server_pool_t *next = breaker_next_ping(breakers);
    int64_t now_ns = breaker_now_ns(breakers->pool);
    if (!next || !mouv__client_is_open(client)) return;
    if (!breakers->ping && next->breaker.ping_ns <= now_ns) breaker_send_ping(breakers, next);
    int64_t next_ns = breaker_open_unanswered(breakers, now_ns);
    if (!breakers->ping && next->breaker.ping_ns < next_ns) next_ns = next->breaker.ping_ns;
    if (next_ns == MOUV__NEVER)
        mouv__timer_stop(mouv__client_runtime(client), &breakers->timer);
    else if (mouv__timer_start(mouv__client_runtime(client), &breakers->timer, next_ns,
                               breaker_on_timer) < 0)
        mouv__log(MOUV_LOG_WARNING, "no memory for the timer of a ping");
}

/* So that opening never wants memory. */
static bool breaker_make_room(mouv__breakers_t *breakers) {
    uint32_t room = 0;
    for (const mouv__server_pool_t *of = breakers->pool->servers; of; of = of->next) room++;
    if (room <= breakers->room) return true;
    uint32_t *open = mouv__realloc(breakers->open, room * sizeof(*open));
    if (!open) return false;
    breakers->open = open;
    breakers->room = room;
    return true;
}

static void breaker_ask(mouv__breakers_t *breakers, mouv__server_pool_t *of) {
    if (!breaker_make_room(breakers)) return; /* the next miss asks again */
    breaker_move(&of->breaker, MOUV__BREAKER_ASKED);
    of->breaker.ping_ns = breaker_now_ns(breakers->pool);
    of->breaker.open_ns = MOUV__NEVER; /* its ping may have to wait for another server's */
    bool is_out = breakers->ping && breakers->ping->exchange.server_id == of->server->id;
    if (is_out) /* from when it was silent before */
        of->breaker.open_ns =
            of->breaker.ping_ns +
            mouv__server_pool_patience_ns(breakers->pool, of->server->id, PATIENCE_NS);
    breaker_go_on_asking(breakers);
}

/* --- open and closed -------------------------------------------------------------------------- */

static void breaker_on_closed(mouv__ready_t *ready) {
    mouv__breakers_t *breakers = mouv__container_of(ready, mouv__breakers_t, closed);
    if (mouv__client_is_open(breakers->pool->client)) breakers->pool->changed(breakers->pool, true);
}

bool mouv__breaker_holds_cut(const mouv__pool_t *pool, mouv__server_link_t *link) {
    if (!mouv__breaker_is_open(pool, link->server_id)) return false;
    link->state = MOUV__LINK_HELD;
    return true;
}

static void breaker_give_cuts_back(mouv__pool_t *pool, uint32_t server_id) {
    for (uint32_t i = 0; i < pool->connection_count; i++) {
        mouv__server_link_t *link = mouv__connection_link(pool->connections[i], server_id);
        if (!link || link->state != MOUV__LINK_HELD) continue;
        link->state = MOUV__LINK_CUT;
        pool->reconnecting = true;
    }
}

static void breaker_forget_open(mouv__breakers_t *breakers, uint32_t server_id) {
    for (uint32_t i = 0; i < breakers->open_count; i++)
        if (breakers->open[i] == server_id)
            breakers->open[i] = breakers->open[--breakers->open_count];
}

/* Its caller may be in the midst of an operation, so nobody is let in before the turn's end. */
static void breaker_close(mouv__breakers_t *breakers, mouv__server_pool_t *of) {
    mouv__pool_t *pool = breakers->pool;
    mouv_runtime_t *runtime = mouv__client_runtime(pool->client);
    bool was_open = of->breaker.state == MOUV__BREAKER_OPEN;
    if (of->breaker.state == MOUV__BREAKER_CLOSED) return;
    breaker_move(&of->breaker, MOUV__BREAKER_CLOSED);
    of->breaker.misses = 0;
    breakers->missed--;
    if (!breaker_next_ping(breakers)) mouv__timer_stop(runtime, &breakers->timer);
    if (!was_open) return;
    breaker_forget_open(breakers, of->server->id);
    breaker_give_cuts_back(pool, of->server->id);
    mouv__log(MOUV_LOG_DEBUG, "%s is no longer only pinged, after %lld ms", of->server->host,
              breaker_silent_ms(pool, &of->breaker));
    if (!mouv__ready_is_queued(&breakers->closed)) mouv__runtime_ready(runtime, &breakers->closed);
}

void mouv__breaker_heard(mouv__pool_t *pool, uint32_t server_id) {
    mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    if (!of) return;
    of->breaker.heard_ns = breaker_now_ns(pool);
    of->silent_until_ns = 0;
    breaker_close(&pool->breakers, of);
}

/* Who waits for a server that is lost waits for what the monitors find. */
void mouv__breaker_lost(mouv__pool_t *pool, uint32_t server_id) {
    mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    if (of) breaker_close(&pool->breakers, of);
}

bool mouv__breaker_is_open(const mouv__pool_t *pool, uint32_t server_id) {
    for (uint32_t i = 0; i < pool->breakers.open_count; i++)
        if (pool->breakers.open[i] == server_id) return true;
    return false;
}

bool mouv__breaker_explain(const mouv__pool_t *pool, uint32_t server_id, mouv_error_t *error) {
    if (!mouv__breaker_is_open(pool, server_id)) return false;
    const mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    mouv_error_set(error, MOUV_ESELECTION,
                   "%s has not answered for %lld ms; until it does only pings are sent",
                   of->server->host, breaker_silent_ms(pool, &of->breaker));
    return true;
}

/* --- misses ----------------------------------------------------------------------------------- */

void mouv__breaker_missed(mouv__pool_t *pool, uint32_t server_id, int64_t began_ns) {
    mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    int64_t now_ns = breaker_now_ns(pool);
    if (!of || !mouv__client_is_open(pool->client)) return;
    /* the server had time for an answer and has said nothing at all */
    mouv__breaker_t *breaker = &of->breaker;
    if (breaker->heard_ns > began_ns || now_ns - began_ns < breaker_least_ns(pool, server_id))
        return;
    if (breaker->misses == 0 || began_ns < breaker->since_ns) breaker->since_ns = began_ns;
    breaker->missed_ns = now_ns;
    if (breaker->misses++ == 0) {
        breaker_move(breaker, MOUV__BREAKER_MISSED);
        pool->breakers.missed++;
    }
    if (breaker->misses >= MISSES && !mouv__breaker_is_asked(breaker))
        breaker_ask(&pool->breakers, of);
}

/* Those that one moment ends are one miss: most of them have waited for others. */
void mouv__breaker_waited(mouv__pool_t *pool, uint32_t server_id, int64_t began_ns) {
    const mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    if (of && of->breaker.misses > 0 &&
        breaker_now_ns(pool) - of->breaker.missed_ns < breaker_least_ns(pool, server_id))
        return;
    mouv__breaker_missed(pool, server_id, began_ns);
}

/* --- */

void mouv__breakers_init(mouv__breakers_t *breakers, mouv__pool_t *pool) {
    breakers->pool = pool;
    breakers->closed.run = breaker_on_closed;
}

void mouv__breakers_close(mouv__breakers_t *breakers) {
    const mouv__pool_t *pool = breakers->pool;
    for (mouv__server_pool_t *of = pool->servers; of; of = of->next)
        of->breaker = (mouv__breaker_t){0};
    breakers->missed = breakers->open_count = breakers->room = 0;
    mouv__timer_stop(mouv__client_runtime(pool->client), &breakers->timer);
    mouv__probe_abandon(&breakers->ping);
    mouv__free(breakers->open);
    breakers->open = NULL;
}
