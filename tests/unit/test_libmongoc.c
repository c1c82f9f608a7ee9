/* libmongoc's log: the program's own handler stays, or mouv's gets it, each message as what it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <mongoc/mongoc.h>

#include <mouv/log.h>

#include "mongo/base/libmongoc.h"

extern void _mongoc_log_get_handler(mongoc_log_func_t *, void **) __attribute__((weak));

static char heard[1024];

static void hear(const char *whose, int level, const char *message) {
    size_t used = strlen(heard);
    snprintf(heard + used, sizeof heard - used, "%s %d %s\n", whose, level, message);
}

static void on_mouv_log(mouv_log_level_t level, const char *message, void *arg) {
    (void)arg;
    hear("mouv", (int)level, message);
}

static void on_own_log(mongoc_log_level_t level, const char *domain, const char *message,
                       void *arg) {
    assert_string_equal(domain, "program");
    hear(arg, (int)level, message);
}

/* libmongoc is begun once a process: each case has one of its own. */
static void run_in_child(void (*body)(void)) {
    pid_t child = fork();
    if (child == 0) {
        mouv_log_set_handler(on_mouv_log, NULL);
        body();
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void log_all(void) {
    mongoc_log(MONGOC_LOG_LEVEL_CRITICAL, "program", "critical");
    mongoc_log(MONGOC_LOG_LEVEL_ERROR, "program", "error");
    mongoc_log(MONGOC_LOG_LEVEL_WARNING, "program", "warning");
    mongoc_log(MONGOC_LOG_LEVEL_INFO, "program", "info");
}

static void check_heard(const char *expected) {
    if (strcmp(heard, expected) == 0) return;
    fprintf(stderr, "heard:\n%sexpected:\n%s", heard, expected);
    _exit(1);
}

static void expect_levels(void) {
    char text[200];
    mouv__libmongoc_init();
    log_all();
    snprintf(text, sizeof text,
             "mouv %d libmongoc: program: critical\nmouv %d libmongoc: program: error\n"
             "mouv %d libmongoc: program: warning\nmouv %d libmongoc: program: info\n",
             MOUV_LOG_ERROR, MOUV_LOG_ERROR, MOUV_LOG_WARNING, MOUV_LOG_INFO);
    check_heard(text);
}

static void libmongocs_log_comes_with_its_levels(void **state) {
    (void)state;
    run_in_child(expect_levels);
}

static void expect_own(void) {
    mongoc_log_set_handler(on_own_log, "own");
    mouv__libmongoc_init();
    log_all();
    check_heard("own 1 critical\nown 0 error\nown 2 warning\nown 4 info\n");
}

static void programs_own_handler_is_kept(void **state) {
    (void)state;
    if (!_mongoc_log_get_handler) skip(); /* this build of libmongoc does not tell */
    run_in_child(expect_own);
}

static void expect_nothing(void) {
    mongoc_log_set_handler(NULL, NULL);
    mouv__libmongoc_init();
    log_all();
    check_heard("");
}

static void log_that_the_program_has_switched_off_stays_so(void **state) {
    (void)state;
    if (!_mongoc_log_get_handler) skip(); /* this build of libmongoc does not tell */
    run_in_child(expect_nothing);
}

static void expect_later(void) {
    mouv__libmongoc_init();
    mongoc_log_set_handler(on_own_log, "later");
    mongoc_log(MONGOC_LOG_LEVEL_WARNING, "program", "warning");
    check_heard("later 2 warning\n");
}

static void handler_that_the_program_sets_later_gets_it(void **state) {
    (void)state;
    run_in_child(expect_later);
}

static void expect_text(void) {
    char text[MOUV__LIBMONGOC_LOG_SIZE];
    mongoc_log_set_handler(on_own_log, "own");
    mouv__libmongoc_init();
    mouv__libmongoc_listen(text);
    mongoc_log(MONGOC_LOG_LEVEL_WARNING, "program", "for an error");
    mouv__libmongoc_listen(NULL);
    if (strcmp(text, "for an error") != 0) _exit(1);
    check_heard("");
}

static void what_becomes_an_errors_text_is_not_logged(void **state) {
    (void)state;
    run_in_child(expect_text);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(libmongocs_log_comes_with_its_levels),
        cmocka_unit_test(programs_own_handler_is_kept),
        cmocka_unit_test(log_that_the_program_has_switched_off_stays_so),
        cmocka_unit_test(handler_that_the_program_sets_later_gets_it),
        cmocka_unit_test(what_becomes_an_errors_text_is_not_logged),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
