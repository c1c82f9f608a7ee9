/* A runtime as a guest of another loop, here of poll(). */
#include "../support/async_support.h"

#include <poll.h>

typedef struct host {
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    bool closed;
} host_t;

static void host_begin(host_t *host) {
    memset(host, 0, sizeof *host);
    assert_int_equal(uv_loop_init(&host->loop), 0);
    assert_int_equal(mouv_runtime_attach(&host->runtime, &host->loop), 0);
}

/* Whether the host would have woken. */
static bool host_wait(const host_t *host, int timeout_ms) {
    struct pollfd descriptor = {.fd = mouv_runtime_fd(host->runtime), .events = POLLIN};
    return poll(&descriptor, 1, timeout_ms) > 0;
}

static void host_run_until(const host_t *host, mouv_future_t future) {
    while (true) {
        CHECK(mouv_runtime_pump(host->runtime) >= 0);
        if (mouv_future_done(future)) break;
        host_wait(host, mouv_runtime_timeout_ms(host->runtime));
    }
}

static void host_on_closed(mouv_runtime_t *runtime, void *host) {
    (void)runtime;
    ((host_t *)host)->closed = true;
}

static void host_end(host_t *host) {
    mouv_runtime_close(host->runtime, host_on_closed, host);
    while (true) {
        mouv_runtime_pump(host->runtime);
        if (host->closed) break;
        host_wait(host, mouv_runtime_timeout_ms(host->runtime));
    }
    assert_int_equal(uv_loop_close(&host->loop), 0);
}

/* Nothing is due, and nothing will be. */
static void host_check_idle(const host_t *host) {
    CHECK_INT(mouv_runtime_pump(host->runtime), 0);
    CHECK_INT(mouv_runtime_timeout_ms(host->runtime), -1);
    CHECK(!host_wait(host, 0));
}

static void idle_guest_asks_for_nothing(void **state) {
    host_t host;
    (void)state;
    host_begin(&host);
    CHECK_INT(mouv_runtime_timeout_ms(host.runtime), 0); /* but for a first pump */
    host_check_idle(&host);
    host_check_idle(&host);
    host_end(&host);
}

static int sleeps_twice(void *word) {
    for (int i = 0; i < 2; i++) mouv_sleep_ms(20);
    return say(word);
}

static void guest_is_pumped_when_its_time_has_come(void **state) {
    host_t host;
    (void)state;
    host_begin(&host);
    mouv_future_t task = mouv_task(sleeps_twice, "slept");
    CHECK_INT(mouv_runtime_timeout_ms(host.runtime), 0); /* it has not begun */
    CHECK_INT(mouv_runtime_pump(host.runtime), 1);
    int timeout = mouv_runtime_timeout_ms(host.runtime);
    CHECK(timeout > 0 && timeout <= 20);
    host_run_until(&host, task);
    CHECK_STRING(events(), "slept");
    mouv_future_unref(task);
    host_check_idle(&host);
    host_end(&host);
}

static void guest_is_called_by_its_descriptor(void **state) {
    host_t host;
    (void)state;
    host_begin(&host);
    mouv_future_t future = mouv_offload(say, "offloaded");
    host_run_until(&host, future); /* which waits without a limit */
    CHECK_STRING(events(), "offloaded");
    mouv_future_unref(future);
    host_check_idle(&host);
    host_end(&host);
}

static void note(void *word) {
    event("%s", (char *)word);
}

static void calls_the_guest(void *remote) {
    CHECK_INT(mouv_call_soon_threadsafe(remote, note, "mail"), 0);
}

static void mail_for_an_idle_guest_is_delivered_and_leaves_no_call_behind(void **state) {
    host_t host;
    uv_thread_t thread;
    (void)state;
    host_begin(&host);
    host_check_idle(&host);
    mouv_remote_t *remote = mouv_remote_new(host.runtime);
    CHECK_INT(uv_thread_create(&thread, calls_the_guest, remote), 0);
    CHECK(host_wait(&host, -1));
    CHECK_INT(uv_thread_join(&thread), 0);
    host_check_idle(&host);
    CHECK_STRING(events(), "mail");
    mouv_remote_unref(remote);
    host_end(&host);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    (void)status, (void)events;
    uv_poll_stop(poll);
    event("readable");
    if (poll->data != NULL) uv_poll_start(poll->data, UV_READABLE, on_readable);
}

static void host_watch(host_t *host, uv_poll_t *poll, int *pipe, void *next) {
    assert_int_equal(uv_pipe(pipe, 0, 0), 0);
    assert_int_equal(uv_poll_init(&host->loop, poll, pipe[0]), 0);
    poll->data = next;
}

static void host_unwatch(uv_poll_t *poll, const int *pipe) {
    uv_close((uv_handle_t *)poll, NULL);
    close(pipe[0]);
    close(pipe[1]);
}

static void descriptor_that_a_callback_begins_to_watch_is_watched(void **state) {
    host_t host;
    uv_poll_t first, second;
    int pipes[2][2];
    (void)state;
    host_begin(&host);
    host_watch(&host, &second, pipes[1], NULL);
    host_watch(&host, &first, pipes[0], &second);
    uv_poll_start(&first, UV_READABLE, on_readable);
    CHECK_INT((int)write(pipes[0][1], "x", 1), 1);
    CHECK_INT((int)write(pipes[1][1], "x", 1), 1);
    while (true) {
        mouv_runtime_pump(host.runtime);
        if (strcmp(events(), "readable readable") == 0) break;
        host_wait(&host, mouv_runtime_timeout_ms(host.runtime));
    }
    host_unwatch(&first, pipes[0]);
    host_unwatch(&second, pipes[1]);
    host_end(&host);
}

static int pumps(void *runtime) {
    return mouv_runtime_pump(runtime);
}

static void guest_is_not_pumped_by_itself_or_without_a_runtime(void **state) {
    host_t host;
    (void)state;
    CHECK_INT(mouv_runtime_pump(NULL), MOUV_EINVAL);
    CHECK_INT(mouv_runtime_fd(NULL), -1);
    CHECK_INT(mouv_runtime_timeout_ms(NULL), -1);
    host_begin(&host);
    mouv_future_t task = mouv_task(pumps, host.runtime);
    host_run_until(&host, task);
    CHECK_INT(mouv_future_result(task, NULL), MOUV_ESTATE);
    mouv_future_unref(task);
    host_end(&host);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(idle_guest_asks_for_nothing),
        TEST(guest_is_pumped_when_its_time_has_come),
        TEST(guest_is_called_by_its_descriptor),
        TEST(mail_for_an_idle_guest_is_delivered_and_leaves_no_call_behind),
        TEST(descriptor_that_a_callback_begins_to_watch_is_watched),
        TEST(guest_is_not_pumped_by_itself_or_without_a_runtime),
    };
    return RUN_CASES(cases);
}
