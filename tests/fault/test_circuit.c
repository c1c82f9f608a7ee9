/*
 * Circuits: a server that leaves several deadlines in a row without any answer gets nothing but
 * pings until it answers. And the other case of a server that is not waited for by everyone in
 * turn: one that is known to be gone.
 */
/* test: lock=mock-faults */
#include "support/fault.h"
#include "support/mock_server.h"
#include "support/proxy.h"
#include "support/server.h"

#include <signal.h>

/* A deadline, and what must be less than anybody waits for by himself. */
enum { DEADLINE_MS = 100, SOON_MS = 5000 };

/* Heartbeats are answers, so cases about silence have none. */
#define NO_HEARTBEATS "&heartbeatFrequencyMS=600000"

static mock_server_t *mock;
static proxy_t *proxy;
static int topology_changes;
static int spares; /* atomic; see deafen() */
static uint64_t last_known;

enum { SPARES_ALL, SPARES_HEARTBEATS, SPARES_PINGS };

static struct {
    int32_t numbers[20];
    int count; /* atomic */
} asked_for;

/** Takes down which number a find is for. */
static void take_down(const mock_request_t *request) {
    bson_t body;
    bson_iter_t iter, number;
    if (strcmp(request->command, "find") != 0 || asked_for.count >= 20) return;
    if (!bson_init_static(&body, request->body, request->body_size)) return;
    if (!bson_iter_init(&iter, &body) || !bson_iter_find_descendant(&iter, "filter.n", &number))
        return;
    asked_for.numbers[asked_for.count] = bson_iter_int32(&number);
    __atomic_add_fetch(&asked_for.count, 1, __ATOMIC_RELEASE);
}

/** Connections that are known keep what is spared; new ones have no answer at all. */
static void choose(void *arg, const mock_request_t *request, mock_script_t *script) {
    (void)arg;
    take_down(request);
    int spared = __atomic_load_n(&spares, __ATOMIC_ACQUIRE);
    if (spared == SPARES_ALL) return;
    const char *command = spared == SPARES_PINGS ? "ping" : "hello";
    bool known = request->connection <= last_known;
    script->silent = !known || strcmp(request->command, command) != 0;
}

static int start(void **state) {
    (void)state;
    spares = SPARES_ALL;
    asked_for.count = 0;
    mock = mock_server_start(&(mock_server_opts_t){.choose = choose});
    proxy = mock ? proxy_start(mock_server_port(mock)) : NULL;
    return proxy ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    proxy_stop(proxy);
    mock_server_stop(mock);
    return 0;
}

static void on_server_changed(const mouv_server_event_t *event, void *arg) {
    (void)event;
    (void)arg;
    topology_changes++;
}

static mouv_future_t find_one(mouv_client_t *client) {
    return mouv_collection_find_one(mouv_client_get_collection(client, "app", "users"), NULL, NULL,
                                    NULL);
}

static int find_one_within(test_t *t, mouv_client_t *client, int64_t ms) {
    return mouv_await_for(find_one(client), fault_patience(ms), &t->error);
}

static int find_in_time(test_t *t, mouv_client_t *client) {
    return find_one_within(t, client, DEADLINE_MS);
}

static mouv_client_t *client_at(test_t *t, const char *address, const char *options) {
    char uri[600];
    snprintf(uri, sizeof(uri), "%s%s", address, options);
    mouv_client_t *client = mouv_client_new(uri, NULL, NULL);
    const mouv_monitor_t monitor = {.server_changed = on_server_changed};
    mouv_client_set_monitor(client, &monitor, NULL);
    if (mouv_await_for(mouv_client_ping(client), 20000, &t->error) < 0) return client;
    if (!is_quiet_within(client, SOON_MS)) test_failed(t, __FILE__, __LINE__, "not connected");
    topology_changes = 0;
    return client;
}

static mouv_client_t *connected_client(test_t *t, const char *options) {
    return client_at(t, proxy_uri(proxy), options);
}

/** The server takes everything and says nothing more, as one that is frozen does ... */
static void fall_silent(void) {
    proxy_set(proxy, PROXY_TO_CLIENT, &(proxy_fault_t){.hold = true});
}

/** ... until it goes on. */
static void speak_again(void) {
    proxy_set(proxy, PROXY_TO_CLIENT, NULL);
}

/** The server answers nothing but what is spared, and nothing later. */
static void deafen(int spared) {
    mock_server_stats_t stats;
    mock_server_get_stats(mock, &stats);
    last_known = stats.accepted;
    __atomic_store_n(&spares, spared, __ATOMIC_RELEASE);
}

/** A deadline passes, and nothing is left of it. */
static int miss(test_t *t, mouv_client_t *client) {
    int rc = find_in_time(t, client);
    for (int i = 0; i < 1000 && stats_of(client).late > 0; i++) mouv_sleep_ms(5);
    return rc;
}

/** Lets deadlines pass until the circuit is open; 0 if it is. */
static int miss_until_open(test_t *t, mouv_client_t *client) {
    uint64_t before = stats_of(client).circuits;
    for (int i = 0; i < 20 && stats_of(client).circuits == before; i++)
        if (miss(t, client) != MOUV_ETIMEDOUT) return -1;
    return stats_of(client).circuits > before ? 0 : -1;
}

/** The same, after which the server is back: the way for pings is connected. */
static int open_and_close(test_t *t, mouv_client_t *client) {
    fall_silent();
    if (miss_until_open(t, client) < 0) return -1;
    speak_again();
    int rc = find_one_within(t, client, SOON_MS);
    return is_quiet_within(client, SOON_MS) ? rc : -1; /* what was held has been answered */
}

/* --- Open ------------------------------------------------------------------------------------ */

BARE_CASE(three_deadlines_and_a_ping_without_an_answer_leave_only_pings) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t, NO_HEARTBEATS);
    CHECK_INT(open_and_close(t, client), 1);
    fall_silent();
    uint64_t pings = mock_server_count(mock, "ping");
    for (int i = 0; i < 2; i++) CHECK_INT(miss(t, client), MOUV_ETIMEDOUT);
    CHECK_INT(mock_server_count(mock, "ping"), pings);
    CHECK_INT(miss_until_open(t, client), 0);
    CHECK_INT(mock_server_count(mock, "ping"), pings + 1);
    uint64_t finds = mock_server_count(mock, "find");
    for (int i = 0; i < 5; i++) {
        int64_t began_ms = now_ms();
        CHECK_INT(find_in_time(t, client), MOUV_ETIMEDOUT);
        CHECK(now_ms() - began_ms >= fault_patience(DEADLINE_MS));
        CHECK_CONTAINS(t->error.message, "has not answered for");
        CHECK_CONTAINS(t->error.message, "127.0.0.1");
        CHECK_INT(stats_of(client).in_flight, 0);
    }
    CHECK_INT(mock_server_count(mock, "find"), finds);
    CHECK_INT(mock_server_count(mock, "ping"), pings + 1);
    CHECK_INT(stats_of(client).circuits, 2);
    CHECK_INT(topology_changes, 0);
    return 0;
}

/* What the ping's connection was set up with is lost, and the ping with it. */
BARE_CASE(a_new_connection_is_tried_beside_a_silent_ping) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t, NO_HEARTBEATS);
    for (int i = 0; i < 2; i++) {
        proxy_set(proxy, PROXY_TO_CLIENT, &(proxy_fault_t){.lose = true});
        CHECK_INT(miss_until_open(t, client), 0);
        CHECK_INT(find_in_time(t, client), MOUV_ETIMEDOUT);
        speak_again();
        CHECK_INT(find_one_within(t, client, SOON_MS), 1); /* before connectTimeoutMS are over */
    }
    CHECK_INT(topology_changes, 0);
    return 0;
}

/* All that there is is waited for without a deadline, and no other connection is greeted. */
BARE_CASE(deadlines_missed_for_want_of_a_connection_count) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t, NO_HEARTBEATS);
    fall_silent();
    mouv_future_t patient = find_one(client);
    mouv_sleep_ms(20);
    CHECK_INT(miss_until_open(t, client), 0);
    CHECK_INT(stats_of(client).interrupts, 0);
    speak_again();
    CHECK_INT(mouv_await_for(patient, fault_patience(SOON_MS), &t->error), 1);
    return 0;
}

BARE_CASE(a_write_that_waits_for_a_silent_server_is_not_stored) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t, NO_HEARTBEATS);
    MOUV_AUTO_BSON bson_t *doc = BCON_NEW("_id", BCON_INT32(1));
    mouv_collection_t *users = mouv_client_get_collection(client, "app", "users");
    fall_silent();
    CHECK_INT(miss_until_open(t, client), 0);
    CHECK_INT(mouv_await_for(mouv_collection_insert_one(users, doc, NULL, NULL),
                             fault_patience(DEADLINE_MS), &t->error),
              MOUV_ETIMEDOUT);
    CHECK_INT(mock_server_count(mock, "insert"), 0);
    return 0;
}

BARE_CASE(whoever_waits_goes_on_when_a_ping_is_answered) {
    enum { COUNT = 200 };
    mouv_future_t finds[COUNT];
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t, NO_HEARTBEATS);
    fall_silent();
    CHECK_INT(miss_until_open(t, client), 0);
    for (int i = 0; i < COUNT; i++) finds[i] = find_one(client);
    mouv_sleep_ms(50);
    CHECK_INT(stats_of(client).in_flight, 0);
    CHECK_INT(stats_of(client).queued, COUNT);
    speak_again();
    int64_t began_ms = now_ms();
    CHECK_INT(mouv_await_for(mouv_gather_array(finds, COUNT), fault_patience(SOON_MS), &t->error),
              0);
    print_message("%d operations went on and ended %lld ms after the server's return\n", COUNT,
                  (long long)(now_ms() - began_ms));
    CHECK_INT(stats_of(client).circuits, 1);
    CHECK_INT(stats_of(client).retries, 0);
    CHECK_INT(topology_changes, 0);
    return 0;
}

BARE_CASE(whoever_waits_goes_on_in_the_order_of_arrival) {
    enum { COUNT = 20 };
    mouv_future_t finds[COUNT];
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t, NO_HEARTBEATS "&maxPoolSize=1");
    mouv_collection_t *users = mouv_client_get_collection(client, "app", "users");
    fall_silent();
    CHECK_INT(miss_until_open(t, client), 0);
    for (int i = 0; i < COUNT; i++) {
        MOUV_AUTO_BSON bson_t *filter = BCON_NEW("n", BCON_INT32(i));
        finds[i] = mouv_collection_find_one(users, filter, NULL, NULL);
    }
    mouv_sleep_ms(20);
    speak_again();
    CHECK_INT(mouv_await_for(mouv_gather_array(finds, COUNT), fault_patience(SOON_MS), &t->error),
              0);
    CHECK_INT(__atomic_load_n(&asked_for.count, __ATOMIC_ACQUIRE), COUNT);
    for (int i = 0; i < COUNT; i++) CHECK_INT(asked_for.numbers[i], i);
    return 0;
}

BARE_CASE(a_circuit_opens_again_when_the_server_is_silent_again) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t, NO_HEARTBEATS);
    for (int round = 1; round <= 2; round++) {
        fall_silent();
        CHECK_INT(miss_until_open(t, client), 0);
        CHECK_INT(stats_of(client).circuits, round);
        speak_again();
        CHECK_INT(mouv_await_for(find_one(client), fault_patience(SOON_MS), &t->error), 1);
    }
    return 0;
}

BARE_CASE(a_heartbeat_closes_a_circuit) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t, "&heartbeatFrequencyMS=3000");
    deafen(SPARES_HEARTBEATS);
    CHECK_INT(miss_until_open(t, client), 0);
    bool is_open = true; /* no ping is ever answered */
    for (int i = 0; i < 100 && is_open; i++) {
        CHECK_INT(find_in_time(t, client), MOUV_ETIMEDOUT);
        is_open = strstr(t->error.message, "has not answered for") != NULL;
    }
    CHECK(!is_open);
    CHECK_INT(topology_changes, 0);
    return 0;
}

BARE_CASE(a_client_with_an_open_circuit_closes_at_once) {
    mouv_client_t *client = connected_client(t, NO_HEARTBEATS);
    fall_silent();
    CHECK_INT(miss_until_open(t, client), 0);
    mouv_future_t find = find_one(client);
    mouv_sleep_ms(20);
    int64_t began_ms = now_ms();
    int rc = mouv_client_close(client, &t->error);
    int64_t took_ms = now_ms() - began_ms;
    CHECK_INT(await(t, find), MOUV_ECANCELED);
    mouv_client_unref(client);
    CHECK_INT(rc, 0);
    CHECK(took_ms < fault_patience(SOON_MS));
    return 0;
}

/* --- Not open -------------------------------------------------------------------------------- */

/* Only finds are slow: kills, pings and other operations are answered. */
BARE_CASE(a_server_that_is_slow_gets_everything) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t, NO_HEARTBEATS);
    mock_server_script(mock, "find", &(mock_script_t){.silent = true});
    for (int i = 0; i < 6; i++) CHECK_INT(miss(t, client), MOUV_ETIMEDOUT);
    CHECK(mock_server_count(mock, "find") >= 3);
    CHECK_INT(stats_of(client).circuits, 0);
    return 0;
}

/* Neither kills nor finds are answered, nor is a new connection greeted, but a ping is answered. */
BARE_CASE(a_server_that_answers_the_ping_gets_everything) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t, NO_HEARTBEATS);
    CHECK_INT(open_and_close(t, client), 1);
    deafen(SPARES_PINGS);
    uint64_t pings = mock_server_count(mock, "ping");
    for (int i = 0; i < 12; i++) CHECK_INT(miss(t, client), MOUV_ETIMEDOUT);
    CHECK(mock_server_count(mock, "ping") > pings);
    CHECK_INT(stats_of(client).circuits, 1);
    return 0;
}

/* Neither kills nor finds are answered, but something is, once in a while. */
BARE_CASE(any_answer_begins_the_count_anew) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t, NO_HEARTBEATS);
    mouv_database_t *admin = mouv_client_get_database(client, "admin");
    MOUV_AUTO_BSON bson_t *command = BCON_NEW("whatsmyuri", BCON_INT32(1));
    mock_server_script(mock, "find", &(mock_script_t){.silent = true});
    mock_server_script(mock, "killSessions", &(mock_script_t){.silent = true});
    mock_server_reply(mock, "whatsmyuri", "{'ok': 1}");
    for (int i = 0; i < 6; i++) {
        CHECK_INT(find_in_time(t, client), MOUV_ETIMEDOUT);
        CHECK_INT(await(t, mouv_database_command(admin, command, NULL, NULL)), 0);
    }
    CHECK_INT(stats_of(client).circuits, 0);
    return 0;
}

/* --- Gone ------------------------------------------------------------------------------------ */

BARE_CASE(a_server_that_is_gone_is_waited_for_on_the_loop) {
    enum { COUNT = 300 };
    mouv_future_t finds[COUNT];
    MOUV_AUTO_CLIENT mouv_client_t *client = client_at(t, mock_server_uri(mock), "");
    mock_server_opts_t opts = {.port = mock_server_port(mock)};
    mock_server_stop(mock);
    mock = NULL;
    CHECK(find_in_time(t, client) < 0); /* so that it is known */
    for (int i = 0; i < COUNT; i++) finds[i] = find_one(client);
    mouv_sleep_ms(20);
    for (int i = 0; i < 1000 && stats_of(client).in_flight > 0; i++) mouv_sleep_ms(5);
    int more = 0; /* for a moment a control connection may be tried as well */
    for (int i = 0; i < 20; i++, mouv_sleep_ms(20)) {
        CHECK_INT(stats_of(client).in_flight, 0);
        CHECK_INT(stats_of(client).queued, COUNT);
        more += stats_of(client).busy > 1;
    }
    CHECK(more < 5);
    mock = mock_server_start(&opts);
    CHECK(mock != NULL);
    int64_t began_ms = now_ms();
    CHECK_INT(mouv_await_for(mouv_gather_array(finds, COUNT), fault_patience(SOON_MS), &t->error),
              0);
    print_message("%d operations ended %lld ms after the server's return\n", COUNT,
                  (long long)(now_ms() - began_ms));
    return 0;
}

/* --- A real server --------------------------------------------------------------------------- */

static server_t server;

static int start_server(void **state) {
    (void)state;
    return server_start(&server, NULL) ? 0 : -1;
}

static int stop_server(void **state) {
    (void)state;
    server_stop(&server);
    return 0;
}

enum { WARM = 20, ALL = 200, AT_ONCE = 10, FROZEN_DEADLINE_MS = 300 };

static int await_finds(test_t *t, mouv_client_t *client, int count, int64_t timeout_ms) {
    mouv_future_t finds[ALL];
    for (int i = 0; i < count; i++) finds[i] = find_one(client);
    return mouv_await_for(mouv_gather_array(finds, (size_t)count), timeout_ms, &t->error);
}

/** Some operations at a time, each with its deadline; the longest that any took. */
static int64_t find_while_frozen(test_t *t, mouv_client_t *client) {
    int64_t longest_ms = 0;
    for (int done = 0; done < ALL; done += AT_ONCE) {
        int64_t began_ms = now_ms();
        if (await_finds(t, client, AT_ONCE, FROZEN_DEADLINE_MS) != MOUV_ETIMEDOUT) return -1;
        if (now_ms() - began_ms > longest_ms) longest_ms = now_ms() - began_ms;
    }
    return longest_ms;
}

BARE_CASE(a_frozen_server_costs_few_connections_and_goes_on_at_once) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(server.uri, NULL, NULL);
    mouv_collection_t *users = mouv_client_get_collection(client, "app", "users");
    CHECK_INT(await(t, mouv_collection_insert_one(users, json(t, "{'_id': 1}"), NULL, NULL)), 1);
    CHECK_INT(await_finds(t, client, WARM, 20000), 0);
    pid_t pid = fault_pid(t, server.uri);
    CHECK(pid > 0);
    CHECK(server_freeze(pid));
    int64_t longest_ms = find_while_frozen(t, client);
    mouv_client_stats_t frozen = stats_of(client);
    kill(pid, SIGCONT);
    int64_t began_ms = now_ms();
    int rc = await_finds(t, client, ALL, fault_patience(SOON_MS));
    print_message("%llu connections cut, the longest of %d operations took %lld ms; after the thaw"
                  " %d ended within %lld ms\n",
                  (unsigned long long)frozen.interrupts, ALL, (long long)longest_ms, ALL,
                  (long long)(now_ms() - began_ms));
    CHECK_INT(rc, 0);
    CHECK(longest_ms >= FROZEN_DEADLINE_MS);
    CHECK(longest_ms < FROZEN_DEADLINE_MS + fault_patience(SOON_MS));
    CHECK(frozen.circuits >= 1);
    CHECK(frozen.interrupts <= 2 * AT_ONCE);
    return 0;
}

static int start_set(void **state) {
    static const char *const options[] = {"--nodes", "3", NULL};
    (void)state;
    return server_start(&server, options) ? 0 : -1;
}

/** Of the secondary that the client reads from now. */
static pid_t pid_of_secondary(test_t *t, mouv_client_t *client) {
    MOUV_AUTO_BSON bson_t *status = NULL;
    bson_iter_t iter, primary;
    mouv_database_t *admin = mouv_client_get_database(client, "admin");
    const bson_t *opts = json(t, "{'readPreference': {'mode': 'secondary'}}");
    if (await(t, mouv_database_command(admin, json(t, "{'serverStatus': 1}"), opts, &status)) < 0)
        return -1;
    bool found = bson_iter_init_find(&iter, status, "pid");
    bool is_primary = bson_iter_init(&primary, status) &&
                      bson_iter_find_descendant(&primary, "repl.isWritablePrimary", &primary) &&
                      bson_iter_as_bool(&primary);
    return found && !is_primary ? (pid_t)bson_iter_as_int64(&iter) : -1;
}

enum { ROUNDS_MAX = 40, ROUNDS_AFTER = 30 };

/** Reads go on while one of the secondaries is frozen: how many rounds had a timeout before all of
 *  them went elsewhere; below 0 if one had later. */
static int rounds_missed(test_t *t, mouv_client_t *client) {
    int missed = 0, rc = 0;
    uint64_t before = stats_of(client).circuits;
    while (missed < ROUNDS_MAX && stats_of(client).circuits == before) {
        rc = await_finds(t, client, AT_ONCE, FROZEN_DEADLINE_MS);
        if (rc < 0 && rc != MOUV_ETIMEDOUT) return rc;
        missed += rc == MOUV_ETIMEDOUT;
        mouv_sleep_ms(5); /* many are quick: who has so much in progress already is not chosen */
    }
    for (int i = 0; i < ROUNDS_AFTER; i++) {
        rc = await_finds(t, client, AT_ONCE, fault_patience(SOON_MS));
        if (rc < 0) return rc;
    }
    return missed;
}

static int reads_go_on_elsewhere(test_t *t, const char *options) {
    char uri[600];
    snprintf(uri, sizeof(uri), "%s&maxPoolSize=4&localThresholdMS=20000&%s", server.uri, options);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, NULL);
    mouv_collection_t *users = mouv_client_get_collection(client, "app", "users");
    await(t, mouv_collection_insert_one(users, json(t, "{'_id': 1}"), NULL, NULL));
    for (int i = 0; i < 5; i++) CHECK_INT(await_finds(t, client, WARM, 20000), 0);
    pid_t pid = pid_of_secondary(t, client);
    CHECK(pid > 0);
    CHECK(server_freeze(pid));
    int missed = rounds_missed(t, client);
    mouv_client_stats_t frozen = stats_of(client);
    kill(pid, SIGCONT);
    print_message(
        "%d rounds of %d reads until %s left the frozen one alone; %llu connections cut\n", missed,
        AT_ONCE, options, (unsigned long long)frozen.interrupts);
    CHECK(missed > 0);
    CHECK(missed < ROUNDS_MAX);
    CHECK_INT(frozen.circuits, 1);
    CHECK_INT(await_finds(t, client, ALL, fault_patience(SOON_MS)), 0);
    return 0;
}

BARE_CASE(reads_from_secondaries_go_on_elsewhere) {
    return reads_go_on_elsewhere(t, "readPreference=secondary");
}

BARE_CASE(reads_from_the_nearest_go_on_elsewhere) {
    return reads_go_on_elsewhere(t, "readPreference=nearest");
}

#define WITH_MOCK(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void) {
    const struct CMUnitTest scripted[] = {
        WITH_MOCK(three_deadlines_and_a_ping_without_an_answer_leave_only_pings),
        WITH_MOCK(a_new_connection_is_tried_beside_a_silent_ping),
        WITH_MOCK(deadlines_missed_for_want_of_a_connection_count),
        WITH_MOCK(a_write_that_waits_for_a_silent_server_is_not_stored),
        WITH_MOCK(whoever_waits_goes_on_when_a_ping_is_answered),
        WITH_MOCK(whoever_waits_goes_on_in_the_order_of_arrival),
        WITH_MOCK(a_circuit_opens_again_when_the_server_is_silent_again),
        WITH_MOCK(a_heartbeat_closes_a_circuit),
        WITH_MOCK(a_client_with_an_open_circuit_closes_at_once),
        WITH_MOCK(a_server_that_is_slow_gets_everything),
        WITH_MOCK(a_server_that_answers_the_ping_gets_everything),
        WITH_MOCK(any_answer_begins_the_count_anew),
        WITH_MOCK(a_server_that_is_gone_is_waited_for_on_the_loop),
    };
    const struct CMUnitTest real[] = {
        cmocka_unit_test_setup_teardown(a_frozen_server_costs_few_connections_and_goes_on_at_once,
                                        start_server, stop_server),
    };
    const struct CMUnitTest set[] = {
        cmocka_unit_test(reads_from_secondaries_go_on_elsewhere),
        cmocka_unit_test(reads_from_the_nearest_go_on_elsewhere),
    };
    int failed = cmocka_run_group_tests(scripted, NULL, NULL);
    failed += cmocka_run_group_tests(real, NULL, NULL);
    return failed + cmocka_run_group_tests(set, start_set, stop_server);
}
