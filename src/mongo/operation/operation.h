/*
 * One shape for every operation: a command that mouv builds, a transport carries and mouv reads the
 * reply of. What differs between forty operations is a static row, a command and a finish function.
 *
 * Life of an operation (all on the loop thread; see operation.c for the transitions):
 *
 *     op = mouv__operation_new(...);           checks client, thread, cancellation, name
 *     op->parts.command = ...; op->finish = ...;     fields are set
 *     return mouv__operation_start(op);        queued now, in the pool at the end of the tick
 *        ... waits for a server and a connection, goes out, comes back, is retried ...
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
#include "mongo/operation/cut.h"
#include "mongo/operation/kill.h"
#include "mongo/pool/pin.h"
#include "mongo/pool/pool.h"
#include "mongo/session/parts.h"
#include "mongo/topology/events.h"

/** What `finish` returns to have op->parts.command (which it has replaced) run as well. */
#define MOUV__AGAIN INT32_MAX

/** Longest database name that the server takes. */
#define MOUV__DATABASE_NAME_MAX 63

/**
 * What the body of one command may weigh: the server's 16 MiB for a document plus its 16 KiB for
 * what is around it, less what mouv and libmongoc append (lsid, txnNumber, $clusterTime, ...).
 * Where statements travel inside the body, batches are split at MOUV__BATCH_SIZE_BYTES together (a
 * single document may reach it alone); where they go as a sequence, each may weigh that much, and
 * all with what is around them MOUV__MESSAGE_SIZE_BYTES. Both are split at MOUV__BATCH_COUNT.
 */
#define MOUV__COMMAND_SIZE_BYTES (16 * 1024 * 1024 + 14 * 1024)
#define MOUV__BATCH_SIZE_BYTES (16 * 1024 * 1024)
#define MOUV__MESSAGE_SIZE_BYTES 48000000
#define MOUV__BATCH_COUNT 100000

/**
 * Tells what the command came to; loop thread, once a command. On entry `error->code` is 0 after
 * success, else it is classified already (top-level errors, writeErrors, writeConcernError, code
 * 50, lost connections, cancellation; see error.h). `reply` is what the server answered, NULL if it
 * did not (never sent, connection lost, cancelled). It is the operation's; `finish` may keep it
 * whole by setting op->attempt.exchange.reply to NULL.
 *
 * Returns the future's result (0 or more), a negative code with `error` filled (usually
 * `error->code` as it came), or MOUV__AGAIN with op->parts.command replaced
 * (mouv__operation_set_command). A cancel between two commands calls `finish` once more with the
 * cancellation as error and no reply: the moment to say how far it got (ESERVER with a reply, its
 * cause ECANCELED). Must not call user code.
 */
typedef int (*mouv__finish_fn_t)(mouv__operation_t *op, bson_t *reply, mouv_error_t *error);

/** The legal transitions stand in one table in operation.c. */
typedef enum mouv__op_state {
    MOUV__OP_NEW,      /**< being filled in */
    MOUV__OP_STARTED,  /**< waits for the end of the tick */
    MOUV__OP_WAITING,  /**< in the pool: for a server, then for a connection */
    MOUV__OP_RUNNING,  /**< its exchange is out */
    MOUV__OP_STOPPING, /**< a write's exchange is out, asked to stop; its answer is waited for */
    MOUV__OP_LATE,     /**< its exchange is out, the future is done: nobody waits any more */
    MOUV__OP_SETTLED   /**< done, and nothing is out */
} mouv__op_state_t;

/** What one attempt of it takes to the server and brings back, see attempt.c. */
typedef struct mouv__attempt {
    mouv__exchange_t exchange;
    int32_t max_time_ms; /**< 0: none */
    bson_t *beside;      /**< all that goes beside the command; owned */
} mouv__attempt_t;

/** The operations of one client. */
struct mouv__operations {
    mouv_client_t *client;
    mouv__pool_t *pool;
    mouv__list_t running; /**< whose exchange is out, the oldest first */
    uint32_t running_count;
    uint32_t cleanups; /**< MOUV__OP_CLEANUP: under way */
    mouv__kills_t kills;
    mouv__cuts_t cuts;
    bool retry_reads, retry_writes; /**< the user's wish; libmongoc's own are off */
};

struct mouv__operation {
    mouv__future_t future; /**< first, so that they are one object */

    /* --- set by mouv__operation_new() --- */
    mouv_client_t *client;
    char database[MOUV__DATABASE_NAME_MAX + 1];

    /* --- the maker sets these before mouv__operation_start() --- */
    mouv__parts_t parts;
    uint32_t server_id;       /**< 0, or the server it must go to: killCursors */
    mouv__finish_fn_t finish; /**< NULL: the code as it is, 0 on success */
    void (*deliver)(mouv__operation_t *op, bool whole); /**< moves outputs; see future.h */
    /** The reply came after the future had settled: close what it opened (a cursor); or NULL. */
    void (*late)(mouv__operation_t *op, bson_t *reply);
    void (*release)(mouv__operation_t *op); /**< frees what the maker's own fields own; or NULL */

    /* --- this room's own --- */
    mouv__operations_t *operations;
    mouv__link_t running, kill, cut; /**< in lists of those names */
    mouv__checkout_t checkout;
    mouv__attempt_t attempt;
    mouv__ready_t admit;
    mouv__timer_t timer;           /**< the nearest of the times below that matters now */
    int64_t deadline_ns;           /**< the caller's; MOUV__NEVER */
    int64_t grace_ns;              /**< STOPPING: until when its answer is waited for */
    int64_t cut_ns;                /**< when its connection is cut, see cut.c; 0: never */
    int64_t since_ns;              /**< when it was put on cut.c's list */
    int64_t began_ns;              /**< handed to the transport */
    uint64_t number;               /**< which of the client's operations, from 1 */
    int64_t limit_ns;              /**< with `own_limit`: what maxTimeMS is reckoned from */
    int32_t user_max_time_ms;      /**< the user's maxTimeMS, taken out of the command; 0: none */
    uint32_t memory;               /**< atomic: the future's share, its exchange's */
    uint8_t state;                 /**< mouv__op_state_t */
    uint8_t kill_state;            /**< mouv__kill_state_t, see kill.h */
    uint8_t kills;                 /**< killSessions sent for the present attempt */
    uint8_t retries;               /**< of the present command */
    bool maybe_stored;             /**< an earlier attempt of a write may have been executed */
    bool stopped;                  /**< cancelled or expired: no further attempt */
    bool expired;                  /**< `stopped` by its deadline */
    bool watched;                  /**< in cut.c's list, and not given up */
    bool own_limit;                /**< maxTimeMS is not for the deadline to say, see timeout.h */
    bool held;                     /**< this room holds the future */
    mouv_error_t *first_error;     /**< of the attempt before a retry; owned */
    struct mouv__inquiry *inquiry; /**< what became of it is being asked, see inquiry.h; owned */
};

/**
 * A new operation of `size` bytes (0, or the size of the maker's struct, whose first member is a
 * mouv__operation_t; the rest is zeroed), or NULL with `*failed` set to the future to return:
 * ECLOSED, ETHREAD, ECANCELED (refused in a cancelled task), EINVAL for a bad database name,
 * ENOMEM. `command` (NULL: nothing is known of it) is for the words of these.
 */
mouv__operation_t *mouv__operation_new(mouv_client_t *client, const mouv__operation_row_t *row,
                                       const char *database, const bson_t *command, size_t size,
                                       mouv_future_t *failed);

/** Gives up an operation that has not been started and returns a future that has failed so. */
mouv_future_t mouv__operation_refuse(mouv__operation_t *op, int code, const char *format, ...)
    MOUV_PRINTF(3, 4);

/** Starts it and gives the caller's reference. Consumes `op` in every case. */
mouv_future_t mouv__operation_start(mouv__operation_t *op);

/** Starts it for nobody (MOUV__OP_CLEANUP): no handle, no report of its failure. */
void mouv__operation_start_detached(mouv__operation_t *op);

/** Replaces the command and its sequence (NULL: none): takes ownership, destroys the old ones. Before
 *  MOUV__AGAIN. */
void mouv__operation_set_command(mouv__operation_t *op, bson_t *command,
                                 mouv__sequence_t *sequence);

/** Writes "find shop.users" (the row's name, the database, the collection that the command names).
 */
void mouv__operation_text(const mouv__operation_t *op, char *text, size_t size);

/** As much of it as an error has room for. */
#define MOUV__OPERATION_TEXT_SIZE sizeof(((mouv_error_t *)NULL)->operation)

/** The same of what is no operation yet; NULL: there is no database, or no command. */
void mouv__operation_write_text(char *text, size_t size, const char *name, const char *database,
                                const bson_t *command);

/** Fills `error` with code and text for this operation ("find shop.users") and returns the code. */
int mouv__operation_fail(const mouv__operation_t *op, mouv_error_t *error, int code,
                         const char *format, ...) MOUV_PRINTF(4, 5);

/* --- What it ran on --------------------------------------------------------------------------- */

/** Servers from this wire version on (4.4) label the errors that may be retried or resumed. */
#define MOUV__WIRE_VERSION_LABELS 9

/** The highest wire version of the server that the last attempt went to; unknown: as above. */
static inline int32_t mouv__operation_wire_version(const mouv__operation_t *op) {
    const mouv__server_t *server =
        mouv__topology_server(op->operations->pool->topology, op->checkout.server_id);
    return server ? server->wire_version : MOUV__WIRE_VERSION_LABELS;
}

/* --- Pins (pin.h) ----------------------------------------------------------------------------- */

/** Only inside `finish` after an answer: keeps the operation's session, instead of giving it back,
 *  and remembers its server, for the getMores that follow. One operation at a time may use it.
 *  NULL: ENOMEM. */
mouv__pin_t *mouv__operation_keep_pin(mouv__operation_t *op);

/** After any answer: keeps its connection as well, and only where a load balancer demands it, until
 *  the operation goes: for the killCursors of a cursor that nobody has. */
void mouv__operation_keep_connection(mouv__operation_t *op);

/** The same as keep_pin() for getMores that wait (MOUV__OP_POLL). */
mouv__pin_t *mouv__operation_keep_poll_pin(mouv__operation_t *op);

/* --- All of a client -------------------------------------------------------------------------- */

void mouv__operations_init(mouv__operations_t *operations, mouv_client_t *client,
                           mouv__pool_t *pool);

/** The runtime, or a close whose time is over, asks all that run to stop. */
void mouv__operations_stop(mouv__operations_t *operations);

/** The client has begun to close: polls that were given up end, or are left behind. */
void mouv__operations_end_polls(mouv__operations_t *operations);

/** Nobody waits for those that still run: each frees what it has when it comes back. How many are
 *  stuck; polls are not, they wait for their time. */
uint32_t mouv__operations_leave_behind(mouv__operations_t *operations);

/** The client ends. */
void mouv__operations_close(mouv__operations_t *operations);

#endif
