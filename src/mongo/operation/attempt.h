/*
 * One attempt of an operation: what goes beside its command, and its way to the transport and back.
 * What goes out is counted in op->memory: the exchange may outlive the future.
 */
#ifndef MOUV_MONGO_OPERATION_ATTEMPT_H
#define MOUV_MONGO_OPERATION_ATTEMPT_H

#include "mongo/operation/operation.h"

/** What an operation asks of a server; the read preference is borrowed. */
mouv__criteria_t mouv__attempt_criteria(const mouv__operation_t *op);

/** The server session that it must use (a cursor's, a user's session's, that of the attempt
 *  before), NULL if any will do. */
mouv__server_session_t *mouv__attempt_pinned_session(const mouv__operation_t *op);

/** The connection that is kept for it (pin.h), or NULL. */
mouv__connection_t *mouv__attempt_kept_connection(const mouv__operation_t *op);

/**
 * Sends it on this connection (NULL: a control one); `done` is told when it is back. 0, or a
 * negative code with nothing changed.
 */
int mouv__attempt_begin(mouv__operation_t *op, mouv__connection_t *connection,
                        void (*done)(mouv__exchange_t *exchange));

/** It is back: gives its session up, unless it is kept for a retry. */
void mouv__attempt_end(mouv__operation_t *op, bool keep_session);

/** It is not waited for any more: what is out frees itself. */
void mouv__attempt_abandon(mouv__operation_t *op);

/** Gives up the session that was kept for a retry that does not come. */
void mouv__attempt_drop_session(mouv__operation_t *op);

/** Gives up a share of the operation's memory. Any thread. */
void mouv__attempt_unref_memory(mouv__operation_t *op);

#endif
