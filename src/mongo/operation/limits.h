/*
 * What limits an operation: what timeoutMS makes of it, and what one attempt of it may take.
 */
#ifndef MOUV_MONGO_OPERATION_LIMITS_H
#define MOUV_MONGO_OPERATION_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include <mouv/client.h>

#include "mongo/base/timeout.h"
#include "mongo/base/types.h"

/** Before mouv__operation_start(). */
void mouv__limits_set_timeout(mouv__operation_t *op, mouv__timeout_t timeout);

/** The same for clean-up, which has no other limit; `ms` 0 or less: none. */
void mouv__limits_set_cleanup_timeout(mouv__operation_t *op, int64_t ms);

/** Before a command of it is sent: takes out of it what timeoutMS replaces. */
void mouv__limits_drop_old_timeouts(mouv__operation_t *op);

/** How long a getMore may wait on its cursor's server until then, less one round trip. */
int64_t mouv__limits_poll_left_ms(const mouv_client_t *client, const mouv__pin_t *pin,
                                  int64_t until_ns);

/** What its server, and a wait for it, may take in the attempt to come. False, with the reason in
 *  `error`: nothing is left of the deadline. */
bool mouv__limits_set(mouv__operation_t *op, mouv_error_t *error);

#endif
