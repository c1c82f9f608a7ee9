/*
 * The bytes of one connection that libmongoc has set up and given up (factory.h): a socket that
 * does not block and, where there is TLS, libmongoc's TLS above it. Belongs to one thread at a
 * time, from then on the loop's; no function blocks.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_CHANNEL_H
#define MOUV_MONGO_TRANSPORT_DRIVER_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <mongoc/mongoc.h>

#include "mongo/transport/driver/stream_base.h"

typedef struct mouv__channel mouv__channel_t;

enum {
    MOUV__CHANNEL_AGAIN = -1, /**< not now: when the socket is ready */
    MOUV__CHANNEL_FAILED = -2 /**< `errno` says why; it is of no more use */
};

/** The worker that has set the connection up: takes both streams, `tls` (NULL: none) being above
 *  `base`, which lets go of all that workers have. NULL: ENOMEM, both are unchanged. */
mouv__channel_t *mouv__channel_new(mouv__stream_base_t *base, mongoc_stream_t *tls);

/** The socket, to be watched; it stays the channel's. */
int mouv__channel_fd(const mouv__channel_t *channel);

/** Some bytes; 0: the server has closed it. AGAIN means that TLS has nothing left either. */
ssize_t mouv__channel_read(mouv__channel_t *channel, void *to, size_t size);

/** How many bytes of the pieces are taken. TLS takes all, and keeps what the socket does not. */
ssize_t mouv__channel_write(mouv__channel_t *channel, const struct iovec *pieces, size_t count);

/** Bytes (of TLS) that have been taken and have not gone out. */
size_t mouv__channel_unsent(const mouv__channel_t *channel);

/** Sends of them what the socket takes: 0 if none is left. */
int mouv__channel_flush(mouv__channel_t *channel);

/** Closes the socket, `reset`: with RST, and frees the channel. NULL is fine. */
void mouv__channel_close(mouv__channel_t *channel, bool reset);

#endif
