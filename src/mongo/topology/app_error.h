/*
 * What operations meet that changes the picture of their server, as the specification (SDAM,
 * "application errors") has it: an answer that says that it is no primary any more or shuts down, a
 * connection that was lost. libmongoc's monitors know nothing of mouv's connections. So the server
 * is marked in mouv's own picture: it is Unknown until something newer is heard of it, by its
 * monitor or by a hello that the pool sends for that (pool/recheck.h).
 *
 * No news are errors on connections of an older generation than the server's, and those whose
 * topologyVersion is not above that of what was last heard. Loop thread.
 */
#ifndef MOUV_MONGO_TOPOLOGY_APP_ERROR_H
#define MOUV_MONGO_TOPOLOGY_APP_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

#include "mongo/topology/topology.h"

typedef struct mouv__app_error {
    uint32_t server_id;
    uint32_t generation; /**< the server's when its connection was begun */
    const bson_t *reply; /**< what it has answered, of any kind; NULL: the connection was lost */
    int64_t now_ms;      /**< libmongoc's monotonic clock */
} mouv__app_error_t;

/** True if the server is Unknown by it. Its connections are told of as lost (`server_changed`) where
 *  the specification has the pool cleared. `topology` NULL: the client has closed. */
bool mouv__app_error(mouv__topology_t *topology, const mouv__app_error_t *error);

#endif
