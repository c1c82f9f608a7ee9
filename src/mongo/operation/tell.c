/*
 * Events of operations.
 */
#include "mongo/operation/tell.h"

#include "mongo/operation/state.h"

void mouv__tell_subscriber(const mouv__operation_t *op, mouv__event_kind_t kind) {
    mouv__events_t *events = mouv__client_events(op->client);
    int64_t now_ns = mouv__operation_now_ns(op);
    mouv_pool_event_t view = {.operation = op->parts.row->name,
                              .database = op->database,
                              .operation_id = op->number,
                              .server_id = op->checkout.server_id};
    if (kind == MOUV__EVENT_OPERATION_QUEUED)
        view.waits_for = op->checkout.state == MOUV__CHECKOUT_SELECTING ? MOUV_WAITS_FOR_SERVER
                                                                        : MOUV_WAITS_FOR_CLIENT;
    if (kind == MOUV__EVENT_CLIENT_CHECKED_OUT)
        view.duration_us = (now_ns - op->checkout.entered_ns) / 1000;
    if (kind == MOUV__EVENT_CLIENT_RETURNED) view.duration_us = (now_ns - op->began_ns) / 1000;
    mouv__events_operation(events, kind, &view);
}
