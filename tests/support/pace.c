/*
 * How late the machine is.
 */
#include "support/pace.h"

#include <time.h>

#include <uv.h>

/* Half of what mouv's shortest limits leave: 50 ms for the answer to a kill, which is sent again after 10 ms. */
enum { SAMPLE_MS = 5, LATE_MS = 15, TRIES_MAX = 40 };

typedef struct pace {
    uv_thread_t thread;
    bool over;         /* atomic */
    int64_t latest_ms; /* of the loop */
    int64_t thread_ms; /* of the thread; to be read once it has ended */
} pace_t;

static void note(int64_t *latest_ms, int64_t began_ms) {
    int64_t late_ms = now_ms() - began_ms - SAMPLE_MS;
    if (late_ms > *latest_ms) *latest_ms = late_ms;
}

/** Computes for a millisecond: who only sleeps is woken early also where others wait for a processor. */
static void compute(void) {
    struct timespec began, now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &began);
    do {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while ((now.tv_sec - began.tv_sec) * 1000000000 + now.tv_nsec - began.tv_nsec < 1000000);
}

static void watch_thread(void *arg) {
    pace_t *pace = arg;
    while (!__atomic_load_n(&pace->over, __ATOMIC_ACQUIRE)) {
        int64_t began_ms = now_ms();
        uv_sleep(SAMPLE_MS - 1);
        compute();
        note(&pace->thread_ms, began_ms);
    }
}

static int watch_loop(void *arg) {
    pace_t *pace = arg;
    int64_t began_ms = now_ms();
    while (mouv_sleep_ms(SAMPLE_MS) == 0) {
        note(&pace->latest_ms, began_ms);
        began_ms = now_ms();
    }
    return 0;
}

/** How late anything was while the body ran; below 0 where nothing could watch. */
static int64_t run_watched(test_t *t, test_fn_t body, int *rc) {
    pace_t pace = {0};
    if (uv_thread_create(&pace.thread, watch_thread, &pace) != 0) return -1;
    mouv_future_t loop = mouv_task(watch_loop, &pace);
    *rc = body(t);
    mouv_future_cancel(loop);
    mouv_await(loop, NULL);
    __atomic_store_n(&pace.over, true, __ATOMIC_RELEASE);
    uv_thread_join(&pace.thread);
    return pace.latest_ms > pace.thread_ms ? pace.latest_ms : pace.thread_ms;
}

int pace_run(test_t *t, test_fn_t body, int (*start)(void **state), int (*end)(void **state)) {
    int rc = -1;
    for (int tries = 1;; tries++) {
        int64_t late_ms = run_watched(t, body, &rc);
        if (late_ms < 0) return test_failed(t, __FILE__, __LINE__, "no thread");
        if (!t->failed || late_ms <= LATE_MS || tries == TRIES_MAX) return rc;
        print_message("the machine was %lld ms late: once more\n", (long long)late_ms);
        t->failed = false;
        if (end) end(NULL);
        if (start && start(NULL) < 0) return test_failed(t, __FILE__, __LINE__, "no mock server");
    }
}
