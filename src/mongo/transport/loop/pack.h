/*
 * Requests that are to be compressed: small ones are at once, large ones on a worker. Until it is
 * back nothing of the exchange has been sent, and its connection is not looked at. Loop thread.
 */
#ifndef MOUV_MONGO_TRANSPORT_LOOP_PACK_H
#define MOUV_MONGO_TRANSPORT_LOOP_PACK_H

#include "mongo/transport/loop/state.h"

/** Compresses the peer's message, of its exchange, where its server has agreed to that. True: a
 *  worker does, and `packed` is called when it is back; false: it can be sent now. An exchange that
 *  is abandoned meanwhile is discarded when the worker is back: see mouv__pack_is_out(). */
bool mouv__pack(mouv__loop_t *loop, mouv__peer_t *peer, void (*packed)(mouv__peer_t *peer));

/** Whether a worker has the peer's message now, and with it what its exchange has borrowed. */
bool mouv__pack_is_out(const mouv__peer_t *peer);

#endif
