/*
 * Events written down: views of monitor.h that own what they point to.
 */
#include "mongo/topology/events_record.h"

#include <assert.h>
#include <stdio.h>

#include "context/alloc.h"
#include "mongo/topology/description.h"

mouv__events_record_t *mouv__events_record_new(mouv__event_kind_t kind) {
    mouv__events_record_t *record = mouv__alloc(sizeof(*record));
    if (record) record->kind = kind;
    return record;
}

void mouv__events_record_free(mouv__events_record_t *record) {
    bson_destroy(record->command);
    bson_destroy(record->reply);
    mouv__free(record->error);
    for (int i = 0; i < 2; i++) {
        mouv__undescribe_server(&record->servers[i]);
        mouv_topology_description_unref(record->pictures[i]);
    }
    mouv__free(record);
}

/* --- what a view points to -------------------------------------------------------------------- */

static const char *events_record_text(char *copy, size_t size, const char *text) {
    if (!text) return NULL;
    snprintf(copy, size, "%s", text);
    return copy;
}

const char *mouv__events_record_host(mouv__events_record_t *record, const char *host) {
    return events_record_text(record->host, sizeof(record->host), host);
}

static const char *events_record_database(mouv__events_record_t *record, const char *database) {
    return events_record_text(record->database, sizeof(record->database), database);
}

static const char *events_record_name(mouv__events_record_t *record, const char *name) {
    return events_record_text(record->name, sizeof(record->name), name);
}

static const bson_oid_t *events_record_id(mouv__events_record_t *record, const bson_oid_t *id) {
    if (!id) return NULL;
    bson_oid_copy(id, &record->id);
    return &record->id;
}

/* Without memory for it an event is told all the same: others count on its end. */
static const mouv_error_t *events_record_error(mouv__events_record_t *record,
                                               const mouv_error_t *error) {
    static const mouv_error_t lost = {.code = MOUV_ENOMEM,
                                      .message = "there was no memory to keep the error"};
    if (!error) return NULL;
    record->error = mouv__alloc(sizeof(*record->error));
    if (!record->error) return &lost;
    *record->error = *error;
    return record->error;
}

static bson_t *events_record_copy(const bson_t *document, bool secret) {
    if (!document) return NULL;
    return secret ? bson_new() : bson_copy(document);
}

/* --- by their views --------------------------------------------------------------------------- */

/* Begins a function: `record` and its `view`, which is a copy of `what`. */
#define RECORD_OF(member, kind, what) \
    mouv__events_record_t *record = mouv__events_record_new(kind); \
    if (!record) return NULL; \
    record->event.member = *(what)

mouv__events_record_t *mouv__events_record_command(mouv__event_kind_t kind,
                                                   const mouv_command_event_t *what, bool secret) {
    assert(kind <= MOUV__EVENT_COMMAND_FAILED);
    RECORD_OF(command, kind, what);
    mouv_command_event_t *view = &record->event.command;
    view->name = events_record_name(record, what->name);
    view->database = events_record_database(record, what->database);
    view->host = mouv__events_record_host(record, what->host);
    view->service_id = events_record_id(record, what->service_id);
    view->command = record->command = events_record_copy(what->command, secret);
    view->reply = record->reply = events_record_copy(what->reply, secret);
    view->error = events_record_error(record, what->error);
    return record;
}

mouv__events_record_t *mouv__events_record_heartbeat(mouv__event_kind_t kind,
                                                     const mouv_heartbeat_event_t *what) {
    assert(kind >= MOUV__EVENT_HEARTBEAT_STARTED && kind <= MOUV__EVENT_HEARTBEAT_FAILED);
    RECORD_OF(heartbeat, kind, what);
    mouv_heartbeat_event_t *view = &record->event.heartbeat;
    view->host = mouv__events_record_host(record, what->host);
    view->reply = record->reply = events_record_copy(what->reply, false);
    view->error = events_record_error(record, what->error);
    return record;
}

mouv__events_record_t *mouv__events_record_operation(mouv__event_kind_t kind,
                                                     const mouv_pool_event_t *what) {
    assert(kind >= MOUV__EVENT_OPERATION_QUEUED && kind <= MOUV__EVENT_OPERATION_KILLED);
    RECORD_OF(operation, kind, what);
    mouv_pool_event_t *view = &record->event.operation;
    view->operation = events_record_name(record, what->operation);
    view->database = events_record_database(record, what->database);
    return record;
}

mouv__events_record_t *mouv__events_record_pool(mouv__event_kind_t kind,
                                                const mouv_connection_pool_event_t *what) {
    assert(kind >= MOUV__EVENT_POOL_CREATED && kind <= MOUV__EVENT_POOL_CLOSED);
    RECORD_OF(pool, kind, what);
    mouv_connection_pool_event_t *view = &record->event.pool;
    view->host = mouv__events_record_host(record, what->host);
    view->service_id = events_record_id(record, what->service_id);
    if (what->options) {
        record->options = *what->options;
        view->options = &record->options;
    }
    return record;
}

mouv__events_record_t *mouv__events_record_connection(mouv__event_kind_t kind,
                                                      const mouv_connection_event_t *what) {
    assert(kind >= MOUV__EVENT_CONNECTION_CREATED && kind <= MOUV__EVENT_CONNECTION_CHECKED_IN);
    RECORD_OF(connection, kind, what);
    mouv_connection_event_t *view = &record->event.connection;
    view->host = mouv__events_record_host(record, what->host);
    view->error = events_record_error(record, what->error);
    return record;
}

mouv__events_record_t *
mouv__events_record_server_unknown(const bson_oid_t *id, const mouv_server_description_t *described,
                                   bool lost) {
    mouv__events_record_t *record = mouv__events_record_new(MOUV__EVENT_SERVER_CHANGED);
    if (!record) return NULL;
    mouv__description_copy_server(&record->servers[lost ? 0 : 1], described);
    mouv__describe_unknown_server(&record->servers[lost ? 1 : 0], described->host);
    record->event.server =
        (mouv_server_event_t){.topology_id = events_record_id(record, id),
                              .host = mouv__events_record_host(record, described->host),
                              .previous = &record->servers[0],
                              .next = &record->servers[1]};
    return record;
}

mouv__events_record_t *mouv__events_record_server_closed(const bson_oid_t *id, const char *host) {
    mouv__events_record_t *record = mouv__events_record_new(MOUV__EVENT_SERVER_CLOSED);
    if (!record) return NULL;
    record->event.server = (mouv_server_event_t){.topology_id = events_record_id(record, id),
                                                 .host = mouv__events_record_host(record, host)};
    return record;
}

mouv__events_record_t *mouv__events_record_topology_life(mouv__event_kind_t kind,
                                                         const bson_oid_t *id) {
    assert(kind == MOUV__EVENT_TOPOLOGY_OPENING || kind == MOUV__EVENT_TOPOLOGY_CLOSED);
    mouv__events_record_t *record = mouv__events_record_new(kind);
    if (record) record->event.topology.topology_id = events_record_id(record, id);
    return record;
}

mouv__events_record_t *mouv__events_record_topology(const bson_oid_t *id,
                                                    mouv_topology_description_t *previous,
                                                    mouv_topology_description_t *next) {
    mouv__events_record_t *record = mouv__events_record_new(MOUV__EVENT_TOPOLOGY_CHANGED);
    if (!record) {
        mouv_topology_description_unref(previous);
        mouv_topology_description_unref(next);
        return NULL;
    }
    record->pictures[0] = previous;
    record->pictures[1] = next;
    record->event.topology = (mouv_topology_event_t){
        .topology_id = events_record_id(record, id), .previous = previous, .next = next};
    return record;
}

void mouv__events_record_tell(const mouv__events_record_t *record, const mouv_monitor_t *callbacks,
                              void *arg) {
    switch (record->kind) {
#define TELL(kind, callback, member) \
    case MOUV__EVENT_##kind: \
        callbacks->callback(&record->event.member, arg); \
        return;
        MOUV__EVENT_KINDS(TELL)
#undef TELL
    case MOUV__EVENT_KIND_COUNT:
        return;
    }
}
