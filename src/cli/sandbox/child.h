/*
 * The command of a sandbox: a child that ends with its parent.
 */
#ifndef MOUV_CLI_SANDBOX_CHILD_H
#define MOUV_CLI_SANDBOX_CHILD_H

#include <signal.h>
#include <sys/types.h>

/* Blocks the signals that a parent of a command has to see, and returns a descriptor that reads
 * them (signalfd), or -1. `*before` receives the mask that the child should get back. */
int child_watch_signals(sigset_t *before);

/* Starts the program with these NAME=VALUE added to its environment. It gets SIGTERM when this
 * process dies. Returns its id, or -1; where the program cannot be run the child says so itself and
 * exits as a shell's would (127 not found, 126 not runnable). */
pid_t child_start(char **argv, char **environment, const sigset_t *mask);

/* The status a shell would give for one of waitpid(): the exit status, or 128 + signal. */
int child_exit_status(int wait_status);

#endif
