/*
 * The cases in mouv: find_one, find, insert_many, gather; and `fill`, which stores the documents.
 *
 * usage: mouv_client CASE IN_FLIGHT OPERATIONS URI; works in the database mouv_bench
 */
#include <mouv/mouv.h>

#include "measure.h"

typedef struct bench {
    job_t job;
    mouv_collection_t *docs, *inserted;
    measure_t measure;
    int each; /* operations of one task */
} bench_t;

static mouv_future_t find_one(bench_t *bench, int i, bson_t **doc) {
    bson_t *filter = BCON_NEW("_id", BCON_INT32(i % IDS));
    mouv_future_t found = mouv_collection_find_one(bench->docs, filter, NULL, doc);
    bson_destroy(filter);
    return found;
}

static int find_ones(void *arg) {
    bench_t *bench = arg;
    for (int i = 0; i < bench->each; i++) {
        mouv_error_t error = {0};
        bson_t *doc = NULL;
        double began = wall_s();
        int rc = mouv_await(find_one(bench, i, &doc), &error);
        if (rc != 1) fail("find_one", rc < 0 ? error.message : "no document");
        measure_add(&bench->measure, wall_s() - began);
        bson_destroy(doc);
    }
    return 0;
}

static void in_flight(bench_t *bench, int operations) {
    int tasks = bench->job.in_flight;
    mouv_future_t *all = calloc((size_t)tasks, sizeof *all);
    bench->each = operations / tasks;
    for (int i = 0; i < tasks; i++) all[i] = mouv_task(find_ones, bench);
    if (mouv_await(mouv_gather_array(all, (size_t)tasks), NULL) != 0) fail("gather", "failed");
    free(all);
}

static void run_find_one(bench_t *bench) {
    in_flight(bench, bench->job.in_flight * 2);
    measure_start(&bench->measure, (size_t)bench->job.operations);
    in_flight(bench, bench->job.operations);
    measure_print(&bench->measure, (size_t)(bench->each * bench->job.in_flight));
}

static void gathered(bench_t *bench) {
    mouv_future_t all[GATHERED];
    bson_t *docs[GATHERED] = {NULL};
    mouv_error_t error = {0};
    for (int i = 0; i < GATHERED; i++) all[i] = find_one(bench, i, &docs[i]);
    if (mouv_await(mouv_gather_array(all, GATHERED), &error) != 0) fail("gather", error.message);
    for (int i = 0; i < GATHERED; i++) bson_destroy(docs[i]);
}

static void run_gather(bench_t *bench) {
    int rounds = bench->job.operations / GATHERED;
    gathered(bench);
    measure_start(&bench->measure, (size_t)rounds);
    for (int i = 0; i < rounds; i++) {
        double began = wall_s();
        gathered(bench);
        measure_add(&bench->measure, wall_s() - began);
    }
    measure_print(&bench->measure, (size_t)(rounds * GATHERED));
}

static size_t find_all(bench_t *bench) {
    mouv_error_t error = {0};
    const bson_t *doc;
    size_t count = 0;
    int rc;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(bench->docs, NULL, NULL);
    while ((rc = mouv_cursor_next(cursor, &doc, &error)) > 0) count += doc->len > 0;
    if (rc < 0) fail("find", error.message);
    return count;
}

static void run_find(bench_t *bench) {
    size_t count = 0;
    find_all(bench);
    measure_start(&bench->measure, (size_t)bench->job.operations);
    for (int i = 0; i < bench->job.operations; i++) {
        double began = wall_s();
        count += find_all(bench);
        measure_add(&bench->measure, wall_s() - began);
    }
    measure_print(&bench->measure, count);
}

static void store(mouv_collection_t *into, bson_t **documents, int count) {
    mouv_error_t error = {0};
    int rc = mouv_await(mouv_collection_insert_many(into, (const bson_t *const *)documents,
                                                    (size_t)count, NULL, NULL),
                        &error);
    if (rc < 0) fail("insert_many", error.message);
}

static void run_insert_many(bench_t *bench) {
    bson_t **documents = make_documents(BATCH);
    mouv_await(mouv_collection_drop(bench->inserted, NULL), NULL);
    measure_start(&bench->measure, (size_t)bench->job.operations);
    for (int i = 0; i < bench->job.operations; i++) {
        double began = wall_s();
        store(bench->inserted, documents, BATCH);
        measure_add(&bench->measure, wall_s() - began);
        mouv_await(mouv_collection_drop(bench->inserted, NULL), NULL);
    }
    measure_print(&bench->measure, (size_t)bench->job.operations * BATCH);
    free_documents(documents, BATCH);
}

static void fill(bench_t *bench) {
    bson_t **documents = make_documents(DOCUMENTS);
    mouv_await(mouv_collection_drop(bench->docs, NULL), NULL);
    store(bench->docs, documents, DOCUMENTS);
    free_documents(documents, DOCUMENTS);
}

static const struct {
    const char *name;
    void (*run)(bench_t *bench);
} cases[] = {{"find_one", run_find_one},
             {"gather", run_gather},
             {"find", run_find},
             {"insert_many", run_insert_many},
             {"fill", fill}};

static int main_task(void *arg) {
    bench_t *bench = arg;
    mouv_error_t error = {0};
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(bench->job.uri, NULL, &error);
    if (client == NULL) fail(bench->job.uri, error.message);
    bench->docs = mouv_client_get_collection(client, "mouv_bench", "docs");
    bench->inserted = mouv_client_get_collection(client, "mouv_bench", "inserted_by_mouv");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(cases[i].name, bench->job.name) == 0) {
            cases[i].run(bench);
            return mouv_client_close(client, NULL);
        }
    fail(bench->job.name, "no such case");
    return 1;
}

int main(int argc, char **argv) {
    bench_t bench = {.job = job_read(argc, argv)};
    return mouv_main(main_task, &bench);
}
