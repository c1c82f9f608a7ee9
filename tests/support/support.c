/*
 * Server, cases and checks of the integration tests.
 */
#include "support/support.h"

#include <stdlib.h>

#include <unistd.h>

#include <uv.h>

#include "support/server.h"

/* --- The server ----------------------------------------------------------------------------- */

#define SKIPPED 77

static char uri[512];
static server_t own;

const char *test_uri(void) {
    return uri;
}

static int start_own(const char *const *options) {
    if (server_start(&own, options)) {
        snprintf(uri, sizeof uri, "%s", own.uri);
        return 0;
    }
    fprintf(stderr, "no server: neither MONGODB_URI nor MOUV (the mouv program) gives one\n");
    exit(SKIPPED);
}

int test_group_setup(void **state) {
    (void)state;
    const char *given = getenv("MONGODB_URI");
    if (!given || !*given) return start_own(NULL);
    snprintf(uri, sizeof uri, "%s", given);
    return 0;
}

int test_group_setup_own(const char *const *options) {
    return start_own(options);
}

int test_group_teardown(void **state) {
    (void)state;
    server_stop(&own);
    return 0;
}

/* --- A case --------------------------------------------------------------------------------- */

typedef struct run {
    test_t *t;
    test_fn_t body;
} run_t;

static void drop_database(test_t *t) {
    if (mouv_await(mouv_database_drop(t->database, NULL), NULL) == 0) return;
    /* the body has closed the client: the database goes with another one */
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, NULL);
    mouv_database_t *database = mouv_client_get_database(client, t->database_name);
    mouv_await(mouv_database_drop(database, NULL), NULL);
    mouv_client_close(client, NULL);
}

static int main_task(void *arg) {
    run_t *run = arg;
    test_t *t = run->t;
    t->client = mouv_client_new(uri, NULL, &t->error);
    if (!t->client) return test_failed(t, __FILE__, __LINE__, "%s", t->error.message);
    t->database = mouv_client_get_database(t->client, t->database_name);
    t->users = mouv_database_get_collection(t->database, "users");
    run->body(t);
    drop_database(t);
    /* in the background: a close that is awaited takes libmongoc half a second */
    t->client = mouv_client_unref(t->client);
    return 0;
}

static int bare_task(void *arg) {
    run_t *run = arg;
    run->body(run->t);
    return 0;
}

static void run_case(int (*task)(void *), test_fn_t body) {
    static int count;
    test_t t = {0};
    run_t run = {&t, body};
    mouv_error_t error;
    snprintf(t.database_name, sizeof t.database_name, "mouv_test_%d_%d", (int)getpid(), ++count);
    if (mouv_run(task, &run, &error) < 0) {
        test_failed(&t, __FILE__, __LINE__, "mouv_run: %s", error.message);
    }
    for (size_t i = 0; i < t.document_count; i++) bson_destroy(t.documents[i]);
    free(t.documents);
    assert_false(t.failed);
    if (t.skipped) skip();
}

void test_run_case(test_fn_t body) {
    run_case(main_task, body);
}

void test_run_bare_case(test_fn_t body) {
    run_case(bare_task, body);
}

/* --- Helpers -------------------------------------------------------------------------------- */

const bson_t *keep(test_t *t, bson_t *document) {
    t->documents = realloc(t->documents, (t->document_count + 1) * sizeof *t->documents);
    t->documents[t->document_count++] = document;
    return document;
}

const bson_t *json(test_t *t, const char *text) {
    bson_error_t error;
    char *quoted = strdup(text);
    for (char *at = quoted; *at; at++) {
        if (*at == '\'') *at = '"';
    }
    bson_t *document = bson_new_from_json((const uint8_t *)quoted, -1, &error);
    free(quoted);
    if (!document) {
        fprintf(stderr, "test is wrong: %s: %s\n", text, error.message);
        abort();
    }
    return keep(t, document);
}

int await(test_t *t, mouv_future_t future) {
    t->error = (mouv_error_t){0};
    return mouv_await(future, &t->error);
}

int insert_numbered(test_t *t, int count) {
    bson_t **documents = calloc((size_t)count, sizeof *documents);
    for (int i = 0; i < count; i++)
        documents[i] = BCON_NEW("_id", BCON_INT32(i), "n", BCON_INT32(i));
    int rc = await(t, mouv_collection_insert_many(t->users, (const bson_t *const *)documents,
                                                  (size_t)count, NULL, NULL));
    for (int i = 0; i < count; i++) bson_destroy(documents[i]);
    free(documents);
    return rc == count ? 0 : -1;
}

const bson_t *in(test_t *t, const mouv_session_t *session, const char *more) {
    const bson_t *opts = json(t, more ? more : "{}");
    mouv_session_append(session, (bson_t *)opts);
    return opts;
}

int insert_in_session(test_t *t, const mouv_session_t *session, const char *document) {
    const bson_t *opts = in(t, session, NULL);
    return await(t, mouv_collection_insert_one(t->users, json(t, document), opts, NULL));
}

int set_fail_point(test_t *t, const char *command) {
    if (getenv("MOUV_TEST_SHARED")) {
        fprintf(stderr, "test is wrong: a fail point, and its file is not marked \"own-server\"\n");
        abort();
    }
    mouv_database_t *admin = mouv_client_get_database(t->client, "admin");
    return await(t, mouv_database_command(admin, json(t, command), NULL, NULL));
}

int fail_commands(test_t *t, int times, const char *names, const char *data) {
    char text[600];
    snprintf(text, sizeof text,
             "{'configureFailPoint': 'failCommand', 'mode': {'times': %d},"
             " 'data': {'failCommands': [%s], %s}}",
             times, names, data);
    return set_fail_point(t, text);
}

int fail_no_more(test_t *t) {
    return set_fail_point(t, "{'configureFailPoint': 'failCommand', 'mode': 'off'}");
}

int64_t now_ms(void) {
    return (int64_t)(uv_hrtime() / 1000000);
}

mouv_client_stats_t stats_of(const mouv_client_t *client) {
    mouv_client_stats_t stats;
    mouv_client_get_stats(client, &stats);
    return stats;
}

bool is_quiet_within(const mouv_client_t *client, int ms) {
    for (; ms > 0; ms -= 5) {
        mouv_client_stats_t stats = stats_of(client);
        if (stats.busy == 0 && stats.in_flight == 0 && stats.late == 0) return true;
        mouv_sleep_ms(5);
    }
    return false;
}

int current_ops(test_t *t, const char *options, const char *with) {
    char text[400];
    AUTO_BSON *list = NULL;
    snprintf(text, sizeof text,
             "{'pipeline': [{'$currentOp': {%s}}, {'$match': {'ns': '%s.users', %s}}]}", options,
             t->database_name, with);
    mouv_database_t *admin = mouv_client_get_database(t->client, "admin");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_database_aggregate(admin, json(t, text), NULL);
    return mouv_cursor_to_list(cursor, 0, &list, &t->error);
}

int open_cursors(test_t *t) {
    return current_ops(t, "'idleCursors': true, 'localOps': true", "'cursor': {'$exists': true}");
}

int open_cursors_become(test_t *t, int expected) {
    int open = open_cursors(t);
    for (int i = 0; i < 100 && open != expected && open >= 0; i++) {
        mouv_sleep_ms(20);
        open = open_cursors(t);
    }
    return open;
}

void test_drop_bson(bson_t **document) {
    bson_destroy(*document);
}

/* --- What is there --------------------------------------------------------------------------- */

bool test_own_streams(void) {
    return !MONGOC_CHECK_VERSION(2, 0, 0);
}

int test_skip(test_t *t, const char *why) {
    print_message("skipped: %s\n", why);
    t->skipped = true;
    return 0;
}

/* --- Checks --------------------------------------------------------------------------------- */

int test_failed(test_t *t, const char *file, int line, const char *format, ...) {
    va_list args;
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    if (t->error.code < 0) {
        fprintf(stderr, " (last error: %s: %s: %s)", mouv_error_name(t->error.code),
                t->error.operation, t->error.message);
    }
    fputc('\n', stderr);
    t->failed = true;
    return -1;
}

int test_differs(test_t *t, const char *file, int line, const char *expression,
                 const bson_t *document, const char *expected) {
    if (document && bson_equal(document, json(t, expected))) return 0;
    char *got = document ? bson_as_canonical_extended_json(document, NULL) : NULL;
    test_failed(t, file, line, "%s is %s, expected %s", expression, got ? got : "NULL", expected);
    bson_free(got);
    return -1;
}
