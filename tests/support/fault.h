/*
 * One fault: a load of writes that keeps books (ledger.h), something bad in the midst of it, and
 * what must be true afterwards whatever it was: the load goes on by itself, no operation has taken
 * much longer than its deadline, the books agree with what is stored, and nothing is left: no busy
 * worker, no late operation, and once the client is closed no thread and no descriptor.
 */
#ifndef MOUV_TESTS_FAULT_H
#define MOUV_TESTS_FAULT_H

#include "support/ledger.h"
#include "support/support.h"

typedef struct fault {
    test_t *t;
    ledger_t ledger;
    mouv_client_t *control; /**< another client of the server, on test_uri() */
    mouv_database_t *admin; /**< of that */
} fault_t;

typedef struct fault_plan {
    const char *uri;               /**< the load's; NULL: test_uri() */
    int64_t timeout_ms;            /**< of each write; 0: 1,000 */
    int (*strike)(fault_t *fault); /**< the fault, from its beginning to its end; fails as a case */
} fault_plan_t;

/** Runs all of it, in a BARE_CASE. */
int fault_run(test_t *t, const fault_plan_t *plan);

/** Sets a fail point on the server; `data` of {appName: "load"} spares the control client. */
int fault_point(fault_t *fault, const char *name, const char *mode, const char *data);

/** The process of the server at `uri`, or of the primary of that set; below 0 on failure. */
pid_t fault_pid(test_t *t, const char *uri);

/** Sends a signal to the process of the server, or of the primary of the set. */
int fault_signal(fault_t *fault, int signal);

/** Stops that process for so long. */
int fault_freeze(fault_t *fault, int64_t ms);

/** The first port in a URI. */
uint16_t fault_port(const char *uri);

/** `ms`, or more where a sanitizer or valgrind makes everything slow (MOUV_TEST_SLOW). */
int64_t fault_patience(int64_t ms);

#endif
