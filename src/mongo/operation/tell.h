/*
 * What who has subscribed to a client's operations is told of them (monitor.h). Loop thread.
 */
#ifndef MOUV_MONGO_OPERATION_TELL_H
#define MOUV_MONGO_OPERATION_TELL_H

#include "mongo/base/client_ref.h"
#include "mongo/operation/operation.h"

/** What has become of it: MOUV__EVENT_OPERATION_QUEUED, _CLIENT_CHECKED_OUT, _CLIENT_RETURNED,
 *  _OPERATION_KILLED. */
void mouv__tell_subscriber(const mouv__operation_t *op, mouv__event_kind_t kind);

static inline void mouv__tell_operation(const mouv__operation_t *op, mouv__event_kind_t kind) {
    if (mouv__client_events(op->client)) mouv__tell_subscriber(op, kind);
}

#endif
