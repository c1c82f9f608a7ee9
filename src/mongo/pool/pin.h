/*
 * Pin, the lower half's part; the rest is in operation.h.
 */
#ifndef MOUV_MONGO_POOL_PIN_H
#define MOUV_MONGO_POOL_PIN_H

#include <mouv/client.h>

#include "mongo/transport/driver/driver_pool.h"

/** Keeps a session of the client's. NULL: ENOMEM. */
mouv__pin_t *mouv__pin_new(mouv_client_t *client, mouv__server_session_t *session);

/** Loop thread: the connection's sessions end soon; whoever keeps one learns it. */
void mouv__pin_forget_all(mouv__connection_t *connection);

#endif
