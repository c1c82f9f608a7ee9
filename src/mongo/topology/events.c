/*
 * Events: written down where they happen, told on the loop. libmongoc's callbacks for servers run
 * under its topology lock and must not call it back.
 */
#include "mongo/topology/events.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <uv.h>

#include "async/loop/mailbox.h"
#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/base/error.h"
#include "mongo/topology/description.h"

/* X(callback, member of the union) */
#define KINDS(X) \
    X(command_started, command) \
    X(command_succeeded, command) \
    X(command_failed, command) \
    X(server_opening, server) \
    X(server_changed, server) \
    X(server_closed, server) \
    X(topology_opening, topology) \
    X(topology_changed, topology) \
    X(topology_closed, topology) \
    X(heartbeat_started, heartbeat) \
    X(heartbeat_succeeded, heartbeat) \
    X(heartbeat_failed, heartbeat) \
    X(operation_queued, driver_pool) \
    X(client_checked_out, driver_pool) \
    X(client_returned, driver_pool) \
    X(operation_killed, driver_pool)

typedef enum kind {
#define KIND(callback, member) KIND_##callback,
    KINDS(KIND)
#undef KIND
} kind_t;

/* One event that has been written down, with all that it points to. */
typedef struct record {
    struct record *next;
    kind_t kind;
    union {
        mouv_command_event_t command;
        mouv_server_event_t server;
        mouv_topology_event_t topology;
        mouv_heartbeat_event_t heartbeat;
        mouv_pool_event_t driver_pool;
    } event;
    bson_t *document; /* command, reply */
    mouv_error_t *error;
    mouv_server_description_t servers[2];     /* previous, next */
    mouv_topology_description_t *pictures[2]; /* previous, next */
    bson_oid_t id;                            /* topology or service */
    char name[64];
    char database[MOUV__DATABASE_NAME_MAX + 1];
    char host[264];
} record_t;

struct mouv__events {
    mouv__mail_t mail;   /* first; in the mailbox while `posted` */
    mouv__ready_t ready; /* loop thread */
    mouv__mailbox_t *mailbox;
    mouv_runtime_t *runtime;
    mouv_monitor_t callbacks;
    void *arg;
    uv_mutex_t lock;
    uint32_t shares; /* atomic */
    bool posted;     /* under the lock, as what follows */
    bool stopped;
    record_t *first, *last;
    bool finishing; /* loop thread: stops when all has been told */
};

/* --- records ---------------------------------------------------------------------------------- */

static record_t *events_record_new(kind_t kind) {
    record_t *record = mouv__alloc(sizeof(*record));
    if (record) record->kind = kind;
    return record;
}

static void events_record_free(record_t *record) {
    bson_destroy(record->document);
    mouv__free(record->error);
    for (int i = 0; i < 2; i++) {
        mouv__undescribe_server(&record->servers[i]);
        mouv_topology_description_unref(record->pictures[i]);
    }
    mouv__free(record);
}

static const char *events_keep_host(record_t *record, const mongoc_host_list_t *host) {
    snprintf(record->host, sizeof(record->host), "%s", host->host_and_port);
    return record->host;
}

static const char *events_keep_database(record_t *record, const char *database) {
    snprintf(record->database, sizeof(record->database), "%s", database);
    return record->database;
}

static const mouv_error_t *events_keep_error(record_t *record, const bson_error_t *driver,
                                             const bson_t *reply) {
    record->error = mouv__alloc(sizeof(*record->error));
    if (!record->error) return NULL;
    if (reply && bson_has_field(reply, "ok"))
        mouv__error_from_reply(record->error, reply);
    else
        mouv__error_from_driver(record->error, driver);
    return record->error;
}

/* --- telling, on the loop thread -------------------------------------------------------------- */

static void events_tell(const mouv__events_t *events, const record_t *record) {
    switch (record->kind) {
#define TELL(callback, member) \
    case KIND_##callback: \
        events->callbacks.callback(&record->event.member, events->arg); \
        return;
        KINDS(TELL)
#undef TELL
    }
}

static record_t *events_take_first(mouv__events_t *events) {
    uv_mutex_lock(&events->lock);
    record_t *record = events->first;
    if (record) events->first = record->next;
    if (!events->first) events->last = NULL;
    uv_mutex_unlock(&events->lock);
    return record;
}

static void events_on_ready(mouv__ready_t *ready) {
    mouv__events_t *events = (mouv__events_t *)((char *)ready - offsetof(mouv__events_t, ready));
    record_t *record;
    while ((record = events_take_first(events)) !=
           NULL) { /* a callback may stop it: then none is left */
        events_tell(events, record);
        events_record_free(record);
    }
    if (events->finishing) mouv__events_stop(events);
    mouv__events_unref(events);
}

static void events_schedule(mouv__events_t *events) {
    if (events->stopped || events->ready.queued) return;
    mouv__events_ref(events);
    mouv__runtime_ready(events->runtime, &events->ready);
}

static void events_mail_deliver(mouv__mail_t *mail) {
    mouv__events_t *events = (mouv__events_t *)mail;
    uv_mutex_lock(&events->lock);
    events->posted = false;
    uv_mutex_unlock(&events->lock);
    events_schedule(events);
    mouv__events_unref(events);
}

static void events_mail_discard(mouv__mail_t *mail) {
    mouv__events_unref((mouv__events_t *)mail);
}

/* --- writing down ----------------------------------------------------------------------------- */

/* Whether the loop must be told that there is something. */
static bool events_push(mouv__events_t *events, record_t *record, bool mail) {
    uv_mutex_lock(&events->lock);
    bool stopped = events->stopped;
    bool post = mail && !stopped && !events->posted;
    if (!stopped) {
        if (events->last)
            events->last->next = record;
        else
            events->first = record;
        events->last = record;
    }
    if (post) events->posted = true;
    uv_mutex_unlock(&events->lock);
    if (stopped) events_record_free(record);
    return post;
}

/* From any thread but the loop's. */
static void events_report(mouv__events_t *events, record_t *record) {
    if (!events_push(events, record, true)) return;
    mouv__events_ref(events);
    mouv__mailbox_post(events->mailbox, &events->mail);
}

/* --- commands, on workers --------------------------------------------------------------------- */

/* What this thread sends now. */
typedef struct sending {
    mouv__events_t *events; /* NULL: nothing that is told of */
    uint64_t operation_id;
    const char *database;
    const char *name; /* libmongoc may send others before it, to authenticate */
    bool secret;
} sending_t;

static _Thread_local sending_t sending;

/* As the command monitoring specification lists them. */
static bool events_is_secret(const char *name, const bson_t *command) {
    static const char *const secret[] = {
        "authenticate", "saslStart",      "saslContinue",    "getnonce", "createUser",
        "updateUser",   "copydbgetnonce", "copydbsaslstart", "copydb",
    };
    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
        if (strcasecmp(secret[i], name) == 0) return true;
    bool hello = strcasecmp(name, "hello") == 0 || strcasecmp(name, "isMaster") == 0;
    return hello && bson_has_field(command, "speculativeAuthenticate");
}

void mouv__events_enter(mouv__events_t *events, uint64_t operation_id, const char *database,
                        const bson_t *command) {
    bson_iter_t iter;
    if (!events || !bson_iter_init(&iter, command) || !bson_iter_next(&iter)) return;
    const char *name = bson_iter_key(&iter);
    sending = (sending_t){events, operation_id, database, name, events_is_secret(name, command)};
}

void mouv__events_leave(mouv__events_t *events) {
    if (events) sending = (sending_t){0};
}

static record_t *events_command_record(kind_t kind, const char *name,
                                       const mongoc_host_list_t *host) {
    if (!sending.events || strcmp(sending.name, name) != 0) return NULL;
    record_t *record = events_record_new(kind);
    if (!record) return NULL;
    mouv_command_event_t *view = &record->event.command;
    snprintf(record->name, sizeof(record->name), "%s", name);
    view->name = record->name;
    view->database = events_keep_database(record, sending.database);
    view->host = events_keep_host(record, host);
    view->operation_id = sending.operation_id;
    return record;
}

static const bson_t *events_keep_command(record_t *record, const bson_t *document) {
    record->document = sending.secret || !document ? bson_new() : bson_copy(document);
    return record->document;
}

static const bson_oid_t *events_keep_service(record_t *record, const bson_oid_t *service_id) {
    if (service_id) bson_oid_copy(service_id, &record->id);
    return service_id ? &record->id : NULL;
}

#if MONGOC_CHECK_VERSION(1, 24, 0)
#define CONNECTION_ID(kind, event) mongoc_apm_##kind##_get_server_connection_id_int64(event)
#else
#define CONNECTION_ID(kind, event) mongoc_apm_##kind##_get_server_connection_id(event)
#endif

/* What the three events of a command have under names of their own. */
#define COMMAND_RECORD(record, kind, event) \
    record_t *record = \
        events_command_record(KIND_##kind, mongoc_apm_##kind##_get_command_name(event), \
                              mongoc_apm_##kind##_get_host(event)); \
    if (!record) return; \
    record->event.command.request_id = mongoc_apm_##kind##_get_request_id(event); \
    record->event.command.server_id = mongoc_apm_##kind##_get_server_id(event); \
    record->event.command.connection_id = CONNECTION_ID(kind, event); \
    record->event.command.service_id = \
        events_keep_service(record, mongoc_apm_##kind##_get_service_id(event))

static void events_on_command_started(const mongoc_apm_command_started_t *event) {
    COMMAND_RECORD(record, command_started, event);
    record->event.command.command =
        events_keep_command(record, mongoc_apm_command_started_get_command(event));
    events_report(sending.events, record);
}

static void events_on_command_succeeded(const mongoc_apm_command_succeeded_t *event) {
    COMMAND_RECORD(record, command_succeeded, event);
    record->event.command.duration_us = mongoc_apm_command_succeeded_get_duration(event);
    record->event.command.reply =
        events_keep_command(record, mongoc_apm_command_succeeded_get_reply(event));
    events_report(sending.events, record);
}

static void events_on_command_failed(const mongoc_apm_command_failed_t *event) {
    COMMAND_RECORD(record, command_failed, event);
    bson_error_t error = {0};
    const bson_t *reply = mongoc_apm_command_failed_get_reply(event);
    mongoc_apm_command_failed_get_error(event, &error);
    record->event.command.duration_us = mongoc_apm_command_failed_get_duration(event);
    record->event.command.error = events_keep_error(record, &error, reply);
    if (reply && bson_has_field(reply, "ok"))
        record->event.command.reply = events_keep_command(record, reply);
    events_report(sending.events, record);
}

/* --- the deployment, on libmongoc's monitor threads ------------------------------------------- */

#define MONITOR_OF(kind, event) mouv__listener_events(mongoc_apm_##kind##_get_context(event))

#define SERVER_RECORD(record, kind, event) \
    record_t *record = events_record_new(KIND_##kind); \
    if (!record) return; \
    mongoc_apm_##kind##_get_topology_id(event, &record->id); \
    record->event.server.topology_id = &record->id; \
    record->event.server.host = events_keep_host(record, mongoc_apm_##kind##_get_host(event))

static void events_on_server_opening(const mongoc_apm_server_opening_t *event) {
    SERVER_RECORD(record, server_opening, event);
    events_report(MONITOR_OF(server_opening, event), record);
}

static void events_on_server_changed(const mongoc_apm_server_changed_t *event) {
    SERVER_RECORD(record, server_changed, event);
    mouv__describe_server(&record->servers[0],
                          mongoc_apm_server_changed_get_previous_description(event));
    mouv__describe_server(&record->servers[1],
                          mongoc_apm_server_changed_get_new_description(event));
    record->event.server.previous = &record->servers[0];
    record->event.server.next = &record->servers[1];
    events_report(MONITOR_OF(server_changed, event), record);
}

static void events_on_server_closed(const mongoc_apm_server_closed_t *event) {
    SERVER_RECORD(record, server_closed, event);
    events_report(MONITOR_OF(server_closed, event), record);
}

#define TOPOLOGY_RECORD(record, kind, event) \
    record_t *record = events_record_new(KIND_##kind); \
    if (!record) return; \
    mongoc_apm_##kind##_get_topology_id(event, &record->id); \
    record->event.topology.topology_id = &record->id

static void events_on_topology_opening(const mongoc_apm_topology_opening_t *event) {
    TOPOLOGY_RECORD(record, topology_opening, event);
    events_report(MONITOR_OF(topology_opening, event), record);
}

void mouv__events_topology_changed(mouv__events_t *events,
                                   const mongoc_apm_topology_changed_t *event) {
    if (!events->callbacks.topology_changed) return;
    TOPOLOGY_RECORD(record, topology_changed, event);
    record->pictures[0] =
        mouv__describe_topology(mongoc_apm_topology_changed_get_previous_description(event));
    record->pictures[1] =
        mouv__describe_topology(mongoc_apm_topology_changed_get_new_description(event));
    record->event.topology.previous = record->pictures[0];
    record->event.topology.next = record->pictures[1];
    if (record->pictures[0] && record->pictures[1])
        events_report(events, record);
    else
        events_record_free(record);
}

static void events_on_topology_closed(const mongoc_apm_topology_closed_t *event) {
    TOPOLOGY_RECORD(record, topology_closed, event);
    events_report(MONITOR_OF(topology_closed, event), record);
}

#define HEARTBEAT_RECORD(record, kind, event) \
    record_t *record = events_record_new(KIND_##kind); \
    if (!record) return; \
    record->event.heartbeat.host = \
        events_keep_host(record, mongoc_apm_server_##kind##_get_host(event)); \
    record->event.heartbeat.awaited = mongoc_apm_server_##kind##_get_awaited(event)

static void events_on_heartbeat_started(const mongoc_apm_server_heartbeat_started_t *event) {
    HEARTBEAT_RECORD(record, heartbeat_started, event);
    events_report(MONITOR_OF(server_heartbeat_started, event), record);
}

void mouv__events_heartbeat_succeeded(mouv__events_t *events,
                                      const mongoc_apm_server_heartbeat_succeeded_t *event) {
    if (!events->callbacks.heartbeat_succeeded) return;
    HEARTBEAT_RECORD(record, heartbeat_succeeded, event);
    record->event.heartbeat.duration_us = mongoc_apm_server_heartbeat_succeeded_get_duration(event);
    record->document = bson_copy(mongoc_apm_server_heartbeat_succeeded_get_reply(event));
    record->event.heartbeat.reply = record->document;
    events_report(events, record);
}

void mouv__events_heartbeat_failed(mouv__events_t *events,
                                   const mongoc_apm_server_heartbeat_failed_t *event) {
    if (!events->callbacks.heartbeat_failed) return;
    HEARTBEAT_RECORD(record, heartbeat_failed, event);
    bson_error_t error = {0};
    mongoc_apm_server_heartbeat_failed_get_error(event, &error);
    record->event.heartbeat.duration_us = mongoc_apm_server_heartbeat_failed_get_duration(event);
    record->event.heartbeat.error = events_keep_error(record, &error, NULL);
    events_report(events, record);
}

void mouv__events_subscribe(const mouv__events_t *events, mongoc_apm_callbacks_t *callbacks) {
#define SUBSCRIBE(kind, apm) \
    if (events->callbacks.kind) mongoc_apm_set_##apm##_cb(callbacks, events_on_##kind)
    SUBSCRIBE(command_started, command_started);
    SUBSCRIBE(command_succeeded, command_succeeded);
    SUBSCRIBE(command_failed, command_failed);
    SUBSCRIBE(server_opening, server_opening);
    SUBSCRIBE(server_changed, server_changed);
    SUBSCRIBE(server_closed, server_closed);
    SUBSCRIBE(topology_opening, topology_opening);
    SUBSCRIBE(topology_closed, topology_closed);
    SUBSCRIBE(heartbeat_started, server_heartbeat_started);
#undef SUBSCRIBE
}

/* --- the pool, on the loop thread ------------------------------------------------------------- */

static int64_t events_us_since(const mouv__operation_t *op, int64_t then_ns) {
    return (mouv__client_now_ns(op->client) - then_ns) / 1000;
}

static mouv_pool_event_t *events_note(const mouv__operation_t *op, kind_t kind) {
    record_t *record = events_record_new(kind);
    if (!record) return NULL;
    mouv_pool_event_t *view = &record->event.driver_pool;
    view->operation = op->row->name;
    view->database = events_keep_database(record, op->database);
    view->operation_id = op->number;
    view->server_id = op->attempt.server_id;
    return view;
}

static void events_add(const mouv__operation_t *op, mouv_pool_event_t *view) {
    events_push(op->client->events, (record_t *)((char *)view - offsetof(record_t, event)), false);
    events_schedule(op->client->events);
}

void mouv__events_queued(const mouv__operation_t *op) {
    if (!op->client->events->callbacks.operation_queued) return;
    mouv_pool_event_t *view = events_note(op, KIND_operation_queued);
    if (!view) return;
    view->waits_for =
        op->state == MOUV__OP_SELECTING ? MOUV_WAITS_FOR_SERVER : MOUV_WAITS_FOR_CLIENT;
    events_add(op, view);
}

void mouv__events_checked_out(const mouv__operation_t *op) {
    if (!op->client->events->callbacks.client_checked_out) return;
    mouv_pool_event_t *view = events_note(op, KIND_client_checked_out);
    if (!view) return;
    view->duration_us = events_us_since(op, op->entered_ns);
    events_add(op, view);
}

void mouv__events_returned(const mouv__operation_t *op) {
    events_schedule(op->client->events);
    if (!op->client->events->callbacks.client_returned) return;
    mouv_pool_event_t *view = events_note(op, KIND_client_returned);
    if (!view) return;
    view->duration_us = events_us_since(op, op->began_ns);
    events_add(op, view);
}

void mouv__events_killed(const mouv__operation_t *op) {
    if (!op->client->events->callbacks.operation_killed) return;
    mouv_pool_event_t *view = events_note(op, KIND_operation_killed);
    if (view) events_add(op, view);
}

/* --- life ------------------------------------------------------------------------------------- */

mouv__events_t *mouv__events_new(mouv_runtime_t *runtime, const mouv_monitor_t *callbacks,
                                 void *arg) {
    mouv__events_t *events = mouv__alloc(sizeof(*events));
    if (!events) return NULL;
    if (uv_mutex_init(&events->lock) != 0) {
        mouv__free(events);
        return NULL;
    }
    events->mail = (mouv__mail_t){.deliver = events_mail_deliver, .discard = events_mail_discard};
    events->ready.run = events_on_ready;
    events->mailbox = mouv__mailbox_ref(mouv__runtime_mailbox(runtime));
    events->runtime = runtime;
    events->callbacks = *callbacks;
    events->arg = arg;
    events->shares = 1;
    return events;
}

mouv__events_t *mouv__events_ref(mouv__events_t *events) {
    __atomic_add_fetch(&events->shares, 1, __ATOMIC_RELAXED);
    return events;
}

static void events_free_records(record_t *record) {
    while (record) {
        record_t *next = record->next;
        events_record_free(record);
        record = next;
    }
}

void mouv__events_unref(mouv__events_t *events) {
    if (__atomic_sub_fetch(&events->shares, 1, __ATOMIC_ACQ_REL) > 0) return;
    events_free_records(events->first);
    mouv__mailbox_unref(events->mailbox);
    uv_mutex_destroy(&events->lock);
    mouv__free(events);
}

void mouv__events_stop(mouv__events_t *events) {
    if (!events) return;
    uv_mutex_lock(&events->lock);
    record_t *left = events->first;
    events->first = events->last = NULL;
    events->stopped = true;
    uv_mutex_unlock(&events->lock);
    events_free_records(left);
}

void mouv__events_finish(mouv__events_t *events) {
    if (!events) return;
    events->finishing = true;
    events_schedule(events);
}
