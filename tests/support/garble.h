/*
 * Answers that no server gives: a mock server's rewriter (mock_server.h) that changes one thing in each.
 */
#ifndef MOUV_TESTS_GARBLE_H
#define MOUV_TESTS_GARBLE_H

#include <stddef.h>
#include <stdint.h>

enum { GARBLE_KINDS = 6, GARBLE_FRAMING = 4 }; /* the first of them leave the document as it is */

typedef struct garble {
    uint32_t seed;
    int round; /* the next one's kind, as a remainder */
} garble_t;

/** A mock_rewrite_fn; `arg` is a garble_t, which begins as zero. */
size_t garble_answer(void *arg, uint8_t *message, size_t size, size_t capacity);

/** Writes it as the wire has it. */
void garble_put(uint8_t *at, uint32_t value);

#endif
