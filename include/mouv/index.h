/*
 * Indexes of a collection. What holds for all operations stands in database.h.
 */
#ifndef MOUV_INDEX_H
#define MOUV_INDEX_H

#include <mouv/client.h>
#include <mouv/cursor.h>

/** One index to be made. */
typedef struct mouv_index_model {
    const bson_t *keys; /**< {field: 1, other: -1, text: "text", ...} */
    const bson_t *opts; /**< NULL, or unique, name, sparse, expireAfterSeconds, collation,
                             partialFilterExpression, wildcardProjection, hidden, weights, ... */
} mouv_index_model_t;

MOUV_BEGIN_DECLS

/**
 * The name that drivers give an index with these keys: "field_1_other_-1". NULL if there are no
 * keys, or one is neither a whole number nor a string. Release with bson_free(). Any thread.
 *
 * Like: mongoc_collection_keys_to_index_string().
 */
MOUV_API char *mouv_index_name(const bson_t *keys);

/**
 * Makes an index, if there is none like it. `*name` (may be NULL) receives its name, release with
 * bson_free(). `index_opts` as in mouv_index_model_t; `opts` are the command's: commitQuorum,
 * comment, writeConcern, maxTimeMS, ...
 *
 * Errors: as every operation; MOUV_ESERVER with code 85 or 86 if there is another index of that
 *         name or with other options.
 * Like:   mongoc_collection_create_indexes_with_opts() with one; Motor's create_index().
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_create_index(mouv_collection_t *collection,
                                                                      const bson_t *keys,
                                                                      const bson_t *index_opts,
                                                                      const bson_t *opts,
                                                                      char **name);

/** Makes several in one command: all or none. `*names` is a list for bson_strfreev(). */
MOUV_API MOUV_CHECK_RESULT mouv_future_t
mouv_collection_create_indexes(mouv_collection_t *collection, const mouv_index_model_t *models,
                               size_t count, const bson_t *opts, char ***names);

/** A cursor over {v, key, name, ...} of each index; an empty one if there is no such collection. */
MOUV_API mouv_cursor_t *mouv_collection_list_indexes(mouv_collection_t *collection,
                                                     const bson_t *opts);

/**
 * All indexes by name: `*indexes` receives {"_id_": {v, key}, "age_1": {v, key, unique}, ...}, and
 * {} if there is no such collection.
 *
 * Like: Motor's index_information().
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_index_information(
    mouv_collection_t *collection, const bson_t *opts, bson_t **indexes);

/**
 * Drops one index by its name (mouv_index_name() for keys), or all but that on _id. That there is
 * no such collection is no error; that there is no such index is (MOUV_ESERVER, code 27).
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_drop_index(mouv_collection_t *collection,
                                                                    const char *name,
                                                                    const bson_t *opts);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_drop_indexes(mouv_collection_t *collection,
                                                                      const bson_t *opts);

MOUV_END_DECLS

#endif
