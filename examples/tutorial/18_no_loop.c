/* Outside of mouv_run() there is no loop to run on. Everything says so, and nothing crashes. */
#include <stdio.h>

#include <mouv/mouv.h>

static int hello(void *arg) {
    (void)arg;
    printf("This is not printed.\n");
    return 0;
}

int main(void) {
    mouv_error_t error;
    mouv_future_t task = mouv_task(hello, NULL);
    if (mouv_future_result(task, &error) < 0) printf("mouv_task: %s\n", error.message);
    if (mouv_await(task, &error) < 0) printf("mouv_await: %s\n", error.message);
    int rc = mouv_sleep_ms(1000);
    printf("mouv_sleep_ms: %s\n", mouv_error_message(rc));
    return 0;
}
