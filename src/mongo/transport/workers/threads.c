/*
 * The default executor: threads of the client's own, started on demand. The last one to fall idle
 * is woken first, each by a condition variable of its own, and one that is idle for long ends.
 * Threads hold a share of the executor, so one that is stuck outlives the loop.
 */
#include <pthread.h>
#include <stdbool.h>

#include <mouv/error.h>
#include <uv.h>

#include "context/alloc.h"
#include "mongo/transport/workers/executor.h"
#include "mongo/transport/workers/thread.h"

#define STACK_SIZE_BYTES (1024 * 1024)
#define IDLE_NS (30 * INT64_C(1000000000))

typedef struct driver_pool pool_t;
typedef struct worker worker_t;

struct worker {
    pool_t *driver_pool;
    worker_t *next; /* in the idle stack */
    uv_cond_t wake;
    mouv__job_t *job; /* handed over, under the lock */
    bool told;        /* to end: exit() waits for it */
};

struct driver_pool {
    mouv__executor_t executor;
    mouv__mailbox_t *mailbox;
    uv_mutex_t lock;
    worker_t *idle;            /* a stack */
    mouv__job_t *first, *last; /* more than there are threads for */
    uint32_t threads;
    uint32_t shares; /* threads and the owner */
    bool closed;
};

static void threads_pool_free(pool_t *driver_pool) {
    uv_mutex_destroy(&driver_pool->lock);
    mouv__mailbox_unref(driver_pool->mailbox);
    mouv__free(driver_pool);
}

/* Gives a share up; the lock is held and released. */
static void threads_pool_leave(pool_t *driver_pool) {
    bool last = --driver_pool->shares == 0;
    uv_mutex_unlock(&driver_pool->lock);
    if (last) threads_pool_free(driver_pool);
}

static mouv__job_t *threads_take_waiting(pool_t *driver_pool) {
    mouv__job_t *job = driver_pool->first;
    if (job) {
        driver_pool->first = job->next;
        if (!driver_pool->first) driver_pool->last = NULL;
    }
    return job;
}

static void threads_worker_leave_idle(worker_t *worker) {
    worker_t **at = &worker->driver_pool->idle;
    while (*at && *at != worker) at = &(*at)->next;
    if (*at) *at = worker->next;
}

/* Sleeps until there is a job; NULL: the thread shall end. The lock is held; the worker is idle. */
static mouv__job_t *threads_worker_wait(worker_t *worker) {
    pool_t *driver_pool = worker->driver_pool;
    while (!worker->job && !driver_pool->closed) {
        if (uv_cond_timedwait(&worker->wake, &driver_pool->lock, (uint64_t)IDLE_NS) == UV_ETIMEDOUT)
            break;
    }
    mouv__job_t *job = worker->job;
    worker->job = NULL;
    if (!job) threads_worker_leave_idle(worker);
    return job;
}

/*
 * Runs one job and gets the next. The worker is in the idle stack before its job is sent home, so
 * that the loop's next job finds it there and no second thread is woken.
 */
static mouv__job_t *threads_worker_step(worker_t *worker, mouv__job_t *job) {
    pool_t *driver_pool = worker->driver_pool;
    job->run(job);
    uv_mutex_lock(&driver_pool->lock);
    mouv__job_t *waiting = threads_take_waiting(driver_pool);
    if (!waiting) {
        worker->next = driver_pool->idle;
        driver_pool->idle = worker;
    }
    uv_mutex_unlock(&driver_pool->lock);
    mouv__executor_send_home(driver_pool->mailbox, job);
    if (waiting) return waiting;
    uv_mutex_lock(&driver_pool->lock);
    mouv__job_t *next = threads_worker_wait(worker);
    uv_mutex_unlock(&driver_pool->lock);
    return next;
}

static void threads_worker_main(void *arg) {
    worker_t *worker = arg;
    pool_t *driver_pool = worker->driver_pool;
#ifdef __linux__
    pthread_setname_np(pthread_self(), "mouv-worker");
#endif
    mouv__job_t *job = worker->job;
    worker->job = NULL;
    while (job) job = threads_worker_step(worker, job);
    uv_mutex_lock(&driver_pool->lock);
    bool told = worker->told, late = driver_pool->closed && !told;
    uv_cond_destroy(&worker->wake);
    mouv__free(worker);
    driver_pool->threads--;
    threads_pool_leave(driver_pool);
    if (late)
        mouv__thread_ends_late();
    else
        mouv__thread_ends(told);
}

/* Starts a thread with its first job; the lock is held. */
static int threads_worker_start(pool_t *driver_pool, mouv__job_t *job) {
    worker_t *worker = mouv__alloc(sizeof(*worker));
    if (!worker) return MOUV_ENOMEM;
    int rc = MOUV_ESYSTEM;
    worker->driver_pool = driver_pool;
    worker->job = job;
    if (uv_cond_init(&worker->wake) != 0) goto no_cond;
    driver_pool->threads++;
    driver_pool->shares++;
    rc = mouv__thread_start(threads_worker_main, worker, STACK_SIZE_BYTES, false);
    if (rc == 0) return 0;
    driver_pool->threads--;
    driver_pool->shares--;
    uv_cond_destroy(&worker->wake);
no_cond:
    mouv__free(worker);
    return rc;
}

static int threads_submit_locked(pool_t *driver_pool, mouv__job_t *job) {
    worker_t *worker = driver_pool->idle;
    if (worker) {
        driver_pool->idle = worker->next;
        worker->job = job;
        uv_cond_signal(&worker->wake);
        return 0;
    }
    int rc = driver_pool->threads < driver_pool->executor.capacity
                 ? threads_worker_start(driver_pool, job)
                 : MOUV_ESYSTEM;
    if (rc == 0 || driver_pool->threads == 0) return rc;
    job->next = NULL;
    if (driver_pool->last)
        driver_pool->last->next = job;
    else
        driver_pool->first = job;
    driver_pool->last = job;
    return 0;
}

static int threads_pool_submit(mouv__executor_t *self, mouv__job_t *job) {
    pool_t *driver_pool = (pool_t *)self;
    uv_mutex_lock(&driver_pool->lock);
    int rc = threads_submit_locked(driver_pool, job);
    uv_mutex_unlock(&driver_pool->lock);
    return rc;
}

static void threads_pool_close(mouv__executor_t *self) {
    pool_t *driver_pool = (pool_t *)self;
    uv_mutex_lock(&driver_pool->lock);
    driver_pool->closed = true;
    mouv__job_t *waiting = driver_pool->first;
    driver_pool->first = driver_pool->last = NULL;
    uint32_t told = 0;
    for (worker_t *worker = driver_pool->idle; worker; worker = worker->next, told++) {
        worker->told = true;
        uv_cond_signal(&worker->wake);
    }
    mouv__threads_leave(told); /* before one of them can end; a stuck one is not counted */
    threads_pool_leave(driver_pool);
    while (waiting) {
        mouv__job_t *job = waiting;
        waiting = job->next;
        job->discard(job);
    }
}

mouv__executor_t *mouv__executor_threads_new(mouv__mailbox_t *mailbox, uint32_t capacity) {
    pool_t *driver_pool = mouv__alloc(sizeof(*driver_pool));
    if (!driver_pool) return NULL;
    if (uv_mutex_init(&driver_pool->lock) != 0) {
        mouv__free(driver_pool);
        return NULL;
    }
    driver_pool->executor = (mouv__executor_t){
        .capacity = capacity, .submit = threads_pool_submit, .close = threads_pool_close};
    driver_pool->mailbox = mouv__mailbox_ref(mailbox);
    driver_pool->shares = 1;
    return &driver_pool->executor;
}
