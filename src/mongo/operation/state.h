/*
 * What a row makes of an operation, for the files of this room; the upper rooms have operation.h.
 */
#ifndef MOUV_MONGO_OPERATION_STATE_H
#define MOUV_MONGO_OPERATION_STATE_H

#include "mongo/base/client_ref.h"
#include "mongo/operation/operation.h"

static inline bool mouv__is_write(const mouv__operation_t *op) {
    return (op->parts.row->flags & MOUV__OP_WRITE) != 0;
}

static inline bool mouv__is_cleanup(const mouv__operation_t *op) {
    return (op->parts.row->flags & MOUV__OP_CLEANUP) != 0;
}

static inline bool mouv__is_poll(const mouv__operation_t *op) {
    return (op->parts.row->flags & MOUV__OP_POLL) != 0;
}

static inline int64_t mouv__operation_now_ns(const mouv__operation_t *op) {
    return mouv__client_now_ns(op->client);
}

/** The server that its last attempt went to, or NULL. */
static inline mouv__server_t *mouv__operation_server(const mouv__operation_t *op) {
    return mouv__topology_server(op->operations->pool->topology, op->checkout.server_id);
}

#endif
