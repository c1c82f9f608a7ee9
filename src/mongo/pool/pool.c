/*
 * Admission: from SELECTING over QUEUED to a worker.
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
#include "mongo/topology/events.h"

#define MS_NS INT64_C(1000000)

/* How far behind an operation that cannot go yet others are looked at (other servers' turn). */
#define LOOK_AHEAD 64

static bool is_poll(const mouv__operation_t *op) {
    return (op->row->flags & MOUV__OP_POLL) != 0;
}

/* --- the server ------------------------------------------------------------------------------ */

static bool choose_fixed(mouv_client_t *client, mouv__operation_t *op, uint32_t server_id) {
    const mouv__server_t *server = mouv__topology_server(client->admission.topology, server_id);
    op->attempt.server_id = server_id;
    return server && server->kind != MOUV__SERVER_UNKNOWN;
}

static bool choose_known(mouv_client_t *client, mouv__operation_t *op) {
    if (client->admission.pool_state != MOUV__POOL_READY) return false;
    if (op->affinity) return choose_fixed(client, op, mouv__affinity_server_id(op->affinity));
    if (op->server_id) return choose_fixed(client, op, op->server_id);
    mouv__wish_t wish = mouv__operation_wish(op);
    return mouv__topology_select(client->admission.topology, &wish, &op->attempt.server_id);
}

bool mouv__admission_choose(mouv_client_t *client, mouv__operation_t *op) {
    return choose_known(client, op) && mouv__circuit_lets_pass(op);
}

/* --- to the worker --------------------------------------------------------------------------- */

static void dispatch(mouv_client_t *client, mouv__operation_t *op, mouv__carrier_t *carrier,
                     mouv__executor_t *executor) {
    if (!mouv__attempt_set_limits(op)) {
        mouv__operation_stop(op, true);
        return;
    }
    if (op->deadline_ns != MOUV__NEVER && client->state == MOUV__CLIENT_OPEN)
        mouv__stopper_prepare(&client->stopper, op->attempt.server_id);
    mouv__give_txn_number(op);
    mouv__queue_remove(op);
    op->began_ns = mouv__now_ns(client->runtime);
    if (client->monitor) mouv__monitor_checked_out(op); /* the worker may tell more at once */
    int rc = mouv__attempt_begin(op, carrier, executor);
    if (rc < 0) {
        if (client->monitor) mouv__monitor_returned(op);
        mouv_error_t error = {0};
        mouv_error_set(&error, rc, "no thread or memory to run it");
        mouv__operation_fail_waiting(op, &error);
        return;
    }
    mouv__operation_move(op, MOUV__OP_RUNNING);
    mouv__queue_push(&client->admission.running, op);
    if (is_poll(op) && op->affinity) {
        carrier->polling = true;
        client->admission.polling++;
    }
    if (op->timer.index) mouv__operation_arm(op);
}

/* --- waiting --------------------------------------------------------------------------------- */

/* Who waits for a certain server (its cursor's, one that is silent) is not helped by selecting. */
static bool seeks(const mouv__operation_t *op) {
    return !op->affinity && !op->server_id &&
           !mouv__circuit_is_open(op->client, op->attempt.server_id);
}

static void wait_for_server(mouv_client_t *client, mouv__operation_t *op) {
    mouv__queue_remove(op);
    if (op->state != MOUV__OP_SELECTING) mouv__operation_move(op, MOUV__OP_SELECTING);
    mouv__queue_push(&client->admission.selecting, op);
    if (seeks(op)) client->admission.nobody_seeks = false;
    op->wait_ns = op->select_ns;
    mouv__operation_arm(op);
}

/* What clean-up would clean up has gone with its server. */
static void fail_cleanup(mouv__operation_t *op) {
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ESELECTION, "the server is not reachable");
    mouv__operation_fail_waiting(op, &error);
}

static bool is_dead(const mouv__admission_t *admission) {
    return admission->topology && admission->topology->dead;
}

static void fail_unserved(mouv_client_t *client, mouv__operation_t *op) {
    mouv_error_t error = {0};
    if (op->state != MOUV__OP_SELECTING) mouv__operation_move(op, MOUV__OP_SELECTING);
    mouv__admission_explain(client, op, &error);
    mouv__operation_fail_waiting(op, &error);
}

/* Of clean-up only an abort waits for a server: a transaction is open there. It has a deadline. */
static void wait_or_fail(mouv_client_t *client, mouv__operation_t *op) {
    bool dead = is_dead(&client->admission);
    bool waits = op->deadline_ns != MOUV__NEVER && client->state == MOUV__CLIENT_OPEN && !dead;
    if (mouv__is_cleanup(op) && !waits)
        fail_cleanup(op);
    else if (dead)
        fail_unserved(client, op);
    else
        wait_for_server(client, op);
}

static mouv__carrier_t *bound_carrier(const mouv__operation_t *op) {
    const mouv__session_t *session = mouv__bound_session(op);
    return session ? session->carrier : NULL;
}

static void wait_for_client(mouv_client_t *client, mouv__operation_t *op) {
    mouv__admission_t *admission = &client->admission;
    mouv__carrier_t *bound = bound_carrier(op);
    mouv__queue_remove(op);
    mouv__operation_move(op, MOUV__OP_QUEUED);
    if (bound)
        mouv__queue_push(&bound->affine, op);
    else
        mouv__queue_push(mouv__is_cleanup(op) ? &admission->cleanup : &admission->ready, op);
    op->wait_ns = MOUV__NEVER;
    if (op->has_timeout)
        op->wait_ns =
            op->select_ns; /* one limit for the server and the client, whatever the queue's */
    else if (op->deadline_ns == MOUV__NEVER)
        op->wait_ns = mouv__deadline_in(client->runtime, admission->queue_wait_ms);
}

/* A killSessions that is under way must not hit the session's next operation: that waits. */
static bool may_go(const mouv__operation_t *op, bool polls) {
    return mouv__bound_session(op)->kills == 0 && (polls || !is_poll(op));
}

static mouv__operation_t *first_bound(const mouv__admission_t *admission,
                                      const mouv__carrier_t *carrier, bool behind) {
    bool polls =
        admission->polling < admission->polling_max && (behind || admission->ready.count == 0);
    mouv__operation_t *op = carrier->affine.first;
    while (op && !may_go(op, false)) op = op->next;
    if (op || !polls) return op;
    for (op = carrier->affine.first; op && !may_go(op, true);) op = op->next;
    return op;
}

/* The next one bound to a carrier goes before all others; a poll only if it is `behind` them. */
static void pump_bound(mouv_client_t *client, mouv__carrier_t *carrier, bool behind) {
    mouv__operation_t *op;
    while (!carrier->busy && !carrier->mend_id &&
           (op = first_bound(&client->admission, carrier, behind)) != NULL) {
        if (!mouv__admission_choose(client, op)) {
            wait_or_fail(client, op);
            continue;
        }
        mouv__idle_remove(&client->admission, carrier);
        dispatch(client, op, carrier, client->admission.executor);
        if (!carrier->busy) mouv__idle_push(&client->admission, carrier);
    }
}

static void pump_affine(mouv_client_t *client, mouv__carrier_t *carrier) {
    pump_bound(client, carrier, false);
}

/* Polls that wait: the carrier that has been idle longest is first. */
static void pump_polls(mouv_client_t *client) {
    mouv__carrier_t *carrier = client->admission.idle, *before;
    while (carrier && carrier->next) carrier = carrier->next;
    for (; carrier; carrier = before) {
        before = carrier->prev;
        if (carrier->affine.first) pump_bound(client, carrier, true);
    }
}

static bool is_over_limit(const mouv__admission_t *admission) {
    return admission->selecting.count + admission->ready.count >= admission->queue_limit;
}

/* Why an operation may not even wait: 0 or a negative code. */
static int check_entry(mouv_client_t *client, const mouv__operation_t *op, mouv_error_t *error) {
    bool cleanup = mouv__is_cleanup(op), lost = false;
    if (op->user_session) mouv__user_session_home(op->user_session, &lost);
    if (client->state != MOUV__CLIENT_OPEN && !cleanup)
        return mouv_error_set(error, MOUV_ECLOSED, "the client has been closed");
    if (lost || (op->affinity && !mouv__affinity_session(op->affinity)))
        return mouv_error_set(error, MOUV_ECLOSED, "its session has ended with the client");
    if (!cleanup && is_over_limit(&client->admission))
        return mouv_error_set(error, MOUV_EQUEUE, "%u operations wait already",
                              client->admission.queue_limit);
    return 0;
}

static void enter(mouv_client_t *client, mouv__operation_t *op) {
    mouv_error_t error = {0};
    mouv__operation_move(op, MOUV__OP_SELECTING);
    op->order = ++client->admission.arrivals;
    op->select_ns = mouv__deadline_in(client->runtime, client->selection_timeout_ms);
    if (check_entry(client, op, &error) < 0) {
        mouv__operation_fail_waiting(op, &error);
    } else if (mouv__admission_choose(client, op)) {
        wait_for_client(client, op);
        mouv__carrier_t *bound = bound_carrier(op);
        if (bound) pump_affine(client, bound);
    } else {
        wait_or_fail(client, op);
    }
}

static bool is_waiting(const mouv__operation_t *op) {
    return op->state == MOUV__OP_SELECTING || op->state == MOUV__OP_QUEUED;
}

void mouv__admission_enter(mouv_client_t *client, mouv__operation_t *op) {
    mouv__future_hold(&op->future);
    if (client->monitor) op->entered_ns = mouv__now_ns(client->runtime);
    enter(client, op);
    mouv__admission_pump(client);
    if (client->monitor && is_waiting(op)) mouv__monitor_queued(op);
    /* most are on a worker by now and need a timer only for a deadline */
    bool waits = op->state == MOUV__OP_QUEUED;
    bool runs = op->state == MOUV__OP_RUNNING && op->deadline_ns != MOUV__NEVER;
    if (waits || runs) mouv__operation_arm(op);
    mouv__future_let_go(&op->future);
}

/* --- the pump -------------------------------------------------------------------------------- */

static void fail_without_memory(mouv__operation_t *op) {
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ENOMEM, "no memory to connect");
    mouv__operation_fail_waiting(op, &error);
}

/*
 * First come, first served, but an operation whose server has no free connection does not hold up
 * those for other servers.
 */
static void pump_ready(mouv_client_t *client) {
    mouv__admission_t *admission = &client->admission;
    uint64_t blocked = 0;
    int looked = 0;
    for (mouv__operation_t *op = admission->ready.first, *next; op && looked < LOOK_AHEAD;
         op = next) {
        next = op->next;
        if (!mouv__admission_choose(client, op)) {
            wait_for_server(client, op);
            continue;
        }
        mouv__carrier_t *carrier = NULL;
        if (!(blocked & mouv__server_bit(op->attempt.server_id)))
            carrier = mouv__idle_find(admission, op);
        if (carrier) {
            mouv__idle_remove(admission, carrier);
            dispatch(client, op, carrier, admission->executor);
            if (!carrier->busy) mouv__idle_push(admission, carrier);
            continue;
        }
        uint64_t server = mouv__server_bit(op->attempt.server_id);
        if (!(blocked & server) && !mouv__idle_grow(client, op)) {
            fail_without_memory(op);
            continue;
        }
        blocked |= server;
        if (!admission->idle) return;
        looked++;
    }
}

static void pump_cleanup(mouv_client_t *client) {
    mouv__lane_t *lane = &client->admission.cleaner;
    if (!lane->carrier) lane->carrier = mouv__carrier_new(client->pool);
    while (lane->carrier && !lane->busy && client->admission.cleanup.first) {
        lane->busy = true;
        dispatch(client, client->admission.cleanup.first, lane->carrier, client->admission.control);
        lane->busy = lane->carrier->busy;
    }
}

void mouv__admission_reselect(mouv_client_t *client) {
    mouv__operation_t *next;
    client->admission.nobody_seeks = false;
    for (mouv__operation_t *op = client->admission.selecting.first; op; op = next) {
        next = op->next;
        if (!mouv__admission_choose(client, op)) continue;
        wait_for_client(client, op);
        mouv__operation_arm(op);
    }
}

static const mouv__operation_t *first_seeker(const mouv__admission_t *admission) {
    const mouv__operation_t *op = admission->nobody_seeks ? NULL : admission->selecting.first;
    while (op && !seeks(op)) op = op->next;
    return op;
}

static void pump_selector(mouv_client_t *client) {
    mouv__admission_t *admission = &client->admission;
    if (admission->selector.busy) return;
    if (admission->pool_state == MOUV__POOL_NONE) mouv__prepare_pool(client);
    if (admission->pool_state != MOUV__POOL_READY) return;
    const mouv__operation_t *seeker = first_seeker(admission);
    admission->nobody_seeks = !seeker;
    if (seeker) mouv__seek_server(client, seeker);
}

static void pump_all_affine(mouv_client_t *client) {
    for (uint32_t i = 0; i < client->admission.carrier_count; i++)
        pump_affine(client, client->admission.carriers[i]);
}

/* One that need not be mended any more may be what its bound operations have waited for. */
static void pump_mending(mouv_client_t *client) {
    mouv__idle_mend_all(client);
    pump_all_affine(client);
}

void mouv__admission_pump(mouv_client_t *client) {
    mouv__admission_t *admission = &client->admission;
    if (client->state > MOUV__CLIENT_DRAINING) return;
    if (admission->pool_state == MOUV__POOL_READY) {
        if (admission->cleanup.first) pump_cleanup(client);
        if (admission->mending) pump_mending(client);
        if (admission->ready.first) pump_ready(client);
        if (admission->streams > 0) pump_polls(client);
    }
    if (admission->selecting.first) pump_selector(client);
}

void mouv__admission_serve(mouv_client_t *client, mouv__carrier_t *carrier) {
    pump_affine(client, carrier);
}

void mouv__admission_leave(mouv_client_t *client, mouv__carrier_t *carrier) {
    carrier->busy = false;
    if (carrier->polling) client->admission.polling--;
    carrier->polling = false;
    mouv__idle_push(&client->admission, carrier);
    if (carrier->mend_id) mouv__idle_mend(client, carrier);
    if (carrier->mend_id) client->admission.mending = true;
    if (!carrier->busy) pump_affine(client, carrier);
}

void mouv__admission_leave_lane(mouv_client_t *client, mouv__lane_t *lane) {
    (void)client;
    lane->busy = false;
    if (lane->carrier) lane->carrier->busy = false;
    if (lane->carrier) lane->carrier->mend_id = 0; /* its next user tries it */
}

/* --- topology -------------------------------------------------------------------------------- */

/* There is nobody left to wait for. */
static void fail_selecting(mouv_client_t *client) {
    mouv__operation_t *next;
    for (mouv__operation_t *op = client->admission.selecting.first; op; op = next) {
        next = op->next;
        fail_unserved(client, op);
    }
}

void mouv__admission_look_again(mouv_client_t *client) {
    mouv__client_hold(client);
    mouv__admission_reselect(client);
    if (is_dead(&client->admission)) fail_selecting(client);
    pump_all_affine(client);
    mouv__admission_pump(client);
    mouv__client_let_go(client);
}

void mouv__admission_topology_changed(void *arg) {
    mouv_client_t *client = arg;
    mouv__admission_t *admission = &client->admission;
    mouv__topology_t *newest = mouv__watch_take(client->pool->watch);
    if (newest) {
        mouv__free(admission->topology);
        admission->topology = newest;
        mouv__idle_forget_lost(admission);
        mouv__interrupter_topology_changed(&client->interrupter);
    }
    mouv__circuits_look(client);
    if (newest) mouv__admission_look_again(client);
}

/* --- failing --------------------------------------------------------------------------------- */

/* Operations of the user's, or clean-up: a closing client waits for the latter. */
static void fail_queue(mouv__queue_t *queue, bool cleanup, const mouv_error_t *error) {
    mouv__operation_t *next;
    for (mouv__operation_t *op = queue->first; op; op = next) {
        next = op->next;
        if (mouv__is_cleanup(op) == cleanup) mouv__operation_fail_waiting(op, error);
    }
}

static void fail_queues(mouv_client_t *client, bool cleanup, const mouv_error_t *error) {
    mouv__admission_t *admission = &client->admission;
    mouv__client_hold(client);
    fail_queue(&admission->selecting, cleanup, error);
    fail_queue(&admission->ready, cleanup, error);
    fail_queue(&admission->cleanup, cleanup, error);
    for (uint32_t i = 0; i < admission->carrier_count; i++)
        fail_queue(&admission->carriers[i]->affine, cleanup, error);
    mouv__client_let_go(client);
}

void mouv__admission_fail_waiting(mouv_client_t *client, const mouv_error_t *error) {
    fail_queues(client, false, error);
}

void mouv__admission_fail_cleanup(mouv_client_t *client) {
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ECANCELED, "cancelled: the runtime closes");
    fail_queues(client, true, &error);
}

static void explain_selection(mouv_client_t *client, const mouv__operation_t *op,
                              mouv_error_t *error) {
    int64_t left_ms = (op->select_ns - mouv__now_ns(client->runtime)) / MS_NS;
    int64_t waited_ms = client->selection_timeout_ms - (left_ms > 0 ? left_ms : 0);
    char reasons[400];
    if (mouv__circuit_explain(op, error)) return;
    mouv__watch_errors(client->pool->watch, client->admission.topology, reasons, sizeof(reasons));
    if (!reasons[0])
        snprintf(reasons, sizeof(reasons), "%s",
                 client->admission.pool_state == MOUV__POOL_READY
                     ? "no server of the deployment takes this operation now"
                     : "the names in the URI are still being looked up");
    if (is_dead(&client->admission))
        mouv_error_set(error, MOUV_ESELECTION, "no suitable server: %s", reasons);
    else
        mouv_error_set(error, MOUV_ESELECTION, "no suitable server within %lld ms: %s",
                       (long long)waited_ms, reasons);
}

/* By order of arrival, since counting would cost too much where many fail at once. */
static uint32_t count_ahead(const mouv__operation_t *op) {
    if (!op->queue) return 0;
    uint64_t ahead = op->order - op->queue->first->order;
    return ahead < op->queue->count ? (uint32_t)ahead : op->queue->count - 1;
}

static void explain_queue(mouv_client_t *client, const mouv__operation_t *op, mouv_error_t *error) {
    const mouv__admission_t *admission = &client->admission;
    uint32_t busy = 0;
    for (uint32_t i = 0; i < admission->carrier_count; i++) busy += admission->carriers[i]->busy;
    const mouv__operation_t *oldest = admission->running.first;
    int64_t age_ns = oldest ? mouv__now_ns(client->runtime) - oldest->began_ns : 0;
    mouv_error_set(error, MOUV_EQUEUE,
                   "%u of %u clients busy, %u operations ahead; the oldest runs for %.1f s", busy,
                   admission->carrier_max, count_ahead(op), (double)age_ns / 1e9);
}

void mouv__admission_explain(mouv_client_t *client, const mouv__operation_t *op,
                             mouv_error_t *error) {
    if (op->state == MOUV__OP_SELECTING)
        explain_selection(client, op, error);
    else if (op->state == MOUV__OP_QUEUED)
        explain_queue(client, op, error);
}

/* --- begin and end --------------------------------------------------------------------------- */

static bool wants_uvpool(mouv_executor_t executor) {
    if (executor != MOUV_EXECUTOR_DEFAULT) return executor == MOUV_EXECUTOR_UVPOOL;
    const char *name = getenv("MOUV_EXECUTOR");
    if (!name || !*name || strcmp(name, "threads") == 0) return false;
    if (strcmp(name, "uvpool") == 0) return true;
    mouv__log(MOUV_LOG_WARNING, "MOUV_EXECUTOR is '%s', neither threads nor uvpool: threads it is",
              name);
    return false;
}

int mouv__admission_init(mouv_client_t *client, const mouv_client_opts_t *opts,
                         uint32_t max_pool_size) {
    mouv__admission_t *admission = &client->admission;
    mouv__mailbox_t *mailbox = mouv__runtime_mailbox(client->runtime);
    admission->control = mouv__executor_threads_new(mailbox, MOUV__LANES + 1);
    admission->executor = wants_uvpool(opts->executor)
                              ? mouv__executor_uvpool_new(mailbox, max_pool_size)
                              : mouv__executor_threads_new(mailbox, max_pool_size);
    if (!admission->control || !admission->executor) goto fail;
    admission->carrier_max = admission->executor->capacity;
    uint32_t spared = (admission->carrier_max + 3) / 4;
    admission->polling_max = admission->carrier_max > 1 ? admission->carrier_max - spared : 1;
    admission->carriers = mouv__alloc(admission->carrier_max * sizeof(admission->carriers[0]));
    if (!admission->carriers || mouv__close_reserve(client) < 0) goto fail;
    admission->queue_limit = opts->queue_limit > 0 ? opts->queue_limit : 65536;
    return 0;
fail:
    mouv__admission_clear(client);
    return MOUV_ENOMEM;
}

void mouv__admission_clear(mouv_client_t *client) {
    mouv__admission_t *admission = &client->admission;
    if (admission->executor) admission->executor->close(admission->executor);
    if (admission->control) admission->control->close(admission->control);
    admission->executor = admission->control = NULL;
    mouv__close_unreserve(client);
    mouv__free(admission->carriers);
    mouv__free(admission->topology);
    admission->carriers = NULL;
    admission->topology = NULL;
    admission->carrier_count = 0;
}
