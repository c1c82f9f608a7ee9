/*
 * A program that closes every handle of its loop, mouv's connections among them, and then the runtime.
 */
/* test: executors */
#include <uv.h>

#include "support/support.h"

typedef struct visitor {
    bool slow, closes; /* an operation is under way; the client is closed first */
    bool ended;
} visitor_t;

static void close_if_open(uv_handle_t *handle, void *arg) {
    (void)arg;
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

static void on_closed(mouv_runtime_t *runtime, void *closed) {
    (void)runtime;
    *(bool *)closed = true;
}

static mouv_future_t start_slow(mouv_client_t *client) {
    AUTO_BSON *sleep = BCON_NEW("sleep", BCON_INT32(1), "millis", BCON_INT32(2000), "lock", "none");
    return mouv_database_command(mouv_client_get_database(client, "admin"), sleep, NULL, NULL);
}

static void walk_and_close(void *arg) {
    visitor_t *visitor = arg;
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    bool closed = false;
    if (uv_loop_init(&loop) < 0 || mouv_runtime_attach(&runtime, &loop) < 0) return;
    mouv_client_t *client = mouv_client_new(test_uri(), NULL, NULL);
    bool pinged = mouv_run_until(runtime, mouv_client_ping(client), NULL) == 0;
    mouv_future_t slow = {0};
    if (visitor->slow) {
        slow = start_slow(client);
        mouv_run_until(runtime, mouv_sleep_future(50), NULL);
    }
    uv_walk(&loop, close_if_open, NULL);
    if (visitor->closes) {
        mouv_client_close(client, NULL);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    mouv_client_unref(client);
    mouv_runtime_close(runtime, on_closed, &closed);
    if (visitor->slow) mouv_future_result(slow, NULL); /* whatever became of it is no matter */
    mouv_future_unref(slow);
    uv_run(&loop, UV_RUN_DEFAULT);
    visitor->ended = uv_loop_close(&loop) == 0 && pinged && closed;
}

static int visit(test_t *t, bool slow, bool closes) {
    uv_thread_t thread;
    visitor_t visitor = {.slow = slow, .closes = closes};
    CHECK_INT(uv_thread_create(&thread, walk_and_close, &visitor), 0);
    uv_thread_join(&thread);
    CHECK(visitor.ended);
    return 0;
}

CASE(runtime_closes_after_a_walk_that_closed_idle_connections) {
    CHECK_INT(visit(t, false, false), 0);
    return visit(t, false, true);
}

CASE(runtime_closes_after_a_walk_that_closed_busy_connections) {
    CHECK_INT(visit(t, true, false), 0);
    return visit(t, true, true);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(runtime_closes_after_a_walk_that_closed_idle_connections),
        cmocka_unit_test(runtime_closes_after_a_walk_that_closed_busy_connections),
    };
    return RUN_CASES(cases);
}
