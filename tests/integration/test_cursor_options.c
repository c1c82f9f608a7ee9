/*
 * What find and aggregate take: every option reaches the server or is acted on; explain, prefetch,
 * $out and $merge, and how many cursors share a client by affinity.
 */
#include "support/support.h"

/* --- Options, as the server got them --------------------------------------------------------- */

/** The client of the case with the commands that it sent written down. */
typedef struct spy {
    mouv_client_t *client;
    mouv_collection_t *users;
    bson_t *sent; /**< the last find or aggregate */
} spy_t;

static void on_started(const mouv_command_event_t *event, void *arg) {
    spy_t *spy = arg;
    if (strcmp(event->name, "find") != 0 && strcmp(event->name, "aggregate") != 0) return;
    bson_destroy(spy->sent);
    spy->sent = bson_copy(event->command);
}

static int spy_begin(test_t *t, spy_t *spy) {
    mouv_monitor_t monitor = {.command_started = on_started};
    *spy = (spy_t){.client = mouv_client_new(test_uri(), NULL, &t->error)};
    spy->users = mouv_client_get_collection(spy->client, t->database_name, "users");
    return mouv_client_set_monitor(spy->client, &monitor, spy);
}

static int spy_end(test_t *t, spy_t *spy) {
    int rc = mouv_client_close(spy->client, &t->error);
    mouv_client_unref(spy->client);
    bson_destroy(spy->sent);
    return rc;
}

/** Whether `part`'s field, the only one, is in what was sent, by value; `at` is a document in it.
 */
static bool has(const bson_t *sent, const char *at, const bson_t *part) {
    bson_iter_t wanted, got;
    bson_t view = BSON_INITIALIZER;
    bson_t one = BSON_INITIALIZER, two = BSON_INITIALIZER;
    const uint8_t *data;
    uint32_t size;
    if (at && bson_iter_init_find(&got, sent, at) && BSON_ITER_HOLDS_DOCUMENT(&got)) {
        bson_iter_document(&got, &size, &data);
        bson_init_static(&view, data, size);
        sent = &view;
    }
    bson_iter_init(&wanted, part);
    bson_iter_next(&wanted);
    if (!bson_iter_init_find(&got, sent, bson_iter_key(&wanted))) return false;
    if (BSON_ITER_HOLDS_NUMBER(&wanted))
        return bson_iter_as_int64(&wanted) == bson_iter_as_int64(&got);
    bson_append_iter(&one, "v", 1, &wanted);
    bson_append_iter(&two, "v", 1, &got);
    bool same = bson_equal(&one, &two);
    bson_destroy(&one);
    bson_destroy(&two);
    return same;
}

/** An option by itself, and how it is sent; NULL: not at all. */
typedef struct row {
    const char *opts, *sent, *inside;
} row_t;

static int check_rows(test_t *t, const row_t *rows, size_t count, const bson_t *pipeline) {
    spy_t spy;
    int rc = spy_begin(t, &spy);
    for (size_t i = 0; rc >= 0 && i < count; i++) {
        AUTO_BSON *list = NULL;
        const bson_t *opts = json(t, rows[i].opts);
        MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
            pipeline ? mouv_collection_aggregate(spy.users, pipeline, opts)
                     : mouv_collection_find(spy.users, json(t, "{'n': {'$gte': 0}}"), opts);
        rc = mouv_cursor_to_list(cursor, 0, &list, &t->error);
        const char *sent = rows[i].sent ? rows[i].sent : rows[i].opts;
        if (rc >= 0 && !has(spy.sent, rows[i].inside, json(t, sent))) rc = -1;
        if (rc < 0) rc = test_failed(t, __FILE__, __LINE__, "%s was not sent", rows[i].opts);
    }
    int ended = spy_end(t, &spy);
    return rc < 0 ? rc : ended;
}

CASE(find_takes_every_option_of_libmongoc) {
    static const row_t rows[] = {
        {"{'projection': {'n': 1}}", NULL, NULL},
        {"{'sort': {'n': -1}}", NULL, NULL},
        {"{'skip': 2}", NULL, NULL},
        {"{'limit': 2}", NULL, NULL},
        {"{'limit': -2}", "{'limit': 2}", NULL},
        {"{'limit': -2}", "{'singleBatch': true}", NULL},
        {"{'singleBatch': true}", NULL, NULL},
        {"{'batchSize': 3}", NULL, NULL},
        {"{'hint': {'_id': 1}}", NULL, NULL},
        {"{'hint': '_id_'}", NULL, NULL},
        {"{'allowPartialResults': true}", NULL, NULL},
        {"{'collation': {'locale': 'en'}}", NULL, NULL},
        {"{'comment': 'why'}", NULL, NULL},
        {"{'comment': {'why': 1}}", NULL, NULL},
        {"{'allowDiskUse': true}", NULL, NULL},
        {"{'min': {'_id': 1}, 'hint': {'_id': 1}}", NULL, NULL},
        {"{'max': {'_id': 4}, 'hint': {'_id': 1}}", NULL, NULL},
        {"{'maxTimeMS': 10000}", NULL, NULL},
        {"{'noCursorTimeout': true}", NULL, NULL},
        {"{'oplogReplay': true}", NULL, NULL},
        {"{'returnKey': true}", NULL, NULL},
        {"{'showRecordId': true}", NULL, NULL},
        {"{'let': {'x': 1}}", NULL, NULL},
        {"{'readConcern': {'level': 'local'}}", "{'level': 'local'}", "readConcern"},
        {"{'tailable': false}", NULL, NULL},
        {"{'awaitData': false}", NULL, NULL},
    };
    CHECK_INT(insert_numbered(t, 6), 0);
    return check_rows(t, rows, sizeof rows / sizeof *rows, NULL);
}

CASE(aggregate_takes_every_option_of_libmongoc) {
    static const row_t rows[] = {
        {"{'batchSize': 3}", "{'batchSize': 3}", "cursor"},
        {"{'batchSize': 0}", "{'batchSize': 0}", "cursor"},
        {"{'allowDiskUse': true}", NULL, NULL},
        {"{'bypassDocumentValidation': true}", NULL, NULL},
        {"{'collation': {'locale': 'en'}}", NULL, NULL},
        {"{'comment': 'why'}", NULL, NULL},
        {"{'hint': {'_id': 1}}", NULL, NULL},
        {"{'let': {'x': 1}}", NULL, NULL},
        {"{'maxTimeMS': 10000}", NULL, NULL},
        {"{'readConcern': {'level': 'majority'}}", "{'level': 'majority'}", "readConcern"},
    };
    CHECK_INT(insert_numbered(t, 6), 0);
    return check_rows(t, rows, sizeof rows / sizeof *rows, json(t, "{'pipeline': []}"));
}

CASE(what_mouv_acts_on_is_not_sent) {
    spy_t spy;
    const bson_t *doc;
    const char *const kept[] = {"prefetch", "maxAwaitTimeMS", "serverId", "sessionId"};
    CHECK_INT(spy_begin(t, &spy), 0);
    const bson_t *opts = json(t, "{'prefetch': false, 'maxAwaitTimeMS': 5, 'serverId': 1}");
    {
        MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(spy.users, NULL, opts);
        CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 0);
    }
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        CHECK(!bson_has_field(spy.sent, kept[i]));
    return spy_end(t, &spy);
}

CASE(a_server_that_is_not_there_is_told) {
    const bson_t *doc;
    MOUV_AUTO_CURSOR mouv_cursor_t *none = mouv_collection_find(
        t->users, NULL, json(t, "{'serverId': {'$numberLong': '99999999999'}}"));
    CHECK_INT(mouv_cursor_next(none, &doc, &t->error), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "serverId");
    MOUV_AUTO_CURSOR mouv_cursor_t *other =
        mouv_collection_find(t->users, NULL, json(t, "{'serverId': 77}"));
    int rc = mouv_await_for(mouv_cursor_fetch(other), 200, &t->error);
    CHECK(rc == MOUV_ETIMEDOUT || rc == MOUV_ESELECTION);
    return 0;
}

CASE(exhaust_is_refused) {
    const bson_t *doc;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(t->users, NULL, json(t, "{'exhaust': true}"));
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "option 'exhaust'");
    MOUV_AUTO_CURSOR mouv_cursor_t *off =
        mouv_collection_find(t->users, NULL, json(t, "{'exhaust': false}"));
    CHECK_INT(mouv_cursor_next(off, &doc, &t->error), 0);
    return 0;
}

/* --- Prefetch -------------------------------------------------------------------------------- */

/** How many commands one document and a pause have caused. */
static int commands_of(test_t *t, const char *opts) {
    const bson_t *doc;
    mouv_client_stats_t before, after;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(t->users, NULL, json(t, opts));
    mouv_client_get_stats(t->client, &before);
    if (mouv_cursor_next(cursor, &doc, &t->error) != 1) return -1;
    mouv_sleep_ms(100);
    mouv_client_get_stats(t->client, &after);
    for (int left = 9; left > 0; left--)
        if (mouv_cursor_next(cursor, &doc, &t->error) != 1) return -1;
    if (mouv_cursor_next(cursor, &doc, &t->error) != 0) return -1;
    return (int)(after.started - before.started);
}

CASE(prefetch_can_be_turned_off) {
    CHECK_INT(insert_numbered(t, 10), 0);
    CHECK_INT(commands_of(t, "{'batchSize': 2}"), 2);
    CHECK_INT(commands_of(t, "{'batchSize': 2, 'prefetch': true}"), 2);
    CHECK_INT(commands_of(t, "{'batchSize': 2, 'prefetch': false}"), 1);
    return 0;
}

/* --- Explain --------------------------------------------------------------------------------- */

CASE(explain_tells_the_plan_and_the_cursor_still_runs) {
    AUTO_BSON *plan = NULL, *counted = NULL, *list = NULL;
    const char *stage = NULL;
    int64_t returned = 0;
    CHECK_INT(insert_numbered(t, 5), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(
        t->users, json(t, "{'_id': {'$lt': 3}}"), json(t, "{'batchSize': 2, 'comment': 'c'}"));
    CHECK_INT(
        await(t, mouv_cursor_explain(cursor, json(t, "{'verbosity': 'queryPlanner'}"), &plan)), 0);
    CHECK(mouv_bson_has(plan, "queryPlanner.winningPlan"));
    CHECK(!mouv_bson_has(plan, "executionStats"));
    CHECK_INT(
        mouv_bson_get_utf8(plan, "queryPlanner.winningPlan.inputStage.stage", &stage, &t->error),
        0);
    CHECK_STRING(stage, "IXSCAN");
    CHECK_INT(
        await(t, mouv_cursor_explain(cursor, json(t, "{'verbosity': 'executionStats'}"), &counted)),
        0);
    CHECK_INT(mouv_bson_get_int64(counted, "executionStats.nReturned", &returned, &t->error), 0);
    CHECK_INT(returned, 3);
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 3);
    return 0;
}

CASE(an_aggregate_is_explained_too) {
    AUTO_BSON *plan = NULL;
    CHECK_INT(insert_numbered(t, 5), 0);
    const bson_t *pipeline = json(t, "{'pipeline': [{'$match': {'n': 1}}, {'$sort': {'n': 1}}]}");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_aggregate(t->users, pipeline, NULL);
    CHECK_INT(await(t, mouv_cursor_explain(cursor, NULL, &plan)), 0);
    CHECK(mouv_bson_has(plan, "queryPlanner") || mouv_bson_has(plan, "stages"));
    return 0;
}

CASE(explain_after_the_first_fetch_is_refused) {
    const bson_t *doc;
    bson_t *plan = (bson_t *)t;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(t->users, NULL, NULL);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 0);
    CHECK_INT(await(t, mouv_cursor_explain(cursor, NULL, &plan)), MOUV_ESTATE);
    CHECK(plan == NULL);
    CHECK_INT(await(t, mouv_cursor_explain(NULL, NULL, NULL)), MOUV_EINVAL);
    MOUV_AUTO_CURSOR mouv_cursor_t *bad =
        mouv_collection_find(t->users, NULL, json(t, "{'sort': 1}"));
    CHECK_INT(await(t, mouv_cursor_explain(bad, NULL, NULL)), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "option 'sort'");
    return 0;
}

/* --- $out and $merge ------------------------------------------------------------------------- */

static int64_t count_of(test_t *t, const char *name) {
    int64_t count = -1;
    mouv_collection_t *collection = mouv_database_get_collection(t->database, name);
    await(t, mouv_collection_count_documents(collection, NULL, NULL, &count));
    return count;
}

CASE(out_and_merge_write_and_give_no_documents) {
    static const char *const pipelines[] = {
        "{'pipeline': [{'$match': {'n': {'$lt': 4}}}, {'$out': 'copy'}]}",
        "{'pipeline': [{'$match': {'n': {'$gte': 4}}}, {'$merge': {'into': 'copy'}}]}",
    };
    static const int64_t expected[] = {4, 10};
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 10), 0);
    for (int i = 0; i < 2; i++) {
        MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
            mouv_collection_aggregate(t->users, json(t, pipelines[i]), json(t, "{'batchSize': 0}"));
        CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 0);
        CHECK_INT(count_of(t, "copy"), expected[i]);
    }
    return 0;
}

CASE(errors_of_out_and_merge_are_told) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 3), 0);
    const bson_t *again = json(t, "{'pipeline': [{'$merge': {'into': 'users',"
                                  " 'whenMatched': 'fail'}}]}");
    MOUV_AUTO_CURSOR mouv_cursor_t *merge = mouv_collection_aggregate(t->users, again, NULL);
    CHECK_INT(mouv_cursor_next(merge, &doc, &t->error), MOUV_ESERVER);
    CHECK(mouv_error_is_duplicate_key(&t->error));
    CHECK_CONTAINS(t->error.operation, "aggregate mouv_test_");
    const bson_t *bad = json(t, "{'pipeline': [{'$out': {'db': 5, 'coll': 'x'}}]}");
    MOUV_AUTO_CURSOR mouv_cursor_t *out = mouv_collection_aggregate(t->users, bad, NULL);
    CHECK_INT(mouv_cursor_next(out, &doc, &t->error), MOUV_ESERVER);
    return 0;
}

/* --- Affinity -------------------------------------------------------------------------------- */

enum { CURSORS = 1000, CLIENTS = 10, DOCUMENTS = 6 };

typedef struct crowd {
    test_t *t;
    mouv_client_t *client;
    mouv_collection_t *users;
    bool over;
} crowd_t;

/* Uses a session of its own all the time, so that the pool's newest is never a cursor's. */
static int use_a_session(void *arg) {
    crowd_t *crowd = arg;
    mouv_error_t error = {0};
    MOUV_AUTO_SESSION mouv_session_t *session =
        mouv_client_start_session(crowd->client, NULL, &error);
    bson_t opts = BSON_INITIALIZER;
    int rc = mouv_session_append(session, &opts);
    while (rc >= 0 && !crowd->over)
        rc = mouv_await(mouv_collection_find_one(crowd->users, NULL, &opts, NULL), &error);
    bson_destroy(&opts);
    return rc < 0 ? rc : 0;
}

static int fetch_all(mouv_cursor_t *const *cursors, mouv_error_t *error) {
    mouv_future_t futures[CURSORS];
    for (int i = 0; i < CURSORS; i++) futures[i] = mouv_cursor_fetch(cursors[i]);
    return mouv_await(mouv_gather_array(futures, CURSORS), error);
}

/** Each cursor's next batch of two, round after round; the sum of all there was, or an error. */
static int read_round_by_round(crowd_t *crowd, mouv_cursor_t *const *cursors) {
    const bson_t *doc;
    int sum = 0;
    for (int round = 0; round < DOCUMENTS / 2; round++) {
        int rc = fetch_all(cursors, &crowd->t->error);
        if (rc < 0) return rc;
        for (int i = 0; i < CURSORS; i++)
            while (mouv_cursor_next_buffered(cursors[i], &doc) == 1) sum++;
    }
    return sum;
}

CASE(a_thousand_cursors_on_ten_clients_keep_to_their_sessions) {
    static mouv_cursor_t *cursors[CURSORS];
    char uri[600];
    mouv_client_stats_t stats;
    CHECK_INT(insert_numbered(t, DOCUMENTS), 0);
    snprintf(uri, sizeof uri, "%s%smaxPoolSize=%d", test_uri(), strchr(test_uri(), '?') ? "&" : "?",
             CLIENTS);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    crowd_t crowd = {t, client, mouv_client_get_collection(client, t->database_name, "users"),
                     false};
    mouv_future_t others[3];
    for (int i = 0; i < 3; i++) others[i] = mouv_task(use_a_session, &crowd);
    for (int i = 0; i < CURSORS; i++)
        cursors[i] =
            mouv_collection_find(crowd.users, NULL, json(t, "{'batchSize': 2, 'prefetch': false}"));
    int sum = read_round_by_round(&crowd, cursors);
    int open = open_cursors(t);
    mouv_client_get_stats(client, &stats);
    crowd.over = true;
    int rc = 0;
    for (int i = 0; i < 3; i++)
        if (mouv_await(others[i], &t->error) < 0) rc = -1;
    for (int i = 0; i < CURSORS; i++) mouv_cursor_unref(cursors[i]);
    CHECK_INT(sum, CURSORS * DOCUMENTS);
    CHECK_INT(rc, 0);
    CHECK_INT(open, CURSORS); /* each has yet to learn that there is no more */
    CHECK(stats.clients <= CLIENTS);
    CHECK_INT(open_cursors_become(t, 0), 0);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(find_takes_every_option_of_libmongoc),
        cmocka_unit_test(aggregate_takes_every_option_of_libmongoc),
        cmocka_unit_test(what_mouv_acts_on_is_not_sent),
        cmocka_unit_test(a_server_that_is_not_there_is_told),
        cmocka_unit_test(exhaust_is_refused),
        cmocka_unit_test(prefetch_can_be_turned_off),
        cmocka_unit_test(explain_tells_the_plan_and_the_cursor_still_runs),
        cmocka_unit_test(an_aggregate_is_explained_too),
        cmocka_unit_test(explain_after_the_first_fetch_is_refused),
        cmocka_unit_test(out_and_merge_write_and_give_no_documents),
        cmocka_unit_test(errors_of_out_and_merge_are_told),
        cmocka_unit_test(a_thousand_cursors_on_ten_clients_keep_to_their_sessions),
    };
    return RUN_CASES(cases);
}
