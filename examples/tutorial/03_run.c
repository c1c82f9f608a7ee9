/*
 * mouv_run() is the way from main() into the world of coroutines: it makes a loop, runs one body in
 * it, returns what that returned, and ends what was left behind. It cannot be called from inside.
 */
#include <stdio.h>

#include <mouv/mouv.h>

static int left_behind(void *arg) {
    (void)arg;
    int rc = mouv_sleep_ms(60000);
    if (rc == MOUV_ECANCELED) printf("A task that was left behind is cancelled.\n");
    return rc;
}

static int main_task(void *arg) {
    (void)arg;
    mouv_error_t error;
    if (mouv_run(left_behind, NULL, &error) < 0) printf("%s\n", error.message);

    mouv_future_unref(mouv_task(left_behind, NULL));
    mouv_sleep_ms(0); /* it starts, and is still asleep when this body returns */
    return 42;
}

static int failing(void *arg) {
    (void)arg;
    return mouv_fail(-1, "something went wrong");
}

int main(void) {
    mouv_error_t error;
    printf("mouv_run() returned %d.\n", mouv_run(main_task, NULL, &error));
    if (mouv_run(failing, NULL, &error) < 0) printf("mouv_run() failed: %s.\n", error.message);
    return 0;
}
