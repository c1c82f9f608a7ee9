/*
 * A program whose loop is epoll, with mouv as its guest: a descriptor to watch, a time to wait for, a pump.
 *
 *     guest_epoll          (takes the server from MONGODB_URI)
 */
#include <stdio.h>
#include <stdlib.h>

#include <mouv/mouv.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

typedef struct program {
    uv_loop_t loop; /* mouv's place; nobody runs it */
    mouv_runtime_t *runtime;
    mouv_client_t *client;
    int epoll, ticker;
    int ticks;
    bool closed;
} program_t;

static void watch(const program_t *program, int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    epoll_ctl(program->epoll, EPOLL_CTL_ADD, descriptor, &event);
}

static void on_closed(mouv_runtime_t *runtime, void *arg) {
    (void)runtime;
    ((program_t *)arg)->closed = true;
}

static void on_ping(mouv_future_t ping, void *arg) {
    mouv_error_t error;
    (void)arg;
    int rc = mouv_future_result(ping, &error);
    printf("the server %s\n", rc < 0 ? error.message : "answers");
}

/* The program's own events. The third tick is its last. */
static void on_tick(program_t *program) {
    uint64_t expirations;
    if (read(program->ticker, &expirations, sizeof expirations) < 0) return;
    printf("tick\n");
    if (++program->ticks == 1) mouv_then(mouv_client_ping(program->client), on_ping, NULL);
    if (program->ticks != 3) return;
    program->client = mouv_client_unref(program->client);
    mouv_runtime_close(program->runtime, on_closed, program);
}

static void run(program_t *program) {
    for (;;) {
        struct epoll_event event;
        mouv_runtime_pump(program->runtime);
        if (program->closed) return; /* and with it the runtime */
        int count =
            epoll_wait(program->epoll, &event, 1, mouv_runtime_timeout_ms(program->runtime));
        if (count > 0 && event.data.fd == program->ticker) on_tick(program);
    }
}

int main(void) {
    const struct itimerspec often = {.it_value.tv_nsec = 200000000,
                                     .it_interval.tv_nsec = 200000000};
    program_t program = {.epoll = epoll_create1(0)};
    uv_loop_init(&program.loop);
    if (mouv_runtime_attach(&program.runtime, &program.loop) < 0) return 1;
    program.client = mouv_client_new(getenv("MONGODB_URI"), NULL, NULL);
    if (program.client == NULL) return 1;

    program.ticker = timerfd_create(CLOCK_MONOTONIC, 0);
    timerfd_settime(program.ticker, 0, &often, NULL);
    watch(&program, program.ticker);
    watch(&program, mouv_runtime_fd(program.runtime));
    run(&program);
    close(program.ticker);
    close(program.epoll);
    return uv_loop_close(&program.loop);
}
