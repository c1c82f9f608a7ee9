/*
 * Letting in: from SELECTING over QUEUED to a connection.
 */
#include "mongo/pool/pool.h"

#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/pool/beside.h"
#include "mongo/pool/checkout.h"
#include "mongo/pool/establish.h"
#include "mongo/pool/idle.h"
#include "mongo/pool/measure.h"
#include "mongo/pool/pin.h"
#include "mongo/pool/pressure.h"
#include "mongo/pool/queue.h"
#include "mongo/topology/events.h"

/* How far behind a checkout that cannot go yet others are looked at (other servers' turn). */
#define LOOK_AHEAD 64

/* --- granting --------------------------------------------------------------------------------- */

void mouv__pool_fail(mouv__checkout_t *checkout, const mouv_error_t *error) {
    mouv_error_t own = *error;
    mouv__checkout_end(checkout, &own);
    checkout->ops->failed(checkout, &own);
}

void mouv__pool_withdraw(mouv__checkout_t *checkout, const mouv_error_t *error) {
    mouv__checkout_end(checkout, error);
}

static bool pool_is_kept(const mouv__connection_t *connection) {
    return !mouv__list_is_empty(&connection->keepers);
}

/* By the operation that it was checked out for, told at the time. */
static void pool_check_in(mouv__pool_t *pool, mouv__connection_t *connection, uint32_t server_id,
                          uint64_t operation_id) {
    uint64_t since = connection->kept_since ? connection->kept_since : operation_id;
    connection->kept_since = 0;
    mouv__checkout_return(pool, connection, server_id, since);
}

/* One that is kept stays checked out. False: it is idle now. */
static bool pool_keep(mouv__pool_t *pool, mouv__connection_t *connection, uint32_t server_id,
                      uint64_t operation_id) {
    bool kept = pool_is_kept(connection);
    if (!kept)
        pool_check_in(pool, connection, server_id, operation_id);
    else if (!connection->kept_since)
        connection->kept_since = operation_id;
    pool->polling -= connection->state == MOUV__CONNECTION_POLLING;
    mouv__connection_move(connection, kept ? MOUV__CONNECTION_KEPT : MOUV__CONNECTION_IDLE);
    return kept;
}

/* A connection that is idle, or kept: it is so again if it was not taken. */
static void pool_grant(mouv__pool_t *pool, mouv__checkout_t *checkout,
                       mouv__connection_t *connection) {
    if (!checkout->ops->admit(checkout)) return;
    if (connection->state == MOUV__CONNECTION_IDLE) mouv__idle_remove(pool, connection);
    mouv__connection_move(connection, checkout->poll_waits ? MOUV__CONNECTION_POLLING
                                                           : MOUV__CONNECTION_IN_USE);
    connection->granted_ns = mouv__client_now_ns(pool->client);
    pool->untimed_turn = checkout->queue != &pool->waiting[MOUV__WAITING_UNTIMED];
    pool->polling += checkout->poll_waits;
    mouv__checkout_grant(checkout, connection);
    mouv__checkout_end(checkout, NULL);
    uint64_t operation_id = checkout->operation_id;
    uint32_t server_id = checkout->server_id;
    if (checkout->ops->granted(checkout, connection)) return;
    if (!pool_keep(pool, connection, server_id, operation_id)) mouv__idle_push(pool, connection);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void pool_fail_unserved(mouv__checkout_t *checkout) {
    mouv_error_t error = {0};
    if (checkout->state != MOUV__CHECKOUT_SELECTING) mouv__checkout_select(checkout);
    mouv__checkout_explain(checkout, &error);
    mouv__pool_fail(checkout, &error);
}

static void pool_fail_unreachable(mouv__checkout_t *checkout) {
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ESELECTION, "the server is not reachable");
    mouv__pool_fail(checkout, &error);
}

/* A client that closes takes what clean-up would clean up for gone with its server. */
static void pool_wait_or_fail(mouv__checkout_t *checkout) {
    mouv__pool_t *pool = checkout->pool;
    bool hopeless = mouv__checkout_is_hopeless(checkout);
    if (checkout->cleanup && (hopeless || !mouv__client_is_open(pool->client))) {
        pool_fail_unreachable(checkout);
    } else if (hopeless) {
        pool_fail_unserved(checkout);
    } else {
        mouv__checkout_select(checkout);
    }
}

/* A killSessions that is under way, or may come for one that is late, must not hit the session's
 * next operation: that waits. */
static bool pool_may_go(const mouv__checkout_t *checkout) {
    return checkout->session->kills == 0 && checkout->session->out == 0;
}

static mouv__checkout_t *pool_first_pinned(mouv__connection_t *connection, bool polls) {
    MOUV__QUEUE_EACH(&connection->pinned, checkout)
    if (pool_may_go(checkout) && checkout->poll_waits == polls) return checkout;
    return NULL;
}

static bool pool_is_usable(const mouv__connection_t *connection) {
    return (connection->state == MOUV__CONNECTION_IDLE ||
            connection->state == MOUV__CONNECTION_KEPT) &&
           !mouv__connection_find_link(connection, MOUV__LINK_CUT);
}

static void pool_grant_pinned(mouv__pool_t *pool, mouv__checkout_t *checkout,
                              mouv__connection_t *connection) {
    if (mouv__checkout_choose(checkout))
        pool_grant(pool, checkout, connection);
    else
        pool_wait_or_fail(checkout);
}

/* The next one pinned to a connection goes before all others; a poll only on one that is kept, of
 * which nobody else has anything. */
void mouv__pool_serve(mouv__pool_t *pool, mouv__connection_t *connection) {
    mouv__checkout_t *checkout;
    while (pool_is_usable(connection)) {
        checkout = pool_first_pinned(connection, false);
        if (!checkout && pool_is_kept(connection)) checkout = pool_first_pinned(connection, true);
        if (!checkout) return;
        pool_grant_pinned(pool, checkout, connection);
    }
}

/* Of the polls that only an idle connection keeps waiting for its turn, the first that came. */
static mouv__checkout_t *pool_first_poll(const mouv__pool_t *pool,
                                         mouv__connection_t **connection) {
    mouv__checkout_t *first = NULL;
    MOUV__LIST_EACH(&pool->idle, mouv__connection_t, each, idle) {
        if (each->pinned.count == 0 || !pool_is_usable(each)) continue;
        mouv__checkout_t *poll = pool_first_pinned(each, true);
        if (!poll || (first && first->order < poll->order)) continue;
        first = poll;
        *connection = each;
    }
    return first;
}

/* Behind all others: so none keeps its place from those on other connections. */
static void pool_pump_polls(mouv__pool_t *pool) {
    mouv__checkout_t *poll;
    mouv__connection_t *connection;
    while (pool->polling < pool->polling_max && (poll = pool_first_poll(pool, &connection)) != NULL)
        pool_grant_pinned(pool, poll, connection);
}

void mouv__pool_serve_all(mouv__pool_t *pool) {
    for (uint32_t i = 0; i < pool->connection_count; i++)
        mouv__pool_serve(pool, pool->connections[i]);
}

/* --- connections ------------------------------------------------------------------------------ */

static void pool_on_connected(void *arg, const mouv_error_t *error);

static bool pool_may_grow(const mouv__pool_t *pool, uint32_t server_id) {
    const mouv__server_pool_t *of = mouv__server_pool_of(pool, server_id);
    return of && mouv__establish_may_begin(pool, of) &&
           of->connecting < mouv__queue_count_waiting(pool) + pool->polls.count;
}

/* Begins one more connection to its server, if that is allowed and of use. False: there is no
 * memory for it and no other connection to wait for. */
static bool pool_grow(mouv__pool_t *pool, const mouv__checkout_t *checkout) {
    mouv__server_t *server = mouv__topology_server(pool->topology, checkout->server_id);
    if (!server || !mouv__server_pool_ready(pool, server)) return false;
    if (!pool_may_grow(pool, checkout->server_id)) return true;
    mouv__connection_t *connection = mouv__idle_find_other(pool, checkout);
    if (connection)
        mouv__idle_remove(pool, connection);
    else
        connection = mouv__establish_new(pool);
    if (!connection) return pool->connection_count > 0;
    if (mouv__establish_begin(connection, checkout->server_id, pool_on_connected) == 0) return true;
    mouv__idle_push(pool, connection);
    return mouv__establish_any(pool, checkout->server_id);
}

/* Sets a link that was cut up anew, if its server is there, before anything runs on an idle
 * connection; in its turn, as other connections are. */
static void pool_reconnect(mouv__pool_t *pool, mouv__connection_t *connection) {
    mouv__server_link_t *link = mouv__connection_find_link(connection, MOUV__LINK_CUT);
    const mouv__server_pool_t *of = mouv__server_pool_of(pool, link->server_id);
    bool there = of && mouv__server_is_known(of->server);
    bool held = mouv__breaker_holds_cut(pool, link);
    if (there && !held && !mouv__establish_may_begin(pool, of)) return;
    pool->reconnecting = true; /* others may be waiting for their turn */
    if (held) return;
    uint32_t server_id = link->server_id;
    mouv__server_pool_drop_link(pool, connection, server_id, MOUV_CONNECTION_CLOSED_ERROR);
    if (!there || !mouv__client_is_open(pool->client)) return;
    mouv__idle_remove(pool, connection);
    if (mouv__establish_begin(connection, server_id, pool_on_connected) < 0)
        mouv__idle_push(pool, connection);
}

/* One that need not be set up any more may be what its pinned checkouts have waited for. */
static void pool_pump_reconnecting(mouv__pool_t *pool) {
    pool->reconnecting = false;
    MOUV__LIST_EACH(&pool->idle, mouv__connection_t, connection, idle) {
        if (!mouv__connection_find_link(connection, MOUV__LINK_CUT)) continue;
        pool_reconnect(pool, connection);
        pool->reconnecting = true;
    }
    mouv__pool_serve_all(pool);
}

/* Idle, and in no list. */
static void pool_take_back(mouv__pool_t *pool, mouv__connection_t *connection) {
    mouv__server_pool_drop_stale(pool, connection);
    if (!connection->links) mouv__upkeep_wake(pool);
    mouv__idle_push(pool, connection);
    if (mouv__connection_find_link(connection, MOUV__LINK_CUT)) pool_reconnect(pool, connection);
    if (mouv__connection_find_link(connection, MOUV__LINK_CUT)) pool->reconnecting = true;
    mouv__pool_serve(pool, connection);
}

void mouv__pool_leave(mouv__pool_t *pool, mouv__connection_t *connection, uint32_t server_id,
                      uint64_t operation_id) {
    if (pool_keep(pool, connection, server_id, operation_id)) {
        mouv__pool_serve(pool, connection);
        return;
    }
    if (pool->upkeep.idle_ns > 0) mouv__upkeep_returned(pool, connection, server_id);
    pool_take_back(pool, connection);
}

static void pool_on_pumping(mouv__ready_t *ready) {
    mouv__pool_t *pool = mouv__container_of(ready, mouv__pool_t, pumping);
    mouv_client_t *client = pool->client;
    mouv__pool_serve_all(pool);
    mouv__pool_pump(pool);
    mouv__client_let_go(client);
}

/* From anywhere, so nobody is let in before the next tick. A load balancer is the only server. */
static void pool_on_released(mouv__pool_t *pool, mouv__connection_t *connection) {
    if (pool->topology->count > 0)
        pool_check_in(pool, connection, pool->topology->servers[0]->id, 0);
    mouv__connection_move(connection, MOUV__CONNECTION_IDLE);
    mouv__server_pool_drop_stale(pool, connection);
    mouv__idle_push(pool, connection);
    if (mouv__connection_find_link(connection, MOUV__LINK_CUT)) pool->reconnecting = true;
    if (mouv__ready_is_queued(&pool->pumping)) return;
    mouv__client_hold(pool->client);
    mouv__runtime_ready(mouv__client_runtime(pool->client), &pool->pumping);
}

/* One of its links was idle for too long. */
static void pool_on_disconnected(void *arg, const mouv_error_t *error) {
    mouv__connection_t *connection = arg;
    mouv__pool_t *pool = connection->owner;
    (void)error;
    mouv__connection_move(connection, MOUV__CONNECTION_IDLE);
    pool_take_back(pool, connection);
    mouv__upkeep_wake(pool); /* it may have others */
    mouv__pool_pump(pool);
}

/* Fails those who wait for a connection to this server and have had too many failures. */
static void pool_charge(mouv__queue_t *queue, uint32_t server_id, bool lasting,
                        const mouv_error_t *error) {
    MOUV__QUEUE_EACH(queue, checkout) {
        if (checkout->server_id != server_id) continue;
        if (lasting || ++checkout->connects >= MOUV__CONNECTS_MAX) mouv__pool_fail(checkout, error);
    }
}

/* Credentials are the same for all servers, so whoever may use any server would fail as well. */
static void pool_fail_selecting(mouv__pool_t *pool, const mouv_error_t *error) {
    MOUV__QUEUE_EACH(&pool->selecting, checkout) {
        if (!checkout->criteria.server_id) mouv__pool_fail(checkout, error);
    }
}

/*
 * A connection could not be set up. Where others exist nobody is worse off. Else whoever waits for
 * this server has had one failure: a lasting one (wrong password) ends it, others the third time.
 * A failure makes the server Unknown, so most are back to SELECTING by now,
 * where the selection timeout bounds what is not lasting.
 */
static void pool_on_connected(void *arg, const mouv_error_t *error) {
    mouv__connection_t *connection = arg;
    mouv__pool_t *pool = connection->owner;
    uint32_t server_id = mouv__establish_end(connection, error);
    if (error) mouv__upkeep_failed(pool, server_id);
    pool_take_back(pool, connection);
    if (error && !mouv__establish_any(pool, server_id)) {
        bool lasting = error->code != MOUV_ENETWORK && error->code != MOUV_ESELECTION;
        for (int i = 0; i < MOUV__WAITING_KINDS; i++)
            pool_charge(&pool->waiting[i], server_id, lasting, error);
        pool_charge(&pool->polls, server_id, lasting, error);
        if (lasting) pool_fail_selecting(pool, error);
    }
    mouv__upkeep_wake(pool);
    mouv__pool_pump(pool);
}

/* --- libmongoc's part ------------------------------------------------------------------------- */

static void pool_reselect(mouv__pool_t *pool) {
    pool->nobody_seeks = false;
    MOUV__QUEUE_EACH(&pool->selecting, checkout) {
        mouv_error_t error = {0};
        if (mouv__selection_check(pool->topology, &checkout->criteria, &error) < 0) {
            mouv__pool_fail(checkout, &error);
        } else if (mouv__checkout_choose(checkout)) {
            mouv__checkout_queue(checkout);
            checkout->ops->waits(checkout);
        }
    }
}

static void pool_on_opened(void *arg, const mouv_error_t *error) {
    mouv__pool_t *pool = arg;
    pool->state = error ? MOUV__POOL_NONE : MOUV__POOL_READY;
    if (error) {
        mouv_error_t no_server = *error;
        /* libmongoc could not find out which servers there are; 0: it was not asked */
        if (error->domain != 0 && error->domain != MONGOC_ERROR_COMMAND)
            no_server.code = MOUV_ESELECTION;
        mouv__pool_fail_waiting(pool, &no_server);
    } else {
        pool_reselect(pool); /* the snapshot may have come before it was ready */
        mouv__upkeep_wake(pool);
    }
    mouv__pool_pump(pool);
}

static void pool_open(mouv__pool_t *pool) {
    mouv_error_t error = {0};
    if (pool->transport->ops->open(pool->transport, pool_on_opened, pool) == 0) {
        pool->state = MOUV__POOL_PREPARING;
        return;
    }
    mouv_error_set(&error, MOUV_ENOMEM, "no memory to connect");
    mouv__pool_fail_waiting(pool, &error);
}

/* Success shows in the snapshot, failure in each checkout's own time: nothing to do but go on. */
static void pool_on_sought(void *arg, const mouv_error_t *error) {
    (void)error;
    mouv__pool_pump(arg);
}

static void pool_pump_selector(mouv__pool_t *pool) {
    mouv__transport_t *transport = pool->transport;
    if (transport->controls[MOUV__CONTROL_SELECT].busy) {
        if (!pool->nobody_seeks) mouv__measure_yield(pool);
        return;
    }
    if (pool->state == MOUV__POOL_NONE) pool_open(pool);
    if (pool->state != MOUV__POOL_READY) return;
    /* of those that are marked libmongoc knows nothing: it would have them at once */
    if (pool->nobody_seeks || pool->topology->has_marks) return;
    pool->nobody_seeks = true;
    MOUV__QUEUE_EACH(&pool->selecting, seeker) {
        if (!mouv__checkout_seeks(seeker)) continue;
        transport->ops->seek(transport, seeker->criteria.write, seeker->criteria.read_prefs,
                             pool_on_sought, pool);
        pool->nobody_seeks = false;
        return;
    }
}

/* --- the pump --------------------------------------------------------------------------------- */

bool mouv__pool_is_full(const mouv__pool_t *pool) {
    return mouv__list_is_empty(&pool->idle) && pool->connection_count >= pool->connection_max;
}

/* Whether anybody could be served: from what is idle, or what may be set up. */
static bool pool_has_room(mouv__pool_t *pool) {
    return !mouv__pool_is_full(pool) || mouv__establish_may_reclaim(pool);
}

/* Makes one idle that hangs in its set-up to another server. */
static bool pool_reclaim(mouv__pool_t *pool, uint32_t server_id) {
    if (!mouv__pool_is_full(pool) || !pool_may_grow(pool, server_id)) return false;
    mouv__connection_t *connection = mouv__establish_reclaim(pool, server_id);
    if (!connection) return false;
    mouv__server_pool_drop_stale(pool, connection);
    mouv__idle_push(pool, connection);
    return true;
}

/* Servers that have no free connection now. */
typedef struct blocked {
    uint32_t ids[LOOK_AHEAD];
    uint32_t count;
} blocked_t;

static bool pool_is_blocked(const blocked_t *blocked, uint32_t server_id) {
    for (uint32_t i = 0; i < blocked->count; i++)
        if (blocked->ids[i] == server_id) return true;
    return false;
}

/* What has been idle for too long is closed, not given. */
static mouv__connection_t *pool_find_idle(mouv__pool_t *pool, const mouv__checkout_t *checkout) {
    mouv__connection_t *connection = mouv__idle_find(pool, checkout);
    while (connection && pool->upkeep.idle_ns > 0 &&
           mouv__upkeep_expire(pool, connection, checkout->server_id))
        connection = mouv__idle_find(pool, checkout);
    return connection;
}

/* False: it waits, and so do those behind it that want the same server. */
static bool pool_try(mouv__pool_t *pool, mouv__checkout_t *checkout, bool is_blocked) {
    mouv__connection_t *connection = is_blocked ? NULL : pool_find_idle(pool, checkout);
    if (!connection && !is_blocked && pool_reclaim(pool, checkout->server_id))
        connection = pool_find_idle(pool, checkout);
    if (connection) {
        pool_grant(pool, checkout, connection);
        return true;
    }
    if (is_blocked || pool_grow(pool, checkout)) return false;
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ENOMEM, "no memory to connect");
    mouv__pool_fail(checkout, &error);
    return true;
}

/* Those behind it that want the same server wait as well. False: nobody else is looked at. */
static bool pool_block(mouv__pool_t *pool, blocked_t *blocked, uint32_t server_id) {
    blocked->ids[blocked->count++] = server_id;
    return blocked->count < LOOK_AHEAD && pool_has_room(pool);
}

/*
 * It is its turn. A checkout whose server has no free connection does not hold up those for other
 * servers, and one whose session is being killed nobody. False: nobody else is looked at.
 */
static bool pool_offer(mouv__pool_t *pool, mouv__checkout_t *checkout, blocked_t *blocked) {
    if (checkout->session && !pool_may_go(checkout)) return true;
    if (!mouv__checkout_choose(checkout)) {
        mouv__checkout_select(checkout);
        return true;
    }
    return pool_try(pool, checkout, pool_is_blocked(blocked, checkout->server_id)) ||
           pool_block(pool, blocked, checkout->server_id);
}

/* The newest of those with a deadline and the oldest of those without, by turns, whose server is
 * under pressure. */
static bool pool_pump_newest_first(mouv__pool_t *pool, blocked_t *blocked) {
    MOUV__WALK(untimed, &pool->waiting[MOUV__WAITING_UNTIMED], false);
    MOUV__WALK(timed, &pool->waiting[MOUV__WAITING_TIMED], true);
    MOUV__WALK(pressed, &pool->waiting[MOUV__WAITING_PRESSED], true);
    uint32_t others = 0;
    while ((untimed.next || timed.next || pressed.next) && others < LOOK_AHEAD) {
        bool is_pressed = pressed.next && (!timed.next || pressed.next->order > timed.next->order);
        mouv__walk_t *from = is_pressed ? &pressed : &timed;
        if (untimed.next && (!from->next || pool->untimed_turn)) from = &untimed;
        mouv__checkout_t *checkout = mouv__walk_take(from);
        if (!mouv__pressure_is_on(pool, checkout->server_id))
            others++;
        else if (!pool_offer(pool, checkout, blocked))
            return false;
    }
    return true;
}

/* First come, first served. */
static bool pool_pump_in_order(mouv__pool_t *pool, blocked_t *blocked) {
    MOUV__WALK(timed, &pool->waiting[MOUV__WAITING_TIMED], false);
    MOUV__WALK(untimed, &pool->waiting[MOUV__WAITING_UNTIMED], false);
    while (timed.next || untimed.next) {
        bool is_timed = timed.next && (!untimed.next || timed.next->order < untimed.next->order);
        if (!pool_offer(pool, mouv__walk_take(is_timed ? &timed : &untimed), blocked)) return false;
    }
    return true;
}

/* What is left for those whose half is over. */
static bool pool_pump_pressed(mouv__pool_t *pool, blocked_t *blocked) {
    MOUV__WALK(pressed, &pool->waiting[MOUV__WAITING_PRESSED], true);
    while (pressed.next)
        if (!pool_offer(pool, mouv__walk_take(&pressed), blocked)) return false;
    return true;
}

static void pool_pump_polls_in_turn(mouv__pool_t *pool, blocked_t *blocked) {
    MOUV__QUEUE_EACH(&pool->polls, checkout) {
        if (pool->polling >= pool->polling_max || !pool_offer(pool, checkout, blocked)) return;
    }
}

static void pool_pump_ready(mouv__pool_t *pool) {
    bool pressed = pool->waiting[MOUV__WAITING_PRESSED].count > 0;
    blocked_t blocked = {.count = 0};
    if (pressed && mouv__pressure_newest_first(pool) && !pool_pump_newest_first(pool, &blocked))
        return;
    if (pool_pump_in_order(pool, &blocked) && (!pressed || pool_pump_pressed(pool, &blocked)))
        pool_pump_polls_in_turn(pool, &blocked);
}

static void pool_pump_cleanup(mouv__pool_t *pool) {
    MOUV__QUEUE_EACH(&pool->cleanup, checkout) {
        if (pool->transport->controls[MOUV__CONTROL_CLEANUP].busy) return;
        /* an abort does not overtake what it aborts, nor meet its kill */
        if (checkout->lasts && checkout->session && !pool_may_go(checkout)) continue;
        if (!checkout->ops->admit(checkout)) continue;
        mouv__checkout_end(checkout, NULL);
        checkout->ops->granted(checkout, NULL);
    }
}

void mouv__pool_pump(mouv__pool_t *pool) {
    if (mouv__client_state(pool->client) > MOUV__CLIENT_DRAINING) return;
    mouv__recheck(pool);
    if (pool->state == MOUV__POOL_READY) {
        if (pool->breakers.open_count > 0 || mouv__queue_count_waiting(pool) > 0)
            mouv__beside(pool, pool_on_connected);
        if (pool->cleanup.count > 0) pool_pump_cleanup(pool);
        if (pool->reconnecting) pool_pump_reconnecting(pool);
        if (mouv__queue_count_waiting(pool) + pool->polls.count > 0) pool_pump_ready(pool);
        if (pool->streams > 0) pool_pump_polls(pool);
    }
    if (pool->selecting.count > 0) pool_pump_selector(pool);
}

/* --- entering --------------------------------------------------------------------------------- */

static bool pool_is_over_limit(const mouv__pool_t *pool) {
    return pool->selecting.count + mouv__queue_count_waiting(pool) + pool->polls.count >=
           pool->queue_limit;
}

static void pool_let_in(mouv__pool_t *pool, mouv__checkout_t *checkout) {
    mouv_error_t error = {0};
    mouv__checkout_begin(checkout, pool);
    if (!checkout->cleanup && pool_is_over_limit(pool)) {
        mouv_error_set(&error, MOUV_EQUEUE, "%u operations wait already", pool->queue_limit);
        mouv__pool_fail(checkout, &error);
    } else if (mouv__selection_check(pool->topology, &checkout->criteria, &error) < 0) {
        mouv__pool_fail(checkout, &error);
    } else if (mouv__checkout_choose(checkout)) {
        mouv__checkout_queue(checkout);
        mouv__connection_t *pinned = mouv__checkout_pinned(checkout);
        if (pinned) mouv__pool_serve(pool, pinned);
    } else {
        pool_wait_or_fail(checkout);
    }
}

void mouv__pool_enter(mouv__pool_t *pool, mouv__checkout_t *checkout) {
    pool_let_in(pool, checkout);
    mouv__pool_pump(pool);
}

/* --- the picture ------------------------------------------------------------------------------ */

void mouv__pool_server_lost(mouv__pool_t *pool, mouv__server_t *server) {
    mouv__server_pool_t *of = mouv__server_pool_of(pool, server->id);
    if (!of) return;
    mouv__breaker_lost(pool, server->id);
    mouv__server_pool_clear(pool, of);
}

void mouv__pool_server_changed(mouv__pool_t *pool, mouv__server_t *server) {
    if (mouv__server_is_known(server))
        mouv__server_pool_ready(pool, server);
    else
        mouv__pool_server_lost(pool, server);
}

void mouv__pool_server_gone(mouv__pool_t *pool, mouv__server_t *server) {
    mouv__server_pool_t *of = mouv__server_pool_of(pool, server->id);
    if (!of) return;
    mouv__breaker_lost(pool, server->id);
    mouv__server_pool_close(pool, of);
}

void mouv__pool_look_again(mouv__pool_t *pool) {
    mouv__client_hold(pool->client);
    pool_reselect(pool);
    MOUV__QUEUE_EACH(&pool->selecting, checkout)
    if (mouv__checkout_is_hopeless(checkout)) pool_fail_unserved(checkout);
    mouv__pool_serve_all(pool);
    mouv__pool_pump(pool);
    mouv__upkeep_wake(pool);
    mouv__client_let_go(pool->client);
}

static void pool_drop_lost(mouv__pool_t *pool, mouv__connection_t *connection, uint32_t server_id) {
    mouv__server_pool_drop_link(pool, connection, server_id, MOUV_CONNECTION_CLOSED_ERROR);
    mouv__upkeep_wake(pool);
}

/* The server has closed it while it was idle. */
static void pool_on_lost(mouv__transport_t *transport, mouv__connection_t *connection,
                         uint32_t server_id) {
    mouv__pool_t *pool = connection->owner;
    (void)transport;
    if (pool) /* not a control connection's */
        pool_drop_lost(pool, connection, server_id);
    else
        mouv__connection_drop_link(connection, server_id);
}

static void pool_on_change(mouv__pool_t *pool, bool again) {
    if (again)
        mouv__pool_look_again(pool);
    else
        mouv__pool_pump(pool);
}

/* --- failing ---------------------------------------------------------------------------------- */

static void pool_fail_queue(mouv__queue_t *queue, bool cleanup, const mouv_error_t *error) {
    MOUV__QUEUE_EACH(queue, checkout)
    if (checkout->cleanup == cleanup) mouv__pool_fail(checkout, error);
}

static void pool_fail_queues(mouv__pool_t *pool, bool cleanup, const mouv_error_t *error) {
    mouv__client_hold(pool->client);
    pool_fail_queue(&pool->selecting, cleanup, error);
    for (int i = 0; i < MOUV__WAITING_KINDS; i++)
        pool_fail_queue(&pool->waiting[i], cleanup, error);
    pool_fail_queue(&pool->polls, cleanup, error);
    pool_fail_queue(&pool->cleanup, cleanup, error);
    for (uint32_t i = 0; i < pool->connection_count; i++)
        pool_fail_queue(&pool->connections[i]->pinned, cleanup, error);
    mouv__client_let_go(pool->client);
}

void mouv__pool_fail_waiting(mouv__pool_t *pool, const mouv_error_t *error) {
    pool_fail_queues(pool, false, error);
    mouv__client_hold(pool->client);
    MOUV__QUEUE_EACH(&pool->selecting, checkout)
    if (!checkout->lasts) pool_fail_unreachable(checkout);
    mouv__client_let_go(pool->client);
}

void mouv__pool_fail_cleanup(mouv__pool_t *pool) {
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ECANCELED, "cancelled: the runtime closes");
    pool_fail_queues(pool, true, &error);
}

/* --- figures ---------------------------------------------------------------------------------- */

uint32_t mouv__pool_count_waiting(const mouv__pool_t *pool) {
    uint32_t count = pool->selecting.count + mouv__queue_count_waiting(pool) + pool->polls.count +
                     pool->cleanup.count;
    for (uint32_t i = 0; i < pool->connection_count; i++)
        count += pool->connections[i]->pinned.count;
    return count;
}

uint32_t mouv__pool_count_busy(const mouv__pool_t *pool) {
    uint32_t count = 0;
    for (int i = 0; i < MOUV__CONTROLS; i++) count += pool->transport->controls[i].busy;
    for (uint32_t i = 0; i < pool->connection_count; i++)
        count += mouv__connection_is_busy(pool->connections[i]);
    return count;
}

uint32_t mouv__pool_count_remade(const mouv__pool_t *pool, uint32_t server_id) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < pool->connection_count; i++) {
        const mouv__connection_t *connection = pool->connections[i];
        const mouv__server_link_t *cut = mouv__connection_find_link(connection, MOUV__LINK_CUT);
        count += (cut && cut->server_id == server_id) ||
                 (connection->state == MOUV__CONNECTION_SETTING_UP &&
                  connection->setting_up.server_id == server_id);
    }
    return count;
}

/* --- begin and end ---------------------------------------------------------------------------- */

int mouv__pool_init(mouv__pool_t *pool, mouv_client_t *client, mouv__transport_t *transport,
                    const mouv__pool_options_t *options) {
    uint32_t spared = (transport->connection_max + 3) / 4;
    pool->client = client;
    pool->transport = transport;
    transport->lost = pool_on_lost;
    pool->connection_max = transport->connection_max;
    pool->polling_max = pool->connection_max > 1 ? pool->connection_max - spared : 1;
    pool->selection_timeout_ms = options->selection_timeout_ms;
    pool->queue_wait_ms = options->queue_wait_ms;
    pool->queue_limit = options->queue_limit;
    pool->told = options->told;
    pool->connecting_max =
        pool->told.max_connecting > 0 ? pool->told.max_connecting : MOUV__CONNECTING_MAX;
    if (transport->connecting_max > 0 && transport->connecting_max < pool->connecting_max)
        pool->connecting_max = transport->connecting_max;
    pool->upkeep = (mouv__upkeep_t){
        .idle_ns = transport->keeps_sockets ? 0 : pool->told.max_idle_time_ms * MOUV__NS_PER_MS,
        .least = pool->told.min_pool_size,
        .connected = pool_on_connected,
        .disconnected = pool_on_disconnected};
    pool->changed = pool_on_change;
    pool->released = pool_on_released;
    pool->pumping.run = pool_on_pumping;
    mouv__breakers_init(&pool->breakers, pool);
    pool->connections = mouv__alloc((pool->connection_max + MOUV__CONTROLS + MOUV__ORPHANS_MAX) *
                                    sizeof(pool->connections[0]));
    if (pool->connections) return 0;
    mouv__pool_clear(pool);
    return MOUV_ENOMEM;
}

/* libmongoc prefers the primary for its good-bye; without one it takes any. */
static bool pool_is_preferred(const mouv__pool_t *pool, const mouv__server_link_t *link) {
    const mouv__server_t *server = mouv__topology_server(pool->topology, link->server_id);
    return !mouv__topology_has_primary(pool->topology) ||
           (server && server->kind == MOUV__SERVER_PRIMARY);
}

/* Links are dropped before the transport closes. */
static void pool_note_last(const mouv__pool_t *pool, mouv__connection_t *connection) {
    for (const mouv__server_link_t *link = connection->links; link; link = link->next) {
        if (link->state != MOUV__LINK_READY || connection->goes_last) continue;
        connection->last_server_id = link->server_id;
        connection->goes_last = pool_is_preferred(pool, link);
    }
}

static bool pool_any_server(const mouv__pool_t *pool) {
    for (uint32_t i = 0; i < pool->topology->count; i++)
        if (mouv__server_is_known(pool->topology->servers[i])) return true;
    return false;
}

void mouv__pool_close(mouv__pool_t *pool, mouv__transport_ended_fn_t ended, void *arg) {
    mouv__transport_t *transport = pool->transport;
    mouv__transport_end_t end = {.connections = pool->connections,
                                 .unused = pool->state == MOUV__POOL_NONE,
                                 .unreachable = !pool_any_server(pool)};
    mouv__breakers_close(&pool->breakers);
    mouv__upkeep_close(pool);
    mouv__measure_close(pool);
    mouv__recheck_close(pool);
    mouv__pin_forget_all(&transport->sessions);
    transport->ops->abandon_jobs(transport);
    mouv__establish_close(pool);
    mouv__beside_close(pool);
    for (uint32_t i = 0; i < pool->connection_count; i++) {
        mouv__connection_t *connection = pool->connections[i];
        mouv__pin_forget_all(&connection->sessions);
        mouv__pin_lose_connection(connection);
        if (connection->state == MOUV__CONNECTION_KEPT)
            mouv__connection_move(connection, MOUV__CONNECTION_IDLE);
        connection->dropped = NULL; /* what is told of as closed now has still to say good-bye */
        pool_note_last(pool, connection);
        if (!mouv__connection_is_busy(connection)) end.connections[end.count++] = connection;
    }
    while (pool->servers) mouv__server_pool_close(pool, pool->servers);
    pool->connections = NULL;
    pool->connection_count = 0;
    pool->idle = (mouv__list_t){0};
    pool->state = MOUV__POOL_NONE;
    transport->ops->close(transport, &end, ended, arg);
}

void mouv__pool_clear(mouv__pool_t *pool) {
    if (pool->transport) pool->transport->ops->free(pool->transport);
    mouv__free(pool->connections);
    pool->transport = NULL;
    pool->connections = NULL;
}
