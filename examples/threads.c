/*
 * Another thread uses the loop: it sends a callback, and runs a coroutine and waits for its result.
 *
 *     threads
 */
#include <stdio.h>

#include <mouv/mouv.h>
#include <uv.h>

struct shared {
    mouv_remote_t *remote; /* the loop's address, for any thread */
    mouv_future_t finished;
};

static void say(void *text) {
    printf("on the loop: %s\n", (const char *)text);
}

static int adds_slowly(void *arg) {
    const int *numbers = arg;
    int rc = mouv_sleep_ms(100);
    return rc < 0 ? rc : numbers[0] + numbers[1];
}

static int sleeps_long(void *arg) {
    (void)arg;
    return mouv_sleep_ms(60000);
}

static void finish(void *arg) {
    struct shared *shared = arg;
    mouv_future_set_result(shared->finished, 0);
}

static void other_thread(void *arg) {
    struct shared *shared = arg;
    int numbers[] = {20, 22};
    mouv_error_t error;

    mouv_call_soon_threadsafe(shared->remote, say, "hello from a thread");
    printf("the sum is %d\n", mouv_run_threadsafe(shared->remote, adds_slowly, numbers, &error));
    if (mouv_run_threadsafe_for(shared->remote, sleeps_long, NULL, 100, &error) < 0)
        printf("the other one %s\n", error.message);
    mouv_call_soon_threadsafe(shared->remote, finish, shared);
}

static int main_task(void *arg) {
    (void)arg;
    struct shared shared = {mouv_remote_new(mouv_runtime_current()), mouv_future_new()};
    uv_thread_t thread;
    if (uv_thread_create(&thread, other_thread, &shared) != 0) return 1;
    mouv_await(shared.finished, NULL);
    uv_thread_join(&thread);
    mouv_remote_unref(shared.remote);
    return 0;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
