/*
 * A task: a coroutine with a stack of its own; also the cold coroutine that has none yet. Here is
 * what it is and how it is suspended, woken and refused; how it is made and run, coroutine.h.
 */
#ifndef MOUV_ASYNC_TASK_TASK_H
#define MOUV_ASYNC_TASK_TASK_H

#include <assert.h>

#include <mouv/scope.h>
#include <mouv/task.h>

#include "async/loop/future.h"
#include "async/loop/local.h"
#include "async/loop/raise.h"
#include "async/loop/timer.h"
#include "context/context.h"
#include "context/list.h"
#include "context/stack.h"

typedef struct mouv__task mouv__task_t;

/** What its body does; which may follow which says the table in task.c. */
typedef enum mouv__task_state {
    MOUV__TASK_NEW,      /**< has not begun: is cold, or its first step is due */
    MOUV__TASK_READY,    /**< its next step is due */
    MOUV__TASK_RUNNING,  /**< is in a step */
    MOUV__TASK_AWAITING, /**< suspended until `awaiting` is done */
    MOUV__TASK_SLEEPING, /**< suspended until `timer` fires */
    MOUV__TASK_ENDED,    /**< has returned `result`, or never will */
    MOUV__TASK_LEFT      /**< was left by a jump, and ends in its turn */
} mouv__task_state_t;

struct mouv__task {
    mouv__future_t future; /* first */
    mouv__ready_t ready;   /* runs the next step */
    mouv__ready_t expiry;  /* the time of a scope has come */
    mouv_fn_t fn;
    void *arg;
    const char *fn_name, *file;
    int line;
    mouv__task_state_t state;
    uint64_t number; /* of "Task-N" */
    size_t stack_size;

    mouv__stack_t *stack; /* NULL before the first step */
    mouv__context_t context;
    int result;

    mouv__future_t *awaiting; /* from suspending in an await until it returns */
    mouv__future_listener_t listener;
    const char *place_file; /* where in the program, if it told; see <mouv/place.h> */
    int place_line;
    bool has_awaiter; /* scratch of dump.c */
    mouv__timer_t timer;

    bool cancelled;
    mouv_scope_t *scopes; /* innermost first */
    bool inherits;        /* deadlines of its awaiter: not if made by mouv_task() */
    int64_t limit_ns;     /* such a deadline, for the operations in it; else MOUV__NEVER */
    mouv__last_error_t last;
    mouv__locals_t *locals; /* task-local values, NULL if there are none */

    mouv__task_t *call;         /* the innermost coroutine that it runs as a call */
    mouv__task_t *call_outside; /* of such a one: which it is run in */

    mouv__list_t cold;     /* coroutines made by this task and not started, the newest first */
    mouv__list_t *cold_in; /* of a cold coroutine: the list of those of its maker */
    mouv__link_t link;     /* there, and later in the runtime's tasks */
};

/** The flags of a scope (<mouv/scope.h>). DUE: its time has come, and takes effect in its turn. */
enum {
    MOUV__SCOPE_SHIELD = 1,
    MOUV__SCOPE_EXPIRED = 2,
    MOUV__SCOPE_ENDED = 4,
    MOUV__SCOPE_GROUP = 8,
    MOUV__SCOPE_DUE = 16
};

/** Which state may follow which: [from][to]. */
extern const bool mouv__task_may_become[7][7];

_Static_assert(offsetof(mouv__task_t, future) == 0, "what runs is seen as a future, too");

static inline void mouv__task_become(mouv__task_t *task, mouv__task_state_t state) {
    assert(mouv__task_may_become[task->state][state]);
    task->state = state;
}

/** Switches to the loop; returns when `task->ready` has been run. The running task only, once it
 *  has become what it waits for. */
void mouv__task_suspend(mouv__task_t *task);

/** Schedules the next step of a suspended task. */
void mouv__task_wake(mouv__task_t *task);

/**
 * The running task has been left by a jump (longjmp, as failed assertions of test frameworks do) to the
 * plain stack (`thread_stack` of the runtime), where the caller is; whoever ran the loop has been left
 * with it. Says so; the task ends in the next tick, and until then its stack stays as it is.
 */
void mouv__task_leave(mouv__task_t *task);

/** Whether suspensions are refused: a scope around has expired or the task is cancelled. */
bool mouv__task_refused(const mouv__task_t *task);

/** Whether by time alone: no cancel, and no group's failure, is behind it. */
bool mouv__task_timed_out(const mouv__task_t *task);

/** The nearest deadline, MOUV__NEVER if none. */
int64_t mouv__task_deadline(const mouv__task_t *task);

/** The scopes of the task that are due expire in the next round. */
void mouv__task_expire_soon(mouv__task_t *task);

/** If it is suspended and refused: makes what it waits for stop. */
void mouv__task_interrupt(mouv__task_t *task);

/** What a body's int comes to: `error` is filled if the result is negative. */
int mouv__task_outcome(mouv__task_t *task, int rc, const char *fn_name, mouv_error_t *error);

#endif
