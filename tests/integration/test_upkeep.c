/*
 * minPoolSize, maxIdleTimeMS: what the server sees of them.
 */
/* test: executors */
#include <stdlib.h>

#include <uv.h>

#include "support/support.h"

/* Enough for a machine that is busy. */
#define PATIENCE_MS 10000

/* So many operations at a time need more connections (not on uvpool) than those that stay. */
#define SLOW 12
#define MONITORS_AND_CONTROLS 6

/* Connections of clients of this name, monitors' and controls' too; below 0 on failure. */
static int connections(test_t *t, const char *app_name) {
    char text[300];
    AUTO_BSON *reply = NULL;
    bson_iter_t iter, count;
    snprintf(text, sizeof text,
             "{'aggregate': 1, 'cursor': {}, 'pipeline': ["
             "{'$currentOp': {'allUsers': true, 'idleConnections': true}},"
             "{'$match': {'appName': '%s'}}, {'$count': 'n'}]}",
             app_name);
    mouv_database_t *admin = mouv_client_get_database(t->client, "admin");
    int rc = await(t, mouv_database_command(admin, json(t, text), NULL, &reply));
    if (rc < 0) return rc;
    bool found = bson_iter_init(&iter, reply) &&
                 bson_iter_find_descendant(&iter, "cursor.firstBatch.0.n", &count);
    return found ? bson_iter_int32(&count) : 0;
}

static bool become(test_t *t, const char *app_name, int least, int most) {
    for (int64_t until_ms = now_ms() + PATIENCE_MS; now_ms() < until_ms; mouv_sleep_ms(20)) {
        int count = connections(t, app_name);
        if (count >= least && count <= most) return true;
    }
    return false;
}

static const char *named(char *uri, size_t size, const char *app_name, const char *options) {
    const char *base = test_uri();
    snprintf(uri, size, "%s%sappName=%s&%s", base, strchr(base, '?') ? "&" : "/?", app_name,
             options);
    return uri;
}

typedef struct counts {
    int ready, idle, cleared;
    uint32_t min_pool_size;
    int64_t max_idle_time_ms;
} counts_t;

static void on_created(const mouv_connection_pool_event_t *event, void *arg) {
    counts_t *counts = arg;
    counts->min_pool_size = event->options->min_pool_size;
    counts->max_idle_time_ms = event->options->max_idle_time_ms;
}

static void on_ready(const mouv_connection_event_t *event, void *arg) {
    (void)event;
    ((counts_t *)arg)->ready++;
}

static void on_closed(const mouv_connection_event_t *event, void *arg) {
    ((counts_t *)arg)->idle += event->closed_reason == MOUV_CONNECTION_CLOSED_IDLE;
}

static void on_cleared(const mouv_connection_pool_event_t *event, void *arg) {
    (void)event;
    ((counts_t *)arg)->cleared++;
}

static const mouv_monitor_t counting = {.pool_created = on_created,
                                        .pool_cleared = on_cleared,
                                        .connection_ready = on_ready,
                                        .connection_closed = on_closed};

CASE(the_pool_is_filled_up_behind_the_first_operation) {
    char uri[1000];
    counts_t counts = {0};
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new(named(uri, sizeof uri, "filled", "minPoolSize=3"), NULL, &t->error);
    CHECK(client != NULL);
    mouv_client_set_monitor(client, &counting, &counts);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    for (int ms = 0; ms < PATIENCE_MS && counts.ready < 3; ms += 10) mouv_sleep_ms(10);
    CHECK_INT(counts.ready, 3);
    CHECK_INT(stats_of(client).clients, 3);
    CHECK(become(t, "filled", 3, 100));
    CHECK_INT(counts.min_pool_size, 3);
    return 0;
}

CASE(what_is_idle_for_too_long_is_closed_and_made_anew) {
    char uri[1000];
    counts_t counts = {0};
    mouv_future_t found[SLOW];
    NEEDS_OWN_STREAMS(t);
    CHECK_INT(insert_numbered(t, 1), 0);
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new(named(uri, sizeof uri, "idle", "maxIdleTimeMS=700"), NULL, &t->error);
    CHECK(client != NULL);
    mouv_client_set_monitor(client, &counting, &counts);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    const bson_t *slow = json(t, "{'$where': 'sleep(400) || true'}");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < SLOW; i++)
            found[i] = mouv_collection_count_documents(users, slow, NULL, NULL);
        CHECK_INT(await(t, mouv_gather_all(found, SLOW, NULL, NULL)), SLOW);
        for (int ms = 0; ms < PATIENCE_MS && counts.idle < counts.ready; ms += 10)
            mouv_sleep_ms(10);
        CHECK(counts.ready > round && counts.idle == counts.ready);
        CHECK(become(t, "idle", 0, MONITORS_AND_CONTROLS));
    }
    CHECK_INT(counts.cleared, 0); /* the server is not taken for lost */
    CHECK_INT(counts.max_idle_time_ms, 700);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    return 0;
}

/* A thread with a loop of its own, which has nothing to do after a ping: it ends by itself. */
typedef struct visitor {
    char uri[1000];
    bool ended;
} visitor_t;

static void run_to_its_end(void *arg) {
    visitor_t *visitor = arg;
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    mouv_error_t error;
    if (uv_loop_init(&loop) < 0 || mouv_runtime_attach(&runtime, &loop) < 0) return;
    mouv_client_t *client = mouv_client_new(visitor->uri, NULL, &error);
    mouv_future_t ping = mouv_client_ping(client);
    uv_run(&loop, UV_RUN_DEFAULT);
    bool pinged = mouv_future_result(ping, NULL) == 0;
    mouv_future_unref(ping);
    mouv_client_unref(client);
    mouv_runtime_close(runtime, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    visitor->ended = uv_loop_close(&loop) == 0 && pinged;
}

CASE(a_loop_with_nothing_else_to_do_ends) {
    uv_thread_t thread;
    visitor_t visitor = {.ended = false};
    named(visitor.uri, sizeof visitor.uri, "ends", "minPoolSize=3&maxIdleTimeMS=600000");
    CHECK_INT(uv_thread_create(&thread, run_to_its_end, &visitor), 0);
    uv_thread_join(&thread);
    CHECK(visitor.ended);
    return 0;
}

CASE(sizes_that_do_not_fit_are_refused_by_name) {
    static const struct {
        const char *options, *name;
    } bad[] = {{"minPoolSize=5&maxPoolSize=4", "'minPoolSize'"},
               {"minPoolSize=101", "'minPoolSize'"},
               {"minPoolSize=many", "'minPoolSize'"},
               {"maxConnecting=0", "'maxConnecting'"}};
    char uri[1000];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        named(uri, sizeof uri, "bad", bad[i].options);
        CHECK(mouv_client_new(uri, NULL, &t->error) == NULL);
        CHECK_INT(t->error.code, MOUV_EINVAL);
        CHECK_CONTAINS(t->error.message, bad[i].name);
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(the_pool_is_filled_up_behind_the_first_operation),
        cmocka_unit_test(what_is_idle_for_too_long_is_closed_and_made_anew),
        cmocka_unit_test(a_loop_with_nothing_else_to_do_ends),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused_by_name),
    };
    return RUN_CASES(cases);
}
