/*
 * Background jobs: how blocking work that is no operation goes to a worker and comes back.
 */
#include "mongo/transport/threads/background.h"

#include <uv.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/base/error.h"

static void background_unlink_step(mouv__background_t *background) {
    mouv__pool_t *pool = &background->client->pool;
    if (background->prev)
        background->prev->next = background->next;
    else
        pool->background_jobs = background->next;
    if (background->next) background->next->prev = background->prev;
}

static void background_step_free(mouv__background_t *background) {
    if (background->clear) background->clear(background);
    mongoc_read_prefs_destroy(background->read_prefs);
    if (background->driver_pool) mouv__driver_pool_unref(background->driver_pool);
    mouv__free(background);
}

static void background_step_done(mouv__job_t *job) {
    mouv__background_t *background = (mouv__background_t *)job;
    mouv_client_t *client = background->client;
    mouv__client_hold(client);
    background_unlink_step(background);
    background->ended(background);
    background_step_free(background);
    mouv__pool_pump(client);
    mouv__client_quiet(client);
    mouv__client_let_go(client);
}

static void background_step_discard(mouv__job_t *job) {
    mouv__background_t *background = (mouv__background_t *)job;
    if (background->connection)
        mouv__connection_free(background->connection, background->driver_pool);
    background_step_free(background);
}

static void background_take_control(mouv__background_t *background, mouv__control_t *control) {
    if (!control->connection) control->connection = mouv__connection_new(background->driver_pool);
    background->connection = control->connection;
    control->busy = true;
}

static void background_link_step(mouv__background_t *background) {
    mouv__pool_t *pool = &background->client->pool;
    background->next = pool->background_jobs;
    if (pool->background_jobs) pool->background_jobs->prev = background;
    pool->background_jobs = background;
}

void mouv__background_submit(mouv_client_t *client, mouv__background_t *background,
                             mouv__control_t *control, void (*run)(mouv__job_t *job),
                             void (*ended)(mouv__background_t *background),
                             void (*clear)(mouv__background_t *background)) {
    mouv__pool_t *pool = &client->pool;
    mouv__executor_t *executor =
        background->connection && !control ? pool->executor : pool->control_executor;
    background->job =
        (mouv__job_t){.run = run, .done = background_step_done, .discard = background_step_discard};
    background->client = client;
    background->driver_pool = mouv__driver_pool_ref(client->driver_pool);
    background->ended = ended;
    background->clear = clear;
    background_link_step(background);
    if (control) background_take_control(background, control);
    if (control && !control->connection) {
        background->refused = MOUV_ENOMEM;
    } else {
        background->refused = executor->submit(executor, &background->job);
        if (background->refused == 0) return;
    }
    mouv__executor_send_home(mouv__runtime_mailbox(mouv__client_runtime(client)), &background->job);
}

int mouv__background_error(const mouv__background_t *background, mouv_error_t *error) {
    if (background->refused == 0)
        mouv__error_from_driver(error, &background->error);
    else
        mouv_error_set(error, background->refused, "no thread or memory to connect");
    return error->code;
}

void mouv__background_abandon_all(mouv_client_t *client) {
    mouv__pool_t *pool = &client->pool;
    while (pool->background_jobs) {
        mouv__background_t *background = pool->background_jobs;
        background_unlink_step(background);
        background->client = NULL;
        background->job.done = background_step_discard;
    }
}

bool mouv__background_select_server(mouv__background_t *background) {
    mongoc_server_description_t *server =
        mongoc_client_select_server(background->connection->client, background->write,
                                    background->read_prefs, &background->error);
    if (!server) return false;
    background->server_id = mongoc_server_description_id(server);
    mongoc_server_description_destroy(server);
    return true;
}

static bool background_ask(mouv__background_t *background, const char *name) {
    mouv__interruptible_t *interruptible = background->connection->interruptible;
    bson_t command = BSON_INITIALIZER;
    uint64_t began_ns = uv_hrtime();
    BSON_APPEND_INT32(&command, name, 1);
    mouv__connection_begin(background->connection, background->driver_pool, 0,
                           background->driver_pool->connect_timeout_ms);
    bool ok = mongoc_client_command_simple_with_server_id(
        background->connection->client, "admin", &command, background->read_prefs,
        background->server_id, NULL, &background->error);
    mouv__connection_end(background->connection, ok);
    /* one that is refused has taken its way as well */
    bool answered = ok || background->error.domain == MONGOC_ERROR_SERVER;
    background->rtt_ns = answered ? (int64_t)(uv_hrtime() - began_ns) : 0;
    if (!ok) mouv__interruptible_explain(interruptible, &background->error);
    bson_destroy(&command);
    return ok;
}

bool mouv__background_ping(mouv__background_t *background) {
    /* the first try makes libmongoc drop a connection that was cut between two calls */
    return background_ask(background, "ping") ||
           (mouv__interruptible_was_stale(background->connection->interruptible) &&
            background_ask(background, "ping"));
}

/* Sends nothing where there is a connection. */
static bool background_set_up(mouv__background_t *background) {
    mouv__interruptible_t *interruptible = background->connection->interruptible;
    mouv__connection_begin(background->connection, background->driver_pool, 0,
                           background->driver_pool->connect_timeout_ms);
    mongoc_server_description_t *server = mongoc_client_get_handshake_description(
        background->connection->client, background->server_id, NULL, &background->error);
    mouv__connection_end(background->connection, server != NULL);
    if (!server) mouv__interruptible_explain(interruptible, &background->error);
    mongoc_server_description_destroy(server);
    return server != NULL;
}

bool mouv__background_connect(mouv__background_t *background) {
    return background_set_up(background) &&
           (mouv__interruptible_has_set_up(background->connection->interruptible) ||
            mouv__background_ping(background));
}

void mouv__background_connect_run(mouv__job_t *job) {
    mouv__background_t *background = (mouv__background_t *)job;
    background->ok = mouv__connection_open(background->connection, background->driver_pool,
                                           &background->error) &&
                     mouv__background_connect(background);
}

/* Setting the connection up takes more than one round trip. */
void mouv__background_measure_run(mouv__job_t *job) {
    mouv__background_t *background = (mouv__background_t *)job;
    mouv__background_connect_run(job);
    background->rtt_ns = 0;
    if (background->ok)
        background->ok = background_ask(background, "hello") || background->rtt_ns > 0;
}
