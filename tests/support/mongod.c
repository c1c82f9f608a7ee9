/*
 * A mongod as a child process, in a folder that is removed with it.
 */
#include "support/mongod.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 32 };

/** A port that was free just now. */
static int free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int port = -1, listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0) return -1;
    if (bind(listener, (struct sockaddr *)&address, size) == 0 &&
        getsockname(listener, (struct sockaddr *)&address, &size) == 0)
        port = ntohs(address.sin_port);
    close(listener);
    return port;
}

/** In the child: the server's output is nobody's. */
static void run(const char *program, const test_mongod_t *server, const char *const *arguments) {
    char port[16];
    const char *argv[ARGUMENTS_MAX] = {program,        "--bind_ip", "127.0.0.1", "--dbpath",
                                       server->folder, "--port",    port,        "--nounixsocket"};
    size_t count = 8;
    snprintf(port, sizeof port, "%d", server->port);
    while (*arguments && count < ARGUMENTS_MAX - 1) argv[count++] = *arguments++;
    int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, STDIN_FILENO);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(program, (char *const *)argv);
    _exit(127);
}

/** Whether this can be started at all. */
static bool exists(const char *program) {
    char command[600];
    snprintf(command, sizeof command, "command -v '%s' >/dev/null 2>&1", program);
    return system(command) == 0;
}

bool test_mongod_start(test_mongod_t *server, const char *const *arguments) {
    const char *given = getenv("MOUV_MONGOD");
    const char *program = given && *given ? given : "mongod";
    *server = (test_mongod_t){.folder = "/tmp/mouv-mongod-XXXXXX", .port = free_port()};
    if (!exists(program) || server->port < 0 || !mkdtemp(server->folder)) return false;
    snprintf(server->uri, sizeof server->uri, "mongodb://127.0.0.1:%d/?directConnection=true",
             server->port);
    server->pid = fork();
    if (server->pid == 0) run(program, server, arguments);
    return server->pid > 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status, (void)type, (void)walk;
    return remove(path);
}

void test_mongod_stop(test_mongod_t *server) {
    if (server->pid <= 0) return;
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    nftw(server->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    server->pid = 0;
}
