/*
 * Servers that fall silent: who is told what and when, and what becomes of workers, connections and
 * the server's standing.
 */
/* test: lock=mock-faults */
#include "support/mock_case.h"
#include "support/pace.h"

/* Within its deadline a command reaches the server also beside other programs. */
enum { DEADLINE_MS = 300, PATIENCE_MS = 10000 };

/* Its monitor's, one for operations, and those for kills and pings, which nobody waits for. */
enum { CONNECTIONS = 4 };

static int topology_changes;

static const mock_script_t silence = {.silent = true};

static mouv_future_t find_one(mouv_client_t *client) {
    return mouv_collection_find_one(users_of(client), NULL, NULL, NULL);
}

static void on_server_changed(const mouv_server_event_t *event, void *arg) {
    (void)event;
    (void)arg;
    topology_changes++;
}

/** A client with a connection and, as its first operation has a deadline, others for kills and pings. */
static mouv_client_t *connected_client(test_t *t) {
    mouv_client_t *client = mouv_client_new(mock_server_uri(mock), NULL, NULL);
    const mouv_monitor_t monitor = {.server_changed = on_server_changed};
    mouv_client_set_monitor(client, &monitor, NULL);
    if (mouv_await_for(mouv_client_ping(client), 5000, &t->error) < 0) return client;
    if (!is_quiet_within(client, PATIENCE_MS)) test_failed(t, __FILE__, __LINE__, "not connected");
    for (int ms = 0; ms < PATIENCE_MS && accepted() < CONNECTIONS; ms += 5) mouv_sleep_ms(5);
    topology_changes = 0;
    return client;
}

/* --- Reads ----------------------------------------------------------------------------------- */

/* A frozen server in short: neither the find nor its kill is answered. */
BARE_CASE(silent_read_frees_its_worker_and_keeps_the_server) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    uint64_t before = accepted();
    mock_server_script(mock, "find", &silence);
    mock_server_script(mock, "killSessions", &silence);
    int64_t began_ms = now_ms();
    CHECK_INT(mouv_await_for(find_one(client), DEADLINE_MS, &t->error), MOUV_ETIMEDOUT);
    CHECK(now_ms() - began_ms >= DEADLINE_MS);
    CHECK(is_quiet_within(client, PATIENCE_MS));
    CHECK_INT(stats_of(client).interrupts, if_own_streams(1));
    CHECK_INT(stats_of(client).abandoned, 0);
    CHECK_INT(topology_changes, 0);
    CHECK_INT(resets_become("find", if_own_streams(1)), if_own_streams(1));
    CHECK_INT(resets_become("killSessions", if_own_streams(1)), if_own_streams(1));
    CHECK_INT(accepted(), before + 1); /* it has another one without being asked */
    mock_server_script(mock, "find", NULL);
    mock_server_script(mock, "killSessions", NULL);
    for (int i = 0; i < 20; i++) CHECK_INT(await(t, find_one(client)), 1);
    CHECK_INT(topology_changes, 0);
    CHECK_INT(stats_of(client).retries, 0);
    CHECK_INT(accepted(), before + 1);
    return 0;
}

BARE_CASE(a_kill_that_does_not_help_is_followed_by_an_interrupt) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    mock_server_script(mock, "find", &silence);
    CHECK_INT(mouv_await_for(find_one(client), DEADLINE_MS, &t->error), MOUV_ETIMEDOUT);
    CHECK(is_quiet_within(client, PATIENCE_MS));
    CHECK(mock_server_count(mock, "killSessions") >= 1);
    CHECK_INT(stats_of(client).interrupts, if_own_streams(1));
    CHECK_INT(resets_become("find", if_own_streams(1)), if_own_streams(1));
    return 0;
}

BARE_CASE(refused_kills_leave_interrupts_alone) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    mock_server_script(mock, "find", &silence);
    mock_server_reply(mock, "killSessions", "{'ok': 0, 'code': 13, 'errmsg': 'no'}");
    for (int i = 1; i <= 3; i++) {
        CHECK_INT(mouv_await_for(find_one(client), DEADLINE_MS, &t->error), MOUV_ETIMEDOUT);
        CHECK(is_quiet_within(client, PATIENCE_MS));
        CHECK_INT(stats_of(client).interrupts, if_own_streams(i));
    }
    CHECK_INT(mock_server_count(mock, "killSessions"), 1);
    CHECK_INT(topology_changes, 0);
    return 0;
}

BARE_CASE(a_cancelled_read_is_interrupted_as_well) {
    NEEDS_OWN_STREAMS(t); /* without a deadline there is no limit to wait for */
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    mock_server_script(mock, "find", &silence);
    mock_server_script(mock, "killSessions", &silence);
    mouv_future_t find = find_one(client);
    for (int i = 0; i < 2000 && mock_server_count(mock, "find") == 0; i++) mouv_sleep_ms(5);
    mouv_future_cancel(find);
    CHECK_INT(await(t, find), MOUV_ECANCELED);
    CHECK(is_quiet_within(client, PATIENCE_MS));
    CHECK_INT(stats_of(client).interrupts, if_own_streams(1));
    return 0;
}

BARE_CASE(only_the_silent_ones_are_interrupted) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    mouv_future_t slow[4], silent;
    mock_server_script(mock, "count", &(mock_script_t){.delay_ms = 1000});
    mock_server_script(mock, "aggregate", &(mock_script_t){.delay_ms = 1000});
    mock_server_script(mock, "find", &silence);
    int64_t number;
    for (int i = 0; i < 4; i++)
        slow[i] = mouv_collection_count_documents(users_of(client), NULL, NULL, &number);
    silent = find_one(client);
    CHECK_INT(mouv_await_for(silent, DEADLINE_MS, &t->error), MOUV_ETIMEDOUT);
    for (int i = 0; i < 4; i++) CHECK_INT(await(t, slow[i]), 0);
    CHECK_INT(stats_of(client).interrupts, if_own_streams(1));
    CHECK_INT(resets_become("find", if_own_streams(1)), if_own_streams(1));
    CHECK_INT(topology_changes, 0);
    return 0;
}

BARE_CASE(many_at_once_are_all_freed) {
    enum { COUNT = 60 };
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    mouv_future_t finds[COUNT];
    mock_server_script(mock, "find", &silence);
    mock_server_script(mock, "killSessions", &silence);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) finds[i] = find_one(client);
        CHECK_INT(mouv_await_for(mouv_gather_array(finds, COUNT), 300, &t->error), MOUV_ETIMEDOUT);
        CHECK(is_quiet_within(client, 20000));
    }
    CHECK_INT(topology_changes, 0);
    mock_server_script(mock, "find", NULL);
    for (int i = 0; i < COUNT; i++) finds[i] = find_one(client);
    CHECK_INT(await(t, mouv_gather_array(finds, COUNT)), 0);
    CHECK_INT(stats_of(client).retries, 0);
    return 0;
}

/* --- Writes ---------------------------------------------------------------------------------- */

BARE_CASE(silent_write_is_unknown_and_frees_its_worker) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    mock_server_script(mock, "insert", &silence);
    mock_server_script(mock, "killSessions", &silence);
    mouv_future_t insert =
        mouv_collection_insert_one(users_of(client), json(t, "{'_id': 1}"), NULL, NULL);
    CHECK_INT(mouv_await_for(insert, DEADLINE_MS, &t->error), MOUV_EUNKNOWN);
    CHECK(t->error.cause == MOUV_ETIMEDOUT || t->error.cause == MOUV_ECANCELED);
    CHECK(is_quiet_within(client, PATIENCE_MS));
    CHECK_INT(stats_of(client).interrupts, if_own_streams(1));
    CHECK_INT(mock_server_count(mock, "insert"), 1); /* nobody sends it again */
    CHECK_INT(topology_changes, 0);
    return 0;
}

static int late_answer(test_t *t) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    mock_server_script(mock, "insert", &(mock_script_t){.delay_ms = DEADLINE_MS + 125});
    mouv_future_t insert =
        mouv_collection_insert_one(users_of(client), json(t, "{'_id': 1}"), NULL, NULL);
    int rc = mouv_await_for(insert, DEADLINE_MS, &t->error);
    CHECK(rc >= 0 || rc == MOUV_ETIMEDOUT); /* it was done; who waited may have been told so */
    CHECK(is_quiet_within(client, PATIENCE_MS));
    CHECK_INT(stats_of(client).interrupts, 0);
    CHECK_INT(resets_become("insert", 0), 0);
    return 0;
}

/* It comes between the deadline and the time when the server is asked what became of the write; to mouv an answer to
 * the kill that a busy machine holds up is a server's silence. */
BARE_CASE(late_answer_to_a_killed_write_is_waited_for) {
    return pace_run(t, late_answer, mock_case_start, mock_case_stop);
}

/* --- Sessions -------------------------------------------------------------------------------- */

enum { UUID = 16 };

static struct {
    uint8_t lsids[8][UUID];
    int finds;   /* atomic */
    bool resets; /* the first find's connection */
} seen;

/** Takes the sessions of finds down; answers the first one late, or not at all, and no kill. */
static void take_down(void *arg, const mock_request_t *request, mock_script_t *script) {
    (void)arg;
    bson_t body;
    bson_iter_t iter, id;
    bson_subtype_t subtype;
    uint32_t length;
    const uint8_t *bytes;
    if (strcmp(request->command, "killSessions") == 0) script->silent = true;
    if (strcmp(request->command, "find") != 0 || seen.finds >= 8) return;
    if (!bson_init_static(&body, request->body, request->body_size)) return;
    if (!bson_iter_init(&iter, &body) || !bson_iter_find_descendant(&iter, "lsid.id", &id)) return;
    bson_iter_binary(&id, &subtype, &length, &bytes);
    memcpy(seen.lsids[seen.finds], bytes, UUID);
    if (seen.finds == 0 && seen.resets)
        script->silent = true;
    else if (seen.finds == 0)
        script->delay_ms = 90; /* before the connection would be cut */
    __atomic_add_fetch(&seen.finds, 1, __ATOMIC_RELEASE);
}

static int start_taking_down(void **state) {
    (void)state;
    memset(&seen, 0, sizeof(seen));
    mock = mock_server_start(&(mock_server_opts_t){.choose = take_down});
    return mock ? 0 : -1;
}

/* A find whose kill has no answer, then others: whether one of them has its session. */
static int find_after_kill(test_t *t, bool resets) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    seen.resets = resets;
    CHECK_INT(mouv_await_for(find_one(client), 50, &t->error), MOUV_ETIMEDOUT);
    CHECK(is_quiet_within(client, PATIENCE_MS));
    CHECK(mock_server_count(mock, "killSessions") >= 1);
    for (int i = 0; i < 5; i++) CHECK_INT(await(t, find_one(client)), 1);
    CHECK_INT(__atomic_load_n(&seen.finds, __ATOMIC_ACQUIRE), 6);
    for (int i = 1; i < 6; i++) CHECK(memcmp(seen.lsids[i], seen.lsids[0], UUID) != 0);
    for (int i = 2; i < 6; i++) CHECK(memcmp(seen.lsids[i], seen.lsids[1], UUID) == 0);
    return 0;
}

/* The server may read the kill when the find is long over. */
BARE_CASE(a_session_whose_kill_had_no_answer_is_not_used_again) {
    return find_after_kill(t, false);
}

BARE_CASE(a_session_whose_connection_was_cut_is_not_used_again) {
    return find_after_kill(t, true);
}

/* --- Connections that are libmongoc's own ---------------------------------------------------- */

/** What libmongoc does not tell how to do makes mouv leave it the connections. */
static mouv_client_t *client_without_streams(void) {
    char uri[256];
    snprintf(uri, sizeof uri, "%s%ctls=false&tlsDisableOCSPEndpointCheck=true&retryWrites=false",
             mock_server_uri(mock), strchr(mock_server_uri(mock), '?') ? '&' : '?');
    return mouv_client_new(uri, NULL, NULL);
}

BARE_CASE(a_write_that_is_lost_on_one_of_libmongocs_connections_is_unknown) {
    MOUV_AUTO_CLIENT mouv_client_t *client = client_without_streams();
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    mock_server_script(mock, "insert",
                       &(mock_script_t){.silent = true, .times = 1, .then = MOCK_RESET});
    mouv_future_t insert =
        mouv_collection_insert_one(users_of(client), json(t, "{'_id': 1}"), NULL, NULL);
    CHECK_INT(await(t, insert), MOUV_EUNKNOWN);
    CHECK_INT(t->error.cause, MOUV_ENETWORK);
    return 0;
}

BARE_CASE(a_silent_read_on_one_of_libmongocs_connections_frees_its_worker) {
    if (!MONGOC_CHECK_VERSION(1, 27, 0)) return test_skip(t, "no socket timeout of one call");
    MOUV_AUTO_CLIENT mouv_client_t *client = client_without_streams();
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    mock_server_script(mock, "find", &silence);
    mock_server_script(mock, "killSessions", &silence);
    CHECK_INT(mouv_await_for(find_one(client), DEADLINE_MS, &t->error), MOUV_ETIMEDOUT);
    CHECK(is_quiet_within(client, 20000));
    mock_server_script(mock, "find", NULL);
    CHECK_INT(await(t, find_one(client)), 1);
    CHECK_INT(stats_of(client).interrupts, 0);
    return 0;
}

/* --- Connections that are being set up -------------------------------------------------------- */

/* The first hello is the monitor's, on its own connection. */
BARE_CASE(setting_up_is_not_interrupted) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    mock_server_script(mock, "find", &(mock_script_t){.delay_ms = 500});
    mouv_future_t first = find_one(client);
    mock_server_script(mock, "hello", &(mock_script_t){.delay_ms = 700, .times = 1});
    mouv_future_t second = find_one(client); /* needs another connection */
    CHECK_INT(mouv_await_for(second, 50, &t->error), MOUV_ETIMEDOUT);
    CHECK_INT(await(t, first), 1);
    CHECK(is_quiet_within(client, PATIENCE_MS));
    CHECK_INT(stats_of(client).interrupts, 0);
    CHECK_INT(mock_server_count(mock, "find"), 1);
    CHECK_INT(topology_changes, 0);
    return 0;
}

#define TAKING_DOWN(name) cmocka_unit_test_setup_teardown(name, start_taking_down, mock_case_stop)

int main(void) {
    const struct CMUnitTest cases[] = {
        MOCK_TEST(silent_read_frees_its_worker_and_keeps_the_server),
        MOCK_TEST(a_kill_that_does_not_help_is_followed_by_an_interrupt),
        MOCK_TEST(refused_kills_leave_interrupts_alone),
        MOCK_TEST(a_cancelled_read_is_interrupted_as_well),
        MOCK_TEST(only_the_silent_ones_are_interrupted),
        MOCK_TEST(many_at_once_are_all_freed),
        MOCK_TEST(silent_write_is_unknown_and_frees_its_worker),
        MOCK_TEST(late_answer_to_a_killed_write_is_waited_for),
        TAKING_DOWN(a_session_whose_kill_had_no_answer_is_not_used_again),
        TAKING_DOWN(a_session_whose_connection_was_cut_is_not_used_again),

        MOCK_TEST(a_write_that_is_lost_on_one_of_libmongocs_connections_is_unknown),
        MOCK_TEST(a_silent_read_on_one_of_libmongocs_connections_frees_its_worker),
        MOCK_TEST(setting_up_is_not_interrupted),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
