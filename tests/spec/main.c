/*
 * spec_runner: runs files of MongoDB's unified test format against MONGODB_URI. See README.md.
 */
/* test: own-server, executors=sessions */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mouv/mouv.h>

#include "spec/exceptions.h"
#include "spec/file.h"
#include "spec/operations.h"
#include "spec/view.h"

enum { EXIT_SKIPPED = 77, TEST_LIMIT_S = 180, FOLDERS_MAX = 64 };

/** What came of the tests of one folder. */
typedef struct folder {
    char *path;
    bool whole; /**< all of its files have been run */
    int passed, failed, skipped, excepted, unsupported;
} folder_t;

typedef struct runner {
    const char *filter, *uri, *exceptions_path;
    bool verbose;
    bool strict; /**< what is unsupported and no exception has failed */
    char **paths;
    int path_count;
    spec_exceptions_t exceptions;
    spec_server_t server;
    folder_t folders[FOLDERS_MAX];
    int folder_count;
    char *why; /**< of SPEC_WHY bytes */
} runner_t;

/* --- A watch on tests that never end --------------------------------------------------------- */

static char current[512];

static void on_alarm(int number) {
    (void)number;
    ssize_t written = write(STDERR_FILENO, current, strlen(current));
    written = write(STDERR_FILENO, ": never ends\n", 13);
    (void)written;
    _exit(EXIT_FAILURE);
}

static void on_terminate(int number) {
    (void)number;
    spec_loops_stop();
}

/* --- Verdicts -------------------------------------------------------------------------------- */

/** What files of a folder are for. */
typedef enum purpose { TO_PASS, TO_FAIL, TO_BE_REFUSED } purpose_t;

static purpose_t purpose_of(const char *path) {
    if (!strstr(path, "unified-test-format")) return TO_PASS;
    if (strstr(path, "valid-fail/")) return TO_FAIL;
    return strstr(path, "invalid/") ? TO_BE_REFUSED : TO_PASS;
}

static folder_t *folder_of(runner_t *runner, const char *path) {
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    for (int i = 0; i < runner->folder_count; i++) {
        folder_t *each = &runner->folders[i];
        if (strlen(each->path) == length && strncmp(each->path, path, length) == 0) return each;
    }
    if (runner->folder_count == FOLDERS_MAX) return &runner->folders[FOLDERS_MAX - 1];
    folder_t *folder = &runner->folders[runner->folder_count++];
    folder->path = bson_strndup(path, length);
    return folder;
}

static void print(const char *verdict, const char *path, const char *test, const char *why) {
    printf("%s %s: %s%s%s\n", verdict, path, test, *why ? ": " : "", why);
    fflush(stdout);
}

/** Counts a verdict, with regard to the table of exceptions, and tells what should be known. */
static void note(runner_t *runner, const char *path, const char *test, spec_verdict_t verdict) {
    folder_t *folder = folder_of(runner, path);
    spec_exception_t *exception = spec_exception_find(&runner->exceptions, path, test);
    if (exception) exception->met = true;
    if (verdict == SPEC_UNSUPPORTED && (exception || runner->strict)) verdict = SPEC_FAILED;
    if (verdict == SPEC_SKIPPED) {
        folder->skipped++;
        if (runner->verbose) print("skipped", path, test, runner->why);
    } else if (verdict == SPEC_UNSUPPORTED) {
        folder->unsupported++;
        print("unsupported", path, test, runner->why);
    } else if (verdict == SPEC_FAILED && exception) {
        folder->excepted++;
        if (runner->verbose) print("excepted", path, test, runner->why);
    } else if (verdict == SPEC_FAILED) {
        folder->failed++;
        print("FAILED", path, test, runner->why);
    } else if (exception) {
        folder->failed++;
        print("FAILED", path, test, "passes, but stands in the table of exceptions");
    } else {
        folder->passed++;
        if (runner->verbose) print("passed", path, test, "");
    }
}

/** A failure where one is due is a success, and the other way round. */
static void note_for(runner_t *runner, const char *path, const char *test, spec_verdict_t verdict) {
    if (purpose_of(path) != TO_PASS && verdict != SPEC_SKIPPED) {
        bool failed = verdict != SPEC_PASSED;
        if (!failed) snprintf(runner->why, SPEC_WHY, "passed, a failure was expected");
        if (failed && runner->verbose) print("  as it should:", path, test, runner->why);
        verdict = failed ? SPEC_PASSED : SPEC_FAILED;
    }
    note(runner, path, test, verdict);
}

/* --- Files ----------------------------------------------------------------------------------- */

static void run_tests(runner_t *runner, const char *path, const bson_t *file) {
    bson_t tests, test;
    bson_iter_t iter;
    spec_document(file, "tests", &tests);
    bson_iter_init(&iter, &tests);
    while (bson_iter_next(&iter)) {
        spec_document_at(&iter, &test);
        const char *name = spec_string(&test, "description");
        if (runner->filter && !strstr(name, runner->filter) && !strstr(path, runner->filter)) {
            continue;
        }
        snprintf(current, sizeof current, "%s: %s", path, name);
        alarm(TEST_LIMIT_S);
        note_for(runner, path, name, spec_test_run(&runner->server, file, &test, runner->why));
        alarm(0);
    }
}

static void run_file(runner_t *runner, const char *path) {
    char *why = NULL;
    bson_t *file = spec_file_load(path, &why);
    if (!file || purpose_of(path) == TO_BE_REFUSED) {
        snprintf(runner->why, SPEC_WHY, "%s", why ? why : "was loaded");
        note_for(runner, path, "(loading)", file ? SPEC_PASSED : SPEC_FAILED);
    } else {
        run_tests(runner, path, file);
    }
    bson_free(why);
    bson_destroy(file);
}

static bool is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int is_of_interest(const struct dirent *entry) {
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && (!dot || strcmp(dot, ".json") == 0);
}

/** A file, or all in a folder and those below it. */
static void run_path(runner_t *runner, const char *path) {
    struct dirent **entries;
    if (!is_folder(path)) {
        run_file(runner, path);
        return;
    }
    int count = scandir(path, &entries, is_of_interest, alphasort);
    for (int i = 0; i < count; i++) {
        char *inner = bson_strdup_printf("%s/%s", path, entries[i]->d_name);
        bool folder = is_folder(inner);
        if (folder || strrchr(entries[i]->d_name, '.')) run_path(runner, inner);
        if (!folder && !runner->filter) folder_of(runner, inner)->whole = true;
        bson_free(inner);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
}

/* --- The end --------------------------------------------------------------------------------- */

/** Exceptions for tests that are not there, in folders that were run whole. */
static int unmet_exceptions(runner_t *runner) {
    int count = 0;
    for (size_t i = 0; i < runner->exceptions.count; i++) {
        const spec_exception_t *each = &runner->exceptions.list[i];
        for (int f = 0; !each->met && f < runner->folder_count; f++) {
            const char *name = strrchr(each->file, '/');
            char *path = bson_strdup_printf("%s%s", runner->folders[f].path, name ? name : "");
            if (runner->folders[f].whole && spec_exception_is_of(each, path)) {
                printf("FAILED %s:%d: there is no such test: %s: %s\n", runner->exceptions_path,
                       each->line, each->file, each->test);
                count++;
            }
            bson_free(path);
        }
    }
    return count;
}

static void print_row(const char *name, const folder_t *counts) {
    printf("%-40s %9d %7d %9d %7d %8d %12d\n", name,
           counts->passed + counts->failed + counts->excepted, counts->passed, counts->excepted,
           counts->failed, counts->skipped, counts->unsupported);
}

/** The table of folders; how many tests failed. */
static int summarise(runner_t *runner) {
    folder_t all = {.failed = unmet_exceptions(runner)};
    printf("%-40s %9s %7s %9s %7s %8s %12s\n", "", "applicable", "passed", "excepted", "failed",
           "skipped", "unsupported");
    for (int i = 0; i < runner->folder_count; i++) {
        folder_t *each = &runner->folders[i];
        size_t length = strlen(each->path);
        print_row(each->path + (length > 40 ? length - 40 : 0), each);
        all.passed += each->passed;
        all.failed += each->failed;
        all.skipped += each->skipped;
        all.excepted += each->excepted;
        all.unsupported += each->unsupported;
        bson_free(each->path);
    }
    print_row("all", &all);
    return all.failed;
}

/** The main task. */
static int run_all(void *arg) {
    runner_t *runner = arg;
    mouv_error_t error;
    if (spec_server_open(&runner->server, runner->uri, &error) < 0) {
        spec_server_close(&runner->server);
        return mouv_fail_with(&error);
    }
    spec_server_kill_sessions(&runner->server);
    for (int i = 0; i < runner->path_count; i++) run_path(runner, runner->paths[i]);
    spec_server_close(&runner->server);
    return summarise(runner) > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* --- The command line ------------------------------------------------------------------------ */

static int usage(void) {
    fprintf(stderr, "usage: spec_runner [--filter TEXT] [--verbose] [--strict] "
                    "[--exceptions FILE] FILE_OR_FOLDER ...\n");
    return 2;
}

static bool read_options(runner_t *runner, int argc, char **argv) {
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--verbose") == 0) {
            runner->verbose = true;
        } else if (strcmp(argv[i], "--strict") == 0) {
            runner->strict = true;
        } else if (strcmp(argv[i], "--filter") == 0 && more) {
            runner->filter = argv[++i];
        } else if (strcmp(argv[i], "--exceptions") == 0 && more) {
            runner->exceptions_path = argv[++i];
        } else {
            return false;
        }
    }
    runner->paths = argv + i;
    runner->path_count = argc - i;
    return runner->path_count > 0;
}

int main(int argc, char **argv) {
    static char why[SPEC_WHY];
    static runner_t runner = {.why = why};
    runner.uri = getenv("MONGODB_URI");
    if (!read_options(&runner, argc, argv)) return usage();
    for (int i = 0; i < runner.path_count; i++) {
        if (access(runner.paths[i], R_OK) == 0) continue;
        fprintf(stderr, "skipped: %s is not there\n", runner.paths[i]);
        return EXIT_SKIPPED;
    }
    if (!runner.uri || !*runner.uri) {
        fprintf(stderr, "skipped: no server, MONGODB_URI is not set\n");
        return EXIT_SKIPPED;
    }
    if (runner.exceptions_path &&
        !spec_exceptions_read(&runner.exceptions, runner.exceptions_path)) {
        return usage();
    }
    signal(SIGALRM, on_alarm);
    signal(SIGUSR1, on_terminate);
    int rc = mouv_main(run_all, &runner);
    spec_exceptions_free(&runner.exceptions);
    return rc;
}
