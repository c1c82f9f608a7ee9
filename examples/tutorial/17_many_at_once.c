/* The loop runs as many coroutines at once as there are: a thousand sleeps of 1 s take 1 s. */
#include <stdio.h>

#include <mouv/mouv.h>

enum { COUNT = 1000 };

static int worker(void *arg) {
    int *finished = arg;
    mouv_sleep_ms(1000);
    ++*finished;
    return 0;
}

static int main_task(void *arg) {
    (void)arg;
    mouv_future_t all[COUNT];
    int finished = 0;
    int64_t began = mouv_now_ms();
    for (int i = 0; i < COUNT; i++) all[i] = mouv_coro(worker, &finished);
    int rc = mouv_await(mouv_gather_array(all, COUNT), NULL);
    printf("%d coroutines slept 1 second each, together %.1f seconds.\n", finished,
           (double)(mouv_now_ms() - began) / 1000);
    return rc;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
