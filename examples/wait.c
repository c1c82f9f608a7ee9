/*
 * Waiting for several futures without giving them away: the first answer of three, then the others
 * in the order in which they come, with a limit for all of it.
 */
#include <stdio.h>

#include <mouv/mouv.h>

static int answer(void *ms) {
    int rc = mouv_sleep_ms(*(int64_t *)ms);
    return rc < 0 ? rc : (int)*(int64_t *)ms;
}

static int main_task(void *arg) {
    int64_t delays[] = {30, 10, 60000};
    mouv_future_t jobs[3], job;
    mouv_error_t error;
    (void)arg;
    for (int i = 0; i < 3; i++) jobs[i] = mouv_task(answer, &delays[i]);

    int done = mouv_wait(jobs, 3, MOUV_FIRST_COMPLETED, MOUV_FOREVER, &error);
    printf("%d of 3 is done\n", done);

    MOUV_AUTO_AS_COMPLETED mouv_as_completed_t *it = mouv_as_completed(jobs, 3, 100);
    int rc;
    while ((rc = mouv_as_completed_next(it, &job, &error)) > 0)
        printf("after %d ms\n", mouv_await(job, NULL));
    if (rc == MOUV_ETIMEDOUT) printf("%s\n", error.message);

    for (int i = 0; i < 3; i++) mouv_future_drop(&jobs[i]); /* cancels the one that still runs */
    return 0;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
