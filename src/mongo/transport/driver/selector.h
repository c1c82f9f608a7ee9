/*
 * A client of libmongoc's for its server selection alone: who sits in it makes the monitors look at
 * once. A worker's, one at a time.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_SELECTOR_H
#define MOUV_MONGO_TRANSPORT_DRIVER_SELECTOR_H

#include "mongo/transport/driver/driver_pool.h"

typedef mongoc_client_t mouv__selector_t;

/** Pops one, unless there is one already. False: the pool has none left (cannot be). */
bool mouv__selector_open(mouv__selector_t **selector, const mouv__driver_pool_t *driver_pool,
                         bson_error_t *error);

/** Waits until there is a suitable server, or for serverSelectionTimeoutMS. */
bool mouv__selector_seek(mouv__selector_t *selector, bool write,
                         const mongoc_read_prefs_t *read_prefs, bson_error_t *error);

/** Gives it back. NULL is fine. */
void mouv__selector_free(mouv__selector_t *selector, const mouv__driver_pool_t *driver_pool);

#endif
