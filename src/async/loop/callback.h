/*
 * User callbacks of a future: kept in order, run on a later tick.
 */
#ifndef MOUV_ASYNC_LOOP_CALLBACK_H
#define MOUV_ASYNC_LOOP_CALLBACK_H

#include "async/loop/future.h"

/** The future is done: its callbacks run on the next tick. */
void mouv__callbacks_schedule(mouv__future_t *future);

/** Frees callbacks that will never run. */
void mouv__callbacks_clear(mouv__future_t *future);

#endif
