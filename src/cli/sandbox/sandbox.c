/*
 * `mouv sandbox`: a private MongoDB for one command, or until Ctrl-C. What must not be left behind
 * is the supervisor's business (supervisor.h); here is the order of things.
 */
#include "cli/cli.h"
#include "cli/sandbox/child.h"
#include "cli/sandbox/replica_set.h"
#include "cli/sandbox/sandbox_options.h"
#include "cli/sandbox/supervisor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

_Static_assert((int)SUPERVISOR_NODES_MAX == (int)REPLICA_SET_MAX, "one limit");

enum { LISTEN_LIMIT_MS = 60000, POLL_INTERVAL_MS = 10, NOT_ENDED = -1 };

struct sandbox {
    const struct sandbox_options *options;
    char *program; /* the mongod */
    struct supervisor supervisor;
    struct replica_set set;
    sigset_t mask; /* of signals, as we were given it */
    int signals;   /* a signalfd */
    int asked;     /* the signal that asked for the end, or 0 */
    pid_t child;
    int status; /* the child's, or NOT_ENDED */
    bool warned[SUPERVISOR_NODES_MAX];
    int64_t began_ms;
};

static int64_t sandbox_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what happens to it ---------------------------------------------------------------------- */

/* A terminal sends Ctrl-C to the command as well; what somebody sent to us alone is passed on. */
static void sandbox_take_signal(struct sandbox *sandbox, const struct signalfd_siginfo *info) {
    int status;
    if (info->ssi_signo != SIGCHLD) {
        sandbox->asked = (int)info->ssi_signo;
        if (sandbox->child > 0 && info->ssi_code <= 0) kill(sandbox->child, (int)info->ssi_signo);
    } else if (sandbox->child > 0 && waitpid(sandbox->child, &status, WNOHANG) == sandbox->child) {
        sandbox->child = 0;
        sandbox->status = child_exit_status(status);
    }
}

/* Takes in signals and the supervisor's reports. */
static void sandbox_update(struct sandbox *sandbox) {
    struct signalfd_siginfo info;
    while (read(sandbox->signals, &info, sizeof info) == sizeof info)
        sandbox_take_signal(sandbox, &info);
    if (!sandbox->supervisor.gone) supervisor_update(&sandbox->supervisor);
}

static void sandbox_wait_for_news(struct sandbox *sandbox, int limit_ms) {
    struct pollfd watched[] = {
        {.fd = sandbox->signals, .events = POLLIN},
        {.fd = sandbox->supervisor.gone ? -1 : sandbox->supervisor.socket, .events = POLLIN}};
    poll(watched, 2, limit_ms);
    sandbox_update(sandbox);
}

/* The first node that has ended, or -1. */
static int sandbox_ended_node(const struct sandbox *sandbox) {
    for (int i = 0; i < sandbox->options->nodes; i++) {
        const struct supervisor_node *node = &sandbox->supervisor.nodes[i];
        if (node->port && node->pid == 0) return i;
    }
    return -1;
}

static bool sandbox_going(void *arg) {
    struct sandbox *sandbox = arg;
    sandbox_update(sandbox);
    return !sandbox->asked && !sandbox->supervisor.gone && !sandbox->supervisor.error &&
           sandbox_ended_node(sandbox) < 0;
}

/* --- up -------------------------------------------------------------------------------------- */

static bool sandbox_is_listening(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return connected;
}

static bool sandbox_all_listen(const struct sandbox *sandbox) {
    for (int i = 0; i < sandbox->options->nodes; i++) {
        uint16_t port = sandbox->supervisor.nodes[i].port;
        if (!port || !sandbox_is_listening(port)) return false;
    }
    return true;
}

static int sandbox_wait_until_listening(struct sandbox *sandbox, mouv_error_t *error) {
    while (!sandbox_all_listen(sandbox)) {
        if (!sandbox_going(sandbox)) return mouv_error_set(error, MOUV_ECANCELED, "given up");
        if (sandbox_now_ms() - sandbox->began_ms > LISTEN_LIMIT_MS)
            return mouv_error_set(error, MOUV_ETIMEDOUT, "mongod does not listen after %d s",
                                  LISTEN_LIMIT_MS / 1000);
        sandbox_wait_for_news(sandbox, POLL_INTERVAL_MS);
    }
    return 0;
}

static void sandbox_note(const struct sandbox *sandbox, const char *what) {
    if (!sandbox->options->verbose) return;
    fprintf(stderr, "sandbox: %5.2f s: %s\n", (double)(sandbox_now_ms() - sandbox->began_ms) / 1000,
            what);
}

static void sandbox_note_nodes(const struct sandbox *sandbox) {
    char line[PATH_MAX + 100];
    for (int i = 0; i < sandbox->options->nodes; i++) {
        const struct supervisor_node *node = &sandbox->supervisor.nodes[i];
        snprintf(line, sizeof line, "node %d listens on port %u (process %d, log %s/node%d.log)", i,
                 (unsigned)node->port, (int)node->pid, sandbox->supervisor.directory, i);
        sandbox_note(sandbox, line);
    }
}

static int sandbox_bring_up(struct sandbox *sandbox, mouv_error_t *error) {
    int rc = sandbox_wait_until_listening(sandbox, error);
    if (rc < 0) return rc;
    sandbox_note_nodes(sandbox);
    sandbox->set = (struct replica_set){.name = MONGOD_REPLICA_SET,
                                        .count = sandbox->options->nodes,
                                        .user = sandbox->options->user,
                                        .password = sandbox->options->password,
                                        .going = sandbox_going,
                                        .arg = sandbox};
    for (int i = 0; i < sandbox->set.count; i++)
        sandbox->set.ports[i] = sandbox->supervisor.nodes[i].port;
    rc = replica_set_start(&sandbox->set, error);
    if (rc < 0) return rc;
    sandbox_note(sandbox, "the replica set has its primary");
    return sandbox_going(sandbox) ? 0 : mouv_error_set(error, MOUV_ECANCELED, "given up");
}

static void sandbox_complain_ended(const struct sandbox *sandbox, int index) {
    int status = sandbox->supervisor.nodes[index].status;
    if (WIFSIGNALED(status))
        mouv_cli_complain("sandbox", "%s was ended by signal %d (%s)", sandbox->program,
                          WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        mouv_cli_complain("sandbox", "%s exited with status %d", sandbox->program,
                          WEXITSTATUS(status));
}

/* Says what kept it from starting, and returns the exit status for that. */
static int sandbox_explain(struct sandbox *sandbox, const mouv_error_t *error) {
    sandbox_update(sandbox);
    int node = sandbox_ended_node(sandbox);
    const char *tmpdir = getenv("TMPDIR");
    if (sandbox->asked) return 128 + sandbox->asked;
    if (sandbox->supervisor.error) {
        mouv_cli_complain("sandbox", "cannot make a folder for the server: %s (TMPDIR is %s)",
                          strerror(sandbox->supervisor.error), tmpdir ? tmpdir : "not set");
        return CLI_FAILED;
    }
    if (sandbox->supervisor.gone)
        mouv_cli_complain("sandbox", "its supervisor process was killed");
    else if (node >= 0)
        sandbox_complain_ended(sandbox, node);
    else
        mouv_cli_report("sandbox", error);
    mongod_explain(sandbox->program, sandbox->supervisor.directory, node < 0 ? 0 : node);
    return CLI_FAILED;
}

/* --- in use ---------------------------------------------------------------------------------- */

static void sandbox_warn_of_ended_nodes(struct sandbox *sandbox) {
    for (int i = 0; i < sandbox->options->nodes; i++) {
        if (sandbox->supervisor.nodes[i].pid || sandbox->warned[i]) continue;
        sandbox->warned[i] = true;
        sandbox_complain_ended(sandbox, i);
    }
}

static bool sandbox_in_use(const struct sandbox *sandbox) {
    return *sandbox->options->command ? sandbox->status == NOT_ENDED : !sandbox->asked;
}

static void sandbox_attend(struct sandbox *sandbox) {
    while (sandbox_in_use(sandbox)) {
        sandbox_wait_for_news(sandbox, -1);
        sandbox_warn_of_ended_nodes(sandbox);
    }
}

static int sandbox_run_command(struct sandbox *sandbox, const char *uri) {
    char uri_variable[1024], mark[sizeof SUPERVISOR_MARK + 1 + PATH_MAX];
    snprintf(uri_variable, sizeof uri_variable, "MONGODB_URI=%s", uri);
    snprintf(mark, sizeof mark, "%s=%s", SUPERVISOR_MARK, sandbox->supervisor.directory);
    char *environment[] = {uri_variable, mark, NULL};
    sandbox->child = child_start(sandbox->options->command, environment, &sandbox->mask);
    if (sandbox->child < 0) {
        mouv_cli_complain("sandbox", "cannot start a process: %s", strerror(errno));
        return CLI_FAILED;
    }
    sandbox_attend(sandbox);
    return sandbox->status;
}

static int sandbox_serve(struct sandbox *sandbox, const char *uri) {
    if (printf("%s\n", uri) < 0 || fflush(stdout) == EOF) {
        mouv_cli_complain("sandbox", "cannot write the URI: %s", strerror(errno));
        return CLI_FAILED;
    }
    sandbox_attend(sandbox);
    return CLI_OK;
}

static int sandbox_use(struct sandbox *sandbox) {
    char *uri = replica_set_uri(&sandbox->set);
    int status = *sandbox->options->command ? sandbox_run_command(sandbox, uri)
                                            : sandbox_serve(sandbox, uri);
    free(uri);
    return status;
}

/* --- all of it ------------------------------------------------------------------------------- */

static int sandbox_guarded(struct sandbox *sandbox) {
    mouv_error_t error;
    struct supervisor_plan plan = {
        .mongod = {.program = sandbox->program,
                   .parameters = sandbox->options->parameters,
                   .auth = sandbox->options->user},
        .node_count = sandbox->options->nodes,
        .keep = sandbox->options->keep,
        .restart = sandbox->options->restart,
    };
    if (supervisor_start(&sandbox->supervisor, &plan) < 0) {
        mouv_cli_complain("sandbox", "cannot start a process: %s", strerror(errno));
        return CLI_FAILED;
    }
    int status = sandbox_bring_up(sandbox, &error) == 0 ? sandbox_use(sandbox)
                                                        : sandbox_explain(sandbox, &error);
    if (supervisor_stop(&sandbox->supervisor, plan.keep) < 0)
        mouv_cli_complain("sandbox", "cannot remove all of %s", sandbox->supervisor.directory);
    else if (plan.keep)
        fprintf(stderr, "sandbox: kept %s\n", sandbox->supervisor.directory);
    return status;
}

int mouv_cli_sandbox(int argc, char **argv, const struct cli_common *common) {
    (void)common;
    struct sandbox_options options;
    sandbox_options_parse(&options, argc, argv);
    struct sandbox sandbox = {
        .options = &options, .status = NOT_ENDED, .began_ms = sandbox_now_ms()};
    sandbox.program = mongod_find(options.mongod);
    if (!sandbox.program) return CLI_FAILED;
    sandbox.signals = child_watch_signals(&sandbox.mask);
    int status = sandbox.signals < 0 ? CLI_FAILED : sandbox_guarded(&sandbox);
    free(sandbox.program);
    return status;
}
