/*
 * The default executor: threads of its own.
 */
#ifndef MOUV_MONGO_TRANSPORT_WORKERS_WORKER_THREADS_H
#define MOUV_MONGO_TRANSPORT_WORKERS_WORKER_THREADS_H

#include "mongo/transport/workers/executor.h"

/** Started on demand, at most `capacity`. NULL: ENOMEM. */
mouv__executor_t *mouv__worker_threads_new(mouv__mailbox_t *mailbox, uint32_t capacity);

#endif
