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

/** Only forward. DRAINING waits for operations, DESTROYING for the pool. */
typedef enum mouv__client_state {
    MOUV__CLIENT_OPEN,
    MOUV__CLIENT_DRAINING,
    MOUV__CLIENT_DESTROYING,
    MOUV__CLIENT_CLOSED
} mouv__client_state_t;

struct mouv_client {
    mouv__attachment_t attachment;
    mouv_runtime_t *runtime;
    uint32_t users;        /**< mouv_client_ref(); at 0 nothing is told any more */
    uint32_t open_for;     /**< sessions, cursors and the like; with both at 0 it closes */
    uint32_t held;         /**< inside mouv: unsettled operations, the close itself */
    uint32_t process;      /**< where it was made, see fork.h */
    uint8_t state;         /**< mouv__client_state_t */
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
    mouv_client_stats_t stats;
};

/** An interned handle; an empty stand-in whose operations fail with ENOMEM if there is no memory.
 */
mouv_database_t *mouv__client_database(mouv_client_t *client, const char *name);
mouv_collection_t *mouv__client_collection(mouv_database_t *database, const char *name);

/** Whether it stands in for one for which there was no memory. */
bool mouv__database_is_unmade(const mouv_database_t *database);

/** The end of all handles. */
void mouv__handles_free(mouv_client_t *client);

/** 0, or why a new operation is refused: MOUV_EINVAL (NULL), ETHREAD, ECLOSED. */
int mouv__client_check(const mouv_client_t *client, mouv_error_t *error);

/** Whether this is not the client's thread, or not its process. One that is closed belongs to any
 *  thread. */
bool mouv__client_is_elsewhere(const mouv_client_t *client);

/** The same for what returns no error and then must do nothing: complains, but not in the child of
 * a fork(), where nobody can help it. */
bool mouv__client_is_foreign(const mouv_client_t *client, const char *function);

/** One more, one less thing of its user's that needs it open. NULL is fine. Loop thread. */
mouv_client_t *mouv__client_keep_open(mouv_client_t *client);
void mouv__client_may_close(mouv_client_t *client);

/** One more, one less reason inside mouv not to free it. Loop thread. */
void mouv__client_hold(mouv_client_t *client);
void mouv__client_let_go(mouv_client_t *client);

/** Something has ended: a closing client looks whether it was the last. */
void mouv__client_quiet(mouv_client_t *client);

#endif
