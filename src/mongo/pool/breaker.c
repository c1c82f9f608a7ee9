/*
 * Breakers.
 *
 *   CLOSED --deadlines missed, no answer--> ASKED --nor to a ping--> OPEN
 *   ASKED, OPEN --any answer, or the monitor has lost the server--> CLOSED
 */
#include "mongo/pool/breaker.h"

#include <stddef.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/base/error.h"
#include "mongo/operation/operation.h"
#include "mongo/operation/state.h"
#include "mongo/pool/establish.h"
#include "mongo/transport/threads/background.h"

#define MS_NS INT64_C(1000000)

/* Deadlines in a row after which a server is asked, by a ping, whether it is there. */
#define MISSES 3

/* Nothing can be expected within less; on slow ways: than so many round trips. */
#define LEAST_NS (10 * MS_NS)
#define LEAST_ROUND_TRIPS 4

/* How long the ping is waited for before the breaker opens; and how long it is until another one if
 * it has ended without an answer. */
#define PATIENCE_NS (250 * MS_NS)
#define PAUSE_NS (500 * MS_NS)

static mouv__breaker_t *breaker_of(const mouv__operation_t *op) {
    return &op->client->breakers.of[op->attempt.server_id % 64];
}

static const char *breaker_host_of(const mouv_client_t *client, uint32_t server_id) {
    const mouv__server_t *server = mouv__topology_server(client->pool.topology, server_id);
    return server ? server->host : "the server";
}

static long long breaker_silent_ms(const mouv_client_t *client, const mouv__breaker_t *breaker) {
    return (long long)((mouv__client_now_ns(client) - breaker->since_ns) / MS_NS);
}

static bool breaker_is_asked(const mouv__breakers_t *breakers, uint32_t server_id) {
    return (breakers->asked & mouv__server_bit(server_id)) != 0;
}

static int64_t breaker_least_ns(const mouv_client_t *client, uint32_t server_id) {
    const mouv__server_t *server = mouv__topology_server(client->pool.topology, server_id);
    int64_t rtt_ns = server ? mouv__rtt_least_ns(&server->rtt) : 0;
    if (client->kills.rtt_ns > rtt_ns) rtt_ns = client->kills.rtt_ns;
    return LEAST_ROUND_TRIPS * rtt_ns > LEAST_NS ? LEAST_ROUND_TRIPS * rtt_ns : LEAST_NS;
}

/* --- the ping -------------------------------------------------------------------------------- */

static void breaker_go_on_asking(mouv__breakers_t *breakers);

/* A server that refuses the ping has answered as well. */
static void breaker_ping_ended(mouv__background_t *background) {
    mouv_client_t *client = background->client;
    mouv_error_t error = {0};
    mouv__pool_leave_control(client, &client->breakers.control);
    client->breakers.of[background->server_id % 64].ping_ns =
        mouv__client_now_ns(client) + PAUSE_NS;
    mouv__note_measured(background);
    if (background->ok || mouv__background_error(background, &error) == MOUV_ESERVER)
        mouv__breaker_heard(client, background->server_id);
    breaker_go_on_asking(&client->breakers);
}

static void breaker_send_ping(mouv__breakers_t *breakers, mouv__breaker_t *breaker) {
    mouv__background_t *background = mouv__alloc(sizeof(*background));
    int64_t now_ns = mouv__client_now_ns(breakers->client);
    int64_t least = breaker_least_ns(breakers->client, breaker->server_id);
    breaker->ping_ns = now_ns + PAUSE_NS;
    if (!background) return;
    if (breaker->open_ns == MOUV__NEVER)
        breaker->open_ns = now_ns + (least > PATIENCE_NS ? least : PATIENCE_NS);
    background->server_id = breaker->server_id;
    mouv__background_submit(breakers->client, background, &breakers->control,
                            mouv__background_connect_run, breaker_ping_ended, NULL);
}

/* Of several that are asked that whose turn it is. */
static mouv__breaker_t *breaker_next_ping(mouv__breakers_t *breakers) {
    mouv__breaker_t *next = NULL;
    for (uint32_t i = 0; i < 64; i++) {
        mouv__breaker_t *breaker = &breakers->of[i];
        if (!breaker_is_asked(breakers, i)) continue;
        if (!next || breaker->ping_ns < next->ping_ns) next = breaker;
    }
    return next;
}

static void breaker_open_breaker(mouv__breakers_t *breakers, mouv__breaker_t *breaker) {
    mouv_client_t *client = breakers->client;
    breakers->open |= mouv__server_bit(breaker->server_id);
    mouv__client_stats(client)->circuits++;
    mouv__log(MOUV_LOG_WARNING,
              "%s has not answered for %lld ms; until it does only pings are sent",
              breaker_host_of(client, breaker->server_id), breaker_silent_ms(client, breaker));
}

/* Opens those whose ping has had its time; gives when that is so of the next one. */
static int64_t breaker_open_unanswered(mouv__breakers_t *breakers, int64_t now_ns) {
    int64_t next_ns = MOUV__NEVER;
    for (uint32_t i = 0; i < 64; i++) {
        mouv__breaker_t *breaker = &breakers->of[i];
        if (!breaker_is_asked(breakers, i) || (breakers->open & mouv__server_bit(i))) continue;
        if (breaker->open_ns <= now_ns)
            breaker_open_breaker(breakers, breaker);
        else if (breaker->open_ns < next_ns)
            next_ns = breaker->open_ns;
    }
    return next_ns;
}

/* Those who wait for a connection to a server that is silent now wait for the server. */
static void breaker_on_timer(mouv__timer_t *timer) {
    mouv__breakers_t *breakers =
        (mouv__breakers_t *)((char *)timer - offsetof(mouv__breakers_t, timer));
    breaker_go_on_asking(breakers);
    mouv__pool_pump(breakers->client);
}

/* breaker_ping_ended() comes here as well. */
static void breaker_go_on_asking(mouv__breakers_t *breakers) {
    mouv_client_t *client = breakers->client;
    int64_t now_ns = mouv__client_now_ns(client);
    if (!breakers->asked || !mouv__client_is_open(client)) return;
    mouv__breaker_t *next = breaker_next_ping(breakers);
    if (!breakers->control.busy && next->ping_ns <= now_ns) breaker_send_ping(breakers, next);
    int64_t next_ns = breaker_open_unanswered(breakers, now_ns);
    if (!breakers->control.busy && next->ping_ns < next_ns) next_ns = next->ping_ns;
    if (next_ns == MOUV__NEVER)
        mouv__timer_stop(mouv__client_runtime(client), &breakers->timer);
    else if (mouv__timer_start(mouv__client_runtime(client), &breakers->timer, next_ns,
                               breaker_on_timer) < 0)
        mouv__log(MOUV_LOG_WARNING, "no memory for the timer of a ping");
}

static void breaker_ask(mouv__breakers_t *breakers, mouv__breaker_t *breaker) {
    breakers->asked |= mouv__server_bit(breaker->server_id);
    breaker->ping_ns = mouv__client_now_ns(breakers->client);
    breaker->open_ns = MOUV__NEVER; /* its ping may have to wait for another server's */
    breaker_go_on_asking(breakers);
}

/* --- open and closed ------------------------------------------------------------------------- */

static void breaker_on_closed(mouv__ready_t *ready) {
    mouv__breakers_t *breakers =
        (mouv__breakers_t *)((char *)ready - offsetof(mouv__breakers_t, closed));
    if (mouv__client_is_open(breakers->client)) mouv__pool_look_again(breakers->client);
}

bool mouv__breaker_keeps_cut(const mouv_client_t *client, mouv__connection_t *connection,
                             uint32_t server_id) {
    if (!mouv__breaker_is_open(client, server_id)) return false;
    connection->cut_id = server_id;
    return true;
}

static void breaker_give_cuts_back(mouv_client_t *client, uint32_t server_id) {
    mouv__pool_t *pool = &client->pool;
    for (uint32_t i = 0; i < pool->connection_count; i++) {
        mouv__connection_t *connection = pool->connections[i];
        if (connection->cut_id != server_id) continue;
        connection->reconnect_id = server_id;
        connection->cut_id = 0;
        pool->reconnecting = true;
    }
}

/* Its caller may be in the midst of an operation, so nobody is let in before the turn's end. */
static void breaker_close_breaker(mouv__breakers_t *breakers, mouv__breaker_t *breaker) {
    mouv_client_t *client = breakers->client;
    uint64_t bit = mouv__server_bit(breaker->server_id);
    bool was_open = (breakers->open & bit) != 0;
    breaker->misses = 0;
    breakers->missed &= ~bit;
    breakers->asked &= ~bit;
    breakers->open &= ~bit;
    if (!breakers->asked) mouv__timer_stop(mouv__client_runtime(client), &breakers->timer);
    if (!was_open) return;
    breaker_give_cuts_back(client, breaker->server_id);
    mouv__log(MOUV_LOG_DEBUG, "%s is no longer only pinged, after %lld ms",
              breaker_host_of(client, breaker->server_id), breaker_silent_ms(client, breaker));
    if (!breakers->closed.queued)
        mouv__runtime_ready(mouv__client_runtime(client), &breakers->closed);
}

void mouv__breaker_heard(mouv_client_t *client, uint32_t server_id) {
    mouv__breakers_t *breakers = &client->breakers;
    mouv__breaker_t *breaker = &breakers->of[server_id % 64];
    breaker->heard_ns = mouv__client_now_ns(client);
    mouv__kill_heard(&client->kills, server_id);
    if (breaker->misses > 0) breaker_close_breaker(breakers, breaker);
}

/* --- misses ---------------------------------------------------------------------------------- */

/* An awaiter's deadline cancels what it waits for a moment before that has expired itself. */
static bool breaker_was_too_late(const mouv__operation_t *op, int64_t now_ns) {
    return op->stopped && op->deadline_ns != MOUV__NEVER && now_ns >= op->deadline_ns;
}

static void breaker_count_miss(const mouv__operation_t *op, int64_t began_ns, int64_t now_ns) {
    mouv__breakers_t *breakers = &op->client->breakers;
    mouv__breaker_t *breaker = breaker_of(op);
    if (breaker->misses == 0 || began_ns < breaker->since_ns) breaker->since_ns = began_ns;
    breaker->server_id = op->attempt.server_id;
    breaker->missed_ns = now_ns;
    breaker->misses++;
    breakers->missed |= mouv__server_bit(breaker->server_id);
    if (breaker->misses >= MISSES && !breaker_is_asked(breakers, breaker->server_id))
        breaker_ask(breakers, breaker);
}

/* Whether its server had time for an answer and has said nothing at all. */
static bool breaker_is_miss(const mouv__operation_t *op, int64_t began_ns, int64_t now_ns) {
    if (op->attempt.server_id == 0 || !mouv__client_is_open(op->client)) return false;
    return breaker_was_too_late(op, now_ns) && breaker_of(op)->heard_ns <= began_ns &&
           now_ns - began_ns >= breaker_least_ns(op->client, op->attempt.server_id);
}

void mouv__breaker_missed(const mouv__operation_t *op) {
    int64_t now_ns = mouv__client_now_ns(op->client);
    if (!op->attempt.reached && op->client->driver_pool->own_streams) return;
    if (breaker_is_miss(op, op->began_ns, now_ns)) breaker_count_miss(op, op->began_ns, now_ns);
}

/* Those that one moment ends are one miss: most of them have waited for others. */
void mouv__breaker_waited(const mouv__operation_t *op) {
    const mouv__breaker_t *breaker = breaker_of(op);
    int64_t now_ns = mouv__client_now_ns(op->client);
    int64_t began_ns = op->select_ns - op->client->selection_timeout_ms * MS_NS;
    int64_t least_ns = breaker_least_ns(op->client, op->attempt.server_id);
    if (breaker->misses > 0 && now_ns - breaker->missed_ns < least_ns) return;
    if (breaker_is_miss(op, began_ns, now_ns)) breaker_count_miss(op, began_ns, now_ns);
}

/* --- who may go where ------------------------------------------------------------------------ */

bool mouv__breaker_is_open(const mouv_client_t *client, uint32_t server_id) {
    return (client->breakers.open & mouv__server_bit(server_id)) != 0 && server_id != 0;
}

/* Clean-up has a control connection of its own and little time there. */
static bool breaker_is_exempt(const mouv__operation_t *op) {
    return mouv__is_cleanup(op) && op->deadline_ns == MOUV__NEVER;
}

static uint32_t breaker_open_ids(const mouv__breakers_t *breakers, uint32_t *ids) {
    uint32_t count = 0;
    for (uint64_t open = breakers->open; open; open &= open - 1)
        ids[count++] = breakers->of[__builtin_ctzll(open)].server_id;
    return count;
}

static bool breaker_find_other(mouv__operation_t *op) {
    const mouv__breakers_t *breakers = &op->client->breakers;
    mouv__criteria_t criteria = mouv__operation_criteria(op);
    uint32_t ids[64];
    criteria.barred = (mouv__server_ids_t){ids, breaker_open_ids(breakers, ids)};
    mouv__server_t *other = mouv__selection_choose(op->client->pool.topology, &criteria);
    if (other) op->attempt.server_id = other->id;
    return other != NULL;
}

bool mouv__breaker_lets_pass(mouv__operation_t *op) {
    const mouv_client_t *client = op->client;
    uint32_t server_id = op->attempt.server_id;
    if (!mouv__breaker_is_open(client, server_id) || breaker_is_exempt(op)) return true;
    return !op->pin && !op->server_id && breaker_find_other(op);
}

bool mouv__breaker_explain(const mouv__operation_t *op, mouv_error_t *error) {
    const mouv_client_t *client = op->client;
    uint32_t server_id = op->attempt.server_id;
    if (!mouv__breaker_is_open(client, server_id)) return false;
    mouv_error_set(error, MOUV_ESELECTION,
                   "%s has not answered for %lld ms; until it does only pings are sent",
                   breaker_host_of(client, server_id),
                   breaker_silent_ms(client, &client->breakers.of[server_id % 64]));
    return true;
}

/* --- the monitors ---------------------------------------------------------------------------- */

/* Who waits for a server that is lost waits for what the monitors find. */
static void breaker_drop_lost(mouv_client_t *client) {
    mouv__breakers_t *breakers = &client->breakers;
    for (uint32_t i = 0; i < 64 && breakers->missed; i++) {
        if (!(breakers->missed & mouv__server_bit(i))) continue;
        const mouv__server_t *server =
            mouv__topology_server(client->pool.topology, breakers->of[i].server_id);
        if (!mouv__server_is_known(server)) breaker_close_breaker(breakers, &breakers->of[i]);
    }
}

void mouv__breakers_look(mouv_client_t *client) {
    breaker_drop_lost(client);
}

/* --- */

void mouv__breakers_init(mouv__breakers_t *breakers, mouv_client_t *client) {
    breakers->client = client;
    breakers->closed.run = breaker_on_closed;
}

void mouv__breakers_close(mouv__breakers_t *breakers) {
    breakers->missed = breakers->asked = breakers->open = 0;
    mouv__timer_stop(mouv__client_runtime(breakers->client), &breakers->timer);
}
