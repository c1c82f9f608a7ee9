/*
 * Operations on a database: commands, collections, aggregation.
 */
#ifndef MOUV_DATABASE_H
#define MOUV_DATABASE_H

#include <mouv/client.h>

MOUV_BEGIN_DECLS

/** Its name; the database's own. */
MOUV_API const char *mouv_database_name(const mouv_database_t *database);

/** The client that it belongs to; no reference is added. */
MOUV_API mouv_client_t *mouv_database_client(const mouv_database_t *database);

/** A collection of this database, with its defaults; interned, as mouv_client_get_collection(). */
MOUV_API mouv_collection_t *mouv_database_get_collection(mouv_database_t *database,
                                                         const char *name);

/**
 * The same database with other defaults: a handle whose operations and collections take from
 * `opts` (readConcern, writeConcern, readPreference, timeoutMS) what the opts of a call leave out,
 * and from `database` what `opts` leave out. Call before collection before database before client
 * (URI). Commands of mouv_database_command() take timeoutMS alone. Interned and never NULL, as
 * every handle: equal `opts`, in whatever order, give the same handle; bad ones fail at the
 * operation. To go back to the server's default give {}, to the primary "primary". Handles live as
 * long as the client: what differs from call to call (the time that is left) belongs into the opts
 * of the call or into a scope. Beyond 10,000 handles of a client one warning names the call.
 *
 * Context: the client's thread; no I/O.
 * Like:    mongoc_database_copy() with _set_read_concern() etc.; Motor's with_options().
 */
MOUV_API mouv_database_t *mouv_database_with_options(mouv_database_t *database, const bson_t *opts);

/**
 * What its operations take where the opts of a call leave it out, the client's own (URI) among it:
 * {readConcern, writeConcern, readPreference, timeoutMS}, each as mouv_database_with_options() takes
 * it, and only where there is one: {} is the server's defaults and the primary.
 *
 * Context:   the client's thread; no I/O.
 * Ownership: the caller's to destroy. NULL: `database` is, or it is another thread's.
 * Like:      mongoc_database_get_read_concern() and its siblings; Motor's `read_concern`.
 */
MOUV_API bson_t *mouv_database_defaults(const mouv_database_t *database);

/*
 * All operations below and in collection.h:
 *
 * Context:   the client's thread; never suspend (await the future). Hot: they run also if nobody
 *            awaits.
 * Ownership: inputs are copied. A `bson_t **` output may be NULL; it is set to NULL at once and
 *            receives, when the future is awaited, a document that is the caller's to destroy.
 *            `reply` is given whenever the server answered (of a write that was begun also where it
 *            did not: with counts of 0), other outputs only on success; what the server replied with
 *            an error, of every operation, is in mouv_error_reply() (reply.h).
 * Deadline:  the nearest timeout scope's or the mouv_await_for()'s, or that of timeoutMS in `opts`,
 *            the handle or the URI if it is nearer; sent on as maxTimeMS. See docs/timeouts.md.
 * Cancel:    while queued, nothing is sent; once sent, see mouv_await().
 * Errors:    MOUV_EINVAL, MOUV_ETIMEDOUT, MOUV_ECANCELED, MOUV_ESERVER, MOUV_ENETWORK,
 *            MOUV_ESELECTION, MOUV_EQUEUE, MOUV_ECLOSED, MOUV_ETHREAD, MOUV_ENOMEM; writes also
 *            MOUV_EUNKNOWN.
 * `opts`:    NULL, or a document with the fields that libmongoc's function of the same name takes;
 *            fields that mouv does not know are passed on to the server's command.
 */

/**
 * Runs any command as it is and gives its whole reply. (A timeoutMS replaces its maxTimeMS.)
 *
 * Like: mongoc_database_command_with_opts(); Motor's command().
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_database_command(mouv_database_t *database,
                                                               const bson_t *command,
                                                               const bson_t *opts, bson_t **reply);

/** A cursor over a database-level pipeline ($currentOp, $documents, ...). See cursor.h. */
MOUV_API mouv_cursor_t *mouv_database_aggregate(mouv_database_t *database, const bson_t *pipeline,
                                                const bson_t *opts);

/** A cursor over {name, type, options, info, idIndex} of each collection. */
MOUV_API mouv_cursor_t *mouv_database_list_collections(mouv_database_t *database,
                                                       const bson_t *opts);

/** Only the names: a NULL-terminated list, release with bson_strfreev(). */
MOUV_API MOUV_CHECK_RESULT mouv_future_t
mouv_database_list_collection_names(mouv_database_t *database, const bson_t *opts, char ***names);

/** Creates a collection with options, or a view or a time series. Like: Motor's method. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_database_create_collection(mouv_database_t *database,
                                                                         const char *name,
                                                                         const bson_t *opts);

/** Drops the whole database. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_database_drop(mouv_database_t *database,
                                                            const bson_t *opts);

MOUV_END_DECLS

#endif
