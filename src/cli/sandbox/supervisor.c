/*
 * The sandbox's side of the supervisor: fork, reports, end.
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

int supervisor_start(struct supervisor *supervisor, const struct supervisor_plan *plan) {
    *supervisor = (struct supervisor){.socket = -1};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return -1;
    supervisor->pid = fork();
    if (supervisor->pid == 0) {
        close(ends[0]);
        supervisor_process_main(ends[1], plan);
    }
    close(ends[1]);
    supervisor->socket = ends[0];
    if (supervisor->pid > 0) return 0;
    close(ends[0]);
    return -1;
}

static void supervisor_take_in(struct supervisor *supervisor,
                               const struct supervisor_report *report) {
    struct supervisor_node *node = &supervisor->nodes[report->node];
    switch (report->kind) {
    case SUPERVISOR_DIRECTORY:
        snprintf(supervisor->directory, sizeof supervisor->directory, "%s", report->directory);
        break;
    case SUPERVISOR_NODE:
        *node = report->state;
        break;
    case SUPERVISOR_FAILED:
        supervisor->error = report->error;
        break;
    }
}

void supervisor_update(struct supervisor *supervisor) {
    struct supervisor_report report;
    ssize_t size;
    while ((size = recv(supervisor->socket, &report, sizeof report, MSG_DONTWAIT)) > 0)
        supervisor_take_in(supervisor, &report);
    if (size == 0 || (errno != EAGAIN && errno != EINTR)) supervisor->gone = true;
}

static int supervisor_wait_for(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    return status;
}

/* The supervisor was killed, and its mongods with it by the kernel. */
static int supervisor_clean_up_alone(const struct supervisor *supervisor, bool keep) {
    char mark[sizeof SUPERVISOR_MARK + 1 + PATH_MAX];
    if (!supervisor->directory[0]) return 0;
    snprintf(mark, sizeof mark, "%s=%s", SUPERVISOR_MARK, supervisor->directory);
    processes_end(mark, SUPERVISOR_GRACE_MS);
    return keep ? 0 : tempdir_remove(supervisor->directory);
}

int supervisor_stop(struct supervisor *supervisor, bool keep) {
    shutdown(supervisor->socket, SHUT_WR);
    int status = supervisor_wait_for(supervisor->pid);
    supervisor_update(supervisor);
    close(supervisor->socket);
    if (WIFSIGNALED(status)) return supervisor_clean_up_alone(supervisor, keep);
    return WEXITSTATUS(status) == 0 ? 0 : -1;
}
