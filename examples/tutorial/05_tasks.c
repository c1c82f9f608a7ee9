/* At the same time: both tasks start before the first has ended. 2 seconds, 1 less than 04. */
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
    mouv_future_t a = mouv_task(say_something, &one);
    mouv_future_t b = mouv_task(say_something, &two);
    mouv_await(a, NULL);
    mouv_await(b, NULL);
    return 0;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
