/*
 * Scopes inside: a chain on the task, innermost first.
 */
#ifndef MOUV_ASYNC_TASK_SCOPE_H
#define MOUV_ASYNC_TASK_SCOPE_H

#include <mouv/scope.h>

#include "async/task/runtime.h"

/** Begins a scope without a deadline, which only mouv__scope_cancel() makes expire and which is no
 *  timeout then: a group's. Does nothing outside a coroutine. */
void mouv__scope_begin(mouv_scope_t *scope);

/** Everything in this scope is refused from now on. */
void mouv__scope_cancel(mouv_scope_t *scope);

/** Ends this scope alone: those begun inside it go on. */
void mouv__scope_remove(mouv_scope_t *scope);

/** Whether one of these scopes, up to the nearest shield, has expired. */
bool mouv__scopes_expired(const mouv_scope_t *innermost, bool *shielded);

/** The time of one or more of the task's scopes has come. */
void mouv__scopes_expire_due(mouv__task_t *task);

/** The earliest deadline up to the nearest shield, MOUV__NEVER if none. */
int64_t mouv__scopes_deadline(const mouv_scope_t *innermost, bool *shielded);

/** An ECANCELED that came of a timeout (or of no memory for one) becomes that: code, cause, text;
 *  EUNKNOWN has it as its cause. Does nothing to other errors. */
void mouv__stopped_by(int code, mouv_error_t *error);

/** Ends the scopes inside `outer` that a body has left open. */
void mouv__scopes_unwind(mouv__task_t *task, mouv_scope_t *outer);

#endif
