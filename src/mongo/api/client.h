/*
 * mouv_client_t inside: the loop's side of one deployment, in which each room below has its part.
 * What worker threads share with it is in driver_pool.h; what decides who runs next is in pool.h.
 */
#ifndef MOUV_MONGO_API_CLIENT_H
#define MOUV_MONGO_API_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

#include <mouv/client.h>

#include "async/loop/future.h"
#include "async/task/runtime.h"
#include "mongo/base/client_ref.h"
#include "mongo/command/handles.h"
#include "mongo/operation/cut.h"
#include "mongo/operation/kill.h"
#include "mongo/pool/breaker.h"
#include "mongo/pool/pool.h"
#include "mongo/transport/driver/driver_pool.h"

struct mouv_client {
    mouv__client_ref_t ref; /**< first, see client_ref.h */
    mouv__attachment_t attachment;
    bool leaving;          /**< the runtime closes: what is stuck is left behind */
    bool hurried;          /**< close_wait_ms are over: likewise */
    int64_t close_wait_ms; /**< 0: no limit */
    mouv__driver_pool_t *driver_pool;
    mouv__pool_t pool;
    mouv__kills_t kills;
    mouv__cuts_t cuts;
    mouv__breakers_t breakers;
    mouv__handles_t handles;
    char *default_database;         /**< named in the URI, or NULL */
    bool retry_reads, retry_writes; /**< the user's wish; libmongoc's own are off */
    int64_t selection_timeout_ms;
    int64_t txn_number;       /**< the last one given out */
    mouv_session_t *sessions; /**< the users', see session.h */
    uint32_t cleanups;        /**< MOUV__OP_CLEANUP: under way */
    mouv__timer_t close_timer;
    struct mouv__closing *closings; /**< who waits for the end, see close.c */
    struct mouv__destroy *destroy;  /**< the memory that its end needs, until then */
    mouv__events_t *events;         /**< NULL: nothing is subscribed, see events.h */
};

#endif
