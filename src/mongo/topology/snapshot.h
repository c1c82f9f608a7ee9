/*
 * A deployment as its monitors have described it at one moment: what users see of it, and an object
 * for each of its servers. The monitor's thread makes it, and all that the loop needs to take it
 * over, so that this cannot fail for want of memory.
 */
#ifndef MOUV_MONGO_TOPOLOGY_SNAPSHOT_H
#define MOUV_MONGO_TOPOLOGY_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

#include "mongo/topology/server.h"

typedef enum mouv__topology_kind {
    MOUV__TOPOLOGY_UNKNOWN,
    MOUV__TOPOLOGY_SINGLE,
    MOUV__TOPOLOGY_REPLICA_SET,
    MOUV__TOPOLOGY_SHARDED,
    MOUV__TOPOLOGY_BALANCED
} mouv__topology_kind_t;

typedef struct mouv__snapshot {
    mouv__topology_kind_t kind;
    bool dead; /**< no server is left and none will come: none is of the URI's replica set */
    mouv_topology_description_t *described; /**< its own */
    uint32_t count;
    mouv__server_t **servers;    /**< `count`, a share of each */
    mouv__server_t **candidates; /**< room for as many, for selection */
    mouv__server_t *room[];
} mouv__snapshot_t;

/**
 * Any thread. Takes `described` in any case; NULL: ENOMEM. `ids` are libmongoc's, `updated_ms` when
 * each was last heard of.
 */
mouv__snapshot_t *mouv__snapshot_new(mouv_topology_description_t *described, const uint32_t *ids,
                                     const int64_t *updated_ms);

/** As above, out of libmongoc's own; callbacks of libmongoc that run under its topology lock. */
mouv__snapshot_t *mouv__snapshot_of(const mongoc_topology_description_t *topology);

/** Loop thread: takes the `i`-th server out, whose share is the caller's now. */
mouv__server_t *mouv__snapshot_remove(mouv__snapshot_t *snapshot, uint32_t i);

/** NULL is fine. */
void mouv__snapshot_free(mouv__snapshot_t *snapshot);

#endif
