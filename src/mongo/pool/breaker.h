/*
 * One breaker a server: after some deadlines in a row without an answer from there it is pinged,
 * and if there is no answer to that either the breaker opens. While it is open nothing new is sent
 * to that server but one ping at a time; checkouts that may go elsewhere do, the others wait on the
 * loop. Whatever the server answers closes it: a ping, a kill, a late operation, a greeting, a
 * heartbeat. What is in flight is left alone. Loop thread; decision 0014.
 *
 *   CLOSED --deadlines missed--> MISSED --some more--> ASKED --no answer to a ping--> OPEN
 *   MISSED, ASKED, OPEN --any answer, or the monitor has lost the server--> CLOSED
 */
#ifndef MOUV_MONGO_POOL_BREAKER_H
#define MOUV_MONGO_POOL_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include <mouv/error.h>

#include "async/loop/future.h"
#include "async/loop/timer.h"
#include "mongo/base/types.h"
#include "mongo/transport/connection.h"

/** The legal moves stand in one table in breaker.c. */
typedef enum mouv__breaker_state {
    MOUV__BREAKER_CLOSED,
    MOUV__BREAKER_MISSED, /**< some deadlines */
    MOUV__BREAKER_ASKED,  /**< by pings whether it is there */
    MOUV__BREAKER_OPEN
} mouv__breaker_state_t;

/** In the server's pool. */
typedef struct mouv__breaker {
    uint8_t state;     /**< mouv__breaker_state_t */
    uint32_t misses;   /**< deadlines in a row */
    int64_t heard_ns;  /**< the last answer */
    int64_t missed_ns; /**< the last miss */
    int64_t since_ns;  /**< with misses: when the first of those operations was sent */
    int64_t ping_ns;   /**< asked: no ping before that */
    int64_t open_ns;   /**< asked: when it opens, unless there is an answer; MOUV__NEVER:
                            no ping has been sent yet */
} mouv__breaker_t;

/** What all have together; in the pool. */
typedef struct mouv__breakers {
    mouv__pool_t *pool;
    uint32_t missed; /**< that are not CLOSED */
    uint32_t *open;  /**< ids of the servers of those that are OPEN */
    uint32_t open_count, room;
    mouv__timer_t timer;
    mouv__ready_t closed; /**< at the end of the loop turn: those who waited go on */
    mouv__probe_t *ping;  /**< that is out, or NULL */
} mouv__breakers_t;

void mouv__breakers_init(mouv__breakers_t *breakers, mouv__pool_t *pool);

/** The client ends: no timer, no ping. */
void mouv__breakers_close(mouv__breakers_t *breakers);

/** This server has answered something. */
void mouv__breaker_heard(mouv__pool_t *pool, uint32_t server_id);

/** This one is lost, which its monitor knows better. */
void mouv__breaker_lost(mouv__pool_t *pool, uint32_t server_id);

/** A deadline has ended what was sent there at `began_ns`, and no answer had come. */
void mouv__breaker_missed(mouv__pool_t *pool, uint32_t server_id, int64_t began_ns);

/** A deadline has ended a wait for a connection to it, whose setting up a silent server holds up as
 *  well. */
void mouv__breaker_waited(mouv__pool_t *pool, uint32_t server_id, int64_t began_ns);

/** Whether pings alone are sent to its server: that is silent, or may be. */
bool mouv__breaker_is_asked(const mouv__breaker_t *breaker);

/** Whether nothing is to be sent to this server. */
bool mouv__breaker_is_open(const mouv__pool_t *pool, uint32_t server_id);

/** A link to this server was cut: true if it is set up anew once that answers; until then the
 *  connection may serve others. */
bool mouv__breaker_holds_cut(const mouv__pool_t *pool, mouv__server_link_t *link);

/** If that server's breaker is open: true, with `error` filled. */
bool mouv__breaker_explain(const mouv__pool_t *pool, uint32_t server_id, mouv_error_t *error);

#endif
