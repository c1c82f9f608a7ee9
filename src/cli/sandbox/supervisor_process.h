/*
 * What guardian.c and the guardian process say to each other.
 */
#ifndef MOUV_CLI_SANDBOX_SUPERVISOR_PROCESS_H
#define MOUV_CLI_SANDBOX_SUPERVISOR_PROCESS_H

#include "cli/sandbox/supervisor.h"

/* How long a process has to end after SIGTERM. */
enum { GUARDIAN_GRACE_MS = 2000, GUARDIAN_SHUTDOWN_MS = 10000 };

enum guardian_report_kind {
    GUARDIAN_DIRECTORY, /* the folder is made */
    GUARDIAN_NODE,      /* node `node` was started or has ended: `state` */
    GUARDIAN_FAILED     /* `error` kept it from starting */
};

struct guardian_report {
    enum guardian_report_kind kind;
    int node;
    int error;
    struct guardian_node state;
    char directory[PATH_MAX];
};

/* The guardian's whole life, in the child; `socket` is its end. */
_Noreturn void guardian_process_main(int socket, const struct guardian_plan *plan);

#endif
