/*
 * Every allocation of every kind of operation fails once: for each step the first, the second, ...
 * until it gets through without reaching the failure. Nothing may crash, hang or leak (run it with
 * ASan): the step says MOUV_ENOMEM or succeeds, and the client goes on.
 */
#include "support/support.h"

#include <unistd.h>

#include "context/alloc.h"

static bool reached(void) {
    return __atomic_load_n(&mouv__alloc_fail_at, __ATOMIC_RELAXED) == 0;
}

static void fail_at(int64_t n) {
    __atomic_store_n(&mouv__alloc_fail_at, n, __ATOMIC_RELAXED);
}

/* --- Steps: each begins with "users" holding {_id: 0..9, n: the same} ------------------------- */

typedef int (*step_fn_t)(test_t *t);

#define STEP(name, expression) \
    static int name(test_t *t) { \
        return await(t, expression); \
    }

STEP(ping, mouv_client_ping(t->client))
STEP(find_one, mouv_collection_find_one(t->users, json(t, "{'_id': 1}"), NULL, NULL))
STEP(insert_one, mouv_collection_insert_one(t->users, json(t, "{'x': 1}"), NULL, NULL))
STEP(update_many, mouv_collection_update_many(t->users, json(t, "{}"),
                                              json(t, "{'$inc': {'m': 1}}"), NULL, NULL))
STEP(delete_one, mouv_collection_delete_one(t->users, json(t, "{'x': 1}"), NULL, NULL))
STEP(modify, mouv_collection_find_one_and_update(t->users, json(t, "{'_id': 1}"),
                                                 json(t, "{'$inc': {'m': 1}}"), NULL, NULL))
STEP(count, mouv_collection_count_documents(t->users, NULL, NULL, NULL))
STEP(command, mouv_database_command(t->database, json(t, "{'ping': 1}"), NULL, NULL))
STEP(create_index, mouv_collection_create_index(t->users, json(t, "{'m': 1}"), NULL, NULL, NULL))
STEP(bad_option, mouv_collection_find_one(t->users, NULL, json(t, "{'sort': 1}"), NULL))

static int distinct(test_t *t) {
    AUTO_BSON *values = NULL;
    return await(t, mouv_collection_distinct(t->users, "n", NULL, NULL, &values));
}

static int insert_many(test_t *t) {
    const bson_t *documents[] = {json(t, "{'x': 1}"), json(t, "{'x': 1}")};
    AUTO_BSON *reply = NULL;
    return await(t, mouv_collection_insert_many(t->users, documents, 2, NULL, &reply));
}

static int names(test_t *t) {
    char **list = NULL;
    int rc = await(t, mouv_database_list_collection_names(t->database, NULL, &list));
    bson_strfreev(list);
    return rc;
}

static int iterate(test_t *t) {
    const bson_t *doc;
    int rc;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(t->users, json(t, "{}"), json(t, "{'batchSize': 4, 'comment': 'c'}"));
    while ((rc = mouv_cursor_next(cursor, &doc, &t->error)) > 0) continue;
    return rc;
}

static int to_list(test_t *t) {
    AUTO_BSON *list = NULL;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_aggregate(
        t->users, json(t, "{'pipeline': []}"), json(t, "{'batchSize': 4}"));
    return mouv_cursor_to_list(cursor, 0, &list, &t->error);
}

static int leave_early(test_t *t) {
    const bson_t *doc;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(t->users, NULL, json(t, "{'batchSize': 2}"));
    return mouv_cursor_next(cursor, &doc, &t->error);
}

static int explain(test_t *t) {
    AUTO_BSON *reply = NULL;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(t->users, NULL, NULL);
    return await(t, mouv_cursor_explain(cursor, NULL, &reply));
}

static int gather(test_t *t) {
    return await(t, mouv_gather(mouv_collection_find_one(t->users, NULL, NULL, NULL),
                                mouv_client_ping(t->client), mouv_client_ping(t->client)));
}

static int bulk(test_t *t) {
    AUTO_BSON *reply = NULL;
    MOUV_AUTO_BULK mouv_bulk_t *made = mouv_collection_create_bulk(t->users, NULL);
    int rc = mouv_bulk_insert_one(made, json(t, "{'x': 1}"), NULL, &t->error);
    if (rc >= 0) rc = mouv_bulk_delete_many(made, json(t, "{'x': 1}"), NULL, &t->error);
    return rc < 0 ? rc : await(t, mouv_bulk_execute(made, &reply));
}

static int transaction(test_t *t) {
    bson_t opts = BSON_INITIALIZER;
    MOUV_AUTO_SESSION mouv_session_t *session =
        mouv_client_start_session(t->client, NULL, &t->error);
    if (!session) return t->error.code;
    int rc = mouv_session_append(session, &opts);
    if (rc >= 0) rc = mouv_session_start_transaction(session, NULL, &t->error);
    if (rc >= 0)
        rc = await(t, mouv_collection_insert_one(t->users, json(t, "{'x': 1}"), &opts, NULL));
    if (rc >= 0) rc = await(t, mouv_session_commit_transaction(session));
    bson_destroy(&opts);
    return rc;
}

static int watch(test_t *t) {
    const bson_t *doc;
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        mouv_collection_watch(t->users, NULL, json(t, "{'maxAwaitTimeMS': 5}"));
    return mouv_change_stream_try_next(stream, &doc, &t->error);
}

static int store_and_read(test_t *t) {
    char text[8];
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket =
        mouv_database_gridfs_bucket(t->database, json(t, "{'bucketName': 'b'}"));
    if (!bucket) return MOUV_ENOMEM;
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *upload =
        mouv_gridfs_open_upload_stream(bucket, "f", NULL);
    if (!upload) return MOUV_ENOMEM;
    int rc = mouv_gridfs_upload_write(upload, "hello", 5, &t->error);
    if (rc >= 0) rc = mouv_gridfs_upload_close(upload, &t->error);
    if (rc < 0) return rc;
    MOUV_AUTO_DOWNLOAD mouv_gridfs_download_t *download =
        mouv_gridfs_open_download_stream(bucket, mouv_gridfs_upload_id(upload));
    if (!download) return MOUV_ENOMEM;
    return mouv_gridfs_download_read(download, text, sizeof text, &t->error);
}

static int cancelled(test_t *t) {
    mouv_future_t slow =
        mouv_collection_find_one(t->users, json(t, "{'$where': 'sleep(40) || true'}"), NULL, NULL);
    mouv_sleep_ms(10);
    mouv_future_cancel(slow);
    int rc = await(t, slow);
    return rc == MOUV_ECANCELED ? 0 : rc;
}

static int another_client(test_t *t) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), NULL, &t->error);
    if (!client) return t->error.code;
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    return await(t, mouv_collection_find_one(users, NULL, NULL, NULL));
}

static const struct {
    const char *name;
    step_fn_t run;
    int expected; /* below 0: what it gives where memory does not fail */
} steps[] = {
    {"ping", ping, 0},
    {"find_one", find_one, 0},
    {"insert_one", insert_one, 0},
    {"insert_many", insert_many, 0},
    {"update_many", update_many, 0},
    {"delete_one", delete_one, 0},
    {"find_one_and_update", modify, 0},
    {"count_documents", count, 0},
    {"distinct", distinct, 0},
    {"command", command, 0},
    {"list_collection_names", names, 0},
    {"create_index", create_index, 0},
    {"a bad option", bad_option, MOUV_EINVAL},
    {"cursor", iterate, 0},
    {"to_list", to_list, 0},
    {"a cursor left early", leave_early, 0},
    {"explain", explain, 0},
    {"gather", gather, 0},
    {"bulk", bulk, 0},
    {"transaction", transaction, 0},
    {"change stream", watch, 0},
    {"gridfs", store_and_read, 0},
    {"a cancelled find", cancelled, 0},
    {"another client", another_client, 0},
};

/* --- The sweep ------------------------------------------------------------------------------- */

/** Futures that nobody got are told of; here they are many. */
static void take_no_notice(mouv_log_level_t level, const char *message, void *arg) {
    (void)level, (void)message, (void)arg;
}

/** Nothing of the step is under way any more. */
static bool is_quiet(test_t *t) {
    mouv_client_stats_t stats;
    for (int i = 0; i < 4000; i++) {
        mouv_client_get_stats(t->client, &stats);
        if (stats.in_flight + stats.queued + stats.late == 0) return true;
        mouv_sleep_ms(5);
    }
    return false;
}

/** One step with its n-th allocation failing; 1: it got through, 0: go on, -1: it is wrong. */
static int survive(test_t *t, size_t step, int64_t n) {
    int expected = steps[step].expected;
    alarm(60); /* a step that hangs ends the program */
    fail_at(n);
    int rc = steps[step].run(t);
    bool was_reached = reached();
    fail_at(-1);
    bool fine = expected < 0 ? rc == expected : rc >= 0;
    if (!fine && !(was_reached && rc == MOUV_ENOMEM)) {
        test_failed(t, __FILE__, __LINE__, "%s, allocation %d: %s", steps[step].name, (int)n,
                    mouv_error_name(rc));
        return -1;
    }
    if (!is_quiet(t) || await(t, mouv_client_ping(t->client)) < 0) {
        test_failed(t, __FILE__, __LINE__, "%s, allocation %d: something is left of it",
                    steps[step].name, (int)n);
        return -1;
    }
    return was_reached ? 0 : 1;
}

CASE(every_allocation_of_every_operation_may_fail) {
    int failures = 0;
    mouv_log_set_handler(take_no_notice, NULL);
    CHECK_INT(insert_numbered(t, 10), 0);
    CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int64_t n = 1;
        int rc = steps[i].run(t); /* warm: what fails lies in the step */
        CHECK(steps[i].expected < 0 ? rc == steps[i].expected : rc >= 0);
        while ((rc = survive(t, i, n)) == 0) n++;
        if (rc < 0) return rc;
        failures += (int)n - 1;
    }
    alarm(0);
    /* where it was killCursors that had no memory: the server forgets them after ten minutes */
    CHECK(open_cursors(t) <= 3);
    CHECK(failures > 100);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(every_allocation_of_every_operation_may_fail),
    };
    return RUN_CASES(cases);
}
