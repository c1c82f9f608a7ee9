/*
 * Queues of checkouts; a checkout is in one at a time and knows which.
 */
#ifndef MOUV_MONGO_POOL_QUEUE_H
#define MOUV_MONGO_POOL_QUEUE_H

#include "mongo/pool/pool.h"

/** A loop over a queue that is under way. */
typedef struct mouv__walk {
    struct mouv__walk *outer; /**< another one over the same queue */
    mouv__queue_t *queue;
    mouv__checkout_t *next; /**< NULL: it is at its end */
    bool ended;
} mouv__walk_t;

/**
 * A loop over a queue, first to last, whose body may take any out and put it elsewhere: who is told of
 * an end may end others (a gather its children).
 */
#define MOUV__QUEUE_EACH(from, checkout) \
    for (mouv__walk_t checkout##_walk __attribute__(( \
             cleanup(mouv__walk_end))) = {.queue = (from), .next = mouv__queue_first(from)}; \
         mouv__walk_begin(&checkout##_walk);) \
        for (mouv__checkout_t * checkout; (checkout = mouv__walk_take(&checkout##_walk)) != NULL;)

/** The first, or NULL. */
static inline mouv__checkout_t *mouv__queue_first(const mouv__queue_t *queue) {
    return MOUV__LIST_FIRST(&queue->list, mouv__checkout_t, link);
}

/** The one after a checkout that is in it, or NULL. */
static inline mouv__checkout_t *mouv__queue_next(const mouv__queue_t *queue,
                                                 const mouv__checkout_t *checkout) {
    return MOUV__LIST_NEXT(&queue->list, checkout, mouv__checkout_t, link);
}

/** False: it has been begun before. */
static inline bool mouv__walk_begin(mouv__walk_t *walk) {
    if (walk->ended) return false;
    walk->ended = true;
    walk->outer = walk->queue->walks;
    walk->queue->walks = walk;
    return true;
}

/** The next one, which the walk has then passed. */
static inline mouv__checkout_t *mouv__walk_take(mouv__walk_t *walk) {
    mouv__checkout_t *checkout = walk->next;
    if (checkout) walk->next = mouv__queue_next(walk->queue, checkout);
    return checkout;
}

static inline void mouv__walk_end(mouv__walk_t *walk) {
    mouv__walk_t **at = &walk->queue->walks;
    while (*at != walk) at = &(*at)->outer;
    *at = walk->outer;
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
    for (mouv__walk_t *walk = queue->walks; walk; walk = walk->outer)
        if (walk->next == checkout) mouv__walk_take(walk);
    mouv__list_remove(&queue->list, &checkout->link);
    queue->count--;
    checkout->queue = NULL;
}

#endif
