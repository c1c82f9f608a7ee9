/*
 * One attempt: which server it asks for, what goes beside the command, its session, and its memory,
 * which may outlive the future.
 */
#include "operation_support.h"

#include "mongo/base/concern.h"
#include "mongo/operation/attempt.h"
#include "mongo/session/session.h"

static fake_call_t *sent(const fake_t *fake) {
    return fake_out(fake, FAKE_SEND, 0);
}

/* --- what goes beside the command ------------------------------------------------------------- */

static const mouv__operation_row_t concerns_row = {
    "aggregate", MOUV__OP_WRITE | MOUV__OP_READ_CONCERN | MOUV__OP_WRITE_CONCERN};
static const mouv__operation_row_t bare_row = {"ping", 0};

CORO_CASE(what_goes_beside_the_command) {
    static const struct {
        const char *label;
        const mouv__operation_row_t *row;
        const char *command, *read, *write; /* the URI's concerns */
        const char *settings;               /* the handle's */
        int32_t max_time_ms;
        int64_t txn_number;
        const char *fields; /* a transaction's */
        bool timeout;
        const char *expected;
    } cases[] = {
        {"nothing", &bare_row, "{'ping': 1}", NULL, NULL, NULL, 0, 0, NULL, false, "{}"},
        {"not of this row", &bare_row, "{'ping': 1}", "{'readConcern': {'level': 'local'}}",
         "{'writeConcern': {'w': 2}}", NULL, 0, 0, NULL, false, "{}"},
        {"the URI's", &concerns_row, "{'x': 1}", "{'readConcern': {'level': 'local'}}",
         "{'writeConcern': {'w': 2, 'wtimeout': 5}}", NULL, 0, 0, NULL, false,
         "{'readConcern': {'level': 'local'}, 'writeConcern': {'w': 2, 'wtimeout': 5}}"},
        {"the handle's", &concerns_row, "{'x': 1}", "{'readConcern': {'level': 'local'}}",
         "{'writeConcern': {'w': 2}}",
         "{'readConcern': {'level': 'majority'}, 'writeConcern': {'w': 3}}", 0, 0, NULL, false,
         "{'readConcern': {'level': 'majority'}, 'writeConcern': {'w': 3}}"},
        {"its own", &concerns_row, "{'x': 1, 'readConcern': {}, 'writeConcern': {}}",
         "{'readConcern': {'level': 'local'}}", "{'writeConcern': {'w': 2}}", NULL, 0, 0, NULL,
         false, "{}"},
        {"timeoutMS", &concerns_row, "{'x': 1}", "{'readConcern': {'level': 'local'}}",
         "{'writeConcern': {'w': 2, 'wtimeout': 5}}", NULL, 0, 0, NULL, true,
         "{'readConcern': {'level': 'local'}, 'writeConcern': {'w': 2}}"},
        {"numbers", &bare_row, "{'ping': 1}", NULL, NULL, NULL, 30, 9, NULL, false,
         "{'maxTimeMS': 30, 'txnNumber': {'$numberLong': '9'}}"},
        {"a transaction's", &concerns_row, "{'x': 1}", "{'readConcern': {'level': 'local'}}",
         "{'writeConcern': {'w': 2}}", NULL, 30, 9, "{'autocommit': false}", false,
         "{'maxTimeMS': 30, 'txnNumber': {'$numberLong': '9'}, 'autocommit': false}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int failures = support_failures;
        fake_t *fake = fake_with(1, "RSPrimary");
        bson_t *read = cases[i].read ? from_json(cases[i].read) : NULL;
        bson_t *write = cases[i].write ? from_json(cases[i].write) : NULL;
        bool nomem;
        fake->client.ref.read_concern = read;
        fake->client.ref.write_concern = write;
        mouv__operation_t *op = operation_new(fake, cases[i].row, cases[i].command);
        if (cases[i].settings)
            op->parts.defaults = mouv__concern_new(from_json(cases[i].settings), &nomem);
        op->user_max_time_ms = cases[i].max_time_ms;
        op->parts.txn_number = cases[i].txn_number;
        op->parts.fields = cases[i].fields ? from_json(cases[i].fields) : NULL;
        mouv__operation_start(op);
        op->parts.has_timeout = cases[i].timeout;
        fake_turn();
        check_document(sent(fake)->fields, cases[i].expected);
        if (support_failures > failures) fprintf(stderr, "    %s\n", cases[i].label);
        operation_over(op);
        fake_free(fake);
        bson_destroy(read);
        bson_destroy(write);
    }
    return 0;
}

FAKE_CASE(an_attempt_has_nothing_of_the_one_before, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_new(fake, &find_row, FIND);
    op->user_max_time_ms = 40;
    mouv__operation_start(op);
    fake_turn();
    check_document(sent(fake)->fields, "{'maxTimeMS': 40}");
    op->user_max_time_ms = 0;
    fake_lose(sent(fake), true);
    fake_turn();
    check_document(sent(fake)->fields, "{}");
    CHECK(!sent(fake)->exchange->reached && !sent(fake)->exchange->ok);
    CHECK_INT(sent(fake)->exchange->error.domain, 0);
    operation_over(op);
}

FAKE_CASE(the_exchange_says_whose_it_is_and_where_it_goes, fake_with(2, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    const mouv__exchange_t *exchange = &op->attempt.exchange;
    CHECK(sent(fake)->exchange == exchange);
    CHECK_INT(exchange->server_id, 1);
    CHECK_INT(exchange->call_id, op->number);
    CHECK_INT(exchange->operation_id, op->number);
    CHECK_STRING(exchange->database, "shop");
    CHECK(exchange->command == op->parts.command);
    CHECK(exchange->session != NULL && exchange->session->connection == exchange->connection);
    CHECK(!exchange->unacknowledged && !exchange->needs_session && !exchange->quiet);
    CHECK(exchange->cluster_time == NULL);
    mouv__operation_t *blind =
        operation_begin(fake, &insert_row, "{'insert': 'c', 'writeConcern': {'w': 0}}", 0);
    CHECK(blind->attempt.exchange.unacknowledged);
    CHECK_INT(blind->parts.txn_number, 0);
    operation_over(op);
    operation_over(blind);
}

FAKE_CASE(a_user_s_session_completes_it, fake_with(1, "RSPrimary")) {
    mouv_session_t *session = mouv__alloc(sizeof *session);
    session->client = mouv__client_keep_open(fake_client(fake));
    session->references = 1;
    session->causal = session->advanced = true;
    session->operation_time[0] = 7;
    session->cluster_time = from_json("{'clusterTime': {'$timestamp': {'t': 8, 'i': 1}}}");
    mouv__list_push_back(&fake->client.ref.sessions, &session->link);
    mouv__operation_t *op = operation_new(fake, &find_row, FIND);
    mouv__session_attach(session, &op->parts);
    mouv__operation_start(op);
    fake_turn();
    fake_call_t *call = sent(fake);
    CHECK(call->exchange->needs_session);
    CHECK(call->exchange->cluster_time &&
          bson_equal(call->exchange->cluster_time, session->cluster_time));
    check_document(call->command, "{'find': 'users', 'readConcern': {'afterClusterTime': "
                                  "{'$timestamp': {'t': 7, 'i': 0}}}}");
    CHECK(mouv__session_pinned(session, NULL) == call->exchange->session);
    mouv__operation_t *other = operation_new(fake, &find_row, FIND);
    mouv__session_attach(session, &other->parts);
    mouv__operation_start(other);
    CHECK_ENDED(other, MOUV_ESTATE);
    fake_answer(call, "{'ok': 1, 'operationTime': {'$timestamp': {'t': 9, 'i': 3}}}");
    CHECK_INT(session->operation_time[0], 9);
    CHECK(session->current == NULL);
    operation_over(op);
    operation_over(other);
    CHECK_INT(session->operations, 0);
    mouv__session_let_go(session);
}

/* --- which server ----------------------------------------------------------------------------- */

static const mouv__operation_row_t out_row = {"aggregate",
                                              MOUV__OP_WRITE | MOUV__OP_READ_PREFERENCE};
static const mouv__operation_row_t given_row = {"command", MOUV__OP_WRITE | MOUV__OP_GIVEN};

CORO_CASE(which_server_it_asks_for) {
    enum {
        NONE = -1,
        PRIMARY = MONGOC_READ_PRIMARY,
        SECONDARY = MONGOC_READ_SECONDARY,
        NEAREST = MONGOC_READ_NEAREST
    };
    static const struct {
        const char *label;
        const mouv__operation_row_t *row;
        int wire, own, clients; /* modes of its own and the client's */
        uint32_t server_id;
        bool write;
        int mode;
    } cases[] = {
        {"a read", &bare_row, 21, NONE, SECONDARY, 0, false, NONE},
        {"one that may go to others", &find_row, 21, NONE, SECONDARY, 0, false, SECONDARY},
        {"its own preference", &find_row, 21, NEAREST, SECONDARY, 0, false, NEAREST},
        {"no preference", &find_row, 21, NONE, NONE, 0, false, NONE},
        {"a certain server", &find_row, 21, NONE, NONE, 3, false, NONE},
        {"a write", &insert_row, 21, NEAREST, SECONDARY, 0, true, NONE},
        {"$out on 5.0", &out_row, 13, NONE, SECONDARY, 0, false, SECONDARY},
        {"$out before", &out_row, 12, NONE, SECONDARY, 0, true, NONE},
        {"a user's command", &given_row, 21, NONE, SECONDARY, 0, true, NONE},
        {"with a preference", &given_row, 21, SECONDARY, NONE, 0, false, SECONDARY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char json[200];
        int failures = support_failures;
        fake_t *fake = fake_with(1, "Unknown");
        snprintf(json, sizeof json,
                 "{'type': 'ReplicaSetWithPrimary', 'servers': [{'address': 'a', 'type': "
                 "'RSPrimary', 'maxWireVersion': %d}]}",
                 cases[i].wire);
        fake_deploy_json(fake, json);
        mongoc_read_prefs_t *clients =
            cases[i].clients == NONE ? NULL : mongoc_read_prefs_new(cases[i].clients);
        fake->client.ref.read_prefs = clients;
        mouv__operation_t *op = operation_new(fake, cases[i].row, FIND);
        if (cases[i].own != NONE) op->parts.read_prefs = mongoc_read_prefs_new(cases[i].own);
        op->server_id = cases[i].server_id;
        mouv__criteria_t criteria = mouv__attempt_criteria(op);
        CHECK_INT(criteria.write, cases[i].write);
        CHECK_INT(criteria.server_id, cases[i].server_id);
        CHECK_INT(criteria.read_prefs ? (int)mongoc_read_prefs_get_mode(criteria.read_prefs) : NONE,
                  cases[i].mode);
        if (support_failures > failures) fprintf(stderr, "    %s\n", cases[i].label);
        mouv__operation_refuse(op, MOUV_EINVAL, "enough");
        operation_over(op);
        mongoc_read_prefs_destroy(clients);
        fake_free(fake);
    }
    return 0;
}

FAKE_CASE(a_pin_says_which_server_and_which_session, fake_with(2, "RSPrimary RSSecondary")) {
    mouv__operation_t *first = operation_new(fake, &find_row, FIND);
    first->server_id = 2;
    mouv__operation_start(first);
    fake_turn();
    mouv__server_session_t *session = first->attempt.exchange.session;
    mouv__pin_t *pin = mouv__operation_keep_pin(first);
    fake_answer(sent(fake), "{'ok': 1}");
    CHECK_INT(session->state, MOUV__SERVER_SESSION_IN_USE); /* it is kept */
    mouv__operation_t *more = operation_new(fake, &find_row, "{'getMore': 1}");
    more->parts.pin = pin;
    mouv__operation_start(more);
    CHECK_INT(mouv__attempt_criteria(more).server_id, 2);
    CHECK(mouv__attempt_pinned_session(more) == session);
    fake_turn();
    CHECK(sent(fake)->exchange->session == session);
    CHECK_INT(sent(fake)->server_id, 2);
    mouv__pin_free(pin); /* the operation has its own share */
    CHECK_INT(session->state, MOUV__SERVER_SESSION_IN_USE);
    fake_answer(sent(fake), "{'ok': 1}");
    operation_over(first);
    operation_over(more);
    CHECK_INT(session->state, MOUV__SERVER_SESSION_FREE);
}

/* --- there and back --------------------------------------------------------------------------- */

FAKE_CASE(what_is_in_progress_is_counted_by_its_server, fake_with(3, "RSPrimary")) {
    mouv__operation_t *one = operation_begin(fake, &find_row, FIND, 0);
    mouv__operation_t *two = operation_begin(fake, &find_row, FIND, 0);
    CHECK_INT(fake_server(fake, 1)->operations, 2);
    fake_answer(sent(fake), "{'ok': 1}");
    CHECK_INT(fake_server(fake, 1)->operations, 1);
    operation_cancel(two);
    CHECK_INT(fake_server(fake, 1)->operations, 1); /* it is still at work there */
    fake_answer(sent(fake), "{'ok': 1}");
    CHECK_INT(fake_server(fake, 1)->operations, 0);
    operation_over(one);
    operation_over(two);
}

FAKE_CASE(a_server_that_came_anew_meanwhile_counts_from_nothing, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    fake_deploy(fake, "- RSPrimary");
    fake_deploy(fake, "RSPrimary RSSecondary");
    CHECK_INT(fake_server(fake, 1)->operations, 0);
    fake_answer(sent(fake), "{'ok': 1}");
    CHECK_INT(fake_server(fake, 1)->operations, 0);
    operation_over(op);
}

FAKE_CASE(a_retry_keeps_its_session_and_what_ends_gives_it_back, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &insert_row, INSERT, 0);
    mouv__operation_t *next = operation_begin(fake, &insert_row, INSERT, 0);
    mouv__server_session_t *session = op->attempt.exchange.session;
    fake_answer(sent(fake), "{'ok': 0, 'code': 10107, 'errorLabels': ['RetryableWriteError']}");
    fake_turn();
    CHECK(sent(fake)->exchange == &op->attempt.exchange); /* and goes before who waits */
    CHECK(sent(fake)->exchange->session == session);
    fake_answer(sent(fake), "{'ok': 1}");
    CHECK(op->attempt.exchange.session == NULL);
    CHECK(next->attempt.exchange.session == session);
    mouv__attempt_drop_session(op); /* harmless */
    fake_answer(sent(fake), "{'ok': 1}");
    CHECK_INT(session->state, MOUV__SERVER_SESSION_FREE);
    operation_over(op);
    operation_over(next);
}

FAKE_CASE(clean_up_takes_a_session_of_its_control_connection, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_new(fake, &kill_row, "{'killCursors': 'c'}");
    op->server_id = 1;
    mouv__operation_start(op);
    fake_turn();
    fake_call_t *call = fake_out(fake, FAKE_CONTROL, 0);
    CHECK(call->exchange->session->connection ==
          fake->transport.controls[MOUV__CONTROL_CLEANUP].connection);
    fake_answer(call, "{'ok': 1}");
    CHECK_ENDED(op, 0);
    operation_over(op);
}

/* --- memory ----------------------------------------------------------------------------------- */

FAKE_CASE(its_memory_outlives_the_future_while_it_is_out, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    CHECK_INT(op->memory, 2);
    mouv__operations_leave_behind(&fake->client.operations);
    fake_call_t *call = sent(fake);
    CHECK(call->abandoned);
    operation_over(op);
    CHECK_INT(op->memory, 1);
    /* the worker may read what it was given */
    check_document(call->exchange->command, FIND);
    CHECK(call->exchange->fields != NULL);
    fake_answer(call, "{'ok': 1}"); /* which frees it, and the reply */
}

FAKE_CASE(what_was_refused_holds_nothing, fake_with(1, "RSPrimary")) {
    fake->refuse[FAKE_SEND] = 1;
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    CHECK_ENDED(op, MOUV_ENOMEM);
    CHECK_INT(op->memory, 1);
    CHECK(op->attempt.exchange.session == NULL && op->attempt.exchange.connection == NULL);
    operation_over(op);
}

FAKE_CASE(without_memory_for_a_session_it_is_not_sent, fake_with(1, "RSPrimary")) {
    mouv__operation_t *first = operation_begin(fake, &find_row, FIND, 0);
    mouv__connection_t *connection = sent(fake)->connection;
    fake_answer(sent(fake), "{'ok': 1}");
    connection->sessions.free = NULL; /* it would need another */
    mouv__operation_t *op = operation_new(fake, &find_row, FIND);
    mouv__operation_start(op);
    mouv__alloc_fail_at = 1;
    fake_turn();
    mouv__alloc_fail_at = -1;
    CHECK_ENDED(op, MOUV_ENOMEM);
    CHECK_INT(fake_total(fake, FAKE_SEND), 1);
    CHECK_INT(mouv__pool_count_busy(fake_pool(fake)), 0);
    operation_over(first);
    operation_over(op);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_goes_beside_the_command),
        TEST(an_attempt_has_nothing_of_the_one_before),
        TEST(the_exchange_says_whose_it_is_and_where_it_goes),
        TEST(a_user_s_session_completes_it),
        TEST(which_server_it_asks_for),
        TEST(a_pin_says_which_server_and_which_session),
        TEST(what_is_in_progress_is_counted_by_its_server),
        TEST(a_server_that_came_anew_meanwhile_counts_from_nothing),
        TEST(a_retry_keeps_its_session_and_what_ends_gives_it_back),
        TEST(clean_up_takes_a_session_of_its_control_connection),
        TEST(its_memory_outlives_the_future_while_it_is_out),
        TEST(what_was_refused_holds_nothing),
        TEST(without_memory_for_a_session_it_is_not_sent),
    };
    return RUN_CASES(tests);
}
