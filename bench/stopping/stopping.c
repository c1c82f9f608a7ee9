/*
 * A timeout of 1 s on work of 10 s, of eleven kinds of operation, on $MONGODB_URI, on a connection
 * that falls silent, and on a server that answers nothing any more on any: when the caller goes on,
 * when the operation's worker is free, when $currentOp no longer shows it, when nothing is done any
 * more on its account (reconnecting, killing its cursor), whether the connection was kept, how long
 * the next operation takes. Milliseconds since the deadline, the worst of so many runs.
 *
 * usage: stopping [RUNS] (3)
 */
#include <mouv/mouv.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "support/mock_server.h"

enum { LIMIT_MS = 1000, LOOK_FROM_MS = LIMIT_MS / 2, PATIENCE_MS = 15000 };

#define DATABASE "mouv_stopping"
#define SLEEP "function() { sleep(10000); return true; }"

/* One kind on one server. */
typedef struct stopping {
    mouv_client_t *client, *control; /* control NULL: the server has no $currentOp */
    mouv_collection_t *docs;
    bson_t *filter, *pipeline, *change; /* each takes 10 s */
    mouv_cursor_t *cursor;
    double returned_ms;      /* when its worker had done with it */
    double seen_ms, gone_ms; /* by the last look that showed it, and the first that did not */
} stopping_t;

typedef struct times {
    double caller_ms, worker_ms, server_ms, quiet_ms, next_ms;
    bool replaced;
    int code;
} times_t;

static _Noreturn void fail(const char *what, const char *why) {
    fprintf(stderr, "stopping: %s: %s\n", what, why);
    exit(2);
}

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* --- The kinds ------------------------------------------------------------------------------- */

static mouv_future_t find_one(stopping_t *s) {
    return mouv_collection_find_one(s->docs, s->filter, NULL, NULL);
}

static mouv_future_t fetch(stopping_t *s, mouv_cursor_t *cursor) {
    s->cursor = cursor;
    return mouv_cursor_fetch(cursor);
}

static mouv_future_t find(stopping_t *s) {
    return fetch(s, mouv_collection_find(s->docs, s->filter, NULL));
}

/* The first document comes at once, alone in its batch; the next one is asked for. */
static mouv_future_t get_more(stopping_t *s) {
    mouv_error_t error;
    const bson_t *doc;
    bson_t *filter = BCON_NEW("$where", "this._id == 0 || sleep(10000) || true");
    bson_t *opts = BCON_NEW("batchSize", BCON_INT32(1), "prefetch", BCON_BOOL(false));
    mouv_cursor_t *cursor = mouv_collection_find(s->docs, filter, opts);
    bson_destroy(filter);
    bson_destroy(opts);
    if (mouv_cursor_next(cursor, &doc, &error) < 0) fail("find", error.message);
    return fetch(s, cursor);
}

static mouv_future_t aggregate(stopping_t *s) {
    return fetch(s, mouv_collection_aggregate(s->docs, s->pipeline, NULL));
}

static mouv_future_t aggregate_out(stopping_t *s) {
    bson_t *pipeline = bson_copy(s->pipeline);
    BCON_APPEND(pipeline, "1", "{", "$out", "out", "}");
    mouv_cursor_t *cursor = mouv_collection_aggregate(s->docs, pipeline, NULL);
    bson_destroy(pipeline);
    return fetch(s, cursor);
}

static mouv_future_t count_documents(stopping_t *s) {
    static int64_t count;
    bson_iter_t iter, match;
    const uint8_t *bytes;
    uint32_t size;
    bson_t filter;
    if (!bson_iter_init(&iter, s->pipeline) ||
        !bson_iter_find_descendant(&iter, "0.$match", &match))
        fail("count_documents", "no filter");
    bson_iter_document(&match, &size, &bytes);
    bson_init_static(&filter, bytes, size);
    return mouv_collection_count_documents(s->docs, &filter, NULL, &count);
}

static mouv_future_t distinct(stopping_t *s) {
    return mouv_collection_distinct(s->docs, "n", s->filter, NULL, NULL);
}

static mouv_future_t update_one(stopping_t *s) {
    return mouv_collection_update_one(s->docs, s->filter, s->change, NULL, NULL);
}

static mouv_future_t update_many(stopping_t *s) {
    return mouv_collection_update_many(s->docs, s->filter, s->change, NULL, NULL);
}

static mouv_future_t delete_many(stopping_t *s) {
    return mouv_collection_delete_many(s->docs, s->filter, NULL, NULL);
}

static mouv_future_t find_and_modify(stopping_t *s) {
    return mouv_collection_find_one_and_update(s->docs, s->filter, s->change, NULL, NULL);
}

static const struct {
    const char *name;
    mouv_future_t (*begin)(stopping_t *s);
} kinds[] = {
    {"find_one", find_one},
    {"find", find},
    {"getMore", get_more},
    {"aggregate", aggregate},
    {"aggregate, $out", aggregate_out},
    {"count_documents", count_documents},
    {"distinct", distinct},
    {"update_one", update_one},
    {"update_many", update_many},
    {"delete_many", delete_many},
    {"find_one_and_update", find_and_modify},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

/* --- What the server shows ------------------------------------------------------------------- */

static bool is_shown(stopping_t *s) {
    mouv_error_t error = {0};
    const bson_t *doc;
    bson_t *pipeline = BCON_NEW("0", "{", "$currentOp", "{", "}", "}", "1", "{", "$match", "{",
                                "ns", "{", "$regex", "^" DATABASE "\\.", "}", "}", "}");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_database_aggregate(mouv_client_get_database(s->control, "admin"), pipeline, NULL);
    bson_destroy(pipeline);
    int rc = mouv_cursor_next(cursor, &doc, &error);
    if (rc < 0) fail("$currentOp", error.message);
    return rc > 0;
}

/** Looks from before the deadline on until the operation is not there any more. */
static int look(void *arg) {
    stopping_t *s = arg;
    mouv_sleep_ms(LOOK_FROM_MS);
    for (double began = now_ms(); now_ms() - began < PATIENCE_MS; mouv_sleep_ms(1)) {
        double asked = now_ms();
        bool shown = is_shown(s);
        if (shown) s->seen_ms = asked;
        if (!shown) s->gone_ms = now_ms();
        if (!shown) break;
    }
    return 0;
}

/* --- One run ---------------------------------------------------------------------------------- */

static void on_returned(const mouv_pool_event_t *event, void *arg) {
    stopping_t *s = arg;
    (void)event;
    if (s->returned_ms == 0) s->returned_ms = now_ms(); /* others clean up after it */
}

/** When no worker is busy any more. */
static double quiet_at_ms(const stopping_t *s) {
    mouv_client_stats_t stats;
    for (double began = now_ms(); now_ms() - began < PATIENCE_MS; mouv_sleep_ms(1)) {
        mouv_client_get_stats(s->client, &stats);
        if (stats.busy == 0 && stats.late == 0 && stats.in_flight == 0) break;
    }
    return now_ms();
}

static uint64_t interrupts(const stopping_t *s) {
    mouv_client_stats_t stats;
    mouv_client_get_stats(s->client, &stats);
    return stats.interrupts;
}

static double next_takes_ms(stopping_t *s) {
    mouv_error_t error = {0};
    double began = now_ms();
    bson_t *zero = BCON_NEW("_id", BCON_INT32(0));
    mouv_future_t next = mouv_collection_find_one(s->docs, zero, NULL, NULL);
    if (mouv_await_for(next, PATIENCE_MS, &error) < 0) fail("the next operation", error.message);
    bson_destroy(zero);
    return now_ms() - began;
}

static times_t run(stopping_t *s, int kind, void (*silence)(int kind)) {
    times_t times = {0};
    mouv_error_t error = {0};
    uint64_t cut = interrupts(s);
    s->cursor = NULL;
    s->seen_ms = s->gone_ms = 0;
    silence(kind);
    mouv_future_t looks = {0}, operation = kinds[kind].begin(s);
    if (s->control) looks = mouv_task(look, s);
    s->returned_ms = 0;
    double deadline = now_ms() + LIMIT_MS;
    times.code = mouv_await_for(operation, LIMIT_MS, &error);
    times.caller_ms = now_ms() - deadline;
    times.quiet_ms = quiet_at_ms(s) - deadline;
    times.worker_ms = s->returned_ms - deadline;
    if (s->control) mouv_await(looks, NULL);
    if (s->control && s->seen_ms == 0) fail(kinds[kind].name, "$currentOp never showed it");
    times.server_ms = s->gone_ms - deadline;
    times.replaced = interrupts(s) != cut;
    mouv_cursor_unref(s->cursor);
    silence(-1);
    times.next_ms = next_takes_ms(s);
    return times;
}

static double worse(double a, double b) {
    return a > b ? a : b;
}

static void run_all(stopping_t *s, int runs, const char *where, void (*silence)(int kind)) {
    printf("%-24s %-15s %8s %8s %10s %8s  %-10s %8s\n", where, "outcome", "caller", "worker",
           s->control ? "$currentOp" : "", "quiet", "connection", "next op");
    for (int kind = 0; kind < KINDS; kind++) {
        times_t worst = {.caller_ms = -1e9, .worker_ms = -1e9, .server_ms = -1e9, .quiet_ms = -1e9};
        for (int i = 0; i < runs; i++) {
            times_t times = run(s, kind, silence);
            worst.caller_ms = worse(worst.caller_ms, times.caller_ms);
            worst.worker_ms = worse(worst.worker_ms, times.worker_ms);
            worst.server_ms = worse(worst.server_ms, times.server_ms);
            worst.quiet_ms = worse(worst.quiet_ms, times.quiet_ms);
            worst.next_ms = worse(worst.next_ms, times.next_ms);
            worst.replaced |= times.replaced;
            worst.code = times.code;
        }
        printf("%-24s %-15s %8.1f %8.1f ", kinds[kind].name, mouv_error_name(worst.code),
               worst.caller_ms, worst.worker_ms);
        if (s->control)
            printf("%10.1f", worst.server_ms);
        else
            printf("%10s", "");
        printf(" %8.1f  %-10s %8.1f\n", worst.quiet_ms, worst.replaced ? "replaced" : "kept",
               worst.next_ms);
    }
}

/* --- Servers --------------------------------------------------------------------------------- */

static mock_server_t *mock;

static void no_silence(int kind) {
    (void)kind;
}

/* Every answer but those of the commands named; the find before a getMore is none of them. */
static void silence_all_but(int kind, const char *const *answered) {
    const mock_script_t silence = {.silent = true, .then = MOCK_MUTE};
    mock_server_script(mock, "*", &silence);
    mock_server_script(mock, "find", NULL);
    for (; *answered; answered++) mock_server_script(mock, *answered, &(mock_script_t){0});
    if (kinds[kind].begin == get_more)
        mock_server_reply(mock, "find",
                          "{'ok': 1, 'cursor': {'id': {'$numberLong': '7'}, 'ns': '" DATABASE
                          ".docs', 'firstBatch': [{'_id': 0}]}}");
}

static const char *const others[] = {"ping", "killSessions", "killCursors", "endSessions", NULL};

static void speak_again(void) {
    mock_server_script(mock, "*", NULL);
    mock_server_script(mock, "find", NULL);
    for (size_t i = 0; others[i]; i++) mock_server_script(mock, others[i], NULL);
}

/** The connections that commands come on fall silent, new ones are made. */
static void mute_connection(int kind) {
    if (kind < 0)
        speak_again();
    else
        silence_all_but(kind, others);
}

/** The server answers nothing but hello. */
static void mute_server(int kind) {
    if (kind < 0)
        speak_again();
    else
        silence_all_but(kind, others + sizeof others / sizeof *others - 1);
}

static void open_stopping(stopping_t *s, const char *uri) {
    mouv_error_t error = {0};
    const mouv_monitor_t monitor = {.client_returned = on_returned};
    s->client = mouv_client_new(uri, NULL, &error);
    if (!s->client) fail(uri, error.message);
    mouv_client_set_monitor(s->client, &monitor, s);
    s->docs = mouv_client_get_collection(s->client, DATABASE, "docs");
    s->filter = BCON_NEW("_id", BCON_INT32(1), "$where", SLEEP);
    s->pipeline = BCON_NEW("0", "{", "$match", "{", "_id", BCON_INT32(1), "$expr", "{", "$function",
                           "{", "body", SLEEP, "args", "[", "]", "lang", "js", "}", "}", "}", "}");
    s->change = BCON_NEW("$inc", "{", "n", BCON_INT32(1), "}");
    /* The second connection, for kills, is there from the first operation with a deadline on. */
    if (mouv_await_for(mouv_client_ping(s->client), 10000, &error) < 0) fail("ping", error.message);
    mouv_sleep_ms(200);
}

static void close_stopping(stopping_t *s) {
    mouv_client_close(s->client, NULL);
    mouv_client_unref(s->client);
    bson_destroy(s->filter);
    bson_destroy(s->pipeline);
    bson_destroy(s->change);
}

static void on_mongod(int runs, const char *uri) {
    stopping_t s = {0};
    mouv_error_t error = {0};
    open_stopping(&s, uri);
    s.control = mouv_client_new(uri, NULL, &error);
    mouv_await(mouv_collection_drop(s.docs, NULL), NULL);
    for (int i = 0; i < 2; i++) {
        bson_t *doc = BCON_NEW("_id", BCON_INT32(i), "n", BCON_INT32(i));
        if (mouv_await(mouv_collection_insert_one(s.docs, doc, NULL, NULL), &error) < 0)
            fail("insert", error.message);
        bson_destroy(doc);
    }
    run_all(&s, runs, "on mongod", no_silence);
    mouv_await(mouv_database_drop(mouv_client_get_database(s.control, DATABASE), NULL), NULL);
    mouv_client_close(s.control, NULL);
    mouv_client_unref(s.control);
    close_stopping(&s);
}

static void on_silence(int runs, const char *where, void (*silence)(int kind)) {
    stopping_t s = {0};
    mock = mock_server_start(NULL);
    if (!mock) fail("mock server", "it does not start");
    open_stopping(&s, mock_server_uri(mock));
    run_all(&s, runs, where, silence);
    close_stopping(&s);
    mock_server_stop(mock);
}

static int runs_wanted;

static int main_task(void *arg) {
    (void)arg;
    const char *uri = getenv("MONGODB_URI");
    printf("%d ms of time, 10 s of work; ms after the deadline, the worst of %d\n\n", LIMIT_MS,
           runs_wanted);
    if (uri) on_mongod(runs_wanted, uri);
    if (uri) putchar('\n');
    on_silence(runs_wanted, "on a silent connection", mute_connection);
    putchar('\n');
    on_silence(runs_wanted, "on a silent server", mute_server);
    return 0;
}

int main(int argc, char **argv) {
    runs_wanted = argc > 1 ? atoi(argv[1]) : 3;
    if (runs_wanted <= 0) fail(argv[1], "not a number above 0");
    return mouv_main(main_task, NULL);
}
