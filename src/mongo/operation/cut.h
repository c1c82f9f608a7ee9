/*
 * Interrupt second: where a kill has brought no answer within a grace, the operation's own
 * connection is cut, so that its worker comes back; the connection is reconnected before anything
 * else runs on it (see pool.h). Loop thread.
 *
 * The grace is 50 ms or four round trips. Where the server has answered the kill or could not be
 * asked yet, a write whose caller still waits for the truth has until that caller is told EUNKNOWN,
 * and a getMore that waits on the server, which no kill ends, until its own time is up.
 *
 * What nobody has given up is cut, too, where its server has been replaced by another primary and
 * says nothing.
 */
#ifndef MOUV_MONGO_OPERATION_CUT_H
#define MOUV_MONGO_OPERATION_CUT_H

#include "async/loop/timer.h"
#include "mongo/base/types.h"

#include <mouv/client.h>

typedef struct mouv__cuts {
    mouv_client_t *client;
    mouv__timer_t timer;
    mouv__operation_t *first; /**< linked by interrupt_next; most have no more than a few */
    int64_t spent_ns;         /**< the budget: when the next interrupt will have been earned */
    int64_t price_ns;         /**< what one costs of it */
} mouv__cuts_t;

void mouv__cut_init(mouv__cuts_t *cuts, mouv_client_t *client);

/** `op` runs and has been given up; `hopeless`: no kill can help it. */
void mouv__cut_add(mouv__operation_t *op, bool hopeless);

/**
 * The snapshot of the deployment has changed. A replica set that shows a primary and a server of
 * which nothing is known has most likely replaced it: what runs there is cut if that is still so
 * after a while. It then fails as with any lost connection, and is retried on the new one.
 */
void mouv__cut_topology_changed(mouv__cuts_t *cuts);

/** It is back, or left behind. Harmless if it was never added. */
void mouv__cut_remove(mouv__operation_t *op);

/** The server refuses kills: nothing is to be waited for. */
void mouv__cut_hurry(mouv__cuts_t *cuts);

/** The client ends. */
void mouv__cut_close(mouv__cuts_t *cuts);

#endif
