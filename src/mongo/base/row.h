/*
 * What all commands of one name have in common: static rows, which say what may be done with them.
 */
#ifndef MOUV_MONGO_BASE_ROW_H
#define MOUV_MONGO_BASE_ROW_H

#include <stdint.h>

/** Flags of a row. */
enum {
    /** Changes data: errors tell the truth about what was stored. */
    MOUV__OP_WRITE = 1 << 0,
    /** May be sent a second time after a retryable failure (parts->retryable narrows it down). A write
     *  then gets a txnNumber on replica sets and sharded clusters, elsewhere it is not retried. */
    MOUV__OP_RETRYABLE = 1 << 1,
    /** The deadline is sent as maxTimeMS. Not for getMore; a find or aggregate whose cursor may
     *  outlive the deadline, and killCursors, have op->own_limit. */
    MOUV__OP_MAX_TIME = 1 << 2,
    /** May go to a secondary: the client's read preference applies where parts->read_prefs is NULL. Of
     *  a write: where all servers are of 5.0 or later, else it goes to the primary. */
    MOUV__OP_READ_PREFERENCE = 1 << 3,
    /** The URI's read concern is appended where the command has no readConcern. */
    MOUV__OP_READ_CONCERN = 1 << 4,
    /** The URI's write concern is appended where the command has no writeConcern. */
    MOUV__OP_WRITE_CONCERN = 1 << 5,
    /** Clean-up (killCursors): never refused in a cancelled task, no deadline of the caller's, its
     *  own control connection; client close waits for it; its failure is nobody's. */
    MOUV__OP_CLEANUP = 1 << 6,
    /** Of a change stream: its getMores wait on the server, see pool.h. */
    MOUV__OP_POLL = 1 << 7,
    /** The user's own command, which may write or not: a read preference in its opts is obeyed. */
    MOUV__OP_GIVEN = 1 << 8
};

/** What all operations of one name have in common. Static. */
typedef struct mouv__operation_row {
    const char *name; /**< for messages: "find" */
    uint32_t flags;
} mouv__operation_row_t;

#endif
