/*
 * The only door to the heap for all of mouv, so that a test can make the n-th allocation fail.
 */
#ifndef MOUV_CONTEXT_ALLOC_H
#define MOUV_CONTEXT_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Which allocation fails. -1: none, ever. n > 0: the n-th from now, counted over all threads; the
 * counter then stays at 0, by which a test sees that the failure was reached. Read and written with
 * __atomic builtins once threads run.
 */
extern int64_t mouv__alloc_fail_at;

/** Counts one allocation and says whether it must fail; for memory that is not malloc's (mmap). */
bool mouv__alloc_must_fail(void);

/** Zeroed memory, or NULL with errno ENOMEM. A size of 0 gives a pointer that can be freed. */
void *mouv__alloc(size_t size);

/** As mouv__alloc() for `head` bytes and `count` elements; NULL too if that is no size at all. */
void *mouv__alloc_array(size_t head, size_t count, size_t element);

/** As realloc(); what is added is not zeroed. On NULL `old` is still the caller's. */
void *mouv__realloc(void *old, size_t size);

/** As free(): NULL is fine. */
void mouv__free(void *memory);

#endif
