/*
 * timeoutMS of clients, handles and calls: which one counts, what is sent, what time runs out to,
 * which older limits it replaces. Fail points hold commands up.
 */
/* test: own-server, executors */
#include "support/wire.h"

#define BLOCKED "'blockConnection': true, 'blockTimeMS': 3000"

static wire_t wire;

/** A client that `wire` is told of, from its beginning. */
static mouv_client_t *listening(test_t *t, const char *options) {
    wire = (wire_t){0};
    return wire_client(t, &wire, options);
}

static int find_one(test_t *t, mouv_collection_t *users, const char *opts) {
    return await(t, mouv_collection_find_one(users, NULL, json(t, opts), NULL));
}

static int insert(test_t *t, mouv_collection_t *users, const char *opts) {
    return await(t, mouv_collection_insert_one(users, json(t, "{}"), json(t, opts), NULL));
}

static int64_t stored(test_t *t) {
    int64_t count = -1;
    mouv_await(mouv_collection_count_documents(t->users, NULL, NULL, &count), NULL);
    return count;
}

/* --- where it is given ----------------------------------------------------------------------- */

CASE(call_before_collection_before_database_before_client) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "timeoutMS=100000");
    mouv_database_t *plain = mouv_client_get_database(client, t->database_name);
    mouv_database_t *database = mouv_database_with_options(plain, json(t, "{'timeoutMS': 80000}"));
    mouv_collection_t *inherits = mouv_database_get_collection(database, "users");
    mouv_collection_t *own =
        mouv_collection_with_options(inherits, json(t, "{'timeoutMS': 60000}"));
    CHECK_INT(find_one(t, wire_users(t, client), "{}"), 0);
    CHECK_LIMIT(wire_max_time(&wire, "find"), 100000);
    CHECK_INT(find_one(t, inherits, "{}"), 0);
    CHECK_LIMIT(wire_max_time(&wire, "find"), 80000);
    CHECK_INT(find_one(t, own, "{}"), 0);
    CHECK_LIMIT(wire_max_time(&wire, "find"), 60000);
    CHECK_INT(find_one(t, own, "{'timeoutMS': 120000}"), 0);
    CHECK_LIMIT(wire_max_time(&wire, "find"), 120000);
    CHECK_INT(await(t, mouv_database_command(database, json(t, "{'ping': 1}"), NULL, NULL)), 0);
    CHECK_LIMIT(wire_max_time(&wire, "ping"), 80000);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK_LIMIT(wire_max_time(&wire, "ping"), 100000);
    return 0;
}

CASE(zero_is_no_limit_on_every_level) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "timeoutMS=100000");
    mouv_database_t *database = mouv_database_with_options(
        mouv_client_get_database(client, t->database_name), json(t, "{'timeoutMS': 0}"));
    mouv_collection_t *inherits = mouv_database_get_collection(database, "users");
    CHECK_INT(find_one(t, inherits, "{}"), 0);
    CHECK_INT(wire_max_time(&wire, "find"), WIRE_NONE);
    CHECK_INT(find_one(t, wire_users(t, client), "{'timeoutMS': 0}"), 0);
    CHECK_INT(wire_max_time(&wire, "find"), WIRE_NONE);
    CHECK_INT(find_one(t, inherits, "{'timeoutMS': 60000}"), 0);
    CHECK_LIMIT(wire_max_time(&wire, "find"), 60000);
    return 0;
}

CASE(zero_in_the_uri_is_given_and_no_limit) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "TIMEOUTms=0&appName=test");
    CHECK_INT(find_one(t, wire_users(t, client), "{'maxTimeMS': 50000}"), 0);
    CHECK_INT(wire_max_time(&wire, "find"), WIRE_NONE); /* it replaces maxTimeMS all the same */
    return 0;
}

CASE(without_it_scopes_and_maxTimeMS_say_what_is_sent) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    mouv_collection_t *users = wire_users(t, client);
    CHECK_INT(find_one(t, users, "{}"), 0);
    CHECK_INT(wire_max_time(&wire, "find"), WIRE_NONE);
    CHECK_INT(find_one(t, users, "{'maxTimeMS': 50000}"), 0);
    CHECK_INT(wire_max_time(&wire, "find"), 50000);
    mouv_future_t find = mouv_collection_find_one(users, NULL, NULL, NULL);
    CHECK_INT(mouv_await_for(find, 40000, &t->error), 0);
    CHECK_LIMIT(wire_max_time(&wire, "find"), 40000);
    find = mouv_collection_find_one(users, NULL, json(t, "{'maxTimeMS': 20000}"), NULL);
    CHECK_INT(mouv_await_for(find, 40000, &t->error), 0);
    CHECK_INT(wire_max_time(&wire, "find"), 20000); /* never longer than the user's own */
    return 0;
}

CASE(the_nearer_of_scope_and_timeoutMS_counts) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    mouv_collection_t *users = wire_users(t, client);
    mouv_future_t find =
        mouv_collection_find_one(users, NULL, json(t, "{'timeoutMS': 80000}"), NULL);
    CHECK_INT(mouv_await_for(find, 40000, &t->error), 0);
    CHECK_LIMIT(wire_max_time(&wire, "find"), 40000);
    find = mouv_collection_find_one(users, NULL, json(t, "{'timeoutMS': 40000}"), NULL);
    CHECK_INT(mouv_await_for(find, 80000, &t->error), 0);
    CHECK_LIMIT(wire_max_time(&wire, "find"), 40000);
    return 0;
}

CASE(every_operation_sends_it) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "timeoutMS=60000");
    mouv_database_t *database = mouv_client_get_database(client, t->database_name);
    mouv_collection_t *users = wire_users(t, client);
    const bson_t *all = json(t, "{}"), *doc = json(t, "{'_id': 1, 'x': 1}");
    const bson_t *change = json(t, "{'$set': {'x': 2}}"), *keys = json(t, "{'x': 1}");
    MOUV_AUTO_BULK mouv_bulk_t *bulk = mouv_collection_create_bulk(users, NULL);
    mouv_bulk_insert_one(bulk, json(t, "{'_id': 2}"), NULL, NULL);
    mouv_bulk_delete_one(bulk, json(t, "{'_id': 2}"), NULL, NULL);
    const struct {
        const char *command;
        mouv_future_t future;
    } operations[] = {
        {"create", mouv_database_create_collection(database, "other", NULL)},
        {"insert", mouv_collection_insert_one(users, doc, NULL, NULL)},
        {"update", mouv_collection_update_many(users, all, change, NULL, NULL)},
        {"update", mouv_collection_replace_one(users, all, doc, NULL, NULL)},
        {"findAndModify", mouv_collection_find_one_and_update(users, all, change, NULL, NULL)},
        {"aggregate", mouv_collection_count_documents(users, NULL, NULL, NULL)},
        {"count", mouv_collection_estimated_document_count(users, NULL, NULL)},
        {"distinct", mouv_collection_distinct(users, "x", NULL, NULL, NULL)},
        {"createIndexes", mouv_collection_create_index(users, keys, NULL, NULL, NULL)},
        {"listIndexes", mouv_collection_index_information(users, NULL, NULL)},
        {"dropIndexes", mouv_collection_drop_index(users, "x_1", NULL)},
        {"listDatabases", mouv_client_list_database_names(client, NULL, NULL)},
        {"listCollections", mouv_database_list_collection_names(database, NULL, NULL)},
        {"delete", mouv_bulk_execute(bulk, NULL)},
        {"delete", mouv_collection_delete_many(users, all, NULL, NULL)},
        {"drop", mouv_collection_drop(users, NULL)},
    };
    size_t count = sizeof operations / sizeof *operations;
    for (size_t i = 0; i < count; i++) await(t, operations[i].future); /* all at once, some fail */
    for (size_t i = 0; i < count; i++)
        CHECK_LIMIT(wire_max_time(&wire, operations[i].command), 60000);
    return 0;
}

/* --- bad ones -------------------------------------------------------------------------------- */

CASE(what_is_no_time_is_refused_by_name) {
    static const char *const bad[] = {"-1", "abc", "", "5s", "1e3", "99999999999999999999"};
    CHECK_INT(find_one(t, t->users, "{'timeoutMS': -1}"), MOUV_EINVAL);
    CHECK_STRING(t->error.message,
                 "option 'timeoutMS': expected a number of 0 or more, got a negative one");
    CHECK_INT(find_one(t, t->users, "{'timeoutMS': '5'}"), MOUV_EINVAL);
    CHECK_INT(
        find_one(t, mouv_collection_with_options(t->users, json(t, "{'timeoutMS': -5}")), "{}"),
        MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "timeoutMS");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char uri[128];
        snprintf(uri, sizeof uri, "mongodb://localhost/?timeoutMS=%s&appName=x", bad[i]);
        CHECK(mouv_client_new(uri, NULL, &t->error) == NULL);
        CHECK_INT(t->error.code, MOUV_EINVAL);
        CHECK_CONTAINS(t->error.message, "the URI's option 'timeoutMS'");
    }
    CHECK_INT(find_one(t, t->users, "{'timeoutMode': 'iteration', 'timeoutMS': 5}"), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "'timeoutMode' is for cursors");
    return 0;
}

CASE(a_model_of_a_bulk_has_none_of_its_own) {
    MOUV_AUTO_BULK mouv_bulk_t *bulk = mouv_collection_create_bulk(t->users, NULL);
    const bson_t *opts = json(t, "{'timeoutMS': 5}");
    CHECK_INT(mouv_bulk_insert_one(bulk, json(t, "{}"), opts, &t->error), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "timeoutMS");
    return 0;
}

/* --- time runs out --------------------------------------------------------------------------- */

CASE(a_read_ends_at_its_time) {
    CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    CHECK_INT(fail_commands(t, 1, "'find'", BLOCKED), 0);
    int64_t began_ms = mouv_now_ms();
    CHECK_INT(find_one(t, t->users, "{'timeoutMS': 200}"), MOUV_ETIMEDOUT);
    CHECK(mouv_now_ms() - began_ms >= 200);
    CHECK(mouv_now_ms() - began_ms < 2900);
    CHECK(mouv_error_is_timeout(&t->error));
    return fail_no_more(t);
}

CASE(a_timeout_is_counted_as_one_whoever_set_it) {
    mouv_client_stats_t stats;
    CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    CHECK_INT(fail_commands(t, 3, "'find'", BLOCKED), 0);
    mouv_future_t find = mouv_collection_find_one(t->users, NULL, NULL, NULL);
    CHECK_INT(mouv_await_for(find, 100, &t->error), MOUV_ETIMEDOUT);
    mouv_client_get_stats(t->client, &stats);
    CHECK_INT(stats.timeouts, 1);
    CHECK_INT(find_one(t, t->users, "{'timeoutMS': 100}"), MOUV_ETIMEDOUT);
    mouv_client_get_stats(t->client, &stats);
    CHECK_INT(stats.timeouts, 2);
    CHECK_INT(stats.cancels, 0);
    find = mouv_collection_find_one(t->users, NULL, NULL, NULL);
    mouv_sleep_ms(20);
    mouv_future_cancel(find);
    CHECK_INT(await(t, find), MOUV_ECANCELED);
    mouv_client_get_stats(t->client, &stats);
    CHECK_INT(stats.timeouts, 2);
    CHECK_INT(stats.cancels, 1);
    return fail_no_more(t);
}

/* Where the machine is too busy to ask in time what became of it, it is unknown. */
CASE(a_write_that_ends_at_its_time_stores_nothing) {
    int rc = MOUV_EUNKNOWN, unknown = -1;
    CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    for (int tries = 0; tries < 10 && rc == MOUV_EUNKNOWN; tries++, unknown++) {
        CHECK_INT(fail_commands(t, 1, "'insert'", BLOCKED), 0);
        rc = insert(t, t->users, "{'timeoutMS': 200}");
        CHECK(mouv_error_is_timeout(&t->error));
    }
    CHECK_INT(rc, MOUV_ETIMEDOUT);
    CHECK(stored(t) <= unknown);
    return fail_no_more(t);
}

CASE(what_cannot_be_back_in_time_is_not_sent) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    CHECK_INT(find_one(t, wire_users(t, client), "{}"), 0);
    CHECK_INT(insert(t, wire_users(t, client), "{'timeoutMS': 1}"), MOUV_ETIMEDOUT);
    CHECK_INT(wire_sent(&wire, "insert"), 0);
    return 0;
}

/** Checks that the last error is one of `name` in the case's own collection "users". */
static int is_of(test_t *t, const char *name) {
    char expected[120];
    snprintf(expected, sizeof expected, "%s %s.users", name, t->database_name);
    CHECK_STRING(t->error.operation, expected);
    return 0;
}

CASE(what_is_refused_for_want_of_time_is_named) {
    const bson_t *doc;
    MOUV_AUTO_CURSOR mouv_cursor_t *find = mouv_collection_find(t->users, NULL, NULL);
    MOUV_AUTO_CURSOR mouv_cursor_t *list = mouv_collection_aggregate(t->users, NULL, NULL);
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        mouv_collection_watch(t->users, NULL, NULL);
    AUTO_BSON *listed = NULL;
    MOUV_TIMEOUT_SCOPE(limit, 0);
    CHECK_INT(insert(t, t->users, "{}"), MOUV_ECANCELED);
    CHECK_INT(is_of(t, "insert"), 0);
    CHECK_INT(find_one(t, t->users, "{}"), MOUV_ECANCELED);
    CHECK_INT(is_of(t, "find"), 0);
    CHECK_INT(await(t, mouv_collection_drop(t->users, NULL)), MOUV_ECANCELED);
    CHECK_INT(is_of(t, "drop"), 0);
    CHECK_INT(mouv_cursor_next(find, &doc, &t->error), MOUV_ECANCELED);
    CHECK_INT(is_of(t, "find"), 0);
    CHECK_INT(mouv_cursor_to_list(list, 0, &listed, &t->error), MOUV_ECANCELED);
    CHECK_INT(is_of(t, "aggregate"), 0);
    CHECK_INT(mouv_change_stream_next(stream, &doc, &t->error), MOUV_ECANCELED);
    CHECK_INT(is_of(t, "aggregate"), 0);
    return 0;
}

/* --- the rule: whatever a limit has ended says so --------------------------------------------- */

#define SLOW "{'$where': 'sleep(3000) || true'}"

static int end_find(test_t *t, const bson_t *opts) {
    return await(t, mouv_collection_find_one(t->users, json(t, SLOW), opts, NULL));
}

static int end_update(test_t *t, const bson_t *opts) {
    return await(t, mouv_collection_update_one(t->users, json(t, SLOW),
                                               json(t, "{'$set': {'n': 1}}"), opts, NULL));
}

static int end_cursor(test_t *t, const bson_t *opts) {
    const bson_t *doc;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(t->users, json(t, SLOW), opts);
    return mouv_cursor_next(cursor, &doc, &t->error);
}

static int end_gather(test_t *t, const bson_t *opts) {
    return await(t, mouv_gather(mouv_collection_find_one(t->users, json(t, SLOW), opts, NULL),
                                mouv_collection_find_one(t->users, json(t, "{}"), opts, NULL)));
}

static int end_task_body(void *arg) {
    test_t *t = arg;
    return end_find(t, NULL);
}

static int end_task(test_t *t, const bson_t *opts) {
    (void)opts;
    return await(t, mouv_task(end_task_body, t));
}

static int end_sleep(test_t *t, const bson_t *opts) {
    (void)opts;
    return await(t, mouv_sleep_future(3000));
}

static int end_refused(test_t *t, const bson_t *opts) {
    mouv_sleep_ms(3000);
    return await(t, mouv_collection_insert_one(t->users, json(t, "{}"), opts, NULL));
}

/** No server is there. */
static int end_selection(test_t *t, const bson_t *opts) {
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new("mongodb://127.0.0.1:1", NULL, &t->error);
    return await(t, mouv_collection_find_one(wire_users(t, client), NULL, opts, NULL));
}

/** Each try fails, and is to be repeated. */
static int end_retries(test_t *t, const bson_t *opts) {
    int rc = fail_commands(t, 1000, "'find'",
                           "'errorCode': 91, 'blockConnection': true, 'blockTimeMS': 60");
    if (rc < 0) return 1;
    rc = await(t, mouv_collection_find_one(t->users, json(t, "{}"), opts, NULL));
    MOUV_SHIELD_SCOPE(shield, 10000);
    mouv_error_t error = t->error;
    if (fail_no_more(t) < 0) return 1;
    t->error = error;
    return rc;
}

/** One that is let go again. */
static int end_queue(test_t *t, const bson_t *opts) {
    char uri[600];
    snprintf(uri, sizeof uri, "%s%smaxPoolSize=1", test_uri(),
             strchr(test_uri(), '?') ? "&" : "/?");
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    mouv_collection_t *users = wire_users(t, client);
    mouv_future_t in_front = mouv_collection_find_one(users, json(t, SLOW), NULL, NULL);
    int rc = await(t, mouv_collection_find_one(users, json(t, "{}"), opts, NULL));
    mouv_future_cancel(in_front);
    mouv_future_unref(in_front);
    return rc;
}

/** Checks one that was ended `by` a limit: inside of it, at its end. */
static int is_ended(test_t *t, const char *name, const char *by, int rc) {
    if (rc < 0 && t->error.code == rc && mouv_error_is_timeout(&t->error)) return 0;
    return test_failed(t, __FILE__, __LINE__, "%s, %s: %s, cause %s: %s", name, by,
                       mouv_error_name(rc), mouv_error_name(t->error.cause), t->error.message);
}

CASE(whatever_a_limit_has_ended_is_a_timeout) {
    static const struct {
        const char *name;
        int (*end)(test_t *t, const bson_t *opts);
        bool own;          /**< a timeoutMS can limit it */
        const char *words; /**< in its text; NULL: any */
    } rows[] = {
        {"find", end_find, true, NULL},
        {"update", end_update, true, NULL},
        {"cursor", end_cursor, true, NULL},
        {"gather", end_gather, true, NULL},
        {"task", end_task, false, NULL},
        {"sleep", end_sleep, false, "timed out"},
        {"refused", end_refused, false, "the time is over; nothing is sent"},
        {"selection", end_selection, true, "127.0.0.1:1"},
        {"retries", end_retries, true, "; the last try: Failing command"},
        {"queue", end_queue, true, NULL},
    };
    CHECK_INT(insert_numbered(t, 1), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        MOUV_TIMEOUT_SCOPE(limit, 200);
        bool both = rows[i].end == end_retries; /* without timeoutMS it is tried twice */
        int rc = rows[i].end(t, both ? json(t, "{'timeoutMS': 60000}") : NULL);
        CHECK_INT(is_ended(t, rows[i].name, "inside a scope", rc), 0);
        rc = mouv_timeout_end(&limit, rc, &t->error);
        CHECK_INT(is_ended(t, rows[i].name, "at the scope's end", rc), 0);
        CHECK_INT(rc, MOUV_ETIMEDOUT);
        if (rows[i].words) CHECK_CONTAINS(t->error.message, rows[i].words);
        if (!rows[i].own) continue;
        rc = rows[i].end(t, json(t, "{'timeoutMS': 200}"));
        CHECK_INT(is_ended(t, rows[i].name, "by timeoutMS", rc), 0);
        CHECK_INT(rc, MOUV_ETIMEDOUT);
        if (rows[i].words && strncmp(rows[i].words, "timed", 5) != 0)
            CHECK_CONTAINS(t->error.message, rows[i].words);
    }
    return 0;
}

CASE(a_bulk_has_one_limit_and_tells_how_far_it_got) {
    AUTO_BSON *reply = NULL;
    int64_t inserted = -1;
    MOUV_AUTO_BULK mouv_bulk_t *bulk =
        mouv_collection_create_bulk(t->users, json(t, "{'timeoutMS': 2000}"));
    mouv_bulk_insert_one(bulk, json(t, "{'_id': 1}"), NULL, NULL);
    mouv_bulk_replace_one(bulk, json(t, "{'_id': 1}"), json(t, "{'x': 1}"), NULL, NULL);
    CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    CHECK_INT(
        fail_commands(t, 2, "'insert', 'update'", "'blockConnection': true, 'blockTimeMS': 1200"),
        0);
    int rc = await(t, mouv_bulk_execute(bulk, &reply));
    CHECK(rc < 0);
    CHECK(mouv_error_is_timeout(&t->error));
    CHECK_INT(mouv_bson_get_int64(reply, "insertedCount", &inserted, NULL), 0);
    CHECK_INT(inserted, 1);
    return fail_no_more(t);
}

CASE(code_50_is_a_timeout_wherever_it_comes) {
    CHECK_INT(fail_commands(t, 1, "'insert'", "'errorCode': 50"), 0);
    CHECK_INT(insert(t, t->users, "{'timeoutMS': 60000}"), MOUV_ETIMEDOUT);
    CHECK(mouv_error_is_timeout(&t->error));
    CHECK_INT(stored(t), 0);
    CHECK_INT(fail_commands(t, 1, "'insert'", "'writeConcernError': {'code': 50}"), 0);
    CHECK_INT(insert(t, t->users, "{'timeoutMS': 60000}"), MOUV_EUNKNOWN);
    CHECK(mouv_error_is_timeout(&t->error));
    CHECK_CONTAINS(t->error.message, "stored, but");
    CHECK_INT(stored(t), 1);
    return 0;
}

CASE(nobody_there_is_waited_for_so_long) {
    const char *uri = "mongodb://127.0.0.1:1/?timeoutMS=300";
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    int64_t began_ms = mouv_now_ms();
    CHECK_INT(await(t, mouv_client_ping(client)), MOUV_ETIMEDOUT);
    CHECK(mouv_now_ms() - began_ms >= 300);
    CHECK(mouv_now_ms() - began_ms < 20000);
    CHECK_CONTAINS(t->error.message, "no suitable server");
    return 0;
}

CASE(the_limit_of_server_selection_counts_beside_it) {
    const char *uri = "mongodb://127.0.0.1:1/?timeoutMS=60000&serverSelectionTimeoutMS=300";
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    CHECK_INT(await(t, mouv_client_ping(client)), MOUV_ESELECTION);
    return 0;
}

#define SLOW_HEARTBEATS "'appName': 'slow heartbeats', 'blockConnection': true, 'blockTimeMS': 50"

CASE(the_way_is_as_long_as_heartbeats_say) {
    CHECK_INT(fail_commands(t, 1000000, "'hello', 'isMaster'", SLOW_HEARTBEATS), 0);
    MOUV_AUTO_CLIENT mouv_client_t *client =
        listening(t, "appName=slow%20heartbeats&heartbeatFrequencyMS=500");
    mouv_collection_t *users = wire_users(t, client);
    int before = find_one(t, users, "{'timeoutMS': 60000}");
    mouv_sleep_ms(1500);
    int long_enough = find_one(t, users, "{'timeoutMS': 60000}");
    int64_t sent_ms = wire_max_time(&wire, "find");
    int too_short = insert(t, users, "{'timeoutMS': 40}");
    bool says_why = strstr(t->error.message, " ms are left, a round trip to ") != NULL;
    CHECK_INT(fail_no_more(t), 0);
    CHECK_INT(before, 0);
    CHECK_INT(long_enough, 0);
    CHECK_LIMIT(sent_ms, 59951); /* rounding may leave 49 of the 50 */
    CHECK_INT(too_short, MOUV_ETIMEDOUT);
    CHECK(says_why);
    CHECK_INT(wire_sent(&wire, "insert"), 0);
    return 0;
}

CASE(connecting_sends_no_command_of_mouvs_own) {
    NEEDS_OWN_STREAMS(t); /* else a ping tells that the connection is there */
    CHECK_INT(fail_commands(t, 1, "'ping'", "'errorCode': 2, 'appName': 'no ping'"), 0);
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "appName=no%20ping");
    CHECK_INT(find_one(t, wire_users(t, client), "{'timeoutMS': 60000}"), 0);
    CHECK_INT(await(t, mouv_client_ping(client)), MOUV_ESERVER);
    return 0;
}

/* --- what it replaces ------------------------------------------------------------------------ */

CASE(maxTimeMS_and_wtimeout_are_ignored) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "wTimeoutMS=7&w=1&timeoutMS=60000");
    mouv_collection_t *users = wire_users(t, client);
    CHECK_INT(find_one(t, users, "{'maxTimeMS': 1}"), 0);
    CHECK_LIMIT(wire_max_time(&wire, "find"), 60000);
    CHECK_INT(insert(t, users, "{}"), 1);
    CHECK(wire_last(&wire, "insert")->write_concern); /* the w is still there */
    CHECK_INT(wire_last(&wire, "insert")->wtimeout, 0);
    CHECK_INT(insert(t, users, "{'writeConcern': {'w': 1, 'wtimeout': 9}}"), 1);
    CHECK_INT(wire_last(&wire, "insert")->wtimeout, 0);
    mouv_database_t *database = mouv_client_get_database(client, t->database_name);
    const bson_t *command = json(t, "{'ping': 1, 'maxTimeMS': 5}");
    CHECK_INT(await(t, mouv_database_command(database, command, NULL, NULL)), 0);
    CHECK_LIMIT(wire_max_time(&wire, "ping"), 60000);
    return 0;
}

CASE(a_concern_that_was_a_wtimeout_alone_is_not_sent) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "wTimeoutMS=7");
    mouv_collection_t *users = wire_users(t, client);
    CHECK_INT(insert(t, users, "{}"), 1);
    CHECK_INT(wire_last(&wire, "insert")->wtimeout, 7);
    CHECK_INT(insert(t, users, "{'timeoutMS': 60000}"), 1);
    CHECK(!wire_last(&wire, "insert")->write_concern);
    return 0;
}

CASE(the_queue_has_no_limit_of_its_own) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "maxPoolSize=1&waitQueueTimeoutMS=50");
    mouv_collection_t *users = wire_users(t, client);
    CHECK_INT(find_one(t, users, "{}"), 0);
    CHECK_INT(fail_commands(t, 1, "'count'", "'blockConnection': true, 'blockTimeMS': 600"), 0);
    mouv_future_t slow = mouv_collection_estimated_document_count(users, NULL, NULL);
    mouv_future_t limited =
        mouv_collection_find_one(users, NULL, json(t, "{'timeoutMS': 60000}"), NULL);
    mouv_future_t unlimited =
        mouv_collection_find_one(users, NULL, json(t, "{'timeoutMS': 0}"), NULL);
    mouv_future_t without = mouv_collection_find_one(users, NULL, NULL, NULL);
    CHECK_INT(await(t, without), MOUV_EQUEUE);
    CHECK_INT(await(t, limited), 0);
    CHECK_INT(await(t, unlimited), 0);
    CHECK_INT(await(t, slow), 0);
    return 0;
}

#define SLOW_ANSWER "'blockConnection': true, 'blockTimeMS': 1000"

CASE(a_socketTimeoutMS_beside_it_does_not_count) {
    static const struct {
        const char *options, *opts;
    } given[] = {{"socketTimeoutMS=300&timeoutMS=60000", "{}"},
                 {"socketTimeoutMS=300", "{'timeoutMS': 60000}"},
                 {"socketTimeoutMS=300", "{'timeoutMS': 0}"}};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        wire.count = 0;
        MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, given[i].options);
        mouv_collection_t *users = wire_users(t, client);
        CHECK_INT(fail_commands(t, 1, "'find'", SLOW_ANSWER), 0);
        CHECK_INT(find_one(t, users, given[i].opts), 0);
        CHECK_INT(wire_sent(&wire, "find"), 1);
    }
    return 0;
}

CASE(without_it_socketTimeoutMS_counts) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "socketTimeoutMS=300&retryReads=false");
    CHECK_INT(fail_commands(t, 1, "'find'", SLOW_ANSWER), 0);
    CHECK_INT(find_one(t, wire_users(t, client), "{}"), MOUV_ENETWORK);
    return 0;
}

CASE(connecting_has_its_own_limit) {
    CHECK_INT(fail_commands(t, 1000000, "'hello', 'isMaster'",
                            "'appName': 'slow', 'blockConnection': true, 'blockTimeMS': 400"),
              0);
    MOUV_AUTO_CLIENT mouv_client_t *client =
        listening(t, "appName=slow&socketTimeoutMS=100&serverSelectionTimeoutMS=9000");
    int rc = find_one(t, wire_users(t, client), "{'timeoutMS': 60000}");
    CHECK_INT(fail_no_more(t), 0);
    CHECK_INT(rc, 0);
    return 0;
}

/* --- retries --------------------------------------------------------------------------------- */

#define AGAIN "'errorCode': 7, 'errorLabels': ['RetryableWriteError']"

CASE(with_it_retries_go_on_until_they_succeed) {
    static const char *const limits[] = {"{'timeoutMS': 60000}", "{'timeoutMS': 0}"};
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    mouv_collection_t *users = wire_users(t, client);
    for (int i = 0; i < 2; i++) {
        wire.count = 0;
        CHECK_INT(fail_commands(t, 4, "'find'", AGAIN), 0);
        CHECK_INT(find_one(t, users, limits[i]), i > 0 ? 1 : 0);
        CHECK_INT(wire_sent(&wire, "find"), 5);
        CHECK_INT(fail_commands(t, 4, "'insert'", AGAIN), 0);
        CHECK_INT(insert(t, users, limits[i]), 1);
        CHECK_INT(wire_sent(&wire, "insert"), 5);
        CHECK_INT(stored(t), i + 1);
    }
    return 0;
}

CASE(without_it_there_is_one_retry) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    CHECK_INT(fail_commands(t, 2, "'find'", AGAIN), 0);
    CHECK_INT(find_one(t, wire_users(t, client), "{}"), MOUV_ESERVER);
    CHECK_INT(wire_sent(&wire, "find"), 2);
    return 0;
}

CASE(retries_end_at_the_time) {
    CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    CHECK_INT(fail_commands(t, 1000000, "'find'",
                            AGAIN ", 'blockConnection': true,"
                                  " 'blockTimeMS': 20"),
              0);
    int64_t began_ms = mouv_now_ms();
    int rc = find_one(t, t->users, "{'timeoutMS': 300}");
    int64_t took_ms = mouv_now_ms() - began_ms;
    CHECK_INT(fail_no_more(t), 0);
    CHECK_INT(rc, MOUV_ETIMEDOUT);
    CHECK(took_ms >= 250); /* less than a round trip before the end nothing is sent any more */
    CHECK(took_ms < 20000);
    return 0;
}

CASE(a_slow_first_command_says_nothing_of_the_way) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    CHECK_INT(fail_commands(t, 2, "'find'",
                            AGAIN ", 'blockConnection': true,"
                                  " 'blockTimeMS': 1200"),
              0);
    int rc = find_one(t, wire_users(t, client), "{'timeoutMS': 2000}");
    CHECK_INT(fail_no_more(t), 0);
    CHECK_INT(rc, MOUV_ETIMEDOUT);
    CHECK_INT(wire_sent(&wire, "find"), 2);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(call_before_collection_before_database_before_client),
        cmocka_unit_test(zero_is_no_limit_on_every_level),
        cmocka_unit_test(zero_in_the_uri_is_given_and_no_limit),
        cmocka_unit_test(without_it_scopes_and_maxTimeMS_say_what_is_sent),
        cmocka_unit_test(the_nearer_of_scope_and_timeoutMS_counts),
        cmocka_unit_test(every_operation_sends_it),
        cmocka_unit_test(what_is_no_time_is_refused_by_name),
        cmocka_unit_test(a_model_of_a_bulk_has_none_of_its_own),
        cmocka_unit_test(a_read_ends_at_its_time),
        cmocka_unit_test(a_timeout_is_counted_as_one_whoever_set_it),
        cmocka_unit_test(a_write_that_ends_at_its_time_stores_nothing),
        cmocka_unit_test(what_cannot_be_back_in_time_is_not_sent),
        cmocka_unit_test(what_is_refused_for_want_of_time_is_named),
        cmocka_unit_test(whatever_a_limit_has_ended_is_a_timeout),
        cmocka_unit_test(a_bulk_has_one_limit_and_tells_how_far_it_got),
        cmocka_unit_test(code_50_is_a_timeout_wherever_it_comes),
        cmocka_unit_test(nobody_there_is_waited_for_so_long),
        cmocka_unit_test(the_limit_of_server_selection_counts_beside_it),
        cmocka_unit_test(the_way_is_as_long_as_heartbeats_say),
        cmocka_unit_test(connecting_sends_no_command_of_mouvs_own),
        cmocka_unit_test(maxTimeMS_and_wtimeout_are_ignored),
        cmocka_unit_test(a_concern_that_was_a_wtimeout_alone_is_not_sent),
        cmocka_unit_test(the_queue_has_no_limit_of_its_own),
        cmocka_unit_test(a_socketTimeoutMS_beside_it_does_not_count),
        cmocka_unit_test(without_it_socketTimeoutMS_counts),
        cmocka_unit_test(connecting_has_its_own_limit),
        cmocka_unit_test(with_it_retries_go_on_until_they_succeed),
        cmocka_unit_test(without_it_there_is_one_retry),
        cmocka_unit_test(retries_end_at_the_time),
        cmocka_unit_test(a_slow_first_command_says_nothing_of_the_way),
    };
    return RUN_CASES(cases);
}
