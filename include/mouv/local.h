/*
 * Task-local values: what a task and all it calls can see without passing it along.
 */
#ifndef MOUV_LOCAL_H
#define MOUV_LOCAL_H

#include <mouv/base.h>

/**
 * The key of one value in each task; declare it static. Zero-initialised it is ready to use, for
 * values that are plain pointers which outlive all who see them:
 *
 *     static mouv_local_t request_id;
 *     static mouv_local_t user = MOUV_LOCAL_INIT(copy_user, free_user);
 *
 * A task begins with the values of the task that made it, as they were then; what either sets later
 * the other does not see. Coroutines that are awaited share those of their awaiter, those that
 * become tasks (in gather, a group, wait_for) begin with those of who makes them so.
 *
 * Callbacks (mouv_call_soon(), mouv_then(), mouv_future_add_done_callback() and their like) begin as a task
 * does, with the values of who has asked for them. So does the function of mouv_offload(), on its thread,
 * where values can be got and not set.
 *
 * Neither function may call mouv. Both members are for reading only.
 *
 * Like: contextvars.ContextVar.
 */
typedef struct mouv_local {
    void *(*copy)(void *value);   /**< gives a new task a value of its own; NULL: it shares it */
    void (*destroy)(void *value); /**< called on a value, not NULL, when the last has let it go */
} mouv_local_t;

/** For a static key: `copy` and `destroy`, each may be NULL. */
#define MOUV_LOCAL_INIT(copy, destroy) \
    { (copy), (destroy) }

MOUV_BEGIN_DECLS

/**
 * Sets the value of a key in the running task, or callback. Outside of both: the runtime's base value,
 * with which tasks begin that are made there.
 *
 * Context:   a thread with a runtime; never suspends.
 * Ownership: on success the value is mouv's if the key has a `destroy`: called when it has been set
 *            anew or its task has ended, and no task that shares it is left. That is on a worker where
 *            the last was a function of mouv_offload_detached() that has outlived its runtime.
 * Errors:    MOUV_EINVAL for a NULL key, MOUV_ENOLOOP, MOUV_ENOMEM; MOUV_ECLOSED outside of any
 *            task once the runtime has joined its tasks. The old value then stays.
 */
MOUV_API int mouv_local_set(const mouv_local_t *key, void *value);

/**
 * The value that the running task, callback or offloaded function (or, outside of those, the runtime)
 * has for a key; NULL if none was set. Any thread; never suspends.
 */
MOUV_API void *mouv_local_get(const mouv_local_t *key);

MOUV_END_DECLS

#endif
