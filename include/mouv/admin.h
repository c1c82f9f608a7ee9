/*
 * Looking after collections and the deployment: rename, options, validate, explain, server
 * information, cursors of any command. What holds for all operations stands in database.h; create,
 * list and drop are there too, indexes in index.h.
 */
#ifndef MOUV_ADMIN_H
#define MOUV_ADMIN_H

#include <mouv/client.h>
#include <mouv/cursor.h>

MOUV_BEGIN_DECLS

/**
 * Renames a collection within its database; the handle goes on to mean the old name.
 *
 * `opts`: dropTarget (false): replace a collection that has the new name; writeConcern, comment.
 * Errors: MOUV_ESERVER with code 26 if there is no such collection, 48 if the new name is taken.
 * Like:   mongoc_collection_rename_with_opts(); Motor's rename().
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_rename(mouv_collection_t *collection,
                                                                const char *name,
                                                                const bson_t *opts);

/**
 * What the collection was created with: `*options` receives {capped, validator, viewOn, ...}.
 * Result: 1, or 0 with `*options` NULL if there is no such collection.
 *
 * Like: Motor's options(); mongoc_database_find_collections_with_opts() filtered by name.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_options(mouv_collection_t *collection,
                                                                 const bson_t *opts,
                                                                 bson_t **options);

/**
 * Whether there is a collection of this name: the result is 1, or 0.
 *
 * Like: mongoc_database_has_collection(); `name in await db.list_collection_names()`.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_database_has_collection(mouv_database_t *database,
                                                                      const char *name,
                                                                      const bson_t *opts);

/**
 * Has the server check the collection's data and indexes. Result: 1 if all is well, 0 if not;
 * `reply` says what. `opts`: full, ...
 *
 * Like: mongoc_collection_validate(); Motor's validate_collection().
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_collection_validate(mouv_collection_t *collection,
                                                                  const bson_t *opts,
                                                                  bson_t **reply);

/**
 * How the server would run a command (find, aggregate, count, distinct, update, delete,
 * findAndModify), which is not carried out.
 *
 * `opts`: verbosity ("queryPlanner", "executionStats" or "allPlansExecution", the server's
 *         default), readPreference, comment.
 * Like:   mongoc_client_read_command_with_opts() with {explain: ...}; Motor's cursor.explain().
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_database_explain(mouv_database_t *database,
                                                               const bson_t *command,
                                                               const bson_t *opts, bson_t **reply);

/**
 * A cursor over what any command answers that answers with one ({cursor: {id, firstBatch}}).
 * Nothing is sent before its first fetch.
 *
 * `opts`: as mouv_database_command(); and batchSize, maxAwaitTimeMS, comment for what is fetched
 *         after the first batch.
 * Like:   mongoc_cursor_new_from_command_reply_with_opts(); Motor's cursor_command().
 */
MOUV_API mouv_cursor_t *mouv_cursor_from_command(mouv_database_t *database, const bson_t *command,
                                                 const bson_t *opts);

/** The server's version and build: `*info` receives {version, versionArray, modules, ...}. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_client_server_info(mouv_client_t *client,
                                                                 bson_t **info);

MOUV_END_DECLS

#endif
