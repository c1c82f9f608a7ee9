/*
 * What the server replied with an error, of every kind of operation and wherever the error goes.
 */
#include "support/support.h"

static bson_t *strings_only(test_t *t) {
    mouv_future_t made = mouv_database_create_collection(
        t->database, "users", json(t, "{'validator': {'x': {'$type': 'string'}}}"));
    if (await(t, made) < 0) return NULL;
    const bson_t *good = json(t, "{'_id': 1, 'x': 's'}");
    if (await(t, mouv_collection_insert_one(t->users, good, NULL, NULL)) < 0) return NULL;
    return bson_new();
}

/* Details with the failed rule at their top, of what has just failed. */
#define CHECK_ERR_INFO(t) \
    do { \
        AUTO_BSON *details_ = mouv_error_details(&(t)->error); \
        CHECK((t)->error.server_code == 121); \
        CHECK(mouv_bson_has(details_, "errInfo.details.operatorName") || \
              mouv_bson_has(details_, "errInfo.failingDocumentId")); \
    } while (0)

CASE(err_info_is_there_for_every_way_of_writing) {
    AUTO_BSON *ready = strings_only(t), *reply = NULL;
    CHECK(ready != NULL);
    const bson_t *bad = json(t, "{'x': 1}"), *set = json(t, "{'$set': {'x': 1}}");
    const bson_t *one = json(t, "{'_id': 1}");
    mouv_future_t all[] = {mouv_collection_insert_one(t->users, bad, NULL, NULL),
                           mouv_collection_insert_one(t->users, bad, NULL, &reply),
                           mouv_collection_insert_many(t->users, &bad, 1, NULL, NULL),
                           mouv_collection_update_one(t->users, one, set, NULL, NULL),
                           mouv_collection_replace_one(t->users, one, bad, NULL, NULL),
                           mouv_collection_find_one_and_update(t->users, one, set, NULL, NULL),
                           mouv_collection_find_one_and_replace(t->users, one, bad, NULL, NULL)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        CHECK_INT(await(t, all[i]), MOUV_ESERVER);
        CHECK_ERR_INFO(t);
    }
    CHECK(mouv_bson_has(reply, "writeErrors.0.errInfo"));
    return 0;
}

CASE(a_writes_reply_with_its_error_is_the_one_that_it_gives) {
    AUTO_BSON *reply = NULL, *of_error = NULL;
    const bson_t *documents[] = {json(t, "{'_id': 0}"), json(t, "{'_id': 0}")};
    CHECK_INT(await(t, mouv_collection_insert_many(t->users, documents, 2, NULL, &reply)),
              MOUV_ESERVER);
    of_error = mouv_error_reply(&t->error);
    CHECK(of_error && reply && bson_equal(reply, of_error));
    CHECK(mouv_bson_has(of_error, "writeErrors.0.keyValue._id"));
    return 0;
}

CASE(key_value_is_there_after_find_one_and_update) {
    AUTO_BSON *found = NULL;
    CHECK_INT(insert_numbered(t, 2), 0);
    mouv_index_model_t unique = {.keys = json(t, "{'n': 1}"), .opts = json(t, "{'unique': true}")};
    CHECK_INT(await(t, mouv_collection_create_indexes(t->users, &unique, 1, NULL, NULL)), 0);
    mouv_future_t future = mouv_collection_find_one_and_update(
        t->users, json(t, "{'_id': 1}"), json(t, "{'$set': {'n': 0}}"), NULL, &found);
    CHECK_INT(await(t, future), MOUV_ESERVER);
    CHECK(found == NULL && mouv_error_is_duplicate_key(&t->error));
    AUTO_BSON *reply = mouv_error_reply(&t->error);
    CHECK(mouv_bson_has(reply, "keyPattern.n") && mouv_bson_has(reply, "keyValue.n"));
    return 0;
}

CASE(cursors_commands_and_counts_have_it) {
    const bson_t *bad = json(t, "{'x': {'$nonsense': 1}}"), *doc;
    int64_t count;
    CHECK_INT(insert_numbered(t, 2), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *found = mouv_collection_find(t->users, bad, NULL);
    MOUV_AUTO_CURSOR mouv_cursor_t *merged = mouv_collection_aggregate(
        t->users,
        json(t, "{'pipeline': [{'$set': {'n': 9}}, {'$merge': {'into': 'users', "
                "'whenMatched': 'fail'}}]}"),
        NULL);
    for (int i = 0; i < 4; i++) {
        int rc =
            i == 0   ? mouv_cursor_next(found, &doc, &t->error)
            : i == 1 ? mouv_cursor_next(merged, &doc, &t->error)
            : i == 2
                ? await(t, mouv_collection_count_documents(t->users, bad, NULL, &count))
                : await(t, mouv_database_command(t->database, json(t, "{'none': 1}"), NULL, NULL));
        CHECK_INT(rc, MOUV_ESERVER);
        AUTO_BSON *reply = mouv_error_reply(&t->error);
        int64_t code = 0;
        CHECK_INT(mouv_bson_get_int64(reply, "code", &code, NULL), 0);
        CHECK_INT(code, t->error.server_code);
        CHECK(i != 1 || mouv_bson_has(reply, "keyValue._id"));
    }
    return 0;
}

static int insert_zero(void *arg) {
    test_t *t = arg;
    mouv_error_t error;
    int rc =
        mouv_await(mouv_collection_insert_one(t->users, json(t, "{'_id': 0}"), NULL, NULL), &error);
    return rc < 0 ? mouv_fail_with(&error) : 0;
}

CASE(it_goes_with_the_error_through_tasks_scopes_and_gathers) {
    CHECK_INT(insert_numbered(t, 1), 0);
    mouv_error_t errors[2];
    int codes[2];
    mouv_future_t both[] = {mouv_task(insert_zero, t), mouv_coro(insert_zero, t)};
    CHECK_INT(await(t, mouv_gather(mouv_task(insert_zero, t), mouv_coro(insert_zero, t))),
              MOUV_ESERVER);
    AUTO_BSON *first = mouv_error_details(&t->error);
    CHECK(mouv_bson_has(first, "keyValue._id"));
    CHECK_INT(await(t, mouv_gather_all(both, 2, codes, errors)), 2);
    for (int i = 0; i < 2; i++) {
        AUTO_BSON *details = mouv_error_details(&errors[i]);
        CHECK(mouv_bson_has(details, "keyValue._id"));
    }
    CHECK_INT(mouv_with_timeout(10000, insert_zero, t, &t->error), MOUV_ESERVER);
    AUTO_BSON *scoped = mouv_error_details(&t->error);
    CHECK(mouv_bson_has(scoped, "keyValue._id"));
    return 0;
}

CASE(what_the_server_has_not_refused_has_none) {
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, NULL, NULL, NULL)), MOUV_EINVAL);
    CHECK(mouv_error_reply(&t->error) == NULL && mouv_error_details(&t->error) == NULL);
    CHECK(mouv_error_reply(NULL) == NULL);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(err_info_is_there_for_every_way_of_writing),
        cmocka_unit_test(a_writes_reply_with_its_error_is_the_one_that_it_gives),
        cmocka_unit_test(key_value_is_there_after_find_one_and_update),
        cmocka_unit_test(cursors_commands_and_counts_have_it),
        cmocka_unit_test(it_goes_with_the_error_through_tasks_scopes_and_gathers),
        cmocka_unit_test(what_the_server_has_not_refused_has_none),
    };
    return RUN_CASES(cases);
}
