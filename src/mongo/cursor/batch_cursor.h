/*
 * A cursor on the server, read batch by batch: what a cursor and a change stream both are (their
 * structs begin with one). The first command opens it, getMore reads on, killCursors ends it.
 *
 * One command at a time, and one reply is one batch: it arrives in `ahead`, and is read from
 * `batch` after mouv__batch_cursor_turn(). The pin keeps connection, server and session for the
 * getMores; a cursor that nobody reads on is killed on the clean-up control connection, behind its
 * owner's back: also where the answer that told of it came too late, or after the close. Counted:
 * by its owner, by the operation under way until that has left its worker, by a fetch; the last one
 * frees it. Loop thread.
 *
 * All that knows the fields of operations here is batch_cursor.c and, of their times,
 * cursor_timeout.c.
 */
#ifndef MOUV_MONGO_CURSOR_BATCH_CURSOR_H
#define MOUV_MONGO_CURSOR_BATCH_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "async/loop/future.h"
#include "mongo/base/client_ref.h"
#include "mongo/command/command.h"
#include "mongo/cursor/cursor_timeout.h"

typedef struct mouv__batch_cursor mouv__batch_cursor_t;
typedef struct mouv__fetch_ops mouv__fetch_ops_t;
typedef struct mouv__fetch mouv__fetch_t;

/** The legal transitions stand in batch_cursor.c. FAILED and CLOSED are final. */
typedef enum mouv__batch_cursor_state {
    MOUV__CURSOR_FRESH,  /**< nothing has been sent, or (a change stream) not answered yet */
    MOUV__CURSOR_OPEN,   /**< the server has (or is making) a cursor */
    MOUV__CURSOR_LOST,   /**< a change stream's has gone: a new one is made where that one was */
    MOUV__CURSOR_ENDED,  /**< the server has nothing more; documents may be at hand */
    MOUV__CURSOR_FAILED, /**< `error` says why; documents that came before may be at hand */
    MOUV__CURSOR_CLOSED, /**< by its owner */
    MOUV__CURSOR_STATES
} mouv__batch_cursor_state_t;

/** How one of its commands has ended. */
typedef struct mouv__batch_outcome {
    bool more;            /**< it was a getMore */
    bool expired;         /**< a deadline of ours has ended it */
    int32_t wire_version; /**< of the server that it went to */
} mouv__batch_outcome_t;

/** What its commands come to, where cursor and change stream differ. */
typedef struct mouv__batch_cursor_ops {
    /** Inside `finish`: one has failed. The code of `error`, or 0 if that is no failure here. */
    int (*failed)(mouv__batch_cursor_t *cursor, const mouv__batch_outcome_t *outcome,
                  const mouv_error_t *error);
    /** Inside `finish`: a batch is in `ahead`. The future's result. NULL: 0. */
    int (*answered)(mouv__batch_cursor_t *cursor, const mouv__batch_outcome_t *outcome);
    /** The client closes, `error` says so, while it has a cursor or lost one: gives it up. */
    void (*closes)(mouv__batch_cursor_t *cursor, const mouv_error_t *error);
    /** The last reference has gone: frees what the owner's own fields hold. NULL: nothing. */
    void (*clear)(mouv__batch_cursor_t *cursor);
} mouv__batch_cursor_ops_t;

/* Embeds BSON structs, so it is allocated by their alignment (128 in libmongoc 1.x). */
struct mouv__batch_cursor {
    bson_t view;           /**< what was given out last: a window into `batch` */
    bson_iter_t documents; /**< at the next document of `batch`, if `at_hand` */
    bool at_hand;
    bool polled;         /**< `batch` came of a getMore */
    bool polls;          /**< its getMores wait on the server for something to come, see pool.h */
    bool unmade;         /**< stands in where there was no memory: never freed, never written */
    uint8_t state;       /**< mouv__batch_cursor_state_t */
    uint32_t references; /**< the owner's, the running operation's, a fetch's */
    uint32_t server_id;  /**< the user's choice for the first command; 0: none */
    const mouv__batch_cursor_ops_t *ops;
    const mouv__fetch_ops_t *fetch_ops; /**< see fetch.h */
    mouv_client_t *client;              /**< counted; NULL: made from a NULL handle, or `unmade` */
    mouv__client_hook_t hook;
    mouv_database_t *database;
    bson_t *command;                      /**< the first command, or what it is made of */
    mongoc_read_prefs_t *read_prefs;      /**< likewise; NULL: none were given */
    mouv__concerns_t *defaults;           /**< a share */
    mouv_session_t *session;              /**< the user's, counted; or NULL */
    bson_t *comment;                      /**< {comment: ...} for getMore, or NULL */
    char text[MOUV__OPERATION_TEXT_SIZE]; /**< "find shop.users": of errors of no operation */
    char *collection;                     /**< what getMore and killCursors name */
    int64_t id;                           /**< the server's, 0: none */
    int64_t batch_size, max_await_ms;
    mouv__cursor_timeout_t limit;
    mouv__pin_t *pin;      /**< client, server and session of an open cursor */
    bson_t *batch, *ahead; /**< the reply that is read; the one that has arrived since */
    mouv_error_t *error;   /**< FAILED: owned; FRESH: the command was refused so */

    /* --- fetch.c's --- */
    mouv__future_t *running;         /**< held: the operation under way, or NULL */
    mouv__future_listener_t arrival; /**< to `running` */
    mouv__ready_t arrived;           /**< the tick after */
    int64_t poll_end_ns;  /**< when the poll that runs ends by itself; 0: that is not known */
    mouv__fetch_t *fetch; /**< who waits, or NULL: one task at a time */
};

/** One of `size` bytes over what `command`, finished, says. Consumes the command; NULL: no memory.
 *  A command that has failed is kept as `error`. */
mouv__batch_cursor_t *mouv__batch_cursor_new(mouv__command_t *command, size_t size,
                                             const mouv__batch_cursor_ops_t *ops,
                                             const mouv__fetch_ops_t *fetch_ops);

void mouv__batch_cursor_hold(mouv__batch_cursor_t *cursor);
void mouv__batch_cursor_let_go(mouv__batch_cursor_t *cursor);

/** Whether this is not its client's thread; then complains, in the name of `function`. */
bool mouv__batch_cursor_is_foreign(const mouv__batch_cursor_t *cursor, const char *function);

/* --- States ---------------------------------------------------------------------------------- */

/** Changes the state; asserts that the table has the transition. */
void mouv__batch_cursor_move(mouv__batch_cursor_t *cursor, mouv__batch_cursor_state_t state);

/** FAILED; `late`: a worker still has what has failed, and killCursors waits for it. */
void mouv__batch_cursor_fail(mouv__batch_cursor_t *cursor, const mouv_error_t *error, bool late);

/** FAILED, since the client closes: what runs is cancelled, the server's cursor is killed. */
void mouv__batch_cursor_give_up(mouv__batch_cursor_t *cursor, const mouv_error_t *error);

/** CLOSED: batches are dropped, what runs is cancelled, the server's cursor is killed. */
void mouv__batch_cursor_close(mouv__batch_cursor_t *cursor);

/** The server has forgotten its cursor: connection and session are given back. */
void mouv__batch_cursor_forget(mouv__batch_cursor_t *cursor);

/** killCursors for a cursor that it has or had, for nobody. */
void mouv__batch_cursor_kill(const mouv__batch_cursor_t *cursor, int64_t id, uint32_t server_id);

/** Behind a load balancer, where its connection is kept for it: sends the killCursors now. False:
 *  it may as well be sent later. */
bool mouv__batch_cursor_leave_kept(mouv__batch_cursor_t *cursor);

/* --- Commands -------------------------------------------------------------------------------- */

/** The first command (owned), to be given what `row` does not say and started; NULL with `*failed`
 *  set, and `command` freed. One that was refused when the cursor was made fails so. */
mouv__operation_t *mouv__batch_cursor_open(mouv__batch_cursor_t *cursor,
                                           const mouv__operation_row_t *row, bson_t *command,
                                           mongoc_read_prefs_t *read_prefs, mouv_future_t *failed);

/** getMore; the server waits for `wait_ms`, 0: as long as it likes. */
mouv_future_t mouv__batch_cursor_get_more(mouv__batch_cursor_t *cursor, int64_t wait_ms);

/** Whether a worker still has what `running`, which is done, was. */
bool mouv__batch_cursor_is_late(const mouv__batch_cursor_t *cursor);

/* --- Batches --------------------------------------------------------------------------------- */

/** Begins to read the batch that has arrived; false: none has. */
bool mouv__batch_cursor_turn(mouv__batch_cursor_t *cursor);

/** The next document of the batch, in `view`; false: there is none. */
bool mouv__batch_cursor_take(mouv__batch_cursor_t *cursor);

/** Nothing more of what has arrived is given out. */
void mouv__batch_cursor_drop(mouv__batch_cursor_t *cursor);

#endif
