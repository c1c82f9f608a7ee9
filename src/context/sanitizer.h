/*
 * What ASan, TSan and valgrind must be told about stacks, in one place. In every build, as a program
 * may have a sanitizer that mouv was not built with: its runtime's functions are weak references, which
 * are NULL where there is none; valgrind's are a few instructions that do nothing outside valgrind.
 */
#ifndef MOUV_CONTEXT_SANITIZER_H
#define MOUV_CONTEXT_SANITIZER_H

#include <stdbool.h>
#include <stddef.h>

/* Whether mouv itself is built with one, which its tests ask. */
#if defined(__SANITIZE_ADDRESS__)
#define MOUV__ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define MOUV__TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(MOUV__ASAN)
#define MOUV__ASAN 1
#endif
#if __has_feature(thread_sanitizer) && !defined(MOUV__TSAN)
#define MOUV__TSAN 1
#endif
#endif
#if !defined(NVALGRIND) && defined(__has_include)
#if __has_include(<valgrind/valgrind.h>) && __has_include(<valgrind/memcheck.h>)
#define MOUV__VALGRIND 1
#endif
#endif

#if defined(MOUV__VALGRIND)
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>
#endif

#define MOUV__WEAK __attribute__((weak))

/* As <sanitizer/common_interface_defs.h>, asan_interface.h and tsan_interface.h declare them. */
MOUV__WEAK void __sanitizer_start_switch_fiber(void **fake_stack_save, const void *low,
                                               size_t size);
MOUV__WEAK void __sanitizer_finish_switch_fiber(void *fake_stack_save, const void **low_old,
                                                size_t *size_old);
MOUV__WEAK void __asan_unpoison_memory_region(const volatile void *address, size_t size);
MOUV__WEAK void *__tsan_get_current_fiber(void);
MOUV__WEAK void *__tsan_create_fiber(unsigned flags);
MOUV__WEAK void __tsan_destroy_fiber(void *fiber);
MOUV__WEAK void __tsan_switch_to_fiber(void *fiber, unsigned flags);

/** One stack as the checkers know it. The layout is the same in every build. */
typedef struct mouv__fiber {
    const void *low; /* bounds of the stack; NULL for a thread's own until learnt */
    size_t size;
    void *fake_stack;             /* ASan: parked while the fiber is switched out */
    struct mouv__fiber *previous; /* ASan: who switched to this one last */
    void *tsan;                   /* TSan: its fiber */
    unsigned valgrind;            /* valgrind: the id of the registered stack */
} mouv__fiber_t;

/** Whether there is a sanitizer that wants to know of switches. */
static inline bool mouv__fiber_is_watched(void) {
    return __sanitizer_start_switch_fiber != NULL || __tsan_switch_to_fiber != NULL;
}

static inline void mouv__fiber_init_thread(mouv__fiber_t *fiber) {
    *fiber = (mouv__fiber_t){0};
    if (__tsan_get_current_fiber != NULL) fiber->tsan = __tsan_get_current_fiber();
}

static inline void mouv__fiber_init(mouv__fiber_t *fiber, void *low, size_t size) {
    *fiber = (mouv__fiber_t){.low = low, .size = size};
    if (__tsan_create_fiber != NULL) fiber->tsan = __tsan_create_fiber(0);
#if defined(MOUV__VALGRIND)
    fiber->valgrind = VALGRIND_STACK_REGISTER(low, (char *)low + size);
#endif
}

/** Not for a thread's own fiber: that one is TSan's. */
static inline void mouv__fiber_clear(mouv__fiber_t *fiber) {
    if (fiber->tsan != NULL) __tsan_destroy_fiber(fiber->tsan);
#if defined(MOUV__VALGRIND)
    VALGRIND_STACK_DEREGISTER(fiber->valgrind);
#endif
    (void)fiber;
}

/*
 * Inlined whatever the optimisation: TSan keeps a call stack for each fiber, and a function that is
 * entered on one and left on another unbalances both.
 */
#define MOUV__FIBER_HOOK static inline __attribute__((always_inline))

/** Just before the stack pointer moves. `from` may be left with its last switch: `dies`. */
MOUV__FIBER_HOOK void mouv__fiber_leave(mouv__fiber_t *from, mouv__fiber_t *to, int dies) {
    if (__sanitizer_start_switch_fiber != NULL) {
        to->previous = from;
        __sanitizer_start_switch_fiber(dies ? NULL : &from->fake_stack, to->low, to->size);
    }
    if (to->tsan != NULL) __tsan_switch_to_fiber(to->tsan, 0);
}

/** Just after the stack pointer has moved to `self`, for the first time or again. */
MOUV__FIBER_HOOK void mouv__fiber_arrive(mouv__fiber_t *self) {
    /* The bounds are those of the stack that was left: the only way to learn a thread's. */
    if (__sanitizer_finish_switch_fiber != NULL)
        __sanitizer_finish_switch_fiber(self->fake_stack, &self->previous->low,
                                        &self->previous->size);
}

/**
 * Whether a page that nobody may touch must lie above stacks of ours. valgrind takes the stack of a new
 * thread to begin where its mapping begins, and neighbours of equal access to be one mapping: a guard by
 * MADV_GUARD_INSTALL, as glibc has from 2.42 on, does not part them. Stacks of ours that lie below a
 * thread's would count as that thread's, and a switch to one of them as a frame that grows or shrinks
 * over whatever lies between.
 */
static inline bool mouv__fiber_wants_fence(void) {
#if defined(MOUV__VALGRIND)
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

/** A function that reads stack memory as it lies, whoever owns it. */
#define MOUV__UNCHECKED __attribute__((no_sanitize("address"), no_sanitize("thread"), noinline))

static inline void mouv__checks_pause(void) {
#if defined(MOUV__VALGRIND)
    VALGRIND_DISABLE_ERROR_REPORTING;
#endif
}

static inline void mouv__checks_resume(void) {
#if defined(MOUV__VALGRIND)
    VALGRIND_ENABLE_ERROR_REPORTING;
#endif
}

/** All of this stack memory may be read and reused: its frames are gone. */
static inline void mouv__fiber_forget_frames(void *low, size_t size) {
    if (__asan_unpoison_memory_region != NULL) __asan_unpoison_memory_region(low, size);
#if defined(MOUV__VALGRIND)
    (void)VALGRIND_MAKE_MEM_DEFINED(low, size);
#endif
    (void)low, (void)size;
}

#endif
