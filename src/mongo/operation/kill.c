/*
 * killSessions for operations that have been given up.
 */
#include "mongo/operation/kill.h"

#include <assert.h>
#include <stddef.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/error.h"
#include "mongo/operation/state.h"
#include "mongo/operation/tell.h"

/* A command that was on its way when the kill came needs another: after 10, 40, 160, ... ms. */
#define KILLS_MAX 6
#define FIRST_PAUSE_NS (10 * INT64_C(1000000))

/* How long a server that has left a kill unanswered gets no other, unless it is heard of. */
#define SILENCE_NS (5 * INT64_C(1000000000))

/* An answer that takes longer is not waited for: a cut is quicker. */
#define KILL_LIMIT_MS 2000

/* Most sessions in one command. */
#define VICTIMS_MAX 1000

/* One killSessions on its way; or, without victims, the hello that connects its connection. */
struct mouv__killing {
    mouv__exchange_t exchange; /* first */
    mouv__operations_t *operations;
    bson_t *command;
    bool was_connected;
    uint32_t count;
    mouv__server_session_t *sessions[];
};

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
    struct mouv__killing *out = operations->kills.out;
    if (out) operations->pool->transport->ops->cut(&out->exchange);
}

/* --- the exchange ----------------------------------------------------------------------------- */

static void kill_free(struct mouv__killing *killing) {
    bson_destroy(killing->exchange.reply);
    bson_destroy(killing->command);
    mouv__free(killing);
}

static void kill_discard(mouv__exchange_t *exchange) {
    kill_free((struct mouv__killing *)exchange);
}

static struct mouv__killing *kill_new(mouv__operations_t *operations, uint32_t server_id,
                                      uint32_t victims, void (*done)(mouv__exchange_t *exchange)) {
    struct mouv__killing *killing =
        mouv__alloc(sizeof(*killing) + victims * sizeof(killing->sessions[0]));
    if (!killing) return NULL;
    killing->operations = operations;
    killing->command = bson_new();
    killing->exchange = (mouv__exchange_t){.server_id = server_id,
                                           .database = "admin",
                                           .command = killing->command,
                                           .limit_ms = KILL_LIMIT_MS,
                                           .done = done,
                                           .discard = kill_discard};
    return killing;
}

/* False: there was no memory or thread for it. */
static bool kill_send(struct mouv__killing *killing) {
    mouv__operations_t *operations = killing->operations;
    mouv__transport_t *transport = operations->pool->transport;
    const mouv__connection_t *connection = kill_connection(operations);
    killing->was_connected =
        connection && mouv__connection_is_ready(connection, killing->exchange.server_id);
    operations->kills.out = killing;
    if (transport->ops->control(transport, MOUV__CONTROL_KILL, &killing->exchange) == 0)
        return true;
    operations->kills.out = NULL;
    return false;
}

static void kill_prepare_done(mouv__exchange_t *exchange) {
    struct mouv__killing *killing = (struct mouv__killing *)exchange;
    mouv__operations_t *operations = killing->operations;
    operations->kills.out = NULL;
    mouv__connection_note(exchange->connection, exchange->server_id, exchange->reply != NULL);
    if (exchange->reply) mouv__breaker_heard(operations->pool, exchange->server_id);
    kill_free(killing);
    kill_schedule(&operations->kills);
}

void mouv__kill_prepare(mouv__operations_t *operations, uint32_t server_id) {
    mouv__kills_t *kills = &operations->kills;
    mouv__server_pool_t *of = mouv__server_pool_of(operations->pool, server_id);
    if (!of || of->kill_prepared || kills->refused || kills->out) return;
    struct mouv__killing *killing = kill_new(operations, server_id, 0, kill_prepare_done);
    if (!killing) return;
    of->kill_prepared = true;
    BSON_APPEND_INT32(killing->command, "hello", 1);
    killing->exchange.limit_ms = operations->pool->transport->connect_timeout_ms;
    killing->exchange.quiet = killing->exchange.sets_up = true;
    if (!kill_send(killing)) kill_free(killing);
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

/* Whether the server has said anything, and what follows from it. */
static bool kill_note_answer(const struct mouv__killing *killing) {
    const mouv__exchange_t *exchange = &killing->exchange;
    mouv__operations_t *operations = killing->operations;
    mouv__server_pool_t *of = mouv__server_pool_of(operations->pool, exchange->server_id);
    mouv_error_t error = {0};
    if (exchange->reply && !exchange->ok) mouv__error_from_reply(&error, exchange->reply);
    if (error.code == MOUV_ESERVER) kill_note_refusal(operations, &error);
    bool in_time = operations->pool->transport->cuts; /* or it would have been cut */
    if (of && in_time && exchange->reply && killing->was_connected) of->kill_ns = exchange->took_ns;
    if (of && exchange->cut)
        of->silent_until_ns = mouv__client_now_ns(operations->client) + SILENCE_NS;
    bool answered = exchange->reply && !exchange->cut;
    if (answered) mouv__breaker_heard(operations->pool, exchange->server_id);
    return answered;
}

static void kill_done(mouv__exchange_t *exchange) {
    struct mouv__killing *killing = (struct mouv__killing *)exchange;
    mouv__operations_t *operations = killing->operations;
    int64_t now_ns = mouv__client_now_ns(operations->client);
    operations->kills.out = NULL;
    bool answered = kill_note_answer(killing);
    mouv__connection_note(exchange->connection, exchange->server_id, answered);
    for (uint32_t i = 0; i < killing->count; i++) {
        mouv__server_session_t *session = killing->sessions[i];
        mouv__connection_t *connection = session->connection;
        mouv__server_session_killed(session, answered, now_ns);
        if (session->kills == 0 && connection) mouv__pool_serve(operations->pool, connection);
    }
    kill_free(killing);
    kill_plan_again(&operations->kills);
    kill_schedule(&operations->kills);
    mouv__pool_pump(operations->pool);
}

/* --- the flush -------------------------------------------------------------------------------- */

static void kill_append_victim(bson_t *sessions, uint32_t index,
                               const mouv__server_session_t *session) {
    char buffer[16];
    const char *key;
    bson_t lsid;
    size_t length = bson_uint32_to_string(index, &key, buffer, sizeof(buffer));
    bson_append_document_begin(sessions, key, (int)length, &lsid);
    BSON_APPEND_BINARY(&lsid, "id", BSON_SUBTYPE_UUID, session->lsid, sizeof(session->lsid));
    bson_append_document_end(sessions, &lsid);
}

/* Moves every operation that waits on this server to `killed` and into the command. */
static void kill_collect(mouv__kills_t *kills, struct mouv__killing *killing) {
    bson_t sessions;
    mouv__append_array_begin(killing->command, "killSessions", &sessions);
    MOUV__LIST_EACH(&kills->to_kill, mouv__operation_t, op, kill) {
        mouv__server_session_t *session = op->attempt.exchange.session;
        if (killing->count == VICTIMS_MAX) break;
        if (op->checkout.server_id != killing->exchange.server_id) continue;
        kill_append_victim(&sessions, killing->count, session);
        mouv__server_session_kill(session);
        killing->sessions[killing->count++] = session;
        op->kills++;
        mouv__tell_operation(op, MOUV__EVENT_OPERATION_KILLED);
        kill_move(op, MOUV__KILL_KILLED);
    }
    bson_append_array_end(killing->command, &sessions);
}

static void kill_put_back(mouv__kills_t *kills, const struct mouv__killing *killing) {
    for (uint32_t i = 0; i < killing->count; i++) killing->sessions[i]->kills--;
    kill_start_again(kills, FIRST_PAUSE_NS);
}

static void kill_flush(mouv__ready_t *ready) {
    mouv__kills_t *kills = mouv__container_of(ready, mouv__kills_t, flush);
    mouv__operation_t *first = MOUV__LIST_FIRST(&kills->to_kill, mouv__operation_t, kill);
    if (!first || kills->out) return; /* kill_done() comes back here */
    struct mouv__killing *killing =
        kill_new(kills->operations, first->checkout.server_id, VICTIMS_MAX, kill_done);
    if (!killing) {
        kill_start_again(kills, FIRST_PAUSE_NS);
        return;
    }
    killing->exchange.call_id = ++kills->number;
    kill_collect(kills, killing);
    if (kill_send(killing)) return;
    kill_put_back(kills, killing);
    kill_free(killing);
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
    if (kills->out) operations->pool->transport->ops->abandon(&kills->out->exchange);
    kills->out = NULL;
}
