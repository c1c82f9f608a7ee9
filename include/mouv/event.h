/*
 * An event: tasks wait until it is set.
 */
#ifndef MOUV_EVENT_H
#define MOUV_EVENT_H

#include <stdbool.h>

#include <mouv/base.h>
#include <mouv/future.h>

/**
 * In the caller's storage; zero-initialised it is ready to use, and not set. Opaque. It must stay
 * where it is until nobody waits for it or mouv_event_close() has been called. Not for other
 * threads.
 *
 * Like: asyncio.Event.
 */
typedef struct mouv_event {
    struct mouv__waiter *waiting;
    bool set;
} mouv_event_t;

MOUV_BEGIN_DECLS

/** Makes it an event that is not set: the same as zeroing it. Not while it is in use. */
MOUV_API void mouv_event_init(mouv_event_t *event);

/**
 * Ends the use of an event: those who wait fail with MOUV_ECLOSED, and it is as after
 * mouv_event_init(). NULL does nothing. (mouv_event_clear() is asyncio's word for something else.)
 *
 * Context: the loop thread; never suspends.
 */
MOUV_API void mouv_event_close(mouv_event_t *event);

/**
 * Sets it: everyone who waits goes on, in the order in which they came, also if it is cleared again
 * before they run; later waits do not suspend.
 *
 * Context: the loop thread, in or outside a coroutine; never suspends.
 * Errors:  MOUV_EINVAL for NULL; MOUV_ETHREAD on another thread, if somebody waits.
 */
MOUV_API int mouv_event_set(mouv_event_t *event);

/** Unsets it: later waits suspend again. MOUV_EINVAL for NULL. */
MOUV_API int mouv_event_clear(mouv_event_t *event);

/** Whether it is set; false for NULL. */
MOUV_API bool mouv_event_is_set(const mouv_event_t *event);

/**
 * Waits until the event is set; does not suspend if it is.
 *
 * Context: a coroutine.
 * Errors:  MOUV_ECANCELED, MOUV_ECLOSED, MOUV_ENOTCORO, MOUV_EINVAL for NULL, MOUV_ENOMEM,
 *          MOUV_ETHREAD.
 */
MOUV_API MOUV_SUSPENDS int mouv_event_wait(mouv_event_t *event);

/** The twin of mouv_event_wait(). */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_event_wait_future(mouv_event_t *event);

MOUV_END_DECLS

#endif
