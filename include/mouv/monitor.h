/*
 * Monitoring: what a client does and what it learns of its deployment, told as it happens.
 *
 * All callbacks run on the client's thread, outside of any coroutine, in the order in which things
 * happened; what an operation caused is told before its awaiter goes on. They must not suspend
 * (MOUV_ENOTCORO); they may start operations, which are then told of as well. An event is a view:
 * it and all it points to are valid until the callback returns.
 */
#ifndef MOUV_MONITOR_H
#define MOUV_MONITOR_H

#include <mouv/client.h>
#include <mouv/topology.h>

/**
 * A command on its way to a server and back, each attempt of a retried one by itself. Told of are
 * the commands of operations, and mouv's own getMore, killCursors and killSessions; not told of are
 * heartbeats, the handshake and authentication of connections, and the ping that sets one up. The
 * command is the one that went to the server (with lsid, $db, ...). Where a command or its
 * reply could give secrets away (saslStart, createUser, ...) both are empty documents.
 */
typedef struct mouv_command_event {
    const char *name;             /**< "find" */
    const char *database;         /**< "shop" */
    const char *host;             /**< "localhost:27017" */
    int64_t request_id;           /**< the same in all events of one attempt */
    uint64_t operation_id;        /**< the same in all events of one operation; 0: killSessions */
    int64_t connection_id;        /**< the server's number for the connection; -1: not known */
    uint32_t server_id;           /**< libmongoc's number for the server */
    const bson_oid_t *service_id; /**< behind a load balancer; else NULL */
    const bson_t *command;        /**< started; else NULL */
    const bson_t *reply;          /**< succeeded; failed if the server has answered; else NULL */
    const mouv_error_t *error;    /**< failed; else NULL */
    int64_t duration_us;          /**< succeeded, failed */
} mouv_command_event_t;

/** A server is known from now on, has changed, or is gone. */
typedef struct mouv_server_event {
    const bson_oid_t *topology_id;             /**< the same in all events of one client */
    const char *host;                          /**< "localhost:27017" */
    const mouv_server_description_t *previous; /**< changed; else NULL */
    const mouv_server_description_t *next;     /**< changed; else NULL */
} mouv_server_event_t;

/** The deployment is watched from now on, has changed, or is watched no more. */
typedef struct mouv_topology_event {
    const bson_oid_t *topology_id;               /**< the same in all events of one client */
    const mouv_topology_description_t *previous; /**< changed; else NULL */
    const mouv_topology_description_t *next;     /**< changed; else NULL */
} mouv_topology_event_t;

/** A monitor asks its server how it is. */
typedef struct mouv_heartbeat_event {
    const char *host;          /**< "localhost:27017" */
    bool awaited;              /**< the server answers when something has changed */
    int64_t duration_us;       /**< succeeded, failed */
    const bson_t *reply;       /**< succeeded; else NULL */
    const mouv_error_t *error; /**< failed; else NULL */
} mouv_heartbeat_event_t;

/** What an operation waits for. */
typedef enum mouv_waits_for {
    MOUV_WAITS_FOR_SERVER = 1, /**< no suitable one is known */
    MOUV_WAITS_FOR_CLIENT      /**< every one of the pool is in use, or being connected */
} mouv_waits_for_t;

/** What mouv's own scheduling does with an operation. */
typedef struct mouv_pool_event {
    const char *operation;      /**< "find" */
    const char *database;       /**< "shop" */
    uint64_t operation_id;      /**< as in mouv_command_event_t */
    uint32_t server_id;         /**< 0: not chosen yet */
    mouv_waits_for_t waits_for; /**< queued; else 0 */
    int64_t duration_us; /**< checked out: how long it waited; returned: how long it had it */
} mouv_pool_event_t;

/** What the URI asks of every pool of connections. */
typedef struct mouv_connection_pool_options {
    uint32_t max_pool_size;        /**< maxPoolSize; 0: no limit */
    uint32_t min_pool_size;        /**< minPoolSize */
    uint32_t max_connecting;       /**< maxConnecting: set up at a time */
    int64_t max_idle_time_ms;      /**< maxIdleTimeMS; 0: no limit */
    int64_t wait_queue_timeout_ms; /**< waitQueueTimeoutMS; 0: no limit of its own */
} mouv_connection_pool_options_t;

/** The connections to one server, as the connection monitoring and pooling specification has it. */
typedef struct mouv_connection_pool_event {
    const char *host;                              /**< "localhost:27017" */
    uint32_t server_id;                            /**< as in mouv_command_event_t */
    const mouv_connection_pool_options_t *options; /**< created; else NULL */
    const bson_oid_t *service_id; /**< cleared, behind a load balancer: only its connections; else
                                       NULL */
    bool interrupt_in_use;        /**< cleared: connections that are in use are cut as well */
} mouv_connection_pool_event_t;

/** Why a connection has been closed. */
typedef enum mouv_connection_closed_reason {
    MOUV_CONNECTION_CLOSED_STALE = 1, /**< its pool has been cleared since it was created */
    MOUV_CONNECTION_CLOSED_IDLE,      /**< unused for longer than maxIdleTimeMS */
    MOUV_CONNECTION_CLOSED_ERROR,     /**< it broke, was cut, or could not be set up */
    MOUV_CONNECTION_CLOSED_POOL       /**< its pool is closed */
} mouv_connection_closed_reason_t;

/** Why a check out has failed. */
typedef enum mouv_check_out_failed_reason {
    MOUV_CHECK_OUT_FAILED_POOL_CLOSED = 1, /**< its pool is closed */
    MOUV_CHECK_OUT_FAILED_TIMEOUT,         /**< none was free in time, or nobody waits any more */
    MOUV_CHECK_OUT_FAILED_CONNECTION       /**< one had to be set up for it, and could not */
} mouv_check_out_failed_reason_t;

/** A connection of such a pool, or somebody who wants one. */
typedef struct mouv_connection_event {
    const char *host;       /**< "localhost:27017" */
    uint32_t server_id;     /**< as in mouv_command_event_t */
    uint64_t connection_id; /**< the pool's number for it, from 1; 0: check out started, failed.
                                 Not the server's number, see mouv_command_event_t */
    uint64_t operation_id;  /**< whom it is checked out for: as in mouv_command_event_t; 0: for no
                                 operation, and created, ready, closed */
    mouv_connection_closed_reason_t closed_reason;          /**< closed; else 0 */
    mouv_check_out_failed_reason_t check_out_failed_reason; /**< check out failed; else 0 */
    const mouv_error_t *error; /**< check out failed; closed, if an error is why; else NULL */
    int64_t duration_us;       /**< ready: since created; checked out, check out failed: since it
                                    was wanted */
} mouv_connection_event_t;

/** What is NULL is not subscribed and costs nothing. */
typedef struct mouv_monitor {
    /** A command is about to be sent. */
    void (*command_started)(const mouv_command_event_t *event, void *arg);
    /** The server has answered {ok: 1}, which may have write errors. */
    void (*command_succeeded)(const mouv_command_event_t *event, void *arg);
    /** It has answered {ok: 0}, or no answer came. */
    void (*command_failed)(const mouv_command_event_t *event, void *arg);
    /** A server is known from now on. */
    void (*server_opening)(const mouv_server_event_t *event, void *arg);
    /** Its description has changed. */
    void (*server_changed)(const mouv_server_event_t *event, void *arg);
    /** It has left the deployment; libmongoc does not tell of those that are there at the end. */
    void (*server_closed)(const mouv_server_event_t *event, void *arg);
    /** The first operation has the deployment looked at. */
    void (*topology_opening)(const mouv_topology_event_t *event, void *arg);
    /** Its description has changed, that of a server perhaps. */
    void (*topology_changed)(const mouv_topology_event_t *event, void *arg);
    /** The client closes. */
    void (*topology_closed)(const mouv_topology_event_t *event, void *arg);
    /** A monitor asks its server. */
    void (*heartbeat_started)(const mouv_heartbeat_event_t *event, void *arg);
    /** The server has answered. */
    void (*heartbeat_succeeded)(const mouv_heartbeat_event_t *event, void *arg);
    /** It has not. */
    void (*heartbeat_failed)(const mouv_heartbeat_event_t *event, void *arg);
    /** It must wait. */
    void (*operation_queued)(const mouv_pool_event_t *event, void *arg);
    /** It has a client and goes to a worker. */
    void (*client_checked_out)(const mouv_pool_event_t *event, void *arg);
    /** The worker has done with it. */
    void (*client_returned)(const mouv_pool_event_t *event, void *arg);
    /** Nobody waits for it any more; killSessions is sent for it. */
    void (*operation_killed)(const mouv_pool_event_t *event, void *arg);
    /** Connections to this server will be pooled. */
    void (*pool_created)(const mouv_connection_pool_event_t *event, void *arg);
    /** It may set connections up: the server has been reached. */
    void (*pool_ready)(const mouv_connection_pool_event_t *event, void *arg);
    /** The server has failed: connections of until now are not used again. */
    void (*pool_cleared)(const mouv_connection_pool_event_t *event, void *arg);
    /** The server has left the deployment, or the client closes. */
    void (*pool_closed)(const mouv_connection_pool_event_t *event, void *arg);
    /** One is about to be set up. */
    void (*connection_created)(const mouv_connection_event_t *event, void *arg);
    /** It is set up, authenticated as well. */
    void (*connection_ready)(const mouv_connection_event_t *event, void *arg);
    /** It is gone. */
    void (*connection_closed)(const mouv_connection_event_t *event, void *arg);
    /** Somebody wants one. */
    void (*connection_check_out_started)(const mouv_connection_event_t *event, void *arg);
    /** He gets none. */
    void (*connection_check_out_failed)(const mouv_connection_event_t *event, void *arg);
    /** He has one. */
    void (*connection_checked_out)(const mouv_connection_event_t *event, void *arg);
    /** He has given it back; if it is of no more use, it is closed next. */
    void (*connection_checked_in)(const mouv_connection_event_t *event, void *arg);
} mouv_monitor_t;

MOUV_BEGIN_DECLS

/**
 * Subscribes to what `callbacks` has functions for, for the life of the client. The last events are
 * those of mouv_client_close(), told before it returns; none comes after it, after the last
 * mouv_client_unref() (though a session or a cursor keep the client open), or once the runtime
 * closes. An event for which there is no memory is lost.
 *
 * Context:   the client's thread, before its first operation. Never suspends.
 * Ownership: copies `callbacks`; `arg` must live as long as events may come.
 * Returns:   0 or a negative code.
 * Errors:    MOUV_EINVAL (NULL), MOUV_ESTATE (an operation has been started, or there is a monitor
 *            already), MOUV_ECLOSED, MOUV_ETHREAD, MOUV_ENOLOOP, MOUV_ENOMEM.
 * Like:      mongoc_client_pool_set_apm_callbacks(); Motor's event_listeners.
 */
MOUV_API int mouv_client_set_monitor(mouv_client_t *client, const mouv_monitor_t *callbacks,
                                     void *arg);

MOUV_END_DECLS

#endif
