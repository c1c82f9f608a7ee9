/*
 * The executor on libuv's process-wide pool. Jobs are queued on a private loop that nobody runs but
 * to reap requests; they come home by mail like those of the other executor.
 */
#include "mongo/transport/workers/uvpool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include <mouv/error.h>
#include <uv.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/transport/workers/safepoint.h"

/* Requests that may lie about ended before the private loop is run to reap them. */
#define REAP_EVERY 64

typedef struct uvpool uvpool_t;

typedef struct request {
    uv_work_t work;
    uvpool_t *pool;
    mouv__job_t *job;
    struct request *next; /* spare, or all that are out (closing) */
    struct request *prev;
    bool ran; /* atomic: libuv will give it back within microseconds */
} request_t;

struct uvpool {
    mouv__executor_t executor;
    mouv__mailbox_t *mailbox;
    uv_loop_t loop;
    request_t *out; /* given to libuv and not reaped */
    request_t *spare;
    uint32_t unreaped; /* submitted since the last reaping */
    uvpool_t *next;    /* of those that were left behind, */
    uint64_t left_ns;  /* since then, */
    bool told;         /* and whether it has been told of */
};

/* A job that was only under way is back by then. */
#define STUCK_NS UINT64_C(1000000000)

/* Closed while a job ran (it set a connection up for nobody, say): freed when another one is made or
 * closed after the job has ended. */
static struct {
    uv_once_t once;
    uv_mutex_t lock;
    uvpool_t *first;
} left = {.once = UV_ONCE_INIT};

/* How many jobs libuv runs at once, less one that stays free for DNS and files. */
static uint32_t uvpool_libuv_threads(void) {
    const char *text = getenv("UV_THREADPOOL_SIZE");
    long threads = text ? strtol(text, NULL, 10) : 4;
    if (threads < 1 || threads > 1024) threads = threads < 1 ? 1 : 1024;
    return threads > 1 ? (uint32_t)threads - 1 : 1;
}

static void uvpool_run_request(uv_work_t *work) {
    request_t *request = (request_t *)work;
    mouv__job_t *job = request->job;
    mouv__mailbox_t *mailbox = request->pool->mailbox;
    mouv__safepoint_end_at_exit();
    mouv__safepoint_leave();
    job->run(job);
    __atomic_store_n(&request->ran, true,
                     __ATOMIC_RELEASE); /* who gets the mail may close at once */
    mouv__executor_send_home(mailbox, job);
    mouv__safepoint_reach();
}

static void uvpool_reaped(uv_work_t *work, int status) {
    request_t *request = (request_t *)work;
    uvpool_t *pool = request->pool;
    if (status == UV_ECANCELED) request->job->discard(request->job);
    if (request->prev)
        request->prev->next = request->next;
    else
        pool->out = request->next;
    if (request->next) request->next->prev = request->prev;
    request->next = pool->spare;
    pool->spare = request;
}

static void uvpool_reap(uvpool_t *pool) {
    pool->unreaped = 0;
    uv_run(&pool->loop, UV_RUN_NOWAIT);
}

static request_t *uvpool_take_request(uvpool_t *pool) {
    request_t *request = pool->spare;
    if (!request) return mouv__alloc(sizeof(*request));
    pool->spare = request->next;
    return request;
}

static int uvpool_submit(mouv__executor_t *self, mouv__job_t *job) {
    uvpool_t *pool = (uvpool_t *)self;
    if (mouv__safepoint_exiting()) return MOUV_ESYSTEM;
    if (++pool->unreaped >= REAP_EVERY) uvpool_reap(pool);
    request_t *request = uvpool_take_request(pool);
    if (!request) return MOUV_ENOMEM;
    request->pool = pool;
    request->job = job;
    request->ran = false;
    request->prev = NULL;
    request->next = pool->out;
    if (pool->out) pool->out->prev = request;
    pool->out = request;
    uv_queue_work(&pool->loop, &request->work, uvpool_run_request, uvpool_reaped);
    return 0;
}

static bool uvpool_any_ran(const uvpool_t *pool) {
    for (const request_t *request = pool->out; request; request = request->next)
        if (__atomic_load_n(&request->ran, __ATOMIC_ACQUIRE)) return true;
    return false;
}

static void uvpool_free_spare(uvpool_t *pool) {
    while (pool->spare) {
        request_t *request = pool->spare;
        pool->spare = request->next;
        mouv__free(request);
    }
}

static void uvpool_free(uvpool_t *pool) {
    uvpool_free_spare(pool);
    uv_loop_close(&pool->loop);
    mouv__mailbox_unref(pool->mailbox);
    mouv__free(pool);
}

/* What is left behind in the child of a fork() is its parent's, and so may be the lock. */
static void uvpool_in_child(void) {
    left.once = (uv_once_t)UV_ONCE_INIT;
    left.first = NULL;
}

__attribute__((constructor)) static void uvpool_watch_forks(void) {
    pthread_atfork(NULL, NULL, uvpool_in_child);
}

static void uvpool_make_lock(void) {
    uv_mutex_init(&left.lock);
}

static void uvpool_leave_behind(uvpool_t *pool) {
    pool->left_ns = uv_hrtime();
    uv_mutex_lock(&left.lock);
    pool->next = left.first;
    left.first = pool;
    uv_mutex_unlock(&left.lock);
}

static void uvpool_tell_if_stuck(uvpool_t *pool) {
    if (pool->told || uv_hrtime() - pool->left_ns < STUCK_NS) return;
    pool->told = true;
    mouv__log(MOUV_LOG_WARNING, "a job is stuck in libuv's thread pool; its queue is left behind");
}

static void uvpool_free_left(void) {
    uv_mutex_lock(&left.lock);
    for (uvpool_t **at = &left.first; *at;) {
        uvpool_t *pool = *at;
        uvpool_reap(pool);
        if (pool->out) {
            uvpool_tell_if_stuck(pool);
            at = &pool->next;
            continue;
        }
        *at = pool->next;
        uvpool_free(pool);
    }
    uv_mutex_unlock(&left.lock);
}

static void uvpool_close(mouv__executor_t *self) {
    uvpool_t *pool = (uvpool_t *)self;
    for (request_t *request = pool->out; request; request = request->next)
        uv_cancel((uv_req_t *)&request->work);
    uvpool_reap(pool);
    while (uvpool_any_ran(pool)) uv_run(&pool->loop, UV_RUN_ONCE);
    uvpool_free_left();
    if (pool->out)
        uvpool_leave_behind(pool);
    else
        uvpool_free(pool);
}

mouv__executor_t *mouv__uvpool_new(mouv__mailbox_t *mailbox, uint32_t capacity) {
    uv_once(&left.once, uvpool_make_lock);
    uvpool_free_left();
    uvpool_t *pool = mouv__alloc(sizeof(*pool));
    if (!pool) return NULL;
    if (uv_loop_init(&pool->loop) != 0) {
        mouv__free(pool);
        return NULL;
    }
    uint32_t threads = uvpool_libuv_threads();
    pool->executor = (mouv__executor_t){.capacity = capacity < threads ? capacity : threads,
                                        .submit = uvpool_submit,
                                        .close = uvpool_close};
    pool->mailbox = mouv__mailbox_ref(mailbox);
    return &pool->executor;
}
