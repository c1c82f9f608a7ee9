/*
 * So many operations in flight while the primary steps down, or is stopped with SIGSTOP: what came
 * of them, how long they took, whether the books agree with what is stored in the end, how soon all
 * is as before, and what is left of descriptors, threads and memory.
 *
 * usage: outage stepdown|freeze [IN_FLIGHT [DEADLINE_MS [FREEZE_S]]] (1,000, 2,000, 20), on
 * $MONGODB_URI, whose servers must run on this machine. A deadline of 0: none but timeoutMS=120000.
 */
#include "scorecard/process.h"
#include "support/books.h"

#include <signal.h>
#include <stdarg.h>
#include <string.h>

enum { CALM_S = 10, STEPPED_DOWN_S = 10, AFTER_S = 15, QUIET_S = 30 };
enum { FIXED = 1000, PAUSE_AFTER_FAILURE_MS = 20, LONG_MS = 120000 };

/* How much later than its deadline a task may end: half a second in which the outcome of a write is
 * asked for, and a busy machine. */
enum { LATE_MS = 2000 };

enum { BUCKET_MS = 100, BUCKETS = 3000, WINDOW = 2 };

typedef enum phase { CALM, STRUCK, AFTER, PHASES } phase_t;
static const char *const phase_names[] = {"before", "during", "after"};

/* What operations of a phase came to. */
typedef struct tally {
    double *took_ms;
    size_t count, capacity;
    uint64_t good;
    double seconds, latest_ms; /* after the deadline */
} tally_t;

typedef struct failure {
    phase_t phase;
    int code, server_code;
    uint64_t count;
    double least_ms, most_ms; /* how long they took */
    mouv_error_t first;
} failure_t;

typedef struct soak {
    int in_flight, deadline_ms, freeze_s;
    mouv_client_t *client, *control;
    mouv_collection_t *documents, *counters, *fixed;
    books_t books;
    int wrong; /* answers */
    tally_t tallies[PHASES];
    failure_t failures[128];
    size_t failure_count;
    phase_t phase;
    bool stopped;
    double began_ms, struck_ms, returned_ms;
    double primary_ms;      /* the first primary to show up after the strike; 0: none */
    uint32_t good[BUCKETS]; /* operations that succeeded, by when they ended */
    double last_write_ms, longest_pause_ms; /* of acknowledged writes, since the strike */
} soak_t;

typedef struct worker {
    soak_t *soak;
    int number;
} worker_t;

static _Noreturn void fail(const char *what, const char *why) {
    fprintf(stderr, "outage: %s: %s\n", what, why);
    exit(2);
}

/* --- Counting ------------------------------------------------------------------------------- */

static void count_failure(soak_t *soak, double took_ms, const mouv_error_t *error) {
    for (size_t i = 0; i < soak->failure_count; i++) {
        failure_t *failure = &soak->failures[i];
        if (failure->phase != soak->phase || failure->code != error->code) continue;
        if (failure->server_code != error->server_code) continue;
        if (strcmp(failure->first.operation, error->operation) != 0) continue;
        if (took_ms < failure->least_ms) failure->least_ms = took_ms;
        if (took_ms > failure->most_ms) failure->most_ms = took_ms;
        failure->count++;
        return;
    }
    if (soak->failure_count == sizeof soak->failures / sizeof *soak->failures) return;
    soak->failures[soak->failure_count++] =
        (failure_t){soak->phase, error->code, error->server_code, 1, took_ms, took_ms, *error};
}

static void count_good(soak_t *soak, double now) {
    size_t bucket = (size_t)((now - soak->began_ms) / BUCKET_MS);
    soak->tallies[soak->phase].good++;
    if (bucket < BUCKETS) soak->good[bucket]++;
}

static void count_latency(soak_t *soak, double took_ms) {
    tally_t *tally = &soak->tallies[soak->phase];
    if (tally->count == tally->capacity) {
        tally->capacity = tally->capacity ? 2 * tally->capacity : 65536;
        tally->took_ms = realloc(tally->took_ms, tally->capacity * sizeof(double));
        if (!tally->took_ms) abort();
    }
    tally->took_ms[tally->count++] = took_ms;
    double limit_ms = soak->deadline_ms ? soak->deadline_ms : LONG_MS;
    if (took_ms - limit_ms > tally->latest_ms) tally->latest_ms = took_ms - limit_ms;
}

/** Awaits one operation and counts it. */
static int count(soak_t *soak, mouv_future_t operation, mouv_error_t *error) {
    double began = now_ms();
    int rc = soak->deadline_ms ? mouv_await_for(operation, soak->deadline_ms, error)
                               : mouv_await(operation, error);
    double now = now_ms();
    count_latency(soak, now - began);
    if (rc >= 0) {
        count_good(soak, now);
    } else {
        count_failure(soak, now - began, error);
        mouv_sleep_ms(PAUSE_AFTER_FAILURE_MS);
    }
    return rc;
}

/** The same of a write. */
static books_outcome_t count_write(soak_t *soak, mouv_future_t write, int *result,
                                   mouv_error_t *error) {
    *error = (mouv_error_t){0};
    *result = count(soak, write, error);
    books_outcome_t outcome = books_outcome(*result, error);
    if (outcome != BOOKS_ACKNOWLEDGED) return outcome;
    double now = now_ms(), pause = now - soak->last_write_ms;
    if (soak->phase != CALM && pause > soak->longest_pause_ms) soak->longest_pause_ms = pause;
    soak->last_write_ms = now;
    return outcome;
}

static MOUV_PRINTF(2, 3) void say_wrong(soak_t *soak, const char *format, ...) {
    va_list args;
    if (++soak->wrong > 20) return;
    va_start(args, format);
    fputs("WRONG: ", stdout);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

/* A field of the document, or -1. */
static int64_t field(const bson_t *doc, const char *name) {
    bson_iter_t iter;
    return doc && bson_iter_init_find(&iter, doc, name) ? bson_iter_as_int64(&iter) : -1;
}

/* --- The load ------------------------------------------------------------------------------- */

static int finds(void *arg) {
    const worker_t *worker = arg;
    soak_t *soak = worker->soak;
    for (int i = worker->number; !soak->stopped; i++) {
        mouv_error_t error = {0};
        bson_t *doc = NULL, *filter = BCON_NEW("_id", BCON_INT32(i % FIXED));
        int rc = count(soak, mouv_collection_find_one(soak->fixed, filter, NULL, &doc), &error);
        if (rc == 0) say_wrong(soak, "find_one: a document was not found");
        if (rc > 0 && (field(doc, "_id") != i % FIXED || field(doc, "n") != 7 * (i % FIXED)))
            say_wrong(soak, "find_one: another document than was asked for");
        bson_destroy(filter);
        bson_destroy(doc);
    }
    return 0;
}

static int insert_one(soak_t *soak) {
    mouv_error_t error;
    int rc, id = books_begin(&soak->books.documents);
    bson_t *doc = BCON_NEW("_id", BCON_INT32(id), "n", BCON_INT32(id));
    books_outcome_t outcome = count_write(
        soak, mouv_collection_insert_one(soak->documents, doc, NULL, NULL), &rc, &error);
    books_enter(&soak->books, &soak->books.documents, id, outcome);
    if (rc == 0) say_wrong(soak, "insert_one: none inserted");
    bson_destroy(doc);
    return outcome == BOOKS_ACKNOWLEDGED ? id : -1;
}

static int inserts(void *arg) {
    const worker_t *worker = arg;
    while (!worker->soak->stopped) insert_one(worker->soak);
    return 0;
}

static int deletes(void *arg) {
    soak_t *soak = ((worker_t *)arg)->soak;
    while (!soak->stopped) {
        mouv_error_t error;
        int rc, id = insert_one(soak);
        if (id < 0) continue;
        bson_t *filter = BCON_NEW("_id", BCON_INT32(id));
        books_outcome_t outcome = count_write(
            soak, mouv_collection_delete_one(soak->documents, filter, NULL, NULL), &rc, &error);
        books_enter_delete(&soak->books, id, outcome);
        if (rc == 0) say_wrong(soak, "delete_one: document %d was not there", id);
        bson_destroy(filter);
    }
    return 0;
}

static int increments(void *arg) {
    const worker_t *worker = arg;
    soak_t *soak = worker->soak;
    bson_t *filter = BCON_NEW("_id", BCON_INT32(worker->number));
    while (!soak->stopped) {
        mouv_error_t error;
        int next = books_next_increment(&soak->books, worker->number);
        bson_t *change = BCON_NEW("$inc", "{", "n", BCON_INT32(1), "}", "$push", "{", "numbers",
                                  BCON_INT32(next), "}");
        int rc;
        books_outcome_t outcome = count_write(
            soak, mouv_collection_update_one(soak->counters, filter, change, NULL, NULL), &rc,
            &error);
        books_enter_increment(&soak->books, worker->number, next, outcome, error.message);
        if (rc == 0) say_wrong(soak, "update_one: no counter %d", worker->number);
        bson_destroy(change);
    }
    bson_destroy(filter);
    return 0;
}

/* The sum of n over ten documents: 7 * (10 * first + 45). */
static int aggregates(void *arg) {
    const worker_t *worker = arg;
    soak_t *soak = worker->soak;
    for (int i = worker->number; !soak->stopped; i++) {
        mouv_error_t error = {0};
        int first = i % (FIXED - 10);
        bson_t *list = NULL;
        bson_t *pipeline =
            BCON_NEW("0", "{", "$match", "{", "_id", "{", "$gte", BCON_INT32(first), "$lt",
                     BCON_INT32(first + 10), "}", "}", "}", "1", "{", "$group", "{", "_id",
                     BCON_NULL, "n", "{", "$sum", "$n", "}", "}", "}");
        MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
            mouv_collection_aggregate(soak->fixed, pipeline, NULL);
        int rc = count(soak, mouv_cursor_to_list_future(cursor, 0, &list), &error);
        bson_iter_t iter, sum;
        if (rc >= 0 && (rc != 1 || !bson_iter_init(&iter, list) ||
                        !bson_iter_find_descendant(&iter, "0.n", &sum) ||
                        bson_iter_as_int64(&sum) != 7 * (10 * first + 45)))
            say_wrong(soak, "aggregate: a wrong sum, of %d documents", rc);
        bson_destroy(pipeline);
        bson_destroy(list);
    }
    return 0;
}

static void start(soak_t *soak, mouv_group_t *group) {
    static const mouv_fn_t bodies[] = {finds, inserts, increments, deletes, aggregates};
    for (int i = 0; i < soak->in_flight; i++) {
        worker_t worker = {soak, i};
        mouv_group_start_copy(group, bodies[i % 5], &worker, sizeof worker);
    }
}

/* --- The strike ------------------------------------------------------------------------------ */

static pid_t primary(soak_t *soak) {
    mouv_error_t error = {0};
    bson_t *status = NULL, *command = BCON_NEW("serverStatus", BCON_INT32(1));
    mouv_database_t *admin = mouv_client_get_database(soak->control, "admin");
    if (mouv_await(mouv_database_command(admin, command, NULL, &status), &error) < 0)
        fail("serverStatus", error.message);
    pid_t pid = (pid_t)field(status, "pid");
    bson_destroy(command);
    bson_destroy(status);
    return pid;
}

static void step_down(soak_t *soak) {
    mouv_error_t error = {0};
    bson_t *command = BCON_NEW("replSetStepDown", BCON_INT32(STEPPED_DOWN_S),
                               "secondaryCatchUpPeriodSecs", BCON_INT32(5));
    mouv_database_t *admin = mouv_client_get_database(soak->control, "admin");
    if (mouv_await(mouv_database_command(admin, command, NULL, NULL), &error) < 0)
        fail("replSetStepDown", error.message);
    bson_destroy(command);
    soak->returned_ms = now_ms();
    mouv_sleep_ms(STEPPED_DOWN_S * 1000);
}

static void freeze(soak_t *soak, pid_t pid) {
    if (kill(pid, SIGSTOP) != 0) fail("SIGSTOP", "no such process");
    mouv_sleep_ms(soak->freeze_s * 1000);
    kill(pid, SIGCONT);
    soak->returned_ms = now_ms();
}

static void enter(soak_t *soak, phase_t phase, double *since_ms) {
    double now = now_ms();
    soak->tallies[soak->phase].seconds = (now - *since_ms) / 1e3;
    soak->phase = phase;
    *since_ms = now;
}

/** Operations that succeed in a second, as of so many milliseconds since the load began. */
static double rate_at(const soak_t *soak, size_t bucket) {
    uint64_t sum = 0;
    for (size_t i = bucket; i < bucket + WINDOW && i < BUCKETS; i++) sum += soak->good[i];
    return (double)sum * 1000 / (WINDOW * BUCKET_MS);
}

/** How long after `since_ms` half of the rate of before was there again; below 0: never. */
static double recovery_ms(const soak_t *soak, double since_ms) {
    const tally_t *calm = &soak->tallies[CALM];
    size_t bucket = (size_t)((since_ms - soak->began_ms) / BUCKET_MS) + 1;
    for (; bucket < BUCKETS; bucket++)
        if (rate_at(soak, bucket) >= (double)calm->good / calm->seconds / 2)
            return soak->began_ms + (double)(bucket * BUCKET_MS) - since_ms;
    return -1;
}

/* --- The course ------------------------------------------------------------------------------ */

/** Until nothing runs any more: how long that took, below 0 if it did not come to that. */
static double quiet_ms(const soak_t *soak) {
    mouv_client_stats_t stats;
    for (double began = now_ms(); now_ms() - began < QUIET_S * 1e3; mouv_sleep_ms(1)) {
        mouv_client_get_stats(soak->client, &stats);
        if (stats.busy == 0 && stats.late == 0 && stats.started == stats.completed)
            return now_ms() - began;
    }
    return -1;
}

static void prepare(soak_t *soak) {
    mouv_error_t error = {0};
    mouv_database_t *database = mouv_client_get_database(soak->client, "mouv_outage");
    if (mouv_await(mouv_database_drop(database, NULL), &error) < 0) fail("drop", error.message);
    soak->documents = mouv_database_get_collection(database, "documents");
    soak->counters = mouv_database_get_collection(database, "counters");
    soak->fixed = mouv_database_get_collection(database, "fixed");
    int numbers = soak->in_flight > FIXED ? soak->in_flight : FIXED;
    for (int i = 0; i < numbers; i++) {
        bson_t *counter = BCON_NEW("_id", BCON_INT32(i), "n", BCON_INT32(0));
        bson_t *fixed = BCON_NEW("_id", BCON_INT32(i), "n", BCON_INT32(7 * i));
        if (mouv_await(mouv_gather(mouv_collection_insert_one(soak->counters, counter, NULL, NULL),
                                   mouv_collection_insert_one(soak->fixed, fixed, NULL, NULL)),
                       &error) < 0)
            fail("insert", error.message);
        bson_destroy(counter);
        bson_destroy(fixed);
    }
}

static void print_tally(const soak_t *soak, phase_t phase) {
    tally_t *tally = (tally_t *)&soak->tallies[phase];
    if (tally->count == 0) return;
    qsort(tally->took_ms, tally->count, sizeof *tally->took_ms, compare_doubles);
    double most = tally->took_ms[tally->count - 1];
    printf("%-8s %5.1f s %9.0f %9.0f %8.1f %8.1f %8.1f %8.1f\n", phase_names[phase], tally->seconds,
           (double)tally->good / tally->seconds,
           (double)(tally->count - tally->good) / tally->seconds, tally->took_ms[tally->count / 2],
           tally->took_ms[tally->count * 99 / 100], most,
           tally->latest_ms > 0 ? tally->latest_ms : 0);
}

static void print_failures(const soak_t *soak) {
    for (size_t i = 0; i < soak->failure_count; i++) {
        const failure_t *failure = &soak->failures[i];
        printf("%-6s %6llu %-14s %5d %5.0f to %.0f ms, %.9s: %.90s\n", phase_names[failure->phase],
               (unsigned long long)failure->count, mouv_error_name(failure->code),
               failure->server_code, failure->least_ms, failure->most_ms, failure->first.operation,
               failure->first.message);
    }
}

static void report(const soak_t *soak) {
    printf("phase      time      ok/s  failed/s   p50 ms   p99 ms  most ms  late by\n");
    for (int phase = 0; phase < PHASES; phase++) print_tally(soak, (phase_t)phase);
    print_failures(soak);
    printf("writes: %llu acknowledged, %llu not stored, %llu unknown\n",
           (unsigned long long)soak->books.outcomes[BOOKS_ACKNOWLEDGED],
           (unsigned long long)soak->books.outcomes[BOOKS_REFUSED],
           (unsigned long long)soak->books.outcomes[BOOKS_UNKNOWN]);
    if (soak->primary_ms > 0)
        printf("a new primary was known %.0f ms after the strike\n",
               soak->primary_ms - soak->struck_ms);
    printf("longest time without an acknowledged write %.0f ms\n", soak->longest_pause_ms);
    printf("half the rate of before: %.0f ms after the strike, %.0f ms after the return\n",
           recovery_ms(soak, soak->struck_ms), recovery_ms(soak, soak->returned_ms));
}

static void load(soak_t *soak, const char *strike) {
    MOUV_GROUP(group);
    pid_t pid = primary(soak);
    double since = soak->began_ms = soak->last_write_ms = now_ms();
    start(soak, &group);
    mouv_sleep_ms(CALM_S * 1000);
    process_print("before", process_look());
    enter(soak, STRUCK, &since);
    soak->struck_ms = since;
    if (strcmp(strike, "stepdown") == 0)
        step_down(soak);
    else
        freeze(soak, pid);
    process_print("during", process_look());
    enter(soak, AFTER, &since);
    mouv_sleep_ms(AFTER_S * 1000);
    soak->stopped = true;
    mouv_group_join(&group, NULL);
    enter(soak, AFTER, &since);
}

/** Whether all is as it should be. */
static bool check(soak_t *soak) {
    bool good = true;
    for (int phase = 0; phase < PHASES; phase++) {
        if (soak->tallies[phase].latest_ms <= LATE_MS) continue;
        printf("WRONG: a task ended %.0f ms after its deadline\n", soak->tallies[phase].latest_ms);
        good = false;
    }
    if (recovery_ms(soak, soak->returned_ms) < 0) {
        printf("WRONG: it does not recover\n");
        good = false;
    }
    int found = books_check(&soak->books, getenv("MONGODB_URI"), "mouv_outage");
    if (found < 0)
        printf("WRONG: the books cannot be checked\n");
    else
        printf("%d discrepancies between what was told and what is stored\n", found);
    return good && found == 0 && soak->wrong == 0;
}

static void on_server_changed(const mouv_server_event_t *event, void *arg) {
    soak_t *soak = arg;
    if (soak->phase == CALM || soak->primary_ms > 0) return;
    if (strcmp(event->next->type, "RSPrimary") == 0) soak->primary_ms = now_ms();
}

static mouv_client_t *new_client(const soak_t *soak) {
    mouv_error_t error = {0};
    const char *given = getenv("MONGODB_URI");
    char uri[1000];
    if (!given) fail("$MONGODB_URI", "not set");
    snprintf(uri, sizeof uri, "%s%stimeoutMS=%d", given, strchr(given, '?') ? "&" : "/?", LONG_MS);
    mouv_client_t *client = mouv_client_new(soak->deadline_ms ? given : uri, NULL, &error);
    if (!client) fail("$MONGODB_URI", error.message);
    return client;
}

static int run(soak_t *soak, const char *strike) {
    process_state_t beginning = process_look();
    soak->client = new_client(soak);
    soak->control = new_client(soak);
    const mouv_monitor_t monitor = {.server_changed = on_server_changed};
    mouv_client_set_monitor(soak->client, &monitor, soak);
    prepare(soak);
    load(soak, strike);
    double quiet = quiet_ms(soak);
    process_print("after", process_look());
    report(soak);
    if (quiet < 0) printf("WRONG: operations or workers are still busy\n");
    bool good = check(soak) && quiet >= 0;
    mouv_await(mouv_database_drop(mouv_client_get_database(soak->control, "mouv_outage"), NULL),
               NULL);
    mouv_client_close(soak->client, NULL);
    mouv_client_close(soak->control, NULL);
    mouv_client_unref(soak->client);
    mouv_client_unref(soak->control);
    mouv_sleep_ms(500);
    process_print("without a client, first", beginning);
    process_print("and last", process_look());
    return !good;
}

typedef struct args {
    int argc;
    char **argv;
} args_t;

static int number(const args_t *args, int index, int otherwise) {
    return args->argc > index ? atoi(args->argv[index]) : otherwise;
}

static int main_task(void *arg) {
    const args_t *args = arg;
    static soak_t soak;
    soak = (soak_t){.in_flight = number(args, 2, 1000),
                    .deadline_ms = number(args, 3, 2000),
                    .freeze_s = number(args, 4, 20)};
    const char *strike = args->argc > 1 ? args->argv[1] : "";
    if (strcmp(strike, "stepdown") != 0 && strcmp(strike, "freeze") != 0)
        fail(strike, "expected stepdown or freeze");
    if (soak.in_flight <= 0 || soak.deadline_ms < 0 || soak.freeze_s <= 0)
        fail("arguments", "expected numbers above 0");
    printf("%s: %d in flight, deadline %d ms\n", strike, soak.in_flight, soak.deadline_ms);
    books_open(&soak.books, (size_t)soak.in_flight);
    int rc = run(&soak, strike);
    books_close(&soak.books);
    for (int phase = 0; phase < PHASES; phase++) free(soak.tallies[phase].took_ms);
    return rc;
}

int main(int argc, char **argv) {
    args_t args = {argc, argv};
    setvbuf(stdout, NULL, _IOLBF, 0);
    return mouv_main(main_task, &args);
}
