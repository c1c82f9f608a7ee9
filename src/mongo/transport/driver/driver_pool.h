/*
 * What the worker threads share with the loop: libmongoc's pool, made and destroyed on a worker.
 * Counted, since a worker that is stuck in a call outlives the client and the loop.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_DRIVER_POOL_H
#define MOUV_MONGO_TRANSPORT_DRIVER_DRIVER_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <mongoc/mongoc.h>
#include <uv.h>

#include "mongo/base/types.h"
#include "mongo/topology/listener.h"
#include "mongo/topology/server.h"
#include "mongo/transport/driver/client_options.h"
#include "mongo/transport/driver/interruptible.h"

/** How long a server that is silent may hold up the end of a client. */
#define MOUV__GOODBYE_MS 1000

struct mouv__driver_pool {
    uint32_t shares; /**< atomic */
    uv_thread_t loop_thread;
    mongoc_uri_t *uri;                     /**< as libmongoc gets it, but for what DNS adds */
    mouv__client_options_t client_options; /**< what libmongoc gets beside it */
    mongoc_client_pool_t *clients;         /**< NULL until a worker has made it */
    mouv__listener_t *listener;            /**< receives the topology events */
    mongoc_read_prefs_t *read_prefs;       /**< the URI's; NULL: primary */
    bson_t *read_concern;  /**< {readConcern: {...}} of the URI; NULL: the server's */
    bson_t *write_concern; /**< {writeConcern: {...}} of the URI; NULL: the server's */
    int32_t connect_timeout_ms, socket_timeout_ms;
    bool own_streams; /**< its connections are mouv's, see stream_connect.h */
};

/** Loop thread. Takes `uri`, also on failure, and what is in `setup`, which it clears. NULL:
 * ENOMEM. */
mouv__driver_pool_t *mouv__driver_pool_new(mongoc_uri_t *uri,
                                           mouv__client_options_t *client_options,
                                           mouv__listener_t *listener);

/** Any thread. The last share destroys libmongoc's pool, which blocks: never on the loop thread,
 *  where a thread is started for it. */
mouv__driver_pool_t *mouv__driver_pool_ref(mouv__driver_pool_t *driver_pool);
void mouv__driver_pool_unref(mouv__driver_pool_t *driver_pool);

/** A worker: a client of libmongoc's pool, or NULL. Whoever takes one takes it here. */
mongoc_client_t *mouv__driver_pool_pop(const mouv__driver_pool_t *driver_pool);

/** A worker: makes libmongoc's pool; looks up mongodb+srv names. Once, before all else. */
bool mouv__driver_pool_prepare(mouv__driver_pool_t *driver_pool, bson_error_t *error);

#endif
