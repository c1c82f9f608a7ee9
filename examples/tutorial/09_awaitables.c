/* One call awaits all three: coroutines, tasks and futures. Each can be awaited once. */
#include <stdio.h>

#include <mouv/mouv.h>

static int number(void *arg) {
    return *(int *)arg;
}

static int main_task(void *arg) {
    (void)arg;
    mouv_error_t error;
    int one = 1, two = 2;

    mouv_future_t coroutine = mouv_coro(number, &one);
    mouv_future_t task = mouv_task(number, &two);
    mouv_future_t future = mouv_future_new();
    mouv_future_set_result(future, 3);

    printf("coroutine: %d\n", mouv_await(coroutine, NULL));
    printf("task: %d\n", mouv_await(task, NULL));
    printf("future: %d\n", mouv_await(future, NULL));

    if (mouv_await(coroutine, &error) < 0) printf("a second time: %s\n", error.message);
    return 0;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
