/*
 * The runtime: mouv on a libuv loop, and the three ways into it from plain code.
 */
#ifndef MOUV_RUNTIME_H
#define MOUV_RUNTIME_H

#include <stdbool.h>

#include <mouv/base.h>
#include <mouv/error.h>
#include <mouv/future.h>

struct uv_loop_s; /* libuv's uv_loop_t; <uv.h> itself is no strict C99 */

/** A loop's runtime, one a thread. Opaque. */
typedef struct mouv_runtime mouv_runtime_t;

/** What mouv_runtime_close() calls at the end. */
typedef void (*mouv_runtime_close_fn_t)(mouv_runtime_t *runtime, void *arg);

MOUV_BEGIN_DECLS

/**
 * Makes a loop, runs `fn(arg)` as the main task, cancels and joins what it left behind, closes the
 * loop. Returns the body's int, or its error.
 *
 * Context: a thread without a runtime; blocks it.
 * Errors:  the body's; MOUV_ESTATE "mouv_run() cannot be called from a running event loop";
 *          MOUV_ENOMEM, MOUV_ESYSTEM.
 * Like:    asyncio.run().
 */
MOUV_API int mouv_run(mouv_fn_t fn, void *arg, mouv_error_t *error);

/**
 * mouv_run() for `main()`: prints a failure to stderr and returns an exit status. That is the
 * body's int if it lies between 0 and 255, else 1; after Ctrl-C or SIGTERM 130 or 143.
 *
 * The first Ctrl-C or SIGTERM cancels the main task, which may clean up; the second ends the
 * process at once, also when the loop is stuck in a call that blocks (the same signal twice then).
 * A signal that is ignored when it is called (nohup, a script's background job) stays ignored, and
 * one that the program has a handler for is left to that. See <mouv/signal.h> for taking them over.
 * A task whose stack overflows is named before the process dies of it (mouv_report_stack_overflow());
 * SIGSEGV and the thread's alternate stack, if it had none, are at the end as they were.
 */
MOUV_API int mouv_main(mouv_fn_t fn, void *arg);

/**
 * Attaches a runtime to a loop of the caller's, on the thread that runs it. mouv never stops or
 * closes this loop and keeps it alive only while tasks or operations are pending.
 *
 * Standard descriptors that are closed are opened on /dev/null, as mouv_run() and mouv_main() do.
 * uv_run() may be called in a callback, not in a coroutine: tasks do not go on in that one, and it
 * returns at once, with an error in the log.
 *
 * Ownership: `*runtime` is set on success; mouv_runtime_close() releases it.
 * Errors:    MOUV_EINVAL for NULL, MOUV_ESTATE if the thread has a runtime already, MOUV_ENOMEM,
 *            MOUV_ESYSTEM.
 */
MOUV_API int mouv_runtime_attach(mouv_runtime_t **runtime, struct uv_loop_s *loop);

/**
 * Cancels every task, waits for all of them, closes clients and handles, then calls `fn` on the
 * loop and releases the runtime. After that mouv has nothing on the loop and uv_loop_close()
 * returns 0, even if a worker thread is still stuck in a call: it is reported and frees its own
 * job. Tasks that keep awaiting after the cancel are named in a warning and waited for. A second
 * call is harmless: its `fn` is called too.
 *
 * A uv_walk() that closes every handle of the loop closes mouv's, too: before this call it is allowed
 * (tasks still end in order, clients are cut off); between this call and `fn` nothing is left that
 * could go on, and `fn` is not called. Best is the other order: this first, the walk in `fn`.
 *
 * Context: the runtime's thread, from a callback or the plain stack; the loop must run afterwards.
 * Like:    uv_close().
 */
MOUV_API void mouv_runtime_close(mouv_runtime_t *runtime, mouv_runtime_close_fn_t fn, void *arg);

/**
 * Runs the loop until the future is done and returns as mouv_await() would. For tests, fixtures and
 * command lines.
 *
 * Context:   the runtime's thread, while its loop is not running; blocks.
 * Ownership: consumes the future. A cold coroutine becomes a task.
 * Jumps:     a coroutine that a longjmp() has left, as a failed assertion does, is ended by the next
 *            call of mouv on the plain stack, and the future is cancelled (docs/testing.md).
 * Errors:    the future's; MOUV_ESTATE if the loop is running (seen from tasks and from mouv's own
 *            callbacks; libuv cannot tell in callbacks of the program's own handles, where this
 *            must not be called), or has nothing left to do before the future is done (it is
 *            cancelled then); MOUV_EINVAL.
 */
MOUV_API int mouv_run_until(mouv_runtime_t *runtime, mouv_future_t future, mouv_error_t *error);

/**
 * For a program whose loop is another one (epoll, libevent, GLib): a descriptor that is readable when the
 * runtime wants to be pumped. The host watches it for reading, level-triggered, and nothing else of it:
 *
 *     for (;;) {
 *         mouv_runtime_pump(runtime);
 *         int n = epoll_wait(set, events, 16, mouv_runtime_timeout_ms(runtime));
 *         ...                               // events of the host's; they may call mouv
 *     }
 *
 * A uv_loop_t there has to be, made by uv_loop_init(): mouv_runtime_attach() takes it, and nobody runs it.
 *
 * Context: the runtime's thread. Returns: the descriptor, the same for the runtime's life; -1 for NULL.
 * Like:    uv_backend_fd().
 */
MOUV_API int mouv_runtime_fd(const mouv_runtime_t *runtime);

/**
 * How long the host may wait on mouv_runtime_fd() before the next pump: milliseconds, 0 for not at all, -1
 * for as long as it likes, as poll() and epoll_wait() have it. To be asked anew before each wait: what the
 * program has begun since the last pump (an operation, a task, a timer) makes it 0.
 *
 * Context: the runtime's thread; never suspends.
 */
MOUV_API int mouv_runtime_timeout_ms(const mouv_runtime_t *runtime);

/**
 * Runs what is due on the runtime's loop, tasks and callbacks, and never waits. A runtime that closes is
 * to be pumped until the callback of mouv_runtime_close() has been called; then it has gone.
 *
 * Context: the runtime's thread, from the host's loop; not inside of mouv's tasks and callbacks.
 * Returns: 1 while something on the loop is pending, else 0: the host may end.
 * Errors:  MOUV_EINVAL for NULL, or another thread's runtime; MOUV_ESTATE if the loop is running;
 *          MOUV_ETHREAD in a child of fork() that has come of it.
 * Like:    uv_run(loop, UV_RUN_NOWAIT).
 */
MOUV_API int mouv_runtime_pump(mouv_runtime_t *runtime);

/** This thread's runtime, or NULL. */
MOUV_API mouv_runtime_t *mouv_runtime_current(void);

/** The loop that a runtime is attached to. */
MOUV_API struct uv_loop_s *mouv_runtime_loop(mouv_runtime_t *runtime);

/** The runtime's monotonic clock in milliseconds (asyncio's loop.time()); 0 without a runtime. */
MOUV_API int64_t mouv_now_ms(void);

MOUV_END_DECLS

#endif
