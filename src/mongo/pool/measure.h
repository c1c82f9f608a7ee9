/*
 * Measuring round trips, as the monitors do: by a hello, on a control connection, one at a time.
 * libmongoc's monitors measure them too, but tell no single one: only an average, and not where
 * they wait for the server to answer. Loop thread.
 */
#ifndef MOUV_MONGO_POOL_MEASURE_H
#define MOUV_MONGO_POOL_MEASURE_H

#include "mongo/pool/pool.h"

/** Measures this server's now: what is known of it stands in the way of operations. */
void mouv__measure_server(mouv__pool_t *pool, uint32_t server_id);

/** The same unless something is known already. */
void mouv__measure_unknown(mouv__pool_t *pool, uint32_t server_id);

/** The monitors have news, as they have at least once in heartbeatFrequencyMS: measures the server
 *  that was measured longest ago, if that is as long ago. */
void mouv__measure_due(mouv__pool_t *pool);

/** Somebody seeks a server by the same control connection: what is out is cut. */
void mouv__measure_yield(mouv__pool_t *pool);

/** The client ends: what is out is not waited for. */
void mouv__measure_close(mouv__pool_t *pool);

#endif
