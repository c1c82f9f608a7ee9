/*
 * The way in from other threads: callbacks and tasks sent to a runtime's thread.
 */
#ifndef MOUV_THREADSAFE_H
#define MOUV_THREADSAFE_H

#include <stdbool.h>

#include <mouv/base.h>
#include <mouv/error.h>
#include <mouv/runtime.h>

/**
 * A counted address of a runtime that any thread may hold, also after the runtime has gone: what is
 * sent then fails with MOUV_ECLOSED. It does not keep the loop alive: a program that waits for
 * other threads has a task or a handle of its own waiting.
 *
 * Everything else of mouv belongs to the runtime's thread.
 */
typedef struct mouv__mailbox mouv_remote_t;

/** A task started from another thread; counted, for any thread. */
typedef struct mouv_remote_task mouv_remote_task_t;

MOUV_BEGIN_DECLS

/**
 * The address of this thread's runtime, to be handed to other threads.
 *
 * Context:   the runtime's thread; never suspends, never allocates.
 * Ownership: release with mouv_remote_unref().
 * Returns:   NULL if `runtime` is not this thread's.
 */
MOUV_API mouv_remote_t *mouv_remote_new(mouv_runtime_t *runtime);

/** Adds a reference and returns the address. Any thread. */
MOUV_API mouv_remote_t *mouv_remote_ref(mouv_remote_t *remote);

/** Gives a reference up; takes NULL, returns NULL. Any thread. */
MOUV_API mouv_remote_t *mouv_remote_unref(mouv_remote_t *remote);

/**
 * Has `fn(arg)` called on the runtime's thread, outside of any task, soon, once. Calls of one
 * thread keep their order.
 *
 * Context: any thread, the runtime's own included; never blocks.
 * Returns: 0 if it is under way; it is dropped if the runtime closes before the loop has turned.
 * Errors:  MOUV_ECLOSED, MOUV_ENOMEM, MOUV_EINVAL: `fn` is not called.
 * Like:    loop.call_soon_threadsafe().
 */
MOUV_API int mouv_call_soon_threadsafe(mouv_remote_t *remote, void (*fn)(void *arg), void *arg);

/**
 * Runs `int fn(void *arg)` as a task on the runtime's thread and blocks until it has ended. Its
 * int, or its error.
 *
 * Context:   any thread but the runtime's own.
 * Ownership: borrows `arg`; it may lie on the caller's stack.
 * Cancel:    a runtime that closes cancels the task.
 * Errors:    the task's; MOUV_EDEADLK on the runtime's own thread; MOUV_ECLOSED if the task did not
 *            start; MOUV_ETHREAD in the child of a fork(); MOUV_ENOMEM, MOUV_EINVAL.
 * Like:      asyncio.run_coroutine_threadsafe(...).result().
 */
#define mouv_run_threadsafe(...) \
    mouv_run_threadsafe_at(__VA_ARGS__, MOUV_NAME_OF_SECOND(__VA_ARGS__), __FILE__, __LINE__)

/**
 * As mouv_run_threadsafe(), for at most `timeout_ms`: then the task is cancelled, waited for until
 * its body has returned, and its MOUV_ECANCELED turned into MOUV_ETIMEDOUT; any other outcome is
 * returned as it is. One that has not begun by then, as its loop is busy, never will: that is
 * MOUV_ETIMEDOUT at once.
 */
#define mouv_run_threadsafe_for(...) \
    mouv_run_threadsafe_for_at(__VA_ARGS__, MOUV_NAME_OF_SECOND(__VA_ARGS__), __FILE__, __LINE__)

/**
 * As mouv_run_threadsafe() without the waiting: a task to wait for, look at or cancel.
 *
 * Context:   any thread; never blocks.
 * Ownership: `arg` is borrowed until the task has ended. Release with mouv_remote_task_unref(),
 *            which does not cancel.
 * Returns:   NULL if out of memory, or if `remote` or `fn` is NULL.
 * Like:      asyncio.run_coroutine_threadsafe(), which gives a concurrent.futures.Future.
 */
#define mouv_remote_task(...) \
    mouv_remote_task_at(__VA_ARGS__, MOUV_NAME_OF_SECOND(__VA_ARGS__), __FILE__, __LINE__)

/** What mouv_run_threadsafe(), mouv_run_threadsafe_for() and mouv_remote_task() call. */
MOUV_API int mouv_run_threadsafe_at(mouv_remote_t *remote, mouv_fn_t fn, void *arg,
                                    mouv_error_t *error, const char *fn_name, const char *file,
                                    int line);
MOUV_API int mouv_run_threadsafe_for_at(mouv_remote_t *remote, mouv_fn_t fn, void *arg,
                                        int64_t timeout_ms, mouv_error_t *error,
                                        const char *fn_name, const char *file, int line);
MOUV_API mouv_remote_task_t *mouv_remote_task_at(mouv_remote_t *remote, mouv_fn_t fn, void *arg,
                                                 const char *fn_name, const char *file, int line);

/**
 * Blocks until the task has ended, for at most `timeout_ms` (INT64_MAX: for ever), and returns its
 * int or its error; may be called again. Does not cancel.
 *
 * Context: any thread but the runtime's own.
 * Errors:  the task's; MOUV_ETIMEDOUT while it still runs; MOUV_ECLOSED if the runtime went before
 *          it could start; MOUV_EDEADLK on the runtime's own thread while it still runs;
 *          MOUV_EINVAL.
 */
MOUV_API int mouv_remote_task_wait(mouv_remote_task_t *task, int64_t timeout_ms,
                                   mouv_error_t *error);

/**
 * Asks for cancellation, as mouv_future_cancel(); true if it has not ended and was not asked
 * before. Any thread; never blocks.
 */
MOUV_API bool mouv_remote_task_cancel(mouv_remote_task_t *task);

/** Whether it has ended. Any thread. */
MOUV_API bool mouv_remote_task_done(mouv_remote_task_t *task);

/** Gives the reference up; NULL is fine. Returns NULL. Any thread. */
MOUV_API mouv_remote_task_t *mouv_remote_task_unref(mouv_remote_task_t *task);

MOUV_END_DECLS

#endif
