/*
 * The cursor inside: which batch is read, which is on its way, and what is left on the server.
 * cursor.c speaks with the server; fetch.c is how a caller waits and takes.
 */
#ifndef MOUV_MONGO_CURSOR_CURSOR_H
#define MOUV_MONGO_CURSOR_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include <mouv/cursor.h>

#include "async/loop/future.h"
#include "mongo/base/timeout.h"
#include "mongo/command/command.h"

typedef struct mouv__fetch mouv__fetch_t;

/** FRESH -> OPEN -> ENDED, and from each to FAILED or CLOSED, which are final. */
typedef enum mouv__cursor_state {
    MOUV__CURSOR_FRESH,  /**< nothing has been sent */
    MOUV__CURSOR_OPEN,   /**< the server has (or is making) a cursor */
    MOUV__CURSOR_ENDED,  /**< the server has nothing more; documents may be at hand */
    MOUV__CURSOR_FAILED, /**< `error` says why; documents that came before may be at hand */
    MOUV__CURSOR_CLOSED  /**< by its owner */
} mouv__cursor_state_t;

/* Embeds BSON structs, so it is allocated by their alignment (128 in libmongoc 1.x). */
struct mouv_cursor {
    bson_t view;           /**< what mouv_cursor_next() gave: a window into `batch` */
    bson_iter_t documents; /**< at the next document of `batch`, if `at_hand` */
    bool at_hand;
    bool tailable;         /**< an empty batch is no end; nothing is fetched ahead */
    bool await_data;       /**< its getMores wait on the server: polls, see pool.h */
    bool prefetch;         /**< the next batch is fetched while one is read */
    bool polled;           /**< `batch` came of a getMore */
    bool empty_if_missing; /**< a collection that is not there (code 26) gives no documents */
    uint8_t state;         /**< mouv__cursor_state_t */
    uint32_t references;   /**< the owner's, the running operation's, a fetch's */
    mouv_client_t *client; /**< counted; NULL: made from a NULL handle, or out of memory */
    mouv_database_t *database;
    const mouv__row_t *row;          /**< of the first command */
    bson_t *command;                 /**< the first command, while FRESH */
    mongoc_read_prefs_t *read_prefs; /**< likewise */
    mouv__concerns_t *defaults;      /**< a share */
    bson_t *comment;                 /**< {comment: ...} for getMore, or NULL */
    char *collection;                /**< what getMore and killCursors name */
    int64_t id;                      /**< the server's, 0: none */
    int64_t batch_size, max_await_ms;
    int64_t poll_ms;     /**< how long the next poll may wait; 0: as the server likes */
    int64_t poll_end_ns; /**< when the last one sent should be back; 0: that is not known */
    uint32_t server_id;  /**< the user's choice for the first command; 0: none */
    mouv__cursor_timeout_t limit;
    mouv__pin_t *pin;        /**< client, server and session of an open cursor */
    mouv_session_t *session; /**< the user's, counted; then nothing is fetched ahead; or NULL */
    bson_t *batch, *ahead;   /**< the reply that is read; the one that has arrived since */
    mouv__future_t *running; /**< held: the operation under way, or NULL */
    mouv__future_listener_t arrival; /**< to `running` */
    mouv__ready_t arrived;           /**< the tick after */
    mouv__fetch_t *fetch;            /**< who waits, or NULL: one task at a time */
    mouv_error_t *error;             /**< FAILED: owned; FRESH: the command was refused so */
};

/** A cursor over what `command`, finished, will answer. Consumes the command; never NULL. */
mouv_cursor_t *mouv__cursor_new(mouv__command_t *command);

/** Its cursor is read within the scope that it begins in, whatever the options say. */
mouv_cursor_t *mouv__cursor_within_scope(mouv_cursor_t *cursor);

/** Makes a cursor over a collection that is not there an empty one; gives the cursor. */
mouv_cursor_t *mouv__cursor_empty_if_missing(mouv_cursor_t *cursor);

/** The row of an aggregate: one with $out or $merge writes, and asks the primary. */
const mouv__row_t *mouv__aggregate_row(const bson_t *pipeline);

/* --- For whoever has a cursor on the server ------------------------------------------------- */

/** killCursors on the clean-up control connection, for nobody; `timeout_ms` 0 or less: no limit. */
void mouv__cursor_kill(mouv_client_t *client, const char *database, int64_t id, uint32_t server_id,
                       const char *collection, int64_t timeout_ms);

/** The same for the cursor of an answer that nobody will read; does nothing if it has none. */
void mouv__cursor_kill_answered(const mouv__operation_t *operation, const bson_t *reply,
                                int64_t timeout_ms);

/** The collection of {cursor: {ns: "database.collection"}}, as getMore wants it. */
const char *mouv__cursor_collection(const bson_t *reply);

/** Points `documents` to the first of a reply's batch; false: it has none. */
bool mouv__cursor_batch(const bson_t *reply, bson_iter_t *documents);

/** All documents' `name`s: TO_NAMES of a list. */
mouv_future_t mouv__cursor_names_future(mouv_cursor_t *cursor, char ***names);

/* --- Between cursor.c and fetch.c ------------------------------------------------------------ */

/** Begins to read the batch that has arrived, and to fetch the one after it; false: none has. */
bool mouv__cursor_turn(mouv_cursor_t *cursor);

/** Whether its getMores wait on the server for something to come. */
bool mouv__cursor_polls(const mouv_cursor_t *cursor);

/** Sees to it that a batch is on its way, by `deadline_ns`; it may be FAILED after that. A poll is
 *  made to end before that; where too little time is left for one, nothing is sent. */
void mouv__cursor_need(mouv_cursor_t *cursor, int64_t deadline_ns);

/** What runs has this deadline, too; a poll that ends by itself before it may be late. */
void mouv__cursor_shorten(mouv_cursor_t *cursor, int64_t deadline_ns);

/** Whether a poll runs that ends by itself before `deadline_ns`, and so need not be stopped then:
 *  its answer is the next fetch's. */
bool mouv__cursor_poll_ends(const mouv_cursor_t *cursor, int64_t deadline_ns);

/** A batch has arrived or the state has changed: who waits looks again. */
void mouv__fetch_wake(mouv__fetch_t *fetch);

void mouv__cursor_hold(mouv_cursor_t *cursor);
void mouv__cursor_let_go(mouv_cursor_t *cursor);

#endif
