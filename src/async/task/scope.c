/*
 * Timeout and shield scopes.
 *
 * A scope lives in a frame of the user's and stands in its task's chain, innermost first, from its
 * beginning to its end; ending one ends all that were left open inside of it. When its time comes it
 * is due, and expires in its turn, as a ready that is queued behind all that earlier timers have made
 * ready: a result that came in time wins, however late the loop is. From then on the task is refused
 * (task.c), and the ECANCELED that comes of it is turned into ETIMEDOUT by the scope that caused it,
 * at its end, unless something around asks for the cancel as well. Scopes allocate nothing but a
 * place in the heap of timers. What they are to operations: docs/decisions/0010.
 */
#include "async/task/scope.h"

#include <string.h>

#include "async/loop/error.h"
#include "async/loop/state.h"
#include "async/task/current.h"
#include "async/task/task.h"

static void scope_expire(mouv_scope_t *scope) {
    scope->flags |= MOUV__SCOPE_EXPIRED;
    mouv__task_interrupt(scope->task);
}

static void scope_on_time(mouv__timer_t *timer) {
    mouv_scope_t *scope = mouv__container_of(timer, mouv_scope_t, timer);
    scope->flags |= MOUV__SCOPE_DUE;
    mouv__task_expire_soon(scope->task);
}

static int scope_set_deadline(mouv_scope_t *scope, int64_t timeout_ms) {
    mouv__task_t *task = scope->task;
    mouv_runtime_t *runtime = task->future.runtime;
    scope->deadline_ns = mouv__clock_deadline_in(runtime, timeout_ms);
    if (timeout_ms > 0)
        return mouv__timer_start(runtime, &scope->timer, scope->deadline_ns, scope_on_time);
    mouv__timer_stop(runtime, &scope->timer);
    scope->flags |= MOUV__SCOPE_EXPIRED;
    return 0;
}

static bool scope_is_open(const mouv__task_t *task, const mouv_scope_t *scope) {
    const mouv_scope_t *open = task->scopes;
    while (open != NULL && open != scope) open = open->parent;
    return open != NULL;
}

static int scope_begin(mouv_scope_t *scope, int64_t timeout_ms, uint32_t flags) {
    mouv__task_t *task = mouv__current_task();
    if (task != NULL && scope_is_open(task, scope))
        return mouv__raise(NULL, MOUV_ESTATE, "scope: it has been begun, and has not ended");
    memset(scope, 0, sizeof *scope);
    scope->flags = MOUV__SCOPE_ENDED;
    if (task == NULL) return MOUV_ENOTCORO;
    scope->task = task;
    if (scope_set_deadline(scope, timeout_ms) != 0)
        return mouv__raise(NULL, MOUV_ENOMEM, "no memory for a timeout scope");
    scope->flags = flags | (scope->flags & MOUV__SCOPE_EXPIRED);
    scope->parent = task->scopes;
    task->scopes = scope;
    return 0;
}

int mouv_timeout_begin(mouv_scope_t *scope, int64_t timeout_ms) {
    if (scope == NULL) return mouv__raise(NULL, MOUV_EINVAL, "timeout scope: NULL");
    return scope_begin(scope, timeout_ms, 0);
}

int mouv_shield_begin(mouv_scope_t *scope, int64_t timeout_ms) {
    if (scope == NULL) return mouv__raise(NULL, MOUV_EINVAL, "shield scope: NULL");
    return scope_begin(scope, timeout_ms, MOUV__SCOPE_SHIELD);
}

static mouv_scope_t *scope_pop_innermost(mouv__task_t *task) {
    mouv_scope_t *innermost = task->scopes;
    task->scopes = innermost->parent;
    innermost->flags |= MOUV__SCOPE_ENDED;
    mouv__timer_stop(task->future.runtime, &innermost->timer);
    return innermost;
}

/* Takes the scope (and any left open inside it) off the chain. False if it was not on it: nothing is
 * read of it then, as a jump over its beginning ends in its clean-up all the same. */
static bool scope_pop(mouv_scope_t *scope) {
    mouv__task_t *task = mouv__current_task();
    if (task == NULL || scope == NULL || !scope_is_open(task, scope)) return false;
    while (scope_pop_innermost(task) != scope) continue;
    return true;
}

void mouv__scopes_drop(mouv__task_t *task) {
    while (task->scopes != NULL) scope_pop_innermost(task);
}

void mouv__scopes_unwind(mouv__task_t *task, mouv_scope_t *outer) {
    while (task->scopes != NULL && task->scopes != outer) mouv_scope_leave(task->scopes);
}

void mouv__scope_begin(mouv_scope_t *scope) {
    scope_begin(scope, INT64_MAX, MOUV__SCOPE_GROUP);
}

void mouv__scope_cancel(mouv_scope_t *scope) {
    if (!(scope->flags & (MOUV__SCOPE_EXPIRED | MOUV__SCOPE_ENDED))) scope_expire(scope);
}

void mouv__scope_remove(mouv_scope_t *scope) {
    if (scope->flags & MOUV__SCOPE_ENDED) return;
    mouv__task_t *task = scope->task;
    mouv_scope_t **link = &task->scopes;
    while (*link != NULL && *link != scope) link = &(*link)->parent;
    if (*link == scope) *link = scope->parent;
    scope->flags |= MOUV__SCOPE_ENDED;
}

/* A scope that fired accounts for ECANCELED unless something around it asks for that as well. */
static bool scope_is_cause(const mouv_scope_t *scope) {
    return (scope->flags & MOUV__SCOPE_EXPIRED) &&
           !(scope->flags & (MOUV__SCOPE_SHIELD | MOUV__SCOPE_GROUP)) &&
           !mouv__task_refused(scope->task);
}

/* What is stored of a write, or may be, stays what it is and tells why it was stopped. */
static bool scope_has_a_cause(int code) {
    return code == MOUV_EUNKNOWN || code == MOUV_ESERVER;
}

void mouv__scope_stopped_by(int code, mouv_error_t *error) {
    if (error == NULL) return;
    if (scope_has_a_cause(error->code) && error->cause == MOUV_ECANCELED) error->cause = code;
    if (error->code != MOUV_ECANCELED) return;
    static const char plain[] = "cancelled";
    const char *why = mouv_error_message(code), *rest = error->message;
    /* what an operation says of how far it got is kept */
    if (strncmp(rest, plain, sizeof plain - 1) == 0)
        mouv__error_reword(error, "%s%s", why, rest + sizeof plain - 1);
    else
        mouv__error_reword(error, "%s: %s", why, rest);
    error->code = code;
    if (error->cause == 0 || error->cause == code) error->cause = MOUV_ECANCELED;
}

void mouv_scope_leave(mouv_scope_t *scope) {
    if (!scope_pop(scope) || !scope_is_cause(scope)) return;
    mouv__task_t *task = scope->task;
    mouv__scope_stopped_by(MOUV_ETIMEDOUT, task->last.error);
    if (task->last.means == 0)
        task->last.means = MOUV_ETIMEDOUT; /* or else a group inside has failed */
}

int mouv_timeout_end(mouv_scope_t *scope, int rc, mouv_error_t *error) {
    if (!scope_pop(scope) || (rc != MOUV_ECANCELED && !scope_has_a_cause(rc))) return rc;
    mouv__task_t *task = scope->task;
    if (scope_has_a_cause(rc)) {
        if (!scope_is_cause(scope)) return rc;
        mouv__scope_stopped_by(MOUV_ETIMEDOUT, task->last.error);
        if (error != NULL && error->code == rc) mouv__scope_stopped_by(MOUV_ETIMEDOUT, error);
        return rc;
    }
    mouv_error_t timeout;
    if (task->last.means != 0) {
        mouv__task_outcome(task, rc, "timeout", &timeout);
        if (error != NULL) *error = timeout;
        return mouv__raise_error(&timeout);
    }
    if (!scope_is_cause(scope)) return rc;
    if (task->last.error != NULL && task->last.error->code == MOUV_ECANCELED)
        timeout = *task->last.error;
    else
        mouv_error_set(&timeout, MOUV_ECANCELED, "cancelled");
    mouv__scope_stopped_by(MOUV_ETIMEDOUT, &timeout);
    if (error != NULL) *error = timeout;
    return mouv__raise_error(&timeout);
}

int mouv_timeout_reschedule(mouv_scope_t *scope, int64_t timeout_ms) {
    if (scope == NULL || scope->task == NULL ||
        (scope->flags & (MOUV__SCOPE_EXPIRED | MOUV__SCOPE_ENDED)))
        return mouv__raise(NULL, MOUV_ESTATE, "timeout scope: it has not begun, expired or ended");
    scope->flags &= ~(uint32_t)MOUV__SCOPE_DUE;
    if (scope_set_deadline(scope, timeout_ms) != 0)
        return mouv__raise(NULL, MOUV_ENOMEM, "no memory for a timeout scope");
    if ((scope->flags & MOUV__SCOPE_EXPIRED) && scope->task != mouv__current_task())
        scope_expire(scope);
    return 0;
}

bool mouv_timeout_expired(const mouv_scope_t *scope) {
    return scope != NULL && (scope->flags & MOUV__SCOPE_EXPIRED) != 0;
}

int64_t mouv_time_left_ms(void) {
    int64_t deadline = mouv__current_deadline_ns();
    if (deadline == MOUV__NEVER) return INT64_MAX;
    int64_t left = deadline - mouv__clock_now_ns(mouv__runtime());
    return left > 0 ? (left + 999999) / 1000000 : 0;
}

int mouv_with_timeout(int64_t timeout_ms, mouv_fn_t fn, void *arg, mouv_error_t *error) {
    if (fn == NULL) return mouv__raise(error, MOUV_EINVAL, "mouv_with_timeout: no function");
    mouv_scope_t scope;
    int rc = mouv_timeout_begin(&scope, timeout_ms);
    if (rc == MOUV_ENOTCORO)
        return mouv__raise(error, rc, "mouv_with_timeout: outside of a coroutine");
    if (rc != 0) return mouv_error_set(error, rc, "%s", mouv_error_message(rc));
    int result = fn(arg);
    rc = mouv_timeout_end(&scope, result, error);
    if (rc < 0 && rc == result && error != NULL)
        mouv__task_outcome(mouv__current_task(), rc, "with_timeout", error);
    return rc;
}
