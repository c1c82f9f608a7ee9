/*
 * The heap door: calloc, realloc and free, and the countdown that makes one of them fail.
 */
#include "alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Up to here glibc's malloc takes memory from a cache of the thread, which its calloc does not. */
#define THREAD_CACHED_BYTES ((size_t)1032)

int64_t mouv__alloc_fail_at = -1;

bool mouv__alloc_must_fail(void) {
    if (__atomic_load_n(&mouv__alloc_fail_at, __ATOMIC_RELAXED) <= 0) return false;
    /* Two threads may both pass the test above at 1; exactly one of them sees 0 here. */
    if (__atomic_sub_fetch(&mouv__alloc_fail_at, 1, __ATOMIC_RELAXED) != 0) return false;
    errno = ENOMEM;
    return true;
}

void *mouv__alloc(size_t size) {
    if (mouv__alloc_must_fail()) return NULL;
    if (size > THREAD_CACHED_BYTES) return calloc(1, size);
    void *memory = malloc(size > 0 ? size : 1);
    if (memory != NULL) memset(memory, 0, size);
    return memory;
}

void *mouv__alloc_array(size_t head, size_t count, size_t element) {
    if (count > (PTRDIFF_MAX - head) / element) {
        errno = ENOMEM;
        return NULL;
    }
    return mouv__alloc(head + count * element);
}

void *mouv__realloc(void *old, size_t size) {
    if (mouv__alloc_must_fail()) return NULL;
    return realloc(old, size > 0 ? size : 1);
}

void mouv__free(void *memory) {
    free(memory);
}
