/*
 * Seeing inside: debug mode, the tasks there are, what each waits for and where, use of stacks.
 */
#ifndef MOUV_DEBUG_H
#define MOUV_DEBUG_H

#include <stdbool.h>
#include <stdio.h>

#include <mouv/base.h>
#include <mouv/error.h>
#include <mouv/future.h>

MOUV_BEGIN_DECLS

/**
 * Debug mode, for the whole process; also on from the start with MOUV_DEBUG=1 in the environment.
 * It reports, through the log hook, steps of tasks that kept the loop for longer than the slow
 * limit ("Executing task 'Task-3' (parse at main.c:12) took 0.152 seconds") and futures used from a
 * thread other than theirs, and installs the report of stack overflows. When a runtime closes it
 * names, in at most ten lines, the futures that have been neither awaited nor released: what they are
 * and which task made them.
 *
 * Context: any thread. Like: asyncio's debug mode.
 */
MOUV_API void mouv_debug_enable(bool enable);

/** Whether it is on. Any thread. */
MOUV_API bool mouv_debug_enabled(void);

/** The limit of a slow step, 100 by default. Any thread. */
MOUV_API void mouv_debug_set_slow_ms(int64_t limit_ms);

/**
 * The tasks of this thread's runtime that have not ended, oldest first: at most `capacity` handles
 * without references go to `tasks` (NULL if 0); returns how many there are.
 *
 * Like: asyncio.all_tasks().
 */
MOUV_API size_t mouv_all_tasks(mouv_future_t *tasks, size_t capacity);

/**
 * Writes the tree of tasks, who waits for whom: each with its name, function, state, what it awaits
 * and where (file:line). Returns the number of tasks; 0 without a runtime on this thread.
 *
 *     Task-1 main (mouv_run:0): awaits gather at main.c:44
 *       Task-2 fetch (main.c:44): awaits find shop.users at main.c:20
 *       Task-3 pause (main.c:44): sleeps for 350 ms more at main.c:31
 *
 * Context: the runtime's thread, in or outside a coroutine. Like: asyncio's print_call_graph().
 */
MOUV_API size_t mouv_dump_tasks(FILE *out);

/**
 * From now on this signal makes the runtime write mouv_dump_tasks() to stderr (kill -USR1 PID). It
 * does not keep the loop alive and ends with the runtime.
 *
 * Errors: MOUV_ENOLOOP, MOUV_EINVAL for a number that is no signal, MOUV_ENOMEM, MOUV_ESYSTEM.
 */
MOUV_API int mouv_dump_on_signal(int signum);

/** What the stacks of all tasks come to. */
typedef struct {
    size_t tasks;            /**< that have a stack now */
    size_t reserved_bytes;   /**< their address space */
    size_t touched_bytes;    /**< of it, memory that was ever touched (whole pages) */
    size_t high_water_bytes; /**< the most that one of them has touched */
    char deepest[64];        /**< which: "Task-3 parse" */
} mouv_stack_census_t;

/** Looks at every stack; some microseconds each. The runtime's thread. */
MOUV_API void mouv_stack_census(mouv_stack_census_t *census);

/**
 * Names the task whose stack overflows ("stack overflow in task 'Task-3' (parse at main.c:12)")
 * before the process dies of SIGSEGV as it would anyway. mouv_main() and debug mode do this
 * unless the program has a SIGSEGV handler of its own. It lasts until the runtime ends, and needs an
 * alternate stack (sigaltstack()): the program's, if it has one on this thread.
 *
 * Context: a thread with a runtime. Errors: MOUV_ENOLOOP, MOUV_ENOMEM, MOUV_ESYSTEM, MOUV_ESTATE if
 * there is another handler.
 */
MOUV_API int mouv_report_stack_overflow(void);

MOUV_END_DECLS

#endif
