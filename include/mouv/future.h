/*
 * mouv_future_t: the value handle of everything that can be awaited.
 */
#ifndef MOUV_FUTURE_H
#define MOUV_FUTURE_H

#include <stdbool.h>

#include <mouv/base.h>
#include <mouv/error.h>

/**
 * A handle, not a pointer: copying it copies no reference, and one whose future has gone is
 * recognised. An operation, a timer, a task, a coroutine not yet started and a gather are all
 * futures.
 *
 * Who owns: a constructor gives one reference with its handle. mouv_future_*() functions borrow
 * it. Every other function that takes a future consumes the reference, also when it fails (what it
 * consumed is then cancelled); using the handle afterwards is MOUV_EINVAL "already consumed".
 * mouv_wait() and mouv_as_completed() borrow.
 *
 * Constructors always give a handle. Where they fail it is one that has failed already, so errors
 * are handled in one place: at the await.
 *
 * Context of all functions here: the thread of the future's runtime; none suspends but
 * mouv_future_drop().
 */
typedef struct mouv_future {
    uint64_t id; /**< slot and generation; 0: none */
} mouv_future_t;

/** What is called once a future is done. */
typedef void (*mouv_future_fn_t)(mouv_future_t future, void *arg);

MOUV_BEGIN_DECLS

/**
 * A pending future for the caller to complete. The reference is for whoever awaits it; the handle
 * stays good for mouv_future_set_result() until that await has returned.
 *
 * Like: asyncio's loop.create_future().
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_future_new(void);

/**
 * Completes a future of mouv_future_new() with a value (0 or more; a negative one is a failure with
 * that code). Callbacks and awaiters run on a later tick.
 *
 * Errors: MOUV_ESTATE if it is done already (`error` of a second call is not kept), MOUV_EINVAL for
 * a stale handle or a future of another kind.
 */
MOUV_API int mouv_future_set_result(mouv_future_t future, int result);

/** As mouv_future_set_result(), with a failure; `error->code` must be negative. Copies `error`. */
MOUV_API int mouv_future_set_error(mouv_future_t future, const mouv_error_t *error);

/** Adds one reference and returns the handle: `mouv_gather(f, mouv_future_ref(f))`. */
MOUV_API mouv_future_t mouv_future_ref(mouv_future_t future);

/**
 * Gives one reference up. Never cancels: a pending task or operation runs on by itself. A coroutine
 * that never ran is reported ("was never awaited"), so is a failure that nobody retrieved. A stale
 * handle does nothing.
 */
MOUV_API void mouv_future_unref(mouv_future_t future);

/**
 * Asks for cancellation. Returns true if the future was pending and had not been asked before. A
 * task sees MOUV_ECANCELED at its suspensions and settles when its body returns; other futures
 * settle by themselves.
 */
MOUV_API bool mouv_future_cancel(mouv_future_t future);

/**
 * Asks for cancellation in `ms` milliseconds, as mouv_future_cancel() does then; nothing happens if it is
 * done by that time. 0 or less: when the loop turns next. A second call sets another time in place of the
 * first; MOUV_FOREVER takes it back. It is a cancel and no deadline: what comes of it is MOUV_ECANCELED, no
 * server learns of it, and the body of a task may go on for its clean-up. mouv_wait_for() is the deadline.
 *
 * Ownership: borrows the handle; until the time or the end of the future, whichever comes first, the
 *            future is held and keeps the loop alive.
 * Errors:    MOUV_EINVAL for a stale or foreign handle, MOUV_ENOMEM. 0 if it is done.
 * Like:      asyncio's `loop.call_later(delay, task.cancel)`.
 */
MOUV_API int mouv_future_cancel_after(mouv_future_t future, int64_t ms);

/** Whether both are handles of one future, also where that has gone. Two zero handles are equal, and so
 *  are two constructors that failed with nothing but the same code. Any thread. */
MOUV_API bool mouv_future_equal(mouv_future_t a, mouv_future_t b);

/** Whether it has completed, in whichever way; true for a stale handle. */
MOUV_API bool mouv_future_done(mouv_future_t future);

/** Whether it completed with MOUV_ECANCELED. */
MOUV_API bool mouv_future_cancelled(mouv_future_t future);

/**
 * The result of a completed future: its value, or its negative code with `error` filled (this
 * counts as retrieving it). Outputs of operations are not touched: awaiting moves those.
 *
 * Errors: MOUV_ESTATE "Result is not set." while pending; MOUV_EINVAL for a stale handle.
 */
MOUV_API int mouv_future_result(mouv_future_t future, mouv_error_t *error);

/**
 * Calls `fn(future, arg)` on a later tick once the future is done, also if it is done already. The
 * handle is valid inside `fn`. Callbacks run in the order in which they were added.
 */
MOUV_API int mouv_future_add_done_callback(mouv_future_t future, mouv_future_fn_t fn, void *arg);

/** Removes all callbacks added with this `fn` and `arg` that have not run; returns how many. */
MOUV_API int mouv_future_remove_done_callback(mouv_future_t future, mouv_future_fn_t fn, void *arg);

/** The name, by default "Task-7", of an operation "find shop.users"; valid until the next call of
 *  mouv on this thread. */
MOUV_API const char *mouv_future_name(mouv_future_t future);

/** Gives it a name for messages and dumps; copied, cut at 31 bytes. */
MOUV_API void mouv_future_set_name(mouv_future_t future, const char *name);

/**
 * Cancels the future if it is pending and gives the reference up. What MOUV_AUTO calls.
 *
 * In a coroutine it then suspends until what runs in it has returned: the body of a task that has
 * begun, a function of mouv_offload(), and those that a gather, a group or a wait_for waits for. So
 * their arguments may lie beside the handle, on the stack. It waits in a cancelled task and an
 * expired scope as well. Operations need no waiting: they own what they use. Outside of a coroutine
 * nothing can be waited for: the task is cancelled and ends by itself.
 */
MOUV_API MOUV_SUSPENDS void mouv_future_drop(mouv_future_t *future);

MOUV_END_DECLS

/** `MOUV_AUTO mouv_future_t f = ...;` cancels and drops f at the end of its scope, and waits for the
 *  body of a task: see mouv_future_drop(). */
#ifdef MOUV_CLEANUP
#define MOUV_AUTO MOUV_CLEANUP(mouv_future_drop)
#endif

#endif
