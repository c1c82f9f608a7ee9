/*
 * killSessions for operations that have been given up.
 *
 *   NONE --add--> WAITING --flush--> KILLED --again--> WAITING ... --back from the worker--> NONE
 */
#include "mongo/operation/kill.h"

#include <stddef.h>
#include <stdio.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/error.h"
#include "mongo/operation/attempt.h"
#include "mongo/topology/events.h"
#include "mongo/transport/threads/background.h"

enum { KILL_NONE, KILL_WAITING, KILL_KILLED };

/* A command that was on its way when the kill came needs another: after 10, 40, 160, ... ms. */
#define KILLS_MAX 6
#define FIRST_PAUSE_NS (10 * INT64_C(1000000))

/* How long a server that has left a kill unanswered gets no other, unless it is heard of. */
#define SILENCE_NS (5 * INT64_C(1000000000))

/* An answer that takes longer is not waited for: interrupts are quicker. */
#define KILL_LIMIT_MS 2000

/* Most sessions in one command. */
#define VICTIMS_MAX 1000

/* One killSessions on its way. */
typedef struct kill {
    mouv__background_t background; /* first */
    bson_t *command;
    uint64_t number; /* its call id on the control connection's line */
    int64_t began_ns;
    bool was_cut;
    uint32_t count;
    mouv__server_session_t *sessions[];
} kill_t;

static bool kill_is_silent(const mouv__kills_t *kills, uint32_t server_id) {
    return (kills->silent & mouv__server_bit(server_id)) &&
           mouv__client_now_ns(kills->client) < kills->silent_until_ns;
}

/* --- the two lists --------------------------------------------------------------------------- */

static void kill_push(mouv__operation_t **list, mouv__operation_t *op, uint8_t state) {
    op->kill_state = state;
    op->kill_prev = NULL;
    op->kill_next = *list;
    if (*list) (*list)->kill_prev = op;
    *list = op;
}

static void kill_pull(mouv__operation_t **list, mouv__operation_t *op) {
    if (op->kill_prev)
        op->kill_prev->kill_next = op->kill_next;
    else
        *list = op->kill_next;
    if (op->kill_next) op->kill_next->kill_prev = op->kill_prev;
    op->kill_prev = op->kill_next = NULL;
    op->kill_state = KILL_NONE;
}

void mouv__kill_add(mouv__operation_t *op) {
    mouv__kills_t *kills = &op->client->kills;
    if (op->kill_state != KILL_NONE) return;
    bool hopeless = kills->refused || kill_is_silent(kills, op->attempt.server_id);
    mouv__cut_add(op, kills->refused);
    if (hopeless) return;
    kill_push(&kills->to_kill, op, KILL_WAITING);
    if (!kills->flush.queued) mouv__runtime_ready(mouv__client_runtime(op->client), &kills->flush);
}

void mouv__kill_remove(mouv__operation_t *op) {
    mouv__kills_t *kills = &op->client->kills;
    if (op->kill_state == KILL_WAITING) kill_pull(&kills->to_kill, op);
    if (op->kill_state == KILL_KILLED) kill_pull(&kills->killed, op);
    op->kills = 0;
    mouv__cut_remove(op);
}

/* --- the control connection
 * -------------------------------------------------------------------------------- */

static void kill_control_ended(mouv__background_t *background, bool answered) {
    mouv__kills_t *kills = &background->client->kills;
    if (background->connection && answered)
        background->connection->connected |= mouv__server_bit(background->server_id);
    else if (background->connection)
        background->connection->connected &= ~mouv__server_bit(background->server_id);
    mouv__pool_leave_control(background->client, &kills->control);
    if (kills->to_kill && !kills->flush.queued)
        mouv__runtime_ready(mouv__client_runtime(background->client), &kills->flush);
}

static void kill_prepare_ended(mouv__background_t *background) {
    if (background->ok) mouv__breaker_heard(background->client, background->server_id);
    kill_control_ended(background, background->ok);
}

void mouv__kill_prepare(mouv__kills_t *kills, uint32_t server_id) {
    uint64_t bit = mouv__server_bit(server_id);
    if (kills->prepared & bit || kills->refused || kills->control.busy || server_id == 0) return;
    mouv__background_t *background = mouv__alloc(sizeof(*background));
    if (!background) return;
    kills->prepared |= bit;
    background->server_id = server_id;
    mouv__background_submit(kills->client, background, &kills->control,
                            mouv__background_connect_run, kill_prepare_ended, NULL);
}

bool mouv__kill_is_silent(const mouv__operation_t *op) {
    const mouv__control_t *control = &op->client->kills.control;
    return op->attempt.session && op->attempt.session->kills > 0 && control->busy &&
           control->connection &&
           (control->connection->connected & mouv__server_bit(op->attempt.server_id));
}

bool mouv__kill_thinks_silent(const mouv__kills_t *kills, const mouv__operation_t *op) {
    return mouv__kill_is_silent(op) || kill_is_silent(kills, op->attempt.server_id);
}

void mouv__kill_drop(mouv__kills_t *kills) {
    mouv__interruptible_interrupt(kills->control.connection->interruptible, kills->kill_number);
}

void mouv__kill_heard(mouv__kills_t *kills, uint32_t server_id) {
    kills->silent &= ~mouv__server_bit(server_id);
}

/* --- the command ----------------------------------------------------------------------------- */

static void kill_run(mouv__job_t *job) {
    kill_t *kill = (kill_t *)job;
    mouv__background_t *background = &kill->background;
    if (!mouv__connection_open(background->connection, background->driver_pool, &background->error))
        return;
    mouv__events_t *events = mouv__listener_events(background->driver_pool->listener);
    mouv__events_enter(events, 0, "admin", kill->command);
    mouv__connection_begin(background->connection, background->driver_pool, kill->number,
                           KILL_LIMIT_MS);
    background->ok = mongoc_client_command_simple_with_server_id(
        background->connection->client, "admin", kill->command, NULL, background->server_id, NULL,
        &background->error);
    kill->was_cut = mouv__connection_end(background->connection, background->ok);
    mouv__events_leave(events);
}

static void kill_free(mouv__background_t *background) {
    bson_destroy(((kill_t *)background)->command);
}

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
static void kill_collect(mouv__kills_t *kills, kill_t *kill) {
    bson_t sessions;
    kill->command = bson_new();
    mouv__append_array_begin(kill->command, "killSessions", &sessions);
    for (mouv__operation_t *op = kills->to_kill, *next; op && kill->count < VICTIMS_MAX;
         op = next) {
        next = op->kill_next;
        if (op->attempt.server_id != kill->background.server_id) continue;
        kill_append_victim(&sessions, kill->count, op->attempt.session);
        op->attempt.session->kills++;
        kill->sessions[kill->count++] = op->attempt.session;
        op->kills++;
        if (kills->client->events) mouv__events_killed(op);
        kill_pull(&kills->to_kill, op);
        kill_push(&kills->killed, op, KILL_KILLED);
    }
    bson_append_array_end(kill->command, &sessions);
}

/* --- its answer ------------------------------------------------------------------------------ */

static void kill_on_again(mouv__timer_t *timer) {
    mouv__kills_t *kills = (mouv__kills_t *)((char *)timer - offsetof(mouv__kills_t, again));
    for (mouv__operation_t *op = kills->killed, *next; op; op = next) {
        next = op->kill_next;
        if (op->kills >= KILLS_MAX) continue;
        kill_pull(&kills->killed, op);
        kill_push(&kills->to_kill, op, KILL_WAITING);
    }
    if (kills->to_kill && !kills->flush.queued)
        mouv__runtime_ready(mouv__client_runtime(kills->client), &kills->flush);
}

/* Those who are not back yet are killed again after a pause that suits the most impatient. */
static void kill_plan_again(mouv__kills_t *kills) {
    uint8_t least = KILLS_MAX;
    for (mouv__operation_t *op = kills->killed; op; op = op->kill_next)
        if (op->kills < least) least = op->kills;
    if (least >= KILLS_MAX || kills->refused) return;
    mouv_runtime_t *runtime = mouv__client_runtime(kills->client);
    int64_t pause_ns = FIRST_PAUSE_NS << (2 * (least > 0 ? least - 1 : 0));
    mouv__timer_start(runtime, &kills->again, mouv__now_ns(runtime) + pause_ns, kill_on_again);
}

/* There was no memory for the command. */
static void kill_plan_flush(mouv__kills_t *kills) {
    mouv_runtime_t *runtime = mouv__client_runtime(kills->client);
    mouv__timer_start(runtime, &kills->again, mouv__now_ns(runtime) + FIRST_PAUSE_NS,
                      kill_on_again);
}

static void kill_note_refusal(mouv__kills_t *kills, const mouv_error_t *error) {
    if (mouv__error_code_is_retryable(error->server_code)) return;
    kills->refused = true;
    mouv__log(MOUV_LOG_DEBUG, "killSessions is refused: %s", error->message);
    mouv__cut_hurry(&kills->client->cuts);
}

/* Whether the server has said anything, and what follows from it. */
static bool kill_note_answer(mouv__kills_t *kills, const kill_t *kill) {
    int64_t now_ns = mouv__client_now_ns(kills->client);
    uint64_t bit = mouv__server_bit(kill->background.server_id);
    mouv_error_t error = {0};
    if (!kill->background.ok) mouv__error_from_driver(&error, &kill->background.error);
    if (error.code == MOUV_ESERVER) kill_note_refusal(kills, &error);
    bool answered = kill->background.ok || error.code == MOUV_ESERVER;
    if (answered && (kills->control.connection->connected & bit))
        kills->rtt_ns = now_ns - kill->began_ns;
    if (kill->was_cut) {
        kills->silent |= bit;
        kills->silent_until_ns = now_ns + SILENCE_NS;
    }
    if (answered && !kill->was_cut) mouv__breaker_heard(kills->client, kill->background.server_id);
    return answered && !kill->was_cut;
}

static void kill_ended(mouv__background_t *background) {
    kill_t *kill = (kill_t *)background;
    mouv_client_t *client = background->client;
    mouv__kills_t *kills = &client->kills;
    bool answered = background->connection && kill_note_answer(kills, kill);
    for (uint32_t i = 0; i < kill->count; i++) {
        mouv__server_session_t *session = kill->sessions[i];
        if (!answered) session->dirty = session->doomed = true;
        if (--session->kills > 0) continue;
        if (session->parked) mouv__server_session_give_back(session, mouv__client_now_ns(client));
        mouv__pool_serve(client, session->connection);
    }
    kill_plan_again(kills);
    kill_control_ended(background, answered);
}

static void kill_flush(mouv__ready_t *ready) {
    mouv__kills_t *kills = (mouv__kills_t *)((char *)ready - offsetof(mouv__kills_t, flush));
    if (!kills->to_kill || kills->control.busy) return; /* kill_ended() comes back here */
    kill_t *kill = mouv__alloc(sizeof(*kill) + VICTIMS_MAX * sizeof(kill->sessions[0]));
    if (!kill) {
        kill_plan_flush(kills);
        return;
    }
    kill->background.server_id = kills->to_kill->attempt.server_id;
    kill->number = ++kills->kill_number;
    kill->began_ns = mouv__client_now_ns(kills->client);
    kill_collect(kills, kill);
    mouv__background_submit(kills->client, &kill->background, &kills->control, kill_run, kill_ended,
                            kill_free);
}

/* --- */

void mouv__kill_init(mouv__kills_t *kills, mouv_client_t *client) {
    kills->client = client;
    kills->flush.run = kill_flush;
}

void mouv__kill_close(mouv__kills_t *kills) {
    mouv__timer_stop(mouv__client_runtime(kills->client), &kills->again);
    while (kills->to_kill) kill_pull(&kills->to_kill, kills->to_kill);
    while (kills->killed) kill_pull(&kills->killed, kills->killed);
}
