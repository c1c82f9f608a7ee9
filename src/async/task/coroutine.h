/*
 * Coroutines: making them, cold or as tasks, and running a cold one as a call.
 */
#ifndef MOUV_ASYNC_TASK_COROUTINE_H
#define MOUV_ASYNC_TASK_COROUTINE_H

#include "async/task/task.h"

/** The coroutine (task or cold) behind a future, NULL for another kind. */
mouv__task_t *mouv__coroutine_of(mouv__future_t *future);

/** As mouv_coro_at(), with options. */
mouv_future_t mouv__coroutine_with(mouv_fn_t fn, void *arg, const mouv_task_opts_t *opts,
                                   const char *fn_name, const char *file, int line);

/** Runs a cold coroutine as a call of the running task; returns its outcome. */
int mouv__coroutine_run_inline(mouv__task_t *task, mouv__future_t *coroutine, mouv_error_t *error);

#endif
