/*
 * Steps: how blocking work that is no operation goes to a worker and comes back.
 */
#include "mongo/transport/threads/background.h"

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/base/error.h"

static void unlink_step(mouv__step_t *step) {
    mouv__admission_t *admission = &step->client->admission;
    if (step->prev)
        step->prev->next = step->next;
    else
        admission->steps = step->next;
    if (step->next) step->next->prev = step->prev;
}

static void step_free(mouv__step_t *step) {
    if (step->clear) step->clear(step);
    mongoc_read_prefs_destroy(step->read_prefs);
    if (step->pool) mouv__pool_unref(step->pool);
    mouv__free(step);
}

static void step_done(mouv__job_t *job) {
    mouv__step_t *step = (mouv__step_t *)job;
    mouv_client_t *client = step->client;
    mouv__client_hold(client);
    unlink_step(step);
    step->ended(step);
    step_free(step);
    mouv__admission_pump(client);
    mouv__client_quiet(client);
    mouv__client_let_go(client);
}

static void step_discard(mouv__job_t *job) {
    mouv__step_t *step = (mouv__step_t *)job;
    if (step->carrier) mouv__carrier_free(step->carrier, step->pool);
    step_free(step);
}

static void take_lane(mouv__step_t *step, mouv__lane_t *lane) {
    if (!lane->carrier) lane->carrier = mouv__carrier_new(step->pool);
    step->carrier = lane->carrier;
    lane->busy = true;
}

static void link_step(mouv__step_t *step) {
    mouv__admission_t *admission = &step->client->admission;
    step->next = admission->steps;
    if (admission->steps) admission->steps->prev = step;
    admission->steps = step;
}

void mouv__step_submit(mouv_client_t *client, mouv__step_t *step, mouv__lane_t *lane,
                       void (*run)(mouv__job_t *job), void (*ended)(mouv__step_t *step),
                       void (*clear)(mouv__step_t *step)) {
    mouv__admission_t *admission = &client->admission;
    mouv__executor_t *executor = step->carrier && !lane ? admission->executor : admission->control;
    step->job = (mouv__job_t){.run = run, .done = step_done, .discard = step_discard};
    step->client = client;
    step->pool = mouv__pool_ref(client->pool);
    step->ended = ended;
    step->clear = clear;
    link_step(step);
    if (lane) take_lane(step, lane);
    if (lane && !lane->carrier) {
        step->refused = MOUV_ENOMEM;
    } else {
        step->refused = executor->submit(executor, &step->job);
        if (step->refused == 0) return;
    }
    mouv__executor_send_home(mouv__runtime_mailbox(client->runtime), &step->job);
}

int mouv__step_error(const mouv__step_t *step, mouv_error_t *error) {
    if (step->refused == 0)
        mouv__error_from_driver(error, &step->error);
    else
        mouv_error_set(error, step->refused, "no thread or memory to connect");
    return error->code;
}

void mouv__step_abandon_all(mouv_client_t *client) {
    mouv__admission_t *admission = &client->admission;
    while (admission->steps) {
        mouv__step_t *step = admission->steps;
        unlink_step(step);
        step->client = NULL;
        step->job.done = step_discard;
    }
}

bool mouv__step_select_server(mouv__step_t *step) {
    mongoc_server_description_t *server = mongoc_client_select_server(
        step->carrier->client, step->write, step->read_prefs, &step->error);
    if (!server) return false;
    step->server_id = mongoc_server_description_id(server);
    mongoc_server_description_destroy(server);
    return true;
}

static bool ping_once(mouv__step_t *step) {
    mouv__line_t *line = step->carrier->line;
    bson_t command = BSON_INITIALIZER;
    BSON_APPEND_INT32(&command, "ping", 1);
    mouv__carrier_begin(step->carrier, step->pool, 0, step->pool->connect_timeout_ms);
    bool ok = mongoc_client_command_simple_with_server_id(step->carrier->client, "admin", &command,
                                                          step->read_prefs, step->server_id, NULL,
                                                          &step->error);
    mouv__carrier_end(step->carrier, ok);
    if (!ok) mouv__line_explain(line, &step->error);
    bson_destroy(&command);
    return ok;
}

bool mouv__step_ping(mouv__step_t *step) {
    /* the first try makes libmongoc drop a connection that was cut between two calls */
    return ping_once(step) || (mouv__line_was_stale(step->carrier->line) && ping_once(step));
}

/* Sends nothing where there is a connection. */
static bool set_up(mouv__step_t *step) {
    mouv__line_t *line = step->carrier->line;
    mouv__carrier_begin(step->carrier, step->pool, 0, step->pool->connect_timeout_ms);
    mongoc_server_description_t *server = mongoc_client_get_handshake_description(
        step->carrier->client, step->server_id, NULL, &step->error);
    mouv__carrier_end(step->carrier, server != NULL);
    if (!server) mouv__line_explain(line, &step->error);
    mongoc_server_description_destroy(server);
    return server != NULL;
}

bool mouv__step_connect(mouv__step_t *step) {
    return set_up(step) && (mouv__line_has_set_up(step->carrier->line) || mouv__step_ping(step));
}

void mouv__step_connect_run(mouv__job_t *job) {
    mouv__step_t *step = (mouv__step_t *)job;
    step->ok =
        mouv__carrier_open(step->carrier, step->pool, &step->error) && mouv__step_connect(step);
}
