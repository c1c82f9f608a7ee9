/*
 * Where blocking calls run: one interface, two implementations. A job runs once on some worker
 * thread and comes back to the loop by mail, or is discarded if the loop has gone meanwhile.
 */
#ifndef MOUV_MONGO_TRANSPORT_WORKERS_EXECUTOR_H
#define MOUV_MONGO_TRANSPORT_WORKERS_EXECUTOR_H

#include <stdint.h>

#include "async/loop/mailbox.h"

typedef struct mouv__job mouv__job_t;
typedef struct mouv__executor mouv__executor_t;

/** Embedded in whatever has to block. Untouched by the submitter between submit and `done`. */
struct mouv__job {
    mouv__mail_t mail; /**< first */
    mouv__job_t *next;
    /** On a worker. */
    void (*run)(mouv__job_t *self);
    /** On the loop thread, after `run`. The loop may replace it while the job runs. */
    void (*done)(mouv__job_t *self);
    /** Instead of `done`, on any thread: the loop has gone. `run` may not have been called. */
    void (*discard)(mouv__job_t *self);
};

/** What an implementation offers; all on the loop thread. */
struct mouv__executor {
    /** Most jobs that run at once. */
    uint32_t capacity;
    /** 0, or MOUV_ESYSTEM / MOUV_ENOMEM: the job is then untouched. */
    int (*submit)(mouv__executor_t *self, mouv__job_t *job);
    /** No more jobs come. Idle threads end; jobs that run come back by mail or are discarded. What
     *  has not begun is discarded. Frees the executor when its last thread has left it. */
    void (*close)(mouv__executor_t *self);
};

/** For implementations: sends a job that has run home. */
void mouv__executor_send_home(mouv__mailbox_t *mailbox, mouv__job_t *job);

#endif
