/*
 * The loop's one picture of the deployment: its servers, which last, and what users see of them.
 * libmongoc's monitors report each change on threads of their own; the loop gets the last snapshot
 * by mail (listener.h) and applies it. Loop thread.
 */
#ifndef MOUV_MONGO_TOPOLOGY_TOPOLOGY_H
#define MOUV_MONGO_TOPOLOGY_TOPOLOGY_H

#include <stdbool.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

#include <mouv/topology.h>

#include "mongo/topology/listener.h"
#include "mongo/topology/server.h"
#include "mongo/topology/snapshot.h"

/** What the rooms above want to be told of, once the picture is whole. */
typedef struct mouv__topology_ops {
    /** It is of another kind than before, or has been lost since; a new one was Unknown. */
    void (*server_changed)(void *arg, mouv__server_t *server, mouv__server_kind_t was);
    /** The deployment has it no more: it goes with whoever holds it last. */
    void (*server_gone)(void *arg, mouv__server_t *server);
    /** It was Unknown for a while that is over: both changes have come at once. */
    void (*server_lost)(void *arg, mouv__server_t *server);
    /** It has answered a heartbeat. */
    void (*server_heard)(void *arg, mouv__server_t *server);
} mouv__topology_ops_t;

typedef struct mouv__topology {
    mouv__topology_kind_t kind;
    bool dead;         /**< see mouv__snapshot_t */
    uint32_t hopeless; /**< see mouv__listener_hopeless() */
    uint32_t looks;    /**< as well */
    uint32_t count;
    mouv__server_t *const *servers;
    mouv__snapshot_t *snapshot;            /**< whose servers those are; NULL: none has come yet */
    mouv_topology_description_t *seeds;    /**< what the URI says */
    char srv_host[BSON_HOST_NAME_MAX + 1]; /**< whose DNS records have the seeds; "": the URI */
    int64_t local_threshold_ns;
    int64_t heartbeat_ms;       /**< heartbeatFrequencyMS */
    uint64_t random;            /**< see selection.h */
    mouv__listener_t *listener; /**< whom it last caught up with; NULL: none yet */
    mouv__server_t **away;      /**< Unknown, which are in no snapshot: shares */
    uint32_t away_count, away_room;
    bool has_marks; /**< some server may be marked Unknown: who looks and finds none says so */
    const mouv__topology_ops_t *ops;
    void *arg;
} mouv__topology_t;

/** NULL: ENOMEM. */
mouv__topology_t *mouv__topology_new(const mongoc_uri_t *uri, const mouv__topology_ops_t *ops,
                                     void *arg);

/** NULL is fine. Servers that somebody holds stay with him. */
void mouv__topology_free(mouv__topology_t *topology);

/** Takes the snapshot: servers that it has, too, keep their objects. */
void mouv__topology_apply(mouv__topology_t *topology, mouv__snapshot_t *snapshot);

/** The deployment has its `i`-th server no more, and there is no snapshot without it. */
void mouv__topology_drop(mouv__topology_t *topology, uint32_t i);

/** It is marked Unknown (app_error.h), and users are told; `version`: of the error. False: nothing is
 *  done, as its monitor has told as much already. */
bool mouv__topology_mark(mouv__topology_t *topology, mouv__server_t *server,
                         const mouv__topology_version_t *version, int64_t now_ms, const char *why);

/** One that is marked has answered mouv's own hello: true if it is marked no more by that. Others
 *  are left to their monitors. */
bool mouv__topology_hear(mouv__topology_t *topology, mouv__server_t *server, const bson_t *hello,
                         int64_t now_ms);

/** Takes over what the monitors have told since the last call: true if servers have changed, or
 *  there is less to hope for. */
bool mouv__topology_catch_up(mouv__topology_t *topology, mouv__listener_t *listener);

/** Whether who has waited since `looks` was so waits for nothing: each server has been looked at
 *  since. */
bool mouv__topology_is_hopeless(const mouv__topology_t *topology, uint32_t looks);

/** What users see; the caller's. NULL: ENOMEM. */
mouv_topology_description_t *mouv__topology_describe(const mouv__topology_t *topology,
                                                     mouv__listener_t *listener);

/** The last heartbeat error of each unreachable host, "; " between them; "" if none. */
void mouv__topology_errors(const mouv__topology_t *topology, mouv__listener_t *listener, char *text,
                           size_t size);

/* From here on `topology` may be NULL: the client has closed. */

/** The server with this id, or NULL. */
mouv__server_t *mouv__topology_server(const mouv__topology_t *topology, uint32_t id);

/** Whether all servers that are known speak this wire version. */
bool mouv__topology_speaks(const mouv__topology_t *topology, int32_t wire_version);

/** Behind a load balancer, which is the only server. */
bool mouv__topology_is_balanced(const mouv__topology_t *topology);

bool mouv__topology_is_sharded(const mouv__topology_t *topology);
bool mouv__topology_is_replica_set(const mouv__topology_t *topology);

/** A replica set with a primary. */
bool mouv__topology_has_primary(const mouv__topology_t *topology);

/** Whether writes may carry a txnNumber: replica sets, sharded clusters. */
bool mouv__topology_retries_writes(const mouv__topology_t *topology);

#endif
