/*
 * Server selection, as MongoDB's specification says, over the loop's picture of the deployment:
 * what suits by kind, tags and staleness; of that what is near; of that one of two taken by chance,
 * the one with fewer operations in progress. Nothing here waits; what is returned may be NULL.
 */
#ifndef MOUV_MONGO_TOPOLOGY_SELECTION_H
#define MOUV_MONGO_TOPOLOGY_SELECTION_H

#include <stdbool.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

#include <mouv/error.h>

#include "mongo/topology/topology.h"

/** Server ids. */
typedef struct mouv__server_ids {
    const uint32_t *ids;
    uint32_t count;
} mouv__server_ids_t;

/** What an operation wants of a server. */
typedef struct mouv__criteria {
    bool write;
    const mongoc_read_prefs_t *read_prefs; /**< NULL: primary; a write goes there anyway */
    uint32_t server_id;                    /**< 0, or the only one that will do */
    mouv__server_ids_t barred;             /**< never these: they are silent */
    mouv__server_ids_t avoided;            /**< these only where no other suits: a retry's */
} mouv__criteria_t;

/** 0, or MOUV_EINVAL with `error` filled: a maxStalenessSeconds that this deployment cannot keep.
 *  `topology` may be NULL. */
int mouv__selection_check(const mouv__topology_t *topology, const mouv__criteria_t *criteria,
                          mouv_error_t *error);

/** One server, or NULL: none suits now. */
mouv__server_t *mouv__selection_choose(mouv__topology_t *topology,
                                       const mouv__criteria_t *criteria);

/** Whether this server suits still. */
bool mouv__selection_includes(const mouv__topology_t *topology, const mouv__criteria_t *criteria,
                              uint32_t server_id);

/* The three steps of it, in this order. What is left stands in the snapshot's `candidates`; each
 * gives their number, which the next one takes. */
uint32_t mouv__selection_suitable(const mouv__topology_t *topology,
                                  const mouv__criteria_t *criteria);
uint32_t mouv__selection_near(const mouv__topology_t *topology, uint32_t count);
mouv__server_t *mouv__selection_of_two(mouv__topology_t *topology, uint32_t count);

#endif
