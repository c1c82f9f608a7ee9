/*
 * What needs a server of another kind than the tests' usual one: transactions on a standalone, a
 * change stream whose history is lost because the oplog is tiny.
 */
#include "support/mongod.h"
#include "support/support.h"

#include <stdlib.h>

/* --- A server a case ------------------------------------------------------------------------- */

typedef struct own {
    test_mongod_t server;
    test_fn_t body;
    test_t t;
} own_t;

static int main_task(void *arg) {
    own_t *own = arg;
    test_t *t = &own->t;
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(own->server.uri, NULL, &t->error);
    t->client = client;
    t->database = mouv_client_get_database(client, "mouv_test");
    t->users = mouv_database_get_collection(t->database, "users");
    if (await(t, mouv_client_ping(client)) < 0)
        test_failed(t, __FILE__, __LINE__, "the server does not answer");
    else
        own->body(t);
    return 0;
}

static void run_own(const char *const *arguments, test_fn_t body) {
    own_t own = {.body = body};
    mouv_error_t error;
    if (!test_mongod_start(&own.server, arguments)) {
        print_message("no mongod: neither MOUV_MONGOD nor PATH gives one\n");
        skip();
    }
    if (mouv_run(main_task, &own, &error) < 0)
        test_failed(&own.t, __FILE__, __LINE__, "mouv_run: %s", error.message);
    test_mongod_stop(&own.server);
    for (size_t i = 0; i < own.t.document_count; i++) bson_destroy(own.t.documents[i]);
    free(own.t.documents);
    assert_false(own.t.failed);
}

#define OWN_CASE(name, ...) \
    static int name##_body(test_t *t); \
    static void name(void **state) { \
        static const char *const arguments[] = {__VA_ARGS__, NULL}; \
        (void)state; \
        run_own(arguments, name##_body); \
    } \
    static int name##_body(test_t *t)

/* --- A standalone ---------------------------------------------------------------------------- */

OWN_CASE(a_transaction_on_a_standalone_says_what_it_needs, "--quiet") {
    bson_t opts = BSON_INITIALIZER;
    MOUV_AUTO_SESSION mouv_session_t *session =
        mouv_client_start_session(t->client, NULL, &t->error);
    CHECK(session != NULL);
    CHECK_INT(mouv_session_append(session, &opts), 0);
    CHECK_INT(mouv_session_start_transaction(session, NULL, &t->error), 0);
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, json(t, "{'a': 1}"), &opts, NULL)),
              MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 20);
    CHECK_CONTAINS(t->error.message, "transactions need a replica set or a sharded cluster");
    CHECK_CONTAINS(t->error.operation, "insert mouv_test.users");
    CHECK_INT(await(t, mouv_session_abort_transaction(session)), 0);
    bson_destroy(&opts);
    return 0;
}

OWN_CASE(writes_on_a_standalone_go_without_a_number, "--quiet") {
    CHECK_INT(insert_numbered(t, 10), 0);
    CHECK_INT(await(t, mouv_collection_delete_one(t->users, json(t, "{'_id': 1}"), NULL, NULL)), 1);
    return 0;
}

OWN_CASE(a_change_stream_on_a_standalone_says_what_it_needs, "--quiet") {
    const bson_t *doc;
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        mouv_collection_watch(t->users, NULL, NULL);
    CHECK_INT(mouv_change_stream_try_next(stream, &doc, &t->error), MOUV_ESERVER);
    CHECK_CONTAINS(t->error.message, "replica set");
    CHECK_INT(t->error.server_code, 40573);
    return 0;
}

/* --- A tiny oplog ---------------------------------------------------------------------------- */

/** A set of one node that is primary. */
static int initiate(test_t *t) {
    mouv_database_t *admin = mouv_client_get_database(t->client, "admin");
    const bson_t *initiate = json(t, "{'replSetInitiate': {}}");
    int rc = await(t, mouv_database_command(admin, initiate, NULL, NULL));
    for (int i = 0; rc >= 0 && i < 600; i++) {
        AUTO_BSON *hello = NULL;
        bool primary = false;
        mouv_error_t error;
        rc = await(t, mouv_database_command(admin, json(t, "{'hello': 1}"), NULL, &hello));
        if (rc >= 0 && mouv_bson_get_bool(hello, "isWritablePrimary", &primary, &error) == 0 &&
            primary)
            return 0;
        mouv_sleep_ms(50);
    }
    return rc < 0 ? rc : -1;
}

/** Writes what fills the oplog several times over. */
static int fill_oplog(test_t *t) {
    static char text[256 * 1024];
    memset(text, 'x', sizeof text - 1);
    const bson_t *upsert = json(t, "{'upsert': true}");
    int rc = 0;
    for (int i = 0; i < 60 && rc >= 0; i++) {
        text[0] = (char)('a' + i % 26);
        bson_t *document = BCON_NEW("_id", BCON_INT32(7), "text", BCON_UTF8(text));
        rc = await(t, mouv_collection_replace_one(t->users, json(t, "{'_id': 7}"), document, upsert,
                                                  NULL));
        bson_destroy(document);
    }
    return rc;
}

/* The oplog is cut in the background, after a checkpoint. */
OWN_CASE(a_change_stream_whose_history_is_lost_says_so, "--quiet", "--replSet", "tiny",
         "--oplogSize", "1", "--syncdelay", "1") {
    char opts[128];
    const bson_t *doc;
    uint32_t seconds, increment;
    CHECK_INT(initiate(t), 0);
    MOUV_AUTO_SESSION mouv_session_t *session =
        mouv_client_start_session(t->client, NULL, &t->error);
    bson_t in_session = BSON_INITIALIZER;
    CHECK_INT(mouv_session_append(session, &in_session), 0);
    CHECK_INT(
        await(t, mouv_collection_insert_one(t->users, json(t, "{'_id': 1}"), &in_session, NULL)),
        1);
    bson_destroy(&in_session);
    mouv_session_operation_time(session, &seconds, &increment);
    snprintf(opts, sizeof opts,
             "{'startAtOperationTime': {'$timestamp': {'t': %u, 'i': %u}},"
             " 'maxAwaitTimeMS': 10}",
             seconds, increment);
    int rc = 1;
    for (int i = 0; i < 60 && rc >= 0; i++) { /* some seconds */
        CHECK(fill_oplog(t) >= 0);
        mouv_sleep_ms(500);
        MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
            mouv_collection_watch(t->users, NULL, json(t, opts));
        rc = mouv_change_stream_try_next(stream, &doc, &t->error);
        if (rc < 0) CHECK_INT(mouv_change_stream_try_next(stream, &doc, NULL), rc);
        if (rc < 0) CHECK(!mouv_change_stream_alive(stream));
    }
    CHECK_INT(rc, MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 286);
    CHECK_STRING(t->error.code_name, "ChangeStreamHistoryLost");
    CHECK(mouv_error_has_label(&t->error, "NonResumableChangeStreamError"));
    CHECK_CONTAINS(t->error.message, "oplog");
    CHECK_CONTAINS(t->error.operation, "mouv_test.users");
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_transaction_on_a_standalone_says_what_it_needs),
        cmocka_unit_test(writes_on_a_standalone_go_without_a_number),
        cmocka_unit_test(a_change_stream_on_a_standalone_says_what_it_needs),
        cmocka_unit_test(a_change_stream_whose_history_is_lost_says_so),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
