/*
 * Transactions: their states, what they add to commands, what they learn of answers, the labels
 * that are the driver's to give.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mongo/session/transaction.h"

#include "topology_support.h"

static const mouv__operation_row_t find_row = {"find", MOUV__OP_RETRYABLE};
static const mouv__operation_row_t insert_row = {"insert", MOUV__OP_WRITE | MOUV__OP_RETRYABLE};

static mouv__transaction_t transaction;
static mouv__parts_t parts;

static void parts_clear(void) {
    bson_destroy(parts.command);
    bson_destroy(parts.fields);
    mongoc_read_prefs_destroy(parts.read_prefs);
    parts = (mouv__parts_t){0};
}

static void parts_are(const mouv__operation_row_t *row, const char *command) {
    parts_clear();
    parts.row = row;
    parts.command = from_json(command);
    parts.retryable = true;
}

static int set_up(void **state) {
    (void)state;
    transaction = (mouv__transaction_t){0};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    parts_clear();
    mouv__transaction_opts_clear(&transaction.opts);
    bson_destroy(transaction.recovery_token);
    return 0;
}

static void open_it(void) {
    mouv__transaction_move(&transaction, MOUV__TRANSACTION_STARTING);
    mouv__transaction_move(&transaction, MOUV__TRANSACTION_OPEN);
    transaction.number = 5;
}

static void check_document(const bson_t *actual, const char *expected) {
    bson_t *wanted = from_json(expected);
    char *got = bson_as_canonical_extended_json(actual, NULL);
    if (!bson_equal(actual, wanted)) fail_msg("%s, not %s", got, expected);
    bson_free(got);
    bson_destroy(wanted);
}

static int begin(mouv_error_t *error) {
    *error = (mouv_error_t){0};
    return mouv__transaction_begin_operation(&transaction, &parts, error);
}

/* --- states ----------------------------------------------------------------------------------- */

static void it_is_open_from_its_start_to_its_end(void **state) {
    (void)state;
    assert_false(mouv__transaction_is_open(&transaction));
    mouv__transaction_move(&transaction, MOUV__TRANSACTION_STARTING);
    assert_true(mouv__transaction_is_open(&transaction));
    mouv__transaction_move(&transaction, MOUV__TRANSACTION_OPEN);
    assert_true(mouv__transaction_is_open(&transaction));
    mouv__transaction_move(&transaction, MOUV__TRANSACTION_COMMITTED);
    assert_false(mouv__transaction_is_open(&transaction));
    mouv__transaction_move(&transaction, MOUV__TRANSACTION_STARTING);
    mouv__transaction_move(&transaction, MOUV__TRANSACTION_ABORTED);
    assert_false(mouv__transaction_is_open(&transaction));
}

static void an_operation_after_its_end_is_outside_of_transactions(void **state) {
    (void)state;
    mouv_error_t error;
    for (int committed = 0; committed < 2; committed++) {
        open_it();
        mouv__transaction_move(&transaction,
                               committed ? MOUV__TRANSACTION_COMMITTED : MOUV__TRANSACTION_ABORTED);
        parts_are(&find_row, "{'find': 'c'}");
        assert_int_equal(begin(&error), 0);
        assert_int_equal(transaction.state, MOUV__TRANSACTION_NONE);
        assert_false(parts.in_transaction);
        assert_true(parts.retryable);
    }
}

static void its_end_leaves_the_state_to_its_maker(void **state) {
    (void)state;
    mouv_error_t error;
    open_it();
    mouv__transaction_move(&transaction, MOUV__TRANSACTION_COMMITTED);
    parts_are(&mouv__transaction_commit_row, "{'commitTransaction': 1}");
    assert_int_equal(begin(&error), 0);
    assert_int_equal(transaction.state, MOUV__TRANSACTION_COMMITTED);
    assert_true(parts.in_transaction);
    assert_true(parts.retryable);
    parts_are(&mouv__transaction_abort_row, "{'abortTransaction': 1}");
    assert_int_equal(begin(&error), 0);
    assert_true(parts.in_transaction);
}

static void an_operation_in_it_goes_once_and_to_the_primary(void **state) {
    (void)state;
    mouv_error_t error;
    open_it();
    transaction.opts.primary = 1;
    parts_are(&find_row, "{'find': 'c'}");
    parts.multi = true;
    assert_int_equal(begin(&error), 0);
    assert_true(parts.in_transaction);
    assert_false(parts.retryable);
    assert_false(parts.multi);
    assert_int_equal(mongoc_read_prefs_get_mode(parts.read_prefs), MONGOC_READ_PRIMARY);
}

static void what_cannot_be_in_a_transaction_is_refused(void **state) {
    (void)state;
    static const struct {
        const mouv__operation_row_t *row;
        const char *command;
        int mode, primary; /* of its own, or 0; the transaction's */
        const char *text;  /* NULL: it is not refused */
    } cases[] = {
        {&find_row, "{'find': 'c'}", 0, 1, NULL},
        {&find_row, "{'find': 'c'}", MONGOC_READ_PRIMARY, -1, NULL},
        {&insert_row, "{'insert': 'c'}", 0, -1, NULL},
        {&find_row, "{'find': 'c'}", 0, -1, "must be primary"},
        {&find_row, "{'find': 'c'}", MONGOC_READ_SECONDARY, 1, "must be primary"},
        {&insert_row, "{'insert': 'c'}", MONGOC_READ_NEAREST, 1, "must be primary"},
        {&find_row, "{'find': 'c', 'readConcern': {}}", 0, 1, "Cannot set read concern"},
        {&insert_row, "{'insert': 'c', 'writeConcern': {}}", 0, 1, "Cannot set write concern"},
    };
    open_it();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mouv_error_t error;
        parts_are(cases[i].row, cases[i].command);
        if (cases[i].mode) parts.read_prefs = mongoc_read_prefs_new(cases[i].mode);
        transaction.opts.primary = (int8_t)cases[i].primary;
        int rc = begin(&error);
        if (rc != (cases[i].text ? MOUV_EINVAL : 0)) fail_msg("row %zu: %d", i, rc);
        if (cases[i].text && !strstr(error.message, cases[i].text))
            fail_msg("row %zu: %s", i, error.message);
        if (parts.in_transaction != (rc == 0)) fail_msg("row %zu: in a transaction", i);
    }
}

/* --- fields ----------------------------------------------------------------------------------- */

static void the_first_command_starts_it(void **state) {
    (void)state;
    mouv__transaction_move(&transaction, MOUV__TRANSACTION_STARTING);
    parts_are(&insert_row, "{'insert': 'c'}");
    assert_true(mouv__transaction_apply_to(&transaction, &parts, 9, false));
    assert_int_equal(transaction.state, MOUV__TRANSACTION_OPEN);
    assert_int_equal(transaction.number, 9);
    assert_int_equal(parts.txn_number, 9);
    assert_true(parts.starts_transaction);
    check_document(parts.fields, "{'startTransaction': true, 'autocommit': false}");

    parts_are(&insert_row, "{'insert': 'c'}");
    assert_false(mouv__transaction_apply_to(&transaction, &parts, 10, false));
    assert_int_equal(parts.txn_number, 9);
    assert_false(parts.starts_transaction);
    check_document(parts.fields, "{'autocommit': false}");
}

static void one_whose_first_command_was_not_sent_starts_anew(void **state) {
    (void)state;
    mouv__transaction_move(&transaction, MOUV__TRANSACTION_STARTING);
    parts_are(&insert_row, "{'insert': 'c'}");
    mouv__transaction_apply_to(&transaction, &parts, 9, false);
    mouv__transaction_end_operation(&transaction, &parts, true);
    assert_int_equal(transaction.state, MOUV__TRANSACTION_OPEN);
    mouv__transaction_end_operation(&transaction, &parts, false);
    assert_int_equal(transaction.state, MOUV__TRANSACTION_STARTING);
    mouv__transaction_end_operation(&transaction, &parts, false); /* ended by then: nothing */
    assert_int_equal(transaction.state, MOUV__TRANSACTION_STARTING);
    parts_are(&insert_row, "{'insert': 'c'}");
    assert_true(mouv__transaction_apply_to(&transaction, &parts, 10, false));
    assert_int_equal(parts.txn_number, 10);

    parts.starts_transaction = false; /* not the first */
    mouv__transaction_end_operation(&transaction, &parts, false);
    assert_int_equal(transaction.state, MOUV__TRANSACTION_OPEN);
}

typedef struct end_row {
    bool abort, second, again; /* `second`: the user's call; `again`: this one's attempt */
    bool timeout;
    const char *concern, *token; /* of the transaction; or NULL */
    const char *fields;
} end_row_t;

static void what_goes_with_its_end(void **state) {
    static const end_row_t rows[] = {
        {false, false, false, false, NULL, NULL, "{'autocommit': false}"},
        {false, false, false, false, "{'w': 2, 'wtimeout': 7}", NULL,
         "{'writeConcern': {'w': 2, 'wtimeout': 7}, 'autocommit': false}"},
        {false, false, false, true, "{'w': 2, 'wtimeout': 7}", NULL,
         "{'writeConcern': {'w': 2}, 'autocommit': false}"},
        {false, false, false, true, "{'wtimeout': 7}", NULL, "{'autocommit': false}"},
        {false, false, false, false, NULL, "{'recoveryToken': {'a': 1}}",
         "{'recoveryToken': {'a': 1}, 'autocommit': false}"},
        {false, true, false, false, NULL, NULL,
         "{'writeConcern': {'w': 'majority', 'wtimeout': 10000}, 'autocommit': false}"},
        {false, false, true, false, NULL, NULL,
         "{'writeConcern': {'w': 'majority', 'wtimeout': 10000}, 'autocommit': false}"},
        {false, false, true, false, "{'w': 2, 'j': true}", NULL,
         "{'writeConcern': {'j': true, 'w': 'majority', 'wtimeout': 10000}, 'autocommit': false}"},
        {false, true, false, false, "{'w': 2, 'wtimeout': 7}", NULL,
         "{'writeConcern': {'wtimeout': 7, 'w': 'majority'}, 'autocommit': false}"},
        {false, true, false, true, "{'w': 2, 'wtimeout': 7}", NULL,
         "{'writeConcern': {'w': 'majority'}, 'autocommit': false}"},
        {true, false, true, false, "{'w': 2}", "{'recoveryToken': {'a': 1}}",
         "{'writeConcern': {'w': 2}, 'recoveryToken': {'a': 1}, 'autocommit': false}"},
        {true, true, false, false, NULL, NULL, "{'autocommit': false}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set_up(state);
        open_it();
        transaction.again = rows[i].second;
        transaction.opts.write_concern = rows[i].concern ? from_json(rows[i].concern) : NULL;
        transaction.recovery_token = rows[i].token ? from_json(rows[i].token) : NULL;
        parts_are(rows[i].abort ? &mouv__transaction_abort_row : &mouv__transaction_commit_row,
                  "{'x': 1}");
        parts.has_timeout = rows[i].timeout;
        parts.txn_number = 5;
        assert_false(mouv__transaction_apply_to(&transaction, &parts, 9, rows[i].again));
        assert_int_equal(parts.txn_number, 5);
        check_document(parts.fields, rows[i].fields);
        tear_down(state);
    }
}

/* An abort that goes on behind its caller, who has begun another one. */
static void an_end_keeps_its_own_number(void **state) {
    (void)state;
    open_it();
    parts_are(&mouv__transaction_abort_row, "{'abortTransaction': 1}");
    parts.txn_number = 5;
    transaction.number = 6;
    mouv__transaction_apply_to(&transaction, &parts, 9, false);
    assert_int_equal(parts.txn_number, 5);
}

static void the_end_of_one_that_never_began_starts_nothing(void **state) {
    (void)state;
    mouv__transaction_move(&transaction, MOUV__TRANSACTION_STARTING);
    parts_are(&mouv__transaction_abort_row, "{'abortTransaction': 1}");
    assert_false(mouv__transaction_apply_to(&transaction, &parts, 9, false));
    check_document(parts.fields, "{'autocommit': false}");
}

static void an_attempt_s_fields_replace_those_of_the_one_before(void **state) {
    (void)state;
    open_it();
    parts_are(&mouv__transaction_commit_row, "{'commitTransaction': 1}");
    mouv__transaction_apply_to(&transaction, &parts, 9, false);
    mouv__transaction_apply_to(&transaction, &parts, 9, true);
    check_document(parts.fields, "{'writeConcern': {'w': 'majority', 'wtimeout': 10000}, "
                                 "'autocommit': false}");
}

/* --- what answers tell ------------------------------------------------------------------------ */

static void one_that_was_stopped_is_gone_on_the_server(void **state) {
    static const struct {
        const char *reply;
        bool stopped, in_transaction;
        int64_t number;
        bool gone;
    } cases[] = {
        {"{'ok': 0, 'code': 50}", false, true, 5, true},
        {"{'ok': 0, 'code': 11601}", true, true, 5, true},
        {"{'ok': 0, 'code': 11601}", false, true, 5, false},
        {"{'ok': 0, 'code': 2}", true, true, 5, false},
        {"{'ok': 0, 'code': 50}", false, false, 5, false},
        {"{'ok': 0, 'code': 50}", false, true, 4, false}, /* of the one before */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_up(state);
        open_it();
        parts_are(&find_row, "{'find': 'c'}");
        parts.in_transaction = cases[i].in_transaction;
        parts.txn_number = cases[i].number;
        bson_t *reply = from_json(cases[i].reply);
        mouv__transaction_observe_reply(&transaction, &parts, reply, cases[i].stopped);
        bson_destroy(reply);
        if (mouv__transaction_gone(&transaction) != cases[i].gone) fail_msg("row %zu", i);
        assert_int_equal(transaction.state,
                         cases[i].gone ? MOUV__TRANSACTION_ABORTED : MOUV__TRANSACTION_OPEN);
        assert_false(mouv__transaction_gone(&transaction)); /* told once */
        tear_down(state);
    }
}

/* --- labels ----------------------------------------------------------------------------------- */

enum { OUTSIDE, INSIDE, COMMIT, ABORT };

static void labels(void **state) {
    static const struct {
        int where;
        mouv_error_t error;
        const char *label;
    } cases[] = {
        {OUTSIDE, {.code = MOUV_ENETWORK}, ""},
        {INSIDE, {.code = MOUV_ENETWORK}, "TransientTransactionError"},
        {INSIDE, {.code = MOUV_ESELECTION}, "TransientTransactionError"},
        {INSIDE, {.code = MOUV_ESERVER, .server_code = 91}, ""}, /* the server's to give */
        {INSIDE, {.code = MOUV_ETIMEDOUT}, ""},
        {INSIDE, {.code = 0}, ""},
        {ABORT, {.code = MOUV_ENETWORK}, ""},
        {COMMIT, {.code = 0}, ""},
        {COMMIT, {.code = MOUV_ENETWORK}, "UnknownTransactionCommitResult"},
        {COMMIT, {.code = MOUV_EUNKNOWN}, "UnknownTransactionCommitResult"},
        {COMMIT, {.code = MOUV_ESELECTION}, "UnknownTransactionCommitResult"},
        {COMMIT, {.code = MOUV_ESERVER, .server_code = 50}, "UnknownTransactionCommitResult"},
        {COMMIT, {.code = MOUV_ESERVER, .server_code = 91}, "UnknownTransactionCommitResult"},
        {COMMIT, {.code = MOUV_ESERVER, .server_code = 251}, ""},
        {COMMIT,
         {.code = MOUV_ESERVER, .server_code = 251, .labels = "RetryableWriteError"},
         "RetryableWriteError UnknownTransactionCommitResult"},
        {COMMIT, {.code = MOUV_EINVAL}, ""},
        {COMMIT,
         {.code = MOUV_ESERVER, .domain = MONGOC_ERROR_WRITE_CONCERN, .server_code = 64},
         "UnknownTransactionCommitResult"},
        {COMMIT,
         {.code = MOUV_ESERVER, .domain = MONGOC_ERROR_WRITE_CONCERN, .server_code = 100},
         ""},
        {COMMIT,
         {.code = MOUV_ESERVER, .domain = MONGOC_ERROR_WRITE_CONCERN, .server_code = 79},
         ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mouv_error_t error = cases[i].error;
        parts_are(cases[i].where == COMMIT  ? &mouv__transaction_commit_row
                  : cases[i].where == ABORT ? &mouv__transaction_abort_row
                                            : &insert_row,
                  "{'x': 1}");
        parts.in_transaction = cases[i].where != OUTSIDE;
        mouv__transaction_label(&parts, &error);
        if (strcmp(error.labels, cases[i].label) != 0) fail_msg("row %zu: %s", i, error.labels);
    }
}

static void a_standalone_s_refusal_is_explained(void **state) {
    (void)state;
    static const char numbers[] = "Transaction numbers are only allowed on a replica set member";
    mouv_error_t error = {.code = MOUV_ESERVER, .server_code = 20};
    parts_are(&insert_row, "{'insert': 'c'}");
    parts.in_transaction = true;
    strcpy(error.message, numbers);
    mouv__transaction_label(&parts, &error);
    assert_string_equal(error.message,
                        "transactions need a replica set or a sharded cluster: "
                        "Transaction numbers are only allowed on a replica set member");
    error.server_code = 21;
    strcpy(error.message, numbers);
    mouv__transaction_label(&parts, &error);
    assert_string_equal(error.message, numbers);
    error.server_code = 20;
    strcpy(error.message, "another");
    mouv__transaction_label(&parts, &error);
    assert_string_equal(error.message, "another");
}

/* --- options ---------------------------------------------------------------------------------- */

static void options_are_checked_and_copied(void **state) {
    (void)state;
    bson_t *concern = from_json("{'level': 'local'}"), *write = from_json("{'w': 1}");
    bson_t *broken = bson_new();
    BSON_APPEND_UTF8(broken, "level", "local");
    static const struct {
        mouv_transaction_opts_t given;
        int code, primary;
    } cases[] = {
        {{.read_preference = NULL}, 0, 0},
        {{.read_preference = "primary"}, 0, 1},
        {{.read_preference = "primaryPreferred"}, 0, -1},
        {{.read_preference = "secondary"}, 0, -1},
        {{.read_preference = "secondaryPreferred"}, 0, -1},
        {{.read_preference = "nearest"}, 0, -1},
        {{.read_preference = "first"}, MOUV_EINVAL, 0},
        {{.max_commit_time_ms = INT32_MAX}, 0, 0},
        {{.max_commit_time_ms = (int64_t)INT32_MAX + 1}, MOUV_EINVAL, 0},
        {{.max_commit_time_ms = -1}, MOUV_EINVAL, 0},
        {{.retry_limit_ms = -1}, MOUV_EINVAL, 0},
    };
    mouv__transaction_opts_t to;
    mouv_error_t error;
    assert_int_equal(mouv__transaction_opts_copy(&to, NULL, &error), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mouv_transaction_opts_t given = cases[i].given;
        given.read_concern = concern;
        given.write_concern = write;
        int rc = mouv__transaction_opts_copy(&to, &given, &error);
        if (rc != cases[i].code) fail_msg("row %zu: %d", i, rc);
        if (to.primary != cases[i].primary) fail_msg("row %zu: primary %d", i, to.primary);
        if (rc < 0) {
            assert_null(to.read_concern);
            continue;
        }
        assert_true(to.read_concern != concern && bson_equal(to.read_concern, concern));
        assert_true(to.write_concern != write && bson_equal(to.write_concern, write));
        assert_int_equal(to.max_commit_time_ms, given.max_commit_time_ms);
        mouv__transaction_opts_clear(&to);
        assert_null(to.read_concern);
        assert_int_equal(to.max_commit_time_ms, 0);
    }
    ((uint8_t *)bson_get_data(broken))[4] = 0x7e; /* no type */
    mouv_transaction_opts_t given = {.read_concern = concern, .write_concern = broken};
    assert_int_equal(mouv__transaction_opts_copy(&to, &given, &error), MOUV_EINVAL);
    assert_null(to.read_concern);
    assert_non_null(strstr(error.message, "write_concern"));
    given = (mouv_transaction_opts_t){.read_concern = broken};
    assert_int_equal(mouv__transaction_opts_copy(&to, &given, &error), MOUV_EINVAL);
    assert_non_null(strstr(error.message, "read_concern"));
    bson_destroy(concern);
    bson_destroy(write);
    bson_destroy(broken);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(it_is_open_from_its_start_to_its_end),
        CASE(an_operation_after_its_end_is_outside_of_transactions),
        CASE(its_end_leaves_the_state_to_its_maker),
        CASE(an_operation_in_it_goes_once_and_to_the_primary),
        CASE(what_cannot_be_in_a_transaction_is_refused),
        CASE(the_first_command_starts_it),
        CASE(one_whose_first_command_was_not_sent_starts_anew),
        cmocka_unit_test(what_goes_with_its_end),
        CASE(an_end_keeps_its_own_number),
        CASE(the_end_of_one_that_never_began_starts_nothing),
        CASE(an_attempt_s_fields_replace_those_of_the_one_before),
        cmocka_unit_test(one_that_was_stopped_is_gone_on_the_server),
        CASE(labels),
        CASE(a_standalone_s_refusal_is_explained),
        CASE(options_are_checked_and_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
