/*
 * Debug mode inside: what it costs when it is off is one load and a branch.
 */
#ifndef MOUV_ASYNC_TASK_DEBUG_H
#define MOUV_ASYNC_TASK_DEBUG_H

#include <stdbool.h>
#include <stdint.h>

#include "async/task/runtime.h"

/** Whether debug mode is on. Relaxed: read on every step. */
extern bool mouv__debug_on;

static inline bool mouv__debug(void) {
    return __atomic_load_n(&mouv__debug_on, __ATOMIC_RELAXED);
}

/** Reads MOUV_DEBUG once, with the first runtime. */
void mouv__debug_read_environment(void);

/** A step of `task` began at `start` (uv_hrtime) and has ended. */
void mouv__debug_step(const mouv__future_t *task, uint64_t start);

/** A future of another runtime was used on this thread. */
void mouv__debug_foreign(void);

/** The signal dump and the overflow report end with their runtime. */
void mouv__debug_close(mouv_runtime_t *runtime);

#endif
