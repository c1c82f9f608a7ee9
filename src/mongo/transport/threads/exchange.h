/*
 * One exchange on a worker: a blocking call of libmongoc's.
 */
#ifndef MOUV_MONGO_TRANSPORT_THREADS_EXCHANGE_H
#define MOUV_MONGO_TRANSPORT_THREADS_EXCHANGE_H

#include "mongo/transport/driver/driver_pool.h"
#include "mongo/transport/transport.h"

/** Loop thread: hands it to a worker. 0, or a negative code with nothing changed. */
int mouv__exchange_submit(mouv__exchange_t *exchange, mouv__executor_t *executor,
                          mouv__driver_pool_t *driver_pool);

/** Loop thread: nobody waits for it any more; it is discarded, with its connection, when it is
 *  back. */
void mouv__exchange_abandon(mouv__exchange_t *exchange);

#endif
