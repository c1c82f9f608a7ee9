/*
 * killSessions for operations that have been given up.
 */
#include "mongo/operation/kill.h"

#include <assert.h>

#include "async/task/runtime.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/error.h"
#include "mongo/operation/state.h"
#include "mongo/operation/tell.h"
#include "mongo/pool/probe.h"
#include "mongo/session/session.h"

/* A command that was on its way when the kill came needs another: after 10, 40, 160, ... ms. */
#define KILLS_MAX 6
#define FIRST_PAUSE_NS (10 * INT64_C(1000000))

/* How long a server that has left a kill unanswered gets no other, unless it is heard of. */
#define SILENCE_NS (5 * INT64_C(1000000000))

/* An answer that takes longer is not waited for: a cut is quicker. */
#define KILL_LIMIT_MS 2000

/* Most sessions in one command. */
#define VICTIMS_MAX 1000

/* One killSessions on its way. */
typedef struct killing {
    mouv__probe_t probe; /* first */
    uint32_t count;
    mouv__server_session_t *sessions[];
} killing_t;

static mouv__kills_t *kill_of(const mouv__probe_t *probe) {
    return mouv__container_of(probe->out, mouv__kills_t, out);
}

static mouv__connection_t *kill_connection(const mouv__operations_t *operations) {
    return operations->pool->transport->controls[MOUV__CONTROL_KILL].connection;
}

/* --- the two lists ---------------------------------------------------------------------------- */

static void kill_schedule(mouv__kills_t *kills) {
    if (!mouv__list_is_empty(&kills->to_kill) && !mouv__ready_is_queued(&kills->flush))
        mouv__runtime_ready(mouv__client_runtime(kills->operations->client), &kills->flush);
}

#define BIT(state) (1u << MOUV__KILL_##state)

static const uint8_t may_follow[] = {
    [MOUV__KILL_NONE] = BIT(WAITING),
    [MOUV__KILL_WAITING] = BIT(KILLED) | BIT(NONE),
    [MOUV__KILL_KILLED] = BIT(WAITING) | BIT(NONE),
};

/* Into the list of its new state, out of that of the old one. */
static void kill_move(mouv__operation_t *op, mouv__kill_state_t state) {
    mouv__kills_t *kills = &op->operations->kills;
    mouv__list_t *const lists[] = {
        [MOUV__KILL_WAITING] = &kills->to_kill, [MOUV__KILL_KILLED] = &kills->killed};
    (void)may_follow; /* only assertions read it */
    assert(may_follow[op->kill_state] & (1u << state));
    if (op->kill_state != MOUV__KILL_NONE) mouv__list_remove(lists[op->kill_state], &op->kill);
    if (state != MOUV__KILL_NONE) mouv__list_push_front(lists[state], &op->kill);
    op->kill_state = (uint8_t)state;
}

static bool kill_is_lately_silent(const mouv__operation_t *op) {
    const mouv__server_pool_t *of =
        mouv__server_pool_of(op->operations->pool, op->checkout.server_id);
    return of && mouv__operation_now_ns(op) < of->silent_until_ns;
}

void mouv__kill_add(mouv__operation_t *op) {
    mouv__kills_t *kills = &op->operations->kills;
    if (op->kill_state != MOUV__KILL_NONE || kills->refused || kill_is_lately_silent(op)) return;
    kill_move(op, MOUV__KILL_WAITING);
    kill_schedule(kills);
}

bool mouv__kill_is_refused(const mouv__operation_t *op) {
    return op->operations->kills.refused;
}

void mouv__kill_remove(mouv__operation_t *op) {
    if (op->kill_state != MOUV__KILL_NONE) kill_move(op, MOUV__KILL_NONE);
    op->kills = 0;
}

bool mouv__kill_is_silent(const mouv__operation_t *op) {
    const mouv__operations_t *operations = op->operations;
    const mouv__server_session_t *session = op->attempt.exchange.session;
    const mouv__connection_t *connection = kill_connection(operations);
    return session && session->kills > 0 && operations->kills.out && connection &&
           mouv__connection_is_ready(connection, op->checkout.server_id);
}

bool mouv__kill_thinks_silent(const mouv__operation_t *op) {
    return mouv__kill_is_silent(op) || kill_is_lately_silent(op);
}

void mouv__kill_drop(mouv__operations_t *operations) {
    mouv__probe_t *out = operations->kills.out;
    if (out) operations->pool->transport->ops->cut(&out->exchange);
}

/* --- the connection --------------------------------------------------------------------------- */

static void kill_prepared(mouv__probe_t *probe) {
    if (probe->answered) mouv__breaker_heard(probe->pool, probe->exchange.server_id);
    kill_schedule(kill_of(probe));
}

void mouv__kill_prepare(mouv__operations_t *operations, uint32_t server_id) {
    mouv__kills_t *kills = &operations->kills;
    mouv__server_pool_t *of = mouv__server_pool_of(operations->pool, server_id);
    if (!of || of->kill_prepared || kills->refused || kills->out) return;
    mouv__probe_t *hello =
        mouv__probe_new(operations->pool, server_id, sizeof(*hello), "hello", kill_prepared);
    if (!hello) return;
    of->kill_prepared = true;
    mouv__probe_send(hello, MOUV__CONTROL_KILL, &kills->out);
}

/* --- its answer ------------------------------------------------------------------------------- */

static void kill_on_again(mouv__timer_t *timer);

static void kill_start_again(mouv__kills_t *kills, int64_t pause_ns) {
    mouv_runtime_t *runtime = mouv__client_runtime(kills->operations->client);
    mouv__timer_start(runtime, &kills->again, mouv__clock_now_ns(runtime) + pause_ns,
                      kill_on_again);
}

/* Those whose server was silent lately wait until that is over. */
static void kill_on_again(mouv__timer_t *timer) {
    mouv__kills_t *kills = mouv__container_of(timer, mouv__kills_t, again);
    bool any_silent = false;
    MOUV__LIST_EACH(&kills->killed, mouv__operation_t, op, kill) {
        if (op->kills >= KILLS_MAX) continue;
        if (kill_is_lately_silent(op))
            any_silent = true;
        else
            kill_move(op, MOUV__KILL_WAITING);
    }
    if (any_silent) kill_start_again(kills, SILENCE_NS);
    kill_schedule(kills);
}

/* Those who are not back yet are killed again after a pause that suits the most impatient. */
static void kill_plan_again(mouv__kills_t *kills) {
    uint8_t least = KILLS_MAX;
    MOUV__LIST_EACH(&kills->killed, mouv__operation_t, op, kill)
        if (op->kills < least) least = op->kills;
    if (least >= KILLS_MAX || kills->refused) return;
    kill_start_again(kills, FIRST_PAUSE_NS << (2 * (least > 0 ? least - 1 : 0)));
}

static void kill_note_refusal(mouv__operations_t *operations, const mouv_error_t *error) {
    if (mouv__error_code_is_retryable(error->server_code)) return;
    operations->kills.refused = true;
    mouv__log(MOUV_LOG_DEBUG, "killSessions is refused: %s", error->message);
    operations->kills.on_refused(operations);
}

/* What follows from it for others. */
static void kill_note_answer(mouv__operations_t *operations, const mouv__probe_t *probe) {
    const mouv__exchange_t *exchange = &probe->exchange;
    mouv__server_pool_t *of = mouv__server_pool_of(operations->pool, exchange->server_id);
    mouv_error_t error = {0};
    if (exchange->reply && !exchange->ok) mouv__error_from_reply(&error, exchange->reply);
    if (error.code == MOUV_ESERVER) kill_note_refusal(operations, &error);
    bool in_time = operations->pool->transport->cuts; /* or it would have been cut */
    if (of && in_time && exchange->reply && probe->was_ready) of->kill_ns = exchange->took_ns;
    if (of && exchange->cut)
        of->silent_until_ns = mouv__client_now_ns(operations->client) + SILENCE_NS;
    if (probe->answered) mouv__breaker_heard(operations->pool, exchange->server_id);
}

static void kill_done(mouv__probe_t *probe) {
    const killing_t *killing = (const killing_t *)probe;
    mouv__operations_t *operations = kill_of(probe)->operations;
    int64_t now_ns = mouv__client_now_ns(operations->client);
    kill_note_answer(operations, probe);
    for (uint32_t i = 0; i < killing->count; i++) {
        mouv__server_session_t *session = killing->sessions[i];
        mouv__connection_t *connection = session->connection;
        mouv__server_session_killed(session, probe->answered, now_ns);
        if (session->kills == 0 && connection) mouv__pool_serve(operations->pool, connection);
    }
    kill_plan_again(&operations->kills);
    kill_schedule(&operations->kills);
    if (mouv__topology_is_balanced(operations->pool->topology))
        mouv__pool_serve_all(operations->pool); /* connections that pins keep for these sessions */
    mouv__pool_pump(operations->pool);
}

/* --- the flush -------------------------------------------------------------------------------- */

static void kill_append_victim(bson_t *sessions, uint32_t index,
                               const mouv__server_session_t *session) {
    char buffer[16];
    const char *key;
    size_t length = bson_uint32_to_string(index, &key, buffer, sizeof(buffer));
    mouv__server_session_append(session, sessions, key, (int)length);
}

/* Every operation that waits on this server goes into the command. */
static void kill_append_victims(const mouv__kills_t *kills, killing_t *killing) {
    bson_t sessions;
    mouv__append_array_begin(killing->probe.command, "killSessions", &sessions);
    MOUV__LIST_EACH(&kills->to_kill, mouv__operation_t, op, kill) {
        if (killing->count == VICTIMS_MAX) break;
        if (op->checkout.server_id != killing->probe.exchange.server_id) continue;
        mouv__server_session_t *session = op->attempt.exchange.session;
        kill_append_victim(&sessions, killing->count, session);
        killing->sessions[killing->count++] = session;
    }
    bson_append_array_end(killing->probe.command, &sessions);
}

/* The same ones: it is out. */
static void kill_move_victims(mouv__kills_t *kills, const killing_t *killing) {
    uint32_t moved = 0;
    MOUV__LIST_EACH(&kills->to_kill, mouv__operation_t, op, kill) {
        if (moved == killing->count) break;
        if (op->checkout.server_id != killing->probe.exchange.server_id) continue;
        mouv__server_session_kill(killing->sessions[moved++]);
        op->kills++;
        mouv__session_note_kill(&op->parts);
        mouv__tell_operation(op, MOUV__EVENT_OPERATION_KILLED);
        kill_move(op, MOUV__KILL_KILLED);
    }
}

static killing_t *kill_new(mouv__kills_t *kills, uint32_t server_id) {
    killing_t *killing = mouv__probe_new(
        kills->operations->pool, server_id,
        sizeof(*killing) + VICTIMS_MAX * sizeof(killing->sessions[0]), NULL, kill_done);
    if (!killing) return NULL;
    mouv__exchange_t *exchange = &killing->probe.exchange;
    exchange->call_id = ++kills->number;
    exchange->limit_ms = KILL_LIMIT_MS;
    exchange->quiet = exchange->sets_up = false;
    kill_append_victims(kills, killing);
    return killing;
}

static void kill_flush(mouv__ready_t *ready) {
    mouv__kills_t *kills = mouv__container_of(ready, mouv__kills_t, flush);
    mouv__operation_t *first = MOUV__LIST_FIRST(&kills->to_kill, mouv__operation_t, kill);
    if (!first || kills->out) return; /* kill_done() comes back here */
    killing_t *killing = kill_new(kills, first->checkout.server_id);
    if (killing && mouv__probe_send(&killing->probe, MOUV__CONTROL_KILL, &kills->out))
        kill_move_victims(kills, killing);
    else
        kill_start_again(kills, FIRST_PAUSE_NS);
}

/* --- */

void mouv__kill_init(mouv__operations_t *operations,
                     void (*on_refused)(mouv__operations_t *operations)) {
    operations->kills.operations = operations;
    operations->kills.flush.run = kill_flush;
    operations->kills.on_refused = on_refused;
}

void mouv__kill_close(mouv__operations_t *operations) {
    mouv__kills_t *kills = &operations->kills;
    mouv__timer_stop(mouv__client_runtime(operations->client), &kills->again);
    MOUV__LIST_EACH(&kills->to_kill, mouv__operation_t, op, kill) kill_move(op, MOUV__KILL_NONE);
    MOUV__LIST_EACH(&kills->killed, mouv__operation_t, op, kill) kill_move(op, MOUV__KILL_NONE);
    mouv__probe_abandon(&kills->out);
}
