/*
 * The libmongoc client that a factory (factory.h) makes connections with. Pooled ones share
 * libmongoc's picture, but take connections of ours in 1.x alone. In 2.x it
 * is a client of its own for each host, that knows this one only.
 *
 * A worker that has the factory.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_FACTORY_CLIENT_H
#define MOUV_MONGO_TRANSPORT_DRIVER_FACTORY_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

#include "mongo/transport/driver/driver_pool.h"

/** Zero: there is none. */
typedef struct mouv__factory_client {
    mongoc_client_t *client;
    char *host_and_port; /**< the only one that it knows (2.x) */
} mouv__factory_client_t;

/** One for this host, if it is not there already, whose connections `initiator` makes. */
bool mouv__factory_client_open(mouv__factory_client_t *self, mouv__driver_pool_t *driver_pool,
                               const char *host_and_port, mongoc_stream_initiator_t initiator,
                               void *arg, bson_error_t *error);

/** What the server is for it that has this id in the pool's picture. */
uint32_t mouv__factory_client_server(const mouv__factory_client_t *self, uint32_t server_id);

/** A connection could not be set up: the next one is not to suffer from it. */
void mouv__factory_client_fail(mouv__factory_client_t *self);

/** NULL in it is fine. */
void mouv__factory_client_close(mouv__factory_client_t *self, mouv__driver_pool_t *driver_pool);

#endif
