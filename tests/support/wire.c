/*
 * Notes of command events.
 */
#include "support/wire.h"

#include <stdlib.h>

static int64_t number_at(const bson_t *document, const char *path, int64_t missing) {
    bson_iter_t iter, field;
    if (!bson_iter_init(&iter, document) || !bson_iter_find_descendant(&iter, path, &field))
        return missing;
    return bson_iter_as_int64(&field);
}

static void on_started(const mouv_command_event_t *event, void *arg) {
    wire_t *wire = arg;
    if (wire->count == WIRE_MAX) abort();
    wire_command_t *command = &wire->commands[wire->count++];
    snprintf(command->name, sizeof command->name, "%s", event->name);
    command->max_time_ms = number_at(event->command, "maxTimeMS", WIRE_NONE);
    command->write_concern = bson_has_field(event->command, "writeConcern");
    command->wtimeout = number_at(event->command, "writeConcern.wtimeout", 0);
    command->began = ++wire->events;
    command->ended = 0;
    command->outcome = 0;
    command->request_id = event->request_id;
}

static void note_outcome(wire_t *wire, int64_t request_id, char outcome) {
    for (int i = 0; i < wire->count; i++) {
        wire_command_t *command = &wire->commands[i];
        if (command->request_id != request_id) continue;
        command->outcome = outcome;
        command->ended = ++wire->events;
    }
}

static void on_succeeded(const mouv_command_event_t *event, void *arg) {
    note_outcome(arg, event->request_id, 's');
}

static void on_failed(const mouv_command_event_t *event, void *arg) {
    note_outcome(arg, event->request_id, 'f');
}

mouv_client_t *wire_client(test_t *t, wire_t *wire, const char *options) {
    static const mouv_monitor_t monitor = {.command_started = on_started,
                                           .command_succeeded = on_succeeded,
                                           .command_failed = on_failed};
    char uri[700];
    const char *base = test_uri();
    const char *between = !*options ? "" : strchr(base, '?') ? "&" : "/?";
    snprintf(uri, sizeof uri, "%s%s%s", base, between, options);
    mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    if (!client || mouv_client_set_monitor(client, &monitor, wire) < 0) abort();
    return client;
}

mouv_collection_t *wire_users(test_t *t, mouv_client_t *client) {
    return mouv_client_get_collection(client, t->database_name, "users");
}

int wire_sent(const wire_t *wire, const char *name) {
    int count = 0;
    for (int i = 0; i < wire->count; i++) count += strcmp(wire->commands[i].name, name) == 0;
    return count;
}

const wire_command_t *wire_last(const wire_t *wire, const char *name) {
    for (int i = wire->count - 1; i >= 0; i--)
        if (strcmp(wire->commands[i].name, name) == 0) return &wire->commands[i];
    return NULL;
}

int64_t wire_max_time(const wire_t *wire, const char *name) {
    const wire_command_t *command = wire_last(wire, name);
    return command ? command->max_time_ms : WIRE_NOT_SENT;
}

int wire_sent_become(const wire_t *wire, const char *name, int expected) {
    for (int i = 0; i < 250 && wire_sent(wire, name) != expected; i++) mouv_sleep_ms(20);
    return wire_sent(wire, name);
}
