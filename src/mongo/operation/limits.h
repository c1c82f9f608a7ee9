/*
 * What timeoutMS makes of an operation: a deadline beside those of scopes, and commands without the
 * older limits that it replaces.
 */
#ifndef MOUV_MONGO_OPERATION_LIMITS_H
#define MOUV_MONGO_OPERATION_LIMITS_H

#include <stdint.h>

#include <mouv/client.h>

#include "mongo/base/timeout.h"
#include "mongo/base/types.h"

/** What the server may take of the time until then: less the least round trip so far, of commands
 * or of the last heartbeats. */
int64_t mouv__limits_time_for_server_ms(const mouv_client_t *client, int64_t until_ns);

/** Before mouv__operation_start(). */
void mouv__limits_set_timeout(mouv__operation_t *op, mouv__timeout_t timeout);

/** The same for clean-up, which has no other limit; `ms` 0 or less: none. */
void mouv__limits_set_cleanup_timeout(mouv__operation_t *op, int64_t ms);

/** Before a command of it is sent: takes out of it what timeoutMS replaces. */
void mouv__limits_drop_old_timeouts(mouv__operation_t *op);

#endif
