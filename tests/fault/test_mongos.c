/*
 * Sharded clusters, by mongos that are scripted: read preferences are theirs to know, a transaction
 * stays on its mongos, and what becomes of it when that goes away.
 */
/* test: executors, lock=mock-faults */
#include "support/mock_front.h"
#include "support/support.h"

enum { MONGOS = 2 };

static mock_front_t *fronts[MONGOS];

static int start_fronts(void **state) {
    (void)state;
    for (int i = 0; i < MONGOS; i++) fronts[i] = mock_front_start(MOCK_MONGOS);
    return 0;
}

static int stop_fronts(void **state) {
    (void)state;
    for (int i = 0; i < MONGOS; i++)
        if (fronts[i]) mock_front_stop(fronts[i]);
    return 0;
}

static mouv_client_t *client_with(test_t *t, const char *options) {
    char uri[300];
    snprintf(uri, sizeof uri, "mongodb://127.0.0.1:%d,127.0.0.1:%d/?heartbeatFrequencyMS=500%s",
             mock_server_port(mock_front_server(fronts[0])),
             mock_server_port(mock_front_server(fronts[1])), options);
    return mouv_client_new(uri, NULL, &t->error);
}

static mouv_collection_t *users_of(mouv_client_t *client) {
    return mouv_client_get_collection(client, "app", "users");
}

/** Whether both are known, once they are or ten seconds are over. */
static bool knows_both(const mouv_client_t *client) {
    for (int i = 0; i < 2000; i++) {
        MOUV_AUTO_TOPOLOGY mouv_topology_description_t *topology =
            mouv_client_get_topology(client, NULL);
        int known = 0;
        for (size_t j = 0; j < topology->server_count; j++)
            known += strcmp(topology->servers[j].type, "Mongos") == 0;
        if (known == MONGOS) return true;
        mouv_sleep_ms(5);
    }
    return false;
}

static int counted(const char *command) {
    return mock_front_count(fronts[0], command) + mock_front_count(fronts[1], command);
}

/** The mongos to which the command has come at all; -1: to none, or to both. */
static int which_has(const char *command) {
    bool has[] = {mock_front_count(fronts[0], command) > 0,
                  mock_front_count(fronts[1], command) > 0};
    return has[0] == has[1] ? -1 : has[1];
}

static bool command_has(mock_front_t *front, const char *command, int n, const char *field) {
    bson_t *document = mock_front_command(front, command, n);
    bson_iter_t iter, found;
    bool has = document && bson_iter_init(&iter, document) &&
               bson_iter_find_descendant(&iter, field, &found);
    bson_destroy(document);
    return has;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static const char *mode_of(const bson_t *command) {
    static char mode[40];
    bson_iter_t iter, found;
    mode[0] = '\0';
    if (command && bson_iter_init(&iter, command) &&
        bson_iter_find_descendant(&iter, "$readPreference.mode", &found))
        snprintf(mode, sizeof mode, "%s", bson_iter_utf8(&found, NULL));
    return mode;
}

BARE_CASE(read_preferences_other_than_the_primary_are_sent) {
    static const char *const modes[] = {"primary", "primaryPreferred", "secondary",
                                        "secondaryPreferred", "nearest"};
    mock_front_stop(fronts[1]);
    fronts[1] = NULL;
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new(mock_front_uri(fronts[0]), NULL, &t->error);
    for (int i = 0; i < 5; i++) {
        char opts[200];
        snprintf(opts, sizeof opts, "{'readPreference': {'mode': '%s'}}", modes[i]);
        CHECK_INT(await(t, mouv_collection_find_one(users_of(client), NULL, json(t, opts), NULL)),
                  1);
        bson_t *find = mock_front_command(fronts[0], "find", i);
        CHECK_STRING(mode_of(find), i == 0 ? "" : modes[i]);
        bson_destroy(find);
    }
    CHECK_INT(
        await(t, mouv_collection_find_one(
                     users_of(client), NULL,
                     json(t, "{'readPreference': {'mode': 'secondary', 'tags': [{'dc': 'ny'}],"
                             " 'maxStalenessSeconds': 120}}"),
                     NULL)),
        1);
    CHECK(command_has(fronts[0], "find", 5, "$readPreference.tags.0.dc"));
    CHECK(command_has(fronts[0], "find", 5, "$readPreference.maxStalenessSeconds"));
    return 0;
}

/* Heartbeats to the second take 100 ms more. */
BARE_CASE(mongos_that_is_farther_than_the_threshold_is_not_used) {
    mock_server_script(mock_front_server(fronts[1]), "hello",
                       &(mock_script_t){.delay_ms = 100, .reply = mock_front_hello(fronts[1])});
    MOUV_AUTO_CLIENT mouv_client_t *near = client_with(t, "&localThresholdMS=15");
    MOUV_AUTO_CLIENT mouv_client_t *any = client_with(t, "&localThresholdMS=10000");
    for (int i = 0; i < 2; i++) {
        CHECK_INT(await(t, mouv_client_ping(i == 0 ? near : any)), 0);
        CHECK(knows_both(i == 0 ? near : any));
    }
    for (int i = 0; i < 30; i++)
        CHECK_INT(await(t, mouv_collection_find_one(users_of(near), NULL, NULL, NULL)), 1);
    CHECK_INT(mock_front_count(fronts[0], "find"), 30);
    bson_t *values = NULL;
    for (int i = 0; i < 30; i++) {
        CHECK(await(t, mouv_collection_distinct(users_of(any), "n", NULL, NULL, &values)) >= 0);
        bson_destroy(values);
    }
    CHECK(mock_front_count(fronts[0], "distinct") > 0);
    CHECK(mock_front_count(fronts[1], "distinct") > 0);
    return 0;
}

/* --- Transactions ----------------------------------------------------------------------------- */

#define TOKEN "'recoveryToken': {'shard': 'a'}"

static int insert_in(test_t *t, mouv_client_t *client, mouv_session_t *session) {
    return await(t, mouv_collection_insert_one(users_of(client), json(t, "{'x': 1}"),
                                               in(t, session, NULL), NULL));
}

/** So many inserts in a new transaction. */
static int begin_with(test_t *t, mouv_client_t *client, mouv_session_t *session, int inserts) {
    CHECK_INT(mouv_session_start_transaction(session, NULL, &t->error), 0);
    for (int i = 0; i < inserts; i++) CHECK_INT(insert_in(t, client, session), 1);
    return 0;
}

static void answer_with_token(void) {
    for (int i = 0; i < MONGOS; i++)
        mock_front_answer(fronts[i], "insert", "{'n': 1, 'ok': 1, " TOKEN "}", 0);
}

BARE_CASE(transaction_stays_on_its_mongos_to_the_end) {
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, "");
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK(knows_both(client));
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(client, NULL, &t->error);
    answer_with_token();
    CHECK_INT(begin_with(t, client, session, 12), 0);
    int mongos = which_has("insert");
    CHECK(mongos >= 0);
    for (int i = 0; i < 5; i++) CHECK_INT(await(t, mouv_session_commit_transaction(session)), 0);
    CHECK_INT(mock_front_count(fronts[mongos], "commitTransaction"), 5);
    for (int i = 0; i < 5; i++)
        CHECK(command_has(fronts[mongos], "commitTransaction", i, "recoveryToken.shard"));
    for (int i = 0; i < 8; i++) {
        int before[] = {mock_front_count(fronts[0], "insert"),
                        mock_front_count(fronts[1], "insert")};
        CHECK_INT(begin_with(t, client, session, 1), 0);
        int its = mock_front_count(fronts[1], "insert") > before[1];
        int aborts = mock_front_count(fronts[its], "abortTransaction");
        CHECK_INT(await(t, mouv_session_abort_transaction(session)), 0);
        CHECK_INT(mock_front_count(fronts[its], "abortTransaction"), aborts + 1);
        CHECK(command_has(fronts[its], "abortTransaction", aborts, "recoveryToken"));
    }
    return 0;
}

BARE_CASE(commit_that_is_lost_is_sent_to_another_with_the_recovery_token) {
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, "");
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK(knows_both(client));
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(client, NULL, &t->error);
    answer_with_token();
    CHECK_INT(begin_with(t, client, session, 1), 0);
    int first = which_has("insert");
    CHECK(first >= 0);
    mock_front_answer(fronts[first], "commitTransaction", NULL, 1);
    CHECK_INT(await(t, mouv_session_commit_transaction(session)), 0);
    CHECK_INT(counted("commitTransaction"), 2);
    CHECK_INT(mock_front_count(fronts[!first], "commitTransaction"), 1);
    CHECK(command_has(fronts[!first], "commitTransaction", 0, "recoveryToken.shard"));
    CHECK(command_has(fronts[!first], "commitTransaction", 0, "writeConcern.w"));
    return 0;
}

BARE_CASE(transaction_whose_mongos_goes_away_may_be_tried_again_and_goes_to_another) {
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, "&serverSelectionTimeoutMS=500");
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK(knows_both(client));
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(client, NULL, &t->error);
    CHECK_INT(begin_with(t, client, session, 1), 0);
    int first = which_has("insert");
    CHECK(first >= 0);
    mock_front_stop(fronts[first]);
    fronts[first] = NULL;
    CHECK(insert_in(t, client, session) < 0);
    CHECK(mouv_error_has_label(&t->error, "TransientTransactionError"));
    CHECK_INT(await(t, mouv_session_abort_transaction(session)), 0);
    CHECK_INT(begin_with(t, client, session, 2), 0);
    CHECK_INT(await(t, mouv_session_commit_transaction(session)), 0);
    CHECK_INT(mock_front_count(fronts[!first], "insert"), 2);
    CHECK_INT(mock_front_count(fronts[!first], "commitTransaction"), 1);
    return 0;
}

#define FRONTS_TEST(name) cmocka_unit_test_setup_teardown(name, start_fronts, stop_fronts)

int main(void) {
    const struct CMUnitTest cases[] = {
        FRONTS_TEST(read_preferences_other_than_the_primary_are_sent),
        FRONTS_TEST(mongos_that_is_farther_than_the_threshold_is_not_used),
        FRONTS_TEST(transaction_stays_on_its_mongos_to_the_end),
        FRONTS_TEST(commit_that_is_lost_is_sent_to_another_with_the_recovery_token),
        FRONTS_TEST(transaction_whose_mongos_goes_away_may_be_tried_again_and_goes_to_another),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
