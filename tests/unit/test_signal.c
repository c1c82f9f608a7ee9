/*
 * Signal handlers and futures on the loop, and what mouv_main() does with Ctrl-C. In real time: the
 * virtual clock knows nothing of signals.
 */
#include "../support/async_support.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void say_number(int signum, void *word) {
    event("%s:%d", (const char *)word, signum);
}

static void raise_and_wait(int signum) {
    kill(getpid(), signum);
    pause_ms(5);
}

/* --- Handlers ------------------------------------------------------------------------------- */

REAL_CASE(handler_is_called_at_each_signal) {
    CHECK_INT(mouv_signal_add_handler(SIGUSR1, say_number, "a"), 0);
    raise_and_wait(SIGUSR1);
    raise_and_wait(SIGUSR1);
    CHECK_STRING(events(), "a:10 a:10");
    return 0;
}

REAL_CASE(second_handler_replaces_the_first) {
    mouv_signal_add_handler(SIGUSR1, say_number, "a");
    mouv_signal_add_handler(SIGUSR1, say_number, "b");
    mouv_signal_add_handler(SIGUSR2, say_number, "c");
    raise_and_wait(SIGUSR1);
    raise_and_wait(SIGUSR2);
    CHECK_STRING(events(), "b:10 c:12");
    return 0;
}

static bool has_default_effect(int signum) {
    struct sigaction action;
    sigaction(signum, NULL, &action);
    return action.sa_handler == SIG_DFL;
}

REAL_CASE(removed_handler_gives_the_signal_its_default_effect_back) {
    CHECK(!mouv_signal_remove_handler(SIGUSR1));
    mouv_signal_add_handler(SIGUSR1, say_number, "a");
    CHECK(!has_default_effect(SIGUSR1));
    CHECK(mouv_signal_remove_handler(SIGUSR1));
    CHECK(has_default_effect(SIGUSR1));
    CHECK(!mouv_signal_remove_handler(SIGUSR1));
    mouv_signal_add_handler(SIGUSR1, say_number, "b");
    raise_and_wait(SIGUSR1);
    CHECK_STRING(events(), "b:10");
    return 0;
}

static void removes_itself(int signum, void *arg) {
    (void)arg;
    CHECK(mouv_signal_remove_handler(signum));
    event("once");
}

REAL_CASE(handler_may_remove_itself) {
    mouv_signal_add_handler(SIGUSR1, removes_itself, NULL);
    raise_and_wait(SIGUSR1);
    CHECK(has_default_effect(SIGUSR1));
    CHECK_STRING(events(), "once");
    return 0;
}

static int leaves_a_handler(void *arg) {
    (void)arg;
    mouv_future_unref(mouv_signal_future(SIGUSR2));
    return mouv_signal_add_handler(SIGUSR1, say_number, "a");
}

static void handlers_end_with_the_runtime(void **state) {
    (void)state;
    run_body(leaves_a_handler);
    assert_true(has_default_effect(SIGUSR1));
    assert_true(has_default_effect(SIGUSR2));
}

static void handler_keeps_no_loop_alive_and_closes_with_the_runtime(void **state) {
    (void)state;
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    uv_loop_init(&loop);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    mouv_signal_add_handler(SIGUSR1, say_number, "a");
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    mouv_runtime_close(runtime, NULL, NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* --- Futures -------------------------------------------------------------------------------- */

static void kill_self(void *signum) {
    kill(getpid(), *(int *)signum);
}

REAL_CASE(future_completes_with_the_number_of_the_signal) {
    int signum = SIGUSR1;
    mouv_call_later(10, kill_self, &signum, NULL);
    CHECK_INT(mouv_await(mouv_signal_future(SIGUSR1), NULL), SIGUSR1);
    CHECK(has_default_effect(SIGUSR1));
    return 0;
}

REAL_CASE(all_futures_of_a_signal_complete) {
    mouv_future_t one = mouv_signal_future(SIGUSR1), two = mouv_signal_future(SIGUSR1);
    mouv_future_t other = mouv_signal_future(SIGUSR2);
    kill(getpid(), SIGUSR1);
    CHECK_INT(mouv_await(mouv_gather(one, two), NULL), 0);
    CHECK(!mouv_future_done(other));
    mouv_future_drop(&other);
    CHECK(has_default_effect(SIGUSR2));
    return 0;
}

REAL_CASE(cancelled_future_listens_no_more) {
    CHECK_INT(mouv_await_for(mouv_signal_future(SIGUSR1), 10, NULL), MOUV_ETIMEDOUT);
    CHECK(has_default_effect(SIGUSR1));
    mouv_future_t one = mouv_signal_future(SIGUSR1), two = mouv_signal_future(SIGUSR1);
    mouv_future_cancel(one);
    CHECK(!has_default_effect(SIGUSR1));
    kill(getpid(), SIGUSR1);
    CHECK_INT(mouv_await(two, NULL), SIGUSR1);
    CHECK_INT(mouv_await(one, NULL), MOUV_ECANCELED);
    return 0;
}

REAL_CASE(future_goes_before_the_handler) {
    mouv_signal_add_handler(SIGUSR1, say_number, "a");
    mouv_future_t future = mouv_signal_future(SIGUSR1);
    raise_and_wait(SIGUSR1);
    CHECK_STRING(events(), "");
    CHECK_INT(mouv_await(future, NULL), SIGUSR1);
    raise_and_wait(SIGUSR1);
    CHECK_STRING(events(), "a:10");
    return 0;
}

/* --- Misuse --------------------------------------------------------------------------------- */

REAL_CASE(what_is_no_signal_is_refused) {
    const int numbers[] = {0, -1, SIGKILL, SIGSTOP, 1000, INT32_MAX};
    for (int i = 0; i < 6; i++) {
        CHECK_INT(mouv_signal_add_handler(numbers[i], say_number, NULL), MOUV_EINVAL);
        CHECK_INT(mouv_await(mouv_signal_future(numbers[i]), NULL), MOUV_EINVAL);
        CHECK(!mouv_signal_remove_handler(numbers[i]));
    }
    CHECK_INT(mouv_signal_add_handler(SIGUSR1, NULL, NULL), MOUV_EINVAL);
    return 0;
}

static void signals_without_a_loop_are_refused(void **state) {
    (void)state;
    assert_int_equal(mouv_signal_add_handler(SIGUSR1, say_number, NULL), MOUV_ENOLOOP);
    assert_false(mouv_signal_remove_handler(SIGUSR1));
    assert_int_equal(mouv_future_result(mouv_signal_future(SIGUSR1), NULL), MOUV_ENOLOOP);
}

/* --- mouv_main(), in a child process -------------------------------------------------------- */

static int ready_fd;

static void say_ready(void) {
    if (write(ready_fd, "r", 1) != 1) _exit(99);
}

static pid_t start_main(mouv_fn_t body, int *ready) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        ready_fd = ends[1];
        mouv_log_set_handler(NULL, NULL);
        _exit(mouv_main(body, NULL));
    }
    close(ends[1]);
    *ready = ends[0];
    return pid;
}

static void wait_ready(int ready) {
    char byte;
    assert_int_equal(read(ready, &byte, 1), 1);
}

static int end_of(pid_t pid, int ready) {
    int status = 0;
    waitpid(pid, &status, 0);
    close(ready);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int is_stuck(void *arg) {
    sigset_t every, none;
    (void)arg;
    sigfillset(&every);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &every, NULL);
    say_ready();
    sigsuspend(&none); /* never lets the loop turn */
    sigprocmask(SIG_SETMASK, &none, NULL);
    say_ready();
    for (int i = 0; i < 60000; i++) uv_sleep(1);
    return 0;
}

static void second_ctrl_c_ends_a_program_whose_loop_is_stuck(void **state) {
    (void)state;
    const int signals[] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++) {
        int ready;
        pid_t pid = start_main(is_stuck, &ready);
        wait_ready(ready);
        kill(pid, signals[i]);
        wait_ready(ready); /* the first has arrived and does not end it */
        kill(pid, signals[i]);
        assert_int_equal(end_of(pid, ready), -signals[i]);
    }
}

static int cleans_for_long(void *arg) {
    (void)arg;
    say_ready();
    mouv_sleep_ms(400000);
    MOUV_SHIELD_SCOPE(cleanup, 60000);
    say_ready();
    mouv_sleep_ms(60000);
    return 0;
}

static void check_second(int first, int second) {
    int ready;
    pid_t pid = start_main(cleans_for_long, &ready);
    wait_ready(ready);
    kill(pid, first);
    wait_ready(ready);
    kill(pid, second);
    assert_int_equal(end_of(pid, ready), -second);
}

static void second_signal_of_either_kind_ends_the_process_during_cleanup(void **state) {
    (void)state;
    check_second(SIGINT, SIGINT);
    check_second(SIGINT, SIGTERM);
    check_second(SIGTERM, SIGINT);
}

static int waits_for_sigterm(void *arg) {
    (void)arg;
    mouv_future_t term = mouv_signal_future(SIGTERM);
    say_ready();
    int rc = mouv_await(term, NULL);
    if (mouv_sleep_ms(1) != 0) return 1; /* nobody has cancelled this task */
    say_ready();
    if (mouv_sleep_ms(60000) == MOUV_ECANCELED) return 0; /* now mouv_main()'s is back */
    return rc == SIGTERM ? 3 : 2;
}

static void awaited_sigterm_does_not_cancel_the_main_task_but_the_next_does(void **state) {
    (void)state;
    int ready;
    pid_t pid = start_main(waits_for_sigterm, &ready);
    wait_ready(ready);
    kill(pid, SIGTERM);
    wait_ready(ready);
    kill(pid, SIGTERM);
    assert_int_equal(end_of(pid, ready), 143);
}

static void sets_done(int signum, void *done) {
    (void)signum;
    *(bool *)done = true;
}

static int handles_ctrl_c_itself(void *arg) {
    bool done = false;
    (void)arg;
    mouv_signal_add_handler(SIGINT, sets_done, &done);
    say_ready();
    for (int i = 0; i < 60000 && !done; i++)
        if (mouv_sleep_ms(1) != 0) return 1;
    return done ? 7 : 2;
}

static void handler_of_the_program_replaces_that_of_mouv_main(void **state) {
    (void)state;
    int ready;
    pid_t pid = start_main(handles_ctrl_c_itself, &ready);
    wait_ready(ready);
    kill(pid, SIGINT);
    assert_int_equal(end_of(pid, ready), 7);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(handler_is_called_at_each_signal),
        TEST(second_handler_replaces_the_first),
        TEST(removed_handler_gives_the_signal_its_default_effect_back),
        TEST(handler_may_remove_itself),
        TEST(handlers_end_with_the_runtime),
        TEST(handler_keeps_no_loop_alive_and_closes_with_the_runtime),
        TEST(future_completes_with_the_number_of_the_signal),
        TEST(all_futures_of_a_signal_complete),
        TEST(cancelled_future_listens_no_more),
        TEST(future_goes_before_the_handler),
        TEST(what_is_no_signal_is_refused),
        TEST(signals_without_a_loop_are_refused),
        TEST(second_ctrl_c_ends_a_program_whose_loop_is_stuck),
        TEST(second_signal_of_either_kind_ends_the_process_during_cleanup),
        TEST(awaited_sigterm_does_not_cancel_the_main_task_but_the_next_does),
        TEST(handler_of_the_program_replaces_that_of_mouv_main),
    };
    return RUN_CASES(cases);
}
