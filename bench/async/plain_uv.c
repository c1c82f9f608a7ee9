/*
 * The same work in plain libuv, with callbacks and without mouv: `plain_uv CASE`. What libuv has no
 * word for (a call, a queue between tasks) is left out.
 */
#include <stdlib.h>

#include <uv.h>

#include "measure.h"

enum { SPAWNS = 100000, YIELDS = 100000, HOPS = 4000 };

static uv_loop_t *loop;
static int left, in_flight;

static void free_handle(uv_handle_t *handle) {
    free(handle);
}

/* --- something to do on the next turn of the loop: a heap-allocated idle handle, used once -----
 */

static void spawn(uv_idle_cb work) {
    uv_idle_t *idle = malloc(sizeof *idle);
    uv_idle_init(loop, idle);
    uv_idle_start(idle, work);
}

static void one_after_another(uv_idle_t *idle) {
    uv_close((uv_handle_t *)idle, free_handle);
    if (--left > 0) spawn(one_after_another);
}

static double spawn_await(void) {
    uint64_t began = uv_hrtime();
    left = SPAWNS;
    spawn(one_after_another);
    uv_run(loop, UV_RUN_DEFAULT);
    return each(began, SPAWNS);
}

static void once(uv_idle_t *idle) {
    uv_close((uv_handle_t *)idle, free_handle);
}

static double gather(void) {
    uint64_t began = uv_hrtime();
    for (int i = 0; i < GATHERED; i++) spawn(once);
    uv_run(loop, UV_RUN_DEFAULT);
    return each(began, GATHERED);
}

static void again(uv_idle_t *idle) {
    if (--left <= 0) uv_close((uv_handle_t *)idle, free_handle);
}

static double yield(void) {
    uint64_t began = uv_hrtime();
    left = 2 * YIELDS;
    spawn(again);
    spawn(again);
    uv_run(loop, UV_RUN_DEFAULT);
    return each(began, 2 * YIELDS);
}

/* --- to a thread and back ------------------------------------------------------------------- */

static void nothing(uv_work_t *work) {
    (void)work;
}

static void hop(int count);

/* The next ones start when all of the last have come back, as after a gather. */
static void hopped(uv_work_t *work, int status) {
    (void)status;
    free(work);
    if (--left > 0 && left % in_flight == 0) hop(in_flight);
}

static void hop(int count) {
    for (int i = 0; i < count; i++) {
        uv_work_t *work = malloc(sizeof *work);
        uv_queue_work(loop, work, nothing, hopped);
    }
}

static double offload_by(int count) {
    uint64_t began = uv_hrtime();
    left = HOPS;
    in_flight = count;
    hop(count);
    uv_run(loop, UV_RUN_DEFAULT);
    return each(began, HOPS);
}

static double offload(void) {
    return offload_by(1);
}

static double offload_100(void) {
    return offload_by(100);
}

/* --- very many asleep ----------------------------------------------------------------------- */

static void woken(uv_timer_t *timer) {
    uv_close((uv_handle_t *)timer, free_handle);
}

static double storm(int bytes) {
    double before = resident_bytes();
    uint64_t began = uv_hrtime();
    for (int i = 0; i < STORM; i++) {
        uv_timer_t *timer = malloc(sizeof *timer);
        uv_timer_init(loop, timer);
        uv_timer_start(timer, woken, STORM_MS, 0);
    }
    double took = each(began, STORM), size = (resident_bytes() - before) / STORM;
    uv_run(loop, UV_RUN_DEFAULT);
    return bytes ? size : took;
}

static double storm_bytes(void) {
    return storm(1);
}

static double storm_start(void) {
    return storm(0);
}

static const struct bench_case cases[] = {
    {"spawn_await", spawn_await, 5}, {"yield", yield, 5},
    {"gather", gather, 15},          {"offload", offload, 5},
    {"offload_100", offload_100, 5}, {"storm_bytes", storm_bytes, 1},
    {"storm_start", storm_start, 1}, {NULL, NULL, 0},
};

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: plain_uv CASE\n");
        return 2;
    }
    loop = uv_default_loop();
    return print_best(cases, argv[1]);
}
