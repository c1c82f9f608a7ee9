/* Limits at the edge: none at all, and one that has expired before it began. */
#include <stdio.h>

#include <mouv/mouv.h>

static int quick(void *arg) {
    (void)arg;
    mouv_sleep_ms(100);
    return 7;
}

static int never_runs(void *arg) {
    (void)arg;
    printf("This is not printed.\n");
    return 0;
}

static int main_task(void *arg) {
    (void)arg;
    int rc = mouv_await_for(mouv_coro(quick, NULL), INT64_MAX, NULL);
    printf("no limit: %d\n", rc);

    mouv_future_t done = mouv_future_new();
    mouv_future_set_result(done, 8);
    rc = mouv_await_for(done, 0, NULL);
    printf("0 ms, done: %d\n", rc);

    rc = mouv_await_for(mouv_sleep_future(1000), 0, NULL);
    printf("0 ms, pending: %s\n", mouv_error_name(rc));

    rc = mouv_await_for(mouv_coro(never_runs, NULL), -5, NULL);
    printf("-5 ms, not started: %s\n", mouv_error_name(rc));
    return 0;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
