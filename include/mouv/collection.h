/*
 * Operations on a collection. What holds for all of them stands once, in database.h. A filter of
 * NULL is everything where documents are read, and refused where they are changed.
 */
#ifndef MOUV_COLLECTION_H
#define MOUV_COLLECTION_H

#include <mouv/client.h>
#include <mouv/cursor.h>

MOUV_BEGIN_DECLS

/** Its name, without the database's; the collection's own. */
MOUV_API const char *mouv_collection_name(const mouv_collection_t *collection);

/** The database that it is in, with the same defaults. */
MOUV_API mouv_database_t *mouv_collection_database(const mouv_collection_t *collection);

/** The same collection with other defaults; see mouv_database_with_options(). */
MOUV_API mouv_collection_t *mouv_collection_with_options(mouv_collection_t *collection,
                                                         const bson_t *opts);

/** What its operations take by default; see mouv_database_defaults(). */
MOUV_API bson_t *mouv_collection_defaults(const mouv_collection_t *collection);

/**
 * Finds the first document that matches. The future's result is 1 if there was one, else 0 (and
 * `*doc` stays NULL).
 *
 * `opts`: projection, sort, skip, hint, collation, let, comment, readConcern, ...
 * Like:   mongoc_collection_find_with_opts() with limit 1; Motor's find_one().
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_find_one(mouv_collection_t *collection,
                                                                  const bson_t *filter,
                                                                  const bson_t *opts, bson_t **doc);

/**
 * A cursor over every document that matches; nothing is sent before its first fetch. Never NULL:
 * what is wrong shows there. Release with mouv_cursor_unref() or MOUV_AUTO_CURSOR.
 *
 * `opts`: projection, sort, skip, limit (negative: one batch, and no more), singleBatch, batchSize,
 *         prefetch (true, see cursor.h), tailable, awaitData, maxAwaitTimeMS, hint, collation, let,
 *         comment, min, max, returnKey, showRecordId, allowDiskUse, allowPartialResults,
 *         noCursorTimeout, maxTimeMS, readConcern, readPreference, sessionId, serverId.
 * Like:   mongoc_collection_find_with_opts(), but `exhaust`; Motor's find().
 */
MOUV_API mouv_cursor_t *mouv_collection_find(mouv_collection_t *collection, const bson_t *filter,
                                             const bson_t *opts);

/**
 * A cursor over a pipeline: an array document, or {pipeline: [...]}. One that ends with $out or
 * $merge is carried out by the first fetch, as a write: its errors tell the truth about what was
 * stored, and there are no documents.
 *
 * `opts`: batchSize, prefetch (true), allowDiskUse, bypassDocumentValidation, collation, hint, let,
 *         comment, maxTimeMS, readConcern, writeConcern, readPreference, sessionId, serverId.
 * Like:   mongoc_collection_aggregate(); Motor's aggregate().
 */
MOUV_API mouv_cursor_t *mouv_collection_aggregate(mouv_collection_t *collection,
                                                  const bson_t *pipeline, const bson_t *opts);

/**
 * Inserts one document; an `_id` is added to the copy that is sent if there is none. The result is
 * the number inserted. `reply`: {insertedCount, insertedId} and on failure writeErrors, ...
 *
 * Like: mongoc_collection_insert_one(); Motor's insert_one().
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_insert_one(mouv_collection_t *collection,
                                                                    const bson_t *document,
                                                                    const bson_t *opts,
                                                                    bson_t **reply);

/**
 * Inserts many, split into batches as the server's limits require. `opts`: ordered (true), ...
 * `reply`: {insertedCount, insertedIds: {"0": ...}} and on failure writeErrors with their index.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_insert_many(mouv_collection_t *collection,
                                                                     const bson_t *const *documents,
                                                                     size_t count,
                                                                     const bson_t *opts,
                                                                     bson_t **reply);

/**
 * Updates the first match, or every match. `update` is a document of operators or a pipeline. The
 * result is the number matched. `opts`: upsert, arrayFilters, collation, hint, let, ...
 * `reply`: {matchedCount, modifiedCount, upsertedCount, upsertedId}.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_update_one(mouv_collection_t *collection,
                                                                    const bson_t *filter,
                                                                    const bson_t *update,
                                                                    const bson_t *opts,
                                                                    bson_t **reply);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_update_many(mouv_collection_t *collection,
                                                                     const bson_t *filter,
                                                                     const bson_t *update,
                                                                     const bson_t *opts,
                                                                     bson_t **reply);

/** Replaces the first match; `replacement` must not have operators. Otherwise as update_one. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_replace_one(mouv_collection_t *collection,
                                                                     const bson_t *filter,
                                                                     const bson_t *replacement,
                                                                     const bson_t *opts,
                                                                     bson_t **reply);

/** Deletes the first match, or every match. Result: number deleted. `reply`: {deletedCount}. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_delete_one(mouv_collection_t *collection,
                                                                    const bson_t *filter,
                                                                    const bson_t *opts,
                                                                    bson_t **reply);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_delete_many(mouv_collection_t *collection,
                                                                     const bson_t *filter,
                                                                     const bson_t *opts,
                                                                     bson_t **reply);

/**
 * Changes one document and gives it back as it was before or, with `returnDocument: "after"` (or
 * `new: true`) in `opts`, as it is now. Result: 1 if there is a document, else 0 with `*doc` NULL.
 *
 * With `includeResultMetadata: true` `*doc` is the server's whole reply, also where there was no
 * document: {lastErrorObject: {n, updatedExisting, upserted}, value, ok, ...}.
 *
 * `opts`: projection (or fields), sort, upsert, returnDocument, includeResultMetadata, arrayFilters,
 *         hint, collation, ...
 * Like:   mongoc_collection_find_and_modify_with_opts(); Motor's methods of these names.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t
mouv_collection_find_one_and_update(mouv_collection_t *collection, const bson_t *filter,
                                    const bson_t *update, const bson_t *opts, bson_t **doc);
MOUV_API MOUV_CHECK_RESULT mouv_future_t
mouv_collection_find_one_and_replace(mouv_collection_t *collection, const bson_t *filter,
                                     const bson_t *replacement, const bson_t *opts, bson_t **doc);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_find_one_and_delete(
    mouv_collection_t *collection, const bson_t *filter, const bson_t *opts, bson_t **doc);

/**
 * Counts the matches exactly, by aggregation. `*count` receives the number; the result is 0.
 * `opts`: skip, limit, hint, collation, ...
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_count_documents(
    mouv_collection_t *collection, const bson_t *filter, const bson_t *opts, int64_t *count);

/** The number of documents from the collection's metadata. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_estimated_document_count(
    mouv_collection_t *collection, const bson_t *opts, int64_t *count);

/** The distinct values of `key`: `*values` receives an array document. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_distinct(mouv_collection_t *collection,
                                                                  const char *key,
                                                                  const bson_t *filter,
                                                                  const bson_t *opts,
                                                                  bson_t **values);

/** Drops the collection; one that does not exist is no error. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_drop(mouv_collection_t *collection,
                                                              const bson_t *opts);

MOUV_END_DECLS

#endif
