/*
 * What no client can go below: find_one on bare sockets, with one message that is built beforehand and
 * an answer that is counted, not read. poll() on as many sockets as are in flight, or as maxPoolSize
 * allows.
 *
 * usage: floor find_one IN_FLIGHT OPERATIONS URI; the URI's first host, which asks for no credentials
 */
#define _GNU_SOURCE
#include <mongoc/mongoc.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"

enum { HEAD_BYTES = 21, EVENTS = 64 };

typedef struct line {
    int fd;
    double began_s;
    size_t got, wanted; /* of the answer */
} line_t;

typedef struct bench {
    job_t job;
    uint8_t *message;
    size_t size;
    line_t *lines;
    int count, epoll_fd, left, under_way;
    measure_t measure;
    uint8_t buffer[64 * 1024];
} bench_t;

static void put(uint8_t *to, int32_t value) {
    memcpy(to, &value, sizeof value);
}

/* header, no flags, one section of kind 0 */
static void build_message(bench_t *bench) {
    bson_t *command = BCON_NEW("find", "docs", "filter", "{", "_id", BCON_INT32(1), "}", "limit",
                               BCON_INT64(1), "singleBatch", BCON_BOOL(true), "$db", "mouv_bench");
    bench->size = HEAD_BYTES + command->len;
    bench->message = calloc(1, bench->size);
    put(bench->message, (int32_t)bench->size);
    put(bench->message + 4, 1);
    put(bench->message + 12, 2013);
    memcpy(bench->message + HEAD_BYTES, bson_get_data(command), command->len);
    bson_destroy(command);
}

static int connect_to(const mongoc_host_list_t *host) {
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    snprintf(port, sizeof port, "%u", (unsigned)host->port);
    if (getaddrinfo(host->host, port, &hints, &found) != 0) fail(host->host, "not found");
    int fd = socket(found->ai_family, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0)
        fail(host->host_and_port, "cannot be connected to");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    freeaddrinfo(found);
    return fd;
}

static void ask(bench_t *bench, line_t *line) {
    if (bench->left == 0) return;
    bench->left--;
    bench->under_way++;
    line->began_s = wall_s();
    line->got = line->wanted = 0;
    if (send(line->fd, bench->message, bench->size, MSG_NOSIGNAL) != (ssize_t)bench->size)
        fail("send", "failed");
}

static void hear(bench_t *bench, line_t *line) {
    ssize_t got = recv(line->fd, bench->buffer, sizeof bench->buffer, 0);
    if (got <= 0) fail("recv", "failed");
    if (line->got == 0 && got >= 4) {
        int32_t length;
        memcpy(&length, bench->buffer, sizeof length);
        line->wanted = (size_t)length;
    }
    line->got += (size_t)got;
    if (line->wanted == 0 || line->got < line->wanted) return;
    bench->under_way--;
    measure_add(&bench->measure, wall_s() - line->began_s);
    ask(bench, line);
}

static void run(bench_t *bench, int operations) {
    struct epoll_event events[EVENTS];
    bench->left = operations;
    for (int i = 0; i < bench->count; i++) ask(bench, &bench->lines[i]);
    while (bench->under_way > 0) {
        int ready = epoll_wait(bench->epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) hear(bench, events[i].data.ptr);
    }
}

int main(int argc, char **argv) {
    bench_t *bench = calloc(1, sizeof *bench);
    bson_error_t error;
    bench->job = job_read(argc, argv);
    if (strcmp(bench->job.name, "find_one") != 0) fail(bench->job.name, "no such case");
    mongoc_uri_t *uri = mongoc_uri_new_with_error(bench->job.uri, &error);
    if (!uri) fail(bench->job.uri, error.message);
    int most = mongoc_uri_get_option_as_int32(uri, MONGOC_URI_MAXPOOLSIZE, 100);
    bench->count = bench->job.in_flight < most ? bench->job.in_flight : most;
    bench->lines = calloc((size_t)bench->count, sizeof *bench->lines);
    bench->epoll_fd = epoll_create1(0);
    build_message(bench);
    for (int i = 0; i < bench->count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &bench->lines[i]};
        bench->lines[i].fd = connect_to(mongoc_uri_get_hosts(uri));
        epoll_ctl(bench->epoll_fd, EPOLL_CTL_ADD, bench->lines[i].fd, &event);
    }
    measure_start(&bench->measure, 1);
    run(bench, bench->count * 2);
    measure_start(&bench->measure, (size_t)bench->job.operations);
    run(bench, bench->job.operations);
    measure_print(&bench->measure, (size_t)bench->job.operations);
    return 0;
}
