/* Contexts: what a switch keeps (registers, floating point environment, alignment, unwinding),
 * and how contexts begin, nest, end and share a stack one after the other. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "context/context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)128 * 1024)

/* TSan keeps a large trace for every live fiber; gcc's stops at some 7,000 and is slow before. */
#if defined(MOUV__TSAN)
enum { live_contexts = 500 };
#else
enum { live_contexts = 3000 };
#endif

/* A context with a stack, and the one that it returns to. */
struct peer {
    mouv__context_t self;
    mouv__context_t *back;
    void *stack;
    void *arg;
    int64_t number;
};

static void *stack_map(void) {
    void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_true(stack != MAP_FAILED);
    return stack;
}

static void peer_init(struct peer *peer, mouv__context_t *back, mouv__context_entry_fn entry) {
    memset(peer, 0, sizeof *peer);
    peer->stack = stack_map();
    peer->back = back;
    assert_int_equal(mouv__context_init(&peer->self, peer->stack, STACK_BYTES, entry, peer), 0);
}

static void peer_clear(struct peer *peer) {
    mouv__context_clear(&peer->self);
    munmap(peer->stack, STACK_BYTES);
}

static void peer_yield(struct peer *peer) {
    mouv__context_switch(&peer->self, peer->back);
}

static void peer_exit(struct peer *peer) {
    mouv__context_exit(&peer->self, peer->back);
}

/* Runs `entry` to its end on a fresh stack. */
static void run_to_exit(mouv__context_entry_fn entry, void *arg) {
    mouv__context_t here;
    struct peer peer;

    mouv__context_init_thread(&here);
    peer_init(&peer, &here, entry);
    peer.arg = arg;
    mouv__context_switch(&here, &peer.self);
    peer_clear(&peer);
}

/* --- beginning --- */

static void note_where_it_runs(void *arg) {
    struct peer *peer = arg;
    char local;

    *(uintptr_t *)peer->arg = (uintptr_t)&local - (uintptr_t)peer->stack;
    peer_exit(peer);
}

static void fresh_context_runs_its_entry_on_its_own_stack(void **state) {
    uintptr_t offset = 0;

    (void)state;
    run_to_exit(note_where_it_runs, &offset);
#if !defined(MOUV__ASAN) /* there a local may live on the fake stack */
    assert_true(offset >= STACK_BYTES - 4096 && offset <= STACK_BYTES);
#else
    assert_int_not_equal(offset, 0);
#endif
}

static void note_alignment(void *arg) {
    struct peer *peer = arg;

    *(uintptr_t *)peer->arg = (uintptr_t)__builtin_frame_address(0) % 16;
    peer_exit(peer);
}

static void fresh_context_has_an_aligned_stack(void **state) {
    uintptr_t remainder = 99;

    (void)state;
    run_to_exit(note_alignment, &remainder);
    assert_int_equal(remainder, 0);
}

static void print_a_double(void *arg) {
    struct peer *peer = arg;

    snprintf(peer->arg, 64, "%f %Lg %s", 3.25, (long double)0.5, "end");
    peer_exit(peer);
}

static void fresh_context_prints_floating_point(void **state) {
    char text[64] = "";

    (void)state;
    run_to_exit(print_a_double, text);
    assert_string_equal(text, "3.250000 0.5 end");
}

struct frames {
    void *address[64];
    int count;
};

static void take_backtrace(void *arg) {
    struct peer *peer = arg;
    struct frames *frames = peer->arg;

    frames->count = backtrace(frames->address, 64);
    peer_exit(peer);
}

static void backtrace_in_a_fresh_context_ends_at_its_beginning(void **state) {
    struct frames frames = {.count = 0};

    (void)state;
    run_to_exit(take_backtrace, &frames);
    assert_true(frames.count >= 1 && frames.count <= 8);
    for (int i = 0; i < frames.count; i++) assert_non_null(frames.address[i]);
}

static void stack_too_small_is_einval(void **state) {
    mouv__context_t ctx;
    char stack[64];

    (void)state;
    errno = 0;
    assert_int_equal(mouv__context_init(&ctx, stack, sizeof stack, note_alignment, NULL), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(mouv__context_init(&ctx, NULL, STACK_BYTES, note_alignment, NULL), -1);
}

static void context_never_started_can_be_cleared(void **state) {
    mouv__context_t here;
    struct peer peer;

    (void)state;
    mouv__context_init_thread(&here);
    peer_init(&peer, &here, note_alignment);
    peer_clear(&peer);
    mouv__context_clear(&here);
}

/* --- what a switch keeps --- */

enum { saved_count = 18 };

#if defined(__x86_64__) || defined(__aarch64__)
/*
 * Loads every callee-saved register from `in`, switches, and stores what they hold afterwards in
 * `out`. In assembly, because a C compiler is free to keep nothing in them.
 */
void switch_with_registers(mouv__context_t *from, mouv__context_t *to, const uint64_t *in,
                           uint64_t *out);
#endif

#if defined(__x86_64__)
enum { saved_used = 6 };
__asm__(".text\n"
        ".globl switch_with_registers\n"
        ".type switch_with_registers, @function\n"
        "switch_with_registers:\n"
        "    pushq %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
        "    pushq %rcx\n"
        "    movq 0(%rdx), %rbx; movq 8(%rdx), %rbp; movq 16(%rdx), %r12\n"
        "    movq 24(%rdx), %r13; movq 32(%rdx), %r14; movq 40(%rdx), %r15\n"
        "    call mouv__context_switch@PLT\n"
        "    popq %rcx\n"
        "    movq %rbx, 0(%rcx); movq %rbp, 8(%rcx); movq %r12, 16(%rcx)\n"
        "    movq %r13, 24(%rcx); movq %r14, 32(%rcx); movq %r15, 40(%rcx)\n"
        "    popq %r15; popq %r14; popq %r13; popq %r12; popq %rbp; popq %rbx\n"
        "    ret\n"
        ".size switch_with_registers, . - switch_with_registers\n");
#elif defined(__aarch64__)
enum { saved_used = 18 };
__asm__(".text\n"
        ".globl switch_with_registers\n"
        ".type switch_with_registers, %function\n"
        "switch_with_registers:\n"
        "    stp x29, x30, [sp, #-192]!\n"
        "    mov x29, sp\n"
        "    stp x19, x20, [sp, #16]; stp x21, x22, [sp, #32]; stp x23, x24, [sp, #48]\n"
        "    stp x25, x26, [sp, #64]; stp x27, x28, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]; stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]; stp d14, d15, [sp, #144]\n"
        "    str x3, [sp, #160]\n"
        "    ldp x19, x20, [x2]; ldp x21, x22, [x2, #16]; ldp x23, x24, [x2, #32]\n"
        "    ldp x25, x26, [x2, #48]; ldp x27, x28, [x2, #64]\n"
        "    ldp d8, d9, [x2, #80]; ldp d10, d11, [x2, #96]\n"
        "    ldp d12, d13, [x2, #112]; ldp d14, d15, [x2, #128]\n"
        "    bl mouv__context_switch\n"
        "    ldr x3, [sp, #160]\n"
        "    stp x19, x20, [x3]; stp x21, x22, [x3, #16]; stp x23, x24, [x3, #32]\n"
        "    stp x25, x26, [x3, #48]; stp x27, x28, [x3, #64]\n"
        "    stp d8, d9, [x3, #80]; stp d10, d11, [x3, #96]\n"
        "    stp d12, d13, [x3, #112]; stp d14, d15, [x3, #128]\n"
        "    ldp x19, x20, [sp, #16]; ldp x21, x22, [sp, #32]; ldp x23, x24, [sp, #48]\n"
        "    ldp x25, x26, [sp, #64]; ldp x27, x28, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]; ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]; ldp d14, d15, [sp, #144]\n"
        "    ldp x29, x30, [sp], #192\n"
        "    ret\n"
        ".size switch_with_registers, . - switch_with_registers\n");
#else
enum { saved_used = 18 };
static void switch_with_registers(mouv__context_t *from, mouv__context_t *to, const uint64_t *in,
                                  uint64_t *out) {
    memcpy(out, in, saved_used * sizeof *in);
    mouv__context_switch(from, to);
}
#endif

static void fill(uint64_t *values, uint64_t seed) {
    for (int i = 0; i < saved_count; i++) values[i] = seed * 0x0101010101010101u + (uint64_t)i;
}

static void switch_back_with_other_registers(void *arg) {
    struct peer *peer = arg;
    uint64_t in[saved_count], out[saved_count] = {0};

    for (uint64_t round = 0; round < 3; round++) {
        fill(in, 0x80 + round);
        switch_with_registers(&peer->self, peer->back, in, out);
        peer->number += memcmp(in, out, saved_used * sizeof in[0]) == 0;
    }
    peer_exit(peer);
}

static void callee_saved_registers_survive_switches(void **state) {
    uint64_t in[saved_count], out[saved_count] = {0};
    mouv__context_t here;
    struct peer peer;

    (void)state;
    mouv__context_init_thread(&here);
    peer_init(&peer, &here, switch_back_with_other_registers);
    for (uint64_t round = 0; round < 4; round++) {
        fill(in, 0x10 + round);
        switch_with_registers(&here, &peer.self, in, out);
        assert_memory_equal(in, out, saved_used * sizeof in[0]);
    }
    assert_int_equal(peer.number, 3);
    peer_clear(&peer);
}

enum rounding { ROUNDING_NEAREST, ROUNDING_UP, ROUNDING_MIXED };

/* The control registers themselves: fenv.h sees only one of x86's two, and wants libm. */
#if defined(__x86_64__)
static enum rounding rounding(void) {
    unsigned mxcsr;
    unsigned short x87;

    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    if ((mxcsr >> 13 & 3) != (x87 >> 10 & 3u)) return ROUNDING_MIXED;
    return (mxcsr >> 13 & 3) == 2 ? ROUNDING_UP : ROUNDING_NEAREST;
}

static void set_rounding(enum rounding to) {
    unsigned mxcsr, up = to == ROUNDING_UP ? 2 : 0;
    unsigned short x87;

    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    mxcsr = (mxcsr & ~(3u << 13)) | up << 13;
    x87 = (unsigned short)((x87 & ~(3u << 10)) | up << 10);
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(x87));
}
#elif defined(__aarch64__)
static enum rounding rounding(void) {
    uint64_t fpcr;

    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return (fpcr >> 22 & 3) == 1 ? ROUNDING_UP : ROUNDING_NEAREST;
}

static void set_rounding(enum rounding to) {
    uint64_t fpcr;

    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    fpcr = (fpcr & ~((uint64_t)3 << 22)) | (uint64_t)(to == ROUNDING_UP) << 22;
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
}
#else
#define NO_ROUNDING_HERE 1
static enum rounding rounding(void) {
    return ROUNDING_NEAREST;
}
static void set_rounding(enum rounding to) {
    (void)to;
}
#endif

static void skip_without_rounding(void) {
#if defined(NO_ROUNDING_HERE)
    print_message("this test cannot set the rounding mode of this architecture\n");
    skip();
#endif
}

static void round_upwards(void *arg) {
    struct peer *peer = arg;

    peer->number += rounding() == ROUNDING_NEAREST;
    set_rounding(ROUNDING_UP);
    peer->number += rounding() == ROUNDING_UP;
    peer_yield(peer);
    peer->number += rounding() == ROUNDING_UP;
    peer_exit(peer);
}

static void floating_point_environment_belongs_to_each_context(void **state) {
    mouv__context_t here;
    struct peer peer;

    (void)state;
    skip_without_rounding();
    mouv__context_init_thread(&here);
    peer_init(&peer, &here, round_upwards);
    assert_int_equal(rounding(), ROUNDING_NEAREST);
    mouv__context_switch(&here, &peer.self);
    assert_int_equal(rounding(), ROUNDING_NEAREST);
    mouv__context_switch(&here, &peer.self);
    assert_int_equal(rounding(), ROUNDING_NEAREST);
    assert_int_equal(peer.number, 3);
    peer_clear(&peer);
}

static void note_rounding(void *arg) {
    struct peer *peer = arg;

    *(enum rounding *)peer->arg = rounding();
    peer_exit(peer);
}

static void fresh_context_inherits_its_creators_floating_point_environment(void **state) {
    enum rounding inherited = ROUNDING_MIXED;

    (void)state;
    skip_without_rounding();
    set_rounding(ROUNDING_UP);
    run_to_exit(note_rounding, &inherited);
    set_rounding(ROUNDING_NEAREST);
    assert_int_equal(inherited, ROUNDING_UP);
}

static void count_turns(void *arg) {
    struct peer *peer = arg;

    for (;;) {
        peer->number++;
        if (peer->arg != NULL) break;
        peer_yield(peer);
    }
    peer_exit(peer);
}

static void ping_pong(int turns) {
    mouv__context_t here;
    struct peer peer;

    mouv__context_init_thread(&here);
    peer_init(&peer, &here, count_turns);
    for (int i = 1; i < turns; i++) mouv__context_switch(&here, &peer.self);
    peer.arg = &peer;
    mouv__context_switch(&here, &peer.self);
    assert_int_equal(peer.number, turns);
    peer_clear(&peer);
}

static void hundred_thousand_turns_are_all_counted(void **state) {
    (void)state;
    ping_pong(100000);
}

static void *ping_pong_thread(void *arg) {
    (void)arg;
    ping_pong(10000);
    return NULL;
}

static void threads_switch_their_own_contexts_independently(void **state) {
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ping_pong_thread, NULL), 0);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* --- many, nested, again --- */

static void keep_locals(void *arg) {
    struct peer *peer = arg;
    volatile int64_t locals[32];

    for (int i = 0; i < 32; i++) locals[i] = peer->number + i;
    peer_yield(peer);
    for (int i = 0; i < 32; i++)
        if (locals[i] != peer->number + i) peer->arg = NULL;
    peer_exit(peer);
}

static void thousands_of_live_contexts_keep_their_locals(void **state) {
    struct peer *peers = calloc(live_contexts, sizeof *peers);
    mouv__context_t here;

    (void)state;
    print_message("live contexts: %d\n", live_contexts);
    assert_non_null(peers);
    mouv__context_init_thread(&here);
    for (int i = 0; i < live_contexts; i++) {
        peer_init(&peers[i], &here, keep_locals);
        peers[i].number = i;
        peers[i].arg = peers;
        mouv__context_switch(&here, &peers[i].self);
    }
    for (int i = 0; i < live_contexts; i++) {
        mouv__context_switch(&here, &peers[i].self);
        assert_non_null(peers[i].arg);
        peer_clear(&peers[i]);
    }
    free(peers);
}

static void start_a_nested_one(void *arg) {
    struct peer *peer = arg, inner;

    if (peer->number > 0) {
        peer_init(&inner, &peer->self, start_a_nested_one);
        inner.number = peer->number - 1;
        inner.arg = peer->arg;
        mouv__context_switch(&peer->self, &inner.self);
        ++*(int *)peer->arg;
        mouv__context_switch(&peer->self, &inner.self);
        peer_clear(&inner);
    }
    peer_yield(peer);
    peer_exit(peer);
}

static void nested_contexts_return_to_the_one_that_switched(void **state) {
    mouv__context_t here;
    struct peer peer;
    int returns = 0;

    (void)state;
    mouv__context_init_thread(&here);
    peer_init(&peer, &here, start_a_nested_one);
    peer.number = 50;
    peer.arg = &returns;
    mouv__context_switch(&here, &peer.self);
    assert_int_equal(returns, 50);
    mouv__context_switch(&here, &peer.self);
    peer_clear(&peer);
}

static void exited_contexts_stack_can_carry_the_next(void **state) {
    mouv__context_t here;
    struct peer peer;

    (void)state;
    mouv__context_init_thread(&here);
    peer_init(&peer, &here, count_turns);
    peer.arg = &peer;
    for (int i = 0; i < 1000; i++) {
        mouv__context_switch(&here, &peer.self);
        mouv__context_clear(&peer.self);
        assert_int_equal(peer.number, i + 1);
        assert_int_equal(
            mouv__context_init(&peer.self, peer.stack, STACK_BYTES, count_turns, &peer), 0);
    }
    peer_clear(&peer);
}

/* --- misuse --- */

static void return_from_entry(void *arg) {
    (void)arg;
}

/* ---- C++ ---- */

/* In place of the C++ runtime's, as it is there when a program has one. */
mouv__exceptions_t *__cxa_get_globals(void);
static _Thread_local mouv__exceptions_t exceptions;

mouv__exceptions_t *__cxa_get_globals(void) {
    return &exceptions;
}

static void catch_and_throw(void *arg) {
    struct peer *peer = arg;
    assert_null(exceptions.caught);
    assert_int_equal(exceptions.uncaught, 0);
    exceptions = (mouv__exceptions_t){peer, 2};
    peer_yield(peer);
    assert_ptr_equal(exceptions.caught, peer);
    assert_int_equal(exceptions.uncaught, 2);
    peer_exit(peer);
}

static void exceptions_that_are_caught_or_on_their_way_belong_to_each_context(void **state) {
    mouv__context_t home;
    struct peer peers[2];
    (void)state;
    mouv__context_init_thread(&home);
    for (int i = 0; i < 2; i++) peer_init(&peers[i], &home, catch_and_throw);
    exceptions = (mouv__exceptions_t){&home, 1};
    for (int i = 0; i < 4; i++) {
        mouv__context_switch(&home, &peers[i % 2].self);
        assert_ptr_equal(exceptions.caught, &home);
        assert_int_equal(exceptions.uncaught, 1);
    }
    for (int i = 0; i < 2; i++) peer_clear(&peers[i]);
    exceptions = (mouv__exceptions_t){0};
}

static void entry_that_returns_aborts(void **state) {
    int status = 0;
    pid_t child = fork();

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO); /* the assertion's text */
        signal(SIGABRT, SIG_DFL);
        run_to_exit(return_from_entry, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_context_runs_its_entry_on_its_own_stack),
        cmocka_unit_test(fresh_context_has_an_aligned_stack),
        cmocka_unit_test(fresh_context_prints_floating_point),
        cmocka_unit_test(backtrace_in_a_fresh_context_ends_at_its_beginning),
        cmocka_unit_test(stack_too_small_is_einval),
        cmocka_unit_test(context_never_started_can_be_cleared),
        cmocka_unit_test(callee_saved_registers_survive_switches),
        cmocka_unit_test(floating_point_environment_belongs_to_each_context),
        cmocka_unit_test(fresh_context_inherits_its_creators_floating_point_environment),
        cmocka_unit_test(hundred_thousand_turns_are_all_counted),
        cmocka_unit_test(threads_switch_their_own_contexts_independently),
        cmocka_unit_test(thousands_of_live_contexts_keep_their_locals),
        cmocka_unit_test(nested_contexts_return_to_the_one_that_switched),
        cmocka_unit_test(exited_contexts_stack_can_carry_the_next),
        cmocka_unit_test(exceptions_that_are_caught_or_on_their_way_belong_to_each_context),
        cmocka_unit_test(entry_that_returns_aborts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
