/*
 * topologyVersion: how new what a server says of itself is. It has one in each hello and in the
 * errors that tell of a change of its state (4.4 and later). Any thread.
 */
#ifndef MOUV_MONGO_TOPOLOGY_TOPOLOGY_VERSION_H
#define MOUV_MONGO_TOPOLOGY_TOPOLOGY_VERSION_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

/** Zero: there is none. */
typedef struct mouv__topology_version {
    bool known;
    bson_oid_t process; /**< another one: the server has been started anew */
    int64_t counter;
} mouv__topology_version_t;

/** That of an answer; NULL is fine. */
mouv__topology_version_t mouv__topology_version_of(const bson_t *reply);

/** Below 0: `older` is older than `newer`, as the specification has it also where one of them is not
 *  known, or they are of different processes. 0: the same. */
int mouv__topology_version_compare(const mouv__topology_version_t *older,
                                   const mouv__topology_version_t *newer);

#endif
