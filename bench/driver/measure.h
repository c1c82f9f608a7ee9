/*
 * What the C programs here share: the cases' sizes, a stop watch with latencies, the line that
 * `run` reads.
 */
#ifndef BENCH_DRIVER_MEASURE_H
#define BENCH_DRIVER_MEASURE_H

#include <bson/bson.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { IDS = 1000, DOCUMENTS = 100000, BATCH = 10000, GATHERED = 100 };

/** The command line: CASE IN_FLIGHT OPERATIONS URI. */
typedef struct job {
    const char *name;
    int in_flight, operations;
    const char *uri;
} job_t;

/** What has been measured since measure_start(). measure_add() may be called by any thread. */
typedef struct measure {
    pthread_mutex_t lock;
    double wall_s, cpu_s;
    double *latencies_s;
    size_t count, capacity;
} measure_t;

static inline void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static inline job_t job_read(int argc, char **argv) {
    if (argc != 5) fail(argv[0], "usage: CASE IN_FLIGHT OPERATIONS URI");
    return (job_t){argv[1], atoi(argv[2]), atoi(argv[3]), argv[4]};
}

static inline double wall_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline double cpu_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/** Starts over, with room for so many latencies. */
static inline void measure_start(measure_t *measure, size_t operations) {
    if (!measure->latencies_s) pthread_mutex_init(&measure->lock, NULL);
    free(measure->latencies_s);
    measure->latencies_s = calloc(operations, sizeof(double));
    measure->capacity = operations;
    measure->count = 0;
    measure->cpu_s = cpu_s();
    measure->wall_s = wall_s();
}

static inline void measure_add(measure_t *measure, double latency_s) {
    pthread_mutex_lock(&measure->lock);
    if (measure->count < measure->capacity) measure->latencies_s[measure->count++] = latency_s;
    pthread_mutex_unlock(&measure->lock);
}

static int measure_compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline double measure_percentile_ms(const measure_t *measure, double part) {
    if (measure->count == 0) return 0;
    return measure->latencies_s[(size_t)(part * (double)(measure->count - 1))] * 1e3;
}

/** Prints the line: operations a second, CPU us an operation, latencies in ms. */
static inline void measure_print(measure_t *measure, size_t operations) {
    double wall = wall_s() - measure->wall_s, cpu = cpu_s() - measure->cpu_s;
    qsort(measure->latencies_s, measure->count, sizeof(double), measure_compare);
    printf("{\"per_second\": %.1f, \"cpu_us\": %.3f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
           (double)operations / wall, cpu * 1e6 / (double)operations,
           measure_percentile_ms(measure, 0.50), measure_percentile_ms(measure, 0.99));
    fflush(stdout);
}

static inline bson_t **make_documents(int count) {
    bson_t **documents = calloc((size_t)count, sizeof *documents);
    for (int i = 0; i < count; i++)
        documents[i] = BCON_NEW("_id", BCON_INT32(i), "name", "somebody", "age", BCON_INT32(i % 90),
                                "city", "Porto", "score", BCON_DOUBLE(i / 7.0));
    return documents;
}

static inline void free_documents(bson_t **documents, int count) {
    for (int i = 0; i < count; i++) bson_destroy(documents[i]);
    free(documents);
}

#endif
