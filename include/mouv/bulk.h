/*
 * mouv_bulk_t: many inserts, updates, replacements and deletes on one collection, sent together.
 *
 *     mouv_bulk_t *bulk = mouv_collection_create_bulk(users, NULL);
 *     mouv_bulk_insert_one(bulk, user, NULL, NULL);
 *     mouv_bulk_delete_many(bulk, expired, NULL, NULL);
 *     int rc = mouv_await(mouv_bulk_execute(bulk, &reply), &error);
 *     mouv_bulk_unref(bulk);
 */
#ifndef MOUV_BULK_H
#define MOUV_BULK_H

#include <mouv/client.h>

/** Models that are sent together. Opaque. */
typedef struct mouv_bulk mouv_bulk_t;

MOUV_BEGIN_DECLS

/**
 * Begins a bulk. Nothing is sent before mouv_bulk_execute().
 *
 * Context:   the client's thread; never suspends.
 * Ownership: copies `opts`. Release with mouv_bulk_unref() or MOUV_AUTO_BULK.
 * `opts`:    ordered (true): one model after the other, ending with the first that fails; false:
 *            grouped by kind, and each is tried. writeConcern, comment, let, validate,
 *            bypassDocumentValidation.
 * Returns:   NULL only where memory runs out; what is wrong with the arguments shows with the first
 *            model.
 * Like:      mongoc_collection_create_bulk_operation_with_opts(); Motor's bulk_write().
 */
MOUV_API mouv_bulk_t *mouv_collection_create_bulk(mouv_collection_t *collection,
                                                  const bson_t *opts);

/**
 * Each adds a model, which it copies, and returns 0. A model that cannot be sent is refused with
 * MOUV_EINVAL, and `error` names its index; who does not look is told by mouv_bulk_execute(), which
 * then sends nothing. After that, MOUV_ESTATE.
 *
 * `opts`: collation, hint, arrayFilters, upsert, sort; validate. What a model does not know is
 *         refused.
 * Like:   mongoc_bulk_operation_insert_with_opts() and its siblings.
 */
MOUV_API int mouv_bulk_insert_one(mouv_bulk_t *bulk, const bson_t *document, const bson_t *opts,
                                  mouv_error_t *error);
MOUV_API int mouv_bulk_update_one(mouv_bulk_t *bulk, const bson_t *filter, const bson_t *update,
                                  const bson_t *opts, mouv_error_t *error);
MOUV_API int mouv_bulk_update_many(mouv_bulk_t *bulk, const bson_t *filter, const bson_t *update,
                                   const bson_t *opts, mouv_error_t *error);
MOUV_API int mouv_bulk_replace_one(mouv_bulk_t *bulk, const bson_t *filter,
                                   const bson_t *replacement, const bson_t *opts,
                                   mouv_error_t *error);
MOUV_API int mouv_bulk_delete_one(mouv_bulk_t *bulk, const bson_t *filter, const bson_t *opts,
                                  mouv_error_t *error);
MOUV_API int mouv_bulk_delete_many(mouv_bulk_t *bulk, const bson_t *filter, const bson_t *opts,
                                   mouv_error_t *error);

/** How many models have been added. */
MOUV_API size_t mouv_bulk_count(const mouv_bulk_t *bulk);

/**
 * Sends all models, in as many commands as their kinds and the server's limits require. A command
 * without update_many and delete_many is retried once if the connection fails (retryWrites). Once
 * only: a second call is MOUV_ESTATE. The bulk may be released at once.
 *
 * Returns: a future whose result is the number of documents inserted, matched and deleted.
 * Errors:  as every operation (database.h); MOUV_EINVAL for a bulk without models or with one that
 *          was refused; MOUV_ESERVER with the first error where models failed
 *          (mouv_error_is_duplicate_key()).
 * `reply`: {insertedCount, matchedCount, modifiedCount, deletedCount, upsertedCount,
 *          insertedIds: {"<index>": _id}, upsertedIds: {"<index>": _id}} and, where there are any,
 *          writeErrors: [{index, code, errmsg, ...}], writeConcernErrors, errorLabels; indexes are
 *          those of the models. It tells what was done also where the bulk failed half-way, with counts of 0
 *          where nothing was answered. NULL only where the call is refused.
 * Like:    mongoc_bulk_operation_execute(); Motor's BulkWriteResult and BulkWriteError.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_bulk_execute(mouv_bulk_t *bulk, bson_t **reply);

/** Releases; takes NULL, returns NULL. What is being executed goes on. */
MOUV_API mouv_bulk_t *mouv_bulk_unref(mouv_bulk_t *bulk);

/** What MOUV_AUTO_BULK calls. */
MOUV_API void mouv_bulk_drop(mouv_bulk_t **bulk);

MOUV_END_DECLS

#ifdef MOUV_CLEANUP
/** A bulk that is released at the end of its block, also on early return. */
#define MOUV_AUTO_BULK MOUV_CLEANUP(mouv_bulk_drop)
#endif

#endif
