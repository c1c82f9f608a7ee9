/*
 * Sessions: how operations get one, one task at a time, times, snapshots, the end.
 */
/* test: own-server, executors */
#include "support/support.h"

static mouv_session_t *start(test_t *t, const mouv_session_opts_t *opts) {
    return mouv_client_start_session(t->client, opts, &t->error);
}

static int64_t count(test_t *t, const mouv_session_t *session) {
    int64_t number = -1;
    await(t, mouv_collection_count_documents(t->users, NULL, in(t, session, NULL), &number));
    return number;
}

/* --- its name --------------------------------------------------------------------------------- */

CASE(nothing_is_sent_before_the_first_operation_which_gives_the_lsid) {
    mouv_client_stats_t before, after;
    mouv_client_get_stats(t->client, &before);
    MOUV_AUTO_SESSION mouv_session_t *session = start(t, NULL);
    CHECK(session != NULL);
    CHECK(mouv_session_client(session) == t->client);
    CHECK(mouv_session_lsid(session) == NULL);
    mouv_client_get_stats(t->client, &after);
    CHECK_INT(after.started, before.started);
    CHECK_INT(insert_in_session(t, session, "{}"), 1);
    CHECK(mouv_session_lsid(session) != NULL);
    return 0;
}

CASE(the_lsid_stays_while_other_sessions_are_used) {
    MOUV_AUTO_SESSION mouv_session_t *a = start(t, NULL);
    MOUV_AUTO_SESSION mouv_session_t *b = start(t, NULL);
    CHECK_INT(insert_in_session(t, a, "{}"), 1);
    AUTO_BSON *first = bson_copy(mouv_session_lsid(a));
    CHECK_INT(insert_in_session(t, b, "{}"), 1);
    CHECK_INT(insert_numbered(t, 3), 0);
    CHECK_INT(insert_in_session(t, a, "{}"), 1);
    CHECK(bson_equal(first, mouv_session_lsid(a)));
    CHECK(!bson_equal(first, mouv_session_lsid(b)));
    return 0;
}

CASE(a_lost_connection_is_retried_in_the_same_session) {
    MOUV_AUTO_SESSION mouv_session_t *session = start(t, NULL);
    CHECK(!mouv_session_is_dirty(session));
    CHECK_INT(insert_in_session(t, session, "{}"), 1);
    CHECK(!mouv_session_is_dirty(session));
    CHECK_INT(fail_commands(t, 1, "'insert'", "'closeConnection': true"), 0);
    CHECK_INT(insert_in_session(t, session, "{}"), 1);
    CHECK_INT(count(t, session), 2);
    CHECK(mouv_session_is_dirty(session));
    mouv_session_end(session);
    CHECK(!mouv_session_is_dirty(session));
    CHECK(!mouv_session_is_dirty(NULL));
    return 0;
}

CASE(an_ended_session_gives_its_server_session_to_the_next) {
    char uri[600];
    snprintf(uri, sizeof uri, "%s%smaxPoolSize=1", test_uri(),
             strchr(test_uri(), '?') ? "&" : "/?");
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    mouv_session_t *a = mouv_client_start_session(client, NULL, &t->error);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    CHECK_INT(await(t, mouv_collection_find_one(users, NULL, in(t, a, NULL), NULL)), 0);
    AUTO_BSON *lsid = bson_copy(mouv_session_lsid(a));
    mouv_session_unref(a);
    mouv_sleep_ms(1);
    MOUV_AUTO_SESSION mouv_session_t *b = mouv_client_start_session(client, NULL, &t->error);
    CHECK_INT(await(t, mouv_collection_find_one(users, NULL, in(t, b, NULL), NULL)), 0);
    CHECK(bson_equal(lsid, mouv_session_lsid(b)));
    return 0;
}

/* --- refusals --------------------------------------------------------------------------------- */

CASE(bad_options_are_refused) {
    mouv_session_opts_t both = {.causal_consistency = 1, .snapshot = true};
    CHECK(start(t, &both) == NULL);
    CHECK_INT(t->error.code, MOUV_EINVAL);
    mouv_session_opts_t mode = {.transaction = {.read_preference = "nearby"}};
    CHECK(start(t, &mode) == NULL);
    CHECK_CONTAINS(t->error.message, "nearby");
    mouv_session_opts_t limit = {.transaction = {.retry_limit_ms = -5}};
    CHECK(start(t, &limit) == NULL);
    CHECK_CONTAINS(t->error.message, "'retry_limit_ms'");
    CHECK(mouv_client_start_session(NULL, NULL, &t->error) == NULL);
    CHECK_INT(t->error.code, MOUV_EINVAL);
    CHECK_INT(mouv_session_append(NULL, NULL), MOUV_EINVAL);
    return 0;
}

CASE(a_session_id_that_is_none_is_refused) {
    const bson_t *text = json(t, "{'sessionId': 'mine'}"), *number = json(t, "{'sessionId': -5}");
    CHECK_INT(await(t, mouv_collection_find_one(t->users, NULL, text, NULL)), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "sessionId");
    CHECK_INT(await(t, mouv_collection_find_one(t->users, NULL, number, NULL)), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "sessionId");
    return 0;
}

CASE(another_clients_session_is_refused) {
    MOUV_AUTO_CLIENT mouv_client_t *other = mouv_client_new(test_uri(), NULL, &t->error);
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(other, NULL, &t->error);
    CHECK_INT(insert_in_session(t, session, "{}"), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "another client");
    return 0;
}

CASE(two_operations_at_once_are_refused) {
    MOUV_AUTO_SESSION mouv_session_t *session = start(t, NULL);
    const bson_t *opts = in(t, session, NULL), *document = json(t, "{}");
    mouv_future_t first = mouv_collection_insert_one(t->users, document, opts, NULL);
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, document, opts, NULL)), MOUV_ESTATE);
    CHECK_INT(mouv_session_start_transaction(session, NULL, NULL), MOUV_ESTATE);
    CHECK_INT(await(t, first), 1);
    CHECK_INT(insert_in_session(t, session, "{}"), 1);
    CHECK_INT(count(t, session), 2);
    return 0;
}

CASE(an_ended_session_is_closed_and_a_released_one_unknown) {
    mouv_session_t *session = start(t, NULL);
    CHECK_INT(insert_in_session(t, session, "{}"), 1);
    const bson_t *opts = in(t, session, NULL);
    mouv_session_end(session);
    mouv_session_end(session);
    CHECK_INT(await(t, mouv_collection_find_one(t->users, NULL, opts, NULL)), MOUV_ECLOSED);
    CHECK_INT(mouv_session_start_transaction(session, NULL, NULL), MOUV_ECLOSED);
    CHECK(mouv_session_unref(session) == NULL);
    CHECK_INT(await(t, mouv_collection_find_one(t->users, NULL, opts, NULL)), MOUV_EINVAL);
    CHECK(mouv_session_unref(NULL) == NULL);
    return 0;
}

CASE(a_session_may_end_while_its_operation_runs) {
    mouv_session_t *session = start(t, NULL);
    mouv_future_t future =
        mouv_collection_insert_one(t->users, json(t, "{}"), in(t, session, NULL), NULL);
    mouv_sleep_ms(0);
    mouv_session_unref(session);
    CHECK_INT(await(t, future), 1);
    return 0;
}

CASE(a_session_may_outlive_the_close_of_its_client) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), NULL, &t->error);
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(client, NULL, NULL);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    CHECK_INT(await(t, mouv_collection_find_one(users, NULL, in(t, session, NULL), NULL)), 0);
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    CHECK_INT(await(t, mouv_collection_find_one(users, NULL, in(t, session, NULL), NULL)),
              MOUV_ECLOSED);
    CHECK_INT(mouv_session_start_transaction(session, NULL, NULL), MOUV_ECLOSED);
    return 0;
}

CASE(an_unacknowledged_write_is_refused) {
    MOUV_AUTO_SESSION mouv_session_t *session = start(t, NULL);
    const bson_t *opts = in(t, session, "{'writeConcern': {'w': 0}}");
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, json(t, "{}"), opts, NULL)),
              MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "unacknowledged");
    return 0;
}

/* --- cursors ---------------------------------------------------------------------------------- */

CASE(cursors_and_writes_of_one_session_may_alternate) {
    const bson_t *doc;
    int rc, seen = 0;
    CHECK_INT(insert_numbered(t, 100), 0);
    mouv_collection_t *seen_ids = mouv_database_get_collection(t->database, "seen");
    MOUV_AUTO_SESSION mouv_session_t *session = start(t, NULL);
    MOUV_AUTO_SESSION mouv_session_t *other = start(t, NULL);
    MOUV_AUTO_CURSOR mouv_cursor_t *a =
        mouv_collection_find(t->users, NULL, in(t, session, "{'batchSize': 7}"));
    MOUV_AUTO_CURSOR mouv_cursor_t *b =
        mouv_collection_find(t->users, NULL, in(t, session, "{'batchSize': 5}"));
    while ((rc = mouv_cursor_next(a, &doc, &t->error)) > 0) {
        CHECK_INT(await(t, mouv_collection_insert_one(seen_ids, doc, in(t, session, NULL), NULL)),
                  1);
        if (seen++ % 2 == 0) CHECK_INT(mouv_cursor_next(b, &doc, &t->error), 1);
        if (seen % 9 == 0) CHECK_INT(count(t, other), 100);
    }
    CHECK_INT(rc, 0);
    CHECK_INT(seen, 100);
    return 0;
}

CASE(a_cursor_outlives_the_release_of_its_session_without_a_leak) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 20), 0);
    mouv_session_t *session = start(t, NULL);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(t->users, NULL, in(t, session, "{'batchSize': 2}"));
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    mouv_session_unref(session);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), MOUV_ECLOSED);
    CHECK_INT(open_cursors_become(t, 0), 0);
    return 0;
}

CASE(after_a_timeout_the_session_is_usable) {
    MOUV_AUTO_SESSION mouv_session_t *session = start(t, NULL);
    CHECK_INT(insert_in_session(t, session, "{}"), 1);
    const bson_t *slow = json(t, "{'$where': 'sleep(2000) || true'}");
    for (int i = 0; i < 5; i++) {
        CHECK_INT(
            mouv_await_for(mouv_collection_find_one(t->users, slow, in(t, session, NULL), NULL), 30,
                           &t->error),
            MOUV_ETIMEDOUT);
        CHECK_INT(count(t, session), 1);
    }
    return 0;
}

/* --- times ------------------------------------------------------------------------------------ */

CASE(times_advance_with_operations_and_by_hand) {
    uint32_t timestamp, increment, later, ignored;
    MOUV_AUTO_SESSION mouv_session_t *a = start(t, NULL);
    MOUV_AUTO_SESSION mouv_session_t *b = start(t, NULL);
    mouv_session_operation_time(a, &timestamp, &increment);
    CHECK_INT(timestamp, 0);
    CHECK(mouv_session_cluster_time(a) == NULL);
    CHECK_INT(insert_in_session(t, a, "{}"), 1);
    mouv_session_operation_time(a, &timestamp, &increment);
    CHECK(timestamp > 0);
    CHECK(mouv_session_cluster_time(a) != NULL);
    CHECK_INT(mouv_session_advance_cluster_time(b, mouv_session_cluster_time(a)), 0);
    CHECK(bson_equal(mouv_session_cluster_time(a), mouv_session_cluster_time(b)));
    mouv_session_advance_operation_time(b, timestamp, increment);
    mouv_session_advance_operation_time(b, 1, 1);
    mouv_session_operation_time(b, &later, &ignored);
    CHECK_INT(later, timestamp);
    CHECK_INT(count(t, b), 1);
    CHECK_INT(mouv_session_advance_cluster_time(b, json(t, "{'x': 1}")), MOUV_EINVAL);
    return 0;
}

/** 0, and the session then knows an operationTime of tomorrow. */
static int advance_to_tomorrow(test_t *t, mouv_session_t *session) {
    uint32_t timestamp, increment;
    if (insert_in_session(t, session, "{}") != 1) return -1;
    mouv_session_operation_time(session, &timestamp, &increment);
    mouv_session_advance_operation_time(session, timestamp + 86400, 1);
    return 0;
}

/** Whether a read waits for an operationTime of tomorrow. */
static int read_of_tomorrow(test_t *t, const mouv_session_opts_t *opts, const char *more) {
    MOUV_AUTO_SESSION mouv_session_t *session = start(t, opts);
    if (advance_to_tomorrow(t, session) < 0) return -1;
    return await(t, mouv_collection_find_one(t->users, NULL, in(t, session, more), NULL));
}

CASE(causal_reads_are_after_the_sessions_operation_time) {
    mouv_session_opts_t off = {.causal_consistency = -1};
    /* beyond the cluster's time: the server says so, which shows that it was asked */
    CHECK_INT(read_of_tomorrow(t, NULL, NULL), MOUV_ESERVER);
    CHECK_CONTAINS(t->error.message, "afterClusterTime");
    CHECK_INT(read_of_tomorrow(t, NULL, "{'readConcern': {'level': 'majority'}}"), MOUV_ESERVER);
    CHECK_CONTAINS(t->error.message, "afterClusterTime");
    CHECK_INT(read_of_tomorrow(t, &off, NULL), 1);
    return 0;
}

/* --- what writes of a causal session say -------------------------------------------------------- */

static mouv_future_t write_insert(test_t *t, const bson_t *opts) {
    return mouv_collection_insert_one(t->users, json(t, "{'n': 1}"), opts, NULL);
}

static mouv_future_t write_update(test_t *t, const bson_t *opts) {
    return mouv_collection_update_many(t->users, json(t, "{}"), json(t, "{'$set': {'n': 1}}"), opts,
                                       NULL);
}

static mouv_future_t write_replace(test_t *t, const bson_t *opts) {
    return mouv_collection_replace_one(t->users, json(t, "{}"), json(t, "{'n': 2}"), opts, NULL);
}

static mouv_future_t write_delete(test_t *t, const bson_t *opts) {
    return mouv_collection_delete_one(t->users, json(t, "{}"), opts, NULL);
}

static mouv_future_t write_modify(test_t *t, const bson_t *opts) {
    return mouv_collection_find_one_and_update(t->users, json(t, "{}"),
                                               json(t, "{'$set': {'n': 1}}"), opts, NULL);
}

static mouv_future_t write_bulk(test_t *t, const bson_t *opts) {
    MOUV_AUTO_BULK mouv_bulk_t *bulk = mouv_collection_create_bulk(t->users, opts);
    mouv_bulk_insert_one(bulk, json(t, "{'n': 3}"), NULL, NULL);
    mouv_bulk_delete_one(bulk, json(t, "{'n': 3}"), NULL, NULL);
    return mouv_bulk_execute(bulk, NULL);
}

static mouv_future_t write_create(test_t *t, const bson_t *opts) {
    return mouv_database_create_collection(t->database, "third", opts);
}

static mouv_future_t write_index(test_t *t, const bson_t *opts) {
    return mouv_collection_create_index(t->users, json(t, "{'n': 1}"), NULL, opts, NULL);
}

static mouv_future_t write_drop_index(test_t *t, const bson_t *opts) {
    return mouv_collection_drop_index(t->users, "n_1", opts);
}

static mouv_future_t write_rename(test_t *t, const bson_t *opts) {
    return mouv_collection_rename(t->users, "renamed", opts);
}

static mouv_future_t write_drop(test_t *t, const bson_t *opts) {
    return mouv_collection_drop(t->users, opts);
}

static mouv_future_t write_drop_database(test_t *t, const bson_t *opts) {
    return mouv_database_drop(t->database, opts);
}

static mouv_future_t (*const writes[])(test_t *t, const bson_t *opts) = {
    write_insert, write_update, write_replace,      write_delete,     write_modify,
    write_bulk,   write_create, write_index,        write_drop_index, write_rename,
    write_drop,   write_insert, write_drop_database};

enum { WRITES = sizeof writes / sizeof *writes };

CASE(causal_writes_are_after_the_sessions_operation_time) {
    for (int i = 0; i < WRITES; i++) {
        MOUV_AUTO_SESSION mouv_session_t *session = start(t, NULL);
        CHECK_INT(advance_to_tomorrow(t, session), 0);
        int rc = await(t, writes[i](t, in(t, session, NULL)));
        if (rc != MOUV_ESERVER || !strstr(t->error.message, "afterClusterTime"))
            return test_failed(t, __FILE__, __LINE__, "%d: %d, '%s'", i, rc, t->error.message);
    }
    return 0;
}

CASE(servers_take_the_time_of_every_write) {
    MOUV_AUTO_SESSION mouv_session_t *session = start(t, NULL);
    CHECK_INT(insert_in_session(t, session, "{'n': 1}"), 1);
    for (int i = 0; i < WRITES; i++)
        if (await(t, writes[i](t, in(t, session, NULL))) < 0)
            return test_failed(t, __FILE__, __LINE__, "%d: '%s'", i, t->error.message);
    return 0;
}

CASE(a_causal_transaction_that_begins_with_a_write_is_after_the_time_of_its_session) {
    MOUV_AUTO_SESSION mouv_session_t *session = start(t, NULL);
    CHECK_INT(advance_to_tomorrow(t, session), 0);
    CHECK_INT(mouv_session_start_transaction(session, NULL, &t->error), 0);
    CHECK_INT(insert_in_session(t, session, "{}"), MOUV_ESERVER);
    CHECK_CONTAINS(t->error.message, "afterClusterTime");
    return 0;
}

CASE(commands_of_the_users_own_carry_no_time) {
    MOUV_AUTO_SESSION mouv_session_t *session = start(t, NULL);
    CHECK_INT(advance_to_tomorrow(t, session), 0);
    CHECK_INT(await(t, mouv_database_command(t->database, json(t, "{'create': 'own'}"),
                                             in(t, session, NULL), NULL)),
              0);
    return 0;
}

CASE(a_snapshot_session_reads_what_the_first_read_saw) {
    mouv_session_opts_t opts = {.snapshot = true};
    CHECK_INT(insert_numbered(t, 5), 0);
    MOUV_AUTO_SESSION mouv_session_t *session = start(t, &opts);
    CHECK_INT(count(t, session), 5);
    CHECK_INT(await(t, mouv_collection_delete_many(t->users, json(t, "{}"), NULL, NULL)), 5);
    CHECK_INT(count(t, session), 5);
    AUTO_BSON *values = NULL;
    CHECK_INT(
        await(t, mouv_collection_distinct(t->users, "n", NULL, in(t, session, NULL), &values)), 0);
    CHECK_INT(bson_count_keys(values), 5);
    CHECK_INT(mouv_session_start_transaction(session, NULL, &t->error), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "snapshot");
    return 0;
}

/* --- retried writes --------------------------------------------------------------------------- */

CASE(a_write_whose_answer_was_lost_is_applied_once) {
    AUTO_BSON *doc = NULL;
    const char *fail_point =
        "{'configureFailPoint': 'onPrimaryTransactionalWrite', 'mode': {'times': 1}}";
    CHECK_INT(insert_numbered(t, 1), 0);
    MOUV_AUTO_SESSION mouv_session_t *session = start(t, NULL);
    for (int i = 0; i < 2; i++) { /* in a session, and without one */
        const bson_t *opts = i == 0 ? in(t, session, NULL) : NULL;
        CHECK_INT(set_fail_point(t, fail_point), 0);
        CHECK_INT(await(t, mouv_collection_update_one(t->users, json(t, "{'_id': 0}"),
                                                      json(t, "{'$inc': {'n': 1}}"), opts, NULL)),
                  1);
    }
    CHECK_INT(await(t, mouv_collection_find_one(t->users, NULL, NULL, &doc)), 1);
    CHECK_DOCUMENT(doc, "{'_id': 0, 'n': 2}");
    mouv_client_stats_t stats;
    mouv_client_get_stats(t->client, &stats);
    CHECK_INT(stats.retries, 2);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(nothing_is_sent_before_the_first_operation_which_gives_the_lsid),
        cmocka_unit_test(the_lsid_stays_while_other_sessions_are_used),
        cmocka_unit_test(a_lost_connection_is_retried_in_the_same_session),
        cmocka_unit_test(an_ended_session_gives_its_server_session_to_the_next),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(a_session_id_that_is_none_is_refused),
        cmocka_unit_test(another_clients_session_is_refused),
        cmocka_unit_test(two_operations_at_once_are_refused),
        cmocka_unit_test(an_ended_session_is_closed_and_a_released_one_unknown),
        cmocka_unit_test(a_session_may_end_while_its_operation_runs),
        cmocka_unit_test(a_session_may_outlive_the_close_of_its_client),
        cmocka_unit_test(an_unacknowledged_write_is_refused),
        cmocka_unit_test(cursors_and_writes_of_one_session_may_alternate),
        cmocka_unit_test(a_cursor_outlives_the_release_of_its_session_without_a_leak),
        cmocka_unit_test(after_a_timeout_the_session_is_usable),
        cmocka_unit_test(times_advance_with_operations_and_by_hand),
        cmocka_unit_test(causal_reads_are_after_the_sessions_operation_time),
        cmocka_unit_test(causal_writes_are_after_the_sessions_operation_time),
        cmocka_unit_test(servers_take_the_time_of_every_write),
        cmocka_unit_test(
            a_causal_transaction_that_begins_with_a_write_is_after_the_time_of_its_session),
        cmocka_unit_test(commands_of_the_users_own_carry_no_time),
        cmocka_unit_test(a_snapshot_session_reads_what_the_first_read_saw),
        cmocka_unit_test(a_write_whose_answer_was_lost_is_applied_once),
    };
    return RUN_CASES(cases);
}
