/*
 * Operations of the test runner itself: fail points, entities, waiting, assertions.
 */
#include <string.h>

#include "spec/operations.h"
#include "spec/server.h"
#include "spec/view.h"

enum { WAIT_LIMIT_MS = 10000, POLL_MS = 10 };

/** The entity that an argument names, of this kind; NULL with the test failed. */
static spec_entity_t *argument_entity(spec_call_t *call, const char *argument, spec_kind_t kind) {
    const char *id = spec_need_string(call, argument);
    return id ? spec_entity_of(call->test, id, kind) : NULL;
}

/* --- Fail points ----------------------------------------------------------------------------- */

static bool fail_point(spec_call_t *call) {
    bson_t command;
    mouv_error_t error;
    spec_entity_t *client = argument_entity(call, "client", SPEC_CLIENT);
    if (!client || !spec_need_document(call, "failPoint", &command)) return false;
    spec_append_string(call->test->fail_points, spec_string(&command, "configureFailPoint"));
    mouv_database_t *admin = mouv_client_get_database(client->is.client, "admin");
    AUTO_BSON *primary = BCON_NEW("readPreference", BCON_UTF8("primary"));
    return mouv_await(mouv_database_command(admin, &command, primary, NULL), &error) >= 0 ||
           spec_fail(call->test, "%s", error.message);
}

/** No call of mouv's tells to which mongos a transaction is bound; fault.mongos looks at it. */
static bool not_pinned(spec_call_t *call) {
    spec_entity_t *session = argument_entity(call, "session", SPEC_SESSION);
    return session && spec_fail(call->test, "session '%s' is not pinned to a mongos", session->id);
}

static bool assert_unpinned(spec_call_t *call) {
    return argument_entity(call, "session", SPEC_SESSION) != NULL;
}

/* --- Sessions -------------------------------------------------------------------------------- */

static bool assert_transaction_state(spec_call_t *call) {
    static const char *const names[] = {
        [MOUV_TRANSACTION_NONE] = "none",
        [MOUV_TRANSACTION_STARTING] = "starting",
        [MOUV_TRANSACTION_IN_PROGRESS] = "in_progress",
        [MOUV_TRANSACTION_COMMITTED] = "committed",
        [MOUV_TRANSACTION_ABORTED] = "aborted",
    };
    spec_entity_t *session = argument_entity(call, "session", SPEC_SESSION);
    const char *expected = session ? spec_need_string(call, "state") : NULL;
    if (!expected) return false;
    const char *actual = names[mouv_session_transaction_state(session->is.session)];
    return strcmp(actual, expected) == 0 ||
           spec_fail(call->test, "the transaction's state is %s, expected %s", actual, expected);
}

static bool assert_dirt(spec_call_t *call, bool expected) {
    spec_entity_t *session = argument_entity(call, "session", SPEC_SESSION);
    if (!session) return false;
    return mouv_session_is_dirty(session->is.session) == expected ||
           spec_fail(call->test, "the session is %s", expected ? "not dirty" : "dirty");
}

static bool assert_dirty(spec_call_t *call) {
    return assert_dirt(call, true);
}

static bool assert_not_dirty(spec_call_t *call) {
    return assert_dirt(call, false);
}

/** Whether the last two commands of a client had the same lsid: 1 or 0; -1 with the test failed. */
static int same_lsid(spec_call_t *call) {
    bson_t command, last[2];
    int found = 0;
    spec_entity_t *client = argument_entity(call, "client", SPEC_CLIENT);
    if (!client) return -1;
    for (size_t i = client->events->count; i > 0 && found < 2; i--) {
        const spec_event_t *event = &client->events->events[i - 1];
        if (strcmp(event->type, "commandStartedEvent") != 0) continue;
        spec_document(event->fields, "command", &command);
        if (!spec_document(&command, "lsid", &last[found++])) {
            spec_fail(call->test, "a command without lsid");
            return -1;
        }
    }
    if (found == 2) return bson_equal(&last[0], &last[1]);
    spec_fail(call->test, "fewer than two commands");
    return -1;
}

static bool assert_same_lsid(spec_call_t *call) {
    int same = same_lsid(call);
    return same == 1 || spec_fail(call->test, "the last two commands had different lsids");
}

static bool assert_different_lsid(spec_call_t *call) {
    int same = same_lsid(call);
    return same == 0 || spec_fail(call->test, "the last two commands had the same lsid");
}

/* --- What is there --------------------------------------------------------------------------- */

/** Whether one of the cursor's documents has this name; below 0 with the test failed. */
static int is_listed(spec_call_t *call, mouv_cursor_t *cursor, const char *name) {
    const bson_t *document;
    mouv_error_t error;
    int rc;
    while ((rc = mouv_cursor_next(cursor, &document, &error)) > 0) {
        const char *each = spec_string(document, "name");
        if (each && strcmp(each, name) == 0) break;
    }
    if (rc < 0) spec_fail(call->test, "%s", error.message);
    mouv_cursor_unref(cursor);
    return rc;
}

static int has_collection(spec_call_t *call) {
    const char *name = spec_need_string(call, "collectionName");
    const char *database = spec_need_string(call, "databaseName");
    if (!name || !database) return -1;
    mouv_database_t *in = mouv_client_get_database(call->test->server->client, database);
    return is_listed(call, mouv_database_list_collections(in, NULL), name);
}

static int has_index(spec_call_t *call) {
    const char *collection = spec_need_string(call, "collectionName");
    const char *database = spec_need_string(call, "databaseName");
    const char *name = spec_need_string(call, "indexName");
    if (!name || !database || !collection) return -1;
    mouv_collection_t *in =
        mouv_client_get_collection(call->test->server->client, database, collection);
    return is_listed(call, mouv_collection_list_indexes(in, NULL), name);
}

static bool assert_collection_exists(spec_call_t *call) {
    return has_collection(call) == 1 || spec_fail(call->test, "there is no such collection");
}

static bool assert_collection_not_exists(spec_call_t *call) {
    return has_collection(call) == 0 || spec_fail(call->test, "the collection exists");
}

static bool assert_index_exists(spec_call_t *call) {
    return has_index(call) == 1 || spec_fail(call->test, "there is no such index");
}

static bool assert_index_not_exists(spec_call_t *call) {
    return has_index(call) == 0 || spec_fail(call->test, "the index exists");
}

static bool assert_checked_out(spec_call_t *call) {
    spec_entity_t *client = argument_entity(call, "client", SPEC_CLIENT);
    if (!client) return false;
    int64_t expected = spec_int(call->arguments, "connections", -1);
    int64_t actual = client->events->checked_out;
    return actual == expected || spec_fail(call->test, "%d connections are checked out, not %d",
                                           (int)actual, (int)expected);
}

/* --- Events ---------------------------------------------------------------------------------- */

static bool wait_for_event(spec_call_t *call) {
    bson_t expected;
    spec_entity_t *client = argument_entity(call, "client", SPEC_CLIENT);
    if (!client || !spec_need_document(call, "event", &expected)) return false;
    int64_t wanted = spec_int(call->arguments, "count", 1);
    int64_t deadline_ms = mouv_now_ms() + WAIT_LIMIT_MS, count;
    while ((count = spec_events_count(call->test, client->events, &expected)) < wanted) {
        if (count < 0 || call->test->failed) return false;
        if (!spec_events_wait(client->events, deadline_ms)) {
            return spec_fail(call->test, "%d events within 10 s, expected %d", (int)count,
                             (int)wanted);
        }
    }
    return true;
}

static bool assert_event_count(spec_call_t *call) {
    bson_t expected;
    spec_entity_t *client = argument_entity(call, "client", SPEC_CLIENT);
    if (!client || !spec_need_document(call, "event", &expected)) return false;
    int64_t wanted = spec_int(call->arguments, "count", 0);
    int64_t count = spec_events_count(call->test, client->events, &expected);
    return count == wanted ||
           spec_fail(call->test, "%d events, expected %d", (int)count, (int)wanted);
}

/* --- The topology ---------------------------------------------------------------------------- */

static bool record_topology(spec_call_t *call) {
    spec_entity_t *client = argument_entity(call, "client", SPEC_CLIENT);
    const char *id = client ? spec_need_string(call, "id") : NULL;
    spec_entity_t *entity = id ? spec_entity_add(call->test, id, SPEC_TOPOLOGY) : NULL;
    if (!entity) return false;
    memcpy(entity->is.topology.type, client->events->topology, sizeof entity->is.topology.type);
    memcpy(entity->is.topology.primary, client->events->primary,
           sizeof entity->is.topology.primary);
    return true;
}

static bool assert_topology_type(spec_call_t *call) {
    spec_entity_t *topology = argument_entity(call, "topologyDescription", SPEC_TOPOLOGY);
    const char *expected = topology ? spec_need_string(call, "topologyType") : NULL;
    if (!expected) return false;
    return strcmp(topology->is.topology.type, expected) == 0 ||
           spec_fail(call->test, "the topology is %s, expected %s", topology->is.topology.type,
                     expected);
}

static bool wait_for_primary(spec_call_t *call) {
    spec_entity_t *client = argument_entity(call, "client", SPEC_CLIENT);
    spec_entity_t *prior = argument_entity(call, "priorTopologyDescription", SPEC_TOPOLOGY);
    if (!client || !prior) return false;
    const spec_events_t *events = client->events;
    int64_t deadline_ms = mouv_now_ms() + spec_int(call->arguments, "timeoutMS", WAIT_LIMIT_MS);
    while (!events->primary[0] || strcmp(events->primary, prior->is.topology.primary) == 0) {
        if (spec_events_wait(client->events, deadline_ms)) continue;
        return spec_fail(call->test, "no other primary in time");
    }
    return true;
}

/* --- Others ---------------------------------------------------------------------------------- */

static bool create_entities(spec_call_t *call) {
    bson_t entities;
    return spec_need_document(call, "entities", &entities) &&
           spec_entities_create(call->test, &entities);
}

static bool wait_some_time(spec_call_t *call) {
    return mouv_sleep_ms(spec_int(call->arguments, "ms", 0)) == 0 ||
           spec_fail(call->test, "interrupted");
}

const spec_operation_t spec_runner_operations[] = {
    {"assertCollectionExists", assert_collection_exists, "collectionName databaseName", ""},
    {"assertCollectionNotExists", assert_collection_not_exists, "collectionName databaseName", ""},
    {"assertDifferentLsidOnLastTwoCommands", assert_different_lsid, "client", ""},
    {"assertEventCount", assert_event_count, "client event count", ""},
    {"assertIndexExists", assert_index_exists, "collectionName databaseName indexName", ""},
    {"assertIndexNotExists", assert_index_not_exists, "collectionName databaseName indexName", ""},
    {"assertNumberConnectionsCheckedOut", assert_checked_out, "client connections", ""},
    {"assertSameLsidOnLastTwoCommands", assert_same_lsid, "client", ""},
    {"assertSessionDirty", assert_dirty, "session", ""},
    {"assertSessionNotDirty", assert_not_dirty, "session", ""},
    {"assertSessionPinned", not_pinned, "session", ""},
    {"assertSessionTransactionState", assert_transaction_state, "session state", ""},
    {"assertSessionUnpinned", assert_unpinned, "session", ""},
    {"assertTopologyType", assert_topology_type, "topologyDescription topologyType", ""},
    {"createEntities", create_entities, "entities", ""},
    {"failPoint", fail_point, "client failPoint session", ""},
    {"recordTopologyDescription", record_topology, "client id", ""},
    {"targetedFailPoint", not_pinned, "session failPoint", ""},
    {"wait", wait_some_time, "ms", ""},
    {"waitForEvent", wait_for_event, "client event count", ""},
    {"waitForPrimaryChange", wait_for_primary, "client priorTopologyDescription timeoutMS", ""},
    {NULL, NULL, NULL, NULL},
};
