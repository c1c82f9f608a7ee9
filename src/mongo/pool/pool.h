/*
 * Who goes to a worker when; loop thread. An operation first waits for a suitable server in the
 * last snapshot of the topology (SELECTING), then for a libmongoc client that is connected to it
 * (QUEUED). Clients are counted here as connections, up to maxPoolSize; the one used last is used
 * first; operations bound to a connection (getMore, a write's retry) go ahead of new ones on it.
 *
 * Polls, the getMores of change streams, wait on the server for up to a second and more. So each
 * stream gets a connection that nothing else is bound to, while the number of connections allows
 * it; polls go behind whatever else waits; and a quarter of the connections, but not the only one,
 * is left free of them.
 */
#ifndef MOUV_MONGO_POOL_POOL_H
#define MOUV_MONGO_POOL_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <mouv/client.h>

#include "mongo/base/types.h"
#include "mongo/topology/selection.h"
#include "mongo/topology/topology.h"
#include "mongo/transport/driver/driver_pool.h"
#include "mongo/transport/workers/executor.h"

/** Connections that are set up at once to one server. */
#define MOUV__CONNECTING_MAX 2

/** Failed connections after which an operation that waits for one gives up. */
#define MOUV__CONNECTS_MAX 3

/** NONE -> PREPARING -> READY; a failure leads back to NONE. */
typedef enum mouv__driver_pool_state {
    MOUV__DRIVER_POOL_NONE,
    MOUV__DRIVER_POOL_PREPARING,
    MOUV__DRIVER_POOL_READY
} mouv__driver_pool_state_t;

typedef struct mouv__background mouv__background_t;

/** A connection of its own for one kind of background work, one piece of it at a time. */
typedef struct mouv__control {
    mouv__connection_t *connection; /**< NULL until first used */
    bool busy;
} mouv__control_t;

typedef struct mouv__pool {
    mouv__executor_t *executor; /**< operations and their connections */
    mouv__executor_t
        *control_executor; /**< everything else; always threads, so it is never in a queue
                                     behind operations */
    mouv__driver_pool_state_t driver_pool_state;
    mouv__topology_t *topology; /**< NULL once the client has closed */
    mouv__queue_t selecting, ready, running, cleanup;
    mouv__connection_t **connections;
    uint32_t connection_count, connection_max;
    bool reconnecting; /**< connections wait for a connection in place of one that was cut */
    bool nobody_seeks; /**< whoever is SELECTING waits for a certain server */
    uint32_t streams;  /**< change streams that are open */
    uint32_t polling, polling_max; /**< connections that poll; the most that may */
    mouv__connection_t *idle;      /**< the one used last is first */
    uint8_t connecting[64];        /**< by server id % 64 */
    mouv__control_t selector, cleaner;
    mouv__background_t *background_jobs; /**< jobs that are out and are no operations */
    uint64_t arrivals;
    int64_t queue_wait_ms;
    uint32_t queue_limit;
} mouv__pool_t;

/** 0 or MOUV_ENOMEM. */
int mouv__pool_init(mouv_client_t *client, const mouv_client_opts_t *opts, uint32_t max_pool_size);

/** The executors end; nothing may be out. */
void mouv__pool_clear(mouv_client_t *client);

/** An operation wants to run, for the first time or again: it becomes SELECTING at least. */
void mouv__pool_enter(mouv_client_t *client, mouv__operation_t *op);

/** What `op` ran on is free; whoever waits is let in. */
void mouv__pool_leave(mouv_client_t *client, mouv__connection_t *connection);
void mouv__pool_leave_control(mouv_client_t *client, mouv__control_t *control);

/** Lets in who is bound to this connection. */
void mouv__pool_serve(mouv_client_t *client, mouv__connection_t *connection);

/** Lets in whoever can go. */
void mouv__pool_pump(mouv_client_t *client);

/** Looks anew for a server for those that wait for one. */
void mouv__pool_reselect(mouv_client_t *client);

/** The same, and lets in whoever can go now: a server is back, or another one is there. */
void mouv__pool_look_again(mouv_client_t *client);

/** News have come from the monitors. `client` as a pointer to void: it is a callback. */
void mouv__pool_topology_changed(void *client);

/** Ends every operation that waits, with the operation's own text in front. */
void mouv__pool_fail_waiting(mouv_client_t *client, const mouv_error_t *error);

/** Ends clean-up that waits: the runtime leaves it behind. */
void mouv__pool_fail_cleanup(mouv_client_t *client);

/** Fills `error` with what a waiting operation waits for: ESELECTION or EQUEUE. */
void mouv__pool_explain(mouv_client_t *client, const mouv__operation_t *op, mouv_error_t *error);

/** Whether a server that suits `op` is there; sets its server id. */
bool mouv__pool_choose(mouv_client_t *client, mouv__operation_t *op);

#endif
