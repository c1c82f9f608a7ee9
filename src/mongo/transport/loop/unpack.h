/*
 * Compressed answers: small ones are uncompressed at once, large ones on a worker. Loop thread.
 */
#ifndef MOUV_MONGO_TRANSPORT_LOOP_UNPACK_H
#define MOUV_MONGO_TRANSPORT_LOOP_UNPACK_H

#include "mongo/transport/loop/state.h"

/** Goes on with peer->incoming.packed, now or later. */
void mouv__unpack(mouv__loop_t *loop, mouv__peer_t *peer);

#endif
