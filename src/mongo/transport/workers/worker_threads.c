/*
 * The default executor: threads of the client's own, started on demand. The last one to fall idle
 * is woken first, each by a condition variable of its own, and one that is idle for long ends.
 * Threads hold a share of the executor, so one that is stuck outlives the loop.
 */
#include "mongo/transport/workers/worker_threads.h"

#include <stdbool.h>

#include <mouv/error.h>
#include <uv.h>

#include "context/alloc.h"
#include "mongo/transport/workers/safepoint.h"
#include "mongo/transport/workers/thread.h"

#define STACK_SIZE_BYTES (1024 * 1024)
#define IDLE_NS (30 * INT64_C(1000000000))

typedef struct pool pool_t;
typedef struct worker worker_t;

struct worker {
    pool_t *pool;
    worker_t *next; /* in the idle stack */
    uv_cond_t wake;
    mouv__job_t *job; /* handed over, under the lock */
    bool told;        /* to end: exit() waits for it */
};

struct pool {
    mouv__executor_t executor;
    mouv__mailbox_t *mailbox;
    uv_mutex_t lock;
    worker_t *idle;            /* a stack */
    mouv__job_t *first, *last; /* more than there are threads for */
    uint32_t threads;
    uint32_t shares; /* threads and the owner */
    bool closed;
};

static void worker_threads_pool_free(pool_t *pool) {
    uv_mutex_destroy(&pool->lock);
    mouv__mailbox_unref(pool->mailbox);
    mouv__free(pool);
}

/* Gives a share up; the lock is held and released. */
static void worker_threads_pool_leave(pool_t *pool) {
    bool last = --pool->shares == 0;
    uv_mutex_unlock(&pool->lock);
    if (last) worker_threads_pool_free(pool);
}

static mouv__job_t *worker_threads_take_waiting(pool_t *pool) {
    mouv__job_t *job = pool->first;
    if (job) {
        pool->first = job->next;
        if (!pool->first) pool->last = NULL;
    }
    return job;
}

static void worker_threads_leave_idle(worker_t *worker) {
    worker_t **at = &worker->pool->idle;
    while (*at && *at != worker) at = &(*at)->next;
    if (*at) *at = worker->next;
}

/* Sleeps until there is a job; NULL: the thread shall end. The lock is held; the worker is idle. */
static mouv__job_t *worker_threads_wait(worker_t *worker) {
    pool_t *pool = worker->pool;
    while (!worker->job && !pool->closed) {
        if (uv_cond_timedwait(&worker->wake, &pool->lock, (uint64_t)IDLE_NS) == UV_ETIMEDOUT) break;
    }
    mouv__job_t *job = worker->job;
    worker->job = NULL;
    if (!job) worker_threads_leave_idle(worker);
    return job;
}

/*
 * Runs one job and gets the next. The worker is in the idle stack before its job is sent home, so
 * that the loop's next job finds it there and no second thread is woken.
 */
static mouv__job_t *worker_threads_step(worker_t *worker, mouv__job_t *job) {
    pool_t *pool = worker->pool;
    mouv__safepoint_leave();
    job->run(job);
    uv_mutex_lock(&pool->lock);
    mouv__job_t *waiting = worker_threads_take_waiting(pool);
    if (!waiting) {
        worker->next = pool->idle;
        pool->idle = worker;
    }
    uv_mutex_unlock(&pool->lock);
    mouv__executor_send_home(pool->mailbox, job);
    mouv__safepoint_reach();
    if (waiting) return waiting;
    uv_mutex_lock(&pool->lock);
    mouv__job_t *next = worker_threads_wait(worker);
    uv_mutex_unlock(&pool->lock);
    return next;
}

static void worker_threads_main(void *arg) {
    worker_t *worker = arg;
    pool_t *pool = worker->pool;
    mouv__thread_rename("mouv-worker", NULL);
    mouv__job_t *job = worker->job;
    worker->job = NULL;
    while (job) job = worker_threads_step(worker, job);
    uv_mutex_lock(&pool->lock);
    bool told = worker->told, late = pool->closed && !told;
    uv_cond_destroy(&worker->wake);
    mouv__free(worker);
    pool->threads--;
    worker_threads_pool_leave(pool);
    if (late)
        mouv__thread_ends_late();
    else
        mouv__thread_ends(told);
}

/* Starts a thread with its first job; the lock is held. */
static int worker_threads_start(pool_t *pool, mouv__job_t *job) {
    worker_t *worker = mouv__alloc(sizeof(*worker));
    if (!worker) return MOUV_ENOMEM;
    int rc = MOUV_ESYSTEM;
    worker->pool = pool;
    worker->job = job;
    if (uv_cond_init(&worker->wake) != 0) goto no_cond;
    pool->threads++;
    pool->shares++;
    rc = mouv__thread_start(worker_threads_main, worker, STACK_SIZE_BYTES, false);
    if (rc == 0) return 0;
    pool->threads--;
    pool->shares--;
    uv_cond_destroy(&worker->wake);
no_cond:
    mouv__free(worker);
    return rc;
}

static int worker_threads_submit_locked(pool_t *pool, mouv__job_t *job) {
    worker_t *worker = pool->idle;
    if (worker) {
        pool->idle = worker->next;
        worker->job = job;
        uv_cond_signal(&worker->wake);
        return 0;
    }
    int rc =
        pool->threads < pool->executor.capacity ? worker_threads_start(pool, job) : MOUV_ESYSTEM;
    if (rc == 0 || pool->threads == 0) return rc;
    job->next = NULL;
    if (pool->last)
        pool->last->next = job;
    else
        pool->first = job;
    pool->last = job;
    return 0;
}

static int worker_threads_pool_submit(mouv__executor_t *self, mouv__job_t *job) {
    pool_t *pool = (pool_t *)self;
    if (mouv__safepoint_exiting()) return MOUV_ESYSTEM;
    uv_mutex_lock(&pool->lock);
    int rc = worker_threads_submit_locked(pool, job);
    uv_mutex_unlock(&pool->lock);
    return rc;
}

static void worker_threads_pool_close(mouv__executor_t *self) {
    pool_t *pool = (pool_t *)self;
    uv_mutex_lock(&pool->lock);
    pool->closed = true;
    mouv__job_t *waiting = pool->first;
    pool->first = pool->last = NULL;
    uint32_t told = 0;
    for (worker_t *worker = pool->idle; worker; worker = worker->next, told++) {
        worker->told = true;
        uv_cond_signal(&worker->wake);
    }
    mouv__thread_leave_all(told); /* before one of them can end; a stuck one is not counted */
    worker_threads_pool_leave(pool);
    while (waiting) {
        mouv__job_t *job = waiting;
        waiting = job->next;
        job->discard(job);
    }
}

mouv__executor_t *mouv__worker_threads_new(mouv__mailbox_t *mailbox, uint32_t capacity) {
    pool_t *pool = mouv__alloc(sizeof(*pool));
    if (!pool) return NULL;
    if (uv_mutex_init(&pool->lock) != 0) {
        mouv__free(pool);
        return NULL;
    }
    pool->executor = (mouv__executor_t){.capacity = capacity,
                                        .submit = worker_threads_pool_submit,
                                        .close = worker_threads_pool_close};
    pool->mailbox = mouv__mailbox_ref(mailbox);
    pool->shares = 1;
    return &pool->executor;
}
