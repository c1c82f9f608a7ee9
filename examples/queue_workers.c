/*
 * Producers and consumers: two readers put orders into a queue of three places, three workers take
 * them out. The readers are slowed down to the workers' pace: that is back-pressure.
 *
 *     queue_workers
 */
#include <stdio.h>
#include <stdlib.h>

#include <mouv/mouv.h>

enum { READERS = 2, WORKERS = 3, ORDERS = 5 };

struct shop {
    mouv_queue_t orders;
    int served;
};

struct order {
    int reader, number;
};

struct job {
    struct shop *shop;
    int id;
};

static int reader(void *arg) {
    struct job *job = arg;
    for (int i = 1; i <= ORDERS; i++) {
        struct order *order = malloc(sizeof *order);
        if (order == NULL) return MOUV_ENOMEM;
        *order = (struct order){job->id, i};
        int rc = mouv_queue_put(&job->shop->orders, order); /* waits while the queue is full */
        if (rc < 0) {
            free(order); /* on failure it is still ours */
            return rc;
        }
        printf("reader %d: order %d\n", job->id, i);
    }
    return 0;
}

static int worker(void *arg) {
    struct job *job = arg;
    void *item;
    int rc;
    while ((rc = mouv_queue_get(&job->shop->orders, &item)) == 0) {
        struct order *order = item;
        mouv_sleep_ms(20);
        printf("worker %d: served order %d of reader %d\n", job->id, order->number, order->reader);
        free(order);
        job->shop->served++;
        mouv_queue_task_done(&job->shop->orders);
    }
    return rc == MOUV_ESHUTDOWN ? 0 : rc;
}

static int main_task(void *arg) {
    struct shop *shop = arg;
    mouv_future_t readers[READERS], workers[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        struct job job = {shop, i + 1};
        workers[i] = mouv_task_copy(worker, &job, sizeof job);
    }
    for (int i = 0; i < READERS; i++) {
        struct job job = {shop, i + 1};
        readers[i] = mouv_task_copy(reader, &job, sizeof job);
    }
    int rc = mouv_await(mouv_gather_array(readers, READERS), NULL);
    if (rc == 0) rc = mouv_queue_join(&shop->orders); /* until the last has been served */
    mouv_queue_shutdown(&shop->orders, false);        /* the workers' get fails from now on */
    int ended = mouv_await(mouv_gather_array(workers, WORKERS), NULL);
    printf("%d orders served\n", shop->served);
    return rc < 0 ? rc : ended;
}

int main(void) {
    struct shop shop = {.served = 0};
    mouv_queue_init(&shop.orders, 3);
    mouv_queue_set_destroy(&shop.orders, free); /* what Ctrl-C leaves in it */
    int status = mouv_main(main_task, &shop);
    mouv_queue_clear(&shop.orders);
    return status;
}
