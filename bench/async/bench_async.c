/*
 * What the async core costs: `bench_async CASE` prints the best of several rounds of one case. See
 * bench/README.md; `bench/async/run` runs this beside libuv, Go and asyncio.
 */
#include <stdio.h>
#include <stdlib.h>

#include <mouv/mouv.h>
#include <uv.h>

#include "measure.h"

enum { SPAWNS = 100000, YIELDS = 100000, HOPS = 4000, IN_FLIGHT = 100 };

static int nothing(void *arg) {
    (void)arg;
    return 0;
}

/* --- tasks and calls ------------------------------------------------------------------------ */

static double spawn_await(void) {
    uint64_t began = uv_hrtime();
    for (int i = 0; i < SPAWNS; i++) mouv_await(mouv_task(nothing, NULL), NULL);
    return each(began, SPAWNS);
}

static double call(void) {
    uint64_t began = uv_hrtime();
    for (int i = 0; i < SPAWNS; i++) mouv_await(mouv_coro(nothing, NULL), NULL);
    return each(began, SPAWNS);
}

static int yield_often(void *arg) {
    (void)arg;
    for (int i = 0; i < YIELDS; i++) mouv_sleep_ms(0);
    return 0;
}

static double yield(void) {
    uint64_t began = uv_hrtime();
    mouv_await(mouv_gather(mouv_coro(yield_often, NULL), mouv_coro(yield_often, NULL)), NULL);
    return each(began, 2 * YIELDS);
}

static double gather(void) {
    static mouv_future_t all[GATHERED];
    uint64_t began = uv_hrtime();
    for (int i = 0; i < GATHERED; i++) all[i] = mouv_coro(nothing, NULL);
    mouv_await(mouv_gather_array(all, GATHERED), NULL);
    return each(began, GATHERED);
}

/* --- a queue there and one back ------------------------------------------------------------- */

struct pair {
    mouv_queue_t there, back;
};

static int echo(void *arg) {
    struct pair *pair = arg;
    void *item;
    for (int i = 0; i < ROUND_TRIPS; i++) {
        mouv_queue_get(&pair->there, &item);
        mouv_queue_put(&pair->back, item);
    }
    return 0;
}

static double queue(void) {
    struct pair pair;
    void *item;
    mouv_queue_init(&pair.there, 1);
    mouv_queue_init(&pair.back, 1);
    mouv_future_t other = mouv_task(echo, &pair);
    uint64_t began = uv_hrtime();
    for (int i = 0; i < ROUND_TRIPS; i++) {
        mouv_queue_put(&pair.there, &pair);
        mouv_queue_get(&pair.back, &item);
    }
    double took = each(began, ROUND_TRIPS);
    mouv_await(other, NULL);
    mouv_queue_clear(&pair.there);
    mouv_queue_clear(&pair.back);
    return took;
}

/* --- to a thread and back ------------------------------------------------------------------- */

static double offload(void) {
    uint64_t began = uv_hrtime();
    for (int i = 0; i < HOPS; i++) mouv_await(mouv_offload(nothing, NULL), NULL);
    return each(began, HOPS);
}

static double offload_100(void) {
    mouv_future_t all[IN_FLIGHT];
    uint64_t began = uv_hrtime();
    for (int i = 0; i < HOPS / IN_FLIGHT; i++) {
        for (int k = 0; k < IN_FLIGHT; k++) all[k] = mouv_offload(nothing, NULL);
        mouv_await(mouv_gather_array(all, IN_FLIGHT), NULL);
    }
    return each(began, HOPS);
}

/* --- very many asleep ----------------------------------------------------------------------- */

static int doze(void *arg) {
    (void)arg;
    return mouv_sleep_ms(STORM_MS);
}

static double storm(bool bytes) {
    mouv_future_t *all = malloc(STORM * sizeof *all);
    double before = resident_bytes();
    uint64_t began = uv_hrtime();
    for (int i = 0; i < STORM; i++) all[i] = mouv_task(doze, NULL);
    mouv_sleep_ms(0); /* every task gets its turn before this one */
    double took = each(began, STORM), size = (resident_bytes() - before) / STORM;
    int rc = mouv_await(mouv_gather_array(all, STORM), NULL);
    free(all);
    return rc < 0 ? -1 : bytes ? size : took;
}

static double storm_bytes(void) {
    return storm(true);
}

static double storm_start(void) {
    return storm(false);
}

static const struct bench_case cases[] = {
    {"spawn_await", spawn_await, 7},
    {"call", call, 7},
    {"yield", yield, 7},
    {"gather", gather, 15},
    {"queue", queue, 7},
    {"offload", offload, 5},
    {"offload_100", offload_100, 5},
    {"storm_bytes", storm_bytes, 1},
    {"storm_start", storm_start, 1},
    {NULL, NULL, 0},
};

static int main_task(void *name) {
    return print_best(cases, name);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: bench_async CASE\n");
        return 2;
    }
    return mouv_main(main_task, argv[1]);
}
