/*
 * One breaker a server: after some deadlines in a row without an answer from there it is pinged,
 * and if there is no answer to that either the breaker opens. While it is open nothing new is sent
 * to that server but one ping at a time; operations that may go elsewhere do, the others wait on
 * the loop. Whatever the server answers closes it: a ping, a kill, a late operation, a greeting, a
 * heartbeat. What is in flight is left alone. Loop thread.
 */
#ifndef MOUV_MONGO_POOL_BREAKER_H
#define MOUV_MONGO_POOL_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include <mouv/client.h>

#include "async/loop/future.h"
#include "async/loop/timer.h"
#include "mongo/base/types.h"
#include "mongo/pool/pool.h"

typedef struct mouv__breaker {
    uint32_t server_id;
    uint32_t misses;   /**< deadlines in a row */
    int64_t heard_ns;  /**< the last answer */
    int64_t missed_ns; /**< the last miss */
    int64_t since_ns;  /**< with misses: when the first of those operations was sent */
    int64_t ping_ns;   /**< asked: no ping before that */
    int64_t open_ns;   /**< asked: when it opens, unless there is an answer; MOUV__NEVER:
                            no ping has been sent yet */
} mouv__breaker_t;

typedef struct mouv__breakers {
    mouv_client_t *client;
    /* mouv__server_bit()s; each is part of the one before */
    uint64_t missed; /**< some deadlines */
    uint64_t asked;  /**< by pings whether they are there */
    uint64_t open;
    mouv__timer_t timer;
    mouv__ready_t closed; /**< at the end of the loop turn: those who waited go on */
    mouv__control_t control;
    mouv__breaker_t of[64]; /**< by server id % 64 */
} mouv__breakers_t;

void mouv__breakers_init(mouv__breakers_t *breakers, mouv_client_t *client);

/** This server has answered something. */
void mouv__breaker_heard(mouv_client_t *client, uint32_t server_id);

/** `op` is back from the worker without an answer: counts, if its deadline is why. */
void mouv__breaker_missed(const mouv__operation_t *op);

/** `op` has waited in vain for a connection, whose setting up a silent server holds up as well:
 *  likewise. */
void mouv__breaker_waited(const mouv__operation_t *op);

/** Whether nothing is to be sent to this server. */
bool mouv__breaker_is_open(const mouv_client_t *client, uint32_t server_id);

/** The connection's connection to this server was cut: true if it is set up again once that
 *  answers; until then the connection may serve others. */
bool mouv__breaker_keeps_cut(const mouv_client_t *client, mouv__connection_t *connection,
                             uint32_t server_id);

/** `op` has a server: whether it may go there, or to another one, whose id is then set. If not, the
 *  server that it waits for is. */
bool mouv__breaker_lets_pass(mouv__operation_t *op);

/** If `op` waits for a breaker: true, with `error` filled. */
bool mouv__breaker_explain(const mouv__operation_t *op, mouv_error_t *error);

/** The monitors have news: servers that are lost have no breaker. */
void mouv__breakers_look(mouv_client_t *client);

/** The client ends: no timer, no ping. */
void mouv__breakers_close(mouv__breakers_t *breakers);

#endif
