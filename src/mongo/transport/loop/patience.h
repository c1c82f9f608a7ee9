/*
 * How long a peer may be silent while its answer is waited for. Most have the limit of the client
 * (socketTimeoutMS): those stand in the order in which they began to wait, on one timer.
 * Loop thread.
 */
#ifndef MOUV_MONGO_TRANSPORT_LOOP_PATIENCE_H
#define MOUV_MONGO_TRANSPORT_LOOP_PATIENCE_H

#include "mongo/transport/loop/peer.h"

typedef struct mouv__patience {
    mouv_client_t *client;
    int64_t limit_ns; /**< of those that have none of their own; 0: none */
    mouv__list_t waiting;
    mouv__timer_t timer; /**< of the first */
    /** It was silent for too long. */
    void (*over)(mouv__peer_t *peer);
} mouv__patience_t;

/** The wait begins, or begins anew because something was heard. `limit_ms`: its own; 0: that of
 *  all; negative: none. */
void mouv__patience_begin(mouv__patience_t *patience, mouv__peer_t *peer, int32_t limit_ms);

/** It is over. Harmless if there was none. */
void mouv__patience_end(mouv__patience_t *patience, mouv__peer_t *peer);

void mouv__patience_close(mouv__patience_t *patience);

#endif
