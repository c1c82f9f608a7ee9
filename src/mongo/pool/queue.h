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
    bool back;              /**< last to first */
    bool begun;
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

/** Several loops in one: each is at its `next`, which mouv__walk_take() passes. */
#define MOUV__WALK(walk, from, backwards) \
    mouv__walk_t walk __attribute__((cleanup(mouv__walk_end))) = { \
        .queue = (from), \
        .next = (backwards) ? mouv__queue_last(from) : mouv__queue_first(from), \
        .back = (backwards)}; \
    mouv__walk_begin(&walk)

/** The first (last), or NULL. */
static inline mouv__checkout_t *mouv__queue_first(const mouv__queue_t *queue) {
    return MOUV__LIST_FIRST(&queue->list, mouv__checkout_t, link);
}

static inline mouv__checkout_t *mouv__queue_last(const mouv__queue_t *queue) {
    return MOUV__LIST_LAST(&queue->list, mouv__checkout_t, link);
}

/** False: it has been begun before. */
static inline bool mouv__walk_begin(mouv__walk_t *walk) {
    if (walk->begun) return false;
    walk->begun = true;
    walk->outer = walk->queue->walks;
    walk->queue->walks = walk;
    return true;
}

/** The next one, which the walk has then passed. */
static inline mouv__checkout_t *mouv__walk_take(mouv__walk_t *walk) {
    mouv__checkout_t *checkout = walk->next;
    if (checkout)
        walk->next = walk->back
                         ? MOUV__LIST_PREV(&walk->queue->list, checkout, mouv__checkout_t, link)
                         : MOUV__LIST_NEXT(&walk->queue->list, checkout, mouv__checkout_t, link);
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

/** Where its arrival puts it. */
static inline void mouv__queue_insert(mouv__queue_t *queue, mouv__checkout_t *checkout) {
    mouv__checkout_t *before = mouv__queue_last(queue);
    while (before && before->order > checkout->order)
        before = MOUV__LIST_PREV(&queue->list, before, mouv__checkout_t, link);
    checkout->queue = queue;
    mouv__list_insert_after(&queue->list, &checkout->link, before ? &before->link : NULL);
    queue->count++;
}

/** How many wait for any connection. */
static inline uint32_t mouv__queue_count_waiting(const mouv__pool_t *pool) {
    uint32_t count = 0;
    for (int i = 0; i < MOUV__WAITING_KINDS; i++) count += pool->waiting[i].count;
    return count;
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
