/*
 * Setting connections up: each goes to the transport, and comes back to the function that was
 * given.
 *
 * A server that is frozen leaves a set-up without an answer for connectTimeoutMS. That must not
 * hold up other servers' operations where maxPoolSize is small: so if somebody waits for a place, a
 * set-up gives its own up once the server's breaker is open, or when it has taken longer than a
 * second, four round trips, and twice what the last one took. It then goes on for nobody, and until
 * it has ended, or the server has answered something, no other one is begun to that server but by
 * beside.h. Loop thread.
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

/** Whether one more may be set up to this server now. */
bool mouv__establish_may_begin(const mouv__pool_t *pool, const mouv__server_pool_t *of);

/** Begins to connect an idle or new connection. `ended` gets the connection. 0 or MOUV_ENOMEM. */
int mouv__establish_begin(mouv__connection_t *connection, uint32_t server_id,
                          mouv__transport_ended_fn_t ended);

/** It has ended: gives the server's id; the connection is idle, in no list. */
uint32_t mouv__establish_end(mouv__connection_t *connection, const mouv_error_t *error);

/** The set-up that is under way on this connection goes on for nobody: gives what takes its place, idle,
 *  in no list. NULL: it cannot. */
mouv__connection_t *mouv__establish_orphan(mouv__connection_t *connection);

/** Where there is no place for a connection to `server_id`: that of one whose set-up to another
 *  server hangs. It is idle, in no list. NULL: there is none. */
mouv__connection_t *mouv__establish_reclaim(mouv__pool_t *pool, uint32_t server_id);

/** Whether there is one; if there only may be one later, the pool is pumped then. */
bool mouv__establish_may_reclaim(mouv__pool_t *pool);

/** The client ends; the transport has been told to abandon its jobs. */
void mouv__establish_close(mouv__pool_t *pool);

/** Whether any connection is connected to this server. */
bool mouv__establish_any(const mouv__pool_t *pool, uint32_t server_id);

#endif
