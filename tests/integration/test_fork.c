/*
 * The child of a fork() can do nothing with its parent's loop and clients, does its parent no harm,
 * and can make its own.
 */
/* test: no-tsan */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/support.h"

/** The exit status of a child that we have made; -1: it did not exit by itself. */
static int status_of(pid_t child) {
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

/* The leak checker asks: in a child it would find what the parent's threads held, or what an exit in the midst leaves. */
static int is_child;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) {
    return is_child;
}

/** Runs `fn` in a child, here and now; the children of these tests say what they miss on stderr. */
static int in_child(int (*fn)(test_t *t), test_t *t) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(120);
        _exit(fn(t) == 0 && !t->failed ? 0 : 1);
    }
    return status_of(child);
}

/** Connections and sessions are as they were: everything goes on. */
static int still_works(test_t *t, mouv_cursor_t *cursor) {
    const bson_t *doc;
    int rest = 0;
    CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    while (mouv_cursor_next(cursor, &doc, &t->error) > 0) rest++;
    CHECK_INT(rest, 97);
    return 0;
}

/* --- what the parent's client says ------------------------------------------------------------ */

static mouv_cursor_t *cursor;
static mouv_session_t *session;

static int use_everything(test_t *t) {
    const bson_t *doc = NULL;
    CHECK_INT(await(t, mouv_client_ping(t->client)), MOUV_ETHREAD);
    CHECK_CONTAINS(t->error.message, "fork()");
    CHECK_INT(mouv_sleep_ms(1), MOUV_ENOTCORO);
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error) < 0, 1);
    CHECK(mouv_client_start_session(t->client, NULL, &t->error) == NULL);
    CHECK_INT(t->error.code, MOUV_ETHREAD);
    CHECK(mouv_client_get_topology(t->client, &t->error) == NULL);
    CHECK_INT(t->error.code, MOUV_ETHREAD);
    CHECK_CONTAINS(t->error.message, "fork()");
    CHECK(mouv_client_close(t->client, &t->error) < 0);
    mouv_cursor_unref(cursor);
    mouv_session_unref(session);
    mouv_client_unref(t->client);
    return 0;
}

CASE(a_child_can_use_nothing_and_the_parent_does_not_notice) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 100), 0);
    cursor = mouv_collection_find(t->users, json(t, "{}"), json(t, "{'batchSize': 3}"));
    session = mouv_client_start_session(t->client, NULL, &t->error);
    for (int i = 0; i < 3; i++) CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    mouv_future_t ping = mouv_client_ping(t->client); /* is under way */
    CHECK_INT(in_child(use_everything, t), 0);
    CHECK_INT(await(t, ping), 0);
    CHECK_INT(still_works(t, cursor), 0);
    mouv_cursor_unref(cursor);
    mouv_session_unref(session);
    return 0;
}

/* --- a life of its own ------------------------------------------------------------------------ */

static int insert_one(void *arg) {
    test_t *t = arg;
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), NULL, &t->error);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    CHECK_INT(await(t, mouv_client_ping(t->client)), MOUV_ETHREAD);
    CHECK_CONTAINS(t->error.message, "fork()");
    CHECK_INT(await(t, mouv_collection_insert_one(users, json(t, "{'_id': 'child'}"), NULL, NULL)),
              1);
    return mouv_client_close(client, &t->error);
}

static int run_anew(test_t *t) {
    mouv_error_t error = {0};
    int rc = mouv_run(insert_one, t, &error);
    if (rc < 0) fprintf(stderr, "in the child: %s\n", error.message);
    return rc;
}

/* gcc's AddressSanitizer does not make the locks of its allocator anew in a child, and libmongoc's monitors allocate. */
#ifdef __SANITIZE_ADDRESS__
#define CHILDREN_HANG 1
#else
#define CHILDREN_HANG 0
#endif

CASE(a_child_makes_a_loop_and_a_client_of_its_own) {
    if (CHILDREN_HANG) return test_skip(t, "AddressSanitizer's locks are not made anew in a child");
    int64_t count = 0;
    CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    CHECK_INT(in_child(run_anew, t), 0);
    CHECK_INT(await(t, mouv_collection_count_documents(t->users, json(t, "{'_id': 'child'}"), NULL,
                                                       &count)),
              0);
    CHECK_INT(count, 1);
    return 0;
}

static int ping(void *arg) {
    test_t *t = arg;
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), NULL, &t->error);
    return await(t, mouv_client_ping(client));
}

/* Behind the first run, libmongoc's pool is still being destroyed on a thread that no child has. */
static void a_fork_between_two_runs_leaves_both_processes_whole(void **state) {
    (void)state;
    if (CHILDREN_HANG) skip();
    test_t t = {0};
    assert_int_equal(mouv_run(ping, &t, NULL), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(120);
        bool good = mouv_run(ping, &t, NULL) == 0;
        is_child = 1;
        exit(good ? 0 : 1);
    }
    assert_int_equal(mouv_run(ping, &t, NULL), 0);
    assert_int_equal(status_of(child), 0);
}

/* --- the end of a child ----------------------------------------------------------------------- */

static int exit_in_the_midst(void *arg) {
    mouv_client_t *client = mouv_client_new(test_uri(), NULL, NULL);
    mouv_collection_t *users = mouv_client_get_collection(client, "mouv_fork", "users");
    for (int i = 0; i < 50; i++)
        mouv_future_unref(mouv_collection_count_documents(users, NULL, NULL, NULL));
    mouv_sleep_ms(*(int *)arg);
    exit(7);
}

static void a_process_exits_with_its_own_status_while_operations_run(void **state) {
    (void)state;
    if (CHILDREN_HANG) sleep(2); /* until the threads of the cases before have ended */
    for (int i = 0; i < 20; i++) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            alarm(120);
            is_child = 1;
            mouv_run(exit_in_the_midst, &i, NULL);
            _exit(1);
        }
        assert_int_equal(status_of(child), 7);
    }
}

/* --- a child that comes back to the loop ------------------------------------------------------ */

typedef struct fork_test {
    pid_t child;
    int steps; /* of a task beside */
    test_t t;
} fork_test_t;

static int count_steps(void *arg) {
    fork_test_t *forking = arg;
    for (int i = 0; i < 20; i++) {
        forking->steps++;
        mouv_sleep_ms(1);
    }
    return 0;
}

static int fork_and_return(void *arg) {
    fork_test_t *forking = arg;
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), NULL, NULL);
    mouv_future_t beside = mouv_task(count_steps, forking);
    mouv_sleep_ms(2);
    if (await(&forking->t, mouv_client_ping(client)) < 0) return -1;
    for (int i = 0; i < 40; i++) { /* so long that the loop has to go on: it polls after this */
        usleep(500);
        mouv_sleep_ms(0);
    }
    mouv_future_t ping = mouv_client_ping(client);
    mouv_sleep_ms(0);
    usleep(200000); /* it has come back, and the loop has been woken for it: not the child's news */
    forking->child = fork();
    if (forking->child == 0) {
        forking->steps = 0;
        mouv_future_unref(beside);
        mouv_future_unref(ping);
        return 7;
    }
    if (status_of(forking->child) != 0) return -2;
    int rc = mouv_await_for(ping, 20000, NULL);
    if (rc == 0) rc = mouv_await(beside, NULL);
    return rc < 0 ? rc : await(&forking->t, mouv_client_ping(client));
}

static void a_child_that_returns_from_its_coroutine_gets_out_of_the_loop(void **state) {
    (void)state;
    fork_test_t forking = {0};
    fflush(NULL);
    int rc = mouv_run(fork_and_return, &forking, NULL);
    if (forking.child == 0) _exit(rc == 7 && forking.steps == 0 ? 0 : 1);
    assert_int_equal(rc, 0);
    assert_int_equal(forking.steps, 20);
}

static int fork_in_a_task(void *arg) {
    fork_test_t *forking = arg;
    forking->child = fork();
    return 0;
}

static int wait_for_a_task(void *arg) {
    fork_test_t *forking = arg;
    int rc = mouv_await(mouv_task(fork_in_a_task, forking), NULL);
    return rc < 0 ? rc : status_of(forking->child);
}

static void a_child_whose_main_task_waits_is_told_whose_the_loop_is(void **state) {
    (void)state;
    fork_test_t forking = {.child = -1};
    mouv_error_t error = {0};
    fflush(NULL);
    int rc = mouv_run(wait_for_a_task, &forking, &error);
    if (forking.child == 0) _exit(rc == MOUV_ETHREAD && strstr(error.message, "fork()") ? 0 : 1);
    assert_int_equal(rc, 0);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_child_can_use_nothing_and_the_parent_does_not_notice),
        cmocka_unit_test(a_child_makes_a_loop_and_a_client_of_its_own),
        cmocka_unit_test(a_fork_between_two_runs_leaves_both_processes_whole),
        cmocka_unit_test(a_process_exits_with_its_own_status_while_operations_run),
        cmocka_unit_test(a_child_that_returns_from_its_coroutine_gets_out_of_the_loop),
        cmocka_unit_test(a_child_whose_main_task_waits_is_told_whose_the_loop_is),
    };
    return RUN_CASES(cases);
}
