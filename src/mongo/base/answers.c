/*
 * A ring, whose oldest goes for the newest. Replies are counted from 1 on; number n lies in slot n
 * modulo the slots. One lock for the process, taken where an operation has failed and where
 * somebody looks; a fork takes it too, as log.c explains. docs/decisions/0027 says why it is a ring.
 */
#include "mongo/base/answers.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bson_t *slots[MOUV__ANSWERS_COUNT]; /**< owned */
static uint64_t newest, oldest = 1;
static size_t size_bytes; /**< of all */

static void answers_lock(void) {
    pthread_mutex_lock(&lock);
}

static void answers_unlock(void) {
    pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void answers_watch_forks(void) {
    pthread_atfork(answers_lock, answers_unlock, answers_unlock);
}

static bool answers_has(uint64_t number) {
    return number >= oldest && number <= newest;
}

static bson_t **answers_slot(uint64_t number) {
    return &slots[number % MOUV__ANSWERS_COUNT];
}

/** What was in the slot is destroyed. */
static void answers_put(uint64_t number, bson_t *reply) {
    bson_t **slot = answers_slot(number);
    if (*slot) size_bytes -= (*slot)->len;
    if (reply) size_bytes += reply->len;
    bson_destroy(*slot);
    *slot = reply;
}

static void answers_drop_oldest(void) {
    answers_put(oldest++, NULL);
}

void mouv__answers_keep(mouv_error_t *error, const bson_t *reply) {
    bson_t *copy = bson_copy(reply);
    answers_lock();
    if (!answers_has(error->reply)) {
        if (newest + 1 - oldest == MOUV__ANSWERS_COUNT) answers_drop_oldest();
        error->reply = ++newest;
    }
    answers_put(error->reply, copy);
    while (size_bytes > MOUV__ANSWERS_BYTES && oldest < newest) answers_drop_oldest();
    answers_unlock();
}

bson_t *mouv__answers_find(const mouv_error_t *error) {
    answers_lock();
    bson_t *copy = answers_has(error->reply) ? bson_copy(*answers_slot(error->reply)) : NULL;
    answers_unlock();
    return copy;
}
