/*
 * Batches in both of their forms, by what their operation sends: as arrays in the command, and as
 * sequences beside it. Each case runs with both, and what users see of it is the same.
 */
#include "operation_support.h"

#include <mouv/bulk.h>
#include <mouv/collection.h>
#include <mouv/reply.h>

#include "mongo/command/handles.h"

typedef struct batch_test {
    fake_t *fake;
    mouv_collection_t *users;
    bool sequences;
} batch_test_t;

static batch_test_t batch_begin(int sequences) {
    batch_test_t t = {.fake = fake_with(1, "RSPrimary"), .sequences = sequences != 0};
    t.fake->transport.takes_sequences = t.sequences;
    t.users = mouv_client_get_collection(fake_client(t.fake), "shop", "users");
    return t;
}

static void batch_end(batch_test_t *t) {
    mouv__handles_clear(fake_client(t->fake));
    fake_free(t->fake);
}

#define EACH_FORM(t) \
    for (int form_ = 0; form_ < 2; form_++) \
        for (batch_test_t t = batch_begin(form_); t.fake; batch_end(&t), t.fake = NULL)

static const mouv__sequence_t *sequence_of(const batch_test_t *t) {
    return fake_out(t->fake, FAKE_SEND, 0)->exchange->sequence;
}

/* What is out is this command: in its form, and as a whole. */
static void check_out(const batch_test_t *t, const char *expected) {
    const fake_call_t *call = fake_out(t->fake, FAKE_SEND, 0);
    CHECK(call != NULL);
    if (!call) return;
    CHECK((call->exchange->sequence != NULL) == t->sequences);
    bson_t *command = bson_copy(call->command);
    if (call->exchange->sequence) {
        CHECK(!bson_has_field(command, call->exchange->sequence->name));
        mouv__sequence_append_to(call->exchange->sequence, command);
    }
    check_document(command, expected);
    bson_destroy(command);
}

static void answer(const batch_test_t *t, const char *reply) {
    fake_answer(fake_out(t->fake, FAKE_SEND, 0), reply);
    fake_turn();
}

static uint32_t count_out(const batch_test_t *t) {
    bson_iter_t iter, each;
    uint32_t count = 0;
    if (t->sequences) return sequence_of(t)->count;
    if (bson_iter_init_find(&iter, fake_out(t->fake, FAKE_SEND, 0)->command, "documents") &&
        bson_iter_recurse(&iter, &each))
        while (bson_iter_next(&each)) count++;
    return count;
}

/* --- what is sent ----------------------------------------------------------------------------- */

static mouv_future_t insert(const batch_test_t *t, const char *first, const char *second,
                            const char *opts, bson_t **reply) {
    bson_t *documents[] = {from_json(first), from_json(second)};
    bson_t *given = from_json(opts);
    mouv_future_t future =
        mouv_collection_insert_many(t->users, (const bson_t *const *)documents, 2, given, reply);
    bson_destroy(documents[0]); /* they have been copied */
    bson_destroy(documents[1]);
    bson_destroy(given);
    fake_turn();
    return future;
}

CORO_CASE(documents_are_sent_as_they_are) {
    EACH_FORM(t) {
        mouv_future_t future = insert(&t, "{'_id': 1}", "{'_id': 2, 'x': 1}", "{}", NULL);
        check_out(&t,
                  "{'insert': 'users', 'ordered': true, 'documents': [{'_id': 1}, {'_id': 2, 'x':"
                  " 1}]}");
        answer(&t, "{'ok': 1, 'n': 2}");
        CHECK_INT(mouv_await(future, NULL), 2);
    }
    return 0;
}

CORO_CASE(an_id_is_put_in_front_and_told) {
    EACH_FORM(t) {
        bson_t *reply = NULL;
        bson_iter_t sent, told;
        mouv_future_t future = insert(&t, "{'x': 1}", "{'_id': 2}", "{}", &reply);
        bson_t *command = bson_copy(fake_out(t.fake, FAKE_SEND, 0)->command);
        if (t.sequences) mouv__sequence_append_to(sequence_of(&t), command);
        bson_iter_init(&told, command);
        CHECK(bson_iter_find_descendant(&told, "documents.0", &sent));
        CHECK(bson_iter_recurse(&sent, &told) && bson_iter_next(&told));
        CHECK_STRING(bson_iter_key(&told), "_id");
        bson_oid_t oid = *bson_iter_oid(&told);
        CHECK(bson_iter_next(&told) && bson_iter_int32(&told) == 1 && !bson_iter_next(&told));
        answer(&t, "{'ok': 1, 'n': 2}");
        CHECK_INT(mouv_await(future, NULL), 2);
        bson_iter_init(&told, reply);
        CHECK(bson_iter_find_descendant(&told, "insertedIds.0", &sent));
        CHECK(bson_oid_equal(bson_iter_oid(&sent), &oid));
        CHECK_INT(number_in(reply, "insertedIds.1", 0), 2);
        bson_destroy(command);
        bson_destroy(reply);
    }
    return 0;
}

CORO_CASE(a_bulk_has_a_command_for_each_run_of_one_kind) {
    EACH_FORM(t) {
        MOUV_AUTO_BULK mouv_bulk_t *bulk = mouv_collection_create_bulk(t.users, NULL);
        bson_t *one = from_json("{'_id': 1}"), *set = from_json("{'$set': {'x': 1}}"),
               *options = from_json("{'upsert': true}");
        CHECK_INT(mouv_bulk_insert_one(bulk, one, NULL, NULL), 0);
        CHECK_INT(mouv_bulk_update_many(bulk, one, set, options, NULL), 0);
        CHECK_INT(mouv_bulk_update_one(bulk, one, set, NULL, NULL), 0);
        CHECK_INT(mouv_bulk_delete_one(bulk, one, NULL, NULL), 0);
        mouv_future_t future = mouv_bulk_execute(bulk, NULL);
        fake_turn();
        check_out(&t, "{'insert': 'users', 'ordered': true, 'documents': [{'_id': 1}]}");
        answer(&t, "{'ok': 1, 'n': 1}");
        check_out(&t, "{'update': 'users', 'ordered': true, 'updates': [{'q': {'_id': 1}, 'u': "
                      "{'$set': {'x': 1}}, 'multi': true, 'upsert': true}, {'q': {'_id': 1}, 'u': "
                      "{'$set': {'x': 1}}}]}");
        answer(&t, "{'ok': 1, 'n': 2, 'nModified': 1}");
        check_out(&t, "{'delete': 'users', 'ordered': true, 'deletes': [{'q': {'_id': 1}, 'limit': "
                      "1}]}");
        answer(&t, "{'ok': 1, 'n': 1}");
        CHECK_INT(mouv_await(future, NULL), 4);
        bson_destroy(one);
        bson_destroy(set);
        bson_destroy(options);
    }
    return 0;
}

CORO_CASE(a_retry_sends_the_same_again) {
    EACH_FORM(t) {
        mouv_future_t future = insert(&t, "{'_id': 1}", "{'_id': 2}", "{}", NULL);
        int64_t number = number_in(fake_out(t.fake, FAKE_SEND, 0)->fields, "txnNumber", 0);
        fake_lose(fake_out(t.fake, FAKE_SEND, 0), true);
        fake_turn();
        check_out(&t,
                  "{'insert': 'users', 'ordered': true, 'documents': [{'_id': 1}, {'_id': 2}]}");
        CHECK_INT(number_in(fake_out(t.fake, FAKE_SEND, 0)->fields, "txnNumber", 0), number);
        answer(&t, "{'ok': 1, 'n': 2}");
        CHECK_INT(mouv_await(future, NULL), 2);
    }
    return 0;
}

/* --- limits ----------------------------------------------------------------------------------- */

static mouv_future_t insert_equal(const batch_test_t *t, size_t count, size_t weight,
                                  bson_t **reply) {
    char *text = malloc(weight + 1);
    memset(text, 'x', weight);
    text[weight] = '\0';
    bson_t *document = BCON_NEW("text", BCON_UTF8(text));
    const bson_t **documents = calloc(count, sizeof *documents);
    for (size_t i = 0; i < count; i++) documents[i] = document;
    mouv_future_t future = mouv_collection_insert_many(t->users, documents, count, NULL, reply);
    free(documents);
    free(text);
    bson_destroy(document);
    fake_turn();
    return future;
}

/* Before anything has reached the server. */
static void lose_twice(const batch_test_t *t) {
    for (int i = 0; i < 2; i++) {
        fake_lose(fake_out(t->fake, FAKE_SEND, 0), false);
        fake_turn();
    }
}

CORO_CASE(a_write_without_an_answer_has_a_reply_with_counts_of_0) {
    EACH_FORM(t) {
        bson_t *reply = NULL, *one = from_json("{'_id': 1}");
        mouv_error_t error;
        mouv_bulk_t *bulk = mouv_collection_create_bulk(t.users, NULL);
        CHECK_INT(mouv_bulk_insert_one(bulk, one, NULL, NULL), 0);
        mouv_future_t future = mouv_bulk_execute(bulk, &reply);
        fake_turn();
        lose_twice(&t);
        CHECK_INT(mouv_await(future, &error), MOUV_ENETWORK);
        check_document(reply, "{'insertedCount': 0, 'matchedCount': 0, 'modifiedCount': 0,"
                              " 'deletedCount': 0, 'upsertedCount': 0, 'insertedIds': {},"
                              " 'upsertedIds': {}}");
        CHECK(mouv_error_reply(&error) == NULL);
        bson_destroy(reply);
        future = insert(&t, "{'_id': 1}", "{'_id': 2}", "{}", &reply);
        lose_twice(&t);
        CHECK_INT(mouv_await(future, NULL), MOUV_ENETWORK);
        check_document(reply, "{'insertedCount': 0, 'insertedIds': {}}");
        bson_destroy(reply);
        bson_destroy(one);
        mouv_bulk_unref(bulk);
    }
    return 0;
}

CORO_CASE(a_command_has_no_more_than_100000_statements) {
    EACH_FORM(t) {
        mouv_future_t future = insert_equal(&t, 100001, 0, NULL);
        CHECK_INT(count_out(&t), 100000);
        answer(&t, "{'ok': 1, 'n': 100000}");
        CHECK_INT(count_out(&t), 1);
        answer(&t, "{'ok': 1, 'n': 1}");
        CHECK_INT(mouv_await(future, NULL), 100001);
    }
    return 0;
}

CORO_CASE(arrays_end_at_16_mib_and_sequences_at_48_mb) {
    EACH_FORM(t) {
        static const uint32_t expected[2][5] = {{16, 16, 16, 2, 0}, {47, 3, 0}};
        mouv_future_t future = insert_equal(&t, 50, 1000000, NULL);
        for (int i = 0; expected[t.sequences][i] > 0; i++) {
            char reply[64];
            snprintf(reply, sizeof reply, "{'ok': 1, 'n': %u}", expected[t.sequences][i]);
            CHECK_INT(count_out(&t), expected[t.sequences][i]);
            if (t.sequences) CHECK(sequence_of(&t)->size < 48000000 - 16 * 1024);
            answer(&t, reply);
        }
        CHECK_INT(mouv_await(future, NULL), 50);
    }
    return 0;
}

CORO_CASE(errors_in_a_later_batch_have_their_own_index) {
    EACH_FORM(t) {
        bson_t *reply = NULL;
        mouv_future_t future = insert_equal(&t, 50, 1000000, &reply);
        uint32_t first = count_out(&t);
        char text[64];
        snprintf(text, sizeof text, "{'ok': 1, 'n': %u}", first);
        answer(&t, text);
        answer(&t, "{'ok': 1, 'n': 1, 'writeErrors': [{'index': 1, 'code': 11000}]}");
        CHECK_INT(mouv_await(future, NULL), MOUV_ESERVER);
        CHECK_INT(number_in(reply, "writeErrors.0.index", 0), first + 1);
        CHECK_INT(number_in(reply, "insertedCount", 0), first + 1);
        bson_destroy(reply);
    }
    return 0;
}

CORO_CASE(a_statement_that_no_server_takes_is_refused) {
    EACH_FORM(t) {
        size_t size = 9 * 1024 * 1024;
        char *text = calloc(1, size + 1);
        memset(text, 'x', size);
        bson_t *filter = BCON_NEW("x", BCON_UTF8(text)),
               *update = BCON_NEW("$set", "{", "x", BCON_UTF8(text), "}");
        mouv_error_t error = {0};
        mouv_future_t future = mouv_collection_update_one(t.users, filter, update, NULL, NULL);
        CHECK_INT(mouv_await(future, &error), MOUV_EINVAL);
        CHECK_CONTAINS(error.message, "more than the limit of");
        CHECK_INT(fake_total(t.fake, FAKE_SEND), 0);
        bson_destroy(filter);
        bson_destroy(update);
        free(text);
    }
    return 0;
}

/* --- no memory -------------------------------------------------------------------------------- */

CORO_CASE(without_memory_it_fails_and_sends_nothing) {
    EACH_FORM(t) {
        int failures = 0;
        for (int n = 1; n < 100; n++) {
            mouv_error_t error = {0};
            mouv__alloc_fail_at = n;
            mouv_future_t future = insert_equal(&t, 3, 300, NULL);
            bool reached = mouv__alloc_fail_at == 0;
            mouv__alloc_fail_at = -1;
            if (fake_out(t.fake, FAKE_SEND, 0)) answer(&t, "{'ok': 1, 'n': 3}");
            int rc = mouv_await(future, &error);
            if (!reached) CHECK_INT(rc, 3);
            if (!reached) break;
            if (rc != 3) CHECK_INT(rc, MOUV_ENOMEM);
            failures += rc == MOUV_ENOMEM;
        }
        CHECK(failures >= (t.sequences ? 4 : 2));
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(documents_are_sent_as_they_are),
        TEST(an_id_is_put_in_front_and_told),
        TEST(a_bulk_has_a_command_for_each_run_of_one_kind),
        TEST(a_retry_sends_the_same_again),
        TEST(a_write_without_an_answer_has_a_reply_with_counts_of_0),
        TEST(a_command_has_no_more_than_100000_statements),
        TEST(arrays_end_at_16_mib_and_sequences_at_48_mb),
        TEST(errors_in_a_later_batch_have_their_own_index),
        TEST(a_statement_that_no_server_takes_is_refused),
        TEST(without_memory_it_fails_and_sends_nothing),
    };
    return RUN_CASES(tests);
}
