/*
 * mouv's own connections under libmongoc, where its pooled clients take them (1.x): a socket that
 * can be interrupted from another thread, TLS by libmongoc above it, and above that a stream that
 * checks each answer before libmongoc reads it.
 *
 *   libmongoc -> checked stream -> (libmongoc's TLS stream) -> socket stream -> interruptible
 *
 * One that is to be handed over (factory.h) has a base stream (stream_base.h) above the socket's.
 *
 * Where libmongoc's pooled clients do not take them (2.x) factories alone use this; where a
 * connection needs what only libmongoc's own streams can do (see mouv__stream_connect_suits()),
 * nobody does. Decision 0011.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_STREAM_CONNECT_H
#define MOUV_MONGO_TRANSPORT_DRIVER_STREAM_CONNECT_H

#include <stdbool.h>

#include <mongoc/mongoc.h>

#include "mongo/base/types.h"
#include "mongo/transport/driver/interruptible.h"
#include "mongo/transport/driver/stream_base.h"

/** Whether connections of this URI can be mouv's own. */
bool mouv__stream_connect_suits(const mongoc_uri_t *uri);

/** What of this URI only libmongoc's own connections can do, whatever its release; or NULL. */
const char *mouv__stream_connect_obstacle(const mongoc_uri_t *uri);

/** What is below the checked stream of a connection that is to be handed over. */
typedef struct mouv__stream_parts {
    mouv__stream_base_t *base;
    mongoc_stream_t *tls; /**< above it; NULL: none */
    int64_t set_up_by_us; /**< the end of connectTimeoutMS, on libbson's clock */
} mouv__stream_parts_t;

/** What a client's connections are made of. */
typedef struct mouv__stream_source {
    mouv__interruptible_t *interruptible; /**< each connection takes a share */
    mouv__driver_pool_t *driver_pool;     /**< borrowed */
    mouv__stream_parts_t
        *parts; /**< gets those of the next one, to be handed over; NULL: none is */
} mouv__stream_source_t;

/** A mongoc_stream_initiator_t: looks up, connects, does the TLS handshake. */
mongoc_stream_t *mouv__stream_connect(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                      void *source, bson_error_t *error);

#endif
