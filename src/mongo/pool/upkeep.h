/*
 * What is done in the background, as the specification (CMAP) has it: links that nobody has used
 * for maxIdleTimeMS are closed, and each server that takes operations gets minPoolSize links, as
 * far as there is room for new connections.
 *
 * There is one look at a time, by one timer that keeps no loop alive. It is armed only while there
 * is something to come: the end of the link that has been idle longest, or another try where links
 * could not be set up. Loop thread.
 */
#ifndef MOUV_MONGO_POOL_UPKEEP_H
#define MOUV_MONGO_POOL_UPKEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "async/loop/timer.h"
#include "mongo/base/types.h"
#include "mongo/transport/connection.h"

/** In the pool. */
typedef struct mouv__upkeep {
    mouv__timer_t timer;
    int64_t idle_ns; /**< maxIdleTimeMS; 0: no limit */
    uint32_t least;  /**< minPoolSize */
    /** The pool's, with a connection: it has been connected, or closed a link that was idle. */
    void (*connected)(void *arg, const mouv_error_t *error);
    void (*disconnected)(void *arg, const mouv_error_t *error);
} mouv__upkeep_t;

/** Something is other than before: looks soon. */
void mouv__upkeep_wake(mouv__pool_t *pool);

/** A connection comes back that was used to send there. */
void mouv__upkeep_returned(mouv__pool_t *pool, const mouv__connection_t *connection,
                           uint32_t server_id);

/** There could no link to this server be set up: not again before the next heartbeat. */
void mouv__upkeep_failed(mouv__pool_t *pool, uint32_t server_id);

/** An idle connection's link there has been idle for too long: closes it. False: it has not. The
 *  connection may not be idle any more then: a worker closes it. */
bool mouv__upkeep_expire(mouv__pool_t *pool, mouv__connection_t *connection, uint32_t server_id);

/** The client ends. */
void mouv__upkeep_close(mouv__pool_t *pool);

#endif
