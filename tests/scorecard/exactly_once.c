/*
 * Strikes servers in the midst of a load of writes that another process makes, one fault after the
 * other, and compares what that process was told of each write with what is stored in the end.
 *
 * usage: exactly_once FAULT SECONDS WRITER [ARGUMENT...] -- [OPTION...], on $MONGODB_URI, whose
 * servers must run on this machine (and be started again: mouv sandbox --restart). The writer is run
 * as WRITER [ARGUMENT...] URI DATABASE [OPTION...]; its output is a journal of books.
 *
 * Prints one line of JSON. Exit status: 1 if the books do not agree, or the load did not go on.
 */
#include "scorecard/child.h"
#include "scorecard/nodes.h"
#include "support/books.h"
#include "support/proxy.h"
#include "support/server.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COUNTERS = 64, WARM_WRITES = 50, AFTER_WRITES = 50 };
enum { END_MS = 60000, SHORT_MS = 500, FROZEN_MS = 3000, BETWEEN_MS = 2000 };

static const char database[] = "mouv_scorecard";

typedef struct load {
    pid_t pid;
    int input;
    FILE *output;
    pthread_t reader;
    pthread_mutex_t mutex; /* of what follows */
    books_t books;
    int64_t slowest_ms, last_ms, longest_gap_ms; /* between acknowledged writes */
    bool ended;                                  /* the output has */
    int strange;                                 /* lines of no journal */
} load_t;

/* --- Faults ----------------------------------------------------------------------------------- */

static bool fail_point(node_t *node, const char *name, bool on, const char *data) {
    bson_t reply, parsed;
    if (!bson_init_from_json(&parsed, data, -1, NULL)) fail("a fail point", data);
    bson_t *mode = BCON_NEW("activationProbability", BCON_DOUBLE(0.5));
    bson_t *command = BCON_NEW("configureFailPoint", BCON_UTF8(name));
    if (on)
        BSON_APPEND_DOCUMENT(command, "mode", mode);
    else
        BSON_APPEND_UTF8(command, "mode", "off");
    BSON_APPEND_DOCUMENT(command, "data", &parsed);
    bool ok = node_ask(node, command, &reply);
    bson_destroy(&reply);
    bson_destroy(&parsed);
    bson_destroy(mode);
    return ok;
}

/* Done, and the answer is lost: half of those of half a second. */
static void lose_replies(void) {
    node_t *node = node_primary();
    if (!fail_point(node, "onPrimaryTransactionalWrite", true, "{\"closeConnection\": true}"))
        fail("onPrimaryTransactionalWrite", "refused");
    sleep_ms(SHORT_MS);
    fail_point(node, "onPrimaryTransactionalWrite", false, "{}");
}

/* Not done, and no answer comes. */
static void close_connections(void) {
    node_t *node = node_primary();
    if (!fail_point(node, "failCommand", true,
                    "{\"failCommands\": [\"insert\", \"update\", \"commitTransaction\"],"
                    " \"closeConnection\": true}"))
        fail("failCommand", "refused");
    sleep_ms(SHORT_MS);
    fail_point(node, "failCommand", false, "{}");
}

static void kill_primary(void) {
    pid_t pid = node_pid(node_primary());
    if (pid <= 0 || kill(pid, SIGKILL) != 0) fail("SIGKILL", "no such process");
    while (kill(pid, 0) == 0) sleep_ms(10);
    node_primary();
}

static void step_down(void) {
    bson_t reply;
    node_ask(node_primary(), BCON_NEW("replSetStepDown", BCON_INT32(5), "force", BCON_BOOL(true)),
             &reply);
    bson_destroy(&reply);
    node_primary();
}

static void freeze_node(node_t *node) {
    pid_t pid = node_freeze(node);
    sleep_ms(FROZEN_MS);
    kill(pid, SIGCONT);
}

static void freeze_primary(void) {
    freeze_node(node_primary());
}

static void freeze_any(void) {
    freeze_node(&nodes[rand() % node_count]);
}

/* Deadlines alone. */
static void nothing(void) {
    sleep_ms(SHORT_MS);
}

static void fail_over(void);
static void any_fault(void);
static void bad_network(void);

enum { TWO_WAY_FAULTS = 9, NETWORK_FAULTS = 2 * TWO_WAY_FAULTS + 3 };

static const struct fault {
    const char *name;
    void (*strike)(void);
    int64_t pause_ms;
    int round; /* so many strikes at least: each is another; 0: any number */
} faults[] = {
    {"replies", lose_replies, SHORT_MS, 0},
    {"connections", close_connections, SHORT_MS, 0},
    {"crash", kill_primary, BETWEEN_MS, 0},
    {"stepdown", step_down, BETWEEN_MS, 0},
    {"freeze", freeze_primary, BETWEEN_MS, 0},
    {"freeze-any", freeze_any, BETWEEN_MS, 0},
    {"failover", fail_over, BETWEEN_MS, 0},
    {"any", any_fault, BETWEEN_MS, 0},
    {"network", bad_network, SHORT_MS, NETWORK_FAULTS},
    {"none", nothing, 0, 0},
};
enum { SINGLE_FAULTS = 6, FAULTS = sizeof faults / sizeof *faults };

static void fail_over(void) {
    static int round;
    if (round++ % 2)
        kill_primary();
    else
        step_down();
}

static void any_fault(void) {
    faults[rand() % SINGLE_FAULTS].strike();
}

/* --- Networks: the writer's connections go through a proxy ------------------------------------- */

static proxy_t *proxy;

static const proxy_fault_t two_way[TWO_WAY_FAULTS] = {
    {.delay_ms = 30},
    {.delay_ms = 1200},
    {.slice_bytes = 20, .slice_ms = 1},
    {.slice_bytes = 200, .slice_ms = 10}, /* 20 KB/s */
    {.hold = true},
    {.lose = true},
    {.cut_at_bytes = 1},
    {.cut_at_bytes = 2000},
    {.cut_at_bytes = 2000, .in_order = true},
};

static void cut_all(int times, int64_t apart_ms) {
    for (int i = 0; i < times; i++) {
        proxy_cut(proxy);
        sleep_ms(apart_ms);
    }
}

static void bad_network(void) {
    static int next;
    int kind = next++ % NETWORK_FAULTS;
    if (kind < 2 * TWO_WAY_FAULTS) {
        proxy_set(proxy, (proxy_direction_t)(kind % 2), &two_way[kind / 2]);
        sleep_ms(2 * SHORT_MS);
        proxy_set(proxy, (proxy_direction_t)(kind % 2), NULL);
    } else if (kind == 2 * TWO_WAY_FAULTS) {
        proxy_cut(proxy);
    } else if (kind == 2 * TWO_WAY_FAULTS + 1) {
        cut_all(5, 200);
    } else {
        proxy_refuse(proxy, true);
        cut_all(1, 2 * SHORT_MS);
        proxy_refuse(proxy, false);
    }
}

/* The URI for the writer. */
static const char *through_proxy(const char *uri) {
    unsigned port = 0;
    if (sscanf(uri, "mongodb://127.0.0.1:%u", &port) != 1) fail("the port of", uri);
    proxy = proxy_start((uint16_t)port);
    if (!proxy) fail("the proxy", "not started");
    return proxy_uri(proxy);
}

/* --- The load --------------------------------------------------------------------------------- */

static void take_line(load_t *load, const char *line) {
    long long slowest_ms;
    uint64_t before = load->books.outcomes[BOOKS_ACKNOWLEDGED];
    if (sscanf(line, "slowest %lld", &slowest_ms) == 1) {
        load->slowest_ms = slowest_ms;
    } else if (!books_take(&load->books, line)) {
        if (load->strange++ < 5) fprintf(stderr, "no line of a journal: %s", line);
    } else if (load->books.outcomes[BOOKS_ACKNOWLEDGED] > before) {
        int64_t now = now_ms();
        if (load->last_ms && now - load->last_ms > load->longest_gap_ms)
            load->longest_gap_ms = now - load->last_ms;
        load->last_ms = now;
    }
}

static void *read_journal(void *arg) {
    load_t *load = arg;
    char line[400];
    while (fgets(line, sizeof line, load->output)) {
        pthread_mutex_lock(&load->mutex);
        take_line(load, line);
        pthread_mutex_unlock(&load->mutex);
    }
    pthread_mutex_lock(&load->mutex);
    load->ended = true;
    pthread_mutex_unlock(&load->mutex);
    return NULL;
}

static void start_load(load_t *load, char **argv) {
    int output;
    load->pid = child_start(argv, &load->input, &output);
    if (load->pid < 0) fail(argv[0], "not started");
    load->output = fdopen(output, "r");
    pthread_mutex_init(&load->mutex, NULL);
    pthread_create(&load->reader, NULL, read_journal, load);
}

static uint64_t acknowledged(load_t *load, bool *ended) {
    pthread_mutex_lock(&load->mutex);
    uint64_t count = load->books.outcomes[BOOKS_ACKNOWLEDGED];
    *ended = load->ended;
    pthread_mutex_unlock(&load->mutex);
    return count;
}

/* Whether so many more writes are acknowledged in time. */
static bool goes_on(load_t *load, uint64_t writes) {
    bool ended;
    uint64_t wanted = acknowledged(load, &ended) + writes;
    for (int64_t end = now_ms() + RECOVERY_MS; now_ms() < end && !ended; sleep_ms(5))
        if (acknowledged(load, &ended) >= wanted) return true;
    return false;
}

/* Its exit status; below 0 if it had to be killed, or was. */
static int end_load(load_t *load) {
    bool ended = false;
    int status;
    close(load->input);
    for (int64_t end = now_ms() + END_MS; now_ms() < end && !ended; sleep_ms(10))
        acknowledged(load, &ended);
    if (!ended) kill(load->pid, SIGKILL);
    pthread_join(load->reader, NULL);
    waitpid(load->pid, &status, 0);
    fclose(load->output);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

typedef struct course {
    int strikes, slowest; /* the strike after which it took longest until the load went on */
    int64_t recovery_ms;  /* that time */
    bool stuck;           /* it did not go on after the last */
} course_t;

static course_t strike_for(load_t *load, const struct fault *fault, int seconds) {
    course_t course = {.stuck = !goes_on(load, WARM_WRITES)};
    int64_t end = now_ms() + seconds * 1000LL;
    while (!course.stuck && (now_ms() < end || course.strikes < fault->round)) {
        fault->strike();
        int64_t struck = now_ms();
        course.stuck = !goes_on(load, AFTER_WRITES);
        if (now_ms() - struck > course.recovery_ms) {
            course.recovery_ms = now_ms() - struck;
            course.slowest = course.strikes;
        }
        course.strikes++;
        sleep_ms(fault->pause_ms);
    }
    return course;
}

static int run(const struct fault *fault, int seconds, char **argv, const char *uri) {
    load_t load = {0};
    books_open(&load.books, COUNTERS);
    if (books_prepare(uri, database, COUNTERS) < 0) return 2;
    start_load(&load, argv);
    course_t course = strike_for(&load, fault, seconds);
    int status = end_load(&load);
    int found = books_check(&load.books, uri, database);
    const books_t *books = &load.books;
    printf(
        "{\"faults\": %d, \"acknowledged\": %llu, \"refused\": %llu, \"unknown\": %llu, "
        "\"lost\": %d, \"doubled\": %d, \"ghosts\": %d, \"torn\": %d, \"checked\": %s, "
        "\"stuck\": %s, \"status\": %d, \"strange\": %d, \"slowest_ms\": %lld, \"gap_ms\": %lld, "
        "\"recovery_ms\": %lld, \"slowest_fault\": %d}\n",
        course.strikes, (unsigned long long)books->outcomes[BOOKS_ACKNOWLEDGED],
        (unsigned long long)books->outcomes[BOOKS_REFUSED],
        (unsigned long long)books->outcomes[BOOKS_UNKNOWN], books->lost, books->doubled,
        books->ghosts, books->torn, found < 0 ? "false" : "true", course.stuck ? "true" : "false",
        status, load.strange, (long long)load.slowest_ms, (long long)load.longest_gap_ms,
        (long long)course.recovery_ms, course.slowest);
    books_close(&load.books);
    return found != 0 || course.stuck || status != 0 || load.strange;
}

/* WRITER [ARGUMENT...] URI DATABASE [OPTION...] */
static char **writers_words(int argc, char **argv, const char *uri) {
    char **words = calloc((size_t)argc + 4, sizeof *words);
    int count = 0, i = 0;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) words[count++] = argv[i];
    words[count++] = (char *)uri;
    words[count++] = (char *)database;
    for (i++; i < argc; i++) words[count++] = argv[i];
    return words;
}

int main(int argc, char **argv) {
    char *uri = getenv("MONGODB_URI");
    const struct fault *fault = NULL;
    for (int i = 0; argc > 3 && i < FAULTS; i++)
        if (strcmp(argv[1], faults[i].name) == 0) fault = &faults[i];
    if (!fault || !uri) {
        fputs("usage: exactly_once FAULT SECONDS WRITER [ARGUMENT...] -- [OPTION...]\n", stderr);
        return 2;
    }
    mongoc_init();
    signal(SIGPIPE, SIG_IGN);
    srand((unsigned)time(NULL));
    nodes_find(uri);
    const char *way = fault->strike == bad_network ? through_proxy(uri) : uri;
    char **words = writers_words(argc - 3, argv + 3, way);
    int rc = run(fault, atoi(argv[2]), words, uri);
    free(words);
    proxy_stop(proxy);
    nodes_clear();
    mongoc_cleanup();
    return rc;
}
