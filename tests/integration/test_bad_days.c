/*
 * Bad days against the real server: replies that are too large, writes of which one is bad,
 * options of the wrong type in every operation, and documents with odd keys and texts.
 */
#include "support/support.h"

#include <stdlib.h>

static int count(test_t *t, const char *filter) {
    int64_t number = -1;
    await(t, mouv_collection_count_documents(t->users, json(t, filter), NULL, &number));
    return (int)number;
}

static int64_t number(const bson_t *reply, const char *path) {
    int64_t value = -1;
    mouv_error_t error;
    return reply && mouv_bson_get_int64(reply, path, &value, &error) == 0 ? value : -1;
}

/* --- One of a thousand ----------------------------------------------------------------------- */

/** Inserts 0 to 999 in one bulk while 500 is there already. */
static int bulk_with_a_duplicate(test_t *t, bool ordered, bson_t **reply) {
    mouv_bulk_t *bulk = mouv_collection_create_bulk(
        t->users, json(t, ordered ? "{'ordered': true}" : "{'ordered': false}"));
    int rc = 0;
    for (int i = 0; i < 1000 && rc >= 0; i++) {
        bson_t *document = BCON_NEW("_id", BCON_INT32(i));
        rc = mouv_bulk_insert_one(bulk, document, NULL, &t->error);
        bson_destroy(document);
    }
    if (rc >= 0) rc = await(t, mouv_bulk_execute(bulk, reply));
    mouv_bulk_unref(bulk);
    return rc;
}

CASE(one_of_a_thousand_in_order_says_how_far_it_got) {
    AUTO_BSON *reply = NULL;
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, json(t, "{'_id': 500}"), NULL, NULL)),
              1);
    CHECK_INT(bulk_with_a_duplicate(t, true, &reply), MOUV_ESERVER);
    CHECK(mouv_error_is_duplicate_key(&t->error));
    CHECK_INT(number(reply, "insertedCount"), 500);
    CHECK_INT(number(reply, "writeErrors.0.index"), 500);
    CHECK_INT(count(t, "{}"), 501);
    return 0;
}

CASE(one_of_a_thousand_without_order_leaves_the_others) {
    AUTO_BSON *reply = NULL;
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, json(t, "{'_id': 500}"), NULL, NULL)),
              1);
    CHECK_INT(bulk_with_a_duplicate(t, false, &reply), MOUV_ESERVER);
    CHECK(mouv_error_is_duplicate_key(&t->error));
    CHECK_INT(number(reply, "insertedCount"), 999);
    CHECK_INT(number(reply, "writeErrors.0.index"), 500);
    CHECK_INT(number(reply, "writeErrors.1.index"), -1);
    CHECK_INT(count(t, "{}"), 1000);
    return 0;
}

/* --- Too much -------------------------------------------------------------------------------- */

/** Inserts documents {_id: i, text: a text of so many bytes that begins with i}. */
static int insert_large(test_t *t, int documents, size_t bytes) {
    char *text = malloc(bytes + 1);
    int rc = 1;
    memset(text, 'x', bytes);
    text[bytes] = '\0';
    for (int i = 0; i < documents && rc == 1; i++) {
        snprintf(text, bytes, "%06d", i);
        text[6] = 'x';
        bson_t *document = BCON_NEW("_id", BCON_INT32(i), "text", BCON_UTF8(text));
        rc = await(t, mouv_collection_insert_one(t->users, document, NULL, NULL));
        bson_destroy(document);
    }
    free(text);
    return rc == 1 ? 0 : -1;
}

CASE(a_reply_over_16_mb_is_the_servers_error) {
    AUTO_BSON *values = NULL;
    const bson_t *doc;
    CHECK_INT(insert_large(t, 18, 1 << 20), 0);
    CHECK_INT(await(t, mouv_collection_distinct(t->users, "text", NULL, NULL, &values)),
              MOUV_ESERVER);
    CHECK_CONTAINS(t->error.message, "16mb");
    CHECK_CONTAINS(t->error.operation, "distinct mouv_test_");
    CHECK(values == NULL);
    const bson_t *group = json(t, "{'pipeline': [{'$group': {'_id': 1, 'all': {'$push': '$text'}}},"
                                  " {'$sort': {'_id': 1}}]}");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_aggregate(t->users, group, NULL);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 10334);
    CHECK_STRING(t->error.code_name, "BSONObjectTooLarge");
    CHECK_CONTAINS(t->error.operation, "aggregate mouv_test_");
    return 0;
}

/** What becomes too large only as a message: servers of 6.0 hang up then, and do so again. */
CASE(a_reply_that_the_server_cannot_send_leaves_the_client_alive) {
    const bson_t *doc;
    CHECK_INT(insert_large(t, 18, 1 << 20), 0);
    const bson_t *group =
        json(t, "{'pipeline': [{'$group': {'_id': 1, 'all': {'$push': '$text'}}}]}");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_aggregate(t->users, group, NULL);
    int rc = mouv_cursor_next(cursor, &doc, &t->error);
    CHECK(rc == MOUV_ENETWORK || rc == MOUV_ESERVER);
    CHECK_CONTAINS(t->error.operation, "aggregate mouv_test_");
    CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    return 0;
}

/* The largest document there can be: 16 MiB with its _id, key and length. */
#define LARGEST (16 * 1024 * 1024 - 64)

CASE(documents_near_16_mb_come_one_a_batch) {
    const bson_t *doc;
    int rc, next = 0;
    CHECK_INT(insert_large(t, 4, LARGEST), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(t->users, NULL, json(t, "{'sort': {'_id': 1}, 'batchSize': 1000}"));
    while ((rc = mouv_cursor_next(cursor, &doc, &t->error)) > 0) {
        CHECK_INT(number(doc, "_id"), next++);
        CHECK(doc->len > LARGEST);
    }
    CHECK_INT(rc, 0);
    CHECK_INT(next, 4);
    return 0;
}

CASE(a_document_that_grows_over_16_mb_is_the_servers_error) {
    CHECK_INT(insert_large(t, 1, LARGEST), 0);
    const bson_t *twice = json(t, "{'0': {'$set': {'more': '$text'}}}");
    CHECK_INT(
        await(t, mouv_collection_update_one(t->users, json(t, "{'_id': 0}"), twice, NULL, NULL)),
        MOUV_ESERVER);
    CHECK(t->error.server_code == 10334 || t->error.server_code == 17419);
    CHECK_CONTAINS(t->error.operation, "update mouv_test_");
    return 0;
}

/* --- Options of the wrong type, everywhere ---------------------------------------------------- */

typedef mouv_future_t (*call_t)(test_t *t, const bson_t *opts);

#define CALL(name, expression) \
    static mouv_future_t name(test_t *t, const bson_t *opts) { \
        return expression; \
    }

#define ANY json(t, "{'a': 1}")
#define SET json(t, "{'$set': {'a': 1}}")

CALL(find_one, mouv_collection_find_one(t->users, ANY, opts, NULL))
CALL(update_one, mouv_collection_update_one(t->users, ANY, SET, opts, NULL))
CALL(update_many, mouv_collection_update_many(t->users, ANY, SET, opts, NULL))
CALL(replace_one, mouv_collection_replace_one(t->users, ANY, ANY, opts, NULL))
CALL(delete_one, mouv_collection_delete_one(t->users, ANY, opts, NULL))
CALL(delete_many, mouv_collection_delete_many(t->users, ANY, opts, NULL))
CALL(insert_one, mouv_collection_insert_one(t->users, ANY, opts, NULL))
CALL(find_update, mouv_collection_find_one_and_update(t->users, ANY, SET, opts, NULL))
CALL(find_replace, mouv_collection_find_one_and_replace(t->users, ANY, ANY, opts, NULL))
CALL(find_delete, mouv_collection_find_one_and_delete(t->users, ANY, opts, NULL))
CALL(count_documents, mouv_collection_count_documents(t->users, ANY, opts, NULL))
CALL(estimated_count, mouv_collection_estimated_document_count(t->users, opts, NULL))
CALL(distinct, mouv_collection_distinct(t->users, "a", ANY, opts, NULL))
CALL(drop, mouv_collection_drop(t->users, opts))
CALL(rename_it, mouv_collection_rename(t->users, "other", opts))
CALL(options_of, mouv_collection_options(t->users, opts, NULL))
CALL(validate, mouv_collection_validate(t->users, opts, NULL))
CALL(create_index, mouv_collection_create_index(t->users, ANY, NULL, opts, NULL))
CALL(index_information, mouv_collection_index_information(t->users, opts, NULL))
CALL(drop_index, mouv_collection_drop_index(t->users, "a_1", opts))
CALL(drop_indexes, mouv_collection_drop_indexes(t->users, opts))
CALL(command, mouv_database_command(t->database, json(t, "{'ping': 1}"), opts, NULL))
CALL(explain, mouv_database_explain(t->database, json(t, "{'find': 'users'}"), opts, NULL))
CALL(collection_names, mouv_database_list_collection_names(t->database, opts, NULL))
CALL(create_collection, mouv_database_create_collection(t->database, "new", opts))
CALL(drop_database, mouv_database_drop(t->database, opts))
CALL(databases, mouv_client_list_databases(t->client, opts, NULL))
CALL(database_names, mouv_client_list_database_names(t->client, opts, NULL))

CALL(insert_many,
     mouv_collection_insert_many(t->users, (const bson_t *const[]){ANY, ANY}, 2, opts, NULL))

/* name of the command in error.operation */
static const struct {
    const char *operation;
    call_t call;
} calls[] = {
    {"find ", find_one},
    {"update ", update_one},
    {"update ", update_many},
    {"update ", replace_one},
    {"delete ", delete_one},
    {"delete ", delete_many},
    {"insert ", insert_one},
    {"insert ", insert_many},
    {"findAndModify ", find_update},
    {"findAndModify ", find_replace},
    {"findAndModify ", find_delete},
    {"aggregate ", count_documents},
    {"count ", estimated_count},
    {"distinct ", distinct},
    {"drop ", drop},
    {"renameCollection ", rename_it},
    {"listCollections ", options_of},
    {"validate ", validate},
    {"createIndexes ", create_index},
    {"listIndexes ", index_information},
    {"dropIndexes ", drop_index},
    {"dropIndexes ", drop_indexes},
    {"command ", command},
    {"explain ", explain},
    {"listCollections ", collection_names},
    {"create ", create_collection},
    {"dropDatabase ", drop_database},
    {"listDatabases ", databases},
    {"listDatabases ", database_names},
};

static int refuses(test_t *t, mouv_future_t future, const char *operation) {
    CHECK_INT(await(t, future), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message,
                   "option 'maxTimeMS': expected a number of 0 or more, got a document");
    CHECK_CONTAINS(t->error.operation, operation);
    return 0;
}

CASE(every_operation_names_the_option_of_the_wrong_type_and_itself) {
    mouv_client_stats_t before, after;
    const bson_t *opts = json(t, "{'maxTimeMS': {'a': 1}}");
    mouv_client_get_stats(t->client, &before);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int rc = refuses(t, calls[i].call(t, opts), calls[i].operation);
        if (rc < 0) return rc;
    }
    mouv_client_get_stats(t->client, &after);
    CHECK_INT(after.started, before.started);
    return 0;
}

CASE(every_cursor_names_the_option_of_the_wrong_type_and_itself) {
    const bson_t *opts = json(t, "{'maxTimeMS': {'a': 1}}"), *stages = json(t, "{'pipeline': []}");
    const bson_t *find = json(t, "{'find': 'users'}");
    mouv_cursor_t *cursors[] = {
        mouv_collection_find(t->users, ANY, opts),
        mouv_collection_aggregate(t->users, stages, opts),
        mouv_database_aggregate(t->database, stages, opts),
        mouv_database_list_collections(t->database, opts),
        mouv_collection_list_indexes(t->users, opts),
        mouv_cursor_from_command(t->database, find, opts),
    };
    static const char *const operations[] = {
        "find ", "aggregate ", "aggregate ", "listCollections ", "listIndexes ", "command "};
    int rc = 0;
    for (size_t i = 0; i < sizeof cursors / sizeof *cursors; i++) {
        if (rc == 0) rc = refuses(t, mouv_cursor_fetch(cursors[i]), operations[i]);
        mouv_cursor_unref(cursors[i]);
    }
    if (rc < 0) return rc;
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        mouv_collection_watch(t->users, NULL, opts);
    return refuses(t, mouv_change_stream_fetch(stream), "aggregate ");
}

/* --- Odd keys and texts ---------------------------------------------------------------------- */

CASE(dots_and_dollars_are_stored_and_come_back) {
    static const char *const documents[] = {
        "{'_id': 0, 'a.b': 1}",
        "{'_id': 1, 'a': {'$b': 1}}",
        "{'_id': 2, 'a': {'b.c': {'$d.e': 1}}}",
        "{'_id': 3, 'a$b': 1, '.': 2, 'a.': 3}",
    };
    for (int i = 0; i < 4; i++) {
        AUTO_BSON *found = NULL;
        AUTO_BSON *by_id = BCON_NEW("_id", BCON_INT32(i));
        CHECK_INT(await(t, mouv_collection_insert_one(t->users, json(t, documents[i]), NULL, NULL)),
                  1);
        CHECK_INT(await(t, mouv_collection_find_one(t->users, by_id, NULL, &found)), 1);
        CHECK_DOCUMENT(found, documents[i]);
    }
    return 0;
}

CASE(a_dollar_where_an_operator_stands_is_an_error) {
    CHECK_INT(await(t, mouv_collection_find_one(t->users, json(t, "{'$nope': 1}"), NULL, NULL)),
              MOUV_ESERVER);
    CHECK_CONTAINS(t->error.message, "$nope");
    CHECK_INT(await(t, mouv_collection_update_one(t->users, ANY, json(t, "{'$nope': {'a': 1}}"),
                                                  NULL, NULL)),
              MOUV_ESERVER);
    CHECK_CONTAINS(t->error.message, "$nope");
    CHECK_INT(
        await(t, mouv_collection_replace_one(t->users, ANY, json(t, "{'$a': 1}"), NULL, NULL)),
        MOUV_EINVAL);
    CHECK_INT(
        await(t, mouv_collection_insert_one(t->users, json(t, "{'_id': {'$a': 1}}"), NULL, NULL)),
        MOUV_ESERVER);
    return 0;
}

CASE(texts_with_nul_inside_come_back) {
    AUTO_BSON *document = bson_new();
    AUTO_BSON *found = NULL;
    bson_append_int32(document, "_id", 3, 1);
    bson_append_utf8(document, "text", 4, "a\0b", 3);
    bson_append_binary(document, "data", 4, BSON_SUBTYPE_BINARY, (const uint8_t *)"a\0b", 3);
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, document, NULL, NULL)), 1);
    CHECK_INT(await(t, mouv_collection_find_one(t->users, document, NULL, &found)), 1);
    CHECK(bson_equal(found, document));
    return 0;
}

/** A document whose only key has a NUL inside, byte by byte: libbson may refuse to make one. */
CASE(a_key_with_nul_inside_is_no_valid_bson) {
    static const uint8_t bytes[] = {14, 0, 0, 0, 16, 'a', 0, 'b', 0, 1, 0, 0, 0, 0};
    bson_t document;
    CHECK(bson_init_static(&document, bytes, sizeof bytes));
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, &document, NULL, NULL)), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "'document' is no valid BSON");
    CHECK_CONTAINS(t->error.operation, "insert mouv_test_");
    return 0;
}

CASE(bytes_that_are_not_utf8_are_refused_in_every_place) {
    AUTO_BSON *key = bson_new();
    AUTO_BSON *value = bson_new();
    AUTO_BSON *set = bson_new();
    AUTO_BSON *deep = BCON_NEW("a", "[", "{", "b", BCON_UTF8("\xc3\x28"), "}", "]");
    bson_append_int32(key, "k\xff", 2, 1);
    bson_append_utf8(value, "k", 1, "v\xff", 2);
    bson_append_document(set, "$set", 4, value);
    const bson_t *bad[] = {key, value, deep};
    for (int i = 0; i < 3; i++) {
        const bson_t *many[] = {ANY, bad[i]};
        mouv_future_t futures[] = {
            mouv_collection_find_one(t->users, bad[i], NULL, NULL),
            mouv_collection_insert_many(t->users, many, 2, NULL, NULL),
            mouv_collection_replace_one(t->users, ANY, bad[i], NULL, NULL),
            mouv_collection_update_one(t->users, bad[i], SET, NULL, NULL),
            mouv_collection_update_one(t->users, ANY, set, NULL, NULL),
            mouv_collection_delete_many(t->users, bad[i], NULL, NULL),
            mouv_collection_count_documents(t->users, bad[i], NULL, NULL),
            mouv_collection_find_one_and_replace(t->users, ANY, bad[i], NULL, NULL),
            mouv_database_command(t->database, bad[i], NULL, NULL),
            mouv_collection_create_index(t->users, bad[i], NULL, NULL, NULL),
        };
        int refused = 0;
        for (size_t j = 0; j < sizeof futures / sizeof *futures; j++) {
            if (await(t, futures[j]) == MOUV_EINVAL && strstr(t->error.message, "UTF-8")) refused++;
        }
        CHECK_INT(refused, sizeof futures / sizeof *futures);
    }
    CHECK_INT(count(t, "{}"), 0);
    return 0;
}

CASE(a_namespace_may_have_255_bytes_and_no_more) {
    char name[300];
    size_t most = 255 - strlen(t->database_name) - 1;
    memset(name, 'n', sizeof name);
    name[most + 1] = '\0';
    mouv_collection_t *longer = mouv_database_get_collection(t->database, name);
    CHECK_INT(await(t, mouv_collection_insert_one(longer, ANY, NULL, NULL)), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "longer than 255 bytes");
    name[most] = '\0';
    mouv_collection_t *longest = mouv_database_get_collection(t->database, name);
    CHECK_INT(await(t, mouv_collection_insert_one(longest, ANY, NULL, NULL)), 1);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(one_of_a_thousand_in_order_says_how_far_it_got),
        cmocka_unit_test(one_of_a_thousand_without_order_leaves_the_others),
        cmocka_unit_test(a_reply_over_16_mb_is_the_servers_error),
        cmocka_unit_test(a_reply_that_the_server_cannot_send_leaves_the_client_alive),
        cmocka_unit_test(documents_near_16_mb_come_one_a_batch),
        cmocka_unit_test(a_document_that_grows_over_16_mb_is_the_servers_error),
        cmocka_unit_test(every_operation_names_the_option_of_the_wrong_type_and_itself),
        cmocka_unit_test(every_cursor_names_the_option_of_the_wrong_type_and_itself),
        cmocka_unit_test(dots_and_dollars_are_stored_and_come_back),
        cmocka_unit_test(a_dollar_where_an_operator_stands_is_an_error),
        cmocka_unit_test(texts_with_nul_inside_come_back),
        cmocka_unit_test(a_key_with_nul_inside_is_no_valid_bson),
        cmocka_unit_test(bytes_that_are_not_utf8_are_refused_in_every_place),
        cmocka_unit_test(a_namespace_may_have_255_bytes_and_no_more),
    };
    return RUN_CASES(cases);
}
