/*
 * The connections that nothing runs on, the one used last first: which of them an operation gets,
 * and when another connection is set up, for an operation or in place of one that was cut. Loop
 * thread.
 */
#ifndef MOUV_MONGO_POOL_IDLE_H
#define MOUV_MONGO_POOL_IDLE_H

#include "mongo/pool/pool.h"

void mouv__idle_push(mouv__pool_t *pool, mouv__connection_t *connection);
void mouv__idle_remove(mouv__pool_t *pool, mouv__connection_t *connection);

/**
 * The one used last among those connected to the operation's server (id 0: to any). Where there can
 * be no more connections, the one with the fewest streams. NULL: none.
 */
mouv__connection_t *mouv__idle_find(const mouv__pool_t *pool, const mouv__operation_t *op);

/**
 * Begins one more connection to the operation's server, if that is allowed and of use. False: there
 * is no memory for it and no other connection to wait for.
 */
bool mouv__idle_grow(mouv_client_t *client, const mouv__operation_t *op);

/**
 * Sets the connection that an interrupt has cut up again, if its server is there, before anything
 * runs on an idle connection; in its turn, as other connections are.
 */
void mouv__idle_reconnect(mouv_client_t *client, mouv__connection_t *connection);

/** The same for all of them. */
void mouv__idle_reconnect_all(mouv_client_t *client);

/** A new snapshot: libmongoc drops the connections to a server that it has lost. */
void mouv__idle_forget_lost(mouv__pool_t *pool);

#endif
