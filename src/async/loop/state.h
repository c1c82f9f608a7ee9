/*
 * The fields of a runtime; for src/async alone. Upper layers use the functions of runtime.h.
 */
#ifndef MOUV_ASYNC_LOOP_STATE_H
#define MOUV_ASYNC_LOOP_STATE_H

#include "async/loop/clock.h"
#include "async/loop/handle.h"
#include "async/task/runtime.h"
#include "context/context.h"
#include "context/stack.h"

/** OPEN -> JOINING (tasks end) -> DETACHING (clients end) -> CLOSING (handles end). */
typedef enum mouv__runtime_phase {
    MOUV__OPEN,
    MOUV__JOINING,
    MOUV__DETACHING,
    MOUV__CLOSING
} mouv__runtime_phase_t;

/** Someone who called mouv_runtime_close(). */
typedef struct mouv__closer {
    struct mouv__closer *next;
    mouv_runtime_close_fn_t fn;
    void *arg;
} mouv__closer_t;

/** A signal that is watched, see signal.c. */
typedef struct mouv__signal mouv__signal_t;

/** The heap of armed timers, earliest first. */
typedef struct mouv__timers {
    mouv__timer_t **heap;
    size_t count, capacity;
    uint64_t armed;      /* total, gives `order` */
    int64_t alarm_at_ns; /* what the uv_timer_t is set to; MOUV__NEVER if stopped */
} mouv__timers_t;

/** What one future makes others do, in turn instead of in depth; see future.c. */
typedef struct mouv__chores {
    mouv__future_t *first, *last;
    bool busy;
} mouv__chores_t;

struct mouv_runtime {
    uv_loop_t *loop;
    uv_async_t wake;  /* mail; referenced while `kept` > 0 */
    uv_check_t check; /* runs what became ready in the poll */
    uv_idle_t idle;   /* active while something is ready, so that the poll does not block */
    uv_timer_t alarm; /* the earliest timer */
    int open_handles;
    size_t kept;

    mouv__mailbox_t *mailbox;
    mouv__ready_t *ready_head, *ready_tail;
    mouv__handles_t handles;
    mouv__chores_t chores[3];
    mouv__timers_t timers;
    mouv__clock_t clock;

    mouv__stack_pool_t stacks;
    mouv__context_t context; /* the loop's own stack */
    mouv__task_t *current;
    mouv__task_t *tasks, *last_task;
    uint64_t tasks_made;
    mouv__task_t *cold; /* coroutines made outside of any task and not started */

    mouv__attachment_t *attachments;
    mouv__signal_t *signals;
    mouv__runtime_phase_t phase;
    mouv__closer_t *closers;
    mouv__closer_t first_closer; /* so that closing needs no memory */
    void *fault_stack;           /* of the overflow report, see stacks.c */
    bool in_tick;
    mouv__future_t *goal; /* of mouv_run_until(), which frees what is `closed` meanwhile */
    bool closed;
    mouv__timer_t join_timer; /* for naming tasks that outlive their cancellation */
};

/** The thread's runtime. */
extern _Thread_local mouv_runtime_t *mouv__thread_runtime
    __attribute__((tls_model("initial-exec")));

void mouv__runtime_free(mouv_runtime_t *runtime);

int mouv__timers_open(mouv_runtime_t *runtime);
void mouv__timers_close(mouv_runtime_t *runtime);

/** The clock has been changed: when to wake is to be found anew. */
void mouv__timers_look(mouv_runtime_t *runtime);

/** Whether the loop must look at its timers by itself (never on the real clock). */
bool mouv__timers_due(const mouv_runtime_t *runtime);
/** Fires what is due; if nothing is ready a virtual clock jumps first. */
void mouv__timers_fire(mouv_runtime_t *runtime);

/** The loop turns once more before it waits. */
void mouv__runtime_turn(mouv_runtime_t *runtime);

#endif
