/*
 * What the targets share. A target aborts where a promise is broken; the sanitizers see the rest.
 */
#ifndef MOUV_TESTS_FUZZ_H
#define MOUV_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_WHY_BYTES 256

#define FUZZ_CHECK(condition) fuzz_check(condition, #condition, __FILE__, __LINE__)

static inline void fuzz_check(int good, const char *what, const char *file, int line) {
    if (good) return;
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    abort();
}

/** Bytes of the heap, exactly as long as they are, so that a look beyond them is seen. */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size + !size);
    FUZZ_CHECK(copy != NULL);
    if (size > 0) memcpy(copy, data, size);
    return copy;
}

static inline void fuzz_put(uint8_t *to, uint32_t number) {
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(number >> 8 * i);
}

/** Sets the outermost length right, so that what is inside is looked at. */
static inline void fuzz_frame(uint8_t *document, size_t size) {
    if (size < 5) return;
    fuzz_put(document, (uint32_t)size);
    document[size - 1] = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
