/* One after the other: awaiting a coroutine is calling it, so this takes 1 + 2 = 3 seconds. */
#include <stdio.h>

#include <mouv/mouv.h>

struct say {
    int64_t delay_ms;
    const char *what;
};

static int say_something(void *arg) {
    struct say *say = arg;
    printf("Before %s\n", say->what);
    mouv_sleep_ms(say->delay_ms);
    printf("After %s\n", say->what);
    return 0;
}

static int main_task(void *arg) {
    (void)arg;
    struct say one = {1000, "Task 1"}, two = {2000, "Task 2"};
    mouv_await(mouv_coro(say_something, &one), NULL);
    mouv_await(mouv_coro(say_something, &two), NULL);
    return 0;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
