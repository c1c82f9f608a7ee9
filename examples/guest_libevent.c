/*
 * A program on libevent, with mouv as its guest: one event has its descriptor and its time.
 *
 *     guest_libevent       (takes the server from MONGODB_URI)
 */
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>
#include <mouv/mouv.h>
#include <uv.h>

typedef struct program {
    uv_loop_t loop; /* mouv's place; nobody runs it */
    mouv_runtime_t *runtime;
    mouv_client_t *client;
    int ticks;
    bool closed;
} program_t;

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
static void on_tick(evutil_socket_t none, short what, void *arg) {
    program_t *program = arg;
    (void)none, (void)what;
    printf("tick\n");
    if (++program->ticks == 1) mouv_then(mouv_client_ping(program->client), on_ping, NULL);
    if (program->ticks != 3) return;
    program->client = mouv_client_unref(program->client);
    mouv_runtime_close(program->runtime, on_closed, program);
}

/* It has only to wake the loop. */
static void on_guest(evutil_socket_t descriptor, short what, void *arg) {
    (void)descriptor, (void)what, (void)arg;
}

static void run(program_t *program, struct event_base *base, struct event *guest) {
    for (;;) {
        mouv_runtime_pump(program->runtime);
        if (program->closed) return; /* and with it the runtime */
        int ms = mouv_runtime_timeout_ms(program->runtime);
        struct timeval time = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
        event_add(guest, ms < 0 ? NULL : &time);
        event_base_loop(base, EVLOOP_ONCE);
        event_del(guest);
    }
}

int main(void) {
    const struct timeval often = {.tv_usec = 200000};
    struct event_base *base = event_base_new();
    program_t program = {.ticks = 0};
    uv_loop_init(&program.loop);
    if (mouv_runtime_attach(&program.runtime, &program.loop) < 0) return 1;
    program.client = mouv_client_new(getenv("MONGODB_URI"), NULL, NULL);
    if (program.client == NULL) return 1;

    struct event *ticker = event_new(base, -1, EV_PERSIST, on_tick, &program);
    struct event *guest =
        event_new(base, mouv_runtime_fd(program.runtime), EV_READ, on_guest, NULL);
    event_add(ticker, &often);
    run(&program, base, guest);
    event_free(ticker);
    event_free(guest);
    event_base_free(base);
    return uv_loop_close(&program.loop);
}
