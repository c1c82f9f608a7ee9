/*
 * The change stream inside: a batch cursor (batch_cursor.h) whose getMores are polls and which is
 * made anew where it was when it goes (resume.h). LOST is the time between the two. The old cursor
 * is killed when there is a new one: before that the server may be out of reach.
 *
 * Cancelled, out of time or refused by the queue, the stream itself stays: the cursor may have been
 * killed with the poll that was stopped, and is then taken for lost.
 */
#ifndef MOUV_MONGO_CURSOR_CHANGE_STREAM_H
#define MOUV_MONGO_CURSOR_CHANGE_STREAM_H

#include <mouv/change_stream.h>

#include "mongo/cursor/batch_cursor.h"
#include "mongo/cursor/resume.h"

struct mouv_change_stream {
    mouv__batch_cursor_t base; /**< first, so that they are one object; `command` is the aggregate,
                                    its pipeline the user's stages alone */
    mouv__resume_t resume;
    bool await_given; /**< `max_await_ms` is the user's */
    bool resumable;   /**< what `running` came to says so */
    int64_t lost_id;  /**< of the cursor before, to be killed; 0: none */
    uint32_t lost_server_id;
};

/** The row of the command that opens one. */
extern const mouv__row_t mouv__change_stream_row;

/** A stream of what `command`, begun with that row, is about. Consumes the command; never NULL. */
mouv_change_stream_t *mouv__change_stream_new(mouv__command_t *command, const bson_t *pipeline,
                                              bool whole_deployment);

#endif
