/*
 * Errands of libmongoc's clients.
 */
#include "mongo/transport/threads/errand.h"

#include "context/alloc.h"
#include "mongo/base/bson_view.h"
#include "mongo/transport/driver/selector.h"
#include "mongo/transport/threads/driver_client.h"

struct mouv__errand {
    mouv__background_t background;  /* first */
    mouv__connection_t *connection; /* or NULL */
    uint32_t server_id;
    mouv__list_t *spares; /* the connection is nobody's, and goes there; or NULL */
    bool write;
    mongoc_read_prefs_t *read_prefs; /* owned */
    bson_t *hello;                   /* of a connection that was set up; owned */
    /* of a close */
    mouv__connection_t **connections; /* owned */
    uint32_t count;
    bool unreachable; /* no server is known: nobody to say good-bye to */
};

/* --- life ------------------------------------------------------------------------------------- */

static void errand_end_connections(mouv__errand_t *errand);

static void errand_free(mouv__background_t *background, bool lost) {
    mouv__errand_t *errand = (mouv__errand_t *)background;
    if (lost && errand->connection)
        mouv__driver_client_free(mouv__driver_client_of(errand->connection),
                                 background->driver_pool);
    if (errand->connections) errand_end_connections(errand);
    mongoc_read_prefs_destroy(errand->read_prefs);
    bson_destroy(errand->hello);
    mouv__free(errand);
}

/* The control that it ran on is free again. */
static void errand_back(mouv__background_t *background) {
    mouv__transport_t *transport = background->transport;
    mouv__connection_t *connection = ((mouv__errand_t *)background)->connection;
    if (connection)
        mouv__connection_note_service(connection, ((mouv__errand_t *)background)->hello);
    if (((mouv__errand_t *)background)->spares) {
        mouv__connection_move(connection, MOUV__CONNECTION_IDLE);
        mouv__list_push_front(((mouv__errand_t *)background)->spares, &connection->idle);
    }
    for (int i = 0; connection && i < MOUV__CONTROLS; i++) {
        if (transport->controls[i].connection != connection) continue;
        transport->controls[i].busy = false;
        mouv__connection_move(connection, MOUV__CONNECTION_IDLE);
    }
}

static mouv__errand_t *errand_new(mouv__connection_t *connection) {
    mouv__errand_t *errand = mouv__alloc(sizeof(*errand));
    if (!errand) return NULL;
    errand->background.back = errand_back;
    errand->background.free = errand_free;
    errand->connection = connection;
    return errand;
}

/* --- libmongoc's pool ------------------------------------------------------------------------- */

static void errand_open_run(mouv__job_t *job) {
    mouv__errand_t *errand = (mouv__errand_t *)job;
    errand->background.ok =
        mouv__driver_pool_prepare(errand->background.driver_pool, &errand->background.error) &&
        mouv__driver_client_open(mouv__driver_client_of(errand->connection),
                                 errand->background.driver_pool, &errand->background.error);
}

int mouv__errand_open(const mouv__background_place_t *place, mouv__connection_t *connection) {
    mouv__errand_t *errand = errand_new(connection);
    if (!errand) return MOUV_ENOMEM;
    mouv__background_submit(&errand->background, place, errand_open_run);
    return 0;
}

/* --- its server selection --------------------------------------------------------------------- */

static void errand_seek_run(mouv__job_t *job) {
    mouv__errand_t *errand = (mouv__errand_t *)job;
    mouv__background_t *background = &errand->background;
    mouv__driver_client_t *client = mouv__driver_client_of(errand->connection);
    background->ok =
        mouv__driver_client_open(client, background->driver_pool, &background->error) &&
        mouv__selector_seek(client->client, errand->write, errand->read_prefs, &background->error);
}

int mouv__errand_seek(const mouv__background_place_t *place, mouv__connection_t *connection,
                      bool write, const mongoc_read_prefs_t *read_prefs) {
    mouv__errand_t *errand = errand_new(connection);
    if (!errand) return MOUV_ENOMEM;
    errand->write = write;
    if (read_prefs) errand->read_prefs = mongoc_read_prefs_copy(read_prefs);
    mouv__background_submit(&errand->background, place, errand_seek_run);
    return 0;
}

/* --- a connection ----------------------------------------------------------------------------- */

static bool errand_ping(mouv__errand_t *errand) {
    mouv__driver_client_t *client = mouv__driver_client_of(errand->connection);
    bson_t command = BSON_INITIALIZER;
    BSON_APPEND_INT32(&command, "ping", 1);
    mouv__driver_client_begin(client, errand->background.driver_pool, 0,
                              errand->background.driver_pool->connect_timeout_ms);
    bool ok = mongoc_client_command_simple_with_server_id(client->client, "admin", &command, NULL,
                                                          errand->server_id, NULL,
                                                          &errand->background.error);
    mouv__driver_client_end(client, ok);
    if (!ok) mouv__interruptible_explain(client->interruptible, &errand->background.error);
    bson_destroy(&command);
    return ok;
}

/* Sends nothing where there is a connection. */
static bool errand_set_up(mouv__errand_t *errand) {
    mouv__driver_client_t *client = mouv__driver_client_of(errand->connection);
    mouv__driver_client_begin(client, errand->background.driver_pool, 0,
                              errand->background.driver_pool->connect_timeout_ms);
    mongoc_server_description_t *server = mongoc_client_get_handshake_description(
        client->client, errand->server_id, NULL, &errand->background.error);
    mouv__driver_client_end(client, server != NULL);
    if (!server) mouv__interruptible_explain(client->interruptible, &errand->background.error);
    bson_destroy(errand->hello);
    errand->hello = NULL;
    if (server) errand->hello = bson_copy(mongoc_server_description_hello_response(server));
    mongoc_server_description_destroy(server);
    return server != NULL;
}

/* libmongoc closes a socket that a call has failed on: this one is cut before it sends anything. */
#define DISCONNECTING UINT64_MAX

static void errand_drop_socket(mouv__errand_t *errand) {
    mouv__driver_client_t *client = mouv__driver_client_of(errand->connection);
    bson_t command = BSON_INITIALIZER;
    BSON_APPEND_INT32(&command, "ping", 1);
    mouv__driver_client_begin(client, errand->background.driver_pool, DISCONNECTING, 0);
    mouv__interruptible_interrupt(client->interruptible, DISCONNECTING);
    mongoc_client_command_simple_with_server_id(client->client, "admin", &command, NULL,
                                                errand->server_id, NULL, NULL);
    mouv__driver_client_end(client, false);
    bson_destroy(&command);
}

/* A socket that libmongoc had before is one that was cut between two calls, or a spare's: whether it
 * still leads anywhere is not known, and a new one is wanted. */
static bool errand_connect(mouv__errand_t *errand) {
    mouv__driver_client_t *client = mouv__driver_client_of(errand->connection);
    if (!mouv__driver_client_open(client, errand->background.driver_pool,
                                  &errand->background.error) ||
        !errand_set_up(errand))
        return false;
    if (mouv__interruptible_has_set_up(client->interruptible)) return true;
    if (!client->interruptible) return errand_ping(errand);
    errand_drop_socket(errand);
    return errand_set_up(errand) &&
           (mouv__interruptible_has_set_up(client->interruptible) || errand_ping(errand));
}

static void errand_connect_run(mouv__job_t *job) {
    mouv__errand_t *errand = (mouv__errand_t *)job;
    errand->background.ok = errand_connect(errand);
}

int mouv__errand_connect(const mouv__background_place_t *place, mouv__connection_t *connection,
                         uint32_t server_id) {
    mouv__errand_t *errand = errand_new(connection);
    if (!errand) return MOUV_ENOMEM;
    errand->server_id = server_id;
    mouv__background_submit(&errand->background, place, errand_connect_run);
    return 0;
}

bool mouv__errand_orphan(const mouv__background_place_t *place, mouv__connection_t *connection,
                         mouv__list_t *spares) {
    MOUV__LIST_EACH(place->list, mouv__background_t, each, link) {
        mouv__errand_t *errand = (mouv__errand_t *)each;
        if (errand->connection != connection || each->job.run != errand_connect_run) continue;
        errand->spares = spares;
        each->ended = place->ended;
        each->arg = place->arg;
        return true;
    }
    return false;
}

static void errand_disconnect_run(mouv__job_t *job) {
    mouv__errand_t *errand = (mouv__errand_t *)job;
    errand_drop_socket(errand);
    errand->background.ok = true;
}

int mouv__errand_disconnect(const mouv__background_place_t *place, mouv__connection_t *connection,
                            uint32_t server_id) {
    mouv__errand_t *errand = errand_new(connection);
    if (!errand) return MOUV_ENOMEM;
    errand->server_id = server_id;
    mouv__background_submit(&errand->background, place, errand_disconnect_run);
    return 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

mouv__errand_t *mouv__errand_reserve(void) {
    return errand_new(NULL);
}

void mouv__errand_unreserve(mouv__errand_t *reserve) {
    mouv__free(reserve);
}

/* One that is connected, to the primary if there is one. */
static mouv__driver_client_t *errand_connected(const mouv__errand_t *errand) {
    mouv__driver_client_t *found = NULL;
    for (uint32_t i = 0; i < errand->count; i++) {
        mouv__driver_client_t *client = mouv__driver_client_of(errand->connections[i]);
        if (!client->client || !client->connection.last_server_id) continue;
        found = client;
        if (found->connection.goes_last) break;
    }
    return found;
}

static bool errand_append_sessions(const mouv__errand_t *errand, bson_t *command) {
    bson_t sessions;
    uint32_t count = 0;
    mouv__append_array_begin(command, "endSessions", &sessions);
    for (uint32_t i = 0; i < errand->count; i++)
        count = mouv__session_store_append(&errand->connections[i]->sessions, &sessions, count);
    bson_append_array_end(command, &sessions);
    return count > 0;
}

/* libmongoc sends it as it destroys its pool, for which nobody waits. */
static void errand_say_goodbye(const mouv__errand_t *errand) {
    mouv__driver_client_t *client = errand_connected(errand);
    bson_t command = BSON_INITIALIZER;
    if (client && !errand->unreachable && errand_append_sessions(errand, &command)) {
        mouv__driver_client_begin(client, errand->background.driver_pool, 0, MOUV__GOODBYE_MS);
        bool ok = mongoc_client_command_simple_with_server_id(
            client->client, "admin", &command, NULL, client->connection.last_server_id, NULL, NULL);
        mouv__driver_client_end(client, ok);
    }
    bson_destroy(&command);
}

/* What libmongoc knows of sessions is no more: else destroying the pool would end them once more,
 * and without a server select one for it, for 30 seconds. */
static void errand_forget_sessions(const mouv__errand_t *errand) {
#if !MONGOC_CHECK_VERSION(2, 2, 0)
    for (uint32_t i = 0; i < errand->count; i++) {
        mongoc_client_t *client = mouv__driver_client_of(errand->connections[i])->client;
        if (!client) continue;
        mongoc_client_reset(client);
        break;
    }
#else
    (void)errand;
#endif
}

static void errand_end_connections(mouv__errand_t *errand) {
    for (uint32_t i = 0; i < errand->count; i++)
        mouv__driver_client_end_sessions(mouv__driver_client_of(errand->connections[i]));
    errand_forget_sessions(errand);
    for (uint32_t i = 0; i < errand->count; i++)
        mouv__driver_client_free(mouv__driver_client_of(errand->connections[i]),
                                 errand->background.driver_pool);
    mouv__free(errand->connections);
    errand->connections = NULL;
    errand->count = 0;
}

static void errand_close_run(mouv__job_t *job) {
    mouv__errand_t *errand = (mouv__errand_t *)job;
    errand_say_goodbye(errand);
    errand_end_connections(errand);
    errand->background.ok = true; /* the pool goes behind everybody's back, see background.c */
}

void mouv__errand_close(mouv__errand_t *reserve, const mouv__background_place_t *place,
                        const mouv__transport_end_t *end) {
    reserve->connections = end->connections;
    reserve->count = end->count;
    reserve->unreachable = end->unreachable;
    reserve->background.driver_pool = place->driver_pool;
    if (!end->unused) {
        mouv__background_submit(&reserve->background, place, errand_close_run);
        return;
    }
    /* there is no pool of libmongoc's, so nothing here can block */
    errand_free(&reserve->background, false);
    mouv__driver_pool_unref(place->driver_pool);
    place->ended(place->arg, NULL);
}
