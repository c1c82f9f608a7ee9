/*
 * The part of a context switch that is written once for each architecture. It calls nothing back:
 * where a fresh stack begins is handed to it.
 */
#ifndef MOUV_CONTEXT_SWITCH_H
#define MOUV_CONTEXT_SWITCH_H

#include "context.h"

#define MOUV__SWITCH_HIDDEN __attribute__((visibility("hidden")))

/** Where a fresh stack begins; does not return. */
typedef void (*mouv__switch_begin_fn)(mouv__context_t *ctx);

/** Lays out a first frame below `top`, a multiple of 16, that calls begin(ctx). */
MOUV__SWITCH_HIDDEN void mouv__switch_prepare(mouv__context_t *ctx, void *low, void *top,
                                              mouv__switch_begin_fn begin);

/** Saves the callee-saved registers in `from`, continues `to`; returns when someone jumps back. */
MOUV__SWITCH_HIDDEN void mouv__switch_jump(mouv__context_t *from, mouv__context_t *to);

#endif
