/*
 * Transactions: their states, and what they add to commands and to errors. mouv's own fields on raw
 * commands; libmongoc knows nothing of them. Who starts and ends them is api/transaction.c.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "mongo/api/client.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/check.h"
#include "mongo/base/error.h"
#include "mongo/operation/attempt.h"
#include "mongo/operation/state.h"
#include "mongo/session/session.h"

/* What the specification makes of a commit that is sent again. */
#define COMMIT_AGAIN_WTIMEOUT_MS 10000

/* --- states ----------------------------------------------------------------------------------- */

#define BIT(state) (1u << MOUV__TRANSACTION_##state)

static const uint8_t may_follow[] = {
    [MOUV__TRANSACTION_NONE] = BIT(STARTING),
    [MOUV__TRANSACTION_STARTING] = BIT(OPEN) | BIT(COMMITTED) | BIT(ABORTED),
    /* STARTING: the first command was never sent */
    [MOUV__TRANSACTION_OPEN] = BIT(STARTING) | BIT(COMMITTED) | BIT(ABORTED),
    /* NONE: an operation outside of transactions */
    [MOUV__TRANSACTION_COMMITTED] = BIT(STARTING) | BIT(NONE),
    [MOUV__TRANSACTION_ABORTED] = BIT(STARTING) | BIT(NONE),
};

void mouv__transaction_move(mouv_session_t *session, mouv__transaction_state_t state) {
    (void)may_follow; /* only assertions read it */
    assert(may_follow[session->transaction.state] & (1u << state));
    session->transaction.state = (uint8_t)state;
}

bool mouv__transaction_is_open(const mouv_session_t *session) {
    return session->transaction.state == MOUV__TRANSACTION_STARTING ||
           session->transaction.state == MOUV__TRANSACTION_OPEN;
}

/* --- options ---------------------------------------------------------------------------------- */

static int transaction_copy_concern(bson_t **to, const bson_t *from, const char *argument,
                                    mouv_error_t *error) {
    if (!from) return 0;
    int rc = mouv__check_document(from, argument, MOUV__VALIDATE_STRUCTURE, error);
    if (rc == 0) *to = bson_copy(from);
    return rc;
}

static int transaction_copy_preference(int8_t *primary, const char *mode, mouv_error_t *error) {
    static const char *const others[] = {"primaryPreferred", "secondary", "secondaryPreferred",
                                         "nearest"};
    if (!mode) return 0;
    *primary = strcmp(mode, "primary") == 0 ? 1 : 0;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(mode, others[i]) == 0) *primary = -1;
    if (*primary != 0) return 0;
    return mouv_error_set(error, MOUV_EINVAL, "'read_preference': '%.40s' is no mode", mode);
}

int mouv__transaction_opts_copy(mouv__transaction_opts_t *to, const mouv_transaction_opts_t *from,
                                mouv_error_t *error) {
    *to = (mouv__transaction_opts_t){0};
    if (!from) return 0;
    int rc = transaction_copy_preference(&to->primary, from->read_preference, error);
    if (rc == 0 && (from->max_commit_time_ms < 0 || from->max_commit_time_ms > INT32_MAX))
        rc = mouv_error_set(error, MOUV_EINVAL, "'max_commit_time_ms' is out of range");
    if (rc == 0 && from->retry_limit_ms < 0)
        rc = mouv_error_set(error, MOUV_EINVAL, "'retry_limit_ms' is out of range");
    if (rc == 0)
        rc = transaction_copy_concern(&to->read_concern, from->read_concern, "read_concern", error);
    if (rc == 0)
        rc = transaction_copy_concern(&to->write_concern, from->write_concern, "write_concern",
                                      error);
    to->max_commit_time_ms = from->max_commit_time_ms;
    if (rc < 0) mouv__transaction_opts_clear(to);
    return rc;
}

void mouv__transaction_opts_clear(mouv__transaction_opts_t *opts) {
    bson_destroy(opts->read_concern);
    bson_destroy(opts->write_concern);
    *opts = (mouv__transaction_opts_t){0};
}

/* --- operations in it ------------------------------------------------------------------------- */

const mouv__operation_row_t mouv__transaction_commit_row = {
    "commitTransaction", MOUV__OP_WRITE | MOUV__OP_RETRYABLE | MOUV__OP_MAX_TIME};
const mouv__operation_row_t mouv__transaction_abort_row = {
    "abortTransaction", MOUV__OP_WRITE | MOUV__OP_RETRYABLE | MOUV__OP_CLEANUP};

static bool transaction_is_end(const mouv__operation_t *op) {
    return op->row == &mouv__transaction_commit_row || op->row == &mouv__transaction_abort_row;
}

static int transaction_check_command(const mouv__operation_t *op, mouv_error_t *error) {
    bool writes = mouv__is_write(op);
    bool primary = op->read_prefs
                       ? mongoc_read_prefs_get_mode(op->read_prefs) == MONGOC_READ_PRIMARY
                       : writes || op->user_session->transaction.opts.primary > 0;
    if (bson_has_field(op->command, "readConcern"))
        return mouv_error_set(error, MOUV_EINVAL,
                              "option 'readConcern': Cannot set read concern after starting a "
                              "transaction");
    if (bson_has_field(op->command, "writeConcern"))
        return mouv_error_set(error, MOUV_EINVAL,
                              "option 'writeConcern': Cannot set write concern after starting a "
                              "transaction");
    if (!primary)
        return mouv_error_set(error, MOUV_EINVAL,
                              "read preference in a transaction must be primary");
    return 0;
}

int mouv__transaction_begin_operation(mouv__operation_t *op, mouv_error_t *error) {
    mouv_session_t *session = op->user_session;
    if (transaction_is_end(op)) {
        op->in_transaction = true;
        return 0;
    }
    if (session->transaction.state >= MOUV__TRANSACTION_COMMITTED)
        mouv__transaction_move(session, MOUV__TRANSACTION_NONE);
    if (!mouv__transaction_is_open(session)) return 0;
    int rc = transaction_check_command(op, error);
    if (rc < 0) return rc;
    if (!op->read_prefs) op->read_prefs = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
    op->in_transaction = true;
    op->retryable = false;
    op->multi = false; /* nothing is stored before the commit */
    return 0;
}

static void transaction_append_start(bson_t *fields, mouv__operation_t *op) {
    const mouv_session_t *session = op->user_session;
    const bson_t *given = session->transaction.opts.read_concern;
    BSON_APPEND_BOOL(fields, "startTransaction", true);
    mouv__session_set_read_concern(op, mouv__session_read_concern(session, given), false);
}

/* {w: "majority", wtimeout: 10000, <what was given besides w>}; a timeoutMS replaces wtimeout. */
static void transaction_append_majority(bson_t *fields, const bson_t *given, bool untimed) {
    bson_t concern;
    bson_append_document_begin(fields, "writeConcern", -1, &concern);
    if (given)
        bson_copy_to_excluding_noinit(given, &concern, "w", untimed ? "wtimeout" : "w", NULL);
    BSON_APPEND_UTF8(&concern, "w", "majority");
    if (!untimed && (!given || !bson_has_field(given, "wtimeout")))
        BSON_APPEND_INT32(&concern, "wtimeout", COMMIT_AGAIN_WTIMEOUT_MS);
    bson_append_document_end(fields, &concern);
}

static void transaction_append_concern(bson_t *fields, const bson_t *given, bool untimed) {
    bson_t *concern = bson_new();
    if (given && untimed)
        bson_copy_to_excluding_noinit(given, concern, "wtimeout", NULL);
    else if (given)
        bson_concat(concern, given);
    if (!bson_empty(concern)) BSON_APPEND_DOCUMENT(fields, "writeConcern", concern);
    bson_destroy(concern);
}

static void transaction_append_end(bson_t *fields, const mouv__operation_t *op) {
    const mouv__transaction_t *transaction = &op->user_session->transaction;
    const bson_t *concern = transaction->opts.write_concern;
    if (op->row == &mouv__transaction_commit_row && (transaction->again || op->retries > 0))
        transaction_append_majority(fields, concern, op->has_timeout);
    else
        transaction_append_concern(fields, concern, op->has_timeout);
    if (transaction->recovery_token) bson_concat(fields, transaction->recovery_token);
}

void mouv__transaction_apply_to(mouv__operation_t *op) {
    mouv_session_t *session = op->user_session;
    bson_t *fields = bson_new();
    if (transaction_is_end(op)) {
        transaction_append_end(fields, op);
    } else if (session->transaction.state == MOUV__TRANSACTION_STARTING) {
        /* not earlier: others may have used this server session until now, with numbers of theirs
         */
        session->transaction.number = ++session->client->txn_number;
        transaction_append_start(fields, op);
        mouv__transaction_move(session, MOUV__TRANSACTION_OPEN);
        op->starts_transaction = true;
    }
    op->attempt.txn_number = session->transaction.number;
    BSON_APPEND_BOOL(fields, "autocommit", false);
    bson_destroy(op->attempt.fields);
    op->attempt.fields = fields;
}

void mouv__transaction_end_operation(mouv__operation_t *op) {
    mouv_session_t *session = op->user_session;
    if (op->starts_transaction && !mouv__attempt_is_sent(op) &&
        session->transaction.state == MOUV__TRANSACTION_OPEN)
        mouv__transaction_move(session, MOUV__TRANSACTION_STARTING);
}

/* --- labels ----------------------------------------------------------------------------------- */

/* The server has the commit, or may have it, but it is not certain to last. */
static bool transaction_is_unknown(const mouv_error_t *error) {
    enum { CANNOT_SATISFY_WRITE_CONCERN = 100, UNKNOWN_WRITE_CONCERN = 79 };
    if (error->code == MOUV_EUNKNOWN || error->code == MOUV_ENETWORK ||
        error->code == MOUV_ESELECTION)
        return true;
    if (error->code != MOUV_ESERVER) return false;
    if (error->domain == MONGOC_ERROR_WRITE_CONCERN)
        return error->server_code != CANNOT_SATISFY_WRITE_CONCERN &&
               error->server_code != UNKNOWN_WRITE_CONCERN;
    return mouv__error_code_is_retryable(error->server_code) ||
           error->server_code == MOUV__CODE_MAX_TIME_EXPIRED ||
           mouv_error_has_label(error, "RetryableWriteError");
}

/* A standalone speaks of transaction numbers, which its user has never given. */
static void transaction_explain_refusal(mouv_error_t *error) {
    enum { ILLEGAL_OPERATION = 20 };
    static const char numbers[] = "Transaction numbers are only allowed";
    if (error->server_code != ILLEGAL_OPERATION ||
        strncmp(error->message, numbers, sizeof(numbers) - 1) != 0)
        return;
    char text[sizeof(error->message)];
    memcpy(text, error->message, sizeof(text));
    snprintf(error->message, sizeof(error->message),
             "transactions need a replica set or a sharded cluster: %.400s", text);
}

void mouv__transaction_label(const mouv__operation_t *op, mouv_error_t *error) {
    if (!op->in_transaction || error->code >= 0 || op->row == &mouv__transaction_abort_row) return;
    transaction_explain_refusal(error);
    if (op->row == &mouv__transaction_commit_row) {
        if (transaction_is_unknown(error))
            mouv__error_add_label(error, "UnknownTransactionCommitResult");
    } else if (error->code == MOUV_ENETWORK || error->code == MOUV_ESELECTION) {
        mouv__error_add_label(error, "TransientTransactionError");
    }
}

bool mouv__transaction_gone(mouv_session_t *session) {
    if (!mouv__transaction_is_open(session) || !session->transaction.gone) return false;
    mouv__transaction_move(session, MOUV__TRANSACTION_ABORTED);
    return true;
}
