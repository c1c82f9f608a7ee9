/*
 * Pins: what ties a cursor's getMores, and a user's session, to their server session, and with it
 * to the connection and the server that they need. Between operations the connection serves others.
 * A server session may be pinned several times: by a user's session and by the cursors in it.
 *
 * Behind a load balancer each connection leads to another server, and only the connection on which
 * a cursor or a transaction was begun leads to its server. There their pins keep the connection,
 * which stays checked out until the last one has let it go: nobody else may use it. Several pins
 * may keep the same: those of a transaction and of the cursors in it. Loop thread.
 */
#ifndef MOUV_MONGO_POOL_PIN_H
#define MOUV_MONGO_POOL_PIN_H

#include "mongo/base/types.h"
#include "mongo/transport/server_session.h"

#include <mouv/client.h>

/** Keeps a server session from being given back. NULL: ENOMEM. */
mouv__pin_t *mouv__pin_new(mouv_client_t *client, mouv__server_session_t *session,
                           uint32_t server_id);

/** The same for getMores that wait (polls): other checkouts then keep off its connection while
 *  there are others. */
mouv__pin_t *mouv__pin_new_for_polls(mouv__pool_t *pool, mouv__server_session_t *session,
                                     uint32_t server_id);

/** The server, for killCursors. */
uint32_t mouv__pin_server_id(const mouv__pin_t *pin);

/** Its session; NULL once the client has closed. */
mouv__server_session_t *mouv__pin_session(const mouv__pin_t *pin);

/** What keeps a connection. */
typedef enum mouv__keeper { MOUV__KEEPER_CURSOR, MOUV__KEEPER_TRANSACTION } mouv__keeper_t;

/** Keeps this connection, which is in use. */
void mouv__pin_keep_connection(mouv__pin_t *pin, mouv__connection_t *connection,
                               mouv__keeper_t keeper);

/** The connection that it keeps, or NULL. */
mouv__connection_t *mouv__pin_connection(const mouv__pin_t *pin);

/** Others may have it. Harmless if it keeps none. */
void mouv__pin_let_connection_go(mouv__pin_t *pin);

/** The connection was lost: nobody keeps it any more. */
void mouv__pin_lose_connection(mouv__connection_t *connection);

/** Whether it kept a connection that was lost: what it was for has gone with it. */
bool mouv__pin_is_lost(const mouv__pin_t *pin);

/** How many of the pool's connections are kept for transactions, how many for cursors alone. */
void mouv__pin_count(const mouv__pool_t *pool, uint32_t *transactions, uint32_t *cursors);

/** One more holder: each operation that uses it holds a share until it has come back. */
void mouv__pin_hold(mouv__pin_t *pin);

/** Gives a share up; with the last one the session goes back. NULL is fine. May be called while an
 *  operation that uses it is still out. */
void mouv__pin_free(mouv__pin_t *pin);

/** These sessions end soon; whoever keeps one learns it. */
void mouv__pin_forget_all(mouv__session_store_t *store);

#endif
