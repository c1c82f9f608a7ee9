/*
 * Commands, databases, collections, ping.
 */
#include "support/support.h"

static bool has_name(char **names, const char *name) {
    for (; names && *names; names++) {
        if (strcmp(*names, name) == 0) return true;
    }
    return false;
}

CASE(ping_answers) {
    CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    return 0;
}

CASE(handles_are_interned_and_know_their_names) {
    CHECK(mouv_database_get_collection(t->database, "users") == t->users);
    CHECK(mouv_client_get_collection(t->client, t->database_name, "users") == t->users);
    CHECK(mouv_client_get_database(t->client, t->database_name) == t->database);
    CHECK(mouv_collection_database(t->users) == t->database);
    CHECK(mouv_database_client(t->database) == t->client);
    CHECK_STRING(mouv_collection_name(t->users), "users");
    CHECK_STRING(mouv_database_name(t->database), t->database_name);
    return 0;
}

CASE(command_gives_the_whole_reply) {
    AUTO_BSON *reply = NULL;
    bson_iter_t iter;
    CHECK_INT(insert_numbered(t, 3), 0);
    const bson_t *command = json(t, "{'count': 'users', 'query': {'n': {'$gt': 0}}}");
    const bson_t *opts = json(t, "{'maxTimeMS': 5000, 'readConcern': {'level': 'local'}}");
    CHECK_INT(await(t, mouv_database_command(t->database, command, opts, &reply)), 0);
    CHECK(bson_iter_init_find(&iter, reply, "n") && bson_iter_as_int64(&iter) == 2);
    CHECK(bson_iter_init_find(&iter, reply, "ok") && bson_iter_as_int64(&iter) == 1);
    return 0;
}

CASE(a_refused_command_gives_code_name_and_reply) {
    bson_iter_t iter;
    bson_t *set = (bson_t *)1;
    const bson_t *command = json(t, "{'nope': 1}");
    mouv_future_t future = mouv_database_command(t->database, command, NULL, &set);
    CHECK(set == NULL);
    CHECK_INT(await(t, future), MOUV_ESERVER);
    AUTO_BSON *reply = set;
    CHECK_INT(t->error.server_code, 59);
    CHECK_STRING(t->error.code_name, "CommandNotFound");
    CHECK_CONTAINS(t->error.message, "nope");
    CHECK(reply && bson_iter_init_find(&iter, reply, "code") && bson_iter_as_int64(&iter) == 59);
    return 0;
}

CASE(list_databases_gives_those_that_match) {
    AUTO_BSON *databases = NULL;
    char filter[128];
    bson_iter_t iter, first;
    CHECK_INT(insert_numbered(t, 1), 0);
    snprintf(filter, sizeof filter, "{'filter': {'name': '%s'}}", t->database_name);
    CHECK_INT(await(t, mouv_client_list_databases(t->client, json(t, filter), &databases)), 0);
    CHECK_INT(bson_count_keys(databases), 1);
    CHECK(bson_iter_init(&iter, databases) && bson_iter_find_descendant(&iter, "0.empty", &first));
    CHECK(!bson_iter_bool(&first));
    return 0;
}

CASE(list_database_names_gives_names) {
    char **names = NULL;
    CHECK_INT(insert_numbered(t, 1), 0);
    CHECK_INT(
        await(t, mouv_client_list_database_names(t->client, json(t, "{'nameOnly': true}"), &names)),
        0);
    bool found = has_name(names, t->database_name) && has_name(names, "admin");
    bson_strfreev(names);
    CHECK(found);
    return 0;
}

CASE(list_collections_describes_each) {
    AUTO_BSON *list = NULL;
    bson_iter_t iter, field;
    const bson_t *opts = json(t, "{'capped': true, 'size': 4096, 'max': 10}");
    CHECK_INT(await(t, mouv_database_create_collection(t->database, "log", opts)), 0);
    CHECK_INT(await(t, mouv_database_create_collection(t->database, "users", NULL)), 0);
    const bson_t *filter = json(t, "{'filter': {'name': 'log'}}");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_database_list_collections(t->database, filter);
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 1);
    CHECK(bson_iter_init(&iter, list) &&
          bson_iter_find_descendant(&iter, "0.options.capped", &field));
    CHECK(bson_iter_bool(&field));
    return 0;
}

CASE(list_collection_names_gives_all_over_batches) {
    char **names = NULL;
    int count = 0;
    for (int i = 0; i < 7; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        CHECK_INT(await(t, mouv_database_create_collection(t->database, name, NULL)), 0);
    }
    CHECK_INT(await(t, mouv_database_list_collection_names(t->database, json(t, "{'batchSize': 2}"),
                                                           &names)),
              7);
    while (names[count]) count++;
    bool both = has_name(names, "c0") && has_name(names, "c6");
    bson_strfreev(names);
    CHECK_INT(count, 7);
    CHECK(both);
    return 0;
}

CASE(list_collection_names_of_nothing_is_an_empty_list) {
    char **names = (char **)1;
    mouv_future_t future = mouv_database_list_collection_names(t->database, NULL, &names);
    CHECK(names == NULL);
    CHECK_INT(await(t, future), 0);
    bool empty = names && !names[0];
    bson_strfreev(names);
    CHECK(empty);
    return 0;
}

CASE(create_collection_makes_a_view) {
    int64_t count = 0;
    CHECK_INT(insert_numbered(t, 5), 0);
    const bson_t *opts =
        json(t, "{'viewOn': 'users', 'pipeline': [{'$match': {'n': {'$lt': 2}}}]}");
    CHECK_INT(await(t, mouv_database_create_collection(t->database, "few", opts)), 0);
    mouv_collection_t *few = mouv_database_get_collection(t->database, "few");
    CHECK_INT(await(t, mouv_collection_count_documents(few, json(t, "{}"), NULL, &count)), 0);
    CHECK_INT(count, 2);
    return 0;
}

CASE(creating_a_collection_twice_is_an_error_with_its_name) {
    const bson_t *opts = json(t, "{'capped': true, 'size': 4096}");
    CHECK_INT(await(t, mouv_database_create_collection(t->database, "users", NULL)), 0);
    CHECK_INT(await(t, mouv_database_create_collection(t->database, "users", opts)), MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 48);
    CHECK_STRING(t->error.code_name, "NamespaceExists");
    return 0;
}

CASE(dropping_a_collection_that_is_not_there_is_no_error) {
    int64_t count = -1;
    CHECK_INT(insert_numbered(t, 3), 0);
    CHECK_INT(await(t, mouv_collection_drop(t->users, NULL)), 0);
    CHECK_INT(await(t, mouv_collection_drop(t->users, NULL)), 0);
    CHECK_INT(await(t, mouv_collection_count_documents(t->users, json(t, "{}"), NULL, &count)), 0);
    CHECK_INT(count, 0);
    return 0;
}

CASE(dropping_a_database_takes_its_collections) {
    char **names = NULL;
    CHECK_INT(insert_numbered(t, 3), 0);
    CHECK_INT(await(t, mouv_database_drop(t->database, NULL)), 0);
    CHECK_INT(await(t, mouv_database_list_collection_names(t->database, NULL, &names)), 0);
    bson_strfreev(names);
    return 0;
}

CASE(a_database_can_be_aggregated) {
    AUTO_BSON *list = NULL;
    const bson_t *pipeline =
        json(t, "{'pipeline': [{'$documents': [{'x': 1}, {'x': 2}]}, {'$match': {'x': 2}}]}");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_database_aggregate(t->database, pipeline, NULL);
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 1);
    CHECK_DOCUMENT(list, "{'0': {'x': 2}}");
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(ping_answers),
        cmocka_unit_test(handles_are_interned_and_know_their_names),
        cmocka_unit_test(command_gives_the_whole_reply),
        cmocka_unit_test(a_refused_command_gives_code_name_and_reply),
        cmocka_unit_test(list_databases_gives_those_that_match),
        cmocka_unit_test(list_database_names_gives_names),
        cmocka_unit_test(list_collections_describes_each),
        cmocka_unit_test(list_collection_names_gives_all_over_batches),
        cmocka_unit_test(list_collection_names_of_nothing_is_an_empty_list),
        cmocka_unit_test(create_collection_makes_a_view),
        cmocka_unit_test(creating_a_collection_twice_is_an_error_with_its_name),
        cmocka_unit_test(dropping_a_collection_that_is_not_there_is_no_error),
        cmocka_unit_test(dropping_a_database_takes_its_collections),
        cmocka_unit_test(a_database_can_be_aggregated),
    };
    return RUN_CASES(cases);
}
