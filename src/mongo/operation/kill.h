/*
 * Kill first: running operations whose awaiter has left are ended on the server by killSessions,
 * one command for all of one loop turn and server, sent on a control connection of its own. The
 * exchange then comes back with the server's answer on a kept connection. A command that had not
 * reached the server when the kill came is killed again, a few times at growing distances. Where
 * that does not help, cut.h goes on; stop.h is the policy over both. Loop thread.
 *
 *   NONE --add--> WAITING --flush--> KILLED --again--> WAITING ... --back, or left behind--> NONE
 */
#ifndef MOUV_MONGO_OPERATION_KILL_H
#define MOUV_MONGO_OPERATION_KILL_H

#include <stdbool.h>
#include <stdint.h>

#include "async/loop/future.h"
#include "async/loop/timer.h"
#include "context/list.h"
#include "mongo/base/types.h"

typedef enum mouv__kill_state {
    MOUV__KILL_NONE,
    MOUV__KILL_WAITING, /**< in `to_kill` */
    MOUV__KILL_KILLED   /**< in `killed` */
} mouv__kill_state_t;

typedef struct mouv__kills {
    mouv__operations_t *operations;
    mouv__ready_t flush; /**< at the end of the loop turn */
    mouv__timer_t again;
    mouv__list_t to_kill; /**< operations, the newest first */
    mouv__list_t killed;  /**< asked for, not back yet */
    mouv__probe_t *out;   /**< the killSessions, or the hello before it, that is out; or NULL */
    uint64_t number;      /**< of the killSessions so far: their call ids */
    bool refused;         /**< the server does not let us */
    void (*on_refused)(mouv__operations_t *operations);
} mouv__kills_t;

/** `on_refused` is called once the server has refused a kill for good. */
void mouv__kill_init(mouv__operations_t *operations,
                     void (*on_refused)(mouv__operations_t *operations));

/** An operation goes to this server that may have to be killed: the control connection is connected
 *  there in time. */
void mouv__kill_prepare(mouv__operations_t *operations, uint32_t server_id);

/** Ends an operation that is out, if its server lets us and has answered kills of late. */
void mouv__kill_add(mouv__operation_t *op);

/** Whether its server refuses kills. */
bool mouv__kill_is_refused(const mouv__operation_t *op);

/** It is back, or left behind. Harmless if it was never added. */
void mouv__kill_remove(mouv__operation_t *op);

/** Whether a kill for `op` is on the wire and without an answer. */
bool mouv__kill_is_silent(const mouv__operation_t *op);

/** Whether it is so, or has been so lately. */
bool mouv__kill_thinks_silent(const mouv__operation_t *op);

/** No answer is expected to the kill that is on the wire. */
void mouv__kill_drop(mouv__operations_t *operations);

/** The client ends: no timer, no flush. */
void mouv__kill_close(mouv__operations_t *operations);

#endif
