/*
 * The lowest stream of a connection that is to be handed over (factory.h); libmongoc's TLS may be
 * above it. While the connection is set up, on a worker, it is the socket's stream
 * (stream_socket.h). Once it is taken over it is the descriptor alone: it does not block, refers to
 * nothing that workers have, and belongs to the thread that has the channel.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_STREAM_BASE_H
#define MOUV_MONGO_TRANSPORT_DRIVER_STREAM_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

typedef struct mouv__stream_base {
    mongoc_stream_t stream;  /**< first */
    mongoc_stream_t *socket; /**< while it is set up */
    int fd;                  /**< once it is taken over; -1: closed */
    /* What TLS met here since mouv__stream_base_begin(). */
    bool again; /**< nothing is there to be read */
    bool ended; /**< the server has closed it */
    bool wrote; /**< something has been written */
    int code;   /**< the errno of a failure, or 0 */
    /* What was written and the socket has not taken yet. */
    uint8_t *unsent;
    size_t unsent_at, unsent_end, unsent_room;
} mouv__stream_base_t;

/** Takes `socket` (stream_socket.h). NULL: ENOMEM, it is still the caller's. */
mouv__stream_base_t *mouv__stream_base_new(mongoc_stream_t *socket);

/** The worker that has set it up: from now on it is the descriptor alone. */
void mouv__stream_base_take_over(mouv__stream_base_t *self);

/** TLS is about to be asked: what it meets is noted from here on. */
void mouv__stream_base_begin(mouv__stream_base_t *self);

/** Bytes that have been written and have not gone out. */
size_t mouv__stream_base_unsent(const mouv__stream_base_t *self);

/** Sends of them what the socket takes: false, with `code`, if it takes none any more. */
bool mouv__stream_base_flush(mouv__stream_base_t *self);

/** Closes the socket, `reset`: with RST. What is written after that goes nowhere. */
void mouv__stream_base_close(mouv__stream_base_t *self, bool reset);

#endif
