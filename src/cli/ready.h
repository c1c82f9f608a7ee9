/*
 * Waiting for a file descriptor in a coroutine, so that a slow pipe or terminal does not keep
 * Ctrl-C and --timeout from working.
 */
#ifndef MOUV_CLI_READY_H
#define MOUV_CLI_READY_H

#include <stdbool.h>
#include <uv.h>

#include <mouv/mouv.h>

struct cli_ready {
    int fd;
    int event;     /* UV_READABLE or UV_WRITABLE */
    bool pollable; /* pipes, sockets, terminals; a file is always ready */
    uv_poll_t poll;
    struct cli_ready_waiter *waiters;
};

/* Begins to watch; in a coroutine. Leaves the descriptor blocking: it may be shared with others. */
int mouv_cli_ready_init(struct cli_ready *ready, int fd, int event, mouv_error_t *error);

/* Suspends until the descriptor is ready (0) or the wait is cancelled. Several tasks may wait. */
int mouv_cli_ready_wait(struct cli_ready *ready, mouv_error_t *error);

/* Whether it is ready now. */
bool mouv_cli_ready_now(const struct cli_ready *ready);

/* The storage must live until the loop has ended. A second call is harmless. */
void mouv_cli_ready_close(struct cli_ready *ready);

#endif
