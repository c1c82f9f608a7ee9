/*
 * What the user's session is to operations: found again by the number in opts, used by one
 * operation at a time, and what it learns of the deployment's times.
 */
#include "mongo/session/session.h"

#include <string.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/concern.h"
#include "mongo/base/error.h"
#include "mongo/pool/pin.h"

mouv_session_t *mouv__session_find(mouv_client_t *client, int64_t number, mouv_error_t *error) {
    MOUV__LIST_EACH(&mouv__client_ref_of(client)->sessions, mouv_session_t, session, link)
        if (session->number == number) return session;
    mouv_error_set(error, MOUV_EINVAL,
                   "option 'sessionId': no session of this client; it belongs to another client, "
                   "or it has been released");
    return NULL;
}

/* --- ending ----------------------------------------------------------------------------------- */

void mouv__session_unpin_if_unused(mouv_session_t *session) {
    if (!session->ended || session->operations > 0) return;
    mouv__session_unbind(session);
    mouv__pin_free(session->pinned);
    session->pinned = NULL;
}

void mouv__session_hold(mouv_session_t *session) {
    session->references++;
}

void mouv__session_let_go(mouv_session_t *session) {
    if (--session->references > 0) return;
    mouv__session_unbind(session);
    mouv__pin_free(session->pinned);
    mouv__transaction_opts_clear(&session->defaults);
    mouv__transaction_opts_clear(&session->transaction.opts);
    mouv__transaction_forget(&session->transaction);
    bson_destroy(session->lsid);
    bson_destroy(session->cluster_time);
    mouv__list_remove(&mouv__client_ref_of(session->client)->sessions, &session->link);
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

void mouv__session_attach(mouv_session_t *session, mouv__parts_t *parts) {
    mouv__session_hold(session);
    session->operations++;
    parts->session = session;
}

void mouv__session_detach(mouv__parts_t *parts) {
    mouv_session_t *session = parts->session;
    parts->session = NULL;
    session->operations--;
    mouv__session_unpin_if_unused(session);
    mouv__session_let_go(session);
}

bool mouv__session_is_unacknowledged(const mouv__parts_t *parts, const mouv_client_t *client) {
    bson_t concern;
    if (!(parts->row->flags & MOUV__OP_WRITE_CONCERN) || parts->in_transaction) return false;
    const bson_t *by_default =
        mouv__concern_write(parts->defaults, mouv__client_ref_of(client)->write_concern);
    return (mouv__bson_view_inside(parts->command, "writeConcern", &concern) ||
            mouv__bson_view_inside(by_default, "writeConcern", &concern)) &&
           mouv__concern_is_unacknowledged(&concern);
}

int mouv__session_begin_operation(mouv__parts_t *parts, mouv_error_t *error) {
    mouv_session_t *session = parts->session;
    if (!(parts->row->flags & MOUV__OP_CLEANUP)) {
        if (session->ended)
            return mouv_error_set(error, MOUV_ECLOSED, "the session has been ended");
        if (session->current)
            return mouv_error_set(error, MOUV_ESTATE, "another task is using the session");
    }
    int rc = mouv__transaction_begin_operation(&session->transaction, parts, error);
    if (rc == 0 && mouv__session_is_unacknowledged(parts, session->client))
        rc = mouv_error_set(error, MOUV_EINVAL,
                            "an unacknowledged write (w: 0) cannot be in a session");
    if (rc < 0) return rc;
    session->current = parts;
    if (!parts->in_transaction) mouv__session_unbind(session);
    return 0;
}

void mouv__session_end_operation(const mouv__parts_t *parts, bool sent) {
    mouv_session_t *session = parts->session;
    if (session->current != parts) return;
    session->current = NULL;
    mouv__transaction_end_operation(&session->transaction, parts, sent);
    if (session->transaction.state == MOUV__TRANSACTION_STARTING) mouv__session_unbind(session);
}

void mouv__session_note_kill(const mouv__parts_t *parts) {
    if (parts->in_transaction && parts->session)
        parts->session->transaction.killed = parts->txn_number;
}

int32_t mouv__session_expected_code(const mouv__parts_t *parts) {
    bool killed = parts->row == &mouv__transaction_abort_row && parts->session &&
                  parts->session->transaction.killed == parts->txn_number;
    return killed ? MOUV__CODE_NO_SUCH_TRANSACTION : 0;
}

void mouv__session_leave_abort(mouv_session_t *session) {
    if (session->current && session->current->row == &mouv__transaction_abort_row)
        session->current = NULL;
}

mouv__server_session_t *mouv__session_pinned(const mouv_session_t *session, bool *lost) {
    mouv__server_session_t *pinned = session->pinned ? mouv__pin_session(session->pinned) : NULL;
    if (lost) *lost = session->pinned && !pinned;
    return pinned;
}

/* --- a transaction's place -------------------------------------------------------------------- */

void mouv__session_unbind(mouv_session_t *session) {
    if (!session) return;
    mouv__pin_free(session->bound);
    session->bound = NULL;
}

void mouv__session_leave_place(const mouv__parts_t *parts) {
    bool older = parts->row == &mouv__transaction_abort_row &&
                 parts->txn_number != parts->session->transaction.number;
    if (!older) mouv__session_unbind(parts->session);
}

const mouv__pin_t *mouv__session_bound(const mouv__parts_t *parts) {
    return parts->in_transaction ? parts->session->bound : NULL;
}

void mouv__session_note_error(const mouv__parts_t *parts, mouv_error_t *error) {
    mouv__transaction_label(parts, error);
    mouv__transaction_name_failure(&parts->session->transaction, parts, error);
    if (mouv__transaction_leaves_place(parts, error)) mouv__session_leave_place(parts);
}

/* --- read concern ----------------------------------------------------------------------------- */

static void session_append_time(bson_t *to, const char *name, const uint32_t time[2]) {
    if (time[0] > 0) BSON_APPEND_TIMESTAMP(to, name, time[0], time[1]);
}

/* {<given>, afterClusterTime: ...} or what else the session demands of a first read. */
static bson_t *session_read_concern(const mouv_session_t *session, const bson_t *given) {
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

static void session_drop_read_concern(mouv__parts_t *parts) {
    if (!bson_has_field(parts->command, "readConcern")) return;
    bson_t *command = bson_new();
    bson_copy_to_excluding_noinit(parts->command, command, "readConcern", NULL);
    bson_destroy(parts->command);
    parts->command = command;
}

/* libmongoc's opts know a read concern's level alone, so it stands in the command. */
static void session_set_read_concern(mouv__parts_t *parts, const bson_t *given, bool if_empty) {
    bson_t *concern = session_read_concern(parts->session, given);
    session_drop_read_concern(parts);
    if (if_empty || !bson_empty(concern))
        BSON_APPEND_DOCUMENT(parts->command, "readConcern", concern);
    bson_destroy(concern);
}

/* Outside of transactions: the command's own read concern, or a read's client's, and the session's
 * times. */
static void session_apply_times(mouv__parts_t *parts) {
    const mouv_session_t *session = parts->session;
    const bson_t *by_default =
        parts->row->flags & MOUV__OP_READ_CONCERN
            ? mouv__concern_read(parts->defaults,
                                 mouv__client_ref_of(session->client)->read_concern)
            : NULL;
    bson_t given;
    bool own = mouv__bson_view_inside(parts->command, "readConcern", &given);
    bool any = own || mouv__bson_view_inside(by_default, "readConcern", &given);
    session_set_read_concern(parts, any ? &given : NULL, own);
}

/* In a snapshot session everything has the snapshot's read concern: the server then refuses what
 * cannot be done in one. A causal one's reads and writes are after what it has seen; a command that
 * the user has built is his. */
static bool session_takes_times(const mouv__parts_t *parts) {
    const mouv_session_t *session = parts->session;
    uint32_t flags = parts->row->flags;
    if (session->snapshot) return !parts->pin && !(flags & MOUV__OP_CLEANUP);
    return session->causal && (flags & (MOUV__OP_READ_CONCERN | MOUV__OP_WRITE)) &&
           !(flags & (MOUV__OP_GIVEN | MOUV__OP_CLEANUP));
}

/* The first of a transaction takes a number then, and not earlier: others may have used this server
 * session until now, with numbers of theirs. */
static void session_apply_transaction(mouv__parts_t *parts, bool again) {
    mouv_session_t *session = parts->session;
    mouv__client_ref_t *ref = mouv__client_ref_of(session->client);
    if (!mouv__transaction_apply_to(&session->transaction, parts, ref->txn_number + 1, again))
        return;
    ref->txn_number++;
    session_set_read_concern(parts, session->transaction.opts.read_concern, false);
}

/* A transaction that begins: the commit of one that has lost its place does not get another. */
static int session_bind(mouv_session_t *session, const mouv__session_place_t *place) {
    if (!place->binds || session->transaction.state != MOUV__TRANSACTION_STARTING) return 0;
    mouv__session_unbind(session);
    session->bound = mouv__pin_new(session->client, place->server_session, place->server_id);
    if (!session->bound) return MOUV_ENOMEM;
    if (place->connection)
        mouv__pin_keep_connection(session->bound, place->connection, MOUV__KEEPER_TRANSACTION);
    return 0;
}

int mouv__session_apply_to(mouv__parts_t *parts, const mouv__session_place_t *place, bool again) {
    mouv_session_t *session = parts->session;
    if (!session->pinned)
        session->pinned = mouv__pin_new(session->client, place->server_session, place->server_id);
    if (!session->pinned) return MOUV_ENOMEM;
    if (parts->in_transaction && session_bind(session, place) < 0) return MOUV_ENOMEM;
    if (session->advanced) {
        bson_destroy(parts->cluster_time);
        parts->cluster_time = bson_copy(session->cluster_time);
        /* what the user believes is not the next session's business */
        place->server_session->dirty = true;
    }
    if (parts->in_transaction)
        session_apply_transaction(parts, again);
    else if (session_takes_times(parts))
        session_apply_times(parts);
    return 0;
}

/* --- times ------------------------------------------------------------------------------------ */

bool mouv__session_advance_cluster_time(mouv_session_t *session, const bson_t *cluster_time) {
    if (!mouv__bson_view_cluster_time_is_later(cluster_time, session->cluster_time)) return false;
    bson_destroy(session->cluster_time);
    session->cluster_time = bson_copy(cluster_time);
    return true;
}

void mouv__session_advance_operation_time(mouv_session_t *session, const uint32_t time[2]) {
    if (mouv__bson_view_is_later(time, session->operation_time))
        memcpy(session->operation_time, time, sizeof(session->operation_time));
}

static void session_note_lsid(mouv_session_t *session) {
    const mouv__server_session_t *pinned = mouv__session_pinned(session, NULL);
    if (session->lsid || !pinned || !pinned->handle) return;
    session->lsid = bson_new();
    BSON_APPEND_BINARY(session->lsid, "id", BSON_SUBTYPE_UUID, pinned->lsid, sizeof(pinned->lsid));
}

static void session_note_recovery_token(mouv_session_t *session, const bson_t *reply) {
    bson_iter_t field;
    if (!bson_iter_init_find(&field, reply, "recoveryToken")) return;
    bson_destroy(session->transaction.recovery_token);
    session->transaction.recovery_token = bson_new();
    bson_append_iter(session->transaction.recovery_token, NULL, 0, &field);
}

void mouv__session_observe_reply(const mouv__parts_t *parts, const bson_t *reply, bool stopped) {
    mouv_session_t *session = parts->session;
    bson_t cluster_time;
    uint32_t time[2];
    session_note_lsid(session);
    if (!reply) return;
    mouv__transaction_observe_reply(&session->transaction, parts, reply, stopped);
    if (mouv__bson_view_inside(reply, "$clusterTime", &cluster_time) &&
        mouv__session_advance_cluster_time(session, &cluster_time))
        session->advanced = false; /* libmongoc has seen it too */
    if (mouv__bson_view_timestamp(reply, "operationTime", time))
        mouv__session_advance_operation_time(session, time);
    if (session->snapshot && session->snapshot_time[0] == 0 &&
        (mouv__bson_view_timestamp(reply, "cursor.atClusterTime", time) ||
         mouv__bson_view_timestamp(reply, "atClusterTime", time)))
        memcpy(session->snapshot_time, time, sizeof(time));
    if (parts->in_transaction && session->current == parts)
        session_note_recovery_token(session, reply);
}
