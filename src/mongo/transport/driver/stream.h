/*
 * mouv's own connections under libmongoc, where its pooled clients take them (1.x): a socket that
 * can be interrupted from another thread, TLS by libmongoc above it, and above that a stream that
 * checks each answer before libmongoc reads it.
 *
 *   libmongoc -> checked stream -> (libmongoc's TLS stream) -> socket stream -> line
 *
 * Where libmongoc does not take them (2.x), or a connection needs what only libmongoc's own streams
 * can do (see mouv__streams_suit()), the connection has no line and nothing here is used.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_STREAM_H
#define MOUV_MONGO_TRANSPORT_DRIVER_STREAM_H

#include <stdbool.h>

#include <mongoc/mongoc.h>

#include "mongo/base/types.h"
#include "mongo/transport/driver/interruptible.h"

/** Whether connections of this URI can be mouv's own. */
bool mouv__streams_suit(const mongoc_uri_t *uri);

/** What a client's connections are made of. */
typedef struct mouv__stream_source {
    mouv__interruptible_t *interruptible; /**< each connection takes a share */
    mouv__driver_pool_t *driver_pool;     /**< borrowed; told how long a round trip is */
} mouv__stream_source_t;

/** A mongoc_stream_initiator_t: looks up, connects, does the TLS handshake. */
mongoc_stream_t *mouv__stream_connect(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                      void *source, bson_error_t *error);

/** A stream on a connected socket that does not block, which it owns. `*socket` is part of it.
 * NULL: ENOMEM, the descriptor is still the caller's. */
mongoc_stream_t *mouv__socket_stream_new(mouv__interruptible_t *interruptible, int fd,
                                         mouv__socket_t **socket);

/** Checks what comes from `inner`, which it owns, whose lowest stream has `socket`. NULL: ENOMEM.
 */
mongoc_stream_t *mouv__checked_stream_new(mongoc_stream_t *inner, mouv__socket_t *socket);

#endif
