/*
 * timeoutMS of cursors and change streams: their whole life or each wait, what is sent as
 * maxTimeMS, which combinations are refused. Fail points hold commands up.
 */
/* test: own-server */
#include "support/wire.h"

static wire_t wire;

/** A client that `wire` is told of; "users" has five documents. */
static mouv_client_t *listening(test_t *t, const char *options) {
    if (insert_numbered(t, 5) < 0) test_failed(t, __FILE__, __LINE__, "no documents");
    wire = (wire_t){0};
    mouv_client_t *client = wire_client(t, &wire, options);
    await(t, mouv_client_ping(client));
    return client;
}

static mouv_cursor_t *find(test_t *t, mouv_client_t *client, const char *opts) {
    return mouv_collection_find(wire_users(t, client), NULL, json(t, opts));
}

static int next(test_t *t, mouv_cursor_t *cursor) {
    const bson_t *doc;
    t->error = (mouv_error_t){0};
    return mouv_cursor_next(cursor, &doc, &t->error);
}

/** Reads it to its end, or until nothing comes: how many documents, or what it failed with. */
static int count_all(test_t *t, mouv_cursor_t *cursor) {
    const bson_t *doc;
    int rc, count = 0;
    t->error = (mouv_error_t){0};
    while ((rc = mouv_cursor_try_next(cursor, &doc, &t->error)) > 0) count++;
    return rc < 0 ? rc : count;
}

static int block(test_t *t, int times, const char *names, int ms) {
    char data[80];
    snprintf(data, sizeof data, "'blockConnection': true, 'blockTimeMS': %d", ms);
    return fail_commands(t, times, names, data);
}

/* --- the whole life -------------------------------------------------------------------------- */

CASE(the_first_command_has_a_maxTimeMS_and_getMore_none) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "timeoutMS=60000");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find(t, client, "{'batchSize': 2}");
    CHECK_INT(count_all(t, cursor), 5);
    CHECK_LIMIT(wire_max_time(&wire, "find"), 60000);
    CHECK(wire_sent(&wire, "getMore") >= 1);
    CHECK_INT(wire_max_time(&wire, "getMore"), WIRE_NONE);
    return 0;
}

CASE(a_life_ends_in_a_getMore_and_the_cursor_is_killed_with_the_limit_anew) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        find(t, client, "{'batchSize': 2, 'timeoutMS': 2000, 'timeoutMode': 'cursorLifetime'}");
    CHECK_INT(block(t, 2, "'find', 'getMore'", 1200), 0);
    CHECK_INT(next(t, cursor), 1);
    CHECK_INT(next(t, cursor), 1);
    CHECK_INT(next(t, cursor), MOUV_ETIMEDOUT);
    CHECK(mouv_error_is_timeout(&t->error));
    CHECK_INT(wire_sent_become(&wire, "killCursors", 1), 1);
    CHECK_INT(wire_last(&wire, "getMore")->outcome, 'f');
    CHECK(wire_last(&wire, "getMore")->ended < wire_last(&wire, "killCursors")->began);
    CHECK(wire_max_time(&wire, "killCursors") > 1000); /* of 2000 ms, though the life is over */
    CHECK(wire_max_time(&wire, "killCursors") <= 2000);
    return fail_no_more(t);
}

CASE(what_has_arrived_is_given_also_after_the_end) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find(t, client, "{'batchSize': 3, 'timeoutMS': 500}");
    CHECK_INT(block(t, 1, "'getMore'", 3000), 0);
    CHECK_INT(next(t, cursor), 1);
    mouv_sleep_ms(700);
    CHECK_INT(next(t, cursor), 1);
    CHECK_INT(next(t, cursor), 1);
    CHECK_INT(next(t, cursor), MOUV_ETIMEDOUT);
    return fail_no_more(t);
}

/* --- each wait ------------------------------------------------------------------------------- */

CASE(an_iteration_has_the_time_anew_for_each_batch) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        find(t, client, "{'batchSize': 3, 'timeoutMS': 3000, 'timeoutMode': 'iteration'}");
    CHECK_INT(block(t, 2, "'find', 'getMore'", 1700), 0);
    CHECK_INT(count_all(t, cursor), 5);
    CHECK_INT(wire_max_time(&wire, "find"), WIRE_NONE);
    CHECK_INT(wire_max_time(&wire, "getMore"), WIRE_NONE);
    return 0;
}

CASE(an_iteration_ends_with_a_batch_that_does_not_come_in_time) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "timeoutMS=500");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        find(t, client, "{'batchSize': 3, 'timeoutMode': 'iteration'}");
    CHECK_INT(block(t, 1, "'getMore'", 3000), 0);
    CHECK_INT(count_all(t, cursor), MOUV_ETIMEDOUT);
    CHECK_INT(wire_sent_become(&wire, "killCursors", 1), 1);
    return fail_no_more(t);
}

/* --- scopes ---------------------------------------------------------------------------------- */

/** Reads "users" with these opts within a scope of 60 s: the find's maxTimeMS. */
static int64_t in_scope(test_t *t, mouv_client_t *client, const char *opts) {
    MOUV_TIMEOUT_SCOPE(scope, 60000);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find(t, client, opts);
    int rc = count_all(t, cursor);
    return rc < 0 ? rc : wire_max_time(&wire, "find");
}

CASE(a_scope_is_not_sent_for_a_cursor_that_may_outlive_it) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    CHECK_INT(in_scope(t, client, "{'batchSize': 2}"), WIRE_NONE);
    CHECK_INT(in_scope(t, client, "{'maxTimeMS': 70000}"), 70000);
    CHECK_LIMIT(in_scope(t, client, "{'timeoutMode': 'cursorLifetime'}"), 60000);
    CHECK_LIMIT(in_scope(t, client, "{'singleBatch': true}"), 60000);
    CHECK_LIMIT(in_scope(t, client, "{'limit': -3}"), 60000);
    CHECK_LIMIT(in_scope(t, client, "{'timeoutMS': 90000}"), 90000);
    CHECK_LIMIT(in_scope(t, client, "{'timeoutMS': 90000, 'timeoutMode': 'cursorLifetime'}"),
                60000);
    return 0;
}

CASE(a_scope_is_sent_with_what_leaves_no_cursor) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_TIMEOUT_SCOPE(scope, 60000);
    const bson_t *out = json(t, "{'pipeline': [{'$out': 'copy'}]}");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_aggregate(wire_users(t, client), out, NULL);
    CHECK_INT(count_all(t, cursor), 0);
    CHECK_LIMIT(wire_max_time(&wire, "aggregate"), 60000);
    mouv_database_t *database = mouv_client_get_database(client, t->database_name);
    CHECK_INT(await(t, mouv_database_list_collection_names(database, NULL, NULL)), 2);
    CHECK_LIMIT(wire_max_time(&wire, "listCollections"), 60000);
    return 0;
}

/* --- tailable cursors ------------------------------------------------------------------------ */

static mouv_client_t *with_capped(test_t *t, const char *options) {
    const bson_t *opts = json(t, "{'capped': true, 'size': 100000}");
    await(t, mouv_database_create_collection(t->database, "users", opts));
    return listening(t, options);
}

CASE(a_tailable_cursor_that_does_not_wait_sends_none) {
    MOUV_AUTO_CLIENT mouv_client_t *client = with_capped(t, "timeoutMS=60000");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find(t, client, "{'tailable': true}");
    CHECK_INT(count_all(t, cursor), 5);
    CHECK_INT(next(t, cursor), 0);
    CHECK_INT(wire_max_time(&wire, "find"), WIRE_NONE);
    CHECK_INT(wire_max_time(&wire, "getMore"), WIRE_NONE);
    return 0;
}

#define TAIL "'tailable': true, 'awaitData': true"

CASE(one_that_waits_sends_how_long_it_may) {
    MOUV_AUTO_CLIENT mouv_client_t *client = with_capped(t, "timeoutMS=60000");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find(t, client, "{" TAIL ", 'maxAwaitTimeMS': 20}");
    CHECK_INT(count_all(t, cursor), 5);
    CHECK_LIMIT(wire_max_time(&wire, "find"), 60000);
    CHECK_INT(wire_max_time(&wire, "getMore"), 20);
    return 0;
}

CASE(one_that_waits_as_long_as_the_server_likes_sends_nothing) {
    MOUV_AUTO_CLIENT mouv_client_t *client = with_capped(t, "timeoutMS=60000");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find(t, client, "{" TAIL "}");
    CHECK_INT(count_all(t, cursor), 5);
    CHECK_INT(wire_max_time(&wire, "getMore"), WIRE_NONE);
    return 0;
}

CASE(one_that_waits_waits_no_longer_than_its_caller) {
    MOUV_AUTO_CLIENT mouv_client_t *client = with_capped(t, "");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        find(t, client, "{" TAIL ", 'maxAwaitTimeMS': 60000, 'batchSize': 5}");
    for (int i = 0; i < 5; i++) CHECK_INT(next(t, cursor), 1);
    mouv_await_for(mouv_cursor_fetch(cursor), 900, NULL);
    CHECK(wire_max_time(&wire, "getMore") <= 900);
    CHECK(wire_max_time(&wire, "getMore") >= 1);
    CHECK_INT(wire_max_time(&wire, "find"), WIRE_NONE);
    return 0;
}

CASE(one_that_polls_again_and_again_has_one_limit_for_each_next) {
    MOUV_AUTO_CLIENT mouv_client_t *client = with_capped(t, "");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        find(t, client, "{" TAIL ", 'maxAwaitTimeMS': 100, 'timeoutMS': 1000}");
    for (int i = 0; i < 5; i++) CHECK_INT(next(t, cursor), 1);
    for (int i = 0; i < 2; i++) {
        int64_t began_ms = mouv_now_ms();
        CHECK_INT(next(t, cursor), MOUV_ETIMEDOUT);
        CHECK(mouv_now_ms() - began_ms >= 998); /* what cannot be answered in 1 ms is not sent */
        CHECK(mouv_now_ms() - began_ms < 20000);
        if (!mouv_cursor_alive(cursor)) return 0; /* a slow machine: the last poll came too late */
    }
    CHECK(wire_sent(&wire, "getMore") > 2);
    CHECK(wire_max_time(&wire, "getMore") <= 100);
    return 0;
}

CASE(one_whose_getMore_is_late_fails) {
    MOUV_AUTO_CLIENT mouv_client_t *client = with_capped(t, "timeoutMS=400");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find(t, client, "{" TAIL ", 'maxAwaitTimeMS': 1}");
    for (int i = 0; i < 5; i++) CHECK_INT(next(t, cursor), 1);
    CHECK_INT(block(t, 1, "'getMore'", 3000), 0);
    CHECK_INT(next(t, cursor), MOUV_ETIMEDOUT);
    return fail_no_more(t);
}

CASE(a_command_says_itself_that_its_cursor_is_tailable) {
    MOUV_AUTO_CLIENT mouv_client_t *client = with_capped(t, "");
    const bson_t *command = json(t, "{'find': 'users', 'tailable': true, 'batchSize': 5}");
    const bson_t *opts = json(t, "{'timeoutMode': 'iteration', 'timeoutMS': 60000}");
    mouv_database_t *database = mouv_client_get_database(client, t->database_name);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_cursor_from_command(database, command, opts);
    CHECK_INT(count_all(t, cursor), 5);
    CHECK_INT(next(t, cursor), 0);
    CHECK_INT(wire_max_time(&wire, "find"), WIRE_NONE);
    return 0;
}

/* --- what is refused ------------------------------------------------------------------------- */

CASE(what_makes_no_sense_together_is_refused) {
    static const struct {
        const char *opts, *message;
    } bad[] = {
        {"{'timeoutMode': 'iteration'}", "option 'timeoutMode' without 'timeoutMS'"},
        {"{'timeoutMode': 'cursorLifetime'}", "option 'timeoutMode' without 'timeoutMS'"},
        {"{'timeoutMode': 'never', 'timeoutMS': 9}",
         "option 'timeoutMode': expected 'cursorLifetime' or 'iteration', got 'never'"},
        {"{'timeoutMode': 'cursorLifetime', 'timeoutMS': 9, 'tailable': true}",
         "option 'timeoutMode': a tailable cursor has iteration alone"},
        {"{'timeoutMS': 5, 'maxAwaitTimeMS': 5, " TAIL "}",
         "option 'maxAwaitTimeMS': 5 is not less than the 'timeoutMS' of 5"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find(t, t->client, bad[i].opts);
        CHECK_INT(next(t, cursor), MOUV_EINVAL);
        CHECK_STRING(t->error.message, bad[i].message);
    }
    MOUV_AUTO_CURSOR mouv_cursor_t *out =
        mouv_collection_aggregate(t->users, json(t, "{'pipeline': [{'$out': 'copy'}]}"),
                                  json(t, "{'timeoutMode': 'iteration', 'timeoutMS': 1000}"));
    CHECK_INT(next(t, out), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "$out or $merge");
    return 0;
}

static bool has_answer(const char *name) {
    const wire_command_t *command = wire_last(&wire, name);
    return command && command->outcome;
}

CASE(the_close_has_a_time_of_its_own) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        find(t, client, "{'batchSize': 1, 'timeoutMS': 60000}");
    CHECK_INT(next(t, cursor), 1);
    for (int i = 0; i < 250 && !has_answer("getMore"); i++) mouv_sleep_ms(20); /* fetched ahead */
    mouv_cursor_close_within(cursor, 90000);
    CHECK_INT(wire_sent_become(&wire, "killCursors", 1), 1);
    CHECK_LIMIT(wire_max_time(&wire, "killCursors"), 90000);
    mouv_cursor_close_within(cursor, 5);
    mouv_cursor_close_within(NULL, 5);
    return 0;
}

/* --- change streams -------------------------------------------------------------------------- */

static int try_next(test_t *t, mouv_change_stream_t *stream) {
    const bson_t *doc;
    t->error = (mouv_error_t){0};
    return mouv_change_stream_try_next(stream, &doc, &t->error);
}

static mouv_change_stream_t *watch(test_t *t, mouv_client_t *client, const char *opts) {
    return mouv_collection_watch(wire_users(t, client), NULL, json(t, opts));
}

CASE(a_stream_sends_it_with_the_aggregate_and_maxAwaitTimeMS_with_getMore) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "timeoutMS=60000");
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        watch(t, client, "{'maxAwaitTimeMS': 20}");
    CHECK_INT(try_next(t, stream), 0);
    CHECK_LIMIT(wire_max_time(&wire, "aggregate"), 60000);
    CHECK_INT(wire_max_time(&wire, "getMore"), 20);
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *other = watch(t, client, "{}");
    CHECK_INT(try_next(t, other), 0);
    CHECK_INT(wire_max_time(&wire, "getMore"), WIRE_NONE);
    return 0;
}

CASE(a_stream_without_it_sends_its_callers_time) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        watch(t, client, "{'maxAwaitTimeMS': 60000}");
    mouv_await_for(mouv_change_stream_try_fetch(stream), 900, NULL); /* ends or not */
    CHECK_INT(wire_max_time(&wire, "aggregate"), WIRE_NONE);
    CHECK(wire_max_time(&wire, "getMore") < 900);
    CHECK(wire_max_time(&wire, "getMore") >= 1);
    return 0;
}

CASE(a_stream_that_timed_out_goes_on) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        watch(t, client, "{'maxAwaitTimeMS': 1, 'timeoutMS': 1000}");
    CHECK_INT(try_next(t, stream), 0);
    CHECK_INT(block(t, 1, "'getMore'", 3000), 0);
    CHECK_INT(await(t, mouv_change_stream_fetch(stream)), MOUV_ETIMEDOUT);
    CHECK(mouv_error_is_timeout(&t->error));
    CHECK_INT(fail_no_more(t), 0);
    CHECK(mouv_change_stream_alive(stream));
    CHECK_INT(await(t, mouv_collection_insert_one(t->users, json(t, "{}"), NULL, NULL)), 1);
    CHECK_INT(await(t, mouv_change_stream_fetch(stream)), 1);
    CHECK_INT(wire_sent(&wire, "aggregate"), 2);
    CHECK(wire_max_time(&wire, "aggregate") > 0);
    return 0;
}

CASE(the_first_batch_of_a_stream_has_the_time_anew) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        watch(t, client, "{'maxAwaitTimeMS': 1, 'timeoutMS': 3000}");
    CHECK_INT(block(t, 2, "'aggregate', 'getMore'", 1700), 0);
    CHECK_INT(try_next(t, stream), 0);
    return 0;
}

CASE(a_resume_has_one_time_for_all) {
    MOUV_AUTO_CLIENT mouv_client_t *client = listening(t, "");
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        watch(t, client, "{'maxAwaitTimeMS': 1, 'timeoutMS': 2000}");
    CHECK_INT(try_next(t, stream), 0);
    CHECK_INT(fail_commands(t, 2, "'getMore', 'aggregate'",
                            "'blockConnection': true, 'blockTimeMS': 1200, 'errorCode': 7,"
                            " 'errorLabels': ['ResumableChangeStreamError']"),
              0);
    CHECK_INT(await(t, mouv_change_stream_fetch(stream)), MOUV_ETIMEDOUT);
    CHECK_INT(wire_sent(&wire, "aggregate"), 2);
    return fail_no_more(t);
}

CASE(a_stream_refuses_what_it_cannot_have) {
    static const struct {
        const char *opts, *message;
    } bad[] = {
        {"{'timeoutMS': 5, 'maxAwaitTimeMS': 10}", "option 'maxAwaitTimeMS': 10 is not less"},
        {"{'timeoutMS': 5, 'timeoutMode': 'iteration'}", "a change stream has iteration alone"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream = watch(t, t->client, bad[i].opts);
        CHECK_INT(try_next(t, stream), MOUV_EINVAL);
        CHECK_CONTAINS(t->error.message, bad[i].message);
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(the_first_command_has_a_maxTimeMS_and_getMore_none),
        cmocka_unit_test(a_life_ends_in_a_getMore_and_the_cursor_is_killed_with_the_limit_anew),
        cmocka_unit_test(what_has_arrived_is_given_also_after_the_end),
        cmocka_unit_test(an_iteration_has_the_time_anew_for_each_batch),
        cmocka_unit_test(an_iteration_ends_with_a_batch_that_does_not_come_in_time),
        cmocka_unit_test(a_scope_is_not_sent_for_a_cursor_that_may_outlive_it),
        cmocka_unit_test(a_scope_is_sent_with_what_leaves_no_cursor),
        cmocka_unit_test(a_tailable_cursor_that_does_not_wait_sends_none),
        cmocka_unit_test(one_that_waits_sends_how_long_it_may),
        cmocka_unit_test(one_that_waits_as_long_as_the_server_likes_sends_nothing),
        cmocka_unit_test(one_that_waits_waits_no_longer_than_its_caller),
        cmocka_unit_test(one_that_polls_again_and_again_has_one_limit_for_each_next),
        cmocka_unit_test(one_whose_getMore_is_late_fails),
        cmocka_unit_test(a_command_says_itself_that_its_cursor_is_tailable),
        cmocka_unit_test(what_makes_no_sense_together_is_refused),
        cmocka_unit_test(the_close_has_a_time_of_its_own),
        cmocka_unit_test(a_stream_sends_it_with_the_aggregate_and_maxAwaitTimeMS_with_getMore),
        cmocka_unit_test(a_stream_without_it_sends_its_callers_time),
        cmocka_unit_test(a_stream_that_timed_out_goes_on),
        cmocka_unit_test(the_first_batch_of_a_stream_has_the_time_anew),
        cmocka_unit_test(a_resume_has_one_time_for_all),
        cmocka_unit_test(a_stream_refuses_what_it_cannot_have),
    };
    return RUN_CASES(cases);
}
