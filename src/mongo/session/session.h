/*
 * mouv_session_t inside: what a user's session adds to its operations' commands and learns from the
 * answers; transaction.h is what its transactions add. Its makers and enders are api/session.c and
 * api/transaction.c. (A mouv__server_session_t is what a command is sent in: the user's session takes
 * one with its first operation and keeps it by a pin, and with it the connection.) Loop thread.
 */
#ifndef MOUV_MONGO_SESSION_SESSION_H
#define MOUV_MONGO_SESSION_SESSION_H

#include <mouv/session.h>

#include "context/list.h"
#include "mongo/base/timeout.h"
#include "mongo/session/transaction.h"
#include "mongo/transport/server_session.h"

struct mouv_session {
    mouv_client_t *client; /**< counted */
    mouv__link_t link;     /**< in the client's list of them */
    int64_t number;        /**< what `sessionId` in opts says */
    uint32_t references;   /**< the owner's, cursors', operations' */
    uint32_t operations;   /**< that have it, settled or not */
    bool ended;
    bool causal, snapshot;
    bool advanced;                /**< the user knows a greater cluster time than libmongoc */
    const mouv__parts_t *current; /**< of the operation under way, or NULL */
    mouv__pin_t *bound;           /**< the transaction's: its mongos, or its connection; or NULL */
    mouv__pin_t *pinned;        /**< the server session and its client, from the first operation */
    bson_t *lsid;               /**< NULL until the first operation is back */
    bson_t *cluster_time;       /**< or NULL */
    uint32_t operation_time[2]; /**< timestamp, increment */
    uint32_t snapshot_time[2];  /**< of the first read */
    int64_t timeout_ms;         /**< of commit, abort, mouv_with_transaction(); see timeout.h */
    bool limited;               /**< mouv_with_transaction() has a limit for all in the session: */
    mouv__timeout_t limit;
    mouv__transaction_opts_t defaults;
    mouv__transaction_t transaction;
};

/** The session that `sessionId` means on this client: NULL with MOUV_EINVAL in `error`. */
mouv_session_t *mouv__session_find(mouv_client_t *client, int64_t number, mouv_error_t *error);

void mouv__session_hold(mouv_session_t *session);
void mouv__session_let_go(mouv_session_t *session);

/** 0, or why the session cannot be used from here: EINVAL, ETHREAD, ECLOSED. */
int mouv__session_check(const mouv_session_t *session, mouv_error_t *error);

/* --- An operation with parts->session, in this order ------------------------------------------ */

/** A write with w: 0, which has no answer: neither errors nor times, so it goes without a session.
 */
bool mouv__session_is_unacknowledged(const mouv__parts_t *parts, const mouv_client_t *client);

/** Makes it one of the session's. */
void mouv__session_attach(mouv_session_t *session, mouv__parts_t *parts);

/** It is to start: 0 if it may, else ECLOSED, ESTATE, EINVAL. */
int mouv__session_begin_operation(mouv__parts_t *parts, mouv_error_t *error);

/** The server session it must use, NULL if it may choose; `*lost`: that has gone with the client.
 */
mouv__server_session_t *mouv__session_pinned(const mouv_session_t *session, bool *lost);

/** Where an operation goes out. */
typedef struct mouv__session_place {
    mouv__server_session_t *server_session;
    uint32_t server_id;
    mouv__connection_t *connection; /**< behind a load balancer; else NULL */
    bool binds;                     /**< a transaction that begins there goes on there */
} mouv__session_place_t;

/** It goes out there: fills in what the command lacks. `again`: it has been sent before. 0 or
 *  MOUV_ENOMEM. */
int mouv__session_apply_to(mouv__parts_t *parts, const mouv__session_place_t *place, bool again);

/** Of an operation of a session: what its transaction is bound to; NULL: to nothing, or it is in
 *  none. */
const mouv__pin_t *mouv__session_bound(const mouv__parts_t *parts);

/** Its transaction does not go on where it was, unless the session has a newer one. */
void mouv__session_leave_place(const mouv__parts_t *parts);

/** The transaction is bound no more: its commit or abort may go to any server. NULL is fine. */
void mouv__session_unbind(mouv_session_t *session);

/** What it came to, which gets a transaction's labels; whether that goes on where it was. */
void mouv__session_note_error(const mouv__parts_t *parts, mouv_error_t *error);

/** It is back: takes notice of the times in the reply (NULL: none). `stopped`: mouv has asked the
 *  server to end it. */
void mouv__session_observe_reply(const mouv__parts_t *parts, const bson_t *reply, bool stopped);

/** It is settled: the next one may come. `sent`: its command was given to a connection. */
void mouv__session_end_operation(const mouv__parts_t *parts, bool sent);

/** killSessions is out for this operation of it: the server ends all of it. */
void mouv__session_note_kill(const mouv__parts_t *parts);

/** Of an abort after that: the error "there is no such transaction", which is none; else 0. */
int32_t mouv__session_expected_code(const mouv__parts_t *parts);

/** Nobody waits any more for the abort that is under way: what comes next in the session waits for its
 *  answer in the pool, and not its caller. */
void mouv__session_leave_abort(mouv_session_t *session);

/** Its last reference goes. */
void mouv__session_detach(mouv__parts_t *parts);

/* --- For api/session.c ------------------------------------------------------------------------- */

/** The server session goes back once the session has ended and no operation can come to it any
 * more. */
void mouv__session_unpin_if_unused(mouv_session_t *session);

/** {clusterTime: timestamp, ...}; true if that was news. */
bool mouv__session_advance_cluster_time(mouv_session_t *session, const bson_t *cluster_time);

/** Never back. */
void mouv__session_advance_operation_time(mouv_session_t *session, const uint32_t time[2]);

#endif
