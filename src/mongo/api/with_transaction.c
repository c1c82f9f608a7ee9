/*
 * mouv_with_transaction(): a body in a transaction, again and again as the errors' labels say,
 * which is the loop of MongoDB's specification of convenient transactions. All of it runs in the
 * caller's coroutine: a run_t on its stack, the body as a coroutine that is awaited. A limit in
 * time is the session's meanwhile (session->limit), so that every operation in it inherits what is
 * left.
 */
#include <mouv/await.h>
#include <mouv/clock.h>
#include <mouv/scope.h>
#include <mouv/session.h>
#include <mouv/task.h>
#include <mouv/wait.h>

#include "async/loop/timer.h"
#include "async/task/runtime.h"
#include "mongo/api/client.h"
#include "mongo/base/error.h"
#include "mongo/session/session.h"

#define RETRY_LIMIT_MS 120000

/* How long a caller whose time is over waits for the abort's answer. */
#define ABORT_GRACE_MS 100

/* Between two runs: at most 5, 7.5, 11, ... ms, a random part of it, so that rivals part. */
#define PAUSE_MS 5.0
#define PAUSE_GROWTH 1.5
#define PAUSE_MAX_MS 500.0

typedef struct run {
    mouv_session_t *session;
    mouv_transaction_fn_t fn;
    void *arg;
    mouv_transaction_opts_t opts;
    int64_t until_ms;
    double pause_ms;
    bool limits; /**< the session's limit is this run's */
    mouv_error_t error;
} run_t;

static int with_transaction_body(void *arg) {
    run_t *run = arg;
    return run->fn(run->session, run->arg);
}

/* timeoutMS counts for all that is done in the session until the end. */
static int with_transaction_set_limit(run_t *run) {
    mouv_session_t *session = run->session;
    int64_t ms;
    int rc = mouv__session_check(session, &run->error);
    if (rc == 0)
        rc = mouv__timeout_from_struct(run->opts.timeout_ms, "timeout_ms", &ms, &run->error);
    if (rc < 0) return rc;
    if (ms == MOUV__TIMEOUT_UNSET) ms = session->timeout_ms;
    if (ms == MOUV__TIMEOUT_UNSET || session->limited) return 0;
    session->limit = (mouv__timeout_t){ms, MOUV__NEVER};
    session->limit.until_ns = mouv__timeout_end_ns(session->client, session->limit);
    session->limited = run->limits = true;
    return 0;
}

static int64_t with_transaction_retry_limit_ms(const run_t *run) {
    int64_t ms = run->opts.retry_limit_ms > 0 ? run->opts.retry_limit_ms : RETRY_LIMIT_MS;
    if (!run->limits) return ms;
    int64_t limit_ms = run->session->limit.ms;
    if (run->opts.retry_limit_ms <= 0) return limit_ms > 0 ? limit_ms : MOUV_FOREVER;
    return limit_ms > 0 && limit_ms < ms ? limit_ms : ms;
}

/* The abort is waited for, so that nothing of the transaction is in the way of what comes next; but
 * where the caller's time is over, or it was cancelled, only for a moment: it goes on behind. */
static void with_transaction_give_up(run_t *run) {
    if (!mouv_session_in_transaction(run->session)) return;
    mouv_future_t abort = mouv_session_abort_transaction(run->session);
    mouv_wait(&abort, 1, MOUV_ALL_COMPLETED, MOUV_FOREVER, NULL);
    if (!mouv_future_done(abort)) {
        MOUV_SHIELD_SCOPE(shield, MOUV_FOREVER);
        mouv_wait(&abort, 1, MOUV_ALL_COMPLETED, ABORT_GRACE_MS, NULL);
    }
    if (mouv_future_done(abort)) mouv_future_result(abort, NULL); /* why there is none */
    mouv_future_unref(abort);
    mouv__session_leave_abort(run->session);
}

/* These say that nothing was sent or done: not what became of a commit before this one. */
static bool with_transaction_says_nothing_of_others(int rc) {
    return rc == MOUV_ETIMEDOUT || rc == MOUV_ECANCELED || rc == MOUV_EQUEUE ||
           rc == MOUV_ESELECTION || rc == MOUV_ECLOSED;
}

/* The time is up, or the task was cancelled, while there was something to try again. What the commit
 * came to is not to be said anew: only why nobody asks again. */
static int with_transaction_end(run_t *run, int code) {
    mouv_error_t *error = &run->error;
    bool unknown = error->code == MOUV_EUNKNOWN ||
                   mouv_error_has_label(error, "UnknownTransactionCommitResult");
    mouv__error_end(error, code, mouv_error_message(code));
    if (!unknown) return code;
    error->cause = code;
    return error->code = MOUV_EUNKNOWN;
}

static int with_transaction_commit(run_t *run) {
    enum { MAX_TIME_EXPIRED = 50 };
    for (bool again = false;; again = true) {
        mouv_error_t before = run->error;
        int rc = mouv_await(mouv_session_commit_transaction(run->session), &run->error);
        if (rc >= 0) return 0;
        if (again && with_transaction_says_nothing_of_others(rc)) {
            run->error = before;
            bool stopped = rc == MOUV_ETIMEDOUT || rc == MOUV_ECANCELED;
            return stopped ? with_transaction_end(run, rc) : before.code;
        }
        if (run->error.server_code == MAX_TIME_EXPIRED ||
            !mouv_error_has_label(&run->error, "UnknownTransactionCommitResult"))
            return rc;
        if (mouv_now_ms() >= run->until_ms) return with_transaction_end(run, MOUV_ETIMEDOUT);
    }
}

/* Time ran out in a run, or the task was cancelled, after one that failed: that is why. */
static int with_transaction_end_between(run_t *run, const mouv_error_t *last, int rc) {
    if (last->code >= 0 || run->error.cause == MOUV_ESERVER ||
        (rc != MOUV_ETIMEDOUT && rc != MOUV_ECANCELED))
        return rc;
    mouv_error_t named = *last;
    mouv__error_end(&named, rc, run->error.message);
    run->error = named;
    return rc;
}

/* One time through: the body's result, or the error in `run`. */
static int with_transaction_run_once(run_t *run) {
    int rc = mouv_session_start_transaction(run->session, &run->opts, &run->error);
    if (rc < 0) return rc;
    rc = mouv_await(mouv_coro(with_transaction_body, run), &run->error);
    if (rc >= 0 && mouv_session_in_transaction(run->session)) {
        int committed = with_transaction_commit(run);
        if (committed < 0) rc = committed;
        /* where it was not sent for want of time, an abort would tell the server nothing new */
        if (committed == MOUV_ETIMEDOUT && mouv__transaction_gone(&run->session->transaction))
            return rc;
    }
    if (rc < 0) with_transaction_give_up(run);
    return rc;
}

static void with_transaction_pause_before_retry(run_t *run) {
    double part = (double)(uv_hrtime() % 1000) / 1000;
    int64_t pause_ms = (int64_t)(part * run->pause_ms), left_ms = run->until_ms - mouv_now_ms();
    mouv_sleep_ms(pause_ms < left_ms ? pause_ms : left_ms);
    run->pause_ms *= PAUSE_GROWTH;
    if (run->pause_ms > PAUSE_MAX_MS) run->pause_ms = PAUSE_MAX_MS;
}

static int with_transaction_run_all(run_t *run) {
    int64_t limit_ms = with_transaction_retry_limit_ms(run), now_ms = mouv_now_ms();
    run->until_ms = limit_ms < MOUV_FOREVER - now_ms ? now_ms + limit_ms : MOUV_FOREVER;
    run->pause_ms = PAUSE_MS;
    mouv_error_t last = {0};
    for (;;) {
        int rc = with_transaction_run_once(run);
        if (rc >= 0 || !mouv_error_has_label(&run->error, "TransientTransactionError"))
            return rc < 0 ? with_transaction_end_between(run, &last, rc) : rc;
        last = run->error;
        if (mouv_now_ms() >= run->until_ms) return with_transaction_end(run, MOUV_ETIMEDOUT);
        with_transaction_pause_before_retry(run);
        if (mouv__current_refused()) return with_transaction_end(run, MOUV_ECANCELED);
    }
}

int mouv_with_transaction(mouv_session_t *session, mouv_transaction_fn_t fn, void *arg,
                          const mouv_transaction_opts_t *opts, mouv_error_t *error) {
    if (!mouv_in_coroutine())
        return mouv__raise(error, MOUV_ENOTCORO, "mouv_with_transaction() outside of a coroutine");
    if (!session || !fn)
        return mouv__raise(error, MOUV_EINVAL, "mouv_with_transaction: 'session' or 'fn' is NULL");
    run_t run = {.session = session, .fn = fn, .arg = arg};
    if (opts) run.opts = *opts;
    int rc = with_transaction_set_limit(&run);
    if (rc >= 0) {
        mouv__session_hold(session); /* the body, or another task, may release it */
        rc = with_transaction_run_all(&run);
        if (run.limits) session->limited = false;
        mouv__session_let_go(session);
    }
    if (rc >= 0) return rc;
    if (error) *error = run.error;
    return mouv__raise_error(&run.error);
}

static int with_transaction_task_body(void *arg) {
    const run_t *run = arg;
    return mouv_with_transaction(run->session, run->fn, run->arg, &run->opts, NULL);
}

static void with_transaction_task_done(mouv_future_t task, void *session) {
    (void)task;
    mouv__session_let_go(session);
}

mouv_future_t mouv_with_transaction_future(mouv_session_t *session, mouv_transaction_fn_t fn,
                                           void *arg, const mouv_transaction_opts_t *opts) {
    run_t run = {.session = session, .fn = fn, .arg = arg};
    if (opts) run.opts = *opts;
    mouv_future_t task = mouv_task_copy(with_transaction_task_body, &run, sizeof(run));
    if (!session || mouv__client_is_elsewhere(session->client) || mouv_future_done(task))
        return task; /* fails by itself */
    if (mouv_future_add_done_callback(task, with_transaction_task_done, session) < 0)
        mouv_future_cancel(task); /* no memory: nothing would hold the session for it */
    else
        mouv__session_hold(session);
    return task;
}
