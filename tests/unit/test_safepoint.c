/*
 * exit() and fork() find the workers at safe points. Each case is about a process of its own, a child of this
 * program, which has no threads.
 */
/* test: no-tsan */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "mongo/transport/workers/safepoint.h"

static int in_library; /* atomic: it is between two of its own states */
static int torn_down;  /* atomic: the library has been cleaned up */
static int forking;    /* atomic */

/** In a library that dies where it is used after its clean-up. */
static void use_library(void) {
    __atomic_store_n(&in_library, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 100; i++)
        if (__atomic_load_n(&torn_down, __ATOMIC_SEQ_CST)) _exit(99);
    __atomic_store_n(&in_library, 0, __ATOMIC_SEQ_CST);
}

static void work(void *arg) {
    (void)arg;
    for (;;) {
        mouv__safepoint_leave();
        use_library();
        mouv__safepoint_reach();
    }
}

/** Its waits are as long as one likes. */
static void work_and_wait(void *arg) {
    (void)arg;
    mouv__safepoint_leave();
    for (;;) {
        use_library();
        bool had_left = mouv__safepoint_begin_wait();
        usleep(100);
        mouv__safepoint_end_wait(had_left);
    }
}

/** As libmongoc's monitors: nobody says when it begins. */
static void wait_only(void *arg) {
    (void)arg;
    for (;;) {
        bool had_left = mouv__safepoint_begin_wait();
        usleep(20000);
        mouv__safepoint_end_wait(had_left);
        use_library();
    }
}

static void waits_for_long(void *arg) {
    (void)arg;
    mouv__safepoint_leave();
    bool had_left = mouv__safepoint_begin_wait();
    sleep(60);
    mouv__safepoint_end_wait(had_left);
}

static void tear_down(void) {
    __atomic_store_n(&torn_down, 1, __ATOMIC_SEQ_CST);
    usleep(50000);
}

static void start(void (*run)(void *arg)) {
    uv_thread_t thread;
    if (uv_thread_create(&thread, run, NULL) != 0) _exit(98);
}

static int status_of(pid_t child) {
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/** The status of a child that runs `fn`, and exits as a program does. */
static int exits_with(void (*fn)(void)) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(120);
        atexit(tear_down); /* before mouv: after it */
        mouv__safepoint_init();
        fn();
        usleep(5000);
        exit(7);
    }
    return status_of(child);
}

static void three_that_work(void) {
    for (int i = 0; i < 3; i++) start(work);
}

static void three_that_wait(void) {
    for (int i = 0; i < 3; i++) start(work_and_wait);
}

static void one_that_only_waits(void) {
    start(wait_only);
}

static void one_in_a_long_wait(void) {
    start(waits_for_long);
}

/* As libuv's are, by its destructor. */
static pthread_t joined;

static void *work_until_exit(void *arg) {
    mouv__safepoint_end_at_exit();
    work_and_wait(arg);
    return NULL;
}

static void join(void) {
    pthread_join(joined, NULL);
}

static void exit_ends_workers_that_are_joined(void **state) {
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(120);
        atexit(join); /* before mouv: after it */
        atexit(tear_down);
        mouv__safepoint_init();
        if (pthread_create(&joined, NULL, work_until_exit, NULL) != 0) _exit(98);
        usleep(5000);
        exit(7);
    }
    assert_int_equal(status_of(child), 7);
}

static void exit_keeps_workers_out_of_the_libraries(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(exits_with(three_that_work), 7);
        assert_int_equal(exits_with(three_that_wait), 7);
    }
    assert_int_equal(exits_with(one_that_only_waits), 7);
}

static void exit_does_not_wait_for_what_waits(void **state) {
    (void)state;
    uint64_t began = uv_hrtime();
    assert_int_equal(exits_with(one_in_a_long_wait), 7);
    assert_true(uv_hrtime() - began < 30 * UINT64_C(1000000000));
}

/* --- fork ------------------------------------------------------------------------------------- */

static void note_fork(void) {
    __atomic_store_n(&forking, 1, __ATOMIC_SEQ_CST);
}

/** Is in the library when somebody forks, and leaves it only then. */
static void is_met_by_fork(void *arg) {
    (void)arg;
    mouv__safepoint_leave();
    __atomic_store_n(&in_library, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&forking, __ATOMIC_SEQ_CST)) usleep(100);
    __atomic_store_n(&in_library, 0, __ATOMIC_SEQ_CST);
    mouv__safepoint_reach();
    for (;;) pause();
}

static void fork_while_one_is_in_a_library(void) {
    start(is_met_by_fork);
    while (!__atomic_load_n(&in_library, __ATOMIC_SEQ_CST)) usleep(100);
    pthread_atfork(note_fork, NULL, NULL); /* runs before mouv's */
    pid_t child = fork();
    if (child == 0) {
        mouv__safepoint_leave(); /* it is as good as any process */
        mouv__safepoint_reach();
        _exit(__atomic_load_n(&in_library, __ATOMIC_SEQ_CST) ? 1 : 2);
    }
    mouv__safepoint_leave(); /* ... and the parent goes on */
    mouv__safepoint_reach();
    _exit(status_of(child));
}

/** Where the machine does not let the thread run in time, fork() goes ahead: then once more. */
static void fork_waits_until_workers_are_out_of_the_libraries(void **state) {
    (void)state;
    int status = 1;
    for (int i = 0; i < 20 && status == 1; i++) status = exits_with(fork_while_one_is_in_a_library);
    assert_int_equal(status, 2);
}

static void fork_and_exit_again(void) {
    three_that_work();
    pid_t child = fork();
    if (child == 0) {
        three_that_work();
        exit(6);
    }
    if (status_of(child) != 6) _exit(1);
}

static void a_child_has_workers_of_its_own(void **state) {
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* gcc's runtime has locks that a child finds as they were */
#endif
    for (int i = 0; i < 5; i++) assert_int_equal(exits_with(fork_and_exit_again), 7);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(exit_keeps_workers_out_of_the_libraries),
        cmocka_unit_test(exit_ends_workers_that_are_joined),
        cmocka_unit_test(exit_does_not_wait_for_what_waits),
        cmocka_unit_test(fork_waits_until_workers_are_out_of_the_libraries),
        cmocka_unit_test(a_child_has_workers_of_its_own),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
