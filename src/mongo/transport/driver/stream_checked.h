/*
 * The highest stream of mouv's own connections (stream_connect.h): no answer reaches libmongoc that
 * is none (wire/).
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_STREAM_CHECKED_H
#define MOUV_MONGO_TRANSPORT_DRIVER_STREAM_CHECKED_H

#include <stdbool.h>

#include <mongoc/mongoc.h>

#include "mongo/transport/driver/interruptible.h"

/** Checks what comes from `inner`, which it owns, whose lowest stream has `socket`. NULL: ENOMEM.
 */
mongoc_stream_t *mouv__stream_checked_new(mongoc_stream_t *inner, mouv__socket_t *socket);

/** Whether some of an answer has been received that libmongoc has not read. */
bool mouv__stream_checked_has_more(const mongoc_stream_t *stream);

/** Gives `inner` up, which is the caller's then, and frees the checked stream. NULL: bytes have
 *  come that nobody has asked for; nothing has changed. */
mongoc_stream_t *mouv__stream_checked_release(mongoc_stream_t *stream);

#endif
