/*
 * A connection's libmongoc half: one mongoc_client_t of libmongoc's pool, opened and closed on
 * workers. Only the worker that has its exchange or job touches `client` and the server session
 * that came with it; the rest is the loop's (connection.h).
 */
#ifndef MOUV_MONGO_TRANSPORT_THREADS_DRIVER_CLIENT_H
#define MOUV_MONGO_TRANSPORT_THREADS_DRIVER_CLIENT_H

#include "mongo/transport/connection.h"
#include "mongo/transport/driver/driver_pool.h"
#include "mongo/transport/driver/stream_connect.h"

typedef struct mouv__driver_client {
    mouv__connection_t connection; /**< first */
    mongoc_client_t *client;       /**< NULL until a worker has popped it */
    /** A share; NULL: its connections are libmongoc's own. */
    mouv__interruptible_t *interruptible;
    mouv__stream_source_t source; /**< of its connections */
    uint64_t limit_ns; /**< not interruptible: when the call under way fails, by uv_hrtime() */
} mouv__driver_client_t;

static inline mouv__driver_client_t *mouv__driver_client_of(mouv__connection_t *connection) {
    return (mouv__driver_client_t *)connection;
}

/** Loop thread. NULL: ENOMEM. */
mouv__driver_client_t *mouv__driver_client_new(const mouv__driver_pool_t *driver_pool);

/** A worker: pops a client, if it has none yet. False: the pool has none left (cannot be). */
bool mouv__driver_client_open(mouv__driver_client_t *self, mouv__driver_pool_t *driver_pool,
                              bson_error_t *error);

/** A worker that has it: a call begins, as mouv__interruptible_begin() says. Where its connections
 *  are libmongoc's, their socket timeout is what ends a wait; before 1.27 that is the URI's alone.
 */
void mouv__driver_client_begin(mouv__driver_client_t *self, const mouv__driver_pool_t *driver_pool,
                               uint64_t call_id, int32_t limit_ms);

/** It has ended, well or not: true if it was interrupted (see mouv__interruptible_end()) or failed
 *  because `limit_ms` was over. */
bool mouv__driver_client_end(mouv__driver_client_t *self, bool ok);

/** A worker that has it: begins the server session if that is still to do. True as well where the
 *  server has no sessions: it then has no handle. */
bool mouv__driver_client_begin_session(mouv__driver_client_t *self, mouv__server_session_t *session,
                                       bson_error_t *error);

/** Not the loop thread, unless it was never opened. */
void mouv__driver_client_end_sessions(mouv__driver_client_t *self);

/** As above: ends its sessions, gives its client back. */
void mouv__driver_client_free(mouv__driver_client_t *self, mouv__driver_pool_t *driver_pool);

#endif
