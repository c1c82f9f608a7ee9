/*
 * The runtime inside: the loop handles, the ready queue, what has to be closed.
 */
#ifndef MOUV_ASYNC_TASK_RUNTIME_H
#define MOUV_ASYNC_TASK_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include <mouv/log.h>
#include <mouv/runtime.h>

#include "async/loop/future.h"
#include "async/loop/mailbox.h"
#include "async/loop/timer.h"

typedef struct mouv__task mouv__task_t;
typedef struct mouv__attachment mouv__attachment_t;

/**
 * Something of an upper layer that lives on the runtime (a client) and must end before it.
 * Embedded.
 */
struct mouv__attachment {
    mouv__attachment_t *prev, *next;
    /** The runtime closes and every task has ended: begin to close, never block, and call
     *  mouv__runtime_detach() when nothing is left on the loop (now or later, but never later than
     *  a stuck worker: leave that behind). */
    void (*close)(mouv__attachment_t *self);
};

void mouv__runtime_attach(mouv_runtime_t *runtime, mouv__attachment_t *attachment);
void mouv__runtime_detach(mouv_runtime_t *runtime, mouv__attachment_t *attachment);

/** This thread's runtime or NULL; cheaper than mouv_runtime_current(). */
mouv_runtime_t *mouv__runtime(void);

/** Queues `ready` for the next tick, first come first served; it must not be queued already. */
void mouv__runtime_ready(mouv_runtime_t *runtime, mouv__ready_t *ready);

/** The mailbox of the runtime; for threads that post to it take a reference. */
mouv__mailbox_t *mouv__runtime_mailbox(mouv_runtime_t *runtime);

/** While the count is above 0 the loop is kept alive. */
void mouv__runtime_keep(mouv_runtime_t *runtime);
void mouv__runtime_unkeep(mouv_runtime_t *runtime);

/** The absolute deadline that applies to what the running code starts now; MOUV__NEVER if none. */
int64_t mouv__current_deadline_ns(void);

/** Whether the running task is refused suspension now (cancelled, or a scope around it expired):
 *  new operations then fail with MOUV_ECANCELED and nothing is sent. */
bool mouv__current_refused(void);

/** The running task's future, NULL outside a coroutine. */
mouv__future_t *mouv__current_task_future(void);

/** Makes `error` the running task's last error; every failing mouv call in a coroutine does so.
 *  Returns error->code. */
int mouv__record_error(const mouv_error_t *error);

/** Fills `error` (nullable) with code and formatted text, records it for the running task and
 *  returns the code: how a suspending function fails. */
int mouv__raise(mouv_error_t *error, int code, const char *format, ...) MOUV_PRINTF(3, 4);

/** Says something through the log hook. Any thread. */
void mouv__log(mouv_log_level_t level, const char *format, ...) MOUV_PRINTF(2, 3);

#endif
