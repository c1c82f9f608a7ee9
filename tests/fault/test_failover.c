/*
 * A set of three nodes that loses its primary in the midst of writes: in order, killed, frozen.
 */
/* test: lock=faults */
#include "support/fault.h"
#include "support/server.h"

#include <signal.h>

enum { FROZEN_MS = 5000 };

static int step_down(fault_t *fault) {
    test_t *t = fault->t;
    const bson_t *command = json(t, "{'replSetStepDown': 3, 'secondaryCatchUpPeriodSecs': 2}");
    CHECK_INT(await(t, mouv_database_command(fault->admin, command, NULL, NULL)), 0);
    return 0;
}

BARE_CASE(a_primary_that_steps_down) {
    return fault_run(t, &(fault_plan_t){.strike = step_down});
}

static int kill_primary(fault_t *fault) {
    return fault_signal(fault, SIGKILL);
}

BARE_CASE(a_primary_that_is_killed) {
    return fault_run(t, &(fault_plan_t){.strike = kill_primary});
}

/* Longer than it takes the others to elect a new one: the old one wakes up as nobody's primary. */
static int freeze_primary(fault_t *fault) {
    return fault_freeze(fault, FROZEN_MS);
}

BARE_CASE(a_primary_that_freezes) {
    return fault_run(t, &(fault_plan_t){.strike = freeze_primary, .timeout_ms = 500});
}

/* Thawed only when the load has gone on without it, and long before any deadline. */
static int freeze_primary_until_replaced(fault_t *fault) {
    test_t *t = fault->t;
    pid_t pid = fault_pid(t, test_uri());
    CHECK(pid > 0);
    CHECK(server_freeze(pid));
    bool goes_on = ledger_goes_on(&fault->ledger, 100, fault_patience(40000));
    CHECK_INT(kill(pid, SIGCONT), 0);
    CHECK(goes_on);
    return 0;
}

BARE_CASE(a_frozen_primary_that_is_replaced_is_not_waited_for) {
    NEEDS_OWN_STREAMS(t); /* else it is, until the deadline */
    return fault_run(
        t, &(fault_plan_t){.strike = freeze_primary_until_replaced, .timeout_ms = 120000});
}

static int setup(void **state) {
    static const char *const options[] = {"--nodes", "3", "--restart", NULL};
    (void)state;
    return test_group_setup_own(options);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_primary_that_steps_down),
        cmocka_unit_test(a_primary_that_is_killed),
        cmocka_unit_test(a_primary_that_freezes),
        cmocka_unit_test(a_frozen_primary_that_is_replaced_is_not_waited_for),
    };
    return cmocka_run_group_tests(cases, setup, test_group_teardown);
}
