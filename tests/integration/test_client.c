/*
 * What a client is made with: options of the URI and of mouv_client_opts_t, and that they arrive.
 */
/* test: executors */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/support.h"

/* --- the server API -------------------------------------------------------------------------- */

/** The last command that was sent, as JSON. */
typedef struct sent {
    char name[32];
    char json[4000];
} sent_t;

static void on_started(const mouv_command_event_t *event, void *arg) {
    sent_t *sent = arg;
    char *text = bson_as_relaxed_extended_json(event->command, NULL);
    snprintf(sent->name, sizeof sent->name, "%s", event->name);
    snprintf(sent->json, sizeof sent->json, "%s", text);
    bson_free(text);
}

static mouv_client_t *client_with(test_t *t, const char *uri, const mouv_client_opts_t *opts,
                                  sent_t *sent) {
    mouv_monitor_t monitor = {.command_started = on_started};
    mouv_client_t *client = mouv_client_new(uri, opts, &t->error);
    if (client) mouv_client_set_monitor(client, &monitor, sent);
    return client;
}

CASE(the_server_api_is_declared_with_every_command) {
    sent_t sent;
    const bson_t *doc;
    mouv_client_opts_t opts = {.server_api = {.version = "1", .strict = true}};
    CHECK_INT(insert_numbered(t, 5), 0);
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, test_uri(), &opts, &sent);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    mouv_cursor_t *cursor = mouv_collection_find(users, json(t, "{}"), json(t, "{'batchSize': 2}"));
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    CHECK_STRING(sent.name, "find");
    CHECK_CONTAINS(sent.json, "\"apiVersion\" : \"1\"");
    CHECK_CONTAINS(sent.json, "\"apiStrict\" : true");
    CHECK(!strstr(sent.json, "apiDeprecationErrors"));
    while (mouv_cursor_next(cursor, &doc, &t->error) > 0) continue;
    CHECK_STRING(sent.name, "getMore");
    CHECK_CONTAINS(sent.json, "\"apiVersion\" : \"1\"");
    mouv_cursor_unref(cursor);
    CHECK_INT(await(t, mouv_collection_insert_one(users, json(t, "{'_id': 9}"), NULL, NULL)), 1);
    CHECK_STRING(sent.name, "insert");
    CHECK_CONTAINS(sent.json, "\"apiStrict\" : true");
    return 0;
}

CASE(a_strict_server_api_refuses_what_is_outside_of_it) {
    AUTO_BSON *reply = NULL;
    mouv_client_opts_t opts = {.server_api = {.version = "1", .strict = true}};
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), &opts, &t->error);
    mouv_database_t *database = mouv_client_get_database(client, t->database_name);
    CHECK_INT(
        await(t, mouv_database_command(database, json(t, "{'serverStatus': 1}"), NULL, &reply)),
        MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "APIStrictError");
    return 0;
}

CASE(deprecation_errors_are_declared) {
    sent_t sent;
    mouv_client_opts_t opts = {.server_api = {.version = "1", .deprecation_errors = true}};
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, test_uri(), &opts, &sent);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK_CONTAINS(sent.json, "\"apiDeprecationErrors\" : true");
    CHECK(!strstr(sent.json, "apiStrict"));
    return 0;
}

CASE(a_wrong_server_api_is_refused_by_name) {
    mouv_client_opts_t unknown = {.server_api = {.version = "2"}};
    CHECK(mouv_client_new(test_uri(), &unknown, &t->error) == NULL);
    CHECK_INT(t->error.code, MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "server_api.version '2'");
    mouv_client_opts_t none = {.server_api = {.strict = true}};
    CHECK(mouv_client_new(test_uri(), &none, &t->error) == NULL);
    CHECK_CONTAINS(t->error.message, "server_api has no version");
    return 0;
}

CASE(options_out_of_range_are_refused_by_name) {
    const struct {
        mouv_client_opts_t opts;
        const char *name;
    } wrong[] = {{{.executor = (mouv_executor_t)77}, "'executor'"},
                 {{.queue_wait_ms = -1}, "'queue_wait_ms'"},
                 {{.close_wait_ms = -1}, "'close_wait_ms'"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(mouv_client_new(test_uri(), &wrong[i].opts, &t->error) == NULL);
        CHECK_INT(t->error.code, MOUV_EINVAL);
        CHECK_CONTAINS(t->error.message, wrong[i].name);
    }
    return 0;
}

/* --- the URI ---------------------------------------------------------------------------------- */

static const char *uri_with(const char *options) {
    static char uri[900];
    const char *base = test_uri();
    snprintf(uri, sizeof uri, "%s%s%s", base, strchr(base, '?') ? "&" : "/?", options);
    return uri;
}

static char remarks[2000];

static void keep_remark(mouv_log_level_t level, const char *message, void *arg) {
    (void)arg;
    if (level < MOUV_LOG_WARNING) return;
    size_t used = strlen(remarks);
    snprintf(remarks + used, sizeof remarks - used, "%s\n", message);
}

/* Each of them in a URI with it alone: libmongoc remarks on what it does not know or like. */
CASE(options_that_libmongoc_knows_are_taken_without_a_remark) {
    static const char *const known[] = {
        "appname=a",
        "authMechanism=SCRAM-SHA-1",
        "authMechanismProperties=SERVICE_NAME:x",
        "authSource=admin",
        "compressors=zlib",
        "connectTimeoutMS=2000",
        "directConnection=true",
        "heartbeatFrequencyMS=5000",
        "journal=true",
        "localThresholdMS=20",
        "maxPoolSize=3",
        "maxStalenessSeconds=120&readPreference=secondary",
        "readConcernLevel=local",
        "readPreference=nearest",
        "readPreference=nearest&readPreferenceTags=dc:ny",
        "retryReads=false",
        "retryWrites=false",
        "serverSelectionTimeoutMS=3000",
        "serverSelectionTryOnce=true",
        "socketCheckIntervalMS=1000",
        "socketTimeoutMS=3000",
        "tls=false",
        "tls=true&tlsAllowInvalidCertificates=true",
        "tls=true&tlsAllowInvalidHostnames=true",
        "tls=true&tlsCAFile=x",
        "tls=true&tlsCertificateKeyFile=x",
        "tls=true&tlsCertificateKeyFile=x&tlsCertificateKeyFilePassword=y",
        "tls=true&tlsDisableCertificateRevocationCheck=true",
        "tls=true&tlsDisableOCSPEndpointCheck=true",
        "tls=true&tlsInsecure=true",
        "w=majority",
        "waitQueueTimeoutMS=100",
        "w=2&wtimeoutMS=100",
        "zlibCompressionLevel=3",
    };
    remarks[0] = '\0';
    mouv_log_set_handler(keep_remark, NULL);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char uri[300];
        snprintf(uri, sizeof uri, "mongodb://u:p@127.0.0.1:9/?%s", known[i]);
        mouv_client_opts_t opts = {.executor = MOUV_EXECUTOR_THREADS}; /* the loop cannot do all */
        mouv_client_t *client = mouv_client_new(uri, &opts, &t->error);
        if (!client) snprintf(remarks, sizeof remarks, "%s: %s", known[i], t->error.message);
        mouv_client_unref(client);
    }
    char seen[sizeof remarks];
    snprintf(seen, sizeof seen, "%s", remarks);
    remarks[0] = '\0';
    mouv_client_unref(mouv_client_new(uri_with("wherever=here"), NULL, &t->error));
    mouv_log_set_handler(NULL, NULL);
    CHECK_STRING(seen, "");
    CHECK_CONTAINS(remarks, "wherever");
    return 0;
}

CASE(the_appname_reaches_the_server) {
    AUTO_BSON *reply = NULL;
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new(uri_with("appname=mouv%20tests"), NULL, &t->error);
    mouv_database_t *admin = mouv_client_get_database(client, "admin");
    CHECK_INT(
        await(t, mouv_database_command(admin, json(t, "{'currentOp': 1, 'appName': 'mouv tests'}"),
                                       NULL, &reply)),
        0);
    CHECK(mouv_bson_has(reply, "inprog.0.appName"));
    return 0;
}

CASE(the_read_preference_reaches_the_server_with_all_it_has) {
    sent_t sent;
    AUTO_BSON *doc = NULL;
    const char *options = "readPreference=secondaryPreferred&readPreferenceTags=dc:ny"
                          "&readPreferenceTags=&maxStalenessSeconds=120";
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, uri_with(options), NULL, &sent);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    CHECK_INT(await(t, mouv_collection_find_one(users, json(t, "{}"), NULL, &doc)), 0);
    CHECK_CONTAINS(sent.json, "\"mode\" : \"secondaryPreferred\"");
    CHECK_CONTAINS(sent.json, "\"tags\" : [ { \"dc\" : \"ny\" }, { ");
    CHECK_CONTAINS(sent.json, "\"maxStalenessSeconds\" : 120");
    const bson_t *opts =
        json(t, "{'readPreference': {'mode': 'nearest', 'tags': [{'dc': 'la'}, {}],"
                "'maxStalenessSeconds': 90, 'hedge': {'enabled': true}}}");
    CHECK_INT(await(t, mouv_collection_find_one(users, json(t, "{}"), opts, &doc)), 0);
    CHECK_CONTAINS(sent.json, "\"mode\" : \"nearest\"");
    CHECK_CONTAINS(sent.json, "\"dc\" : \"la\"");
    CHECK_CONTAINS(sent.json, "\"maxStalenessSeconds\" : 90");
    CHECK_CONTAINS(sent.json, "\"hedge\" : { \"enabled\" : true }");
    return 0;
}

CASE(tags_that_no_server_has_find_no_server) {
    AUTO_BSON *doc = NULL;
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new(uri_with("readPreference=nearest&readPreferenceTags=dc:nowhere"
                                 "&serverSelectionTimeoutMS=300"),
                        NULL, &t->error);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    CHECK_INT(await(t, mouv_collection_find_one(users, json(t, "{}"), NULL, &doc)),
              MOUV_ESELECTION);
    return 0;
}

CASE(max_pool_size_limits_the_clients) {
    mouv_future_t pings[20];
    mouv_client_stats_t stats;
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new(uri_with("maxPoolSize=2"), NULL, &t->error);
    for (size_t i = 0; i < 20; i++) pings[i] = mouv_client_ping(client);
    CHECK_INT(mouv_await(mouv_gather_all(pings, 20, NULL, NULL), &t->error), 0);
    mouv_client_get_stats(client, &stats);
    CHECK(stats.clients >= 1 && stats.clients <= 2);
    return 0;
}

CASE(max_pool_size_must_make_sense) {
    static const char *const bad[] = {"maxPoolSize=0", "maxPoolSize=-3", "maxPoolSize=100001"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(mouv_client_new(uri_with(bad[i]), NULL, &t->error) == NULL);
        CHECK_INT(t->error.code, MOUV_EINVAL);
        CHECK_CONTAINS(t->error.message, "'maxPoolSize'");
        CHECK_CONTAINS(t->error.message, strchr(bad[i], '=') + 1);
    }
    return 0;
}

CASE(without_retry_writes_a_write_has_no_number) {
    sent_t sent;
    MOUV_AUTO_CLIENT mouv_client_t *client =
        client_with(t, uri_with("retryWrites=false"), NULL, &sent);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    CHECK_INT(await(t, mouv_collection_insert_one(users, json(t, "{}"), NULL, NULL)), 1);
    CHECK(!strstr(sent.json, "txnNumber"));
    MOUV_AUTO_CLIENT mouv_client_t *other = client_with(t, test_uri(), NULL, &sent);
    users = mouv_client_get_collection(other, t->database_name, "users");
    CHECK_INT(await(t, mouv_collection_insert_one(users, json(t, "{}"), NULL, NULL)), 1);
    CHECK_CONTAINS(sent.json, "txnNumber");
    return 0;
}

/* --- where the servers are -------------------------------------------------------------------- */

CASE(a_wrong_replica_set_name_fails_at_once_and_is_named) {
    char uri[300];
    const char *hosts = strstr(test_uri(), "127.0.0.1");
    if (!hosts || !strstr(test_uri(), "replicaSet=")) return 0; /* somebody else's server */
    for (int direct = 0; direct < 2; direct++) {
        snprintf(uri, sizeof uri, "mongodb://%.*s/?replicaSet=nobody%s", (int)strcspn(hosts, "/,"),
                 hosts, direct ? "&directConnection=true" : "");
        MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
        for (int i = 0; i < 2; i++) { /* the second knows at once */
            CHECK_INT(mouv_await_for(mouv_client_ping(client), 20000, &t->error), MOUV_ESELECTION);
            CHECK_CONTAINS(t->error.message, "belongs to the replica set '");
            CHECK_CONTAINS(t->error.message, "the URI names 'nobody'");
        }
    }
    return 0;
}

CASE(an_unreachable_host_is_named_with_the_time_that_was_waited) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(
        "mongodb://127.0.0.1:9,127.0.0.1:10/?serverSelectionTimeoutMS=400", NULL, &t->error);
    CHECK_INT(await(t, mouv_client_ping(client)), MOUV_ESELECTION);
    CHECK_CONTAINS(t->error.message, "no suitable server within 400 ms");
    CHECK_CONTAINS(t->error.message, "127.0.0.1:9");
    CHECK_CONTAINS(t->error.message, "127.0.0.1:10");
    MOUV_AUTO_CLIENT mouv_client_t *patient =
        mouv_client_new("mongodb://127.0.0.1:9/", NULL, &t->error);
    CHECK_INT(mouv_await_for(mouv_client_ping(patient), 300, &t->error), MOUV_ETIMEDOUT);
    CHECK_CONTAINS(t->error.message, "127.0.0.1:9");
    CHECK(!strstr(t->error.message, "30000"));
    return 0;
}

/** A socket that listens on a port of its own and never says a word; below 0 on failure. */
static int listen_somewhere(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 8) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return -1;
    *port = ntohs(address.sin_port);
    return fd;
}

CASE(a_host_that_says_nothing_is_named) {
    uint16_t port = 0;
    char uri[100], host[40];
    int listener = listen_somewhere(&port);
    CHECK(listener >= 0);
    snprintf(host, sizeof host, "127.0.0.1:%u", (unsigned)port);
    snprintf(uri, sizeof uri, "mongodb://%s/?serverSelectionTimeoutMS=400", host);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    int rc = await(t, mouv_client_ping(client));
    close(listener);
    CHECK_INT(rc, MOUV_ESELECTION);
    CHECK_CONTAINS(t->error.message, host);
    CHECK_CONTAINS(t->error.message, "does not answer");
    return 0;
}

/* The selection timeout is 30 s. */
CASE(no_worker_seeks_a_server_for_nobody) {
    uint16_t port = 0;
    char uri[100];
    mouv_client_stats_t stats = {.busy = 1};
    int listener = listen_somewhere(&port);
    CHECK(listener >= 0);
    snprintf(uri, sizeof uri, "mongodb://127.0.0.1:%u/", (unsigned)port);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    int rc = mouv_await_for(mouv_client_ping(client), 200, &t->error);
    for (int i = 0; i < 1000 && stats.busy > 0; i++) {
        mouv_sleep_ms(10);
        mouv_client_get_stats(client, &stats);
    }
    close(listener);
    CHECK_INT(rc, MOUV_ETIMEDOUT);
    CHECK_INT(stats.busy, 0);
    return 0;
}

CASE(the_topology_is_readable_before_during_and_after) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), NULL, &t->error);
    MOUV_AUTO_TOPOLOGY mouv_topology_description_t *before =
        mouv_client_get_topology(client, &t->error);
    CHECK(before != NULL);
    CHECK_STRING(before->type, "Unknown");
    CHECK(before->server_count >= 1);
    CHECK_STRING(before->servers[0].type, "Unknown");
    CHECK_INT(before->servers[0].round_trip_ms, -1);
    CHECK(before->servers[0].set_name == NULL && before->servers[0].error == NULL);

    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    MOUV_AUTO_TOPOLOGY mouv_topology_description_t *during =
        mouv_client_get_topology(client, &t->error);
    CHECK(during != NULL);
    CHECK(strcmp(during->type, "Unknown") != 0);
    CHECK_STRING(during->servers[0].host, before->servers[0].host);
    CHECK(during->servers[0].round_trip_ms >= 0);
    CHECK(mouv_bson_has(during->servers[0].hello, "maxWireVersion"));
    if (strstr(during->type, "ReplicaSet")) CHECK(during->servers[0].set_name != NULL);
    CHECK(during->servers[0].error == NULL);
    CHECK_STRING(before->type, "Unknown"); /* a picture does not change */

    CHECK_INT(mouv_client_close(client, &t->error), 0);
    CHECK(mouv_bson_has(during->servers[0].hello, "maxWireVersion"));
    CHECK(mouv_client_get_topology(client, &t->error) == NULL);
    CHECK_INT(t->error.code, MOUV_ECLOSED);
    CHECK(mouv_client_get_topology(NULL, &t->error) == NULL);
    CHECK_INT(t->error.code, MOUV_EINVAL);
    return 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

/** How many sessions of this id ("base64") the server keeps, after a refresh, for which it takes a
 *  test command: only that writes down and forgets them. Below 0 on failure. */
static int count_sessions(test_t *t, const char *id) {
    char filter[120];
    int64_t count = 0;
    mouv_database_t *admin = mouv_client_get_database(t->client, "admin");
    mouv_collection_t *sessions =
        mouv_client_get_collection(t->client, "config", "system.sessions");
    snprintf(filter, sizeof filter, "{'_id.id': {'$binary': {'base64': '%s', 'subType': '04'}}}",
             id);
    int rc = await(t, mouv_database_command(admin, json(t, "{'refreshLogicalSessionCacheNow': 1}"),
                                            NULL, NULL));
    if (rc == 0)
        rc = await(t, mouv_collection_count_documents(sessions, json(t, filter), NULL, &count));
    return rc < 0 ? rc : (int)count;
}

/** A refresh that others have begun before may know nothing yet of what has just been. */
static bool has_sessions_soon(test_t *t, const char *id, int count) {
    for (int tries = 0; tries < 100; tries++) {
        if (count_sessions(t, id) == count) return true;
        mouv_sleep_ms(100);
    }
    return false;
}

CASE(close_ends_the_sessions_on_the_server) {
    sent_t sent;
    char id[40] = "";
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, test_uri(), NULL, &sent);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    const char *found = strstr(sent.json, "\"base64\" : \"");
    CHECK(found != NULL);
    snprintf(id, sizeof id, "%.24s", found + strlen("\"base64\" : \""));
    CHECK(has_sessions_soon(t, id, 1));
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    CHECK(has_sessions_soon(t, id, 0));
    return 0;
}

static mouv_future_t find_slowly(test_t *t, mouv_client_t *client, int64_t ms) {
    char filter[100];
    snprintf(filter, sizeof filter, "{'$where': 'sleep(%d) || true'}", (int)ms);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    return mouv_collection_find_one(users, json(t, filter), NULL, NULL);
}

CASE(close_waits_for_what_runs) {
    CHECK_INT(insert_numbered(t, 1), 0);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), NULL, &t->error);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    mouv_future_t slow = find_slowly(t, client, 300);
    mouv_sleep_ms(50);
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    CHECK(mouv_future_done(slow));
    CHECK_INT(await(t, slow), 1);
    CHECK_INT(await(t, mouv_client_ping(client)), MOUV_ECLOSED);
    return 0;
}

/* Joining libmongoc's monitors takes up to half a second, nearly all of it after a first ping. */
CASE(close_does_not_wait_for_the_monitors) {
    int64_t least_ms = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), NULL, &t->error);
        CHECK_INT(await(t, mouv_client_ping(client)), 0);
        int64_t began_ms = mouv_now_ms();
        CHECK_INT(mouv_client_close(client, &t->error), 0);
        if (mouv_now_ms() - began_ms < least_ms) least_ms = mouv_now_ms() - began_ms;
    }
    CHECK(least_ms < 200);
    return 0;
}

CASE(close_kills_the_cursors_on_the_server) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 100), 0);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), NULL, &t->error);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    const bson_t *few = json(t, "{'batchSize': 2, 'prefetch': false}");
    MOUV_AUTO_CURSOR mouv_cursor_t *idle = mouv_collection_find(users, NULL, few);
    const bson_t *slow = json(t, "{'$where': 'sleep(100) || true'}");
    MOUV_AUTO_CURSOR mouv_cursor_t *running = mouv_collection_find(users, slow, few);
    MOUV_AUTO_CURSOR mouv_cursor_t *fresh = mouv_collection_find(users, slow, few);
    mouv_client_stats_t stats;
    CHECK_INT(mouv_cursor_next(idle, &doc, &t->error), 1);
    for (int i = 0; i < 2; i++) CHECK_INT(mouv_cursor_next(running, &doc, &t->error), 1);
    CHECK_INT(open_cursors_become(t, 2), 2);
    mouv_future_t fetch = mouv_cursor_fetch(running), first = mouv_cursor_fetch(fresh);
    do {
        mouv_sleep_ms(1);
        mouv_client_get_stats(client, &stats);
    } while (stats.in_flight < 2);
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    CHECK_INT(open_cursors_become(t, 0), 0);
    CHECK_INT(await(t, fetch), 1); /* close waits for what runs */
    CHECK_INT(await(t, first), 1);
    CHECK_INT(mouv_cursor_next(idle, &doc, &t->error), 1); /* what had arrived */
    CHECK_INT(mouv_cursor_next(idle, &doc, &t->error), MOUV_ECLOSED);
    return 0;
}

CASE(close_stops_what_runs_longer_than_it_waits) {
    mouv_client_opts_t opts = {.close_wait_ms = 200};
    CHECK_INT(insert_numbered(t, 1), 0);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), &opts, &t->error);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    mouv_future_t slow = find_slowly(t, client, 60000);
    mouv_sleep_ms(50);
    int64_t began_ms = mouv_now_ms();
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    int64_t took_ms = mouv_now_ms() - began_ms;
    CHECK(took_ms >= 200 && took_ms < 30000);
    CHECK_INT(await(t, slow), MOUV_ECANCELED);
    return 0;
}

CASE(operations_of_a_client_that_goes_in_the_same_turn_are_refused) {
    mouv_client_t *client = mouv_client_new(test_uri(), NULL, &t->error);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    mouv_future_t found = find_slowly(t, client, 0);
    mouv_future_t ping = mouv_client_ping(client);
    mouv_client_unref(client);
    CHECK_INT(await(t, found), MOUV_ECLOSED);
    CHECK_INT(await(t, ping), MOUV_ECLOSED);
    return 0;
}

/* Nothing has been connected: no operation has had its first turn. */
CASE(operations_of_a_fresh_client_that_goes_in_the_same_turn_are_refused) {
    for (int closes = 0; closes < 2; closes++) {
        mouv_client_t *client = mouv_client_new(test_uri(), NULL, &t->error);
        mouv_collection_t *users = mouv_client_get_collection(client, "fresh", "users");
        mouv_future_t started[] = {
            mouv_client_ping(client),
            mouv_collection_find_one(users, json(t, "{}"), NULL, NULL),
            mouv_collection_insert_one(users, json(t, "{'_id': 1}"), NULL, NULL),
            mouv_collection_estimated_document_count(users, NULL, NULL),
            mouv_collection_drop(users, NULL),
            mouv_database_command(mouv_client_get_database(client, "fresh"), json(t, "{'ping': 1}"),
                                  NULL, NULL),
        };
        if (closes) mouv_client_close(client, NULL);
        mouv_client_unref(client);
        for (size_t i = 0; i < sizeof started / sizeof started[0]; i++)
            CHECK_INT(await(t, started[i]), MOUV_ECLOSED);
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(the_server_api_is_declared_with_every_command),
        cmocka_unit_test(a_strict_server_api_refuses_what_is_outside_of_it),
        cmocka_unit_test(deprecation_errors_are_declared),
        cmocka_unit_test(a_wrong_server_api_is_refused_by_name),
        cmocka_unit_test(options_out_of_range_are_refused_by_name),
        cmocka_unit_test(options_that_libmongoc_knows_are_taken_without_a_remark),
        cmocka_unit_test(the_appname_reaches_the_server),
        cmocka_unit_test(the_read_preference_reaches_the_server_with_all_it_has),
        cmocka_unit_test(tags_that_no_server_has_find_no_server),
        cmocka_unit_test(max_pool_size_limits_the_clients),
        cmocka_unit_test(max_pool_size_must_make_sense),
        cmocka_unit_test(without_retry_writes_a_write_has_no_number),
        cmocka_unit_test(a_wrong_replica_set_name_fails_at_once_and_is_named),
        cmocka_unit_test(an_unreachable_host_is_named_with_the_time_that_was_waited),
        cmocka_unit_test(a_host_that_says_nothing_is_named),
        cmocka_unit_test(no_worker_seeks_a_server_for_nobody),
        cmocka_unit_test(the_topology_is_readable_before_during_and_after),
        cmocka_unit_test(close_ends_the_sessions_on_the_server),
        cmocka_unit_test(close_waits_for_what_runs),
        cmocka_unit_test(close_does_not_wait_for_the_monitors),
        cmocka_unit_test(close_kills_the_cursors_on_the_server),
        cmocka_unit_test(close_stops_what_runs_longer_than_it_waits),
        cmocka_unit_test(operations_of_a_client_that_goes_in_the_same_turn_are_refused),
        cmocka_unit_test(operations_of_a_fresh_client_that_goes_in_the_same_turn_are_refused),
    };
    return RUN_CASES(cases);
}
