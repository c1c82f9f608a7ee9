/*
 * Debug mode: its flag. What it costs when it is off is one load and a branch. What it does is
 * where it happens: wrong threads here and in future.c, slow steps in task/slow.c.
 */
#ifndef MOUV_ASYNC_LOOP_DEBUG_H
#define MOUV_ASYNC_LOOP_DEBUG_H

#include <stdbool.h>

/** Whether debug mode is on. Relaxed: read on every step. */
extern bool mouv__debug_on;

static inline bool mouv__debug(void) {
    return __atomic_load_n(&mouv__debug_on, __ATOMIC_RELAXED);
}

void mouv__debug_set(bool enable);

/** Reads MOUV_DEBUG once, with the first runtime. */
void mouv__debug_read_environment(void);

/** A future of another runtime was used on this thread: says so in debug mode. */
void mouv__debug_foreign(void);

#endif
