/*
 * Making a coroutine does not run it. hello() prints nothing here; when the handle is given up, the
 * library says where the coroutine was made, and the program goes on.
 */
#include <stdio.h>

#include <mouv/mouv.h>

static int hello(void *arg) {
    (void)arg;
    printf("Hello world!\n");
    mouv_sleep_ms(1000);
    printf("Hello again!\n");
    return 0;
}

static int main_task(void *arg) {
    (void)arg;
    mouv_future_t coro = mouv_coro(hello, NULL);
    mouv_future_unref(coro); /* RuntimeWarning: coroutine 'hello' was never awaited */
    printf("The program goes on.\n");
    return 0;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
