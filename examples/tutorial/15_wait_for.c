/* Waiting for at most one second. The operation is cancelled and never completes. */
#include <stdio.h>

#include <mouv/mouv.h>

static int slow_operation(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(400 * 1000);
    if (rc < 0) return rc;
    printf("Completed.\n");
    return 0;
}

static int main_task(void *arg) {
    (void)arg;
    if (mouv_await_for(mouv_coro(slow_operation, NULL), 1000, NULL) == MOUV_ETIMEDOUT)
        printf("Timed out!\n");
    return 0;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
