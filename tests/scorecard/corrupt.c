/*
 * A mock server whose answers to finds are garbled, each in another way, and a client's process that
 * goes on asking; a new one where it dies.
 *
 * usage: corrupt SECONDS READER [ARGUMENT...]     run as READER [ARGUMENT...] URI
 * A reader asks find after find on "app"."users" and prints a line for each: "answer", "error", or
 * "junk" for a document that is none.
 * Prints one line of JSON; exit status 1 if a process died, gave no sign for ten seconds or had junk.
 */
#include "scorecard/child.h"
#include "support/garble.h"
#include "support/mock_server.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SILENT_MS = 10000 };

typedef struct counts {
    long answers, errors, junk;
    int processes, crashes, hangs;
} counts_t;

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until the time is over, the reader has ended, or it hangs. */
static void listen_to(counts_t *counts, int output, int64_t end_ms) {
    char bytes[4096];
    while (now_ms() < end_ms) {
        struct pollfd readable = {output, POLLIN, 0};
        if (poll(&readable, 1, SILENT_MS) == 0) {
            counts->hangs++;
            return;
        }
        ssize_t size = read(output, bytes, sizeof bytes);
        if (size <= 0) return;
        for (ssize_t i = 0; i < size; i++) { /* the letters that only one of the words has */
            counts->answers += bytes[i] == 'w';
            counts->errors += bytes[i] == 'o';
            counts->junk += bytes[i] == 'j';
        }
    }
}

static void run_reader(counts_t *counts, char **words, int64_t end_ms) {
    int input, output, status;
    pid_t pid = child_start(words, &input, &output);
    if (pid < 0) exit(2);
    listen_to(counts, output, end_ms);
    bool over = now_ms() >= end_ms;
    if (over) kill(pid, SIGKILL);
    for (int i = 0; i < 100 && waitpid(pid, &status, WNOHANG) == 0; i++) {
        usleep(10000);
        if (i == 90) kill(pid, SIGKILL);
    }
    close(input);
    close(output);
    counts->processes++;
    if (!over && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) counts->crashes++;
}

int main(int argc, char **argv) {
    garble_t garble = {0};
    counts_t counts = {0};
    mock_server_t *server = argc > 2 ? mock_server_start(NULL) : NULL;
    if (!server) return 2;
    mock_server_script(server, "find",
                       &(mock_script_t){.rewrite = garble_answer, .rewrite_arg = &garble});
    char **words = calloc((size_t)argc, sizeof *words);
    memcpy(words, argv + 2, (size_t)(argc - 2) * sizeof *words);
    words[argc - 2] = (char *)mock_server_uri(server);
    for (int64_t end_ms = now_ms() + 1000 * atoi(argv[1]); now_ms() < end_ms;)
        run_reader(&counts, words, end_ms);
    printf(
        "{\"garbled\": %llu, \"answers\": %ld, \"errors\": %ld, \"junk\": %ld, \"processes\": %d, "
        "\"crashes\": %d, \"hangs\": %d}\n",
        (unsigned long long)mock_server_count(server, "find"), counts.answers, counts.errors,
        counts.junk, counts.processes, counts.crashes, counts.hangs);
    free(words);
    mock_server_stop(server);
    return counts.crashes || counts.hangs || counts.junk;
}
