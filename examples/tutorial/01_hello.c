/* The first coroutine: it says hello, waits a second without blocking anybody, says it again. */
#include <stdio.h>

#include <mouv/mouv.h>

static int hello(void *arg) {
    (void)arg;
    printf("Hello world!\n");
    mouv_sleep_ms(1000);
    printf("Hello again!\n");
    return 0;
}

int main(void) {
    return mouv_main(hello, NULL);
}
