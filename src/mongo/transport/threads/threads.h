/*
 * The transport of blocking calls: every exchange is a libmongoc call on a worker thread, every
 * connection one of libmongoc's clients (driver_client.h).
 */
#ifndef MOUV_MONGO_TRANSPORT_THREADS_THREADS_H
#define MOUV_MONGO_TRANSPORT_THREADS_THREADS_H

#include "mongo/transport/driver/driver_pool.h"
#include "mongo/transport/transport.h"

/**
 * With threads of its own or, `uvpool`, on libuv's process-wide pool; at most `capacity` calls at
 * once. Takes the share of `driver_pool`, but not on failure. NULL: ENOMEM.
 */
mouv__transport_t *mouv__threads_new(mouv_client_t *client, mouv__driver_pool_t *driver_pool,
                                     bool uvpool, uint32_t capacity);

#endif
