/*
 * Every allocation of a whole program fails once: for each step of every_await.h the first, the
 * second, ... until the step gets through without reaching it. Nothing may crash or leak (run it
 * with ASan), every failing call says MOUV_ENOMEM, and the program goes on afterwards.
 */
#include "../support/every_await.h"

#include "context/alloc.h"

static const step_t *current_step;
static int step_result;

/* Whether the failure was reached since it was set. */
static bool reached(void) {
    return __atomic_load_n(&mouv__alloc_fail_at, __ATOMIC_RELAXED) == 0;
}

static void fail_at(int64_t n) {
    __atomic_store_n(&mouv__alloc_fail_at, n, __ATOMIC_RELAXED);
}

static int runs_the_step(void *arg) {
    (void)arg;
    mouv_clock_set_virtual();
    step_result = current_step->run();
    return 0;
}

/* Without memory a warning may be missing or its text shorter; none other must come. */
static void look_at_warnings(int64_t n) {
    const char *text;
    take_log(&text);
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        bool fine = strstr(line, "never awaited") || strstr(line, "never retrieved") ||
                    strstr(line, "left behind");
        if (!fine) fprintf(stderr, "%s, allocation %d: %s\n", current_step->name, (int)n, line);
        CHECK(fine);
    }
}

static bool survives(int64_t n) {
    mouv_error_t error = {0};
    step_result = 0;
    bodies_open = 0;
    fail_at(n);
    int rc = mouv_run(runs_the_step, NULL, &error);
    bool was_reached = reached();
    fail_at(-1);
    if (rc != 0) {
        CHECK_INT(rc, MOUV_ENOMEM);
        CHECK_CONTAINS(error.message, "memory");
    }
    if (step_result != 0) CHECK_INT(step_result, MOUV_ENOMEM);
    if (!was_reached) CHECK(rc == 0 && step_result == 0);
    CHECK_INT(bodies_open, 0);
    look_at_warnings(n);
    if (support_failures != 0)
        fprintf(stderr, "%s, allocation %d: run %d, step %s, %s\n", current_step->name, (int)n, rc,
                mouv_error_name(step_result), error.message);
    return was_reached;
}

static void every_allocation_of_every_step_may_fail(void **state) {
    (void)state;
    int failures = 0;
    for (int i = 0; i < EVERY_AWAIT; i++) {
        int64_t n = 1;
        current_step = &every_await[i];
        while (support_failures == 0 && n < 1000 && survives(n)) n++;
        assert_int_equal(support_failures, 0);
        assert_true(n > 1 && n < 1000);
        failures += (int)n - 1;
    }
    assert_true(failures > 200);
}

/* The runtime is warm, so that what fails lies in the step itself, and is still good after it. */
static int runs_every_step_warm(void *arg) {
    (void)arg;
    mouv_clock_set_virtual();
    for (int i = 0; i < EVERY_AWAIT; i++) {
        current_step = &every_await[i];
        CHECK_INT(current_step->run(), 0);
        for (int64_t n = 1; n < 1000; n++) {
            fail_at(n);
            int rc = current_step->run();
            bool was_reached = reached();
            fail_at(-1);
            if (rc != 0) CHECK_INT(rc, MOUV_ENOMEM);
            mouv_sleep_ms(1000 * 1000);
            CHECK_INT(bodies_open, 0);
            look_at_warnings(n);
            if (support_failures != 0) {
                fprintf(stderr, "%s, allocation %d: %s\n", current_step->name, (int)n,
                        mouv_error_name(rc));
                return 0;
            }
            if (!was_reached) break;
        }
        CHECK_INT(current_step->run(), 0);
    }
    return 0;
}

static void program_goes_on_after_every_failure(void **state) {
    (void)state;
    run_body(runs_every_step_warm);
    take_log(NULL);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(every_allocation_of_every_step_may_fail),
        TEST(program_goes_on_after_every_failure),
    };
    return RUN_CASES(cases);
}
