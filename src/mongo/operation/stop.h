/*
 * How a running operation is stopped: kill first, cut second; the policy over kill.h and cut.h.
 * Loop thread.
 */
#ifndef MOUV_MONGO_OPERATION_STOP_H
#define MOUV_MONGO_OPERATION_STOP_H

#include "mongo/base/types.h"

void mouv__stop_init(mouv__operations_t *operations);

/** Its command has been given to the connection, and nobody waits for it: ends it. */
void mouv__stop_add(mouv__operation_t *op);

/** It is back, or left behind. Harmless if it was never added. */
void mouv__stop_remove(mouv__operation_t *op);

/** The client has begun to close: polls that were given up are cut at once. */
void mouv__stop_hurry_polls(mouv__operations_t *operations);

/** The client ends. */
void mouv__stop_close(mouv__operations_t *operations);

#endif
