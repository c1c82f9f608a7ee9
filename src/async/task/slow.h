/*
 * Debug mode of tasks: steps that take too long.
 */
#ifndef MOUV_ASYNC_TASK_SLOW_H
#define MOUV_ASYNC_TASK_SLOW_H

#include <stdint.h>

#include "async/loop/future.h"

/** A step of `task` began at `start` (uv_hrtime) and has ended: warns if that was too long. */
void mouv__slow_step(const mouv__future_t *task, uint64_t start);

#endif
