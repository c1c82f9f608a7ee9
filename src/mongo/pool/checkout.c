/*
 * Checkouts.
 */
#include "mongo/pool/checkout.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "mongo/base/client_ref.h"
#include "mongo/pool/pin.h"
#include "mongo/pool/pressure.h"
#include "mongo/pool/queue.h"

/* How long clean-up waits for a server of which nothing is known: after a lost connection its monitor
 * soon knows more, and what is to be cleaned up may be there still. */
#define CLEANUP_SELECTION_MS 2000

#define BIT(state) (1u << MOUV__CHECKOUT_##state)

static const uint8_t may_follow[] = {
    [MOUV__CHECKOUT_NONE] = BIT(SELECTING),
    [MOUV__CHECKOUT_SELECTING] = BIT(QUEUED) | BIT(NONE),
    [MOUV__CHECKOUT_QUEUED] = BIT(SELECTING) | BIT(NONE),
};

static void checkout_move(mouv__checkout_t *checkout, mouv__checkout_state_t state) {
    (void)may_follow; /* only assertions read it */
    assert(may_follow[checkout->state] & (1u << state));
    checkout->state = (uint8_t)state;
}

static int64_t checkout_now_ns(const mouv__checkout_t *checkout) {
    return mouv__client_now_ns(checkout->pool->client);
}

/* --- events ----------------------------------------------------------------------------------- */

static mouv_check_out_failed_reason_t checkout_failed_reason(const mouv__pool_t *pool,
                                                             const mouv_error_t *error) {
    int code = error ? error->code : MOUV_ESELECTION;
    bool set_up_failed = code == MOUV_ESELECTION || code == MOUV_ENETWORK || code == MOUV_ESERVER;
    if (set_up_failed) return MOUV_CHECK_OUT_FAILED_CONNECTION;
    if (code == MOUV_ECLOSED || !mouv__client_is_open(pool->client))
        return MOUV_CHECK_OUT_FAILED_POOL_CLOSED;
    return MOUV_CHECK_OUT_FAILED_TIMEOUT;
}

static void checkout_tell(const mouv__checkout_t *checkout, mouv__event_kind_t kind,
                          const mouv__connection_t *connection, const mouv_error_t *error) {
    const mouv__pool_t *pool = checkout->pool;
    mouv__events_t *events = mouv__client_events(pool->client);
    if (!events) return;
    const mouv__server_t *server = mouv__topology_server(pool->topology, checkout->server_id);
    const mouv__connection_t *pinned = mouv__checkout_pinned(checkout);
    bool has_none = checkout->cleanup && !pinned;                   /* of the pool's */
    bool has_it = pinned && !mouv__list_is_empty(&pinned->keepers); /* checked out since long */
    if (has_none || has_it || !server) return;
    const mouv__server_link_t *link =
        connection ? mouv__connection_link(connection, checkout->server_id) : NULL;
    mouv_connection_event_t what = {.host = server->host,
                                    .server_id = server->id,
                                    .connection_id = link ? link->number : 0,
                                    .operation_id = checkout->operation_id,
                                    .error = error,
                                    .duration_us =
                                        (checkout_now_ns(checkout) - checkout->queued_ns) / 1000};
    if (kind == MOUV__EVENT_CONNECTION_CHECK_OUT_STARTED) what.duration_us = 0;
    if (kind == MOUV__EVENT_CONNECTION_CHECK_OUT_FAILED)
        what.check_out_failed_reason = checkout_failed_reason(pool, error);
    mouv__events_connection(events, kind, &what);
}

void mouv__checkout_grant(mouv__checkout_t *checkout, const mouv__connection_t *connection) {
    checkout_tell(checkout, MOUV__EVENT_CONNECTION_CHECKED_OUT, connection, NULL);
}

void mouv__checkout_return(mouv__pool_t *pool, const mouv__connection_t *connection,
                           uint32_t server_id, uint64_t operation_id) {
    mouv__events_t *events = mouv__client_events(pool->client);
    if (!events) return;
    const mouv__server_t *server = mouv__topology_server(pool->topology, server_id);
    const mouv__server_link_t *link = mouv__connection_link(connection, server_id);
    if (!server) return;
    mouv_connection_event_t what = {.host = server->host,
                                    .server_id = server_id,
                                    .connection_id = link ? link->number : 0,
                                    .operation_id = operation_id};
    mouv__events_connection(events, MOUV__EVENT_CONNECTION_CHECKED_IN, &what);
}

/* --- the server ------------------------------------------------------------------------------- */

mouv__connection_t *mouv__checkout_pinned(const mouv__checkout_t *checkout) {
    if (checkout->kept) return checkout->kept;
    return checkout->session ? checkout->session->connection : NULL;
}

bool mouv__checkout_seeks(const mouv__checkout_t *checkout) {
    return !checkout->criteria.server_id &&
           !mouv__breaker_is_open(checkout->pool, checkout->server_id);
}

/* Clean-up has a control connection of its own and little time there. */
static bool checkout_is_exempt(const mouv__checkout_t *checkout) {
    return checkout->cleanup && !checkout->lasts;
}

/* A retry goes elsewhere, but a primary that is there again is preferred as before. */
static bool checkout_avoids(const mouv__checkout_t *checkout) {
    const mongoc_read_prefs_t *prefs = checkout->criteria.read_prefs;
    bool prefers_primary = prefs && !checkout->criteria.write &&
                           mongoc_read_prefs_get_mode(prefs) == MONGOC_READ_PRIMARY_PREFERRED &&
                           mouv__topology_is_replica_set(checkout->pool->topology);
    return checkout->avoid_id != 0 && !prefers_primary;
}

/* The server that silence alone keeps it from, or 0. */
static uint32_t checkout_awaited(mouv__checkout_t *checkout) {
    checkout->criteria.barred = (mouv__server_ids_t){0};
    const mouv__server_t *server =
        mouv__selection_choose(checkout->pool->topology, &checkout->criteria);
    return server ? server->id : checkout->criteria.server_id;
}

/* Who waits for a connection to one server and goes to another is told of at both. */
static void checkout_turn_to(mouv__checkout_t *checkout, uint32_t server_id) {
    bool turns = checkout->state == MOUV__CHECKOUT_QUEUED && checkout->server_id != server_id;
    if (turns) checkout_tell(checkout, MOUV__EVENT_CONNECTION_CHECK_OUT_FAILED, NULL, NULL);
    if (checkout->presses) mouv__pressure_turn(checkout, server_id);
    checkout->server_id = server_id;
    if (turns) checkout_tell(checkout, MOUV__EVENT_CONNECTION_CHECK_OUT_STARTED, NULL, NULL);
}

bool mouv__checkout_choose(mouv__checkout_t *checkout) {
    mouv__pool_t *pool = checkout->pool;
    const mouv__breakers_t *breakers = &pool->breakers;
    if (pool->state != MOUV__POOL_READY) return false;
    checkout->criteria.barred = (mouv__server_ids_t){0};
    if (!checkout_is_exempt(checkout))
        checkout->criteria.barred = (mouv__server_ids_t){breakers->open, breakers->open_count};
    checkout->criteria.avoided =
        (mouv__server_ids_t){&checkout->avoid_id, checkout_avoids(checkout)};
    /* who waits for a connection to a server goes on waiting for that one while it suits */
    if (checkout->state == MOUV__CHECKOUT_QUEUED &&
        mouv__selection_includes(pool->topology, &checkout->criteria, checkout->server_id))
        return true;
    const mouv__server_t *server = mouv__selection_choose(pool->topology, &checkout->criteria);
    if (server) {
        checkout_turn_to(checkout, server->id);
        return true;
    }
    /* QUEUED: that it has waited for is still to be told of */
    if (checkout->state != MOUV__CHECKOUT_QUEUED) checkout->server_id = checkout_awaited(checkout);
    return false;
}

void mouv__checkout_begin(mouv__checkout_t *checkout, mouv__pool_t *pool) {
    checkout->pool = pool;
    checkout->connects = 0;
    checkout->order = ++pool->arrivals;
    checkout->looks = pool->topology->looks;
    checkout->entered_ns = checkout_now_ns(checkout);
    int64_t select_ms = pool->selection_timeout_ms;
    if (checkout_is_exempt(checkout) && select_ms > CLEANUP_SELECTION_MS)
        select_ms = CLEANUP_SELECTION_MS;
    checkout->select_ns = mouv__clock_deadline_in(mouv__client_runtime(pool->client), select_ms);
    checkout_move(checkout, MOUV__CHECKOUT_SELECTING);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void checkout_leave_queue(mouv__checkout_t *checkout) {
    if (checkout->presses) mouv__pressure_end(checkout);
    checkout->press_ns = MOUV__NEVER;
    mouv__queue_remove(checkout);
}

void mouv__checkout_select(mouv__checkout_t *checkout) {
    mouv__pool_t *pool = checkout->pool;
    if (checkout->state == MOUV__CHECKOUT_QUEUED)
        checkout_tell(checkout, MOUV__EVENT_CONNECTION_CHECK_OUT_FAILED, NULL, NULL);
    checkout_leave_queue(checkout);
    if (checkout->state != MOUV__CHECKOUT_SELECTING)
        checkout_move(checkout, MOUV__CHECKOUT_SELECTING);
    checkout->server_id = checkout_awaited(checkout);
    mouv__queue_push(&pool->selecting, checkout);
    if (mouv__checkout_seeks(checkout)) pool->nobody_seeks = false;
    checkout->queued_ns = 0;
    checkout->wait_ns = checkout->select_ns;
    checkout->ops->waits(checkout);
}

static mouv__queue_t *checkout_own_queue(const mouv__checkout_t *checkout) {
    mouv__pool_t *pool = checkout->pool;
    mouv__connection_t *pinned = mouv__checkout_pinned(checkout);
    if (pinned) return &pinned->pinned;
    if (checkout->cleanup) return &pool->cleanup;
    if (checkout->poll_waits) return &pool->polls;
    return &pool->waiting[checkout->deadline_ns != MOUV__NEVER ? MOUV__WAITING_TIMED
                                                               : MOUV__WAITING_UNTIMED];
}

void mouv__checkout_queue(mouv__checkout_t *checkout) {
    mouv__pool_t *pool = checkout->pool;
    checkout_leave_queue(checkout);
    checkout_move(checkout, MOUV__CHECKOUT_QUEUED);
    mouv__queue_push(checkout_own_queue(checkout), checkout);
    if (checkout->queue == &pool->waiting[MOUV__WAITING_TIMED]) mouv__pressure_begin(checkout);
    checkout->queued_ns = checkout_now_ns(checkout);
    checkout->wait_ns = MOUV__NEVER;
    if (checkout->one_limit)
        checkout->wait_ns = checkout->select_ns;
    else if (checkout->deadline_ns == MOUV__NEVER)
        checkout->wait_ns =
            mouv__clock_deadline_in(mouv__client_runtime(pool->client), pool->queue_wait_ms);
    checkout_tell(checkout, MOUV__EVENT_CONNECTION_CHECK_OUT_STARTED, NULL, NULL);
}

void mouv__checkout_shorten(mouv__checkout_t *checkout, int64_t deadline_ns) {
    mouv__pool_t *pool = checkout->pool;
    checkout->deadline_ns = deadline_ns;
    if (checkout->queue == &pool->waiting[MOUV__WAITING_UNTIMED]) {
        mouv__queue_remove(checkout);
        mouv__queue_insert(&pool->waiting[MOUV__WAITING_TIMED], checkout);
    }
    if (checkout->queue == &pool->waiting[MOUV__WAITING_TIMED]) mouv__pressure_begin(checkout);
}

int64_t mouv__checkout_alarm_ns(const mouv__checkout_t *checkout) {
    return checkout->press_ns < checkout->wait_ns ? checkout->press_ns : checkout->wait_ns;
}

bool mouv__checkout_on_alarm(mouv__checkout_t *checkout) {
    return checkout_now_ns(checkout) >= checkout->wait_ns || !mouv__pressure_rise(checkout);
}

void mouv__checkout_end(mouv__checkout_t *checkout, const mouv_error_t *error) {
    if (checkout->state == MOUV__CHECKOUT_NONE) return;
    if (error && checkout->state == MOUV__CHECKOUT_QUEUED)
        checkout_tell(checkout, MOUV__EVENT_CONNECTION_CHECK_OUT_FAILED, NULL, error);
    checkout_leave_queue(checkout);
    checkout_move(checkout, MOUV__CHECKOUT_NONE);
}

bool mouv__checkout_is_hopeless(const mouv__checkout_t *checkout) {
    return mouv__topology_is_hopeless(checkout->pool->topology, checkout->looks);
}

/* --- words ------------------------------------------------------------------------------------ */

/* No server has said why. Where the URI names servers each has a reason, if only that it is silent. */
static void checkout_explain_silence(const mouv__pool_t *pool, char *text, size_t size) {
    const char *srv_host = pool->topology->srv_host;
    if (pool->state == MOUV__POOL_READY || !*srv_host)
        snprintf(text, size, "no server of the deployment takes this operation now");
    else
        snprintf(text, size, "DNS has not said yet which servers %s has", srv_host);
}

static void checkout_explain_selection(const mouv__checkout_t *checkout, mouv_error_t *error) {
    const mouv__pool_t *pool = checkout->pool;
    int64_t left_ms = (checkout->select_ns - checkout_now_ns(checkout)) / MOUV__NS_PER_MS;
    int64_t waited_ms = pool->selection_timeout_ms - (left_ms > 0 ? left_ms : 0);
    char reasons[400];
    if (mouv__breaker_explain(pool, checkout->server_id, error)) return;
    mouv__topology_errors(pool->topology, pool->listener, reasons, sizeof(reasons));
    if (!reasons[0]) checkout_explain_silence(pool, reasons, sizeof(reasons));
    if (mouv__checkout_is_hopeless(checkout))
        mouv_error_set(error, MOUV_ESELECTION, "no suitable server: %s", reasons);
    else
        mouv_error_set(error, MOUV_ESELECTION, "no suitable server within %lld ms: %s",
                       (long long)waited_ms, reasons);
}

/* By order of arrival, since counting would cost too much where many fail at once. */
static uint32_t checkout_count_ahead(const mouv__checkout_t *checkout) {
    const mouv__pool_t *pool = checkout->pool;
    const mouv__queue_t *own = checkout->queue;
    if (!own) return 0;
    bool shares = own >= pool->waiting && own < pool->waiting + MOUV__WAITING_KINDS;
    uint64_t oldest = mouv__queue_first(own)->order;
    for (int i = 0; shares && i < MOUV__WAITING_KINDS; i++) {
        const mouv__checkout_t *first = mouv__queue_first(&pool->waiting[i]);
        if (first && first->order < oldest) oldest = first->order;
    }
    uint64_t ahead = checkout->order - oldest;
    uint32_t most = (shares ? mouv__queue_count_waiting(pool) : own->count) - 1;
    return ahead < most ? (uint32_t)ahead : most;
}

/* Behind a load balancer: the words are the specification's. */
static void checkout_explain_kept(const mouv__pool_t *pool, uint32_t busy, mouv_error_t *error) {
    uint32_t transactions, cursors;
    size_t length = strlen(error->message);
    mouv__pin_count(pool, &transactions, &cursors);
    snprintf(error->message + length, sizeof(error->message) - length,
             "; maxPoolSize: %u, connections in use by cursors: %u, connections in use by "
             "transactions: %u, connections in use by other operations: %u",
             pool->connection_max, cursors, transactions, busy - cursors - transactions);
}

static void checkout_explain_queue(const mouv__checkout_t *checkout, mouv_error_t *error) {
    const mouv__pool_t *pool = checkout->pool;
    int64_t now_ns = checkout_now_ns(checkout), age_ns = 0;
    uint32_t busy = 0;
    for (uint32_t i = 0; i < pool->connection_count; i++) {
        const mouv__connection_t *connection = pool->connections[i];
        if (!mouv__connection_is_busy(connection)) continue;
        busy++;
        if (connection->state != MOUV__CONNECTION_SETTING_UP &&
            now_ns - connection->granted_ns > age_ns)
            age_ns = now_ns - connection->granted_ns;
    }
    mouv_error_set(error, MOUV_EQUEUE,
                   "%u of %u clients busy, %u operations ahead; the oldest runs for %.1f s", busy,
                   pool->connection_max, checkout_count_ahead(checkout), (double)age_ns / 1e9);
    if (mouv__topology_is_balanced(pool->topology)) checkout_explain_kept(pool, busy, error);
}

void mouv__checkout_explain(const mouv__checkout_t *checkout, mouv_error_t *error) {
    if (checkout->state == MOUV__CHECKOUT_SELECTING)
        checkout_explain_selection(checkout, error);
    else if (checkout->state == MOUV__CHECKOUT_QUEUED)
        checkout_explain_queue(checkout, error);
}
