/*
 * Blocking work that is no operation: making the pool, connecting a carrier, waiting in server
 * selection, killing sessions, destroying the pool. Jobs like any other, known to their client.
 */
#ifndef MOUV_MONGO_TRANSPORT_THREADS_BACKGROUND_H
#define MOUV_MONGO_TRANSPORT_THREADS_BACKGROUND_H

#include "mongo/api/client.h"

struct mouv__step {
    mouv__job_t job; /**< first */
    mouv__step_t *prev, *next;
    mouv_client_t *client;    /**< loop thread */
    mouv__pool_t *pool;       /**< a share, or NULL */
    mouv__carrier_t *carrier; /**< or NULL */
    uint32_t server_id;       /**< 0: chosen by the wish */
    bool write;
    mongoc_read_prefs_t *read_prefs; /**< owned */
    bool ok;
    int refused; /**< it has not run: MOUV_ENOMEM, ...; or 0 */
    bson_error_t error;
    void (*ended)(mouv__step_t *step); /**< loop thread; the step is freed afterwards */
    void (*clear)(mouv__step_t *step); /**< frees what is its kind's own; any thread; or NULL */
};

/**
 * Gives a step (zeroed, but for its own fields) to a worker; consumes it. With a lane, it takes the
 * lane's carrier, which `ended` gives back; with a carrier, it runs on the executor of operations.
 * Where there is no memory or thread it ends later, without having run, with `ok` false.
 */
void mouv__step_submit(mouv_client_t *client, mouv__step_t *step, mouv__lane_t *lane,
                       void (*run)(mouv__job_t *job), void (*ended)(mouv__step_t *step),
                       void (*clear)(mouv__step_t *step));

/** Why a step has ended without `ok`; gives the code. */
int mouv__step_error(const mouv__step_t *step, mouv_error_t *error);

/** The client leaves its steps behind: they free themselves. */
void mouv__step_abandon_all(mouv_client_t *client);

/** A worker: sets a connection to its server up, for at most connectTimeoutMS; if there is one,
 *  tries it. */
bool mouv__step_connect(mouv__step_t *step);

/** The same as a job, for a carrier that may not have been opened yet. */
void mouv__step_connect_run(mouv__job_t *job);

/** A worker: tries the connection, within the same time. */
bool mouv__step_ping(mouv__step_t *step);

/** A worker: selects a server for the step's wish, sets its id. */
bool mouv__step_select_server(mouv__step_t *step);

#endif
