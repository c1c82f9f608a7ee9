/*
 * One server whose process is stopped, or killed and started again, in the midst of writes.
 */
/* test: lock=faults */
#include "support/fault.h"

#include <signal.h>

enum { FROZEN_MS = 3000 };

static int freeze(fault_t *fault) {
    return fault_freeze(fault, FROZEN_MS);
}

BARE_CASE(a_server_that_freezes_and_thaws) {
    return fault_run(t, &(fault_plan_t){.strike = freeze, .timeout_ms = 300});
}

static int kill_it(fault_t *fault) {
    return fault_signal(fault, SIGKILL);
}

BARE_CASE(a_server_that_is_killed_and_comes_back) {
    return fault_run(t, &(fault_plan_t){.strike = kill_it});
}

static int shut_down(fault_t *fault) {
    return fault_signal(fault, SIGTERM);
}

BARE_CASE(a_server_that_is_shut_down_and_comes_back) {
    return fault_run(t, &(fault_plan_t){.strike = shut_down});
}

static int setup(void **state) {
    static const char *const options[] = {"--restart", NULL};
    (void)state;
    return test_group_setup_own(options);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_server_that_freezes_and_thaws),
        cmocka_unit_test(a_server_that_is_killed_and_comes_back),
        cmocka_unit_test(a_server_that_is_shut_down_and_comes_back),
    };
    return cmocka_run_group_tests(cases, setup, test_group_teardown);
}
