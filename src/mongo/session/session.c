/*
 * What the user's session is to operations: found again by the number in opts, used by one
 * operation at a time, and what it learns of the deployment's times.
 */
#include "mongo/session/session.h"

#include <string.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/concern.h"
#include "mongo/base/error.h"
#include "mongo/operation/state.h"
#include "mongo/pool/pin.h"

static void session_unlink_from_client(mouv_session_t *session) {
    if (session->prev)
        session->prev->next = session->next;
    else
        session->client->sessions = session->next;
    if (session->next) session->next->prev = session->prev;
}

mouv_session_t *mouv__session_find(mouv_client_t *client, int64_t number, mouv_error_t *error) {
    for (mouv_session_t *session = client->sessions; session; session = session->next)
        if (session->number == number) return session;
    mouv_error_set(error, MOUV_EINVAL,
                   "option 'sessionId': no session of this client; it belongs to another client, "
                   "or it has been released");
    return NULL;
}

/* --- ending ----------------------------------------------------------------------------------- */

void mouv__session_unpin_if_unused(mouv_session_t *session) {
    if (!session->ended || session->operations > 0) return;
    mouv__pin_free(session->pinned);
    session->pinned = NULL;
}

void mouv__session_hold(mouv_session_t *session) {
    session->references++;
}

void mouv__session_let_go(mouv_session_t *session) {
    if (--session->references > 0) return;
    mouv__pin_free(session->pinned);
    mouv__transaction_opts_clear(&session->defaults);
    mouv__transaction_opts_clear(&session->transaction.opts);
    bson_destroy(session->transaction.recovery_token);
    bson_destroy(session->lsid);
    bson_destroy(session->cluster_time);
    session_unlink_from_client(session);
    mouv__client_may_close(session->client);
    mouv__free(session);
}

/* --- its operations --------------------------------------------------------------------------- */

int mouv__session_check(const mouv_session_t *session, mouv_error_t *error) {
    if (!session) return mouv_error_set(error, MOUV_EINVAL, "'session' is NULL");
    int rc = mouv__client_check(session->client, error);
    if (rc == 0 && session->ended)
        rc = mouv_error_set(error, MOUV_ECLOSED, "the session has been ended");
    return rc;
}

void mouv__session_attach(mouv_session_t *session, mouv__operation_t *op) {
    if (!session) return;
    mouv__session_hold(session);
    session->operations++;
    op->user_session = session;
}

void mouv__session_detach(mouv__operation_t *op) {
    mouv_session_t *session = op->user_session;
    if (!session) return;
    op->user_session = NULL;
    session->operations--;
    mouv__session_unpin_if_unused(session);
    mouv__session_let_go(session);
}

bool mouv__operation_is_unacknowledged(const mouv__operation_t *op) {
    bson_t concern;
    if (!(op->row->flags & MOUV__OP_WRITE_CONCERN) || op->in_transaction) return false;
    const bson_t *by_default =
        mouv__concern_write(op->defaults, op->client->driver_pool->write_concern);
    return (mouv__bson_view_inside(op->command, "writeConcern", &concern) ||
            mouv__bson_view_inside(by_default, "writeConcern", &concern)) &&
           mouv__concern_is_unacknowledged(&concern);
}

int mouv__session_begin_operation(mouv__operation_t *op, mouv_error_t *error) {
    mouv_session_t *session = op->user_session;
    if (!mouv__is_cleanup(op)) {
        if (session->ended)
            return mouv_error_set(error, MOUV_ECLOSED, "the session has been ended");
        if (session->current)
            return mouv_error_set(error, MOUV_ESTATE, "another task is using the session");
    }
    int rc = mouv__transaction_begin_operation(op, error);
    if (rc == 0 && mouv__operation_is_unacknowledged(op))
        rc = mouv_error_set(error, MOUV_EINVAL,
                            "an unacknowledged write (w: 0) cannot be in a session");
    if (rc == 0) session->current = op;
    return rc;
}

void mouv__session_end_operation(mouv__operation_t *op) {
    mouv_session_t *session = op->user_session;
    if (!session || session->current != op) return;
    session->current = NULL;
    mouv__transaction_end_operation(op);
}

mouv__server_session_t *mouv__session_pinned(const mouv_session_t *session, bool *lost) {
    mouv__server_session_t *pinned = session->pinned ? mouv__pin_session(session->pinned) : NULL;
    if (lost) *lost = session->pinned && !pinned;
    return pinned;
}

/* --- read concern ----------------------------------------------------------------------------- */

static void session_append_time(bson_t *to, const char *name, const uint32_t time[2]) {
    if (time[0] > 0) BSON_APPEND_TIMESTAMP(to, name, time[0], time[1]);
}

bson_t *mouv__session_read_concern(const mouv_session_t *session, const bson_t *given) {
    bson_t *concern = bson_new();
    if (session->snapshot) {
        BSON_APPEND_UTF8(concern, "level", "snapshot");
        session_append_time(concern, "atClusterTime", session->snapshot_time);
        return concern;
    }
    if (given) bson_copy_to_excluding_noinit(given, concern, "afterClusterTime", NULL);
    if (session->causal) session_append_time(concern, "afterClusterTime", session->operation_time);
    return concern;
}

/* libmongoc's opts know a read concern's level alone, so it stands in the command. */
void mouv__session_set_read_concern(mouv__operation_t *op, bson_t *concern, bool if_empty) {
    bson_t *command = bson_new();
    bson_copy_to_excluding_noinit(op->command, command, "readConcern", NULL);
    if (if_empty || !bson_empty(concern)) BSON_APPEND_DOCUMENT(command, "readConcern", concern);
    bson_destroy(concern);
    bson_destroy(op->command);
    op->command = command;
}

/* A read outside of transactions: its own read concern, or the client's, and the session's times.
 */
static void session_dress_read(mouv__operation_t *op) {
    const mouv_session_t *session = op->user_session;
    bson_t given;
    bool own = mouv__bson_view_inside(op->command, "readConcern", &given);
    bool any = own || mouv__bson_view_inside(
                          mouv__concern_read(op->defaults, op->client->driver_pool->read_concern),
                          "readConcern", &given);
    bson_t *concern = mouv__session_read_concern(session, any ? &given : NULL);
    mouv__session_set_read_concern(op, concern, own);
}

/* In a snapshot session everything has the snapshot's read concern: the server then refuses what
 * cannot be done in one. */
static bool session_takes_times(const mouv__operation_t *op) {
    const mouv_session_t *session = op->user_session;
    if (session->snapshot) return !op->pin && !mouv__is_cleanup(op);
    return session->causal && (op->row->flags & MOUV__OP_READ_CONCERN);
}

int mouv__session_apply_to(mouv__operation_t *op, mouv__server_session_t *server_session) {
    mouv_session_t *session = op->user_session;
    if (!session->pinned) session->pinned = mouv__pin_new(op->client, server_session);
    if (!session->pinned) return MOUV_ENOMEM;
    if (session->advanced) {
        bson_destroy(op->attempt.cluster_time);
        op->attempt.cluster_time = bson_copy(session->cluster_time);
        server_session->dirty =
            true; /* what the user believes is not the next session's business */
    }
    if (op->in_transaction)
        mouv__transaction_apply_to(op);
    else if (session_takes_times(op))
        session_dress_read(op);
    return 0;
}

/* --- times ------------------------------------------------------------------------------------ */

static bool session_is_later(const uint32_t a[2], const uint32_t b[2]) {
    return a[0] > b[0] || (a[0] == b[0] && a[1] > b[1]);
}

bool mouv__session_advance_cluster_time(mouv_session_t *session, const bson_t *cluster_time) {
    uint32_t theirs[2], ours[2];
    if (!mouv__bson_view_timestamp(cluster_time, "clusterTime", theirs)) return false;
    if (session->cluster_time &&
        mouv__bson_view_timestamp(session->cluster_time, "clusterTime", ours) &&
        !session_is_later(theirs, ours))
        return false;
    bson_destroy(session->cluster_time);
    session->cluster_time = bson_copy(cluster_time);
    return true;
}

void mouv__session_advance_operation_time(mouv_session_t *session, const uint32_t time[2]) {
    if (session_is_later(time, session->operation_time))
        memcpy(session->operation_time, time, sizeof(session->operation_time));
}

static void session_note_lsid(mouv_session_t *session) {
    const mouv__server_session_t *pinned = mouv__session_pinned(session, NULL);
    if (session->lsid || !pinned || !pinned->handle) return;
    session->lsid = bson_new();
    BSON_APPEND_BINARY(session->lsid, "id", BSON_SUBTYPE_UUID, pinned->lsid, sizeof(pinned->lsid));
}

/* What was stopped in a transaction has ended it. */
static void session_note_end(const mouv__operation_t *op) {
    mouv__transaction_t *transaction = &op->user_session->transaction;
    int64_t code = mouv__bson_view_number(op->attempt.reply, "code");
    bool stopped =
        code == MOUV__CODE_MAX_TIME_EXPIRED || (op->stopped && code == MOUV__CODE_INTERRUPTED);
    if (stopped && op->attempt.txn_number == transaction->number) transaction->gone = true;
}

static void session_note_recovery_token(mouv_session_t *session, const bson_t *reply) {
    bson_iter_t field;
    if (!bson_iter_init_find(&field, reply, "recoveryToken")) return;
    bson_destroy(session->transaction.recovery_token);
    session->transaction.recovery_token = bson_new();
    bson_append_iter(session->transaction.recovery_token, NULL, 0, &field);
}

void mouv__session_observe_reply(mouv__operation_t *op) {
    mouv_session_t *session = op->user_session;
    const bson_t *reply = op->attempt.reply;
    bson_t cluster_time;
    uint32_t time[2];
    session_note_lsid(session);
    if (!reply) return;
    if (op->in_transaction) session_note_end(op);
    if (mouv__bson_view_inside(reply, "$clusterTime", &cluster_time) &&
        mouv__session_advance_cluster_time(session, &cluster_time))
        session->advanced = false; /* libmongoc has seen it too */
    if (mouv__bson_view_timestamp(reply, "operationTime", time))
        mouv__session_advance_operation_time(session, time);
    if (session->snapshot && session->snapshot_time[0] == 0 &&
        (mouv__bson_view_timestamp(reply, "cursor.atClusterTime", time) ||
         mouv__bson_view_timestamp(reply, "atClusterTime", time)))
        memcpy(session->snapshot_time, time, sizeof(time));
    if (op->in_transaction && session->current == op) session_note_recovery_token(session, reply);
}
