/* The threads that mouv starts, as signals see them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "mongo/transport/workers/thread.h"

static sigset_t blocked;
static uv_sem_t seen;

static void read_mask(void *arg) {
    (void)arg;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    uv_sem_post(&seen);
    mouv__thread_ends(false);
}

static void threads_block_what_is_the_programs_and_no_faults(void **state) {
    (void)state;
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    static const int others[] = {SIGINT, SIGTERM, SIGCHLD, SIGUSR1, SIGALRM, SIGPIPE, SIGWINCH};
    sigset_t before, after;
    uv_sem_init(&seen, 0);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(mouv__thread_start(read_mask, NULL, 256 * 1024, false), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    uv_sem_wait(&seen);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(sigismember(&blocked, faults[i]), 0);
        assert_int_equal(sigismember(&blocked, others[i]), 1);
        assert_int_equal(sigismember(&before, others[i]), sigismember(&after, others[i]));
    }
    uv_sem_destroy(&seen);
}

static void report(int signum) {
    (void)signum;
    _exit(42);
}

static void fault(void *arg) {
    raise(*(int *)arg);
    _exit(1);
}

static void crash_reporter_is_called_for_a_fault_on_such_a_thread(void **state) {
    (void)state;
    static int signum = SIGSEGV;
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        signal(signum, report);
        mouv__thread_start(fault, &signum, 256 * 1024, false);
        for (;;) pause();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        /* first: ThreadSanitizer wants no threads at a fork whose child starts some */
        cmocka_unit_test(crash_reporter_is_called_for_a_fault_on_such_a_thread),
        cmocka_unit_test(threads_block_what_is_the_programs_and_no_faults),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
