/*
 * What the worker threads share with the loop: the libmongoc pool, made and destroyed on a worker,
 * and the connections, the libmongoc clients that mouv schedules itself. Counted, since a worker
 * that is stuck in a call outlives the client and the loop.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_DRIVER_POOL_H
#define MOUV_MONGO_TRANSPORT_DRIVER_DRIVER_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <mongoc/mongoc.h>
#include <uv.h>

#include "mongo/base/types.h"
#include "mongo/topology/listener.h"
#include "mongo/topology/server.h"
#include "mongo/transport/driver/client_options.h"
#include "mongo/transport/driver/stream.h"

/** Connections beyond maxPoolSize: server selection, killSessions, clean-up, a silent server's
 *  pings. */
#define MOUV__CONTROLS 4

/** How long a server that is silent may hold up the end of a client. */
#define MOUV__GOODBYE_MS 1000

struct mouv__driver_pool {
    uint32_t shares; /**< atomic */
    uv_thread_t loop_thread;
    mongoc_uri_t *uri;                     /**< as libmongoc gets it */
    mouv__client_options_t client_options; /**< what libmongoc gets beside it */
    mongoc_client_pool_t *clients;         /**< NULL until a worker has made it */
    mouv__listener_t *listener;            /**< receives the topology events */
    mongoc_read_prefs_t *read_prefs;       /**< the URI's; NULL: primary */
    bson_t *read_concern;  /**< {readConcern: {...}} of the URI; NULL: the server's */
    bson_t *write_concern; /**< {writeConcern: {...}} of the URI; NULL: the server's */
    int32_t connect_timeout_ms, socket_timeout_ms;
    bool own_streams; /**< its connections are mouv's, see stream.h */
};

/** Loop thread. Takes `uri`, also on failure, and what is in `setup`, which it clears. NULL:
 * ENOMEM. */
mouv__driver_pool_t *mouv__driver_pool_new(mongoc_uri_t *uri,
                                           mouv__client_options_t *client_options,
                                           mouv__listener_t *listener);

/** Any thread. The last share destroys libmongoc's pool, which blocks: never on the loop thread,
 *  where a thread is started for it. */
mouv__driver_pool_t *mouv__driver_pool_ref(mouv__driver_pool_t *driver_pool);
void mouv__driver_pool_unref(mouv__driver_pool_t *driver_pool);

/** A worker: makes libmongoc's pool; looks up mongodb+srv names. Once, before all else. */
bool mouv__driver_pool_prepare(mouv__driver_pool_t *driver_pool, bson_error_t *error);

/** A server session that belongs to one connection. */
struct mouv__server_session {
    mouv__server_session_t *next_free; /**< in connection->free_sessions */
    mouv__server_session_t *next;      /**< in connection->sessions */
    mouv__connection_t *connection;
    mouv__pin_t *keepers;            /**< the cursors and the user's session that keep it */
    mongoc_client_session_t *handle; /**< NULL until a worker has begun it */
    uint8_t lsid[16];                /**< set with `handle` */
    int64_t used_ns;                 /**< when it was given back */
    uint32_t kills;                  /**< killSessions for it that have not been answered */
    bool dirty;                      /**< a connection was lost under it: begun anew */
    bool dropped;                    /**< ... with its command, so libmongoc drops it then */
    bool doomed;                     /**< a killSessions for it had no answer: it may yet come */
    bool renew;                      /**< the worker that has it begins it anew */
    bool parked;                     /**< given back, waits for `kills` to become 0 */
};

/**
 * One mongoc_client_t. The loop decides who uses it and keeps its session lists; the worker that
 * has it alone touches `client` and the session it was given.
 */
struct mouv__connection {
    mongoc_client_t *client; /**< NULL until a worker has popped it */
    mouv__interruptible_t
        *interruptible; /**< a share; see interruptible.h. NULL: its connections are libmongoc's */
    mouv__stream_source_t source; /**< of its client's connections */
    uint64_t limit_ns; /**< without a line: when the call under way fails, by uv_hrtime() */
    mouv__connection_t *prev, *next; /**< in the idle list */
    mouv__server_session_t *free_sessions, *sessions;
    mouv__server_session_t *doomed_sessions; /**< the newest first */
    mouv__queue_t pinned;                    /**< operations that only it can run */
    uint64_t connected;    /**< mouv__server_bit()s: a connection has been set up */
    uint32_t streams;      /**< change streams whose getMores only it can run */
    uint32_t reconnect_id; /**< 0, or the server whose connection was cut: nothing runs on
                                         it before another one is set up */
    uint32_t cut_id;       /**< 0, or the same while that server's breaker is open */
    bool busy;             /**< a worker has it */
    bool polling;          /**< `busy` with the getMore of a change stream */
};

mouv__connection_t *mouv__connection_new(const mouv__driver_pool_t *driver_pool);

/** A worker: has it a client? Pops one. False: the pool has none left (cannot be). */
bool mouv__connection_open(mouv__connection_t *connection, mouv__driver_pool_t *driver_pool,
                           bson_error_t *error);

/** A worker that has it: a call begins, as mouv__interruptible_begin() says. Where its connections
 *  are libmongoc's, their socket timeout is what ends a wait; before 1.27 that is the URI's alone.
 *  */
void mouv__connection_begin(mouv__connection_t *connection, const mouv__driver_pool_t *driver_pool,
                            uint64_t call_id, int32_t limit_ms);

/** It has ended, well or not: true if it was interrupted (see mouv__interruptible_end()) or failed
 *  because `limit_ms` was over. */
bool mouv__connection_end(mouv__connection_t *connection, bool ok);

/** Not the loop thread, unless it was never opened. */
void mouv__connection_end_sessions(mouv__connection_t *connection);

/** As above: ends its sessions, gives its client back. */
void mouv__connection_free(mouv__connection_t *connection, mouv__driver_pool_t *driver_pool);

/** Loop thread: a session that may be used now, new if there is none. NULL: ENOMEM. */
mouv__server_session_t *mouv__server_session_take(mouv__connection_t *connection, int64_t now_ns);

/** Does nothing while somebody keeps it. */
void mouv__server_session_give_back(mouv__server_session_t *session, int64_t now_ns);

/** A worker that has the connection: begins the server session if that is still to do. */
bool mouv__server_session_begin(mouv__server_session_t *session, bson_error_t *error);

#endif
