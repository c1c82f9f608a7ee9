/*
 * A thread of a test: operations one after the other, beside those of the test itself. A task.
 */
#ifndef MOUV_TESTS_SPEC_THREAD_H
#define MOUV_TESTS_SPEC_THREAD_H

#include <stdbool.h>

#include <bson/bson.h>

#include "spec/test.h"

typedef struct spec_thread spec_thread_t;

spec_thread_t *spec_thread_new(spec_test_t *test, const char *id);

/** Has it run an operation once it has run those before. */
void spec_thread_add(spec_thread_t *thread, const bson_t *operation);

/** Waits until all is done, for at most 10 s: whether it is, and has not failed. */
bool spec_thread_join(spec_thread_t *thread);

/** Cancels what still runs. */
void spec_thread_free(spec_thread_t *thread);

#endif
