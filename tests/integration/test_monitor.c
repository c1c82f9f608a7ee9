/*
 * Monitoring: what is told, in which order, what is kept secret, and when nothing is told.
 */
#include <stdlib.h>

#include "support/support.h"

#define EVENTS_MAX 512

/** What a case has been told, as words and with a few figures. */
typedef struct story {
    char names[EVENTS_MAX][48]; /**< "find started", "queued find", "topology opening" */
    int count;
    int64_t request_id; /**< of the last command event, as what follows */
    uint64_t operation_id;
    int64_t connection_id;
    int64_t duration_us;
    char database[64], host[264];
    char json[4000]; /**< of the last command or reply */
    mouv_error_t error;
    char type_before[40], type_after[40]; /**< of the last changed server */
    int server_count;                     /**< of the last topology */
    mouv_client_t *client;                /**< a case's own use */
    mouv_future_t future;
} story_t;

static void add(story_t *story, const char *first, const char *second) {
    if (story->count >= EVENTS_MAX) return;
    snprintf(story->names[story->count++], sizeof story->names[0], "%s %s", first, second);
}

/** How often it has been told. */
static int told(const story_t *story, const char *name) {
    int count = 0;
    for (int i = 0; i < story->count; i++) count += strcmp(story->names[i], name) == 0;
    return count;
}

/** All of it, ", " between. */
static const char *all_of(const story_t *story) {
    static char text[8000];
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < story->count && used < sizeof text; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? ", " : "",
                                 story->names[i]);
    }
    return text;
}

static void keep_document(story_t *story, const bson_t *document) {
    char *text = document ? bson_as_relaxed_extended_json(document, NULL) : NULL;
    snprintf(story->json, sizeof story->json, "%s", text ? text : "NULL");
    bson_free(text);
}

static void keep_command(story_t *story, const mouv_command_event_t *event) {
    story->request_id = event->request_id;
    story->operation_id = event->operation_id;
    story->connection_id = event->connection_id;
    story->duration_us = event->duration_us;
    snprintf(story->database, sizeof story->database, "%s", event->database);
    snprintf(story->host, sizeof story->host, "%s", event->host);
    keep_document(story, event->command ? event->command : event->reply);
}

static void on_started(const mouv_command_event_t *event, void *arg) {
    add(arg, event->name, "started");
    keep_command(arg, event);
}

static void on_succeeded(const mouv_command_event_t *event, void *arg) {
    add(arg, event->name, "succeeded");
    keep_command(arg, event);
}

static void on_failed(const mouv_command_event_t *event, void *arg) {
    add(arg, event->name, "failed");
    keep_command(arg, event);
    ((story_t *)arg)->error = *event->error;
}

static void on_queued(const mouv_pool_event_t *event, void *arg) {
    add(arg, event->waits_for == MOUV_WAITS_FOR_SERVER ? "no server for" : "no client for",
        event->operation);
}

static void on_checked_out(const mouv_pool_event_t *event, void *arg) {
    add(arg, "out", event->operation);
}

static void on_returned(const mouv_pool_event_t *event, void *arg) {
    add(arg, "back", event->operation);
}

static void on_killed(const mouv_pool_event_t *event, void *arg) {
    add(arg, "killed", event->operation);
}

static void on_server_opening(const mouv_server_event_t *event, void *arg) {
    (void)event;
    add(arg, "server", "opening");
}

static void on_server_changed(const mouv_server_event_t *event, void *arg) {
    story_t *story = arg;
    add(story, "server", "changed");
    snprintf(story->type_before, sizeof story->type_before, "%s", event->previous->type);
    snprintf(story->type_after, sizeof story->type_after, "%s", event->next->type);
}

static void on_server_closed(const mouv_server_event_t *event, void *arg) {
    (void)event;
    add(arg, "server", "closed");
}

static void on_topology_opening(const mouv_topology_event_t *event, void *arg) {
    (void)event;
    add(arg, "topology", "opening");
}

static void on_topology_changed(const mouv_topology_event_t *event, void *arg) {
    add(arg, "topology", "changed");
    ((story_t *)arg)->server_count = (int)event->next->server_count;
}

static void on_topology_closed(const mouv_topology_event_t *event, void *arg) {
    (void)event;
    add(arg, "topology", "closed");
}

static void on_heartbeat_started(const mouv_heartbeat_event_t *event, void *arg) {
    (void)event;
    add(arg, "heartbeat", "started");
}

static void on_heartbeat_succeeded(const mouv_heartbeat_event_t *event, void *arg) {
    add(arg, "heartbeat", bson_has_field(event->reply, "maxWireVersion") ? "succeeded" : "empty");
}

static void on_heartbeat_failed(const mouv_heartbeat_event_t *event, void *arg) {
    add(arg, "heartbeat", event->error && event->error->message[0] ? "failed" : "broken off");
}

static const mouv_monitor_t commands = {
    .command_started = on_started, .command_succeeded = on_succeeded, .command_failed = on_failed};

static const mouv_monitor_t pool = {.operation_queued = on_queued,
                                    .client_checked_out = on_checked_out,
                                    .client_returned = on_returned,
                                    .operation_killed = on_killed};

static const mouv_monitor_t topology = {.server_opening = on_server_opening,
                                        .server_changed = on_server_changed,
                                        .server_closed = on_server_closed,
                                        .topology_opening = on_topology_opening,
                                        .topology_changed = on_topology_changed,
                                        .topology_closed = on_topology_closed};

/** A second client on the case's server, that tells `story`. */
static mouv_client_t *listening(test_t *t, const mouv_monitor_t *monitor, story_t *story) {
    mouv_client_t *client = mouv_client_new(test_uri(), NULL, &t->error);
    if (client && mouv_client_set_monitor(client, monitor, story) < 0) abort();
    return client;
}

static mouv_collection_t *users_of(test_t *t, mouv_client_t *client) {
    return mouv_client_get_collection(client, t->database_name, "users");
}

static int command(test_t *t, mouv_client_t *client, const char *database, const char *text) {
    return await(t, mouv_database_command(mouv_client_get_database(client, database), json(t, text),
                                          NULL, NULL));
}

/* --- commands ------------------------------------------------------------------------------- */

CASE(a_find_of_two_batches_is_a_find_and_a_getMore) {
    story_t story = {0};
    const bson_t *doc;
    int rc, count = 0;
    CHECK_INT(insert_numbered(t, 5), 0);
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, &commands, &story);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(users_of(t, client), json(t, "{}"), json(t, "{'batchSize': 3}"));
    while ((rc = mouv_cursor_next(cursor, &doc, &t->error)) > 0) count++;
    CHECK_INT(rc, 0);
    CHECK_INT(count, 5);
    CHECK_STRING(all_of(&story),
                 "find started, find succeeded, getMore started, getMore succeeded");
    CHECK_STRING(story.database, t->database_name);
    CHECK_CONTAINS(story.json, "nextBatch");
    CHECK(story.host[0] && strstr(test_uri(), story.host));
    CHECK(story.connection_id > 0);
    CHECK(story.request_id != 0);
    CHECK_INT(story.operation_id, 2);
    CHECK(story.duration_us > 0);
    return 0;
}

CASE(a_cursor_closed_early_is_killed_in_sight) {
    story_t story = {0};
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 100), 0);
    mouv_client_t *client = listening(t, &commands, &story);
    mouv_cursor_t *cursor =
        mouv_collection_find(users_of(t, client), json(t, "{}"), json(t, "{'batchSize': 2}"));
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    mouv_cursor_unref(cursor);
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    CHECK_INT(told(&story, "killCursors started"), 1);
    CHECK_INT(told(&story, "killCursors succeeded"), 1);
    mouv_client_unref(client);
    return 0;
}

CASE(the_command_is_the_one_that_was_sent) {
    story_t story = {0};
    mouv_monitor_t started = {.command_started = on_started};
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, &started, &story);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK_STRING(all_of(&story), "ping started");
    CHECK_CONTAINS(story.json, "\"$db\" : \"admin\"");
    CHECK_CONTAINS(story.json, "lsid");
    CHECK_INT(story.operation_id, 1);
    return 0;
}

CASE(a_failing_command_has_error_and_reply) {
    story_t story = {0};
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, &commands, &story);
    CHECK_INT(command(t, client, t->database_name, "{'notACommand': 1}"), MOUV_ESERVER);
    CHECK_STRING(all_of(&story), "notACommand started, notACommand failed");
    CHECK_INT(story.error.code, MOUV_ESERVER);
    CHECK_INT(story.error.server_code, 59);
    CHECK_STRING(story.error.code_name, "CommandNotFound");
    CHECK_CONTAINS(story.json, "CommandNotFound");
    return 0;
}

CASE(secrets_are_not_told) {
    story_t started = {0}, ended = {0};
    mouv_monitor_t only_started = {.command_started = on_started};
    mouv_monitor_t only_ended = {.command_succeeded = on_succeeded, .command_failed = on_failed};
    mouv_client_t *clients[] = {listening(t, &only_started, &started),
                                listening(t, &only_ended, &ended)};
    const char *secret[] = {
        "{'saslStart': 1, 'mechanism': 'SCRAM-SHA-256', 'payload': 'hidden'}",
        "{'createUser': 'hidden', 'pwd': 'hidden', 'roles': []}",
        "{'hello': 1, 'speculativeAuthenticate': {'saslStart': 1, 'payload': 'hidden'}}",
    };
    for (size_t i = 0; i < 3; i++) {
        command(t, clients[0], t->database_name, secret[i]);
        command(t, clients[1], t->database_name, secret[i]);
        CHECK_INT(started.count, i + 1);
        CHECK_INT(ended.count, i + 1);
        CHECK_STRING(started.json, "{ }");
        CHECK(strcmp(ended.json, "{ }") == 0 || strcmp(ended.json, "NULL") == 0);
    }
    command(t, clients[0], t->database_name, "{'dropAllUsersFromDatabase': 1}");
    CHECK_CONTAINS(started.json, "dropAllUsersFromDatabase");
    CHECK_INT(command(t, clients[1], "admin", "{'hello': 1}"), 0);
    CHECK_CONTAINS(ended.json, "maxWireVersion");
    mouv_client_unref(clients[0]);
    mouv_client_unref(clients[1]);
    return 0;
}

/* --- the pool ------------------------------------------------------------------------------- */

static mouv_monitor_t all_but_servers(void) {
    mouv_monitor_t monitor = pool;
    monitor.command_started = on_started;
    monitor.command_succeeded = on_succeeded;
    monitor.command_failed = on_failed;
    return monitor;
}

CASE(an_operation_waits_gets_a_client_and_gives_it_back) {
    story_t story = {0};
    mouv_monitor_t monitor = all_but_servers();
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, &monitor, &story);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK_STRING(all_of(&story),
                 "no server for ping, out ping, ping started, ping succeeded, back ping");
    CHECK_INT(await(t, mouv_client_ping(client)), 0); /* the second has nothing to wait for */
    CHECK_INT(told(&story, "no client for ping"), 0);
    CHECK_INT(told(&story, "back ping"), 2);
    return 0;
}

CASE(an_operation_that_is_given_up_is_killed) {
    story_t story = {0};
    mouv_monitor_t monitor = all_but_servers();
    CHECK_INT(insert_numbered(t, 1), 0);
    mouv_client_t *client = listening(t, &monitor, &story);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    AUTO_BSON *doc = NULL;
    mouv_future_t slow = mouv_collection_find_one(
        users_of(t, client), json(t, "{'$where': 'sleep(5000) || true'}"), NULL, &doc);
    for (int i = 0; i < 500 && told(&story, "find started") == 0; i++) mouv_sleep_ms(20);
    mouv_future_cancel(slow);
    CHECK_INT(await(t, slow), MOUV_ECANCELED);
    for (int i = 0; i < 100 && told(&story, "killSessions succeeded") == 0; i++) mouv_sleep_ms(20);
    CHECK_INT(mouv_client_close(client, &t->error), 0); /* waits for the worker */
    CHECK_INT(told(&story, "find started"), 1);
    CHECK_INT(told(&story, "find failed"), 1);
    CHECK_INT(told(&story, "back find"), 1);
    CHECK(told(&story, "killed find") >= 1);
    CHECK(told(&story, "killSessions succeeded") >= 1);
    mouv_client_unref(client);
    return 0;
}

/* --- servers -------------------------------------------------------------------------------- */

CASE(the_deployment_is_told_of_from_its_opening_to_its_end) {
    story_t story = {0};
    mouv_client_t *client = listening(t, &topology, &story);
    mouv_sleep_ms(5);
    CHECK_INT(story.count, 0); /* no I/O before the first operation */
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK_CONTAINS(all_of(&story), "topology opening, topology changed, server opening");
    CHECK_INT(told(&story, "server changed"), 1);
    CHECK_STRING(story.type_before, "Unknown");
    CHECK(strcmp(story.type_after, "Unknown") != 0);
    CHECK_INT(story.server_count, 1);
    CHECK_INT(told(&story, "topology closed"), 0);
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    CHECK_STRING(story.names[story.count - 1], "topology closed");
    mouv_client_unref(client);
    return 0;
}

static mouv_event_t has_changed;

static void on_first_change(const mouv_topology_event_t *event, void *arg) {
    on_topology_changed(event, arg);
    mouv_event_set(&has_changed);
}

/* While connections are being set up, which nobody waits for. */
CASE(the_end_is_told_once_also_of_a_client_that_closes_as_it_begins) {
    mouv_monitor_t monitor = topology;
    monitor.topology_changed = on_first_change;
    for (int i = 0; i < 10; i++) {
        story_t story = {0};
        mouv_event_init(&has_changed);
        MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, &monitor, &story);
        mouv_future_t ping = mouv_client_ping(client);
        CHECK_INT(await(t, mouv_event_wait_future(&has_changed)), 0);
        CHECK_INT(mouv_client_close(client, &t->error), 0);
        CHECK_STRING(story.names[story.count - 1], "topology closed");
        CHECK_INT(told(&story, "topology closed"), 1);
        CHECK_INT(told(&story, "server opening"), told(&story, "server closed"));
        mouv_await(ping, NULL);
    }
    return 0;
}

CASE(heartbeats_are_told_of) {
    story_t story = {0}, dead = {0};
    mouv_monitor_t monitor = {.heartbeat_started = on_heartbeat_started,
                              .heartbeat_succeeded = on_heartbeat_succeeded,
                              .heartbeat_failed = on_heartbeat_failed};
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, &monitor, &story);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK_CONTAINS(all_of(&story), "heartbeat started, heartbeat succeeded");
    MOUV_AUTO_CLIENT mouv_client_t *nobody =
        mouv_client_new("mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200", NULL, &t->error);
    CHECK_INT(mouv_client_set_monitor(nobody, &monitor, &dead), 0);
    CHECK_INT(await(t, mouv_client_ping(nobody)), MOUV_ESELECTION);
    CHECK_CONTAINS(all_of(&dead), "heartbeat started, heartbeat failed");
    return 0;
}

/* --- subscribing and the end ---------------------------------------------------------------- */

CASE(subscribing_is_refused_twice_late_and_without_callbacks) {
    story_t story = {0};
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, &commands, &story);
    CHECK_INT(mouv_client_set_monitor(client, &commands, &story), MOUV_ESTATE);
    MOUV_AUTO_CLIENT mouv_client_t *late = mouv_client_new(test_uri(), NULL, &t->error);
    CHECK_INT(mouv_client_set_monitor(late, NULL, &story), MOUV_EINVAL);
    mouv_future_t ping = mouv_client_ping(late);
    CHECK_INT(mouv_client_set_monitor(late, &commands, &story), MOUV_ESTATE);
    CHECK_INT(await(t, ping), 0);
    CHECK_INT(mouv_client_set_monitor(NULL, &commands, &story), MOUV_EINVAL);
    CHECK_INT(mouv_client_close(late, &t->error), 0);
    CHECK_INT(mouv_client_set_monitor(late, &commands, &story), MOUV_ECLOSED);
    CHECK_INT(story.count, 0);
    return 0;
}

CASE(what_is_not_subscribed_is_not_told) {
    story_t story = {0};
    mouv_monitor_t nothing = {0};
    mouv_monitor_t killed = {.operation_killed = on_killed};
    MOUV_AUTO_CLIENT mouv_client_t *idle = listening(t, &nothing, &story);
    MOUV_AUTO_CLIENT mouv_client_t *quiet = listening(t, &killed, &story);
    for (int i = 0; i < 10; i++) {
        CHECK_INT(await(t, mouv_client_ping(idle)), 0);
        CHECK_INT(await(t, mouv_client_ping(quiet)), 0);
    }
    CHECK_INT(story.count, 0);
    return 0;
}

CASE(nothing_is_told_after_close_or_the_last_unref) {
    story_t closed = {0}, dropped = {0};
    mouv_monitor_t everything = topology;
    everything.command_started = on_started;
    everything.client_returned = on_returned;
    mouv_client_t *client = listening(t, &everything, &closed);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    int count = closed.count;
    CHECK_INT(await(t, mouv_client_ping(client)), MOUV_ECLOSED);
    mouv_client_unref(client);

    client = listening(t, &everything, &dropped);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    int dropped_count = dropped.count;
    mouv_client_unref(client);
    mouv_sleep_ms(100);
    CHECK_INT(closed.count, count);
    CHECK_INT(dropped.count, dropped_count);
    return 0;
}

CASE(nothing_is_told_after_the_last_unref_of_what_a_session_still_does) {
    story_t story = {0};
    AUTO_BSON *opts = bson_new();
    mouv_client_t *client = listening(t, &commands, &story);
    mouv_session_t *session = mouv_client_start_session(client, NULL, &t->error);
    CHECK_INT(mouv_session_start_transaction(session, NULL, &t->error), 0);
    mouv_session_append(session, opts);
    CHECK_INT(await(t, mouv_collection_insert_one(users_of(t, client), json(t, "{}"), opts, NULL)),
              1);
    mouv_session_unref(session); /* aborts */
    mouv_client_unref(client);
    int count = story.count;
    CHECK_INT(mouv_sleep_ms(200), 0);
    CHECK_INT(story.count, count);
    return 0;
}

/* --- what a callback may do ----------------------------------------------------------------- */

static void ping_once(const mouv_command_event_t *event, void *arg) {
    story_t *story = arg;
    add(story, event->name, "succeeded");
    if (story->count > 1) return;
    mouv_error_t error;
    mouv_future_t ping = mouv_client_ping(story->client);
    add(story, "await", mouv_await(ping, &error) == MOUV_ENOTCORO ? "refused" : "allowed");
    story->future = mouv_client_ping(story->client);
}

CASE(a_callback_may_start_operations_but_not_await) {
    story_t story = {0};
    mouv_monitor_t monitor = {.command_succeeded = ping_once};
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, &monitor, &story);
    story.client = client;
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK_CONTAINS(all_of(&story), "ping succeeded, await refused");
    CHECK_INT(await(t, story.future), 0);
    CHECK(told(&story, "ping succeeded") >= 2);
    return 0;
}

static void unref_client(const mouv_command_event_t *event, void *arg) {
    story_t *story = arg;
    add(story, event->name, "started");
    story->client = mouv_client_unref(story->client);
}

CASE(a_callback_may_let_the_client_go) {
    story_t story = {0};
    mouv_monitor_t monitor = {.command_started = unref_client, .client_returned = on_returned};
    story.client = listening(t, &monitor, &story);
    await(t, mouv_client_ping(story.client));
    CHECK_STRING(all_of(&story), "ping started");
    return 0;
}

CASE(bytes_and_busy_workers_are_counted) {
    mouv_client_stats_t stats;
    CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    mouv_client_get_stats(t->client, &stats);
    CHECK(stats.bytes_sent > 0 && stats.bytes_received > 0);
    CHECK_INT(stats.busy, 0);
    mouv_future_t ping = mouv_client_ping(t->client);
    mouv_sleep_ms(0);
    mouv_client_get_stats(t->client, &stats);
    CHECK_INT(stats.busy, stats.in_flight);
    CHECK_INT(await(t, ping), 0);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_find_of_two_batches_is_a_find_and_a_getMore),
        cmocka_unit_test(a_cursor_closed_early_is_killed_in_sight),
        cmocka_unit_test(the_command_is_the_one_that_was_sent),
        cmocka_unit_test(a_failing_command_has_error_and_reply),
        cmocka_unit_test(secrets_are_not_told),
        cmocka_unit_test(an_operation_waits_gets_a_client_and_gives_it_back),
        cmocka_unit_test(an_operation_that_is_given_up_is_killed),
        cmocka_unit_test(the_deployment_is_told_of_from_its_opening_to_its_end),
        cmocka_unit_test(the_end_is_told_once_also_of_a_client_that_closes_as_it_begins),
        cmocka_unit_test(heartbeats_are_told_of),
        cmocka_unit_test(subscribing_is_refused_twice_late_and_without_callbacks),
        cmocka_unit_test(what_is_not_subscribed_is_not_told),
        cmocka_unit_test(nothing_is_told_after_close_or_the_last_unref),
        cmocka_unit_test(nothing_is_told_after_the_last_unref_of_what_a_session_still_does),
        cmocka_unit_test(a_callback_may_start_operations_but_not_await),
        cmocka_unit_test(a_callback_may_let_the_client_go),
        cmocka_unit_test(bytes_and_busy_workers_are_counted),
    };
    return RUN_CASES(cases);
}
