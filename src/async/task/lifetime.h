/*
 * The end of a runtime, for mouv_run_until(), which may be on the stack then.
 */
#ifndef MOUV_ASYNC_TASK_LIFETIME_H
#define MOUV_ASYNC_TASK_LIFETIME_H

#include <mouv/runtime.h>

/** Frees one that has closed. */
void mouv__lifetime_free(mouv_runtime_t *runtime);

#endif
