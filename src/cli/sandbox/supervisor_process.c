/*
 * The supervisor process. It waits for two things only: its socket's end of file, and the end of a
 * mongod. Nothing but SIGKILL ends it early, and then the kernel ends its mongods.
 */
#include "cli/sandbox/supervisor_process.h"

#include "cli/sandbox/processes.h"
#include "cli/sandbox/tempdir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SOCKET_FD = STDERR_FILENO + 1, PORT_ATTEMPTS = 5, PAUSE_MS = 10 };

struct process {
    const struct supervisor_plan *plan;
    int socket;
    int children; /* a signalfd for SIGCHLD */
    char directory[PATH_MAX];
    struct supervisor_node nodes[SUPERVISOR_NODES_MAX];
    int ports[SUPERVISOR_NODES_MAX]; /* descriptors that keep the nodes' ports */
    int port_attempts;
    bool ending;
};

/* --- reports --------------------------------------------------------------------------------- */

static void supervisor_process_report(const struct process *process,
                                      const struct supervisor_report *report) {
    send(process->socket, report, sizeof *report, MSG_NOSIGNAL); /* nobody there: end of file */
}

static void supervisor_process_report_node(const struct process *process, int node) {
    supervisor_process_report(process, &(struct supervisor_report){.kind = SUPERVISOR_NODE,
                                                                   .node = node,
                                                                   .state = process->nodes[node]});
}

static void supervisor_process_report_failure(const struct process *process, int error) {
    supervisor_process_report(
        process, &(struct supervisor_report){.kind = SUPERVISOR_FAILED, .error = error});
}

/* --- nodes ----------------------------------------------------------------------------------- */

/* In the child. The kernel ends it with its parent; if that is gone already it must not begin. */
static _Noreturn void supervisor_process_become_node(const struct process *process, int node,
                                                     pid_t supervisor) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor) _exit(EXIT_FAILURE);
    mongod_exec(&process->plan->mongod, process->directory, node, process->nodes[node].port);
}

static int supervisor_process_fork_node(struct process *process, int index) {
    struct supervisor_node *node = &process->nodes[index];
    pid_t supervisor = getpid();
    node->pid = fork();
    if (node->pid == 0) supervisor_process_become_node(process, index, supervisor);
    if (node->pid < 0) return -1;
    supervisor_process_report_node(process, index);
    return 0;
}

static int supervisor_process_start_node(struct process *process, int index) {
    process->ports[index] = mongod_reserve_port(&process->nodes[index].port);
    return process->ports[index] < 0 ? -1 : supervisor_process_fork_node(process, index);
}

/* Only another program that insisted on our very port can make this happen. */
static bool supervisor_process_lost_its_port(struct process *process, int status) {
    return WIFEXITED(status) && WEXITSTATUS(status) == MONGOD_EXIT_PORT_TAKEN && !process->ending &&
           process->port_attempts++ < PORT_ATTEMPTS;
}

/* Killed, or shut down in order. Not one that crashed: it would do so again and again. */
static bool supervisor_process_wants_restart(const struct process *process, int status) {
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    bool shut_down = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
    return process->plan->restart && !process->ending && (killed || shut_down);
}

static int supervisor_process_start_elsewhere(struct process *process, int index) {
    close(process->ports[index]);
    return supervisor_process_start_node(process, index);
}

static void supervisor_process_node_ended(struct process *process, int index, int status) {
    struct supervisor_node *node = &process->nodes[index];
    int rc = 0;
    node->pid = 0;
    node->status = status;
    if (supervisor_process_lost_its_port(process, status))
        rc = supervisor_process_start_elsewhere(process, index);
    else if (supervisor_process_wants_restart(process, status))
        rc = supervisor_process_fork_node(process, index);
    else
        supervisor_process_report_node(process, index);
    if (rc < 0) supervisor_process_report_failure(process, errno);
}

static void supervisor_process_reap(struct process *process) {
    struct signalfd_siginfo info;
    (void)!read(process->children, &info, sizeof info);
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        for (int i = 0; i < process->plan->node_count; i++) {
            if (process->nodes[i].pid == pid) supervisor_process_node_ended(process, i, status);
        }
    }
}

static void supervisor_process_signal_nodes(const struct process *process, int signal) {
    for (int i = 0; i < process->plan->node_count; i++) {
        if (process->nodes[i].pid > 0) kill(process->nodes[i].pid, signal);
    }
}

/* --- the beginning --------------------------------------------------------------------------- */

/* Leaves the sandbox's session, descriptors and signals. */
static void supervisor_process_detach(struct process *process) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setsid();
    prctl(PR_SET_NAME, "mouv-supervisor");
    process->socket = fcntl(process->socket, F_DUPFD_CLOEXEC, SOCKET_FD);
    int null = open("/dev/null", O_RDWR);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) dup2(null, fd);
    process->socket = dup2(process->socket, SOCKET_FD);
    closefrom(SOCKET_FD + 1);
    fcntl(process->socket, F_SETFD, FD_CLOEXEC);
}

/* What the nodes of a set with users know each other by. */
static int supervisor_process_write_key(const char *directory) {
    unsigned char secret[32];
    char path[PATH_MAX + sizeof MONGOD_KEY_FILE + 1], text[2 * sizeof secret + 1];
    if (getentropy(secret, sizeof secret) < 0) return -1;
    for (size_t i = 0; i < sizeof secret; i++) snprintf(text + 2 * i, 3, "%02x", secret[i]);
    snprintf(path, sizeof path, "%s/%s", directory, MONGOD_KEY_FILE);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return -1;
    ssize_t written = write(fd, text, sizeof text - 1);
    close(fd);
    return written == (ssize_t)sizeof text - 1 ? 0 : -1;
}

static int supervisor_process_start(struct process *process) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    process->children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (process->children < 0) return -1;
    if (tempdir_make(process->directory, sizeof process->directory) < 0) {
        process->directory[0] = '\0';
        return -1;
    }
    struct supervisor_report made = {.kind = SUPERVISOR_DIRECTORY};
    memcpy(made.directory, process->directory, sizeof made.directory);
    supervisor_process_report(process, &made);
    if (process->plan->mongod.auth && supervisor_process_write_key(process->directory) < 0)
        return -1;
    for (int i = 0; i < process->plan->node_count; i++) {
        if (supervisor_process_start_node(process, i) < 0) return -1;
    }
    return 0;
}

/* --- the end --------------------------------------------------------------------------------- */

/* The sandbox sends nothing: what can be read is the end of file. */
static void supervisor_process_watch(struct process *process) {
    struct pollfd watched[] = {{.fd = process->socket, .events = POLLIN},
                               {.fd = process->children, .events = POLLIN}};
    for (;;) {
        if (poll(watched, 2, -1) < 0) continue;
        if (watched[0].revents) return;
        if (watched[1].revents) supervisor_process_reap(process);
    }
}

static bool supervisor_process_nodes_run(const struct process *process) {
    for (int i = 0; i < process->plan->node_count; i++) {
        if (process->nodes[i].pid > 0) return true;
    }
    return false;
}

static void supervisor_process_end_nodes(struct process *process, int signal) {
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000 * 1000};
    process->ending = true;
    supervisor_process_signal_nodes(process, signal);
    for (int waited_ms = 0; supervisor_process_nodes_run(process); waited_ms += PAUSE_MS) {
        if (waited_ms == SUPERVISOR_SHUTDOWN_MS) supervisor_process_signal_nodes(process, SIGKILL);
        nanosleep(&pause, NULL);
        supervisor_process_reap(process);
    }
}

static void supervisor_process_end_command(const struct process *process) {
    char mark[sizeof SUPERVISOR_MARK + 1 + PATH_MAX];
    snprintf(mark, sizeof mark, "%s=%s", SUPERVISOR_MARK, process->directory);
    processes_end(mark, SUPERVISOR_GRACE_MS);
}

void supervisor_process_main(int socket, const struct supervisor_plan *plan) {
    struct process process = {.plan = plan, .socket = socket};
    supervisor_process_detach(&process);
    if (supervisor_process_start(&process) < 0) supervisor_process_report_failure(&process, errno);
    supervisor_process_watch(&process);
    if (!process.directory[0]) _exit(EXIT_SUCCESS);
    supervisor_process_end_command(&process);
    supervisor_process_end_nodes(&process, plan->keep ? SIGTERM : SIGKILL);
    if (!plan->keep && tempdir_remove(process.directory) < 0) _exit(EXIT_FAILURE);
    _exit(EXIT_SUCCESS);
}
