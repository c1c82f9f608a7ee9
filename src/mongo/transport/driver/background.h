/*
 * Blocking work of libmongoc's that is no exchange: making its pool, waiting in its server
 * selection, setting a connection up, destroying it all. Each is a job on a worker, known to its
 * transport until it has come back or was abandoned; it holds a share of libmongoc's pool. Where
 * there is no memory or thread it ends later, with the reason, without having run.
 *
 * A transport embeds this in its own kinds of work. Loop thread, unless said otherwise.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_BACKGROUND_H
#define MOUV_MONGO_TRANSPORT_DRIVER_BACKGROUND_H

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

struct mouv__background {
    mouv__job_t job; /**< first */
    mouv__link_t link;
    mouv__list_t *list;               /**< of its transport's */
    mouv__transport_t *transport;     /**< loop thread */
    mouv__driver_pool_t *driver_pool; /**< a share; NULL: given up */
    bool ok;                          /**< what `run` has come to */
    bson_error_t error;               /**< where not ok */
    int refused;                      /**< it has not run: MOUV_ENOMEM, ...; or 0 */
    mouv__transport_ended_fn_t ended;
    void *arg;
    /** It is back, before `ended` is called; or NULL. */
    void (*back)(mouv__background_t *self);
    /** Frees what is its own, `self` as well. Any thread: `back` has not been called if `lost`. */
    void (*free)(mouv__background_t *self, bool lost);
};

/** Hands it to a worker, which calls `run`; `back` and `free` are set. With `driver_pool` NULL it
 *  takes a share of the place's. */
void mouv__background_submit(mouv__background_t *self, const mouv__background_place_t *place,
                             void (*run)(mouv__job_t *job));

/** Nobody is told any more: they free themselves. */
void mouv__background_abandon_all(mouv__list_t *list);

#endif
