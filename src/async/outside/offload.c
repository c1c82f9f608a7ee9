/*
 * Functions on libuv's thread pool. A running uv_queue_work() pins its loop, so the requests go to
 * a loop that nobody waits on, one for the process, run only to reap them; what they have done
 * comes home by mail. Thus a function that is stuck holds up no loop of anybody's
 * (docs/decisions/0005). The job is freed once both have done with it, libuv and the runtime; the
 * future, which may go first (a detached one), when its last reference does.
 */
#include <mouv/offload.h>

#include <assert.h>
#include <pthread.h>

#include "async/loop/error.h"
#include "async/loop/log.h"
#include "async/loop/state.h"
#include "async/task/current.h"
#include "context/alloc.h"

/* ---- the pool: any thread ---- */

/* Jobs that may lie about ended before they are reaped. */
#define REAP_EVERY 32

typedef struct offload offload_t;

/** What the loop and a worker share. */
typedef struct job {
    uv_work_t work;   /* first */
    struct job *next; /* of those that libuv has; pool_lock */
    struct job *prev;
    mouv__mail_t mail; /* brings it home */
    mouv__mailbox_t *mailbox;
    mouv__attachment_t attachment;
    int owners; /* libuv until it is reaped, the runtime until it is home; pool_lock */
    mouv_fn_t fn;
    void *arg;
    mouv_free_fn_t free_arg;
    const char *fn_name;
    int result;
    bool returned;           /* atomic: its mail is on the way */
    bool left_behind;        /* by a runtime that closes */
    mouv__last_error_t last; /* what the function has told with mouv_fail() */
    mouv__locals_t *locals;  /* that it sees, those of who offloads it */
    offload_t *awaited;      /* loop thread; NULL once nobody waits any more */
} job_t;

struct offload {
    mouv__future_t future; /* first */
    job_t *job;            /* until done */
    bool detachable;
};

static uv_once_t pool_once = UV_ONCE_INIT;
static uv_mutex_t pool_lock;
static struct pool {
    uv_loop_t loop;
    job_t *jobs;          /* that libuv has, whose own links lead into their midst: not lost */
    struct pool *parents; /* in a child of fork(): not touched, and not lost */
} first_pool, *pool;
static int pool_status;
static unsigned pool_submitted;

/* In the child of a fork() libuv's threads are gone, and the loop may be locked by one of them: with
 * the next function there is another one. */
static void offload_in_child(void) {
    pool_once = (uv_once_t)UV_ONCE_INIT;
}

__attribute__((constructor)) static void offload_watch_forks(void) {
    pthread_atfork(NULL, NULL, offload_in_child);
}

static void offload_open_pool(void) {
    struct pool *opened = pool == NULL ? &first_pool : mouv__alloc(sizeof *opened);
    pool_status = opened == NULL ? UV_ENOMEM : uv_mutex_init(&pool_lock);
    if (pool_status == 0) pool_status = uv_loop_init(&opened->loop);
    if (pool_status != 0) return; /* for good */
    opened->parents = pool;
    pool = opened;
}

static void offload_disown(job_t *job) {
    if (--job->owners == 0) mouv__free(job);
}

/* uv_run() is called with the lock. */
static void offload_reaped(uv_work_t *work, int status) {
    job_t *job = (job_t *)work;
    (void)status;
    if (job->next) job->next->prev = job->prev;
    if (job->prev)
        job->prev->next = job->next;
    else
        pool->jobs = job->next;
    offload_disown(job);
}

static void offload_submit(job_t *job, uv_work_cb offload_run) {
    uv_mutex_lock(&pool_lock);
    if (++pool_submitted % REAP_EVERY == 0) uv_run(&pool->loop, UV_RUN_NOWAIT);
    job->next = pool->jobs;
    if (job->next) job->next->prev = job;
    pool->jobs = job;
    uv_queue_work(&pool->loop, &job->work, offload_run, offload_reaped);
    uv_mutex_unlock(&pool_lock);
}

/* Whether it will never run. */
static bool offload_withdraw(job_t *job) {
    uv_mutex_lock(&pool_lock);
    bool withdrawn = uv_cancel((uv_req_t *)&job->work) == 0;
    uv_mutex_unlock(&pool_lock);
    return withdrawn;
}

/* ---- running it ---- */

static void offload_run(uv_work_t *work) {
    job_t *job = (job_t *)work;
    mouv__mailbox_t *mailbox = job->mailbox;
    mouv__raise_into(&job->last);
    mouv__locals_lend(job->locals);
    job->result = job->fn(job->arg);
    mouv__locals_lend(NULL);
    mouv__raise_into(NULL);
    __atomic_store_n(&job->returned, true, __ATOMIC_RELEASE);
    mouv__mailbox_post(mailbox, &job->mail);
    mouv__mailbox_unref(mailbox);
}

/* ---- coming home ---- */

static void offload_free_job(job_t *job) {
    if (job->free_arg != NULL) job->free_arg(job->arg);
    mouv__free(job->last.error);
    mouv__locals_drop(job->locals);
    uv_mutex_lock(&pool_lock);
    offload_disown(job);
    uv_mutex_unlock(&pool_lock);
}

static void offload_settle(job_t *job, int code, const mouv_error_t *error) {
    offload_t *offload = job->awaited;
    job->awaited = NULL;
    if (offload == NULL) return;
    offload->job = NULL;
    mouv__future_complete(&offload->future, code, error);
}

static void offload_come_home(mouv__mail_t *mail) {
    job_t *job = mouv__container_of(mail, job_t, mail);
    int rc = job->result;
    mouv_error_t error;
    if (job->last.error != NULL && job->last.error->code == rc)
        error = *job->last.error;
    else if (rc < 0)
        mouv__error_of_result(&error, rc, "function", job->fn_name);
    if (!job->left_behind) mouv__runtime_detach(mouv__runtime(), &job->attachment);
    offload_settle(job, rc, &error);
    offload_free_job(job);
}

/* The runtime has gone, and with it whoever could want to know. */
static void offload_find_nobody(mouv__mail_t *mail) {
    job_t *job = mouv__container_of(mail, job_t, mail);
    assert(job->awaited == NULL);
    offload_free_job(job);
}

/* Its future has been cancelled. One that nobody waits for is left behind, if it still runs. */
static void offload_on_runtime_closes(mouv__attachment_t *attachment) {
    job_t *job = mouv__container_of(attachment, job_t, attachment);
    if (job->awaited != NULL || __atomic_load_n(&job->returned, __ATOMIC_ACQUIRE)) return;
    job->left_behind = true;
    mouv__log(MOUV_LOG_WARNING,
              "the runtime is closing while the offloaded function '%s' runs: it is left behind",
              job->fn_name);
    mouv__runtime_detach(mouv__runtime(), attachment);
}

/* ---- as a future ---- */

static void offload_cancel(mouv__future_t *future) {
    offload_t *offload = (offload_t *)future;
    job_t *job = offload->job;
    if (offload_withdraw(job)) {
        mouv__runtime_detach(future->runtime, &job->attachment);
        mouv__mailbox_unref(job->mailbox);
        offload_settle(job, MOUV_ECANCELED, NULL);
        offload_free_job(job);
    } else if (offload->detachable) {
        offload_settle(job, MOUV_ECANCELED, NULL);
    }
}

static const mouv__future_ops_t offload_ops = {
    .kind = "offload",
    .outside = true,
    .runs_body = true,
    .cancel = offload_cancel,
};

/* ---- making one ---- */

static int offload_begin(job_t *job, offload_t *offload, mouv_runtime_t *runtime) {
    if (job == NULL || offload == NULL) return MOUV_ENOMEM;
    uv_once(&pool_once, offload_open_pool);
    if (pool_status != 0) return MOUV_ESYSTEM;
    mouv__locals_t *locals = mouv__locals_inherit(runtime);
    if (mouv__locals_failed(locals)) return MOUV_ENOMEM;
    if (mouv__future_init(&offload->future, &offload_ops, runtime, true) != 0) {
        mouv__locals_drop(locals);
        return MOUV_ENOMEM;
    }
    offload->job = job;
    job->awaited = offload;
    job->owners = 2;
    job->mailbox = mouv__mailbox_ref(runtime->mailbox);
    job->locals = locals;
    job->attachment.close = offload_on_runtime_closes;
    mouv__runtime_attach(runtime, &job->attachment);
    offload_submit(job, offload_run);
    return 0;
}

static int offload_may_begin(const mouv_runtime_t *runtime, mouv_fn_t fn) {
    if (runtime == NULL) return MOUV_ENOLOOP;
    if (fn == NULL) return MOUV_EINVAL;
    if (runtime->phase >= MOUV__DETACHING) return MOUV_ECLOSED;
    return mouv__current_refused() ? MOUV_ECANCELED : 0;
}

static mouv_future_t offload(const job_t *what, bool detachable) {
    mouv_runtime_t *runtime = mouv__runtime();
    int code = offload_may_begin(runtime, what->fn);
    if (code == 0) {
        job_t *job = mouv__alloc(sizeof *job);
        offload_t *future = mouv__alloc(sizeof *future);
        if (job != NULL) *job = *what;
        if (future != NULL) future->detachable = detachable;
        code = offload_begin(job, future, runtime);
        if (code == 0) return mouv__future_handle(&future->future);
        mouv__free(future);
        mouv__free(job);
    }
    if (what->free_arg != NULL) what->free_arg(what->arg);
    return mouv__future_failed(code);
}

mouv_future_t mouv_offload_at(mouv_fn_t fn, void *arg, const char *fn_name) {
    job_t what = {.mail = {.deliver = offload_come_home, .discard = offload_find_nobody},
                  .fn = fn,
                  .arg = arg,
                  .fn_name = fn_name};
    return offload(&what, false);
}

mouv_future_t mouv_offload_detached_at(mouv_fn_t fn, void *arg, mouv_free_fn_t free_arg,
                                       const char *fn_name) {
    job_t what = {.mail = {.deliver = offload_come_home, .discard = offload_find_nobody},
                  .fn = fn,
                  .arg = arg,
                  .free_arg = free_arg,
                  .fn_name = fn_name};
    return offload(&what, true);
}
