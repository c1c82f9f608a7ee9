/*
 * Contexts: the switch of each architecture wrapped in what the sanitizers need to know.
 */
#include "context.h"
#include "switch.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

/* The first frame, the entry's own and a margin; anything less is a mistake. */
#define LEAST_STACK_BYTES 1024

/* The loop's frames on the plain stack, and more: what a jump can have left there. */
#define JUMPED_OVER_BYTES ((uintptr_t)1024 * 1024)

#if !defined(MOUV_CONTEXT_UCONTEXT)
_Static_assert(offsetof(mouv__context_t, sp) == 0, "the assembly stores the stack pointer at 0");
#endif

/* In the C++ runtime, if there is one when this library is loaded. */
extern mouv__exceptions_t *__cxa_get_globals(void) __attribute__((weak));

void mouv__context_init_thread(mouv__context_t *ctx) {
    *ctx = (mouv__context_t){.entry = NULL};
    if (__cxa_get_globals != NULL) ctx->thread_exceptions = __cxa_get_globals();
    mouv__fiber_init_thread(&ctx->fiber);
}

/* Where a fresh stack begins. */
static _Noreturn void context_begin(mouv__context_t *ctx) {
    mouv__fiber_arrive(&ctx->fiber);
    ctx->entry(ctx->arg);
    assert(!"a context's entry returned instead of leaving through mouv__context_exit()");
    abort();
}

int mouv__context_init(mouv__context_t *ctx, void *stack_low, size_t stack_size,
                       mouv__context_entry_fn entry, void *arg) {
    uintptr_t top = ((uintptr_t)stack_low + stack_size) & ~(uintptr_t)15;

    assert(entry != NULL);
    if (stack_low == NULL || stack_size < LEAST_STACK_BYTES) {
        errno = EINVAL;
        return -1;
    }
    ctx->entry = entry;
    ctx->arg = arg;
    ctx->exceptions = (mouv__exceptions_t){0};
    mouv__fiber_init(&ctx->fiber, stack_low, stack_size);
    mouv__switch_prepare(ctx, stack_low, (void *)top, context_begin);
    return 0;
}

/* Just before a switch. The address is asked for once a thread, and handed on from there. */
static inline void context_exchange_exceptions(mouv__context_t *from, mouv__context_t *to) {
    mouv__exceptions_t *current = from->thread_exceptions;
    to->thread_exceptions = current;
    if (current == NULL) return;
    from->exceptions = *current;
    *current = to->exceptions;
}

static __attribute__((noinline)) void context_switch_watched(mouv__context_t *from,
                                                             mouv__context_t *to) {
    mouv__fiber_leave(&from->fiber, &to->fiber, 0);
    mouv__switch_jump(from, to);
    mouv__fiber_arrive(&from->fiber);
}

void mouv__context_switch(mouv__context_t *from, mouv__context_t *to) {
    assert(from != to);
    context_exchange_exceptions(from, to);
    if (mouv__fiber_is_watched())
        context_switch_watched(from, to);
    else
        mouv__switch_jump(from, to); /* as the last call: a return that comes after it costs 8 ns */
}

_Noreturn void mouv__context_exit(mouv__context_t *from, mouv__context_t *to) {
    assert(from != to && from->entry != NULL);
    context_exchange_exceptions(from, to);
    mouv__fiber_leave(&from->fiber, &to->fiber, 1);
    mouv__switch_jump(from, to);
    abort(); /* a context that had exited was switched to */
}

void mouv__context_jumped(mouv__context_t *left, mouv__context_t *to, mouv__stack_bounds_t own) {
    uintptr_t low = (uintptr_t)__builtin_frame_address(0) - JUMPED_OVER_BYTES;
    if (low < own.low || low >= own.low + own.size) low = own.low;
    mouv__fiber_forget_frames((void *)low, own.size - (low - own.low));
    context_exchange_exceptions(left, to);
    mouv__fiber_leave(&left->fiber, &to->fiber,
                      0); /* our callers may have frames on its fake stack */
    mouv__fiber_arrive(&to->fiber);
}

void mouv__context_clear(mouv__context_t *ctx) {
    if (ctx->entry == NULL) return;
    mouv__fiber_clear(&ctx->fiber);
    ctx->entry = NULL;
}
