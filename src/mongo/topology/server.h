/*
 * One server of the deployment, and everything that is known of it. It lasts from the first snapshot
 * that has it to the first that has it no more, and longer while somebody holds it: then nothing is
 * known of it but its name. Loop thread; a snapshot's new ones are made on the thread of a monitor.
 */
#ifndef MOUV_MONGO_TOPOLOGY_SERVER_H
#define MOUV_MONGO_TOPOLOGY_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

#include <mouv/topology.h>

#include "mongo/topology/rtt.h"
#include "mongo/topology/took.h"
#include "mongo/topology/topology_version.h"

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
    uint32_t shares;
    uint32_t id;                     /**< libmongoc's, never 0 */
    mouv__server_kind_t kind;        /**< Unknown while it is marked so */
    mouv__server_kind_t reported;    /**< by its monitor */
    mouv__server_kind_t former_kind; /**< while a snapshot is applied: what it was before */
    bool lost;                       /**< it was Unknown at some time since the snapshot before */
    char host[264];                  /**< "localhost:27017" */
    /** As users see it, its answer to hello in it. The snapshot's; NULL: it is gone. */
    const mouv_server_description_t *described;
    int32_t wire_version;             /**< the highest it speaks */
    const uint8_t *tags;              /**< a document in its hello; NULL: none */
    uint32_t tags_length;             /**< in bytes */
    int64_t last_write_ms;            /**< its clock; -1: not told */
    int64_t updated_ms;               /**< when it was told that; libmongoc's monotonic clock */
    mouv__topology_version_t version; /**< of what was heard of it last, by an error as well */
    int64_t marked_ms; /**< since when it is marked Unknown (app_error.h), on that clock; 0: not */
    uint32_t generation; /**< of connections to it: those of an older one are of no more use */
    mouv__rtt_t rtt;
    mouv__took_t took;
    int64_t measured_ns; /**< when it was last pinged for that; 0: not yet */
    uint32_t operations; /**< in progress there: of two that suit, the one with fewer is chosen */
    /* What the pool knows of it (breaker, connections being set up) is for it to add. */
} mouv__server_t;

/** What its monitor has heard since somebody last asked. */
typedef struct mouv__heartbeats {
    bool answered;                    /**< some heartbeat */
    bool lost;                        /**< it was Unknown in between, before the samples */
    uint32_t count;                   /**< of samples: heartbeats that were not awaited */
    int64_t samples_ns[4];            /**< the last ones */
    int64_t updated_ms;               /**< 0: nothing has been told */
    int64_t last_write_ms;            /**< then; -1: not that */
    mouv__server_kind_t kind;         /**< then */
    mouv__topology_version_t version; /**< then */
} mouv__heartbeats_t;

/** What libmongoc calls it; any thread. */
mouv__server_kind_t mouv__server_kind_of(const char *type);

/** The same, out of an answer to hello; any thread. */
mouv__server_kind_t mouv__server_kind_in(const bson_t *hello);

/** What users see of a kind that takes operations: "RSPrimary". */
const char *mouv__server_type_of(mouv__server_kind_t kind);

/** Any thread. With one share; NULL: ENOMEM. `described` stays where it is while this one does. */
mouv__server_t *mouv__server_new(uint32_t id, const mouv_server_description_t *described,
                                 int64_t updated_ms);

mouv__server_t *mouv__server_ref(mouv__server_t *server);
void mouv__server_unref(mouv__server_t *server);

/** It is in a newer snapshot, whose own object for it this is. */
void mouv__server_update(mouv__server_t *server, const mouv__server_t *newer);

/** The deployment has it no more. */
void mouv__server_leave(mouv__server_t *server);

/** It is Unknown from now on, until something newer is heard of it than this. */
void mouv__server_mark(mouv__server_t *server, const mouv__topology_version_t *version,
                       int64_t now_ms);

bool mouv__server_is_marked(const mouv__server_t *server);

/** It has said at `at_ms` what it is: true if it is Unknown no more by that. If it is something else
 *  now than its monitor has reported, that has to report first. */
bool mouv__server_hear(mouv__server_t *server, mouv__server_kind_t kind,
                       const mouv__topology_version_t *version, int64_t at_ms);

/** Its monitor has heard of it; true as above. */
bool mouv__server_note_heartbeats(mouv__server_t *server, const mouv__heartbeats_t *heartbeats);

/** How much of the time until `until_ns` it has for its work: one round trip less. NULL: a server of
 *  which nothing is known. */
int64_t mouv__server_time_left_ms(const mouv__server_t *server, int64_t now_ns, int64_t until_ns);

/** Whether it is of a kind that is measured: a balancer is not one server. */
bool mouv__server_takes_operations(const mouv__server_t *server);

/** Whether it can be spoken to. NULL: no. */
bool mouv__server_is_known(const mouv__server_t *server);

/** lastWrite.lastWriteDate in an answer to hello; -1: it is not there. Any thread. */
int64_t mouv__server_last_write_ms(const bson_t *hello);

#endif
