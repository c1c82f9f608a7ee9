/*
 * Scopes of a coroutine: a deadline for a block, and a shield for clean-up.
 */
#ifndef MOUV_SCOPE_H
#define MOUV_SCOPE_H

#include <stdbool.h>

#include <mouv/base.h>
#include <mouv/error.h>
#include <mouv/future.h>

/** A timer inside mouv; here only so that a scope needs no allocation. Opaque. */
struct mouv__timer {
    int64_t at_ns;
    uint64_t order;
    size_t index;
    void (*fire)(struct mouv__timer *self);
};

/** A scope in the caller's storage, which must be a local variable of the coroutine. Opaque. */
typedef struct mouv_scope {
    struct mouv__timer timer;
    struct mouv_scope *parent;
    void *task;
    int64_t deadline_ns;
    uint32_t flags;
} mouv_scope_t;

/*
 * MOUV_TIMEOUT_SCOPE(t, ms) declares a scope `t` that ends with the enclosing block, also on early
 * return. When its time is up everything in it returns MOUV_ECANCELED, but for an operation that was
 * under way with this as its deadline: MOUV_ETIMEDOUT. At its end the scope turns the former into the
 * latter, too: in mouv_timeout_end(), or else in the error of the coroutine or task whose body
 * returns it. Nested scopes only shorten. Inline coroutines and group children inherit the deadline,
 * mouv_task() does not.
 *
 *     MOUV_TIMEOUT_SCOPE(limit, 1000);
 *     int rc = mouv_await(mouv_collection_insert_one(orders, order, NULL, NULL), NULL);
 *     ...
 *     return rc;                    // the awaiter of this coroutine sees MOUV_ETIMEDOUT
 *
 * What in Python is `except TimeoutError` goes on after mouv_timeout_end():
 *
 *     MOUV_TIMEOUT_SCOPE(limit, 1000);
 *     int rc = mouv_timeout_end(&limit, load(users, &user), &error);
 *     if (rc == MOUV_ETIMEDOUT) rc = load_from_cache(&user);
 *
 * MOUV_SHIELD_SCOPE(s, ms) declares a scope in which a cancel of the task and deadlines around it
 * are not seen, for at most `ms`: for clean-up that must wait.
 *
 * A `goto` or `case` that jumps over one of them jumps over its beginning alone: at the end of the
 * block it is no scope, and ending it does nothing. gcc's -Wjump-misses-init warns of such a jump;
 * C++ forbids it.
 *
 * Like: asyncio.timeout() and trio's CancelScope(shield=True).
 */
#ifdef MOUV_CLEANUP
/** A deadline until the end of the enclosing block; see above. */
#define MOUV_TIMEOUT_SCOPE(name, ms) \
    MOUV_CLEANUP(mouv_scope_leave) mouv_scope_t name = MOUV_ZERO; \
    mouv_timeout_begin(&name, (ms))

/** A shield until the end of the enclosing block; see above. */
#define MOUV_SHIELD_SCOPE(name, ms) \
    MOUV_CLEANUP(mouv_scope_leave) mouv_scope_t name = MOUV_ZERO; \
    mouv_shield_begin(&name, (ms))
#endif

MOUV_BEGIN_DECLS

/**
 * Begins a timeout scope; 0 or less has expired at once.
 *
 * Context: a coroutine; never suspends. Scopes end in reverse order of their beginning.
 * Returns: 0; MOUV_ENOTCORO outside a coroutine (the scope then does nothing); MOUV_ESTATE for a
 *          scope that has begun and not ended; MOUV_ENOMEM.
 */
MOUV_API int mouv_timeout_begin(mouv_scope_t *scope, int64_t timeout_ms);

/**
 * Ends the scope. `rc` is what the block came to: MOUV_ECANCELED caused by this scope becomes
 * MOUV_ETIMEDOUT (and `error`, if not NULL, is filled anew), everything else is returned as it is. A
 * scope that has ended, or has never begun (zeroed storage), does nothing: `rc` is returned.
 */
MOUV_API int mouv_timeout_end(mouv_scope_t *scope, int rc, mouv_error_t *error);

/** Begins a shield scope that lasts at most `timeout_ms`. As mouv_timeout_begin() otherwise. */
MOUV_API int mouv_shield_begin(mouv_scope_t *scope, int64_t timeout_ms);

/** Ends a scope of either kind; does nothing to one that has ended or has never begun. */
MOUV_API void mouv_scope_leave(mouv_scope_t *scope);

/** Sets a new limit, counted from now. MOUV_ESTATE before the scope has begun, and once it has
 *  expired or ended. */
MOUV_API int mouv_timeout_reschedule(mouv_scope_t *scope, int64_t timeout_ms);

/** Whether this scope's own time ran out (not that of one around it). */
MOUV_API bool mouv_timeout_expired(const mouv_scope_t *scope);

/** Milliseconds until the nearest deadline around the caller; INT64_MAX if there is none. */
MOUV_API int64_t mouv_time_left_ms(void);

/**
 * Runs `fn(arg)` as a call under a deadline: its result, or MOUV_ETIMEDOUT.
 *
 * Like: `async with asyncio.timeout(...)`.
 */
MOUV_API MOUV_SUSPENDS int mouv_with_timeout(int64_t timeout_ms, mouv_fn_t fn, void *arg,
                                             mouv_error_t *error);

/**
 * A future with the outcome of `future` whose cancellation does not reach it: the inner one runs on
 * and its failure, if nobody waits any more, is reported. Consumes `future`; a cold coroutine
 * becomes a task.
 *
 * Context: the runtime's thread; never suspends.
 * Like:    asyncio.shield().
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_shield(mouv_future_t future);

MOUV_END_DECLS

#endif
