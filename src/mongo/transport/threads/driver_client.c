/*
 * libmongoc's clients.
 */
#include "mongo/transport/threads/driver_client.h"

#include <string.h>

#include <uv.h>

#include "context/alloc.h"

/* libmongoc waits in whole milliseconds and may give up that much before its time. */
#define EARLY_NS UINT64_C(1000000)

mouv__driver_client_t *mouv__driver_client_new(const mouv__driver_pool_t *driver_pool) {
    mouv__driver_client_t *self = mouv__alloc(sizeof(*self));
    if (!self) return NULL;
    mouv__connection_init(&self->connection);
    if (!driver_pool->own_streams) return self;
    self->interruptible = mouv__interruptible_new();
    if (self->interruptible) return self;
    mouv__free(self);
    return NULL;
}

/* Where its connections come from. */
static void driver_client_use_own_streams(mouv__driver_client_t *self,
                                          mouv__driver_pool_t *driver_pool) {
#if !MONGOC_CHECK_VERSION(2, 0, 0)
    if (!self->client || !driver_pool->own_streams) return;
    self->source =
        (mouv__stream_source_t){.interruptible = self->interruptible, .driver_pool = driver_pool};
    mongoc_client_set_stream_initiator(self->client, mouv__stream_connect, &self->source);
#else
    (void)self;
    (void)driver_pool;
#endif
}

/* What can be interrupted goes with the client; connections that are there have shares of it. */
static void driver_client_leave_own_streams(mouv__driver_client_t *self,
                                            const mouv__driver_pool_t *driver_pool) {
    mouv__interruptible_begin(self->interruptible, 0, MOUV__GOODBYE_MS);
#if !MONGOC_CHECK_VERSION(2, 0, 0)
    if (driver_pool->own_streams) mongoc_client_set_stream_initiator(self->client, NULL, NULL);
#else
    (void)driver_pool;
#endif
}

bool mouv__driver_client_open(mouv__driver_client_t *self, mouv__driver_pool_t *driver_pool,
                              bson_error_t *error) {
    if (self->client) return true;
    self->client = mouv__driver_pool_pop(driver_pool);
    driver_client_use_own_streams(self, driver_pool);
    if (!self->client)
        bson_set_error(error, MONGOC_ERROR_CLIENT, 0, "libmongoc's pool has no client left");
    return self->client != NULL;
}

void mouv__driver_client_begin(mouv__driver_client_t *self, const mouv__driver_pool_t *driver_pool,
                               uint64_t call_id, int32_t limit_ms) {
    mouv__interruptible_begin(self->interruptible, call_id, limit_ms);
#if MONGOC_CHECK_VERSION(1, 27, 0)
    if (self->interruptible) return;
    self->limit_ns =
        limit_ms > 0 ? uv_hrtime() + (uint64_t)limit_ms * UINT64_C(1000000) : UINT64_MAX;
    if (limit_ms == 0) limit_ms = driver_pool->socket_timeout_ms;
    mongoc_client_set_sockettimeoutms(self->client, limit_ms < 0 ? INT32_MAX : limit_ms);
#else
    self->limit_ns = UINT64_MAX;
    (void)driver_pool;
#endif
}

bool mouv__driver_client_end(mouv__driver_client_t *self, bool ok) {
    if (self->interruptible) return mouv__interruptible_end(self->interruptible);
    return !ok && uv_hrtime() + EARLY_NS >= self->limit_ns;
}

/* --- sessions -------------------------------------------------------------------------------- */

static void driver_client_end_session(mouv__server_session_t *session) {
    if (session->handle) mongoc_client_session_destroy(session->handle);
}

void mouv__driver_client_end_sessions(mouv__driver_client_t *self) {
    mouv__session_store_clear(&self->connection.sessions, driver_client_end_session);
}

/* A member of a set that has not been initiated yet, say: its commands go without. */
static bool driver_client_is_without_sessions(const bson_error_t *error) {
    return error->domain == MONGOC_ERROR_CLIENT &&
           error->code == MONGOC_ERROR_CLIENT_SESSION_FAILURE &&
           strstr(error->message, "does not support sessions");
}

static void driver_client_copy_lsid(mouv__server_session_t *session) {
    bson_iter_t iter;
    bson_subtype_t subtype;
    uint32_t length = 0;
    const uint8_t *bytes = NULL;
    if (bson_iter_init_find(&iter, mongoc_client_session_get_lsid(session->handle), "id") &&
        BSON_ITER_HOLDS_BINARY(&iter))
        bson_iter_binary(&iter, &subtype, &length, &bytes);
    if (length == sizeof(session->lsid)) memcpy(session->lsid, bytes, length);
}

bool mouv__driver_client_begin_session(mouv__driver_client_t *self, mouv__server_session_t *session,
                                       bson_error_t *error) {
    if (session->renew && session->handle) {
        mongoc_client_session_destroy(session->handle);
        session->handle = NULL;
    }
    session->renew = false;
    if (session->handle) return true;
    mongoc_session_opt_t *opts = mongoc_session_opts_new();
    mongoc_session_opts_set_causal_consistency(opts, false);
    session->handle = mongoc_client_start_session(self->client, opts, error);
    mongoc_session_opts_destroy(opts);
    if (!session->handle) return driver_client_is_without_sessions(error);
    driver_client_copy_lsid(session);
    return true;
}

void mouv__driver_client_free(mouv__driver_client_t *self, mouv__driver_pool_t *driver_pool) {
    mouv__driver_client_end_sessions(self);
    if (self->client) {
        driver_client_leave_own_streams(self, driver_pool);
        mongoc_client_pool_push(driver_pool->clients, self->client);
    }
    mouv__interruptible_unref(self->interruptible);
    mouv__connection_clear(&self->connection);
    mouv__free(self);
}
