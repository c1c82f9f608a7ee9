/* 10 with its first await forgotten: mult() never runs, and a warning on stderr says where. */
#include <stdio.h>

#include <mouv/mouv.h>

struct pair {
    int a, b;
};

static int mult(void *arg) {
    struct pair *pair = arg;
    printf("Calculating multiplication...\n");
    mouv_sleep_ms(1000);
    int product = pair->a * pair->b;
    printf("%d multiplied by %d is %d\n", pair->a, pair->b, product);
    return product;
}

static int add(void *arg) {
    struct pair *pair = arg;
    printf("Calculating sum...\n");
    mouv_sleep_ms(1000);
    int sum = pair->a + pair->b;
    printf("Sum of %d and %d is %d\n", pair->a, pair->b, sum);
    return sum;
}

static int main_task(void *arg) {
    (void)arg;
    struct pair pair = {10, 20};
    mouv_future_t product = mouv_coro(mult, &pair);
    int sum = mouv_await(mouv_coro(add, &pair), NULL);
    (void)product; /* its await is missing */
    return sum == 30 ? 0 : 1;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
