/*
 * Bulk writes: every model, order, full results, limits of the server, refusals.
 */
/* test: own-server */
#include "support/support.h"

#include <stdlib.h>

static int64_t number(const bson_t *document, const char *path) {
    bson_iter_t iter, field;
    return document && bson_iter_init(&iter, document) &&
                   bson_iter_find_descendant(&iter, path, &field)
               ? bson_iter_as_int64(&field)
               : -1;
}

static int64_t count_in(test_t *t, const char *collection, const char *filter) {
    int64_t count = -1;
    mouv_collection_t *of = mouv_database_get_collection(t->database, collection);
    int rc = await(t, mouv_collection_count_documents(of, json(t, filter), NULL, &count));
    return rc < 0 ? rc : count;
}

static int64_t count(test_t *t, const char *filter) {
    return count_in(t, "users", filter);
}

static mouv_bulk_t *begin(test_t *t, const char *opts) {
    return mouv_collection_create_bulk(t->users, opts ? json(t, opts) : NULL);
}

static int insert(test_t *t, mouv_bulk_t *bulk, const char *document) {
    return mouv_bulk_insert_one(bulk, json(t, document), NULL, &t->error);
}

static int update(test_t *t, mouv_bulk_t *bulk, const char *filter, const char *change,
                  const char *opts) {
    return mouv_bulk_update_one(bulk, json(t, filter), json(t, change), json(t, opts), &t->error);
}

static int execute(test_t *t, mouv_bulk_t *bulk, bson_t **reply) {
    return await(t, mouv_bulk_execute(bulk, reply));
}

/* --- models --------------------------------------------------------------------------------- */

CASE(every_model_is_counted) {
    AUTO_BSON *reply = NULL;
    CHECK_INT(insert_numbered(t, 8), 0);
    MOUV_AUTO_BULK mouv_bulk_t *bulk = begin(t, NULL);
    CHECK_INT(insert(t, bulk, "{'_id': 'a', 'n': 100}"), 0);
    CHECK_INT(update(t, bulk, "{'_id': 0}", "{'$set': {'x': 1}}", "{}"), 0);
    CHECK_INT(mouv_bulk_update_many(bulk, json(t, "{'n': {'$lt': 3}}"),
                                    json(t, "{'$set': {'x': 1}}"), NULL, NULL),
              0);
    CHECK_INT(mouv_bulk_replace_one(bulk, json(t, "{'_id': 'new'}"), json(t, "{'n': 7}"),
                                    json(t, "{'upsert': true}"), NULL),
              0);
    CHECK_INT(mouv_bulk_delete_one(bulk, json(t, "{'n': 7}"), NULL, NULL), 0);
    CHECK_INT(mouv_bulk_delete_many(bulk, json(t, "{'x': 1}"), NULL, NULL), 0);
    CHECK_INT(mouv_bulk_count(bulk), 6);
    CHECK_INT(execute(t, bulk, &reply), 1 + 4 + 4);
    CHECK_DOCUMENT(reply, "{'insertedCount': 1, 'matchedCount': 4, 'modifiedCount': 3, "
                          "'deletedCount': 4, 'upsertedCount': 1, 'insertedIds': {'0': 'a'}, "
                          "'upsertedIds': {'3': 'new'}}");
    CHECK_INT(count(t, "{}"), 8 + 2 - 4);
    return 0;
}

CASE(an_inserted_document_without_id_gets_one) {
    AUTO_BSON *reply = NULL;
    bson_iter_t iter, id;
    MOUV_AUTO_BULK mouv_bulk_t *bulk = begin(t, NULL);
    CHECK_INT(insert(t, bulk, "{'x': 1}"), 0);
    CHECK_INT(execute(t, bulk, &reply), 1);
    CHECK(bson_iter_init(&iter, reply) && bson_iter_find_descendant(&iter, "insertedIds.0", &id));
    CHECK(BSON_ITER_HOLDS_OID(&id));
    return 0;
}

CASE(options_of_a_model_reach_the_server) {
    AUTO_BSON *reply = NULL;
    const char *collation = "{'collation': {'locale': 'en', 'strength': 1}, 'hint': '_id_'}";
    MOUV_AUTO_BULK mouv_bulk_t *bulk = begin(t, NULL);
    CHECK_INT(insert(t, bulk, "{'_id': 1, 'name': 'Ada', 'marks': [1, 5, 9]}"), 0);
    CHECK_INT(update(t, bulk, "{'name': 'ADA'}", "{'$set': {'seen': true}}", collation), 0);
    CHECK_INT(update(t, bulk, "{'_id': 1}", "{'$set': {'marks.$[high]': 6}}",
                     "{'arrayFilters': [{'high': {'$gt': 6}}]}"),
              0);
    CHECK_INT(execute(t, bulk, &reply), 3);
    CHECK_INT(number(reply, "modifiedCount"), 2);
    CHECK_INT(count(t, "{'seen': true, 'marks': [1, 5, 6]}"), 1);
    MOUV_AUTO_BULK mouv_bulk_t *removal = begin(t, NULL);
    CHECK_INT(mouv_bulk_delete_one(removal, json(t, "{'name': 'ada'}"), json(t, collation), NULL),
              0);
    CHECK_INT(execute(t, removal, NULL), 1);
    return 0;
}

CASE(options_of_the_bulk_go_where_they_are_known) {
    AUTO_BSON *reply = NULL;
    const bson_t *validator = json(t, "{'validator': {'n': {'$type': 'int'}}}");
    CHECK_INT(await(t, mouv_database_create_collection(t->database, "users", validator)), 0);
    MOUV_AUTO_BULK mouv_bulk_t *bulk =
        begin(t, "{'let': {'wanted': 2}, 'comment': 'c', 'bypassDocumentValidation': true, "
                 "'writeConcern': {'w': 1}}");
    CHECK_INT(insert(t, bulk, "{'_id': 1, 'n': 'two'}"), 0);
    CHECK_INT(insert(t, bulk, "{'_id': 2, 'n': 2}"), 0);
    CHECK_INT(update(t, bulk, "{'$expr': {'$eq': ['$n', '$$wanted']}}", "{'$set': {'x': 1}}", "{}"),
              0);
    CHECK_INT(
        mouv_bulk_delete_one(bulk, json(t, "{'$expr': {'$eq': ['$n', '$$wanted']}}"), NULL, NULL),
        0);
    CHECK_INT(execute(t, bulk, &reply), 4);
    CHECK_INT(number(reply, "deletedCount"), 1);
    return 0;
}

/* --- order and errors ----------------------------------------------------------------------- */

/** Two updates among inserts, one of which is a duplicate; the last upserts. */
static mouv_bulk_t *with_a_duplicate(test_t *t, const char *opts) {
    mouv_bulk_t *bulk = begin(t, opts);
    insert(t, bulk, "{'_id': 1}");
    update(t, bulk, "{'_id': 1}", "{'$set': {'x': 1}}", "{}");
    insert(t, bulk, "{'_id': 1}");
    insert(t, bulk, "{'_id': 3}");
    update(t, bulk, "{'_id': 4}", "{'$set': {'x': 1}}", "{'upsert': true}");
    return bulk;
}

CASE(ordered_ends_with_the_first_error) {
    AUTO_BSON *reply = NULL;
    MOUV_AUTO_BULK mouv_bulk_t *bulk = with_a_duplicate(t, NULL);
    CHECK_INT(execute(t, bulk, &reply), MOUV_ESERVER);
    CHECK(mouv_error_is_duplicate_key(&t->error));
    CHECK_CONTAINS(t->error.operation, "bulkWrite");
    CHECK_CONTAINS(t->error.operation, ".users");
    CHECK_INT(number(reply, "insertedCount"), 1);
    CHECK_INT(number(reply, "modifiedCount"), 1);
    CHECK_INT(number(reply, "upsertedCount"), 0);
    CHECK_INT(number(reply, "insertedIds.0"), 1);
    CHECK_INT(number(reply, "insertedIds.2"), -1);
    CHECK_INT(number(reply, "insertedIds.3"), -1);
    CHECK_INT(number(reply, "writeErrors.0.index"), 2);
    CHECK_INT(number(reply, "writeErrors.0.code"), 11000);
    CHECK_INT(number(reply, "writeErrors.1.index"), -1);
    CHECK_INT(count(t, "{}"), 1);
    return 0;
}

CASE(unordered_tries_them_all) {
    AUTO_BSON *reply = NULL;
    MOUV_AUTO_BULK mouv_bulk_t *bulk = with_a_duplicate(t, "{'ordered': false}");
    CHECK_INT(execute(t, bulk, &reply), MOUV_ESERVER);
    CHECK(mouv_error_is_duplicate_key(&t->error));
    CHECK_INT(number(reply, "insertedCount"), 2);
    CHECK_INT(number(reply, "modifiedCount"), 1);
    CHECK_INT(number(reply, "insertedIds.0"), 1);
    CHECK_INT(number(reply, "insertedIds.2"), -1);
    CHECK_INT(number(reply, "insertedIds.3"), 3);
    CHECK_INT(number(reply, "upsertedIds.4"), 4);
    CHECK_INT(number(reply, "writeErrors.0.index"), 2);
    CHECK_INT(count(t, "{}"), 3);
    return 0;
}

CASE(unordered_sends_one_command_a_kind) {
    CHECK_INT(await(t, mouv_database_command(t->database, json(t, "{'profile': 2}"), NULL, NULL)),
              0);
    MOUV_AUTO_BULK mouv_bulk_t *bulk = begin(t, "{'ordered': false}");
    for (int i = 0; i < 20; i++) {
        char text[32];
        snprintf(text, sizeof text, "{'_id': %d}", i);
        CHECK_INT(insert(t, bulk, text), 0);
        CHECK_INT(mouv_bulk_delete_one(bulk, json(t, text), NULL, NULL), 0);
    }
    CHECK_INT(execute(t, bulk, NULL), 40);
    CHECK_INT(await(t, mouv_database_command(t->database, json(t, "{'profile': 0}"), NULL, NULL)),
              0);
    CHECK_INT(count_in(t, "system.profile", "{'op': 'insert', 'command.insert': 'users'}"), 1);
    return 0;
}

CASE(errors_of_several_kinds_keep_their_indexes) {
    AUTO_BSON *reply = NULL;
    MOUV_AUTO_BULK mouv_bulk_t *bulk = begin(t, "{'ordered': false}");
    CHECK_INT(update(t, bulk, "{'_id': 1}", "{'$bad': {'x': 1}}", "{}"), 0);
    CHECK_INT(insert(t, bulk, "{'_id': 1}"), 0);
    CHECK_INT(insert(t, bulk, "{'_id': 1}"), 0);
    CHECK_INT(insert(t, bulk, "{'_id': 2}"), 0);
    CHECK_INT(execute(t, bulk, &reply), MOUV_ESERVER);
    CHECK_INT(number(reply, "writeErrors.0.index"), 2);
    CHECK_INT(number(reply, "writeErrors.1.index"), 0);
    CHECK_INT(number(reply, "insertedIds.1"), 1);
    CHECK_INT(number(reply, "insertedIds.3"), 2);
    CHECK_INT(number(reply, "insertedIds.2"), -1);
    return 0;
}

CASE(a_write_concern_that_cannot_be_met_is_told_with_what_was_done) {
    AUTO_BSON *reply = NULL;
    MOUV_AUTO_BULK mouv_bulk_t *bulk = begin(t, "{'writeConcern': {'w': 40, 'wtimeout': 100}}");
    CHECK_INT(insert(t, bulk, "{'_id': 1}"), 0);
    CHECK_INT(mouv_bulk_delete_one(bulk, json(t, "{'_id': 1}"), NULL, NULL), 0);
    CHECK_INT(execute(t, bulk, &reply), MOUV_ESERVER);
    CHECK_INT(number(reply, "insertedCount"), 1);
    CHECK_INT(number(reply, "deletedCount"), 1);
    CHECK_INT(number(reply, "writeConcernErrors.0.code"), 100);
    CHECK_INT(number(reply, "writeConcernErrors.1.code"), 100);
    return 0;
}

/* --- limits --------------------------------------------------------------------------------- */

static int add_numbered(mouv_bulk_t *bulk, int32_t first, int32_t count, bool deletes) {
    int rc = 0;
    for (int32_t i = first; i < first + count && rc == 0; i++) {
        bson_t *document = BCON_NEW("_id", BCON_INT32(i));
        rc = mouv_bulk_insert_one(bulk, document, NULL, NULL);
        if (deletes && rc == 0) rc = mouv_bulk_delete_one(bulk, document, NULL, NULL);
        bson_destroy(document);
    }
    return rc;
}

CASE(more_statements_than_a_command_takes_are_split) {
    AUTO_BSON *reply = NULL;
    MOUV_AUTO_BULK mouv_bulk_t *bulk = begin(t, "{'ordered': false}");
    CHECK_INT(add_numbered(bulk, 0, 2, true), 0);
    CHECK_INT(add_numbered(bulk, 2, 100001, false), 0);
    CHECK_INT(insert(t, bulk, "{'_id': 100002}"), 0); /* a duplicate, in the second command */
    CHECK_INT(update(t, bulk, "{'_id': -1}", "{'$set': {'x': 1}}", "{'upsert': true}"), 0);
    CHECK_INT(mouv_bulk_count(bulk), 100007);
    CHECK_INT(execute(t, bulk, &reply), MOUV_ESERVER);
    CHECK_INT(number(reply, "insertedCount"), 100003);
    CHECK_INT(number(reply, "deletedCount"), 2);
    CHECK_INT(number(reply, "insertedIds.2"), 1);
    CHECK_INT(number(reply, "insertedIds.100004"), 100002);
    CHECK_INT(number(reply, "insertedIds.100005"), -1);
    CHECK_INT(number(reply, "writeErrors.0.index"), 100005);
    CHECK_INT(number(reply, "upsertedIds.100006"), -1); /* its value */
    CHECK_INT(number(reply, "upsertedCount"), 1);
    CHECK_INT(count(t, "{}"), 100002);
    return 0;
}

CASE(more_bytes_than_a_message_takes_are_split_in_order) {
    AUTO_BSON *reply = NULL;
    MOUV_AUTO_BULK mouv_bulk_t *bulk = begin(t, NULL);
    char *text = calloc(1, 1000001);
    memset(text, 'x', 1000000);
    int rc = 0;
    for (int i = 0; i < 40 && rc == 0; i++) {
        int id = i == 35 ? 34 : i;
        bson_t *document = BCON_NEW("_id", BCON_INT32(id), "text", BCON_UTF8(text));
        rc = mouv_bulk_insert_one(bulk, document, NULL, &t->error);
        bson_destroy(document);
    }
    free(text);
    CHECK_INT(rc, 0);
    CHECK_INT(execute(t, bulk, &reply), MOUV_ESERVER);
    CHECK_INT(number(reply, "insertedCount"), 35);
    CHECK_INT(number(reply, "insertedIds.34"), 34);
    CHECK_INT(number(reply, "insertedIds.35"), -1);
    CHECK_INT(number(reply, "writeErrors.0.index"), 35);
    return 0;
}

/* --- refusals ------------------------------------------------------------------------------- */

CASE(a_bad_model_among_a_thousand_is_named_and_nothing_is_sent) {
    AUTO_BSON *reply = NULL;
    MOUV_AUTO_BULK mouv_bulk_t *bulk = begin(t, NULL);
    CHECK_INT(add_numbered(bulk, 0, 437, false), 0);
    CHECK_INT(update(t, bulk, "{'_id': 1}", "{'x': 1}", "{}"), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "model 437: 'update': 'x' is no operator");
    CHECK_INT(add_numbered(bulk, 437, 1, false), MOUV_EINVAL);
    CHECK_INT(execute(t, bulk, &reply), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "model 437");
    CHECK(reply == NULL);
    CHECK_INT(count(t, "{}"), 0);
    return 0;
}

CASE(models_are_checked_as_they_are_added) {
    const char *wrong[] = {"{'hint': 5}", "{'multi': true}", "{'arrayFilters': {'a': 1}}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        MOUV_AUTO_BULK mouv_bulk_t *bulk = begin(t, NULL);
        CHECK_INT(update(t, bulk, "{}", "{'$set': {'x': 1}}", wrong[i]), MOUV_EINVAL);
        CHECK_CONTAINS(t->error.message, "model 0: ");
        CHECK_CONTAINS(t->error.message, "option '");
    }
    MOUV_AUTO_BULK mouv_bulk_t *bulk = begin(t, NULL);
    CHECK_INT(mouv_bulk_delete_one(bulk, NULL, NULL, &t->error), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "'filter' is NULL");
    MOUV_AUTO_BULK mouv_bulk_t *other = begin(t, NULL);
    CHECK_INT(
        mouv_bulk_replace_one(other, json(t, "{}"), json(t, "{'$set': {'x': 1}}"), NULL, &t->error),
        MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "operator '$set'");
    return 0;
}

CASE(an_empty_bulk_and_bad_opts_are_refused) {
    MOUV_AUTO_BULK mouv_bulk_t *bulk = begin(t, NULL);
    CHECK_INT(execute(t, bulk, NULL), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "no models");
    MOUV_AUTO_BULK mouv_bulk_t *bad = begin(t, "{'ordered': 'yes'}");
    CHECK_INT(insert(t, bad, "{}"), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "option 'ordered'");
    CHECK_INT(execute(t, bad, NULL), MOUV_EINVAL);
    MOUV_AUTO_BULK mouv_bulk_t *nowhere = mouv_collection_create_bulk(NULL, NULL);
    CHECK_INT(insert(t, nowhere, "{}"), MOUV_EINVAL);
    CHECK_INT(execute(t, nowhere, NULL), MOUV_EINVAL);
    CHECK_INT(insert(t, NULL, "{}"), MOUV_EINVAL);
    CHECK_INT(execute(t, NULL, NULL), MOUV_EINVAL);
    CHECK_INT(mouv_bulk_count(NULL), 0);
    CHECK(mouv_bulk_unref(NULL) == NULL);
    return 0;
}

CASE(a_bulk_is_executed_once) {
    MOUV_AUTO_BULK mouv_bulk_t *bulk = begin(t, NULL);
    CHECK_INT(insert(t, bulk, "{'_id': 1}"), 0);
    CHECK_INT(execute(t, bulk, NULL), 1);
    CHECK_INT(execute(t, bulk, NULL), MOUV_ESTATE);
    CHECK_INT(insert(t, bulk, "{'_id': 2}"), MOUV_ESTATE);
    CHECK_INT(count(t, "{}"), 1);
    return 0;
}

CASE(a_bulk_may_be_released_while_it_runs_or_unsent) {
    mouv_bulk_t *bulk = begin(t, NULL);
    CHECK_INT(add_numbered(bulk, 0, 1000, true), 0);
    mouv_future_t future = mouv_bulk_execute(bulk, NULL);
    mouv_bulk_unref(bulk);
    CHECK_INT(await(t, future), 2000);
    mouv_bulk_t *unsent = begin(t, "{'ordered': false}");
    CHECK_INT(add_numbered(unsent, 0, 10, true), 0);
    mouv_bulk_unref(unsent);
    return 0;
}

CASE(a_bulk_outlives_its_session_and_tells_that_it_has_ended) {
    bson_t opts = BSON_INITIALIZER;
    mouv_session_t *session = mouv_client_start_session(t->client, NULL, &t->error);
    CHECK_INT(mouv_session_append(session, &opts), 0);
    MOUV_AUTO_BULK mouv_bulk_t *first = mouv_collection_create_bulk(t->users, &opts);
    MOUV_AUTO_BULK mouv_bulk_t *second = mouv_collection_create_bulk(t->users, &opts);
    bson_destroy(&opts);
    insert(t, first, "{}");
    insert(t, second, "{}");
    int rc = execute(t, first, NULL);
    mouv_session_unref(session);
    CHECK_INT(rc, 1);
    CHECK_INT(execute(t, second, NULL), MOUV_ECLOSED);
    return 0;
}

CASE(a_bulk_keeps_its_client) {
    mouv_client_t *client = mouv_client_new(test_uri(), NULL, &t->error);
    mouv_bulk_t *bulk = mouv_collection_create_bulk(
        mouv_client_get_collection(client, t->database_name, "users"), NULL);
    mouv_client_unref(client);
    insert(t, bulk, "{}");
    int rc = execute(t, bulk, NULL);
    mouv_bulk_unref(bulk);
    CHECK_INT(rc, 1);
    return 0;
}

/* --- retries -------------------------------------------------------------------------------- */

CASE(single_statements_are_retried) {
    AUTO_BSON *reply = NULL;
    MOUV_AUTO_BULK mouv_bulk_t *bulk = begin(t, NULL);
    CHECK_INT(insert(t, bulk, "{'_id': 1}"), 0);
    CHECK_INT(update(t, bulk, "{'_id': 1}", "{'$inc': {'x': 1}}", "{}"), 0);
    CHECK_INT(fail_commands(t, 1, "'update'", "'closeConnection': true"), 0);
    CHECK_INT(execute(t, bulk, &reply), 2);
    CHECK_INT(number(reply, "modifiedCount"), 1);
    CHECK_INT(count(t, "{'x': 1}"), 1);
    return 0;
}

CASE(a_command_with_a_multi_statement_is_not_retried_but_others_are) {
    AUTO_BSON *reply = NULL;
    const bson_t *change = json(t, "{'$inc': {'x': 1}}");
    MOUV_AUTO_BULK mouv_bulk_t *bulk = begin(t, NULL);
    CHECK_INT(insert(t, bulk, "{'_id': 1}"), 0);
    CHECK_INT(mouv_bulk_update_many(bulk, json(t, "{}"), change, NULL, NULL), 0);
    CHECK_INT(fail_commands(t, 1, "'insert'", "'closeConnection': true"), 0);
    CHECK_INT(execute(t, bulk, NULL), 2);
    MOUV_AUTO_BULK mouv_bulk_t *again = begin(t, NULL);
    CHECK_INT(insert(t, again, "{'_id': 2}"), 0);
    CHECK_INT(mouv_bulk_update_many(again, json(t, "{}"), change, NULL, NULL), 0);
    CHECK_INT(fail_commands(t, 1, "'update'", "'closeConnection': true"), 0);
    CHECK_INT(execute(t, again, &reply), MOUV_EUNKNOWN);
    CHECK_INT(t->error.cause, MOUV_ENETWORK);
    CHECK_INT(number(reply, "insertedCount"), 1);
    CHECK_INT(count(t, "{'x': {'$gt': 1}}"), 0);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(every_model_is_counted),
        cmocka_unit_test(an_inserted_document_without_id_gets_one),
        cmocka_unit_test(options_of_a_model_reach_the_server),
        cmocka_unit_test(options_of_the_bulk_go_where_they_are_known),
        cmocka_unit_test(ordered_ends_with_the_first_error),
        cmocka_unit_test(unordered_tries_them_all),
        cmocka_unit_test(unordered_sends_one_command_a_kind),
        cmocka_unit_test(errors_of_several_kinds_keep_their_indexes),
        cmocka_unit_test(a_write_concern_that_cannot_be_met_is_told_with_what_was_done),
        cmocka_unit_test(more_statements_than_a_command_takes_are_split),
        cmocka_unit_test(more_bytes_than_a_message_takes_are_split_in_order),
        cmocka_unit_test(a_bad_model_among_a_thousand_is_named_and_nothing_is_sent),
        cmocka_unit_test(models_are_checked_as_they_are_added),
        cmocka_unit_test(an_empty_bulk_and_bad_opts_are_refused),
        cmocka_unit_test(a_bulk_is_executed_once),
        cmocka_unit_test(a_bulk_may_be_released_while_it_runs_or_unsent),
        cmocka_unit_test(a_bulk_outlives_its_session_and_tells_that_it_has_ended),
        cmocka_unit_test(a_bulk_keeps_its_client),
        cmocka_unit_test(single_statements_are_retried),
        cmocka_unit_test(a_command_with_a_multi_statement_is_not_retried_but_others_are),
    };
    return RUN_CASES(cases);
}
