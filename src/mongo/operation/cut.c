/*
 * The graces of operations that were given up, and the budget of interrupts.
 */
#include "mongo/operation/cut.h"

#include <stddef.h>

#include "async/task/runtime.h"
#include "mongo/api/client.h"
#include "mongo/operation/attempt.h"
#include "mongo/operation/inquiry.h"
#include "mongo/operation/operation.h"

#define MS_NS INT64_C(1000000)

#define GRACE_NS (50 * MS_NS)
#define GRACE_ROUND_TRIPS 4

/* Each interrupt costs a new connection: with TLS its key exchange and, in libmongoc 1.x, its own
 * SSL_CTX, up to 40 ms of CPU. So many at once, then one every so often. */
#define BURST 500
#define PRICE_NS (MS_NS / 2)
#define TLS_PRICE_NS (20 * MS_NS)

/* When one that the budget did not allow is looked at again. */
#define ABANDON_NS (1000 * MS_NS)

/* How long a getMore waits on the server that says nothing of it. */
#define POLL_MS 1000

/* How long a server that has lost its place may be silent about what runs on it. */
#define REPLACED_NS (1000 * MS_NS)

/* The worker has not begun its call yet, or is on its way back. */
#define AGAIN_NS (5 * MS_NS)

/* --- the list -------------------------------------------------------------------------------- */

static void cut_pull(mouv__operation_t *op) {
    mouv__cuts_t *cuts = &op->client->cuts;
    if (op->cut_prev)
        op->cut_prev->cut_next = op->cut_next;
    else
        cuts->first = op->cut_next;
    if (op->cut_next) op->cut_next->cut_prev = op->cut_prev;
    op->cut_prev = op->cut_next = NULL;
    op->cut_ns = 0;
    op->watched = false;
}

static void cut_push(mouv__operation_t *op, int64_t at_ns) {
    mouv__cuts_t *cuts = &op->client->cuts;
    op->cut_ns = at_ns;
    op->cut_next = cuts->first;
    if (cuts->first) cuts->first->cut_prev = op;
    cuts->first = op;
}

/* --- one operation --------------------------------------------------------------------------- */

static int64_t cut_grace_ns(const mouv__operation_t *op) {
    const mouv_client_t *client = op->client;
    const mouv__server_t *server =
        mouv__topology_server(client->pool.topology, op->attempt.server_id);
    int64_t rtt_ns = server ? mouv__rtt_least_ns(&server->rtt) : 0;
    if (client->kills.rtt_ns > rtt_ns) rtt_ns = client->kills.rtt_ns;
    return GRACE_ROUND_TRIPS * rtt_ns > GRACE_NS ? GRACE_ROUND_TRIPS * rtt_ns : GRACE_NS;
}

static bool cut_can_spend(mouv__cuts_t *cuts, int64_t now_ns) {
    int64_t least_ns = now_ns - BURST * cuts->price_ns;
    if (cuts->spent_ns < least_ns) cuts->spent_ns = least_ns;
    return cuts->spent_ns <= now_ns;
}

/* A getMore that waits on the server is not ended there by a kill, but by its own time. */
static int64_t cut_poll_ends_ns(const mouv__operation_t *op) {
    bson_iter_t iter;
    int64_t wait_ms = POLL_MS;
    if (bson_iter_init_find(&iter, op->command, "maxTimeMS") && BSON_ITER_HOLDS_NUMBER(&iter))
        wait_ms = bson_iter_as_int64(&iter);
    if (op->attempt.max_time_ms > 0) wait_ms = op->attempt.max_time_ms;
    return op->began_ns + wait_ms * MS_NS + cut_grace_ns(op);
}

/* Until when a server that is not silent has time for its answer; 0: it had enough. A write's
 * caller may still wait for what became of it. */
static int64_t cut_patience_ns(const mouv__operation_t *op) {
    if (mouv__kill_is_silent(op)) return 0;
    if (op->state == MOUV__OP_STOPPING)
        return mouv__inquiry_is_possible(op) ? op->grace_ns - MOUV__INQUIRY_NS : op->grace_ns;
    return (op->row->flags & MOUV__OP_POLL) && op->pin ? cut_poll_ends_ns(op) : 0;
}

/* Its command has gone to a server of which nothing is known now. */
static bool cut_is_replaced(const mouv__operation_t *op) {
    const mouv__topology_t *topology = op->client->pool.topology;
    const mouv__server_t *server = mouv__topology_server(topology, op->attempt.server_id);
    return !mouv__server_is_known(server) && mouv__topology_has_primary(topology);
}

/* Whether one that was not given up is to be cut. */
static bool cut_watch(mouv__operation_t *op, int64_t now_ns) {
    op->cut_ns = now_ns + ABANDON_NS;
    if (op->state == MOUV__OP_RUNNING && !mouv__attempt_is_sent(op)) return false;
    bool replaced = op->state == MOUV__OP_RUNNING && cut_is_replaced(op);
    if (!replaced) cut_pull(op);
    return replaced;
}

static void cut_consider(mouv__operation_t *op, int64_t now_ns) {
    mouv_client_t *client = op->client;
    if (op->watched && !cut_watch(op, now_ns)) return;
    int64_t until_ns = op->watched ? 0 : cut_patience_ns(op);
    if (until_ns > now_ns) {
        op->cut_ns = until_ns;
        return;
    }
    if (!cut_can_spend(&client->cuts, now_ns)) {
        mouv__client_stats(client)->abandoned++;
        op->cut_ns = now_ns + ABANDON_NS;
    } else if (!mouv__interruptible_interrupt(op->attempt.connection->interruptible, op->number)) {
        op->cut_ns = now_ns + AGAIN_NS;
    } else {
        client->cuts.spent_ns += client->cuts.price_ns;
        mouv__client_stats(client)->interrupts++;
        cut_pull(op);
        if (mouv__kill_is_silent(op)) mouv__kill_drop(&client->kills);
    }
}

/* --- time ------------------------------------------------------------------------------------ */

static void cut_on_timer(mouv__timer_t *timer);

static void cut_arm(mouv__cuts_t *cuts) {
    mouv_runtime_t *runtime = mouv__client_runtime(cuts->client);
    int64_t next_ns = MOUV__NEVER;
    for (const mouv__operation_t *op = cuts->first; op; op = op->cut_next)
        if (op->cut_ns < next_ns) next_ns = op->cut_ns;
    if (next_ns == MOUV__NEVER)
        mouv__timer_stop(runtime, &cuts->timer);
    else if (mouv__timer_start(runtime, &cuts->timer, next_ns, cut_on_timer) < 0)
        mouv__log(MOUV_LOG_WARNING, "no memory for the timer of an interrupt");
}

static void cut_on_timer(mouv__timer_t *timer) {
    mouv__cuts_t *cuts = (mouv__cuts_t *)((char *)timer - offsetof(mouv__cuts_t, timer));
    int64_t now_ns = mouv__client_now_ns(cuts->client);
    for (mouv__operation_t *op = cuts->first, *next; op; op = next) {
        next = op->cut_next;
        if (op->cut_ns <= now_ns) cut_consider(op, now_ns);
    }
    cut_arm(cuts);
}

/* --- */

void mouv__cut_init(mouv__cuts_t *cuts, mouv_client_t *client) {
    cuts->client = client;
    cuts->price_ns = mongoc_uri_get_tls(client->driver_pool->uri) ? TLS_PRICE_NS : PRICE_NS;
}

void mouv__cut_add(mouv__operation_t *op, bool hopeless) {
    mouv_client_t *client = op->client;
    if (!client->driver_pool->own_streams) return;
    if (op->watched) cut_pull(op);
    if (op->cut_ns > 0) return;
    cut_push(op, mouv__client_now_ns(client) + (hopeless ? 0 : cut_grace_ns(op)));
    cut_arm(&client->cuts);
}

void mouv__cut_topology_changed(mouv__cuts_t *cuts) {
    mouv_client_t *client = cuts->client;
    const mouv__topology_t *topology = client->pool.topology;
    if (!client->driver_pool->own_streams || !mouv__topology_has_primary(topology)) return;
    int64_t at_ns = mouv__client_now_ns(client) + REPLACED_NS;
    for (mouv__operation_t *op = client->pool.running.first; op; op = op->next) {
        if (op->state != MOUV__OP_RUNNING || op->cut_ns > 0) continue;
        if (mouv__attempt_is_sent(op) && !cut_is_replaced(op)) continue;
        cut_push(op, at_ns);
        op->watched = true;
    }
    if (cuts->first) cut_arm(cuts);
}

void mouv__cut_remove(mouv__operation_t *op) {
    mouv__cuts_t *cuts = &op->client->cuts;
    if (op->cut_ns == 0) return;
    cut_pull(op); /* of others the timer finds the next one */
    if (!cuts->first) mouv__timer_stop(mouv__client_runtime(op->client), &cuts->timer);
}

void mouv__cut_hurry(mouv__cuts_t *cuts) {
    if (!cuts->first) return;
    int64_t now_ns = mouv__client_now_ns(cuts->client);
    for (mouv__operation_t *op = cuts->first; op; op = op->cut_next)
        if (!op->watched) op->cut_ns = now_ns;
    cut_arm(cuts);
}

void mouv__cut_close(mouv__cuts_t *cuts) {
    mouv__timer_stop(mouv__client_runtime(cuts->client), &cuts->timer);
    while (cuts->first) cut_pull(cuts->first);
}
