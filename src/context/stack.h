/*
 * Stacks with a guard below them, kept in a pool for reuse. One pool a thread, no locks.
 */
#ifndef MOUV_CONTEXT_STACK_H
#define MOUV_CONTEXT_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOUV__STACK_DEFAULT_BYTES ((size_t)256 * 1024)
#define MOUV__STACK_LEAST_BYTES ((size_t)32 * 1024) /* libbson's BCON functions take 26 KiB */
#define MOUV__STACK_KEPT_BYTES ((size_t)32 * 1024)  /* stays resident between two users */
#define MOUV__STACK_CLASSES 9                       /* 32 KiB << 0 ... 32 KiB << 8 (8 MiB) */
/* Address space alone; more than any frame that is no array of the program's own. */
#define MOUV__STACK_GUARD_BYTES ((size_t)64 * 1024)

typedef struct mouv__stack mouv__stack_t;
typedef struct mouv__stack_pool mouv__stack_pool_t;
typedef struct mouv__stack_slab mouv__stack_slab_t;

/** How overflow is caught. The tests set it; else the pool finds out with its first stack. */
typedef enum mouv__guard_mode {
    MOUV__GUARD_UNKNOWN,
    MOUV__GUARD_MADVISE, /* MADV_GUARD_INSTALL, Linux >= 6.13: costs no mapping */
    MOUV__GUARD_MPROTECT /* PROT_NONE: costs two mappings, of which a process has few */
} mouv__guard_mode_t;

/** One stack. This record lives on the heap: the stack itself holds only what its user pushes. */
struct mouv__stack {
    void *low;     /* lowest usable byte; the guard ends here */
    size_t size;   /* usable bytes, a multiple of the page size */
    size_t colour; /* begin so far below the top: else all stacks compete for a few cache sets */
    void *user;    /* the owner's (the task), NULL when handed out */
    /* private */
    mouv__stack_t *next; /* in the list of idle ones */
    mouv__stack_slab_t *slab;
    unsigned put_count;
    bool idle;
};

/** The stacks of one size. */
typedef struct mouv__stack_class {
    mouv__stack_t *warm;      /* idle, their upper pages resident; last in, first out */
    mouv__stack_t *cold;      /* idle, all their pages returned */
    mouv__stack_slab_t *slab; /* where new ones are carved from */
} mouv__stack_class_t;

struct mouv__stack_pool {
    mouv__stack_class_t classes[MOUV__STACK_CLASSES];
    mouv__stack_slab_t *slabs; /* all of them */
    const char *reason;        /* why the last get failed */
    size_t page_size;
    size_t guard_size;
    size_t live;       /* handed out and not put back */
    size_t warm_count; /* idle with memory, all classes */
    size_t max_warm;   /* further idle ones return their memory */
    long max_guards;   /* process-wide limit of PROT_NONE guards; 0: not read yet */
    mouv__guard_mode_t guard_mode;
    bool fenced; /* a page without access lies above each slab: for valgrind, see sanitizer.h */
};

/** An empty pool; allocates nothing. */
void mouv__stack_pool_init(mouv__stack_pool_t *pool);

/**
 * Hands out a stack of at least `size` usable bytes; 0 is the default. Sizes are rounded up to a
 * power of two from 32 KiB; above 8 MiB to pages, and then not pooled.
 *
 * Context:   the pool's thread.
 * Ownership: give it back with mouv__stack_pool_put(); `*out` is set only on success.
 * Returns:   0, or -1 with errno ENOMEM and mouv__stack_pool_reason().
 */
int mouv__stack_pool_get(mouv__stack_pool_t *pool, size_t size, mouv__stack_t **out);

/** Why the last get failed, a static text; "" if none has. */
const char *mouv__stack_pool_reason(const mouv__stack_pool_t *pool);

/** Takes a stack back, from another stack. Memory that was touched deep down is returned. */
void mouv__stack_pool_put(mouv__stack_pool_t *pool, mouv__stack_t *stack);

/**
 * Takes a stack out of use until the pool is cleared: whoever ran on it has gone without returning, and
 * others may still look at what lies there.
 */
void mouv__stack_pool_retire(mouv__stack_pool_t *pool, mouv__stack_t *stack);

/** Unmaps everything. All stacks must have been put back or retired; the pool may be used again. */
void mouv__stack_pool_clear(mouv__stack_pool_t *pool);

/**
 * Bytes between the deepest page touched and the top. Pages, not bytes; of a stack that was reused
 * the uppermost 32 KiB may have been an earlier user's. Makes system calls: for reports.
 */
size_t mouv__stack_high_water(const mouv__stack_t *stack);

/**
 * The stack whose body or guard holds `address`, else NULL. Async-signal-safe on the pool's
 * thread, for the handler that says whose stack has overflowed.
 */
mouv__stack_t *mouv__stack_at(mouv__stack_pool_t *pool, const void *address);

/** Where the calling thread's own stack lies; nowhere if the platform does not tell. */
typedef struct mouv__stack_bounds {
    uintptr_t low;
    size_t size;
} mouv__stack_bounds_t;

/** Reads a file of /proc on the main thread: to be kept. */
mouv__stack_bounds_t mouv__stack_of_thread(void);

#endif
