/*
 * Finding and counting: find_one, find, aggregate in one batch, counts, distinct.
 */
#include "support/support.h"

CASE(find_one_gives_the_document_that_matches) {
    AUTO_BSON *found = NULL;
    CHECK_INT(insert_numbered(t, 3), 0);
    mouv_future_t future = mouv_collection_find_one(t->users, json(t, "{'_id': 2}"), NULL, &found);
    CHECK_INT(await(t, future), 1);
    CHECK_DOCUMENT(found, "{'_id': 2, 'n': 2}");
    return 0;
}

CASE(find_one_without_match_gives_0_and_null) {
    bson_t *found = (bson_t *)1;
    mouv_future_t future = mouv_collection_find_one(t->users, json(t, "{'_id': 2}"), NULL, &found);
    CHECK(found == NULL); /* set at the call */
    CHECK_INT(await(t, future), 0);
    CHECK(found == NULL);
    return 0;
}

CASE(find_one_without_output_tells_whether_there_is_one) {
    CHECK_INT(insert_numbered(t, 1), 0);
    CHECK_INT(await(t, mouv_collection_find_one(t->users, json(t, "{}"), NULL, NULL)), 1);
    CHECK_INT(await(t, mouv_collection_find_one(t->users, json(t, "{'x': 1}"), NULL, NULL)), 0);
    return 0;
}

CASE(null_filter_reads_everything) {
    AUTO_BSON *values = NULL;
    int64_t count = 0;
    CHECK_INT(insert_numbered(t, 3), 0);
    CHECK_INT(await(t, mouv_collection_find_one(t->users, NULL, NULL, NULL)), 1);
    CHECK_INT(await(t, mouv_collection_count_documents(t->users, NULL, NULL, &count)), 0);
    CHECK_INT(count, 3);
    CHECK_INT(await(t, mouv_collection_distinct(t->users, "n", NULL, NULL, &values)), 0);
    CHECK_INT(bson_count_keys(values), 3);
    return 0;
}

CASE(find_one_takes_sort_skip_and_projection) {
    AUTO_BSON *found = NULL;
    CHECK_INT(insert_numbered(t, 5), 0);
    const bson_t *opts = json(t, "{'sort': {'n': -1}, 'skip': 1, 'projection': {'_id': 0}}");
    CHECK_INT(await(t, mouv_collection_find_one(t->users, json(t, "{}"), opts, &found)), 1);
    CHECK_DOCUMENT(found, "{'n': 3}");
    return 0;
}

CASE(find_one_takes_collation_hint_comment_let_and_read_concern) {
    AUTO_BSON *found = NULL;
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, json(t, "{'_id': 'Ann'}"), NULL, NULL)),
              1);
    const bson_t *opts =
        json(t, "{'collation': {'locale': 'en', 'strength': 1}, 'hint': {'$natural': 1},"
                " 'comment': 'c', 'let': {'who': 'ANN'}, 'maxTimeMS': 5000,"
                " 'readConcern': {'level': 'local'}}");
    const bson_t *filter = json(t, "{'$expr': {'$eq': ['$_id', '$$who']}}");
    CHECK_INT(await(t, mouv_collection_find_one(t->users, filter, opts, &found)), 1);
    CHECK_DOCUMENT(found, "{'_id': 'Ann'}");
    return 0;
}

CASE(find_one_takes_a_read_preference) {
    AUTO_BSON *found = NULL, *again = NULL;
    CHECK_INT(insert_numbered(t, 1), 0);
    const bson_t *name = json(t, "{'readPreference': 'primaryPreferred'}");
    const bson_t *document = json(t, "{'readPreference': {'mode': 'nearest', 'tags': [{}]}}");
    CHECK_INT(await(t, mouv_collection_find_one(t->users, json(t, "{}"), name, &found)), 1);
    CHECK_INT(await(t, mouv_collection_find_one(t->users, json(t, "{}"), document, &again)), 1);
    return 0;
}

CASE(inputs_are_copied_at_the_call) {
    AUTO_BSON *found = NULL;
    CHECK_INT(insert_numbered(t, 2), 0);
    bson_t *filter = BCON_NEW("_id", BCON_INT32(1));
    bson_t *opts = BCON_NEW("projection", "{", "n", BCON_INT32(0), "}");
    mouv_future_t future = mouv_collection_find_one(t->users, filter, opts, &found);
    bson_destroy(filter);
    bson_destroy(opts);
    CHECK_INT(await(t, future), 1);
    CHECK_DOCUMENT(found, "{'_id': 1}");
    return 0;
}

CASE(outputs_are_given_by_the_await_and_not_before) {
    AUTO_BSON *found = NULL;
    CHECK_INT(insert_numbered(t, 1), 0);
    mouv_future_t future = mouv_collection_find_one(t->users, json(t, "{}"), NULL, &found);
    while (!mouv_future_done(future)) mouv_sleep_ms(1);
    CHECK(found == NULL);
    CHECK_INT(await(t, future), 1);
    CHECK_DOCUMENT(found, "{'_id': 0, 'n': 0}");
    return 0;
}

CASE(a_future_that_nobody_awaits_writes_nowhere) {
    bson_t *found = NULL;
    CHECK_INT(insert_numbered(t, 1), 0);
    mouv_future_unref(mouv_collection_find_one(t->users, json(t, "{}"), NULL, &found));
    mouv_sleep_ms(50);
    CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    CHECK(found == NULL);
    return 0;
}

CASE(gathered_operations_give_all_their_results) {
    AUTO_BSON *one = NULL, *two = NULL;
    int64_t count = -1;
    CHECK_INT(insert_numbered(t, 7), 0);
    mouv_future_t all =
        mouv_gather(mouv_collection_find_one(t->users, json(t, "{'_id': 1}"), NULL, &one),
                    mouv_collection_find_one(t->users, json(t, "{'_id': 2}"), NULL, &two),
                    mouv_collection_count_documents(t->users, json(t, "{}"), NULL, &count));
    CHECK_INT(await(t, all), 0);
    CHECK_DOCUMENT(one, "{'_id': 1, 'n': 1}");
    CHECK_DOCUMENT(two, "{'_id': 2, 'n': 2}");
    CHECK_INT(count, 7);
    return 0;
}

CASE(find_with_limit_and_skip_gives_those) {
    AUTO_BSON *list = NULL;
    CHECK_INT(insert_numbered(t, 10), 0);
    const bson_t *opts =
        json(t, "{'sort': {'_id': 1}, 'skip': 2, 'limit': 2, 'projection': {'_id': 1}}");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(t->users, json(t, "{}"), opts);
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 2);
    CHECK_DOCUMENT(list, "{'0': {'_id': 2}, '1': {'_id': 3}}");
    return 0;
}

CASE(aggregate_takes_an_array_or_a_document_with_a_pipeline) {
    static const char *const pipelines[] = {
        "{'0': {'$match': {'n': {'$gt': 2}}}, '1': {'$count': 'many'}}",
        "{'pipeline': [{'$match': {'n': {'$gt': 2}}}, {'$count': 'many'}]}",
    };
    CHECK_INT(insert_numbered(t, 5), 0);
    for (int i = 0; i < 2; i++) {
        AUTO_BSON *list = NULL;
        MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
            mouv_collection_aggregate(t->users, json(t, pipelines[i]), NULL);
        CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 1);
        CHECK_DOCUMENT(list, "{'0': {'many': 2}}");
    }
    return 0;
}

CASE(aggregate_with_out_fills_the_other_collection_and_ends) {
    static const char *const stages[] = {"{'$out': 'copy'}", "{'$merge': {'into': 'merged'}}"};
    static const char *const targets[] = {"copy", "merged"};
    CHECK_INT(insert_numbered(t, 5), 0);
    for (int i = 0; i < 2; i++) {
        char pipeline[128];
        int64_t count = 0;
        const bson_t *doc;
        snprintf(pipeline, sizeof pipeline, "{'pipeline': [{'$match': {}}, %s]}", stages[i]);
        MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_aggregate(
            t->users, json(t, pipeline), json(t, "{'batchSize': 0, 'readPreference': 'nearest'}"));
        CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 0);
        mouv_collection_t *target = mouv_database_get_collection(t->database, targets[i]);
        CHECK_INT(await(t, mouv_collection_count_documents(target, json(t, "{}"), NULL, &count)),
                  0);
        CHECK_INT(count, 5);
    }
    return 0;
}

CASE(count_documents_counts_the_matches) {
    int64_t count = -1;
    CHECK_INT(insert_numbered(t, 10), 0);
    const bson_t *filter = json(t, "{'n': {'$gte': 4}}");
    CHECK_INT(await(t, mouv_collection_count_documents(t->users, filter, NULL, &count)), 0);
    CHECK_INT(count, 6);
    const bson_t *opts = json(t, "{'skip': 1, 'limit': 3, 'hint': '_id_'}");
    CHECK_INT(await(t, mouv_collection_count_documents(t->users, filter, opts, &count)), 0);
    CHECK_INT(count, 3);
    return 0;
}

CASE(count_documents_without_a_match_is_0) {
    int64_t count = -1;
    CHECK_INT(await(t, mouv_collection_count_documents(t->users, json(t, "{}"), NULL, &count)), 0);
    CHECK_INT(count, 0);
    return 0;
}

CASE(estimated_document_count_counts_all) {
    int64_t count = -1;
    CHECK_INT(insert_numbered(t, 10), 0);
    CHECK_INT(await(t, mouv_collection_estimated_document_count(t->users, NULL, &count)), 0);
    CHECK_INT(count, 10);
    return 0;
}

CASE(distinct_gives_each_value_once) {
    AUTO_BSON *values = NULL;
    const bson_t *documents[] = {json(t, "{'city': 'Rome'}"), json(t, "{'city': 'Bonn'}"),
                                 json(t, "{'city': 'Rome'}"), json(t, "{'city': 'Oslo', 'x': 1}")};
    CHECK_INT(await(t, mouv_collection_insert_many(t->users, documents, 4, NULL, NULL)), 4);
    const bson_t *filter = json(t, "{'x': null}");
    CHECK_INT(await(t, mouv_collection_distinct(t->users, "city", filter, NULL, &values)), 0);
    CHECK_DOCUMENT(values, "{'0': 'Bonn', '1': 'Rome'}");
    return 0;
}

CASE(distinct_without_a_match_is_an_empty_array) {
    AUTO_BSON *values = NULL;
    CHECK_INT(await(t, mouv_collection_distinct(t->users, "x", json(t, "{}"), NULL, &values)), 0);
    CHECK_DOCUMENT(values, "{}");
    return 0;
}

CASE(a_document_of_16_mb_comes_back_whole) {
    AUTO_BSON *found = NULL;
    size_t size = 16 * 1024 * 1024 - 100;
    char *text = malloc(size + 1);
    memset(text, 'x', size);
    text[size] = '\0';
    bson_t *large = BCON_NEW("_id", BCON_INT32(1), "text", BCON_UTF8(text));
    free(text);
    mouv_future_t future = mouv_collection_insert_one(t->users, large, NULL, NULL);
    int rc = await(t, future);
    bool same = rc == 1 &&
                await(t, mouv_collection_find_one(t->users, json(t, "{}"), NULL, &found)) == 1 &&
                bson_equal(found, large);
    bson_destroy(large);
    CHECK(same);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(find_one_gives_the_document_that_matches),
        cmocka_unit_test(find_one_without_match_gives_0_and_null),
        cmocka_unit_test(find_one_without_output_tells_whether_there_is_one),
        cmocka_unit_test(null_filter_reads_everything),
        cmocka_unit_test(find_one_takes_sort_skip_and_projection),
        cmocka_unit_test(find_one_takes_collation_hint_comment_let_and_read_concern),
        cmocka_unit_test(find_one_takes_a_read_preference),
        cmocka_unit_test(inputs_are_copied_at_the_call),
        cmocka_unit_test(outputs_are_given_by_the_await_and_not_before),
        cmocka_unit_test(a_future_that_nobody_awaits_writes_nowhere),
        cmocka_unit_test(gathered_operations_give_all_their_results),
        cmocka_unit_test(find_with_limit_and_skip_gives_those),
        cmocka_unit_test(aggregate_takes_an_array_or_a_document_with_a_pipeline),
        cmocka_unit_test(aggregate_with_out_fills_the_other_collection_and_ends),
        cmocka_unit_test(count_documents_counts_the_matches),
        cmocka_unit_test(count_documents_without_a_match_is_0),
        cmocka_unit_test(estimated_document_count_counts_all),
        cmocka_unit_test(distinct_gives_each_value_once),
        cmocka_unit_test(distinct_without_a_match_is_an_empty_array),
        cmocka_unit_test(a_document_of_16_mb_comes_back_whole),
    };
    return RUN_CASES(cases);
}
