/*
 * What a test needs that mouv, libmongoc or the deployment lacks: looked for before it is run, so
 * that it is told by its name and not by what goes wrong without it.
 */
#include <string.h>

#include "spec/server.h"
#include "spec/view.h"

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
    return strcmp(name, "waitForEvent") == 0 && members_are_lacking(test, &event, count);
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
    return operations_are_lacking(test);
}
