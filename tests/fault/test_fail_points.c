/*
 * What the server itself can be told to do wrong, in the midst of writes.
 */
/* test: lock=faults */
#include "support/fault.h"

/* Half of the commands, chosen at random, for a second. */
#define HALF "{'activationProbability': 0.5}"
#define WRITES "'failCommands': ['insert', 'update', 'commitTransaction'], 'appName': 'load'"

enum { STRIKE_MS = 1000 };

/** Sets the fail point of commands, waits, takes it away. */
static int strike(fault_t *fault, const char *name, const char *data) {
    int rc = fault_point(fault, name, HALF, data);
    mouv_sleep_ms(STRIKE_MS);
    return rc == 0 ? fault_point(fault, name, "'off'", "{}") : rc;
}

static int close_connection(fault_t *fault) {
    return strike(fault, "failCommand", "{" WRITES ", 'closeConnection': true}");
}

BARE_CASE(connections_closed_instead_of_replies) {
    return fault_run(t, &(fault_plan_t){.strike = close_connection});
}

static int lose_replies(fault_t *fault) {
    return strike(fault, "onPrimaryTransactionalWrite", "{'closeConnection': true}");
}

BARE_CASE(replies_lost_after_the_write) {
    return fault_run(t, &(fault_plan_t){.strike = lose_replies});
}

static int block(fault_t *fault) {
    return strike(fault, "failCommand",
                  "{" WRITES ", 'blockConnection': true, 'blockTimeMS': 400}");
}

BARE_CASE(commands_that_block_beyond_the_deadline) {
    return fault_run(t, &(fault_plan_t){.strike = block, .timeout_ms = 200});
}

/* ExceededTimeLimit: unlike NotWritablePrimary and its like it says nothing of the server's state,
 * which has not changed. */
static int retryable_error(fault_t *fault) {
    return strike(fault, "failCommand",
                  "{" WRITES ", 'errorCode': 262, 'errorLabels': ['RetryableWriteError']}");
}

BARE_CASE(errors_that_may_be_retried) {
    return fault_run(t, &(fault_plan_t){.strike = retryable_error});
}

static int final_error(fault_t *fault) {
    return strike(fault, "failCommand", "{" WRITES ", 'errorCode': 8000}");
}

BARE_CASE(errors_that_may_not_be_retried) {
    return fault_run(t, &(fault_plan_t){.strike = final_error});
}

static int concern_error(fault_t *fault) {
    return strike(fault, "failCommand",
                  "{" WRITES ", 'writeConcernError': {'code': 100, 'errmsg': 'too few'}}");
}

BARE_CASE(errors_in_the_write_concern_alone) {
    return fault_run(t, &(fault_plan_t){.strike = concern_error});
}

static int setup(void **state) {
    (void)state;
    return test_group_setup_own(NULL);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(connections_closed_instead_of_replies),
        cmocka_unit_test(replies_lost_after_the_write),
        cmocka_unit_test(commands_that_block_beyond_the_deadline),
        cmocka_unit_test(errors_that_may_be_retried),
        cmocka_unit_test(errors_that_may_not_be_retried),
        cmocka_unit_test(errors_in_the_write_concern_alone),
    };
    return cmocka_run_group_tests(cases, setup, test_group_teardown);
}
