/*
 * Blocking functions beside the loop: two checksums are computed on libuv's threads while a task
 * goes on; a third one takes too long and is left behind.
 *
 *     offload
 */
#include <stdio.h>
#include <stdlib.h>

#include <mouv/mouv.h>
#include <uv.h>

struct sum {
    const char *text;
    unsigned value;
};

/* Runs on a thread of libuv's pool: it may block, and can use nothing else of mouv. */
static int checksum(void *arg) {
    struct sum *sum = arg;
    if (!*sum->text) return mouv_fail(-1, "nothing to sum up");
    for (const char *at = sum->text; *at; at++) sum->value = sum->value * 31 + (unsigned char)*at;
    uv_sleep(300);
    return 0;
}

static int stuck(void *arg) {
    (void)arg;
    uv_sleep(500);
    return 0;
}

static int ticks(void *arg) {
    (void)arg;
    while (mouv_sleep_ms(100) == 0) printf("the loop goes on\n");
    return 0;
}

static int main_task(void *arg) {
    (void)arg;
    struct sum one = {"async", 0}, two = {"await", 0}, none = {"", 0};
    mouv_error_t error;
    MOUV_AUTO mouv_future_t ticker = mouv_task(ticks, NULL);

    mouv_await(mouv_gather(mouv_offload(checksum, &one), mouv_offload(checksum, &two)), NULL);
    printf("%08x %08x\n", one.value, two.value);

    if (mouv_await(mouv_offload(checksum, &none), &error) < 0) printf("%s\n", error.message);

    /* detached: the function goes on, but nobody waits for it any more; it owns its argument */
    mouv_future_t late = mouv_offload_detached(stuck, malloc(1), free);
    if (mouv_await_for(late, 50, &error) == MOUV_ETIMEDOUT) printf("left behind\n");
    return 0;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
