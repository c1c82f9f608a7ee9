/*
 * Cursors: batches, limits, lists, closing early, one task at a time, errors that stick.
 */
/* test: executors, secure */
#include "support/support.h"

static mouv_cursor_t *find_all(test_t *t, const char *opts) {
    return mouv_collection_find(t->users, json(t, "{}"), opts ? json(t, opts) : NULL);
}

/** Iterates to the end: the number of documents, or the error. */
static int drain(test_t *t, mouv_cursor_t *cursor) {
    const bson_t *doc;
    int rc, count = 0;
    t->error = (mouv_error_t){0};
    while ((rc = mouv_cursor_next(cursor, &doc, &t->error)) > 0) count++;
    return rc < 0 ? rc : count;
}

/** Has the server forget its cursors on "users" behind the case's back. */
static int kill_on_server(test_t *t) {
    char text[400];
    const bson_t *doc;
    bson_iter_t iter, id;
    snprintf(text, sizeof text,
             "{'pipeline': [{'$currentOp': {'idleCursors': true, 'localOps': true}},"
             " {'$match': {'ns': '%s.users', 'cursor': {'$exists': true}}}]}",
             t->database_name);
    mouv_database_t *admin = mouv_client_get_database(t->client, "admin");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_database_aggregate(admin, json(t, text), NULL);
    if (mouv_cursor_next(cursor, &doc, &t->error) != 1) return -1;
    if (!bson_iter_init(&iter, doc) || !bson_iter_find_descendant(&iter, "cursor.cursorId", &id)) {
        return -1;
    }
    AUTO_BSON *kill =
        BCON_NEW("killCursors", "users", "cursors", "[", BCON_INT64(bson_iter_as_int64(&id)), "]");
    return await(t, mouv_database_command(t->database, kill, NULL, NULL));
}

/* --- iteration ------------------------------------------------------------------------------ */

CASE(every_document_comes_once_over_many_batches) {
    const bson_t *doc;
    bson_iter_t n;
    int next = 0, rc;
    CHECK_INT(insert_numbered(t, 1000), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, "{'sort': {'n': 1}, 'batchSize': 7}");
    while ((rc = mouv_cursor_next(cursor, &doc, &t->error)) > 0) {
        CHECK(bson_iter_init_find(&n, doc, "n"));
        CHECK_INT(bson_iter_int32(&n), next);
        next++;
    }
    CHECK_INT(rc, 0);
    CHECK_INT(next, 1000);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 0);
    CHECK(doc == NULL);
    CHECK_INT(open_cursors_become(t, 0), 0);
    return 0;
}

CASE(aggregate_batches_as_find_does) {
    CHECK_INT(insert_numbered(t, 100), 0);
    const bson_t *pipeline = json(t, "{'pipeline': [{'$match': {}}]}");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_aggregate(t->users, pipeline, json(t, "{'batchSize': 9, 'comment': 'c'}"));
    CHECK_INT(drain(t, cursor), 100);
    return 0;
}

CASE(nothing_is_sent_before_the_first_fetch) {
    mouv_client_stats_t before, after;
    mouv_client_get_stats(t->client, &before);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, NULL);
    mouv_sleep_ms(5);
    mouv_client_get_stats(t->client, &after);
    CHECK_INT(after.started, before.started);
    CHECK_INT(drain(t, cursor), 0);
    return 0;
}

CASE(a_document_is_valid_until_the_next_call) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 5), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, "{'sort': {'n': 1}, 'batchSize': 2}");
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    mouv_sleep_ms(30); /* the next batch arrives meanwhile */
    CHECK_DOCUMENT(doc, "{'_id': 1, 'n': 1}");
    return 0;
}

CASE(the_next_batch_is_fetched_ahead) {
    const bson_t *doc;
    mouv_client_stats_t before, after;
    CHECK_INT(insert_numbered(t, 10), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, "{'batchSize': 2}");
    mouv_client_get_stats(t->client, &before);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    mouv_sleep_ms(50);
    mouv_client_get_stats(t->client, &after);
    CHECK_INT(after.started - before.started, 2);
    CHECK_INT(drain(t, cursor), 9);
    return 0;
}

static int count_turns(void *arg) {
    int *turns = arg;
    while (mouv_sleep_ms(0) == 0) ++*turns;
    return 0;
}

CASE(a_batch_boundary_lets_others_run_and_a_document_does_not) {
    const bson_t *doc;
    int turns = 0, at_first, inside;
    CHECK_INT(insert_numbered(t, 4), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, "{'batchSize': 2}");
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    mouv_sleep_ms(50); /* the second batch is there */
    MOUV_AUTO mouv_future_t other = mouv_task(count_turns, &turns);
    mouv_sleep_ms(0);
    at_first = turns;
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    inside = turns;
    CHECK_INT(inside, at_first);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    CHECK(turns > inside);
    mouv_future_cancel(other);
    return 0;
}

/* --- limit and batchSize -------------------------------------------------------------------- */

CASE(limits_hold_with_every_batch_size) {
    static const struct {
        const char *opts;
        int expected;
    } rows[] = {
        {"{'limit': 5}", 5},
        {"{'limit': 5, 'batchSize': 2}", 5},
        {"{'limit': 4, 'batchSize': 2}", 4},
        {"{'limit': 5, 'batchSize': 5}", 5},
        {"{'limit': 5, 'batchSize': 50}", 5},
        {"{'limit': 50, 'batchSize': 3}", 20},
        {"{'limit': -3}", 3},
        {"{'limit': -5, 'batchSize': 2}", 2},
        {"{'limit': 0}", 20},
        {"{'batchSize': 0}", 20},
        {"{'batchSize': 1}", 20},
        {"{'limit': 5, 'batchSize': 0}", 5},
        {"{'singleBatch': true, 'batchSize': 6}", 6},
        {"{'skip': 15}", 5},
        {"{'limit': {'$numberLong': '3'}, 'batchSize': 2.0}", 3},
    };
    CHECK_INT(insert_numbered(t, 20), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, rows[i].opts);
        int count = drain(t, cursor);
        if (count != rows[i].expected) {
            return test_failed(t, __FILE__, __LINE__, "%s: %d documents, expected %d", rows[i].opts,
                               count, rows[i].expected);
        }
    }
    CHECK_INT(open_cursors_become(t, 0), 0);
    return 0;
}

/* --- lists ---------------------------------------------------------------------------------- */

CASE(to_list_gives_all_that_is_left) {
    AUTO_BSON *list = NULL;
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 5), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        find_all(t, "{'sort': {'n': 1}, 'batchSize': 2, 'projection': {'_id': 0}}");
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 4);
    CHECK_DOCUMENT(list, "{'0': {'n': 1}, '1': {'n': 2}, '2': {'n': 3}, '3': {'n': 4}}");
    return 0;
}

CASE(to_list_with_a_limit_leaves_the_rest) {
    AUTO_BSON *some = NULL, *rest = NULL;
    CHECK_INT(insert_numbered(t, 5), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        find_all(t, "{'sort': {'n': 1}, 'batchSize': 2, 'projection': {'_id': 0}}");
    CHECK_INT(mouv_cursor_to_list(cursor, 3, &some, &t->error), 3);
    CHECK_DOCUMENT(some, "{'0': {'n': 0}, '1': {'n': 1}, '2': {'n': 2}}");
    CHECK_INT(mouv_cursor_to_list(cursor, 3, &rest, &t->error), 2);
    CHECK_DOCUMENT(rest, "{'0': {'n': 3}, '1': {'n': 4}}");
    return 0;
}

CASE(to_list_of_nothing_is_an_empty_array) {
    AUTO_BSON *list = NULL;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, NULL);
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 0);
    CHECK_DOCUMENT(list, "{}");
    return 0;
}

CASE(gathered_lists_come_from_many_cursors) {
    enum { MANY = 20 };
    bson_t *lists[MANY] = {0};
    mouv_cursor_t *cursors[MANY];
    mouv_future_t futures[MANY];
    CHECK_INT(insert_numbered(t, 30), 0);
    for (int i = 0; i < MANY; i++) {
        cursors[i] = find_all(t, "{'batchSize': 4}");
        futures[i] = mouv_cursor_to_list_future(cursors[i], 0, &lists[i]);
    }
    int rc = await(t, mouv_gather_array(futures, MANY)), whole = 0;
    for (int i = 0; i < MANY; i++) {
        whole += lists[i] && bson_count_keys(lists[i]) == 30;
        bson_destroy(lists[i]);
        mouv_cursor_unref(cursors[i]);
    }
    CHECK_INT(rc, 0);
    CHECK_INT(whole, MANY);
    return 0;
}

/* --- fetch, for programs without coroutines ------------------------------------------------- */

CASE(fetch_and_next_buffered_give_every_document) {
    const bson_t *doc;
    int rc, count = 0, fetches = 0;
    CHECK_INT(insert_numbered(t, 10), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, "{'batchSize': 4}");
    CHECK_INT(mouv_cursor_next_buffered(cursor, &doc), 0);
    while ((rc = await(t, mouv_cursor_fetch(cursor))) > 0) {
        fetches++;
        while (mouv_cursor_next_buffered(cursor, &doc) > 0) count++;
    }
    CHECK_INT(rc, 0);
    CHECK_INT(fetches, 3);
    CHECK_INT(count, 10);
    return 0;
}

CASE(fetch_with_documents_at_hand_is_done_at_once) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 3), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, NULL);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    mouv_future_t future = mouv_cursor_fetch(cursor);
    CHECK(mouv_future_done(future));
    CHECK_INT(await(t, future), 1);
    return 0;
}

/* --- closing -------------------------------------------------------------------------------- */

CASE(closing_early_kills_the_cursor_on_the_server) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 100), 0);
    mouv_cursor_t *cursor = find_all(t, "{'batchSize': 2}");
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    CHECK_INT(open_cursors_become(t, 1), 1);
    mouv_cursor_close(cursor);
    mouv_cursor_close(cursor);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), MOUV_ECLOSED);
    CHECK(doc == NULL);
    CHECK_INT(open_cursors_become(t, 0), 0);
    CHECK(mouv_cursor_unref(cursor) == NULL);
    CHECK(mouv_cursor_unref(NULL) == NULL);
    return 0;
}

CASE(leaving_the_scope_kills_the_cursor_on_the_server) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 100), 0);
    for (int i = 0; i < 10; i++) {
        MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, "{'batchSize': 2}");
        CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    }
    CHECK_INT(open_cursors_become(t, 0), 0);
    return 0;
}

CASE(a_cursor_that_was_never_used_is_released) {
    for (int i = 0; i < 3; i++) mouv_cursor_unref(find_all(t, NULL));
    mouv_cursor_unref(mouv_collection_find(t->users, NULL, NULL));
    return 0;
}

static int iterate_slowly(void *arg) {
    test_t *t = arg;
    const bson_t *doc;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, "{'batchSize': 2}");
    int rc;
    while ((rc = mouv_cursor_next(cursor, &doc, NULL)) > 0) {
        if ((rc = mouv_sleep_ms(10)) < 0) return rc;
    }
    return rc;
}

CASE(a_cursor_abandoned_by_a_cancelled_task_leaks_nothing) {
    mouv_client_stats_t stats;
    CHECK_INT(insert_numbered(t, 100), 0);
    for (int i = 0; i < 20; i++) {
        mouv_future_t task = mouv_task(iterate_slowly, t);
        mouv_sleep_ms(i * 2);
        mouv_future_cancel(task);
        CHECK_INT(await(t, task), MOUV_ECANCELED);
    }
    CHECK_INT(open_cursors_become(t, 0), 0);
    for (int i = 0; i < 400; i++) { /* the last one's worker may still be on its way back */
        mouv_client_get_stats(t->client, &stats);
        if (stats.in_flight == 0) break;
        mouv_sleep_ms(5);
    }
    CHECK_INT(stats.queued, 0);
    CHECK_INT(stats.in_flight, 0);
    return 0;
}

CASE(a_cancelled_first_fetch_leaves_no_cursor) {
    CHECK_INT(insert_numbered(t, 100), 0);
    for (int i = 0; i < 30; i++) {
        MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, "{'batchSize': 2}");
        mouv_future_t future = mouv_cursor_fetch(cursor);
        for (int j = 0; j < i % 4; j++) mouv_sleep_ms(0);
        mouv_future_cancel(future);
        int rc = await(t, future);
        CHECK(rc == MOUV_ECANCELED || rc == 1);
    }
    CHECK_INT(open_cursors_become(t, 0), 0);
    return 0;
}

CASE(client_close_waits_for_the_kill_of_cursors) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 100), 0);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), NULL, NULL);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    mouv_cursor_t *cursor = mouv_collection_find(users, json(t, "{}"), json(t, "{'batchSize': 2}"));
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    mouv_cursor_unref(cursor);
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    CHECK_INT(open_cursors(t), 0);
    return 0;
}

CASE(a_cursor_may_outlive_the_close_of_its_client) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 100), 0);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), NULL, NULL);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(users, json(t, "{}"), json(t, "{'batchSize': 2}"));
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    CHECK(drain(t, cursor) < 0);
    return 0;
}

/* --- errors --------------------------------------------------------------------------------- */

CASE(an_error_sticks) {
    const bson_t *doc;
    mouv_error_t again;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(t->users, json(t, "{'$nope': 1}"), NULL);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), MOUV_ESERVER);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &again), MOUV_ESERVER);
    CHECK_STRING(again.message, t->error.message);
    CHECK_INT(again.server_code, 2);
    CHECK_STRING(again.code_name, "BadValue");
    return 0;
}

CASE(a_cursor_that_the_server_has_killed_fails_after_what_it_gave) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 20), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, "{'batchSize': 3}");
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    mouv_sleep_ms(50);
    CHECK_INT(kill_on_server(t), 0);
    CHECK_INT(drain(t, cursor), MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 43);
    CHECK_STRING(t->error.code_name, "CursorNotFound");
    CHECK_CONTAINS(t->error.message, "cursor id");
    CHECK_CONTAINS(t->error.operation, "getMore mouv_test_");
    CHECK_CONTAINS(t->error.operation, ".users");
    CHECK_INT(drain(t, cursor), MOUV_ESERVER);
    return 0;
}

typedef struct sharing {
    test_t *t;
    mouv_cursor_t *cursor;
    int rc;
} sharing_t;

static int wait_for_next(void *arg) {
    sharing_t *sharing = arg;
    const bson_t *doc;
    return sharing->rc = mouv_cursor_next(sharing->cursor, &doc, NULL);
}

CASE(two_tasks_at_once_are_refused) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 3), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, NULL);
    sharing_t sharing = {t, cursor, 0};
    mouv_future_t task = mouv_task(wait_for_next, &sharing);
    mouv_sleep_ms(0);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), MOUV_ESTATE);
    CHECK_INT(await(t, mouv_cursor_fetch(cursor)), MOUV_ESTATE);
    CHECK_INT(await(t, task), 1);
    CHECK_INT(drain(t, cursor), 2); /* nothing was lost by it */
    return 0;
}

CASE(the_owner_may_close_while_another_task_waits) {
    CHECK_INT(insert_numbered(t, 3), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, NULL);
    sharing_t sharing = {t, cursor, 0};
    mouv_future_t task = mouv_task(wait_for_next, &sharing);
    mouv_sleep_ms(0);
    mouv_cursor_close(cursor);
    CHECK_INT(await(t, task), MOUV_ECLOSED);
    return 0;
}

/* Just between the moment in which the fetch is done and the turn of the task that waits for it: only
 * then may others fetch again. */
CASE(a_cursor_released_when_a_fetch_of_another_task_is_done_stays_until_that_is_back) {
    int rc;
    CHECK_INT(insert_numbered(t, 3), 0);
    mouv_cursor_t *cursor = find_all(t, NULL);
    sharing_t sharing = {t, cursor, 0};
    mouv_future_t task = mouv_task(wait_for_next, &sharing);
    do {
        mouv_sleep_ms(0);
        rc = await(t, mouv_cursor_fetch(cursor));
    } while (rc == MOUV_ESTATE);
    CHECK_INT(rc, 1);
    mouv_cursor_unref(cursor);
    CHECK_INT(await(t, task), MOUV_ECLOSED);
    return 0;
}

CASE(a_timeout_ends_the_fetch_and_the_cursor) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 5), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(t->users, json(t, "{'$where': 'sleep(1000) || true'}"), NULL);
    int64_t begin = mouv_now_ms();
    CHECK_INT(mouv_await_for(mouv_cursor_fetch(cursor), 100, &t->error), MOUV_ETIMEDOUT);
    CHECK(mouv_now_ms() - begin < 4500); /* the query would take five seconds */
    int rc = mouv_cursor_next(cursor, &doc, &t->error);
    CHECK(rc == MOUV_ECANCELED || rc == MOUV_ETIMEDOUT);
    return 0;
}

CASE(a_deadline_around_one_batch_does_not_touch_the_next) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 10), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = find_all(t, "{'batchSize': 2}");
    {
        MOUV_TIMEOUT_SCOPE(limit, 2000);
        CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
        CHECK_INT(mouv_timeout_end(&limit, 0, NULL), 0);
    }
    mouv_sleep_ms(2100);
    CHECK_INT(drain(t, cursor), 9);
    return 0;
}

static mouv_cursor_t *made_outside;
static int next_outside;

static int make_one(void *arg) {
    test_t *t = arg;
    made_outside = find_all(t, NULL);
    return 0;
}

static void call_next(mouv_future_t future, void *arg) {
    const bson_t *doc;
    (void)future, (void)arg;
    next_outside = mouv_cursor_next(made_outside, &doc, NULL);
}

CASE(next_outside_of_a_coroutine_is_refused) {
    make_one(t);
    CHECK_INT(mouv_then(mouv_sleep_future(0), call_next, NULL), 0);
    mouv_sleep_ms(5);
    CHECK_INT(next_outside, MOUV_ENOTCORO);
    mouv_cursor_drop(&made_outside);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(every_document_comes_once_over_many_batches),
        cmocka_unit_test(aggregate_batches_as_find_does),
        cmocka_unit_test(nothing_is_sent_before_the_first_fetch),
        cmocka_unit_test(a_document_is_valid_until_the_next_call),
        cmocka_unit_test(the_next_batch_is_fetched_ahead),
        cmocka_unit_test(a_batch_boundary_lets_others_run_and_a_document_does_not),
        cmocka_unit_test(limits_hold_with_every_batch_size),
        cmocka_unit_test(to_list_gives_all_that_is_left),
        cmocka_unit_test(to_list_with_a_limit_leaves_the_rest),
        cmocka_unit_test(to_list_of_nothing_is_an_empty_array),
        cmocka_unit_test(gathered_lists_come_from_many_cursors),
        cmocka_unit_test(fetch_and_next_buffered_give_every_document),
        cmocka_unit_test(fetch_with_documents_at_hand_is_done_at_once),
        cmocka_unit_test(closing_early_kills_the_cursor_on_the_server),
        cmocka_unit_test(leaving_the_scope_kills_the_cursor_on_the_server),
        cmocka_unit_test(a_cursor_that_was_never_used_is_released),
        cmocka_unit_test(a_cursor_abandoned_by_a_cancelled_task_leaks_nothing),
        cmocka_unit_test(a_cancelled_first_fetch_leaves_no_cursor),
        cmocka_unit_test(client_close_waits_for_the_kill_of_cursors),
        cmocka_unit_test(a_cursor_may_outlive_the_close_of_its_client),
        cmocka_unit_test(an_error_sticks),
        cmocka_unit_test(a_cursor_that_the_server_has_killed_fails_after_what_it_gave),
        cmocka_unit_test(two_tasks_at_once_are_refused),
        cmocka_unit_test(the_owner_may_close_while_another_task_waits),
        cmocka_unit_test(
            a_cursor_released_when_a_fetch_of_another_task_is_done_stays_until_that_is_back),
        cmocka_unit_test(a_timeout_ends_the_fetch_and_the_cursor),
        cmocka_unit_test(a_deadline_around_one_batch_does_not_touch_the_next),
        cmocka_unit_test(next_outside_of_a_coroutine_is_refused),
    };
    return RUN_CASES(cases);
}
