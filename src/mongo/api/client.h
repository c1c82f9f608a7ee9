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
#include "mongo/operation/operation.h"
#include "mongo/pool/pool.h"
#include "mongo/transport/driver/driver_pool.h"

struct mouv_client {
    mouv__client_ref_t ref; /**< first, see client_ref.h */
    mouv__attachment_t attachment;
    bool leaving;                     /**< the runtime closes: what is stuck is left behind */
    bool hurried;                     /**< close_wait_ms are over: likewise */
    bool left_behind;                 /**< ... and has been */
    int64_t close_wait_ms;            /**< 0: no limit */
    mouv__driver_pool_t *driver_pool; /**< a share, until the pool is closed */
    mouv__topology_t *topology;
    mouv__pool_t pool;
    mouv__operations_t operations;
    char *default_database; /**< named in the URI, or NULL */
    mouv__timer_t close_timer;
    mouv__ready_t destroy;          /**< nothing runs any more: the rest of the end, see close.c */
    struct mouv__closing *closings; /**< who waits for the end, see close.c */
};

#endif
