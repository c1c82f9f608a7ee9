/*
 * The connections that nothing runs on, the one used last first: which of them a checkout gets.
 * Loop thread.
 */
#ifndef MOUV_MONGO_POOL_IDLE_H
#define MOUV_MONGO_POOL_IDLE_H

#include "mongo/pool/pool.h"

void mouv__idle_push(mouv__pool_t *pool, mouv__connection_t *connection);
void mouv__idle_remove(mouv__pool_t *pool, mouv__connection_t *connection);

/**
 * The one used last among those connected to the checkout's server. Where there can be no more
 * connections, the one with the fewest streams. NULL: none.
 */
mouv__connection_t *mouv__idle_find(const mouv__pool_t *pool, const mouv__checkout_t *checkout);

/** One that is not connected to that server, to be connected; or NULL. */
mouv__connection_t *mouv__idle_find_other(const mouv__pool_t *pool,
                                          const mouv__checkout_t *checkout);

#endif
