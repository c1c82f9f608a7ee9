/*
 * One test of a file while it runs: what it has made, and why it failed, if it did.
 */
#ifndef MOUV_TESTS_SPEC_TEST_H
#define MOUV_TESTS_SPEC_TEST_H

#include <stdbool.h>

#include <bson/bson.h>
#include <mouv/mouv.h>

typedef struct spec_entity spec_entity_t;
typedef struct spec_server spec_server_t;

typedef struct spec_test {
    spec_server_t *server;
    const bson_t *file;
    const bson_t *definition;
    spec_entity_t *entities; /**< the newest first; see entities.h */
    bson_t *fail_points;     /**< names of those that have been set */
    bool transactions;       /**< some may be open */
    bool failed;
    bool unsupported; /**< and that is why it has failed */
    char why[4000];
} spec_test_t;

/** The test has failed, and this is why, unless there is a reason already. Returns false. */
bool spec_fail(spec_test_t *test, const char *format, ...) MOUV_PRINTF(2, 3);

/** The same, where mouv, libmongoc or the deployment lacks what the reason names. */
bool spec_unsupported(spec_test_t *test, const char *format, ...) MOUV_PRINTF(2, 3);

/** Says where the reason of a failure is: put before it. */
void spec_locate(spec_test_t *test, const char *format, ...) MOUV_PRINTF(2, 3);

#endif
