/*
 * The same cases in plain libmongoc: one blocking thread for each operation in flight.
 *
 * usage: plain_client CASE IN_FLIGHT OPERATIONS URI; works in the database mouv_bench
 */
#include <mongoc/mongoc.h>

#include "measure.h"

typedef struct bench {
    job_t job;
    mongoc_client_pool_t *pool;
    measure_t measure;
    int each; /* operations of one thread */
    bool measured;
} bench_t;

static bson_t *find_one(mongoc_collection_t *collection, int i, const bson_t *opts) {
    const bson_t *doc;
    bson_t *filter = BCON_NEW("_id", BCON_INT32(i % IDS));
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, filter, opts, NULL);
    bson_t *copy = mongoc_cursor_next(cursor, &doc) ? bson_copy(doc) : NULL;
    if (copy == NULL) fail("find_one", "no document");
    mongoc_cursor_destroy(cursor);
    bson_destroy(filter);
    return copy;
}

static void *find_ones(void *arg) {
    bench_t *bench = arg;
    mongoc_client_t *client = mongoc_client_pool_pop(bench->pool);
    mongoc_collection_t *collection = mongoc_client_get_collection(client, "mouv_bench", "docs");
    bson_t *opts = BCON_NEW("limit", BCON_INT64(1), "singleBatch", BCON_BOOL(true));
    for (int i = 0; i < bench->each; i++) {
        double began = wall_s();
        bson_t *copy = find_one(collection, i, opts);
        if (bench->measured) measure_add(&bench->measure, wall_s() - began);
        bson_destroy(copy);
    }
    bson_destroy(opts);
    mongoc_collection_destroy(collection);
    mongoc_client_pool_push(bench->pool, client);
    return NULL;
}

static void on_threads(bench_t *bench, int threads, int each) {
    pthread_t *ids = calloc((size_t)threads, sizeof *ids);
    bench->each = each;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, find_ones, bench) != 0) fail("pthread_create", "failed");
    for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
    free(ids);
}

static void run_find_one(bench_t *bench) {
    on_threads(bench, bench->job.in_flight, 2);
    measure_start(&bench->measure, (size_t)bench->job.operations);
    bench->measured = true;
    on_threads(bench, bench->job.in_flight, bench->job.operations / bench->job.in_flight);
    measure_print(&bench->measure, (size_t)(bench->each * bench->job.in_flight));
}

static void run_gather(bench_t *bench) {
    int rounds = bench->job.operations / GATHERED;
    on_threads(bench, GATHERED, 1);
    measure_start(&bench->measure, (size_t)rounds);
    for (int i = 0; i < rounds; i++) {
        double began = wall_s();
        on_threads(bench, GATHERED, 1);
        measure_add(&bench->measure, wall_s() - began);
    }
    measure_print(&bench->measure, (size_t)(rounds * GATHERED));
}

static size_t find_all(mongoc_collection_t *collection) {
    const bson_t *doc;
    size_t count = 0;
    bson_error_t error;
    bson_t everything = BSON_INITIALIZER;
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, &everything, NULL, NULL);
    while (mongoc_cursor_next(cursor, &doc)) count += doc->len > 0;
    if (mongoc_cursor_error(cursor, &error)) fail("find", error.message);
    mongoc_cursor_destroy(cursor);
    return count;
}

static void run_find(bench_t *bench) {
    size_t count = 0;
    mongoc_client_t *client = mongoc_client_pool_pop(bench->pool);
    mongoc_collection_t *collection = mongoc_client_get_collection(client, "mouv_bench", "docs");
    find_all(collection);
    measure_start(&bench->measure, (size_t)bench->job.operations);
    for (int i = 0; i < bench->job.operations; i++) {
        double began = wall_s();
        count += find_all(collection);
        measure_add(&bench->measure, wall_s() - began);
    }
    measure_print(&bench->measure, count);
    mongoc_collection_destroy(collection);
    mongoc_client_pool_push(bench->pool, client);
}

static void run_insert_many(bench_t *bench) {
    bson_error_t error;
    bson_t **documents = make_documents(BATCH);
    mongoc_client_t *client = mongoc_client_pool_pop(bench->pool);
    mongoc_collection_t *collection =
        mongoc_client_get_collection(client, "mouv_bench", "inserted_by_plain");
    mongoc_collection_drop(collection, NULL);
    measure_start(&bench->measure, (size_t)bench->job.operations);
    for (int i = 0; i < bench->job.operations; i++) {
        double began = wall_s();
        if (!mongoc_collection_insert_many(collection, (const bson_t **)documents, BATCH, NULL,
                                           NULL, &error))
            fail("insert_many", error.message);
        measure_add(&bench->measure, wall_s() - began);
        mongoc_collection_drop(collection, NULL);
    }
    measure_print(&bench->measure, (size_t)bench->job.operations * BATCH);
    free_documents(documents, BATCH);
    mongoc_collection_destroy(collection);
    mongoc_client_pool_push(bench->pool, client);
}

static const struct {
    const char *name;
    void (*run)(bench_t *bench);
} cases[] = {{"find_one", run_find_one},
             {"gather", run_gather},
             {"find", run_find},
             {"insert_many", run_insert_many}};

int main(int argc, char **argv) {
    bench_t bench = {.job = job_read(argc, argv)};
    bson_error_t error;
    mongoc_init();
    mongoc_uri_t *uri = mongoc_uri_new_with_error(bench.job.uri, &error);
    if (!uri) fail(bench.job.uri, error.message);
    bench.pool = mongoc_client_pool_new(uri);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(cases[i].name, bench.job.name) == 0) {
            cases[i].run(&bench);
            mongoc_client_pool_destroy(bench.pool);
            mongoc_uri_destroy(uri);
            mongoc_cleanup();
            return 0;
        }
    fail(bench.job.name, "no such case");
}
