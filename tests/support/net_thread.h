/*
 * A libuv loop that listens on 127.0.0.1, on a thread of its own: what the mock server and the
 * proxy stand on.
 */
#ifndef MOUV_TESTS_NET_THREAD_H
#define MOUV_TESTS_NET_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

typedef struct net_thread {
    uv_loop_t loop;
    uv_tcp_t listener; /**< its `data` is the owner's */
    uv_async_t wake;
    uv_thread_t thread;
    uint16_t port;
    bool stopping;    /**< under `mutex` */
    uv_mutex_t mutex; /**< the owner may keep other things under it */
    void (*woken)(void *owner, bool stopping);
} net_thread_t;

/**
 * Listens on `port` (0: any) and runs the loop. `on_connection` and `woken` are called there; told
 * to stop, `woken` closes what the owner has on the loop. `prepare` (may be NULL) is called before
 * the thread runs, when the port is known. Returns 0 or a negative error of libuv.
 */
int net_thread_start(net_thread_t *net, void *owner, uint16_t port, uv_connection_cb on_connection,
                     void (*woken)(void *owner, bool stopping), void (*prepare)(void *owner));

/** Has `woken` called. Any thread. */
void net_thread_wake(net_thread_t *net);

/** Ends the loop and joins the thread. */
void net_thread_stop(net_thread_t *net);

#endif
