/*
 * The lock inside: what conditions, whose waiters come back through the line for the lock, need.
 */
#ifndef MOUV_ASYNC_SYNC_LOCK_H
#define MOUV_ASYNC_SYNC_LOCK_H

#include <mouv/lock.h>

#include "async/sync/waiter.h"

/** Whether the running task (or, outside of any, the loop's own code) holds it. */
bool mouv__lock_held(const mouv_lock_t *lock);

/** Puts a waiter, whose object is the lock, at the end of the line; grants it if that is empty. */
void mouv__lock_queue(mouv_lock_t *lock, mouv__waiter_t *waiter);

/** Makes a waiter the holder, out of the line: for one that acts for the present holder. */
void mouv__lock_lend(mouv_lock_t *lock, mouv__waiter_t *waiter);

/** Takes it from its holder, whoever that is. */
void mouv__lock_free(mouv_lock_t *lock);

/* Hooks of waiters whose object is a lock. */
void mouv__lock_take(mouv__waiter_t *waiter);
void mouv__lock_pass_on(mouv__waiter_t *waiter);

#endif
