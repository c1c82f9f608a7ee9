/*
 * Kill first: running operations whose awaiter has left are ended on the server by killSessions,
 * one command for all of one loop turn, sent on a lane of its own. The worker then comes back with
 * the server's answer on a kept connection. A command that had not reached the server when the kill
 * came is killed again, a few times at growing distances. Where that does not help, interrupt.h
 * goes on. Loop thread.
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

typedef struct mouv__stopper {
    mouv_client_t *client;
    mouv__ready_t flush; /**< at the end of the loop turn */
    mouv__timer_t again;
    mouv__operation_t *to_kill; /**< linked by kill_next */
    mouv__operation_t *killed;  /**< asked for, not back yet */
    mouv__lane_t lane;
    bool refused;            /**< the server does not let us */
    uint64_t kill_number;    /**< of the killSessions on the lane */
    uint64_t prepared;       /**< bits of servers that the lane was once connected to */
    uint64_t silent;         /**< bits of servers that did not answer a kill ... */
    int64_t silent_until_ns; /**< ... so until then there is none for them */
    int64_t rtt_ns;          /**< how long the last killSessions took; 0: none yet */
} mouv__stopper_t;

void mouv__stopper_init(mouv__stopper_t *stopper, mouv_client_t *client);

/** An operation goes to this server that may have to be killed: the lane is connected. */
void mouv__stopper_prepare(mouv__stopper_t *stopper, uint32_t server_id);

/** Ends an operation whose command has been given to the connection. */
void mouv__stopper_add(mouv__operation_t *op);

/** It is back, or left behind. Harmless if it was never added. */
void mouv__stopper_remove(mouv__operation_t *op);

/** Whether a kill for `op` is on the wire and without an answer. */
bool mouv__stopper_is_silent(const mouv__operation_t *op);

/** Whether it is so, or has been so lately. */
bool mouv__stopper_thinks_silent(const mouv__stopper_t *stopper, const mouv__operation_t *op);

/** No answer is expected to the kill that is on the wire. */
void mouv__stopper_drop_kill(mouv__stopper_t *stopper);

/** This server has answered something. */
void mouv__stopper_heard(mouv__stopper_t *stopper, uint32_t server_id);

/** The client ends: no timer, no flush. */
void mouv__stopper_close(mouv__stopper_t *stopper);

#endif
