/*
 * Carriers and their sessions: one libmongoc client each, opened and closed on workers, its lists
 * kept by the loop.
 */
#include <string.h>

#include <uv.h>

#include "context/alloc.h"
#include "mongo/pool.h"
#include "mongo/stream.h"

/* The server forgets a session after 30 minutes; libmongoc would not offer one in its last. */
#define SESSION_IDLE_NS (25 * 60 * INT64_C(1000000000))

/* libmongoc waits in whole milliseconds and may give up that much before its time. */
#define EARLY_NS UINT64_C(1000000)

mouv__carrier_t *mouv__carrier_new(const mouv__pool_t *pool) {
    mouv__carrier_t *carrier = mouv__alloc(sizeof(*carrier));
    if (!carrier || !pool->own_streams) return carrier;
    carrier->line = mouv__line_new();
    if (carrier->line) return carrier;
    mouv__free(carrier);
    return NULL;
}

/* Where its connections come from. */
static void use_own_streams(mouv__carrier_t *carrier, mouv__pool_t *pool) {
#if !MONGOC_CHECK_VERSION(2, 0, 0)
    if (!carrier->client || !pool->own_streams) return;
    carrier->source = (mouv__stream_source_t){.line = carrier->line, .pool = pool};
    mongoc_client_set_stream_initiator(carrier->client, mouv__stream_connect, &carrier->source);
#else
    (void)carrier;
    (void)pool;
#endif
}

/* The line goes with the carrier; connections that are there have shares of it. */
static void leave_own_streams(mouv__carrier_t *carrier, const mouv__pool_t *pool) {
    mouv__line_begin(carrier->line, 0, MOUV__GOODBYE_MS);
#if !MONGOC_CHECK_VERSION(2, 0, 0)
    if (pool->own_streams) mongoc_client_set_stream_initiator(carrier->client, NULL, NULL);
#else
    (void)pool;
#endif
}

bool mouv__carrier_open(mouv__carrier_t *carrier, mouv__pool_t *pool, bson_error_t *error) {
    if (carrier->client) return true;
    carrier->client = mongoc_client_pool_try_pop(pool->clients);
    use_own_streams(carrier, pool);
    if (!carrier->client)
        bson_set_error(error, MONGOC_ERROR_CLIENT, 0, "libmongoc's pool has no client left");
    return carrier->client != NULL;
}

void mouv__carrier_begin(mouv__carrier_t *carrier, const mouv__pool_t *pool, uint64_t ticket,
                         int32_t limit_ms) {
    mouv__line_begin(carrier->line, ticket, limit_ms);
#if MONGOC_CHECK_VERSION(1, 27, 0)
    if (carrier->line) return;
    carrier->limit_ns =
        limit_ms > 0 ? uv_hrtime() + (uint64_t)limit_ms * UINT64_C(1000000) : UINT64_MAX;
    if (limit_ms == 0) limit_ms = pool->socket_timeout_ms;
    mongoc_client_set_sockettimeoutms(carrier->client, limit_ms < 0 ? INT32_MAX : limit_ms);
#else
    carrier->limit_ns = UINT64_MAX;
    (void)pool;
#endif
}

bool mouv__carrier_end(mouv__carrier_t *carrier, bool ok) {
    if (carrier->line) return mouv__line_end(carrier->line);
    return !ok && uv_hrtime() + EARLY_NS >= carrier->limit_ns;
}

void mouv__carrier_end_sessions(mouv__carrier_t *carrier) {
    while (carrier->sessions) {
        mouv__session_t *session = carrier->sessions;
        carrier->sessions = session->next;
        if (session->handle) mongoc_client_session_destroy(session->handle);
        mouv__free(session);
    }
    carrier->free_sessions = carrier->doomed_sessions = NULL;
}

void mouv__carrier_free(mouv__carrier_t *carrier, mouv__pool_t *pool) {
    mouv__carrier_end_sessions(carrier);
    if (carrier->client) {
        leave_own_streams(carrier, pool);
        mongoc_client_pool_push(pool->clients, carrier->client);
    }
    mouv__line_unref(carrier->line);
    mouv__free(carrier);
}

static mouv__session_t *session_new(mouv__carrier_t *carrier) {
    mouv__session_t *session = mouv__alloc(sizeof(*session));
    if (!session) return NULL;
    session->carrier = carrier;
    session->next = carrier->sessions;
    carrier->sessions = session;
    return session;
}

static bool is_idle(const mouv__session_t *session, int64_t now_ns) {
    return now_ns - session->used_ns > SESSION_IDLE_NS;
}

static mouv__session_t *pull_free(mouv__session_t **link) {
    mouv__session_t *session = *link;
    if (session) *link = session->next_free;
    return session;
}

/* The oldest, if its time is over. */
static mouv__session_t *take_doomed(mouv__carrier_t *carrier, int64_t now_ns) {
    mouv__session_t **link = &carrier->doomed_sessions;
    while (*link && (*link)->next_free) link = &(*link)->next_free;
    return *link && is_idle(*link, now_ns) ? pull_free(link) : NULL;
}

mouv__session_t *mouv__session_take(mouv__carrier_t *carrier, int64_t now_ns) {
    mouv__session_t *session = pull_free(&carrier->free_sessions);
    if (!session) session = take_doomed(carrier, now_ns);
    if (!session) return session_new(carrier);
    /* one that is no longer good is begun anew by the worker that gets it */
    session->renew = session->dirty || is_idle(session, now_ns);
    session->dirty = session->dropped = session->doomed = false;
    return session;
}

static void push_free(mouv__session_t **list, mouv__session_t *session) {
    session->next_free = *list;
    *list = session;
}

void mouv__session_give_back(mouv__session_t *session, int64_t now_ns) {
    if (session->keepers) return;
    session->used_ns = now_ns;
    session->parked = session->kills > 0;
    if (session->parked) return; /* a late killSessions must not meet the next operation */
    /* a server that was frozen reads a kill long after its sender has gone; and were a doomed
     * session given up, libmongoc would offer it to whoever begins the next one */
    bool waits = session->doomed && !session->dropped;
    mouv__carrier_t *carrier = session->carrier;
    push_free(waits ? &carrier->doomed_sessions : &carrier->free_sessions, session);
}

/* A member of a set that has not been initiated yet, say: its commands go without. */
static bool is_without_sessions(const bson_error_t *error) {
    return error->domain == MONGOC_ERROR_CLIENT &&
           error->code == MONGOC_ERROR_CLIENT_SESSION_FAILURE &&
           strstr(error->message, "does not support sessions");
}

bool mouv__session_begin(mouv__session_t *session, bson_error_t *error) {
    if (session->renew && session->handle) {
        mongoc_client_session_destroy(session->handle);
        session->handle = NULL;
    }
    session->renew = false;
    if (session->handle) return true;
    mongoc_session_opt_t *opts = mongoc_session_opts_new();
    mongoc_session_opts_set_causal_consistency(opts, false);
    session->handle = mongoc_client_start_session(session->carrier->client, opts, error);
    mongoc_session_opts_destroy(opts);
    if (!session->handle) return is_without_sessions(error);
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
