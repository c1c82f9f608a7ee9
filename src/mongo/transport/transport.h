/*
 * The seam: how one command gets to one server and its answer back. Above it is the pool, which
 * decides who may send when; below it are the transports, which know no queue and no retry.
 *
 *     exchange.connection = ...; exchange.command = ...;      what, where, for how long
 *     mouv__transport_send(transport, &exchange)              0: it is out
 *        ... withdraw() if nothing has been sent, cut() where no answer is waited for ...
 *     exchange.done(&exchange)                                loop thread; what came back is in it
 *
 * An exchange is embedded in what it is for: an operation's attempt, a killSessions, a ping. What
 * it points to is borrowed until exactly one of `done` and `discard` has been called, once.
 *
 * All functions here run on the loop thread unless they say otherwise.
 */
#ifndef MOUV_MONGO_TRANSPORT_TRANSPORT_H
#define MOUV_MONGO_TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

#include <mouv/client.h>
#include <mouv/error.h>

#include "async/loop/runtime.h"
#include "mongo/transport/connection.h"
#include "mongo/transport/workers/executor.h"
#include "mongo/wire/sequence.h"

typedef struct mouv__transport mouv__transport_t;
typedef struct mouv__exchange mouv__exchange_t;
typedef struct mouv__peer mouv__peer_t;             /* see loop/ */
typedef struct mouv__connecting mouv__connecting_t; /* likewise */

/** How far an exchange is; the worker of the threads transport moves it on as well. */
enum {
    MOUV__EXCHANGE_PREPARING, /**< nothing has been sent */
    MOUV__EXCHANGE_SENT,      /**< the command has been given to the connection */
    MOUV__EXCHANGE_WITHDRAWN  /**< nothing has been sent, nothing will be */
};

/** One command to one server, and its answer. */
struct mouv__exchange {
    /* --- where --- */
    mouv__connection_t *connection; /**< set by control() */
    uint32_t server_id;
    uint64_t call_id;      /**< names it to cut(), on its connection; 0: it is not to be cut */
    uint64_t operation_id; /**< in events; 0: it is no operation's */
    /* --- what: borrowed --- */
    const char *database;
    const bson_t *command;
    const mouv__sequence_t
        *sequence;        /**< in place of an array of it, or NULL; see takes_sequences */
    const bson_t *fields; /**< to go beside it: maxTimeMS, txnNumber, concerns, ...; or NULL */
    const mongoc_read_prefs_t *read_prefs; /**< NULL: primary */
    mouv__server_session_t *session;       /**< NULL: without */
    const bson_t *cluster_time;            /**< that the session is to know first; or NULL */
    int32_t limit_ms; /**< most that one wait for the server takes; 0: the URI's; negative: none */
    int32_t expected_code; /**< a server's error that is no failure to who listens; 0: none */
    bool unacknowledged;   /**< w: 0 */
    bool needs_session;    /**< fails where the server has no sessions */
    bool quiet;            /**< no event tells of it */
    bool sets_up;          /**< a lost connection is set up again and it is sent once more */
    /* --- what came back --- */
    bool ok;       /**< {ok: 1} */
    bool reached;  /**< the command has been given to a connection */
    bool cut;      /**< its connection is gone, because of cut() or `limit_ms` */
    bson_t *reply; /**< what the server answered, or NULL; whoever has the exchange destroys it */
    bson_error_t error; /**< where not ok */
    int64_t took_ns;    /**< with an answer: from the sending to it */
    /* --- who is told --- */
    void (*done)(mouv__exchange_t *exchange);
    /** Any thread, instead: the loop has gone, or it was abandoned. */
    void (*discard)(mouv__exchange_t *exchange);
    /* --- the transport's own, while it is out --- */
    mouv__transport_t *transport;
    int8_t control; /**< mouv__control_kind_t; -1: it is on a connection of the pool's */
    int stage;      /**< atomic */
    struct {
        mouv__job_t job;
        mouv__driver_pool_t *driver_pool; /**< a share */
    } threads;
    struct {
        mouv__peer_t *peer;  /**< whose socket it is on; NULL: it waits for one, or is over */
        mouv__ready_t ready; /**< what is told on the next tick */
        int64_t sent_ns;     /**< when it was sent */
        int32_t request_id;  /**< of its message */
        bool again;          /**< it has been sent before, on a connection that was lost */
        bool lost;           /**< its connection was, as it was sent */
        uint32_t generation; /**< of its connection */
        mouv__connecting_t *connecting; /**< the set-up that it waits for */
    } loop;
};

/** A connection of its own for one kind of work that must not wait behind operations, one exchange
 *  at a time. */
typedef enum mouv__control_kind {
    MOUV__CONTROL_SELECT,  /**< libmongoc's server selection, so that its monitors look at once */
    MOUV__CONTROL_CLEANUP, /**< killCursors, abortTransaction */
    MOUV__CONTROL_KILL,    /**< killSessions */
    MOUV__CONTROL_PING,    /**< a silent server's pings */
    MOUV__CONTROL_CHECK,   /**< whether a server that an error has marked is there */
    MOUV__CONTROLS
} mouv__control_kind_t;

/** Most set-ups that go on for nobody (orphan()). */
#define MOUV__ORPHANS_MAX 16

/** What becomes of something that takes a transport a while; `error` is NULL if it went well. */
typedef void (*mouv__transport_ended_fn_t)(void *arg, const mouv_error_t *error);

/** What goes at the end of a client. */
typedef struct mouv__transport_end {
    mouv__connection_t *
        *connections; /**< the transport's from now on; room for the controls' and orphans' too */
    uint32_t count;
    bool unused;      /**< open() was not called, or has failed */
    bool unreachable; /**< there is no server to say good-bye to */
} mouv__transport_end_t;

typedef struct mouv__transport_ops {
    /** A connection that is not connected yet. NULL: ENOMEM. */
    mouv__connection_t *(*connection_new)(mouv__transport_t *transport);
    /** Makes libmongoc's pool and looks up the names in the URI. */
    int (*open)(mouv__transport_t *transport, mouv__transport_ended_fn_t ended, void *arg);
    /** Sits in libmongoc's server selection for a while, so that the monitors look at once. */
    int (*seek)(mouv__transport_t *transport, bool write, const mongoc_read_prefs_t *read_prefs,
                mouv__transport_ended_fn_t ended, void *arg);
    /** Sets a connection to a server up. */
    int (*connect)(mouv__transport_t *transport, mouv__connection_t *connection, uint32_t server_id,
                   mouv__transport_ended_fn_t ended, void *arg);
    /** The set-up that is under way on this connection goes on for nobody: `ended` is called with
     *  `arg` in place of what connect() was given. Gives the connection that takes the place of
     *  this one: the same, as it was before, or another. NULL: it cannot, nothing has changed. */
    mouv__connection_t *(*orphan)(mouv__transport_t *transport, mouv__connection_t *connection,
                                  mouv__transport_ended_fn_t ended, void *arg);
    /** Closes the socket behind a link that has been dropped while nothing was out on its
     *  connection, which belongs to it until `ended`. NULL: dropping the link has closed it. */
    int (*disconnect)(mouv__transport_t *transport, mouv__connection_t *connection,
                      uint32_t server_id, mouv__transport_ended_fn_t ended, void *arg);
    /** Sends on exchange->connection. 0, or a negative code with nothing changed. */
    int (*send)(mouv__transport_t *transport, mouv__exchange_t *exchange);
    /** The connection of this kind, made if there is none yet. NULL: ENOMEM. */
    mouv__connection_t *(*control_connection)(mouv__transport_t *transport,
                                              mouv__control_kind_t kind);
    /** Sends on a control connection, which is idle: sets exchange->connection. */
    int (*control)(mouv__transport_t *transport, mouv__control_kind_t kind,
                   mouv__exchange_t *exchange);
    /** Ends this call and no other: its connection goes, done() follows. False: it is not under
     *  way now. */
    bool (*cut)(mouv__exchange_t *exchange);
    /** Nobody waits for it any more: discard() follows in place of done(). */
    void (*abandon)(mouv__exchange_t *exchange);
    /** No `ended` comes any more for what is under way. */
    void (*abandon_jobs)(mouv__transport_t *transport);
    /** Ends idle connections, and the idle controls', then `ended` is called; blocks nobody. What
     *  is in use ends when it comes back. */
    void (*close)(mouv__transport_t *transport, const mouv__transport_end_t *end,
                  mouv__transport_ended_fn_t ended, void *arg);
    /** Frees it; nothing of it may be out but what was abandoned. */
    void (*free)(mouv__transport_t *transport);
} mouv__transport_ops_t;

/** What every transport begins with. */
struct mouv__transport {
    const mouv__transport_ops_t *ops;
    mouv_client_t *client;   /**< for base/client_ref.h */
    uint32_t connection_max; /**< most that can be in use at once */
    uint32_t connecting_max; /**< most that are set up to one server at once; 0: any number */
    int32_t connect_timeout_ms;
    int32_t socket_timeout_ms;
    bool cuts;            /**< a cut ends a call at once; else only its `limit_ms` does */
    bool keeps_sockets;   /**< no single one can be closed: maxIdleTimeMS does nothing */
    bool shares_sessions; /**< a server session can go out on any connection: those are here, */
    mouv__session_store_t sessions; /**< and not with each connection */
    int64_t cut_price_ns;           /**< what a new connection costs, in time of a processor */
    bool takes_sequences;           /**< an exchange may have one; else all is in its command */
    /** Set by who uses it: a server has closed a connection that was idle. */
    void (*lost)(mouv__transport_t *transport, mouv__connection_t *connection, uint32_t server_id);
    struct {
        mouv__connection_t *connection; /**< NULL until first used */
        bool busy;
    } controls[MOUV__CONTROLS];
};

/** The server sessions that can be used on this connection. */
static inline mouv__session_store_t *mouv__transport_sessions(mouv__transport_t *transport,
                                                              mouv__connection_t *connection) {
    return transport->shares_sessions ? &transport->sessions : &connection->sessions;
}

/** Before it is sent: it has been nowhere yet, and brought nothing back. */
static inline void mouv__exchange_init(mouv__exchange_t *exchange) {
    exchange->ok = exchange->reached = exchange->cut = false;
    exchange->took_ns = 0;
    exchange->error = (bson_error_t){0};
    __atomic_store_n(&exchange->stage, MOUV__EXCHANGE_PREPARING, __ATOMIC_RELAXED);
}

/** Whether its command has been given to a connection. */
static inline bool mouv__exchange_is_sent(const mouv__exchange_t *exchange) {
    return __atomic_load_n(&exchange->stage, __ATOMIC_ACQUIRE) == MOUV__EXCHANGE_SENT;
}

/** Any thread: true if nothing has been sent and nothing will be. It comes back all the same. */
static inline bool mouv__exchange_withdraw(mouv__exchange_t *exchange) {
    int expected = MOUV__EXCHANGE_PREPARING;
    return __atomic_compare_exchange_n(&exchange->stage, &expected, MOUV__EXCHANGE_WITHDRAWN, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
           expected == MOUV__EXCHANGE_WITHDRAWN;
}

#endif
