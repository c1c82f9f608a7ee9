/*
 * The parts of an operation's command, as its maker gives them and its session completes them; the
 * operation owns what is in it. Whoever sends it puts them together (attempt.c).
 */
#ifndef MOUV_MONGO_SESSION_PARTS_H
#define MOUV_MONGO_SESSION_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

#include "mongo/base/row.h"
#include "mongo/base/types.h"
#include "mongo/wire/sequence.h"

typedef struct mouv__parts {
    const mouv__operation_row_t *row;
    /* --- the maker's --- */
    bson_t *command;            /**< owned; with the user's maxTimeMS, readConcern, ... in it */
    mouv__sequence_t *sequence; /**< owned; in place of an array of the command, or NULL */
    mongoc_read_prefs_t *read_prefs; /**< owned; NULL: see MOUV__OP_READ_PREFERENCE, else primary */
    mouv__concerns_t *defaults;      /**< a share: of the handle it was called on; or NULL */
    mouv__pin_t *pin;                /**< borrowed, outlives the operation: getMore; else NULL */
    bool retryable;                  /**< from the row; cleared for multi statements, $out, ... */
    bool multi;                      /**< changes many documents: a multi statement or several */
    bool has_timeout;                /**< timeoutMS is given, see timeout.h; 0 as well */
    /* --- the session's --- */
    mouv_session_t *session; /**< the user's, counted; NULL: none */
    int64_t txn_number;      /**< 0: none; kept over a retry */
    bson_t *fields;          /**< of the transaction it is in, in place of defaults; owned */
    bson_t *cluster_time;    /**< that the deployment is to be told first; owned, or NULL */
    bool in_transaction;     /**< so nothing is stored before the commit */
    bool starts_transaction; /**< its command is the transaction's first */
} mouv__parts_t;

#endif
