/*
 * The entities of a test: what its file and its operations have made, by name.
 */
#ifndef MOUV_TESTS_SPEC_ENTITIES_H
#define MOUV_TESTS_SPEC_ENTITIES_H

#include <stdbool.h>

#include <bson/bson.h>
#include <mouv/mouv.h>

#include "spec/events.h"
#include "spec/test.h"

typedef enum spec_kind {
    SPEC_CLIENT,
    SPEC_DATABASE,
    SPEC_COLLECTION,
    SPEC_SESSION,
    SPEC_BUCKET,
    SPEC_CURSOR,
    SPEC_CHANGE_STREAM,
    SPEC_THREAD,
    SPEC_TOPOLOGY,
    SPEC_VALUE, /**< a BSON value, also a list of events */
    SPEC_KINDS
} spec_kind_t;

typedef struct spec_thread spec_thread_t;

/** A topology description, as far as tests look into it. */
typedef struct spec_topology {
    char type[40];
    char primary[260]; /**< "" if there is none */
} spec_topology_t;

/** A bucket, and what it was made of: one with another timeoutMS is another bucket. */
typedef struct spec_bucket {
    mouv_gridfs_bucket_t *bucket;
    mouv_database_t *database;
    bson_t *options;
} spec_bucket_t;

struct spec_entity {
    spec_entity_t *next;
    char *id;
    spec_kind_t kind;
    spec_entity_t *client; /**< of everything that belongs to one; of itself for a client */
    spec_events_t *events; /**< of a client */
    union {
        mouv_client_t *client;
        mouv_database_t *database;
        mouv_collection_t *collection;
        mouv_session_t *session;
        spec_bucket_t bucket;
        mouv_cursor_t *cursor;
        mouv_change_stream_t *change_stream;
        spec_thread_t *thread;
        spec_topology_t topology;
        bson_value_t value;
    } is;
};

/** "client", "database", ... */
const char *spec_kind_name(spec_kind_t kind);

/** The entity of this name, or NULL with the test failed. */
spec_entity_t *spec_entity(spec_test_t *test, const char *id);

/** The same of one kind. */
spec_entity_t *spec_entity_of(spec_test_t *test, const char *id, spec_kind_t kind);

/** The same without a failure: NULL if there is none. */
spec_entity_t *spec_entity_find(const spec_test_t *test, const char *id);

/** A new one, to be filled in; NULL with the test failed if the name is in use. */
spec_entity_t *spec_entity_add(spec_test_t *test, const char *id, spec_kind_t kind);

/** Adds a BSON value, which is copied. */
bool spec_entity_add_value(spec_test_t *test, const char *id, const bson_value_t *value);

/** Appends to an entity that is an array. */
void spec_entity_append(spec_entity_t *list, const bson_value_t *element);

/** Makes the entities of an array of {client: {...}}, {database: {...}}, ... */
bool spec_entities_create(spec_test_t *test, const bson_t *definitions);

/** Waits until a client has nothing under way, for at most a second: what it does in the background
 *  (killCursors, an abort) is seen by then. NULL does nothing. */
void spec_client_settle(const spec_entity_t *client);

/** Closes and frees all, in an order that suits them. */
void spec_entities_clear(spec_test_t *test);

#endif
