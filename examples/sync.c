/*
 * Lock, event, semaphore and condition between tasks of one loop.
 *
 *     sync
 *
 * Between two suspensions a task has the loop for itself, so plain code needs no lock. These are
 * for what spans a suspension.
 */
#include <stdbool.h>
#include <stdio.h>

#include <mouv/mouv.h>

/* --- A lock: read, wait, write, with nobody in between ---------------------------------------- */

static mouv_lock_t account_lock; /* zero-initialised is ready */
static int balance = 100;

static int withdraw(void *arg) {
    int amount = *(int *)arg;
    MOUV_LOCKED(held, &account_lock); /* released on every return below */
    if (held.code < 0) return held.code;
    int seen = balance;
    mouv_sleep_ms(10); /* as if it asked a server */
    if (seen < amount) return mouv_fail(-1, "only %d left", seen);
    balance = seen - amount;
    return 0;
}

static int show_lock(void) {
    int amount = 60, codes[2];
    mouv_future_t both[] = {mouv_coro(withdraw, &amount), mouv_coro(withdraw, &amount)};
    mouv_error_t errors[2];
    int failed = mouv_await(mouv_gather_all(both, 2, codes, errors), NULL);
    if (failed < 0) return failed;
    printf("lock: %d withdrawal failed (%s), %d left\n", failed, errors[1].message, balance);
    return 0;
}

/* --- An event: several tasks start at one shot ------------------------------------------------ */

static mouv_event_t start;

static int runner(void *name) {
    int rc = mouv_event_wait(&start);
    if (rc == 0) printf("event: %s runs\n", (const char *)name);
    return rc;
}

static int show_event(void) {
    mouv_future_t all =
        mouv_gather(mouv_task(runner, "Ann"), mouv_task(runner, "Ben"), mouv_task(runner, "Cem"));
    mouv_sleep_ms(10);
    printf("event: ready, go\n");
    mouv_event_set(&start);
    return mouv_await(all, NULL);
}

/* --- A semaphore: at most two at once --------------------------------------------------------- */

static mouv_semaphore_t seats = MOUV_BOUNDED_SEMAPHORE_INIT(2);
static int seated, most_seated;

static int guest(void *arg) {
    (void)arg;
    int rc = mouv_semaphore_acquire(&seats);
    if (rc < 0) return rc;
    if (++seated > most_seated) most_seated = seated;
    mouv_sleep_ms(10);
    seated--;
    return mouv_semaphore_release(&seats);
}

static int show_semaphore(void) {
    mouv_future_t guests[6];
    for (int i = 0; i < 6; i++) guests[i] = mouv_coro(guest, NULL);
    int rc = mouv_await(mouv_gather_array(guests, 6), NULL);
    if (rc == 0) printf("semaphore: six guests, never more than %d seated\n", most_seated);
    return rc;
}

/* --- A condition: wait until shared state is as wanted ---------------------------------------- */

static mouv_condition_t changed; /* with a lock of its own */
static int loaves;

static bool enough(void *wanted) {
    return loaves >= *(int *)wanted;
}

static int buyer(void *arg) {
    int *wanted = arg;
    MOUV_LOCKED(held, mouv_condition_lock(&changed));
    if (held.code < 0) return held.code;
    int rc = mouv_condition_wait_for(&changed, enough, wanted);
    if (rc < 0) return rc; /* with the lock held, which is released here */
    loaves -= *wanted;
    printf("condition: bought %d\n", *wanted);
    return 0;
}

static int bake(void) {
    mouv_sleep_ms(5);
    MOUV_LOCKED(held, mouv_condition_lock(&changed));
    if (held.code < 0) return held.code;
    loaves++;
    return mouv_condition_notify_all(&changed);
}

static int show_condition(void) {
    static int three = 3, one = 1; /* they outlive this call, should it return early */
    mouv_future_t buyers = mouv_gather(mouv_task(buyer, &three), mouv_task(buyer, &one));
    for (int i = 0; i < 4; i++) {
        int rc = bake();
        if (rc < 0) return rc;
    }
    return mouv_await(buyers, NULL);
}

static int main_task(void *arg) {
    (void)arg;
    int rc = show_lock();
    if (rc == 0) rc = show_event();
    if (rc == 0) rc = show_semaphore();
    if (rc == 0) rc = show_condition();
    return rc;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
