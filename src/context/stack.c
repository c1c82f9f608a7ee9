/*
 * The stack pool: slabs of equal stacks, each slot a guard of 64 KiB with a stack above it.
 *
 * A slab is mapped at once and carved as stacks are wanted, the guard of each when it is first handed
 * out. One that is put back keeps its upper pages and goes on top of its class's `warm` ones, so that
 * the next task gets the stack that is still in the cache; beyond `max_warm` it returns all of its
 * pages and is `cold`. (These are stacks of stacks, pushed and popped at one end: one pointer does.)
 * Slabs are unmapped with the pool; one of a single large stack, which is not pooled, as soon as
 * that is put back. Under valgrind a fence lies above each slab. One pool a thread, no locks.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "stack.h"

#include "alloc.h"
#include "sanitizer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if !defined(MAP_STACK)
#define MAP_STACK 0
#endif
#if !defined(MAP_NORESERVE)
#define MAP_NORESERVE 0
#endif
#if defined(__linux__)
#define ADVICE_GUARD_INSTALL 102 /* MADV_GUARD_INSTALL; older headers do not have it */
#define ADVICE_POPULATE_READ 22  /* MADV_POPULATE_READ */
#endif

#define SLAB_BYTES ((size_t)16 * 1024 * 1024)
#define SLAB_MOST_STACKS 64
#define LARGEST_CLASS_BYTES (MOUV__STACK_LEAST_BYTES << (MOUV__STACK_CLASSES - 1))
#define LARGEST_STACK_BYTES (SIZE_MAX / 4)

#define DEFAULT_MAX_WARM 4096
#define DEFAULT_MAX_MAP_COUNT 65530 /* the kernel's own default */

/* A put looks at a few words; each so many puts of one stack it asks the kernel instead. */
#define PUTS_PER_FULL_CHECK 64
#define PROBE_WORDS 8

#define COLOURS 16
#define COLOUR_BYTES 128

struct mouv__stack_slab {
    mouv__stack_slab_t *next;
    char *base;
    size_t stride; /* guard and stack */
    size_t page_size;
    size_t count;
    size_t mapped; /* bytes: all slots, and the fence if there is one */
    size_t carved; /* slots that have a guard and have been handed out at least once */
    long guards;   /* mappings' worth of PROT_NONE guards, to be given back */
    mouv__stack_class_t *class_of; /* NULL: one large stack, not pooled */
    mouv__stack_t stacks[];
};

/* PROT_NONE guards of the whole process: the limit they use up is the process's. */
static atomic_long guards_in_process;

static const char *const reason_memory = "out of memory";
static const char *const reason_size = "the stack size is too large";
static const char *const reason_mmap =
    "mmap failed: no memory or address space for a stack, or vm.max_map_count is reached";
static const char *const reason_mprotect =
    "mprotect failed for a stack's guard page: vm.max_map_count is reached";
static const char *const reason_guards =
    "too many stacks: their guard pages would use up vm.max_map_count; raise it, or use "
    "Linux 6.13 or later, where guard pages cost no mapping";

static int stack_fail(mouv__stack_pool_t *pool, const char *reason) {
    pool->reason = reason;
    errno = ENOMEM;
    return -1;
}

static size_t stack_round_up(size_t size, size_t unit) {
    return (size + unit - 1) / unit * unit;
}

void mouv__stack_pool_init(mouv__stack_pool_t *pool) {
    *pool = (mouv__stack_pool_t){
        .reason = "",
        .page_size = (size_t)sysconf(_SC_PAGESIZE),
        .max_warm = DEFAULT_MAX_WARM,
        .fenced = mouv__fiber_wants_fence(),
    };
    pool->guard_size = stack_round_up(MOUV__STACK_GUARD_BYTES, pool->page_size);
}

const char *mouv__stack_pool_reason(const mouv__stack_pool_t *pool) {
    return pool->reason;
}

/* --- guards --- */

static long stack_read_max_map_count(void) {
    char text[32] = "";
    int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    long count = length > 0 ? strtol(text, NULL, 10) : 0;

    if (fd >= 0) close(fd);
    return count > 0 ? count : DEFAULT_MAX_MAP_COUNT;
}

/* 45 %: a guard splits a mapping in two, and the program needs mappings for other things. */
static long stack_max_guards(mouv__stack_pool_t *pool) {
    if (pool->max_guards == 0)
        pool->max_guards = (long)((long long)stack_read_max_map_count() * 45 / 100);
    return pool->max_guards;
}

#if defined(ADVICE_GUARD_INSTALL)
/* An emulator may accept any advice and do nothing: this advice fails if the guard is there. */
static bool stack_guard_is_there(mouv__stack_pool_t *pool, char *guard) {
    return madvise(guard, pool->page_size, ADVICE_POPULATE_READ) != 0 && errno == EFAULT;
}
#endif

static bool stack_guard_by_madvise(mouv__stack_pool_t *pool, char *guard) {
#if defined(ADVICE_GUARD_INSTALL)
    if (pool->guard_mode == MOUV__GUARD_MPROTECT) return false;
    if (madvise(guard, pool->guard_size, ADVICE_GUARD_INSTALL) != 0) {
        pool->guard_mode = MOUV__GUARD_MPROTECT;
        return false;
    }
    if (pool->guard_mode == MOUV__GUARD_UNKNOWN)
        pool->guard_mode =
            stack_guard_is_there(pool, guard) ? MOUV__GUARD_MADVISE : MOUV__GUARD_MPROTECT;
    return pool->guard_mode == MOUV__GUARD_MADVISE;
#else
    (void)guard;
    pool->guard_mode = MOUV__GUARD_MPROTECT;
    return false;
#endif
}

static int stack_guard_install(mouv__stack_pool_t *pool, mouv__stack_slab_t *slab, char *guard) {
    if (stack_guard_by_madvise(pool, guard)) return 0;
    if (atomic_fetch_add(&guards_in_process, 1) >= stack_max_guards(pool)) {
        atomic_fetch_sub(&guards_in_process, 1);
        return stack_fail(pool, reason_guards);
    }
    if (mprotect(guard, pool->guard_size, PROT_NONE) != 0) {
        atomic_fetch_sub(&guards_in_process, 1);
        return stack_fail(pool, reason_mprotect);
    }
    slab->guards++;
    return 0;
}

/* --- slabs --- */

static void *stack_map(void *where, size_t size, int access, int more_flags) {
    void *memory =
        mmap(where, size, access,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | more_flags, -1, 0);

    return memory != MAP_FAILED ? memory : NULL;
}

/*
 * Never without its fence, as another thread may begin on a stack above it at any time. Mapped twice,
 * because memcheck goes over memory byte by byte that mprotect() opens.
 */
static void *stack_map_fenced(size_t size, size_t fence) {
    void *memory = stack_map(NULL, size + fence, PROT_NONE, 0);

    if (memory != NULL && stack_map(memory, size, PROT_READ | PROT_WRITE, MAP_FIXED) == NULL) {
        munmap(memory, size + fence);
        return NULL;
    }
    return memory;
}

static void *stack_map_memory(size_t size, size_t fence) {
    void *memory;

    if (mouv__alloc_must_fail()) return NULL;
    memory = fence > 0 ? stack_map_fenced(size, fence)
                       : stack_map(NULL, size, PROT_READ | PROT_WRITE, 0);
    if (memory == NULL) return NULL;
#if defined(MADV_NOHUGEPAGE)
    /* A page touched shall cost one page. Kernels without huge pages refuse, which is as good. */
    (void)madvise(memory, size, MADV_NOHUGEPAGE);
#endif
    return memory;
}

static mouv__stack_slab_t *stack_slab_new(mouv__stack_pool_t *pool, size_t stack_size,
                                          size_t count) {
    size_t fence = pool->fenced ? pool->page_size : 0;
    mouv__stack_slab_t *slab = mouv__alloc(sizeof *slab + count * sizeof slab->stacks[0]);

    if (slab == NULL) {
        stack_fail(pool, reason_memory);
        return NULL;
    }
    slab->count = count;
    slab->stride = pool->guard_size + stack_size;
    slab->page_size = pool->page_size;
    slab->mapped = slab->stride * count + fence;
    slab->base = stack_map_memory(slab->stride * count, fence);
    if (slab->base == NULL) {
        mouv__free(slab);
        stack_fail(pool, reason_mmap);
        return NULL;
    }
    slab->next = pool->slabs;
    atomic_signal_fence(memory_order_release); /* mouv__stack_at() may interrupt us */
    pool->slabs = slab;
    return slab;
}

/* The caller has taken it out of the list. */
static void stack_slab_unmap(mouv__stack_slab_t *slab) {
    atomic_fetch_sub(&guards_in_process, slab->guards);
    munmap(slab->base, slab->mapped);
    mouv__free(slab);
}

static void stack_slab_remove(mouv__stack_pool_t *pool, mouv__stack_slab_t *slab) {
    mouv__stack_slab_t **link = &pool->slabs;

    while (*link != slab) link = &(*link)->next;
    *link = slab->next;
    stack_slab_unmap(slab);
}

static mouv__stack_t *stack_slab_carve(mouv__stack_pool_t *pool, mouv__stack_slab_t *slab) {
    mouv__stack_t *stack = &slab->stacks[slab->carved];
    char *guard = slab->base + slab->carved * slab->stride;

    if (stack_guard_install(pool, slab, guard) != 0) return NULL;
    stack->low = guard + pool->guard_size;
    stack->size = slab->stride - pool->guard_size;
    stack->colour = slab->carved % COLOURS * COLOUR_BYTES;
    stack->slab = slab;
    slab->carved++;
    return stack;
}

/* --- get --- */

static mouv__stack_t *stack_take_idle(mouv__stack_pool_t *pool, mouv__stack_class_t *class_of) {
    mouv__stack_t **list = class_of->warm != NULL ? &class_of->warm : &class_of->cold;
    mouv__stack_t *stack = *list;

    if (stack == NULL) return NULL;
    if (list == &class_of->warm) pool->warm_count--;
    *list = stack->next;
    return stack;
}

static mouv__stack_t *stack_take_new(mouv__stack_pool_t *pool, mouv__stack_class_t *class_of,
                                     size_t size) {
    mouv__stack_slab_t *slab = class_of->slab;

    if (slab == NULL || slab->carved == slab->count) {
        size_t count = SLAB_BYTES / size;

        slab = stack_slab_new(pool, size, count < SLAB_MOST_STACKS ? count : SLAB_MOST_STACKS);
        if (slab == NULL) return NULL;
        slab->class_of = class_of;
        class_of->slab = slab;
    }
    return stack_slab_carve(pool, slab);
}

static mouv__stack_t *stack_take_pooled(mouv__stack_pool_t *pool, size_t size) {
    size_t class_size = MOUV__STACK_LEAST_BYTES;
    mouv__stack_class_t *class_of = pool->classes;
    mouv__stack_t *stack;

    for (; class_size < size; class_size *= 2) class_of++;
    stack = stack_take_idle(pool, class_of);
    return stack != NULL ? stack : stack_take_new(pool, class_of, class_size);
}

static mouv__stack_t *stack_take_large(mouv__stack_pool_t *pool, size_t size) {
    mouv__stack_slab_t *slab = stack_slab_new(pool, stack_round_up(size, pool->page_size), 1);
    mouv__stack_t *stack;

    if (slab == NULL) return NULL;
    stack = stack_slab_carve(pool, slab);
    if (stack == NULL) stack_slab_remove(pool, slab);
    return stack;
}

int mouv__stack_pool_get(mouv__stack_pool_t *pool, size_t size, mouv__stack_t **out) {
    mouv__stack_t *stack;

    if (size == 0) size = MOUV__STACK_DEFAULT_BYTES;
    if (size > LARGEST_STACK_BYTES) return stack_fail(pool, reason_size);
    if (size < pool->page_size) size = pool->page_size; /* pages larger than the smallest class */
    stack =
        size <= LARGEST_CLASS_BYTES ? stack_take_pooled(pool, size) : stack_take_large(pool, size);
    if (stack == NULL) {
        errno = ENOMEM;
        return -1;
    }
    stack->idle = false;
    stack->user = NULL;
    stack->next = NULL;
    pool->live++;
    *out = stack;
    return 0;
}

/* --- how much of a stack was touched --- */

/* Index of the lowest resident page in [low, low + size), or the number of pages if none is. */
static size_t stack_first_resident(char *low, size_t size, size_t page_size) {
    unsigned char resident[256];
    size_t pages = size / page_size, at = 0;

    while (at < pages) {
        size_t some = pages - at < sizeof resident ? pages - at : sizeof resident;

        if (mincore(low + at * page_size, some * page_size, (void *)resident) != 0) return pages;
        for (size_t i = 0; i < some; i++)
            if (resident[i] & 1) return at + i;
        at += some;
    }
    return pages;
}

/* The page that a put reads: just below what is kept. NULL if the whole stack is kept. */
static char *stack_probe_page(const mouv__stack_t *stack, size_t page_size) {
    size_t kept = stack_round_up(MOUV__STACK_KEPT_BYTES, page_size);

    return stack->size > kept ? (char *)stack->low + stack->size - kept - page_size : NULL;
}

/* Not instrumented: the page may hold frames that are live, redzones and all. */
MOUV__UNCHECKED static bool all_zero(const char *page, size_t page_size) {
    const volatile uintptr_t *words = (const volatile uintptr_t *)page;
    uintptr_t seen = 0;

    mouv__checks_pause();
    for (size_t i = 0; i < page_size / sizeof *words; i++) seen |= words[i];
    mouv__checks_resume();
    return seen == 0;
}

size_t mouv__stack_high_water(const mouv__stack_t *stack) {
    size_t page_size = stack->slab->page_size;
    char *low = stack->low, *probe = stack_probe_page(stack, page_size);
    char *lowest = low + stack_first_resident(low, stack->size, page_size) * page_size;

    /* A put has read that page, which made it resident without anyone's using it. */
    if (probe != NULL && lowest == probe && all_zero(probe, page_size)) {
        char *above = probe + page_size;

        lowest =
            above +
            stack_first_resident(above, (size_t)(low + stack->size - above), page_size) * page_size;
    }
    return (size_t)(low + stack->size - lowest);
}

/* --- put --- */

/*
 * Whether something was written in the page below the kept ones. Reading a page that was never
 * written maps the kernel's shared page of zeros: one fault in a stack's life, no memory, and no
 * system call ever. A large local variable can straddle the words unseen; the full check that
 * comes round every so often finds those.
 */
static bool stack_probe_is_dirty(const char *page, size_t page_size) {
    uintptr_t seen = 0;

    for (size_t i = 1; i <= PROBE_WORDS; i++)
        seen |=
            *(const volatile uintptr_t *)(page + i * (page_size / PROBE_WORDS) - sizeof(uintptr_t));
    return seen != 0;
}

static bool stack_any_resident(char *low, const char *end, size_t page_size) {
    size_t size = (size_t)(end - low);

    return stack_first_resident(low, size, page_size) < size / page_size;
}

static void stack_give_back_deep_pages(mouv__stack_t *stack, size_t page_size) {
    char *low = stack->low, *probe = stack_probe_page(stack, page_size);
    bool full_check = ++stack->put_count % PUTS_PER_FULL_CHECK == 0;

    if (probe == NULL) return;
    if (stack_probe_is_dirty(probe, page_size) ||
        (full_check && stack_any_resident(low, probe, page_size)))
        madvise(low, (size_t)(probe + page_size - low), MADV_DONTNEED);
}

static void stack_make_idle(mouv__stack_pool_t *pool, mouv__stack_t *stack) {
    mouv__stack_class_t *class_of = stack->slab->class_of;
    bool warm = pool->warm_count < pool->max_warm;
    mouv__stack_t **list = warm ? &class_of->warm : &class_of->cold;

    if (warm) {
        pool->warm_count++;
        stack_give_back_deep_pages(stack, pool->page_size);
    } else {
        madvise(stack->low, stack->size, MADV_DONTNEED);
    }
    stack->next = *list;
    *list = stack;
}

void mouv__stack_pool_put(mouv__stack_pool_t *pool, mouv__stack_t *stack) {
    assert(!stack->idle && pool->live > 0);
    pool->live--;
    stack->idle = true;
    stack->user = NULL;
    mouv__fiber_forget_frames(stack->low, stack->size);
    if (stack->slab->class_of == NULL)
        stack_slab_remove(pool, stack->slab);
    else
        stack_make_idle(pool, stack);
}

void mouv__stack_pool_retire(mouv__stack_pool_t *pool, mouv__stack_t *stack) {
    assert(!stack->idle && pool->live > 0);
    pool->live--;
    stack->idle = true;
    stack->user = NULL;
}

void mouv__stack_pool_clear(mouv__stack_pool_t *pool) {
    assert(pool->live == 0);
    while (pool->slabs != NULL) {
        mouv__stack_slab_t *slab = pool->slabs;

        pool->slabs = slab->next;
        stack_slab_unmap(slab);
    }
    memset(pool->classes, 0, sizeof pool->classes);
    pool->warm_count = 0;
}

/* --- whose address --- */

mouv__stack_t *mouv__stack_at(mouv__stack_pool_t *pool, const void *address) {
    uintptr_t at = (uintptr_t)address;

    for (mouv__stack_slab_t *slab = pool->slabs; slab != NULL; slab = slab->next) {
        size_t index = (at - (uintptr_t)slab->base) / slab->stride; /* huge if below the base */

        if (at >= (uintptr_t)slab->base && index < slab->carved) return &slab->stacks[index];
    }
    return NULL;
}

/* --- the thread's own --- */

mouv__stack_bounds_t mouv__stack_of_thread(void) {
    mouv__stack_bounds_t bounds = {0, 0};
#if defined(__linux__)
    pthread_attr_t attributes;
    void *low = NULL;

    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return bounds;
    if (pthread_attr_getstack(&attributes, &low, &bounds.size) != 0) bounds.size = 0;
    pthread_attr_destroy(&attributes);
    bounds.low = (uintptr_t)low;
#elif defined(__APPLE__)
    bounds.size = pthread_get_stacksize_np(pthread_self());
    bounds.low = (uintptr_t)pthread_get_stackaddr_np(pthread_self()) - bounds.size;
#endif
    return bounds;
}
