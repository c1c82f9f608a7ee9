/* A future is a result that is not there yet. Cancelling is one way of completing it. */
#include <stdio.h>

#include <mouv/mouv.h>

static const char *word(bool value) {
    return value ? "True" : "False";
}

static int main_task(void *arg) {
    (void)arg;
    mouv_future_t future = mouv_future_new();
    printf("%s\n", word(mouv_future_done(future)));
    printf("%s\n", word(mouv_future_cancelled(future)));
    mouv_future_cancel(future);
    printf("%s\n", word(mouv_future_done(future)));
    printf("%s\n", word(mouv_future_cancelled(future)));
    mouv_future_unref(future);
    return 0;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
