/*
 * Connections and their sessions: one libmongoc client each, opened and closed on workers, its
 * lists kept by the loop.
 */
#include <string.h>

#include <uv.h>

#include "context/alloc.h"
#include "mongo/transport/driver/driver_pool.h"
#include "mongo/transport/driver/stream.h"

/* The server forgets a session after 30 minutes; libmongoc would not offer one in its last. */
#define SESSION_IDLE_NS (25 * 60 * INT64_C(1000000000))

mouv__connection_t *mouv__connection_new(const mouv__driver_pool_t *driver_pool) {
    mouv__connection_t *connection = mouv__alloc(sizeof(*connection));
    if (!connection || !driver_pool->own_streams) return connection;
    connection->interruptible = mouv__interruptible_new();
    if (connection->interruptible) return connection;
    mouv__free(connection);
    return NULL;
}

/* Where its connections come from. */
static void connection_use_own_streams(mouv__connection_t *connection,
                                       mouv__driver_pool_t *driver_pool) {
#if !MONGOC_CHECK_VERSION(2, 0, 0)
    if (!connection->client || !driver_pool->own_streams) return;
    connection->source = (mouv__stream_source_t){.interruptible = connection->interruptible,
                                                 .driver_pool = driver_pool};
    mongoc_client_set_stream_initiator(connection->client, mouv__stream_connect,
                                       &connection->source);
#else
    (void)connection;
    (void)driver_pool;
#endif
}

/* The line goes with the connection; connections that are there have shares of it. */
static void connection_leave_own_streams(mouv__connection_t *connection,
                                         const mouv__driver_pool_t *driver_pool) {
    mouv__interruptible_begin(connection->interruptible, 0, MOUV__GOODBYE_MS);
#if !MONGOC_CHECK_VERSION(2, 0, 0)
    if (driver_pool->own_streams)
        mongoc_client_set_stream_initiator(connection->client, NULL, NULL);
#else
    (void)driver_pool;
#endif
}

bool mouv__connection_open(mouv__connection_t *connection, mouv__driver_pool_t *driver_pool,
                           bson_error_t *error) {
    if (connection->client) return true;
    connection->client = mongoc_client_pool_try_pop(driver_pool->clients);
    connection_use_own_streams(connection, driver_pool);
    if (!connection->client)
        bson_set_error(error, MONGOC_ERROR_CLIENT, 0, "libmongoc's pool has no client left");
    return connection->client != NULL;
}

void mouv__connection_begin(mouv__connection_t *connection, const mouv__driver_pool_t *driver_pool,
                            uint64_t call_id, int32_t limit_ms) {
    mouv__interruptible_begin(connection->interruptible, call_id, limit_ms);
#if MONGOC_CHECK_VERSION(1, 27, 0)
    if (connection->interruptible) return;
    connection->limit_ns =
        limit_ms > 0 ? uv_hrtime() + (uint64_t)limit_ms * UINT64_C(1000000) : UINT64_MAX;
    if (limit_ms == 0) limit_ms = driver_pool->socket_timeout_ms;
    mongoc_client_set_sockettimeoutms(connection->client, limit_ms < 0 ? INT32_MAX : limit_ms);
#else
    connection->limit_ns = UINT64_MAX;
    (void)driver_pool;
#endif
}

bool mouv__connection_end(mouv__connection_t *connection, bool ok) {
    if (connection->interruptible) return mouv__interruptible_end(connection->interruptible);
    return !ok && uv_hrtime() >= connection->limit_ns;
}

void mouv__connection_end_sessions(mouv__connection_t *connection) {
    while (connection->sessions) {
        mouv__server_session_t *session = connection->sessions;
        connection->sessions = session->next;
        if (session->handle) mongoc_client_session_destroy(session->handle);
        mouv__free(session);
    }
    connection->free_sessions = connection->doomed_sessions = NULL;
}

void mouv__connection_free(mouv__connection_t *connection, mouv__driver_pool_t *driver_pool) {
    mouv__connection_end_sessions(connection);
    if (connection->client) {
        connection_leave_own_streams(connection, driver_pool);
        mongoc_client_pool_push(driver_pool->clients, connection->client);
    }
    mouv__interruptible_unref(connection->interruptible);
    mouv__free(connection);
}

static mouv__server_session_t *connection_session_new(mouv__connection_t *connection) {
    mouv__server_session_t *session = mouv__alloc(sizeof(*session));
    if (!session) return NULL;
    session->connection = connection;
    session->next = connection->sessions;
    connection->sessions = session;
    return session;
}

static bool connection_is_idle(const mouv__server_session_t *session, int64_t now_ns) {
    return now_ns - session->used_ns > SESSION_IDLE_NS;
}

static mouv__server_session_t *connection_pull_free(mouv__server_session_t **link) {
    mouv__server_session_t *session = *link;
    if (session) *link = session->next_free;
    return session;
}

/* The oldest, if its time is over. */
static mouv__server_session_t *connection_take_doomed(mouv__connection_t *connection,
                                                      int64_t now_ns) {
    mouv__server_session_t **link = &connection->doomed_sessions;
    while (*link && (*link)->next_free) link = &(*link)->next_free;
    return *link && connection_is_idle(*link, now_ns) ? connection_pull_free(link) : NULL;
}

mouv__server_session_t *mouv__server_session_take(mouv__connection_t *connection, int64_t now_ns) {
    mouv__server_session_t *session = connection_pull_free(&connection->free_sessions);
    if (!session) session = connection_take_doomed(connection, now_ns);
    if (!session) return connection_session_new(connection);
    /* one that is no longer good is begun anew by the worker that gets it */
    session->renew = session->dirty || connection_is_idle(session, now_ns);
    session->dirty = session->dropped = session->doomed = false;
    return session;
}

static void connection_push_free(mouv__server_session_t **list, mouv__server_session_t *session) {
    session->next_free = *list;
    *list = session;
}

void mouv__server_session_give_back(mouv__server_session_t *session, int64_t now_ns) {
    if (session->keepers) return;
    session->used_ns = now_ns;
    session->parked = session->kills > 0;
    if (session->parked) return; /* a late killSessions must not meet the next operation */
    /* a server that was frozen reads a kill long after its sender has gone; and were a doomed
     * session given up, libmongoc would offer it to whoever begins the next one */
    bool waits = session->doomed && !session->dropped;
    mouv__connection_t *connection = session->connection;
    connection_push_free(waits ? &connection->doomed_sessions : &connection->free_sessions,
                         session);
}

/* A member of a set that has not been initiated yet, say: its commands go without. */
static bool connection_is_without_sessions(const bson_error_t *error) {
    return error->domain == MONGOC_ERROR_CLIENT &&
           error->code == MONGOC_ERROR_CLIENT_SESSION_FAILURE &&
           strstr(error->message, "does not support sessions");
}

bool mouv__server_session_begin(mouv__server_session_t *session, bson_error_t *error) {
    if (session->renew && session->handle) {
        mongoc_client_session_destroy(session->handle);
        session->handle = NULL;
    }
    session->renew = false;
    if (session->handle) return true;
    mongoc_session_opt_t *opts = mongoc_session_opts_new();
    mongoc_session_opts_set_causal_consistency(opts, false);
    session->handle = mongoc_client_start_session(session->connection->client, opts, error);
    mongoc_session_opts_destroy(opts);
    if (!session->handle) return connection_is_without_sessions(error);
    bson_iter_t iter;
    bson_subtype_t subtype;
    uint32_t length = 0;
    const uint8_t *bytes = NULL;
    if (bson_iter_init_find(&iter, mongoc_client_session_get_lsid(session->handle), "id") &&
        BSON_ITER_HOLDS_BINARY(&iter))
        bson_iter_binary(&iter, &subtype, &length, &bytes);
    if (length == sizeof(session->lsid)) memcpy(session->lsid, bytes, length);
    return true;
}
