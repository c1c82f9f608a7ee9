/*
 * What a transaction adds to commands and to errors, and learns of them. mouv's own fields on raw
 * commands; libmongoc knows nothing of them. Who starts and ends them is api/transaction.c. Loop
 * thread.
 */
#ifndef MOUV_MONGO_SESSION_TRANSACTION_H
#define MOUV_MONGO_SESSION_TRANSACTION_H

#include <mouv/session.h>

#include "mongo/base/row.h"
#include "mongo/session/parts.h"

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
    int64_t killed; /**< the number of the last one that killSessions has ended; 0: none */
    mouv__transaction_opts_t opts; /**< with the session's and the client's where it has none */
    char *failure;                 /**< of an operation in it, that may have ended it; or NULL */
    bson_t *recovery_token;        /**< of a sharded cluster: {recoveryToken: ...}, or NULL */
} mouv__transaction_t;

/** What its end is sent as. */
extern const mouv__operation_row_t mouv__transaction_commit_row, mouv__transaction_abort_row;

/** The next state; asserts that it may follow. */
void mouv__transaction_move(mouv__transaction_t *transaction, mouv__transaction_state_t state);

/** STARTING or OPEN. */
bool mouv__transaction_is_open(const mouv__transaction_t *transaction);

int mouv__transaction_opts_copy(mouv__transaction_opts_t *to, const mouv_transaction_opts_t *from,
                                mouv_error_t *error);
void mouv__transaction_opts_clear(mouv__transaction_opts_t *opts);

/** A command of its session is to start: 0, or MOUV_EINVAL for what cannot be in a transaction. */
int mouv__transaction_begin_operation(mouv__transaction_t *transaction, mouv__parts_t *parts,
                                      mouv_error_t *error);

/** It goes out, as its first one with this number: true if the session's read concern goes with it.
 *  `again`: it has been sent before. */
bool mouv__transaction_apply_to(mouv__transaction_t *transaction, mouv__parts_t *parts,
                                int64_t first_number, bool again);

/** It is settled; `sent`: its command was given to a connection. */
void mouv__transaction_end_operation(mouv__transaction_t *transaction, const mouv__parts_t *parts,
                                     bool sent);

/** Its answer: what was stopped (`stopped`: mouv asked for it) has ended the transaction. */
void mouv__transaction_observe_reply(mouv__transaction_t *transaction, const mouv__parts_t *parts,
                                     const bson_t *reply, bool stopped);

/** Adds the labels that are the driver's to give. */
void mouv__transaction_label(const mouv__parts_t *parts, mouv_error_t *error);

/** Remembers the first failure of an operation in it; names it in a commit that fails for that, as
 *  whoever swallowed it would not learn why. */
void mouv__transaction_name_failure(mouv__transaction_t *transaction, const mouv__parts_t *parts,
                                    mouv_error_t *error);

/** Forgets what was of the last one. */
void mouv__transaction_forget(mouv__transaction_t *transaction);

/** Whether its transaction is not to go on where it was begun: it has been aborted, or another
 *  server may know more of it. */
bool mouv__transaction_leaves_place(const mouv__parts_t *parts, const mouv_error_t *error);

/** Whether the server has ended the open transaction; then it is one that has been aborted. */
bool mouv__transaction_gone(mouv__transaction_t *transaction);

#endif
