/*
 * The proxy's thread. A link is a client's connection and the server's, with a pipe for each
 * direction; a pipe takes in a piece, does with it what its direction has to suffer, and only then
 * takes in the next.
 */
#include "support/proxy.h"

#include "support/net_thread.h"

#include <stdio.h>
#include <stdlib.h>

enum { PIECE_BYTES = 65536, DIRECTIONS = 2, LINK_HANDLES = 4 };

typedef struct link link_t;

typedef struct pipe {
    link_t *link;
    proxy_direction_t direction;
    uv_tcp_t *from, *to;
    uv_timer_t timer;
    uv_write_t write;
    char bytes[PIECE_BYTES];
    size_t size, sent, sending; /* of the piece */
    uint64_t passed;            /* of the connection */
    bool held;
} pipe_t;

struct link {
    proxy_t *proxy;
    link_t *next, *previous;
    uv_tcp_t client, server;
    uv_connect_t connect;
    pipe_t pipes[DIRECTIONS];
    int handles; /* not closed yet */
    bool closing;
};

struct proxy {
    net_thread_t net;
    uint16_t server_port;
    char uri[80];
    link_t *links;
    /* under the thread's mutex: */
    proxy_fault_t faults[DIRECTIONS];
    bool refusing, cutting;
    int open;
};

static proxy_fault_t fault_of(const pipe_t *pipe) {
    proxy_t *proxy = pipe->link->proxy;
    uv_mutex_lock(&proxy->net.mutex);
    proxy_fault_t fault = proxy->faults[pipe->direction];
    uv_mutex_unlock(&proxy->net.mutex);
    return fault;
}

static void count_open(proxy_t *proxy, int change) {
    uv_mutex_lock(&proxy->net.mutex);
    proxy->open += change;
    uv_mutex_unlock(&proxy->net.mutex);
}

/* --- The end of a link ---------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle) {
    link_t *link = handle->data;
    if (--link->handles > 0) return;
    if (link->next) link->next->previous = link->previous;
    if (link->previous)
        link->previous->next = link->next;
    else
        link->proxy->links = link->next;
    count_open(link->proxy, -1);
    free(link);
}

static void close_side(uv_tcp_t *side, bool reset) {
    if (!reset || uv_tcp_close_reset(side, on_closed) != 0)
        uv_close((uv_handle_t *)side, on_closed);
}

static void close_link(link_t *link, bool reset) {
    if (link->closing) return;
    link->closing = true;
    close_side(&link->client, reset);
    close_side(&link->server, reset);
    for (int i = 0; i < DIRECTIONS; i++) uv_close((uv_handle_t *)&link->pipes[i].timer, on_closed);
}

/* --- A pipe --------------------------------------------------------------------------------- */

static void pass(pipe_t *pipe);

static void on_timer(uv_timer_t *timer) {
    link_t *link = timer->data;
    pass(timer == &link->pipes[PROXY_TO_SERVER].timer ? &link->pipes[PROXY_TO_SERVER]
                                                      : &link->pipes[PROXY_TO_CLIENT]);
}

/** Goes on after `ms`, never before: libuv's clock is up to a millisecond behind. */
static void pass_later(pipe_t *pipe, int64_t ms) {
    uv_update_time(&pipe->link->proxy->net.loop);
    uv_timer_start(&pipe->timer, on_timer, ms > 0 ? (uint64_t)ms + 1 : 0, 0);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *room) {
    (void)suggested;
    link_t *link = handle->data;
    pipe_t *pipe =
        &link->pipes[handle == (uv_handle_t *)&link->client ? PROXY_TO_SERVER : PROXY_TO_CLIENT];
    *room = uv_buf_init(pipe->bytes, sizeof pipe->bytes);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room) {
    link_t *link = stream->data;
    pipe_t *pipe = &link->pipes[room->base == link->pipes[PROXY_TO_SERVER].bytes ? PROXY_TO_SERVER
                                                                                 : PROXY_TO_CLIENT];
    if (size == 0) return;
    if (size < 0) {
        close_link(link, size != UV_EOF);
        return;
    }
    uv_read_stop(stream);
    pipe->size = (size_t)size;
    pipe->sent = 0;
    int64_t delay_ms = fault_of(pipe).delay_ms;
    if (delay_ms > 0)
        pass_later(pipe, delay_ms);
    else
        pass(pipe);
}

static void read_on(pipe_t *pipe) {
    if (uv_read_start((uv_stream_t *)pipe->from, on_alloc, on_read) < 0)
        close_link(pipe->link, true);
}

static void on_written(uv_write_t *write, int status) {
    pipe_t *pipe = write->data;
    if (pipe->link->closing) return;
    if (status < 0) {
        close_link(pipe->link, true);
        return;
    }
    proxy_fault_t fault = fault_of(pipe);
    pipe->sent += pipe->sending;
    pipe->passed += pipe->sending;
    if (fault.cut_at_bytes && pipe->passed >= fault.cut_at_bytes)
        close_link(pipe->link, !fault.in_order);
    else if (pipe->sent == pipe->size)
        read_on(pipe);
    else
        pass_later(pipe, fault.slice_ms);
}

static size_t least(size_t size, uint64_t limit) {
    return limit < size ? (size_t)limit : size;
}

/** Passes on what its direction's fault lets through now. */
static void pass(pipe_t *pipe) {
    proxy_fault_t fault = fault_of(pipe);
    size_t size = pipe->size - pipe->sent;
    pipe->held = fault.hold;
    if (pipe->held) return;
    if (fault.lose) {
        read_on(pipe);
        return;
    }
    if (fault.slice_bytes) size = least(size, fault.slice_bytes);
    if (fault.cut_at_bytes) {
        size =
            least(size, fault.cut_at_bytes > pipe->passed ? fault.cut_at_bytes - pipe->passed : 0);
    }
    uv_buf_t piece = uv_buf_init(pipe->bytes + pipe->sent, (unsigned)size);
    pipe->sending = size;
    if (uv_write(&pipe->write, (uv_stream_t *)pipe->to, &piece, 1, on_written) < 0)
        close_link(pipe->link, true);
}

/* --- A link --------------------------------------------------------------------------------- */

static void on_connected(uv_connect_t *connect, int status) {
    link_t *link = connect->data;
    if (link->closing) return;
    if (status < 0) {
        close_link(link, true);
        return;
    }
    uv_tcp_nodelay(&link->server, 1);
    for (int i = 0; i < DIRECTIONS; i++) read_on(&link->pipes[i]);
}

static void init_pipe(link_t *link, proxy_direction_t direction, uv_tcp_t *from, uv_tcp_t *to) {
    pipe_t *pipe = &link->pipes[direction];
    pipe->link = link;
    pipe->direction = direction;
    pipe->from = from;
    pipe->to = to;
    pipe->write.data = pipe;
    uv_timer_init(&link->proxy->net.loop, &pipe->timer);
    pipe->timer.data = link;
}

static link_t *add_link(proxy_t *proxy) {
    link_t *link = calloc(1, sizeof *link);
    if (!link) abort();
    link->proxy = proxy;
    link->handles = LINK_HANDLES;
    uv_tcp_init(&proxy->net.loop, &link->client);
    uv_tcp_init(&proxy->net.loop, &link->server);
    link->client.data = link->server.data = link->connect.data = link;
    init_pipe(link, PROXY_TO_SERVER, &link->client, &link->server);
    init_pipe(link, PROXY_TO_CLIENT, &link->server, &link->client);
    link->next = proxy->links;
    if (link->next) link->next->previous = link;
    proxy->links = link;
    return link;
}

static void on_connection(uv_stream_t *listener, int status) {
    proxy_t *proxy = listener->data;
    if (status < 0) return;
    link_t *link = add_link(proxy);
    struct sockaddr_in address;
    uv_ip4_addr("127.0.0.1", proxy->server_port, &address);
    uv_mutex_lock(&proxy->net.mutex);
    proxy->open++;
    bool refusing = proxy->refusing;
    uv_mutex_unlock(&proxy->net.mutex);
    int rc = uv_accept(listener, (uv_stream_t *)&link->client);
    if (rc == 0) rc = uv_tcp_nodelay(&link->client, 1);
    if (rc == 0 && !refusing)
        rc = uv_tcp_connect(&link->connect, &link->server, (struct sockaddr *)&address,
                            on_connected);
    if (rc < 0 || refusing) close_link(link, true);
}

/* --- The proxy ------------------------------------------------------------------------------ */

static void go_on(link_t *link) {
    for (int i = 0; i < DIRECTIONS && !link->closing; i++) {
        if (link->pipes[i].held) pass(&link->pipes[i]);
    }
}

static void on_woken(void *owner, bool stopping) {
    proxy_t *proxy = owner;
    uv_mutex_lock(&proxy->net.mutex);
    bool cut = proxy->cutting || stopping;
    proxy->cutting = false;
    uv_mutex_unlock(&proxy->net.mutex);
    for (link_t *link = proxy->links; link; link = link->next) {
        if (cut)
            close_link(link, true);
        else
            go_on(link);
    }
}

proxy_t *proxy_start(uint16_t server_port) {
    proxy_t *proxy = calloc(1, sizeof *proxy);
    if (!proxy) return NULL;
    proxy->server_port = server_port;
    if (net_thread_start(&proxy->net, proxy, 0, on_connection, on_woken, NULL) < 0) {
        free(proxy);
        return NULL;
    }
    snprintf(proxy->uri, sizeof proxy->uri, "mongodb://127.0.0.1:%u/?directConnection=true",
             (unsigned)proxy->net.port);
    return proxy;
}

void proxy_stop(proxy_t *proxy) {
    if (!proxy) return;
    net_thread_stop(&proxy->net);
    free(proxy);
}

const char *proxy_uri(const proxy_t *proxy) {
    return proxy->uri;
}

uint16_t proxy_port(const proxy_t *proxy) {
    return proxy->net.port;
}

void proxy_set(proxy_t *proxy, proxy_direction_t direction, const proxy_fault_t *fault) {
    uv_mutex_lock(&proxy->net.mutex);
    proxy->faults[direction] = fault ? *fault : (proxy_fault_t){0};
    uv_mutex_unlock(&proxy->net.mutex);
    net_thread_wake(&proxy->net);
}

void proxy_cut(proxy_t *proxy) {
    uv_mutex_lock(&proxy->net.mutex);
    proxy->cutting = true;
    uv_mutex_unlock(&proxy->net.mutex);
    net_thread_wake(&proxy->net);
}

void proxy_refuse(proxy_t *proxy, bool refuse) {
    uv_mutex_lock(&proxy->net.mutex);
    proxy->refusing = refuse;
    uv_mutex_unlock(&proxy->net.mutex);
}

int proxy_open(proxy_t *proxy) {
    uv_mutex_lock(&proxy->net.mutex);
    int open = proxy->open;
    uv_mutex_unlock(&proxy->net.mutex);
    return open;
}
