/*
 * What supervisor.c and the supervisor process say to each other.
 */
#ifndef MOUV_CLI_SANDBOX_SUPERVISOR_PROCESS_H
#define MOUV_CLI_SANDBOX_SUPERVISOR_PROCESS_H

#include "cli/sandbox/supervisor.h"

/* How long a process has to end after SIGTERM. */
enum { SUPERVISOR_GRACE_MS = 2000, SUPERVISOR_SHUTDOWN_MS = 10000 };

enum supervisor_report_kind {
    SUPERVISOR_DIRECTORY, /* the folder is made */
    SUPERVISOR_NODE,      /* node `node` was started or has ended: `state` */
    SUPERVISOR_FAILED     /* `error` kept it from starting */
};

struct supervisor_report {
    enum supervisor_report_kind kind;
    int node;
    int error;
    struct supervisor_node state;
    char directory[PATH_MAX];
};

/* The supervisor's whole life, in the child; `socket` is its end. */
_Noreturn void supervisor_process_main(int socket, const struct supervisor_plan *plan);

#endif
