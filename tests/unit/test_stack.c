/* The stack pool: sizes, reuse, what memory stays resident, guard pages in both modes and their
 * limit; and the heap door, whose n-th allocation can be made to fail. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "context/alloc.h"
#include "context/sanitizer.h"
#include "context/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { many_stacks = 10000 };

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static mouv__stack_t *get(mouv__stack_pool_t *pool, size_t size) {
    mouv__stack_t *stack = NULL;

    assert_int_equal(mouv__stack_pool_get(pool, size, &stack), 0);
    assert_non_null(stack);
    return stack;
}

static char *top_of(const mouv__stack_t *stack) {
    return (char *)stack->low + stack->size;
}

/* Writes one byte to each of the uppermost `bytes` bytes' pages. */
static void touch(const mouv__stack_t *stack, size_t bytes) {
    for (size_t depth = page_size(); depth <= bytes; depth += page_size())
        memset(top_of(stack) - depth, 0x5a, page_size());
}

static size_t resident_pages(const mouv__stack_t *stack) {
    size_t pages = stack->size / page_size(), count = 0;
    unsigned char *resident = calloc(pages, 1);

    assert_non_null(resident);
    assert_int_equal(mincore(stack->low, stack->size, resident), 0);
    for (size_t i = 0; i < pages; i++) count += resident[i] & 1;
    free(resident);
    return count;
}

/* --- sizes --- */

static void default_stack_is_256_kib_and_writable(void **state) {
    mouv__stack_pool_t pool;
    mouv__stack_t *stack;

    (void)state;
    mouv__stack_pool_init(&pool);
    stack = get(&pool, 0);
    assert_int_equal(stack->size, 256 * 1024);
    assert_int_equal((uintptr_t)stack->low % page_size(), 0);
    assert_null(stack->user);
    memset(stack->low, 1, stack->size);
    mouv__stack_pool_put(&pool, stack);
    mouv__stack_pool_clear(&pool);
}

static void sizes_are_rounded_up(void **state) {
    static const struct {
        size_t asked, given;
    } rows[] = {
        {1, 32 * 1024},
        {16 * 1024 + 1, 32 * 1024},
        {100 * 1000, 128 * 1024},
        {256 * 1024, 256 * 1024},
        {(size_t)8 << 20, (size_t)8 << 20},
        {((size_t)9 << 20) + 1, ((size_t)9 << 20) + 4096},
    };
    mouv__stack_pool_t pool;

    (void)state;
    mouv__stack_pool_init(&pool);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mouv__stack_t *stack = get(&pool, rows[i].asked);

        if (page_size() == 4096) assert_int_equal(stack->size, rows[i].given);
        assert_true(stack->size >= rows[i].asked);
        ((char *)stack->low)[0] = 1;
        top_of(stack)[-1] = 1;
        mouv__stack_pool_put(&pool, stack);
    }
    mouv__stack_pool_clear(&pool);
}

static void size_beyond_the_address_space_is_enomem(void **state) {
    mouv__stack_t *const untouched = (mouv__stack_t *)state;
    mouv__stack_t *stack = untouched;
    mouv__stack_pool_t pool;

    mouv__stack_pool_init(&pool);
    assert_string_equal(mouv__stack_pool_reason(&pool), "");
    assert_int_equal(mouv__stack_pool_get(&pool, SIZE_MAX, &stack), -1);
    assert_int_equal(errno, ENOMEM);
    assert_non_null(strstr(mouv__stack_pool_reason(&pool), "too large"));
#if !defined(MOUV__ASAN) && !defined(MOUV__TSAN) /* their mmap ends the process instead */
    assert_int_equal(mouv__stack_pool_get(&pool, SIZE_MAX / 8, &stack), -1);
    assert_int_equal(errno, ENOMEM);
    assert_non_null(strstr(mouv__stack_pool_reason(&pool), "mmap"));
#else
    print_message("not under this sanitizer: a size that mmap refuses\n");
#endif
    assert_ptr_equal(stack, untouched);
    mouv__stack_pool_clear(&pool);
}

static void neighbours_begin_in_different_cache_sets(void **state) {
    mouv__stack_pool_t pool;
    mouv__stack_t *a, *b;

    (void)state;
    mouv__stack_pool_init(&pool);
    a = get(&pool, 0);
    b = get(&pool, 0);
    assert_int_not_equal(a->colour, b->colour);
    assert_true(a->colour <= page_size() / 2);
    assert_true(b->colour <= page_size() / 2);
    assert_int_equal((a->colour | b->colour) % 64, 0);
    mouv__stack_pool_put(&pool, a);
    mouv__stack_pool_put(&pool, b);
    mouv__stack_pool_clear(&pool);
}

/* --- reuse and memory --- */

static void stack_put_last_is_got_first(void **state) {
    mouv__stack_pool_t pool;
    mouv__stack_t *first, *second, *smaller;

    (void)state;
    mouv__stack_pool_init(&pool);
    first = get(&pool, 0);
    second = get(&pool, 0);
    assert_ptr_not_equal(first, second);
    first->user = &pool;
    mouv__stack_pool_put(&pool, second);
    mouv__stack_pool_put(&pool, first);
    assert_ptr_equal(get(&pool, 0), first);
    assert_null(first->user);
    smaller = get(&pool, 64 * 1024);
    assert_ptr_not_equal(smaller, second);
    assert_ptr_equal(get(&pool, 0), second);
    assert_int_equal(pool.live, 3);
    mouv__stack_pool_put(&pool, first);
    mouv__stack_pool_put(&pool, second);
    mouv__stack_pool_put(&pool, smaller);
    mouv__stack_pool_clear(&pool);
}

static void fresh_stack_has_no_resident_page(void **state) {
    mouv__stack_pool_t pool;
    mouv__stack_t *stack;

    (void)state;
    mouv__stack_pool_init(&pool);
    stack = get(&pool, 0);
    assert_int_equal(resident_pages(stack), 0);
    assert_int_equal(mouv__stack_high_water(stack), 0);
    mouv__stack_pool_put(&pool, stack);
    mouv__stack_pool_clear(&pool);
}

static void put_of_a_deep_stack_returns_all_but_32_kib(void **state) {
    mouv__stack_pool_t pool;
    mouv__stack_t *stack;

    (void)state;
    mouv__stack_pool_init(&pool);
    stack = get(&pool, 0);
    touch(stack, stack->size);
    assert_int_equal(resident_pages(stack), stack->size / page_size());
    mouv__stack_pool_put(&pool, stack);
    assert_int_equal(resident_pages(stack), MOUV__STACK_KEPT_BYTES / page_size());
    assert_int_equal(((char *)stack->low)[0], 0);
    assert_int_equal(top_of(stack)[-1], 0x5a);
    mouv__stack_pool_clear(&pool);
}

static void put_of_a_shallow_stack_keeps_its_pages(void **state) {
    mouv__stack_pool_t pool;
    mouv__stack_t *stack;

    (void)state;
    mouv__stack_pool_init(&pool);
    for (int i = 0; i < 200; i++) {
        stack = get(&pool, 0);
        touch(stack, MOUV__STACK_KEPT_BYTES);
        mouv__stack_pool_put(&pool, stack);
        assert_int_equal(top_of(stack)[-(ptrdiff_t)MOUV__STACK_KEPT_BYTES], 0x5a);
    }
    mouv__stack_pool_clear(&pool);
}

static void deep_page_below_an_untouched_gap_is_returned_in_time(void **state) {
    mouv__stack_pool_t pool;
    mouv__stack_t *stack;

    (void)state;
    mouv__stack_pool_init(&pool);
    stack = get(&pool, 0);
    ((char *)stack->low)[0] = 1; /* as by a large buffer of which only the beginning is used */
    for (int i = 0; i < 64; i++) {
        mouv__stack_pool_put(&pool, stack);
        assert_ptr_equal(get(&pool, 0), stack);
    }
    assert_int_equal(((char *)stack->low)[0], 0);
    mouv__stack_pool_put(&pool, stack);
    mouv__stack_pool_clear(&pool);
}

static void idle_stacks_beyond_the_warm_ones_keep_no_memory(void **state) {
    mouv__stack_pool_t pool;
    mouv__stack_t *stacks[5];

    (void)state;
    mouv__stack_pool_init(&pool);
    pool.max_warm = 2;
    for (int i = 0; i < 5; i++) {
        stacks[i] = get(&pool, 0);
        touch(stacks[i], page_size());
    }
    for (int i = 0; i < 5; i++) mouv__stack_pool_put(&pool, stacks[i]);
    assert_int_equal(pool.warm_count, 2);
    for (int i = 2; i < 5; i++) assert_int_equal(resident_pages(stacks[i]), 0);
    assert_ptr_equal(get(&pool, 0), stacks[1]); /* the warm ones first */
    assert_ptr_equal(get(&pool, 0), stacks[0]);
    assert_ptr_equal(get(&pool, 0), stacks[4]);
    assert_int_equal(pool.warm_count, 0);
    mouv__stack_pool_put(&pool, stacks[0]);
    mouv__stack_pool_put(&pool, stacks[1]);
    mouv__stack_pool_put(&pool, stacks[4]);
    mouv__stack_pool_clear(&pool);
}

static void large_stack_is_unmapped_when_put(void **state) {
    mouv__stack_pool_t pool;
    mouv__stack_t *stack;
    void *low;

    (void)state;
    mouv__stack_pool_init(&pool);
    stack = get(&pool, (size_t)16 << 20);
    low = stack->low;
    assert_non_null(mouv__stack_at(&pool, low));
    mouv__stack_pool_put(&pool, stack);
    assert_null(mouv__stack_at(&pool, low));
    assert_int_equal(mincore(low, page_size(), &(unsigned char){0}), -1);
    mouv__stack_pool_clear(&pool);
}

static void high_water_is_the_deepest_page_touched(void **state) {
    mouv__stack_pool_t pool;
    mouv__stack_t *stack;

    (void)state;
    mouv__stack_pool_init(&pool);
    stack = get(&pool, 0);
    touch(stack, 5 * page_size());
    assert_int_equal(mouv__stack_high_water(stack), 5 * page_size());
    mouv__stack_pool_put(&pool, stack);
    assert_ptr_equal(get(&pool, 0), stack);
    assert_int_equal(mouv__stack_high_water(stack), 5 * page_size());
    touch(stack, MOUV__STACK_KEPT_BYTES + page_size());
    assert_int_equal(mouv__stack_high_water(stack), MOUV__STACK_KEPT_BYTES + page_size());
    ((char *)stack->low)[0] = 1;
    assert_int_equal(mouv__stack_high_water(stack), stack->size);
    mouv__stack_pool_put(&pool, stack);
    assert_true(mouv__stack_high_water(stack) <= MOUV__STACK_KEPT_BYTES);
    mouv__stack_pool_clear(&pool);
}

static int count_mappings(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    int c, lines = 0;

    assert_non_null(maps);
    while ((c = fgetc(maps)) != EOF) lines += c == '\n';
    fclose(maps);
    return lines;
}

static void many_stacks_at_once_are_distinct(void **state) {
    mouv__stack_t **stacks = calloc(many_stacks, sizeof *stacks);
    mouv__stack_pool_t pool;
    int before = count_mappings();

    (void)state;
    assert_non_null(stacks);
    mouv__stack_pool_init(&pool);
    for (int i = 0; i < many_stacks; i++) {
        stacks[i] = get(&pool, 0);
        assert_null(stacks[i]->user);
        stacks[i]->user = &stacks[i];
    }
    for (int i = 0; i < many_stacks; i++)
        assert_ptr_equal(mouv__stack_at(&pool, top_of(stacks[i]) - 1)->user, &stacks[i]);
    print_message("guard mode %d: %d stacks took %d mappings\n", (int)pool.guard_mode, many_stacks,
                  count_mappings() - before);
    if (pool.guard_mode == MOUV__GUARD_MADVISE) /* each slab's, and under valgrind its fence's */
        assert_true(count_mappings() - before <= 2 * (many_stacks / 64 + 1));
    for (int i = 0; i < many_stacks; i++) mouv__stack_pool_put(&pool, stacks[i]);
    mouv__stack_pool_clear(&pool);
    free(stacks);
}

/* --- guards --- */

static void address_is_matched_to_the_stack_that_holds_it(void **state) {
    mouv__stack_pool_t pool;
    mouv__stack_t *a, *b, *other;

    (void)state;
    mouv__stack_pool_init(&pool);
    a = get(&pool, 0);
    b = get(&pool, 0);
    other = get(&pool, 64 * 1024);
    assert_ptr_equal(mouv__stack_at(&pool, a->low), a);
    assert_ptr_equal(mouv__stack_at(&pool, top_of(a) - 1), a);
    assert_ptr_equal(mouv__stack_at(&pool, (char *)a->low - 1), a);
    assert_ptr_equal(mouv__stack_at(&pool, (char *)a->low - pool.guard_size), a);
    assert_ptr_equal(mouv__stack_at(&pool, (char *)b->low - 1), b);
    assert_ptr_equal(mouv__stack_at(&pool, (char *)other->low - 1), other);
    assert_null(mouv__stack_at(&pool, (char *)a->low - pool.guard_size - 1));
    assert_null(mouv__stack_at(&pool, top_of(b))); /* in the slab, not carved yet */
    assert_null(mouv__stack_at(&pool, &pool));
    assert_null(mouv__stack_at(&pool, NULL));
    mouv__stack_pool_put(&pool, a);
    mouv__stack_pool_put(&pool, b);
    mouv__stack_pool_put(&pool, other);
    mouv__stack_pool_clear(&pool);
}

/* Volatile: only the handler reads it, and the compiler may know that sigaction() does not. */
static mouv__stack_pool_t *volatile handler_pool;

/* In the child: 42 says that the address named the right stack's guard page. */
static void on_segv(int signal_number, siginfo_t *info, void *ucontext) {
    char *address = info->si_addr;
    mouv__stack_t *stack = mouv__stack_at(handler_pool, address);

    (void)signal_number, (void)ucontext;
    if (stack == NULL || stack->user != handler_pool) _exit(1);
    _exit(address < (char *)stack->low && address >= (char *)stack->low - 64 * 1024 ? 42 : 2);
}

/* `step` is how far the first access lies below the stack. */
static void overflow(mouv__stack_pool_t *pool, mouv__stack_t *stack, size_t step) {
    static char alternate[64 * 1024];
    stack_t altstack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    struct sigaction action = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    handler_pool = pool;
    sigaltstack(&altstack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    for (volatile char *at = (char *)stack->low - step;; at--) *at = 1;
}

static void overflow_by_hits_the_guard(mouv__guard_mode_t mode, size_t step) {
    mouv__stack_pool_t pool;
    mouv__stack_t *below, *stack;
    int status = 0;
    pid_t child;

    mouv__stack_pool_init(&pool);
    pool.guard_mode = mode;
    below = get(&pool, 32 * 1024);
    stack = get(&pool, 32 * 1024);
    if (mode != MOUV__GUARD_UNKNOWN) assert_int_equal(pool.guard_mode, mode);
    stack->user = &pool;
    child = fork();
    assert_true(child >= 0);
    if (child == 0) overflow(&pool, stack, step);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    mouv__stack_pool_put(&pool, stack);
    mouv__stack_pool_put(&pool, below);
    mouv__stack_pool_clear(&pool);
}

static void overflow_hits_the_guard(mouv__guard_mode_t mode) {
    overflow_by_hits_the_guard(mode, 1);
    overflow_by_hits_the_guard(mode,
                               (size_t)60 * 1024); /* a frame that steps over the first pages */
    overflow_by_hits_the_guard(mode, (size_t)64 * 1024);
}

static mouv__guard_mode_t mode_of_this_kernel(void) {
    mouv__stack_pool_t pool;

    mouv__stack_pool_init(&pool);
    mouv__stack_pool_put(&pool, get(&pool, 0));
    mouv__stack_pool_clear(&pool);
    return pool.guard_mode;
}

static void overflow_with_madvise_guards_names_the_stack(void **state) {
    (void)state;
    if (mode_of_this_kernel() != MOUV__GUARD_MADVISE) {
        print_message("this kernel has no MADV_GUARD_INSTALL (Linux 6.13)\n");
        skip();
    }
    overflow_hits_the_guard(MOUV__GUARD_MADVISE);
}

static void overflow_with_mprotect_guards_names_the_stack(void **state) {
    (void)state;
    overflow_hits_the_guard(MOUV__GUARD_MPROTECT);
}

static void guard_is_found_out_with_the_first_stack(void **state) {
    (void)state;
    assert_int_not_equal(mode_of_this_kernel(), MOUV__GUARD_UNKNOWN);
    overflow_hits_the_guard(MOUV__GUARD_UNKNOWN);
}

static bool kernel_can_read(const char *address) {
    ssize_t written;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    mouv__checks_pause();
    written = write(ends[1], address, 1);
    mouv__checks_resume();
    close(ends[0]);
    close(ends[1]);
    return written == 1;
}

static void guard_survives_the_return_of_memory(void **state) {
    mouv__stack_pool_t pool;
    mouv__stack_t *stack;

    (void)state;
    mouv__stack_pool_init(&pool);
    stack = get(&pool, 0);
    touch(stack, stack->size);
    mouv__stack_pool_put(&pool, stack);
    assert_ptr_equal(get(&pool, 0), stack);
    assert_false(kernel_can_read((char *)stack->low - 1));
    assert_true(kernel_can_read(stack->low));
    mouv__stack_pool_put(&pool, stack);
    mouv__stack_pool_clear(&pool);
}

/* A large one is alone in its slab: the fence begins where it ends. */
static void fence_lies_above_a_slab_and_goes_with_it(void **state) {
    mouv__stack_pool_t pool;
    mouv__stack_t *stack;
    char *top;

    (void)state;
    mouv__stack_pool_init(&pool);
    pool.fenced = true;
    stack = get(&pool, (size_t)16 << 20);
    top = top_of(stack);
    memset(stack->low, 1, stack->size);
    assert_int_equal(mincore(top, page_size(), &(unsigned char){0}), 0);
    assert_false(kernel_can_read(top));
    assert_null(mouv__stack_at(&pool, top));
    mouv__stack_pool_put(&pool, stack);
    assert_int_equal(mincore(top, page_size(), &(unsigned char){0}), -1);
    mouv__stack_pool_clear(&pool);
}

static void forced_mprotect(mouv__stack_pool_t *pool, long limit) {
    mouv__stack_pool_init(pool);
    pool->guard_mode = MOUV__GUARD_MPROTECT;
    pool->max_guards = limit;
}

static void stack_beyond_the_guard_limit_is_refused_by_name(void **state) {
    mouv__stack_pool_t pool;
    mouv__stack_t *stacks[3], *refused = NULL;

    (void)state;
    forced_mprotect(&pool, 3);
    for (int i = 0; i < 3; i++) stacks[i] = get(&pool, 0);
    assert_int_equal(mouv__stack_pool_get(&pool, 0, &refused), -1);
    assert_int_equal(errno, ENOMEM);
    assert_null(refused);
    assert_non_null(strstr(mouv__stack_pool_reason(&pool), "vm.max_map_count"));
    assert_int_equal(mouv__stack_pool_get(&pool, (size_t)9 << 20, &refused), -1);
    mouv__stack_pool_put(&pool, stacks[2]);
    stacks[2] = get(&pool, 0); /* one that has its guard already */
    for (int i = 0; i < 3; i++) mouv__stack_pool_put(&pool, stacks[i]);
    mouv__stack_pool_clear(&pool);
}

static void guard_limit_counts_all_pools_and_is_given_back(void **state) {
    mouv__stack_pool_t one, two;
    mouv__stack_t *stack, *refused = NULL;

    (void)state;
    forced_mprotect(&one, 1);
    forced_mprotect(&two, 1);
    stack = get(&one, 0);
    assert_int_equal(mouv__stack_pool_get(&two, 0, &refused), -1);
    mouv__stack_pool_put(&one, stack);
    mouv__stack_pool_clear(&one);
    for (int i = 0; i < 3; i++)
        mouv__stack_pool_put(&two, get(&two, (size_t)9 << 20)); /* unmapped by each put */
    stack = get(&two, 0);
    mouv__stack_pool_put(&two, stack);
    mouv__stack_pool_clear(&two);
}

static void guard_limit_is_45_percent_of_max_map_count(void **state) {
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    mouv__stack_pool_t pool;
    long count = 65530;

    (void)state;
    if (file != NULL) {
        assert_int_equal(fscanf(file, "%ld", &count), 1);
        fclose(file);
    }
    forced_mprotect(&pool, 0);
    mouv__stack_pool_put(&pool, get(&pool, 0));
    assert_int_equal(pool.max_guards, count * 45 / 100);
    mouv__stack_pool_clear(&pool);
}

/* --- the heap door --- */

/* A get that needs the heap and a mapping; returns false if it failed as promised. */
static bool get_survives_failure_at(int64_t n, size_t size) {
    mouv__stack_pool_t pool;
    mouv__stack_t *stack = NULL;
    int rc;

    mouv__stack_pool_init(&pool);
    mouv__alloc_fail_at = n;
    rc = mouv__stack_pool_get(&pool, size, &stack);
    if (rc != 0) {
        assert_int_equal(rc, -1);
        assert_int_equal(errno, ENOMEM);
        assert_int_equal(mouv__alloc_fail_at, 0);
        assert_null(stack);
        assert_true(strlen(mouv__stack_pool_reason(&pool)) > 0);
        stack = get(&pool, size); /* the failure has gone, and left nothing behind */
    }
    mouv__alloc_fail_at = -1;
    mouv__stack_pool_put(&pool, stack);
    mouv__stack_pool_clear(&pool);
    return rc == 0;
}

static void every_allocation_of_a_get_may_fail(void **state) {
    static const size_t sizes[] = {0, 16 * 1024, (size_t)9 << 20};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int64_t n = 1;

        while (!get_survives_failure_at(n, sizes[i])) n++;
        assert_int_equal(n - 1, 2); /* the slab's record and its mapping */
    }
}

static void reused_stack_allocates_nothing(void **state) {
    mouv__stack_pool_t pool;

    (void)state;
    mouv__stack_pool_init(&pool);
    mouv__stack_pool_put(&pool, get(&pool, 0));
    mouv__alloc_fail_at = 1;
    mouv__stack_pool_put(&pool, get(&pool, 0));
    assert_int_equal(mouv__alloc_fail_at, 1);
    mouv__alloc_fail_at = -1;
    mouv__stack_pool_clear(&pool);
}

static void alloc_gives_zeroed_memory(void **state) {
    static const char zeros[4096];
    char *memory;

    (void)state;
    for (int i = 0; i < 100; i++) {
        memory = mouv__alloc(sizeof zeros);
        assert_non_null(memory);
        assert_memory_equal(memory, zeros, sizeof zeros);
        memset(memory, 0xff, sizeof zeros);
        mouv__free(memory);
    }
    memory = mouv__alloc(0);
    assert_non_null(memory);
    mouv__free(memory);
    mouv__free(NULL);
}

static void realloc_keeps_the_contents_and_survives_its_failure(void **state) {
    char *memory = mouv__realloc(NULL, 4), *larger;

    (void)state;
    assert_non_null(memory);
    memcpy(memory, "mou", 4);
    mouv__alloc_fail_at = 1;
    errno = 0;
    assert_null(mouv__realloc(memory, 4096));
    assert_int_equal(errno, ENOMEM);
    assert_string_equal(memory, "mou");
    larger = mouv__realloc(memory, 4096);
    assert_non_null(larger);
    assert_string_equal(larger, "mou");
    mouv__free(larger);
    mouv__alloc_fail_at = -1;
}

static void only_the_nth_allocation_fails(void **state) {
    (void)state;
    mouv__alloc_fail_at = 3;
    for (int i = 1; i <= 6; i++) {
        void *memory = mouv__alloc(8);

        assert_int_equal(memory == NULL, i == 3);
        mouv__free(memory);
    }
    assert_int_equal(mouv__alloc_fail_at, 0);
    mouv__alloc_fail_at = -1;
    assert_false(mouv__alloc_must_fail());
    assert_int_equal(mouv__alloc_fail_at, -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_stack_is_256_kib_and_writable),
        cmocka_unit_test(sizes_are_rounded_up),
        cmocka_unit_test(size_beyond_the_address_space_is_enomem),
        cmocka_unit_test(neighbours_begin_in_different_cache_sets),
        cmocka_unit_test(stack_put_last_is_got_first),
        cmocka_unit_test(fresh_stack_has_no_resident_page),
        cmocka_unit_test(put_of_a_deep_stack_returns_all_but_32_kib),
        cmocka_unit_test(put_of_a_shallow_stack_keeps_its_pages),
        cmocka_unit_test(deep_page_below_an_untouched_gap_is_returned_in_time),
        cmocka_unit_test(idle_stacks_beyond_the_warm_ones_keep_no_memory),
        cmocka_unit_test(large_stack_is_unmapped_when_put),
        cmocka_unit_test(high_water_is_the_deepest_page_touched),
        cmocka_unit_test(many_stacks_at_once_are_distinct),
        cmocka_unit_test(address_is_matched_to_the_stack_that_holds_it),
        cmocka_unit_test(overflow_with_madvise_guards_names_the_stack),
        cmocka_unit_test(overflow_with_mprotect_guards_names_the_stack),
        cmocka_unit_test(guard_is_found_out_with_the_first_stack),
        cmocka_unit_test(guard_survives_the_return_of_memory),
        cmocka_unit_test(fence_lies_above_a_slab_and_goes_with_it),
        cmocka_unit_test(stack_beyond_the_guard_limit_is_refused_by_name),
        cmocka_unit_test(guard_limit_counts_all_pools_and_is_given_back),
        cmocka_unit_test(guard_limit_is_45_percent_of_max_map_count),
        cmocka_unit_test(every_allocation_of_a_get_may_fail),
        cmocka_unit_test(reused_stack_allocates_nothing),
        cmocka_unit_test(alloc_gives_zeroed_memory),
        cmocka_unit_test(realloc_keeps_the_contents_and_survives_its_failure),
        cmocka_unit_test(only_the_nth_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
