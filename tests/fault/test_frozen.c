/*
 * A real server that is frozen (SIGSTOP) and goes on: deadlines are kept, workers come back, and
 * nothing is to be repaired afterwards.
 */
/* test: lock=faults */
#include "support/server.h"
#include "support/support.h"

#include <signal.h>

#include <uv.h>

static server_t server;
static int server_changes;

static int start(void **state) {
    (void)state;
    return server_start(&server, NULL) ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    server_stop(&server);
    return 0;
}

static void on_server_changed(const mouv_server_event_t *event, void *arg) {
    (void)event;
    (void)arg;
    server_changes++;
}

static mouv_client_t *monitored_client(void) {
    mouv_client_t *client = mouv_client_new(server.uri, NULL, NULL);
    const mouv_monitor_t monitor = {.server_changed = on_server_changed};
    mouv_client_set_monitor(client, &monitor, NULL);
    return client;
}

static mouv_collection_t *numbers_of(mouv_client_t *client) {
    return mouv_client_get_collection(client, "mouv_frozen", "numbers");
}

static pid_t pid_of_server(test_t *t, mouv_client_t *client) {
    AUTO_BSON *status = NULL;
    bson_iter_t pid;
    mouv_database_t *admin = mouv_client_get_database(client, "admin");
    const bson_t *command = json(t, "{'serverStatus': 1}");
    if (await(t, mouv_database_command(admin, command, NULL, &status)) < 0) return -1;
    return bson_iter_init_find(&pid, status, "pid") ? (pid_t)bson_iter_as_int64(&pid) : -1;
}

enum { COUNT = 20 };

/** So many connections, by as many operations at once that take a while. */
static int connect_many(test_t *t, mouv_client_t *client) {
    mouv_future_t slow[COUNT];
    const bson_t *filter = json(t, "{'$where': 'sleep(100) || true'}");
    for (int i = 0; i < COUNT; i++)
        slow[i] = mouv_collection_find_one(numbers_of(client), filter, NULL, NULL);
    return await(t, mouv_gather_array(slow, COUNT));
}

/** How long until nothing runs on a worker any more; -1 after ten seconds. */
static int64_t quiet_after_ms(const mouv_client_t *client) {
    for (int64_t began_ms = now_ms(); now_ms() - began_ms < 10000; mouv_sleep_ms(1)) {
        mouv_client_stats_t stats = stats_of(client);
        if (stats.in_flight == 0 && stats.late == 0) return now_ms() - began_ms;
    }
    return -1;
}

BARE_CASE(frozen_server_holds_no_worker_and_needs_no_repair) {
    MOUV_AUTO_CLIENT mouv_client_t *client = monitored_client();
    mouv_future_t finds[COUNT];
    const bson_t *document = json(t, "{'_id': 1, 'n': 1}");
    CHECK_INT(await(t, mouv_collection_insert_one(numbers_of(client), document, NULL, NULL)), 1);
    CHECK_INT(connect_many(t, client), 0);
    pid_t pid = pid_of_server(t, client);
    CHECK(pid > 0);
    server_changes = 0;
    CHECK(server_freeze(pid));
    int64_t began_ms = now_ms();
    for (int i = 0; i < COUNT; i++)
        finds[i] = mouv_collection_find_one(numbers_of(client), NULL, NULL, NULL);
    int rc = mouv_await_for(mouv_gather_array(finds, COUNT), 1000, &t->error);
    int64_t went_on_ms = now_ms() - began_ms, quiet_ms = quiet_after_ms(client);
    kill(pid, SIGCONT);
    CHECK_INT(rc, MOUV_ETIMEDOUT);
    CHECK(went_on_ms >= 1000);
    CHECK(quiet_ms >= 0);
    print_message("the caller went on after %lld ms, the last worker %lld ms later\n",
                  (long long)went_on_ms, (long long)quiet_ms);
    CHECK(stats_of(client).interrupts >= (uint64_t)if_own_streams(1));
    uint64_t interrupts = stats_of(client).interrupts;
    for (int i = 0; i < 2 * COUNT; i++)
        CHECK_INT(await(t, mouv_collection_find_one(numbers_of(client), NULL, NULL, NULL)), 1);
    CHECK_INT(connect_many(t, client), 0);
    CHECK_INT(server_changes, 0);
    CHECK_INT(stats_of(client).retries, 0);
    CHECK_INT(stats_of(client).interrupts, interrupts);
    CHECK(stats_of(client).clients <= COUNT);
    return 0;
}

BARE_CASE(frozen_server_leaves_a_write_unknown_and_executes_it_later) {
    MOUV_AUTO_CLIENT mouv_client_t *client = monitored_client();
    AUTO_BSON *found = NULL;
    const bson_t *document = json(t, "{'_id': 2}");
    CHECK_INT(connect_many(t, client), 0);
    pid_t pid = pid_of_server(t, client);
    CHECK(pid > 0);
    server_changes = 0;
    CHECK(server_freeze(pid));
    mouv_future_t insert = mouv_collection_insert_one(numbers_of(client), document, NULL, NULL);
    int rc = mouv_await_for(insert, 500, &t->error);
    int64_t quiet_ms = quiet_after_ms(client);
    kill(pid, SIGCONT);
    CHECK_INT(rc, MOUV_EUNKNOWN);
    CHECK(quiet_ms >= 0);
    for (int i = 0; i < 500 && !found; i++) {
        CHECK(await(t, mouv_collection_find_one(numbers_of(client), document, NULL, &found)) >= 0);
        mouv_sleep_ms(10);
    }
    /* on the loop the question what has become of it is at the server, too: if that is read first, the write is refused
     * from then on */
    if (!test_on_loop()) CHECK(found != NULL);
    CHECK_INT(server_changes, 0);
    return 0;
}

static void go_on(void *arg) {
    uv_sleep(1500);
    kill(*(const pid_t *)arg, SIGCONT);
}

/* What the monitor measured while the server stood still says nothing of the way there. */
BARE_CASE(one_slow_first_heartbeat_refuses_no_short_deadline) {
    MOUV_AUTO_CLIENT mouv_client_t *other = monitored_client();
    pid_t pid = pid_of_server(t, other);
    CHECK(pid > 0);
    CHECK(server_freeze(pid));
    uv_thread_t thread;
    CHECK_INT(uv_thread_create(&thread, go_on, &pid), 0);
    MOUV_AUTO_CLIENT mouv_client_t *client = monitored_client();
    int rc = await(t, mouv_collection_find_one(numbers_of(client), NULL, NULL, NULL));
    uv_thread_join(&thread);
    CHECK(rc >= 0);
    int64_t began_ms = now_ms();
    while (now_ms() - began_ms < 2000) {
        mouv_future_t find = mouv_collection_find_one(numbers_of(client), NULL, NULL, NULL);
        CHECK(mouv_await_for(find, 300, &t->error) >= 0);
        mouv_sleep_ms(10);
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(frozen_server_holds_no_worker_and_needs_no_repair),
        cmocka_unit_test(frozen_server_leaves_a_write_unknown_and_executes_it_later),
        cmocka_unit_test(one_slow_first_heartbeat_refuses_no_short_deadline),
    };
    return cmocka_run_group_tests(cases, start, end);
}
