/*
 * timeoutMS of sessions, transactions and GridFS: what commit, abort, mouv_with_transaction(),
 * buckets and streams take from where. Fail points hold commands up.
 */
/* test: own-server */
#include "support/pace.h"
#include "support/wire.h"

static wire_t wire;

/** A client that `wire` is told of; "users" exists. */
static mouv_client_t *listening(test_t *t, const char *options) {
    await(t, mouv_database_create_collection(t->database, "users", NULL));
    wire = (wire_t){0};
    mouv_client_t *client = wire_client(t, &wire, options);
    await(t, mouv_client_ping(client));
    return client;
}

static mouv_session_t *session_of(test_t *t, mouv_client_t *client, int64_t timeout_ms) {
    mouv_session_opts_t opts = {.default_timeout_ms = timeout_ms};
    return mouv_client_start_session(client, &opts, &t->error);
}

static int insert(test_t *t, mouv_session_t *session, const char *more) {
    const bson_t *opts = json(t, more);
    mouv_session_append(session, (bson_t *)opts);
    mouv_collection_t *users = wire_users(t, mouv_session_client(session));
    return await(t, mouv_collection_insert_one(users, json(t, "{}"), opts, NULL));
}

static int block(test_t *t, const char *names) {
    return fail_commands(t, 1, names, "'blockConnection': true, 'blockTimeMS': 3000");
}

static int64_t stored(test_t *t) {
    int64_t count = -1;
    mouv_await(mouv_collection_count_documents(t->users, NULL, NULL, &count), NULL);
    return count;
}

/** Begins a transaction and inserts in it. */
static int begin(test_t *t, mouv_session_t *session) {
    int rc = mouv_session_start_transaction(session, NULL, &t->error);
    return rc < 0 ? rc : insert(t, session, "{}");
}

/* --- commit and abort ------------------------------------------------------------------------ */

CASE(commit_and_abort_take_the_sessions_before_the_clients) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "timeoutMS=80000");
    MOUV_AUTO_SESSION mouv_session_t *inherits = session_of(t, client, 0);
    MOUV_AUTO_SESSION mouv_session_t *own = session_of(t, client, 60000);
    MOUV_AUTO_SESSION mouv_session_t *none = session_of(t, client, MOUV_FOREVER);
    CHECK_INT(begin(t, inherits), 1);
    CHECK_INT(await(t, mouv_session_commit_transaction(inherits)), 0);
    CHECK_LIMIT(wire_max_time(&wire, "commitTransaction"), 80000);
    CHECK_INT(begin(t, inherits), 1);
    CHECK_INT(await(t, mouv_session_abort_transaction(inherits)), 0);
    CHECK_LIMIT(wire_max_time(&wire, "abortTransaction"), 80000);
    CHECK_INT(begin(t, own), 1);
    CHECK_LIMIT(wire_max_time(&wire, "insert"), 80000); /* its operations have the client's */
    CHECK_INT(await(t, mouv_session_commit_transaction(own)), 0);
    CHECK_LIMIT(wire_max_time(&wire, "commitTransaction"), 60000);
    CHECK_INT(begin(t, none), 1);
    CHECK_INT(await(t, mouv_session_commit_transaction(none)), 0);
    CHECK_INT(wire_max_time(&wire, "commitTransaction"), WIRE_NONE);
    return 0;
}

CASE(a_commit_or_abort_has_one_of_its_own) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    mouv_session_opts_t opts = {.default_timeout_ms = 60000,
                                .transaction = {.max_commit_time_ms = 5}};
    MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(client, &opts, &t->error);
    const bson_t *longer = json(t, "{'timeoutMS': 90000}");
    CHECK_INT(begin(t, session), 1);
    CHECK_INT(await(t, mouv_session_commit_transaction_with_opts(session, longer)), 0);
    CHECK_LIMIT(wire_max_time(&wire, "commitTransaction"), 90000);
    CHECK_INT(begin(t, session), 1);
    CHECK_INT(await(t, mouv_session_abort_transaction_with_opts(session, longer)), 0);
    CHECK_LIMIT(wire_max_time(&wire, "abortTransaction"), 90000);
    CHECK_INT(begin(t, session), 1);
    const bson_t *bad = json(t, "{'w': 1}");
    CHECK_INT(await(t, mouv_session_commit_transaction_with_opts(session, bad)), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "there is no option 'w'");
    return 0;
}

CASE(a_commit_ignores_the_wtimeout_of_the_uri) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "wTimeoutMS=7");
    MOUV_AUTO_SESSION mouv_session_t *session = session_of(t, client, 60000);
    CHECK_INT(begin(t, session), 1);
    CHECK_INT(await(t, mouv_session_commit_transaction(session)), 0);
    CHECK(!wire_last(&wire, "commitTransaction")->write_concern);
    return 0;
}

CASE(a_commit_that_is_late_is_a_timeout_and_unknown) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_SESSION mouv_session_t *session = session_of(t, client, 400);
    CHECK_INT(begin(t, session), 1);
    CHECK_INT(block(t, "'commitTransaction'"), 0);
    CHECK_INT(await(t, mouv_session_commit_transaction(session)), MOUV_EUNKNOWN);
    CHECK(mouv_error_is_timeout(&t->error));
    CHECK(mouv_error_has_label(&t->error, "UnknownTransactionCommitResult"));
    return fail_no_more(t);
}

CASE(an_abort_ends_at_its_time) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_SESSION mouv_session_t *session = session_of(t, client, 400);
    CHECK_INT(begin(t, session), 1);
    CHECK_INT(block(t, "'abortTransaction'"), 0);
    int64_t began_ms = mouv_now_ms();
    CHECK_INT(await(t, mouv_session_abort_transaction(session)), 0);
    CHECK(mouv_now_ms() - began_ms < 2900);
    CHECK(wire_last(&wire, "abortTransaction")->outcome != 's');
    return fail_no_more(t);
}

CASE(an_abort_of_what_a_kill_has_ended_is_not_told_as_failed) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_SESSION mouv_session_t *session = session_of(t, client, 0);
    CHECK_INT(begin(t, session), 1);
    CHECK_INT(block(t, "'insert'"), 0);
    CHECK_INT(insert(t, session, "{'timeoutMS': 300}"), MOUV_ETIMEDOUT);
    CHECK(wire_sent(&wire, "killSessions") >= 1);
    CHECK_INT(await(t, mouv_session_abort_transaction(session)), 0);
    CHECK_INT(mouv_session_transaction_state(session), MOUV_TRANSACTION_ABORTED);
    CHECK_INT(wire_sent(&wire, "abortTransaction"), 1);
    CHECK_INT(wire_last(&wire, "abortTransaction")->outcome, 's');
    CHECK_INT(begin(t, session), 1); /* what goes wrong with the next one is told as ever */
    AUTO_BSON *kill = BCON_NEW("killSessions", "[", BCON_DOCUMENT(mouv_session_lsid(session)), "]");
    mouv_database_t *admin = mouv_client_get_database(t->client, "admin");
    CHECK_INT(await(t, mouv_database_command(admin, kill, NULL, NULL)), 0);
    CHECK_INT(await(t, mouv_session_abort_transaction(session)), 0);
    CHECK_INT(wire_sent(&wire, "abortTransaction"), 2);
    CHECK_INT(wire_last(&wire, "abortTransaction")->outcome, 'f');
    CHECK_INT(stored(t), 0);
    return fail_no_more(t);
}

CASE(a_session_refuses_what_is_no_time) {
    CHECK(session_of(t, t->client, -5) == NULL);
    CHECK_INT(t->error.code, MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "'default_timeout_ms'");
    return 0;
}

/* --- mouv_with_transaction() ------------------------------------------------------------------ */

typedef struct body {
    test_t *t;
    const char *opts;
    bool ignore; /**< what the insert came to */
    int got;
} body_t;

static int insert_in(mouv_session_t *session, void *arg) {
    body_t *body = arg;
    body->got = insert(body->t, session, body->opts);
    return body->ignore ? 0 : body->got;
}

static int run(test_t *t, mouv_session_t *session, body_t *body, int64_t timeout_ms) {
    mouv_transaction_opts_t opts = {.timeout_ms = timeout_ms};
    body->t = t;
    if (!body->opts) body->opts = "{}";
    mouv_error_t error = {0};
    int rc = mouv_with_transaction(session, insert_in, body, &opts, &error);
    t->error = error;
    return rc;
}

CASE(with_transaction_limits_all_that_is_done_in_it) {
    body_t body = {0};
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "timeoutMS=30000");
    MOUV_AUTO_SESSION mouv_session_t *session = session_of(t, client, 60000);
    CHECK_INT(run(t, session, &body, 0), 1);
    CHECK_LIMIT(wire_max_time(&wire, "insert"), 60000);
    CHECK_LIMIT(wire_max_time(&wire, "commitTransaction"), 60000);
    CHECK_INT(run(t, session, &body, 90000), 1);
    CHECK_LIMIT(wire_max_time(&wire, "insert"), 90000);
    CHECK_LIMIT(wire_max_time(&wire, "commitTransaction"), 90000);
    CHECK_INT(run(t, session, &body, MOUV_FOREVER), 1);
    CHECK_INT(wire_max_time(&wire, "insert"), WIRE_NONE);
    CHECK_INT(insert(t, session, "{}"), 1); /* afterwards the client's counts again */
    CHECK_LIMIT(wire_max_time(&wire, "insert"), 30000);
    CHECK_INT(stored(t), 4);
    return 0;
}

CASE(an_override_inside_is_refused) {
    body_t body = {.opts = "{'timeoutMS': 50}", .ignore = true};
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "timeoutMS=60000");
    MOUV_AUTO_SESSION mouv_session_t *session = session_of(t, client, 0);
    CHECK_INT(run(t, session, &body, 0), 0);
    CHECK_INT(body.got, MOUV_EINVAL);
    CHECK_INT(wire_sent(&wire, "insert") + wire_sent(&wire, "commitTransaction"), 0);
    CHECK_INT(run(t, session, &body, -1), MOUV_EINVAL);
    return 0;
}

CASE(without_a_limit_an_override_inside_counts) {
    body_t body = {.opts = "{'timeoutMS': 60000}"};
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_SESSION mouv_session_t *session = session_of(t, client, 0);
    CHECK_INT(run(t, session, &body, 0), 1);
    CHECK_LIMIT(wire_max_time(&wire, "insert"), 60000);
    CHECK_INT(wire_max_time(&wire, "commitTransaction"), WIRE_NONE);
    return 0;
}

CASE(a_body_that_fails_in_time_is_aborted_with_the_limit_anew) {
    body_t body = {0};
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_SESSION mouv_session_t *session = session_of(t, client, 0);
    CHECK_INT(block(t, "'insert'"), 0);
    CHECK_INT(run(t, session, &body, 2000), MOUV_ETIMEDOUT);
    CHECK(mouv_error_is_timeout(&t->error));
    CHECK_INT(wire_sent(&wire, "abortTransaction"), 1);
    CHECK(wire_max_time(&wire, "abortTransaction") > 1000);
    CHECK_INT(stored(t), 0);
    return fail_no_more(t);
}

static int late_commit(test_t *t) {
    body_t body = {.ignore = true};
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_SESSION mouv_session_t *session = session_of(t, client, 400);
    CHECK_INT(block(t, "'insert'"), 0);
    CHECK_INT(run(t, session, &body, 0), MOUV_ETIMEDOUT);
    CHECK_INT(body.got, MOUV_ETIMEDOUT);
    CHECK_INT(wire_sent(&wire, "commitTransaction"), 0);
    CHECK_INT(wire_sent(&wire, "abortTransaction"), 0); /* ended when the insert was stopped */
    CHECK(!mouv_session_in_transaction(session));
    CHECK_INT(fail_no_more(t), 0);
    CHECK_INT(stored(t), 0);
    return 0;
}

/* Where the machine is too busy the insert is not stopped in time, but its connection is cut. */
CASE(a_commit_that_comes_too_late_is_not_sent) {
    return pace_run(t, late_commit, NULL, NULL);
}

CASE(retries_of_it_end_at_the_limit) {
    body_t body = {0};
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_SESSION mouv_session_t *session = session_of(t, client, 0);
    CHECK_INT(fail_commands(t, 1000000, "'insert'",
                            "'errorCode': 251, 'errorLabels': ['TransientTransactionError']"),
              0);
    int64_t began_ms = mouv_now_ms();
    int rc = run(t, session, &body, 500);
    CHECK_INT(fail_no_more(t), 0);
    CHECK_INT(rc, MOUV_ETIMEDOUT);
    CHECK(mouv_now_ms() - began_ms < 20000);
    CHECK(wire_sent(&wire, "insert") > 1);
    return 0;
}

/** Inserts once: the second time the server does not answer in time, nor does it to the abort. */
static int insert_twice(mouv_session_t *session, void *arg) {
    body_t *body = arg;
    int rc = insert_in(session, body);
    if (rc < 0) return rc;
    rc = fail_commands(body->t, 1000, "'insert', 'abortTransaction'",
                       "'blockConnection': true, 'blockTimeMS': 5000");
    return rc < 0 ? rc : insert_in(session, body);
}

CASE(a_deadline_around_it_does_not_hold_its_caller_for_the_abort) {
    body_t body = {.t = t, .opts = "{}"};
    mouv_error_t error;
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_SESSION mouv_session_t *session = session_of(t, client, 0);
    int64_t began_ms = mouv_now_ms();
    MOUV_TIMEOUT_SCOPE(limit, 500);
    int rc = mouv_with_transaction(session, insert_twice, &body, NULL, &error);
    rc = mouv_timeout_end(&limit, rc, &error);
    int64_t took_ms = mouv_now_ms() - began_ms;
    CHECK_INT(fail_no_more(t), 0);
    CHECK_INT(rc, MOUV_ETIMEDOUT);
    CHECK(took_ms < 3000);
    CHECK(!mouv_session_in_transaction(session));
    /* the next one in the session waits for the abort, and is none that was begun too early */
    body.opts = "{}";
    CHECK_INT(run(t, session, &body, 0), 1);
    CHECK_INT(stored(t), 1);
    return 0;
}

/* --- GridFS ---------------------------------------------------------------------------------- */

static int upload(mouv_gridfs_bucket_t *bucket, const bson_t *opts, mouv_error_t *error) {
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *stream =
        mouv_gridfs_open_upload_stream(bucket, "a", opts);
    int rc = mouv_gridfs_upload_write(stream, "12345", 5, error);
    return rc < 0 ? rc : mouv_gridfs_upload_close(stream, error);
}

static mouv_gridfs_bucket_t *bucket_of(test_t *t, mouv_client_t *client, const char *opts) {
    return mouv_database_gridfs_bucket(mouv_client_get_database(client, t->database_name),
                                       json(t, opts));
}

CASE(all_of_an_upload_and_a_download_is_limited) {
    char buffer[16];
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "timeoutMS=60000");
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t, client, "{}");
    static const char *const commands[] = {"find", "listIndexes", "createIndexes", "insert"};
    CHECK_INT(upload(bucket, NULL, &t->error), 0);
    for (int i = 0; i < 4; i++) CHECK_LIMIT(wire_max_time(&wire, commands[i]), 60000);
    wire.count = 0;
    MOUV_AUTO_DOWNLOAD mouv_gridfs_download_t *download =
        mouv_gridfs_open_download_stream_by_name(bucket, "a", -1);
    CHECK_INT(mouv_gridfs_download_read(download, buffer, sizeof buffer, &t->error), 5);
    CHECK_INT(wire_sent(&wire, "find"), 2);
    CHECK_LIMIT(wire_max_time(&wire, "find"), 60000);
    MOUV_AUTO_CURSOR mouv_cursor_t *files = mouv_gridfs_find(bucket, NULL, NULL);
    CHECK_INT(await(t, mouv_cursor_fetch(files)), 1);
    CHECK_LIMIT(wire_max_time(&wire, "find"), 60000);
    return 0;
}

CASE(a_bucket_and_an_upload_have_their_own) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "timeoutMS=60000");
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t, client, "{'timeoutMS': 80000}");
    CHECK_INT(upload(bucket, NULL, &t->error), 0);
    CHECK_LIMIT(wire_max_time(&wire, "insert"), 80000);
    CHECK_INT(upload(bucket, json(t, "{'timeoutMS': 100000}"), &t->error), 0);
    CHECK_LIMIT(wire_max_time(&wire, "insert"), 100000);
    CHECK_INT(upload(bucket, json(t, "{'timeoutMS': 0}"), &t->error), 0);
    CHECK_INT(wire_max_time(&wire, "insert"), WIRE_NONE);
    CHECK_INT(upload(bucket, json(t, "{'timeoutMS': -1}"), &t->error), MOUV_EINVAL);
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bad = bucket_of(t, client, "{'timeoutMS': '1'}");
    CHECK_INT(mouv_gridfs_drop(bad, &t->error), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "timeoutMS");
    CHECK_INT(mouv_gridfs_drop(bucket, &t->error), 0);
    CHECK_LIMIT(wire_max_time(&wire, "drop"), 80000);
    return 0;
}

CASE(an_upload_is_limited_as_a_whole) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t, client, "{'timeoutMS': 2000}");
    CHECK_INT(fail_commands(t, 2, "'find', 'listIndexes'",
                            "'blockConnection': true, 'blockTimeMS': 1200"),
              0);
    CHECK_INT(upload(bucket, NULL, &t->error), MOUV_ETIMEDOUT);
    CHECK_INT(wire_sent(&wire, "insert"), 0);
    return fail_no_more(t);
}

static int late_chunk(test_t *t) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *warm = bucket_of(t, client, "{}");
    CHECK_INT(upload(warm, NULL, &t->error), 0);
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t, client, "{'timeoutMS': 500}");
    CHECK_INT(block(t, "'insert'"), 0);
    CHECK_INT(upload(bucket, NULL, &t->error), MOUV_ETIMEDOUT);
    CHECK(mouv_error_is_timeout(&t->error));
    CHECK_INT(wire_sent(&wire, "delete"), 0); /* the insert has said so */
    return fail_no_more(t);
}

/* Where the machine is too busy to ask in time what became of the insert, that is unknown. */
CASE(a_chunk_that_is_late_leaves_nothing) {
    return pace_run(t, late_chunk, NULL, NULL);
}

CASE(a_delete_is_limited_as_a_whole) {
    bson_value_t id = {.value_type = BSON_TYPE_INT32, .value.v_int32 = 1};
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t, client, "{'timeoutMS': 2000}");
    CHECK_INT(upload(bucket, json(t, "{'_id': 1}"), &t->error), 0);
    CHECK_INT(mouv_gridfs_rename(bucket, &id, "b", &t->error), 0);
    CHECK(wire_max_time(&wire, "update") > 0);
    CHECK_INT(fail_commands(t, 2, "'delete'", "'blockConnection': true, 'blockTimeMS': 1200"), 0);
    int rc = mouv_gridfs_delete(bucket, &id, &t->error);
    CHECK(rc < 0);
    CHECK(mouv_error_is_timeout(&t->error));
    CHECK_INT(wire_sent(&wire, "delete"), 2);
    CHECK(wire_max_time(&wire, "delete") < 900);
    return fail_no_more(t);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(commit_and_abort_take_the_sessions_before_the_clients),
        cmocka_unit_test(a_commit_or_abort_has_one_of_its_own),
        cmocka_unit_test(a_commit_ignores_the_wtimeout_of_the_uri),
        cmocka_unit_test(a_commit_that_is_late_is_a_timeout_and_unknown),
        cmocka_unit_test(an_abort_ends_at_its_time),
        cmocka_unit_test(an_abort_of_what_a_kill_has_ended_is_not_told_as_failed),
        cmocka_unit_test(a_session_refuses_what_is_no_time),
        cmocka_unit_test(with_transaction_limits_all_that_is_done_in_it),
        cmocka_unit_test(an_override_inside_is_refused),
        cmocka_unit_test(without_a_limit_an_override_inside_counts),
        cmocka_unit_test(a_body_that_fails_in_time_is_aborted_with_the_limit_anew),
        cmocka_unit_test(a_commit_that_comes_too_late_is_not_sent),
        cmocka_unit_test(retries_of_it_end_at_the_limit),
        cmocka_unit_test(a_deadline_around_it_does_not_hold_its_caller_for_the_abort),
        cmocka_unit_test(all_of_an_upload_and_a_download_is_limited),
        cmocka_unit_test(a_bucket_and_an_upload_have_their_own),
        cmocka_unit_test(an_upload_is_limited_as_a_whole),
        cmocka_unit_test(a_chunk_that_is_late_leaves_nothing),
        cmocka_unit_test(a_delete_is_limited_as_a_whole),
    };
    return RUN_CASES(cases);
}
