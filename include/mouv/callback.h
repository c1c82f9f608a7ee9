/*
 * Callbacks on the loop: soon, later, at a time. For programs without coroutines.
 */
#ifndef MOUV_CALLBACK_H
#define MOUV_CALLBACK_H

#include <stdbool.h>

#include <mouv/base.h>

/** A callback that is to come. A value that needs no release; recognised once it is over. */
typedef struct mouv_handle {
    uint64_t id; /**< 0: none */
} mouv_handle_t;

/** What is called, on the loop, outside of any task. */
typedef void (*mouv_call_fn_t)(void *arg);

MOUV_BEGIN_DECLS

/**
 * Calls `fn(arg)` once, outside of any task, when what is ready now has run. Callbacks and ready
 * tasks run in the order in which they became ready. One that has not run when the runtime closes
 * is cancelled.
 *
 * Context: a thread with a runtime, in or outside a coroutine; never suspends. Until it has run, it
 *          keeps the loop alive.
 * Returns: 0, with `*handle` (may be NULL) set.
 * Errors:  MOUV_EINVAL for no function, MOUV_ENOMEM, MOUV_ENOLOOP; `*handle` is then not touched.
 * Like:    loop.call_soon(), which gives a Handle.
 */
MOUV_API int mouv_call_soon(mouv_call_fn_t fn, void *arg, mouv_handle_t *handle);

/**
 * As mouv_call_soon(), after at least `delay_ms`; 0 or less is when the loop turns next. Callbacks
 * of one time run in the order in which they were asked for.
 *
 * Like: loop.call_later().
 */
MOUV_API int mouv_call_later(int64_t delay_ms, mouv_call_fn_t fn, void *arg, mouv_handle_t *handle);

/**
 * As mouv_call_later(), when mouv_now_ms() has reached `when_ms`.
 *
 * Like: loop.call_at().
 */
MOUV_API int mouv_call_at(int64_t when_ms, mouv_call_fn_t fn, void *arg, mouv_handle_t *handle);

/**
 * Sees to it that the callback does not run. Returns whether it was still to run: false if it has
 * begun, has been cancelled, or is none of this thread's.
 *
 * Like: Handle.cancel().
 */
MOUV_API bool mouv_handle_cancel(mouv_handle_t handle);

/** Whether the callback is still to run. */
MOUV_API bool mouv_handle_pending(mouv_handle_t handle);

MOUV_END_DECLS

#endif
