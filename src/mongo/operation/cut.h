/*
 * Cut second: where a kill has brought no answer within a grace, the operation's own connection is
 * cut, so that its exchange comes back; the connection is set up anew before anything else runs on
 * it (see pool.h). Loop thread; decision 0011.
 *
 * The grace is 50 ms or four round trips. Where the server has answered the kill or could not be
 * asked yet, a write whose caller still waits for the truth has until that caller is told EUNKNOWN.
 * A server that has answered others since is busy, not silent: it has a second while connections are
 * free, and of its connections no more than one in four are made anew at a time.
 * A getMore that waits on the server is ended by no kill before its time: it is always cut, and at
 * once where its client closes.
 *
 * What nobody has given up is cut, too, where its server has been replaced by another primary and
 * says nothing.
 */
#ifndef MOUV_MONGO_OPERATION_CUT_H
#define MOUV_MONGO_OPERATION_CUT_H

#include <stdbool.h>
#include <stdint.h>

#include "async/loop/timer.h"
#include "context/list.h"
#include "mongo/base/types.h"

typedef struct mouv__cuts {
    mouv__operations_t *operations;
    mouv__timer_t timer;
    mouv__list_t list; /**< operations; most have no more than a few */
    int64_t last_ns;   /**< when there was the last cut */
    int64_t spent_ns;  /**< the budget: until when what has been earned is spent */
} mouv__cuts_t;

void mouv__cut_init(mouv__operations_t *operations);

/** `op` is out and has been given up; `hopeless`: no kill can help it. */
void mouv__cut_add(mouv__operation_t *op, bool hopeless);

/**
 * The picture of the deployment has changed. A replica set that shows a primary and a server of
 * which nothing is known has most likely replaced it: what runs there is cut if that is still so
 * after a while. It then fails as with any lost connection, and is retried on the new one.
 */
void mouv__cut_topology_changed(mouv__operations_t *operations);

/** It is back, or left behind. Harmless if it was never added. */
void mouv__cut_remove(mouv__operation_t *op);

/** The server refuses kills: nothing is to be waited for. */
void mouv__cut_hurry(mouv__operations_t *operations);

/** The client has begun to close: what waits on the server for something to come does so for nobody. */
void mouv__cut_hurry_polls(mouv__operations_t *operations);

/** The client ends. */
void mouv__cut_close(mouv__operations_t *operations);

#endif
