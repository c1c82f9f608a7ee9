/*
 * `mouv sandbox`: a private MongoDB for one command, or until Ctrl-C. What must not be left behind
 * is the guardian's business (guardian.h); here is the order of things.
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

_Static_assert((int)GUARDIAN_NODES_MAX == (int)REPLICA_SET_MAX, "one limit");

enum { LISTEN_LIMIT_MS = 60000, POLL_INTERVAL_MS = 10, NOT_ENDED = -1 };

struct sandbox {
    const struct sandbox_options *options;
    char *program; /* the mongod */
    struct guardian guardian;
    struct replica_set set;
    sigset_t mask; /* of signals, as we were given it */
    int signals;   /* a signalfd */
    int asked;     /* the signal that asked for the end, or 0 */
    pid_t child;
    int status; /* the child's, or NOT_ENDED */
    bool warned[GUARDIAN_NODES_MAX];
    int64_t began_ms;
};

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what happens to it ---------------------------------------------------------------------- */

/* A terminal sends Ctrl-C to the command as well; what somebody sent to us alone is passed on. */
static void take_signal(struct sandbox *sandbox, const struct signalfd_siginfo *info) {
    int status;
    if (info->ssi_signo != SIGCHLD) {
        sandbox->asked = (int)info->ssi_signo;
        if (sandbox->child > 0 && info->ssi_code <= 0) kill(sandbox->child, (int)info->ssi_signo);
    } else if (sandbox->child > 0 && waitpid(sandbox->child, &status, WNOHANG) == sandbox->child) {
        sandbox->child = 0;
        sandbox->status = child_exit_status(status);
    }
}

/* Takes in signals and the guardian's reports. */
static void update(struct sandbox *sandbox) {
    struct signalfd_siginfo info;
    while (read(sandbox->signals, &info, sizeof info) == sizeof info) take_signal(sandbox, &info);
    if (!sandbox->guardian.gone) guardian_update(&sandbox->guardian);
}

static void wait_for_news(struct sandbox *sandbox, int limit_ms) {
    struct pollfd watched[] = {
        {.fd = sandbox->signals, .events = POLLIN},
        {.fd = sandbox->guardian.gone ? -1 : sandbox->guardian.socket, .events = POLLIN}};
    poll(watched, 2, limit_ms);
    update(sandbox);
}

/* The first node that has ended, or -1. */
static int ended_node(const struct sandbox *sandbox) {
    for (int i = 0; i < sandbox->options->nodes; i++) {
        const struct guardian_node *node = &sandbox->guardian.nodes[i];
        if (node->port && node->pid == 0) return i;
    }
    return -1;
}

static bool going(void *arg) {
    struct sandbox *sandbox = arg;
    update(sandbox);
    return !sandbox->asked && !sandbox->guardian.gone && !sandbox->guardian.error &&
           ended_node(sandbox) < 0;
}

/* --- up -------------------------------------------------------------------------------------- */

static bool is_listening(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return connected;
}

static bool all_listen(const struct sandbox *sandbox) {
    for (int i = 0; i < sandbox->options->nodes; i++) {
        uint16_t port = sandbox->guardian.nodes[i].port;
        if (!port || !is_listening(port)) return false;
    }
    return true;
}

static int wait_until_listening(struct sandbox *sandbox, mouv_error_t *error) {
    while (!all_listen(sandbox)) {
        if (!going(sandbox)) return mouv_error_set(error, MOUV_ECANCELED, "given up");
        if (now_ms() - sandbox->began_ms > LISTEN_LIMIT_MS)
            return mouv_error_set(error, MOUV_ETIMEDOUT, "mongod does not listen after %d s",
                                  LISTEN_LIMIT_MS / 1000);
        wait_for_news(sandbox, POLL_INTERVAL_MS);
    }
    return 0;
}

static void note(const struct sandbox *sandbox, const char *what) {
    if (!sandbox->options->verbose) return;
    fprintf(stderr, "sandbox: %5.2f s: %s\n", (double)(now_ms() - sandbox->began_ms) / 1000, what);
}

static void note_nodes(const struct sandbox *sandbox) {
    char line[PATH_MAX + 100];
    for (int i = 0; i < sandbox->options->nodes; i++) {
        const struct guardian_node *node = &sandbox->guardian.nodes[i];
        snprintf(line, sizeof line, "node %d listens on port %u (process %d, log %s/node%d.log)", i,
                 (unsigned)node->port, (int)node->pid, sandbox->guardian.directory, i);
        note(sandbox, line);
    }
}

static int bring_up(struct sandbox *sandbox, mouv_error_t *error) {
    int rc = wait_until_listening(sandbox, error);
    if (rc < 0) return rc;
    note_nodes(sandbox);
    sandbox->set = (struct replica_set){.name = MONGOD_REPLICA_SET,
                                        .count = sandbox->options->nodes,
                                        .user = sandbox->options->user,
                                        .password = sandbox->options->password,
                                        .going = going,
                                        .arg = sandbox};
    for (int i = 0; i < sandbox->set.count; i++)
        sandbox->set.ports[i] = sandbox->guardian.nodes[i].port;
    rc = replica_set_start(&sandbox->set, error);
    if (rc < 0) return rc;
    note(sandbox, "the replica set has its primary");
    return going(sandbox) ? 0 : mouv_error_set(error, MOUV_ECANCELED, "given up");
}

static void complain_ended(const struct sandbox *sandbox, int index) {
    int status = sandbox->guardian.nodes[index].status;
    if (WIFSIGNALED(status))
        mouv_cli_complain("sandbox", "%s was ended by signal %d (%s)", sandbox->program,
                          WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        mouv_cli_complain("sandbox", "%s exited with status %d", sandbox->program,
                          WEXITSTATUS(status));
}

/* Says what kept it from starting, and returns the exit status for that. */
static int explain(struct sandbox *sandbox, const mouv_error_t *error) {
    update(sandbox);
    int node = ended_node(sandbox);
    const char *tmpdir = getenv("TMPDIR");
    if (sandbox->asked) return 128 + sandbox->asked;
    if (sandbox->guardian.error) {
        mouv_cli_complain("sandbox", "cannot make a folder for the server: %s (TMPDIR is %s)",
                          strerror(sandbox->guardian.error), tmpdir ? tmpdir : "not set");
        return CLI_FAILED;
    }
    if (sandbox->guardian.gone)
        mouv_cli_complain("sandbox", "its guardian process was killed");
    else if (node >= 0)
        complain_ended(sandbox, node);
    else
        mouv_cli_report("sandbox", error);
    mongod_explain(sandbox->program, sandbox->guardian.directory, node < 0 ? 0 : node);
    return CLI_FAILED;
}

/* --- in use ---------------------------------------------------------------------------------- */

static void warn_of_ended_nodes(struct sandbox *sandbox) {
    for (int i = 0; i < sandbox->options->nodes; i++) {
        if (sandbox->guardian.nodes[i].pid || sandbox->warned[i]) continue;
        sandbox->warned[i] = true;
        complain_ended(sandbox, i);
    }
}

static bool in_use(const struct sandbox *sandbox) {
    return *sandbox->options->command ? sandbox->status == NOT_ENDED : !sandbox->asked;
}

static void attend(struct sandbox *sandbox) {
    while (in_use(sandbox)) {
        wait_for_news(sandbox, -1);
        warn_of_ended_nodes(sandbox);
    }
}

static int run_command(struct sandbox *sandbox, const char *uri) {
    char uri_variable[1024], mark[sizeof GUARDIAN_MARK + 1 + PATH_MAX];
    snprintf(uri_variable, sizeof uri_variable, "MONGODB_URI=%s", uri);
    snprintf(mark, sizeof mark, "%s=%s", GUARDIAN_MARK, sandbox->guardian.directory);
    char *environment[] = {uri_variable, mark, NULL};
    sandbox->child = child_start(sandbox->options->command, environment, &sandbox->mask);
    if (sandbox->child < 0) {
        mouv_cli_complain("sandbox", "cannot start a process: %s", strerror(errno));
        return CLI_FAILED;
    }
    attend(sandbox);
    return sandbox->status;
}

static int serve(struct sandbox *sandbox, const char *uri) {
    if (printf("%s\n", uri) < 0 || fflush(stdout) == EOF) {
        mouv_cli_complain("sandbox", "cannot write the URI: %s", strerror(errno));
        return CLI_FAILED;
    }
    attend(sandbox);
    return CLI_OK;
}

static int use(struct sandbox *sandbox) {
    char *uri = replica_set_uri(&sandbox->set);
    int status = *sandbox->options->command ? run_command(sandbox, uri) : serve(sandbox, uri);
    free(uri);
    return status;
}

/* --- all of it ------------------------------------------------------------------------------- */

static int guarded(struct sandbox *sandbox) {
    mouv_error_t error;
    struct guardian_plan plan = {
        .mongod = {.program = sandbox->program,
                   .parameters = sandbox->options->parameters,
                   .auth = sandbox->options->user},
        .node_count = sandbox->options->nodes,
        .keep = sandbox->options->keep,
        .restart = sandbox->options->restart,
    };
    if (guardian_start(&sandbox->guardian, &plan) < 0) {
        mouv_cli_complain("sandbox", "cannot start a process: %s", strerror(errno));
        return CLI_FAILED;
    }
    int status = bring_up(sandbox, &error) == 0 ? use(sandbox) : explain(sandbox, &error);
    if (guardian_stop(&sandbox->guardian, plan.keep) < 0)
        mouv_cli_complain("sandbox", "cannot remove all of %s", sandbox->guardian.directory);
    else if (plan.keep)
        fprintf(stderr, "sandbox: kept %s\n", sandbox->guardian.directory);
    return status;
}

int mouv_cli_sandbox(int argc, char **argv, const struct cli_common *common) {
    (void)common;
    struct sandbox_options options;
    sandbox_options_parse(&options, argc, argv);
    struct sandbox sandbox = {.options = &options, .status = NOT_ENDED, .began_ms = now_ms()};
    sandbox.program = mongod_find(options.mongod);
    if (!sandbox.program) return CLI_FAILED;
    sandbox.signals = child_watch_signals(&sandbox.mask);
    int status = sandbox.signals < 0 ? CLI_FAILED : guarded(&sandbox);
    free(sandbox.program);
    return status;
}
