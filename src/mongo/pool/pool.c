/*
 * The pool: from SELECTING over QUEUED to a worker.
 */
#include "mongo/pool/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/api/close.h"
#include "mongo/base/timeout.h"
#include "mongo/operation/attempt.h"
#include "mongo/operation/retry.h"
#include "mongo/operation/state.h"
#include "mongo/pool/breaker.h"
#include "mongo/pool/establish.h"
#include "mongo/pool/idle.h"
#include "mongo/pool/queue.h"
#include "mongo/session/session.h"

#define MS_NS INT64_C(1000000)

/* How far behind an operation that cannot go yet others are looked at (other servers' turn). */
#define LOOK_AHEAD 64

static bool pool_is_poll(const mouv__operation_t *op) {
    return (op->row->flags & MOUV__OP_POLL) != 0;
}

/* --- the server ------------------------------------------------------------------------------ */

static bool pool_choose_fixed(mouv_client_t *client, mouv__operation_t *op, uint32_t server_id) {
    const mouv__server_t *server = mouv__topology_server(client->pool.topology, server_id);
    op->attempt.server_id = server_id;
    return server && server->kind != MOUV__SERVER_UNKNOWN;
}

static bool pool_choose_known(mouv_client_t *client, mouv__operation_t *op) {
    if (client->pool.driver_pool_state != MOUV__DRIVER_POOL_READY) return false;
    if (op->pin) return pool_choose_fixed(client, op, mouv__pin_server_id(op->pin));
    if (op->server_id) return pool_choose_fixed(client, op, op->server_id);
    mouv__criteria_t criteria = mouv__operation_criteria(op);
    return mouv__topology_select(client->pool.topology, &criteria, &op->attempt.server_id);
}

bool mouv__pool_choose(mouv_client_t *client, mouv__operation_t *op) {
    return pool_choose_known(client, op) && mouv__breaker_lets_pass(op);
}

/* --- to the worker --------------------------------------------------------------------------- */

static void pool_dispatch(mouv_client_t *client, mouv__operation_t *op,
                          mouv__connection_t *connection, mouv__executor_t *executor) {
    if (!mouv__attempt_set_limits(op)) {
        mouv__operation_stop(op, true);
        return;
    }
    if (op->deadline_ns != MOUV__NEVER && mouv__client_is_open(client))
        mouv__kill_prepare(&client->kills, op->attempt.server_id);
    mouv__give_txn_number(op);
    mouv__queue_remove(op);
    op->began_ns = mouv__client_now_ns(client);
    mouv__operation_tell(op, MOUV__EVENT_CLIENT_CHECKED_OUT); /* the worker may tell more at once */
    int rc = mouv__attempt_begin(op, connection, executor);
    if (rc < 0) {
        mouv__operation_tell(op, MOUV__EVENT_CLIENT_RETURNED);
        mouv_error_t error = {0};
        mouv_error_set(&error, rc, "no thread or memory to run it");
        mouv__operation_fail_waiting(op, &error);
        return;
    }
    mouv__operation_move(op, MOUV__OP_RUNNING);
    mouv__queue_push(&client->pool.running, op);
    if (pool_is_poll(op) && op->pin) {
        connection->polling = true;
        client->pool.polling++;
    }
    if (op->timer.index) mouv__operation_arm(op);
}

/* --- waiting --------------------------------------------------------------------------------- */

/* Who waits for a certain server (its cursor's, one that is silent) is not helped by selecting. */
static bool pool_seeks(const mouv__operation_t *op) {
    return !op->pin && !op->server_id && !mouv__breaker_is_open(op->client, op->attempt.server_id);
}

static void pool_wait_for_server(mouv_client_t *client, mouv__operation_t *op) {
    mouv__queue_remove(op);
    if (op->state != MOUV__OP_SELECTING) mouv__operation_move(op, MOUV__OP_SELECTING);
    mouv__queue_push(&client->pool.selecting, op);
    if (pool_seeks(op)) client->pool.nobody_seeks = false;
    op->wait_ns = op->select_ns;
    mouv__operation_arm(op);
}

/* What clean-up would clean up has gone with its server. */
static void pool_fail_cleanup(mouv__operation_t *op) {
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ESELECTION, "the server is not reachable");
    mouv__operation_fail_waiting(op, &error);
}

static bool pool_is_dead(const mouv__pool_t *pool) {
    return pool->topology && pool->topology->dead;
}

static void pool_fail_unserved(mouv_client_t *client, mouv__operation_t *op) {
    mouv_error_t error = {0};
    if (op->state != MOUV__OP_SELECTING) mouv__operation_move(op, MOUV__OP_SELECTING);
    mouv__pool_explain(client, op, &error);
    mouv__operation_fail_waiting(op, &error);
}

/* Of clean-up only an abort waits for a server: a transaction is open there. It has a deadline. */
static void pool_wait_or_fail(mouv_client_t *client, mouv__operation_t *op) {
    bool dead = pool_is_dead(&client->pool);
    bool waits = op->deadline_ns != MOUV__NEVER && mouv__client_is_open(client) && !dead;
    if (mouv__is_cleanup(op) && !waits)
        pool_fail_cleanup(op);
    else if (dead)
        pool_fail_unserved(client, op);
    else
        pool_wait_for_server(client, op);
}

static mouv__connection_t *pool_pinned_connection(const mouv__operation_t *op) {
    const mouv__server_session_t *session = mouv__pinned_session(op);
    return session ? session->connection : NULL;
}

static void pool_wait_for_client(mouv_client_t *client, mouv__operation_t *op) {
    mouv__pool_t *pool = &client->pool;
    mouv__connection_t *bound = pool_pinned_connection(op);
    mouv__queue_remove(op);
    mouv__operation_move(op, MOUV__OP_QUEUED);
    if (bound)
        mouv__queue_push(&bound->pinned, op);
    else
        mouv__queue_push(mouv__is_cleanup(op) ? &pool->cleanup : &pool->ready, op);
    op->wait_ns = MOUV__NEVER;
    if (op->has_timeout)
        op->wait_ns =
            op->select_ns; /* one limit for the server and the client, whatever the queue's */
    else if (op->deadline_ns == MOUV__NEVER)
        op->wait_ns = mouv__deadline_in(mouv__client_runtime(client), pool->queue_wait_ms);
}

/* A killSessions that is under way must not hit the session's next operation: that waits. */
static bool pool_may_go(const mouv__operation_t *op, bool polls) {
    return mouv__pinned_session(op)->kills == 0 && (polls || !pool_is_poll(op));
}

static mouv__operation_t *pool_first_pinned(const mouv__pool_t *pool,
                                            const mouv__connection_t *connection, bool behind) {
    bool polls = pool->polling < pool->polling_max && (behind || pool->ready.count == 0);
    mouv__operation_t *op = connection->pinned.first;
    while (op && !pool_may_go(op, false)) op = op->next;
    if (op || !polls) return op;
    for (op = connection->pinned.first; op && !pool_may_go(op, true);) op = op->next;
    return op;
}

/* The next one bound to a connection goes before all others; a poll only if it is `behind` them. */
static void pool_pump_pinned_to(mouv_client_t *client, mouv__connection_t *connection,
                                bool behind) {
    mouv__operation_t *op;
    while (!connection->busy && !connection->reconnect_id &&
           (op = pool_first_pinned(&client->pool, connection, behind)) != NULL) {
        if (!mouv__pool_choose(client, op)) {
            pool_wait_or_fail(client, op);
            continue;
        }
        mouv__idle_remove(&client->pool, connection);
        pool_dispatch(client, op, connection, client->pool.executor);
        if (!connection->busy) mouv__idle_push(&client->pool, connection);
    }
}

static void pool_pump_pinned(mouv_client_t *client, mouv__connection_t *connection) {
    pool_pump_pinned_to(client, connection, false);
}

/* Polls that wait: the connection that has been idle longest is first. */
static void pool_pump_polls(mouv_client_t *client) {
    mouv__connection_t *connection = client->pool.idle, *before;
    while (connection && connection->next) connection = connection->next;
    for (; connection; connection = before) {
        before = connection->prev;
        if (connection->pinned.first) pool_pump_pinned_to(client, connection, true);
    }
}

static bool pool_is_over_limit(const mouv__pool_t *pool) {
    return pool->selecting.count + pool->ready.count >= pool->queue_limit;
}

/* Why an operation may not even wait: 0 or a negative code. */
static int pool_check_entry(mouv_client_t *client, const mouv__operation_t *op,
                            mouv_error_t *error) {
    bool cleanup = mouv__is_cleanup(op), lost = false;
    if (op->user_session) mouv__session_pinned(op->user_session, &lost);
    if (!mouv__client_is_open(client) && !cleanup)
        return mouv_error_set(error, MOUV_ECLOSED, "the client has been closed");
    if (lost || (op->pin && !mouv__pin_session(op->pin)))
        return mouv_error_set(error, MOUV_ECLOSED, "its session has ended with the client");
    if (!cleanup && pool_is_over_limit(&client->pool))
        return mouv_error_set(error, MOUV_EQUEUE, "%u operations wait already",
                              client->pool.queue_limit);
    return 0;
}

static void pool_enter(mouv_client_t *client, mouv__operation_t *op) {
    mouv_error_t error = {0};
    mouv__operation_move(op, MOUV__OP_SELECTING);
    op->order = ++client->pool.arrivals;
    op->select_ns = mouv__deadline_in(mouv__client_runtime(client), client->selection_timeout_ms);
    if (pool_check_entry(client, op, &error) < 0) {
        mouv__operation_fail_waiting(op, &error);
    } else if (mouv__pool_choose(client, op)) {
        pool_wait_for_client(client, op);
        mouv__connection_t *bound = pool_pinned_connection(op);
        if (bound) pool_pump_pinned(client, bound);
    } else {
        pool_wait_or_fail(client, op);
    }
}

static bool pool_is_waiting(const mouv__operation_t *op) {
    return op->state == MOUV__OP_SELECTING || op->state == MOUV__OP_QUEUED;
}

void mouv__pool_enter(mouv_client_t *client, mouv__operation_t *op) {
    mouv__future_hold(&op->future);
    if (client->events) op->entered_ns = mouv__client_now_ns(client);
    pool_enter(client, op);
    mouv__pool_pump(client);
    if (pool_is_waiting(op)) mouv__operation_tell(op, MOUV__EVENT_OPERATION_QUEUED);
    /* most are on a worker by now and need a timer only for a deadline */
    bool waits = op->state == MOUV__OP_QUEUED;
    bool runs = op->state == MOUV__OP_RUNNING && op->deadline_ns != MOUV__NEVER;
    if (waits || runs) mouv__operation_arm(op);
    mouv__future_let_go(&op->future);
}

/* --- the pump -------------------------------------------------------------------------------- */

static void pool_fail_without_memory(mouv__operation_t *op) {
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ENOMEM, "no memory to connect");
    mouv__operation_fail_waiting(op, &error);
}

/*
 * First come, first served, but an operation whose server has no free connection does not hold up
 * those for other servers.
 */
static void pool_pump_ready(mouv_client_t *client) {
    mouv__pool_t *pool = &client->pool;
    uint64_t blocked = 0;
    int looked = 0;
    for (mouv__operation_t *op = pool->ready.first, *next; op && looked < LOOK_AHEAD; op = next) {
        next = op->next;
        if (!mouv__pool_choose(client, op)) {
            pool_wait_for_server(client, op);
            continue;
        }
        mouv__connection_t *connection = NULL;
        if (!(blocked & mouv__server_bit(op->attempt.server_id)))
            connection = mouv__idle_find(pool, op);
        if (connection) {
            mouv__idle_remove(pool, connection);
            pool_dispatch(client, op, connection, pool->executor);
            if (!connection->busy) mouv__idle_push(pool, connection);
            continue;
        }
        uint64_t server = mouv__server_bit(op->attempt.server_id);
        if (!(blocked & server) && !mouv__idle_grow(client, op)) {
            pool_fail_without_memory(op);
            continue;
        }
        blocked |= server;
        if (!pool->idle) return;
        looked++;
    }
}

static void pool_pump_cleanup(mouv_client_t *client) {
    mouv__control_t *control = &client->pool.cleaner;
    if (!control->connection) control->connection = mouv__connection_new(client->driver_pool);
    while (control->connection && !control->busy && client->pool.cleanup.first) {
        control->busy = true;
        pool_dispatch(client, client->pool.cleanup.first, control->connection,
                      client->pool.control_executor);
        control->busy = control->connection->busy;
    }
}

void mouv__pool_reselect(mouv_client_t *client) {
    mouv__operation_t *next;
    client->pool.nobody_seeks = false;
    for (mouv__operation_t *op = client->pool.selecting.first; op; op = next) {
        next = op->next;
        if (!mouv__pool_choose(client, op)) continue;
        pool_wait_for_client(client, op);
        mouv__operation_arm(op);
    }
}

static const mouv__operation_t *pool_first_seeker(const mouv__pool_t *pool) {
    const mouv__operation_t *op = pool->nobody_seeks ? NULL : pool->selecting.first;
    while (op && !pool_seeks(op)) op = op->next;
    return op;
}

static void pool_pump_selector(mouv_client_t *client) {
    mouv__pool_t *pool = &client->pool;
    if (pool->selector.busy) return;
    if (pool->driver_pool_state == MOUV__DRIVER_POOL_NONE) mouv__prepare_pool(client);
    if (pool->driver_pool_state != MOUV__DRIVER_POOL_READY) return;
    const mouv__operation_t *seeker = pool_first_seeker(pool);
    pool->nobody_seeks = !seeker;
    if (seeker) mouv__seek_server(client, seeker);
}

static void pool_pump_all_pinned(mouv_client_t *client) {
    for (uint32_t i = 0; i < client->pool.connection_count; i++)
        pool_pump_pinned(client, client->pool.connections[i]);
}

/* One that need not be reconnected any more may be what its bound operations have waited for. */
static void pool_pump_reconnecting(mouv_client_t *client) {
    mouv__idle_reconnect_all(client);
    pool_pump_all_pinned(client);
}

void mouv__pool_pump(mouv_client_t *client) {
    mouv__pool_t *pool = &client->pool;
    if (mouv__client_state(client) > MOUV__CLIENT_DRAINING) return;
    if (pool->driver_pool_state == MOUV__DRIVER_POOL_READY) {
        if (pool->cleanup.first) pool_pump_cleanup(client);
        if (pool->reconnecting) pool_pump_reconnecting(client);
        if (pool->ready.first) pool_pump_ready(client);
        if (pool->streams > 0) pool_pump_polls(client);
    }
    if (pool->selecting.first) pool_pump_selector(client);
}

void mouv__pool_serve(mouv_client_t *client, mouv__connection_t *connection) {
    pool_pump_pinned(client, connection);
}

void mouv__pool_leave(mouv_client_t *client, mouv__connection_t *connection) {
    connection->busy = false;
    if (connection->polling) client->pool.polling--;
    connection->polling = false;
    mouv__idle_push(&client->pool, connection);
    if (connection->reconnect_id) mouv__idle_reconnect(client, connection);
    if (connection->reconnect_id) client->pool.reconnecting = true;
    if (!connection->busy) pool_pump_pinned(client, connection);
}

void mouv__pool_leave_control(mouv_client_t *client, mouv__control_t *control) {
    (void)client;
    control->busy = false;
    if (control->connection) control->connection->busy = false;
    if (control->connection) control->connection->reconnect_id = 0; /* its next user tries it */
}

/* --- topology -------------------------------------------------------------------------------- */

/* There is nobody left to wait for. */
static void pool_fail_selecting(mouv_client_t *client) {
    mouv__operation_t *next;
    for (mouv__operation_t *op = client->pool.selecting.first; op; op = next) {
        next = op->next;
        pool_fail_unserved(client, op);
    }
}

void mouv__pool_look_again(mouv_client_t *client) {
    mouv__client_hold(client);
    mouv__pool_reselect(client);
    if (pool_is_dead(&client->pool)) pool_fail_selecting(client);
    pool_pump_all_pinned(client);
    mouv__pool_pump(client);
    mouv__client_let_go(client);
}

void mouv__pool_topology_changed(void *arg) {
    mouv_client_t *client = arg;
    mouv__pool_t *pool = &client->pool;
    mouv__topology_t *newest = mouv__listener_take(client->driver_pool->listener);
    if (newest) {
        mouv__free(pool->topology);
        pool->topology = newest;
        mouv__idle_forget_lost(pool);
        mouv__cut_topology_changed(&client->cuts);
    }
    mouv__breakers_look(client);
    if (newest) mouv__pool_look_again(client);
}

/* --- failing --------------------------------------------------------------------------------- */

/* Operations of the user's, or clean-up: a closing client waits for the latter. */
static void pool_fail_queue(mouv__queue_t *queue, bool cleanup, const mouv_error_t *error) {
    mouv__operation_t *next;
    for (mouv__operation_t *op = queue->first; op; op = next) {
        next = op->next;
        if (mouv__is_cleanup(op) == cleanup) mouv__operation_fail_waiting(op, error);
    }
}

static void pool_fail_queues(mouv_client_t *client, bool cleanup, const mouv_error_t *error) {
    mouv__pool_t *pool = &client->pool;
    mouv__client_hold(client);
    pool_fail_queue(&pool->selecting, cleanup, error);
    pool_fail_queue(&pool->ready, cleanup, error);
    pool_fail_queue(&pool->cleanup, cleanup, error);
    for (uint32_t i = 0; i < pool->connection_count; i++)
        pool_fail_queue(&pool->connections[i]->pinned, cleanup, error);
    mouv__client_let_go(client);
}

void mouv__pool_fail_waiting(mouv_client_t *client, const mouv_error_t *error) {
    pool_fail_queues(client, false, error);
}

void mouv__pool_fail_cleanup(mouv_client_t *client) {
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ECANCELED, "cancelled: the runtime closes");
    pool_fail_queues(client, true, &error);
}

static void pool_explain_selection(mouv_client_t *client, const mouv__operation_t *op,
                                   mouv_error_t *error) {
    int64_t left_ms = (op->select_ns - mouv__client_now_ns(client)) / MS_NS;
    int64_t waited_ms = client->selection_timeout_ms - (left_ms > 0 ? left_ms : 0);
    char reasons[400];
    if (mouv__breaker_explain(op, error)) return;
    mouv__listener_errors(client->driver_pool->listener, client->pool.topology, reasons,
                          sizeof(reasons));
    if (!reasons[0])
        snprintf(reasons, sizeof(reasons), "%s",
                 client->pool.driver_pool_state == MOUV__DRIVER_POOL_READY
                     ? "no server of the deployment takes this operation now"
                     : "the names in the URI are still being looked up");
    if (pool_is_dead(&client->pool))
        mouv_error_set(error, MOUV_ESELECTION, "no suitable server: %s", reasons);
    else
        mouv_error_set(error, MOUV_ESELECTION, "no suitable server within %lld ms: %s",
                       (long long)waited_ms, reasons);
}

/* By order of arrival, since counting would cost too much where many fail at once. */
static uint32_t pool_count_ahead(const mouv__operation_t *op) {
    if (!op->queue) return 0;
    uint64_t ahead = op->order - op->queue->first->order;
    return ahead < op->queue->count ? (uint32_t)ahead : op->queue->count - 1;
}

static void pool_explain_queue(mouv_client_t *client, const mouv__operation_t *op,
                               mouv_error_t *error) {
    const mouv__pool_t *pool = &client->pool;
    uint32_t busy = 0;
    for (uint32_t i = 0; i < pool->connection_count; i++) busy += pool->connections[i]->busy;
    const mouv__operation_t *oldest = pool->running.first;
    int64_t age_ns = oldest ? mouv__client_now_ns(client) - oldest->began_ns : 0;
    mouv_error_set(error, MOUV_EQUEUE,
                   "%u of %u clients busy, %u operations ahead; the oldest runs for %.1f s", busy,
                   pool->connection_max, pool_count_ahead(op), (double)age_ns / 1e9);
}

void mouv__pool_explain(mouv_client_t *client, const mouv__operation_t *op, mouv_error_t *error) {
    if (op->state == MOUV__OP_SELECTING)
        pool_explain_selection(client, op, error);
    else if (op->state == MOUV__OP_QUEUED)
        pool_explain_queue(client, op, error);
}

/* --- begin and end --------------------------------------------------------------------------- */

static bool pool_wants_uvpool(mouv_executor_t executor) {
    if (executor != MOUV_EXECUTOR_DEFAULT) return executor == MOUV_EXECUTOR_UVPOOL;
    const char *name = getenv("MOUV_EXECUTOR");
    if (!name || !*name || strcmp(name, "threads") == 0) return false;
    if (strcmp(name, "uvpool") == 0) return true;
    mouv__log(MOUV_LOG_WARNING, "MOUV_EXECUTOR is '%s', neither threads nor uvpool: threads it is",
              name);
    return false;
}

int mouv__pool_init(mouv_client_t *client, const mouv_client_opts_t *opts, uint32_t max_pool_size) {
    mouv__pool_t *pool = &client->pool;
    mouv__mailbox_t *mailbox = mouv__runtime_mailbox(mouv__client_runtime(client));
    pool->control_executor = mouv__executor_threads_new(mailbox, MOUV__CONTROLS + 1);
    pool->executor = pool_wants_uvpool(opts->executor)
                         ? mouv__executor_uvpool_new(mailbox, max_pool_size)
                         : mouv__executor_threads_new(mailbox, max_pool_size);
    if (!pool->control_executor || !pool->executor) goto fail;
    pool->connection_max = pool->executor->capacity;
    uint32_t spared = (pool->connection_max + 3) / 4;
    pool->polling_max = pool->connection_max > 1 ? pool->connection_max - spared : 1;
    pool->connections = mouv__alloc(pool->connection_max * sizeof(pool->connections[0]));
    if (!pool->connections || mouv__close_reserve(client) < 0) goto fail;
    pool->queue_limit = opts->queue_limit > 0 ? opts->queue_limit : 65536;
    return 0;
fail:
    mouv__pool_clear(client);
    return MOUV_ENOMEM;
}

void mouv__pool_clear(mouv_client_t *client) {
    mouv__pool_t *pool = &client->pool;
    if (pool->executor) pool->executor->close(pool->executor);
    if (pool->control_executor) pool->control_executor->close(pool->control_executor);
    pool->executor = pool->control_executor = NULL;
    mouv__close_unreserve(client);
    mouv__free(pool->connections);
    mouv__free(pool->topology);
    pool->connections = NULL;
    pool->topology = NULL;
    pool->connection_count = 0;
}
