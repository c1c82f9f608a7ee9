/*
 * mouv_session_t as users have it: made without I/O, in its client's list until the last reference
 * goes. What it is to operations is in session/.
 */
#include "mongo/api/session.h"

#include <mouv/session.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/api/transaction.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/check.h"
#include "mongo/base/timeout.h"
#include "mongo/session/session.h"

/* Numbers are the process's, so that a session is never taken for one of another client. */
static int64_t last_number; /* atomic */

/* --- making ----------------------------------------------------------------------------------- */

static int session_init(mouv_session_t *session, const mouv_client_t *client,
                        const mouv_session_opts_t *opts, mouv_error_t *error) {
    if (opts->snapshot && opts->causal_consistency > 0)
        return mouv_error_set(error, MOUV_EINVAL,
                              "snapshot and causal_consistency exclude each "
                              "other");
    int rc = mouv__timeout_from_struct(opts->default_timeout_ms, "default_timeout_ms",
                                       &session->timeout_ms, error);
    if (rc < 0) return rc;
    if (session->timeout_ms == MOUV__TIMEOUT_UNSET)
        session->timeout_ms = mouv__timeout_inherited(client, NULL);
    session->snapshot = opts->snapshot;
    session->causal = opts->causal_consistency >= 0 && !opts->snapshot;
    return mouv__transaction_opts_copy(&session->defaults, &opts->transaction, error);
}

mouv_session_t *mouv_client_start_session(mouv_client_t *client, const mouv_session_opts_t *opts,
                                          mouv_error_t *error) {
    static const mouv_session_opts_t defaults;
    mouv_error_t why = {0};
    int rc = mouv__client_check(client, &why);
    mouv_session_t *session = rc < 0 ? NULL : mouv__alloc(sizeof(*session));
    if (rc == 0 && !session) rc = mouv_error_set(&why, MOUV_ENOMEM, "out of memory");
    if (rc == 0) rc = session_init(session, client, opts ? opts : &defaults, &why);
    if (rc < 0) {
        mouv__free(session);
        mouv__raise(error, rc, "mouv_client_start_session: %s", why.message);
        return NULL;
    }
    session->references = 1;
    session->number = __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);
    session->client = mouv__client_keep_open(client);
    mouv__list_push_front(&client->ref.sessions, &session->link);
    return session;
}

int mouv_session_append(const mouv_session_t *session, bson_t *opts) {
    if (!session || !opts) return mouv__raise(NULL, MOUV_EINVAL, "'session' or 'opts' is NULL");
    BSON_APPEND_INT64(opts, "sessionId", session->number);
    return 0;
}

/* --- ending ----------------------------------------------------------------------------------- */

void mouv_session_end(mouv_session_t *session) {
    if (!session || session->ended) return;
    if (mouv__client_is_foreign(session->client, "mouv_session_end")) return;
    mouv__transaction_end(session);
    session->ended = true;
    mouv__session_unpin_if_unused(session);
}

void mouv__session_end_all(mouv_client_t *client) {
    MOUV__LIST_EACH(&client->ref.sessions, mouv_session_t, session, link) mouv_session_end(session);
}

mouv_session_t *mouv_session_unref(mouv_session_t *session) {
    if (!session || mouv__client_is_foreign(session->client, "mouv_session_unref")) return NULL;
    mouv_session_end(session);
    mouv__session_let_go(session);
    return NULL;
}

void mouv_session_drop(mouv_session_t **session) {
    if (session) *session = mouv_session_unref(*session);
}

/* --- what users may know ---------------------------------------------------------------------- */

mouv_client_t *mouv_session_client(const mouv_session_t *session) {
    return session ? session->client : NULL;
}

const bson_t *mouv_session_lsid(const mouv_session_t *session) {
    return session ? session->lsid : NULL;
}

bool mouv_session_is_dirty(const mouv_session_t *session) {
    const mouv__server_session_t *pinned = session ? mouv__session_pinned(session, NULL) : NULL;
    return pinned && pinned->dirty;
}

const bson_t *mouv_session_cluster_time(const mouv_session_t *session) {
    return session ? session->cluster_time : NULL;
}

void mouv_session_operation_time(const mouv_session_t *session, uint32_t *timestamp,
                                 uint32_t *increment) {
    if (timestamp) *timestamp = session ? session->operation_time[0] : 0;
    if (increment) *increment = session ? session->operation_time[1] : 0;
}

int mouv_session_advance_cluster_time(mouv_session_t *session, const bson_t *cluster_time) {
    uint32_t time[2];
    mouv_error_t why;
    if (cluster_time &&
        mouv__check_document(cluster_time, "cluster_time", MOUV__VALIDATE_DEFAULT, &why) < 0)
        return mouv__raise(NULL, why.code, "mouv_session_advance_cluster_time: %s", why.message);
    if (!session || !cluster_time || !mouv__bson_view_timestamp(cluster_time, "clusterTime", time))
        return mouv__raise(NULL, MOUV_EINVAL,
                           "mouv_session_advance_cluster_time: no timestamp 'clusterTime'");
    if (mouv__session_advance_cluster_time(session, cluster_time)) session->advanced = true;
    return 0;
}

void mouv_session_advance_operation_time(mouv_session_t *session, uint32_t timestamp,
                                         uint32_t increment) {
    uint32_t time[2] = {timestamp, increment};
    if (session) mouv__session_advance_operation_time(session, time);
}
