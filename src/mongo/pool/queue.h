/*
 * Queues of checkouts; a checkout is in one at a time and knows which.
 */
#ifndef MOUV_MONGO_POOL_QUEUE_H
#define MOUV_MONGO_POOL_QUEUE_H

#include "mongo/pool/pool.h"

/** A loop over a queue, whose body may take the current one out. */
#define MOUV__QUEUE_EACH(queue, checkout) \
    MOUV__LIST_EACH(&(queue)->list, mouv__checkout_t, checkout, link)

/** The first, or NULL. */
static inline mouv__checkout_t *mouv__queue_first(const mouv__queue_t *queue) {
    return MOUV__LIST_FIRST(&queue->list, mouv__checkout_t, link);
}

static inline void mouv__queue_push(mouv__queue_t *queue, mouv__checkout_t *checkout) {
    checkout->queue = queue;
    mouv__list_push_back(&queue->list, &checkout->link);
    queue->count++;
}

/** Takes a checkout out of the queue it is in, if any. */
static inline void mouv__queue_remove(mouv__checkout_t *checkout) {
    mouv__queue_t *queue = checkout->queue;
    if (!queue) return;
    mouv__list_remove(&queue->list, &checkout->link);
    queue->count--;
    checkout->queue = NULL;
}

#endif
