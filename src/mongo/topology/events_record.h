/*
 * One event that has been written down: a view of monitor.h with a copy of all that it points to,
 * so that it can be told later and on another thread.
 */
#ifndef MOUV_MONGO_TOPOLOGY_EVENTS_RECORD_H
#define MOUV_MONGO_TOPOLOGY_EVENTS_RECORD_H

#include <mouv/monitor.h>

/** X(kind, its callback in mouv_monitor_t, the member of the record that is its view) */
#define MOUV__EVENT_KINDS(X) \
    X(COMMAND_STARTED, command_started, command) \
    X(COMMAND_SUCCEEDED, command_succeeded, command) \
    X(COMMAND_FAILED, command_failed, command) \
    X(SERVER_OPENING, server_opening, server) \
    X(SERVER_CHANGED, server_changed, server) \
    X(SERVER_CLOSED, server_closed, server) \
    X(TOPOLOGY_OPENING, topology_opening, topology) \
    X(TOPOLOGY_CHANGED, topology_changed, topology) \
    X(TOPOLOGY_CLOSED, topology_closed, topology) \
    X(HEARTBEAT_STARTED, heartbeat_started, heartbeat) \
    X(HEARTBEAT_SUCCEEDED, heartbeat_succeeded, heartbeat) \
    X(HEARTBEAT_FAILED, heartbeat_failed, heartbeat) \
    X(OPERATION_QUEUED, operation_queued, operation) \
    X(CLIENT_CHECKED_OUT, client_checked_out, operation) \
    X(CLIENT_RETURNED, client_returned, operation) \
    X(OPERATION_KILLED, operation_killed, operation) \
    X(POOL_CREATED, pool_created, pool) \
    X(POOL_READY, pool_ready, pool) \
    X(POOL_CLEARED, pool_cleared, pool) \
    X(POOL_CLOSED, pool_closed, pool) \
    X(CONNECTION_CREATED, connection_created, connection) \
    X(CONNECTION_READY, connection_ready, connection) \
    X(CONNECTION_CLOSED, connection_closed, connection) \
    X(CONNECTION_CHECK_OUT_STARTED, connection_check_out_started, connection) \
    X(CONNECTION_CHECK_OUT_FAILED, connection_check_out_failed, connection) \
    X(CONNECTION_CHECKED_OUT, connection_checked_out, connection) \
    X(CONNECTION_CHECKED_IN, connection_checked_in, connection)

typedef enum mouv__event_kind {
#define MOUV__EVENT_KIND(kind, callback, member) MOUV__EVENT_##kind,
    MOUV__EVENT_KINDS(MOUV__EVENT_KIND)
#undef MOUV__EVENT_KIND
        MOUV__EVENT_KIND_COUNT
} mouv__event_kind_t;

typedef struct mouv__events_record mouv__events_record_t;

struct mouv__events_record {
    mouv__events_record_t *next; /**< see events.c */
    mouv__event_kind_t kind;
    union {
        mouv_command_event_t command;
        mouv_server_event_t server;
        mouv_topology_event_t topology;
        mouv_heartbeat_event_t heartbeat;
        mouv_pool_event_t operation;
        mouv_connection_pool_event_t pool;
        mouv_connection_event_t connection;
    } event; /**< points to nothing but what follows */
    bson_t *command, *reply;
    mouv_error_t *error;
    mouv_connection_pool_options_t options;
    mouv_server_description_t servers[2];     /**< previous, next */
    mouv_topology_description_t *pictures[2]; /**< previous, next */
    bson_oid_t id;                            /**< topology or service */
    char name[64];
    char database[64];
    char host[264];
};

/** An empty one. NULL: ENOMEM, as of all that follow; any thread. */
mouv__events_record_t *mouv__events_record_new(mouv__event_kind_t kind);
void mouv__events_record_free(mouv__events_record_t *record);

/** Keeps an address for its view, and returns the copy. */
const char *mouv__events_record_host(mouv__events_record_t *record, const char *host);

/* With a copy of such a view. */
mouv__events_record_t *mouv__events_record_command(mouv__event_kind_t kind,
                                                   const mouv_command_event_t *what, bool secret);
mouv__events_record_t *mouv__events_record_heartbeat(mouv__event_kind_t kind,
                                                     const mouv_heartbeat_event_t *what);
mouv__events_record_t *mouv__events_record_operation(mouv__event_kind_t kind,
                                                     const mouv_pool_event_t *what);
mouv__events_record_t *mouv__events_record_pool(mouv__event_kind_t kind,
                                                const mouv_connection_pool_event_t *what);
mouv__events_record_t *mouv__events_record_connection(mouv__event_kind_t kind,
                                                      const mouv_connection_event_t *what);

/** Of a server that is Unknown now, or (`lost` false) no more; of a topology, whose descriptions are
 *  taken in any case. */
mouv__events_record_t *
mouv__events_record_server_unknown(const bson_oid_t *id, const mouv_server_description_t *described,
                                   bool lost);
mouv__events_record_t *mouv__events_record_server_closed(const bson_oid_t *id, const char *host);
mouv__events_record_t *mouv__events_record_topology_life(mouv__event_kind_t kind,
                                                         const bson_oid_t *id);
mouv__events_record_t *mouv__events_record_topology(const bson_oid_t *id,
                                                    mouv_topology_description_t *previous,
                                                    mouv_topology_description_t *next);

/** Calls what is subscribed to it. Loop thread. */
void mouv__events_record_tell(const mouv__events_record_t *record, const mouv_monitor_t *callbacks,
                              void *arg);

#endif
