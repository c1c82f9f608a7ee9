/*
 * Indexes: making, naming, listing, dropping.
 */
#include "support/support.h"

static bool has_field(const bson_t *document, const char *path) {
    bson_iter_t iter, field;
    return document && bson_iter_init(&iter, document) &&
           bson_iter_find_descendant(&iter, path, &field);
}

/** Makes an index and says its name, which lives as long as the case. */
static int make(test_t *t, const char *keys, const char *index_opts, char name[64]) {
    char *given = NULL;
    int rc = await(t, mouv_collection_create_index(t->users, json(t, keys),
                                                   index_opts ? json(t, index_opts) : NULL, NULL,
                                                   &given));
    snprintf(name, 64, "%s", given ? given : "");
    bson_free(given);
    return rc;
}

CASE(names_are_made_as_drivers_do) {
    static const char *const expected[][2] = {
        {"{'field': 1, 'other': -1}", "field_1_other_-1"},
        {"{'a.b': 1.0}", "a.b_1"},
        {"{'text': 'text'}", "text_text"},
        {"{'at': '2dsphere', 'n': {'$numberLong': '1'}}", "at_2dsphere_n_1"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        char *name = mouv_index_name(json(t, expected[i][0]));
        bool equal = name && strcmp(name, expected[i][1]) == 0;
        bson_free(name);
        CHECK(equal);
    }
    CHECK(mouv_index_name(json(t, "{}")) == NULL);
    CHECK(mouv_index_name(json(t, "{'a': true}")) == NULL);
    CHECK(mouv_index_name(NULL) == NULL);
    return 0;
}

CASE(create_index_gives_its_name) {
    char name[64];
    CHECK_INT(make(t, "{'age': 1, 'name': -1}", NULL, name), 0);
    CHECK_STRING(name, "age_1_name_-1");
    CHECK_INT(make(t, "{'age': 1, 'name': -1}", NULL, name), 0); /* it is there already */
    CHECK_INT(make(t, "{'mail': 1}", "{'name': 'by_mail', 'unique': true}", name), 0);
    CHECK_STRING(name, "by_mail");
    return 0;
}

CASE(a_unique_index_is_unique) {
    char name[64];
    CHECK_INT(make(t, "{'mail': 1}", "{'unique': true}", name), 0);
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, json(t, "{'mail': 1}"), NULL, NULL)),
              1);
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, json(t, "{'mail': 1}"), NULL, NULL)),
              MOUV_ESERVER);
    CHECK(mouv_error_is_duplicate_key(&t->error));
    return 0;
}

CASE(create_indexes_makes_all_in_one_command) {
    char **names = NULL;
    const mouv_index_model_t models[] = {
        {json(t, "{'a': 1}"), NULL},
        {json(t, "{'b': 'hashed'}"), NULL},
        {json(t, "{'at': 1}"), json(t, "{'expireAfterSeconds': 60, 'name': 'old'}")},
        {json(t, "{'c': 1}"), json(t, "{'partialFilterExpression': {'c': {'$gt': 5}}, "
                                      "'collation': {'locale': 'de'}}")},
    };
    const bson_t *opts = json(t, "{'commitQuorum': 1, 'comment': 'c', 'maxTimeMS': 5000}");
    CHECK_INT(await(t, mouv_collection_create_indexes(t->users, models, 4, opts, &names)), 0);
    bool right = strcmp(names[0], "a_1") == 0 && strcmp(names[1], "b_hashed") == 0 &&
                 strcmp(names[2], "old") == 0 && strcmp(names[3], "c_1") == 0 && !names[4];
    bson_strfreev(names);
    CHECK(right);
    return 0;
}

CASE(what_cannot_be_an_index_is_refused) {
    char name[64], **names = (char **)1;
    CHECK_INT(make(t, "{}", NULL, name), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "'keys'");
    CHECK_INT(make(t, "{'a': true}", NULL, name), MOUV_EINVAL);
    CHECK_INT(make(t, "{'a': 1}", "{'name': 5}", name), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "'name'");
    CHECK_INT(await(t, mouv_collection_create_index(t->users, NULL, NULL, NULL, NULL)),
              MOUV_EINVAL);
    CHECK_INT(await(t, mouv_collection_create_indexes(t->users, NULL, 0, NULL, &names)),
              MOUV_EINVAL);
    CHECK(names == NULL);
    CHECK_INT(await(t, mouv_collection_create_index(NULL, json(t, "{'a': 1}"), NULL, NULL, NULL)),
              MOUV_EINVAL);
    CHECK_INT(make(t, "{'a': 'nonsense'}", NULL, name), MOUV_ESERVER);
    CHECK_STRING(name, "");
    return 0;
}

CASE(an_index_with_other_options_is_a_conflict) {
    char name[64];
    CHECK_INT(make(t, "{'a': 1}", NULL, name), 0);
    CHECK_INT(make(t, "{'a': 1}", "{'unique': true}", name), MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 86);
    CHECK_INT(make(t, "{'a': 1}", "{'name': 'other'}", name), MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 85);
    return 0;
}

CASE(list_indexes_gives_each_over_batches) {
    AUTO_BSON *list = NULL;
    char name[64];
    CHECK_INT(make(t, "{'a': 1}", NULL, name), 0);
    CHECK_INT(make(t, "{'b': 1}", NULL, name), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_list_indexes(t->users, json(t, "{'batchSize': 1}"));
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 3);
    CHECK(has_field(list, "0.key._id"));
    CHECK(has_field(list, "2.key.b"));
    return 0;
}

CASE(indexes_of_no_collection_are_none) {
    AUTO_BSON *list = NULL;
    AUTO_BSON *information = NULL;
    const bson_t *document;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_list_indexes(t->users, NULL);
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 0);
    CHECK_INT(mouv_cursor_next(cursor, &document, &t->error), 0);
    CHECK_INT(await(t, mouv_collection_index_information(t->users, NULL, &information)), 0);
    CHECK_DOCUMENT(information, "{}");
    CHECK_INT(await(t, mouv_collection_drop_index(t->users, "a_1", NULL)), 0);
    CHECK_INT(await(t, mouv_collection_drop_indexes(t->users, NULL)), 0);
    return 0;
}

CASE(index_information_is_by_name) {
    AUTO_BSON *information = NULL;
    char name[64];
    CHECK_INT(make(t, "{'mail': 1}", "{'unique': true}", name), 0);
    CHECK_INT(await(t, mouv_collection_index_information(t->users, NULL, &information)), 0);
    CHECK_DOCUMENT(information, "{'_id_': {'v': 2, 'key': {'_id': 1}}, "
                                "'mail_1': {'v': 2, 'key': {'mail': 1}, 'unique': true}}");
    return 0;
}

CASE(drop_index_drops_one_and_drop_indexes_the_rest) {
    AUTO_BSON *information = NULL;
    AUTO_BSON *rest = NULL;
    char name[64];
    CHECK_INT(make(t, "{'a': 1}", NULL, name), 0);
    CHECK_INT(make(t, "{'b': 1}", NULL, name), 0);
    CHECK_INT(make(t, "{'c': 1}", NULL, name), 0);
    CHECK_INT(await(t, mouv_collection_drop_index(t->users, "b_1", NULL)), 0);
    CHECK_INT(await(t, mouv_collection_index_information(t->users, NULL, &information)), 0);
    CHECK(has_field(information, "a_1") && !has_field(information, "b_1"));
    CHECK_INT(await(t, mouv_collection_drop_indexes(t->users, NULL)), 0);
    CHECK_INT(await(t, mouv_collection_index_information(t->users, NULL, &rest)), 0);
    CHECK_INT(bson_count_keys(rest), 1);
    return 0;
}

CASE(dropping_what_is_not_there_or_everything_by_star_fails) {
    char name[64];
    CHECK_INT(make(t, "{'a': 1}", NULL, name), 0);
    CHECK_INT(await(t, mouv_collection_drop_index(t->users, "nope", NULL)), MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 27);
    CHECK_INT(await(t, mouv_collection_drop_index(t->users, "*", NULL)), MOUV_EINVAL);
    CHECK_INT(await(t, mouv_collection_drop_index(t->users, NULL, NULL)), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "'index' is NULL");
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(names_are_made_as_drivers_do),
        cmocka_unit_test(create_index_gives_its_name),
        cmocka_unit_test(a_unique_index_is_unique),
        cmocka_unit_test(create_indexes_makes_all_in_one_command),
        cmocka_unit_test(what_cannot_be_an_index_is_refused),
        cmocka_unit_test(an_index_with_other_options_is_a_conflict),
        cmocka_unit_test(list_indexes_gives_each_over_batches),
        cmocka_unit_test(indexes_of_no_collection_are_none),
        cmocka_unit_test(index_information_is_by_name),
        cmocka_unit_test(drop_index_drops_one_and_drop_indexes_the_rest),
        cmocka_unit_test(dropping_what_is_not_there_or_everything_by_star_fails),
    };
    return RUN_CASES(cases);
}
