/*
 * The child of a fork() under other threads' feet: whatever lock they hold at that moment, the child logs,
 * offloads and has a runtime; and what its parent's runtime was is refused, not waited for.
 */
/* test: no-tsan */
#include "../support/async_support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORKS = 60, FORKS_IF_SLOW = 6, CHILD_SECONDS = 60 };

static int stop; /* atomic */

static void keeps_to_itself(mouv_log_level_t level, const char *message, void *arg) {
    (void)level, (void)message, (void)arg;
}

static int does_nothing(void *arg) {
    (void)arg;
    return 0;
}

static int offloads(void *arg) {
    (void)arg;
    return mouv_await(mouv_offload(does_nothing, NULL), NULL);
}

static int offloads_many(void *arg) {
    mouv_future_t futures[20];
    for (int i = 0; i < 20; i++) futures[i] = mouv_offload(does_nothing, arg);
    return mouv_await(mouv_gather_array(futures, 20), NULL);
}

/* Takes the locks of the log, of runtimes' numbers and of the pool, again and again. */
static void takes_locks(void *arg) {
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        for (int i = 0; i < 200; i++) mouv_log_set_handler(keeps_to_itself, NULL);
        CHECK_INT(mouv_run(offloads_many, arg, NULL), 0);
    }
}

static int status_of_child(void (*body)(void *), void *arg) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_SECONDS);
        body(arg);
        raise(SIGKILL); /* valgrind would count as lost what the parent's threads have in hand */
    }
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void uses_everything(void *arg) {
    (void)arg;
    mouv_log_set_handler(keeps_to_itself, NULL);
    if (mouv_run(offloads, NULL, NULL) != 0) _exit(1);
}

static void children_of_busy_threads_go_their_way(void **state) {
    uv_thread_t threads[3];
    int good = 0, forks = getenv("MOUV_TEST_SLOW") != NULL ? FORKS_IF_SLOW : FORKS;
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* gcc's runtime has locks that a child finds as they were */
#endif
    stop = 0;
    assert_int_equal(mouv_run(offloads, NULL, NULL), 0); /* libuv watches forks from here on */
    for (int i = 0; i < 3; i++) CHECK(uv_thread_create(&threads[i], takes_locks, NULL) == 0);
    for (; good < forks; good++)
        if (status_of_child(uses_everything, NULL) != -SIGKILL) break;
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 3; i++) uv_thread_join(&threads[i]);
    assert_int_equal(good, forks);
}

typedef struct address {
    mouv_remote_t *remote;
    mouv_remote_task_t *task;
} address_t;

static void never_called(void *arg) {
    (void)arg;
    _exit(2);
}

static void asks_its_parents_loop(void *arg) {
    const address_t *address = arg;
    mouv_error_t error;
    if (mouv_call_soon_threadsafe(address->remote, never_called, NULL) != MOUV_ETHREAD) _exit(3);
    if (mouv_run_threadsafe(address->remote, does_nothing, NULL, &error) != MOUV_ETHREAD) _exit(4);
    if (mouv_remote_task_wait(address->task, INT64_MAX, &error) != MOUV_ETHREAD) _exit(5);
    if (mouv_remote_task_cancel(address->task) || !mouv_remote_task_done(address->task)) _exit(6);
    mouv_remote_task_unref(address->task);
    mouv_remote_unref(address->remote);
}

REAL_CASE(a_childs_calls_to_its_parents_loop_are_refused) {
    address_t address = {.remote = mouv_remote_new(mouv_runtime_current())};
    address.task = mouv_remote_task(address.remote, does_nothing, NULL);
    CHECK_INT(status_of_child(asks_its_parents_loop, &address), -SIGKILL);
    mouv_remote_task_unref(address.task);
    mouv_remote_unref(address.remote);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(children_of_busy_threads_go_their_way),
        TEST(a_childs_calls_to_its_parents_loop_are_refused),
    };
    return RUN_CASES(cases);
}
