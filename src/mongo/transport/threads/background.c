/*
 * Jobs that are no exchanges.
 */
#include "mongo/transport/threads/background.h"

#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/error.h"
#include "mongo/transport/threads/driver_client.h"
#include "mongo/transport/workers/safepoint.h"

struct mouv__background {
    mouv__job_t job; /* first */
    mouv__link_t link;
    mouv__list_t *list;           /* of its transport's */
    mouv__transport_t *transport; /* loop thread */
    mouv__driver_pool_t *driver_pool;
    mouv__connection_t *connection; /* or NULL */
    uint32_t server_id;
    bool write;
    mongoc_read_prefs_t *read_prefs; /* owned */
    bool ok;
    int refused; /* it has not run: MOUV_ENOMEM, ...; or 0 */
    bson_error_t error;
    mouv__transport_ended_fn_t ended;
    void *arg;
    /* of a close */
    mouv__connection_t **connections; /* owned */
    uint32_t count;
    bool unreachable; /* no server is known: nobody to say good-bye to */
};

/* --- life ------------------------------------------------------------------------------------- */

static void background_end_connections(mouv__background_t *background);

static void background_free(mouv__background_t *background) {
    if (background->connections) background_end_connections(background);
    mongoc_read_prefs_destroy(background->read_prefs);
    if (background->driver_pool) mouv__driver_pool_unref(background->driver_pool);
    mouv__free(background);
}

static const mouv_error_t *background_error(const mouv__background_t *background,
                                            mouv_error_t *error) {
    if (background->ok) return NULL;
    if (background->refused == 0)
        mouv__error_from_driver(error, &background->error);
    else
        mouv_error_set(error, background->refused, "no thread or memory to connect");
    return error;
}

/* The control that it ran on is free again. */
static void background_free_control(mouv__background_t *background) {
    mouv__transport_t *transport = background->transport;
    for (int i = 0; i < MOUV__CONTROLS; i++) {
        if (transport->controls[i].connection != background->connection) continue;
        transport->controls[i].busy = false;
        mouv__connection_move(background->connection, MOUV__CONNECTION_IDLE);
    }
}

static void background_done(mouv__job_t *job) {
    mouv__background_t *background = (mouv__background_t *)job;
    mouv_client_t *client = background->transport->client;
    mouv_error_t error = {0};
    mouv__client_hold(client);
    mouv__list_remove(background->list, &background->link);
    if (background->connection) background_free_control(background);
    background->ended(background->arg, background_error(background, &error));
    background_free(background);
    mouv__client_quiet(client);
    mouv__client_let_go(client);
}

static void background_discard(mouv__job_t *job) {
    mouv__background_t *background = (mouv__background_t *)job;
    if (background->connection)
        mouv__driver_client_free(mouv__driver_client_of(background->connection),
                                 background->driver_pool);
    background_free(background);
}

static void background_submit(mouv__background_t *background, const mouv__background_place_t *place,
                              void (*run)(mouv__job_t *job)) {
    background->job =
        (mouv__job_t){.run = run, .done = background_done, .discard = background_discard};
    background->transport = place->transport;
    if (!background->driver_pool)
        background->driver_pool = mouv__driver_pool_ref(place->driver_pool);
    background->ended = place->ended;
    background->arg = place->arg;
    background->list = place->list;
    mouv__list_push_back(place->list, &background->link);
    background->refused = place->executor->submit(place->executor, &background->job);
    if (background->refused == 0) return;
    mouv_runtime_t *runtime = mouv__client_runtime(place->transport->client);
    mouv__executor_send_home(mouv__runtime_mailbox(runtime), &background->job);
}

void mouv__background_abandon_all(mouv__list_t *list) {
    mouv__background_t *background;
    while ((background = MOUV__LIST_POP(list, mouv__background_t, link)) != NULL)
        background->job.done = background_discard;
}

/* --- libmongoc's pool ------------------------------------------------------------------------- */

static void background_open_run(mouv__job_t *job) {
    mouv__background_t *background = (mouv__background_t *)job;
    background->ok = mouv__driver_pool_prepare(background->driver_pool, &background->error) &&
                     mouv__driver_client_open(mouv__driver_client_of(background->connection),
                                              background->driver_pool, &background->error);
}

int mouv__background_open(const mouv__background_place_t *place, mouv__connection_t *connection) {
    mouv__background_t *background = mouv__alloc(sizeof(*background));
    if (!background) return MOUV_ENOMEM;
    background->connection = connection;
    background_submit(background, place, background_open_run);
    return 0;
}

/* --- its server selection --------------------------------------------------------------------- */

static void background_seek_run(mouv__job_t *job) {
    mouv__background_t *background = (mouv__background_t *)job;
    mouv__driver_client_t *client = mouv__driver_client_of(background->connection);
    if (!mouv__driver_client_open(client, background->driver_pool, &background->error)) return;
    bool had_left = mouv__safepoint_begin_wait();
    mongoc_server_description_t *server = mongoc_client_select_server(
        client->client, background->write, background->read_prefs, &background->error);
    mouv__safepoint_end_wait(had_left);
    background->ok = server != NULL;
    mongoc_server_description_destroy(server);
}

int mouv__background_seek(const mouv__background_place_t *place, mouv__connection_t *connection,
                          bool write, const mongoc_read_prefs_t *read_prefs) {
    mouv__background_t *background = mouv__alloc(sizeof(*background));
    if (!background) return MOUV_ENOMEM;
    background->connection = connection;
    background->write = write;
    if (read_prefs) background->read_prefs = mongoc_read_prefs_copy(read_prefs);
    background_submit(background, place, background_seek_run);
    return 0;
}

/* --- a connection ----------------------------------------------------------------------------- */

static bool background_ping_once(mouv__background_t *background) {
    mouv__driver_client_t *client = mouv__driver_client_of(background->connection);
    bson_t command = BSON_INITIALIZER;
    BSON_APPEND_INT32(&command, "ping", 1);
    mouv__driver_client_begin(client, background->driver_pool, 0,
                              background->driver_pool->connect_timeout_ms);
    bool ok = mongoc_client_command_simple_with_server_id(
        client->client, "admin", &command, NULL, background->server_id, NULL, &background->error);
    mouv__driver_client_end(client, ok);
    if (!ok) mouv__interruptible_explain(client->interruptible, &background->error);
    bson_destroy(&command);
    return ok;
}

/* The first try makes libmongoc drop a connection that was cut between two calls. */
static bool background_ping(mouv__background_t *background) {
    const mouv__driver_client_t *client = mouv__driver_client_of(background->connection);
    return background_ping_once(background) ||
           (mouv__interruptible_was_stale(client->interruptible) &&
            background_ping_once(background));
}

/* Sends nothing where there is a connection. */
static bool background_set_up(mouv__background_t *background) {
    mouv__driver_client_t *client = mouv__driver_client_of(background->connection);
    mouv__driver_client_begin(client, background->driver_pool, 0,
                              background->driver_pool->connect_timeout_ms);
    mongoc_server_description_t *server = mongoc_client_get_handshake_description(
        client->client, background->server_id, NULL, &background->error);
    mouv__driver_client_end(client, server != NULL);
    if (!server) mouv__interruptible_explain(client->interruptible, &background->error);
    mongoc_server_description_destroy(server);
    return server != NULL;
}

static void background_connect_run(mouv__job_t *job) {
    mouv__background_t *background = (mouv__background_t *)job;
    mouv__driver_client_t *client = mouv__driver_client_of(background->connection);
    background->ok =
        mouv__driver_client_open(client, background->driver_pool, &background->error) &&
        background_set_up(background) &&
        (mouv__interruptible_has_set_up(client->interruptible) || background_ping(background));
}

int mouv__background_connect(const mouv__background_place_t *place, mouv__connection_t *connection,
                             uint32_t server_id) {
    mouv__background_t *background = mouv__alloc(sizeof(*background));
    if (!background) return MOUV_ENOMEM;
    background->connection = connection;
    background->server_id = server_id;
    background_submit(background, place, background_connect_run);
    return 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

mouv__background_t *mouv__background_reserve(void) {
    return mouv__alloc(sizeof(mouv__background_t));
}

void mouv__background_unreserve(mouv__background_t *reserve) {
    mouv__free(reserve);
}

/* libmongoc sends endSessions with the client that it got back last, if that has a connection. */
static void background_free_clients(mouv__background_t *background, bool last) {
    for (uint32_t i = 0; i < background->count; i++) {
        mouv__connection_t *connection = background->connections[i];
        if (!connection || last != connection->goes_last) continue;
        mouv__driver_client_free(mouv__driver_client_of(connection), background->driver_pool);
        background->connections[i] = NULL;
    }
}

static void background_end_connections(mouv__background_t *background) {
    for (uint32_t i = 0; i < background->count; i++)
        mouv__driver_client_end_sessions(mouv__driver_client_of(background->connections[i]));
#if !MONGOC_CHECK_VERSION(2, 2, 0)
    /* else destroying the pool would select a server to send endSessions to, for 30 seconds */
    for (uint32_t i = 0; i < background->count && background->unreachable; i++) {
        mongoc_client_t *client = mouv__driver_client_of(background->connections[i])->client;
        if (!client) continue;
        mongoc_client_reset(client);
        break;
    }
#endif
    background_free_clients(background, false);
    background_free_clients(background, true);
    mouv__free(background->connections);
    background->connections = NULL;
    background->count = 0;
}

static void background_close_run(mouv__job_t *job) {
    mouv__background_t *background = (mouv__background_t *)job;
    background_end_connections(background);
    mouv__driver_pool_unref(background->driver_pool); /* the last, unless one is left behind */
    background->driver_pool = NULL;
    background->ok = true;
}

void mouv__background_close(mouv__background_t *reserve, const mouv__background_place_t *place,
                            const mouv__transport_end_t *end) {
    reserve->connections = end->connections;
    reserve->count = end->count;
    reserve->unreachable = end->unreachable;
    reserve->driver_pool = place->driver_pool;
    if (!end->unused) {
        background_submit(reserve, place, background_close_run);
        return;
    }
    background_free(reserve); /* there is no pool of libmongoc's, so nothing here can block */
    place->ended(place->arg, NULL);
}
