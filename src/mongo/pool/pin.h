/*
 * Affinity, the lower half's part; the rest is in operation.h.
 */
#ifndef MOUV_MONGO_POOL_PIN_H
#define MOUV_MONGO_POOL_PIN_H

#include <mouv/client.h>

#include "mongo/transport/driver/driver_pool.h"

/** Keeps a session of the client's. NULL: ENOMEM. */
mouv__affinity_t *mouv__affinity_new(mouv_client_t *client, mouv__session_t *session);

/** Loop thread: the carrier's sessions end soon; whoever keeps one learns it. */
void mouv__affinity_forget_all(mouv__carrier_t *carrier);

#endif
