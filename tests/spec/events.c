/*
 * From mouv's monitor to events as the specifications name them.
 */
#include "spec/events.h"

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "spec/entities.h"
#include "spec/view.h"

/** The names of events, and what they become in lists of stored ones ("CommandStartedEvent"). */
static const struct {
    const char *type, *class;
} types[] = {
    {"commandStartedEvent", "command"},
    {"commandSucceededEvent", "command"},
    {"commandFailedEvent", "command"},
    {"poolCreatedEvent", "cmap"},
    {"poolReadyEvent", "cmap"},
    {"poolClearedEvent", "cmap"},
    {"poolClosedEvent", "cmap"},
    {"connectionCreatedEvent", "cmap"},
    {"connectionReadyEvent", "cmap"},
    {"connectionClosedEvent", "cmap"},
    {"connectionCheckOutStartedEvent", "cmap"},
    {"connectionCheckOutFailedEvent", "cmap"},
    {"connectionCheckedOutEvent", "cmap"},
    {"connectionCheckedInEvent", "cmap"},
    {"serverDescriptionChangedEvent", "sdam"},
    {"serverHeartbeatStartedEvent", "sdam"},
    {"serverHeartbeatSucceededEvent", "sdam"},
    {"serverHeartbeatFailedEvent", "sdam"},
    {"topologyOpeningEvent", "sdam"},
    {"topologyClosedEvent", "sdam"},
    {"topologyDescriptionChangedEvent", "sdam"},
};

const char *spec_event_class(const char *type) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].type, type) == 0) return types[i].class;
    }
    return NULL;
}

/* --- Storing -------------------------------------------------------------------------------- */

static double seconds_since_epoch(void) {
    struct timeval now;
    gettimeofday(&now, NULL);
    return (double)now.tv_sec + (double)now.tv_usec / 1e6;
}

static void append_stored(spec_entity_t *list, const char *name, const bson_t *fields) {
    AUTO_BSON *document = bson_new();
    BSON_APPEND_UTF8(document, "name", name);
    BSON_APPEND_DOUBLE(document, "observedAt", seconds_since_epoch());
    bson_concat(document, fields);
    bson_value_t value = spec_value_of(document, false);
    spec_entity_append(list, &value);
}

/** For `storeEventsAsEntities`: [{id, events: ["CommandStartedEvent", ...]}]. */
static void store(spec_events_t *events, const char *type, const bson_t *fields) {
    bson_t lists, list, names;
    bson_iter_t iter;
    char name[64];
    if (!spec_document(events->definition, "storeEventsAsEntities", &lists)) return;
    bson_snprintf(name, sizeof name, "%c%s", type[0] - 'a' + 'A', type + 1);
    bson_iter_init(&iter, &lists);
    while (bson_iter_next(&iter)) {
        if (!spec_document_at(&iter, &list) || !spec_document(&list, "events", &names)) continue;
        spec_entity_t *entity = spec_entity_find(events->test, spec_string(&list, "id"));
        if (entity && spec_lists(&names, name)) append_stored(entity, name, fields);
    }
}

/** Takes `fields`. */
static void add(spec_events_t *events, const char *type, bson_t *fields) {
    bson_t observed;
    store(events, type, fields);
    spec_document(events->definition, "observeEvents", &observed);
    if (!events->listening || !spec_lists(&observed, type)) {
        bson_destroy(fields);
    } else {
        events->events = bson_realloc(events->events, (events->count + 1) * sizeof *events->events);
        events->events[events->count++] = (spec_event_t){type, fields};
    }
    mouv_event_set(&events->news);
}

/* --- Commands ------------------------------------------------------------------------------- */

static const char sensitive[] =
    "authenticate saslStart saslContinue getnonce createUser updateUser copydbgetnonce "
    "copydbsaslstart copydb";
static const char handshakes[] = "hello isMaster ismaster";

/** Whether a command or its reply is kept back because it may give secrets away. */
static bool is_sensitive(const mouv_command_event_t *event) {
    const bson_t *told = event->command ? event->command : event->reply;
    if (spec_has_word(sensitive, event->name)) return true;
    return spec_has_word(handshakes, event->name) && told && bson_empty(told);
}

/** Operation 0 is what mouv sends to end what was given up; 1 is the client's first. */
static bool is_of_no_test(const spec_events_t *events, uint64_t operation_id) {
    return operation_id == 0 || (operation_id == 1 && events->ignore_first);
}

static bool is_ignored(const spec_events_t *events, const mouv_command_event_t *event) {
    bson_t ignored;
    spec_document(events->definition, "ignoreCommandMonitoringEvents", &ignored);
    if (is_of_no_test(events, event->operation_id)) return true;
    if (strcmp(event->name, "configureFailPoint") == 0) return true;
    if (spec_lists(&ignored, event->name)) return true;
    return is_sensitive(event) && !spec_bool(events->definition, "observeSensitiveCommands", false);
}

static bson_t *command_fields(const mouv_command_event_t *event) {
    bson_t *fields = bson_new();
    BSON_APPEND_UTF8(fields, "commandName", event->name);
    BSON_APPEND_UTF8(fields, "databaseName", event->database);
    BSON_APPEND_INT64(fields, "requestId", event->request_id);
    BSON_APPEND_INT64(fields, "operationId", (int64_t)event->operation_id);
    BSON_APPEND_UTF8(fields, "connectionId", event->host);
    if (event->connection_id >= 0) {
        BSON_APPEND_INT64(fields, "serverConnectionId", event->connection_id);
    }
    if (event->service_id) BSON_APPEND_OID(fields, "serviceId", event->service_id);
    if (event->command) BSON_APPEND_DOCUMENT(fields, "command", event->command);
    if (event->reply) BSON_APPEND_DOCUMENT(fields, "reply", event->reply);
    if (event->error) BSON_APPEND_UTF8(fields, "failure", event->error->message);
    if (!event->command) BSON_APPEND_INT64(fields, "duration", event->duration_us);
    return fields;
}

/** Keeps what the server said to a command that failed, in whole or in part. */
static void keep_answer(spec_events_t *events, const bson_t *reply) {
    bool is_error = !spec_bool(reply, "ok", true) || spec_int(reply, "ok", 1) == 0 ||
                    spec_has(reply, "writeErrors") || spec_has(reply, "writeConcernError");
    if (!is_error) return;
    bson_destroy(events->answer);
    events->answer = bson_copy(reply);
}

static void tell_command(void *arg, const char *type, const mouv_command_event_t *event) {
    spec_events_t *events = arg;
    if (event->reply) keep_answer(events, event->reply);
    if (!is_ignored(events, event)) add(events, type, command_fields(event));
}

static void command_started(const mouv_command_event_t *event, void *arg) {
    tell_command(arg, "commandStartedEvent", event);
}

static void command_succeeded(const mouv_command_event_t *event, void *arg) {
    tell_command(arg, "commandSucceededEvent", event);
}

static void command_failed(const mouv_command_event_t *event, void *arg) {
    tell_command(arg, "commandFailedEvent", event);
}

/* --- The pool ------------------------------------------------------------------------------- */

static bson_t *pool_fields(const mouv_connection_pool_event_t *event) {
    bson_t *fields = bson_new();
    BSON_APPEND_UTF8(fields, "address", event->host);
    if (event->service_id) BSON_APPEND_OID(fields, "serviceId", event->service_id);
    return fields;
}

static void pool_created(const mouv_connection_pool_event_t *event, void *arg) {
    add(arg, "poolCreatedEvent", pool_fields(event));
}

static void pool_ready(const mouv_connection_pool_event_t *event, void *arg) {
    add(arg, "poolReadyEvent", pool_fields(event));
}

static void pool_cleared(const mouv_connection_pool_event_t *event, void *arg) {
    bson_t *fields = pool_fields(event);
    BSON_APPEND_BOOL(fields, "interruptInUseConnections", event->interrupt_in_use);
    add(arg, "poolClearedEvent", fields);
}

static void pool_closed(const mouv_connection_pool_event_t *event, void *arg) {
    add(arg, "poolClosedEvent", pool_fields(event));
}

static bson_t *connection_fields(const mouv_connection_event_t *event) {
    bson_t *fields = bson_new();
    BSON_APPEND_UTF8(fields, "address", event->host);
    if (event->connection_id) {
        BSON_APPEND_INT64(fields, "connectionId", (int64_t)event->connection_id);
    }
    return fields;
}

static void connection_created(const mouv_connection_event_t *event, void *arg) {
    add(arg, "connectionCreatedEvent", connection_fields(event));
}

static void connection_ready(const mouv_connection_event_t *event, void *arg) {
    add(arg, "connectionReadyEvent", connection_fields(event));
}

static void connection_closed(const mouv_connection_event_t *event, void *arg) {
    static const char *const reasons[] = {
        [MOUV_CONNECTION_CLOSED_STALE] = "stale",
        [MOUV_CONNECTION_CLOSED_IDLE] = "idle",
        [MOUV_CONNECTION_CLOSED_ERROR] = "error",
        [MOUV_CONNECTION_CLOSED_POOL] = "poolClosed",
    };
    bson_t *fields = connection_fields(event);
    BSON_APPEND_UTF8(fields, "reason", reasons[event->closed_reason]);
    add(arg, "connectionClosedEvent", fields);
}

/** Of somebody who wants a connection, unless that is no operation of the test. */
static void tell_check_out(spec_events_t *events, const char *type,
                           const mouv_connection_event_t *event, const char *reason) {
    if (is_of_no_test(events, event->operation_id)) return;
    bson_t *fields = connection_fields(event);
    if (reason) BSON_APPEND_UTF8(fields, "reason", reason);
    add(events, type, fields);
}

static void check_out_started(const mouv_connection_event_t *event, void *arg) {
    tell_check_out(arg, "connectionCheckOutStartedEvent", event, NULL);
}

static void check_out_failed(const mouv_connection_event_t *event, void *arg) {
    static const char *const reasons[] = {
        [MOUV_CHECK_OUT_FAILED_POOL_CLOSED] = "poolClosed",
        [MOUV_CHECK_OUT_FAILED_TIMEOUT] = "timeout",
        [MOUV_CHECK_OUT_FAILED_CONNECTION] = "connectionError",
    };
    tell_check_out(arg, "connectionCheckOutFailedEvent", event,
                   reasons[event->check_out_failed_reason]);
}

static void checked_out(const mouv_connection_event_t *event, void *arg) {
    spec_events_t *events = arg;
    if (!is_of_no_test(events, event->operation_id)) events->checked_out++;
    tell_check_out(events, "connectionCheckedOutEvent", event, NULL);
}

static void checked_in(const mouv_connection_event_t *event, void *arg) {
    spec_events_t *events = arg;
    if (!is_of_no_test(events, event->operation_id)) events->checked_out--;
    tell_check_out(events, "connectionCheckedInEvent", event, NULL);
}

/* --- Servers -------------------------------------------------------------------------------- */

static void append_type(bson_t *fields, const char *name, const char *type) {
    bson_t description;
    BSON_APPEND_DOCUMENT_BEGIN(fields, name, &description);
    BSON_APPEND_UTF8(&description, "type", type);
    bson_append_document_end(fields, &description);
}

static void server_changed(const mouv_server_event_t *event, void *arg) {
    bson_t *fields = bson_new();
    append_type(fields, "previousDescription", event->previous->type);
    append_type(fields, "newDescription", event->next->type);
    add(arg, "serverDescriptionChangedEvent", fields);
}

static void topology_changed(const mouv_topology_event_t *event, void *arg) {
    spec_events_t *events = arg;
    const mouv_topology_description_t *next = event->next;
    bson_t *fields = bson_new();
    bson_snprintf(events->topology, sizeof events->topology, "%s", next->type);
    events->primary[0] = '\0';
    for (size_t i = 0; i < next->server_count; i++) {
        if (strcmp(next->servers[i].type, "RSPrimary") != 0) continue;
        bson_snprintf(events->primary, sizeof events->primary, "%s", next->servers[i].host);
    }
    append_type(fields, "previousDescription", event->previous->type);
    append_type(fields, "newDescription", next->type);
    add(events, "topologyDescriptionChangedEvent", fields);
}

static void topology_opening(const mouv_topology_event_t *event, void *arg) {
    (void)event;
    add(arg, "topologyOpeningEvent", bson_new());
}

static void topology_closed(const mouv_topology_event_t *event, void *arg) {
    (void)event;
    add(arg, "topologyClosedEvent", bson_new());
}

static void tell_heartbeat(void *arg, const char *type, const mouv_heartbeat_event_t *event) {
    bson_t *fields = bson_new();
    BSON_APPEND_BOOL(fields, "awaited", event->awaited);
    add(arg, type, fields);
}

static void heartbeat_started(const mouv_heartbeat_event_t *event, void *arg) {
    tell_heartbeat(arg, "serverHeartbeatStartedEvent", event);
}

static void heartbeat_succeeded(const mouv_heartbeat_event_t *event, void *arg) {
    tell_heartbeat(arg, "serverHeartbeatSucceededEvent", event);
}

static void heartbeat_failed(const mouv_heartbeat_event_t *event, void *arg) {
    tell_heartbeat(arg, "serverHeartbeatFailedEvent", event);
}

/* --- Life ----------------------------------------------------------------------------------- */

spec_events_t *spec_events_new(spec_test_t *test, const bson_t *definition) {
    spec_events_t *events = bson_malloc0(sizeof *events);
    events->test = test;
    events->definition = bson_copy(definition);
    events->listening = true;
    bson_snprintf(events->topology, sizeof events->topology, "Unknown");
    return events;
}

int spec_events_listen(spec_events_t *events, mouv_client_t *client) {
    const mouv_monitor_t monitor = {
        .command_started = command_started,
        .command_succeeded = command_succeeded,
        .command_failed = command_failed,
        .server_changed = server_changed,
        .topology_opening = topology_opening,
        .topology_changed = topology_changed,
        .topology_closed = topology_closed,
        .heartbeat_started = heartbeat_started,
        .heartbeat_succeeded = heartbeat_succeeded,
        .heartbeat_failed = heartbeat_failed,
        .pool_created = pool_created,
        .pool_ready = pool_ready,
        .pool_cleared = pool_cleared,
        .pool_closed = pool_closed,
        .connection_created = connection_created,
        .connection_ready = connection_ready,
        .connection_closed = connection_closed,
        .connection_check_out_started = check_out_started,
        .connection_check_out_failed = check_out_failed,
        .connection_checked_out = checked_out,
        .connection_checked_in = checked_in,
    };
    return mouv_client_set_monitor(client, &monitor, events);
}

void spec_events_free(spec_events_t *events) {
    if (!events) return;
    for (size_t i = 0; i < events->count; i++) bson_destroy(events->events[i].fields);
    mouv_event_close(&events->news);
    bson_destroy((bson_t *)events->definition);
    bson_destroy(events->answer);
    bson_free(events->events);
    bson_free(events);
}

bool spec_events_wait(spec_events_t *events, int64_t deadline_ms) {
    mouv_event_clear(&events->news);
    int64_t left_ms = deadline_ms - mouv_now_ms();
    return left_ms > 0 && mouv_await_for(mouv_event_wait_future(&events->news), left_ms, NULL) == 0;
}
