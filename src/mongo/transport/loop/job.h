/*
 * What is blocking of the loop transport, on workers (driver/background.h): libmongoc's pool and
 * server selection, the set-up of connections, the end. Loop thread.
 */
#ifndef MOUV_MONGO_TRANSPORT_LOOP_JOB_H
#define MOUV_MONGO_TRANSPORT_LOOP_JOB_H

#include "mongo/transport/loop/state.h"

/** As the transport's open(), seek(): 0, or MOUV_ENOMEM and nothing has begun. */
int mouv__job_open(mouv__loop_t *loop, mouv__transport_ended_fn_t ended, void *arg);
int mouv__job_seek(mouv__loop_t *loop, bool write, const mongoc_read_prefs_t *read_prefs,
                   mouv__transport_ended_fn_t ended, void *arg);

/** A set-up that is under way. */
struct mouv__connecting {
    mouv__background_t background; /**< first */
    mouv__loop_t *loop;
    uint32_t server_id;
    uint32_t generation; /**< the server's when it was begun */
    char host[264];
    mouv__loop_factory_t *factory;
    mouv__handover_t handover;
    mouv__loop_connection_t *connection; /**< that it is for; NULL: for nobody any more */
    mouv__exchange_t *exchange;          /**< on a control connection: that waits for it; or NULL */
    bool is_control;                     /**< that connection is one of the controls' */
};

/** Sets a connection to a server up; `arg` NULL: `ended` gets what is returned. NULL: ENOMEM. */
mouv__connecting_t *mouv__job_connect(mouv__loop_t *loop, mouv__loop_connection_t *connection,
                                      uint32_t server_id, mouv__transport_ended_fn_t ended,
                                      void *arg);

/** The job as a set-up, if it is one; else NULL. */
mouv__connecting_t *mouv__job_is_connect(mouv__background_t *background);

/** The end: gives up what libmongoc has for the transport, and if somebody is `told` of it waits
 *  until it is gone. Memory for it is set aside at the
 *  beginning (NULL: ENOMEM). */
typedef struct mouv__ending mouv__ending_t;
mouv__ending_t *mouv__ending_new(void);
void mouv__ending_free(mouv__ending_t *ending);
void mouv__job_end(mouv__loop_t *loop, mouv__ending_t *ending, mouv__transport_ended_fn_t ended,
                   void *arg);

#endif
