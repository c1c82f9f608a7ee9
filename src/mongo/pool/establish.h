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

/** Connects a connection to a server. False: there is no memory for it, and no other connection is
 *  connected to that server. */
bool mouv__connect(mouv_client_t *client, mouv__connection_t *connection, uint32_t server_id);

/** Pings the server whose round trip was measured longest ago, if that is a heartbeat's time ago. The
 *  monitors have news: they have them at least that often. */
void mouv__measure_servers(mouv_client_t *client);

/** Pings this one at once: what is known of its round trip stands in the way of operations. */
void mouv__measure_server(mouv_client_t *client, mouv__server_t *server);

/** A background job has ended: the round trip of its ping, if one was answered. */
void mouv__note_measured(const mouv__background_t *background);

/** What an operation asks of a server; the read preference is borrowed. */
mouv__criteria_t mouv__operation_criteria(const mouv__operation_t *op);

#endif
