/*
 * What a client entity tells of itself: the events that a test observes, as documents.
 */
#ifndef MOUV_TESTS_SPEC_EVENTS_H
#define MOUV_TESTS_SPEC_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

#include <bson/bson.h>
#include <mouv/mouv.h>

#include "spec/test.h"

/** One event; `fields` has those of its specification. */
typedef struct spec_event {
    const char *type; /**< "commandStartedEvent" */
    bson_t *fields;
} spec_event_t;

typedef struct spec_events {
    spec_test_t *test;
    const bson_t *definition; /**< of the client: a view, owned */
    bool listening;           /**< events are kept */
    bool ignore_first;        /**< the first operation is the runner's */
    bool cursor_failed;       /**< mouv has killed it on the server, see expect_events.c */
    spec_event_t *events;
    size_t count;
    int64_t checked_out; /**< clients of the pool that operations have */
    bson_t *answer;      /**< what the server said last that was an error, or NULL */
    char topology[40];
    char primary[260];
    mouv_event_t news;
} spec_events_t;

/** For the client that `definition` describes. */
spec_events_t *spec_events_new(spec_test_t *test, const bson_t *definition);

/** Subscribes; before the client's first operation. */
int spec_events_listen(spec_events_t *events, mouv_client_t *client);

/** After the client has gone. Takes NULL. */
void spec_events_free(spec_events_t *events);

/** "command", "cmap" or "sdam"; NULL for no event at all. */
const char *spec_event_class(const char *type);

/** Waits until there is news or `deadline_ms` (as mouv_now_ms() has it) has come: false then. */
bool spec_events_wait(spec_events_t *events, int64_t deadline_ms);

#endif
