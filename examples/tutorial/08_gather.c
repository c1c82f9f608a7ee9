/* mouv_gather() makes one future of several coroutines, which then run at the same time. */
#include <stdio.h>

#include <mouv/mouv.h>

static int greetings(void *arg) {
    (void)arg;
    printf("Welcome\n");
    mouv_sleep_ms(1000);
    printf("Goodbye\n");
    return 0;
}

static int main_task(void *arg) {
    (void)arg;
    int64_t began = mouv_now_ms();
    int rc = mouv_await(mouv_gather(mouv_coro(greetings, NULL), mouv_coro(greetings, NULL)), NULL);
    printf("__main__ executed in %.2f seconds.\n", (double)(mouv_now_ms() - began) / 1000);
    return rc;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
