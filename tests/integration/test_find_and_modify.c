/*
 * find_one_and_update, _replace and _delete.
 */
#include "support/support.h"

CASE(update_gives_the_document_as_it_was) {
    AUTO_BSON *found = NULL;
    CHECK_INT(insert_numbered(t, 2), 0);
    const bson_t *filter = json(t, "{'_id': 1}"), *update = json(t, "{'$inc': {'n': 1}}");
    CHECK_INT(await(t, mouv_collection_find_one_and_update(t->users, filter, update, NULL, &found)),
              1);
    CHECK_DOCUMENT(found, "{'_id': 1, 'n': 1}");
    return 0;
}

CASE(update_gives_the_document_as_it_is_when_asked_for) {
    static const char *const ways[] = {"{'returnDocument': 'after'}", "{'new': true}",
                                       "{'returnDocument': 'before'}"};
    CHECK_INT(insert_numbered(t, 1), 0);
    for (int i = 0; i < 3; i++) {
        AUTO_BSON *found = NULL;
        const bson_t *update = json(t, "{'$inc': {'n': 1}}");
        CHECK_INT(await(t, mouv_collection_find_one_and_update(t->users, json(t, "{}"), update,
                                                               json(t, ways[i]), &found)),
                  1);
        CHECK_DOCUMENT(found, i == 0 ? "{'_id': 0, 'n': 1}" : "{'_id': 0, 'n': 2}");
    }
    return 0;
}

CASE(without_a_match_there_is_no_document) {
    bson_t *found = (bson_t *)1;
    const bson_t *filter = json(t, "{'_id': 1}"), *update = json(t, "{'$inc': {'n': 1}}");
    mouv_future_t future =
        mouv_collection_find_one_and_update(t->users, filter, update, NULL, &found);
    CHECK(found == NULL);
    CHECK_INT(await(t, future), 0);
    CHECK_INT(await(t, mouv_collection_find_one_and_delete(t->users, filter, NULL, &found)), 0);
    CHECK(found == NULL);
    return 0;
}

CASE(upsert_makes_the_document) {
    AUTO_BSON *before = NULL, *after = NULL;
    const bson_t *update = json(t, "{'$set': {'n': 1}}");
    CHECK_INT(await(t, mouv_collection_find_one_and_update(t->users, json(t, "{'_id': 1}"), update,
                                                           json(t, "{'upsert': true}"), &before)),
              0);
    CHECK_INT(await(t, mouv_collection_find_one_and_update(
                           t->users, json(t, "{'_id': 2}"), update,
                           json(t, "{'upsert': true, 'returnDocument': 'after'}"), &after)),
              1);
    CHECK_DOCUMENT(after, "{'_id': 2, 'n': 1}");
    return 0;
}

CASE(sort_and_projection_choose_the_document_and_its_fields) {
    AUTO_BSON *one = NULL, *two = NULL;
    CHECK_INT(insert_numbered(t, 3), 0);
    const bson_t *update = json(t, "{'$set': {'seen': true}}");
    CHECK_INT(await(t, mouv_collection_find_one_and_update(
                           t->users, json(t, "{}"), update,
                           json(t, "{'sort': {'n': -1}, 'projection': {'_id': 0}}"), &one)),
              1);
    CHECK_DOCUMENT(one, "{'n': 2}");
    CHECK_INT(await(t, mouv_collection_find_one_and_update(
                           t->users, json(t, "{}"), update,
                           json(t, "{'sort': {'n': 1}, 'fields': {'n': 0}}"), &two)),
              1);
    CHECK_DOCUMENT(two, "{'_id': 0}");
    return 0;
}

CASE(update_takes_array_filters_and_a_pipeline) {
    AUTO_BSON *one = NULL, *two = NULL;
    const bson_t *document = json(t, "{'_id': 1, 'grades': [1, 9]}");
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, document, NULL, NULL)), 1);
    CHECK_INT(await(t, mouv_collection_find_one_and_update(
                           t->users, json(t, "{}"), json(t, "{'$set': {'grades.$[high]': 5}}"),
                           json(t, "{'arrayFilters': [{'high': {'$gt': 4}}], 'new': true,"
                                   " 'hint': '_id_'}"),
                           &one)),
              1);
    CHECK_DOCUMENT(one, "{'_id': 1, 'grades': [1, 5]}");
    CHECK_INT(await(t, mouv_collection_find_one_and_update(t->users, json(t, "{}"),
                                                           json(t, "{'0': {'$unset': 'grades'}}"),
                                                           json(t, "{'new': true}"), &two)),
              1);
    CHECK_DOCUMENT(two, "{'_id': 1}");
    return 0;
}

CASE(replace_puts_another_document_in_its_place) {
    AUTO_BSON *found = NULL;
    CHECK_INT(insert_numbered(t, 1), 0);
    CHECK_INT(await(t, mouv_collection_find_one_and_replace(
                           t->users, json(t, "{}"), json(t, "{'name': 'Ann'}"),
                           json(t, "{'returnDocument': 'after'}"), &found)),
              1);
    CHECK_DOCUMENT(found, "{'_id': 0, 'name': 'Ann'}");
    return 0;
}

CASE(delete_gives_what_it_deleted) {
    AUTO_BSON *found = NULL;
    int64_t count = -1;
    CHECK_INT(insert_numbered(t, 2), 0);
    CHECK_INT(await(t, mouv_collection_find_one_and_delete(t->users, json(t, "{}"),
                                                           json(t, "{'sort': {'n': -1}}"), &found)),
              1);
    CHECK_DOCUMENT(found, "{'_id': 1, 'n': 1}");
    CHECK_INT(await(t, mouv_collection_count_documents(t->users, json(t, "{}"), NULL, &count)), 0);
    CHECK_INT(count, 1);
    return 0;
}

CASE(a_duplicate_key_is_recognised_and_gives_no_document) {
    bson_t *found = NULL;
    CHECK_INT(insert_numbered(t, 1), 0);
    const bson_t *index = json(t, "{'createIndexes': 'users', 'indexes':"
                                  " [{'key': {'n': 1}, 'name': 'n', 'unique': true}]}");
    CHECK_INT(await(t, mouv_database_command(t->database, index, NULL, NULL)), 0);
    CHECK_INT(await(t, mouv_collection_find_one_and_update(t->users, json(t, "{'_id': 7}"),
                                                           json(t, "{'$set': {'n': 0}}"),
                                                           json(t, "{'upsert': true}"), &found)),
              MOUV_ESERVER);
    CHECK(mouv_error_is_duplicate_key(&t->error));
    CHECK_STRING(t->error.code_name, "DuplicateKey");
    CHECK(found == NULL);
    return 0;
}

CASE(the_whole_reply_says_whether_it_was_upserted) {
    AUTO_BSON *made = NULL, *changed = NULL, *none = NULL;
    const bson_t *filter = json(t, "{'_id': 7}"), *update = json(t, "{'$inc': {'n': 1}}");
    const bson_t *upsert = json(t, "{'includeResultMetadata': true, 'upsert': true}");
    const bson_t *whole = json(t, "{'includeResultMetadata': true}");
    mouv_collection_t *users = t->users;
    CHECK_INT(await(t, mouv_collection_find_one_and_update(users, filter, update, upsert, &made)),
              0);
    CHECK_INT(mouv_bson_int32_or(made, "lastErrorObject.upserted", -1), 7);
    CHECK(!mouv_bson_bool_or(made, "lastErrorObject.updatedExisting", true));
    CHECK_INT(
        await(t, mouv_collection_find_one_and_update(users, filter, update, upsert, &changed)), 1);
    CHECK(mouv_bson_bool_or(changed, "lastErrorObject.updatedExisting", false));
    CHECK_INT(mouv_bson_int32_or(changed, "value.n", -1), 1);
    filter = json(t, "{'_id': 8}");
    CHECK_INT(await(t, mouv_collection_find_one_and_delete(users, filter, whole, &none)), 0);
    CHECK_INT(mouv_bson_int32_or(none, "lastErrorObject.n", -1), 0);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(update_gives_the_document_as_it_was),
        cmocka_unit_test(update_gives_the_document_as_it_is_when_asked_for),
        cmocka_unit_test(without_a_match_there_is_no_document),
        cmocka_unit_test(upsert_makes_the_document),
        cmocka_unit_test(sort_and_projection_choose_the_document_and_its_fields),
        cmocka_unit_test(update_takes_array_filters_and_a_pipeline),
        cmocka_unit_test(replace_puts_another_document_in_its_place),
        cmocka_unit_test(delete_gives_what_it_deleted),
        cmocka_unit_test(the_whole_reply_says_whether_it_was_upserted),
        cmocka_unit_test(a_duplicate_key_is_recognised_and_gives_no_document),
    };
    return RUN_CASES(cases);
}
