/*
 * Waiting for one's turn: a list of futures, first come first served. Lock, semaphore, event,
 * condition and queue are each a small rule over such lists.
 *
 * A waiter that is granted what it waits for is done, and stands in the list of those granted until
 * its awaiter takes it (`deliver`). One that is never taken, because it was dropped or stood in a
 * gather that failed, passes on what it was granted when it goes (`release`).
 *
 * Waiters do not keep the loop alive: what they wait for is another part of the program, which does
 * if it can still come. One that nobody can take any more leaves the list at once.
 */
#ifndef MOUV_ASYNC_SYNC_WAITER_H
#define MOUV_ASYNC_SYNC_WAITER_H

#include "async/loop/future.h"
#include "async/task/runtime.h"

typedef struct mouv__waiter mouv__waiter_t;

/** What one kind of waiter does. The hooks must mind that `object` may have been cleared. */
typedef struct mouv__waiter_ops {
    /** First; with mouv__waiter_cancel, _deliver and _release or functions that call these. */
    mouv__future_ops_t future;
    /** Called instead of completing, when it is granted. NULL: completes with its `code`. */
    void (*granted)(mouv__waiter_t *waiter);
    /** The awaiter has it now, and runs. NULL: there is nothing to take. */
    void (*take)(mouv__waiter_t *waiter);
    /** Granted, and nobody will ever take it. NULL: there is nothing to pass on. */
    void (*pass_on)(mouv__waiter_t *waiter);
} mouv__waiter_ops_t;

struct mouv__waiter {
    mouv__future_t future; /* first */
    void *object;          /* the lock, queue, ...; NULL once that was cleared */
    mouv__waiter_t **list; /* where it stands; NULL: nowhere */
    mouv__link_t link;
    bool granted; /* and neither taken nor passed on */
    int code;     /* the result of being granted */
};

/**
 * A waiter of `size` bytes (a struct that begins with a mouv__waiter_t) that stands nowhere. NULL
 * where there is no memory or no runtime: `*handle` is then the failed handle to return.
 */
mouv__waiter_t *mouv__waiter_new(const mouv__waiter_ops_t *ops, size_t size, void *object,
                                 mouv_future_t *handle);

/** To the end of a list (a pointer to its first one; NULL is empty), out of the one it is in. */
void mouv__waiter_join(mouv__waiter_t *waiter, mouv__waiter_t **list);
void mouv__waiter_leave(mouv__waiter_t *waiter);

/** Completes it; until it is taken it stands in `granted` (NULL: there is nothing to take). */
void mouv__waiter_grant(mouv__waiter_t *waiter, mouv__waiter_t **granted);

/** The object is cleared: all of the list leave it, those that are pending fail with ECLOSED. */
void mouv__waiters_close(mouv__waiter_t **list);

/** All of the list leave it and fail with `code`. */
void mouv__waiters_fail(mouv__waiter_t **list, int code);

/** For a loop over a list: the one after `waiter`, NULL at the end. */
mouv__waiter_t *mouv__waiter_after(const mouv__waiter_t *waiter);

/** Whether those in a list belong to another thread: then the caller must leave it alone. */
static inline bool mouv__waiters_foreign(const mouv__waiter_t *list) {
    return list != NULL && list->future.runtime != mouv__runtime();
}

/* The common hooks. */
void mouv__waiter_cancel(mouv__future_t *future);
void mouv__waiter_deliver(mouv__future_t *future, bool whole);
void mouv__waiter_release(mouv__future_t *future);

#endif
