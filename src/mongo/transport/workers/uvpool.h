/*
 * The executor on libuv's process-wide thread pool, one thread of it left free for DNS and files.
 */
#ifndef MOUV_MONGO_TRANSPORT_WORKERS_UVPOOL_H
#define MOUV_MONGO_TRANSPORT_WORKERS_UVPOOL_H

#include "mongo/transport/workers/executor.h"

/**
 * uv_queue_work() pins the loop it is given until the job has ended, so jobs are given to a loop of
 * the executor's own that is only ever reaped: the user's loop can close while a job is stuck. The
 * private loop (about 1 KiB and three descriptors) of an executor that is closed with a stuck job
 * is never freed: libuv offers no way, and says so in the log. NULL: ENOMEM.
 */
mouv__executor_t *mouv__uvpool_new(mouv__mailbox_t *mailbox, uint32_t capacity);

#endif
