/*
 * Collections as an administrator sees them: creation with every option, rename, options, validate,
 * explain, cursors of commands, server information.
 */
#include "support/support.h"

static bool find(const bson_t *document, const char *path, bson_iter_t *field) {
    bson_iter_t iter;
    return document && bson_iter_init(&iter, document) &&
           bson_iter_find_descendant(&iter, path, field);
}

static int64_t number(const bson_t *document, const char *path) {
    bson_iter_t field;
    return find(document, path, &field) ? bson_iter_as_int64(&field) : -1;
}

static int create(test_t *t, const char *name, const char *opts) {
    return await(t, mouv_database_create_collection(t->database, name, json(t, opts)));
}

static mouv_collection_t *named(test_t *t, const char *name) {
    return mouv_database_get_collection(t->database, name);
}

static int insert(test_t *t, const char *collection, const char *document) {
    return await(t,
                 mouv_collection_insert_one(named(t, collection), json(t, document), NULL, NULL));
}

/* --- creation ------------------------------------------------------------------------------- */

CASE(a_capped_collection_keeps_its_last_documents) {
    AUTO_BSON *options = NULL;
    int64_t count = 0;
    CHECK_INT(create(t, "users", "{'capped': true, 'size': 4096, 'max': 3}"), 0);
    CHECK_INT(insert_numbered(t, 5), 0);
    CHECK_INT(await(t, mouv_collection_count_documents(t->users, NULL, NULL, &count)), 0);
    CHECK_INT(count, 3);
    CHECK_INT(await(t, mouv_collection_options(t->users, NULL, &options)), 1);
    CHECK_DOCUMENT(options, "{'capped': true, 'size': 4096, 'max': 3}");
    return 0;
}

CASE(a_validator_refuses_and_its_error_says_so) {
    CHECK_INT(create(t, "users",
                     "{'validator': {'$jsonSchema': {'required': ['name']}}, "
                     "'validationLevel': 'strict', 'validationAction': 'error'}"),
              0);
    CHECK_INT(insert(t, "users", "{'name': 'Ada'}"), 1);
    CHECK_INT(insert(t, "users", "{'x': 1}"), MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 121);
    return 0;
}

CASE(a_time_series_takes_measurements) {
    AUTO_BSON *options = NULL;
    CHECK_INT(create(t, "heat",
                     "{'timeseries': {'timeField': 'at', 'metaField': 'room', "
                     "'granularity': 'minutes'}, 'expireAfterSeconds': 86400}"),
              0);
    CHECK_INT(insert(t, "heat", "{'at': {'$date': '2026-01-01T00:00:00Z'}, 'room': 1, 'c': 20}"),
              1);
    CHECK_INT(insert(t, "heat", "{'room': 1}"), MOUV_ESERVER);
    CHECK_INT(await(t, mouv_collection_options(named(t, "heat"), NULL, &options)), 1);
    CHECK_INT(number(options, "expireAfterSeconds"), 86400);
    bson_iter_t field;
    CHECK(find(options, "timeseries.timeField", &field));
    CHECK_STRING(bson_iter_utf8(&field, NULL), "at");
    return 0;
}

CASE(a_view_is_read_and_cannot_be_written) {
    AUTO_BSON *list = NULL;
    CHECK_INT(insert_numbered(t, 5), 0);
    CHECK_INT(create(t, "few",
                     "{'viewOn': 'users', 'pipeline': [{'$match': {'n': {'$lt': 2}}}], "
                     "'collation': {'locale': 'en'}}"),
              0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(named(t, "few"), NULL, NULL);
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 2);
    CHECK_INT(insert(t, "few", "{'n': 1}"), MOUV_ESERVER);
    return 0;
}

CASE(a_collation_is_the_default_of_its_queries) {
    int64_t count = 0;
    CHECK_INT(create(t, "users", "{'collation': {'locale': 'en', 'strength': 2}}"), 0);
    CHECK_INT(insert(t, "users", "{'name': 'Ada'}"), 1);
    CHECK_INT(await(t, mouv_collection_count_documents(t->users, json(t, "{'name': 'ADA'}"), NULL,
                                                       &count)),
              0);
    CHECK_INT(count, 1);
    return 0;
}

CASE(clustered_collections_and_pre_images_pass_through) {
    AUTO_BSON *options = NULL;
    CHECK_INT(create(t, "users",
                     "{'clusteredIndex': {'key': {'_id': 1}, 'unique': true}, "
                     "'changeStreamPreAndPostImages': {'enabled': true}, "
                     "'comment': 'c', 'writeConcern': {'w': 'majority'}}"),
              0);
    CHECK_INT(await(t, mouv_collection_options(t->users, NULL, &options)), 1);
    CHECK_INT(number(options, "changeStreamPreAndPostImages.enabled"), 1);
    CHECK_INT(number(options, "clusteredIndex.unique"), 1);
    return 0;
}

CASE(creation_options_of_a_wrong_type_are_refused_by_name) {
    static const char *const wrong[] = {
        "{'capped': 'yes'}",    "{'size': -1}",
        "{'validator': 5}",     "{'timeseries': true}",
        "{'viewOn': {'a': 1}}", "{'validationLevel': 1}",
        "{'collation': 'en'}",  "{'expireAfterSeconds': 'never'}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_INT(create(t, "users", wrong[i]), MOUV_EINVAL);
        CHECK_CONTAINS(t->error.message, "option '");
        CHECK_CONTAINS(t->error.operation, "create ");
    }
    return 0;
}

CASE(list_collections_takes_filters) {
    AUTO_BSON *list = NULL;
    char **names = NULL;
    CHECK_INT(create(t, "logs", "{'capped': true, 'size': 4096}"), 0);
    CHECK_INT(create(t, "users", "{}"), 0);
    CHECK_INT(create(t, "few", "{'viewOn': 'users', 'pipeline': []}"), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_database_list_collections(
        t->database, json(t, "{'filter': {'options.capped': true}, 'comment': 'c'}"));
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 1);
    bson_iter_t field;
    CHECK(find(list, "0.name", &field));
    CHECK_STRING(bson_iter_utf8(&field, NULL), "logs");
    CHECK_INT(await(t, mouv_database_list_collection_names(
                           t->database, json(t, "{'filter': {'name': {'$regex': '^u'}}}"), &names)),
              1);
    bool right = names[0] && strcmp(names[0], "users") == 0;
    bson_strfreev(names);
    CHECK(right);
    return 0;
}

/* --- rename, options, validate -------------------------------------------------------------- */

CASE(rename_moves_the_documents) {
    int64_t count = 0;
    CHECK_INT(insert_numbered(t, 3), 0);
    CHECK_INT(await(t, mouv_collection_rename(t->users, "people", NULL)), 0);
    CHECK_INT(await(t, mouv_collection_count_documents(named(t, "people"), NULL, NULL, &count)), 0);
    CHECK_INT(count, 3);
    return 0;
}

CASE(rename_replaces_only_when_told_to) {
    CHECK_INT(insert_numbered(t, 3), 0);
    CHECK_INT(insert(t, "people", "{}"), 1);
    CHECK_INT(await(t, mouv_collection_rename(t->users, "people", NULL)), MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 48);
    const bson_t *opts = json(t, "{'dropTarget': true, 'writeConcern': {'w': 1}}");
    CHECK_INT(await(t, mouv_collection_rename(t->users, "people", opts)), 0);
    CHECK_INT(await(t, mouv_collection_rename(t->users, "people", NULL)), MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 26);
    return 0;
}

CASE(rename_to_a_bad_name_is_refused) {
    CHECK_INT(await(t, mouv_collection_rename(t->users, "a..b", NULL)), MOUV_EINVAL);
    CHECK_INT(await(t, mouv_collection_rename(t->users, NULL, NULL)), MOUV_EINVAL);
    CHECK_INT(await(t, mouv_collection_rename(NULL, "x", NULL)), MOUV_EINVAL);
    CHECK_INT(await(t, mouv_collection_rename(t->users, "x", json(t, "{'dropTarget': 1}"))),
              MOUV_EINVAL);
    return 0;
}

CASE(a_collection_can_be_asked_for) {
    CHECK_INT(insert_numbered(t, 1), 0);
    CHECK_INT(await(t, mouv_database_has_collection(t->database, "users", NULL)), 1);
    CHECK_INT(await(t, mouv_database_has_collection(t->database, "user", NULL)), 0);
    CHECK_INT(await(t, mouv_database_has_collection(t->database, "", NULL)), MOUV_EINVAL);
    CHECK_INT(await(t, mouv_database_has_collection(t->database, NULL, NULL)), MOUV_EINVAL);
    CHECK_INT(await(t, mouv_database_has_collection(NULL, "users", NULL)), MOUV_EINVAL);
    return 0;
}

CASE(options_tell_a_collection_from_none) {
    AUTO_BSON *none = NULL;
    AUTO_BSON *plain = NULL;
    CHECK_INT(await(t, mouv_collection_options(t->users, NULL, &none)), 0);
    CHECK(none == NULL);
    CHECK_INT(create(t, "users", "{}"), 0);
    CHECK_INT(await(t, mouv_collection_options(t->users, NULL, &plain)), 1);
    CHECK_DOCUMENT(plain, "{}");
    CHECK_INT(await(t, mouv_collection_options(NULL, NULL, NULL)), MOUV_EINVAL);
    return 0;
}

CASE(validate_looks_at_the_data) {
    AUTO_BSON *reply = NULL;
    CHECK_INT(insert_numbered(t, 3), 0);
    CHECK_INT(await(t, mouv_collection_validate(t->users, json(t, "{'full': true}"), &reply)), 1);
    CHECK_INT(number(reply, "nrecords"), 3);
    CHECK_INT(await(t, mouv_collection_validate(named(t, "nope"), NULL, NULL)), MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 26);
    return 0;
}

/* --- explain, cursor of a command, server --------------------------------------------------- */

CASE(explain_tells_the_plan_and_does_nothing) {
    AUTO_BSON *find_plan = NULL;
    AUTO_BSON *delete_plan = NULL;
    int64_t count = 0;
    CHECK_INT(insert_numbered(t, 3), 0);
    const bson_t *query = json(t, "{'find': 'users', 'filter': {'_id': 1}}");
    const bson_t *opts = json(t, "{'verbosity': 'executionStats', 'comment': 'c'}");
    CHECK_INT(await(t, mouv_database_explain(t->database, query, opts, &find_plan)), 0);
    CHECK_INT(number(find_plan, "executionStats.nReturned"), 1);
    const bson_t *removal = json(t, "{'delete': 'users', 'deletes': [{'q': {}, 'limit': 0}]}");
    CHECK_INT(
        await(t, mouv_database_explain(t->database, removal,
                                       json(t, "{'verbosity': 'queryPlanner'}"), &delete_plan)),
        0);
    bson_iter_t field;
    CHECK(find(delete_plan, "queryPlanner", &field));
    CHECK(!find(delete_plan, "executionStats", &field));
    CHECK_INT(await(t, mouv_collection_count_documents(t->users, NULL, NULL, &count)), 0);
    CHECK_INT(count, 3);
    CHECK_INT(await(t, mouv_database_explain(t->database, NULL, NULL, NULL)), MOUV_EINVAL);
    CHECK_INT(
        await(t, mouv_database_explain(t->database, query, json(t, "{'verbosity': 1}"), NULL)),
        MOUV_EINVAL);
    return 0;
}

CASE(a_cursor_of_a_command_goes_on_with_get_more) {
    AUTO_BSON *list = NULL;
    CHECK_INT(insert_numbered(t, 10), 0);
    const bson_t *command =
        json(t, "{'find': 'users', 'filter': {'n': {'$gt': 0}}, 'sort': {'n': 1}, 'batchSize': 2}");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_cursor_from_command(t->database, command, json(t, "{'batchSize': 3}"));
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 9);
    CHECK_INT(number(list, "8.n"), 9);
    return 0;
}

CASE(a_cursor_of_a_command_that_is_left_early_is_killed) {
    const bson_t *document = NULL;
    CHECK_INT(insert_numbered(t, 10), 0);
    const bson_t *command = json(t, "{'find': 'users', 'batchSize': 2}");
    mouv_cursor_t *cursor =
        mouv_cursor_from_command(t->database, command, json(t, "{'batchSize': 1}"));
    int rc = mouv_cursor_next(cursor, &document, &t->error);
    mouv_cursor_unref(cursor);
    CHECK_INT(rc, 1);
    CHECK_INT(open_cursors_become(t, 0), 0);
    return 0;
}

CASE(a_command_without_a_cursor_in_its_reply_makes_none) {
    const bson_t *document = NULL;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_cursor_from_command(t->database, json(t, "{'ping': 1}"), NULL);
    CHECK_INT(mouv_cursor_next(cursor, &document, &t->error), MOUV_ESERVER);
    CHECK_CONTAINS(t->error.message, "no batch");
    MOUV_AUTO_CURSOR mouv_cursor_t *none = mouv_cursor_from_command(t->database, NULL, NULL);
    CHECK_INT(mouv_cursor_next(none, &document, &t->error), MOUV_EINVAL);
    return 0;
}

CASE(server_info_has_the_version) {
    AUTO_BSON *info = NULL;
    bson_iter_t field;
    CHECK_INT(await(t, mouv_client_server_info(t->client, &info)), 0);
    CHECK(find(info, "version", &field) && BSON_ITER_HOLDS_UTF8(&field));
    CHECK(number(info, "versionArray.0") >= 4);
    CHECK_INT(await(t, mouv_client_server_info(NULL, NULL)), MOUV_EINVAL);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_capped_collection_keeps_its_last_documents),
        cmocka_unit_test(a_validator_refuses_and_its_error_says_so),
        cmocka_unit_test(a_time_series_takes_measurements),
        cmocka_unit_test(a_view_is_read_and_cannot_be_written),
        cmocka_unit_test(a_collation_is_the_default_of_its_queries),
        cmocka_unit_test(clustered_collections_and_pre_images_pass_through),
        cmocka_unit_test(creation_options_of_a_wrong_type_are_refused_by_name),
        cmocka_unit_test(list_collections_takes_filters),
        cmocka_unit_test(rename_moves_the_documents),
        cmocka_unit_test(rename_replaces_only_when_told_to),
        cmocka_unit_test(rename_to_a_bad_name_is_refused),
        cmocka_unit_test(a_collection_can_be_asked_for),
        cmocka_unit_test(options_tell_a_collection_from_none),
        cmocka_unit_test(validate_looks_at_the_data),
        cmocka_unit_test(explain_tells_the_plan_and_does_nothing),
        cmocka_unit_test(a_cursor_of_a_command_goes_on_with_get_more),
        cmocka_unit_test(a_cursor_of_a_command_that_is_left_early_is_killed),
        cmocka_unit_test(a_command_without_a_cursor_in_its_reply_makes_none),
        cmocka_unit_test(server_info_has_the_version),
    };
    return RUN_CASES(cases);
}
