/*
 * Kill first: running operations whose awaiter has left are ended on the server by killSessions,
 * one command for all of one loop turn, sent on a control connection of its own. The worker then
 * comes back with the server's answer on a kept connection. A command that had not reached the
 * server when the kill came is killed again, a few times at growing distances. Where that does not
 * help, cut.h goes on. Loop thread.
 */
#ifndef MOUV_MONGO_OPERATION_KILL_H
#define MOUV_MONGO_OPERATION_KILL_H

#include <stdbool.h>
#include <stdint.h>

#include <mouv/client.h>

#include "async/loop/future.h"
#include "async/loop/timer.h"
#include "mongo/base/types.h"
#include "mongo/pool/pool.h"

typedef struct mouv__kills {
    mouv_client_t *client;
    mouv__ready_t flush; /**< at the end of the loop turn */
    mouv__timer_t again;
    mouv__operation_t *to_kill; /**< linked by kill_next */
    mouv__operation_t *killed;  /**< asked for, not back yet */
    mouv__control_t control;
    bool refused;         /**< the server does not let us */
    uint64_t kill_number; /**< of the killSessions on the control connection */
    uint64_t prepared;    /**< bits of servers that the control connection was once connected to */
    uint64_t silent;      /**< bits of servers that did not answer a kill ... */
    int64_t silent_until_ns; /**< ... so until then there is none for them */
    int64_t rtt_ns;          /**< how long the last killSessions took; 0: none yet */
} mouv__kills_t;

void mouv__kill_init(mouv__kills_t *kills, mouv_client_t *client);

/** An operation goes to this server that may have to be killed: the control connection is
 *  connected. */
void mouv__kill_prepare(mouv__kills_t *kills, uint32_t server_id);

/** Ends an operation whose command has been given to the connection. */
void mouv__kill_add(mouv__operation_t *op);

/** It is back, or left behind. Harmless if it was never added. */
void mouv__kill_remove(mouv__operation_t *op);

/** Whether a kill for `op` is on the wire and without an answer. */
bool mouv__kill_is_silent(const mouv__operation_t *op);

/** Whether it is so, or has been so lately. */
bool mouv__kill_thinks_silent(const mouv__kills_t *kills, const mouv__operation_t *op);

/** No answer is expected to the kill that is on the wire. */
void mouv__kill_drop(mouv__kills_t *kills);

/** This server has answered something. */
void mouv__kill_heard(mouv__kills_t *kills, uint32_t server_id);

/** The client ends: no timer, no flush. */
void mouv__kill_close(mouv__kills_t *kills);

#endif
