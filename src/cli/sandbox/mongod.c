/*
 * Starting a mongod as a small node of a replica set, on a port of its own.
 */
#include "cli/sandbox/mongod.h"

#include "cli/cli.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- a port ---------------------------------------------------------------------------------- */

/* Linux lets a second socket listen on the port of one that is bound and does not listen, if both
 * have SO_REUSEADDR (mongod's has), and never picks such a port for anybody who asks for any. */
int mongod_reserve_port(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, size) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

/* --- starting it ----------------------------------------------------------------------------- */

/* Those of mongod.conf, as "NAME=VALUE"; made by CMake. --set-parameter overrides. */
static const char *const default_parameters[] = {
#include "mongod_parameters.inc"
};
enum { DEFAULT_PARAMETERS = sizeof default_parameters / sizeof default_parameters[0] };

struct arguments {
    const char *values[128];
    size_t count;
};

static void mongod_add(struct arguments *arguments, const char *value) {
    const size_t last = sizeof arguments->values / sizeof arguments->values[0] - 1;
    if (arguments->count < last) arguments->values[arguments->count++] = value;
}

static void mongod_add_option(struct arguments *arguments, const char *name, const char *value) {
    mongod_add(arguments, name);
    mongod_add(arguments, value);
}

static bool mongod_is_overridden(const char *parameter, char *const *parameters) {
    size_t length = strcspn(parameter, "=") + 1;
    for (; *parameters; parameters++) {
        if (strncmp(parameter, *parameters, length) == 0) return true;
    }
    return false;
}

static void mongod_add_parameters(struct arguments *arguments, char *const *parameters) {
    for (size_t i = 0; i < DEFAULT_PARAMETERS; i++) {
        if (!mongod_is_overridden(default_parameters[i], parameters))
            mongod_add_option(arguments, "--setParameter", default_parameters[i]);
    }
    for (; *parameters; parameters++) mongod_add_option(arguments, "--setParameter", *parameters);
}

/* The folder is the working directory, so that a core dump goes with it. */
static void mongod_enter(const char *directory, const char *data, const char *log) {
    int fd;
    if (chdir(directory) == 0 && (mkdir(data, 0700) == 0 || errno == EEXIST) &&
        (fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) >= 0 &&
        dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0)
        return;
    fprintf(stderr, "cannot prepare %s: %s\n", directory, strerror(errno));
    _exit(CLI_FAILED);
}

void mongod_exec(const struct mongod_spec *spec, const char *directory, int node, uint16_t port) {
    char data[32], log[32], port_text[8];
    snprintf(data, sizeof data, "node%d", node);
    snprintf(log, sizeof log, "node%d.log", node);
    snprintf(port_text, sizeof port_text, "%u", (unsigned)port);
    mongod_enter(directory, data, log);

    struct arguments arguments = {.count = 0};
    mongod_add(&arguments, spec->program);
    mongod_add_option(&arguments, "--port", port_text);
    mongod_add_option(&arguments, "--dbpath", data);
    mongod_add_option(&arguments, "--bind_ip", "127.0.0.1");
    mongod_add_option(&arguments, "--replSet", MONGOD_REPLICA_SET);
    mongod_add_option(&arguments, "--wiredTigerCacheSizeGB", "0.25");
    mongod_add_option(&arguments, "--oplogSize", "64");
    mongod_add(&arguments, "--nounixsocket");
    if (spec->auth) mongod_add_option(&arguments, "--keyFile", MONGOD_KEY_FILE);
    mongod_add_parameters(&arguments, spec->parameters);
    execv(spec->program, (char *const *)arguments.values);
    fprintf(stderr, "cannot run %s: %s\n", spec->program, strerror(errno));
    _exit(127);
}
