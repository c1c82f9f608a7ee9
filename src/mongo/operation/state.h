/*
 * What the lower half's files ask of each other about an operation; the upper half has operation.h.
 */
#ifndef MOUV_MONGO_OPERATION_STATE_H
#define MOUV_MONGO_OPERATION_STATE_H

#include "mongo/operation/operation.h"

static inline bool mouv__is_write(const mouv__operation_t *op) {
    return (op->row->flags & MOUV__OP_WRITE) != 0;
}

static inline bool mouv__is_cleanup(const mouv__operation_t *op) {
    return (op->row->flags & MOUV__OP_CLEANUP) != 0;
}

/** Changes the state; asserts that the table in operation.c has the transition. */
void mouv__operation_move(mouv__operation_t *op, mouv__op_state_t state);

/** Sets the timer to what matters in the present state. */
void mouv__operation_arm(mouv__operation_t *op);

/** It waits and shall not any more. */
void mouv__operation_fail_waiting(mouv__operation_t *op, const mouv_error_t *error);

/** Cancelled, or its own deadline has come. Does nothing to one that is settled. */
void mouv__operation_stop(mouv__operation_t *op, bool expired);

/** RUNNING or STOPPING: the future is done now, whatever the worker will bring. */
void mouv__operation_give_up(mouv__operation_t *op);

/** On a worker that is not waited for any more: settles the future, the worker frees the rest. */
void mouv__operation_leave_behind(mouv__operation_t *op);

#endif
