/*
 * Queues of operations; an operation is in one at a time and knows which.
 */
#ifndef MOUV_MONGO_POOL_QUEUE_H
#define MOUV_MONGO_POOL_QUEUE_H

#include "mongo/operation/operation.h"

static inline void mouv__queue_push(mouv__queue_t *queue, mouv__operation_t *op) {
    op->queue = queue;
    op->prev = queue->last;
    op->next = NULL;
    if (queue->last)
        queue->last->next = op;
    else
        queue->first = op;
    queue->last = op;
    queue->count++;
}

/** Takes an operation out of the queue it is in, if any. */
static inline void mouv__queue_remove(mouv__operation_t *op) {
    mouv__queue_t *queue = op->queue;
    if (!queue) return;
    if (op->prev)
        op->prev->next = op->next;
    else
        queue->first = op->next;
    if (op->next)
        op->next->prev = op->prev;
    else
        queue->last = op->prev;
    queue->count--;
    op->queue = NULL;
    op->prev = op->next = NULL;
}

#endif
