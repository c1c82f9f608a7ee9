/*
 * The executor on libuv's pool: closed while a job runs.
 */
#include "../support/async_support.h"

#include "async/task/runtime.h"
#include "mongo/transport/workers/uvpool.h"

typedef struct held {
    mouv__job_t job; /* first */
    uv_sem_t begun, go;
    bool done;
} held_t;

static void held_run(mouv__job_t *job) {
    uv_sem_post(&((held_t *)job)->begun);
    uv_sem_wait(&((held_t *)job)->go);
}

static void held_done(mouv__job_t *job) {
    ((held_t *)job)->done = true;
}

CORO_CASE(a_job_that_runs_as_it_is_closed_is_not_called_stuck) {
    held_t held = {.job = {.run = held_run, .done = held_done}};
    mouv__mailbox_t *mailbox = mouv__runtime_mailbox(mouv__runtime());
    uv_sem_init(&held.begun, 0);
    uv_sem_init(&held.go, 0);
    mouv__executor_t *executor = mouv__uvpool_new(mailbox, 1);
    CHECK_INT(executor->submit(executor, &held.job), 0);
    uv_sem_wait(&held.begun);
    executor->close(executor);
    CHECK_NO_WARNING();
    uv_sem_post(&held.go);
    while (!held.done) pause_ms(1);
    executor = mouv__uvpool_new(mailbox, 1); /* which frees the first */
    executor->close(executor);
    CHECK_NO_WARNING();
    uv_sem_destroy(&held.begun);
    uv_sem_destroy(&held.go);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(a_job_that_runs_as_it_is_closed_is_not_called_stuck),
    };
    return RUN_CASES(cases);
}
