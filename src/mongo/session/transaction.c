/*
 * Transactions: their states, what they add to commands and to errors, commit and abort. mouv's own
 * fields on raw commands; libmongoc knows nothing of them.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/base/check.h"
#include "mongo/base/error.h"
#include "mongo/base/opts.h"
#include "mongo/operation/attempt.h"
#include "mongo/operation/state.h"
#include "mongo/session/session.h"

/* How long anyone waits for an abort. */
#define ABORT_MS 10000

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

static void transaction_move(mouv_session_t *session, mouv__transaction_state_t state) {
    (void)may_follow; /* only assertions read it */
    assert(may_follow[session->transaction.state] & (1u << state));
    session->transaction.state = (uint8_t)state;
}

static bool transaction_is_open(const mouv_session_t *session) {
    return session->transaction.state == MOUV__TRANSACTION_STARTING ||
           session->transaction.state == MOUV__TRANSACTION_OPEN;
}

bool mouv_session_in_transaction(const mouv_session_t *session) {
    return session && transaction_is_open(session);
}

mouv_transaction_state_t mouv_session_transaction_state(const mouv_session_t *session) {
    static const mouv_transaction_state_t states[] = {
        [MOUV__TRANSACTION_NONE] = MOUV_TRANSACTION_NONE,
        [MOUV__TRANSACTION_STARTING] = MOUV_TRANSACTION_STARTING,
        [MOUV__TRANSACTION_OPEN] = MOUV_TRANSACTION_IN_PROGRESS,
        [MOUV__TRANSACTION_COMMITTED] = MOUV_TRANSACTION_COMMITTED,
        [MOUV__TRANSACTION_ABORTED] = MOUV_TRANSACTION_ABORTED,
    };
    return session ? states[session->transaction.state] : MOUV_TRANSACTION_NONE;
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

/* Of what has not been given: the session's, else the client's {<name>: {...}}. */
static void transaction_inherit(bson_t **concern, const bson_t *session, const bson_t *client,
                                const char *name) {
    bson_t view;
    if (*concern) return;
    if (session)
        *concern = bson_copy(session);
    else if (mouv__view_inside(client, name, &view))
        *concern = bson_copy(&view);
}

static void transaction_inherit_all(mouv__transaction_opts_t *opts, const mouv_session_t *session) {
    const mouv__transaction_opts_t *defaults = &session->defaults;
    const mouv__driver_pool_t *driver_pool = session->client->driver_pool;
    transaction_inherit(&opts->read_concern, defaults->read_concern, driver_pool->read_concern,
                        "readConcern");
    transaction_inherit(&opts->write_concern, defaults->write_concern, driver_pool->write_concern,
                        "writeConcern");
    if (opts->primary == 0) opts->primary = defaults->primary;
    if (opts->primary == 0) opts->primary = driver_pool->read_prefs ? -1 : 1;
    if (opts->max_commit_time_ms == 0) opts->max_commit_time_ms = defaults->max_commit_time_ms;
}

bool mouv__is_unacknowledged(const bson_t *write_concern) {
    bson_iter_t w;
    return write_concern && bson_iter_init_find(&w, write_concern, "w") &&
           BSON_ITER_HOLDS_NUMBER(&w) && bson_iter_as_int64(&w) == 0;
}

/* --- start ------------------------------------------------------------------------------------ */

/* Whether the session may now be asked to start, commit or abort. */
static int transaction_check(const mouv_session_t *session, mouv_error_t *error) {
    int rc = mouv__session_check(session, error);
    if (rc == 0 && session->current)
        rc = mouv_error_set(error, MOUV_ESTATE, "another task is using the session");
    return rc;
}

static int transaction_check_start(const mouv_session_t *session, mouv_error_t *error) {
    int rc = transaction_check(session, error);
    if (rc < 0) return rc;
    if (session->snapshot)
        return mouv_error_set(error, MOUV_EINVAL,
                              "Transactions are not supported in snapshot sessions");
    if (transaction_is_open(session))
        return mouv_error_set(error, MOUV_ESTATE, "transaction already in progress");
    return 0;
}

static int transaction_start(mouv_session_t *session, const mouv_transaction_opts_t *opts,
                             mouv_error_t *error) {
    mouv__transaction_t *transaction = &session->transaction;
    mouv__transaction_opts_t own;
    int rc = mouv__transaction_opts_copy(&own, opts, error);
    if (rc < 0) return rc;
    transaction_inherit_all(&own, session);
    if (mouv__is_unacknowledged(own.write_concern)) {
        mouv__transaction_opts_clear(&own);
        return mouv_error_set(error, MOUV_EINVAL,
                              "transactions do not support unacknowledged write concern");
    }
    mouv__transaction_opts_clear(&transaction->opts);
    bson_destroy(transaction->recovery_token);
    transaction->recovery_token = NULL;
    transaction->opts = own;
    transaction->empty = transaction->again = transaction->gone = false;
    transaction->number = 0; /* its first command gets one */
    transaction_move(session, MOUV__TRANSACTION_STARTING);
    return 0;
}

/* It ends before its first command: the specification numbers it all the same. */
static void transaction_end_empty(mouv_session_t *session, mouv__transaction_state_t state) {
    session->client->txn_number++;
    transaction_move(session, state);
}

int mouv_session_start_transaction(mouv_session_t *session, const mouv_transaction_opts_t *opts,
                                   mouv_error_t *error) {
    mouv_error_t why = {0};
    int rc = transaction_check_start(session, &why);
    if (rc == 0) rc = transaction_start(session, opts, &why);
    return rc < 0 ? mouv__raise(error, rc, "mouv_session_start_transaction: %s", why.message) : 0;
}

/* --- operations in it ------------------------------------------------------------------------- */

static const mouv__operation_row_t commit_row = {
    "commitTransaction", MOUV__OP_WRITE | MOUV__OP_RETRYABLE | MOUV__OP_MAX_TIME};
static const mouv__operation_row_t abort_row = {
    "abortTransaction", MOUV__OP_WRITE | MOUV__OP_RETRYABLE | MOUV__OP_CLEANUP};

static bool transaction_is_end(const mouv__operation_t *op) {
    return op->row == &commit_row || op->row == &abort_row;
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
        transaction_move(session, MOUV__TRANSACTION_NONE);
    if (!transaction_is_open(session)) return 0;
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
    if (op->row == &commit_row && (transaction->again || op->retries > 0))
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
        transaction_move(session, MOUV__TRANSACTION_OPEN);
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
        transaction_move(session, MOUV__TRANSACTION_STARTING);
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
    return mouv__code_is_retryable(error->server_code) ||
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
    if (!op->in_transaction || error->code >= 0 || op->row == &abort_row) return;
    transaction_explain_refusal(error);
    if (op->row == &commit_row) {
        if (transaction_is_unknown(error))
            mouv__error_add_label(error, "UnknownTransactionCommitResult");
    } else if (error->code == MOUV_ENETWORK || error->code == MOUV_ESELECTION) {
        mouv__error_add_label(error, "TransientTransactionError");
    }
}

/* --- commit and abort ------------------------------------------------------------------------- */

static mouv_future_t transaction_fail(const char *what, mouv_error_t *error) {
    char text[sizeof(error->message)];
    memcpy(text, error->message, sizeof(text));
    mouv_error_set(error, error->code, "%s: %.400s", what, text);
    mouv_runtime_t *runtime = mouv__runtime();
    return runtime ? mouv__future_failed_with(runtime, error) : mouv__future_failed(error->code);
}

static mouv_future_t transaction_done(void) {
    mouv_future_t future = mouv_future_new();
    mouv_future_set_result(future, 0);
    return future;
}

static mouv__operation_t *transaction_new_end(mouv_session_t *session,
                                              const mouv__operation_row_t *row,
                                              mouv__finish_fn_t finish, mouv_future_t *failed) {
    mouv__operation_t *op = mouv__operation_new(session->client, row, "admin", 0, failed);
    if (!op) return NULL;
    mouv__session_attach(session, op);
    op->finish = finish;
    op->command = bson_new();
    BSON_APPEND_INT32(op->command, row->name, 1);
    op->attempt.txn_number = session->transaction.number; /* else it would get one of its own */
    return op;
}

static int transaction_finish_commit(mouv__operation_t *op, bson_t *reply, mouv_error_t *error) {
    mouv_session_t *session = op->user_session;
    (void)reply;
    bool sent = op->retries > 0 || mouv__attempt_is_sent(op);
    if (sent && transaction_is_open(session))
        transaction_move(session, MOUV__TRANSACTION_COMMITTED);
    return error->code;
}

/* The texts of these errors are the specification's. */
static int transaction_check_commit(const mouv_session_t *session, mouv_error_t *error) {
    int rc = transaction_check(session, error);
    if (rc < 0) return rc;
    if (session->transaction.state == MOUV__TRANSACTION_NONE)
        return mouv_error_set(error, MOUV_ESTATE, "no transaction started");
    if (session->transaction.state == MOUV__TRANSACTION_ABORTED)
        return mouv_error_set(error, MOUV_ESTATE,
                              "Cannot call commitTransaction after calling abortTransaction");
    return 0;
}

/* What counts for a commit or abort: its own, inside mouv_with_transaction() its limit, else the
 * session's. */
static int transaction_read_timeout(const mouv_session_t *session, const bson_t *opts,
                                    mouv__timeout_t *timeout, mouv_error_t *error) {
    mouv__opts_t given;
    bson_iter_t iter;
    int rc = mouv__opts_read(&given, MOUV__FAMILY_PLAIN, opts, error);
    if (rc < 0) return rc;
    if (opts && bson_iter_init(&iter, opts))
        while (bson_iter_next(&iter))
            if (strcmp(bson_iter_key(&iter), "timeoutMS") != 0)
                return mouv_error_set(error, MOUV_EINVAL, "there is no option '%.80s'",
                                      bson_iter_key(&iter));
    *timeout = (mouv__timeout_t){given.timeout_ms, MOUV__NEVER};
    if (given.timeout_ms == MOUV__TIMEOUT_UNSET) timeout->ms = session->timeout_ms;
    if (!session->limited) return 0;
    *timeout = session->limit;
    if (given.timeout_ms == MOUV__TIMEOUT_UNSET) return 0;
    return mouv_error_set(
        error, MOUV_EINVAL,
        "option 'timeoutMS': inside mouv_with_transaction() its own limit counts");
}

mouv_future_t mouv_session_commit_transaction(mouv_session_t *session) {
    return mouv_session_commit_transaction_with_opts(session, NULL);
}

mouv_future_t mouv_session_commit_transaction_with_opts(mouv_session_t *session,
                                                        const bson_t *opts) {
    mouv_error_t error = {0};
    mouv_future_t failed;
    mouv__timeout_t timeout;
    if (transaction_check_commit(session, &error) < 0 ||
        transaction_read_timeout(session, opts, &timeout, &error) < 0)
        return transaction_fail("mouv_session_commit_transaction", &error);
    mouv__transaction_t *transaction = &session->transaction;
    if (transaction->state == MOUV__TRANSACTION_STARTING) {
        transaction->empty = true;
        transaction_end_empty(session, MOUV__TRANSACTION_COMMITTED);
    }
    if (transaction->empty) return transaction_done();
    mouv__operation_t *op =
        transaction_new_end(session, &commit_row, transaction_finish_commit, &failed);
    if (!op) return failed;
    op->multi = true; /* stopped, it may have been done all the same */
    transaction->again = transaction->state == MOUV__TRANSACTION_COMMITTED;
    if (transaction->opts.max_commit_time_ms > 0)
        BSON_APPEND_INT64(op->command, "maxTimeMS", transaction->opts.max_commit_time_ms);
    mouv__operation_set_timeout(op, timeout);
    return mouv__operation_start(op);
}

static int transaction_finish_abort(mouv__operation_t *op, bson_t *reply, mouv_error_t *error) {
    (void)op, (void)reply;
    error->code = 0;
    return 0;
}

/* The abort as an operation; NULL if there is nothing, or nobody, to send it to. */
static mouv__operation_t *transaction_abort_open(mouv_session_t *session, int64_t timeout_ms) {
    mouv_future_t failed;
    if (session->transaction.state == MOUV__TRANSACTION_STARTING) {
        transaction_end_empty(session, MOUV__TRANSACTION_ABORTED);
        return NULL;
    }
    transaction_move(session, MOUV__TRANSACTION_ABORTED);
    mouv__operation_t *op =
        transaction_new_end(session, &abort_row, transaction_finish_abort, &failed);
    if (!op) { /* the client has closed; the server forgets it by itself */
        mouv_future_result(failed, NULL);
        mouv_future_unref(failed);
        return NULL;
    }
    op->deadline_ns = mouv__clock_deadline_in(mouv__client_runtime(session->client), ABORT_MS);
    mouv__operation_set_cleanup_timeout(op, timeout_ms);
    op->has_timeout = timeout_ms != MOUV__TIMEOUT_UNSET;
    return op;
}

static int transaction_check_abort(const mouv_session_t *session, mouv_error_t *error) {
    int rc = transaction_check(session, error);
    if (rc < 0) return rc;
    if (session->transaction.state == MOUV__TRANSACTION_NONE)
        return mouv_error_set(error, MOUV_ESTATE, "no transaction started");
    if (session->transaction.state == MOUV__TRANSACTION_ABORTED)
        return mouv_error_set(error, MOUV_ESTATE, "Cannot call abortTransaction twice");
    if (session->transaction.state == MOUV__TRANSACTION_COMMITTED)
        return mouv_error_set(error, MOUV_ESTATE,
                              "Cannot call abortTransaction after calling commitTransaction");
    return 0;
}

mouv_future_t mouv_session_abort_transaction(mouv_session_t *session) {
    return mouv_session_abort_transaction_with_opts(session, NULL);
}

mouv_future_t mouv_session_abort_transaction_with_opts(mouv_session_t *session,
                                                       const bson_t *opts) {
    mouv_error_t error = {0};
    mouv__timeout_t timeout;
    if (transaction_check_abort(session, &error) < 0 ||
        transaction_read_timeout(session, opts, &timeout, &error) < 0)
        return transaction_fail("mouv_session_abort_transaction", &error);
    mouv__operation_t *op =
        transaction_abort_open(session, timeout.ms); /* counted from now, in any case */
    if (!op) return transaction_done();
    mouv__future_count(&op->future); /* unlike other clean-up, somebody waits for it */
    return mouv__operation_start(op);
}

void mouv__transaction_end(mouv_session_t *session) {
    if (!transaction_is_open(session)) return;
    mouv__operation_t *op = transaction_abort_open(session, session->timeout_ms);
    if (op) mouv__operation_start_detached(op);
}

bool mouv__transaction_gone(mouv_session_t *session) {
    if (!transaction_is_open(session) || !session->transaction.gone) return false;
    transaction_move(session, MOUV__TRANSACTION_ABORTED);
    return true;
}
