/*
 * What goes out for an exchange: its command, what the operation has worked out beside it, and what
 * the connection's server wants of every command. Loop thread.
 */
#ifndef MOUV_MONGO_TRANSPORT_LOOP_REQUEST_H
#define MOUV_MONGO_TRANSPORT_LOOP_REQUEST_H

#include "mongo/transport/driver/driver_pool.h"
#include "mongo/transport/loop/peer.h"
#include "mongo/transport/transport.h"

/** What all requests of a client have in common. */
typedef struct mouv__request_common {
    const mongoc_server_api_t *server_api; /**< NULL: none is declared */
    bson_t *cluster_time;                  /**< the highest that any server has told; NULL: none */
    bool direct;                           /**< the URI names one server, whatever its role */
    int32_t last_id;                       /**< of requests */
    int zlib_level;                        /**< for pack.h */
} mouv__request_common_t;

void mouv__request_common_init(mouv__request_common_t *common,
                               const mouv__driver_pool_t *driver_pool);
void mouv__request_common_clear(mouv__request_common_t *common);

/** Makes it the peer's message. False: it cannot be sent there, `error` says why. */
bool mouv__request_build(mouv__request_common_t *common, mouv__peer_t *peer,
                         const mouv__exchange_t *exchange, bson_error_t *error);

/** All of the command that is the peer's message in one document, for events; the caller's. */
bson_t *mouv__request_document(const mouv__peer_t *peer, const mouv__exchange_t *exchange);

/** An answer has told this. */
void mouv__request_note_cluster_time(mouv__request_common_t *common, const bson_t *reply);

#endif
