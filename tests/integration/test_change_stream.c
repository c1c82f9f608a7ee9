/*
 * Change streams: events of each kind and level, resuming, tokens, polls, ends.
 */
/* test: own-server */
#include "support/support.h"

/* So short that a case does not wait, so long that what has happened is seen. */
#define SOON "'maxAwaitTimeMS': 100"

/** A stream on "users" that has begun: what happens from now on is seen. */
static mouv_change_stream_t *begin(test_t *t, const char *opts) {
    const bson_t *doc;
    mouv_change_stream_t *stream =
        mouv_collection_watch(t->users, NULL, json(t, opts ? opts : "{" SOON "}"));
    if (mouv_change_stream_try_next(stream, &doc, &t->error) != 0) {
        test_failed(t, __FILE__, __LINE__, "the stream did not begin");
    }
    return stream;
}

static int insert(test_t *t, int id) {
    AUTO_BSON *doc = BCON_NEW("_id", BCON_INT32(id));
    return await(t, mouv_collection_insert_one(t->users, doc, NULL, NULL));
}

/** The next event's type and its document's _id: "insert 1"; lives until the next call. */
static const char *next(test_t *t, mouv_change_stream_t *stream) {
    static char text[64];
    const bson_t *doc;
    const char *type = "?";
    int64_t id = -1;
    t->error = (mouv_error_t){0};
    int rc = mouv_change_stream_next(stream, &doc, &t->error);
    snprintf(text, sizeof text, "%s", rc < 0 ? mouv_error_name(rc) : "end");
    if (rc <= 0) return text;
    if (mouv_bson_get_utf8(doc, "operationType", &type, NULL) < 0) return "no operationType";
    if (mouv_bson_get_int64(doc, "documentKey._id", &id, NULL) < 0) return type;
    snprintf(text, sizeof text, "%s %lld", type, (long long)id);
    return text;
}

/** Makes the next `times` getMores fail so. */
static int fail_get_more(test_t *t, int times, const char *how) {
    return fail_commands(t, times, "'getMore'", how);
}

/* --- events --------------------------------------------------------------------------------- */

CASE(insert_update_and_delete_come_in_order) {
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream = begin(t, NULL);
    CHECK_INT(insert(t, 1), 1);
    CHECK_INT(await(t, mouv_collection_update_one(t->users, json(t, "{'_id': 1}"),
                                                  json(t, "{'$set': {'x': 1}}"), NULL, NULL)),
              1);
    CHECK_INT(await(t, mouv_collection_delete_one(t->users, json(t, "{'_id': 1}"), NULL, NULL)), 1);
    CHECK_STRING(next(t, stream), "insert 1");
    CHECK_STRING(next(t, stream), "update 1");
    CHECK_STRING(next(t, stream), "delete 1");
    return 0;
}

CASE(the_pipeline_filters_and_batches_are_read_whole) {
    const bson_t *doc;
    mouv_change_stream_t *stream = mouv_collection_watch(
        t->users, json(t, "{'pipeline': [{'$match': {'documentKey._id': {'$gte': 5}}}]}"),
        json(t, "{" SOON ", 'batchSize': 3}"));
    CHECK_INT(mouv_change_stream_try_next(stream, &doc, &t->error), 0);
    CHECK_INT(insert_numbered(t, 20), 0);
    for (int i = 5; i < 20; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "insert %d", i);
        CHECK_STRING(next(t, stream), expected);
    }
    CHECK_INT(mouv_change_stream_try_next(stream, &doc, &t->error), 0);
    CHECK(mouv_change_stream_unref(stream) == NULL);
    return 0;
}

CASE(full_document_looks_up_what_was_updated) {
    const bson_t *doc;
    int64_t x = 0;
    CHECK_INT(insert(t, 1), 1);
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        begin(t, "{" SOON ", 'fullDocument': 'updateLookup'}");
    CHECK_INT(await(t, mouv_collection_update_one(t->users, json(t, "{'_id': 1}"),
                                                  json(t, "{'$set': {'x': 7}}"), NULL, NULL)),
              1);
    CHECK_INT(mouv_change_stream_next(stream, &doc, &t->error), 1);
    CHECK_INT(mouv_bson_get_int64(doc, "fullDocument.x", &x, &t->error), 0);
    CHECK_INT(x, 7);
    return 0;
}

CASE(full_document_before_change_gives_what_was) {
    const bson_t *doc;
    int64_t id = 0;
    CHECK_INT(await(t, mouv_database_create_collection(
                           t->database, "users",
                           json(t, "{'changeStreamPreAndPostImages': {'enabled': true}}"))),
              0);
    CHECK_INT(insert(t, 4), 1);
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        begin(t, "{" SOON ", 'fullDocumentBeforeChange': 'required', 'showExpandedEvents': true}");
    CHECK_INT(await(t, mouv_collection_delete_one(t->users, json(t, "{'_id': 4}"), NULL, NULL)), 1);
    CHECK_INT(mouv_change_stream_next(stream, &doc, &t->error), 1);
    CHECK_INT(mouv_bson_get_int64(doc, "fullDocumentBeforeChange._id", &id, &t->error), 0);
    CHECK_INT(id, 4);
    return 0;
}

CASE(database_and_client_see_every_collection) {
    const bson_t *doc;
    char match[128];
    snprintf(match, sizeof match, "{'pipeline': [{'$match': {'ns.db': '%s'}}]}", t->database_name);
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *database =
        mouv_database_watch(t->database, NULL, json(t, "{" SOON "}"));
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *client =
        mouv_client_watch(t->client, json(t, match), json(t, "{" SOON "}"));
    CHECK_INT(mouv_change_stream_try_next(database, &doc, &t->error), 0);
    CHECK_INT(mouv_change_stream_try_next(client, &doc, &t->error), 0);
    mouv_collection_t *other = mouv_database_get_collection(t->database, "other");
    CHECK_INT(insert(t, 1), 1);
    CHECK_INT(await(t, mouv_collection_insert_one(other, json(t, "{'_id': 2}"), NULL, NULL)), 1);
    CHECK_STRING(next(t, database), "insert 1");
    CHECK_STRING(next(t, database), "insert 2");
    CHECK_STRING(next(t, client), "insert 1");
    CHECK_STRING(next(t, client), "insert 2");
    return 0;
}

/* --- waiting -------------------------------------------------------------------------------- */

static int insert_later(void *arg) {
    test_t *t = arg;
    mouv_sleep_ms(400);
    return insert(t, 1);
}

CASE(next_waits_over_several_polls) {
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream = begin(t, NULL);
    mouv_future_t task = mouv_task(insert_later, t);
    CHECK_STRING(next(t, stream), "insert 1");
    CHECK_INT(await(t, task), 1);
    return 0;
}

CASE(try_next_without_a_change_is_zero_and_alive) {
    const bson_t *doc;
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream = begin(t, NULL);
    CHECK_INT(mouv_change_stream_try_next(stream, &doc, &t->error), 0);
    CHECK(doc == NULL);
    CHECK(mouv_change_stream_alive(stream));
    CHECK(mouv_change_stream_resume_token(stream) != NULL);
    return 0;
}

typedef struct waiter {
    test_t *t;
    mouv_change_stream_t *stream;
} waiter_t;

static int wait_for_event(void *arg) {
    waiter_t *waiter = arg;
    const bson_t *doc;
    return mouv_change_stream_next(waiter->stream, &doc, NULL);
}

CASE(a_timeout_leaves_the_stream_as_it_was) {
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream = begin(t, "{'maxAwaitTimeMS': 300}");
    waiter_t waiter = {t, stream};
    for (int i = 0; i < 5; i++) {
        int64_t began = mouv_now_ms();
        CHECK_INT(mouv_with_timeout(100 + 70 * i, wait_for_event, &waiter, &t->error),
                  MOUV_ETIMEDOUT);
        CHECK(mouv_now_ms() - began < 10000);
        CHECK_INT(insert(t, i), 1);
        char expected[32];
        snprintf(expected, sizeof expected, "insert %d", i);
        CHECK_STRING(next(t, stream), expected);
    }
    return 0;
}

CASE(a_cancelled_task_stops_the_poll_and_the_stream_goes_on) {
    mouv_client_stats_t stats;
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream = begin(t, NULL);
    mouv_change_stream_unref(stream);
    stream = begin(t, "{'maxAwaitTimeMS': 1000}");
    for (int i = 0; i < 5; i++) {
        waiter_t waiter = {t, stream};
        mouv_future_t task = mouv_task(wait_for_event, &waiter);
        mouv_sleep_ms(i * 20);
        int64_t began = mouv_now_ms();
        mouv_future_cancel(task);
        CHECK_INT(await(t, task), MOUV_ECANCELED);
        CHECK(mouv_now_ms() - began < 500);
    }
    CHECK_INT(insert(t, 1), 1);
    CHECK_STRING(next(t, stream), "insert 1");
    mouv_change_stream_close(stream);
    CHECK_INT(open_cursors_become(t, 0), 0);
    mouv_client_get_stats(t->client, &stats);
    for (int i = 0; i < 250 && stats.in_flight > 0; i++) { /* the workers are on their way back */
        mouv_sleep_ms(20);
        mouv_client_get_stats(t->client, &stats);
    }
    CHECK_INT(stats.in_flight, 0);
    return 0;
}

/* Its poll would last for a minute. */
CASE(a_client_that_closes_ends_its_streams) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), NULL, &t->error);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    const bson_t *opts = json(t, "{'maxAwaitTimeMS': 60000}");
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *read = mouv_collection_watch(users, NULL, opts);
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *idle = mouv_collection_watch(users, NULL, opts);
    mouv_change_stream_t *gone = mouv_collection_watch(users, NULL, opts);
    CHECK_INT(await(t, mouv_change_stream_open(read)), 0);
    CHECK_INT(await(t, mouv_change_stream_open(idle)), 0);
    CHECK_INT(await(t, mouv_change_stream_open(gone)), 0);
    mouv_future_t fetch = mouv_change_stream_fetch(read), other = mouv_change_stream_fetch(gone);
    mouv_sleep_ms(100);
    mouv_change_stream_unref(gone);
    CHECK_INT(await(t, other), MOUV_ECLOSED);
    int64_t began_ms = mouv_now_ms();
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    CHECK(mouv_now_ms() - began_ms < 20000);
    CHECK_INT(await(t, fetch), MOUV_ECLOSED);
    CHECK_INT(await(t, mouv_change_stream_fetch(idle)), MOUV_ECLOSED);
    return 0;
}

CASE(one_task_at_a_time) {
    const bson_t *doc;
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream = begin(t, NULL);
    mouv_future_t fetch = mouv_change_stream_try_fetch(stream);
    CHECK_INT(mouv_change_stream_next(stream, &doc, &t->error), MOUV_ESTATE);
    CHECK_INT(await(t, fetch), 0);
    CHECK_INT(insert(t, 1), 1);
    CHECK_INT(await(t, mouv_change_stream_fetch(stream)), 1);
    CHECK_INT(mouv_change_stream_next_buffered(stream, &doc), 1);
    return 0;
}

/* Each case's queries would take a second where a poll held them back. */
CASE(fifty_streams_do_not_hold_back_queries) {
    mouv_change_stream_t *streams[50];
    mouv_future_t waits[50];
    for (int i = 0; i < 50; i++) streams[i] = mouv_collection_watch(t->users, NULL, NULL);
    for (int i = 0; i < 50; i++) waits[i] = mouv_change_stream_fetch(streams[i]);
    mouv_sleep_ms(1500);
    int64_t began = mouv_now_ms();
    for (int i = 0; i < 200; i++) CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    int64_t took = mouv_now_ms() - began;
    CHECK(took < 3000);
    CHECK_INT(insert(t, 1), 1);
    for (int i = 0; i < 50; i++) {
        CHECK_INT(await(t, waits[i]), 1);
        mouv_change_stream_unref(streams[i]);
    }
    return 0;
}

CASE(more_streams_than_clients_take_turns) {
    char uri[600];
    const bson_t *doc;
    mouv_change_stream_t *streams[6];
    snprintf(uri, sizeof uri, "%s%smaxPoolSize=2", test_uri(), strchr(test_uri(), '?') ? "&" : "?");
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    for (int i = 0; i < 6; i++) {
        streams[i] = mouv_collection_watch(users, NULL, json(t, "{'maxAwaitTimeMS': 200}"));
        CHECK_INT(mouv_change_stream_try_next(streams[i], &doc, &t->error), 0);
    }
    mouv_future_t waits[6];
    for (int i = 0; i < 6; i++) waits[i] = mouv_change_stream_fetch(streams[i]);
    mouv_sleep_ms(300);
    int64_t began = mouv_now_ms();
    for (int i = 0; i < 20; i++) CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK(mouv_now_ms() - began < 10000);
    CHECK_INT(insert(t, 1), 1);
    for (int i = 0; i < 6; i++) CHECK_INT(await(t, waits[i]), 1);
    CHECK(mouv_now_ms() - began < 20000);
    for (int i = 0; i < 6; i++) mouv_change_stream_unref(streams[i]);
    return 0;
}

/* --- resuming ------------------------------------------------------------------------------- */

CASE(a_cut_connection_is_resumed) {
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream = begin(t, NULL);
    CHECK_INT(insert(t, 1), 1);
    CHECK_STRING(next(t, stream), "insert 1");
    CHECK_INT(fail_get_more(t, 1, "'closeConnection': true"), 0);
    CHECK_INT(insert(t, 2), 1);
    CHECK_STRING(next(t, stream), "insert 2");
    mouv_change_stream_close(stream);
    CHECK_INT(open_cursors_become(t, 0), 0);
    return 0;
}

CASE(a_resumable_label_is_resumed_and_its_lack_is_final) {
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream = begin(t, NULL);
    CHECK_INT(
        fail_get_more(t, 1, "'errorCode': 280, 'errorLabels': ['ResumableChangeStreamError']"), 0);
    CHECK_INT(insert(t, 1), 1);
    CHECK_STRING(next(t, stream), "insert 1");
    CHECK_INT(fail_get_more(t, 1, "'errorCode': 280, 'errorLabels': []"), 0);
    CHECK_STRING(next(t, stream), "MOUV_ESERVER");
    CHECK_INT(t->error.server_code, 280);
    CHECK_STRING(next(t, stream), "MOUV_ESERVER");
    CHECK(!mouv_change_stream_alive(stream));
    return 0;
}

CASE(a_cursor_that_the_server_has_forgotten_is_resumed) {
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream = begin(t, NULL);
    CHECK_INT(fail_get_more(t, 1, "'errorCode': 43, 'errorLabels': []"), 0);
    CHECK_INT(insert(t, 1), 1);
    CHECK_STRING(next(t, stream), "insert 1");
    return 0;
}

CASE(resuming_is_not_endless) {
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream = begin(t, NULL);
    CHECK_INT(fail_get_more(t, 1000, "'closeConnection': true"), 0);
    CHECK_STRING(next(t, stream), "MOUV_ENETWORK");
    CHECK_INT(fail_no_more(t), 0);
    return 0;
}

CASE(a_token_continues_where_another_stream_was) {
    char opts[512];
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *first = begin(t, NULL);
    CHECK_INT(insert_numbered(t, 3), 0);
    CHECK_STRING(next(t, first), "insert 0");
    static const char *const names[] = {"resumeAfter", "startAfter"};
    for (int i = 0; i < 2; i++) {
        char *token = bson_as_canonical_extended_json(mouv_change_stream_resume_token(first), NULL);
        snprintf(opts, sizeof opts, "{'%s': %s, " SOON "}", names[i], token);
        bson_free(token);
        MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *second =
            mouv_collection_watch(t->users, NULL, json(t, opts));
        CHECK(bson_equal(mouv_change_stream_resume_token(second),
                         mouv_change_stream_resume_token(first)));
        CHECK_INT(fail_get_more(t, 1, "'closeConnection': true"), 0);
        CHECK_STRING(next(t, second), "insert 1");
        CHECK_STRING(next(t, second), "insert 2");
        CHECK_INT(fail_no_more(t), 0);
    }
    return 0;
}

CASE(start_at_operation_time_sees_what_was) {
    char opts[128];
    bson_iter_t iter;
    uint32_t seconds = 0, increment = 0;
    AUTO_BSON *reply = NULL;
    CHECK_INT(insert(t, 1), 1);
    CHECK_INT(await(t, mouv_database_command(t->database, json(t, "{'ping': 1}"), NULL, &reply)),
              0);
    CHECK(bson_iter_init_find(&iter, reply, "operationTime"));
    bson_iter_timestamp(&iter, &seconds, &increment);
    CHECK_INT(insert(t, 2), 1);
    snprintf(opts, sizeof opts,
             "{'startAtOperationTime': {'$timestamp': {'t': %u, 'i': %u}}, " SOON "}", seconds,
             increment + 1);
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        mouv_collection_watch(t->users, NULL, json(t, opts));
    CHECK_STRING(next(t, stream), "insert 2");
    return 0;
}

CASE(a_token_without_history_is_a_clear_error) {
    char opts[512];
    const char *data = NULL;
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream = begin(t, NULL);
    CHECK_INT(insert_numbered(t, 2), 0);
    CHECK_STRING(next(t, stream), "insert 0");
    const bson_t *token = mouv_change_stream_resume_token(stream);
    CHECK_INT(mouv_bson_get_utf8(token, "_data", &data, &t->error), 0);
    /* of the year 1970: an event that the server never had */
    snprintf(opts, sizeof opts, "{'resumeAfter': {'_data': '8200000001%s'}, " SOON "}", data + 10);
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *old =
        mouv_collection_watch(t->users, NULL, json(t, opts));
    CHECK_STRING(next(t, old), "MOUV_ESERVER");
    CHECK(t->error.server_code == 280 || t->error.server_code == 286);
    CHECK_CONTAINS(t->error.operation, "users");
    CHECK_CONTAINS(t->error.message, "resume");
    CHECK_STRING(next(t, old), "MOUV_ESERVER");
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *made_up =
        mouv_collection_watch(t->users, NULL, json(t, "{'resumeAfter': {'_data': 'none'}}"));
    CHECK_STRING(next(t, made_up), "MOUV_ESERVER");
    CHECK_CONTAINS(t->error.operation, "aggregate");
    return 0;
}

/* --- ends ----------------------------------------------------------------------------------- */

CASE(a_dropped_collection_ends_the_stream) {
    const bson_t *doc;
    CHECK_INT(insert(t, 1), 1);
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream = begin(t, NULL);
    CHECK_INT(await(t, mouv_collection_drop(t->users, NULL)), 0);
    CHECK_STRING(next(t, stream), "drop");
    CHECK_STRING(next(t, stream), "invalidate");
    CHECK_STRING(next(t, stream), "end");
    CHECK_INT(mouv_change_stream_try_next(stream, &doc, &t->error), 0);
    CHECK(!mouv_change_stream_alive(stream));
    return 0;
}

CASE(a_closed_stream_gives_eclosed_and_leaves_no_cursor) {
    mouv_change_stream_t *stream = begin(t, NULL);
    mouv_future_t fetch = mouv_change_stream_fetch(stream);
    mouv_sleep_ms(30);
    mouv_change_stream_close(stream);
    mouv_change_stream_close(stream);
    CHECK_INT(await(t, fetch), MOUV_ECLOSED);
    CHECK_STRING(next(t, stream), "MOUV_ECLOSED");
    CHECK(!mouv_change_stream_alive(stream));
    CHECK_INT(open_cursors_become(t, 0), 0);
    CHECK(mouv_change_stream_unref(stream) == NULL);
    CHECK(mouv_change_stream_unref(NULL) == NULL);
    return 0;
}

CASE(an_opened_stream_sees_what_comes_and_polls_for_nothing) {
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        mouv_collection_watch(t->users, NULL, json(t, "{'maxAwaitTimeMS': 3600000}"));
    CHECK_INT(await(t, mouv_change_stream_open(stream)), 0);
    CHECK_INT(await(t, mouv_change_stream_open(stream)), 0);
    CHECK(mouv_change_stream_alive(stream));
    CHECK(mouv_change_stream_resume_token(stream) != NULL);
    CHECK_INT(insert(t, 1), 1);
    CHECK_STRING(next(t, stream), "insert 1");
    mouv_change_stream_close(stream);
    CHECK_INT(await(t, mouv_change_stream_open(stream)), MOUV_ECLOSED);
    CHECK_INT(await(t, mouv_change_stream_open(NULL)), MOUV_EINVAL);
    return 0;
}

CASE(an_event_without_its_token_is_refused) {
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream = mouv_collection_watch(
        t->users, json(t, "{'pipeline': [{'$project': {'_id': 0}}]}"), json(t, "{" SOON "}"));
    const bson_t *doc;
    CHECK_INT(mouv_change_stream_try_next(stream, &doc, &t->error), 0);
    CHECK_INT(insert(t, 1), 1);
    CHECK(mouv_change_stream_next(stream, &doc, &t->error) < 0);
    CHECK(mouv_change_stream_next(stream, &doc, &t->error) < 0);
    return 0;
}

CASE(bad_input_shows_at_the_first_fetch) {
    const bson_t *doc;
    static const char *const bad[] = {"{'resumeAfter': 1}", "{'startAtOperationTime': 5}",
                                      "{'fullDocument': true}", "{'maxAwaitTimeMS': -1}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
            mouv_collection_watch(t->users, NULL, json(t, bad[i]));
        CHECK_INT(mouv_change_stream_next(stream, &doc, &t->error), MOUV_EINVAL);
        CHECK_CONTAINS(t->error.message, "option");
        CHECK_INT(mouv_change_stream_next(stream, &doc, &t->error), MOUV_EINVAL);
    }
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *none = mouv_client_watch(NULL, NULL, NULL);
    CHECK_INT(mouv_change_stream_next(none, &doc, &t->error), MOUV_EINVAL);
    return 0;
}

CASE(client_close_ends_a_stream_that_waits) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), NULL, &t->error);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    mouv_change_stream_t *stream = mouv_collection_watch(users, NULL, json(t, "{" SOON "}"));
    CHECK_INT(await(t, mouv_change_stream_open(stream)), 0);
    mouv_future_t fetch = mouv_change_stream_fetch(stream);
    mouv_sleep_ms(150);
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    CHECK_INT(await(t, fetch), MOUV_ECLOSED);
    mouv_change_stream_unref(stream);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(insert_update_and_delete_come_in_order),
        cmocka_unit_test(the_pipeline_filters_and_batches_are_read_whole),
        cmocka_unit_test(full_document_looks_up_what_was_updated),
        cmocka_unit_test(full_document_before_change_gives_what_was),
        cmocka_unit_test(database_and_client_see_every_collection),
        cmocka_unit_test(next_waits_over_several_polls),
        cmocka_unit_test(try_next_without_a_change_is_zero_and_alive),
        cmocka_unit_test(a_timeout_leaves_the_stream_as_it_was),
        cmocka_unit_test(a_cancelled_task_stops_the_poll_and_the_stream_goes_on),
        cmocka_unit_test(a_client_that_closes_ends_its_streams),
        cmocka_unit_test(one_task_at_a_time),
        cmocka_unit_test(fifty_streams_do_not_hold_back_queries),
        cmocka_unit_test(more_streams_than_clients_take_turns),
        cmocka_unit_test(a_cut_connection_is_resumed),
        cmocka_unit_test(a_resumable_label_is_resumed_and_its_lack_is_final),
        cmocka_unit_test(a_cursor_that_the_server_has_forgotten_is_resumed),
        cmocka_unit_test(resuming_is_not_endless),
        cmocka_unit_test(a_token_continues_where_another_stream_was),
        cmocka_unit_test(start_at_operation_time_sees_what_was),
        cmocka_unit_test(a_token_without_history_is_a_clear_error),
        cmocka_unit_test(a_dropped_collection_ends_the_stream),
        cmocka_unit_test(a_closed_stream_gives_eclosed_and_leaves_no_cursor),
        cmocka_unit_test(an_opened_stream_sees_what_comes_and_polls_for_nothing),
        cmocka_unit_test(an_event_without_its_token_is_refused),
        cmocka_unit_test(bad_input_shows_at_the_first_fetch),
        cmocka_unit_test(client_close_ends_a_stream_that_waits),
    };
    return RUN_CASES(cases);
}
