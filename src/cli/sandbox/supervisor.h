/*
 * The supervisor: a process of its own session that starts a sandbox's mongods, and ends and
 * removes everything when the sandbox goes, in whichever way it goes.
 *
 *     sandbox ---- socket pair ---- supervisor ---- mongod, mongod, ...
 *        |                                        (SIGKILL from the kernel if the supervisor dies)
 *        +---- command (marked in its environment)
 *
 * Only the sandbox has the other end of the supervisor's socket. Its end of file says "clean up",
 * after an orderly end as after SIGKILL: there is one way to end, and it is the one always used.
 */
#ifndef MOUV_CLI_SANDBOX_SUPERVISOR_H
#define MOUV_CLI_SANDBOX_SUPERVISOR_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/sandbox/mongod.h"

enum { SUPERVISOR_NODES_MAX = 7 }; /* as many as may vote in a replica set */

/* In the environment of the command: names the folder, and marks what has to end with it. */
#define SUPERVISOR_MARK "MOUV_SANDBOX"

struct supervisor_plan {
    struct mongod_spec mongod;
    int node_count;
    bool keep;    /* let mongod shut down in order and leave the folder */
    bool restart; /* start a node again that somebody killed or shut down */
};

struct supervisor_node {
    pid_t pid; /* 0: not running */
    uint16_t port;
    int status; /* how it ended, as waitpid() says it */
};

/* What the sandbox knows of its supervisor. */
struct supervisor {
    pid_t pid;
    int socket;
    bool gone;                /* it ended before it was told to */
    int error;                /* errno of what it could not do, or 0 */
    char directory[PATH_MAX]; /* "" until made */
    struct supervisor_node nodes[SUPERVISOR_NODES_MAX];
};

/* Forks the supervisor, which makes the folder and starts the nodes; call it while there is only
 * one thread. Returns 0, or -1 with errno. */
int supervisor_start(struct supervisor *supervisor, const struct supervisor_plan *plan);

/* Takes in what the supervisor has reported; never waits. */
void supervisor_update(struct supervisor *supervisor);

/* Lets the supervisor clean up and waits until it has; cleans up itself if the supervisor was
 * killed. Returns 0, or -1 if something stayed behind. */
int supervisor_stop(struct supervisor *supervisor, bool keep);

#endif
