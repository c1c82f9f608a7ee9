/*
 * A listening libuv loop on a thread of its own.
 */
#include "support/net_thread.h"

#include <pthread.h>
#include <signal.h>

enum { BACKLOG = 1024 };

static void on_wake(uv_async_t *wake) {
    net_thread_t *net = wake->data;
    uv_mutex_lock(&net->mutex);
    bool stopping = net->stopping;
    uv_mutex_unlock(&net->mutex);
    if (stopping) {
        uv_close((uv_handle_t *)&net->listener, NULL);
        uv_close((uv_handle_t *)&net->wake, NULL);
    }
    net->woken(net->listener.data, stopping);
}

/** Signals are not for this thread: libuv's write() on a connection that is gone is a SIGPIPE. */
static void thread_main(void *arg) {
    net_thread_t *net = arg;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    uv_run(&net->loop, UV_RUN_DEFAULT);
}

static int listen_on(net_thread_t *net, uint16_t port, uv_connection_cb on_connection) {
    struct sockaddr_in address;
    int size = sizeof address;
    int rc = uv_ip4_addr("127.0.0.1", port, &address);
    if (rc == 0) rc = uv_tcp_bind(&net->listener, (const struct sockaddr *)&address, 0);
    if (rc == 0) rc = uv_listen((uv_stream_t *)&net->listener, BACKLOG, on_connection);
    if (rc == 0) rc = uv_tcp_getsockname(&net->listener, (struct sockaddr *)&address, &size);
    if (rc == 0) net->port = ntohs(address.sin_port);
    return rc;
}

static void clear(net_thread_t *net) {
    uv_loop_close(&net->loop);
    uv_mutex_destroy(&net->mutex);
}

int net_thread_start(net_thread_t *net, void *owner, uint16_t port, uv_connection_cb on_connection,
                     void (*woken)(void *owner, bool stopping), void (*prepare)(void *owner)) {
    uv_loop_init(&net->loop);
    uv_mutex_init(&net->mutex);
    uv_tcp_init(&net->loop, &net->listener);
    uv_async_init(&net->loop, &net->wake, on_wake);
    net->listener.data = owner;
    net->wake.data = net;
    net->woken = woken;
    net->stopping = false;
    int rc = listen_on(net, port, on_connection);
    if (rc == 0 && prepare) prepare(owner);
    if (rc == 0) rc = uv_thread_create(&net->thread, thread_main, net);
    if (rc == 0) return 0;
    uv_close((uv_handle_t *)&net->listener, NULL);
    uv_close((uv_handle_t *)&net->wake, NULL);
    uv_run(&net->loop, UV_RUN_DEFAULT);
    clear(net);
    return rc;
}

void net_thread_wake(net_thread_t *net) {
    uv_async_send(&net->wake);
}

void net_thread_stop(net_thread_t *net) {
    uv_mutex_lock(&net->mutex);
    net->stopping = true;
    uv_mutex_unlock(&net->mutex);
    net_thread_wake(net);
    uv_thread_join(&net->thread);
    clear(net);
}
