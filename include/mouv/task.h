/*
 * Coroutines and tasks: starting bodies that may await.
 */
#ifndef MOUV_TASK_H
#define MOUV_TASK_H

#include <stdbool.h>

#include <mouv/base.h>
#include <mouv/future.h>

/** Options of mouv_task_with(); zero is the default of each. */
typedef struct mouv_task_opts {
    const char *name;       /**< copied, cut at 31 bytes; default "Task-N" */
    size_t stack_size;      /**< bytes; default 256 KiB, at least 32 KiB, reserved and not used */
    const void *copy;       /**< argument block to copy into the task; `arg` is then ignored */
    size_t copy_size_bytes; /**< its size */
} mouv_task_opts_t;

/**
 * A coroutine: cold until awaited. Awaited, it is a call in the awaiter's own task; in gather, a
 * group or mouv_wait_for() it becomes a task. One that is never awaited is reported with its file
 * and line when it is dropped, at the latest when the task that made it ends.
 *
 * Context:   a thread with a runtime; never suspends.
 * Ownership: `arg` is borrowed until the body has returned.
 * Like:      calling an `async def` function.
 */
#define mouv_coro(...) \
    mouv_coro_at(__VA_ARGS__, MOUV_NAME_OF_FIRST(__VA_ARGS__), __FILE__, __LINE__)

/** As mouv_coro(), with `size` bytes at `args` copied into the coroutine; the body gets the copy. */
#define mouv_coro_copy(...) \
    mouv_coro_copy_at(__VA_ARGS__, MOUV_NAME_OF_FIRST(__VA_ARGS__), __FILE__, __LINE__)

/**
 * A task: scheduled now, started at the creator's next suspension, first come first served. The
 * runtime holds a reference until it has ended.
 *
 * Context:   a thread with a runtime; never suspends.
 * Ownership: `arg` is borrowed until the body has returned; see mouv_task_copy().
 * Returns:   a future whose result is the body's.
 * Like:      asyncio.create_task().
 */
#define mouv_task(...) \
    mouv_task_at(__VA_ARGS__, NULL, MOUV_NAME_OF_FIRST(__VA_ARGS__), __FILE__, __LINE__)

/** As mouv_task(), with `size` bytes at `args` copied into the task; the body gets the copy. */
#define mouv_task_copy(...) \
    mouv_task_copy_at(__VA_ARGS__, MOUV_NAME_OF_FIRST(__VA_ARGS__), __FILE__, __LINE__)

/** As mouv_task(), with a `const mouv_task_opts_t *`. MOUV_EINVAL for a stack of less than 32 KiB. */
#define mouv_task_with(...) \
    mouv_task_at(__VA_ARGS__, MOUV_NAME_OF_FIRST(__VA_ARGS__), __FILE__, __LINE__)

MOUV_BEGIN_DECLS

/** What mouv_coro(), mouv_task() and their siblings call. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_coro_at(mouv_fn_t fn, void *arg, const char *fn_name,
                                                      const char *file, int line);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_coro_copy_at(mouv_fn_t fn, const void *args,
                                                           size_t size, const char *fn_name,
                                                           const char *file, int line);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_task_at(mouv_fn_t fn, void *arg,
                                                      const mouv_task_opts_t *opts,
                                                      const char *fn_name, const char *file,
                                                      int line);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_task_copy_at(mouv_fn_t fn, const void *args,
                                                           size_t size, const char *fn_name,
                                                           const char *file, int line);

/**
 * The running task, for name, cancel and callbacks; a handle without a reference, so do not await
 * or unref it. Outside a coroutine: a stale handle.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_current_task(void);

/** Whether the caller runs inside a coroutine and may suspend. Any thread. */
MOUV_API bool mouv_in_coroutine(void);

/** Whether the running task has been cancelled (and has not called mouv_uncancel()). A scope whose time
 *  is over, or a group that has failed, is no cancel of the task: mouv_refused() tells of all three. */
MOUV_API bool mouv_cancelling(void);

/**
 * Whether the caller is to come to its end: every suspension and every new operation is refused with
 * MOUV_ECANCELED, because its task has been cancelled, the time of a scope around it is over
 * (mouv_timeout_expired() tells of which), or a group that it has begun has failed. Not inside a
 * shield scope. For loops that compute, and clean-up that depends on it.
 *
 * Context: any; false outside of coroutines. Never suspends.
 * Like:    the CancelledError that asyncio would raise at the next await.
 */
MOUV_API bool mouv_refused(void);

/**
 * Withdraws the cancellation of the running task, which may then suspend again. Returns whether
 * there was one. An expired timeout scope stays expired.
 */
MOUV_API bool mouv_uncancel(void);

/**
 * The running task's next suspension is at this line; forgotten when it has resumed. Outside a
 * coroutine it does nothing. The macros of place.h call it; a wrapper of a suspending function may
 * too.
 */
MOUV_API void mouv_at(const char *file, int line);

MOUV_END_DECLS

#endif
