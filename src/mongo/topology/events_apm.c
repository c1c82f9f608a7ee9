/*
 * From libmongoc's events to mouv's. Its callbacks for servers run under its topology lock and must
 * not call it back.
 */
#include "mongo/topology/events_apm.h"

#include <string.h>

#include "mongo/base/error.h"
#include "mongo/topology/description.h"
#include "mongo/topology/server.h"

/* --- commands, on workers --------------------------------------------------------------------- */

/* What this thread sends now. */
typedef struct sending {
    mouv__events_t *events; /* NULL: nothing that is told of */
    uint64_t operation_id;
    const char *database;
    const char *name; /* libmongoc may send others before it, to authenticate */
    bool secret;
    int32_t expected_code; /* see mouv__events_expects() */
} sending_t;

static _Thread_local sending_t sending;

void mouv__events_apm_enter(mouv__events_t *events, uint64_t operation_id, const char *database,
                            const bson_t *command, int32_t expected_code) {
    bson_iter_t iter;
    if (!bson_iter_init(&iter, command) || !bson_iter_next(&iter)) return;
    const char *name = bson_iter_key(&iter);
    sending = (sending_t){
        events, operation_id, database, name, mouv__events_is_secret(name, command), expected_code};
}

void mouv__events_apm_leave(void) {
    sending = (sending_t){0};
}

static void events_apm_tell(mouv__event_kind_t kind, const mouv_command_event_t *what) {
    if (!sending.events || strcmp(sending.name, what->name) != 0) return;
    mouv__events_command(sending.events, kind, what, sending.secret);
}

#if MONGOC_CHECK_VERSION(1, 24, 0)
#define CONNECTION_ID(kind, event) mongoc_apm_##kind##_get_server_connection_id_int64(event)
#else
#define CONNECTION_ID(kind, event) mongoc_apm_##kind##_get_server_connection_id(event)
#endif

/* What the three events of a command have under names of their own. */
#define COMMAND_VIEW(kind, event) \
    { \
        .name = mongoc_apm_##kind##_get_command_name(event), .database = sending.database, \
        .host = mongoc_apm_##kind##_get_host(event)->host_and_port, \
        .request_id = mongoc_apm_##kind##_get_request_id(event), \
        .operation_id = sending.operation_id, .connection_id = CONNECTION_ID(kind, event), \
        .server_id = mongoc_apm_##kind##_get_server_id(event), \
        .service_id = mongoc_apm_##kind##_get_service_id(event) \
    }

static void events_apm_on_command_started(const mongoc_apm_command_started_t *event) {
    mouv_command_event_t what = COMMAND_VIEW(command_started, event);
    what.command = mongoc_apm_command_started_get_command(event);
    events_apm_tell(MOUV__EVENT_COMMAND_STARTED, &what);
}

static void events_apm_on_command_succeeded(const mongoc_apm_command_succeeded_t *event) {
    mouv_command_event_t what = COMMAND_VIEW(command_succeeded, event);
    what.duration_us = mongoc_apm_command_succeeded_get_duration(event);
    what.reply = mongoc_apm_command_succeeded_get_reply(event);
    events_apm_tell(MOUV__EVENT_COMMAND_SUCCEEDED, &what);
}

static void events_apm_on_command_failed(const mongoc_apm_command_failed_t *event) {
    mouv_command_event_t what = COMMAND_VIEW(command_failed, event);
    const bson_t *reply = mongoc_apm_command_failed_get_reply(event);
    bson_error_t driver = {0};
    mouv_error_t error = {0};
    mongoc_apm_command_failed_get_error(event, &driver);
    if (mouv__events_expects(sending.expected_code, reply)) {
        what.duration_us = mongoc_apm_command_failed_get_duration(event);
        what.reply = reply;
        events_apm_tell(MOUV__EVENT_COMMAND_SUCCEEDED, &what);
        return;
    }
    if (reply && bson_has_field(reply, "ok")) {
        what.reply = reply;
        mouv__error_from_reply(&error, reply);
    } else {
        mouv__error_from_driver(&error, &driver);
    }
    what.error = &error;
    what.duration_us = mongoc_apm_command_failed_get_duration(event);
    events_apm_tell(MOUV__EVENT_COMMAND_FAILED, &what);
}

/* --- the deployment, on libmongoc's monitor threads ------------------------------------------- */

/* Begins a function: `record`, with what all events of servers have. */
#define SERVER_RECORD(record, name, kind, event) \
    mouv__events_record_t *record = mouv__events_record_new(MOUV__EVENT_##kind); \
    if (!record) return; \
    mongoc_apm_##name##_get_topology_id(event, &record->id); \
    record->event.server.topology_id = &record->id; \
    record->event.server.host = \
        mouv__events_record_host(record, mongoc_apm_##name##_get_host(event)->host_and_port)

void mouv__events_apm_server_opening(mouv__events_t *events,
                                     const mongoc_apm_server_opening_t *event) {
    if (!mouv__events_wants(events, MOUV__EVENT_SERVER_OPENING)) return;
    SERVER_RECORD(record, server_opening, SERVER_OPENING, event);
    mouv__events_add(events, record);
}

void mouv__events_apm_server_changed(mouv__events_t *events,
                                     const mongoc_apm_server_changed_t *event, bool was_unknown) {
    const mongoc_server_description_t *next = mongoc_apm_server_changed_get_new_description(event);
    const char *type = mongoc_server_description_type((mongoc_server_description_t *)next);
    if (was_unknown && mouv__server_kind_of(type) == MOUV__SERVER_UNKNOWN) return;
    SERVER_RECORD(record, server_changed, SERVER_CHANGED, event);
    if (was_unknown)
        mouv__describe_unknown_server(&record->servers[0], record->host);
    else
        mouv__describe_server(&record->servers[0],
                              mongoc_apm_server_changed_get_previous_description(event));
    mouv__describe_server(&record->servers[1], next);
    record->event.server.previous = &record->servers[0];
    record->event.server.next = &record->servers[1];
    mouv__events_add(events, record);
}

void mouv__events_apm_topology_changed(mouv__events_t *events,
                                       const mongoc_apm_topology_changed_t *event) {
    if (!mouv__events_wants(events, MOUV__EVENT_TOPOLOGY_CHANGED)) return;
    mouv__events_record_t *record = mouv__events_record_new(MOUV__EVENT_TOPOLOGY_CHANGED);
    if (!record) return;
    mongoc_apm_topology_changed_get_topology_id(event, &record->id);
    record->event.topology.topology_id = &record->id;
    record->pictures[0] =
        mouv__describe_topology(mongoc_apm_topology_changed_get_previous_description(event));
    record->pictures[1] =
        mouv__describe_topology(mongoc_apm_topology_changed_get_new_description(event));
    record->event.topology.previous = record->pictures[0];
    record->event.topology.next = record->pictures[1];
    if (record->pictures[0] && record->pictures[1])
        mouv__events_add(events, record);
    else
        mouv__events_record_free(record);
}

#define HEARTBEAT_VIEW(name, event) \
    { \
        .host = mongoc_apm_server_##name##_get_host(event)->host_and_port, \
        .awaited = mongoc_apm_server_##name##_get_awaited(event) \
    }

void mouv__events_apm_heartbeat_started(mouv__events_t *events,
                                        const mongoc_apm_server_heartbeat_started_t *event) {
    mouv_heartbeat_event_t what = HEARTBEAT_VIEW(heartbeat_started, event);
    mouv__events_heartbeat(events, MOUV__EVENT_HEARTBEAT_STARTED, &what);
}

void mouv__events_apm_heartbeat_succeeded(mouv__events_t *events,
                                          const mongoc_apm_server_heartbeat_succeeded_t *event) {
    mouv_heartbeat_event_t what = HEARTBEAT_VIEW(heartbeat_succeeded, event);
    what.duration_us = mongoc_apm_server_heartbeat_succeeded_get_duration(event);
    what.reply = mongoc_apm_server_heartbeat_succeeded_get_reply(event);
    mouv__events_heartbeat(events, MOUV__EVENT_HEARTBEAT_SUCCEEDED, &what);
}

void mouv__events_apm_heartbeat_failed(mouv__events_t *events,
                                       const mongoc_apm_server_heartbeat_failed_t *event) {
    if (!mouv__events_wants(events, MOUV__EVENT_HEARTBEAT_FAILED)) return;
    mouv_heartbeat_event_t what = HEARTBEAT_VIEW(heartbeat_failed, event);
    bson_error_t driver = {0};
    mouv_error_t error = {0};
    mongoc_apm_server_heartbeat_failed_get_error(event, &driver);
    mouv__error_from_driver(&error, &driver);
    what.duration_us = mongoc_apm_server_heartbeat_failed_get_duration(event);
    what.error = &error;
    mouv__events_heartbeat(events, MOUV__EVENT_HEARTBEAT_FAILED, &what);
}

void mouv__events_apm_subscribe(const mouv__events_t *events, mongoc_apm_callbacks_t *callbacks) {
#define SUBSCRIBE(kind, name, apm) \
    if (mouv__events_wants(events, MOUV__EVENT_##kind)) \
    mongoc_apm_set_##apm##_cb(callbacks, events_apm_on_##name)
    SUBSCRIBE(COMMAND_STARTED, command_started, command_started);
    SUBSCRIBE(COMMAND_SUCCEEDED, command_succeeded, command_succeeded);
    SUBSCRIBE(COMMAND_FAILED, command_failed, command_failed);
#undef SUBSCRIBE
}
