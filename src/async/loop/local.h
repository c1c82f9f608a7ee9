/*
 * Task-local values inside: an immutable, counted set that tasks share until one sets a value. This
 * file knows no task: whoever runs a body or a callback says where its values are meanwhile, in `locals`
 * of its runtime; the worker of an offloaded function lends it some.
 */
#ifndef MOUV_ASYNC_LOOP_LOCAL_H
#define MOUV_ASYNC_LOOP_LOCAL_H

#include <stdbool.h>

#include <mouv/local.h>
#include <mouv/runtime.h>

typedef struct mouv__locals mouv__locals_t;

/** What a task that is made now begins with; NULL: nothing. Release with mouv__locals_drop(). */
mouv__locals_t *mouv__locals_inherit(mouv_runtime_t *runtime);

/** Whether memory ran out in inheriting: the task must not run then. */
bool mouv__locals_failed(const mouv__locals_t *locals);

/** Those of the callback that is about to run; returns those to go back to. Loop thread. */
mouv__locals_t **mouv__locals_enter(mouv_runtime_t *runtime, mouv__locals_t **locals);

/** What mouv_local_get() sees on a thread without a runtime; NULL: nothing. */
void mouv__locals_lend(const mouv__locals_t *locals);

/** Any thread. */
void mouv__locals_drop(mouv__locals_t *locals);

#endif
