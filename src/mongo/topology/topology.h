/*
 * What mouv knows of the deployment: libmongoc's monitors report each change on threads of their
 * own, the loop gets the last snapshot by mail and decides by it who may go to a worker.
 */
#ifndef MOUV_MONGO_TOPOLOGY_TOPOLOGY_H
#define MOUV_MONGO_TOPOLOGY_TOPOLOGY_H

#include <stdbool.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

#include <mouv/topology.h>

#include "async/loop/mailbox.h"

/** A server's place in a set of servers. */
static inline uint64_t mouv__server_bit(uint32_t server_id) {
    return UINT64_C(1) << (server_id % 64);
}

typedef enum mouv__topology_kind {
    MOUV__TOPOLOGY_UNKNOWN,
    MOUV__TOPOLOGY_SINGLE,
    MOUV__TOPOLOGY_REPLICA_SET,
    MOUV__TOPOLOGY_SHARDED,
    MOUV__TOPOLOGY_BALANCED
} mouv__topology_kind_t;

typedef enum mouv__server_kind {
    MOUV__SERVER_UNKNOWN,
    MOUV__SERVER_STANDALONE,
    MOUV__SERVER_MONGOS,
    MOUV__SERVER_PRIMARY,
    MOUV__SERVER_SECONDARY,
    MOUV__SERVER_BALANCER,
    MOUV__SERVER_OTHER /**< arbiters, ghosts: take no operation */
} mouv__server_kind_t;

typedef struct mouv__server {
    uint32_t id;
    mouv__server_kind_t kind;
    int32_t wire_version; /**< the highest it speaks */
    char host[264];       /**< "localhost:27017" */
} mouv__server_t;

/** One snapshot; immutable once made. */
typedef struct mouv__topology {
    mouv__topology_kind_t kind;
    bool dead; /**< no server is left and none will come: none is of the URI's replica set */
    uint32_t count;
    mouv__server_t servers[];
} mouv__topology_t;

/** Between the monitors and the loop; counted, as a monitor may report while the loop goes. */
typedef struct mouv__listener mouv__listener_t;
typedef struct mouv__events mouv__events_t; /* see events.h */

/** Loop thread: `changed(arg)` is called there after each change and heartbeat. NULL: ENOMEM. */
mouv__listener_t *mouv__listener_new(mouv__mailbox_t *mailbox, void (*changed)(void *arg),
                                     void *arg);

/** Loop thread: `changed` is not called any more. */
void mouv__listener_stop(mouv__listener_t *listener);

/** Loop thread, before the pool is made: what the user wants to be told of. Takes a share. */
void mouv__listener_set_events(mouv__listener_t *listener, mouv__events_t *events);

/** Any thread: NULL if nothing is subscribed. */
mouv__events_t *mouv__listener_events(const mouv__listener_t *listener);

/** Any thread. */
mouv__listener_t *mouv__listener_ref(mouv__listener_t *listener);
void mouv__listener_unref(mouv__listener_t *listener);

/** A worker: makes a pool report to the listener, which takes a client of it; before its first is
 * popped. */
void mouv__listener_subscribe(mouv__listener_t *listener, const mongoc_uri_t *uri,
                              mongoc_client_pool_t *driver_pool);

/** Before the pool ends: gives that client back. */
void mouv__listener_leave(mouv__listener_t *listener, mongoc_client_pool_t *driver_pool);

/** Any thread: the least round trip of the last heartbeats, see rtt.h; 0: none is known. */
int64_t mouv__listener_rtt_ms(const mouv__listener_t *listener);

/** Loop thread: all that is known now, the caller's; NULL: nothing yet, or ENOMEM. */
mouv_topology_description_t *mouv__listener_describe(mouv__listener_t *listener);

/** Loop thread: whether this host has answered a heartbeat since the last call; `changed` is called
 *  after each. */
bool mouv__listener_take_heartbeat(mouv__listener_t *listener, const char *host);

/** Loop thread: the newest snapshot since the last call, the caller's to free, or NULL. */
mouv__topology_t *mouv__listener_take(mouv__listener_t *listener);

/** Any thread: the last heartbeat error of each unreachable host, "; " between them; "" if none. */
void mouv__listener_errors(mouv__listener_t *listener, const mouv__topology_t *topology, char *text,
                           size_t size);

/** What an operation wants of a server. */
typedef struct mouv__criteria {
    bool write;
    const mongoc_read_prefs_t *read_prefs; /**< NULL: primary */
    uint64_t barred; /**< mouv__server_bit()s of those that are not to be chosen */
} mouv__criteria_t;

/**
 * Whether a server suits, by kinds alone (tags and staleness are libmongoc's business). `*id` is
 * the one, or 0 where several may suit and a worker must ask libmongoc. `topology` may be NULL.
 */
bool mouv__topology_select(const mouv__topology_t *topology, const mouv__criteria_t *criteria,
                           uint32_t *id);

/** The same, but where several suit, takes one of them in its `turn`; 0 only where tags or
 * staleness decide. */
bool mouv__topology_pick(const mouv__topology_t *topology, const mouv__criteria_t *criteria,
                         uint32_t turn, uint32_t *id);

/** Whether all servers that are known speak this wire version. */
bool mouv__topology_speaks(const mouv__topology_t *topology, int32_t wire_version);

/** The server with this id, or NULL. */
const mouv__server_t *mouv__topology_server(const mouv__topology_t *topology, uint32_t id);

/** A replica set with a primary. `topology` may be NULL. */
bool mouv__topology_has_primary(const mouv__topology_t *topology);

/** Whether writes may carry a txnNumber: replica sets, sharded clusters. */
bool mouv__topology_retries_writes(const mouv__topology_t *topology);

#endif
