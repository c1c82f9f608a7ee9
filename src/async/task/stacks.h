/*
 * What tasks do with their stacks, inside.
 */
#ifndef MOUV_ASYNC_TASK_STACKS_H
#define MOUV_ASYNC_TASK_STACKS_H

#include <mouv/runtime.h>

/** The overflow report ends with its runtime. */
void mouv__stacks_close(mouv_runtime_t *runtime);

#endif
