/*
 * Blocking work of libmongoc's that is no exchange: making its pool, waiting in its server
 * selection, setting a connection up, destroying it all. Each is a job on a worker, known to its
 * transport until it has come back or was abandoned; it holds a share of libmongoc's pool. Where
 * there is no memory or thread it ends later, with the reason, without having run.
 *
 * Loop thread.
 */
#ifndef MOUV_MONGO_TRANSPORT_THREADS_BACKGROUND_H
#define MOUV_MONGO_TRANSPORT_THREADS_BACKGROUND_H

#include "mongo/transport/driver/driver_pool.h"
#include "mongo/transport/transport.h"

typedef struct mouv__background mouv__background_t;

/** What all have: who is told, and where it runs. */
typedef struct mouv__background_place {
    mouv__transport_t *transport;
    mouv__list_t *list; /**< of those that are out */
    mouv__executor_t *executor;
    mouv__driver_pool_t *driver_pool;
    mouv__transport_ended_fn_t ended;
    void *arg;
} mouv__background_place_t;

/** 0, or MOUV_ENOMEM and nothing has begun. `connection` is a control's, which `ended` finds idle.
 */
int mouv__background_open(const mouv__background_place_t *place, mouv__connection_t *connection);

int mouv__background_seek(const mouv__background_place_t *place, mouv__connection_t *connection,
                          bool write, const mongoc_read_prefs_t *read_prefs);

/** Within connectTimeoutMS; sends a ping only where the connection was set up before. */
int mouv__background_connect(const mouv__background_place_t *place, mouv__connection_t *connection,
                             uint32_t server_id);

/** The memory that the end needs, set aside at the beginning. NULL: ENOMEM. */
mouv__background_t *mouv__background_reserve(void);
void mouv__background_unreserve(mouv__background_t *reserve);

/** Ends connections, then gives up the share of libmongoc's pool that the place has; takes the
 *  reserve and the array. */
void mouv__background_close(mouv__background_t *reserve, const mouv__background_place_t *place,
                            const mouv__transport_end_t *end);

/** Nobody is told any more: they free themselves. */
void mouv__background_abandon_all(mouv__list_t *list);

#endif
