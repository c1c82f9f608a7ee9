/*
 * The mongod program: where it is, how one is started, and what its log says when that failed.
 */
#ifndef MOUV_CLI_SANDBOX_MONGOD_H
#define MOUV_CLI_SANDBOX_MONGOD_H

#include <stdbool.h>
#include <stdint.h>

#define MONGOD_REPLICA_SET "mouv"
#define MONGOD_KEY_FILE "key"

enum { MONGOD_EXIT_PORT_TAKEN = 48 };

/* How every node of a sandbox is started. */
struct mongod_spec {
    const char *program;
    char *const *parameters; /* NAME=VALUE of --setParameter, ends with NULL */
    bool auth;               /* needs MONGOD_KEY_FILE in the folder */
};

/* The mongod to use: `wanted` (may be NULL), $MOUV_MONGOD, the one on PATH, the one that
 * scripts/mongod has fetched. An absolute path to free(), or NULL after a complaint. */
char *mongod_find(const char *wanted);

/* Sets a free port of the loopback interface aside and returns a descriptor that keeps it, or -1:
 * nobody else gets the port while it is open, but a mongod that is told to can listen there. */
int mongod_reserve_port(uint16_t *port);

/* Becomes node `node`, with its data in `directory`/nodeN (where there may be some already) and its
 * log in `directory`/nodeN.log. */
_Noreturn void mongod_exec(const struct mongod_spec *spec, const char *directory, int node,
                           uint16_t port);

/* Prints what a node's log says about its end, and a hint where the cause is a known one. */
void mongod_explain(const char *program, const char *directory, int node);

#endif
