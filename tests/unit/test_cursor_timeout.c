/*
 * timeoutMS of cursors: which mode a command has, which combinations are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "async/loop/timer.h"
#include "mongo/command/command.h"
#include "mongo/cursor/cursor_timeout.h"

enum { READ = MOUV__FAMILY_FIND, PIPELINE = MOUV__FAMILY_CURSOR, STREAM = MOUV__FAMILY_STREAM };

typedef struct given {
    const char *label;
    unsigned family;
    uint32_t flags;
    bool tailable, single_batch;
    int64_t timeout_ms, await_ms; /* MOUV__TIMEOUT_UNSET; -1: none */
    const char *mode;             /* timeoutMode, or NULL */
    bool refused;
    mouv__timeout_mode_t expected;
    bool within;
} given_t;

static mouv__cursor_timeout_t limit_of(const given_t *given, mouv_error_t *error) {
    mouv__row_t row = {{"test", given->flags}, PIPELINE | given->family, NULL};
    mouv__cursor_timeout_t limit = {0};
    mouv__command_t command = {.row = &row, .database = mouv_client_get_database(NULL, "db")};
    assert_int_equal(mouv__opts_read(&command.opts, row.families, NULL, error), 0);
    command.opts.tailable = given->tailable;
    command.opts.single_batch = given->single_batch;
    command.opts.timeout_ms = given->timeout_ms;
    command.opts.max_await_ms = given->await_ms;
    if (given->mode) {
        command.opts.timeout_mode.data = (const uint8_t *)given->mode;
        command.opts.timeout_mode.length = (uint32_t)strlen(given->mode);
    }
    mouv__cursor_timeout_init(&limit, &command);
    *error = command.error;
    return limit;
}

static void modes(void **state) {
    (void)state;
    static const given_t table[] = {
        {"find", READ, 0, false, false, 50, -1, NULL, false, MOUV__TIMEOUT_LIFETIME, false},
        {"no timeoutMS", READ, 0, false, false, -1, -1, NULL, false, MOUV__TIMEOUT_LIFETIME, false},
        {"one batch", READ, 0, false, true, 50, -1, NULL, false, MOUV__TIMEOUT_LIFETIME, true},
        {"iteration", READ, 0, false, false, 50, -1, "iteration", false, MOUV__TIMEOUT_ITERATION,
         false},
        {"lifetime", READ, 0, false, false, 50, -1, "cursorLifetime", false, MOUV__TIMEOUT_LIFETIME,
         true},
        {"another", READ, 0, false, false, 50, -1, "forever", true, 0, false},
        {"iteration of nothing", READ, 0, false, false, -1, -1, "iteration", true, 0, false},
        {"lifetime of nothing", READ, 0, false, false, -1, -1, "cursorLifetime", true, 0, false},
        {"tailable", READ, 0, true, false, 50, -1, NULL, false, MOUV__TIMEOUT_ITERATION, false},
        {"tailable life", READ, 0, true, false, 50, -1, "cursorLifetime", true, 0, false},
        {"await", READ, 0, true, false, 50, 49, NULL, false, MOUV__TIMEOUT_ITERATION, false},
        {"await too long", READ, 0, true, false, 50, 50, NULL, true, 0, false},
        {"$out", PIPELINE, MOUV__OP_WRITE, false, false, 50, -1, NULL, false,
         MOUV__TIMEOUT_LIFETIME, true},
        {"$out iteration", PIPELINE, MOUV__OP_WRITE, false, false, 50, -1, "iteration", true, 0,
         false},
        {"stream", STREAM, 0, false, false, 50, 20, NULL, false, MOUV__TIMEOUT_ITERATION, false},
        {"stream mode", STREAM, 0, false, false, 50, -1, "iteration", true, 0, false},
        {"stream await", STREAM, 0, false, false, 50, 80, NULL, true, 0, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const given_t *given = &table[i];
        mouv_error_t error;
        mouv__cursor_timeout_t limit = limit_of(given, &error);
        if ((error.code == MOUV_EINVAL) != given->refused)
            fail_msg("%s: %s", given->label, error.code ? error.message : "not refused");
        if (given->refused) continue;
        if (limit.mode != given->expected || limit.within != given->within)
            fail_msg("%s: mode %d, within %d", given->label, limit.mode, limit.within);
        assert_int_equal(limit.timeout.ms, given->timeout_ms);
        assert_int_equal(limit.close_ms, given->timeout_ms);
        assert_int_equal(limit.deadline_ns, MOUV__NEVER);
    }
}

static void a_life_s_wait_ends_with_it(void **state) {
    (void)state;
    mouv__cursor_timeout_t limit = {.mode = MOUV__TIMEOUT_LIFETIME, .deadline_ns = 77};
    assert_int_equal(mouv__cursor_timeout_wait_ns(&limit, NULL), 77);
}

static void an_iteration_without_a_limit_has_no_end(void **state) {
    (void)state;
    mouv__cursor_timeout_t limit = {.timeout = {MOUV__TIMEOUT_UNSET, MOUV__NEVER},
                                    .mode = MOUV__TIMEOUT_ITERATION};
    assert_int_equal(mouv__cursor_timeout_wait_ns(&limit, NULL), MOUV__NEVER);
    limit.timeout.until_ns = 55; /* of mouv_with_transaction(), which has begun */
    assert_int_equal(mouv__cursor_timeout_wait_ns(&limit, NULL), 55);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes),
        cmocka_unit_test(a_life_s_wait_ends_with_it),
        cmocka_unit_test(an_iteration_without_a_limit_has_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
