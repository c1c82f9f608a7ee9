/*
 * mouv_session_t inside, and the few places where operations meet it. session.c is its life and
 * its times, transaction.c what its transactions add to commands, with_transaction.c the loop.
 * (A mouv__server_session_t, in pool.h, is a server session: it belongs to one libmongoc client.
 * The user's session takes one of these with its first operation and keeps it, and with it the
 * client.)
 */
#ifndef MOUV_MONGO_SESSION_SESSION_H
#define MOUV_MONGO_SESSION_SESSION_H

#include <mouv/session.h>

#include "mongo/base/timeout.h"
#include "mongo/operation/operation.h"

/** The legal transitions stand in one table in transaction.c. */
typedef enum mouv__transaction_state {
    MOUV__TRANSACTION_NONE,
    MOUV__TRANSACTION_STARTING, /**< nothing has been sent in it */
    MOUV__TRANSACTION_OPEN,     /**< the specification's "in progress" */
    MOUV__TRANSACTION_COMMITTED,
    MOUV__TRANSACTION_ABORTED
} mouv__transaction_state_t;

/** A copy of the user's options. */
typedef struct mouv__transaction_opts {
    bson_t *read_concern, *write_concern; /**< owned; NULL: not given */
    int8_t primary;                       /**< 1: "primary"; -1: another mode; 0: not given */
    int64_t max_commit_time_ms;
} mouv__transaction_opts_t;

typedef struct mouv__transaction {
    uint8_t state; /**< mouv__transaction_state_t */
    bool empty;    /**< COMMITTED without anything having been sent */
    bool again;    /**< the commit under way is not the first */
    bool gone;     /**< the server has ended it already, with an operation that was stopped */
    int64_t number;
    mouv__transaction_opts_t opts; /**< with the session's and the client's where it has none */
    bson_t *recovery_token;        /**< of a sharded cluster: {recoveryToken: ...}, or NULL */
} mouv__transaction_t;

struct mouv_session {
    mouv_client_t *client;       /**< counted */
    mouv_session_t *prev, *next; /**< in client->sessions */
    int64_t number;              /**< what `sessionId` in opts says */
    uint32_t references;         /**< the owner's, cursors', operations' */
    uint32_t operations;         /**< that have it, settled or not */
    bool ended;
    bool causal, snapshot;
    bool advanced;              /**< the user knows a greater cluster time than libmongoc */
    mouv__operation_t *current; /**< the one under way, or NULL */
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

/* --- An operation with op->user_session, in this order --------------------------------------- */

/** A write with w: 0, which has no answer: neither errors nor times, so it goes without a session.
 */
bool mouv__operation_is_unacknowledged(const mouv__operation_t *op);

/** Makes `op` one of the session's; session NULL is fine. */
void mouv__session_attach(mouv_session_t *session, mouv__operation_t *op);

/** It is to start: 0 if it may, else ECLOSED, ESTATE, EINVAL. */
int mouv__session_begin_operation(mouv__operation_t *op, mouv_error_t *error);

/** The server session it must use, NULL if it may choose; `*lost`: that has gone with the client.
 */
mouv__server_session_t *mouv__session_pinned(const mouv_session_t *session, bool *lost);

/** It goes to a worker, with this server session: fills in what the command lacks. */
int mouv__session_apply_to(mouv__operation_t *op, mouv__server_session_t *server_session);

/** It is back: takes notice of the times in the reply. */
void mouv__session_observe_reply(mouv__operation_t *op);

/** It is settled: the next one may come. */
void mouv__session_end_operation(mouv__operation_t *op);

/** Its last reference goes. */
void mouv__session_detach(mouv__operation_t *op);

/* --- session.c to api/session.c --------------------------------------------------------------- */

/** The server session goes back once the session has ended and no operation can come to it any
 * more. */
void mouv__session_unpin_if_unused(mouv_session_t *session);

/** {clusterTime: timestamp, ...}; true if that was news. */
bool mouv__session_advance_cluster_time(mouv_session_t *session, const bson_t *cluster_time);

/** Never back. */
void mouv__session_advance_operation_time(mouv_session_t *session, const uint32_t time[2]);

/* --- session.c to transaction.c --------------------------------------------------------------- */

/** 0, or why the session cannot be used from here: EINVAL, ETHREAD, ECLOSED. */
int mouv__session_check(const mouv_session_t *session, mouv_error_t *error);

/** {<given>, afterClusterTime: ...} or what else the session demands of a first read; the caller's
 *  to destroy. `given` may be NULL. */
bson_t *mouv__session_read_concern(const mouv_session_t *session, const bson_t *given);

/** Gives the command this read concern, which it takes, in place of its own. */
void mouv__session_set_read_concern(mouv__operation_t *op, bson_t *concern, bool if_empty);

/** The next state; asserts that it may follow. */
void mouv__transaction_move(mouv_session_t *session, mouv__transaction_state_t state);

/** STARTING or OPEN. */
bool mouv__transaction_is_open(const mouv_session_t *session);

/** What its end is sent as. */
extern const mouv__operation_row_t mouv__transaction_commit_row, mouv__transaction_abort_row;

int mouv__transaction_opts_copy(mouv__transaction_opts_t *to, const mouv_transaction_opts_t *from,
                                mouv_error_t *error);
void mouv__transaction_opts_clear(mouv__transaction_opts_t *opts);

int mouv__transaction_begin_operation(mouv__operation_t *op, mouv_error_t *error);
void mouv__transaction_apply_to(mouv__operation_t *op);
void mouv__transaction_end_operation(mouv__operation_t *op);

/** Adds the labels that are the driver's to give. */
void mouv__transaction_label(const mouv__operation_t *op, mouv_error_t *error);

/** Whether the server has ended the open transaction; then it is one that has been aborted. */
bool mouv__transaction_gone(mouv_session_t *session);

#endif
