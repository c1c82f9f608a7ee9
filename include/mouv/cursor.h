/*
 * mouv_cursor_t: async iteration, one suspension a batch and none a document.
 *
 * The next batch is fetched while one is read, so half of a cursor's memory is a batch that nobody
 * looks at yet; `prefetch: false` in the opts of the call that makes the cursor turns that off.
 *
 * A cursor stays with one connection, server and session, which serve others between its batches.
 *
 * Tailable cursors (`tailable: true`, on a capped collection) do not end where the collection ends.
 * With `awaitData: true` they wait there in polls, each at most `maxAwaitTimeMS` (the server's
 * 1,000 ms), which share the client's connections as those of change streams do (change_stream.h):
 * queries are not held up. Such a cursor dies, as mouv_cursor_alive() tells, when the collection is
 * dropped or has overwritten what it would have given next, or if the collection was empty at the
 * beginning; a new one has to be made then. A scope's deadline leaves it alive, as its polls are
 * made to end before that; one that is late by more than a second is stopped, and the cursor with
 * it.
 */
#ifndef MOUV_CURSOR_H
#define MOUV_CURSOR_H

#include <mouv/client.h>

MOUV_BEGIN_DECLS

/**
 * The next document: 1 with `*doc` set, 0 at the end, or a negative error. Suspends only where a
 * batch ends (also if the next one has arrived by then); it has been fetched ahead meanwhile.
 *
 * At the end of the collection a tailable cursor with awaitData goes on to wait, poll after poll;
 * one without gives 0, and the next call asks the server again.
 *
 * Context:   a coroutine on the client's thread. One task at a time: MOUV_ESTATE otherwise.
 * Ownership: `*doc` is a view, valid until the next call on this cursor; bson_copy() to keep it.
 * Deadline:  the nearest scope's. Polls are made to end before it: then it does not end the cursor.
 *            timeoutMS of what made the cursor limits all of its life (timeoutMode
 *            "cursorLifetime"), or with "iteration", as of a tailable one, each wait.
 * Cancel:    ends the cursor, at once; a poll's connection is closed.
 * Errors:    as every operation (database.h); after one, every further call gives the same. Only
 *            a refused call (ECANCELED in a cancelled task, ESTATE) does not end the cursor.
 * Like:      mongoc_cursor_next(); Motor's `async for`.
 */
MOUV_API MOUV_SUSPENDS int mouv_cursor_next(mouv_cursor_t *cursor, const bson_t **doc,
                                            mouv_error_t *error);

/**
 * The next document if one is at hand or comes with one more batch, or within one poll of a
 * tailable cursor with awaitData: 1; 0 if not. 0 with mouv_cursor_alive() false is the end.
 * Otherwise as mouv_cursor_next().
 *
 * Like: mongoc_cursor_next() on a tailable cursor; Motor's try_next().
 */
MOUV_API MOUV_SUSPENDS int mouv_cursor_try_next(mouv_cursor_t *cursor, const bson_t **doc,
                                                mouv_error_t *error);

/**
 * The twins for programs without coroutines: a future with 1 once documents are at hand, 0 at the
 * end (_fetch) or as mouv_cursor_try_next() says (_try_fetch). Documents are then taken with
 * mouv_cursor_next_buffered().
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_cursor_fetch(mouv_cursor_t *cursor);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_cursor_try_fetch(mouv_cursor_t *cursor);

/** The next document if one is at hand: 1, or 0 when mouv_cursor_fetch() is needed. MOUV_EINVAL if
 *  `doc` is NULL. */
MOUV_API int mouv_cursor_next_buffered(mouv_cursor_t *cursor, const bson_t **doc);

/**
 * Whether more may come: false after the end, an error or a close, once all has been given out.
 *
 * Like: mongoc_cursor_more(); Motor's `alive`.
 */
MOUV_API bool mouv_cursor_alive(const mouv_cursor_t *cursor);

/**
 * All that is left, at most `limit` documents (0: no limit), as one array document that is the
 * caller's to destroy. Result: the number of documents. Of a tailable cursor: all that is there by
 * the first poll that brings nothing. Twin: mouv_cursor_to_list_future().
 */
MOUV_API MOUV_SUSPENDS int mouv_cursor_to_list(mouv_cursor_t *cursor, size_t limit, bson_t **list,
                                               mouv_error_t *error);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_cursor_to_list_future(mouv_cursor_t *cursor,
                                                                    size_t limit, bson_t **list);

/**
 * How the server would run the cursor's command, which is not carried out and can still be: only
 * before the first fetch (MOUV_ESTATE after it). `opts`: verbosity, ... as mouv_database_explain()
 * in admin.h has them.
 *
 * Like: Motor's cursor.explain().
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_cursor_explain(mouv_cursor_t *cursor,
                                                             const bson_t *opts, bson_t **reply);

/**
 * Ends the iteration early: the server's cursor is killed in the background. Never suspends and is
 * not refused in a cancelled task; a second call is harmless; mouv_cursor_next() gives
 * MOUV_ECLOSED afterwards.
 */
MOUV_API void mouv_cursor_close(mouv_cursor_t *cursor);

/** The same, with a timeoutMS for the killCursors in place of the cursor's own; 0: none. */
MOUV_API void mouv_cursor_close_within(mouv_cursor_t *cursor, int64_t timeout_ms);

/** Closes and releases; takes NULL, returns NULL. */
MOUV_API mouv_cursor_t *mouv_cursor_unref(mouv_cursor_t *cursor);

/** What MOUV_AUTO_CURSOR calls. */
MOUV_API void mouv_cursor_drop(mouv_cursor_t **cursor);

MOUV_END_DECLS

#ifdef MOUV_CLEANUP
/** A cursor that is closed and released at the end of its block, also on early return. */
#define MOUV_AUTO_CURSOR MOUV_CLEANUP(mouv_cursor_drop)
#endif

#endif
