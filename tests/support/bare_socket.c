/*
 * A ping from a bare socket.
 */
#include "support/bare_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

const uint8_t bare_ping[BARE_PING_BYTES] = {36,   0,  0,   0,   7,   0,   0, 0, 0, 0,  0, 0,
                                            0xdd, 7,  0,   0,   0,   0,   0, 0, 0, 15, 0, 0,
                                            0,    16, 'p', 'i', 'n', 'g', 0, 1, 0, 0,  0, 0};

int bare_dial(uint16_t port, int64_t patience_ms) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {patience_ms / 1000, patience_ms % 1000 * 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
        connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* A signal ends a recv() that has a time limit, also where its handler asks for a restart. */
static ssize_t receive(int fd, uint8_t *bytes, size_t wanted) {
    size_t have = 0;
    while (have < wanted) {
        ssize_t got = recv(fd, bytes + have, wanted - have, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return have > 0 ? (ssize_t)have : got;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

ssize_t bare_ask(int fd, uint8_t *reply, size_t wanted) {
    if (send(fd, bare_ping, sizeof bare_ping, MSG_NOSIGNAL) != (ssize_t)sizeof bare_ping) return -1;
    return receive(fd, reply, wanted);
}
