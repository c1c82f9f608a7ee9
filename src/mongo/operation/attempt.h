/*
 * One attempt of an operation: what goes to the worker, what it does there, what it brings back.
 *
 *   PREPARING --worker--> SENT       the command is given to the connection
 *   PREPARING --loop----> STOPPED    the worker comes back without having sent anything
 */
#ifndef MOUV_MONGO_OPERATION_ATTEMPT_H
#define MOUV_MONGO_OPERATION_ATTEMPT_H

#include "mongo/operation/operation.h"

enum { MOUV__STAGE_PREPARING, MOUV__STAGE_SENT, MOUV__STAGE_STOPPED };

/** What the server, and a wait for it, may take: false if nothing is left of the deadline. */
bool mouv__attempt_set_limits(mouv__operation_t *op);

/**
 * Hands `op` to a worker with this connection. 0, or a negative code with nothing changed.
 * `done` is mouv__operation_back().
 */
int mouv__attempt_begin(mouv__operation_t *op, mouv__connection_t *connection,
                        mouv__executor_t *executor);

/** Loop thread: the server session that it must use (a cursor's, a user's session's, that of the
 *  attempt before), NULL if any will do. */
mouv__server_session_t *mouv__pinned_session(const mouv__operation_t *op);

/** Loop thread: true if nothing has been sent and nothing will be. */
bool mouv__attempt_stop(mouv__operation_t *op);

/** Loop thread: whether the command has been given to the connection, so that a kill has a sense.
 */
bool mouv__attempt_is_sent(const mouv__operation_t *op);

/** Loop thread, the job is back: gives session (unless `keep_session`) and pool share back. Returns
 *  the connection, which the caller gives to the the pool. */
mouv__connection_t *mouv__attempt_end(mouv__operation_t *op, bool keep_session);

/** Loop thread: the job is left behind; the worker frees what is the attempt's. */
void mouv__attempt_abandon(mouv__operation_t *op);

/** Drops one share of the operation's memory; the last one frees it. Any thread. */
void mouv__operation_unref_memory(mouv__operation_t *op);

/** operation.c: the job is back. */
void mouv__operation_back(mouv__job_t *job);

#endif
