/*
 * A service that ends in good order: it works until SIGTERM or Ctrl-C comes and tells at SIGUSR1
 * how far it is. A second Ctrl-C while it cleans up ends it at once.
 *
 *     signals & kill -USR1 $!; sleep 1; kill $!
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <mouv/mouv.h>

static void tell(int signum, void *arg) {
    const int *done = arg;
    printf("signal %d: %d done so far\n", signum, *done);
}

static int works(void *arg) {
    int *done = arg;
    while (mouv_sleep_ms(10) == 0) ++*done;
    return 0;
}

static int main_task(void *arg) {
    (void)arg;
    int done = 0;
    mouv_signal_add_handler(SIGUSR1, tell, &done);
    mouv_future_t work = mouv_task(works, &done);

    printf("working, as process %d\n", (int)getpid());
    int rc = mouv_await(mouv_signal_future(SIGTERM), NULL); /* Ctrl-C cancels this task instead */

    MOUV_SHIELD_SCOPE(cleanup, 5000);
    mouv_future_cancel(work);
    mouv_await(work, NULL);
    printf("%s: %d done\n", rc == SIGTERM ? "asked to end" : "interrupted", done);
    return 0;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    return mouv_main(main_task, NULL);
}
