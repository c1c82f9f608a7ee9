/*
 * The deployment as libmongoc's monitors last saw it: its servers, what they are, how far away.
 */
#ifndef MOUV_TOPOLOGY_H
#define MOUV_TOPOLOGY_H

#include <mouv/client.h>

/** One server. */
typedef struct mouv_server_description {
    const char *host;      /**< "localhost:27017" */
    const char *type;      /**< "Unknown", "Standalone", "RSPrimary", "Mongos", ... */
    int64_t round_trip_ms; /**< averaged; -1: not known */
    const bson_t *hello;   /**< its last answer (tags, maxWireVersion, ...); empty: none yet */
    const char *set_name;  /**< its replica set; NULL: none is known */
    const char *error;     /**< why it was not reached when it was last tried; NULL: it was, or it
                                 has not been tried yet. In events always NULL */
} mouv_server_description_t;

/** The whole deployment. */
typedef struct mouv_topology_description {
    const char *type; /**< "Unknown", "Single", "ReplicaSetWithPrimary", "Sharded", ... */
    const mouv_server_description_t *servers; /**< an array */
    size_t server_count;                      /**< its length */
} mouv_topology_description_t;

MOUV_BEGIN_DECLS

/**
 * The last picture of the deployment. Does no I/O and waits for nothing: before the first operation
 * it is the URI's hosts, all "Unknown"; with mongodb+srv none until DNS has named them.
 *
 * Context:   the client's thread; never suspends.
 * Ownership: a copy, the caller's; release with mouv_topology_description_unref(). It does not
 *            change any more, and may outlive the client.
 * Returns:   NULL on failure, with `error` filled.
 * Errors:    MOUV_EINVAL (NULL), MOUV_ECLOSED, MOUV_ETHREAD, MOUV_ENOLOOP, MOUV_ENOMEM.
 * Like:      mongoc_client_get_server_descriptions(); PyMongo's client.topology_description.
 */
MOUV_API mouv_topology_description_t *mouv_client_get_topology(const mouv_client_t *client,
                                                               mouv_error_t *error);

/** Any thread. Takes NULL, returns NULL. Not for the descriptions of events. */
MOUV_API mouv_topology_description_t *
mouv_topology_description_unref(mouv_topology_description_t *topology);

/** What MOUV_AUTO_TOPOLOGY calls. */
MOUV_API void mouv_topology_description_drop(mouv_topology_description_t **topology);

MOUV_END_DECLS

#ifdef MOUV_CLEANUP
/** A picture that is released at the end of its block, also on early return. */
#define MOUV_AUTO_TOPOLOGY MOUV_CLEANUP(mouv_topology_description_drop)
#endif

#endif
