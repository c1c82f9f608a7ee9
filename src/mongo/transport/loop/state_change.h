/*
 * What an exchange has met that changes the picture of its server, as the specification (SDAM) has
 * it: an answer that says that it is no primary any more or shuts down, a connection that was lost
 * with a command on it. libmongoc's picture is told, whose monitor then looks again. Loop thread.
 */
#ifndef MOUV_MONGO_TRANSPORT_LOOP_STATE_CHANGE_H
#define MOUV_MONGO_TRANSPORT_LOOP_STATE_CHANGE_H

#include "mongo/transport/loop/state.h"

/** Its answer is there. */
void mouv__state_change_answered(mouv__loop_t *loop, const mouv__peer_t *peer,
                                 const mouv__exchange_t *exchange);

/** It was lost with an exchange under way, and not for want of patience. */
void mouv__state_change_lost(mouv__loop_t *loop, const mouv__peer_t *peer);

/** Frees what is remembered of them. */
void mouv__state_change_forget(mouv__loop_t *loop);

#endif
