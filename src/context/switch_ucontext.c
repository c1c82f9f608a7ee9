/*
 * The switch for architectures without an assembly of their own. Each switch is a system call,
 * because swapcontext() also exchanges the signal mask.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "switch.h"

#if defined(MOUV_CONTEXT_UCONTEXT)

#include <stdint.h>
#include <stdlib.h>

/* makecontext() passes ints, so the pointer travels in two halves. */
static void switch_ucontext_first_frame(unsigned high, unsigned low) {
    uintptr_t address = (uintptr_t)(((uint64_t)high << 32) | low);

    mouv__switch_entered((mouv__context_t *)address);
}

void mouv__switch_prepare(mouv__context_t *ctx, void *low, void *top) {
    uint64_t address = (uint64_t)(uintptr_t)ctx;

    if (getcontext(&ctx->saved) != 0) abort();
    ctx->saved.uc_stack.ss_sp = low;
    ctx->saved.uc_stack.ss_size = (size_t)((char *)top - (char *)low);
    ctx->saved.uc_link = NULL;
    makecontext(&ctx->saved, (void (*)(void))switch_ucontext_first_frame, 2,
                (unsigned)(address >> 32), (unsigned)address);
}

void mouv__switch_jump(mouv__context_t *from, mouv__context_t *to) {
    if (swapcontext(&from->saved, &to->saved) != 0) abort();
}

#else

typedef int mouv__switch_is_assembly_t; /* ISO C wants a declaration in every file */

#endif
