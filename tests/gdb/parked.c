/*
 * A program for gdb to look at: tasks in every state. Prints "parked" from the loop when all of
 * them wait; with an argument it then calls abort().
 */
#include <stdio.h>
#include <stdlib.h>

#include <mouv/mouv.h>

static mouv_future_t never, watcher;

__attribute__((noinline)) static int doze(int depth) {
    int remaining = depth;
    if (remaining == 0) return mouv_sleep_ms(1000000); /* sleeps */
    int rc = doze(depth - 1);
    return rc + 0 * remaining;
}

static int sleeper(void *arg) {
    return doze(*(int *)arg);
}

static int waiter(void *arg) {
    int answer = *(int *)arg;
    int rc = mouv_await(mouv_future_ref(never), NULL); /* waits */
    return rc + answer;
}

static int follower(void *arg) {
    return mouv_await(mouv_future_ref(*(mouv_future_t *)arg), NULL); /* follows */
}

__attribute__((noinline)) static void all_are_there(void) {
    fflush(stdout);
}

static int late(void *arg) {
    (void)arg;
    return 0;
}

static void tell(void *arg) {
    printf("parked\n");
    fflush(stdout);
    if (*(int *)arg > 1) abort();
}

static int main_task(void *arg) {
    int depth = 3, answer = 42;
    mouv_task_opts_t opts = {.name = "the-waiter"};
    never = mouv_future_new();
    mouv_future_set_name(never, "never");
    mouv_future_t all[] = {
        mouv_task(sleeper, &depth),                       /* makes sleeper */
        watcher = mouv_task_with(waiter, &answer, &opts), /* makes waiter */
        mouv_task(follower, &watcher),                    /* makes follower */
    };
    mouv_sleep_ms(0);
    mouv_future_t unstarted = mouv_task(late, NULL);
    all_are_there();
    mouv_await(unstarted, NULL);
    mouv_call_soon(tell, arg, NULL);
    return mouv_await(mouv_gather_array(all, 3), NULL); /* gathers */
}

int main(int argc, char **argv) {
    (void)argv;
    return mouv_main(main_task, &argc);
}
