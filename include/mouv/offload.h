/*
 * Blocking functions on libuv's thread pool, awaited like everything else.
 */
#ifndef MOUV_OFFLOAD_H
#define MOUV_OFFLOAD_H

#include <mouv/base.h>
#include <mouv/future.h>

/** Releases what an offloaded function was given, on the runtime's thread or a worker. */
typedef void (*mouv_free_fn_t)(void *arg);

/**
 * Runs the blocking function `int fn(void *arg)` on a thread of libuv's pool. The result is its
 * int; `return mouv_fail(-5, "no file %s", name);` gives its awaiter the text as well. Nothing else
 * of mouv can be used inside it but mouv_call_soon_threadsafe() and its like.
 *
 * libuv has one pool for the whole process, UV_THREADPOOL_SIZE threads (4 by default), which name
 * look-ups and uv_fs_*() share: functions that block for long starve those. If the pool cannot
 * start its threads, libuv ends the process.
 *
 * Context:   a thread with a runtime, in or outside a coroutine; never suspends.
 * Ownership: `arg` is borrowed until the future is done. It may lie on the stack of an awaiter.
 * Deadline:  none while it runs: an expired timeout waits for the function.
 * Cancel:    not started: never runs, MOUV_ECANCELED. Started: the future waits until the function
 *            has returned and has its result; the cancel of an awaiting task stays pending. Closing
 *            the runtime waits likewise, as `arg` may be borrowed from it.
 * Returns:   a future whose result is the function's.
 * Errors:    the function's; MOUV_ECANCELED, MOUV_EINVAL, MOUV_ENOMEM, MOUV_ENOLOOP, MOUV_ECLOSED.
 * Like:      asyncio.to_thread().
 */
#define mouv_offload(...) mouv_offload_at(__VA_ARGS__, MOUV_NAME_OF_FIRST(__VA_ARGS__))

/**
 * As mouv_offload(), for a function that may be left behind: when its future is cancelled it is
 * done at once with MOUV_ECANCELED. A function that runs then goes on, unseen, its thread taken
 * until it returns; its result is dropped. So it should have no effect that matters.
 *
 * Ownership: takes `arg`, also on failure, and calls `free_arg(arg)` (may be NULL) once when the
 *            function has returned or will never run: on the runtime's thread, or on the worker if
 *            the runtime has gone.
 * Cancel:    see above. The close of a runtime does not wait for it: afterwards nothing of it is on
 *            the loop, and a warning has named the function. Only exit() waits for it, as libuv
 *            joins its threads there; _exit() does not.
 */
#define mouv_offload_detached(...) \
    mouv_offload_detached_at(__VA_ARGS__, MOUV_NAME_OF_FIRST(__VA_ARGS__))

MOUV_BEGIN_DECLS

/** What mouv_offload() and mouv_offload_detached() call. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_offload_at(mouv_fn_t fn, void *arg,
                                                         const char *fn_name);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_offload_detached_at(mouv_fn_t fn, void *arg,
                                                                  mouv_free_fn_t free_arg,
                                                                  const char *fn_name);

MOUV_END_DECLS

#endif
