/*
 * The fields of a runtime; for src/async alone. Upper layers use the functions of runtime.h.
 */
#ifndef MOUV_ASYNC_LOOP_STATE_H
#define MOUV_ASYNC_LOOP_STATE_H

#include "async/loop/clock.h"
#include "async/loop/future.h"
#include "async/loop/handle.h"
#include "async/loop/local.h"
#include "async/loop/raise.h"
#include "async/loop/runtime.h"
#include "async/loop/timer.h"
#include "context/context.h"
#include "context/list.h"
#include "context/stack.h"

typedef struct mouv__task mouv__task_t;

/** OPEN -> JOINING (tasks end) -> DETACHING (clients end) -> CLOSING (handles end). */
typedef enum mouv__runtime_phase {
    MOUV__OPEN,
    MOUV__JOINING,
    MOUV__DETACHING,
    MOUV__CLOSING
} mouv__runtime_phase_t;

/** Someone who called mouv_runtime_close(). */
typedef struct mouv__closer {
    mouv__link_t link;
    mouv_runtime_close_fn_t fn;
    void *arg;
} mouv__closer_t;

/** The heap of armed timers, earliest first. */
typedef struct mouv__timers {
    mouv__timer_t **heap;
    size_t count, capacity;
    uint64_t armed;      /* total, gives `order` */
    int64_t alarm_at_ns; /* what the uv_timer_t is set to; MOUV__NEVER if stopped */
} mouv__timers_t;

/** What one future makes others do, in turn instead of in depth; see future.c. */
typedef struct mouv__chores {
    mouv__list_t waiting;
    bool busy;
} mouv__chores_t;

struct mouv_runtime {
    uv_loop_t *loop;
    uv_async_t wake;       /* mail; referenced while `kept` > 0 */
    uv_prepare_t prepare;  /* looks before the poll whether that may block */
    uv_check_t check;      /* runs what became ready in the poll */
    uv_idle_t idle;        /* active while something is ready, so that the poll does not block */
    uv_idle_cb tick;       /* what it does then */
    uv_timer_t alarm;      /* the earliest timer */
    uv_timer_t substitute; /* for all of them, where the program has closed them (uv_walk()) */
    int open_handles;
    bool orphaned; /* this is the child of a fork(), where it is nobody's */
    size_t kept;

    mouv__mailbox_t *mailbox;
    mouv__list_t ready;
    mouv__list_t round;             /* what is left of the round that is run */
    const mouv__link_t *round_last; /* its last one, while there is any */
    mouv__handles_t handles;
    mouv__chores_t chores[3];
    mouv__timers_t timers;
    mouv__clock_t clock;
    mouv__locals_t **locals; /* of what runs: a task or a callback; NULL: those of the runtime */
    mouv__last_error_t *last_error; /* of the running task, NULL outside of any; see raise.h */

    /* what task/ keeps here */
    mouv__stack_pool_t stacks;
    mouv__context_t context; /* the loop's own stack */
    mouv__task_t *current;   /* begins with its future */
    mouv__list_t tasks;      /* in the order in which they were made */
    uint64_t tasks_made;
    mouv__list_t cold; /* coroutines made outside of any task and not started */

    mouv__list_t attachments; /* the newest first */
    mouv__list_t signals;     /* that are watched, see outside/signal.c */
    mouv__runtime_phase_t phase;
    mouv__list_t closers;
    mouv__closer_t first_closer; /* so that closing needs no memory */
    bool reports_overflow;       /* see task/stacks.c */
    void *fault_stack;           /* of the overflow report, see task/stacks.c */
    bool in_tick;
    bool owns_loop; /* of mouv_run(), on the heap */
    bool deserted;  /* a jump has led out of a coroutine, and so out of whoever drove the loop */
    uint64_t nested_task;              /* the number of the last task with a uv_run() in it */
    mouv__stack_bounds_t thread_stack; /* once it has been asked for */
    bool
        stirred; /* the loop may have something to do, or to watch, that its poller does not know */
    bool pumped; /* by mouv_runtime_pump(), which frees what is `closed` meanwhile */
    mouv__future_t *goal; /* of mouv_run_until(), which frees what is `closed` meanwhile */
    bool closed;
    mouv__timer_t join_timer; /* for naming tasks that outlive their cancellation */
};

#endif
