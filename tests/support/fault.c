/*
 * The course of a fault test.
 */
#include "support/fault.h"
#include "support/server.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>

#include <uv.h>

/* How long a write may take beyond its deadline: the half second in which the outcome of one that
 * was sent is asked for, and a busy machine. A transaction is aborted then, which is waited for. */
enum { SLACK_MS = 2500, ABORT_MS = 10000 };
enum { WARM_WRITES = 30, AFTER_WRITES = 100 };
enum { RECOVERY_MS = 40000, QUIET_MS = 20000 };

static bool is_slow(void) {
    return getenv("MOUV_TEST_SLOW") != NULL;
}

int64_t fault_patience(int64_t ms) {
    return is_slow() ? 5 * ms : ms;
}

/* --- What must not be left ------------------------------------------------------------------ */

static int count_entries(const char *path) {
    int count = 0;
    DIR *directory = opendir(path);
    while (directory && readdir(directory)) count++;
    if (directory) closedir(directory);
    return count;
}

typedef struct holdings {
    int descriptors, threads;
} holdings_t;

static holdings_t holdings(void) {
    return (holdings_t){count_entries("/proc/self/fd"), count_entries("/proc/self/task")};
}

static void do_nothing(void *arg) {
    (void)arg;
}

/** ThreadSanitizer has a thread of its own from the process's first one on: that is counted, too.
 */
static holdings_t holdings_before(void) {
    uv_thread_t thread;
    if (uv_thread_create(&thread, do_nothing, NULL) == 0) uv_thread_join(&thread);
    return holdings();
}

static int check_holdings(test_t *t, holdings_t before) {
    holdings_t now = holdings();
    for (int64_t waited_ms = 0; waited_ms < fault_patience(QUIET_MS); waited_ms += 20) {
        if (now.descriptors <= before.descriptors && now.threads <= before.threads) return 0;
        mouv_sleep_ms(20);
        now = holdings();
    }
    return test_failed(t, __FILE__, __LINE__, "%d descriptors and %d threads, before %d and %d",
                       now.descriptors, now.threads, before.descriptors, before.threads);
}

static int check_quiet(test_t *t, const mouv_client_t *client) {
    mouv_client_stats_t stats;
    for (int64_t waited_ms = 0; waited_ms < fault_patience(QUIET_MS); waited_ms += 20) {
        mouv_client_get_stats(client, &stats);
        if (stats.started == stats.completed && stats.busy == 0 && stats.late == 0) return 0;
        mouv_sleep_ms(20);
    }
    return test_failed(t, __FILE__, __LINE__,
                       "%llu of %llu operations have ended, %llu in flight, %llu queued, %llu late,"
                       " %llu workers busy",
                       (unsigned long long)stats.completed, (unsigned long long)stats.started,
                       (unsigned long long)stats.in_flight, (unsigned long long)stats.queued,
                       (unsigned long long)stats.late, (unsigned long long)stats.busy);
}

/* --- The course ----------------------------------------------------------------------------- */

static int check_time(test_t *t, const char *what, int64_t took_ms, int64_t limit_ms) {
    if (took_ms <= limit_ms) return 0;
    return test_failed(t, __FILE__, __LINE__, "%s took %lld ms, %lld at most are right", what,
                       (long long)took_ms, (long long)limit_ms);
}

static int check_longest(test_t *t, const ledger_t *ledger) {
    int64_t limit_ms = ledger->timeout_ms + fault_patience(SLACK_MS);
    int rc = check_time(t, "a write", ledger->longest_ms, limit_ms);
    if (rc < 0) return rc;
    return check_time(t, "a transaction", ledger->longest_transaction_ms, limit_ms + ABORT_MS);
}

static void report(const ledger_t *ledger) {
    const uint64_t *outcomes = ledger->books.outcomes;
    print_message("%llu acknowledged, %llu unknown, %llu refused; the longest %lld ms, transaction"
                  " %lld ms; last error: %s %s\n",
                  (unsigned long long)outcomes[BOOKS_ACKNOWLEDGED],
                  (unsigned long long)outcomes[BOOKS_UNKNOWN],
                  (unsigned long long)outcomes[BOOKS_REFUSED], (long long)ledger->longest_ms,
                  (long long)ledger->longest_transaction_ms,
                  mouv_error_name(ledger->last_error.code), ledger->last_error.message);
}

static int under_load(fault_t *fault, const fault_plan_t *plan) {
    test_t *t = fault->t;
    ledger_t *ledger = &fault->ledger;
    MOUV_GROUP(writers);
    if (plan->timeout_ms) ledger->timeout_ms = fault_patience(plan->timeout_ms);
    ledger_start(ledger, &writers, is_slow() ? 2 : 5);
    CHECK(ledger_goes_on(ledger, WARM_WRITES, fault_patience(RECOVERY_MS)));
    int rc = plan->strike(fault);
    if (rc == 0 && !ledger_goes_on(ledger, AFTER_WRITES, fault_patience(RECOVERY_MS))) {
        t->error = ledger->last_error;
        rc = test_failed(t, __FILE__, __LINE__, "the load does not go on after the fault");
    }
    ledger_stop(ledger);
    mouv_group_join(&writers, NULL);
    report(ledger);
    return rc;
}

static int struck(fault_t *fault, const fault_plan_t *plan, mouv_client_t *client) {
    test_t *t = fault->t;
    fault->admin = mouv_client_get_database(fault->control, "admin");
    ledger_open(&fault->ledger, client, t->database_name);
    int rc = books_prepare(test_uri(), t->database_name, LEDGER_WRITERS_MAX);
    if (rc == 0) rc = under_load(fault, plan);
    if (rc == 0) rc = check_quiet(t, client);
    if (rc == 0) rc = ledger_check(&fault->ledger, t);
    if (rc == 0) rc = check_longest(t, &fault->ledger);
    return rc;
}

/** A transaction whose commit was made to fail may still be open, and would hold up the drop. */
static void drop_database(const fault_t *fault) {
    test_t *t = fault->t;
    mouv_database_t *database = mouv_client_get_database(fault->control, t->database_name);
    await(t, mouv_database_command(fault->admin, json(t, "{'killAllSessions': []}"), NULL, NULL));
    await(t, mouv_database_drop(database, NULL));
}

static void clean_up(fault_t *fault, mouv_client_t *client) {
    mouv_client_close(client, NULL);
    mouv_client_unref(client);
    if (fault->admin) drop_database(fault);
    mouv_client_close(fault->control, NULL);
    mouv_client_unref(fault->control);
    ledger_close(&fault->ledger);
}

int fault_run(test_t *t, const fault_plan_t *plan) {
    fault_t fault = {.t = t};
    char uri[700];
    holdings_t before = holdings_before();
    snprintf(uri, sizeof uri, "%s&appName=load", plan->uri ? plan->uri : test_uri());
    mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    fault.control = mouv_client_new(test_uri(), NULL, &t->error);
    int rc = client && fault.control ? struck(&fault, plan, client) : -1;
    clean_up(&fault, client);
    if (rc != 0) return rc;
    return check_holdings(t, before);
}

/* --- Help for strikes ----------------------------------------------------------------------- */

int fault_point(fault_t *fault, const char *name, const char *mode, const char *data) {
    test_t *t = fault->t;
    char text[600];
    snprintf(text, sizeof text, "{'configureFailPoint': '%s', 'mode': %s, 'data': %s}", name, mode,
             data);
    CHECK_INT(await(t, mouv_database_command(fault->admin, json(t, text), NULL, NULL)), 0);
    return 0;
}

pid_t fault_pid(test_t *t, const char *uri) {
    AUTO_BSON *status = NULL;
    bson_iter_t iter;
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    mouv_database_t *admin = mouv_client_get_database(client, "admin");
    int rc = await(t, mouv_database_command(admin, json(t, "{'serverStatus': 1}"), NULL, &status));
    mouv_client_close(client, NULL);
    if (rc < 0 || !bson_iter_init_find(&iter, status, "pid")) return -1;
    return (pid_t)bson_iter_as_int64(&iter);
}

int fault_signal(fault_t *fault, int signal) {
    test_t *t = fault->t;
    pid_t pid = fault_pid(t, test_uri());
    CHECK(pid > 0);
    CHECK_INT(kill(pid, signal), 0);
    return 0;
}

int fault_freeze(fault_t *fault, int64_t ms) {
    test_t *t = fault->t;
    pid_t pid = fault_pid(t, test_uri());
    CHECK(pid > 0);
    CHECK(server_freeze(pid));
    mouv_sleep_ms(ms);
    CHECK_INT(kill(pid, SIGCONT), 0);
    return 0;
}

uint16_t fault_port(const char *uri) {
    unsigned port = 0;
    sscanf(uri, "mongodb://127.0.0.1:%u", &port);
    return (uint16_t)port;
}
