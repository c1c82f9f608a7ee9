/*
 * The sandbox's side of the guardian: fork, reports, end.
 */
#include "cli/sandbox/supervisor.h"

#include "cli/sandbox/processes.h"
#include "cli/sandbox/supervisor_process.h"
#include "cli/sandbox/tempdir.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int guardian_start(struct guardian *guardian, const struct guardian_plan *plan) {
    *guardian = (struct guardian){.socket = -1};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return -1;
    guardian->pid = fork();
    if (guardian->pid == 0) {
        close(ends[0]);
        guardian_process_main(ends[1], plan);
    }
    close(ends[1]);
    guardian->socket = ends[0];
    if (guardian->pid > 0) return 0;
    close(ends[0]);
    return -1;
}

static void take_in(struct guardian *guardian, const struct guardian_report *report) {
    struct guardian_node *node = &guardian->nodes[report->node];
    switch (report->kind) {
    case GUARDIAN_DIRECTORY:
        snprintf(guardian->directory, sizeof guardian->directory, "%s", report->directory);
        break;
    case GUARDIAN_NODE:
        *node = report->state;
        break;
    case GUARDIAN_FAILED:
        guardian->error = report->error;
        break;
    }
}

void guardian_update(struct guardian *guardian) {
    struct guardian_report report;
    ssize_t size;
    while ((size = recv(guardian->socket, &report, sizeof report, MSG_DONTWAIT)) > 0)
        take_in(guardian, &report);
    if (size == 0 || (errno != EAGAIN && errno != EINTR)) guardian->gone = true;
}

static int wait_for(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    return status;
}

/* The guardian was killed, and its mongods with it by the kernel. */
static int clean_up_alone(const struct guardian *guardian, bool keep) {
    char mark[sizeof GUARDIAN_MARK + 1 + PATH_MAX];
    if (!guardian->directory[0]) return 0;
    snprintf(mark, sizeof mark, "%s=%s", GUARDIAN_MARK, guardian->directory);
    processes_end(mark, GUARDIAN_GRACE_MS);
    return keep ? 0 : tempdir_remove(guardian->directory);
}

int guardian_stop(struct guardian *guardian, bool keep) {
    shutdown(guardian->socket, SHUT_WR);
    int status = wait_for(guardian->pid);
    guardian_update(guardian);
    close(guardian->socket);
    if (WIFSIGNALED(status)) return clean_up_alone(guardian, keep);
    return WEXITSTATUS(status) == 0 ? 0 : -1;
}
