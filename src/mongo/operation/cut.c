/*
 * The graces of operations that were given up, and the budget of cuts: each costs a new connection,
 * so there may be so many at once, then one every so often.
 */
#include "mongo/operation/cut.h"

#include "async/task/runtime.h"
#include "mongo/base/client_ref.h"
#include "mongo/operation/inquiry.h"
#include "mongo/operation/kill.h"
#include "mongo/operation/state.h"

#define GRACE_NS (50 * MOUV__NS_PER_MS)

/* How long one is left alone whose connection nobody needs, on a server that answers others. */
#define SPARED_NS (1000 * MOUV__NS_PER_MS)

/* Of that server's connections, most that are made anew at a time: one of so many. */
#define REMADE_SHARE 4

/* Cuts at once; then one for each price (see transport.h). */
#define BURST 500

/* When one that the budget did not allow is looked at again. */
#define ABANDON_NS (1000 * MOUV__NS_PER_MS)

/* How long a server that has lost its place may be silent about what runs on it. */
#define REPLACED_NS (1000 * MOUV__NS_PER_MS)

/* The call has not begun yet, or is on its way back. */
#define AGAIN_NS (5 * MOUV__NS_PER_MS)

/* --- the list --------------------------------------------------------------------------------- */

static void cut_pull(mouv__operation_t *op) {
    mouv__list_remove(&op->operations->cuts.list, &op->cut);
    op->cut_ns = 0;
    op->watched = false;
}

static void cut_push(mouv__operation_t *op, int64_t at_ns) {
    op->cut_ns = at_ns;
    op->since_ns = mouv__operation_now_ns(op);
    mouv__list_push_front(&op->operations->cuts.list, &op->cut);
}

/* --- one operation ---------------------------------------------------------------------------- */

static int64_t cut_grace_ns(const mouv__operation_t *op) {
    return mouv__server_pool_patience_ns(op->operations->pool, op->checkout.server_id, GRACE_NS);
}

/* A client that closes makes no new connection for one that was cut. */
static bool cut_can_spend(mouv__operations_t *operations, int64_t now_ns) {
    mouv__cuts_t *cuts = &operations->cuts;
    int64_t price_ns = operations->pool->transport->cut_price_ns;
    if (!mouv__client_is_open(operations->client)) return true;
    int64_t least_ns = now_ns - BURST * price_ns;
    if (cuts->spent_ns < least_ns) cuts->spent_ns = least_ns;
    return cuts->spent_ns + price_ns <= now_ns;
}

/* Until when a server that is not silent has time for its answer; 0: it had enough. A write's
 * caller may still wait for what became of it. */
static int64_t cut_patience_ns(const mouv__operation_t *op) {
    if (mouv__kill_is_silent(op)) return 0;
    if (op->state != MOUV__OP_STOPPING) return 0;
    return mouv__inquiry_is_possible(op) ? op->grace_ns - MOUV__INQUIRY_NS : op->grace_ns;
}

/* A getMore that waits on the server: no kill ends that before its time. */
static bool cut_is_poll(const mouv__operation_t *op) {
    return mouv__is_poll(op) && op->parts.pin;
}

/* A server with more work than it can do comes to no end of what it has been told to end, either. It
 * then has to make a connection, too, for each that is cut, and answers the less: so those are left
 * alone that are in nobody's way, and of the others only so many are cut at a time. */
static bool cut_is_spared(const mouv__operation_t *op, int64_t now_ns) {
    const mouv__pool_t *pool = op->operations->pool;
    const mouv__server_t *server = mouv__operation_server(op);
    uint32_t server_id = op->checkout.server_id;
    if (op->state != MOUV__OP_LATE || cut_is_poll(op) || mouv__kill_is_refused(op)) return false;
    if (!mouv__client_is_open(op->client) || mouv__kill_is_silent(op)) return false;
    if (!server || server->took.last_ns < op->since_ns) return false;
    if (now_ns < op->since_ns + SPARED_NS && !mouv__pool_is_full(pool)) return true;
    return now_ns < op->operations->cuts.last_ns + AGAIN_NS || /* it is not back to be counted */
           mouv__pool_count_remade(pool, server_id) * REMADE_SHARE >= pool->connection_count;
}

/* Its command has gone to a server of which nothing is known now. */
static bool cut_is_replaced(const mouv__operation_t *op) {
    return !mouv__server_is_known(mouv__operation_server(op)) &&
           mouv__topology_has_primary(op->operations->pool->topology);
}

/* Whether one that was not given up is to be cut. */
static bool cut_watch(mouv__operation_t *op, int64_t now_ns) {
    op->cut_ns = now_ns + ABANDON_NS;
    if (op->state == MOUV__OP_RUNNING && !mouv__exchange_is_sent(&op->attempt.exchange))
        return false;
    bool replaced = op->state == MOUV__OP_RUNNING && cut_is_replaced(op);
    if (!replaced) cut_pull(op);
    return replaced;
}

static void cut_consider(mouv__operation_t *op, int64_t now_ns) {
    mouv__operations_t *operations = op->operations;
    mouv__transport_t *transport = operations->pool->transport;
    mouv_client_stats_t *stats = mouv__client_stats(op->client);
    if (op->watched && !cut_watch(op, now_ns)) return;
    int64_t until_ns = op->watched ? 0 : cut_patience_ns(op);
    if (until_ns > now_ns) {
        op->cut_ns = until_ns;
        return;
    }
    if (!op->watched && cut_is_spared(op, now_ns)) {
        op->cut_ns = now_ns + (mouv__pool_is_full(operations->pool) ? AGAIN_NS : GRACE_NS);
    } else if (!cut_can_spend(operations, now_ns)) {
        stats->abandoned++;
        op->cut_ns = now_ns + ABANDON_NS;
    } else if (!transport->ops->cut(&op->attempt.exchange)) {
        op->cut_ns = now_ns + AGAIN_NS;
    } else {
        operations->cuts.spent_ns += transport->cut_price_ns;
        operations->cuts.last_ns = now_ns;
        stats->interrupts++;
        cut_pull(op);
        if (mouv__kill_is_silent(op)) mouv__kill_drop(operations);
    }
}

/* --- time ------------------------------------------------------------------------------------- */

static void cut_on_timer(mouv__timer_t *timer);

static void cut_arm(mouv__cuts_t *cuts) {
    mouv_runtime_t *runtime = mouv__client_runtime(cuts->operations->client);
    int64_t next_ns = MOUV__NEVER;
    MOUV__LIST_EACH(&cuts->list, mouv__operation_t, op, cut)
        if (op->cut_ns < next_ns) next_ns = op->cut_ns;
    if (next_ns == MOUV__NEVER)
        mouv__timer_stop(runtime, &cuts->timer);
    else if (mouv__timer_start(runtime, &cuts->timer, next_ns, cut_on_timer) < 0)
        mouv__log(MOUV_LOG_WARNING, "no memory for the timer of a cut");
}

static void cut_on_timer(mouv__timer_t *timer) {
    mouv__cuts_t *cuts = mouv__container_of(timer, mouv__cuts_t, timer);
    int64_t now_ns = mouv__client_now_ns(cuts->operations->client);
    MOUV__LIST_EACH(&cuts->list, mouv__operation_t, op, cut)
        if (op->cut_ns <= now_ns) cut_consider(op, now_ns);
    cut_arm(cuts);
}

/* --- */

void mouv__cut_init(mouv__operations_t *operations) {
    operations->cuts.operations = operations;
}

void mouv__cut_add(mouv__operation_t *op, bool hopeless) {
    if (!op->operations->pool->transport->cuts) return;
    if (!mouv__client_is_open(op->client) && cut_is_poll(op)) hopeless = true;
    if (op->watched) cut_pull(op);
    if (op->cut_ns > 0) return;
    cut_push(op, mouv__operation_now_ns(op) + (hopeless ? 0 : cut_grace_ns(op)));
    cut_arm(&op->operations->cuts);
}

void mouv__cut_topology_changed(mouv__operations_t *operations) {
    const mouv__pool_t *pool = operations->pool;
    if (!pool->transport->cuts || !mouv__topology_has_primary(pool->topology)) return;
    int64_t at_ns = mouv__client_now_ns(operations->client) + REPLACED_NS;
    MOUV__LIST_EACH(&operations->running, mouv__operation_t, op, running) {
        if (op->state != MOUV__OP_RUNNING || op->cut_ns > 0) continue;
        if (mouv__exchange_is_sent(&op->attempt.exchange) && !cut_is_replaced(op)) continue;
        cut_push(op, at_ns);
        op->watched = true;
    }
    if (!mouv__list_is_empty(&operations->cuts.list)) cut_arm(&operations->cuts);
}

void mouv__cut_remove(mouv__operation_t *op) {
    mouv__cuts_t *cuts = &op->operations->cuts;
    if (op->cut_ns == 0) return;
    cut_pull(op); /* of others the timer finds the next one */
    if (mouv__list_is_empty(&cuts->list))
        mouv__timer_stop(mouv__client_runtime(op->client), &cuts->timer);
}

static void cut_hurry(mouv__cuts_t *cuts, bool (*which)(const mouv__operation_t *op)) {
    int64_t now_ns = mouv__client_now_ns(cuts->operations->client);
    MOUV__LIST_EACH(&cuts->list, mouv__operation_t, op, cut)
        if (!op->watched && which(op)) op->cut_ns = now_ns;
    if (!mouv__list_is_empty(&cuts->list)) cut_arm(cuts);
}

static bool cut_is_any(const mouv__operation_t *op) {
    (void)op;
    return true;
}

void mouv__cut_hurry(mouv__operations_t *operations) {
    cut_hurry(&operations->cuts, cut_is_any);
}

void mouv__cut_hurry_polls(mouv__operations_t *operations) {
    cut_hurry(&operations->cuts, cut_is_poll);
}

void mouv__cut_close(mouv__operations_t *operations) {
    mouv__cuts_t *cuts = &operations->cuts;
    mouv__timer_stop(mouv__client_runtime(operations->client), &cuts->timer);
    MOUV__LIST_EACH(&cuts->list, mouv__operation_t, op, cut) cut_pull(op);
}
