/*
 * Writes that are stopped and whose answer never comes: the server is asked what became of them,
 * and what it says is told.
 */
/* test: lock=mock-faults, serial */
#include "support/mock_case.h"
#include "support/mock_replies.h"
#include "support/pace.h"

/* Within its deadline a write reaches the server also beside other programs. */
enum { DEADLINE_MS = 300 };

/* What a server says to the fence: whether the write had come before it. */
#define BEGUN "{'ok': 0, 'code': 117, 'errmsg': 'a retryable write has this number'}"
#define NOT_BEGUN \
    "{'ok': 1, 'n': 0, 'writeErrors': [{'index': 0, 'code': 2, 'errmsg': 'unknown operator'}]}"
#define NOTHING "{'ok': 1, 'n': 0}"
#define REFUSED "{'ok': 0, 'code': 13, 'errmsg': 'not authorized'}"

static bson_t *answer_to_question; /* NULL: as to any delete */
static const char *lost_later;     /* this command gets no answer */
static bool was_told;              /* an event told of a question */

/** What no script speaks for, or not any more. */
static void choose(void *arg, const mock_request_t *request, mock_script_t *script) {
    (void)arg;
    if (strcmp(request->command, "delete") == 0) script->reply = answer_to_question;
    script->silent = lost_later && strcmp(request->command, lost_later) == 0;
}

static int start(void **state) {
    (void)state;
    mock = mock_server_start(&(mock_server_opts_t){.choose = choose});
    return mock ? 0 : -1;
}

static int end(void **state) {
    mock_case_stop(state);
    bson_destroy(answer_to_question);
    answer_to_question = NULL;
    lost_later = NULL;
    return 0;
}

static void on_command(const mouv_command_event_t *event, void *arg) {
    (void)arg;
    if (strcmp(event->name, "delete") == 0) was_told = true;
}

static mouv_client_t *connected_client(test_t *t) {
    was_told = false;
    mouv_client_t *client = mouv_client_new(mock_server_uri(mock), NULL, NULL);
    const mouv_monitor_t monitor = {.command_started = on_command};
    mouv_client_set_monitor(client, &monitor, NULL);
    if (mouv_await_for(mouv_client_ping(client), 5000, &t->error) < 0) return client;
    if (!is_quiet_within(client, 10000)) test_failed(t, __FILE__, __LINE__, "not connected");
    return client;
}

/** The first of these commands gets no answer; the fence and the question get these. */
static void answer(const char *command, const char *fence, const char *question) {
    AUTO_BSON *reply = mock_json(fence);
    bson_destroy(answer_to_question);
    answer_to_question = mock_json(question);
    mock_server_script(mock, command, &(mock_script_t){.silent = true, .times = 1});
    mock_server_script(mock, "delete", &(mock_script_t){.reply = reply, .times = 1});
}

static int insert_one_for(test_t *t, mouv_client_t *client, int64_t timeout_ms, bson_t **reply) {
    MOUV_AUTO_BSON bson_t *doc = BCON_NEW("_id", BCON_INT32(1));
    return mouv_await_for(mouv_collection_insert_one(users_of(client), doc, NULL, reply),
                          timeout_ms, &t->error);
}

static int insert_one(test_t *t, mouv_client_t *client, bson_t **reply) {
    return insert_one_for(t, client, DEADLINE_MS, reply);
}

PACED_CASE(write_that_has_not_come_is_shut_out_and_promised_not_to_be_stored) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    answer("insert", NOT_BEGUN, NOTHING);
    CHECK(insert_one(t, client, NULL) == MOUV_ETIMEDOUT);
    CHECK(mock_server_count(mock, "insert") == 1 && mock_server_count(mock, "delete") == 1);
    CHECK(!was_told);
    return 0;
}

PACED_CASE(write_that_came_and_did_nothing_is_promised_not_to_be_stored) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    answer("insert", BEGUN, NOTHING);
    CHECK(insert_one(t, client, NULL) == MOUV_ETIMEDOUT);
    CHECK(mock_server_count(mock, "insert") == 1 && mock_server_count(mock, "delete") == 2);
    CHECK(!was_told);
    return 0;
}

PACED_CASE(without_a_fence_only_what_was_executed_is_certain) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    answer("insert", REFUSED, NOTHING);
    CHECK(insert_one(t, client, NULL) == MOUV_EUNKNOWN && t->error.cause == MOUV_ETIMEDOUT);
    answer("insert", REFUSED, "{'ok': 1, 'n': 1, 'retriedStmtIds': [0]}");
    CHECK(insert_one(t, client, NULL) == 1);
    return 0;
}

/* The first attempt's connection was lost, and what it had sent may come after the second's. */
PACED_CASE(write_that_was_sent_twice_may_come_twice) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    answer("insert", BEGUN, NOTHING);
    lost_later = "insert";
    mock_server_script(mock, "insert",
                       &(mock_script_t){.silent = true, .times = 1, .then = MOCK_RESET});
    CHECK(insert_one_for(t, client, 2000, NULL) == MOUV_EUNKNOWN);
    CHECK(mock_server_count(mock, "insert") == 2 && mock_server_count(mock, "delete") == 2);
    return 0;
}

PACED_CASE(write_that_was_executed_is_answered_as_if_nothing_had_been_lost) {
    MOUV_AUTO_BSON bson_t *reply = NULL;
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    answer("insert", BEGUN, "{'ok': 1, 'n': 1, 'retriedStmtIds': [0]}");
    CHECK(insert_one(t, client, &reply) == 1);
    CHECK(mock_server_count(mock, "insert") == 2);
    CHECK(reply != NULL);
    return 0;
}

static int insert_four(test_t *t, mouv_client_t *client, bson_t **reply) {
    bson_t *docs[4];
    for (int i = 0; i < 4; i++) docs[i] = BCON_NEW("_id", BCON_INT32(i));
    int rc = mouv_await_for(
        mouv_collection_insert_many(users_of(client), (const bson_t *const *)docs, 4, NULL, reply),
        DEADLINE_MS, &t->error);
    for (int i = 0; i < 4; i++) bson_destroy(docs[i]);
    return rc;
}

PACED_CASE(batch_of_which_a_part_was_executed_says_how_far_it_got) {
    int64_t inserted = 0;
    MOUV_AUTO_BSON bson_t *reply = NULL;
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    answer("insert", BEGUN, "{'ok': 1, 'n': 2, 'retriedStmtIds': [0, 1]}");
    CHECK(insert_four(t, client, &reply) == MOUV_ESERVER && t->error.cause == MOUV_ETIMEDOUT);
    CHECK(mouv_bson_get_int64(reply, "insertedCount", &inserted, &t->error) == 0 && inserted == 2);
    CHECK(mock_server_count(mock, "insert") == 1);
    return 0;
}

PACED_CASE(update_and_find_and_modify_are_asked_about_too) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    MOUV_AUTO_BSON bson_t *by_id = BCON_NEW("_id", BCON_INT32(1));
    MOUV_AUTO_BSON bson_t *change = BCON_NEW("$inc", "{", "x", BCON_INT32(1), "}");
    answer("update", BEGUN, NOTHING);
    CHECK(mouv_await_for(mouv_collection_update_one(users_of(client), by_id, change, NULL, NULL),
                         DEADLINE_MS, &t->error) == MOUV_ETIMEDOUT);
    answer("findAndModify", BEGUN, NOTHING);
    CHECK(mouv_await_for(
              mouv_collection_find_one_and_update(users_of(client), by_id, change, NULL, NULL),
              DEADLINE_MS, &t->error) == MOUV_ETIMEDOUT);
    CHECK(mock_server_count(mock, "delete") == 4);
    return 0;
}

PACED_CASE(fence_without_an_answer_leaves_the_write_unknown) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    answer("insert", BEGUN, "{'ok': 1}");
    mock_server_script(mock, "delete", &(mock_script_t){.silent = true});
    CHECK(insert_one(t, client, NULL) == MOUV_EUNKNOWN && t->error.cause == MOUV_ETIMEDOUT);
    CHECK(mock_server_count(mock, "delete") == 1);
    return 0;
}

PACED_CASE(question_without_an_answer_leaves_the_write_unknown) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    answer("insert", BEGUN, NOTHING);
    lost_later = "delete";
    CHECK(insert_one(t, client, NULL) == MOUV_EUNKNOWN && t->error.cause == MOUV_ETIMEDOUT);
    CHECK(mock_server_count(mock, "delete") == 2);
    return 0;
}

PACED_CASE(update_of_many_cannot_be_asked_about) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    MOUV_AUTO_BSON bson_t *change = BCON_NEW("$inc", "{", "x", BCON_INT32(1), "}");
    MOUV_AUTO_BSON bson_t *all = bson_new();
    answer("update", BEGUN, NOTHING);
    CHECK(mouv_await_for(mouv_collection_update_many(users_of(client), all, change, NULL, NULL),
                         DEADLINE_MS, &t->error) == MOUV_EUNKNOWN);
    CHECK(mock_server_count(mock, "delete") == 0);
    return 0;
}

PACED_CASE(server_that_is_silent_altogether_is_not_asked) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    mock_server_script(mock, "*", &(mock_script_t){.silent = true});
    CHECK(insert_one(t, client, NULL) == MOUV_EUNKNOWN && t->error.cause == MOUV_ETIMEDOUT);
    CHECK(mock_server_count(mock, "delete") == 0);
    mock_server_script(mock, "*", NULL);
    return 0;
}

/* The server may look at the clock once more when the write is stored already. */
PACED_CASE(expired_max_time_is_no_proof_that_nothing_is_stored) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    MOUV_AUTO_BSON bson_t *by_id = BCON_NEW("_id", BCON_INT32(1));
    MOUV_AUTO_BSON bson_t *change = BCON_NEW("$inc", "{", "x", BCON_INT32(1), "}");
    MOUV_AUTO_BSON bson_t *expired = BCON_NEW("ok", BCON_INT32(0), "code", BCON_INT32(50), "errmsg",
                                              "operation exceeded time limit");
    mock_server_script(mock, "update", &(mock_script_t){.reply = expired, .times = 1});
    mock_server_reply(mock, "delete", "{'ok': 1, 'n': 1, 'retriedStmtIds': [0]}");
    CHECK(mouv_await(mouv_collection_update_one(users_of(client), by_id, change, NULL, NULL),
                     &t->error) >= 0);
    CHECK(mock_server_count(mock, "update") == 2);
    mock_server_script(mock, "update", &(mock_script_t){.reply = expired, .times = 1});
    mock_server_reply(mock, "delete", "{'ok': 1, 'n': 0}");
    CHECK(mouv_await(mouv_collection_update_one(users_of(client), by_id, change, NULL, NULL),
                     &t->error) == MOUV_ETIMEDOUT);
    return 0;
}

static int increment(test_t *t, mouv_client_t *client) {
    MOUV_AUTO_BSON bson_t *by_id = BCON_NEW("_id", BCON_INT32(1));
    MOUV_AUTO_BSON bson_t *change = BCON_NEW("$inc", "{", "x", BCON_INT32(1), "}");
    return mouv_await_for(mouv_collection_update_one(users_of(client), by_id, change, NULL, NULL),
                          DEADLINE_MS, &t->error);
}

/* So it may for the kill. */
PACED_CASE(killed_write_is_asked_about_though_the_server_says_that_it_was_interrupted) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    MOUV_AUTO_BSON bson_t *interrupted = BCON_NEW("ok", BCON_INT32(0), "code", BCON_INT32(11601),
                                                  "errmsg", "operation was interrupted");
    const mock_script_t killed = {.reply = interrupted, .times = 1, .delay_ms = DEADLINE_MS + 50};
    mock_server_script(mock, "update", &killed);
    mock_server_reply(mock, "delete", "{'ok': 1, 'n': 1, 'retriedStmtIds': [0]}");
    CHECK(increment(t, client) >= 0);
    CHECK(mock_server_count(mock, "update") == 2);
    mock_server_script(mock, "update", &killed);
    mock_server_reply(mock, "delete", "{'ok': 1, 'n': 0}");
    CHECK(increment(t, client) == MOUV_ETIMEDOUT);
    CHECK(mock_server_count(mock, "update") == 3);
    return 0;
}

/** Both attempts end so. */
static void step_down_at_updates(const char *label) {
    char reply[200];
    snprintf(reply, sizeof reply,
             "{'ok': 0, 'code': 11602, 'errmsg': 'operation was interrupted',"
             " 'errorLabels': ['RetryableWriteError'%s]}",
             label);
    mock_server_reply(mock, "update", reply);
}

PACED_CASE(write_that_a_step_down_interrupts_twice_is_unknown_unless_the_server_says_more) {
    MOUV_AUTO_CLIENT mouv_client_t *client = connected_client(t);
    MOUV_AUTO_BSON bson_t *by_id = BCON_NEW("_id", BCON_INT32(1));
    MOUV_AUTO_BSON bson_t *change = BCON_NEW("$inc", "{", "x", BCON_INT32(1), "}");
    step_down_at_updates("");
    CHECK(mouv_await(mouv_collection_update_one(users_of(client), by_id, change, NULL, NULL),
                     &t->error) == MOUV_EUNKNOWN);
    CHECK(t->error.server_code == 11602 && t->error.cause == MOUV_ESERVER);
    CHECK(mock_server_count(mock, "update") == 2);
    step_down_at_updates(", 'NoWritesPerformed'");
    CHECK(mouv_await(mouv_collection_update_one(users_of(client), by_id, change, NULL, NULL),
                     &t->error) == MOUV_ESERVER);
    CHECK(t->error.server_code == 11602);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(write_that_has_not_come_is_shut_out_and_promised_not_to_be_stored),
        TEST(write_that_came_and_did_nothing_is_promised_not_to_be_stored),
        TEST(without_a_fence_only_what_was_executed_is_certain),
        TEST(write_that_was_sent_twice_may_come_twice),
        TEST(write_that_was_executed_is_answered_as_if_nothing_had_been_lost),
        TEST(batch_of_which_a_part_was_executed_says_how_far_it_got),
        TEST(update_and_find_and_modify_are_asked_about_too),
        TEST(fence_without_an_answer_leaves_the_write_unknown),
        TEST(question_without_an_answer_leaves_the_write_unknown),
        TEST(update_of_many_cannot_be_asked_about),
        TEST(server_that_is_silent_altogether_is_not_asked),
        TEST(expired_max_time_is_no_proof_that_nothing_is_stored),
        TEST(killed_write_is_asked_about_though_the_server_says_that_it_was_interrupted),
        TEST(write_that_a_step_down_interrupts_twice_is_unknown_unless_the_server_says_more),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
