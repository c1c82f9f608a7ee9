/*
 * Starting the command of a sandbox and reading its end.
 */
#include "cli/sandbox/child.h"

#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

int child_watch_signals(sigset_t *before) {
    const int watched[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++) sigaddset(&set, watched[i]);
    signal(SIGCHLD, SIG_DFL); /* a parent's SIG_IGN would make waitpid() lose statuses */
    if (sigprocmask(SIG_BLOCK, &set, before) < 0) return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static _Noreturn void child_become(char **argv, char **environment, const sigset_t *mask,
                                   pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(CLI_FAILED); /* it died before the line above */
    for (; *environment; environment++) putenv(*environment);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(argv[0], argv);
    int reason = errno;
    mouv_cli_complain(argv[0], "%s", strerror(reason));
    _exit(reason == ENOENT ? 127 : 126);
}

pid_t child_start(char **argv, char **environment, const sigset_t *mask) {
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) child_become(argv, environment, mask, parent);
    return child;
}

int child_exit_status(int wait_status) {
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}
