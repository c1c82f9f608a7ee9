/*
 * Transactions as users have them: started, committed, aborted. Starting sends nothing: the first
 * command carries it (session/transaction.c). Commit and abort are operations of the session, told
 * from others by their rows. An abort is clean-up: no scope's deadline stops it, nobody learns what
 * came of it, and where it cannot be sent the server forgets the transaction by itself.
 */
#include "mongo/api/transaction.h"

#include <string.h>

#include "async/task/runtime.h"
#include "mongo/api/client.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/concern.h"
#include "mongo/base/opts.h"
#include "mongo/base/timeout.h"
#include "mongo/operation/attempt.h"
#include "mongo/operation/limits.h"
#include "mongo/operation/operation.h"
#include "mongo/session/session.h"

/* How long anyone waits for an abort. */
#define ABORT_MS 10000

/* --- states ----------------------------------------------------------------------------------- */

bool mouv_session_in_transaction(const mouv_session_t *session) {
    return session && mouv__transaction_is_open(&session->transaction);
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

/* --- start ------------------------------------------------------------------------------------ */

/* Of what has not been given: the session's, else the client's {<name>: {...}}. */
static void transaction_inherit(bson_t **concern, const bson_t *session, const bson_t *client,
                                const char *name) {
    bson_t view;
    if (*concern) return;
    if (session)
        *concern = bson_copy(session);
    else if (mouv__bson_view_inside(client, name, &view))
        *concern = bson_copy(&view);
}

static void transaction_inherit_all(mouv__transaction_opts_t *opts, const mouv_session_t *session) {
    const mouv__transaction_opts_t *defaults = &session->defaults;
    const mouv__client_ref_t *ref = mouv__client_ref_of(session->client);
    transaction_inherit(&opts->read_concern, defaults->read_concern, ref->read_concern,
                        "readConcern");
    transaction_inherit(&opts->write_concern, defaults->write_concern, ref->write_concern,
                        "writeConcern");
    if (opts->primary == 0) opts->primary = defaults->primary;
    if (opts->primary == 0) opts->primary = ref->read_prefs ? -1 : 1;
    if (opts->max_commit_time_ms == 0) opts->max_commit_time_ms = defaults->max_commit_time_ms;
}

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
    if (mouv__transaction_is_open(&session->transaction))
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
    if (mouv__concern_is_unacknowledged(own.write_concern)) {
        mouv__transaction_opts_clear(&own);
        return mouv_error_set(error, MOUV_EINVAL,
                              "transactions do not support unacknowledged write concern");
    }
    mouv__transaction_opts_clear(&transaction->opts);
    mouv__transaction_forget(transaction);
    mouv__session_unbind(session);
    transaction->opts = own;
    transaction->empty = transaction->again = transaction->gone = false;
    transaction->number = 0; /* its first command gets one */
    mouv__transaction_move(&session->transaction, MOUV__TRANSACTION_STARTING);
    return 0;
}

/* It ends before its first command: the specification numbers it all the same. */
static void transaction_end_empty(mouv_session_t *session, mouv__transaction_state_t state) {
    mouv__client_ref_of(session->client)->txn_number++;
    mouv__transaction_move(&session->transaction, state);
}

int mouv_session_start_transaction(mouv_session_t *session, const mouv_transaction_opts_t *opts,
                                   mouv_error_t *error) {
    mouv_error_t why = {0};
    int rc = transaction_check_start(session, &why);
    if (rc == 0) rc = transaction_start(session, opts, &why);
    return rc < 0 ? mouv__raise(error, rc, "mouv_session_start_transaction: %s", why.message) : 0;
}

/* --- commit and abort ------------------------------------------------------------------------- */

static mouv_future_t transaction_fail(const char *what, mouv_error_t *error) {
    mouv_error_set(error, error->code, "%s: %s", what, error->message);
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
    mouv__operation_t *op = mouv__operation_new(session->client, row, "admin", NULL, 0, failed);
    if (!op) return NULL;
    mouv__session_attach(session, &op->parts);
    op->finish = finish;
    op->parts.command = bson_new();
    BSON_APPEND_INT32(op->parts.command, row->name, 1);
    op->parts.txn_number = session->transaction.number; /* else it would get one of its own */
    return op;
}

static int transaction_finish_commit(mouv__operation_t *op, bson_t *reply, mouv_error_t *error) {
    mouv_session_t *session = op->parts.session;
    (void)reply;
    bool sent = op->retries > 0 || mouv__exchange_is_sent(&op->attempt.exchange);
    if (sent && mouv__transaction_is_open(&session->transaction))
        mouv__transaction_move(&session->transaction, MOUV__TRANSACTION_COMMITTED);
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
    mouv__operation_t *op = transaction_new_end(session, &mouv__transaction_commit_row,
                                                transaction_finish_commit, &failed);
    if (!op) return failed;
    op->parts.multi = true; /* stopped, it may have been done all the same */
    transaction->again = transaction->state == MOUV__TRANSACTION_COMMITTED;
    if (transaction->opts.max_commit_time_ms > 0)
        BSON_APPEND_INT64(op->parts.command, "maxTimeMS", transaction->opts.max_commit_time_ms);
    mouv__limits_set_timeout(op, timeout);
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
    mouv__transaction_move(&session->transaction, MOUV__TRANSACTION_ABORTED);
    mouv__operation_t *op = transaction_new_end(session, &mouv__transaction_abort_row,
                                                transaction_finish_abort, &failed);
    if (!op) { /* the client has closed; the server forgets it by itself */
        mouv_future_result(failed, NULL);
        mouv_future_unref(failed);
        return NULL;
    }
    op->deadline_ns = mouv__clock_deadline_in(mouv__client_runtime(session->client), ABORT_MS);
    mouv__limits_set_cleanup_timeout(op, timeout_ms);
    op->parts.has_timeout = timeout_ms != MOUV__TIMEOUT_UNSET;
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
    if (!mouv__transaction_is_open(&session->transaction)) return;
    mouv__operation_t *op = transaction_abort_open(session, session->timeout_ms);
    if (op) mouv__operation_start_detached(op);
}
