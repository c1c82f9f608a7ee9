/*
 * What a write comes to that is stopped while the server waits for its confirmation: done, so its
 * outcome is never "nothing was stored", unless there was nothing to do.
 */
/* test: own-server, executors */
#include "support/support.h"

#include <stdlib.h>

#define FAIL_POINT "'hangBeforeWaitingForWriteConcern'"

/** Lets writes hang between what they do and the wait for their confirmation. */
static int hang_writes(test_t *t) {
    return set_fail_point(t, "{'configureFailPoint': " FAIL_POINT ", 'mode': 'alwaysOn'}");
}

static int let_writes_go(test_t *t) {
    return set_fail_point(t, "{'configureFailPoint': " FAIL_POINT ", 'mode': 'off'}");
}

/** Whether the server knows by now that it must stop the write. */
static bool is_killed(test_t *t) {
    const bson_t *doc;
    mouv_error_t error;
    mouv_database_t *admin = mouv_client_get_database(t->client, "admin");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_database_aggregate(
        admin, json(t, "{'pipeline': [{'$currentOp': {}}, {'$match': {'killPending': true}}]}"),
        NULL);
    return mouv_cursor_next(cursor, &doc, &error) == 1;
}

static bool is_inserted(test_t *t) {
    return mouv_await(mouv_collection_find_one(t->users, json(t, "{'_id': 1}"), NULL, NULL),
                      NULL) == 1;
}

static bool is_indexed(test_t *t) {
    AUTO_BSON *indexes = NULL;
    return mouv_await(mouv_collection_index_information(t->users, NULL, &indexes), NULL) == 0 &&
           mouv_bson_has(indexes, "a_1");
}

/** It need not be done: whatever it comes to is checked. */
static bool is_under_way(test_t *t) {
    return mouv_sleep_ms(200) == 0 && t->client;
}

/** Cancels `write`, which hangs, once it is done. */
static int stopped_when(test_t *t, bool (*is_done)(test_t *t), mouv_future_t write) {
    for (int i = 0; i < 2000 && !is_done(t); i++) mouv_sleep_ms(10);
    mouv_future_cancel(write);
    for (int i = 0; i < 20 && !is_killed(t); i++) mouv_sleep_ms(10);
    int rc = let_writes_go(t);
    return rc < 0 ? rc : await(t, write);
}

/** Where time is unreliable the answer may come after mouv has given it up. */
static bool is_slow(void) {
    return getenv("MOUV_TEST_SLOW") != NULL;
}

#define MAJORITY "'writeConcern': {'w': 'majority'}"

CASE(an_insert_is_stored_and_its_outcome_unknown) {
    CHECK_INT(await(t, mouv_database_create_collection(t->database, "users", NULL)), 0);
    CHECK_INT(hang_writes(t), 0);
    mouv_future_t insert = mouv_collection_insert_one(t->users, json(t, "{'_id': 1}"),
                                                      json(t, "{" MAJORITY "}"), NULL);
    CHECK_INT(stopped_when(t, is_inserted, insert), MOUV_EUNKNOWN);
    CHECK_INT(t->error.cause, MOUV_ECANCELED);
    if (!is_slow()) CHECK_INT(t->error.server_code, 11601);
    CHECK(is_inserted(t));
    return 0;
}

/** Listed while it is being built already, so both outcomes may come; neither may lie. */
CASE(new_indexes_are_made_and_their_outcome_unknown_or_they_are_not) {
    const bson_t *keys = json(t, "{'a': 1}"), *opts = json(t, "{" MAJORITY "}");
    CHECK_INT(insert_numbered(t, 1), 0);
    CHECK_INT(hang_writes(t), 0);
    mouv_future_t create = mouv_collection_create_index(t->users, keys, NULL, opts, NULL);
    int rc = stopped_when(t, is_under_way, create);
    CHECK(rc == MOUV_EUNKNOWN || rc == MOUV_ECANCELED);
    if (rc == MOUV_EUNKNOWN) CHECK_INT(t->error.cause, MOUV_ECANCELED);
    CHECK_INT(is_indexed(t), rc == MOUV_EUNKNOWN);
    return 0;
}

CASE(what_had_nothing_to_do_is_cancelled) {
    const bson_t *keys = json(t, "{'a': 1}"), *opts = json(t, "{" MAJORITY "}");
    CHECK_INT(insert_numbered(t, 1), 0);
    CHECK_INT(await(t, mouv_collection_create_index(t->users, keys, NULL, NULL, NULL)), 0);
    CHECK_INT(hang_writes(t), 0);
    mouv_future_t create = mouv_collection_create_index(t->users, keys, NULL, opts, NULL);
    int rc = stopped_when(t, is_under_way, create);
    CHECK(rc == MOUV_ECANCELED || is_slow());
    CHECK_INT(hang_writes(t), 0);
    mouv_future_t update = mouv_collection_update_one(t->users, json(t, "{'_id': 7}"),
                                                      json(t, "{'$set': {'x': 1}}"), opts, NULL);
    rc = stopped_when(t, is_under_way, update);
    CHECK(rc == MOUV_ECANCELED || is_slow());
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(an_insert_is_stored_and_its_outcome_unknown),
        cmocka_unit_test(new_indexes_are_made_and_their_outcome_unknown_or_they_are_not),
        cmocka_unit_test(what_had_nothing_to_do_is_cancelled),
    };
    return RUN_CASES(cases);
}
