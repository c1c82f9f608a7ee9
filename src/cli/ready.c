/*
 * One uv_poll_t a descriptor, on as long as somebody waits.
 */
#include "cli/ready.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

struct cli_ready_waiter {
    mouv_future_t future;
    struct cli_ready_waiter *next;
};

static bool ready_can_block(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) return false;
    return S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || isatty(fd);
}

int mouv_cli_ready_init(struct cli_ready *ready, int fd, int event, mouv_error_t *error) {
    *ready = (struct cli_ready){.fd = fd, .event = event, .pollable = ready_can_block(fd)};
    if (!ready->pollable) return 0;
    int flags = fcntl(fd, F_GETFL);
    int rc = uv_poll_init(mouv_runtime_loop(mouv_runtime_current()), &ready->poll, fd);
    if (flags >= 0 && fcntl(fd, F_SETFL, flags) < 0 && rc == 0) rc = UV_EIO;
    if (rc == 0) return 0;
    ready->pollable = false;
    return mouv_cli_fail(error, CLI_EIO, "%s", uv_strerror(rc));
}

bool mouv_cli_ready_now(const struct cli_ready *ready) {
    struct pollfd item = {ready->fd, ready->event == UV_READABLE ? POLLIN : POLLOUT, 0};
    return !ready->pollable || poll(&item, 1, 0) != 0;
}

/* Wakes all: who comes too late finds nothing and waits again. */
static void ready_on_ready(uv_poll_t *poll, int status, int events) {
    struct cli_ready *ready = poll->data;
    (void)status, (void)events; /* read() and write() tell */
    uv_poll_stop(poll);
    for (struct cli_ready_waiter *waiter = ready->waiters; waiter; waiter = waiter->next)
        mouv_future_set_result(waiter->future, 0);
}

static void ready_leave(struct cli_ready *ready, const struct cli_ready_waiter *waiter) {
    struct cli_ready_waiter **at = &ready->waiters;
    while (*at != waiter) at = &(*at)->next;
    *at = waiter->next;
    if (!ready->waiters) uv_poll_stop(&ready->poll);
}

int mouv_cli_ready_wait(struct cli_ready *ready, mouv_error_t *error) {
    struct cli_ready_waiter waiter = {mouv_future_new(), ready->waiters};
    ready->waiters = &waiter;
    ready->poll.data = ready;
    uv_poll_start(&ready->poll, ready->event, ready_on_ready);
    int rc = mouv_await(waiter.future, error);
    ready_leave(ready, &waiter);
    return rc;
}

void mouv_cli_ready_close(struct cli_ready *ready) {
    if (!ready->pollable || uv_is_closing((uv_handle_t *)&ready->poll)) return;
    uv_close((uv_handle_t *)&ready->poll, NULL);
}
