/*
 * The running task, for code that may run in one.
 */
#ifndef MOUV_ASYNC_TASK_CURRENT_H
#define MOUV_ASYNC_TASK_CURRENT_H

#include <stdbool.h>
#include <stdint.h>

#include "async/loop/future.h"

typedef struct mouv__task mouv__task_t;

/** The running task or NULL. On the plain stack a task that was left by a jump is found out, and ends. */
mouv__task_t *mouv__current_task(void);

/** The running task's future, NULL outside a coroutine. */
mouv__future_t *mouv__current_task_future(void);

/** Whether the running task is refused suspension now (cancelled, or a scope around it expired):
 *  new operations then fail with MOUV_ECANCELED and nothing is sent. */
bool mouv__current_refused(void);

/** Whether that is because its time is over, and nobody has asked for more than that. */
bool mouv__current_timed_out(void);

/** The absolute deadline that applies to what the running code starts now; MOUV__NEVER if none. */
int64_t mouv__current_deadline_ns(void);

#endif
