/*
 * What the pool keeps of one server: the specification's pool of a server (CMAP), but that the
 * number of connections is limited over all servers together.
 *
 *   PAUSED --the server is known--> READY --it is lost: a new generation--> PAUSED
 *
 * A link of an older generation is of no more use: it goes when its connection is looked at next.
 * Loop thread.
 */
#ifndef MOUV_MONGO_POOL_SERVER_POOL_H
#define MOUV_MONGO_POOL_SERVER_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "mongo/base/types.h"
#include "mongo/pool/breaker.h"
#include "mongo/pool/pressure.h"
#include "mongo/topology/topology.h"
#include "mongo/transport/connection.h"

#include <mouv/monitor.h>

typedef struct mouv__server_pool {
    struct mouv__server_pool *next;
    mouv__server_t *server; /**< a share */
    bool ready;
    uint32_t connecting; /**< connections that are being set up */
    uint32_t orphans;    /**< ... for nobody any more (establish.h) */
    int64_t set_up_ns;   /**< how long that took the last time that it went well; 0: never yet */
    uint64_t numbers;    /**< of connections, given out */
    mouv__breaker_t breaker;
    mouv__pressure_t pressure;
    int64_t beside_ns;       /**< no other connection is tried before that (beside.h) */
    int64_t orphaned_ns;     /**< when the last of the orphans was begun */
    int64_t silent_until_ns; /**< has left a kill unanswered: it gets no other until then */
    int64_t recheck_ns;      /**< recheck.h: it is not asked before that */
    int64_t fill_ns;         /**< upkeep.h: no link is added to fill it up before that */
    int64_t kill_ns;         /**< how long its last killSessions took; 0: none yet */
    bool kill_prepared;      /**< the control connection for kills was once connected to it */
} mouv__server_pool_t;

/** That of a server, or NULL: the deployment has no such server. */
mouv__server_pool_t *mouv__server_pool_of(const mouv__pool_t *pool, uint32_t server_id);

/** The server is known from now on, or again. False: ENOMEM, which leaves it unused. */
bool mouv__server_pool_ready(mouv__pool_t *pool, mouv__server_t *server);

/** It is lost: its links are stale. */
void mouv__server_pool_clear(mouv__pool_t *pool, mouv__server_pool_t *of);

/** Of the connections through a load balancer those to this one's server are stale; does nothing
 *  where it is itself already. */
void mouv__server_pool_clear_service(mouv__pool_t *pool, mouv__connection_t *connection,
                                     uint32_t server_id);

/** The deployment has it no more, or the client ends. */
void mouv__server_pool_close(mouv__pool_t *pool, mouv__server_pool_t *of);

/** Four round trips to it, but at least so long: when an answer is late. */
int64_t mouv__server_pool_patience_ns(const mouv__pool_t *pool, uint32_t server_id,
                                      int64_t least_ns);

/* --- its links -------------------------------------------------------------------------------- */

/** A connection is being set up there: gives it its number. */
uint64_t mouv__server_pool_begin_link(mouv__pool_t *pool, mouv__server_pool_t *of);

/** It could not be set up, or is ready. False: ENOMEM. */
void mouv__server_pool_fail_link(mouv__pool_t *pool, mouv__server_pool_t *of, uint64_t number,
                                 const mouv_error_t *error);
bool mouv__server_pool_add_link(mouv__pool_t *pool, mouv__connection_t *connection,
                                const mouv__server_link_t *set_up);

/** Whether a link is of the present generation. */
bool mouv__server_pool_has(const mouv__pool_t *pool, const mouv__server_link_t *link);

/** A connection is not connected there any more. Harmless if it was not. */
void mouv__server_pool_drop_link(mouv__pool_t *pool, mouv__connection_t *connection,
                                 uint32_t server_id, mouv_connection_closed_reason_t reason);

/** It has gone: dropped with what is stale, when its connection is back. */
void mouv__server_pool_lose_link(mouv__connection_t *connection, uint32_t server_id);

/** It was cut: set up anew before anything is sent there on this connection. */
void mouv__server_pool_cut_link(mouv__pool_t *pool, mouv__connection_t *connection,
                                uint32_t server_id);

/** Something was answered on it: libmongoc has connected it, if it was not. */
void mouv__server_pool_note_link(mouv__pool_t *pool, mouv__connection_t *connection,
                                 uint32_t server_id);

/** Drops a connection's links that were lost, or are of older generations. */
void mouv__server_pool_drop_stale(mouv__pool_t *pool, mouv__connection_t *connection);

#endif
