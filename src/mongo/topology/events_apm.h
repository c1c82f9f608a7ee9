/*
 * What libmongoc tells of: commands on workers, the deployment on its monitors' threads.
 */
#ifndef MOUV_MONGO_TOPOLOGY_EVENTS_APM_H
#define MOUV_MONGO_TOPOLOGY_EVENTS_APM_H

#include <mongoc/mongoc.h>

#include "mongo/topology/events.h"

/** The context of libmongoc's callbacks, embedded in what else they are for. */
typedef struct mouv__events_apm {
    mouv__events_t *events; /**< a share of the owner's; NULL: nobody listens */
} mouv__events_apm_t;

/** A worker: adds what is subscribed to libmongoc's callbacks, but for what follows below. NULL is
 *  fine. */
void mouv__events_apm_subscribe(const mouv__events_t *events, mongoc_apm_callbacks_t *callbacks);

/** What the listener needs for itself and passes on. Monitor threads. NULL is fine. */
void mouv__events_apm_server_opening(mouv__events_t *events,
                                     const mongoc_apm_server_opening_t *event);
/** `was_unknown`: users take it for that before. */
void mouv__events_apm_server_changed(mouv__events_t *events,
                                     const mongoc_apm_server_changed_t *event, bool was_unknown);
void mouv__events_apm_topology_changed(mouv__events_t *events,
                                       const mongoc_apm_topology_changed_t *event);
void mouv__events_apm_heartbeat_started(mouv__events_t *events,
                                        const mongoc_apm_server_heartbeat_started_t *event);
void mouv__events_apm_heartbeat_succeeded(mouv__events_t *events,
                                          const mongoc_apm_server_heartbeat_succeeded_t *event);
void mouv__events_apm_heartbeat_failed(mouv__events_t *events,
                                       const mongoc_apm_server_heartbeat_failed_t *event);

/**
 * A worker: between these two calls its thread sends `command`; nothing else that libmongoc sends
 * is told of. `operation_id` is 0 for what is no operation.
 */
void mouv__events_apm_enter(mouv__events_t *events, uint64_t operation_id, const char *database,
                            const bson_t *command, int32_t expected_code);
void mouv__events_apm_leave(void);

#endif
