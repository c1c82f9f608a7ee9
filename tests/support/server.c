/*
 * A sandbox as a child.
 */
#include "support/server.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OPTIONS_MAX = 8 };

/** Reads lines of the sandbox until one has a URI in it. */
static bool read_uri(server_t *server) {
    char line[sizeof server->uri];
    while (server->output && fgets(line, sizeof line, server->output)) {
        const char *found = strstr(line, "mongodb://");
        if (!found) continue;
        snprintf(server->uri, sizeof server->uri, "%s", found);
        server->uri[strcspn(server->uri, " \r\n")] = '\0';
        return true; /* the output stays open: the sandbox may go on to print */
    }
    return false;
}

static _Noreturn void become_sandbox(const char *program, const char *const *options, int output) {
    const char *argv[2 + OPTIONS_MAX + 1] = {program, "sandbox"};
    for (size_t i = 0; i < OPTIONS_MAX && options && options[i]; i++) argv[2 + i] = options[i];
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(output, STDOUT_FILENO);
    execv(program, (char *const *)argv);
    _exit(127);
}

static bool start(server_t *server, const char *const *options) {
    const char *program = getenv("MOUV");
    int ends[2];
    *server = (server_t){0};
    if (!program || pipe2(ends, O_CLOEXEC) != 0) return false;
    server->sandbox = fork();
    if (server->sandbox == 0) become_sandbox(program, options, ends[1]);
    close(ends[1]);
    server->output = fdopen(ends[0], "r");
    if (server->sandbox > 0 && read_uri(server)) return true;
    server_stop(server);
    return false;
}

bool server_start(server_t *server, const char *const *options) {
    bool started = start(server, options);
    if (!started) fprintf(stderr, "no server: MOUV (the mouv program) does not give one\n");
    return started;
}

void server_stop(server_t *server) {
    if (server->sandbox > 0) {
        kill(server->sandbox, SIGTERM);
        waitpid(server->sandbox, NULL, 0);
    }
    if (server->output) fclose(server->output);
    *server = (server_t){0};
}

/* The state is the word after the name, which stands in parentheses. */
static bool is_stopped(pid_t pid, const char *thread) {
    char path[300], text[200] = "";
    snprintf(path, sizeof path, "/proc/%ld/task/%s/stat", (long)pid, thread);
    FILE *file = fopen(path, "r");
    if (!file) return true; /* it has ended */
    if (!fgets(text, sizeof text, file)) text[0] = '\0';
    fclose(file);
    const char *name_ends = strrchr(text, ')');
    return name_ends && name_ends[1] == ' ' && name_ends[2] == 'T';
}

static bool all_stopped(pid_t pid) {
    char path[64];
    bool stopped = true;
    snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    DIR *threads = opendir(path);
    if (!threads) return false;
    for (const struct dirent *thread; stopped && (thread = readdir(threads));)
        stopped = thread->d_name[0] == '.' || is_stopped(pid, thread->d_name);
    closedir(threads);
    return stopped;
}

bool server_freeze(pid_t pid) {
    if (kill(pid, SIGSTOP) != 0) return false;
    for (int i = 0; i < 10000; i++) {
        if (all_stopped(pid)) return true;
        usleep(1000);
    }
    return false;
}
