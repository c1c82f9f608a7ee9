/*
 * The table of tests that are known not to pass, each with its reason; see README.md.
 */
#ifndef MOUV_TESTS_SPEC_EXCEPTIONS_H
#define MOUV_TESTS_SPEC_EXCEPTIONS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct spec_exception {
    char *file; /**< "crud/aggregate.json" */
    char *test; /**< its description, or "*": every test of the file */
    char *reason;
    int line;
    bool met;    /**< such a test exists */
    bool failed; /**< one has failed, as it should */
} spec_exception_t;

typedef struct spec_exceptions {
    spec_exception_t *list;
    size_t count;
} spec_exceptions_t;

/** Reads a table; false with a message on stderr. */
bool spec_exceptions_read(spec_exceptions_t *exceptions, const char *path);
void spec_exceptions_free(spec_exceptions_t *exceptions);

/** The exception for a test, or NULL. `file` is a path that ends with "folder/name.json". */
spec_exception_t *spec_exception_find(const spec_exceptions_t *exceptions, const char *file,
                                      const char *test);

/** Whether a path is of the file that an exception names. */
bool spec_exception_is_of(const spec_exception_t *exception, const char *file);

#endif
