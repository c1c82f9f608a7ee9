/*
 * Where a change stream goes on when its cursor has gone, and whether it does: as MongoDB's change
 * streams specification says. Decisions on BSON alone, which know no stream and no server.
 *
 * The place is a token: of the last event that was given out or, once its batch has been read to
 * its end, the server's own for the batch. Before there is one it is where the user began, or the
 * operationTime of the first answer.
 */
#ifndef MOUV_MONGO_CURSOR_RESUME_H
#define MOUV_MONGO_CURSOR_RESUME_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

#include <mouv/error.h>

#include "mongo/base/opts.h"

#define MOUV__CODE_CURSOR_NOT_FOUND 43

typedef struct mouv__resume {
    bson_t *stage; /**< options of {$changeStream: {}} */
    bson_t *start; /**< where to begin: likewise, while there is no token */
    bson_t *token; /**< where to go on, or NULL */
    bool returned; /**< an event has been given out */
    uint8_t count; /**< of resumes in a row, without an answered getMore after them */
} mouv__resume_t;

/** `opts` NULL: they are refused, and nothing will be sent. */
void mouv__resume_init(mouv__resume_t *resume, const mouv__opts_t *opts, bool whole_deployment);
void mouv__resume_clear(mouv__resume_t *resume);

/** Appends {$changeStream: {...}} as the first stage; `first`: of the stream's beginning. */
void mouv__resume_append(const mouv__resume_t *resume, bool first, bson_t *pipeline);

/** An event is given out, `reply` being its batch if it was the last one there, else NULL. False:
 *  it has no token. */
bool mouv__resume_take_event(mouv__resume_t *resume, const bson_t *event, const bson_t *reply);

/** A batch without events has come; `first`: of an aggregate. */
void mouv__resume_take_empty(mouv__resume_t *resume, const bson_t *reply, bool first,
                             int32_t wire_version);

/** Whether a getMore's failure is survived; `expired`: it ran into a deadline of ours. */
bool mouv__resume_survives(const mouv_error_t *error, bool expired, int32_t wire_version);

/** Counts one more; false: it would be one too many. */
bool mouv__resume_again(mouv__resume_t *resume);

#endif
