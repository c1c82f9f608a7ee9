/*
 * Behind a load balancer: each connection leads to a server of its own there, so a cursor and a
 * transaction stay on theirs, and what goes wrong on one says nothing of those to other servers.
 */
/* test: executors, lock=mock-faults */
#include "support/mock_front.h"
#include "support/support.h"

static mock_front_t *front;

static int start_front(void **state) {
    (void)state;
    front = mock_front_start(MOCK_BALANCER);
    return 0;
}

static int stop_front(void **state) {
    (void)state;
    mock_front_stop(front);
    return 0;
}

/* --- What is told ----------------------------------------------------------------------------- */

typedef struct story {
    int checked_out, connections, cleared, commands, with_service;
    int unknown;           /* servers that were told of as Unknown after they had been known */
    bson_oid_t of_cleared; /* the last one's service */
    bool has_cleared;
} story_t;

static void on_out(const mouv_connection_event_t *event, void *arg) {
    (void)event;
    ((story_t *)arg)->checked_out++;
}

static void on_in(const mouv_connection_event_t *event, void *arg) {
    (void)event;
    ((story_t *)arg)->checked_out--;
}

static void on_ready(const mouv_connection_event_t *event, void *arg) {
    (void)event;
    ((story_t *)arg)->connections++;
}

static void on_closed(const mouv_connection_event_t *event, void *arg) {
    (void)event;
    ((story_t *)arg)->connections--;
}

static void on_cleared(const mouv_connection_pool_event_t *event, void *arg) {
    story_t *story = arg;
    story->cleared++;
    story->has_cleared = event->service_id != NULL;
    if (event->service_id) story->of_cleared = *event->service_id;
}

static void on_command(const mouv_command_event_t *event, void *arg) {
    story_t *story = arg;
    story->commands++;
    story->with_service += event->service_id != NULL;
}

static void on_server(const mouv_server_event_t *event, void *arg) {
    if (event->next && strcmp(event->next->type, "Unknown") == 0) ((story_t *)arg)->unknown++;
}

static const mouv_monitor_t telling = {
    .connection_checked_out = on_out,
    .connection_checked_in = on_in,
    .connection_ready = on_ready,
    .connection_closed = on_closed,
    .pool_cleared = on_cleared,
    .command_started = on_command,
    .command_succeeded = on_command,
    .command_failed = on_command,
    .server_changed = on_server,
};

static mouv_client_t *client_with(test_t *t, story_t *story, const char *options) {
    char uri[200];
    snprintf(uri, sizeof uri, "%s%s", mock_front_uri(front), options);
    *story = (story_t){0};
    mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    mouv_client_set_monitor(client, &telling, story);
    return client;
}

#define X "{'x': 1}"

static mouv_collection_t *users_of(mouv_client_t *client) {
    return mouv_client_get_collection(client, "app", "users");
}

/** How many are checked out, once it has become that or ten seconds are over. */
static int checked_out_becomes(const story_t *story, int expected) {
    for (int i = 0; i < 2000 && story->checked_out != expected; i++) mouv_sleep_ms(5);
    return story->checked_out;
}

/* --- Connections ------------------------------------------------------------------------------ */

static bool says_balanced(int n) {
    bson_iter_t iter;
    bson_t *hello = mock_front_command(front, "isMaster", n);
    if (!hello) hello = mock_front_command(front, "ismaster", n);
    if (!hello) hello = mock_front_command(front, "hello", n);
    bool says = hello && bson_iter_init_find(&iter, hello, "loadBalanced") && bson_iter_bool(&iter);
    bson_destroy(hello);
    return says;
}

BARE_CASE(hello_says_so_nobody_monitors_and_events_have_the_service) {
    story_t story;
    mock_server_stats_t stats;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "");
    for (int i = 0; i < 3; i++) CHECK_INT(await(t, mouv_client_ping(client)), 0);
    MOUV_AUTO_TOPOLOGY mouv_topology_description_t *topology =
        mouv_client_get_topology(client, NULL);
    mouv_sleep_ms(0);
    CHECK_STRING(topology->type, "LoadBalanced");
    CHECK_STRING(topology->servers[0].type, "LoadBalancer");
    CHECK(says_balanced(0));
    CHECK_INT(story.commands, 6);
    CHECK_INT(story.with_service, 6);
    mock_server_get_stats(mock_front_server(front), &stats);
    CHECK_INT(stats.accepted, 1);
    return 0;
}

BARE_CASE(server_that_is_behind_none_is_refused_with_the_reason) {
    mock_front_t *other = mock_front_start(MOCK_NO_BALANCER);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(mock_front_uri(other), NULL, NULL);
    int rc = await(t, mouv_client_ping(client));
    mouv_client_close(client, NULL);
    mock_front_stop(other);
    CHECK(rc < 0);
    CHECK_CONTAINS(t->error.message, "attempted to initialize in load balancing mode, but the "
                                     "server does not support this mode");
    return 0;
}

/* What libmongoc says of it. */
BARE_CASE(uri_that_contradicts_itself_is_refused) {
    static const char *const uris[] = {
        "mongodb://127.0.0.1,127.0.0.2/?loadBalanced=true",
        "mongodb://127.0.0.1/?loadBalanced=true&replicaSet=rs",
        "mongodb://127.0.0.1/?loadBalanced=true&directConnection=true",
    };
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
        mouv_client_t *client = mouv_client_new(uris[i], NULL, &t->error);
        CHECK(!client);
        CHECK_INT(t->error.code, MOUV_EINVAL);
        if (!strstr(t->error.message, "loadbalanced"))
            CHECK_CONTAINS(t->error.message, "loadBalanced");
    }
    return 0;
}

/* --- Cursors ---------------------------------------------------------------------------------- */

#define OPENS \
    "{'cursor': {'firstBatch': [{'_id': 1}], 'id': {'$numberLong': '7'}, 'ns': 'app.users'}, " \
    "'ok': 1}"
#define MORE \
    "{'cursor': {'nextBatch': [{'_id': 2}], 'id': {'$numberLong': '7'}, 'ns': 'app.users'}, " \
    "'ok': 1}"
#define LAST \
    "{'cursor': {'nextBatch': [{'_id': 3}], 'id': {'$numberLong': '0'}, 'ns': 'app.users'}, " \
    "'ok': 1}"

static int next(test_t *t, mouv_cursor_t *cursor) {
    const bson_t *document;
    return mouv_cursor_next(cursor, &document, &t->error);
}

/** What comes after its last document. */
static int drain(test_t *t, mouv_cursor_t *cursor) {
    int rc;
    while ((rc = next(t, cursor)) > 0) continue;
    return rc;
}

/** The next batch is fetched ahead, so what is said of getMore holds from the second one on. */
static mouv_cursor_t *open_cursor(test_t *t, mouv_client_t *client, const bson_t *opts) {
    mock_front_answer(front, "find", OPENS, 0);
    mouv_cursor_t *cursor = mouv_collection_find(users_of(client), NULL, opts);
    next(t, cursor);
    return cursor;
}

static bool same_session(const char *one, int n, const char *other, int m) {
    bson_t *commands[] = {mock_front_command(front, one, n), mock_front_command(front, other, m)};
    bson_t *lsids[2];
    for (int i = 0; i < 2; i++) {
        bson_iter_t iter;
        uint32_t length;
        const uint8_t *bytes;
        bool has = bson_iter_init_find(&iter, commands[i], "lsid");
        if (has) bson_iter_document(&iter, &length, &bytes);
        lsids[i] = has ? bson_new_from_data(bytes, length) : bson_new();
    }
    bool same = bson_equal(lsids[0], lsids[1]);
    bson_destroy(lsids[0]);
    bson_destroy(lsids[1]);
    bson_destroy(commands[0]);
    bson_destroy(commands[1]);
    return same;
}

BARE_CASE(cursor_stays_on_its_connection_which_nobody_else_uses_until_it_is_exhausted) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "");
    mock_front_answer(front, "getMore", MORE, 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *one = open_cursor(t, client, NULL);
    MOUV_AUTO_CURSOR mouv_cursor_t *two = open_cursor(t, client, NULL);
    CHECK_INT(checked_out_becomes(&story, 2), 2);
    for (int i = 0; i < 3; i++) CHECK_INT(await(t, mouv_client_ping(client)), 0);
    uint64_t of_one = mock_front_connection(front, "find", 0);
    uint64_t of_two = mock_front_connection(front, "find", 1);
    CHECK(of_one != of_two);
    for (int i = 0; i < 3; i++) {
        CHECK(mock_front_connection(front, "ping", i) != of_one);
        CHECK(mock_front_connection(front, "ping", i) != of_two);
    }
    CHECK_INT(next(t, two), 1);
    mock_front_answer(front, "getMore", LAST, 0);
    CHECK_INT(drain(t, two), 0);
    CHECK_INT(checked_out_becomes(&story, 1), 1);
    CHECK_INT(drain(t, one), 0);
    for (int i = 0; i < mock_front_count(front, "getMore"); i++)
        CHECK_INT(mock_front_connection(front, "getMore", i),
                  same_session("getMore", i, "find", 0) ? of_one : of_two);
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    CHECK_INT(story.connections, 3);
    CHECK_INT(story.with_service, story.commands);
    return 0;
}

BARE_CASE(cursor_is_killed_on_its_connection_which_is_free_then) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "");
    mock_front_answer(front, "getMore", MORE, 0);
    mouv_cursor_t *kept = open_cursor(t, client, NULL);
    mouv_cursor_t *cursor = open_cursor(t, client, NULL);
    mouv_cursor_unref(cursor);
    CHECK_INT(checked_out_becomes(&story, 1), 1);
    mouv_cursor_unref(kept);
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    CHECK_INT(mock_front_connection(front, "killCursors", 0),
              mock_front_connection(front, "find", 1));
    CHECK_INT(mock_front_connection(front, "killCursors", 1),
              mock_front_connection(front, "find", 0));
    CHECK_INT(story.connections, 2);
    return 0;
}

BARE_CASE(who_waits_while_cursors_have_all_connections_is_told_of_them) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client =
        client_with(t, &story, "&maxPoolSize=1&waitQueueTimeoutMS=50");
    mock_front_answer(front, "getMore", MORE, 0);
    mouv_cursor_t *cursor = open_cursor(t, client, NULL);
    CHECK_INT(await(t, mouv_client_ping(client)), MOUV_EQUEUE);
    CHECK_CONTAINS(t->error.message,
                   "maxPoolSize: 1, connections in use by cursors: 1, connections in use by "
                   "transactions: 0, connections in use by other operations: 0");
    mouv_future_t ping = mouv_client_ping(client);
    mouv_cursor_unref(cursor);
    CHECK_INT(await(t, ping), 0);
    return 0;
}

BARE_CASE(change_stream_stays_on_its_connection) {
    story_t story;
    const bson_t *document;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "&maxPoolSize=2");
    mock_front_answer(front, "aggregate",
                      "{'cursor': {'firstBatch': [], 'id': {'$numberLong': '7'},"
                      " 'ns': 'app.users'}, 'ok': 1}",
                      0);
    mock_front_answer(front, "getMore",
                      "{'cursor': {'nextBatch': [{'_id': {'x': 1}, 'n': 1}],"
                      " 'id': {'$numberLong': '7'}, 'ns': 'app.users'}, 'ok': 1}",
                      0);
    mouv_change_stream_t *stream = mouv_collection_watch(users_of(client), NULL, NULL);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(mouv_change_stream_next(stream, &document, &t->error), 1);
        CHECK_INT(await(t, mouv_client_ping(client)), 0);
    }
    for (int i = 0; i < 5; i++) {
        CHECK_INT(mock_front_connection(front, "getMore", i),
                  mock_front_connection(front, "aggregate", 0));
        CHECK(mock_front_connection(front, "ping", i) !=
              mock_front_connection(front, "aggregate", 0));
    }
    mouv_change_stream_unref(stream);
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    return 0;
}

/* --- Errors ----------------------------------------------------------------------------------- */

/** So many connections at once, none of which is used at the end. */
static int connect_so_many(test_t *t, mouv_client_t *client, int count) {
    mouv_cursor_t *cursors[8];
    mock_front_answer(front, "getMore", MORE, 0);
    for (int i = 0; i < count; i++) cursors[i] = open_cursor(t, client, NULL);
    for (int i = 0; i < count; i++) mouv_cursor_unref(cursors[i]);
    return 0;
}

BARE_CASE(lost_connection_ends_its_cursor_and_closes_those_to_the_same_server_alone) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "");
    CHECK_INT(connect_so_many(t, client, 3), 0);
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    CHECK_INT(story.connections, 3);
    int kills = mock_front_count(front, "killCursors");
    mock_front_answer(front, "getMore", NULL, 1);
    int mores = mock_front_count(front, "getMore");
    mouv_cursor_t *cursor = open_cursor(t, client, NULL);
    CHECK_INT(drain(t, cursor), MOUV_ENETWORK);
    uint64_t its = mock_front_connection(front, "getMore", mores);
    mouv_cursor_unref(cursor);
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    CHECK_INT(story.cleared, 1);
    CHECK(story.has_cleared);
    CHECK_INT(story.of_cleared.bytes[0], its % 2 ? 0xaa : 0xbb);
    CHECK_INT(story.connections, its % 2 ? 1 : 2);
    CHECK_INT(mock_front_count(front, "killCursors"), kills);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK(mock_front_connection(front, "ping", 0) % 2 != its % 2);
    CHECK_INT(story.unknown, 0);
    return 0;
}

BARE_CASE(second_error_of_connections_that_are_stale_clears_nothing) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "");
    mouv_cursor_t *cursors[3];
    mock_front_answer(front, "getMore", MORE, 0);
    for (int i = 0; i < 3; i++) cursors[i] = open_cursor(t, client, NULL);
    NEEDS_OWN_STREAMS(t); /* else libmongoc sets a stale connection up anew, unasked */
    mock_front_answer(front, "getMore", NULL, 0);
    CHECK_INT(drain(t, cursors[0]), MOUV_ENETWORK);
    CHECK_INT(drain(t, cursors[2]), MOUV_ENETWORK);
    for (int i = 0; i < 3; i++) mouv_cursor_unref(cursors[i]);
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    CHECK_INT(story.cleared, 1);
    return 0;
}

BARE_CASE(server_that_shuts_down_has_its_connections_closed_and_the_balancer_stays_known) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "&retryWrites=false");
    CHECK_INT(connect_so_many(t, client, 2), 0);
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    mock_front_answer(front, "insert", "{'ok': 0, 'code': 11600, 'errmsg': 'shutting down'}", 1);
    CHECK_INT(await(t, mouv_collection_insert_one(users_of(client), json(t, X), NULL, NULL)),
              MOUV_EUNKNOWN);
    CHECK_INT(await(t, mouv_collection_insert_one(users_of(client), json(t, X), NULL, NULL)), 1);
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    CHECK_INT(story.cleared, 1);
    CHECK(story.has_cleared);
    CHECK_INT(story.connections, 1);
    CHECK_INT(story.unknown, 0);
    return 0;
}

BARE_CASE(reads_and_writes_are_sent_once_more) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "");
    mock_front_answer(front, "insert", NULL, 1);
    mock_front_answer(front, "distinct", NULL, 1);
    CHECK_INT(await(t, mouv_collection_insert_one(users_of(client), json(t, X), NULL, NULL)), 1);
    CHECK_INT(mock_front_count(front, "insert"), 2);
    bson_iter_t iter;
    bson_t *again = mock_front_command(front, "insert", 1);
    bool numbered = again && bson_iter_init_find(&iter, again, "txnNumber");
    bson_destroy(again);
    CHECK(numbered);
    bson_t *values = NULL;
    CHECK(await(t, mouv_collection_distinct(users_of(client), "n", NULL, NULL, &values)) >= 0);
    bson_destroy(values);
    CHECK_INT(mock_front_count(front, "distinct"), 2);
    return 0;
}

/* --- Transactions ----------------------------------------------------------------------------- */

static int insert_in(test_t *t, mouv_client_t *client, mouv_session_t *session) {
    return await(t, mouv_collection_insert_one(users_of(client), json(t, "{'x': 1}"),
                                               in(t, session, NULL), NULL));
}

static int ping_in(test_t *t, mouv_client_t *client, mouv_session_t *session) {
    mouv_database_t *app = mouv_client_get_database(client, "app");
    return await(t, mouv_database_command(app, json(t, "{'ping': 1}"), in(t, session, NULL), NULL));
}

BARE_CASE(transaction_stays_on_its_connection_until_the_session_does_something_else) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "");
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(client, NULL, &t->error);
    mouv_session_start_transaction(session, NULL, NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(insert_in(t, client, session), 1);
        CHECK_INT(await(t, mouv_client_ping(client)), 0);
    }
    CHECK_INT(checked_out_becomes(&story, 1), 1);
    uint64_t its = mock_front_connection(front, "insert", 0);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(mock_front_connection(front, "insert", i), its);
        CHECK(mock_front_connection(front, "ping", i) != its);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_INT(await(t, mouv_session_commit_transaction(session)), 0);
        CHECK_INT(mock_front_connection(front, "commitTransaction", i), its);
        CHECK_INT(checked_out_becomes(&story, 1), 1);
    }
    CHECK_INT(ping_in(t, client, session), 0);
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    return 0;
}

BARE_CASE(transaction_and_its_cursor_share_a_connection) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "");
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(client, NULL, &t->error);
    mock_front_answer(front, "getMore", MORE, 0);
    mouv_session_start_transaction(session, NULL, NULL);
    mouv_cursor_t *cursor = open_cursor(t, client, in(t, session, NULL));
    CHECK_INT(insert_in(t, client, session), 1);
    CHECK_INT(next(t, cursor), 1);
    CHECK_INT(checked_out_becomes(&story, 1), 1);
    uint64_t its = mock_front_connection(front, "find", 0);
    CHECK_INT(mock_front_connection(front, "insert", 0), its);
    CHECK_INT(mock_front_connection(front, "getMore", 0), its);
    CHECK_INT(await(t, mouv_session_abort_transaction(session)), 0);
    CHECK_INT(mock_front_connection(front, "abortTransaction", 0), its);
    CHECK_INT(checked_out_becomes(&story, 1), 1); /* the cursor's */
    mouv_cursor_unref(cursor);
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    CHECK_INT(mock_front_connection(front, "killCursors", 0), its);
    return 0;
}

BARE_CASE(connection_is_free_after_an_abort_a_new_transaction_and_the_sessions_end) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "");
    mouv_session_t *session = mouv_client_start_session(client, NULL, &t->error);
    mouv_session_start_transaction(session, NULL, NULL);
    CHECK_INT(insert_in(t, client, session), 1);
    CHECK_INT(await(t, mouv_session_abort_transaction(session)), 0);
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    mouv_session_start_transaction(session, NULL, NULL);
    CHECK_INT(insert_in(t, client, session), 1);
    CHECK_INT(await(t, mouv_session_commit_transaction(session)), 0);
    CHECK_INT(checked_out_becomes(&story, 1), 1);
    mouv_session_start_transaction(session, NULL, NULL);
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    CHECK_INT(insert_in(t, client, session), 1);
    CHECK_INT(checked_out_becomes(&story, 1), 1);
    uint64_t its = mock_front_connection(front, "insert", 2);
    mouv_session_unref(session);
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    CHECK_INT(mock_front_connection(front, "abortTransaction", 1), its);
    return 0;
}

BARE_CASE(lost_connection_ends_the_transaction_and_says_that_it_may_be_tried_again) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "");
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(client, NULL, &t->error);
    mouv_session_start_transaction(session, NULL, NULL);
    CHECK_INT(insert_in(t, client, session), 1);
    mock_front_answer(front, "insert", NULL, 1);
    CHECK(insert_in(t, client, session) < 0);
    CHECK(mouv_error_has_label(&t->error, "TransientTransactionError"));
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    CHECK_INT(await(t, mouv_session_abort_transaction(session)), 0);
    mouv_session_start_transaction(session, NULL, NULL);
    CHECK_INT(insert_in(t, client, session), 1);
    CHECK_INT(await(t, mouv_session_commit_transaction(session)), 0);
    CHECK(mock_front_connection(front, "insert", 2) != mock_front_connection(front, "insert", 0));
    CHECK_INT(mock_front_connection(front, "commitTransaction", 0),
              mock_front_connection(front, "insert", 2));
    return 0;
}

/* libmongoc would set it up again without a word, and the transaction went on elsewhere; what the
 * server has to say of that is the same in the end. */
BARE_CASE(connection_that_closes_while_it_is_kept_ends_its_transaction) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "");
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(client, NULL, &t->error);
    mock_front_answer_and_close(front, "insert", "{'n': 1, 'ok': 1}");
    mouv_session_start_transaction(session, NULL, NULL);
    CHECK_INT(insert_in(t, client, session), 1);
    mouv_sleep_ms(50);
    mock_front_answer(front, "insert",
                      "{'ok': 0, 'code': 251, 'errmsg': 'no such transaction',"
                      " 'errorLabels': ['TransientTransactionError']}",
                      1);
    CHECK(insert_in(t, client, session) < 0);
    CHECK(mouv_error_has_label(&t->error, "TransientTransactionError"));
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    CHECK_INT(await(t, mouv_session_abort_transaction(session)), 0);
    return 0;
}

BARE_CASE(commit_that_is_lost_is_sent_again_elsewhere) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "");
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(client, NULL, &t->error);
    mock_front_answer(front, "commitTransaction", NULL, 1);
    mouv_session_start_transaction(session, NULL, NULL);
    CHECK_INT(insert_in(t, client, session), 1);
    CHECK_INT(await(t, mouv_session_commit_transaction(session)), 0);
    CHECK_INT(mock_front_count(front, "commitTransaction"), 2);
    CHECK(mock_front_connection(front, "commitTransaction", 0) !=
          mock_front_connection(front, "commitTransaction", 1));
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    return 0;
}

/* --- Silence ---------------------------------------------------------------------------------- */

static void fall_silent(const char *command) {
    mock_server_script(mock_front_server(front), command, &(mock_script_t){.silent = true});
}

BARE_CASE(cursor_that_is_given_up_leaves_no_connection_behind) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "");
    mock_front_answer(front, "getMore", MORE, 0);
    mouv_cursor_t *cursor = open_cursor(t, client, NULL);
    CHECK_INT(next(t, cursor), 1);
    fall_silent("getMore");
    fall_silent("killSessions");
    {
        MOUV_TIMEOUT_SCOPE(limit, 300);
        CHECK(drain(t, cursor) < 0);
    }
    mouv_cursor_unref(cursor);
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    return 0;
}

BARE_CASE(transaction_that_is_given_up_leaves_no_connection_behind) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "");
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(client, NULL, &t->error);
    mouv_session_start_transaction(session, NULL, NULL);
    CHECK_INT(insert_in(t, client, session), 1);
    fall_silent("insert");
    fall_silent("killSessions");
    {
        MOUV_TIMEOUT_SCOPE(limit, 300);
        CHECK(insert_in(t, client, session) < 0);
    }
    CHECK_INT(await(t, mouv_session_abort_transaction(session)), 0);
    CHECK_INT(checked_out_becomes(&story, 0), 0);
    mock_server_script(mock_front_server(front), "insert", NULL);
    mouv_session_start_transaction(session, NULL, NULL);
    CHECK_INT(insert_in(t, client, session), 1);
    CHECK_INT(await(t, mouv_session_commit_transaction(session)), 0);
    return 0;
}

BARE_CASE(client_closes_with_a_cursor_and_a_transaction_open) {
    story_t story;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, &story, "");
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(client, NULL, &t->error);
    mock_front_answer(front, "getMore", MORE, 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = open_cursor(t, client, NULL);
    mouv_session_start_transaction(session, NULL, NULL);
    CHECK_INT(insert_in(t, client, session), 1);
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    CHECK_INT(drain(t, cursor), MOUV_ECLOSED);
    return 0;
}

#define FRONT_TEST(name) cmocka_unit_test_setup_teardown(name, start_front, stop_front)

int main(void) {
    const struct CMUnitTest cases[] = {
        FRONT_TEST(hello_says_so_nobody_monitors_and_events_have_the_service),
        FRONT_TEST(server_that_is_behind_none_is_refused_with_the_reason),
        FRONT_TEST(uri_that_contradicts_itself_is_refused),
        FRONT_TEST(cursor_stays_on_its_connection_which_nobody_else_uses_until_it_is_exhausted),
        FRONT_TEST(cursor_is_killed_on_its_connection_which_is_free_then),
        FRONT_TEST(who_waits_while_cursors_have_all_connections_is_told_of_them),
        FRONT_TEST(change_stream_stays_on_its_connection),
        FRONT_TEST(lost_connection_ends_its_cursor_and_closes_those_to_the_same_server_alone),
        FRONT_TEST(second_error_of_connections_that_are_stale_clears_nothing),
        FRONT_TEST(server_that_shuts_down_has_its_connections_closed_and_the_balancer_stays_known),
        FRONT_TEST(reads_and_writes_are_sent_once_more),
        FRONT_TEST(transaction_stays_on_its_connection_until_the_session_does_something_else),
        FRONT_TEST(transaction_and_its_cursor_share_a_connection),
        FRONT_TEST(connection_is_free_after_an_abort_a_new_transaction_and_the_sessions_end),
        FRONT_TEST(lost_connection_ends_the_transaction_and_says_that_it_may_be_tried_again),
        FRONT_TEST(connection_that_closes_while_it_is_kept_ends_its_transaction),
        FRONT_TEST(commit_that_is_lost_is_sent_again_elsewhere),
        FRONT_TEST(cursor_that_is_given_up_leaves_no_connection_behind),
        FRONT_TEST(transaction_that_is_given_up_leaves_no_connection_behind),
        FRONT_TEST(client_closes_with_a_cursor_and_a_transaction_open),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
