/*
 * An exchange on a peer: out, its answer in, what is told of it, how it is cut. Loop thread.
 */
#ifndef MOUV_MONGO_TRANSPORT_LOOP_CALL_H
#define MOUV_MONGO_TRANSPORT_LOOP_CALL_H

#include "mongo/transport/loop/state.h"

/** Sends it; `done` follows, not from within this call, also where it cannot be sent. The peer is
 *  open and has none under way. */
void mouv__call_begin(mouv__loop_t *loop, mouv__peer_t *peer, mouv__exchange_t *exchange);

/** Ends it without an answer, on the next tick. It is on no peer, or that has been closed. `cut`:
 *  because somebody wanted that, or its limit was over. */
void mouv__call_fail(mouv__loop_t *loop, mouv__exchange_t *exchange, const bson_error_t *error,
                     bool cut);

/** Ends it and its connection, now; `done` follows. */
void mouv__call_cut(mouv__loop_t *loop, mouv__exchange_t *exchange);

/** What the peers of a transport call. */
void mouv__call_listen(mouv__loop_t *loop);

#endif
