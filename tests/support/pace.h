/*
 * Cases about what mouv does within a fraction of a second, by its own limits: where the machine has held up the
 * loop or a thread meanwhile, what failed is done once more. What fails while the machine keeps pace has failed.
 */
#ifndef MOUV_TESTS_PACE_H
#define MOUV_TESTS_PACE_H

#include "support/support.h"

/** Runs the body; before each time but the first `end` and `start` are called, as cmocka would, or neither if both
 *  are NULL. */
int pace_run(test_t *t, test_fn_t body, int (*start)(void **state), int (*end)(void **state));

/** A BARE_CASE in a file that has start() and end(). */
#define PACED_CASE(name) \
    static int name##_paced(test_t *t); \
    BARE_CASE(name) { \
        return pace_run(t, name##_paced, start, end); \
    } \
    static int name##_paced(test_t *t)

#endif
