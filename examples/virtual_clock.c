/*
 * Testing code that waits: on a virtual clock three retries with long pauses take no time.
 *
 *     virtual_clock
 */
#include <inttypes.h>
#include <stdio.h>

#include <mouv/mouv.h>

/* The code under test: tries again after 1, 2, 4, ... minutes. */
static int retries(void *arg) {
    int *failures_left = arg;
    for (int64_t pause_ms = 60000; *failures_left > 0; pause_ms *= 2) {
        --*failures_left;
        int rc = mouv_sleep_ms(pause_ms);
        if (rc < 0) return rc;
    }
    return 0;
}

static int test(void *arg) {
    (void)arg;
    int three = 3, many = 1000;
    mouv_clock_set_virtual();

    int64_t began_ms = mouv_now_ms();
    int rc = mouv_await(mouv_coro(retries, &three), NULL);
    printf("succeeded (%d) after %" PRId64 " s\n", rc, (mouv_now_ms() - began_ms) / 1000);

    rc = mouv_await_for(mouv_coro(retries, &many), 3600 * 1000, NULL);
    printf("%s with %d failures left\n", mouv_error_name(rc), many);
    return 0;
}

int main(void) {
    return mouv_main(test, NULL);
}
