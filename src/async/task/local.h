/*
 * Task-local values inside: an immutable, counted set that tasks share until one sets a value.
 */
#ifndef MOUV_ASYNC_TASK_LOCAL_H
#define MOUV_ASYNC_TASK_LOCAL_H

#include <stdbool.h>

#include <mouv/local.h>
#include <mouv/runtime.h>

typedef struct mouv__locals mouv__locals_t;

/** What a task that is made now begins with; NULL: nothing. Release with mouv__locals_drop(). */
mouv__locals_t *mouv__locals_inherit(mouv_runtime_t *runtime);

/** Whether memory ran out in inheriting: the task must not run then. */
bool mouv__locals_failed(const mouv__locals_t *locals);

void mouv__locals_drop(mouv__locals_t *locals);

#endif
