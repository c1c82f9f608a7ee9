/*
 * The deployment that tests run on, over a client of the runner's own: what it is, its data, and
 * putting it back in order between tests.
 */
#ifndef MOUV_TESTS_SPEC_SERVER_H
#define MOUV_TESTS_SPEC_SERVER_H

#include <stdbool.h>

#include <bson/bson.h>
#include <mouv/mouv.h>

#include "spec/test.h"
#include "spec/text.h"

struct spec_server {
    char *uri;
    const char *multi_uri; /**< of the same, for clients with `useMultipleMongoses`; or NULL */
    mouv_client_t *client;
    int version[3];
    const char *topology; /**< "single", "replicaset", "sharded" or "load-balanced" */
    int members;          /**< of the replica set that bear data; else 1 */
    bool auth;
    bson_t *parameters; /**< all that getParameter gives */
};

/** Connects and looks. 0, or a negative error. */
int spec_server_open(spec_server_t *server, const char *uri, mouv_error_t *error);
void spec_server_close(spec_server_t *server);

/**
 * Whether one of the requirements (runOnRequirements of `document`) is met, or there are none.
 * Otherwise `why` gets what is not, of the last one.
 */
bool spec_server_meets(const spec_server_t *server, const bson_t *document, spec_text_t *why);

/** Whether the test needs what is not there; then it has failed as unsupported. */
bool spec_test_lacks(spec_test_t *test);

/** Makes the collections of `initialData` anew. */
bool spec_data_load(spec_test_t *test);

/** Compares collections with `outcome`. */
bool spec_data_check(spec_test_t *test);

/** Sets a fail point's mode to off. */
void spec_fail_points_clear(spec_test_t *test);

/** Ends what open transactions hold up. */
void spec_server_kill_sessions(const spec_server_t *server);

/** Runs a command as the runner itself; `reply` may be NULL. Takes `command`. */
int spec_server_run(const spec_server_t *server, const char *database, bson_t *command,
                    bson_t **reply, mouv_error_t *error);

#endif
