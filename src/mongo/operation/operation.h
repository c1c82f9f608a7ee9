/*
 * One shape for every operation: a command that mouv builds, libmongoc carries and mouv reads the
 * reply of. What differs between forty operations is a static row, a command and a finish function.
 *
 * Life of an operation (all on the loop thread but `run`, see operation.c for the transitions):
 *
 *     op = mouv__operation_new(...);           checks client, thread, cancellation, name
 *     op->command = ...; op->finish = ...;     fields are set
 *     return mouv__operation_start(op);        queued now, admitted at the end of the tick
 *        ... waits for a server and a client, goes to a worker, comes back, is retried ...
 *     op->finish(op, reply, error)             interprets the reply; may ask for another command
 *     op->deliver(op, whole)                   the awaiter's turn: outputs are moved
 *     op->release(op)                          the last reference has gone
 *
 * bson_t has an alignment of 128 bytes in libmongoc 1.x, so no struct of ours embeds one: they are
 * held by pointer (bson_new(), bson_copy()).
 */
#ifndef MOUV_MONGO_OPERATION_OPERATION_H
#define MOUV_MONGO_OPERATION_OPERATION_H

#include <stdbool.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

#include <mouv/client.h>
#include <mouv/error.h>
#include <mouv/future.h>

#include "async/loop/future.h"
#include "async/loop/timer.h"
#include "mongo/base/types.h"
#include "mongo/topology/events.h"
#include "mongo/transport/workers/executor.h"

/** What `finish` returns to have op->command (which it has replaced) run as well. */
#define MOUV__AGAIN INT32_MAX

/** Longest database name that the server takes. */
#define MOUV__DATABASE_NAME_MAX 63

/**
 * What the body of one command may weigh: the server's 16 MiB for a document plus its 16 KiB for
 * what is around it, less what mouv and libmongoc append (lsid, txnNumber, $clusterTime, ...).
 * Statements travel inside the body, so batches are split at MOUV__BATCH_SIZE_BYTES together (a
 * single document may reach it alone) and at MOUV__BATCH_COUNT.
 */
#define MOUV__COMMAND_SIZE_BYTES (16 * 1024 * 1024 + 14 * 1024)
#define MOUV__BATCH_SIZE_BYTES (16 * 1024 * 1024)
#define MOUV__BATCH_COUNT 100000

/** Flags of a row. */
enum {
    /** Changes data: errors tell the truth about what was stored (DESIGN 2). */
    MOUV__OP_WRITE = 1 << 0,
    /** May be sent a second time after a retryable failure (op->retryable narrows it down). A write
     *  then gets a txnNumber on replica sets and sharded clusters, elsewhere it is not retried. */
    MOUV__OP_RETRYABLE = 1 << 1,
    /** The deadline is sent as maxTimeMS. Not for getMore; a find or aggregate whose cursor may
     *  outlive the deadline, and killCursors, have op->own_limit. */
    MOUV__OP_MAX_TIME = 1 << 2,
    /** May go to a secondary: the client's read preference applies where op->read_prefs is NULL. Of
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

/**
 * Tells what the command came to; loop thread, once a command. On entry `error->code` is 0 after
 * success, else it is classified already (top-level errors, writeErrors, writeConcernError, code
 * 50, lost connections, cancellation; see error.h). `reply` is what the server answered, NULL if it
 * did not (never sent, connection lost, cancelled). It is the operation's; `finish` may keep it
 * whole by setting op->attempt.reply to NULL.
 *
 * Returns the future's result (0 or more), a negative code with `error` filled (usually
 * `error->code` as it came), or MOUV__AGAIN with op->command replaced
 * (mouv__operation_set_command). A cancel between two commands calls `finish` once more with the
 * cancellation as error and no reply: the moment to say how far it got (ESERVER with a reply, its
 * cause ECANCELED). Must not call user code.
 */
typedef int (*mouv__finish_fn_t)(mouv__operation_t *op, bson_t *reply, mouv_error_t *error);

/** The legal transitions stand in one table in operation.c. */
typedef enum mouv__op_state {
    MOUV__OP_NEW,       /**< being filled in */
    MOUV__OP_STARTED,   /**< waits for the end of the tick */
    MOUV__OP_SELECTING, /**< waits for a suitable server */
    MOUV__OP_QUEUED,    /**< waits for a client */
    MOUV__OP_RUNNING,   /**< on a worker */
    MOUV__OP_STOPPING,  /**< a write on a worker, asked to stop; its answer is waited for */
    MOUV__OP_LATE,      /**< on a worker, the future is done: nobody waits any more */
    MOUV__OP_SETTLED    /**< done, and no worker has it */
} mouv__op_state_t;

/** What one attempt takes to the worker and brings back, see attempt.c. */
typedef struct mouv__attempt {
    mouv__job_t job;
    mouv__driver_pool_t *driver_pool; /**< a share, while it is out */
    mouv__connection_t *connection;
    mouv__server_session_t *session; /**< kept over a retry */
    int stage;                       /**< atomic, see attempt.h */
    uint32_t server_id;              /**< 0: the worker selects; set by then */
    uint32_t avoid_id;               /**< a retry prefers another server; 0: none */
    int32_t max_time_ms;             /**< 0: none */
    int64_t txn_number;              /**< 0: none; kept over a retry */
    bool unacknowledged;             /**< w: 0 */
    bool primary;                    /**< only the primary can take it */
    int32_t limit_ms;     /**< most that one wait for the server takes; 0: the URI's; negative:
                                   none */
    bool is_question;     /**< of inquiry.h; no event tells of it */
    bool ok;              /**< back: libmongoc returned true */
    bool reached;         /**< back: the command has been given to a connection */
    bool cut;             /**< back: interrupted, so its connection is gone */
    bson_t *fields;       /**< of the transaction it is in, in place of defaults; owned */
    bson_t *cluster_time; /**< to be told to libmongoc first; owned, or NULL */
    bson_t *reply;        /**< back: what the server answered, or NULL */
    bson_error_t error;   /**< back, where not ok */
} mouv__attempt_t;

struct mouv__operation {
    mouv__future_t future; /**< first, so that they are one object */

    /* --- set by mouv__operation_new() --- */
    mouv_client_t *client;
    const mouv__operation_row_t *row;
    char database[MOUV__DATABASE_NAME_MAX + 1];

    /* --- the maker sets these before mouv__operation_start() --- */
    bson_t *command; /**< owned; with the user's maxTimeMS, readConcern, ... in it */
    mongoc_read_prefs_t *read_prefs; /**< owned; NULL: see MOUV__OP_READ_PREFERENCE, else primary */
    mouv__concerns_t *defaults;      /**< a share: of the handle it was called on; or NULL */
    mouv__pin_t *pin;                /**< borrowed, outlives the operation: getMore; else NULL */
    mouv_session_t *user_session;    /**< counted, see session.h; NULL: none */
    uint32_t server_id;              /**< 0, or the server it must go to: killCursors */
    bool retryable;                  /**< from the row; cleared for multi statements, $out, ... */
    bool multi;                      /**< changes many documents: a multi statement or several */
    mouv__finish_fn_t finish;        /**< NULL: the code as it is, 0 on success */
    void (*deliver)(mouv__operation_t *op, bool whole); /**< moves outputs; see future.h */
    /** The reply came after the future had settled: close what it opened (a cursor); or NULL. */
    void (*late)(mouv__operation_t *op, bson_t *reply);
    void (*release)(mouv__operation_t *op); /**< frees what the maker's own fields own; or NULL */

    /* --- the lower half's own --- */
    mouv__operation_t *prev, *next; /**< in `queue` */
    mouv__queue_t *queue;           /**< where it waits or runs, or NULL */
    mouv__operation_t *kill_prev, *kill_next;
    mouv__operation_t *cut_prev, *cut_next;
    mouv__attempt_t attempt;
    mouv__ready_t admit;
    mouv__timer_t timer;       /**< the nearest of the times below that matters now */
    int64_t deadline_ns;       /**< the caller's; MOUV__NEVER */
    int64_t wait_ns;           /**< when the present wait becomes ESELECTION or EQUEUE */
    int64_t select_ns;         /**< until when this attempt may wait for a server, in all */
    int64_t grace_ns;          /**< STOPPING: until when its answer is waited for */
    int64_t cut_ns;            /**< when its connection is cut, see cut.c; 0: never */
    int64_t began_ns;          /**< handed to the worker */
    int64_t entered_ns;        /**< began to wait; only with a monitor */
    uint64_t number;           /**< which of the client's operations, from 1 */
    uint64_t order;            /**< of arrival, for "operations ahead" */
    int64_t limit_ns;          /**< with `own_limit`: what maxTimeMS is reckoned from */
    int32_t user_max_time_ms;  /**< the user's maxTimeMS, taken out of the command; 0: none */
    uint32_t memory;           /**< atomic: the future's share and the worker's */
    uint8_t state;             /**< mouv__op_state_t */
    uint8_t kill_state;        /**< see kill.c */
    uint8_t kills;             /**< killSessions sent for the present attempt */
    uint8_t retries;           /**< of the present command */
    uint8_t connects;          /**< connections that failed while it waited */
    bool maybe_stored;         /**< an earlier attempt of a write may have been executed */
    bool stopped;              /**< cancelled or expired: no further attempt */
    bool expired;              /**< `stopped` by its deadline */
    bool out_of_time;          /**< cancelled, by a scope whose deadline it has: counted as that */
    bool has_timeout;          /**< timeoutMS is given, see timeout.h; 0 as well */
    bool watched;              /**< in cut.c's list, and not given up */
    bool own_limit;            /**< maxTimeMS is not for the deadline to say, see timeout.h */
    bool held;                 /**< the lower half holds the future */
    bool in_transaction;       /**< of user_session; so nothing is stored before the commit */
    bool starts_transaction;   /**< its command is the transaction's first */
    mouv_error_t *first_error; /**< of the attempt before a retry; owned */
    struct mouv__inquiry *inquiry; /**< what became of it is being asked, see inquiry.h; owned */
};

/**
 * A new operation of `size` bytes (0, or the size of the maker's struct, whose first member is a
 * mouv__operation_t; the rest is zeroed), or NULL with `*failed` set to the future to return:
 * ECLOSED, ETHREAD, ECANCELED (refused in a cancelled task), EINVAL for a bad database name,
 * ENOMEM.
 */
mouv__operation_t *mouv__operation_new(mouv_client_t *client, const mouv__operation_row_t *row,
                                       const char *database, size_t size, mouv_future_t *failed);

/** Gives up an operation that has not been started and returns a future that has failed so. */
mouv_future_t mouv__operation_refuse(mouv__operation_t *op, int code, const char *format, ...)
    MOUV_PRINTF(3, 4);

/** Starts it and gives the caller's reference. Consumes `op` in every case. */
mouv_future_t mouv__operation_start(mouv__operation_t *op);

/** Starts it for nobody (MOUV__OP_CLEANUP): no handle, no report of its failure. */
void mouv__operation_start_detached(mouv__operation_t *op);

/** Replaces the command (takes ownership, destroys the old one): before MOUV__AGAIN. */
void mouv__operation_set_command(mouv__operation_t *op, bson_t *command);

/** Writes "find shop.users" (the row's name, the database, the collection that the command names).
 */
void mouv__operation_text(const mouv__operation_t *op, char *text, size_t size);

/** Tells what has become of it to who has subscribed to that. Loop thread. */
void mouv__operation_tell(const mouv__operation_t *op, mouv__event_kind_t kind);

/** Fills `error` with code and text for this operation ("find shop.users") and returns the code. */
int mouv__operation_fail(const mouv__operation_t *op, mouv_error_t *error, int code,
                         const char *format, ...) MOUV_PRINTF(4, 5);

/* --- What it ran on --------------------------------------------------------------------------- */

/** Servers from this wire version on (4.4) label the errors that may be retried or resumed. */
#define MOUV__WIRE_VERSION_LABELS 9

/** The highest wire version of the server that the last attempt went to; unknown: as above. */
int32_t mouv__operation_wire_version(const mouv__operation_t *op);

/* --- Pin: what ties a cursor to its client, server and session ------------------------- */

/**
 * Only inside `finish` after an answer: keeps the operation's session (instead of giving it back)
 * and remembers its client and server, for the getMores that follow. One operation at a time may
 * use it. NULL: ENOMEM. Between operations the libmongoc client serves others. A session may be
 * kept several times: by a user's session and by the cursors in it.
 */
mouv__pin_t *mouv__pin_for(mouv__operation_t *op);

/** As mouv__pin_for(), for getMores that wait (MOUV__OP_POLL): other operations
 *  then keep off its client while there are others. */
mouv__pin_t *mouv__pin_for_polls(mouv__operation_t *op);

/** The server, for killCursors (op->server_id). */
uint32_t mouv__pin_server_id(const mouv__pin_t *pin);

/** Its session; NULL once the client has closed. */
mouv__server_session_t *mouv__pin_session(const mouv__pin_t *pin);

/** One more holder: each operation that uses it holds a share until it has left its worker. */
void mouv__pin_hold(mouv__pin_t *pin);

/** Gives a share up; with the last one the session goes back. NULL is fine. May be called while an
 *  operation that uses it is still on a worker. */
void mouv__pin_free(mouv__pin_t *pin);

#endif
