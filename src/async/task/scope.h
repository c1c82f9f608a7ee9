/*
 * Scopes inside: a chain on the task, innermost first.
 */
#ifndef MOUV_ASYNC_TASK_SCOPE_H
#define MOUV_ASYNC_TASK_SCOPE_H

#include <mouv/scope.h>

typedef struct mouv__task mouv__task_t;

/** Begins a scope without a deadline, which only mouv__scope_cancel() makes expire and which is no
 *  timeout then: a group's. Does nothing outside a coroutine. */
void mouv__scope_begin(mouv_scope_t *scope);

/** Everything in this scope is refused from now on. */
void mouv__scope_cancel(mouv_scope_t *scope);

/** Ends this scope alone: those begun inside it go on. */
void mouv__scope_remove(mouv_scope_t *scope);

/** An ECANCELED that came of a timeout (or of no memory for one) becomes that: code, cause, text;
 *  EUNKNOWN has it as its cause. Does nothing to other errors. */
void mouv__scope_stopped_by(int code, mouv_error_t *error);

/** Ends the scopes inside `outer` that a body has left open. */
void mouv__scopes_unwind(mouv__task_t *task, mouv_scope_t *outer);

/** Ends all scopes of a body that will not go on; nothing comes of those that have expired. */
void mouv__scopes_drop(mouv__task_t *task);

#endif
