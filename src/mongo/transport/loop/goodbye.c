/*
 * Good-byes.
 */
#include "mongo/transport/loop/goodbye.h"

#include "context/alloc.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/client_ref.h"
#include "mongo/transport/loop/call.h"
#include "mongo/transport/loop/job.h"

struct mouv__goodbye {
    mouv__exchange_t exchange; /* first */
    mouv__loop_t *loop;
    mouv__ending_t *ending;
    bson_t *command;
    mouv__connection_t **connections; /* owned */
    uint32_t count;
    mouv__transport_ended_fn_t ended; /* NULL: nobody waits */
    void *arg;
    bool job_back; /* libmongoc's part is given up */
};

mouv__goodbye_t *mouv__goodbye_new(void) {
    mouv__goodbye_t *goodbye = mouv__alloc(sizeof(*goodbye));
    if (!goodbye) return NULL;
    goodbye->ending = mouv__ending_new();
    if (goodbye->ending) return goodbye;
    mouv__free(goodbye);
    return NULL;
}

void mouv__goodbye_free(mouv__goodbye_t *goodbye) {
    if (!goodbye) return;
    mouv__ending_free(goodbye->ending);
    bson_destroy(goodbye->exchange.reply);
    bson_destroy(goodbye->command);
    mouv__free(goodbye->connections);
    mouv__free(goodbye);
}

/* --- connections ------------------------------------------------------------------------------ */

void mouv__goodbye_free_connection(mouv__loop_t *loop, mouv__loop_connection_t *connection) {
    connection->connection.dropped = NULL;
    MOUV__LIST_EACH(&connection->peers, mouv__peer_t, peer, sibling) {
        mouv__patience_end(&loop->patience, peer);
        mouv__peer_close(peer, false);
    }
    mouv__connection_clear(&connection->connection);
    mouv__free(connection);
}

/* --- the last steps --------------------------------------------------------------------------- */

static void goodbye_finish_if_over(mouv__loop_t *loop) {
    mouv__goodbye_t *goodbye = loop->goodbye;
    if (!goodbye || !goodbye->job_back || loop->peers.count > 0 || !goodbye->ended) return;
    mouv__transport_ended_fn_t ended = goodbye->ended;
    goodbye->ended = NULL;
    mouv__background_abandon_all(&loop->background); /* what was told to libmongoc's picture last */
    ended(goodbye->arg, NULL);                       /* which frees the loop */
}

static void goodbye_on_job_back(void *arg, const mouv_error_t *error) {
    mouv__goodbye_t *goodbye = arg;
    (void)error;
    goodbye->job_back = true;
    goodbye_finish_if_over(goodbye->loop);
}

static void goodbye_on_emptied(mouv__peers_t *peers) {
    mouv__loop_t *loop = mouv__container_of(peers, mouv__loop_t, peers);
    mouv_client_t *client = loop->transport.client;
    if (loop->freeing) {
        loop->transport.ops->free(&loop->transport);
        return;
    }
    mouv__client_hold(client);
    goodbye_finish_if_over(loop);
    mouv__client_quiet(client);
    mouv__client_let_go(client);
}

static void goodbye_close_all(mouv__goodbye_t *goodbye) {
    mouv__loop_t *loop = goodbye->loop;
    mouv__ending_t *ending = goodbye->ending;
    mouv__loop_connection_t *left;
    for (uint32_t i = 0; i < goodbye->count; i++)
        mouv__goodbye_free_connection(loop, mouv__loop_connection_of(goodbye->connections[i]));
    goodbye->count = 0;
    while ((left = MOUV__LIST_POP(&loop->left, mouv__loop_connection_t, left)) != NULL)
        mouv__goodbye_free_connection(loop, left);
    mouv__patience_close(&loop->patience);
    loop->peers.emptied = goodbye_on_emptied;
    mouv__peers_close(&loop->peers);
    goodbye->ending = NULL;
    mouv__background_abandon_all(&loop->background); /* news of endSessions' own end */
    mouv__job_end(loop, ending, goodbye_on_job_back, goodbye);
}

/* --- endSessions ------------------------------------------------------------------------------ */

static mouv__peer_t *goodbye_peer_of(mouv__connection_t *connection) {
    MOUV__LIST_EACH(&mouv__loop_connection_of(connection)->peers, mouv__peer_t, peer, sibling)
        if (!peer->exchange && peer->hello.sessions) return peer;
    return NULL;
}

/* On one that is connected to the primary, if there is one. */
static mouv__peer_t *goodbye_find_peer(const mouv__goodbye_t *goodbye) {
    mouv__peer_t *found = NULL;
    for (uint32_t i = 0; i < goodbye->count; i++) {
        mouv__peer_t *peer = goodbye_peer_of(goodbye->connections[i]);
        if (peer && goodbye->connections[i]->goes_last) return peer;
        if (peer) found = peer;
    }
    return found;
}

static void goodbye_on_sessions_ended(mouv__exchange_t *exchange) {
    goodbye_close_all((mouv__goodbye_t *)exchange);
}

static bool goodbye_end_sessions(mouv__goodbye_t *goodbye) {
    mouv__peer_t *peer = goodbye_find_peer(goodbye);
    mouv__exchange_t *exchange = &goodbye->exchange;
    bson_t sessions;
    if (!peer) return false;
    goodbye->command = bson_new();
    mouv__append_array_begin(goodbye->command, "endSessions", &sessions);
    uint32_t count = mouv__session_store_append(&goodbye->loop->transport.sessions, &sessions, 0);
    bson_append_array_end(goodbye->command, &sessions);
    if (count == 0) return false;
    *exchange = (mouv__exchange_t){.server_id = peer->server_id,
                                   .connection = peer->connection,
                                   .transport = &goodbye->loop->transport,
                                   .control = -1,
                                   .database = "admin",
                                   .command = goodbye->command,
                                   .limit_ms = MOUV__GOODBYE_MS,
                                   .quiet = true,
                                   .done = goodbye_on_sessions_ended};
    mouv__call_begin(goodbye->loop, peer, exchange);
    return true;
}

/* --- */

/* It was never opened: there is nothing that could take time. */
static void goodbye_at_once(mouv__loop_t *loop, mouv__transport_ended_fn_t ended, void *arg) {
    mouv__driver_pool_t *driver_pool = loop->driver_pool;
    mouv__goodbye_t *goodbye = loop->goodbye;
    for (uint32_t i = 0; i < goodbye->count; i++)
        mouv__goodbye_free_connection(loop, mouv__loop_connection_of(goodbye->connections[i]));
    goodbye->count = 0;
    loop->driver_pool = NULL;
    mouv__driver_pool_unref(driver_pool);
    ended(arg, NULL);
}

void mouv__goodbye(mouv__loop_t *loop, const mouv__transport_end_t *end,
                   mouv__transport_ended_fn_t ended, void *arg) {
    mouv__goodbye_t *goodbye = loop->goodbye;
    goodbye->loop = loop;
    goodbye->connections = end->connections;
    goodbye->count = end->count;
    for (int i = 0; i < MOUV__CONTROLS; i++) {
        mouv__connection_t *connection = loop->transport.controls[i].connection;
        if (connection) goodbye->connections[goodbye->count++] = connection;
        loop->transport.controls[i].connection = NULL;
        loop->transport.controls[i].busy = false;
    }
    if (!loop->peers.open) {
        goodbye_at_once(loop, ended, arg);
        return;
    }
    goodbye->ended = ended;
    goodbye->arg = arg;
    if (end->unreachable || !goodbye_end_sessions(goodbye)) goodbye_close_all(goodbye);
}

static void goodbye_on_forgotten(mouv__ready_t *ready) {
    mouv__goodbye_free(mouv__container_of(ready, mouv__goodbye_t, exchange.loop.ready));
}

void mouv__goodbye_abandon(mouv__loop_t *loop) {
    mouv__goodbye_t *goodbye = loop->goodbye;
    if (!goodbye || !goodbye->ended) return;
    goodbye->ended = NULL;
    if (!goodbye->ending) return;
    if (goodbye->exchange.loop.peer)
        mouv__patience_end(&loop->patience, goodbye->exchange.loop.peer);
    goodbye_close_all(goodbye);
    mouv__background_abandon_all(&loop->background);
    if (!mouv__ready_is_queued(&goodbye->exchange.loop.ready)) return;
    goodbye->exchange.loop.ready.run = goodbye_on_forgotten; /* endSessions had just ended */
    loop->goodbye = NULL;
}
