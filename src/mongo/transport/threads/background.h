/*
 * Blocking work that is no operation: making the pool, connecting a connection, waiting in server
 * selection, killing sessions, destroying the pool. Jobs like any other, known to their client.
 */
#ifndef MOUV_MONGO_TRANSPORT_THREADS_BACKGROUND_H
#define MOUV_MONGO_TRANSPORT_THREADS_BACKGROUND_H

#include "mongo/api/client.h"

struct mouv__background {
    mouv__job_t job; /**< first */
    mouv__background_t *prev, *next;
    mouv_client_t *client;            /**< loop thread */
    mouv__driver_pool_t *driver_pool; /**< a share, or NULL */
    mouv__connection_t *connection;   /**< or NULL */
    uint32_t server_id;               /**< 0: chosen by the criteria */
    bool write;
    mongoc_read_prefs_t *read_prefs; /**< owned */
    int64_t rtt_ns;                  /**< see mouv__background_measure_run() */
    bool ok;
    int refused; /**< it has not run: MOUV_ENOMEM, ...; or 0 */
    bson_error_t error;
    void (*ended)(
        mouv__background_t *background); /**< loop thread; the background job is freed afterwards */
    void (*clear)(
        mouv__background_t *background); /**< frees what is its kind's own; any thread; or NULL */
};

/**
 * Gives a background job (zeroed, but for its own fields) to a worker; consumes it. With a control
 * connection, it takes the control connection's connection, which `ended` gives back; with a
 * connection, it runs on the executor of operations. Where there is no memory or thread it ends
 * later, without having run, with `ok` false.
 */
void mouv__background_submit(mouv_client_t *client, mouv__background_t *background,
                             mouv__control_t *control, void (*run)(mouv__job_t *job),
                             void (*ended)(mouv__background_t *background),
                             void (*clear)(mouv__background_t *background));

/** Why a background job has ended without `ok`; gives the code. */
int mouv__background_error(const mouv__background_t *background, mouv_error_t *error);

/** The client leaves its background jobs behind: they free themselves. */
void mouv__background_abandon_all(mouv_client_t *client);

/** A worker: sets a connection to its server up, for at most connectTimeoutMS; if there is one,
 *  tries it. */
bool mouv__background_connect(mouv__background_t *background);

/** The same as a job, for a connection that may not have been opened yet. */
void mouv__background_connect_run(mouv__job_t *job);

/** A worker: tries the connection, within the same time. */
bool mouv__background_ping(mouv__background_t *background);

/** The same, and then measures a round trip, as the monitors do: with a hello. `rtt_ns` 0: there was
 *  no answer. */
void mouv__background_measure_run(mouv__job_t *job);

/** A worker: selects a server for the background job's criteria, sets its id. */
bool mouv__background_select_server(mouv__background_t *background);

#endif
