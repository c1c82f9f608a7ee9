/*
 * mouv_group_t: a task group. Its children end before it does; the first failure stops the rest.
 */
#ifndef MOUV_GROUP_H
#define MOUV_GROUP_H

#include <stdbool.h>

#include <mouv/base.h>
#include <mouv/error.h>
#include <mouv/future.h>
#include <mouv/scope.h>
#include <mouv/task.h>

/**
 * A group in the caller's storage, which mouv_group_leave() must be called for before that storage
 * goes. Opaque.
 */
typedef struct mouv_group {
    mouv_future_t whole;
    mouv_scope_t scope;
} mouv_group_t;

/*
 * MOUV_GROUP(group) declares a group that is left with the enclosing block. Its body, the code up
 * to mouv_group_join(), adds children and may do anything else:
 *
 *     static int page(void *arg) {
 *         MOUV_GROUP(group);
 *         mouv_group_start(&group, load_user, arg);
 *         mouv_group_start(&group, load_orders, arg);
 *         int rc = mouv_await(mouv_coro(greet, arg), NULL);
 *         if (rc < 0) return rc;                   // both are cancelled and waited for
 *         return mouv_group_join(&group, NULL);    // waits for both
 *     }
 *
 * When a child fails, the group shuts down: all other children are cancelled, and so is the body:
 * everything in it returns MOUV_ECANCELED until mouv_group_join(). A child that was cancelled has
 * not failed. What becomes of an error:
 *
 *   join, a child has failed     the first failure, "... (and 2 more errors)" in its message; a
 *                                write of unknown outcome (MOUV_EUNKNOWN) goes before all others.
 *                                mouv_group_error() gives every one
 *   join, the task is cancelled  the children are cancelled and waited for, then MOUV_ECANCELED;
 *   (or a scope expires)         if one of them fails meanwhile, that failure
 *   join after group_cancel()    0 if no child has failed
 *   left without a join          the children are cancelled and waited for. If the block was
 *                                refused (MOUV_ECANCELED) and its body returns that, the awaiter of
 *                                the body sees the children's failure instead, if there is one.
 *                                In any other case the body's own result stands, and failures of
 *                                children are reported as never retrieved
 *   start or add fails           its own code, and the group fails with it, so that the join tells;
 *                                a constructor that failed is a child that failed
 *
 * Like: asyncio.TaskGroup, trio's nursery.
 */
#ifdef MOUV_CLEANUP
/** A group of this name, left at the end of the enclosing block; see above. */
#define MOUV_GROUP(name) \
    MOUV_CLEANUP(mouv_group_leave) mouv_group_t name = MOUV_ZERO; \
    mouv_group_begin(&name)
#endif

/**
 * Starts `fn(arg)` as a child task; it begins at the caller's next suspension. As mouv_group_add()
 * otherwise: 0, or a negative error.
 */
#define mouv_group_start(...) \
    mouv_group_start_at(__VA_ARGS__, MOUV_NAME_OF_SECOND(__VA_ARGS__), __FILE__, __LINE__)

/** As mouv_group_start(), with `size` bytes at `args` copied into the task. */
#define mouv_group_start_copy(...) \
    mouv_group_start_copy_at(__VA_ARGS__, MOUV_NAME_OF_SECOND(__VA_ARGS__), __FILE__, __LINE__)

/**
 * As mouv_group_start(), with a handle of the child: to cancel it alone, to name it, to await it before
 * the join for its int. Awaiting it takes nothing from the group: a failure of it is the group's, too.
 *
 * Ownership: the handle has a reference of its own, which mouv_await() consumes and MOUV_AUTO drops.
 * Returns:   always a handle; where mouv_group_start() would fail, one that has failed with that.
 * Like:      asyncio.TaskGroup.create_task(), which returns the task.
 */
#define mouv_group_task(...) \
    mouv_group_task_at(__VA_ARGS__, MOUV_NAME_OF_SECOND(__VA_ARGS__), __FILE__, __LINE__)

/** As mouv_group_task(), with `size` bytes at `args` copied into the task. */
#define mouv_group_task_copy(...) \
    mouv_group_task_copy_at(__VA_ARGS__, MOUV_NAME_OF_SECOND(__VA_ARGS__), __FILE__, __LINE__)

MOUV_BEGIN_DECLS

/**
 * Begins a group. Its children inherit the deadline of the scope that it is begun in.
 *
 * Context: the runtime's thread, in a coroutine or outside; never suspends.
 * Returns: 0; MOUV_EINVAL, MOUV_ENOLOOP or MOUV_ENOMEM, which the join then gives as well.
 */
MOUV_API int mouv_group_begin(mouv_group_t *group);

/**
 * From now on at most `limit` children run at once (0: no limit): adding one more suspends until
 * another has ended. That is how a program gets back-pressure. A child that adds to its own full
 * group waits for the others, so not all of them may do so.
 */
MOUV_API int mouv_group_set_limit(mouv_group_t *group, size_t limit);

/**
 * Adds any future as a child; a cold coroutine becomes a task, once there is room. Results of an
 * operation are moved to their outputs by the join, so those must outlive it; a task is released as
 * soon as it has ended. Children may add siblings, also during the join.
 *
 * Context:   the runtime's thread; suspends only at the limit, and then only in a coroutine.
 * Ownership: consumes the future, also on failure: it is then cancelled, and the join still waits
 *            for it.
 * Errors:    MOUV_ESTATE when the group is shutting down or has ended; MOUV_ECANCELED while it
 *            waits for room; MOUV_ENOTCORO at the limit outside a coroutine; MOUV_EDEADLK for the
 *            group's own join; MOUV_EINVAL for a stale, consumed or foreign handle; MOUV_ENOMEM.
 * Like:      asyncio.TaskGroup.create_task().
 */
MOUV_API MOUV_SUSPENDS int mouv_group_add(mouv_group_t *group, mouv_future_t future);

/** The twin of mouv_group_add(): a future that is done with 0 when there was room for the child. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_group_add_future(mouv_group_t *group,
                                                               mouv_future_t future);

/** What mouv_group_start() and mouv_group_start_copy() call. */
MOUV_API MOUV_SUSPENDS int mouv_group_start_at(mouv_group_t *group, mouv_fn_t fn, void *arg,
                                               const char *fn_name, const char *file, int line);
MOUV_API MOUV_SUSPENDS int mouv_group_start_copy_at(mouv_group_t *group, mouv_fn_t fn,
                                                    const void *args, size_t size,
                                                    const char *fn_name, const char *file,
                                                    int line);

/** What mouv_group_task() and mouv_group_task_copy() call. */
MOUV_API MOUV_SUSPENDS MOUV_CHECK_RESULT mouv_future_t mouv_group_task_at(
    mouv_group_t *group, mouv_fn_t fn, void *arg, const char *fn_name, const char *file, int line);
MOUV_API MOUV_SUSPENDS MOUV_CHECK_RESULT mouv_future_t
mouv_group_task_copy_at(mouv_group_t *group, mouv_fn_t fn, const void *args, size_t size,
                        const char *fn_name, const char *file, int line);

/**
 * Ends the body and suspends until every child has ended, however long that takes; then 0 or the
 * error that the table above names. A second call gives the same again.
 *
 * Context: a coroutine, not one of the children.
 * Errors:  the children's; MOUV_ECANCELED; MOUV_ENOTCORO; MOUV_EINVAL for a group not begun;
 *          MOUV_EDEADLK in a child.
 */
MOUV_API MOUV_SUSPENDS int mouv_group_join(mouv_group_t *group, mouv_error_t *error);

/**
 * The twin of mouv_group_join(): a future with its outcome. Cancelling it cancels the children.
 * mouv_group_leave() is still needed afterwards.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_group_join_future(mouv_group_t *group);

/**
 * Cancels all children and the rest of the body and refuses new children: an early end that is no
 * failure. Returns true if the group was not shutting down yet.
 *
 * Like: trio's nursery.cancel_scope.cancel().
 */
MOUV_API bool mouv_group_cancel(mouv_group_t *group);

/** How many errors of children the group has kept so far, until it is left. */
MOUV_API size_t mouv_group_error_count(const mouv_group_t *group);

/**
 * Fills `error` with the index-th error, in the order in which they came, and returns its code.
 * MOUV_EINVAL, with `error` untouched, if there is none.
 */
MOUV_API int mouv_group_error(const mouv_group_t *group, size_t index, mouv_error_t *error);

/**
 * Leaves a group, what MOUV_GROUP does at the end of the block. If it has not been joined, this
 * cancels the children and suspends until all have ended, also in a cancelled task. Outside of a
 * coroutine it cannot wait: they are cancelled and end by themselves. A second call is harmless.
 */
MOUV_API MOUV_SUSPENDS void mouv_group_leave(mouv_group_t *group);

MOUV_END_DECLS

#endif
