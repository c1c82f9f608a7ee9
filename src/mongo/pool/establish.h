/*
 * The background jobs before any operation can run: libmongoc's pool, a snapshot of the topology,
 * connections.
 */
#ifndef MOUV_MONGO_POOL_ESTABLISH_H
#define MOUV_MONGO_POOL_ESTABLISH_H

#include "mongo/api/client.h"

/** Makes libmongoc's pool and pops its first client, which starts the monitors. */
void mouv__prepare_pool(mouv_client_t *client);

/** One worker sits in libmongoc's server selection for `op`, so that the monitors scan at once. */
void mouv__seek_server(mouv_client_t *client, const mouv__operation_t *op);

/** Connects a connection to a server (0: one that suits `op`, else it may be NULL), with a ping.
 * False: there is no memory for it, and no other connection is connected to that server. */
bool mouv__connect(mouv_client_t *client, mouv__connection_t *connection, uint32_t server_id,
                   const mouv__operation_t *op);

/** What an operation asks of a server; the read preference is borrowed. */
mouv__criteria_t mouv__operation_criteria(const mouv__operation_t *op);

#endif
