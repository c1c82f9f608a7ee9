/*
 * Database and collection handles: interned by their client, told apart by name and settings, freed
 * with it. Where a constructor has nothing to give (NULL was given, memory has run out, this is
 * another thread) it gives a stand-in, of which every operation fails and says why.
 */
#ifndef MOUV_MONGO_COMMAND_HANDLES_H
#define MOUV_MONGO_COMMAND_HANDLES_H

#include <stdbool.h>

#include <mouv/client.h>

#include "context/table.h"
#include "mongo/base/types.h"

/** Interned by its client and freed with it. `name` is not validated: operations do that. */
struct mouv_database {
    mouv_client_t *client;      /**< NULL: a stand-in */
    mouv__table_node_t node;    /**< in the client's table */
    mouv__concerns_t *defaults; /**< a share; NULL: the client's */
    char name[];
};

struct mouv_collection {
    mouv_database_t *database;
    mouv__table_node_t node;    /**< in the client's table */
    mouv__concerns_t *defaults; /**< a share; NULL: the client's */
    char name[];
};

/** A collection of this database, or a stand-in; interned. `call`: the function that is called. */
mouv_collection_t *mouv__handles_collection(mouv_database_t *database, const char *name,
                                            const char *call);

/** Whether it stands in for one for which there was no memory. */
bool mouv__handles_is_unmade(const mouv_database_t *database);

/** The end of all of a client's. */
void mouv__handles_clear(mouv_client_t *client);

#endif
