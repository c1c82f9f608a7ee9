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

/* makecontext() passes ints, so each pointer travels in two halves. */
static unsigned switch_ucontext_half(uint64_t address, unsigned shift) {
    return (unsigned)(address >> shift);
}

static void *switch_ucontext_whole(unsigned high, unsigned low) {
    return (void *)(uintptr_t)((uint64_t)high << 32 | low);
}

static void switch_ucontext_first_frame(unsigned ctx_high, unsigned ctx_low, unsigned begin_high,
                                        unsigned begin_low) {
    mouv__switch_begin_fn begin =
        (mouv__switch_begin_fn)(uintptr_t)switch_ucontext_whole(begin_high, begin_low);

    begin(switch_ucontext_whole(ctx_high, ctx_low));
}

void mouv__switch_prepare(mouv__context_t *ctx, void *low, void *top, mouv__switch_begin_fn begin) {
    uint64_t address = (uintptr_t)ctx, entry = (uintptr_t)begin;

    if (getcontext(&ctx->saved) != 0) abort();
    ctx->saved.uc_stack.ss_sp = low;
    ctx->saved.uc_stack.ss_size = (size_t)((char *)top - (char *)low);
    ctx->saved.uc_link = NULL;
    makecontext(&ctx->saved, (void (*)(void))switch_ucontext_first_frame, 4,
                switch_ucontext_half(address, 32), switch_ucontext_half(address, 0),
                switch_ucontext_half(entry, 32), switch_ucontext_half(entry, 0));
}

void mouv__switch_jump(mouv__context_t *from, mouv__context_t *to) {
    if (swapcontext(&from->saved, &to->saved) != 0) abort();
}

#else

typedef int mouv__switch_is_assembly_t; /* ISO C wants a declaration in every file */

#endif
