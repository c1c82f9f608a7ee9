/*
 * The lowest stream of mouv's own connections (stream_connect.h): a socket that does not block.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_STREAM_SOCKET_H
#define MOUV_MONGO_TRANSPORT_DRIVER_STREAM_SOCKET_H

#include <mongoc/mongoc.h>

#include "mongo/transport/driver/interruptible.h"

/** A stream on a connected socket that does not block, which it owns. `*socket` is part of it.
 * NULL: ENOMEM, the descriptor is still the caller's. */
mongoc_stream_t *mouv__stream_socket_new(mouv__interruptible_t *interruptible, int fd,
                                         mouv__socket_t **socket);

/** Of a connection that is set up: the descriptor is the caller's, the stream is freed. */
int mouv__stream_socket_release(mongoc_stream_t *stream);

#endif
