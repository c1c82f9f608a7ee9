/*
 * Circuits.
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

/* How long the ping is waited for before the circuit opens; and how long it is until another one if
 * it has ended without an answer. */
#define PATIENCE_NS (250 * MS_NS)
#define PAUSE_NS (500 * MS_NS)

static mouv__circuit_t *circuit_of(const mouv__operation_t *op) {
    return &op->client->circuits.of[op->attempt.server_id % 64];
}

static const char *host_of(const mouv_client_t *client, uint32_t server_id) {
    const mouv__server_t *server = mouv__topology_server(client->admission.topology, server_id);
    return server ? server->host : "the server";
}

static long long silent_ms(const mouv_client_t *client, const mouv__circuit_t *circuit) {
    return (long long)((mouv__now_ns(client->runtime) - circuit->since_ns) / MS_NS);
}

static bool is_asked(const mouv__circuits_t *circuits, uint32_t server_id) {
    return (circuits->asked & mouv__server_bit(server_id)) != 0;
}

static int64_t least_ns(const mouv_client_t *client) {
    int64_t rtt_ns = __atomic_load_n(&client->pool->least_rtt_ns, __ATOMIC_RELAXED);
    if (client->stopper.rtt_ns > rtt_ns) rtt_ns = client->stopper.rtt_ns;
    return LEAST_ROUND_TRIPS * rtt_ns > LEAST_NS ? LEAST_ROUND_TRIPS * rtt_ns : LEAST_NS;
}

/* --- the ping -------------------------------------------------------------------------------- */

static void go_on_asking(mouv__circuits_t *circuits);

/* A server that refuses the ping has answered as well. */
static void ping_ended(mouv__step_t *step) {
    mouv_client_t *client = step->client;
    mouv_error_t error = {0};
    mouv__admission_leave_lane(client, &client->circuits.lane);
    client->circuits.of[step->server_id % 64].ping_ns = mouv__now_ns(client->runtime) + PAUSE_NS;
    if (step->ok || mouv__step_error(step, &error) == MOUV_ESERVER)
        mouv__circuit_heard(client, step->server_id);
    go_on_asking(&client->circuits);
}

static void send_ping(mouv__circuits_t *circuits, mouv__circuit_t *circuit) {
    mouv__step_t *step = mouv__alloc(sizeof(*step));
    int64_t now_ns = mouv__now_ns(circuits->client->runtime);
    int64_t least = least_ns(circuits->client);
    circuit->ping_ns = now_ns + PAUSE_NS;
    if (!step) return;
    if (circuit->open_ns == MOUV__NEVER)
        circuit->open_ns = now_ns + (least > PATIENCE_NS ? least : PATIENCE_NS);
    step->server_id = circuit->server_id;
    mouv__step_submit(circuits->client, step, &circuits->lane, mouv__step_connect_run, ping_ended,
                      NULL);
}

/* Of several that are asked that whose turn it is. */
static mouv__circuit_t *next_ping(mouv__circuits_t *circuits) {
    mouv__circuit_t *next = NULL;
    for (uint32_t i = 0; i < 64; i++) {
        mouv__circuit_t *circuit = &circuits->of[i];
        if (!is_asked(circuits, i)) continue;
        if (!next || circuit->ping_ns < next->ping_ns) next = circuit;
    }
    return next;
}

static void open_circuit(mouv__circuits_t *circuits, mouv__circuit_t *circuit) {
    mouv_client_t *client = circuits->client;
    circuits->open |= mouv__server_bit(circuit->server_id);
    client->stats.circuits++;
    mouv__log(MOUV_LOG_WARNING,
              "%s has not answered for %lld ms; until it does only pings are sent",
              host_of(client, circuit->server_id), silent_ms(client, circuit));
}

/* Opens those whose ping has had its time; gives when that is so of the next one. */
static int64_t open_unanswered(mouv__circuits_t *circuits, int64_t now_ns) {
    int64_t next_ns = MOUV__NEVER;
    for (uint32_t i = 0; i < 64; i++) {
        mouv__circuit_t *circuit = &circuits->of[i];
        if (!is_asked(circuits, i) || (circuits->open & mouv__server_bit(i))) continue;
        if (circuit->open_ns <= now_ns)
            open_circuit(circuits, circuit);
        else if (circuit->open_ns < next_ns)
            next_ns = circuit->open_ns;
    }
    return next_ns;
}

/* Those who wait for a connection to a server that is silent now wait for the server. */
static void on_timer(mouv__timer_t *timer) {
    mouv__circuits_t *circuits =
        (mouv__circuits_t *)((char *)timer - offsetof(mouv__circuits_t, timer));
    go_on_asking(circuits);
    mouv__admission_pump(circuits->client);
}

/* ping_ended() comes here as well. */
static void go_on_asking(mouv__circuits_t *circuits) {
    mouv_client_t *client = circuits->client;
    int64_t now_ns = mouv__now_ns(client->runtime);
    if (!circuits->asked || client->state != MOUV__CLIENT_OPEN) return;
    mouv__circuit_t *next = next_ping(circuits);
    if (!circuits->lane.busy && next->ping_ns <= now_ns) send_ping(circuits, next);
    int64_t next_ns = open_unanswered(circuits, now_ns);
    if (!circuits->lane.busy && next->ping_ns < next_ns) next_ns = next->ping_ns;
    if (next_ns == MOUV__NEVER)
        mouv__timer_stop(client->runtime, &circuits->timer);
    else if (mouv__timer_start(client->runtime, &circuits->timer, next_ns, on_timer) < 0)
        mouv__log(MOUV_LOG_WARNING, "no memory for the timer of a ping");
}

static void ask(mouv__circuits_t *circuits, mouv__circuit_t *circuit) {
    circuits->asked |= mouv__server_bit(circuit->server_id);
    circuit->ping_ns = mouv__now_ns(circuits->client->runtime);
    circuit->open_ns = MOUV__NEVER; /* its ping may have to wait for another server's */
    go_on_asking(circuits);
}

/* --- open and closed ------------------------------------------------------------------------- */

static void on_closed(mouv__ready_t *ready) {
    mouv__circuits_t *circuits =
        (mouv__circuits_t *)((char *)ready - offsetof(mouv__circuits_t, closed));
    if (circuits->client->state == MOUV__CLIENT_OPEN) mouv__admission_look_again(circuits->client);
}

bool mouv__circuit_keeps_cut(const mouv_client_t *client, mouv__carrier_t *carrier,
                             uint32_t server_id) {
    if (!mouv__circuit_is_open(client, server_id)) return false;
    carrier->cut_id = server_id;
    return true;
}

static void give_cuts_back(mouv_client_t *client, uint32_t server_id) {
    mouv__admission_t *admission = &client->admission;
    for (uint32_t i = 0; i < admission->carrier_count; i++) {
        mouv__carrier_t *carrier = admission->carriers[i];
        if (carrier->cut_id != server_id) continue;
        carrier->mend_id = server_id;
        carrier->cut_id = 0;
        admission->mending = true;
    }
}

/* Its caller may be in the midst of an operation, so nobody is let in before the turn's end. */
static void close_circuit(mouv__circuits_t *circuits, mouv__circuit_t *circuit) {
    mouv_client_t *client = circuits->client;
    uint64_t bit = mouv__server_bit(circuit->server_id);
    bool was_open = (circuits->open & bit) != 0;
    circuit->misses = 0;
    circuits->missed &= ~bit;
    circuits->asked &= ~bit;
    circuits->open &= ~bit;
    if (!circuits->asked) mouv__timer_stop(client->runtime, &circuits->timer);
    if (!was_open) return;
    give_cuts_back(client, circuit->server_id);
    mouv__log(MOUV_LOG_DEBUG, "%s is no longer only pinged, after %lld ms",
              host_of(client, circuit->server_id), silent_ms(client, circuit));
    if (!circuits->closed.queued) mouv__runtime_ready(client->runtime, &circuits->closed);
}

void mouv__circuit_heard(mouv_client_t *client, uint32_t server_id) {
    mouv__circuits_t *circuits = &client->circuits;
    mouv__circuit_t *circuit = &circuits->of[server_id % 64];
    circuit->heard_ns = mouv__now_ns(client->runtime);
    mouv__stopper_heard(&client->stopper, server_id);
    if (circuit->misses > 0) close_circuit(circuits, circuit);
}

/* --- misses ---------------------------------------------------------------------------------- */

/* An awaiter's deadline cancels what it waits for a moment before that has expired itself. */
static bool was_too_late(const mouv__operation_t *op, int64_t now_ns) {
    return op->stopped && op->deadline_ns != MOUV__NEVER && now_ns >= op->deadline_ns;
}

static void count_miss(const mouv__operation_t *op, int64_t began_ns, int64_t now_ns) {
    mouv__circuits_t *circuits = &op->client->circuits;
    mouv__circuit_t *circuit = circuit_of(op);
    if (circuit->misses == 0 || began_ns < circuit->since_ns) circuit->since_ns = began_ns;
    circuit->server_id = op->attempt.server_id;
    circuit->missed_ns = now_ns;
    circuit->misses++;
    circuits->missed |= mouv__server_bit(circuit->server_id);
    if (circuit->misses >= MISSES && !is_asked(circuits, circuit->server_id))
        ask(circuits, circuit);
}

/* Whether its server had time for an answer and has said nothing at all. */
static bool is_miss(const mouv__operation_t *op, int64_t began_ns, int64_t now_ns) {
    if (op->attempt.server_id == 0 || op->client->state != MOUV__CLIENT_OPEN) return false;
    return was_too_late(op, now_ns) && circuit_of(op)->heard_ns <= began_ns &&
           now_ns - began_ns >= least_ns(op->client);
}

void mouv__circuit_missed(const mouv__operation_t *op) {
    int64_t now_ns = mouv__now_ns(op->client->runtime);
    if (!op->attempt.reached && op->client->pool->own_streams) return;
    if (is_miss(op, op->began_ns, now_ns)) count_miss(op, op->began_ns, now_ns);
}

/* Those that one moment ends are one miss: most of them have waited for others. */
void mouv__circuit_waited(const mouv__operation_t *op) {
    const mouv__circuit_t *circuit = circuit_of(op);
    int64_t now_ns = mouv__now_ns(op->client->runtime);
    int64_t began_ns = op->select_ns - op->client->selection_timeout_ms * MS_NS;
    if (circuit->misses > 0 && now_ns - circuit->missed_ns < least_ns(op->client)) return;
    if (is_miss(op, began_ns, now_ns)) count_miss(op, began_ns, now_ns);
}

/* --- who may go where ------------------------------------------------------------------------ */

bool mouv__circuit_is_open(const mouv_client_t *client, uint32_t server_id) {
    return (client->circuits.open & mouv__server_bit(server_id)) != 0 && server_id != 0;
}

/* Clean-up has a lane of its own and little time there. */
static bool is_exempt(const mouv__operation_t *op) {
    return mouv__is_cleanup(op) && op->deadline_ns == MOUV__NEVER;
}

static uint32_t first_open_id(const mouv__circuits_t *circuits) {
    return circuits->open ? circuits->of[__builtin_ctzll(circuits->open)].server_id : 0;
}

/* Which servers have the right tags only libmongoc knows: it is asked to prefer another one. */
static bool find_other(mouv__operation_t *op) {
    const mouv__circuits_t *circuits = &op->client->circuits;
    mouv__wish_t wish = mouv__operation_wish(op);
    wish.barred = circuits->open;
    uint32_t waits_for = op->attempt.server_id, id;
    if (!mouv__topology_pick(op->client->admission.topology, &wish, (uint32_t)op->number, &id)) {
        op->attempt.server_id = waits_for ? waits_for : first_open_id(circuits);
        return false;
    }
    op->attempt.server_id = id;
    if (id == 0 && op->attempt.avoid_id == 0 && circuits->open)
        op->attempt.avoid_id = first_open_id(circuits);
    return true;
}

/* Where a server may be silent nobody is left to libmongoc, which may choose just that one and then
 * hold the worker until its connection is set up. */
bool mouv__circuit_lets_pass(mouv__operation_t *op) {
    const mouv_client_t *client = op->client;
    uint32_t server_id = op->attempt.server_id;
    if (!client->circuits.missed || is_exempt(op)) return true;
    if (server_id && !mouv__circuit_is_open(client, server_id)) return true;
    return !op->affinity && !op->server_id && find_other(op);
}

bool mouv__circuit_explain(const mouv__operation_t *op, mouv_error_t *error) {
    const mouv_client_t *client = op->client;
    uint32_t server_id = op->attempt.server_id;
    if (!mouv__circuit_is_open(client, server_id)) return false;
    mouv_error_set(error, MOUV_ESELECTION,
                   "%s has not answered for %lld ms; until it does only pings are sent",
                   host_of(client, server_id),
                   silent_ms(client, &client->circuits.of[server_id % 64]));
    return true;
}

/* --- the monitors ---------------------------------------------------------------------------- */

/* Who waits for a server that is lost waits for what the monitors find. */
static void drop_lost(mouv_client_t *client) {
    mouv__circuits_t *circuits = &client->circuits;
    for (uint32_t i = 0; i < 64 && circuits->missed; i++) {
        if (!(circuits->missed & mouv__server_bit(i))) continue;
        const mouv__server_t *server =
            mouv__topology_server(client->admission.topology, circuits->of[i].server_id);
        if (!server || server->kind == MOUV__SERVER_UNKNOWN)
            close_circuit(circuits, &circuits->of[i]);
    }
}

void mouv__circuits_look(mouv_client_t *client) {
    const mouv__topology_t *topology = client->admission.topology;
    for (uint32_t i = 0; topology && i < topology->count; i++)
        if (mouv__watch_take_heartbeat(client->pool->watch, topology->servers[i].host))
            mouv__circuit_heard(client, topology->servers[i].id);
    drop_lost(client);
}

/* --- */

void mouv__circuits_init(mouv__circuits_t *circuits, mouv_client_t *client) {
    circuits->client = client;
    circuits->closed.run = on_closed;
}

void mouv__circuits_close(mouv__circuits_t *circuits) {
    circuits->missed = circuits->asked = circuits->open = 0;
    mouv__timer_stop(circuits->client->runtime, &circuits->timer);
}
