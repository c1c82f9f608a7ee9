/*
 * The beginning and the end of a runtime, for what drives one: mouv_run_until(), mouv_run().
 */
#ifndef MOUV_ASYNC_TASK_LIFETIME_H
#define MOUV_ASYNC_TASK_LIFETIME_H

#include <mouv/runtime.h>

/** Frees one that has closed. */
void mouv__lifetime_free(mouv_runtime_t *runtime);

/** A runtime with a loop of its own, for mouv_run(); ends with mouv__lifetime_end(). */
int mouv__lifetime_open(mouv_runtime_t **out, mouv_error_t *error);

/** Closes it, runs its loop until all on that has closed, and frees both. */
void mouv__lifetime_end(mouv_runtime_t *runtime);

/** Does so with this thread's, if its mouv_run() was left by a jump. */
void mouv__lifetime_end_deserted(void);

#endif
