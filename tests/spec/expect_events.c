/*
 * Whether clients have told of the events that a test expects, in their order.
 */
#include <string.h>

#include "spec/match.h"
#include "spec/operations.h"
#include "spec/view.h"

/* --- One event ------------------------------------------------------------------------------- */

/** {hasServiceId: bool} */
static bool check_service_id(spec_test_t *test, const bson_t *fields, bool expected) {
    return spec_has(fields, "serviceId") == expected ||
           spec_fail(test, "the event has %s serviceId", expected ? "no" : "a");
}

/** {hasServerConnectionId: bool} */
static bool check_connection_id(spec_test_t *test, const bson_t *fields, bool expected) {
    return (spec_int(fields, "serverConnectionId", -1) > 0) == expected ||
           spec_fail(test, "the event has %s serverConnectionId", expected ? "no" : "a");
}

/** What the event's document is expected to be; also whether it has what has no one value. */
static bool check_field(spec_test_t *test, const spec_event_t *event, const bson_iter_t *iter) {
    const char *name = bson_iter_key(iter);
    bson_iter_t field;
    if (strcmp(name, "hasServiceId") == 0) {
        return check_service_id(test, event->fields, bson_iter_bool(iter));
    }
    if (strcmp(name, "hasServerConnectionId") == 0) {
        return check_connection_id(test, event->fields, bson_iter_bool(iter));
    }
    return spec_match_or_fail(test, name, bson_iter_value((bson_iter_t *)iter),
                              spec_value(event->fields, name, &field), true);
}

static bool check_event(spec_test_t *test, const spec_event_t *event, const char *type,
                        const bson_t *expected) {
    bson_iter_t iter;
    if (strcmp(event->type, type) != 0) {
        const char *command = spec_string(event->fields, "commandName");
        return spec_fail(test, "expected a %s, got a %s %s", type, event->type,
                         command ? command : "");
    }
    bson_iter_init(&iter, expected);
    while (bson_iter_next(&iter)) {
        if (!check_field(test, event, &iter)) return false;
    }
    return true;
}

int64_t spec_events_count(spec_test_t *test, const spec_events_t *events, const bson_t *expected) {
    bson_t fields;
    int64_t count = 0;
    const char *type = spec_single(expected, &fields);
    if (!type || !spec_event_class(type)) {
        spec_fail(test, "unknown event '%s'", type ? type : "?");
        return -1;
    }
    for (size_t i = 0; i < events->count; i++) {
        if (strcmp(events->events[i].type, type) != 0) continue;
        if (check_event(test, &events->events[i], type, &fields)) {
            count++;
        } else {
            test->failed = false; /* another one */
        }
    }
    return count;
}

/* --- All of a client ------------------------------------------------------------------------- */

/** The next event of this class from `*index` on, which moves past it; NULL: there is none. */
static const spec_event_t *next_event(const spec_events_t *events, const char *class,
                                      size_t *index) {
    while (*index < events->count) {
        const spec_event_t *event = &events->events[(*index)++];
        if (strcmp(spec_event_class(event->type), class) == 0) return event;
    }
    return NULL;
}

static bool check_sequence(spec_test_t *test, const spec_events_t *events, const char *class,
                           const bson_t *expected, size_t *index) {
    bson_t each, fields;
    bson_iter_t iter;
    bson_iter_init(&iter, expected);
    for (int position = 0; bson_iter_next(&iter); position++) {
        spec_document_at(&iter, &each);
        const char *type = spec_single(&each, &fields);
        const spec_event_t *event = next_event(events, class, index);
        if (!type || !spec_event_class(type) || strcmp(spec_event_class(type), class) != 0) {
            return spec_fail(test, "event %d: '%s' is no event of class %s", position,
                             type ? type : "?", class);
        }
        if (!event) return spec_fail(test, "event %d: expected a %s, got none", position, type);
        if (check_event(test, event, type, &fields)) continue;
        spec_locate(test, "event %d (%s)", position, event->type);
        return false;
    }
    return true;
}

/**
 * Whether it is the end of a cursor that failed, for which drivers have their own time: mouv's is
 * at once, most others' when the cursor is closed or later.
 */
static bool is_clean_up(const spec_events_t *events, const spec_event_t *event) {
    const char *command = spec_string(event->fields, "commandName");
    return events->cursor_failed && command && strcmp(command, "killCursors") == 0;
}

static bool check_client(spec_test_t *test, const bson_t *expected) {
    bson_t list;
    size_t index = 0;
    const char *class = spec_string(expected, "eventType");
    spec_entity_t *client = spec_entity_of(test, spec_string(expected, "client"), SPEC_CLIENT);
    if (!client) return false;
    if (!class) class = "command";
    spec_document(expected, "events", &list);
    if (!check_sequence(test, client->events, class, &list, &index)) {
        spec_locate(test, "expectEvents of %s", client->id);
        return false;
    }
    if (spec_bool(expected, "ignoreExtraEvents", false)) return true;
    const spec_event_t *more;
    do {
        more = next_event(client->events, class, &index);
        if (!more) return true;
    } while (is_clean_up(client->events, more));
    const char *command = spec_string(more->fields, "commandName");
    return spec_fail(test, "expectEvents of %s: one more event: %s %s", client->id, more->type,
                     command ? command : "");
}

bool spec_events_check(spec_test_t *test) {
    bson_t all, each;
    bson_iter_t iter;
    spec_document(test->definition, "expectEvents", &all);
    bson_iter_init(&iter, &all);
    while (bson_iter_next(&iter)) {
        spec_document_at(&iter, &each);
        if (!check_client(test, &each)) return false;
    }
    return true;
}
