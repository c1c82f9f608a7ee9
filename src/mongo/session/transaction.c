/*
 * Transactions.
 */
#include "mongo/session/transaction.h"

#include <assert.h>
#include <string.h>

#include "async/loop/error.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/check.h"
#include "mongo/base/error.h"

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

void mouv__transaction_move(mouv__transaction_t *transaction, mouv__transaction_state_t state) {
    (void)may_follow; /* only assertions read it */
    assert(may_follow[transaction->state] & (1u << state));
    transaction->state = (uint8_t)state;
}

bool mouv__transaction_is_open(const mouv__transaction_t *transaction) {
    return transaction->state == MOUV__TRANSACTION_STARTING ||
           transaction->state == MOUV__TRANSACTION_OPEN;
}

/* --- options ---------------------------------------------------------------------------------- */

static int transaction_copy_concern(bson_t **to, const bson_t *from, const char *argument,
                                    mouv_error_t *error) {
    if (!from) return 0;
    int rc = mouv__check_document(from, argument, MOUV__VALIDATE_DEFAULT, error);
    if (rc == 0) rc = mouv__check_write_concern(from, argument, error);
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

static bool transaction_is_end(const mouv__parts_t *parts) {
    return parts->row == &mouv__transaction_commit_row ||
           parts->row == &mouv__transaction_abort_row;
}

static int transaction_check_command(const mouv__transaction_t *transaction,
                                     const mouv__parts_t *parts, mouv_error_t *error) {
    bool writes = (parts->row->flags & MOUV__OP_WRITE) != 0;
    bool primary = parts->read_prefs
                       ? mongoc_read_prefs_get_mode(parts->read_prefs) == MONGOC_READ_PRIMARY
                       : writes || transaction->opts.primary > 0;
    if (bson_has_field(parts->command, "readConcern"))
        return mouv_error_set(error, MOUV_EINVAL,
                              "option 'readConcern': Cannot set read concern after starting a "
                              "transaction");
    if (bson_has_field(parts->command, "writeConcern"))
        return mouv_error_set(error, MOUV_EINVAL,
                              "option 'writeConcern': Cannot set write concern after starting a "
                              "transaction");
    if (!primary)
        return mouv_error_set(error, MOUV_EINVAL,
                              "read preference in a transaction must be primary");
    return 0;
}

int mouv__transaction_begin_operation(mouv__transaction_t *transaction, mouv__parts_t *parts,
                                      mouv_error_t *error) {
    if (transaction_is_end(parts)) {
        parts->in_transaction = true;
        return 0;
    }
    if (transaction->state >= MOUV__TRANSACTION_COMMITTED)
        mouv__transaction_move(transaction, MOUV__TRANSACTION_NONE);
    if (!mouv__transaction_is_open(transaction)) return 0;
    int rc = transaction_check_command(transaction, parts, error);
    if (rc < 0) return rc;
    if (!parts->read_prefs) parts->read_prefs = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
    parts->in_transaction = true;
    parts->retryable = false;
    parts->multi = false; /* nothing is stored before the commit */
    return 0;
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

static void transaction_append_end(const mouv__transaction_t *transaction, bson_t *fields,
                                   const mouv__parts_t *parts, bool again) {
    const bson_t *concern = transaction->opts.write_concern;
    if (parts->row == &mouv__transaction_commit_row && (transaction->again || again))
        transaction_append_majority(fields, concern, parts->has_timeout);
    else
        transaction_append_concern(fields, concern, parts->has_timeout);
    if (transaction->recovery_token) bson_concat(fields, transaction->recovery_token);
}

bool mouv__transaction_apply_to(mouv__transaction_t *transaction, mouv__parts_t *parts,
                                int64_t first_number, bool again) {
    bson_t *fields = bson_new();
    bool starts = !transaction_is_end(parts) && transaction->state == MOUV__TRANSACTION_STARTING;
    if (transaction_is_end(parts)) transaction_append_end(transaction, fields, parts, again);
    if (starts) {
        BSON_APPEND_BOOL(fields, "startTransaction", true);
        transaction->number = first_number;
        mouv__transaction_move(transaction, MOUV__TRANSACTION_OPEN);
        parts->starts_transaction = true;
    }
    /* an end has its own: the session may have gone on meanwhile */
    if (!transaction_is_end(parts)) parts->txn_number = transaction->number;
    BSON_APPEND_BOOL(fields, "autocommit", false);
    bson_destroy(parts->fields);
    parts->fields = fields;
    return starts;
}

void mouv__transaction_end_operation(mouv__transaction_t *transaction, const mouv__parts_t *parts,
                                     bool sent) {
    if (parts->starts_transaction && !sent && transaction->state == MOUV__TRANSACTION_OPEN)
        mouv__transaction_move(transaction, MOUV__TRANSACTION_STARTING);
}

void mouv__transaction_observe_reply(mouv__transaction_t *transaction, const mouv__parts_t *parts,
                                     const bson_t *reply, bool stopped) {
    int64_t code = mouv__bson_view_number(reply, "code");
    bool ended = code == MOUV__CODE_MAX_TIME_EXPIRED || (stopped && code == MOUV__CODE_INTERRUPTED);
    if (parts->in_transaction && ended && parts->txn_number == transaction->number)
        transaction->gone = true;
}

/* --- labels ----------------------------------------------------------------------------------- */

/* The server has the commit, or may have it, but it is not certain to last. */
static bool transaction_is_unknown(const mouv_error_t *error) {
    if (error->code == MOUV_EUNKNOWN || error->code == MOUV_ENETWORK ||
        error->code == MOUV_ESELECTION)
        return true;
    if (error->code != MOUV_ESERVER) return false;
    if (error->domain == MONGOC_ERROR_WRITE_CONCERN)
        return !mouv__error_code_refuses_concern(error->server_code);
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
    mouv__error_reword(error, "transactions need a replica set or a sharded cluster: %s",
                       error->message);
}

void mouv__transaction_label(const mouv__parts_t *parts, mouv_error_t *error) {
    if (!parts->in_transaction || error->code >= 0 || parts->row == &mouv__transaction_abort_row)
        return;
    transaction_explain_refusal(error);
    if (parts->row == &mouv__transaction_commit_row) {
        if (transaction_is_unknown(error))
            mouv__error_add_label(error, "UnknownTransactionCommitResult");
    } else if (error->code == MOUV_ENETWORK || error->code == MOUV_ESELECTION) {
        mouv__error_add_label(error, "TransientTransactionError");
    }
}

void mouv__transaction_name_failure(mouv__transaction_t *transaction, const mouv__parts_t *parts,
                                    mouv_error_t *error) {
    bool commit = parts->row == &mouv__transaction_commit_row;
    if (!parts->in_transaction || error->code >= 0) return;
    if (!transaction_is_end(parts) && !transaction->failure)
        transaction->failure = bson_strdup_printf("%s: %s", parts->row->name, error->message);
    if (commit && transaction->failure && error->server_code == MOUV__CODE_NO_SUCH_TRANSACTION)
        mouv__error_reword(error, "%.200s; in it had failed %s", error->message,
                           transaction->failure);
}

void mouv__transaction_forget(mouv__transaction_t *transaction) {
    bson_free(transaction->failure);
    bson_destroy(transaction->recovery_token);
    transaction->failure = NULL;
    transaction->recovery_token = NULL;
}

bool mouv__transaction_leaves_place(const mouv__parts_t *parts, const mouv_error_t *error) {
    if (!parts->in_transaction) return false;
    if (parts->row == &mouv__transaction_abort_row) return true;
    return error->code < 0 && (mouv_error_has_label(error, "TransientTransactionError") ||
                               mouv_error_has_label(error, "UnknownTransactionCommitResult"));
}

bool mouv__transaction_gone(mouv__transaction_t *transaction) {
    if (!mouv__transaction_is_open(transaction) || !transaction->gone) return false;
    mouv__transaction_move(transaction, MOUV__TRANSACTION_ABORTED);
    return true;
}
