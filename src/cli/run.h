/*
 * One command's run: its client, its output, one deadline around it, its exit status.
 */
#ifndef MOUV_CLI_RUN_H
#define MOUV_CLI_RUN_H

#include <mouv/mouv.h>

#include "cli/cli.h"
#include "cli/input.h"
#include "cli/output.h"

struct cli_run;

/* What a command does; in a coroutine. 0 or a negative error, `error` filled. */
typedef int (*cli_body_t)(struct cli_run *run, void *arg, mouv_error_t *error);

struct cli_run {
    const struct cli_common *common;
    mouv_client_t *client;
    struct cli_input input; /* "-", or the file that the body opens */
    struct cli_output output;
    mouv_semaphore_t *turns; /* for batches after the first, where cursors are many; else NULL */
    char remark[256];        /* what libmongoc had to say about the URI */
    int status;              /* for a body that goes on after a failure and has reported it */
    cli_body_t body;
    void *arg;
};

/* Makes a loop and a client and runs the body. Returns the exit status; what went wrong has been
 * said. After a closed pipe it is that of a death by SIGPIPE, as `cat` ends. */
int mouv_cli_run(const struct cli_common *common, cli_body_t body, void *arg);

#endif
