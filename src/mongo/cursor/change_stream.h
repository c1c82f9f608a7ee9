/*
 * The change stream inside: where it is, what it says to the server, what is at hand.
 * change_stream.c speaks with the server; change_fetch.c is how a caller waits and takes.
 */
#ifndef MOUV_MONGO_CURSOR_CHANGE_STREAM_H
#define MOUV_MONGO_CURSOR_CHANGE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include <mouv/change_stream.h>

#include "async/loop/future.h"
#include "mongo/base/timeout.h"
#include "mongo/command/command.h"

typedef struct mouv__change_fetch mouv__change_fetch_t;

/** The legal transitions stand in change_stream.c. FAILED and CLOSED are final. */
typedef enum mouv__stream_state {
    MOUV__STREAM_FRESH,  /**< the server has not answered yet */
    MOUV__STREAM_OPEN,   /**< the server has a cursor */
    MOUV__STREAM_LOST,   /**< the cursor has gone: a new one is made where the old one was */
    MOUV__STREAM_ENDED,  /**< the server has nothing more; events may be at hand */
    MOUV__STREAM_FAILED, /**< `error` says why */
    MOUV__STREAM_CLOSED  /**< by its owner */
} mouv__stream_state_t;

/* Embeds BSON structs, so it is allocated by their alignment (128 in libmongoc 1.x). */
struct mouv_change_stream {
    bson_t view;           /**< what was given out last: a window into `batch` */
    bson_iter_t documents; /**< at the next event of `batch`, if `at_hand` */
    bool at_hand;
    bool whole_deployment; /**< of mouv_client_watch() */
    bool returned;         /**< an event has been given out */
    uint8_t state;         /**< mouv__stream_state_t */
    uint8_t resumes;       /**< in a row, without an answered getMore after them */
    uint32_t references;   /**< the owner's, the running operation's, a fetch's */
    mouv_client_t *client; /**< counted; NULL: made from a NULL handle, or out of memory */
    mouv_database_t *database;
    bson_t *command;                 /**< the aggregate, its pipeline the user's stages alone */
    bson_t *stage;                   /**< options of {$changeStream: {}} */
    bson_t *start;                   /**< where to begin: likewise, while there is no token */
    bson_t *token;                   /**< where to go on, or NULL */
    mongoc_read_prefs_t *read_prefs; /**< of the user's opts, or NULL */
    mouv__concerns_t *defaults;      /**< a share */
    char *collection;                /**< what getMore and killCursors name */
    int64_t id;                      /**< the server's, 0: none */
    int64_t lost_id;                 /**< of the cursor before, to be killed; 0: none */
    uint32_t lost_server_id;
    int64_t batch_size, max_await_ms;
    bool await_given;                /**< `max_await_ms` is the user's */
    mouv__timeout_t timeout;         /**< of each next, of the aggregate apart from that */
    mouv__pin_t *pin;                /**< client, server and session of the open cursor */
    mouv_session_t *session;         /**< the user's, counted; or NULL */
    bson_t *batch;                   /**< the reply that is read */
    mouv__future_t *running;         /**< held: the operation under way, or NULL */
    mouv__future_listener_t arrival; /**< to `running` */
    mouv__ready_t arrived;           /**< the tick after */
    bool resumable;                  /**< what `running` came to says so */
    mouv__change_fetch_t *fetch;     /**< who waits, or NULL: one task at a time */
    mouv_error_t *error;             /**< FAILED: owned; FRESH: the command was refused so */
};

/* --- Between change_stream.c and change_fetch.c ---------------------------------------------- */

/** Sends what is next: the aggregate, or a getMore that waits for at most `wait_ms`. `limit_ns` is
 *  until when timeoutMS lets it be waited for. */
void mouv__stream_send(mouv_change_stream_t *stream, int64_t wait_ms, int64_t deadline_ns,
                       int64_t limit_ns);

/** The next event of the batch, as a view; false: there is none, or it has no token. */
bool mouv__stream_take(mouv_change_stream_t *stream);

/** A batch or a new state is there: who waits looks again; `answered`: a getMore has been. */
void mouv__change_fetch_wake(mouv__change_fetch_t *fetch, bool answered);

/** Ends the wait so. */
void mouv__change_fetch_fail(mouv__change_fetch_t *fetch, const mouv_error_t *error);

void mouv__stream_hold(mouv_change_stream_t *stream);
void mouv__stream_let_go(mouv_change_stream_t *stream);

#endif
