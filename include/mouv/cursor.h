/*
 * mouv_cursor_t: async iteration, one suspension a batch and none a document.
 */
#ifndef MOUV_CURSOR_H
#define MOUV_CURSOR_H

#include <mouv/client.h>

MOUV_BEGIN_DECLS

/**
 * The next document: 1 with `*doc` set, 0 at the end, or a negative error. Suspends only where a
 * batch ends (also if the next one has arrived by then); it has been fetched ahead meanwhile.
 *
 * Context:   a coroutine on the client's thread. One task at a time: MOUV_ESTATE otherwise.
 * Ownership: `*doc` is a view, valid until the next call on this cursor; bson_copy() to keep it.
 * Errors:    as every operation (database.h); after one, every further call gives the same. Only
 *            a refused call (ECANCELED in a cancelled task, ESTATE) does not end the cursor.
 * Like:      mongoc_cursor_next(); Motor's `async for`.
 */
MOUV_API MOUV_SUSPENDS int mouv_cursor_next(mouv_cursor_t *cursor, const bson_t **doc,
                                            mouv_error_t *error);

/**
 * The twin for programs without coroutines: a future with 1 once documents are at hand and 0 at the
 * end. Documents are then taken with mouv_cursor_next_buffered().
 */
MOUV_API mouv_future_t mouv_cursor_fetch(mouv_cursor_t *cursor);

/** The next document if one is at hand: 1, or 0 when mouv_cursor_fetch() is needed. */
MOUV_API int mouv_cursor_next_buffered(mouv_cursor_t *cursor, const bson_t **doc);

/**
 * All that is left, at most `limit` documents (0: no limit), as one array document that is the
 * caller's to destroy. Result: the number of documents. Twin: mouv_cursor_to_list_future().
 */
MOUV_API MOUV_SUSPENDS int mouv_cursor_to_list(mouv_cursor_t *cursor, size_t limit, bson_t **list,
                                               mouv_error_t *error);
MOUV_API mouv_future_t mouv_cursor_to_list_future(mouv_cursor_t *cursor, size_t limit,
                                                  bson_t **list);

/**
 * Ends the iteration early: the server's cursor is killed in the background. Never suspends and is
 * not refused in a cancelled task; a second call is harmless; mouv_cursor_next() gives
 * MOUV_ECLOSED afterwards.
 */
MOUV_API void mouv_cursor_close(mouv_cursor_t *cursor);

/** Closes and releases; takes NULL, returns NULL. */
MOUV_API mouv_cursor_t *mouv_cursor_unref(mouv_cursor_t *cursor);

/** What MOUV_AUTO_CURSOR calls. */
MOUV_API void mouv_cursor_drop(mouv_cursor_t **cursor);

MOUV_END_DECLS

#ifdef MOUV_CLEANUP
#define MOUV_AUTO_CURSOR MOUV_CLEANUP(mouv_cursor_drop)
#endif

#endif
