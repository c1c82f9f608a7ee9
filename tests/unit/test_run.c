/* The ways in: mouv_run(), mouv_main(), and what everything says where there is no loop at all. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/async_support.h"

static int returns_its_argument(void *value) {
    CHECK(mouv_in_coroutine());
    CHECK(mouv_runtime_current() != NULL);
    return *(int *)value;
}

static int fails_with_7(void *arg) {
    (void)arg;
    return mouv_fail(-5, "no user %d", 7);
}

/* --- mouv_run ------------------------------------------------------------------------------- */

static void run_returns_the_bodys_int(void **state) {
    (void)state;
    const int values[] = {0, 1, 42, 100000};
    for (int i = 0; i < 4; i++) {
        int value = values[i];
        mouv_error_t error = {.code = 77};
        assert_int_equal(mouv_run(returns_its_argument, &value, &error), value);
        assert_int_equal(error.code, 77);
        assert_null(mouv_runtime_current());
        assert_false(mouv_in_coroutine());
    }
}

static void run_returns_the_bodys_error(void **state) {
    (void)state;
    mouv_error_t error = {0};
    assert_int_equal(mouv_run(fails_with_7, NULL, &error), -5);
    assert_int_equal(error.code, -5);
    assert_string_equal(error.message, "no user 7");
    assert_int_equal(mouv_run(fails_with_7, NULL, NULL), -5);
}

static void run_of_no_body_is_refused(void **state) {
    (void)state;
    mouv_error_t error = {0};
    assert_int_equal(mouv_run(NULL, NULL, &error), MOUV_EINVAL);
    assert_int_equal(error.code, MOUV_EINVAL);
    assert_null(mouv_runtime_current());
}

CORO_CASE(nested_run_is_refused) {
    mouv_error_t error = {0};
    mouv_runtime_t *runtime = mouv_runtime_current();
    CHECK_INT(mouv_run(fails_with_7, NULL, &error), MOUV_ESTATE);
    CHECK_INT(error.code, MOUV_ESTATE);
    CHECK_STRING(error.message, "mouv_run() cannot be called from a running event loop");
    CHECK(mouv_runtime_current() == runtime);
    CHECK_INT(mouv_sleep_ms(1), 0);
    return 0;
}

static void run_in_a_callback(mouv_future_t future, void *arg) {
    mouv_error_t error = {0};
    (void)future, (void)arg;
    CHECK_INT(mouv_run(fails_with_7, NULL, &error), MOUV_ESTATE);
    CHECK_STRING(error.message, "mouv_run() cannot be called from a running event loop");
    event("refused");
}

CORO_CASE(run_in_a_callback_is_refused) {
    mouv_then(mouv_sleep_future(0), run_in_a_callback, NULL);
    mouv_sleep_ms(10);
    CHECK_STRING(events(), "refused");
    return 0;
}

static int leftover(void *arg) {
    (void)arg;
    event("began");
    int rc = mouv_sleep_ms(400000);
    event(rc == MOUV_ECANCELED ? "cancelled" : "slept");
    MOUV_SHIELD_SCOPE(cleanup, 60000);
    CHECK_INT(mouv_sleep_ms(30), 0);
    event("cleaned");
    return rc;
}

static int leaves_tasks(void *arg) {
    (void)arg;
    mouv_future_unref(mouv_task(leftover, NULL));
    mouv_future_unref(mouv_task(leftover, NULL));
    mouv_sleep_ms(1);
    event("main");
    return 3;
}

static void run_cancels_and_joins_what_the_body_left_behind(void **state) {
    (void)state;
    int64_t began = clock_ms();
    assert_int_equal(mouv_run(leaves_tasks, NULL, NULL), 3);
    CHECK(took(began, 30));
    assert_string_equal(events(), "began began main cancelled cancelled cleaned cleaned");
}

static int leaves_a_task_and_returns(void *arg) {
    (void)arg;
    mouv_future_unref(mouv_task(leftover, NULL));
    return 0;
}

/* In asyncio the task still takes its first step and is cancelled there. Either is a clean end. */
static void task_left_before_its_first_step_is_ended_cleanly(void **state) {
    (void)state;
    int64_t began = clock_ms();
    assert_int_equal(mouv_run(leaves_a_task_and_returns, NULL, NULL), 0);
    CHECK(clock_ms() - began < slack_ms());
    if (events()[0]) assert_string_equal(events(), "began cancelled cleaned");
}

static int leaves_everything(void *arg) {
    (void)arg;
    mouv_future_t one = mouv_future_new(), two = mouv_sleep_future(400000);
    mouv_future_t all = mouv_gather(mouv_sleep_future(400000), mouv_task(leftover, NULL));
    mouv_future_t limited = mouv_wait_for(mouv_shield(mouv_sleep_future(400000)), 400000);
    (void)one, (void)two, (void)all, (void)limited;
    return 0;
}

static void run_ends_with_futures_of_every_kind_pending(void **state) {
    (void)state;
    int64_t began = clock_ms();
    assert_int_equal(mouv_run(leaves_everything, NULL, NULL), 0);
    CHECK(clock_ms() - began < slack_ms());
}

static int spawns_in_its_cleanup(void *arg) {
    mouv_sleep_ms(400000);
    if (arg) mouv_future_unref(mouv_task(spawns_in_its_cleanup, NULL));
    event("end");
    return 0;
}

static int leaves_a_spawner(void *arg) {
    (void)arg;
    mouv_future_unref(mouv_task(spawns_in_its_cleanup, "again"));
    mouv_sleep_ms(1);
    return 0;
}

static void run_also_joins_what_a_cleanup_started(void **state) {
    (void)state;
    int64_t began = clock_ms();
    assert_int_equal(mouv_run(leaves_a_spawner, NULL, NULL), 0);
    CHECK(clock_ms() - began < slack_ms());
    assert_true(strncmp(events(), "end", 3) == 0);
}

static int looks_at_the_clock(void *arg) {
    (void)arg;
    int64_t before = mouv_now_ms();
    mouv_sleep_ms(20);
    int64_t passed = mouv_now_ms() - before;
    CHECK(passed >= 19 && passed <= 20 + slack_ms());
    return 0;
}

static void clock_is_monotonic_and_zero_without_a_runtime(void **state) {
    (void)state;
    assert_int_equal(mouv_now_ms(), 0);
    run_body(looks_at_the_clock);
    assert_int_equal(mouv_now_ms(), 0);
}

static void thousand_runs_leave_nothing_behind(void **state) {
    (void)state;
    int value = 1;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(mouv_run(returns_its_argument, &value, NULL), 1);
}

static int busy(void *out) {
    int64_t ms = 5;
    for (int i = 0; i < 20; i++) {
        mouv_future_t all = mouv_gather(mouv_coro(sleeper, &ms), mouv_task(sleeper, &ms));
        if (mouv_await(all, NULL) == 0) ++*(int *)out;
    }
    return 0;
}

static void on_thread(void *out) {
    mouv_run(busy, out, NULL);
}

static void threads_run_loops_of_their_own(void **state) {
    (void)state;
    uv_thread_t threads[4];
    int counts[4] = {0};
    for (int i = 0; i < 4; i++)
        assert_int_equal(uv_thread_create(&threads[i], on_thread, &counts[i]), 0);
    for (int i = 0; i < 4; i++) uv_thread_join(&threads[i]);
    for (int i = 0; i < 4; i++) assert_int_equal(counts[i], 20);
}

/* --- No loop at all ------------------------------------------------------------------------- */

static void on_never(mouv_future_t future, void *arg) {
    (void)future, (void)arg;
    event("never");
}

static int keeps_a_dropped_future(void *handle) {
    mouv_future_t future = mouv_future_new();
    *(mouv_future_t *)handle = future;
    mouv_future_drop(&future);
    return 0;
}

static int makes_a_future_beside_an_old_handle(void *handle) {
    mouv_future_t old = *(mouv_future_t *)handle, mine = mouv_future_new();
    CHECK(mouv_future_done(old)); /* as stale and foreign handles say */
    CHECK(!mouv_future_cancel(old));
    CHECK(!mouv_future_cancelled(mine));
    mouv_future_drop(&mine);
    return 0;
}

static void a_handle_of_a_run_lives_in_no_later_one(void **state) {
    (void)state;
    mouv_future_t old = {0};
    assert_int_equal(mouv_run(keeps_a_dropped_future, &old, NULL), 0);
    for (int i = 0; i < 600; i++) /* more than there are numbers of runtimes */
        assert_int_equal(mouv_run(makes_a_future_beside_an_old_handle, &old, NULL), 0);
}

static void constructors_without_a_loop_give_a_failed_future(void **state) {
    (void)state;
    mouv_future_t task = mouv_task(fails_with_7, NULL);
    mouv_future_t futures[] = {task,
                               mouv_coro(fails_with_7, NULL),
                               mouv_task_copy(fails_with_7, "x", 1),
                               mouv_future_new(),
                               mouv_sleep_future(10),
                               mouv_gather(mouv_sleep_future(10)),
                               mouv_gather_array(NULL, 0),
                               mouv_gather_all(&task, 1, NULL, NULL),
                               mouv_wait_for(mouv_sleep_future(10), 10),
                               mouv_shield(mouv_sleep_future(10))};
    for (size_t i = 0; i < sizeof futures / sizeof *futures; i++) {
        mouv_error_t error = {0};
        CHECK(mouv_future_done(futures[i]));
        CHECK(!mouv_future_cancelled(futures[i]));
        CHECK_INT(mouv_future_result(futures[i], &error), MOUV_ENOLOOP);
        CHECK_INT(error.code, MOUV_ENOLOOP);
        CHECK_CONTAINS(error.message, "no running event loop");
        CHECK(!mouv_future_cancel(futures[i]));
        CHECK(mouv_future_name(futures[i]) != NULL);
        CHECK(mouv_future_set_result(futures[i], 1) < 0);
        CHECK_INT(mouv_await(futures[i], NULL), MOUV_ENOTCORO);
        mouv_future_unref(futures[i]);
        mouv_future_unref(futures[i]);
    }
    assert_int_equal(support_failures, 0);
}

static void then_without_a_loop_is_refused(void **state) {
    (void)state;
    assert_true(mouv_then(mouv_sleep_future(1), on_never, NULL) < 0);
    assert_true(mouv_future_add_done_callback(mouv_future_new(), on_never, NULL) < 0);
    assert_string_equal(events(), "");
}

static mouv_future_t made_without_a_loop;

static int awaits_what_was_made_without_a_loop(void *arg) {
    mouv_error_t error = {0};
    (void)arg;
    CHECK_INT(mouv_await(made_without_a_loop, &error), MOUV_ENOLOOP);
    CHECK_CONTAINS(error.message, "no running event loop");
    CHECK_INT(mouv_await(mouv_gather(made_without_a_loop), NULL), MOUV_ENOLOOP);
    return 0;
}

static void future_made_without_a_loop_says_so_at_the_await(void **state) {
    (void)state;
    made_without_a_loop = mouv_task(fails_with_7, NULL);
    run_body(awaits_what_was_made_without_a_loop);
}

static void run_until_without_a_runtime_is_refused(void **state) {
    (void)state;
    mouv_error_t error = {0};
    assert_int_equal(mouv_run_until(NULL, stale_zero, &error), MOUV_EINVAL);
    assert_true(error.message[0] != '\0');
}

/* --- mouv_main: exit statuses, in a child process ------------------------------------------- */

struct child {
    pid_t pid;
    int text;  /* its stderr */
    int ready; /* where it says that its body has begun */
};

static int ready_fd;

static void say_ready(void) {
    if (write(ready_fd, "r", 1) != 1) _exit(99);
}

static struct child start_plain(mouv_fn_t body, void *arg) {
    int text[2], ready[2];
    assert_int_equal(pipe(text), 0);
    assert_int_equal(pipe(ready), 0);
    struct child child = {fork(), text[0], ready[0]};
    if (child.pid == 0) {
        dup2(text[1], STDERR_FILENO);
        ready_fd = ready[1];
        close(text[0]);
        close(ready[0]);
        signal(SIGSEGV, SIG_DFL); /* cmocka has a handler */
        mouv_log_set_handler(NULL, NULL);
        _exit(body(arg) & 0x1ff);
    }
    assert_true(child.pid > 0);
    close(text[1]);
    close(ready[1]);
    return child;
}

struct body {
    mouv_fn_t fn;
    void *arg;
};

static int run_main(void *arg) {
    const struct body *body = arg;
    return mouv_main(body->fn, body->arg);
}

static struct child start_main(mouv_fn_t fn, void *arg) {
    return start_plain(run_main, &(struct body){fn, arg});
}

static void wait_until_ready(const struct child *child) {
    char byte;
    assert_int_equal(read(child->ready, &byte, 1), 1);
}

/* Its wait status, and what it wrote to stderr. */
static int finish(struct child *child, const char **text) {
    static char buffer[4096];
    size_t used = 0;
    ssize_t got;
    int status = 0;
    while ((got = read(child->text, buffer + used, sizeof buffer - 1 - used)) > 0)
        used += (size_t)got;
    buffer[used] = '\0';
    waitpid(child->pid, &status, 0);
    close(child->text);
    close(child->ready);
    if (text) *text = buffer;
    return status;
}

static void check_exit(mouv_fn_t body, void *arg, int expected, const char **text) {
    struct child child = start_main(body, arg);
    int status = finish(&child, text);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), expected);
}

static int returns_int_quietly(void *value) {
    return *(int *)value;
}

static void main_exits_with_the_bodys_int_from_0_to_255(void **state) {
    (void)state;
    const int values[] = {0, 1, 3, 124, 255};
    for (int i = 0; i < 5; i++) {
        int value = values[i];
        const char *text;
        check_exit(returns_int_quietly, &value, value, &text);
        assert_string_equal(text, "");
    }
}

static void main_exits_with_1_for_other_numbers(void **state) {
    (void)state;
    const int values[] = {256, 512, 100000};
    for (int i = 0; i < 3; i++) {
        int value = values[i];
        check_exit(returns_int_quietly, &value, 1, NULL);
    }
}

static void main_prints_a_failure_and_exits_with_1(void **state) {
    (void)state;
    const char *text;
    check_exit(fails_with_7, NULL, 1, &text);
    CHECK_CONTAINS(text, "no user 7");
    CHECK(text[0] && text[strlen(text) - 1] == '\n');
    int code = MOUV_ECLOSED;
    check_exit(returns_int_quietly, &code, 1, &text);
    CHECK_CONTAINS(text, mouv_error_message(MOUV_ECLOSED));
}

static void main_of_no_body_exits_with_1(void **state) {
    (void)state;
    const char *text;
    check_exit(NULL, NULL, 1, &text);
    CHECK(text[0] != '\0');
}

static int cleans_up_after_a_signal(void *arg) {
    (void)arg;
    say_ready();
    int rc = mouv_sleep_ms(400000);
    MOUV_SHIELD_SCOPE(cleanup, 60000);
    mouv_sleep_ms(20);
    fprintf(stderr, "cleaned\n");
    return rc;
}

static void check_signal(int signal, int expected) {
    const char *text;
    struct child child = start_main(cleans_up_after_a_signal, NULL);
    wait_until_ready(&child);
    kill(child.pid, signal);
    int status = finish(&child, &text);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), expected);
    CHECK_CONTAINS(text, "cleaned");
}

static void first_ctrl_c_cancels_the_main_task_which_cleans_up_and_exits_with_130(void **state) {
    (void)state;
    check_signal(SIGINT, 130);
}

static void first_sigterm_cancels_the_main_task_which_cleans_up_and_exits_with_143(void **state) {
    (void)state;
    check_signal(SIGTERM, 143);
}

/* --- Signals that are the program's business ------------------------------------------------ */

static volatile sig_atomic_t caught;

static void note_caught(int signum) {
    caught = signum;
}

static int sends_itself_a_signal(void *signum) {
    kill(getpid(), *(int *)signum);
    for (int i = 0; i < 10; i++)
        if (mouv_sleep_ms(1) != 0) return 2;
    return caught == *(int *)signum ? 7 : 6;
}

/* As a child of whoever has it so. */
static void check_kept(int signum, void (*handler)(int), int expected) {
    struct sigaction before, mine = {.sa_handler = handler};
    sigaction(signum, &mine, &before);
    check_exit(sends_itself_a_signal, &signum, expected, NULL);
    sigaction(signum, &before, NULL);
}

static void main_leaves_ignored_signals_ignored(void **state) {
    (void)state;
    check_kept(SIGINT, SIG_IGN, 6);
    check_kept(SIGTERM, SIG_IGN, 6);
}

static void main_leaves_the_programs_signal_handlers(void **state) {
    (void)state;
    check_kept(SIGINT, note_caught, 7);
    check_kept(SIGTERM, note_caught, 7);
}

static int too_few_descriptors(void *arg) {
    struct rlimit few;
    mouv_error_t error;
    (void)arg;
    getrlimit(RLIMIT_NOFILE, &few);
    few.rlim_cur = 4; /* alone: valgrind does not let the hard limit change */
    if (setrlimit(RLIMIT_NOFILE, &few) != 0) return 2;
    int rc = mouv_run(fails_with_7, NULL, &error);
    fprintf(stderr, "%s\n", error.message);
    return rc == MOUV_ESYSTEM ? 0 : 1;
}

/* libuv would abort where it has made no loop yet. */
static void run_without_descriptors_is_refused(void **state) {
    (void)state;
    const char *text;
    struct child child = start_plain(too_few_descriptors, NULL);
    int status = finish(&child, &text);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_CONTAINS(text, "too many open files");
}

/* 0: the descriptor `fd`, and those below, were closed, and are /dev/null while and after it runs. */
static int finds_dev_null(void *arg) {
    char target[64] = "";
    (void)arg;
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        char link[32];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        memset(target, 0, sizeof target);
        if (readlink(link, target, sizeof target - 1) < 0) return 10 + fd;
        if (strcmp(target, "/dev/null") != 0) return 20 + fd;
    }
    return 0;
}

static int runs_without_standard_descriptors(void *arg) {
    (void)arg;
    for (int fd = 0; fd <= STDERR_FILENO; fd++) close(fd);
    int rc = mouv_main(finds_dev_null, NULL);
    return rc != 0 ? rc : finds_dev_null(NULL);
}

static int attaches_without_standard_descriptors(void *arg) {
    (void)arg;
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    uv_loop_init(&loop);
    for (int fd = 0; fd <= STDERR_FILENO; fd++) close(fd);
    if (mouv_runtime_attach(&runtime, &loop) != 0) return 1;
    int rc = mouv_run_until(runtime, mouv_coro(finds_dev_null, NULL), NULL);
    mouv_runtime_close(runtime, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    return rc != 0 ? rc : uv_loop_close(&loop);
}

static void closed_standard_descriptors_are_opened_on_dev_null(void **state) {
    (void)state;
    const mouv_fn_t ways[] = {runs_without_standard_descriptors,
                              attaches_without_standard_descriptors};
    for (int i = 0; i < 2; i++) {
        struct child child = start_plain(ways[i], NULL);
        CHECK_INT(finish(&child, NULL), 0);
    }
}

static int swallows_a_signal(void *arg) {
    (void)arg;
    say_ready();
    mouv_sleep_ms(400000);
    return 0;
}

static void swallowed_ctrl_c_still_exits_with_130(void **state) {
    (void)state;
    struct child child = start_main(swallows_a_signal, NULL);
    wait_until_ready(&child);
    kill(child.pid, SIGINT);
    int status = finish(&child, NULL);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 130);
}

static int refuses_to_end(void *arg) {
    (void)arg;
    say_ready();
    int64_t began = clock_ms();
    while (mouv_sleep_ms(400000) == 0) {
    }
    say_ready();
    while (clock_ms() - began < 2 * slack_ms()) mouv_sleep_ms(10);
    return 0;
}

static void second_ctrl_c_ends_the_process_at_once(void **state) {
    (void)state;
    int64_t began = clock_ms();
    struct child child = start_main(refuses_to_end, NULL);
    wait_until_ready(&child);
    kill(child.pid, SIGINT);
    wait_until_ready(&child);
    kill(child.pid, SIGINT);
    int status = finish(&child, NULL);
    CHECK(clock_ms() - began < slack_ms());
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) ||
          (WIFEXITED(status) && WEXITSTATUS(status) == 130));
}

/* --- mouv_main: what the program had for faults ---------------------------------------------- */

static char own_stack[64 * 1024];

static void own_fault_handler(int signum) {
    (void)signum;
}

static bool own_stack_is_in_use(void) {
    stack_t now;
    return sigaltstack(NULL, &now) == 0 && now.ss_sp == own_stack;
}

static int finds_the_own_stack(void *arg) {
    (void)arg;
    return own_stack_is_in_use() ? 7 : 1;
}

/* 0: all is as it was before mouv_main(). */
static int compare_around_main(void *arg) {
    stack_t stack_before, stack_after, mine = {.ss_sp = own_stack, .ss_size = sizeof own_stack};
    struct sigaction before, after;
    if (arg != NULL) sigaltstack(&mine, NULL);
    sigaltstack(NULL, &stack_before);
    sigaction(SIGSEGV, NULL, &before);
    if (mouv_main(finds_the_own_stack, NULL) != (arg != NULL ? 7 : 1)) return 1;
    sigaltstack(NULL, &stack_after);
    sigaction(SIGSEGV, NULL, &after);
    if (stack_before.ss_flags != stack_after.ss_flags) return 2;
    if (arg != NULL && !own_stack_is_in_use()) return 3;
    return before.sa_handler == after.sa_handler && before.sa_flags == after.sa_flags ? 0 : 4;
}

static void main_puts_back_what_faults_did(void **state) {
    (void)state;
    for (int own = 0; own < 2; own++) {
        struct child child = start_plain(compare_around_main, own ? own_stack : NULL);
        CHECK_INT(finish(&child, NULL), 0);
    }
}

static int sets_a_handler_of_its_own(void *arg) {
    (void)arg;
    signal(SIGSEGV, own_fault_handler);
    return 0;
}

static int finds_its_own_handler(void *arg) {
    struct sigaction now;
    if (arg == NULL) signal(SIGSEGV, own_fault_handler);
    if (mouv_main(sets_a_handler_of_its_own, NULL) != 0) return 1;
    sigaction(SIGSEGV, NULL, &now);
    return now.sa_handler == own_fault_handler ? 0 : 2;
}

static void main_leaves_the_programs_handler_of_faults(void **state) {
    (void)state;
    for (int meanwhile = 0; meanwhile < 2; meanwhile++) {
        struct child child = start_plain(finds_its_own_handler, meanwhile ? own_stack : NULL);
        CHECK_INT(finish(&child, NULL), 0);
    }
}

static int reports_in_a_thread(void *arg) {
    (void)arg;
    return mouv_report_stack_overflow();
}

static void run_and_report(void *rc) {
    *(int *)rc = mouv_run(reports_in_a_thread, NULL, NULL);
}

/* Another runtime of the process ends: this one reports as before. */
static int outlives_another(void *arg) {
    struct sigaction before, after;
    uv_thread_t thread;
    int rc = 1;
    (void)arg;
    sigaction(SIGSEGV, NULL, &before);
    uv_thread_create(&thread, run_and_report, &rc);
    uv_thread_join(&thread);
    sigaction(SIGSEGV, NULL, &after);
    return (rc == 0 || rc == MOUV_ESTATE) && before.sa_sigaction == after.sa_sigaction ? 0 : 1;
}

static void report_of_overflows_lasts_until_the_last_runtime_ends(void **state) {
    (void)state;
    check_exit(outlives_another, NULL, 0, NULL);
}

static int sends_itself_a_fault(void *arg) {
    (void)arg;
    kill(getpid(), SIGSEGV);
    mouv_sleep_ms(1);
    return 0;
}

static int raises_a_fault(void *arg) {
    (void)arg;
    raise(SIGSEGV);
    return 0;
}

static void fault_that_was_sent_is_not_swallowed(void **state) {
    (void)state;
    const mouv_fn_t senders[] = {sends_itself_a_fault, raises_a_fault};
    for (int i = 0; i < 2; i++) {
        struct child child = start_main(senders[i], NULL);
        int status = finish(&child, NULL);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        CHECK(status != 0); /* the sanitizer has the handler */
#else
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
#endif
    }
}

static int nested_main(void *arg) {
    (void)arg;
    return mouv_main(fails_with_7, NULL) == 1 ? 9 : 8;
}

static void nested_main_is_refused(void **state) {
    (void)state;
    const char *text;
    check_exit(nested_main, NULL, 9, &text);
    CHECK_CONTAINS(text, "cannot be called from a running event loop");
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(run_without_descriptors_is_refused), /* the first: no loop was there before it */
        TEST(closed_standard_descriptors_are_opened_on_dev_null),
        TEST(run_returns_the_bodys_int),
        TEST(run_returns_the_bodys_error),
        TEST(run_of_no_body_is_refused),
        TEST(nested_run_is_refused),
        TEST(run_in_a_callback_is_refused),
        TEST(run_cancels_and_joins_what_the_body_left_behind),
        TEST(task_left_before_its_first_step_is_ended_cleanly),
        TEST(run_ends_with_futures_of_every_kind_pending),
        TEST(run_also_joins_what_a_cleanup_started),
        TEST(clock_is_monotonic_and_zero_without_a_runtime),
        TEST(thousand_runs_leave_nothing_behind),
        TEST(a_handle_of_a_run_lives_in_no_later_one),
        TEST(constructors_without_a_loop_give_a_failed_future),
        TEST(then_without_a_loop_is_refused),
        TEST(future_made_without_a_loop_says_so_at_the_await),
        TEST(run_until_without_a_runtime_is_refused),
        TEST(main_exits_with_the_bodys_int_from_0_to_255),
        TEST(main_exits_with_1_for_other_numbers),
        TEST(main_prints_a_failure_and_exits_with_1),
        TEST(main_of_no_body_exits_with_1),
        TEST(first_ctrl_c_cancels_the_main_task_which_cleans_up_and_exits_with_130),
        TEST(first_sigterm_cancels_the_main_task_which_cleans_up_and_exits_with_143),
        TEST(swallowed_ctrl_c_still_exits_with_130),
        TEST(main_leaves_ignored_signals_ignored),
        TEST(main_leaves_the_programs_signal_handlers),
        TEST(second_ctrl_c_ends_the_process_at_once),
        TEST(main_puts_back_what_faults_did),
        TEST(main_leaves_the_programs_handler_of_faults),
        TEST(report_of_overflows_lasts_until_the_last_runtime_ends),
        TEST(fault_that_was_sent_is_not_swallowed),
        TEST(nested_main_is_refused),
        TEST(threads_run_loops_of_their_own),
    };
    return RUN_CASES(cases);
}
