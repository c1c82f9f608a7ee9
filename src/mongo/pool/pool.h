/*
 * Who goes to a worker when; loop thread. An operation first waits for a suitable server in the
 * last picture of the topology (SELECTING), then for a libmongoc client that is connected to it
 * (QUEUED). Clients are counted here as carriers, up to maxPoolSize; the one used last is used
 * first; operations bound to a carrier (getMore, a write's retry) go ahead of new ones on it.
 *
 * Polls, the getMores of change streams, wait on the server for up to a second and more. So each
 * stream gets a carrier that nothing else is bound to, while the number of carriers allows it;
 * polls go behind whatever else waits; and a quarter of the carriers, but not the only one, is left
 * free of them.
 */
#ifndef MOUV_MONGO_POOL_POOL_H
#define MOUV_MONGO_POOL_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <mouv/client.h>

#include "mongo/base/types.h"
#include "mongo/topology/topology.h"
#include "mongo/transport/driver/driver_pool.h"
#include "mongo/transport/workers/executor.h"

/** Connections that are set up at once to one server. */
#define MOUV__CONNECTING_MAX 2

/** Failed connections after which an operation that waits for one gives up. */
#define MOUV__CONNECTS_MAX 3

/** NONE -> PREPARING -> READY; a failure leads back to NONE. */
typedef enum mouv__pool_state {
    MOUV__POOL_NONE,
    MOUV__POOL_PREPARING,
    MOUV__POOL_READY
} mouv__pool_state_t;

typedef struct mouv__step mouv__step_t;

/** A carrier of its own for one kind of background work, one piece of it at a time. */
typedef struct mouv__lane {
    mouv__carrier_t *carrier; /**< NULL until first used */
    bool busy;
} mouv__lane_t;

typedef struct mouv__admission {
    mouv__executor_t *executor; /**< operations and their connections */
    mouv__executor_t *control;  /**< everything else; always threads, so it is never in a queue
                                     behind operations */
    mouv__pool_state_t pool_state;
    mouv__topology_t *topology;
    mouv__queue_t selecting, ready, running, cleanup;
    mouv__carrier_t **carriers;
    uint32_t carrier_count, carrier_max;
    bool mending;      /**< carriers wait for a connection in place of one that was cut */
    bool nobody_seeks; /**< whoever is SELECTING waits for a certain server */
    uint32_t streams;  /**< change streams that are open */
    uint32_t polling, polling_max; /**< carriers that poll; the most that may */
    mouv__carrier_t *idle;         /**< the one used last is first */
    uint8_t connecting[64];        /**< by server id % 64 */
    mouv__lane_t selector, cleaner;
    mouv__step_t *steps; /**< jobs that are out and are no operations */
    uint64_t arrivals;
    int64_t queue_wait_ms;
    uint32_t queue_limit;
} mouv__admission_t;

/** 0 or MOUV_ENOMEM. */
int mouv__admission_init(mouv_client_t *client, const mouv_client_opts_t *opts,
                         uint32_t max_pool_size);

/** The executors end; nothing may be out. */
void mouv__admission_clear(mouv_client_t *client);

/** An operation wants to run, for the first time or again: it becomes SELECTING at least. */
void mouv__admission_enter(mouv_client_t *client, mouv__operation_t *op);

/** What `op` ran on is free; whoever waits is let in. */
void mouv__admission_leave(mouv_client_t *client, mouv__carrier_t *carrier);
void mouv__admission_leave_lane(mouv_client_t *client, mouv__lane_t *lane);

/** Lets in who is bound to this carrier. */
void mouv__admission_serve(mouv_client_t *client, mouv__carrier_t *carrier);

/** Lets in whoever can go. */
void mouv__admission_pump(mouv_client_t *client);

/** Looks anew for a server for those that wait for one. */
void mouv__admission_reselect(mouv_client_t *client);

/** The same, and lets in whoever can go now: a server is back, or another one is there. */
void mouv__admission_look_again(mouv_client_t *client);

/** News have come from the monitors. `client` as a pointer to void: it is a callback. */
void mouv__admission_topology_changed(void *client);

/** Ends every operation that waits, with the operation's own text in front. */
void mouv__admission_fail_waiting(mouv_client_t *client, const mouv_error_t *error);

/** Ends clean-up that waits: the runtime leaves it behind. */
void mouv__admission_fail_cleanup(mouv_client_t *client);

/** Fills `error` with what a waiting operation waits for: ESELECTION or EQUEUE. */
void mouv__admission_explain(mouv_client_t *client, const mouv__operation_t *op,
                             mouv_error_t *error);

/** Whether a server that suits `op` is in the picture; sets its server id (0: a worker selects). */
bool mouv__admission_choose(mouv_client_t *client, mouv__operation_t *op);

#endif
