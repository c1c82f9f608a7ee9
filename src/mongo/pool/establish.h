/*
 * Setting connections up: each goes to the transport, and comes back to the function that was
 * given. Loop thread.
 */
#ifndef MOUV_MONGO_POOL_ESTABLISH_H
#define MOUV_MONGO_POOL_ESTABLISH_H

#include "mongo/pool/pool.h"

/** Connections that are set up at once to one server, if maxConnecting does not say. */
#define MOUV__CONNECTING_MAX 2

/** Failed connections after which a checkout that waits for one gives up. */
#define MOUV__CONNECTS_MAX 3

/** A new connection, counted; NULL: there can be no more, or ENOMEM. */
mouv__connection_t *mouv__establish_new(mouv__pool_t *pool);

/** Begins to connect an idle or new connection. `ended` gets the connection. 0 or MOUV_ENOMEM. */
int mouv__establish_begin(mouv__connection_t *connection, uint32_t server_id,
                          mouv__transport_ended_fn_t ended);

/** It has ended: gives the server's id; the connection is idle, in no list. */
uint32_t mouv__establish_end(mouv__connection_t *connection, const mouv_error_t *error);

/** Whether any connection is connected to this server. */
bool mouv__establish_any(const mouv__pool_t *pool, uint32_t server_id);

#endif
