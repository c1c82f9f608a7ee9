/*
 * A queue between tasks, with back-pressure: producers wait while it is full, consumers while it is
 * empty.
 */
#ifndef MOUV_QUEUE_H
#define MOUV_QUEUE_H

#include <stdbool.h>

#include <mouv/base.h>
#include <mouv/future.h>

/**
 * In the caller's storage; zero-initialised it is ready to use, without a limit. Opaque. It must
 * stay where it is until nobody waits for it, and mouv_queue_clear() releases what it allocated.
 *
 * Items are pointers (NULL is one as well) that come out in the order in which they were put. Those
 * who wait are served first come first served: an item is handed to the getter who waits longest.
 * Not for other threads.
 *
 * Like: asyncio.Queue.
 */
typedef struct mouv_queue {
    struct mouv__waiter *getters, *putters, *joiners, *granted;
    void **items;
    size_t maxsize, first, count, capacity, waiters, unfinished;
    void (*destroy)(void *item);
    bool shut, drained;
} mouv_queue_t;

MOUV_BEGIN_DECLS

/** Makes it an empty queue of at most `maxsize` items; 0: no limit. Not while it is in use. */
MOUV_API void mouv_queue_init(mouv_queue_t *queue, size_t maxsize);

/**
 * Ends the use of a queue: those who wait fail with MOUV_ECLOSED, what is in it is destroyed (see
 * mouv_queue_set_destroy()) and memory released. It is as zeroed afterwards. NULL does nothing.
 *
 * Context: the loop thread; never suspends.
 */
MOUV_API void mouv_queue_clear(mouv_queue_t *queue);

/**
 * What to do with items that nobody will get: those that mouv_queue_clear() or an immediate
 * shutdown finds. Default: nothing. `destroy` must not call mouv.
 */
MOUV_API void mouv_queue_set_destroy(mouv_queue_t *queue, void (*destroy)(void *item));

/**
 * Puts an item, waiting until there is room. Suspends only if the queue is full.
 *
 * Context:   a coroutine.
 * Ownership: on success the item is the queue's, on failure still the caller's.
 * Cancel:    nothing is stored; an item that was stored first is put (0), and the cancel stays
 *            pending.
 * Errors:    MOUV_ESHUTDOWN, MOUV_ECANCELED, MOUV_ECLOSED, MOUV_ENOTCORO, MOUV_EINVAL for a NULL
 *            queue, MOUV_ENOMEM, MOUV_ETHREAD.
 */
MOUV_API MOUV_SUSPENDS int mouv_queue_put(mouv_queue_t *queue, void *item);

/** The twin of mouv_queue_put(). Given up by mouv_future_unref() it still puts the item. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_queue_put_future(mouv_queue_t *queue, void *item);

/** As mouv_queue_put() at once, or MOUV_EAGAIN if the queue is full. In or outside a coroutine. */
MOUV_API int mouv_queue_put_nowait(mouv_queue_t *queue, void *item);

/**
 * Takes the first item out, waiting until there is one. Suspends only if the queue is empty.
 *
 * Context:   a coroutine.
 * Ownership: sets `*item` on success only.
 * Cancel:    the caller leaves the line; an item that was handed over first is delivered (0), and
 *            the cancel stays pending.
 * Errors:    MOUV_ESHUTDOWN if it is empty and shut down; else as mouv_queue_put().
 */
MOUV_API MOUV_SUSPENDS int mouv_queue_get(mouv_queue_t *queue, void **item);

/**
 * The twin of mouv_queue_get(): `*item` is set by the await that takes the success. The item of a
 * future that is dropped (or stands in a gather that fails) goes to the next getter, or back to the
 * front.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_queue_get_future(mouv_queue_t *queue, void **item);

/** As mouv_queue_get() at once, or MOUV_EAGAIN if the queue is empty. In or outside a coroutine. */
MOUV_API int mouv_queue_get_nowait(mouv_queue_t *queue, void **item);

/**
 * Says that one item that was got has been dealt with; see mouv_queue_join().
 *
 * Context: the loop thread, in or outside a coroutine; never suspends.
 * Errors:  MOUV_ESTATE "called too many times", MOUV_EINVAL for NULL, MOUV_ETHREAD.
 */
MOUV_API int mouv_queue_task_done(mouv_queue_t *queue);

/**
 * Waits until mouv_queue_task_done() has been called for every item that was put.
 *
 * Context: a coroutine.
 * Errors:  MOUV_ECANCELED, MOUV_ECLOSED, MOUV_ENOTCORO, MOUV_EINVAL for NULL, MOUV_ENOMEM,
 *          MOUV_ETHREAD.
 */
MOUV_API MOUV_SUSPENDS int mouv_queue_join(mouv_queue_t *queue);

/** The twin of mouv_queue_join(). */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_queue_join_future(mouv_queue_t *queue);

/**
 * Lets no more in: every put fails with MOUV_ESHUTDOWN, also those that wait; so does a get once
 * the queue is empty. `immediate` empties it now: what is in it is destroyed and counts as dealt
 * with.
 * A second call is harmless, and may be immediate where the first was not.
 *
 * Context: the loop thread, in or outside a coroutine; never suspends.
 * Errors:  MOUV_EINVAL for NULL, MOUV_ETHREAD.
 * Like:    asyncio.Queue.shutdown() of Python 3.13.
 */
MOUV_API int mouv_queue_shutdown(mouv_queue_t *queue, bool immediate);

/** The number of items that can be got now. */
MOUV_API size_t mouv_queue_size(const mouv_queue_t *queue);
MOUV_API bool mouv_queue_empty(const mouv_queue_t *queue);

/** Whether a put would wait; never true without a limit. */
MOUV_API bool mouv_queue_full(const mouv_queue_t *queue);

MOUV_END_DECLS

#endif
