/*
 * What libmongoc holds instead of a connection that is to be handed over (factory.h). While the
 * connection is set up the shell passes everything through. Then it gives up what is in it, and is
 * empty: all that libmongoc tries on it fails at once, without a network, as a call that took too
 * long, of which it thinks nothing.
 *
 * A worker that has the factory.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_STREAM_SHELL_H
#define MOUV_MONGO_TRANSPORT_DRIVER_STREAM_SHELL_H

#include <stdbool.h>

#include <mongoc/mongoc.h>

#include "context/list.h"
#include "mongo/transport/driver/channel.h"
#include "mongo/transport/driver/stream_connect.h"

/** A factory's shells; libmongoc destroys them when it likes. Zero: there is none. */
typedef struct mouv__shells {
    mouv__list_t list;
} mouv__shells_t;

/** Takes `checked` (stream_checked.h), which has `parts`; both NULL: it is empty from the
 *  beginning. NULL: ENOMEM, they are still the caller's. */
mongoc_stream_t *mouv__stream_shell_new(mouv__shells_t *shells, mongoc_stream_t *checked,
                                        const mouv__stream_parts_t *parts);

/** Whether some shell is not empty. */
bool mouv__shells_are_full(const mouv__shells_t *shells);

/** Empties all; what was in the last is the caller's. NULL, with `error`: its connection is closed.
 */
mouv__channel_t *mouv__shells_take(mouv__shells_t *shells, bson_error_t *error);

/** `shells` goes: those that libmongoc still has are on their own, empty. */
void mouv__shells_clear(mouv__shells_t *shells);

#endif
