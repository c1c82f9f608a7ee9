/*
 * Beside the ping that a silent server has left without an answer: new connections to it. A NAT or a
 * firewall may have forgotten the old ones, or bytes of the ping's may be lost, while new ones work; a
 * greeting on one closes the breaker as any answer does. One at a time is waited for; what hangs goes
 * on for nobody until its own time is over (establish.h), since nothing can end it that libmongoc
 * would not take for the loss of the server. So do set-ups that hang though their server has answered
 * something since, where others wait for their turn. Loop thread; decision 0024.
 */
#ifndef MOUV_MONGO_POOL_BESIDE_H
#define MOUV_MONGO_POOL_BESIDE_H

#include "mongo/pool/pool.h"

/** Lets go of what hangs, and begins one to each server whose breaker is open, if it is time for it;
 *  `ended` as of mouv__establish_begin(). */
void mouv__beside(mouv__pool_t *pool, mouv__transport_ended_fn_t ended);

/** The client ends. */
void mouv__beside_close(mouv__pool_t *pool);

#endif
