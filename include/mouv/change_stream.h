/*
 * mouv_change_stream_t: what changes in a collection, a database or the deployment, as it changes.
 *
 *     MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream = mouv_collection_watch(c, NULL, NULL);
 *     while ((rc = mouv_change_stream_next(stream, &event, &error)) > 0) { ... }
 *
 * A stream waits in polls: one command that stays on the server until there is a change, 1,000 ms
 * at most or what `maxAwaitTimeMS` says. For the length of a poll it occupies one of the client's
 * maxPoolSize connections. At most three quarters of them poll at once (75 of the default 100; of
 * the three of MOUV_EXECUTOR_UVPOOL two; the only one if there is just one), the rest is left to
 * other operations, which also go first when all are busy. More streams than that take turns: with
 * twice as many an event may be a poll's length late. None is lost.
 *
 * A stream survives what ends its cursor: a lost connection, a failover, a cursor that the server
 * has forgotten. It goes on after the last document that was given out, so each comes once and in
 * order. Every such end is followed by one attempt to resume, the fifth in a row without an answer
 * is reported.
 */
#ifndef MOUV_CHANGE_STREAM_H
#define MOUV_CHANGE_STREAM_H

#include <mouv/client.h>

/** A stream of changes. Opaque. */
typedef struct mouv_change_stream mouv_change_stream_t;

MOUV_BEGIN_DECLS

/**
 * A stream of changes. Nothing is sent before the first fetch: what changes after that is seen. To
 * begin at a known moment, await mouv_change_stream_open(), or give `startAtOperationTime`. Never
 * NULL: what is wrong shows at the first fetch. Release with mouv_change_stream_unref() or
 * MOUV_AUTO_CHANGE_STREAM.
 *
 * `pipeline`: stages applied to the events: an array document, {pipeline: [...]}, or NULL.
 * `opts`: resumeAfter, startAfter, startAtOperationTime (a timestamp), fullDocument,
 *         fullDocumentBeforeChange, showExpandedEvents, maxAwaitTimeMS (1000), batchSize,
 *         collation, comment, readPreference, readConcern, sessionId, timeoutMS (greater than
 *         maxAwaitTimeMS; without that a poll lasts as long as the server likes, 1,000 ms).
 * Like:   mongoc_collection_watch(), mongoc_database_watch(), mongoc_client_watch(); Motor's
 *         watch().
 */
MOUV_API mouv_change_stream_t *mouv_collection_watch(mouv_collection_t *collection,
                                                     const bson_t *pipeline, const bson_t *opts);
MOUV_API mouv_change_stream_t *mouv_database_watch(mouv_database_t *database,
                                                   const bson_t *pipeline, const bson_t *opts);
MOUV_API mouv_change_stream_t *mouv_client_watch(mouv_client_t *client, const bson_t *pipeline,
                                                 const bson_t *opts);

/**
 * Begins now: what changes after the future is done is seen. Result: 1 if events are at hand, else
 * 0. Not needed before the functions below, which do it where it has not been done.
 *
 * Errors:  as mouv_change_stream_next().
 * Like:    what mongoc_collection_watch() does at once.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_change_stream_open(mouv_change_stream_t *stream);

/**
 * The next event: 1 with `*doc` set, as soon as there is one; 0 once the server has ended the
 * stream (after an "invalidate" event); or a negative error. Suspends only where no event is at
 * hand.
 *
 * Context:   a coroutine on the client's thread. One task at a time: MOUV_ESTATE otherwise.
 * Ownership: `*doc` is a view, valid until the next call on this stream; bson_copy() to keep it.
 * Deadline:  the nearest scope's; the last poll is made to end before it. timeoutMS counts anew for
 *            each call, and for the first apart from what begins the stream. After a timeout call
 *            again, or make another stream with more time if no event has ever come.
 * Errors:    as every operation (database.h). MOUV_ETIMEDOUT, MOUV_ECANCELED and MOUV_EQUEUE do not
 *            end the stream: the next call goes on where this one was. Every other does, and comes
 *            again with every further call. MOUV_ESERVER with the label
 *            "NonResumableChangeStreamError" or the code 280 or 286: the history after the resume
 *            token is gone.
 * Like:      mongoc_change_stream_next() in a loop; Motor's `async for`.
 */
MOUV_API MOUV_SUSPENDS int mouv_change_stream_next(mouv_change_stream_t *stream, const bson_t **doc,
                                                   mouv_error_t *error);

/**
 * The next event if one is at hand or comes within one poll (`maxAwaitTimeMS`): 1; 0 if not. 0 with
 * mouv_change_stream_alive() false is the end. Otherwise as mouv_change_stream_next().
 *
 * Like: mongoc_change_stream_next(); Motor's try_next().
 */
MOUV_API MOUV_SUSPENDS int mouv_change_stream_try_next(mouv_change_stream_t *stream,
                                                       const bson_t **doc, mouv_error_t *error);

/**
 * The twins for programs without coroutines: a future with 1 once events are at hand, 0 at the end
 * (_fetch) or when one poll brought none (_try_fetch). Events are then taken with
 * mouv_change_stream_next_buffered(). Cancelling the future leaves the stream as it was.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_change_stream_fetch(mouv_change_stream_t *stream);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_change_stream_try_fetch(mouv_change_stream_t *stream);

/** The next event if one is at hand: 1, or 0 when a fetch is needed. MOUV_EINVAL if `doc` is NULL.
 */
MOUV_API int mouv_change_stream_next_buffered(mouv_change_stream_t *stream, const bson_t **doc);

/** Whether more may come: false after the server's end, a final error or a close. */
MOUV_API bool mouv_change_stream_alive(const mouv_change_stream_t *stream);

/**
 * Where a new stream would go on (as `resumeAfter`) after what this one has given out; NULL before
 * the server's first answer, unless it was opened with one. Moves on with polls that bring nothing
 * too. The stream's own, valid until its next call.
 *
 * Like: mongoc_change_stream_get_resume_token(); Motor's resume_token.
 */
MOUV_API const bson_t *mouv_change_stream_resume_token(const mouv_change_stream_t *stream);

/**
 * Ends the stream: a poll is stopped, by closing its connection, since no server ends one before its
 * time, and the server's cursor killed, in the background. Never suspends and is not refused in a cancelled task; a second call is harmless; fetches give
 * MOUV_ECLOSED afterwards.
 */
MOUV_API void mouv_change_stream_close(mouv_change_stream_t *stream);

/** Closes and releases; takes NULL, returns NULL. */
MOUV_API mouv_change_stream_t *mouv_change_stream_unref(mouv_change_stream_t *stream);

/** What MOUV_AUTO_CHANGE_STREAM calls. */
MOUV_API void mouv_change_stream_drop(mouv_change_stream_t **stream);

MOUV_END_DECLS

#ifdef MOUV_CLEANUP
/** A stream that is closed and released at the end of its block, also on early return. */
#define MOUV_AUTO_CHANGE_STREAM MOUV_CLEANUP(mouv_change_stream_drop)
#endif

#endif
