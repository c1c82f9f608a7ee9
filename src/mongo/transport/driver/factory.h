/*
 * Where the connections of the loop transport come from: libmongoc looks up, connects, does the TLS
 * handshake, says hello and authenticates; then it is made to believe that the connection has died,
 * and the channel is mouv's. What a server thinks of the connection does not change by it.
 *
 * A factory makes one at a time, on a worker.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_FACTORY_H
#define MOUV_MONGO_TRANSPORT_DRIVER_FACTORY_H

#include <stdbool.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

#include "mongo/transport/driver/channel.h"
#include "mongo/transport/driver/driver_pool.h"

typedef struct mouv__factory mouv__factory_t;

/** How many a client has at most; on 1.x each has a client of libmongoc's pool. */
#define MOUV__FACTORIES_MAX 64

/** What a factory makes. */
typedef struct mouv__handover {
    mouv__channel_t *channel; /**< the caller's */
    bson_t *hello;            /**< the server's answer to hello; the caller's */
} mouv__handover_t;

/** Any thread. NULL: ENOMEM. Has a share of `driver_pool`. */
mouv__factory_t *mouv__factory_new(mouv__driver_pool_t *driver_pool);

/** A worker: a connection to this server of libmongoc's picture, within connectTimeoutMS. False:
 *  `error` is libmongoc's, `handover` unchanged. */
bool mouv__factory_connect(mouv__factory_t *factory, uint32_t server_id, const char *host_and_port,
                           mouv__handover_t *handover, bson_error_t *error);

/** Any thread: whether libmongoc's picture learns of a connection that could not be set up. In 2.x
 *  the client that has tried is not one of its pool's. */
bool mouv__factory_is_seen(void);

/** A worker. Connections that were handed over stay as they are. */
void mouv__factory_free(mouv__factory_t *factory);

#endif
