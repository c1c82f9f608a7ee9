/*
 * So many timeouts in a row, of queries that would run for 10 s: when the callers go on, how long
 * the workers stay busy, what the server still runs at the end, and whether descriptors, threads or
 * memory have grown since the first thousand.
 *
 * usage: timeouts [COUNT [IN_FLIGHT [LIMIT_MS]]] (24,000, 16, 20), on $MONGODB_URI
 */
#include <mouv/mouv.h>

#include "scorecard/process.h"

enum { WARM_UP = 1000, SERVER_MS = 5000 };

typedef struct soak {
    int count, in_flight, limit_ms;
    mouv_client_t *client;
    mouv_collection_t *collection;
    int left;        /* still to be started */
    int wrong;       /* ended otherwise */
    double *late_ms; /* of each, after its limit */
    size_t done;
} soak_t;

static void fail(const char *what, const char *why) {
    fprintf(stderr, "timeouts: %s: %s\n", what, why);
    exit(1);
}

static int times_out(void *arg) {
    soak_t *soak = arg;
    bson_t *filter = BCON_NEW("$where", "sleep(10000) || true");
    while (soak->left > 0) {
        mouv_error_t error = {0};
        bson_t *doc = NULL;
        soak->left--;
        double began = now_ms();
        int rc = mouv_await_for(mouv_collection_find_one(soak->collection, filter, NULL, &doc),
                                soak->limit_ms, &error);
        soak->late_ms[soak->done++] = now_ms() - began - soak->limit_ms;
        if (rc == MOUV_ETIMEDOUT) continue;
        soak->wrong++;
        fprintf(stderr, "timeouts: %d: %s\n", rc, rc < 0 ? error.message : "an answer");
        bson_destroy(doc);
    }
    bson_destroy(filter);
    return 0;
}

static void run(soak_t *soak, int count) {
    mouv_future_t *all = calloc((size_t)soak->in_flight, sizeof *all);
    soak->left = count;
    soak->done = 0;
    for (int i = 0; i < soak->in_flight; i++) all[i] = mouv_task(times_out, soak);
    mouv_await(mouv_gather_array(all, (size_t)soak->in_flight), NULL);
    free(all);
}

/* How many of our queries the server still runs. */
static int running(soak_t *soak) {
    mouv_error_t error = {0};
    const bson_t *doc;
    int count = 0, rc;
    mouv_database_t *admin = mouv_client_get_database(soak->client, "admin");
    bson_t *pipeline =
        BCON_NEW("0", "{", "$currentOp", "{", "}", "}", "1", "{", "$match", "{",
                 "command.filter.$where", "{", "$exists", BCON_BOOL(true), "}", "}", "}");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_database_aggregate(admin, pipeline, NULL);
    while ((rc = mouv_cursor_next(cursor, &doc, &error)) > 0) count++;
    if (rc < 0) fail("$currentOp", error.message);
    bson_destroy(pipeline);
    return count;
}

/* Until no worker is busy. */
static double quiet_ms(soak_t *soak) {
    mouv_client_stats_t stats;
    double began = now_ms();
    for (;;) {
        mouv_client_get_stats(soak->client, &stats);
        if (stats.busy == 0) return now_ms() - began;
        mouv_sleep_ms(1);
    }
}

/* How long after it was first looked at the server runs none any more; below 0: it still does. */
static double server_quiet_ms(soak_t *soak) {
    double began = now_ms();
    while (running(soak) > 0) {
        if (now_ms() - began > SERVER_MS) return -1;
        mouv_sleep_ms(1);
    }
    return now_ms() - began;
}

static int main_task(void *arg) {
    soak_t *soak = arg;
    mouv_error_t error = {0};
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(getenv("MONGODB_URI"), NULL, &error);
    if (!client) fail("$MONGODB_URI", error.message);
    soak->client = client;
    soak->collection = mouv_client_get_collection(client, "mouv_soak", "docs");
    mouv_await(mouv_collection_drop(soak->collection, NULL), NULL);
    bson_t *one = BCON_NEW("_id", BCON_INT32(1));
    mouv_await(mouv_collection_insert_one(soak->collection, one, NULL, NULL), NULL);
    bson_destroy(one);
    run(soak, WARM_UP);
    process_state_t before = process_look();
    double began = now_ms();
    run(soak, soak->count);
    double took_s = (now_ms() - began) / 1e3, quiet = quiet_ms(soak);
    process_state_t after = process_look();
    qsort(soak->late_ms, soak->done, sizeof *soak->late_ms, compare_doubles);
    printf("%zu timeouts of %d ms, %d in flight: %.1f s, %d ended otherwise\n", soak->done,
           soak->limit_ms, soak->in_flight, took_s, soak->wrong);
    printf("late by (ms)             p50 %.2f  p99 %.2f  most %.2f\n",
           soak->late_ms[soak->done / 2], soak->late_ms[soak->done * 99 / 100],
           soak->late_ms[soak->done - 1]);
    printf("the last worker was free %.1f ms after the last timeout\n", quiet);
    process_print("after the first 1,000", before);
    process_print("at the end", after);
    double server_ms = server_quiet_ms(soak);
    printf(server_ms < 0 ? "the server still runs some\n"
                         : "the server had ended the last one %.1f ms later\n",
           server_ms);
    mouv_await(mouv_database_drop(mouv_client_get_database(client, "mouv_soak"), NULL), NULL);
    mouv_client_close(client, NULL);
    return soak->wrong > 0 || server_ms < 0;
}

static int number(int argc, char **argv, int index, int otherwise) {
    int value = argc > index ? atoi(argv[index]) : otherwise;
    if (value <= 0) fail(argv[index], "not a number above 0");
    return value;
}

int main(int argc, char **argv) {
    soak_t soak = {.count = number(argc, argv, 1, 24000),
                   .in_flight = number(argc, argv, 2, 16),
                   .limit_ms = number(argc, argv, 3, 20)};
    soak.late_ms = calloc((size_t)(soak.count > WARM_UP ? soak.count : WARM_UP), sizeof(double));
    int rc = mouv_main(main_task, &soak);
    free(soak.late_ms);
    return rc;
}
