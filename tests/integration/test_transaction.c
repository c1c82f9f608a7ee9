/*
 * Transactions: what is stored when, states, labels, retries, mouv_with_transaction(), cancels.
 */
/* test: own-server */
#include "support/support.h"

static mouv_session_t *start_session(test_t *t) {
    return mouv_client_start_session(t->client, NULL, &t->error);
}

/** A session whose transaction is open; the collection exists, so that no lock is in the way. */
static mouv_session_t *begin(test_t *t, const mouv_transaction_opts_t *opts) {
    await(t, mouv_database_create_collection(t->database, "users", NULL));
    mouv_session_t *session = start_session(t);
    mouv_session_start_transaction(session, opts, &t->error);
    return session;
}

static int commit(test_t *t, mouv_session_t *session) {
    return await(t, mouv_session_commit_transaction(session));
}

static int rollback(test_t *t, mouv_session_t *session) {
    return await(t, mouv_session_abort_transaction(session));
}

/** How many documents there are for somebody outside. */
static int64_t stored(test_t *t) {
    int64_t number = -1;
    mouv_await(mouv_collection_count_documents(t->users, NULL, NULL, &number), NULL);
    return number;
}

/** Whether a write of {_id: 1} waits for no transaction's lock: 1. */
static int write_one(test_t *t) {
    return await(t, mouv_collection_update_one(
                        t->users, json(t, "{'_id': 1}"), json(t, "{'$set': {'by': 'other'}}"),
                        json(t, "{'upsert': true, 'maxTimeMS': 3000}"), NULL));
}

/** Has the server end what the session does there. */
static int kill_on_server(test_t *t, const mouv_session_t *session) {
    mouv_database_t *admin = mouv_client_get_database(t->client, "admin");
    AUTO_BSON *kill = BCON_NEW("killSessions", "[", BCON_DOCUMENT(mouv_session_lsid(session)), "]");
    return await(t, mouv_database_command(admin, kill, NULL, NULL));
}

/* --- commit and abort ------------------------------------------------------------------------- */

CASE(a_commit_stores_all_and_nothing_is_seen_before) {
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, NULL);
    CHECK(mouv_session_in_transaction(session));
    CHECK_INT(insert_in_session(t, session, "{'_id': 1}"), 1);
    CHECK_INT(insert_in_session(t, session, "{'_id': 2}"), 1);
    CHECK_INT(stored(t), 0);
    int64_t inside = 0;
    CHECK_INT(
        await(t, mouv_collection_count_documents(t->users, NULL, in(t, session, NULL), &inside)),
        0);
    CHECK_INT(inside, 2);
    CHECK_INT(commit(t, session), 0);
    CHECK(!mouv_session_in_transaction(session));
    CHECK_INT(stored(t), 2);
    return 0;
}

CASE(the_state_of_a_transaction_can_be_asked_for) {
    MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
    CHECK_INT(mouv_session_transaction_state(session), MOUV_TRANSACTION_NONE);
    CHECK_INT(mouv_session_start_transaction(session, NULL, NULL), 0);
    CHECK_INT(mouv_session_transaction_state(session), MOUV_TRANSACTION_STARTING);
    CHECK_INT(insert_in_session(t, session, "{}"), 1);
    CHECK_INT(mouv_session_transaction_state(session), MOUV_TRANSACTION_IN_PROGRESS);
    CHECK_INT(commit(t, session), 0);
    CHECK_INT(mouv_session_transaction_state(session), MOUV_TRANSACTION_COMMITTED);
    CHECK_INT(insert_in_session(t, session, "{}"), 1);
    CHECK_INT(mouv_session_transaction_state(session), MOUV_TRANSACTION_NONE);
    CHECK_INT(mouv_session_start_transaction(session, NULL, NULL), 0);
    CHECK_INT(rollback(t, session), 0);
    CHECK_INT(mouv_session_transaction_state(session), MOUV_TRANSACTION_ABORTED);
    CHECK_INT(mouv_session_transaction_state(NULL), MOUV_TRANSACTION_NONE);
    return 0;
}

CASE(an_abort_stores_nothing_and_the_session_goes_on) {
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, NULL);
    CHECK_INT(insert_in_session(t, session, "{'_id': 1}"), 1);
    CHECK_INT(rollback(t, session), 0);
    CHECK_INT(stored(t), 0);
    CHECK_INT(insert_in_session(t, session, "{'_id': 1}"), 1);
    CHECK_INT(stored(t), 1);
    CHECK_INT(mouv_session_start_transaction(session, NULL, &t->error), 0);
    CHECK_INT(insert_in_session(t, session, "{'_id': 2}"), 1);
    CHECK_INT(commit(t, session), 0);
    CHECK_INT(stored(t), 2);
    return 0;
}

/* The only server session has served a later write by then. */
CASE(a_transaction_may_begin_long_after_its_start) {
    char uri[600];
    snprintf(uri, sizeof uri, "%s%smaxPoolSize=1", test_uri(),
             strchr(test_uri(), '?') ? "&" : "/?");
    mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    mouv_session_t *session = mouv_client_start_session(client, NULL, &t->error);
    int start = mouv_session_start_transaction(session, NULL, &t->error);
    int outside = await(t, mouv_collection_insert_one(users, json(t, "{'_id': 1}"), NULL, NULL));
    int inside = await(
        t, mouv_collection_insert_one(users, json(t, "{'_id': 2}"), in(t, session, NULL), NULL));
    int end = commit(t, session);
    mouv_session_unref(session);
    mouv_client_close(client, NULL);
    mouv_client_unref(client);
    CHECK_INT(start, 0);
    CHECK_INT(outside, 1);
    CHECK_INT(inside, 1);
    CHECK_INT(end, 0);
    return 0;
}

CASE(the_end_of_a_session_aborts) {
    mouv_session_t *session = begin(t, NULL);
    CHECK_INT(insert_in_session(t, session, "{'_id': 1}"), 1);
    mouv_session_unref(session);
    CHECK_INT(write_one(t), 0); /* matched none: upserted */
    CHECK_INT(stored(t), 1);
    return 0;
}

CASE(client_close_aborts_what_is_open) {
    CHECK_INT(await(t, mouv_database_create_collection(t->database, "users", NULL)), 0);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), NULL, &t->error);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(client, NULL, NULL);
    CHECK_INT(mouv_session_start_transaction(session, NULL, &t->error), 0);
    CHECK_INT(await(t, mouv_collection_insert_one(users, json(t, "{'_id': 1}"),
                                                  in(t, session, NULL), NULL)),
              1);
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    CHECK_INT(write_one(t), 0);
    return 0;
}

CASE(a_cursor_in_a_transaction_sees_its_writes_over_batches) {
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, NULL);
    AUTO_BSON *list = NULL;
    for (int i = 0; i < 25; i++) CHECK_INT(insert_in_session(t, session, "{}"), 1);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(t->users, NULL, in(t, session, "{'batchSize': 4}"));
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 25);
    CHECK_INT(commit(t, session), 0);
    return 0;
}

CASE(a_commit_may_be_sent_again) {
    mouv_client_stats_t before, after;
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, NULL);
    CHECK_INT(insert_in_session(t, session, "{'_id': 1}"), 1);
    CHECK_INT(commit(t, session), 0);
    mouv_client_get_stats(t->client, &before);
    CHECK_INT(commit(t, session), 0);
    mouv_client_get_stats(t->client, &after);
    CHECK_INT(after.started, before.started + 1);
    CHECK_INT(stored(t), 1);
    return 0;
}

CASE(an_empty_transaction_sends_nothing) {
    mouv_client_stats_t before, after;
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, NULL);
    mouv_client_get_stats(t->client, &before);
    CHECK_INT(commit(t, session), 0);
    CHECK_INT(commit(t, session), 0);
    CHECK_INT(mouv_session_start_transaction(session, NULL, NULL), 0);
    CHECK_INT(rollback(t, session), 0);
    mouv_client_get_stats(t->client, &after);
    CHECK_INT(after.started, before.started);
    return 0;
}

/* --- refusals --------------------------------------------------------------------------------- */

CASE(calls_in_the_wrong_state_are_refused) {
    MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
    CHECK_INT(commit(t, session), MOUV_ESTATE);
    CHECK_CONTAINS(t->error.message, "no transaction started");
    CHECK_INT(rollback(t, session), MOUV_ESTATE);
    CHECK_INT(mouv_session_start_transaction(session, NULL, NULL), 0);
    CHECK_INT(mouv_session_start_transaction(session, NULL, NULL), MOUV_ESTATE);
    CHECK_INT(rollback(t, session), 0);
    CHECK_INT(rollback(t, session), MOUV_ESTATE);
    CHECK_INT(commit(t, session), MOUV_ESTATE);
    CHECK_CONTAINS(t->error.message, "after calling abortTransaction");
    CHECK_INT(mouv_session_start_transaction(session, NULL, NULL), 0);
    CHECK_INT(commit(t, session), 0);
    CHECK_INT(rollback(t, session), MOUV_ESTATE);
    CHECK_CONTAINS(t->error.message, "after calling commitTransaction");
    CHECK_INT(insert_in_session(t, session, "{}"), 1); /* outside: the transaction is history */
    CHECK_INT(commit(t, session), MOUV_ESTATE);
    CHECK_INT(await(t, mouv_session_commit_transaction(NULL)), MOUV_EINVAL);
    CHECK(!mouv_session_in_transaction(NULL));
    return 0;
}

CASE(concerns_and_preferences_of_single_operations_are_refused) {
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, NULL);
    const bson_t *write = in(t, session, "{'writeConcern': {'w': 1}}");
    const bson_t *read = in(t, session, "{'readConcern': {'level': 'local'}}");
    const bson_t *secondary = in(t, session, "{'readPreference': 'secondary'}");
    const bson_t *primary = in(t, session, "{'readPreference': 'primary'}");
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, write, write, NULL)), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "writeConcern");
    CHECK_INT(await(t, mouv_collection_find_one(t->users, NULL, read, NULL)), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "readConcern");
    CHECK_INT(await(t, mouv_collection_find_one(t->users, NULL, secondary, NULL)), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "must be primary");
    CHECK_INT(await(t, mouv_collection_find_one(t->users, NULL, primary, NULL)), 0);
    return 0;
}

CASE(bad_transaction_options_are_refused) {
    mouv_transaction_opts_t w0 = {.write_concern = json(t, "{'w': 0}")};
    mouv_transaction_opts_t mode = {.read_preference = "nearby"};
    mouv_transaction_opts_t secondary = {.read_preference = "secondary"};
    MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
    CHECK_INT(mouv_session_start_transaction(session, &w0, &t->error), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "unacknowledged");
    CHECK_INT(mouv_session_start_transaction(session, &mode, &t->error), MOUV_EINVAL);
    CHECK_INT(mouv_session_start_transaction(session, &secondary, &t->error), 0);
    CHECK_INT(insert_in_session(t, session, "{}"), 1);
    mouv_future_t read = mouv_collection_find_one(t->users, NULL, in(t, session, NULL), NULL);
    CHECK_INT(await(t, read), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "must be primary");
    return 0;
}

CASE(options_reach_the_server) {
    mouv_transaction_opts_t bad_level = {.read_concern = json(t, "{'level': 'available'}")};
    mouv_transaction_opts_t good = {.read_concern = json(t, "{'level': 'snapshot'}"),
                                    .write_concern = json(t, "{'w': 'majority', 'j': true}"),
                                    .read_preference = "primary",
                                    .max_commit_time_ms = 5000};
    mouv_transaction_opts_t far = {.write_concern = json(t, "{'w': 40, 'wtimeout': 100}")};
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, &bad_level);
    CHECK_INT(insert_in_session(t, session, "{}"), MOUV_ESERVER);
    CHECK_INT(rollback(t, session), 0);
    CHECK_INT(mouv_session_start_transaction(session, &good, &t->error), 0);
    CHECK_INT(insert_in_session(t, session, "{}"), 1);
    CHECK_INT(commit(t, session), 0);
    CHECK_INT(mouv_session_start_transaction(session, &far, &t->error), 0);
    CHECK_INT(insert_in_session(t, session, "{}"), 1);
    CHECK_INT(commit(t, session), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "UnsatisfiableWriteConcern");
    CHECK(!mouv_error_has_label(&t->error, "UnknownTransactionCommitResult"));
    return 0;
}

/* --- errors and labels ------------------------------------------------------------------------ */

CASE(a_lost_connection_is_transient_and_not_retried) {
    mouv_client_stats_t before, after;
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, NULL);
    CHECK_INT(insert_in_session(t, session, "{'_id': 1}"), 1);
    CHECK_INT(fail_commands(t, 1, "'insert'", "'closeConnection': true"), 0);
    mouv_client_get_stats(t->client, &before);
    CHECK_INT(insert_in_session(t, session, "{'_id': 2}"), MOUV_ENETWORK);
    CHECK(mouv_error_has_label(&t->error, "TransientTransactionError"));
    mouv_client_get_stats(t->client, &after);
    CHECK_INT(after.retries, before.retries);
    CHECK_INT(rollback(t, session), 0);
    CHECK_INT(write_one(t), 0);
    return 0;
}

CASE(a_write_conflict_is_transient) {
    MOUV_AUTO_SESSION mouv_session_t *a = begin(t, NULL);
    MOUV_AUTO_SESSION mouv_session_t *b = start_session(t);
    CHECK_INT(mouv_session_start_transaction(b, NULL, &t->error), 0);
    CHECK_INT(insert_in_session(t, a, "{'_id': 1}"), 1);
    CHECK_INT(insert_in_session(t, b, "{'_id': 1}"), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "WriteConflict");
    CHECK(mouv_error_has_label(&t->error, "TransientTransactionError"));
    CHECK_INT(rollback(t, b), 0);
    CHECK_INT(commit(t, a), 0);
    return 0;
}

CASE(a_commit_is_retried_once) {
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, NULL);
    CHECK_INT(insert_in_session(t, session, "{'_id': 1}"), 1);
    CHECK_INT(fail_commands(t, 1, "'commitTransaction'", "'closeConnection': true"), 0);
    CHECK_INT(commit(t, session), 0);
    CHECK_INT(stored(t), 1);
    return 0;
}

CASE(a_commit_that_is_lost_twice_is_unknown_and_may_be_sent_again) {
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, NULL);
    CHECK_INT(insert_in_session(t, session, "{'_id': 1}"), 1);
    CHECK_INT(fail_commands(t, 2, "'commitTransaction'", "'closeConnection': true"), 0);
    CHECK_INT(commit(t, session), MOUV_EUNKNOWN);
    CHECK_INT(t->error.cause, MOUV_ENETWORK);
    CHECK(mouv_error_has_label(&t->error, "UnknownTransactionCommitResult"));
    CHECK(!mouv_error_has_label(&t->error, "TransientTransactionError"));
    CHECK_INT(commit(t, session), 0);
    CHECK_INT(stored(t), 1);
    return 0;
}

CASE(a_commit_that_is_stopped_by_its_limit_is_unknown) {
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, NULL);
    CHECK_INT(insert_in_session(t, session, "{'_id': 1}"), 1);
    CHECK_INT(fail_commands(t, 1, "'commitTransaction'", "'errorCode': 50"), 0);
    CHECK_INT(commit(t, session), MOUV_EUNKNOWN);
    CHECK_INT(t->error.cause, MOUV_ETIMEDOUT);
    CHECK(mouv_error_has_label(&t->error, "UnknownTransactionCommitResult"));
    CHECK_INT(commit(t, session), 0);
    return 0;
}

CASE(a_commit_whose_confirmation_failed_is_unknown) {
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, NULL);
    CHECK_INT(insert_in_session(t, session, "{'_id': 1}"), 1);
    CHECK_INT(fail_commands(t, 1, "'commitTransaction'",
                            "'writeConcernError': {'code': 64, 'errmsg': 'late'}"),
              0);
    CHECK_INT(commit(t, session), MOUV_EUNKNOWN);
    CHECK(mouv_error_is_timeout(&t->error));
    CHECK(mouv_error_has_label(&t->error, "UnknownTransactionCommitResult"));
    return 0;
}

CASE(a_commit_of_what_the_server_has_aborted_is_transient) {
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, NULL);
    CHECK_INT(insert_in_session(t, session, "{'_id': 1}"), 1);
    CHECK_INT(kill_on_server(t, session), 0);
    CHECK_INT(commit(t, session), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "NoSuchTransaction");
    CHECK(mouv_error_has_label(&t->error, "TransientTransactionError"));
    CHECK_INT(stored(t), 0);
    return 0;
}

CASE(an_abort_ignores_errors) {
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, NULL);
    CHECK_INT(insert_in_session(t, session, "{'_id': 1}"), 1);
    CHECK_INT(fail_commands(t, 1, "'abortTransaction'", "'errorCode': 8000"), 0);
    CHECK_INT(rollback(t, session), 0);
    CHECK(!mouv_session_in_transaction(session));
    CHECK_INT(kill_on_server(t, session), 0); /* where it is open still */
    return 0;
}

CASE(a_timeout_in_a_transaction_ends_it_and_the_next_one_works) {
    const bson_t *slow = json(t, "{'$where': 'sleep(2000) || true'}");
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, NULL);
    CHECK_INT(insert_in_session(t, session, "{'_id': 1}"), 1);
    CHECK_INT(mouv_await_for(mouv_collection_find_one(t->users, slow, in(t, session, NULL), NULL),
                             50, &t->error),
              MOUV_ETIMEDOUT);
    CHECK_INT(rollback(t, session), 0);
    CHECK_INT(write_one(t), 0);
    CHECK_INT(mouv_session_start_transaction(session, NULL, &t->error), 0);
    CHECK_INT(insert_in_session(t, session, "{'_id': 2}"), 1);
    CHECK_INT(commit(t, session), 0);
    CHECK_INT(stored(t), 2);
    return 0;
}

CASE(what_was_never_sent_does_not_begin_the_transaction) {
    MOUV_AUTO_SESSION mouv_session_t *session = begin(t, NULL);
    mouv_future_t dropped =
        mouv_collection_insert_one(t->users, json(t, "{}"), in(t, session, NULL), NULL);
    mouv_future_cancel(dropped);
    CHECK_INT(await(t, dropped), MOUV_ECANCELED);
    CHECK_INT(insert_in_session(t, session, "{'_id': 1}"), 1);
    CHECK_INT(commit(t, session), 0);
    CHECK_INT(stored(t), 1);
    return 0;
}

/* --- with_transaction ------------------------------------------------------------------------- */

typedef struct work {
    test_t *t;
    int runs;
    int result;   /**< what the body returns if all is well */
    int sleep_ms; /**< after the insert */
    bool commits; /**< by itself */
} work_t;

static int insert_once(mouv_session_t *session, void *arg) {
    work_t *work = arg;
    work->runs++;
    int rc = insert_in_session(work->t, session, "{'_id': 1}");
    if (rc < 0) return rc;
    if (work->sleep_ms > 0 && (rc = mouv_sleep_ms(work->sleep_ms)) < 0) return rc;
    if (work->commits) commit(work->t, session);
    return work->result;
}

static int run(test_t *t, mouv_session_t *session, work_t *work,
               const mouv_transaction_opts_t *opts) {
    await(t, mouv_database_create_collection(t->database, "users", NULL));
    t->error = (mouv_error_t){0};
    return mouv_with_transaction(session, insert_once, work, opts, &t->error);
}

CASE(with_transaction_commits_and_gives_the_result) {
    MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
    work_t work = {t, 0, 7, 0, false};
    CHECK_INT(run(t, session, &work, NULL), 7);
    CHECK_INT(work.runs, 1);
    CHECK_INT(stored(t), 1);
    return 0;
}

CASE(with_transaction_begins_anew_after_a_transient_error) {
    MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
    work_t work = {t, 0, 0, 0, false};
    CHECK_INT(fail_commands(t, 3, "'insert'", "'closeConnection': true"), 0);
    CHECK_INT(run(t, session, &work, NULL), 0);
    CHECK_INT(work.runs, 4);
    CHECK_INT(stored(t), 1);
    return 0;
}

CASE(with_transaction_commits_again_after_an_unknown_result) {
    MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
    work_t work = {t, 0, 0, 0, false};
    CHECK_INT(fail_commands(t, 5, "'commitTransaction'", "'closeConnection': true"), 0);
    CHECK_INT(run(t, session, &work, NULL), 0);
    CHECK_INT(work.runs, 1);
    CHECK_INT(stored(t), 1);
    return 0;
}

CASE(with_transaction_begins_anew_after_a_transient_commit) {
    MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
    work_t work = {t, 0, 0, 0, false};
    CHECK_INT(fail_commands(t, 1, "'commitTransaction'",
                            "'errorCode': 251, 'errorLabels': ['TransientTransactionError']"),
              0);
    CHECK_INT(run(t, session, &work, NULL), 0);
    CHECK_INT(work.runs, 2);
    CHECK_INT(stored(t), 1);
    return 0;
}

CASE(with_transaction_aborts_when_the_body_fails) {
    MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
    work_t work = {t, 0, -77, 0, false};
    CHECK_INT(run(t, session, &work, NULL), -77);
    CHECK_INT(t->error.code, -77);
    CHECK_INT(work.runs, 1);
    CHECK_INT(write_one(t), 0);
    return 0;
}

CASE(with_transaction_leaves_a_body_that_commits_alone) {
    MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
    work_t work = {t, 0, 3, 0, true};
    CHECK_INT(run(t, session, &work, NULL), 3);
    CHECK_INT(stored(t), 1);
    return 0;
}

CASE(with_transaction_gives_up_at_its_limit) {
    MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
    work_t work = {t, 0, 0, 0, false};
    mouv_transaction_opts_t opts = {.retry_limit_ms = 2000};
    CHECK_INT(fail_commands(t, 100000, "'insert'",
                            "'errorCode': 112, 'errorLabels': ['TransientTransactionError']"),
              0);
    int rc = run(t, session, &work, &opts);
    mouv_error_t error = t->error;
    CHECK_INT(fail_no_more(t), 0);
    CHECK_INT(rc, MOUV_ETIMEDOUT);
    CHECK_INT(error.cause, MOUV_ESERVER);
    CHECK_INT(error.server_code, 112);
    CHECK_CONTAINS(error.message, "timed out; the last try: ");
    CHECK(mouv_error_has_label(&error, "TransientTransactionError"));
    CHECK(work.runs > 1);
    return 0;
}

CASE(with_transaction_aborts_when_its_task_is_cancelled) {
    MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
    work_t work = {t, 0, 0, 5000, false};
    CHECK_INT(await(t, mouv_database_create_collection(t->database, "users", NULL)), 0);
    mouv_future_t task = mouv_with_transaction_future(session, insert_once, &work, NULL);
    mouv_sleep_ms(150);
    mouv_future_cancel(task);
    CHECK_INT(await(t, task), MOUV_ECANCELED);
    CHECK_INT(work.runs, 1);
    CHECK(!mouv_session_in_transaction(session));
    CHECK_INT(write_one(t), 0);
    return 0;
}

static int release_and_insert(mouv_session_t *session, void *arg) {
    work_t *work = arg;
    mouv_session_unref(session);
    return insert_in_session(work->t, session, "{'_id': 1}");
}

CASE(a_session_released_in_its_body_is_held_until_the_end) {
    work_t work = {t, 0, 0, 0, false};
    CHECK_INT(await(t, mouv_database_create_collection(t->database, "users", NULL)), 0);
    CHECK_INT(mouv_with_transaction(start_session(t), release_and_insert, &work, NULL, &t->error),
              MOUV_ECLOSED);
    CHECK_INT(stored(t), 0);
    return 0;
}

CASE(a_session_released_before_with_transaction_has_begun_is_held_until_the_end) {
    mouv_session_t *session = start_session(t);
    work_t work = {t, 0, 0, 0, false};
    mouv_future_t task = mouv_with_transaction_future(session, insert_once, &work, NULL);
    mouv_session_unref(session);
    CHECK_INT(await(t, task), MOUV_ECLOSED);
    CHECK_INT(work.runs, 0);
    return 0;
}

/* The commit that is refused in the end says nothing of those that the server has had. */
CASE(with_transaction_does_not_promise_that_a_sent_commit_stored_nothing) {
    MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
    work_t work = {t, 0, 0, 0, false};
    CHECK_INT(fail_commands(t, 1000000, "'commitTransaction'", "'errorCode': 262"), 0);
    int rc = mouv_await_for(mouv_with_transaction_future(session, insert_once, &work, NULL), 300,
                            &t->error);
    mouv_error_t error = t->error;
    CHECK_INT(fail_commands(t, 0, "'commitTransaction'", "'errorCode': 262"), 0);
    CHECK_INT(kill_on_server(t, session), 0);
    CHECK_INT(rc, MOUV_EUNKNOWN);
    CHECK(mouv_error_is_timeout(&error));
    CHECK_CONTAINS(error.message, "the last try: ");
    CHECK(mouv_error_has_label(&error, "UnknownTransactionCommitResult"));
    return 0;
}

static int increment(mouv_session_t *session, void *arg) {
    test_t *t = arg;
    bson_t *opts = bson_new();
    mouv_session_append(session, opts);
    bson_t *filter = BCON_NEW("_id", BCON_INT32(0));
    bson_t *update = BCON_NEW("$inc", "{", "n", BCON_INT32(1), "}");
    int rc = mouv_await(mouv_collection_update_one(t->users, filter, update, opts, NULL), NULL);
    bson_destroy(filter);
    bson_destroy(update);
    bson_destroy(opts);
    return rc;
}

/* What the last try met is told whatever ends the tries. */
CASE(with_transaction_names_the_conflict_that_has_used_up_its_time) {
    mouv_transaction_opts_t limited[] = {{.retry_limit_ms = 300}, {.timeout_ms = 300}, {0}};
    mouv_error_t error;
    CHECK_INT(insert_numbered(t, 1), 0);
    MOUV_AUTO_SESSION mouv_session_t *holder = begin(t, NULL);
    CHECK_INT(await(t, mouv_collection_update_one(t->users, json(t, "{'_id': 0}"),
                                                  json(t, "{'$inc': {'n': 1}}"),
                                                  in(t, holder, NULL), NULL)),
              1);
    for (int i = 0; i < 3; i++) {
        MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
        MOUV_TIMEOUT_SCOPE(limit, i == 2 ? 300 : MOUV_FOREVER);
        int rc = mouv_with_transaction(session, increment, t, &limited[i], &error);
        rc = mouv_timeout_end(&limit, rc, &error);
        CHECK_INT(rc, MOUV_ETIMEDOUT);
        CHECK_INT(error.cause, MOUV_ESERVER);
        CHECK_STRING(error.code_name, "WriteConflict");
        CHECK_CONTAINS(error.message, "timed out");
        CHECK_CONTAINS(error.message, "; the last try: WriteConflict");
    }
    return 0;
}

/* As it is told by "if it is there already, fine". */
static int insert_and_ignore(mouv_session_t *session, void *arg) {
    insert_in_session(arg, session, "{'_id': 0}");
    return 0;
}

CASE(with_transaction_names_the_failure_that_its_body_has_swallowed) {
    mouv_transaction_opts_t opts = {.retry_limit_ms = 100};
    mouv_error_t error;
    CHECK_INT(insert_numbered(t, 1), 0);
    MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
    CHECK_INT(mouv_with_transaction(session, insert_and_ignore, t, &opts, &error), MOUV_ETIMEDOUT);
    CHECK_STRING(error.code_name, "NoSuchTransaction");
    CHECK_CONTAINS(error.message, "in it had failed insert: E11000");
    return 0;
}

CASE(with_transaction_under_a_deadline_times_out_and_aborts) {
    MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
    work_t work = {t, 0, 0, 5000, false};
    CHECK_INT(await(t, mouv_database_create_collection(t->database, "users", NULL)), 0);
    CHECK_INT(mouv_await_for(mouv_with_transaction_future(session, insert_once, &work, NULL), 150,
                             &t->error),
              MOUV_ETIMEDOUT);
    CHECK_INT(write_one(t), 0);
    return 0;
}

static int increment_often(void *arg) {
    test_t *t = arg;
    mouv_error_t error = {0};
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(t->client, NULL, NULL);
    for (int i = 0; i < 5; i++) {
        int rc = mouv_with_transaction(session, increment, t, NULL, &error);
        if (rc < 0) return test_failed(t, __FILE__, __LINE__, "%s", error.message);
    }
    return 0;
}

CASE(rivals_all_get_through) {
    enum { RIVALS = 8 };
    mouv_future_t tasks[RIVALS];
    AUTO_BSON *doc = NULL;
    CHECK_INT(insert_numbered(t, 1), 0);
    for (int i = 0; i < RIVALS; i++) tasks[i] = mouv_task(increment_often, t);
    for (int i = 0; i < RIVALS; i++) CHECK_INT(await(t, tasks[i]), 0);
    CHECK_INT(await(t, mouv_collection_find_one(t->users, NULL, NULL, &doc)), 1);
    CHECK_DOCUMENT(doc, "{'_id': 0, 'n': 40}");
    return 0;
}

static int outside;

static void call_outside(mouv_future_t future, void *arg) {
    (void)future;
    outside = mouv_with_transaction(arg, insert_once, NULL, NULL, NULL);
}

CASE(with_transaction_needs_a_coroutine_and_a_body) {
    MOUV_AUTO_SESSION mouv_session_t *session = start_session(t);
    CHECK_INT(mouv_with_transaction(session, NULL, NULL, NULL, &t->error), MOUV_EINVAL);
    CHECK_INT(mouv_then(mouv_sleep_future(0), call_outside, session), 0);
    mouv_sleep_ms(5);
    CHECK_INT(outside, MOUV_ENOTCORO);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_commit_stores_all_and_nothing_is_seen_before),
        cmocka_unit_test(the_state_of_a_transaction_can_be_asked_for),
        cmocka_unit_test(an_abort_stores_nothing_and_the_session_goes_on),
        cmocka_unit_test(a_transaction_may_begin_long_after_its_start),
        cmocka_unit_test(the_end_of_a_session_aborts),
        cmocka_unit_test(client_close_aborts_what_is_open),
        cmocka_unit_test(a_cursor_in_a_transaction_sees_its_writes_over_batches),
        cmocka_unit_test(a_commit_may_be_sent_again),
        cmocka_unit_test(an_empty_transaction_sends_nothing),
        cmocka_unit_test(calls_in_the_wrong_state_are_refused),
        cmocka_unit_test(concerns_and_preferences_of_single_operations_are_refused),
        cmocka_unit_test(bad_transaction_options_are_refused),
        cmocka_unit_test(options_reach_the_server),
        cmocka_unit_test(a_lost_connection_is_transient_and_not_retried),
        cmocka_unit_test(a_write_conflict_is_transient),
        cmocka_unit_test(a_commit_is_retried_once),
        cmocka_unit_test(a_commit_that_is_lost_twice_is_unknown_and_may_be_sent_again),
        cmocka_unit_test(a_commit_that_is_stopped_by_its_limit_is_unknown),
        cmocka_unit_test(a_commit_whose_confirmation_failed_is_unknown),
        cmocka_unit_test(a_commit_of_what_the_server_has_aborted_is_transient),
        cmocka_unit_test(an_abort_ignores_errors),
        cmocka_unit_test(a_timeout_in_a_transaction_ends_it_and_the_next_one_works),
        cmocka_unit_test(what_was_never_sent_does_not_begin_the_transaction),
        cmocka_unit_test(with_transaction_commits_and_gives_the_result),
        cmocka_unit_test(with_transaction_begins_anew_after_a_transient_error),
        cmocka_unit_test(with_transaction_commits_again_after_an_unknown_result),
        cmocka_unit_test(with_transaction_begins_anew_after_a_transient_commit),
        cmocka_unit_test(with_transaction_aborts_when_the_body_fails),
        cmocka_unit_test(with_transaction_leaves_a_body_that_commits_alone),
        cmocka_unit_test(with_transaction_gives_up_at_its_limit),
        cmocka_unit_test(with_transaction_aborts_when_its_task_is_cancelled),
        cmocka_unit_test(a_session_released_in_its_body_is_held_until_the_end),
        cmocka_unit_test(
            a_session_released_before_with_transaction_has_begun_is_held_until_the_end),
        cmocka_unit_test(with_transaction_does_not_promise_that_a_sent_commit_stored_nothing),
        cmocka_unit_test(with_transaction_names_the_conflict_that_has_used_up_its_time),
        cmocka_unit_test(with_transaction_names_the_failure_that_its_body_has_swallowed),
        cmocka_unit_test(with_transaction_under_a_deadline_times_out_and_aborts),
        cmocka_unit_test(rivals_all_get_through),
        cmocka_unit_test(with_transaction_needs_a_coroutine_and_a_body),
    };
    return RUN_CASES(cases);
}
