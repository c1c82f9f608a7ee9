/*
 * The transport without threads: libmongoc sets connections up and gives them up, and mouv speaks
 * OP_MSG on them itself, on the loop. A connection of the pool's is a socket to each server that it
 * has been connected to.
 */
#ifndef MOUV_MONGO_TRANSPORT_LOOP_LOOP_H
#define MOUV_MONGO_TRANSPORT_LOOP_LOOP_H

#include "mongo/topology/topology.h"
#include "mongo/transport/driver/driver_pool.h"
#include "mongo/transport/transport.h"

/** Loop thread. Takes the caller's share of `driver_pool`, not on failure; up to `capacity`
 *  connections. NULL: ENOMEM. */
mouv__transport_t *mouv__loop_new(mouv_client_t *client, mouv__driver_pool_t *driver_pool,
                                  mouv__topology_t *topology, uint32_t capacity);

#endif
