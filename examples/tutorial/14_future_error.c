/* A future's result may be an error, may be missing yet, may be a cancel; it is set once. */
#include <stdio.h>

#include <mouv/mouv.h>

static void print_result(mouv_future_t future) {
    mouv_error_t error;
    int rc = mouv_future_result(future, &error);
    if (rc < 0)
        printf("%s: %s\n", mouv_error_name(rc), error.message);
    else
        printf("result: %d\n", rc);
}

static int main_task(void *arg) {
    (void)arg;
    mouv_error_t error;
    mouv_future_t future = mouv_future_new();
    print_result(future);

    mouv_error_set(&error, -1, "the answer is unknown");
    mouv_future_set_error(future, &error);
    print_result(future);

    int rc = mouv_future_set_result(future, 42);
    printf("%s: %s\n", mouv_error_name(rc), mouv_error_message(rc));
    rc = mouv_await(future, &error);
    printf("%d: %s\n", rc, error.message);

    mouv_future_t cancelled = mouv_future_new();
    mouv_future_cancel(cancelled);
    print_result(cancelled);
    mouv_future_unref(cancelled);
    return 0;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
