/*
 * The cursor inside: a batch cursor (batch_cursor.h) that fetches the next batch while one is read.
 * One that is tailable does not fetch ahead, since an empty batch is no end of it; with awaitData
 * its getMores are polls, which are made to end before a deadline, since one that is stopped costs
 * the cursor.
 */
#ifndef MOUV_MONGO_CURSOR_CURSOR_H
#define MOUV_MONGO_CURSOR_CURSOR_H

#include <mouv/cursor.h>

#include "mongo/cursor/batch_cursor.h"

struct mouv_cursor {
    mouv__batch_cursor_t base; /**< first, so that they are one object */
    bool tailable;             /**< an empty batch is no end */
    bool await_data;           /**< of a tailable one: it polls */
    bool prefetch;             /**< the next batch is fetched while one is read */
    bool empty_if_missing;     /**< a collection that is not there (code 26) gives no documents */
    const mouv__row_t *row;    /**< of the first command */
    int64_t poll_ms;           /**< how long the next getMore may wait; 0: as the server likes */
};

/** A cursor over what `command`, finished, will answer. Consumes the command; never NULL. */
mouv_cursor_t *mouv__cursor_new(mouv__command_t *command);

/** Its cursor is read within the scope that it begins in, whatever the options say. */
mouv_cursor_t *mouv__cursor_within_scope(mouv_cursor_t *cursor);

/** Makes a cursor over a collection that is not there an empty one; gives the cursor. */
mouv_cursor_t *mouv__cursor_empty_if_missing(mouv_cursor_t *cursor);

/** All documents' `name`s: TO_NAMES of a list. Gives the owner's reference up. */
mouv_future_t mouv__cursor_names_future(mouv_cursor_t *cursor, char ***names);

/** The row of an aggregate: one with $out or $merge writes, and asks the primary. */
const mouv__row_t *mouv__cursor_aggregate_row(const bson_t *pipeline);

#endif
