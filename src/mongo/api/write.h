/*
 * Writes that only mouv itself begins.
 */
#ifndef MOUV_MONGO_API_WRITE_H
#define MOUV_MONGO_API_WRITE_H

#include <mouv/collection.h>

/** mouv_collection_delete_many() as clean-up (MOUV__OP_CLEANUP): of what would stay for ever. Begins
 *  in a cancelled task as well, and while the client drains, whose close waits for it. */
mouv_future_t mouv__write_clean_up(mouv_collection_t *collection, const bson_t *filter,
                                   const bson_t *opts);

#endif
