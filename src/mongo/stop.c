/*
 * killSessions for operations that have been given up.
 *
 *   NONE --add--> WAITING --flush--> KILLED --again--> WAITING ... --back from the worker--> NONE
 */
#include "mongo/stop.h"

#include <stddef.h>
#include <stdio.h>

#include "async/runtime.h"
#include "context/alloc.h"
#include "mongo/attempt.h"
#include "mongo/client.h"
#include "mongo/error.h"
#include "mongo/monitor.h"
#include "mongo/step.h"
#include "mongo/versions.h"

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
    mouv__step_t step; /* first */
    bson_t *command;
    uint64_t number; /* its ticket on the lane's line */
    int64_t began_ns;
    bool was_cut;
    uint32_t count;
    mouv__session_t *sessions[];
} kill_t;

static bool is_silent(const mouv__stopper_t *stopper, uint32_t server_id) {
    return (stopper->silent & mouv__server_bit(server_id)) &&
           mouv__now_ns(stopper->client->runtime) < stopper->silent_until_ns;
}

/* --- the two lists --------------------------------------------------------------------------- */

static void push(mouv__operation_t **list, mouv__operation_t *op, uint8_t state) {
    op->kill_state = state;
    op->kill_prev = NULL;
    op->kill_next = *list;
    if (*list) (*list)->kill_prev = op;
    *list = op;
}

static void pull(mouv__operation_t **list, mouv__operation_t *op) {
    if (op->kill_prev)
        op->kill_prev->kill_next = op->kill_next;
    else
        *list = op->kill_next;
    if (op->kill_next) op->kill_next->kill_prev = op->kill_prev;
    op->kill_prev = op->kill_next = NULL;
    op->kill_state = KILL_NONE;
}

void mouv__stopper_add(mouv__operation_t *op) {
    mouv__stopper_t *stopper = &op->client->stopper;
    if (op->kill_state != KILL_NONE) return;
    bool hopeless = stopper->refused || is_silent(stopper, op->attempt.server_id);
    mouv__interrupter_add(op, stopper->refused);
    if (hopeless) return;
    push(&stopper->to_kill, op, KILL_WAITING);
    if (!stopper->flush.queued) mouv__runtime_ready(op->client->runtime, &stopper->flush);
}

void mouv__stopper_remove(mouv__operation_t *op) {
    mouv__stopper_t *stopper = &op->client->stopper;
    if (op->kill_state == KILL_WAITING) pull(&stopper->to_kill, op);
    if (op->kill_state == KILL_KILLED) pull(&stopper->killed, op);
    op->kills = 0;
    mouv__interrupter_remove(op);
}

/* --- the lane -------------------------------------------------------------------------------- */

static void lane_ended(mouv__step_t *step, bool answered) {
    mouv__stopper_t *stopper = &step->client->stopper;
    if (step->carrier && answered)
        step->carrier->connected |= mouv__server_bit(step->server_id);
    else if (step->carrier)
        step->carrier->connected &= ~mouv__server_bit(step->server_id);
    mouv__admission_leave_lane(step->client, &stopper->lane);
    if (stopper->to_kill && !stopper->flush.queued)
        mouv__runtime_ready(step->client->runtime, &stopper->flush);
}

static void prepare_ended(mouv__step_t *step) {
    if (step->ok) mouv__circuit_heard(step->client, step->server_id);
    lane_ended(step, step->ok);
}

void mouv__stopper_prepare(mouv__stopper_t *stopper, uint32_t server_id) {
    uint64_t bit = mouv__server_bit(server_id);
    if (stopper->prepared & bit || stopper->refused || stopper->lane.busy || server_id == 0) return;
    mouv__step_t *step = mouv__alloc(sizeof(*step));
    if (!step) return;
    stopper->prepared |= bit;
    step->server_id = server_id;
    mouv__step_submit(stopper->client, step, &stopper->lane, mouv__step_connect_run, prepare_ended,
                      NULL);
}

bool mouv__stopper_is_silent(const mouv__operation_t *op) {
    const mouv__lane_t *lane = &op->client->stopper.lane;
    return op->attempt.session && op->attempt.session->kills > 0 && lane->busy && lane->carrier &&
           (lane->carrier->connected & mouv__server_bit(op->attempt.server_id));
}

bool mouv__stopper_thinks_silent(const mouv__stopper_t *stopper, const mouv__operation_t *op) {
    return mouv__stopper_is_silent(op) || is_silent(stopper, op->attempt.server_id);
}

void mouv__stopper_drop_kill(mouv__stopper_t *stopper) {
    mouv__line_interrupt(stopper->lane.carrier->line, stopper->kill_number);
}

void mouv__stopper_heard(mouv__stopper_t *stopper, uint32_t server_id) {
    stopper->silent &= ~mouv__server_bit(server_id);
}

/* --- the command ----------------------------------------------------------------------------- */

static void kill_run(mouv__job_t *job) {
    kill_t *kill = (kill_t *)job;
    mouv__step_t *step = &kill->step;
    if (!mouv__carrier_open(step->carrier, step->pool, &step->error)) return;
    mouv__monitor_t *monitor = mouv__watch_monitor(step->pool->watch);
    mouv__monitor_enter(monitor, 0, "admin", kill->command);
    mouv__carrier_begin(step->carrier, step->pool, kill->number, KILL_LIMIT_MS);
    step->ok = mongoc_client_command_simple_with_server_id(
        step->carrier->client, "admin", kill->command, NULL, step->server_id, NULL, &step->error);
    kill->was_cut = mouv__carrier_end(step->carrier, step->ok);
    mouv__monitor_leave(monitor);
}

static void kill_free(mouv__step_t *step) {
    bson_destroy(((kill_t *)step)->command);
}

static void append_victim(bson_t *sessions, uint32_t index, const mouv__session_t *session) {
    char buffer[16];
    const char *key;
    bson_t lsid;
    size_t length = bson_uint32_to_string(index, &key, buffer, sizeof(buffer));
    bson_append_document_begin(sessions, key, (int)length, &lsid);
    BSON_APPEND_BINARY(&lsid, "id", BSON_SUBTYPE_UUID, session->lsid, sizeof(session->lsid));
    bson_append_document_end(sessions, &lsid);
}

/* Moves every operation that waits on this server to `killed` and into the command. */
static void collect(mouv__stopper_t *stopper, kill_t *kill) {
    bson_t sessions;
    kill->command = bson_new();
    mouv__append_array_begin(kill->command, "killSessions", &sessions);
    for (mouv__operation_t *op = stopper->to_kill, *next; op && kill->count < VICTIMS_MAX;
         op = next) {
        next = op->kill_next;
        if (op->attempt.server_id != kill->step.server_id) continue;
        append_victim(&sessions, kill->count, op->attempt.session);
        op->attempt.session->kills++;
        kill->sessions[kill->count++] = op->attempt.session;
        op->kills++;
        if (stopper->client->monitor) mouv__monitor_killed(op);
        pull(&stopper->to_kill, op);
        push(&stopper->killed, op, KILL_KILLED);
    }
    bson_append_array_end(kill->command, &sessions);
}

/* --- its answer ------------------------------------------------------------------------------ */

static void on_again(mouv__timer_t *timer) {
    mouv__stopper_t *stopper =
        (mouv__stopper_t *)((char *)timer - offsetof(mouv__stopper_t, again));
    for (mouv__operation_t *op = stopper->killed, *next; op; op = next) {
        next = op->kill_next;
        if (op->kills >= KILLS_MAX || is_silent(stopper, op->attempt.server_id)) continue;
        pull(&stopper->killed, op);
        push(&stopper->to_kill, op, KILL_WAITING);
    }
    if (stopper->to_kill && !stopper->flush.queued)
        mouv__runtime_ready(stopper->client->runtime, &stopper->flush);
}

/* Those who are not back yet are killed again after a pause that suits the most impatient. */
static void plan_again(mouv__stopper_t *stopper) {
    uint8_t least = KILLS_MAX;
    for (mouv__operation_t *op = stopper->killed; op; op = op->kill_next)
        if (op->kills < least) least = op->kills;
    if (least >= KILLS_MAX || stopper->refused) return;
    mouv_runtime_t *runtime = stopper->client->runtime;
    int64_t pause_ns = FIRST_PAUSE_NS << (2 * (least > 0 ? least - 1 : 0));
    mouv__timer_start(runtime, &stopper->again, mouv__now_ns(runtime) + pause_ns, on_again);
}

/* There was no memory for the command. */
static void plan_flush(mouv__stopper_t *stopper) {
    mouv_runtime_t *runtime = stopper->client->runtime;
    mouv__timer_start(runtime, &stopper->again, mouv__now_ns(runtime) + FIRST_PAUSE_NS, on_again);
}

static void note_refusal(mouv__stopper_t *stopper, const mouv_error_t *error) {
    if (mouv__code_is_retryable(error->server_code)) return;
    stopper->refused = true;
    mouv__log(MOUV_LOG_DEBUG, "killSessions is refused: %s", error->message);
    mouv__interrupter_hurry(&stopper->client->interrupter);
}

/* Whether the server has said anything, and what follows from it. */
static bool note_answer(mouv__stopper_t *stopper, const kill_t *kill) {
    int64_t now_ns = mouv__now_ns(stopper->client->runtime);
    uint64_t bit = mouv__server_bit(kill->step.server_id);
    mouv_error_t error = {0};
    if (!kill->step.ok) mouv__error_from_driver(&error, &kill->step.error);
    if (error.code == MOUV_ESERVER) note_refusal(stopper, &error);
    bool answered = kill->step.ok || error.code == MOUV_ESERVER;
    bool in_time = stopper->client->pool->own_streams; /* or it would have been cut */
    if (answered && in_time && (stopper->lane.carrier->connected & bit))
        stopper->rtt_ns = now_ns - kill->began_ns;
    if (kill->was_cut) {
        stopper->silent |= bit;
        stopper->silent_until_ns = now_ns + SILENCE_NS;
    }
    if (answered && !kill->was_cut) mouv__circuit_heard(stopper->client, kill->step.server_id);
    return answered && !kill->was_cut;
}

static void kill_ended(mouv__step_t *step) {
    kill_t *kill = (kill_t *)step;
    mouv_client_t *client = step->client;
    mouv__stopper_t *stopper = &client->stopper;
    bool answered = step->carrier && note_answer(stopper, kill);
    for (uint32_t i = 0; i < kill->count; i++) {
        mouv__session_t *session = kill->sessions[i];
        if (!answered) session->dirty = session->doomed = true;
        if (--session->kills > 0) continue;
        if (session->parked) mouv__session_give_back(session, mouv__now_ns(client->runtime));
        mouv__admission_serve(client, session->carrier);
    }
    plan_again(stopper);
    lane_ended(step, answered);
}

static void flush(mouv__ready_t *ready) {
    mouv__stopper_t *stopper =
        (mouv__stopper_t *)((char *)ready - offsetof(mouv__stopper_t, flush));
    if (!stopper->to_kill || stopper->lane.busy) return; /* kill_ended() comes back here */
    kill_t *kill = mouv__alloc(sizeof(*kill) + VICTIMS_MAX * sizeof(kill->sessions[0]));
    if (!kill) {
        plan_flush(stopper);
        return;
    }
    kill->step.server_id = stopper->to_kill->attempt.server_id;
    kill->number = ++stopper->kill_number;
    kill->began_ns = mouv__now_ns(stopper->client->runtime);
    collect(stopper, kill);
    mouv__step_submit(stopper->client, &kill->step, &stopper->lane, kill_run, kill_ended,
                      kill_free);
}

/* --- */

void mouv__stopper_init(mouv__stopper_t *stopper, mouv_client_t *client) {
    stopper->client = client;
    stopper->flush.run = flush;
}

void mouv__stopper_close(mouv__stopper_t *stopper) {
    mouv__timer_stop(stopper->client->runtime, &stopper->again);
    while (stopper->to_kill) pull(&stopper->to_kill, stopper->to_kill);
    while (stopper->killed) pull(&stopper->killed, stopper->killed);
}
