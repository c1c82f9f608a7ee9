/*
 * The stack switch: saves one stack's registers and continues another's, in user space.
 */
#ifndef MOUV_CONTEXT_CONTEXT_H
#define MOUV_CONTEXT_CONTEXT_H

#include "sanitizer.h"
#include "stack.h"

#include <stddef.h>

/* The assembly speaks ELF and LP64; everything else takes the slow but portable way. */
#if !defined(MOUV_CONTEXT_UCONTEXT)
#if !defined(__ELF__) || !defined(__LP64__) || !(defined(__x86_64__) || defined(__aarch64__))
#define MOUV_CONTEXT_UCONTEXT 1
#endif
#endif

#if defined(MOUV_CONTEXT_UCONTEXT)
#include <ucontext.h>
#endif

typedef void (*mouv__context_entry_fn)(void *arg);

/**
 * What the C++ runtime keeps for each thread, and a context needs of its own: the exceptions that are
 * caught just now, and how many are on their way (__cxa_eh_globals of the Itanium ABI).
 */
typedef struct mouv__exceptions {
    void *caught;
    unsigned uncaught;
} mouv__exceptions_t;

/**
 * One flow of control. It belongs to the thread that initialised it and must not move in memory
 * until it is cleared. Rounding and traps of floating point are its own, at first its creator's;
 * the flags of past exceptions are not kept. The signal mask is the thread's (with ucontext, each
 * context has a copy).
 */
typedef struct mouv__context {
#if defined(MOUV_CONTEXT_UCONTEXT)
    ucontext_t saved;
#else
    void *sp; /* where the registers were pushed while switched out; first, the assembly uses it */
#endif
    mouv__context_entry_fn entry; /* NULL: a thread's own stack */
    void *arg;
    mouv__exceptions_t exceptions;         /* while it is switched out */
    mouv__exceptions_t *thread_exceptions; /* where they are while it runs; NULL: there is no C++ */
    mouv__fiber_t fiber;
} mouv__context_t;

/** Makes `ctx` stand for the calling thread's own stack; its bounds are learnt when it is left. */
void mouv__context_init_thread(mouv__context_t *ctx);

/**
 * Prepares `entry(arg)` on a stack, to begin with the first switch to it. `entry` must not return:
 * it leaves through mouv__context_exit().
 *
 * Ownership: the stack stays the caller's and must outlive the context.
 * Returns:   0, or -1 with errno EINVAL (the stack is too small to start on).
 */
int mouv__context_init(mouv__context_t *ctx, void *stack_low, size_t stack_size,
                       mouv__context_entry_fn entry, void *arg);

/** Suspends `from`, which must be the running context, and continues `to`. */
void mouv__context_switch(mouv__context_t *from, mouv__context_t *to);

/**
 * `left` was running and has been left by a jump (longjmp) to the stack of `to`, the thread's `own`,
 * where the caller is: `to` is the running context again, and `left` can only be cleared.
 */
void mouv__context_jumped(mouv__context_t *left, mouv__context_t *to, mouv__stack_bounds_t own);

/** The last switch out of `from`: never returns. ASan's fake stack of `from` is released. */
_Noreturn void mouv__context_exit(mouv__context_t *from, mouv__context_t *to);

/**
 * Releases what the checkers hold for `ctx`, after its exit or if it never started; called from
 * another context. The stack may be used again afterwards. Nothing happens for a thread's own.
 */
void mouv__context_clear(mouv__context_t *ctx);

#endif
