/*
 * Tailable cursors on a capped collection: waiting in polls, nothing for now, the end of a cursor,
 * cancelling, queries beside them.
 */
/* test: own-server */
#include "support/support.h"

#define TAIL "'tailable': true"
#define AWAIT TAIL ", 'awaitData': true"

/* So short that a case does not wait, so long that what has happened is seen. */
#define SOON ", 'maxAwaitTimeMS': 100"

static int insert(test_t *t, int id) {
    AUTO_BSON *doc = BCON_NEW("_id", BCON_INT32(id));
    return await(t, mouv_collection_insert_one(t->users, doc, NULL, NULL));
}

/** "users" as a capped collection with {_id: 0}, since a tailable cursor dies over nothing. */
static int make_capped(test_t *t) {
    const bson_t *opts = json(t, "{'capped': true, 'size': 100000, 'max': 10}");
    int rc = await(t, mouv_database_create_collection(t->database, "users", opts));
    return rc < 0 ? rc : insert(t, 0) - 1;
}

static mouv_cursor_t *tail(test_t *t, const char *opts) {
    return mouv_collection_find(t->users, NULL, json(t, opts));
}

/** The next document's _id, or what the call gave instead: 0 as -1. */
static int64_t next(test_t *t, mouv_cursor_t *cursor) {
    const bson_t *doc;
    int64_t id = -2;
    t->error = (mouv_error_t){0};
    int rc = mouv_cursor_next(cursor, &doc, &t->error);
    if (rc <= 0) return rc < 0 ? rc : -1;
    return mouv_bson_get_int64(doc, "_id", &id, &t->error) < 0 ? -2 : id;
}

static int try_next(test_t *t, mouv_cursor_t *cursor) {
    const bson_t *doc;
    t->error = (mouv_error_t){0};
    return mouv_cursor_try_next(cursor, &doc, &t->error);
}

/* --- Waiting -------------------------------------------------------------------------------- */

static int insert_later(void *arg) {
    mouv_sleep_ms(350);
    return insert(arg, 1) == 1 ? 0 : -1;
}

CASE(next_waits_over_several_polls) {
    CHECK_INT(make_capped(t), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = tail(t, "{" AWAIT SOON "}");
    CHECK_INT(next(t, cursor), 0);
    mouv_future_t later = mouv_task(insert_later, t);
    int64_t began = mouv_now_ms();
    CHECK_INT(next(t, cursor), 1);
    CHECK(mouv_now_ms() - began >= 300);
    CHECK_INT(await(t, later), 0);
    return 0;
}

CASE(try_next_waits_for_one_poll) {
    mouv_client_stats_t before, after;
    CHECK_INT(make_capped(t), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = tail(t, "{" AWAIT ", 'maxAwaitTimeMS': 300}");
    CHECK_INT(try_next(t, cursor), 1);
    mouv_client_get_stats(t->client, &before);
    int64_t began = mouv_now_ms();
    CHECK_INT(try_next(t, cursor), 0);
    CHECK(mouv_now_ms() - began >= 290);
    mouv_client_get_stats(t->client, &after);
    CHECK_INT(after.started - before.started, 1);
    CHECK(mouv_cursor_alive(cursor));
    CHECK_INT(insert(t, 1), 1);
    CHECK_INT(try_next(t, cursor), 1);
    return 0;
}

CASE(try_next_over_an_empty_first_batch_polls_once) {
    CHECK_INT(make_capped(t), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(t->users, json(t, "{'_id': 1}"), json(t, "{" AWAIT SOON "}"));
    CHECK_INT(try_next(t, cursor), 0);
    CHECK_INT(insert(t, 1), 1);
    CHECK_INT(next(t, cursor), 1);
    return 0;
}

CASE(the_futures_do_the_same) {
    const bson_t *doc;
    CHECK_INT(make_capped(t), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = tail(t, "{" AWAIT SOON "}");
    CHECK_INT(await(t, mouv_cursor_fetch(cursor)), 1);
    CHECK_INT(mouv_cursor_next_buffered(cursor, &doc), 1);
    CHECK_INT(await(t, mouv_cursor_try_fetch(cursor)), 0);
    mouv_future_t wait = mouv_cursor_fetch(cursor);
    CHECK_INT(insert(t, 1), 1);
    CHECK_INT(await(t, wait), 1);
    CHECK_INT(mouv_cursor_next_buffered(cursor, &doc), 1);
    CHECK_INT(mouv_cursor_next_buffered(cursor, &doc), 0);
    return 0;
}

CASE(without_await_data_nothing_for_now_is_zero) {
    CHECK_INT(make_capped(t), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = tail(t, "{" TAIL "}");
    CHECK_INT(next(t, cursor), 0);
    CHECK_INT(next(t, cursor), -1);
    CHECK_INT(try_next(t, cursor), 0);
    CHECK(mouv_cursor_alive(cursor));
    CHECK_INT(insert(t, 1), 1);
    CHECK_INT(next(t, cursor), 1);
    return 0;
}

CASE(to_list_gives_what_is_there) {
    AUTO_BSON *list = NULL, *more = NULL;
    CHECK_INT(make_capped(t), 0);
    CHECK_INT(insert(t, 1), 1);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = tail(t, "{" AWAIT SOON "}");
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 2);
    CHECK_INT(insert(t, 2), 1);
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &more, &t->error), 1);
    CHECK_DOCUMENT(more, "{'0': {'_id': 2}}");
    return 0;
}

CASE(a_find_of_the_users_own_tails_too) {
    CHECK_INT(make_capped(t), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_cursor_from_command(
        t->database, json(t, "{'find': 'users', " AWAIT "}"), json(t, "{'maxAwaitTimeMS': 100}"));
    CHECK_INT(next(t, cursor), 0);
    CHECK_INT(try_next(t, cursor), 0);
    CHECK(mouv_cursor_alive(cursor));
    return 0;
}

CASE(try_next_of_another_cursor_goes_to_its_end) {
    CHECK_INT(insert_numbered(t, 5), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = tail(t, "{'batchSize': 2}");
    CHECK(mouv_cursor_alive(cursor));
    for (int i = 0; i < 5; i++) {
        CHECK(mouv_cursor_alive(cursor));
        CHECK_INT(try_next(t, cursor), 1);
    }
    CHECK_INT(try_next(t, cursor), 0);
    CHECK(!mouv_cursor_alive(cursor));
    CHECK(!mouv_cursor_alive(NULL));
    return 0;
}

/* --- Ends ----------------------------------------------------------------------------------- */

CASE(a_tail_over_nothing_is_dead) {
    CHECK_INT(make_capped(t), 0);
    mouv_collection_t *none = mouv_database_get_collection(t->database, "none");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(none, NULL, json(t, "{" AWAIT "}"));
    CHECK_INT(next(t, cursor), -1);
    CHECK(!mouv_cursor_alive(cursor));
    return 0;
}

CASE(a_dropped_collection_ends_the_tail_with_an_error) {
    CHECK_INT(make_capped(t), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = tail(t, "{" AWAIT SOON "}");
    CHECK_INT(next(t, cursor), 0);
    CHECK_INT(await(t, mouv_collection_drop(t->users, NULL)), 0);
    CHECK_INT(next(t, cursor), MOUV_ESERVER);
    CHECK(!mouv_cursor_alive(cursor));
    CHECK_INT(next(t, cursor), MOUV_ESERVER);
    return 0;
}

CASE(a_tail_that_was_overtaken_is_dead) {
    CHECK_INT(make_capped(t), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = tail(t, "{" AWAIT SOON "}");
    CHECK_INT(next(t, cursor), 0);
    for (int id = 1; id <= 30; id++) CHECK_INT(insert(t, id), 1); /* 10 have room */
    CHECK_INT(next(t, cursor), MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 136);
    CHECK_STRING(t->error.code_name, "CappedPositionLost");
    CHECK(!mouv_cursor_alive(cursor));
    return 0;
}

CASE(a_collection_that_is_not_capped_is_refused) {
    CHECK_INT(insert_numbered(t, 1), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = tail(t, "{" AWAIT "}");
    CHECK_INT(next(t, cursor), MOUV_ESERVER);
    CHECK_CONTAINS(t->error.message, "capped");
    CHECK_CONTAINS(t->error.operation, "find mouv_test_");
    return 0;
}

/* --- Giving up ------------------------------------------------------------------------------ */

CASE(a_deadline_leaves_the_tail_as_it_was) {
    CHECK_INT(make_capped(t), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = tail(t, "{" AWAIT "}");
    CHECK_INT(next(t, cursor), 0);
    for (int i = 0; i < 3; i++) {
        int64_t began = mouv_now_ms();
        CHECK_INT(mouv_await_for(mouv_cursor_fetch(cursor), 200, &t->error), MOUV_ETIMEDOUT);
        CHECK(mouv_now_ms() - began >= 200);
        CHECK(mouv_cursor_alive(cursor));
    }
    {
        MOUV_TIMEOUT_SCOPE(limit, 100);
        int rc = (int)next(
            t,
            cursor); /* the scope has ended it, or the operation's own deadline, which is the same */
        CHECK(rc < 0);
        CHECK_INT(mouv_timeout_end(&limit, rc, NULL), MOUV_ETIMEDOUT);
    }
    CHECK_INT(insert(t, 1), 1);
    CHECK_INT(next(t, cursor), 1);
    return 0;
}

/* The poll was made to end before the deadline, and so is not stopped: its answer is the next one's. */
CASE(a_poll_that_is_late_leaves_the_tail_as_it_was) {
    CHECK_INT(make_capped(t), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = tail(t, "{" AWAIT "}");
    CHECK_INT(next(t, cursor), 0);
    CHECK_INT(fail_commands(t, 1, "'getMore'", "'blockConnection': true, 'blockTimeMS': 300"), 0);
    CHECK_INT(mouv_await_for(mouv_cursor_fetch(cursor), 200, &t->error), MOUV_ETIMEDOUT);
    CHECK(mouv_cursor_alive(cursor));
    CHECK_INT(insert(t, 1), 1);
    CHECK_INT(next(t, cursor), 1);
    return fail_no_more(t);
}

#define LONG ", 'maxAwaitTimeMS': 6000"

static int follow(void *arg) {
    test_t *t = arg;
    const bson_t *doc;
    int rc;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = tail(t, "{" AWAIT LONG "}");
    while ((rc = mouv_cursor_next(cursor, &doc, NULL)) > 0) continue;
    return rc;
}

/** 0 once the connection of the poll that nobody waits for is free, at once, and the server, which
 *  ends no poll before its time, has no cursor any more. */
static int poll_ends(test_t *t) {
    int64_t began = mouv_now_ms();
    mouv_client_stats_t stats;
    do {
        mouv_sleep_ms(10);
        mouv_client_get_stats(t->client, &stats);
        if (mouv_now_ms() - began > 4000) return -1;
    } while (stats.late > 0);
    for (int i = 0; i < 10; i++)
        if (open_cursors_become(t, 0) == 0) return 0;
    return 1;
}

CASE(a_cancelled_task_ends_at_once_and_leaves_no_cursor) {
    CHECK_INT(make_capped(t), 0);
    mouv_future_t task = mouv_task(follow, t);
    CHECK_INT(open_cursors_become(t, 1), 1);
    mouv_sleep_ms(50);
    int64_t began = mouv_now_ms();
    mouv_future_cancel(task);
    CHECK_INT(await(t, task), MOUV_ECANCELED);
    CHECK(mouv_now_ms() - began < 4000);
    CHECK_INT(poll_ends(t), 0);
    return 0;
}

CASE(a_closed_tail_wakes_its_reader) {
    CHECK_INT(make_capped(t), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = tail(t, "{" AWAIT LONG "}");
    CHECK_INT(next(t, cursor), 0);
    mouv_future_t wait = mouv_cursor_fetch(cursor);
    mouv_sleep_ms(50);
    mouv_cursor_close(cursor);
    CHECK_INT(await(t, wait), MOUV_ECLOSED);
    CHECK(!mouv_cursor_alive(cursor));
    CHECK_INT(poll_ends(t), 0);
    return 0;
}

/* --- Beside others -------------------------------------------------------------------------- */

/** Has all of the client's four connections be set up, so that what comes next spreads over them.
 */
static int connect_all(test_t *t, mouv_collection_t *users) {
    const bson_t *slow = json(t, "{'$where': 'sleep(300) || true'}");
    mouv_future_t finds[4];
    for (int i = 0; i < 4; i++) finds[i] = mouv_collection_find_one(users, slow, NULL, NULL);
    return await(t, mouv_gather_array(finds, 4));
}

/* A query that waited behind a poll would take two seconds. */
CASE(tails_do_not_hold_back_queries) {
    enum { MANY = 6 };
    char uri[600];
    mouv_cursor_t *cursors[MANY];
    mouv_future_t waits[MANY];
    CHECK_INT(make_capped(t), 0);
    snprintf(uri, sizeof uri, "%s%smaxPoolSize=4", test_uri(), strchr(test_uri(), '?') ? "&" : "?");
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    CHECK_INT(connect_all(t, users), 0);
    for (int i = 0; i < MANY; i++) {
        cursors[i] =
            mouv_collection_find(users, NULL, json(t, "{" AWAIT ", 'maxAwaitTimeMS': 2000}"));
        waits[i] = mouv_cursor_fetch(cursors[i]);
    }
    CHECK_INT(await(t, mouv_gather_array(waits, MANY)), 0);
    for (int i = 0; i < MANY; i++) CHECK_INT(next(t, cursors[i]), 0);
    for (int i = 0; i < MANY; i++) waits[i] = mouv_cursor_fetch(cursors[i]);
    mouv_sleep_ms(300);
    int64_t began = mouv_now_ms();
    for (int i = 0; i < 20; i++) CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK(mouv_now_ms() - began < 1500);
    CHECK_INT(insert(t, 1), 1);
    for (int i = 0; i < MANY; i++) CHECK_INT(await(t, waits[i]), 1);
    for (int i = 0; i < MANY; i++) mouv_cursor_unref(cursors[i]);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(next_waits_over_several_polls),
        cmocka_unit_test(try_next_waits_for_one_poll),
        cmocka_unit_test(try_next_over_an_empty_first_batch_polls_once),
        cmocka_unit_test(the_futures_do_the_same),
        cmocka_unit_test(without_await_data_nothing_for_now_is_zero),
        cmocka_unit_test(to_list_gives_what_is_there),
        cmocka_unit_test(a_find_of_the_users_own_tails_too),
        cmocka_unit_test(try_next_of_another_cursor_goes_to_its_end),
        cmocka_unit_test(a_tail_over_nothing_is_dead),
        cmocka_unit_test(a_dropped_collection_ends_the_tail_with_an_error),
        cmocka_unit_test(a_tail_that_was_overtaken_is_dead),
        cmocka_unit_test(a_collection_that_is_not_capped_is_refused),
        cmocka_unit_test(a_deadline_leaves_the_tail_as_it_was),
        cmocka_unit_test(a_poll_that_is_late_leaves_the_tail_as_it_was),
        cmocka_unit_test(a_cancelled_task_ends_at_once_and_leaves_no_cursor),
        cmocka_unit_test(a_closed_tail_wakes_its_reader),
        cmocka_unit_test(tails_do_not_hold_back_queries),
    };
    return RUN_CASES(cases);
}
