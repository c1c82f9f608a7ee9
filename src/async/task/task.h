/*
 * A task: a coroutine with a stack of its own; also the cold coroutine that has none yet.
 */
#ifndef MOUV_ASYNC_TASK_TASK_H
#define MOUV_ASYNC_TASK_TASK_H

#include <mouv/scope.h>
#include <mouv/task.h>

#include "async/loop/future.h"
#include "async/loop/timer.h"
#include "async/task/local.h"
#include "async/task/runtime.h"
#include "context/context.h"
#include "context/stack.h"

struct mouv__task {
    mouv__future_t future; /* first */
    mouv__ready_t ready;   /* runs the next step */
    mouv__ready_t expiry;  /* the time of a scope has come */
    mouv_fn_t fn;
    void *arg;
    const char *fn_name, *file;
    int line;
    uint64_t number; /* of "Task-N" */
    size_t stack_size;

    mouv__stack_t *stack; /* NULL before the first step */
    mouv__context_t context;
    bool ended; /* the body has returned `result` */
    int result;

    mouv__future_t *awaiting; /* while suspended in an await */
    mouv__future_listener_t listener;
    const char *place_file; /* where in the program, if it told; see <mouv/place.h> */
    int place_line;
    bool has_awaiter; /* scratch of dump.c */
    mouv__timer_t timer;
    bool sleeping; /* suspended until `timer` fires */

    bool cancelled;
    int means; /* what ECANCELED of its body stands for, by a scope or group that ended; or 0 */
    mouv_scope_t *scopes; /* innermost first */
    bool inherits;        /* deadlines of its awaiter: not if made by mouv_task() */
    int64_t limit_ns;     /* such a deadline, for the operations in it; else MOUV__NEVER */
    mouv_error_t *last_error;
    mouv__locals_t *locals; /* task-local values, NULL if there are none */

    mouv__task_t *prev, *next;            /* the runtime's tasks */
    mouv__task_t *cold;                   /* coroutines made by this task and not started */
    mouv__task_t *next_cold, **link_cold; /* of a cold coroutine: its place in such a list */
};

/** The task behind a future, NULL for another kind. */
mouv__task_t *mouv__task_of(const mouv__future_t *future);

/** The running task or NULL. */
mouv__task_t *mouv__current_task(void);

/** Switches to the loop; returns when `task->ready` has been run. The running task only. */
void mouv__task_suspend(mouv__task_t *task);

/** Schedules the next step of a suspended task. */
void mouv__task_wake(mouv__task_t *task);

/** Whether suspensions are refused: a scope around has expired or the task is cancelled. */
bool mouv__task_refused(const mouv__task_t *task);

/** The nearest deadline, MOUV__NEVER if none. */
int64_t mouv__task_deadline(const mouv__task_t *task);

/** Has mouv__scopes_expire_due() called in the next round. */
void mouv__task_expire_soon(mouv__task_t *task);

/** If it is suspended and refused: makes what it waits for stop. */
void mouv__task_interrupt(mouv__task_t *task);

/** What a body's int comes to: `error` is filled if the result is negative. */
int mouv__task_outcome(mouv__task_t *task, int rc, const char *fn_name, mouv_error_t *error);

/** Fills `error` with what is known of a negative result: "coroutine 'hello' returned -7". */
void mouv__error_of_result(mouv_error_t *error, int rc, const char *kind, const char *fn_name);

/** Where mouv_fail() puts its error on this thread, outside of tasks; NULL: nowhere. */
void mouv__record_on_worker(mouv_error_t **place);

/** Runs a cold coroutine as a call of the running task; returns its outcome. */
int mouv__task_run_inline(mouv__task_t *task, mouv__future_t *coroutine, mouv_error_t *error);

/** As mouv_coro_at(), with options. */
mouv_future_t mouv__coro_with(mouv_fn_t fn, void *arg, const mouv_task_opts_t *opts,
                              const char *fn_name, const char *file, int line);

void mouv__task_start_cold(mouv__future_t *coroutine);
void mouv__task_cancel_cold(mouv__future_t *coroutine);

/** Out of its list of cold ones; `warn`: "was never awaited". */
void mouv__task_forget_cold(mouv__future_t *coroutine, bool warn);

#endif
