/*
 * A MongoDB of the test's own: `mouv sandbox` ($MOUV) as a child, which ends with it and cleans up.
 */
#ifndef MOUV_TESTS_SERVER_H
#define MOUV_TESTS_SERVER_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct server {
    pid_t sandbox; /**< 0: none */
    FILE *output;
    char uri[512];
} server_t;

/**
 * Starts one and waits until it has a primary; blocks. `options` are the sandbox's ("--nodes", "3",
 * "--restart", ..., NULL), at most 8; NULL for none. False, and said on stderr, if there is no $MOUV
 * or it fails.
 */
bool server_start(server_t *server, const char *const *options);

/** SIGSTOP, and waits until every thread of the process has stopped; false if there is no such
 *  process. SIGCONT lets it go on. */
bool server_freeze(pid_t pid);

/** Ends it and waits until nothing of it is left. Harmless if it was not started. */
void server_stop(server_t *server);

#endif
