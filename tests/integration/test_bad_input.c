/*
 * What is wrong is refused with a message that says so, and nothing is sent or aborted.
 */
#include "support/support.h"

#include <stdlib.h>

static uint64_t sent(test_t *t) {
    mouv_client_stats_t stats;
    mouv_client_get_stats(t->client, &stats);
    return stats.started;
}

#define CHECK_REFUSED(future, part) \
    do { \
        uint64_t before_ = sent(t); \
        CHECK_INT(await(t, (future)), MOUV_EINVAL); \
        CHECK_CONTAINS(t->error.message, (part)); \
        CHECK_INT(sent(t), before_); \
    } while (0)

CASE(null_arguments_are_named) {
    const bson_t *some = json(t, "{'x': 1}"), *update = json(t, "{'$set': {'x': 1}}");
    const bson_t *documents[] = {some, NULL};
    CHECK_REFUSED(mouv_collection_delete_one(t->users, NULL, NULL, NULL), "'filter' is NULL");
    CHECK_REFUSED(mouv_collection_insert_one(t->users, NULL, NULL, NULL), "'document' is NULL");
    CHECK_REFUSED(mouv_collection_insert_many(t->users, documents, 2, NULL, NULL), "documents[1]");
    CHECK_REFUSED(mouv_collection_insert_many(t->users, NULL, 2, NULL, NULL), "documents");
    CHECK_REFUSED(mouv_collection_insert_many(t->users, documents, 0, NULL, NULL), "empty");
    CHECK_REFUSED(mouv_collection_update_one(t->users, NULL, update, NULL, NULL), "'filter'");
    CHECK_REFUSED(mouv_collection_update_one(t->users, some, NULL, NULL, NULL), "'update'");
    CHECK_REFUSED(mouv_collection_replace_one(t->users, some, NULL, NULL, NULL), "'replacement'");
    CHECK_REFUSED(mouv_collection_delete_many(t->users, NULL, NULL, NULL), "'filter'");
    CHECK_REFUSED(mouv_collection_distinct(t->users, NULL, some, NULL, NULL), "'key' is NULL");
    CHECK_REFUSED(mouv_collection_find_one_and_update(t->users, some, NULL, NULL, NULL),
                  "'update'");
    CHECK_REFUSED(mouv_collection_find_one_and_delete(t->users, NULL, NULL, NULL), "'filter'");
    CHECK_REFUSED(mouv_database_command(t->database, NULL, NULL, NULL), "'command' is NULL");
    CHECK_REFUSED(mouv_database_create_collection(t->database, NULL, NULL), "collection name");
    return 0;
}

CASE(null_handles_are_refused) {
    const bson_t *doc, *some = json(t, "{'x': 1}");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(NULL, some, NULL);
    CHECK(cursor != NULL);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), MOUV_EINVAL);
    CHECK_INT(mouv_cursor_next(NULL, &doc, &t->error), MOUV_EINVAL);
    CHECK_REFUSED(mouv_collection_find_one(NULL, some, NULL, NULL), "NULL");
    CHECK_REFUSED(mouv_collection_insert_one(NULL, some, NULL, NULL), "NULL");
    CHECK_REFUSED(mouv_collection_drop(NULL, NULL), "NULL");
    CHECK_REFUSED(mouv_database_command(NULL, some, NULL, NULL), "NULL");
    CHECK_REFUSED(mouv_database_list_collection_names(NULL, NULL, NULL), "NULL");
    CHECK_REFUSED(mouv_client_list_databases(NULL, NULL, NULL), "NULL");
    CHECK_REFUSED(mouv_client_ping(NULL), "NULL");
    return 0;
}

CASE(dropping_nothing_does_nothing) {
    mouv_client_drop(NULL);
    mouv_session_drop(NULL);
    mouv_cursor_drop(NULL);
    mouv_change_stream_drop(NULL);
    mouv_bulk_drop(NULL);
    mouv_gridfs_bucket_drop_ref(NULL);
    mouv_gridfs_upload_drop(NULL);
    mouv_gridfs_download_drop(NULL);
    mouv_topology_description_drop(NULL);
    mouv_as_completed_drop(NULL);
    mouv_future_drop(NULL);
    mouv_bson_drop(NULL);
    CHECK(mouv_client_unref(NULL) == NULL);
    CHECK(mouv_gridfs_bucket_unref(NULL) == NULL);
    CHECK(mouv_gridfs_upload_unref(NULL) == NULL);
    CHECK(mouv_gridfs_download_unref(NULL) == NULL);
    CHECK(mouv_bson_build(NULL, &t->error, "{}") == MOUV_EINVAL);
    return 0;
}

/** {<name>: {"a": {"a": ...}}}, so many documents inside each other */
static const bson_t *nested(test_t *t, const char *name, int depth) {
    bson_t *inner = bson_new();
    for (int i = 1; i < depth; i++) {
        bson_t *outer = bson_new();
        BSON_APPEND_DOCUMENT(outer, "a", inner);
        bson_destroy(inner);
        inner = outer;
    }
    bson_t *document = bson_new();
    BSON_APPEND_DOCUMENT(document, name, inner);
    bson_destroy(inner);
    return keep(t, document);
}

/* 64 KiB is a usual stack of coroutines that are many. */
static int goes_too_deep(void *arg) {
    test_t *t = arg;
    const bson_t *deep = nested(t, "$and", 2000), *some = json(t, "{'x': 1}"), *doc;
    const char *const part = "nested too deeply";
    mouv_index_model_t model = {some, deep};
    CHECK_REFUSED(mouv_collection_find_one(t->users, deep, NULL, NULL), part);
    CHECK_REFUSED(mouv_collection_find_one(t->users, NULL, deep, NULL), part);
    CHECK_REFUSED(mouv_collection_insert_one(t->users, deep, NULL, NULL), part);
    CHECK_REFUSED(mouv_collection_insert_many(t->users, &deep, 1, NULL, NULL), part);
    CHECK_REFUSED(mouv_collection_update_one(t->users, some, deep, NULL, NULL), part);
    CHECK_REFUSED(mouv_collection_replace_one(t->users, some, deep, NULL, NULL), part);
    CHECK_REFUSED(mouv_collection_create_indexes(t->users, &model, 1, NULL, NULL), part);
    CHECK_REFUSED(mouv_database_command(t->database, deep, NULL, NULL), part);
    CHECK_REFUSED(mouv_database_drop(mouv_database_with_options(t->database, deep), NULL), part);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_aggregate(t->users, deep, NULL);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), MOUV_EINVAL);
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = mouv_database_gridfs_bucket(t->database, deep);
    CHECK_REFUSED(mouv_gridfs_drop_future(bucket), part);
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *good = mouv_database_gridfs_bucket(t->database, NULL);
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *upload =
        mouv_gridfs_open_upload_stream(good, "f", nested(t, "metadata", 180));
    CHECK_REFUSED(mouv_gridfs_upload_close_future(upload), part);
    MOUV_AUTO_SESSION mouv_session_t *session =
        mouv_client_start_session(t->client, NULL, &t->error);
    CHECK_INT(mouv_session_advance_cluster_time(session, deep), MOUV_EINVAL);
    return 0;
}

CASE(a_document_that_is_nested_too_deeply_is_refused) {
    mouv_task_opts_t opts = {.stack_size = (size_t)64 * 1024};
    mouv_await(mouv_task_with(goes_too_deep, t, &opts), NULL);
    return 0;
}

CASE(what_the_server_can_store_is_stored) {
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, nested(t, "a", 179), NULL, NULL)), 1);
    CHECK_REFUSED(mouv_collection_insert_one(t->users, nested(t, "a", 180), NULL, NULL), "180");
    const bson_t *opts = nested(t, "comment", 200);
    CHECK_INT(await(t, mouv_collection_find_one(t->users, NULL, opts, NULL)), 1);
    return 0;
}

CASE(null_outputs_are_refused_or_left_out) {
    const bson_t *doc;
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, json(t, "{}"), NULL, NULL)), 1);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(t->users, NULL, NULL);
    CHECK_INT(mouv_cursor_next(cursor, NULL, &t->error), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "'doc' is NULL");
    CHECK_INT(mouv_cursor_try_next(cursor, NULL, &t->error), MOUV_EINVAL);
    CHECK_INT(await(t, mouv_cursor_fetch(cursor)), 1);
    CHECK_INT(mouv_cursor_next_buffered(cursor, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1); /* the refused calls took nothing */
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        mouv_collection_watch(t->users, NULL, NULL);
    CHECK_INT(mouv_change_stream_next(stream, NULL, &t->error), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "'doc' is NULL");
    CHECK_INT(mouv_change_stream_try_next(stream, NULL, &t->error), MOUV_EINVAL);
    CHECK_INT(mouv_change_stream_next_buffered(stream, NULL), MOUV_EINVAL);
    mouv_session_operation_time(NULL, NULL, NULL);
    mouv_client_get_stats(t->client, NULL);
    return 0;
}

CASE(invalid_collection_names_are_refused_at_the_operation) {
    char long_name[300];
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    const char *const names[] = {"", "a$b", ".a", "a.", "a..b", "\xff", long_name, NULL};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        mouv_collection_t *collection = mouv_database_get_collection(t->database, names[i]);
        CHECK(collection != NULL);
        CHECK_REFUSED(mouv_collection_find_one(collection, json(t, "{}"), NULL, NULL),
                      "invalid collection name");
    }
    return 0;
}

CASE(invalid_database_names_are_refused_at_the_operation) {
    char long_name[65];
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    const char *const names[] = {"",     "a b", "a.b",  "a/b",     "a\\b",
                                 "a\"b", "$a",  "\xff", long_name, NULL};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        mouv_collection_t *collection = mouv_client_get_collection(t->client, names[i], "users");
        CHECK(collection != NULL);
        CHECK_REFUSED(mouv_collection_find_one(collection, json(t, "{}"), NULL, NULL),
                      "database name");
    }
    return 0;
}

CASE(an_option_of_the_wrong_type_is_named_with_the_operation) {
    static const char *const rows[][2] = {
        {"{'sort': 1}", "option 'sort': expected a document, got a number"},
        {"{'skip': -1}", "option 'skip': expected a number of 0 or more, got a negative one"},
        {"{'skip': 1.5}", "'skip': expected a number of 0 or more, got one with a fraction"},
        {"{'hint': 5}", "option 'hint': expected a string or a document, got a number"},
        {"{'collation': 'en'}", "option 'collation': expected a document, got a string"},
        {"{'maxTimeMS': '5'}", "option 'maxTimeMS': expected a number of 0 or more, got a string"},
        {"{'readConcern': 'local'}", "option 'readConcern': expected a document, got a string"},
        {"{'readPreference': 'everywhere'}", "readPreference"},
        {"{'readPreference': {'mode': 'primary', 'maxStalenessSeconds': 100}}", "readPreference"},
        {"{'allowDiskUse': 'yes'}", "option 'allowDiskUse': expected true or false, got a string"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const bson_t *opts = json(t, rows[i][0]);
        CHECK_REFUSED(mouv_collection_find_one(t->users, json(t, "{}"), opts, NULL), rows[i][1]);
        CHECK_CONTAINS(t->error.operation, "find mouv_test_");
        CHECK_CONTAINS(t->error.operation, ".users");
    }
    return 0;
}

CASE(options_of_other_operations_are_checked_too) {
    const bson_t *any = json(t, "{}"), *update = json(t, "{'$set': {'x': 1}}");
    CHECK_REFUSED(mouv_collection_update_one(t->users, any, update, json(t, "{'upsert': 1}"), NULL),
                  "option 'upsert': expected true or false, got a number");
    CHECK_REFUSED(
        mouv_collection_update_one(t->users, any, update, json(t, "{'arrayFilters': {}}"), NULL),
        "option 'arrayFilters': expected an array, got a document");
    CHECK_REFUSED(mouv_collection_insert_one(t->users, any, json(t, "{'ordered': 1}"), NULL),
                  "'ordered'");
    CHECK_REFUSED(mouv_collection_delete_one(t->users, any, json(t, "{'writeConcern': 1}"), NULL),
                  "'writeConcern'");
    CHECK_REFUSED(mouv_collection_find_one_and_delete(t->users, any, json(t, "{'sort': []}"), NULL),
                  "'sort'");
    CHECK_REFUSED(mouv_collection_find_one_and_update(t->users, any, update,
                                                      json(t, "{'returnDocument': 'now'}"), NULL),
                  "'returnDocument': expected 'before' or 'after', got 'now'");
    return 0;
}

CASE(a_bad_cursor_says_so_at_its_first_fetch) {
    static const char *const opts[] = {"{'limit': 'x'}", "{'batchSize': -1}", "{'limit': 1.5}"};
    const bson_t *doc;
    for (int i = 0; i < 3; i++) {
        MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
            mouv_collection_find(t->users, json(t, "{}"), json(t, opts[i]));
        CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), MOUV_EINVAL);
        CHECK_CONTAINS(t->error.message, "expected a number");
        CHECK_CONTAINS(t->error.operation, "find mouv_test_");
        CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), MOUV_EINVAL);
        CHECK_CONTAINS(t->error.message, "expected a number");
    }
    return 0;
}

CASE(a_pipeline_of_other_things_than_documents_is_refused) {
    const bson_t *doc;
    MOUV_AUTO_CURSOR mouv_cursor_t *one =
        mouv_collection_aggregate(t->users, json(t, "{'pipeline': [{'$match': {}}, 5]}"), NULL);
    CHECK_INT(mouv_cursor_next(one, &doc, &t->error), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "stage 1: expected a document, got a number");
    MOUV_AUTO_CURSOR mouv_cursor_t *two =
        mouv_collection_aggregate(t->users, json(t, "{'pipeline': 'x'}"), NULL);
    CHECK_INT(mouv_cursor_next(two, &doc, &t->error), MOUV_EINVAL);
    MOUV_AUTO_CURSOR mouv_cursor_t *three = mouv_collection_aggregate(t->users, NULL, NULL);
    CHECK_INT(mouv_cursor_next(three, &doc, &t->error), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "'pipeline' is NULL");
    return 0;
}

CASE(a_document_is_no_pipeline) {
    const bson_t *doc, *stage = json(t, "{'$match': {'x': 1}}");
    MOUV_AUTO_CURSOR mouv_cursor_t *found = mouv_collection_aggregate(t->users, stage, NULL);
    MOUV_AUTO_CURSOR mouv_cursor_t *listed = mouv_database_aggregate(t->database, stage, NULL);
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        mouv_collection_watch(t->users, stage, NULL);
    CHECK_INT(mouv_cursor_next(found, &doc, &t->error), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "expected an array, got a document with '$match'");
    CHECK_INT(mouv_cursor_next(listed, &doc, &t->error), MOUV_EINVAL);
    CHECK_INT(mouv_change_stream_next(stream, &doc, &t->error), MOUV_EINVAL);
    return 0;
}

CASE(updates_need_operators_and_replacements_none) {
    const bson_t *any = json(t, "{}"), *plain = json(t, "{'x': 1}"),
                 *set = json(t, "{'$set': {'x': 1}}");
    const bson_t *mixed = json(t, "{'$set': {'x': 1}, 'y': 1}");
    CHECK_REFUSED(mouv_collection_update_one(t->users, any, plain, NULL, NULL),
                  "'x' is no operator");
    CHECK_REFUSED(mouv_collection_update_many(t->users, any, mixed, NULL, NULL),
                  "'y' is no operator");
    CHECK_REFUSED(mouv_collection_update_one(t->users, any, any, NULL, NULL), "'update' is empty");
    CHECK_REFUSED(mouv_collection_replace_one(t->users, any, set, NULL, NULL), "operator '$set'");
    CHECK_REFUSED(mouv_collection_find_one_and_update(t->users, any, plain, NULL, NULL),
                  "no operator");
    CHECK_REFUSED(mouv_collection_find_one_and_replace(t->users, any, set, NULL, NULL), "operator");
    return 0;
}

CASE(malformed_bson_is_refused) {
    static const uint8_t bytes[] = {14, 0, 0, 0, 2, 'k', 0, 200, 0, 0, 0, 'x', 0, 0};
    bson_t bad;
    CHECK(bson_init_static(&bad, bytes, sizeof bytes));
    const bson_t *any = json(t, "{}");
    CHECK_REFUSED(mouv_collection_find_one(t->users, &bad, NULL, NULL),
                  "'filter' is no valid BSON");
    CHECK_REFUSED(mouv_collection_insert_one(t->users, &bad, NULL, NULL), "'document' is no valid");
    CHECK_REFUSED(mouv_collection_find_one(t->users, any, &bad, NULL), "'opts' is no valid BSON");
    CHECK_REFUSED(mouv_database_command(t->database, &bad, NULL, NULL), "'command' is no valid");
    return 0;
}

CASE(text_that_is_not_utf8_is_refused) {
    AUTO_BSON *key = bson_new(), *value = bson_new();
    bson_append_int32(key, "k\xff", 2, 1);
    bson_append_utf8(value, "k", 1, "v\xff", 2);
    CHECK_REFUSED(mouv_collection_insert_one(t->users, key, NULL, NULL), "a key is not UTF-8");
    CHECK_REFUSED(mouv_collection_insert_one(t->users, value, NULL, NULL), "UTF-8");
    CHECK_REFUSED(mouv_collection_find_one(t->users, value, NULL, NULL), "UTF-8");
    CHECK_REFUSED(mouv_collection_distinct(t->users, "\xff", json(t, "{}"), NULL, NULL), "UTF-8");
    return 0;
}

/* As servers store and give them. */
CASE(empty_keys_are_stored) {
    const bson_t *document = json(t, "{'_id': 1, '': 1, 'a': {'': 2}}");
    AUTO_BSON *found = NULL;
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, document, NULL, NULL)), 1);
    CHECK_INT(await(t, mouv_collection_find_one(t->users, json(t, "{}"), NULL, &found)), 1);
    CHECK(bson_equal(found, document));
    return 0;
}

CASE(a_document_over_16_mb_is_refused_with_its_index) {
    size_t size = 16 * 1024 * 1024;
    char *text = malloc(size + 1);
    memset(text, 'x', size);
    text[size] = '\0';
    AUTO_BSON *large = BCON_NEW("text", BCON_UTF8(text));
    free(text);
    const bson_t *documents[] = {json(t, "{'_id': 0}"), json(t, "{'_id': 1}"), large};
    int64_t count = -1;
    CHECK_REFUSED(mouv_collection_insert_one(t->users, large, NULL, NULL),
                  "more than the limit of 16777216");
    CHECK_REFUSED(mouv_collection_insert_many(t->users, documents, 3, NULL, NULL),
                  "'documents[2]' has 16777");
    CHECK_REFUSED(mouv_collection_find_one(t->users, large, NULL, NULL), "'filter' has 16777");
    CHECK_INT(await(t, mouv_collection_count_documents(t->users, json(t, "{}"), NULL, &count)), 0);
    CHECK_INT(count, 0);
    return 0;
}

CASE(a_command_over_the_limit_is_refused) {
    size_t size = 9 * 1024 * 1024;
    char *text = malloc(size + 1);
    memset(text, 'x', size);
    text[size] = '\0';
    AUTO_BSON *filter = BCON_NEW("text", BCON_UTF8(text));
    AUTO_BSON *update = BCON_NEW("$set", "{", "text", BCON_UTF8(text), "}");
    free(text);
    CHECK_REFUSED(mouv_collection_update_one(t->users, filter, update, NULL, NULL),
                  "the command has");
    return 0;
}

CASE(a_field_that_mouv_does_not_know_is_the_servers_to_judge) {
    const bson_t *opts = json(t, "{'nonsense': 1}");
    CHECK_INT(await(t, mouv_collection_find_one(t->users, json(t, "{}"), opts, NULL)),
              MOUV_ESERVER);
    CHECK_CONTAINS(t->error.message, "nonsense");
    CHECK_CONTAINS(t->error.operation, "find mouv_test_");
    return 0;
}

CASE(a_closed_client_refuses_every_operation) {
    const bson_t *doc, *any = json(t, "{}");
    bson_t *found = NULL;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(t->users, any, NULL);
    CHECK_INT(mouv_client_close(t->client, &t->error), 0);
    CHECK_INT(await(t, mouv_collection_find_one(t->users, any, NULL, &found)), MOUV_ECLOSED);
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, any, NULL, NULL)), MOUV_ECLOSED);
    CHECK_INT(await(t, mouv_client_ping(t->client)), MOUV_ECLOSED);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), MOUV_ECLOSED);
    return 0;
}

CASE(a_cancelled_task_sends_nothing) {
    const bson_t *any = json(t, "{}");
    bson_t *found = NULL;
    CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    uint64_t before = sent(t);
    {
        MOUV_TIMEOUT_SCOPE(expired, 0);
        CHECK_INT(await(t, mouv_collection_insert_one(t->users, any, NULL, NULL)), MOUV_ECANCELED);
        CHECK_INT(await(t, mouv_collection_find_one(t->users, any, NULL, &found)), MOUV_ECANCELED);
        MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(t->users, any, NULL);
        CHECK_INT(await(t, mouv_cursor_fetch(cursor)), MOUV_ECANCELED);
    }
    CHECK_INT(sent(t), before);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(null_arguments_are_named),
        cmocka_unit_test(null_handles_are_refused),
        cmocka_unit_test(dropping_nothing_does_nothing),
        cmocka_unit_test(a_document_that_is_nested_too_deeply_is_refused),
        cmocka_unit_test(what_the_server_can_store_is_stored),
        cmocka_unit_test(null_outputs_are_refused_or_left_out),
        cmocka_unit_test(invalid_collection_names_are_refused_at_the_operation),
        cmocka_unit_test(invalid_database_names_are_refused_at_the_operation),
        cmocka_unit_test(an_option_of_the_wrong_type_is_named_with_the_operation),
        cmocka_unit_test(options_of_other_operations_are_checked_too),
        cmocka_unit_test(a_bad_cursor_says_so_at_its_first_fetch),
        cmocka_unit_test(a_pipeline_of_other_things_than_documents_is_refused),
        cmocka_unit_test(a_document_is_no_pipeline),
        cmocka_unit_test(updates_need_operators_and_replacements_none),
        cmocka_unit_test(malformed_bson_is_refused),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(empty_keys_are_stored),
        cmocka_unit_test(a_document_over_16_mb_is_refused_with_its_index),
        cmocka_unit_test(a_command_over_the_limit_is_refused),
        cmocka_unit_test(a_field_that_mouv_does_not_know_is_the_servers_to_judge),
        cmocka_unit_test(a_closed_client_refuses_every_operation),
        cmocka_unit_test(a_cancelled_task_sends_nothing),
    };
    return RUN_CASES(cases);
}
