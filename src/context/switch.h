/*
 * The part of a context switch that is written once for each architecture, and what it calls back.
 */
#ifndef MOUV_CONTEXT_SWITCH_H
#define MOUV_CONTEXT_SWITCH_H

#include "context.h"

#define MOUV__SWITCH_HIDDEN __attribute__((visibility("hidden")))

/** Lays out a first frame below `top`, a multiple of 16, that calls mouv__switch_entered(ctx). */
MOUV__SWITCH_HIDDEN void mouv__switch_prepare(mouv__context_t *ctx, void *low, void *top);

/** Saves the callee-saved registers in `from`, continues `to`; returns when someone jumps back. */
MOUV__SWITCH_HIDDEN void mouv__switch_jump(mouv__context_t *from, mouv__context_t *to);

/** Where a fresh stack begins. */
MOUV__SWITCH_HIDDEN _Noreturn void mouv__switch_entered(mouv__context_t *ctx);

#endif
