/*
 * Another process, by its standard input and output.
 */
#ifndef MOUV_TESTS_SCORECARD_CHILD_H
#define MOUV_TESTS_SCORECARD_CHILD_H

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

/* Starts the program words[0]; below 0 on failure. Its ends are the caller's to close. */
static inline pid_t child_start(char **words, int *input, int *output) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execvp(words[0], words);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    *input = in[1];
    *output = out[0];
    return pid;
}

#endif
