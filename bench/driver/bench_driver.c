/*
 * mouv beside plain blocking libmongoc threads, in one run on one server: find_one by _id at several
 * numbers in flight, a find of many documents, insert_many, a gather of 100. Prints a table with
 * operations a second, client CPU per operation and ratios.
 *
 * usage: bench_driver [URI] (default $MONGODB_URI); works in the database mouv_bench, drops it
 */
#include <mongoc/mongoc.h>
#include <mouv/mouv.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { DOCUMENTS = 100000, IDS = 1000, OPERATIONS = 20000, BATCH = 10000, ROUNDS = 3 };

static const char *uri;

/* ---- measuring ---- */

typedef struct reading {
    double wall_s, cpu_s;
} reading_t;

static reading_t now(void) {
    struct timespec time;
    struct rusage usage;
    clock_gettime(CLOCK_MONOTONIC, &time);
    getrusage(RUSAGE_SELF, &usage);
    reading_t reading = {
        (double) time.tv_sec + (double) time.tv_nsec / 1e9,
        (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
            (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
    };
    return reading;
}

typedef struct result {
    double per_second, cpu_us;
} result_t;

/* The better of two, by CPU: what disturbs a measurement only ever adds to it. */
static void keep_best(result_t *best, reading_t from, reading_t to, double operations) {
    result_t one = {operations / (to.wall_s - from.wall_s),
                    (to.cpu_s - from.cpu_s) * 1e6 / operations};
    if (best->per_second == 0 || one.cpu_us < best->cpu_us) best->cpu_us = one.cpu_us;
    if (one.per_second > best->per_second) best->per_second = one.per_second;
}

static void print_row(const char *what, const result_t *plain, const result_t *ours) {
    printf("%-34s %10.0f %8.1f %10.0f %8.1f %9.2f %9.2f\n", what, plain->per_second, plain->cpu_us,
           ours->per_second, ours->cpu_us, ours->per_second / plain->per_second,
           ours->cpu_us / plain->cpu_us);
    fflush(stdout);
}

static void fail(const char *what, const char *why) {
    fprintf(stderr, "bench_driver: %s: %s\n", what, why);
    exit(1);
}

/* ---- plain libmongoc ---- */

typedef struct plain {
    mongoc_client_pool_t *pool;
    int operations;
} plain_t;

static void *plain_find_ones(void *arg) {
    plain_t *plain = arg;
    mongoc_client_t *client = mongoc_client_pool_pop(plain->pool);
    mongoc_collection_t *collection = mongoc_client_get_collection(client, "mouv_bench", "docs");
    bson_t *opts = BCON_NEW("limit", BCON_INT64(1), "singleBatch", BCON_BOOL(true));
    for (int i = 0; i < plain->operations; i++) {
        const bson_t *doc;
        bson_t *filter = BCON_NEW("_id", BCON_INT32(i % IDS));
        mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, filter, opts, NULL);
        bson_t *copy = mongoc_cursor_next(cursor, &doc) ? bson_copy(doc) : NULL;
        if (copy == NULL) fail("plain find_one", "no document");
        bson_destroy(copy);
        mongoc_cursor_destroy(cursor);
        bson_destroy(filter);
    }
    bson_destroy(opts);
    mongoc_collection_destroy(collection);
    mongoc_client_pool_push(plain->pool, client);
    return NULL;
}

static void plain_threads(mongoc_client_pool_t *pool, int threads, int operations) {
    pthread_t ids[1024];
    plain_t plain = {pool, operations / threads};
    for (int i = 0; i < threads; i++) pthread_create(&ids[i], NULL, plain_find_ones, &plain);
    for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
}

static int64_t plain_find_all(mongoc_client_pool_t *pool) {
    const bson_t *doc;
    int64_t count = 0;
    bson_t everything = BSON_INITIALIZER;
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    mongoc_collection_t *collection = mongoc_client_get_collection(client, "mouv_bench", "docs");
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, &everything, NULL, NULL);
    while (mongoc_cursor_next(cursor, &doc)) count += doc->len > 0;
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(collection);
    mongoc_client_pool_push(pool, client);
    return count;
}

static void plain_insert(mongoc_client_pool_t *pool, const bson_t **documents) {
    bson_error_t error;
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    mongoc_collection_t *collection = mongoc_client_get_collection(client, "mouv_bench", "plain");
    if (!mongoc_collection_insert_many(collection, documents, BATCH, NULL, NULL, &error))
        fail("plain insert_many", error.message);
    mongoc_collection_drop(collection, NULL);
    mongoc_collection_destroy(collection);
    mongoc_client_pool_push(pool, client);
}

/* ---- mouv ---- */

typedef struct asker {
    mouv_collection_t *docs;
    int operations;
} asker_t;

static int find_ones(void *arg) {
    asker_t *asker = arg;
    for (int i = 0; i < asker->operations; i++) {
        mouv_error_t error;
        bson_t *doc = NULL, *filter = BCON_NEW("_id", BCON_INT32(i % IDS));
        int rc = mouv_await(mouv_collection_find_one(asker->docs, filter, NULL, &doc), &error);
        if (rc != 1) fail("find_one", rc < 0 ? error.message : "no document");
        bson_destroy(doc);
        bson_destroy(filter);
    }
    return 0;
}

static void in_flight(mouv_collection_t *docs, int tasks, int operations) {
    mouv_future_t *all = calloc((size_t) tasks, sizeof *all);
    asker_t asker = {docs, operations / tasks};
    for (int i = 0; i < tasks; i++) all[i] = mouv_task(find_ones, &asker);
    if (mouv_await(mouv_gather_array(all, (size_t) tasks), NULL) != 0) fail("gather", "failed");
    free(all);
}

static int64_t find_all(mouv_collection_t *docs) {
    mouv_error_t error;
    const bson_t *doc;
    int64_t count = 0;
    int rc;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(docs, NULL, NULL);
    while ((rc = mouv_cursor_next(cursor, &doc, &error)) > 0) count += doc->len > 0;
    if (rc < 0) fail("find", error.message);
    return count;
}

static void insert(mouv_collection_t *into, const bson_t **documents) {
    mouv_error_t error;
    int rc = mouv_await(mouv_collection_insert_many(into, documents, BATCH, NULL, NULL), &error);
    if (rc < 0) fail("insert_many", error.message);
    mouv_await(mouv_collection_drop(into, NULL), NULL);
}

/* ---- the comparison ---- */

static bson_t **make_documents(int from, int count) {
    bson_t **documents = calloc((size_t) count, sizeof *documents);
    for (int i = 0; i < count; i++)
        documents[i] = BCON_NEW("_id", BCON_INT32(from + i), "name", "somebody", "age",
                                BCON_INT32(i % 90), "city", "Porto", "score", BCON_DOUBLE(i / 7.0));
    return documents;
}

static void free_documents(bson_t **documents, int count) {
    for (int i = 0; i < count; i++) bson_destroy(documents[i]);
    free(documents);
}

static void fill(mouv_collection_t *docs) {
    mouv_error_t error;
    bson_t **documents = make_documents(0, DOCUMENTS);
    mouv_await(mouv_collection_drop(docs, NULL), NULL);
    int rc = mouv_await(mouv_collection_insert_many(docs, (const bson_t *const *) documents,
                                                    DOCUMENTS, NULL, NULL),
                        &error);
    if (rc < 0) fail("fill", error.message);
    free_documents(documents, DOCUMENTS);
}

#define COMPARE(what, operations, plain_call, our_call) \
    do { \
        result_t plain_ = {0, 0}, ours_ = {0, 0}; \
        for (int round_ = 0; round_ < ROUNDS; round_++) { \
            reading_t start_ = now(); \
            plain_call; \
            reading_t middle_ = now(); \
            our_call; \
            reading_t end_ = now(); \
            keep_best(&plain_, start_, middle_, (operations)); \
            keep_best(&ours_, middle_, end_, (operations)); \
        } \
        print_row((what), &plain_, &ours_); \
    } while (0)

static int main_task(void *arg) {
    (void) arg;
    mouv_error_t error;
    bson_error_t bson_error;
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, &error);
    if (client == NULL) fail(uri, error.message);
    mouv_collection_t *docs = mouv_client_get_collection(client, "mouv_bench", "docs");
    mouv_collection_t *ours = mouv_client_get_collection(client, "mouv_bench", "ours");
    mongoc_uri_t *parsed = mongoc_uri_new_with_error(uri, &bson_error);
    mongoc_uri_set_option_as_int32(parsed, MONGOC_URI_MAXPOOLSIZE, 1024);
    mongoc_client_pool_t *pool = mongoc_client_pool_new(parsed);
    fill(docs);
    in_flight(docs, 128, 2000); /* connections */
    plain_threads(pool, 128, 2000);

    printf("%-34s %19s %19s %19s\n", "", "plain libmongoc", "mouv", "mouv / plain");
    printf("%-34s %10s %8s %10s %8s %9s %9s\n", "", "op/s", "CPU us", "op/s", "CPU us", "op/s",
           "CPU");
    const int counts[] = {1, 16, 128};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        char what[40];
        snprintf(what, sizeof what, "find_one, %d in flight", counts[i]);
        int operations = counts[i] == 1 ? OPERATIONS / 4 : OPERATIONS;
        COMPARE(what, operations, plain_threads(pool, counts[i], operations),
                in_flight(docs, counts[i], operations));
    }
    COMPARE("find, 100,000 documents (a document)", DOCUMENTS,
            if (plain_find_all(pool) != DOCUMENTS) fail("plain find", "wrong number"),
            if (find_all(docs) != DOCUMENTS) fail("find", "wrong number"));
    bson_t **documents = make_documents(0, BATCH);
    COMPARE("insert_many, 10,000 (a document)", BATCH,
            plain_insert(pool, (const bson_t **) documents),
            insert(ours, (const bson_t **) documents));
    free_documents(documents, BATCH);

    mouv_await(mouv_database_drop(mouv_client_get_database(client, "mouv_bench"), NULL), NULL);
    mongoc_client_pool_destroy(pool);
    mongoc_uri_destroy(parsed);
    return mouv_client_close(client, NULL);
}

int main(int argc, char **argv) {
    uri = argc > 1 ? argv[1] : getenv("MONGODB_URI");
    if (uri == NULL) fail("usage", "bench_driver URI (or set MONGODB_URI)");
    return mouv_main(main_task, NULL);
}
