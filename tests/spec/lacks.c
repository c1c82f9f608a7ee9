/*
 * What a test needs that mouv, libmongoc or the deployment lacks: looked for before it is run, so
 * that it is told by its name and not by what goes wrong without it.
 */
#include <string.h>

#include "spec/events.h"
#include "spec/server.h"
#include "spec/view.h"

static bool event_is_lacking(spec_test_t *test, const bson_t *event) {
    bson_t fields;
    const char *type = spec_single(event, &fields);
    if (!type || !spec_event_class(type) || spec_event_is_told(type)) return false;
    spec_unsupported(test, "%s: libmongoc's pool has no such event", type);
    return true;
}

/** [{client, events: [...]}] */
static bool expected_events_are_lacking(spec_test_t *test) {
    bson_t all, client, events, event;
    bson_iter_t each, inner;
    spec_document(test->definition, "expectEvents", &all);
    bson_iter_init(&each, &all);
    while (bson_iter_next(&each)) {
        if (!spec_document_at(&each, &client)) continue;
        spec_document(&client, "events", &events);
        bson_iter_init(&inner, &events);
        while (bson_iter_next(&inner)) {
            if (spec_document_at(&inner, &event) && event_is_lacking(test, &event)) return true;
        }
    }
    return false;
}

/** A client learns of the set's name, and then of one member after the other. */
static bool members_are_lacking(spec_test_t *test, const bson_t *event, int64_t count) {
    bson_t fields;
    const spec_server_t *server = test->server;
    const char *type = spec_single(event, &fields);
    if (!type || strcmp(type, "topologyDescriptionChangedEvent") != 0 || !bson_empty(&fields) ||
        strcmp(server->topology, "replicaset") != 0 || count <= server->members + 1) {
        return false;
    }
    spec_unsupported(test, "%d times %s: the replica set has %d member(s)", (int)count, type,
                     server->members);
    return true;
}

static bool operation_is_lacking(spec_test_t *test, const bson_t *operation) {
    bson_t arguments, event;
    const char *name = spec_string(operation, "name");
    spec_document(operation, "arguments", &arguments);
    spec_document(&arguments, "event", &event);
    int64_t count = spec_int(&arguments, "count", 1);
    if (name && strcmp(name, "waitForPrimaryChange") == 0 && test->server->members < 2) {
        spec_unsupported(test, "waitForPrimaryChange: there is one server");
        return true;
    }
    if (!name || count == 0) return false;
    if (strcmp(name, "waitForEvent") == 0 && members_are_lacking(test, &event, count)) return true;
    return (strcmp(name, "waitForEvent") == 0 || strcmp(name, "assertEventCount") == 0) &&
           event_is_lacking(test, &event);
}

static bool operations_are_lacking(spec_test_t *test) {
    bson_t operations, operation;
    bson_iter_t iter;
    spec_document(test->definition, "operations", &operations);
    bson_iter_init(&iter, &operations);
    while (bson_iter_next(&iter)) {
        if (spec_document_at(&iter, &operation) && operation_is_lacking(test, &operation)) {
            return true;
        }
    }
    return false;
}

bool spec_test_lacks(spec_test_t *test) {
    static const char *const sections[] = {"expectLogMessages", "expectTracingMessages"};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        if (!spec_has(test->definition, sections[i])) continue;
        spec_unsupported(test, "%s", sections[i]);
        return true;
    }
    return operations_are_lacking(test) || expected_events_are_lacking(test);
}
