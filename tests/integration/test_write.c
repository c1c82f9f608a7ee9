/*
 * insert, update, replace and delete: results, replies in libmongoc's shapes, batches, errors.
 */
/* test: own-server, executors, secure */
#include "support/support.h"

#include <stdlib.h>

static int64_t count(test_t *t, const char *filter) {
    int64_t n = -1;
    await(t, mouv_collection_count_documents(t->users, json(t, filter), NULL, &n));
    return n;
}

static int64_t number(const bson_t *reply, const char *path) {
    bson_iter_t iter, field;
    if (!reply || !bson_iter_init(&iter, reply)) return -1;
    return bson_iter_find_descendant(&iter, path, &field) ? bson_iter_as_int64(&field) : -1;
}

/* --- insert --------------------------------------------------------------------------------- */

CASE(insert_one_gives_1_and_a_reply_with_the_id) {
    AUTO_BSON *reply = NULL;
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, json(t, "{'_id': 'a'}"), NULL, &reply)),
              1);
    CHECK_DOCUMENT(reply, "{'insertedCount': 1, 'insertedId': 'a'}");
    return 0;
}

CASE(insert_one_without_id_adds_one_to_what_is_sent) {
    AUTO_BSON *reply = NULL, *found = NULL;
    const bson_t *document = json(t, "{'name': 'Ann'}");
    bson_iter_t sent, stored;
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, document, NULL, &reply)), 1);
    CHECK(!bson_has_field(document, "_id"));
    CHECK_INT(await(t, mouv_collection_find_one(t->users, json(t, "{}"), NULL, &found)), 1);
    CHECK(bson_iter_init_find(&sent, reply, "insertedId") && BSON_ITER_HOLDS_OID(&sent));
    CHECK(bson_iter_init(&stored, found) && bson_iter_next(&stored));
    CHECK_STRING(bson_iter_key(&stored), "_id");
    CHECK(bson_oid_equal(bson_iter_oid(&sent), bson_iter_oid(&stored)));
    return 0;
}

CASE(insert_one_of_a_duplicate_says_so) {
    AUTO_BSON *reply = NULL;
    const bson_t *document = json(t, "{'_id': 1}");
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, document, NULL, NULL)), 1);
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, document, NULL, &reply)), MOUV_ESERVER);
    CHECK(mouv_error_is_duplicate_key(&t->error));
    CHECK_INT(t->error.server_code, 11000);
    CHECK_CONTAINS(t->error.message, "E11000");
    CHECK_CONTAINS(t->error.operation, ".users");
    CHECK_INT(number(reply, "insertedCount"), 0);
    CHECK(!bson_has_field(reply, "insertedId"));
    CHECK_INT(number(reply, "writeErrors.0.index"), 0);
    CHECK_INT(number(reply, "writeErrors.0.code"), 11000);
    return 0;
}

CASE(insert_many_gives_all_ids_by_index) {
    AUTO_BSON *reply = NULL;
    const bson_t *documents[] = {json(t, "{'_id': 5}"), json(t, "{'x': 1, '_id': 'b'}")};
    CHECK_INT(await(t, mouv_collection_insert_many(t->users, documents, 2, NULL, &reply)), 2);
    CHECK_DOCUMENT(reply, "{'insertedCount': 2, 'insertedIds': {'0': 5, '1': 'b'}}");
    return 0;
}

static mouv_future_t insert_with_a_duplicate(test_t *t, const char *opts, bson_t **reply) {
    const bson_t *documents[] = {json(t, "{'_id': 0}"), json(t, "{'_id': 0}"),
                                 json(t, "{'_id': 2}")};
    return mouv_collection_insert_many(t->users, documents, 3, json(t, opts), reply);
}

CASE(insert_many_ordered_stops_at_the_first_error) {
    AUTO_BSON *reply = NULL;
    CHECK_INT(await(t, insert_with_a_duplicate(t, "{}", &reply)), MOUV_ESERVER);
    CHECK(mouv_error_is_duplicate_key(&t->error));
    CHECK_INT(number(reply, "insertedCount"), 1);
    CHECK_INT(number(reply, "writeErrors.0.index"), 1);
    CHECK_INT(number(reply, "insertedIds.0"), 0);
    CHECK_INT(number(reply, "insertedIds.2"), -1);
    CHECK_INT(count(t, "{}"), 1);
    return 0;
}

CASE(insert_many_unordered_goes_on_after_an_error) {
    AUTO_BSON *reply = NULL;
    CHECK_INT(await(t, insert_with_a_duplicate(t, "{'ordered': false}", &reply)), MOUV_ESERVER);
    CHECK_INT(number(reply, "insertedCount"), 2);
    CHECK_INT(number(reply, "writeErrors.0.index"), 1);
    CHECK_INT(number(reply, "insertedIds.0"), 0);
    CHECK_INT(number(reply, "insertedIds.1"), -1);
    CHECK_INT(number(reply, "insertedIds.2"), 2);
    CHECK_INT(count(t, "{}"), 2);
    return 0;
}

/* --- batches -------------------------------------------------------------------------------- */

/** Documents of a given weight; a `duplicate` has the _id of the one before it. */
static bson_t **many(size_t n, size_t weight, const size_t *duplicates) {
    bson_t **documents = calloc(n, sizeof *documents);
    char *text = calloc(weight + 1, 1);
    memset(text, 'x', weight);
    for (size_t i = 0; i < n; i++) {
        size_t id = duplicates && (i == duplicates[0] || i == duplicates[1]) ? i - 1 : i;
        documents[i] = BCON_NEW("_id", BCON_INT32((int32_t)id), "text", BCON_UTF8(text));
    }
    free(text);
    return documents;
}

static void free_many(bson_t **documents, size_t n) {
    for (size_t i = 0; i < n; i++) bson_destroy(documents[i]);
    free(documents);
}

CASE(insert_many_of_more_than_100000_is_split_and_added_up) {
    AUTO_BSON *reply = NULL;
    bson_t **documents = many(100003, 0, NULL);
    mouv_future_t future = mouv_collection_insert_many(t->users, (const bson_t *const *)documents,
                                                       100003, NULL, &reply);
    free_many(documents, 100003);
    CHECK_INT(await(t, future), 100003);
    CHECK_INT(number(reply, "insertedCount"), 100003);
    CHECK_INT(number(reply, "insertedIds.100002"), 100002);
    CHECK_INT(count(t, "{}"), 100003);
    return 0;
}

CASE(insert_many_of_more_than_one_message_is_split) {
    AUTO_BSON *reply = NULL;
    bson_t **documents = many(50, 1000000, NULL);
    mouv_future_t future =
        mouv_collection_insert_many(t->users, (const bson_t *const *)documents, 50, NULL, &reply);
    free_many(documents, 50);
    CHECK_INT(await(t, future), 50);
    CHECK_INT(count(t, "{}"), 50);
    return 0;
}

CASE(write_errors_of_later_batches_have_their_own_index) {
    static const size_t duplicates[] = {5, 45};
    AUTO_BSON *reply = NULL;
    bson_t **documents = many(50, 1000000, duplicates);
    const bson_t *opts = json(t, "{'ordered': false}");
    mouv_future_t future =
        mouv_collection_insert_many(t->users, (const bson_t *const *)documents, 50, opts, &reply);
    free_many(documents, 50);
    CHECK_INT(await(t, future), MOUV_ESERVER);
    CHECK_INT(number(reply, "insertedCount"), 48);
    CHECK_INT(number(reply, "writeErrors.0.index"), 5);
    CHECK_INT(number(reply, "writeErrors.1.index"), 45);
    CHECK_INT(number(reply, "insertedIds.45"), -1);
    CHECK_INT(number(reply, "insertedIds.49"), 49);
    CHECK_INT(count(t, "{}"), 48);
    return 0;
}

CASE(an_ordered_error_in_the_second_batch_keeps_the_first) {
    static const size_t duplicates[] = {20, 20};
    AUTO_BSON *reply = NULL;
    bson_t **documents = many(50, 1000000, duplicates);
    mouv_future_t future =
        mouv_collection_insert_many(t->users, (const bson_t *const *)documents, 50, NULL, &reply);
    free_many(documents, 50);
    CHECK_INT(await(t, future), MOUV_ESERVER);
    CHECK(mouv_error_is_duplicate_key(&t->error));
    CHECK_INT(number(reply, "insertedCount"), 20);
    CHECK_INT(number(reply, "writeErrors.0.index"), 20);
    CHECK_INT(count(t, "{}"), 20);
    return 0;
}

/* What went out for a write: the commands, and the statements that events show in them. */
typedef struct shown {
    int commands, statements;
    size_t bytes;
} shown_t;

static void on_started(const mouv_command_event_t *event, void *arg) {
    static const char *const arrays[] = {"documents", "updates", "deletes"};
    shown_t *shown = arg;
    bson_iter_t array, each;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        if (!bson_iter_init_find(&array, event->command, arrays[i])) continue;
        shown->commands++;
        shown->bytes += event->command->len;
        bson_iter_recurse(&array, &each);
        while (bson_iter_next(&each)) shown->statements++;
    }
}

static mouv_client_t *showing(test_t *t, mouv_executor_t executor, shown_t *shown) {
    static const mouv_monitor_t monitor = {.command_started = on_started};
    mouv_client_opts_t opts = {.executor = executor};
    mouv_client_t *client = mouv_client_new(test_uri(), &opts, &t->error);
    if (client && mouv_client_set_monitor(client, &monitor, shown) < 0) abort();
    return client;
}

/** Into an empty collection, by a client of this executor. */
static int insert_shown(test_t *t, mouv_executor_t executor, size_t n, size_t weight,
                        shown_t *shown) {
    MOUV_AUTO_CLIENT mouv_client_t *client = showing(t, executor, shown);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    bson_t **documents = many(n, weight, NULL);
    await(t, mouv_collection_delete_many(t->users, json(t, "{}"), NULL, NULL));
    mouv_future_t future =
        mouv_collection_insert_many(users, (const bson_t *const *)documents, n, NULL, NULL);
    free_many(documents, n);
    return await(t, future);
}

CASE(thirty_megabytes_are_one_command_on_the_loop_and_two_on_threads) {
    shown_t loop = {0}, threads = {0};
    CHECK_INT(insert_shown(t, MOUV_EXECUTOR_LOOP, 30, 1000000, &loop), 30);
    CHECK_INT(count(t, "{}"), 30);
    CHECK_INT(loop.commands, 1);
    CHECK_INT(loop.statements, 30);
    CHECK(loop.bytes > 30000000);
    CHECK_INT(insert_shown(t, MOUV_EXECUTOR_THREADS, 30, 1000000, &threads), 30);
    CHECK_INT(count(t, "{}"), 30);
    CHECK_INT(threads.commands, 2);
    CHECK_INT(threads.statements, 30);
    return 0;
}

CASE(forty_seven_megabytes_fill_a_message_and_no_more_is_sent_in_one) {
    shown_t shown = {0};
    CHECK_INT(insert_shown(t, MOUV_EXECUTOR_LOOP, 4, 11980000, &shown), 4);
    CHECK_INT(shown.commands, 1);
    CHECK(shown.bytes > 47900000);
    CHECK_INT(insert_shown(t, MOUV_EXECUTOR_LOOP, 4, 12000000, &shown), 4);
    CHECK_INT(shown.commands, 3);
    CHECK_INT(count(t, "{}"), 4);
    return 0;
}

CASE(ten_thousand_documents_are_one_command_on_both) {
    for (int executor = MOUV_EXECUTOR_THREADS; executor <= MOUV_EXECUTOR_LOOP; executor++) {
        shown_t shown = {0};
        if (executor == MOUV_EXECUTOR_UVPOOL) continue;
        CHECK_INT(insert_shown(t, (mouv_executor_t)executor, 10000, 10, &shown), 10000);
        CHECK_INT(count(t, "{}"), 10000);
        CHECK_INT(shown.commands, 1);
        CHECK_INT(shown.statements, 10000);
    }
    return 0;
}

/** This executor's bulk of three kinds, unordered, with an error in the midst of the inserts. */
static int mixed(test_t *t, mouv_executor_t executor, bson_t **reply, shown_t *shown) {
    MOUV_AUTO_CLIENT mouv_client_t *client = showing(t, executor, shown);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    await(t, mouv_collection_delete_many(t->users, json(t, "{}"), NULL, NULL));
    MOUV_AUTO_BULK mouv_bulk_t *bulk =
        mouv_collection_create_bulk(users, json(t, "{'ordered': false}"));
    const bson_t *update = json(t, "{'$set': {'x': 1}}"), *upsert = json(t, "{'upsert': true}");
    for (int i = 0; i < 3000; i++) {
        AUTO_BSON *id = BCON_NEW("_id", BCON_INT32(i == 1500 ? 0 : i / 3));
        int rc = i % 3 == 0   ? mouv_bulk_insert_one(bulk, id, NULL, &t->error)
                 : i % 3 == 1 ? mouv_bulk_update_one(bulk, id, update, upsert, &t->error)
                              : mouv_bulk_delete_one(bulk, id, NULL, &t->error);
        if (rc < 0) return rc;
    }
    return await(t, mouv_bulk_execute(bulk, reply));
}

CASE(a_bulk_of_all_kinds_comes_to_the_same_on_both) {
    AUTO_BSON *threads = NULL, *loop = NULL;
    shown_t by_threads = {0}, by_loop = {0};
    CHECK_INT(mixed(t, MOUV_EXECUTOR_THREADS, &threads, &by_threads), MOUV_ESERVER);
    CHECK_INT(mixed(t, MOUV_EXECUTOR_LOOP, &loop, &by_loop), MOUV_ESERVER);
    CHECK_INT(number(loop, "insertedCount"), 999);
    CHECK_INT(number(loop, "upsertedCount"), 1); /* of the one that was not inserted */
    CHECK_INT(number(loop, "deletedCount"), 1000);
    CHECK_INT(number(loop, "writeErrors.0.index"), 1500);
    CHECK(bson_equal(threads, loop));
    CHECK_INT(by_loop.commands, 3);
    CHECK_INT(by_loop.statements, 3000);
    CHECK_INT(by_threads.commands, 3);
    CHECK_INT(by_threads.statements, 3000);
    return 0;
}

/* --- update, replace ------------------------------------------------------------------------ */

CASE(update_one_gives_the_number_matched) {
    AUTO_BSON *reply = NULL, *same = NULL;
    CHECK_INT(insert_numbered(t, 3), 0);
    const bson_t *filter = json(t, "{'n': {'$gt': 0}}"), *update = json(t, "{'$set': {'x': 1}}");
    CHECK_INT(await(t, mouv_collection_update_one(t->users, filter, update, NULL, &reply)), 1);
    CHECK_DOCUMENT(reply, "{'matchedCount': 1, 'modifiedCount': 1, 'upsertedCount': 0}");
    filter = json(t, "{'x': 1}");
    CHECK_INT(await(t, mouv_collection_update_one(t->users, filter, update, NULL, &same)), 1);
    CHECK_DOCUMENT(same, "{'matchedCount': 1, 'modifiedCount': 0, 'upsertedCount': 0}");
    return 0;
}

CASE(update_many_changes_every_match) {
    AUTO_BSON *reply = NULL;
    CHECK_INT(insert_numbered(t, 5), 0);
    const bson_t *filter = json(t, "{'n': {'$gt': 1}}"), *update = json(t, "{'$inc': {'n': 10}}");
    CHECK_INT(await(t, mouv_collection_update_many(t->users, filter, update, NULL, &reply)), 3);
    CHECK_DOCUMENT(reply, "{'matchedCount': 3, 'modifiedCount': 3, 'upsertedCount': 0}");
    CHECK_INT(count(t, "{'n': {'$gt': 10}}"), 3);
    return 0;
}

CASE(update_with_upsert_tells_the_new_id) {
    AUTO_BSON *reply = NULL;
    const bson_t *filter = json(t, "{'_id': 'new'}"), *update = json(t, "{'$set': {'x': 1}}");
    const bson_t *opts = json(t, "{'upsert': true}");
    CHECK_INT(await(t, mouv_collection_update_one(t->users, filter, update, opts, &reply)), 0);
    CHECK_DOCUMENT(reply, "{'matchedCount': 0, 'modifiedCount': 0, 'upsertedCount': 1,"
                          " 'upsertedId': 'new'}");
    return 0;
}

CASE(update_takes_array_filters_collation_hint_and_let) {
    AUTO_BSON *found = NULL;
    const bson_t *document = json(t, "{'_id': 'A', 'grades': [1, 5, 9]}");
    const bson_t *update = json(t, "{'$set': {'grades.$[high]': 0}}");
    const bson_t *opts = json(t, "{'arrayFilters': [{'high': {'$gt': 4}}], 'hint': '_id_',"
                                 " 'let': {'unused': 1}, 'comment': 'c'}");
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, document, NULL, NULL)), 1);
    CHECK_INT(
        await(t, mouv_collection_update_one(t->users, json(t, "{'_id': 'A'}"), update, opts, NULL)),
        1);
    const bson_t *collation = json(t, "{'collation': {'locale': 'en', 'strength': 1}}");
    update = json(t, "{'$set': {'seen': true}}");
    CHECK_INT(await(t, mouv_collection_update_one(t->users, json(t, "{'_id': 'a'}"), update,
                                                  collation, NULL)),
              1);
    CHECK_INT(await(t, mouv_collection_find_one(t->users, json(t, "{}"), NULL, &found)), 1);
    CHECK_DOCUMENT(found, "{'_id': 'A', 'grades': [1, 0, 0], 'seen': true}");
    return 0;
}

CASE(update_takes_a_pipeline) {
    AUTO_BSON *found = NULL;
    CHECK_INT(insert_numbered(t, 1), 0);
    const bson_t *update = json(t, "{'0': {'$set': {'twice': {'$add': ['$n', 2]}}}}");
    CHECK_INT(await(t, mouv_collection_update_one(t->users, json(t, "{}"), update, NULL, NULL)), 1);
    CHECK_INT(await(t, mouv_collection_find_one(t->users, json(t, "{}"), NULL, &found)), 1);
    CHECK_DOCUMENT(found, "{'_id': 0, 'n': 0, 'twice': 2}");
    return 0;
}

CASE(replace_one_takes_the_place_of_the_document) {
    AUTO_BSON *reply = NULL, *found = NULL;
    CHECK_INT(insert_numbered(t, 2), 0);
    const bson_t *filter = json(t, "{'_id': 1}"), *other = json(t, "{'name': 'Ann'}");
    CHECK_INT(await(t, mouv_collection_replace_one(t->users, filter, other, NULL, &reply)), 1);
    CHECK_DOCUMENT(reply, "{'matchedCount': 1, 'modifiedCount': 1, 'upsertedCount': 0}");
    CHECK_INT(await(t, mouv_collection_find_one(t->users, filter, NULL, &found)), 1);
    CHECK_DOCUMENT(found, "{'_id': 1, 'name': 'Ann'}");
    return 0;
}

/* --- delete --------------------------------------------------------------------------------- */

CASE(delete_one_deletes_one) {
    AUTO_BSON *reply = NULL;
    CHECK_INT(insert_numbered(t, 3), 0);
    CHECK_INT(await(t, mouv_collection_delete_one(t->users, json(t, "{}"), NULL, &reply)), 1);
    CHECK_DOCUMENT(reply, "{'deletedCount': 1}");
    CHECK_INT(count(t, "{}"), 2);
    return 0;
}

CASE(delete_many_deletes_every_match) {
    AUTO_BSON *reply = NULL;
    CHECK_INT(insert_numbered(t, 5), 0);
    const bson_t *filter = json(t, "{'n': {'$gte': 2}}"), *opts = json(t, "{'hint': '_id_'}");
    CHECK_INT(await(t, mouv_collection_delete_many(t->users, filter, opts, &reply)), 3);
    CHECK_DOCUMENT(reply, "{'deletedCount': 3}");
    CHECK_INT(count(t, "{}"), 2);
    return 0;
}

/* --- what the server refuses ---------------------------------------------------------------- */

CASE(a_reply_comes_with_an_error_of_the_server) {
    AUTO_BSON *reply = NULL;
    const bson_t *filter = json(t, "{'x': {'$nope': 1}}"), *update = json(t, "{'$set': {'y': 1}}");
    CHECK_INT(await(t, mouv_collection_update_one(t->users, filter, update, NULL, &reply)),
              MOUV_ESERVER);
    CHECK_INT(number(reply, "matchedCount"), 0);
    CHECK_INT(number(reply, "writeErrors.0.code"), t->error.server_code);
    return 0;
}

CASE(a_write_concern_that_cannot_be_met_is_an_error_with_the_write_counted) {
    AUTO_BSON *reply = NULL;
    const bson_t *opts = json(t, "{'writeConcern': {'w': 7, 'wtimeout': 50}}");
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, json(t, "{'_id': 1}"), opts, &reply)),
              MOUV_ESERVER);
    CHECK_INT(number(reply, "insertedCount"), 1);
    CHECK_INT(number(reply, "writeConcernErrors.0.code"), 100);
    CHECK_INT(count(t, "{}"), 1);
    return 0;
}

/* Of a findAndModify and of a command, too. */
static mouv_future_t write_unconfirmed(test_t *t, int which, bson_t **reply) {
    const bson_t *doc = json(t, "{'x': 1}"), *all = json(t, "{}");
    const bson_t *opts = json(t, "{'writeConcern': {'w': 'majority'}}");
    switch (which) {
    case 0:
        return mouv_collection_insert_one(t->users, doc, opts, reply);
    case 1:
        return mouv_collection_find_one_and_replace(t->users, all, doc, opts, reply);
    case 2:
        return mouv_collection_update_many(t->users, all, json(t, "{'$inc': {'x': 1}}"), opts,
                                           reply);
    case 3:
        return mouv_collection_delete_one(t->users, all, opts, reply);
    default:
        return mouv_database_command(
            t->database, json(t, "{'insert': 'users', 'documents': [{'x': 1}]}"), NULL, reply);
    }
}

CASE(a_write_whose_confirmation_failed_is_unknown) {
    /* The last two take libmongoc's monitor some seconds each: once is enough. */
    static const int codes[] = {11602, 189, 64, 10107, 11600, 91};
    for (int which = 0; which < 5; which++) {
        for (size_t i = 0; i < (which == 0 ? 6 : 4); i++) {
            AUTO_BSON *reply = NULL;
            char data[200];
            snprintf(data, sizeof data,
                     "'writeConcernError': {'code': %d, 'errmsg': 'operation was interrupted'}, "
                     "'errorLabels': ['RetryableWriteError']",
                     codes[i]);
            CHECK_INT(fail_commands(t, 2, "'insert', 'findAndModify', 'update', 'delete'", data),
                      0);
            CHECK_INT(await(t, write_unconfirmed(t, which, &reply)), MOUV_EUNKNOWN);
            CHECK_INT(t->error.cause, codes[i] == 64 ? MOUV_ETIMEDOUT : MOUV_ESERVER);
            CHECK_INT(t->error.server_code, codes[i]);
            CHECK_STRING(t->error.message,
                         "stored, but its confirmation failed: operation was interrupted");
            if (which != 1) CHECK(reply);
            CHECK_INT(fail_no_more(t), 0);
            CHECK(await(t, mouv_collection_insert_one(t->users, json(t, "{}"), NULL, NULL)) >= 0);
        }
    }
    return 0;
}

CASE(a_validator_that_refuses_is_named) {
    AUTO_BSON *reply = NULL;
    const bson_t *opts = json(t, "{'validator': {'age': {'$type': 'int'}}}");
    CHECK_INT(await(t, mouv_database_create_collection(t->database, "users", opts)), 0);
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, json(t, "{'age': 'x'}"), NULL, &reply)),
              MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 121);
    const bson_t *bypass = json(t, "{'bypassDocumentValidation': true}");
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, json(t, "{'age': 'x'}"), bypass, NULL)),
              1);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(insert_one_gives_1_and_a_reply_with_the_id),
        cmocka_unit_test(insert_one_without_id_adds_one_to_what_is_sent),
        cmocka_unit_test(insert_one_of_a_duplicate_says_so),
        cmocka_unit_test(insert_many_gives_all_ids_by_index),
        cmocka_unit_test(insert_many_ordered_stops_at_the_first_error),
        cmocka_unit_test(insert_many_unordered_goes_on_after_an_error),
        cmocka_unit_test(insert_many_of_more_than_100000_is_split_and_added_up),
        cmocka_unit_test(insert_many_of_more_than_one_message_is_split),
        cmocka_unit_test(write_errors_of_later_batches_have_their_own_index),
        cmocka_unit_test(an_ordered_error_in_the_second_batch_keeps_the_first),
        cmocka_unit_test(thirty_megabytes_are_one_command_on_the_loop_and_two_on_threads),
        cmocka_unit_test(forty_seven_megabytes_fill_a_message_and_no_more_is_sent_in_one),
        cmocka_unit_test(ten_thousand_documents_are_one_command_on_both),
        cmocka_unit_test(a_bulk_of_all_kinds_comes_to_the_same_on_both),
        cmocka_unit_test(update_one_gives_the_number_matched),
        cmocka_unit_test(update_many_changes_every_match),
        cmocka_unit_test(update_with_upsert_tells_the_new_id),
        cmocka_unit_test(update_takes_array_filters_collation_hint_and_let),
        cmocka_unit_test(update_takes_a_pipeline),
        cmocka_unit_test(replace_one_takes_the_place_of_the_document),
        cmocka_unit_test(delete_one_deletes_one),
        cmocka_unit_test(delete_many_deletes_every_match),
        cmocka_unit_test(a_reply_comes_with_an_error_of_the_server),
        cmocka_unit_test(a_write_concern_that_cannot_be_met_is_an_error_with_the_write_counted),
        cmocka_unit_test(a_write_whose_confirmation_failed_is_unknown),
        cmocka_unit_test(a_validator_that_refuses_is_named),
    };
    return RUN_CASES(cases);
}
