/*
 * Test files: loading one, and running its tests one after the other.
 */
#ifndef MOUV_TESTS_SPEC_FILE_H
#define MOUV_TESTS_SPEC_FILE_H

#include <stdbool.h>

#include <bson/bson.h>

#include "spec/server.h"

typedef enum spec_verdict {
    SPEC_PASSED,
    SPEC_FAILED,
    SPEC_SKIPPED,    /**< by what the file itself requires */
    SPEC_UNSUPPORTED /**< by what mouv, libmongoc or the deployment lacks */
} spec_verdict_t;

/** The document in a file, checked against the schema; NULL with `why` (to bson_free()). */
bson_t *spec_file_load(const char *path, char **why);

/**
 * Runs one test of a file; a coroutine. `why` is of at least SPEC_WHY bytes: the reason of a
 * failure, or what is missing for it to run.
 */
enum { SPEC_WHY = 4000 };
spec_verdict_t spec_test_run(spec_server_t *server, const bson_t *file, const bson_t *definition,
                             char *why);

#endif
