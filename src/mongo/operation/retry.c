/*
 * Outcomes and retries.
 */
#include "mongo/operation/retry.h"

#include "async/loop/error.h"
#include "context/alloc.h"
#include "mongo/base/answers.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/error.h"
#include "mongo/operation/state.h"
#include "mongo/session/session.h"

void mouv__retry_stopped_error(const mouv__operation_t *op, mouv_error_t *error) {
    if (op->expired)
        mouv_error_set(error, MOUV_ETIMEDOUT, "timed out");
    else
        mouv_error_set(error, MOUV_ECANCELED, "cancelled");
}

/* --- one attempt ----------------------------------------------------------------------------- */

static void retry_make_unknown(mouv_error_t *error, int cause, const char *why) {
    mouv__error_reword(error, "%s: %s", why, error->message);
    error->cause = cause;
    error->code = MOUV_EUNKNOWN;
}

/* The server ended it before it was through: because of maxTimeMS, or because mouv asked for it, of
 * a write and of what is asked about one (inquiry.h). */
static bool retry_was_stopped(const mouv__operation_t *op, const mouv_error_t *error) {
    return error->server_code == MOUV__CODE_MAX_TIME_EXPIRED ||
           ((op->stopped || op->inquiry) && error->server_code == MOUV__CODE_INTERRUPTED);
}

/* What is asked about without having been stopped has run out of its maxTimeMS. */
static int retry_stopped_code(const mouv__operation_t *op, const mouv_error_t *error) {
    bool timed_out = op->expired || (op->inquiry && !op->stopped) ||
                     error->server_code == MOUV__CODE_MAX_TIME_EXPIRED;
    return timed_out ? MOUV_ETIMEDOUT : MOUV_ECANCELED;
}

static void retry_turn_into_stopped(const mouv__operation_t *op, mouv_error_t *error) {
    int code = retry_stopped_code(op, error);
    if (mouv__is_write(op) && op->parts.multi)
        retry_make_unknown(error, code, "stopped on the server, some of it may have been done");
    else
        error->code = code;
}

/* ok: 1, but a write may have failed all the same. */
static void retry_outcome_of_write(mouv__operation_t *op, mouv_error_t *error) {
    const bson_t *reply = op->attempt.exchange.reply;
    bool in_concern;
    if (!mouv__error_from_write_reply(error, reply, &in_concern)) return;
    mouv__answers_keep(error, reply);
    if (!retry_was_stopped(op, error)) return;
    int code = retry_stopped_code(op, error);
    if (in_concern && !mouv__error_reply_did_nothing(reply))
        retry_make_unknown(error, code, "stored, but its confirmation was not waited for");
    else if (!mouv__error_reply_did_something(reply))
        error->code = code;
    else
        error->cause = code; /* a part is stored: the server's error, for this reason */
}

/* There is no answer, because mouv did not wait for it any longer. */
static void retry_turn_into_interrupted(mouv__operation_t *op, mouv_error_t *error) {
    *error = (mouv_error_t){0};
    mouv__retry_stopped_error(op, error);
    if (mouv__is_write(op) && op->attempt.exchange.reached) op->maybe_stored = true;
}

void mouv__retry_outcome(mouv__operation_t *op, mouv_error_t *error) {
    const mouv__exchange_t *exchange = &op->attempt.exchange;
    if (exchange->ok) {
        if (mouv__is_write(op)) retry_outcome_of_write(op, error);
        return;
    }
    if (!exchange->reply) {
        mouv__error_from_driver(error, &exchange->error);
        if (exchange->cut && op->stopped) retry_turn_into_interrupted(op, error);
        return;
    }
    mouv__error_from_reply(error, exchange->reply);
    mouv__answers_keep(error, exchange->reply);
    if (retry_was_stopped(op, error)) retry_turn_into_stopped(op, error);
}

/* --- another attempt ------------------------------------------------------------------------- */

static bool retry_read_may_retry(const mouv_error_t *error) {
    return error->code == MOUV_ENETWORK ||
           (error->code == MOUV_ESERVER && mouv__error_code_is_retryable(error->server_code));
}

static bool retry_write_may_retry(const mouv__operation_t *op, const mouv_error_t *error) {
    if (error->code == MOUV_ENETWORK || mouv_error_has_label(error, "RetryableWriteError"))
        return true;
    return error->code == MOUV_ESERVER &&
           mouv__operation_wire_version(op) < MOUV__WIRE_VERSION_LABELS &&
           mouv__error_code_is_retryable(error->server_code);
}

/* An answer that was no answer: nobody knows what the next one would be. */
static bool retry_is_malformed(const mouv_error_t *error) {
    return error->domain == MONGOC_ERROR_PROTOCOL;
}

/* Whether it would be sent once more if there were time. */
static bool retry_may_retry(const mouv__operation_t *op, const mouv_error_t *error) {
    if (!op->parts.retryable || retry_is_malformed(error)) return false;
    if (op->retries > 0 && !op->parts.has_timeout) return false; /* with it, until the time is up */
    if (mouv__is_write(op)) return op->parts.txn_number > 0 && retry_write_may_retry(op, error);
    return op->operations->retry_reads && retry_read_may_retry(error);
}

/* Whether libmongoc failed before it had given anything to a connection. */
static bool retry_was_not_sent(const mouv_error_t *error) {
    return error->domain == MONGOC_ERROR_STREAM &&
           (error->server_code == MONGOC_ERROR_STREAM_CONNECT ||
            error->server_code == MONGOC_ERROR_STREAM_NAME_RESOLUTION ||
            error->server_code == MONGOC_ERROR_STREAM_NOT_ESTABLISHED);
}

/* The answer says what was done, though perhaps not for good. */
static bool retry_is_in_concern(const mouv_error_t *error) {
    return error->code == MOUV_ESERVER && error->domain == MONGOC_ERROR_WRITE_CONCERN;
}

/* Ended by a change of the server's state, which does not say that nothing was done before. */
static bool retry_is_half_way(const mouv_error_t *error) {
    return error->code == MOUV_ESERVER && mouv__error_code_is_half_way(error->server_code) &&
           !mouv_error_has_label(error, "NoWritesPerformed");
}

static void retry_note_maybe_stored(mouv__operation_t *op, const mouv_error_t *error) {
    bool lost = error->code == MOUV_ENETWORK && !retry_was_not_sent(error) &&
                mouv__exchange_is_sent(&op->attempt.exchange) && op->attempt.exchange.reached;
    if (mouv__is_write(op) && (lost || retry_is_in_concern(error) || retry_is_half_way(error)))
        op->maybe_stored = true;
}

/* What was to be tried again ends for want of time, or is cancelled: `error` is of the last try. */
static void retry_end(const mouv__operation_t *op, mouv_error_t *error, int code, const char *why) {
    mouv__error_end(error, code, why);
    if (!op->parts.multi) return;
    error->code = MOUV_EUNKNOWN; /* a commit may have been done all the same */
    error->cause = code;
}

bool mouv__retry(mouv__operation_t *op, mouv_error_t *error) {
    retry_note_maybe_stored(op, error);
    if (!retry_may_retry(op, error)) return false;
    if (op->stopped) {
        int code = op->expired ? MOUV_ETIMEDOUT : MOUV_ECANCELED;
        if (!retry_is_in_concern(error)) retry_end(op, error, code, mouv_error_message(code));
        return false;
    }
    if (!op->first_error) op->first_error = mouv__alloc(sizeof(*op->first_error));
    if (op->first_error) *op->first_error = *error;
    if (op->retries < UINT8_MAX) op->retries++;
    mouv__client_stats(op->client)->retries++;
    op->checkout.avoid_id = op->checkout.server_id;
    return true;
}

void mouv__retry_give_txn_number(mouv__operation_t *op) {
    if (!mouv__is_write(op) || !op->parts.retryable || !op->operations->retry_writes ||
        op->parts.txn_number > 0)
        return;
    if (mouv__session_is_unacknowledged(&op->parts, op->client)) return;
    if (mouv__topology_retries_writes(op->operations->pool->topology))
        op->parts.txn_number = ++mouv__client_ref_of(op->client)->txn_number;
}

/* --- the last word --------------------------------------------------------------------------- */

/* The second attempt never reached a server, or did nothing there: the first error counts. So does
 * one that says it is stored, whatever the server has against it the second time. */
static bool retry_first_counts(const mouv_error_t *first, const mouv_error_t *error) {
    bool refused = error->code == MOUV_ESERVER && !retry_is_in_concern(error);
    if (refused && retry_is_in_concern(first)) return true;
    return error->code == MOUV_ESELECTION || error->code == MOUV_EQUEUE ||
           error->code == MOUV_EINVAL || mouv_error_has_label(error, "NoWritesPerformed");
}

/* Whether this answer also tells what became of an earlier attempt with the same txnNumber. */
static bool retry_is_definite(const mouv_error_t *error) {
    return retry_is_in_concern(error) ||
           (error->code == MOUV_ESERVER && !mouv__error_code_is_retryable(error->server_code));
}

/* What a transaction did before its commit is not stored. */
static bool retry_is_undone(const mouv__operation_t *op) {
    return op->parts.in_transaction && !op->parts.multi;
}

/* It is stored, for now: how many have it was not told, and a new primary may not. */
static bool retry_is_unconfirmed(const mouv__operation_t *op, const mouv_error_t *error) {
    const bson_t *reply = op->attempt.exchange.reply;
    return mouv__is_write(op) && !retry_is_undone(op) && retry_is_in_concern(error) &&
           !mouv__error_code_refuses_concern(error->server_code) &&
           !(reply && mouv__error_reply_did_nothing(reply));
}

/* What servers cannot, or do not yet, say themselves of a retryable write: a commit is one too. */
static void retry_label_retryable(const mouv__operation_t *op, mouv_error_t *error) {
    if (!mouv__is_write(op) || retry_is_undone(op) || op->parts.txn_number == 0) return;
    if (retry_write_may_retry(op, error)) mouv__error_add_label(error, "RetryableWriteError");
}

/* It was stopped between two tries, or in the second: the one before it says why it has taken so
 * long. */
static bool retry_ends_between(const mouv__operation_t *op, mouv_error_t *error) {
    if (error->cause != 0 || (error->code != MOUV_ETIMEDOUT && error->code != MOUV_ECANCELED))
        return false;
    mouv_error_t last = *op->first_error;
    retry_end(op, &last, error->code, error->message);
    *error = last;
    return true;
}

void mouv__retry_last_word(mouv__operation_t *op, mouv_error_t *error) {
    if (error->code >= 0) return;
    if (op->first_error && !retry_ends_between(op, error) &&
        retry_first_counts(op->first_error, error))
        *error = *op->first_error;
    retry_label_retryable(op, error);
    if (retry_is_unconfirmed(op, error)) {
        int cause = mouv__error_concern_cause(error->server_code);
        retry_make_unknown(error, cause, "stored, but its confirmation failed");
    }
    if (op->maybe_stored && error->code != MOUV_EUNKNOWN && !retry_is_definite(error) &&
        !retry_is_undone(op))
        retry_make_unknown(error, error->code, "sent, but the outcome is unknown");
}
