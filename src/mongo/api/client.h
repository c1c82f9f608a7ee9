/*
 * mouv_client_t inside: the loop's side of one deployment. What worker threads share with it is
 * in pool.h; what decides who runs next is in pool.h.
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
#include "mongo/operation/cut.h"
#include "mongo/operation/kill.h"
#include "mongo/pool/breaker.h"
#include "mongo/pool/pool.h"
#include "mongo/transport/driver/driver_pool.h"

/** Interned by its client and freed with it. `name` is not validated: operations do that. */
struct mouv_database {
    mouv_client_t *client;
    mouv_database_t *next; /**< the client's list */
    mouv_collection_t *collections;
    mouv__concerns_t *defaults; /**< a share; NULL: the client's */
    char name[];
};

struct mouv_collection {
    mouv_database_t *database;
    mouv_collection_t *next;    /**< the database's list */
    mouv__concerns_t *defaults; /**< a share; NULL: the client's */
    char name[];
};

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
    mouv_database_t *databases;
    char *default_database;         /**< named in the URI, or NULL */
    bool retry_reads, retry_writes; /**< the user's criteria; libmongoc's own are off */
    int64_t selection_timeout_ms;
    int64_t timeout_ms;       /**< the URI's timeoutMS, see timeout.h */
    int64_t txn_number;       /**< the last one given out */
    mouv_session_t *sessions; /**< the users', see session.h */
    uint32_t cleanups;        /**< MOUV__OP_CLEANUP: under way */
    mouv__timer_t close_timer;
    struct mouv__closing *closings; /**< who waits for the end, see close.c */
    struct mouv__destroy *destroy;  /**< the memory that its end needs, until then */
    mouv__events_t *events;         /**< NULL: nothing is subscribed, see monitor.h */
};

/** An interned handle; an empty stand-in whose operations fail with ENOMEM if there is no memory.
 */
mouv_database_t *mouv__client_database(mouv_client_t *client, const char *name);
mouv_collection_t *mouv__client_collection(mouv_database_t *database, const char *name);

/** Whether it stands in for one for which there was no memory. */
bool mouv__database_is_unmade(const mouv_database_t *database);

/** The end of all handles. */
void mouv__handles_free(mouv_client_t *client);

#endif
