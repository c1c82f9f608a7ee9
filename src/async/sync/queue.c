/*
 * A queue: a ring of items, and those who wait to put, to get, and for all to be done. Every call
 * changes the ring or a list and lets queue_advance() bring the two together, so that never at once
 * there is an item and a getter who waits, or room and a putter.
 */
#include <mouv/queue.h>

#include <mouv/await.h>
#include <mouv/task.h>

#include "async/sync/waiter.h"
#include "context/alloc.h"

typedef struct passer {
    mouv__waiter_t waiter; /* first */
    void *item;            /* to be put, or that was handed over to a getter */
    void **out;            /* of a getter */
    void (*destroy)(void *item);
} passer_t;

/* ---- the ring ---- */

/* Room for one more item, and for one of each waiter, who can then come in or give back without
 * memory. A putter's place may be counted twice for a while. */
static bool queue_reserve(mouv_queue_t *queue) {
    size_t needed = queue->count + queue->waiters + 1;
    if (needed <= queue->capacity) return true;
    size_t capacity = 8;
    while (capacity < needed) capacity *= 2;
    void **items = mouv__alloc(capacity * sizeof *items);
    if (items == NULL) return false;
    for (size_t i = 0; i < queue->count; i++)
        items[i] = queue->items[(queue->first + i) % queue->capacity];
    mouv__free(queue->items);
    queue->items = items;
    queue->first = 0;
    queue->capacity = capacity;
    return true;
}

static void queue_push_front(mouv_queue_t *queue, void *item) {
    queue->first = (queue->first + queue->capacity - 1) % queue->capacity;
    queue->items[queue->first] = item;
    queue->count++;
}

static void *queue_pop_front(mouv_queue_t *queue) {
    void *item = queue->items[queue->first];
    queue->first = (queue->first + 1) % queue->capacity;
    queue->count--;
    return item;
}

static bool queue_is_full(const mouv_queue_t *queue) {
    return queue->maxsize > 0 && queue->count >= queue->maxsize;
}

/* ---- bringing both sides together ---- */

static void queue_store(mouv_queue_t *queue, void *item) {
    queue->items[(queue->first + queue->count++) % queue->capacity] = item;
    queue->unfinished++;
}

static void queue_advance(mouv_queue_t *queue) {
    for (;;) {
        if (queue->count > 0 && queue->getters != NULL) {
            ((passer_t *)queue->getters)->item = queue_pop_front(queue);
            mouv__waiter_grant(queue->getters, &queue->granted);
        } else if (queue->putters != NULL && !queue_is_full(queue)) {
            queue_store(queue, ((passer_t *)queue->putters)->item);
            mouv__waiter_grant(queue->putters, NULL);
        } else {
            break;
        }
    }
}

static void queue_finish_one(mouv_queue_t *queue) {
    if (--queue->unfinished > 0) return;
    while (queue->joiners != NULL) mouv__waiter_grant(queue->joiners, NULL);
}

static void queue_discard(mouv_queue_t *queue, void *item) {
    if (queue->destroy != NULL) queue->destroy(item);
    if (queue->unfinished > 0) queue_finish_one(queue);
}

/* ---- those who wait ---- */

static void queue_take(mouv__waiter_t *waiter) {
    passer_t *passer = (passer_t *)waiter;
    *passer->out = passer->item;
}

static void queue_give_back(mouv__waiter_t *waiter) {
    passer_t *passer = (passer_t *)waiter;
    mouv_queue_t *queue = waiter->object;
    if (queue == NULL) {
        if (passer->destroy != NULL) passer->destroy(passer->item);
    } else if (queue->drained) {
        queue_discard(queue, passer->item);
    } else {
        queue_push_front(queue, passer->item);
        queue_advance(queue);
    }
}

static void queue_release(mouv__future_t *future) {
    mouv_queue_t *queue = ((mouv__waiter_t *)future)->object;
    mouv__waiter_release(future); /* may give back, into its reserved place */
    if (queue != NULL) queue->waiters--;
}

static const mouv__waiter_ops_t get_ops = {
    .future = {.kind = "queue get",
               .cancel = mouv__waiter_cancel,
               .deliver = mouv__waiter_deliver,
               .release = queue_release},
    .take = queue_take,
    .pass_on = queue_give_back,
};

static const mouv__waiter_ops_t put_ops = {
    .future = {.kind = "queue put",
               .cancel = mouv__waiter_cancel,
               .deliver = mouv__waiter_deliver,
               .release = queue_release},
};

static const mouv__waiter_ops_t join_ops = {
    .future = {.kind = "queue join",
               .cancel = mouv__waiter_cancel,
               .deliver = mouv__waiter_deliver,
               .release = mouv__waiter_release},
};

static passer_t *queue_new_passer(const mouv__waiter_ops_t *ops, mouv_queue_t *queue,
                                  mouv_future_t *handle) {
    if (!queue_reserve(queue)) {
        *handle = mouv__future_failed(MOUV_ENOMEM);
        return NULL;
    }
    mouv__waiter_t *waiter = mouv__waiter_new(ops, sizeof(passer_t), queue, handle);
    if (waiter == NULL) return NULL;
    queue->waiters++;
    ((passer_t *)waiter)->destroy = queue->destroy;
    return (passer_t *)waiter;
}

/* ---- making and ending it ---- */

void mouv_queue_init(mouv_queue_t *queue, size_t maxsize) {
    if (queue != NULL) *queue = (mouv_queue_t){.maxsize = maxsize};
}

void mouv_queue_set_destroy(mouv_queue_t *queue, void (*destroy)(void *item)) {
    if (queue != NULL) queue->destroy = destroy;
}

void mouv_queue_clear(mouv_queue_t *queue) {
    if (queue == NULL) return;
    mouv__waiters_close(&queue->granted); /* first: nothing can be given back any more */
    mouv__waiters_close(&queue->getters);
    mouv__waiters_close(&queue->putters);
    mouv__waiters_close(&queue->joiners);
    while (queue->count > 0) queue_discard(queue, queue_pop_front(queue));
    mouv__free(queue->items);
    mouv_queue_init(queue, 0);
}

/* Whether the caller may use it: 0, or why not. */
static int queue_check(const mouv_queue_t *queue) {
    if (queue == NULL) return mouv__raise(NULL, MOUV_EINVAL, "queue: NULL");
    if (mouv__waiters_foreign(queue->getters) || mouv__waiters_foreign(queue->putters) ||
        mouv__waiters_foreign(queue->joiners))
        return mouv__raise(NULL, MOUV_ETHREAD, "queue: used on another thread");
    return 0;
}

int mouv_queue_shutdown(mouv_queue_t *queue, bool immediate) {
    int rc = queue_check(queue);
    if (rc != 0) return rc;
    queue->shut = true;
    queue->drained = queue->drained || immediate;
    while (immediate && queue->count > 0) queue_discard(queue, queue_pop_front(queue));
    mouv__waiters_fail(&queue->putters, MOUV_ESHUTDOWN);
    mouv__waiters_fail(&queue->getters, MOUV_ESHUTDOWN);
    return 0;
}

/* ---- put ---- */

static int queue_put_now(mouv_queue_t *queue, void *item) {
    if (queue->shut) return MOUV_ESHUTDOWN;
    if (queue_is_full(queue)) return MOUV_EAGAIN;
    if (!queue_reserve(queue)) return MOUV_ENOMEM;
    queue_store(queue, item);
    queue_advance(queue);
    return 0;
}

mouv_future_t mouv_queue_put_future(mouv_queue_t *queue, void *item) {
    mouv_future_t handle;
    int rc = queue_check(queue);
    if (rc == 0 && queue->shut) rc = MOUV_ESHUTDOWN;
    if (rc != 0) return mouv__future_failed(rc);
    passer_t *putter = queue_new_passer(&put_ops, queue, &handle);
    if (putter == NULL) return handle;
    putter->item = item;
    mouv__future_count(&putter->waiter.future);
    mouv__waiter_join(&putter->waiter, &queue->putters);
    queue_advance(queue);
    return handle;
}

int mouv_queue_put_nowait(mouv_queue_t *queue, void *item) {
    int rc = queue_check(queue);
    if (rc != 0) return rc;
    rc = queue_put_now(queue, item);
    return rc == 0 ? 0 : mouv__raise(NULL, rc, "queue: %s", mouv_error_message(rc));
}

int mouv_queue_put(mouv_queue_t *queue, void *item) {
    if (!mouv_in_coroutine()) return MOUV_ENOTCORO;
    int rc = queue_check(queue);
    if (rc != 0) return rc;
    if (queue_is_full(queue) && !queue->shut)
        return mouv_await(mouv_queue_put_future(queue, item), NULL);
    return mouv_queue_put_nowait(queue, item);
}

/* ---- get ---- */

static int queue_get_now(mouv_queue_t *queue, void **item) {
    if (queue->count == 0) return queue->shut ? MOUV_ESHUTDOWN : MOUV_EAGAIN;
    *item = queue_pop_front(queue);
    queue_advance(queue);
    return 0;
}

mouv_future_t mouv_queue_get_future(mouv_queue_t *queue, void **item) {
    mouv_future_t handle;
    int rc = item != NULL ? queue_check(queue) : MOUV_EINVAL;
    if (rc == 0 && queue->shut && queue->count == 0) rc = MOUV_ESHUTDOWN;
    if (rc != 0) return mouv__future_failed(rc);
    passer_t *getter = queue_new_passer(&get_ops, queue, &handle);
    if (getter == NULL) return handle;
    getter->out = item;
    mouv__waiter_join(&getter->waiter, &queue->getters);
    queue_advance(queue);
    return handle;
}

int mouv_queue_get_nowait(mouv_queue_t *queue, void **item) {
    int rc = queue_check(queue);
    if (rc != 0) return rc;
    if (item == NULL) return mouv__raise(NULL, MOUV_EINVAL, "queue: no place for the item");
    rc = queue_get_now(queue, item);
    return rc == 0 ? 0 : mouv__raise(NULL, rc, "queue: %s", mouv_error_message(rc));
}

int mouv_queue_get(mouv_queue_t *queue, void **item) {
    if (!mouv_in_coroutine()) return MOUV_ENOTCORO;
    int rc = queue_check(queue);
    if (rc != 0) return rc;
    if (queue->count == 0 && !queue->shut)
        return mouv_await(mouv_queue_get_future(queue, item), NULL);
    return mouv_queue_get_nowait(queue, item);
}

/* ---- join ---- */

int mouv_queue_task_done(mouv_queue_t *queue) {
    int rc = queue_check(queue);
    if (rc != 0) return rc;
    if (queue->unfinished == 0)
        return mouv__raise(NULL, MOUV_ESTATE, "queue: task_done() called too many times");
    queue_finish_one(queue);
    return 0;
}

mouv_future_t mouv_queue_join_future(mouv_queue_t *queue) {
    mouv_future_t handle;
    int rc = queue_check(queue);
    if (rc != 0) return mouv__future_failed(rc);
    mouv__waiter_t *waiter = mouv__waiter_new(&join_ops, sizeof(mouv__waiter_t), queue, &handle);
    if (waiter == NULL) return handle;
    if (queue->unfinished == 0)
        mouv__waiter_grant(waiter, NULL);
    else
        mouv__waiter_join(waiter, &queue->joiners);
    return handle;
}

int mouv_queue_join(mouv_queue_t *queue) {
    if (!mouv_in_coroutine()) return MOUV_ENOTCORO;
    int rc = queue_check(queue);
    if (rc != 0 || queue->unfinished == 0) return rc;
    return mouv_await(mouv_queue_join_future(queue), NULL);
}

size_t mouv_queue_size(const mouv_queue_t *queue) {
    return queue != NULL ? queue->count : 0;
}

bool mouv_queue_empty(const mouv_queue_t *queue) {
    return mouv_queue_size(queue) == 0;
}

bool mouv_queue_full(const mouv_queue_t *queue) {
    return queue != NULL && queue_is_full(queue);
}
