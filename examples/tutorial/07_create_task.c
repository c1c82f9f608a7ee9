/* A task is scheduled when it is made and runs when its creator next suspends; awaiting gives its
 * result. */
#include <stdio.h>

#include <mouv/mouv.h>

static int nested(void *arg) {
    (void)arg;
    printf("The task runs.\n");
    return 42;
}

static int main_task(void *arg) {
    (void)arg;
    mouv_future_t task = mouv_task(nested, NULL);
    printf("The task has been created.\n");
    mouv_sleep_ms(0);
    printf("Its creator goes on.\n");
    printf("The task returned %d.\n", mouv_await(task, NULL));
    return 0;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
