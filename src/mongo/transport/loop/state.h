/*
 * The loop transport inside, for the files of this folder.
 */
#ifndef MOUV_MONGO_TRANSPORT_LOOP_STATE_H
#define MOUV_MONGO_TRANSPORT_LOOP_STATE_H

#include "mongo/topology/topology.h"
#include "mongo/transport/driver/background.h"
#include "mongo/transport/driver/factory.h"
#include "mongo/transport/driver/selector.h"
#include "mongo/transport/loop/patience.h"
#include "mongo/transport/loop/peer.h"
#include "mongo/transport/loop/request.h"
#include "mongo/transport/transport.h"

/** A connection of the pool's: a socket to each server that it is connected to. */
typedef struct mouv__loop_connection {
    mouv__connection_t connection; /**< first */
    mouv__list_t peers;            /**< one a server, those that are open */
    mouv__link_t left; /**< of those whose exchange was abandoned: they go with the transport */
} mouv__loop_connection_t;

/** A factory (driver/factory.h) makes one connection at a time, so there are as many as are being
 *  set up at once; they are kept. */
typedef struct mouv__loop_factory {
    mouv__link_t link;
    mouv__factory_t *factory;
} mouv__loop_factory_t;

typedef struct mouv__loop {
    mouv__transport_t transport;      /**< first */
    mouv__driver_pool_t *driver_pool; /**< a share, until close() */
    mouv__topology_t *topology;       /**< borrowed: the servers; told of what they meet */
    mouv__executor_t *executor;       /**< for what blocks */
    mouv__executor_t *packers;  /**< for what computes: it is not behind a server that hangs */
    mouv__list_t background;    /**< jobs that are out */
    mouv__list_t factories;     /**< idle ones */
    mouv__selector_t *selector; /**< for server selection; the job's that has the control */
    mouv__peers_t peers;
    mouv__patience_t patience;
    mouv__request_common_t common;
    mouv__list_t left;             /**< connections */
    struct mouv__goodbye *goodbye; /**< set aside for close() */
    bool freeing;                  /**< free() was called: the last handle frees it */
    /** Its connection was lost: true if it goes out once more, on a new one. */
    bool (*set_up_again)(struct mouv__loop *loop, mouv__exchange_t *exchange);
} mouv__loop_t;

static inline mouv__loop_t *mouv__loop_of(mouv__transport_t *transport) {
    return (mouv__loop_t *)transport;
}

static inline mouv__loop_connection_t *mouv__loop_connection_of(mouv__connection_t *connection) {
    return (mouv__loop_connection_t *)connection;
}

#endif
