/*
 * Each thread that works has a place in one list, with a flag that it alone sets. Whoever wants all
 * of them at safe points raises `stops` and looks at the flags; a worker sets its flag first and
 * looks at `stops` then, so that one of the two sees the other. Docs: decisions/0017.
 */
#include "mongo/transport/workers/safepoint.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>

/* How long a worker is waited for that is in a library, and not in a wait of ours. */
#define EXIT_WAIT_NS (1000 * UINT64_C(1000000))
#define FORK_WAIT_NS (100 * UINT64_C(1000000))
#define LOOK_AGAIN_NS 50000

typedef struct place {
    struct place *next;
    bool listed;
    bool left;  /* atomic: it is not at a safe point */
    bool exits; /* it is the one that called exit(), and goes on */
    bool ends;  /* somebody joins it in the end */
} place_t;

static struct {
    pthread_once_t once;
    pthread_mutex_t lock; /* of the list */
    place_t *first;
    pthread_key_t key; /* takes a thread that ends out of the list */
    int stops;         /* atomic: forks under way, and the exit */
    bool exiting;      /* atomic */
    int ending;        /* atomic: threads that are at what exit() waits for */
} all = {.once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local place_t self;

/* libmongoc brings libcrypto along, or does without it. */
extern void OPENSSL_thread_stop(void) __attribute__((weak));

static void safepoint_sleep(void) {
    nanosleep(&(struct timespec){.tv_nsec = LOOK_AGAIN_NS}, NULL);
}

/* --- whoever stops them ---------------------------------------------------------------------- */

static bool safepoint_any_left(void) {
    pthread_mutex_lock(&all.lock);
    const place_t *place = all.first;
    while (place && (place == &self || !__atomic_load_n(&place->left, __ATOMIC_SEQ_CST)))
        place = place->next;
    pthread_mutex_unlock(&all.lock);
    return place != NULL;
}

static void safepoint_stop(uint64_t limit_ns) {
    uint64_t until = uv_hrtime() + limit_ns;
    __atomic_add_fetch(&all.stops, 1, __ATOMIC_SEQ_CST);
    while (safepoint_any_left() && uv_hrtime() < until) safepoint_sleep();
}

/* Whoever ends what runs on threads of others may end that first. */
static void safepoint_at_exit(void) {
    uint64_t until = uv_hrtime() + EXIT_WAIT_NS;
    while (__atomic_load_n(&all.ending, __ATOMIC_SEQ_CST) > 0 && uv_hrtime() < until)
        safepoint_sleep();
    self.exits = true;
    __atomic_store_n(&all.exiting, true, __ATOMIC_SEQ_CST);
    safepoint_stop(EXIT_WAIT_NS);
}

static void safepoint_before_fork(void) {
    safepoint_stop(FORK_WAIT_NS);
    pthread_mutex_lock(&all.lock);
}

static void safepoint_in_parent(void) {
    pthread_mutex_unlock(&all.lock);
    __atomic_sub_fetch(&all.stops, 1, __ATOMIC_SEQ_CST);
}

/* The child has one thread. */
static void safepoint_in_child(void) {
    all.first = self.listed ? &self : NULL;
    self.next = NULL;
    pthread_mutex_unlock(&all.lock);
    __atomic_store_n(&all.stops, 0, __ATOMIC_SEQ_CST);
}

/* --- those who are stopped ------------------------------------------------------------------- */

static void safepoint_forget(void *arg) {
    place_t *place = arg;
    pthread_mutex_lock(&all.lock);
    place_t **at = &all.first;
    while (*at && *at != place) at = &(*at)->next;
    if (*at) *at = place->next;
    pthread_mutex_unlock(&all.lock);
    place->listed = false;
}

static void safepoint_prepare(void) {
    if (pthread_key_create(&all.key, safepoint_forget) != 0) abort();
    pthread_atfork(safepoint_before_fork, safepoint_in_parent, safepoint_in_child);
    atexit(safepoint_at_exit);
}

void mouv__safepoint_init(void) {
    pthread_once(&all.once, safepoint_prepare);
}

static void safepoint_list(void) {
    mouv__safepoint_init();
    pthread_setspecific(all.key, &self);
    pthread_mutex_lock(&all.lock);
    self.next = all.first;
    all.first = &self;
    pthread_mutex_unlock(&all.lock);
    self.listed = true;
}

static void safepoint_stay(void) {
    while (mouv__safepoint_exiting() && !self.exits) {
        if (self.ends) pthread_exit(NULL);
        pause();
    }
}

void mouv__safepoint_end_at_exit(void) {
    self.ends = true;
}

void mouv__safepoint_leave(void) {
    if (!self.listed) safepoint_list();
    for (;;) {
        __atomic_store_n(&self.left, true, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&all.stops, __ATOMIC_SEQ_CST) == 0 || self.exits) return;
        __atomic_store_n(&self.left, false, __ATOMIC_SEQ_CST);
        safepoint_stay();
        safepoint_sleep();
    }
}

void mouv__safepoint_reach(void) {
    __atomic_store_n(&self.left, false, __ATOMIC_RELEASE);
}

bool mouv__safepoint_begin_wait(void) {
    bool had_left = self.left;
    if (had_left) mouv__safepoint_reach();
    return had_left;
}

void mouv__safepoint_end_wait(bool had_left) {
    int code = errno;
    if (had_left) mouv__safepoint_leave();
    safepoint_stay();
    errno = code;
}

void mouv__safepoint_ending(int by) {
    __atomic_add_fetch(&all.ending, by, __ATOMIC_SEQ_CST);
}

bool mouv__safepoint_begin_work(void) {
    bool had_left = self.left;
    if (!had_left) mouv__safepoint_leave();
    return had_left;
}

void mouv__safepoint_end_work(bool had_left) {
    if (!had_left) mouv__safepoint_reach();
}

bool mouv__safepoint_exiting(void) {
    return __atomic_load_n(&all.exiting, __ATOMIC_ACQUIRE);
}

void mouv__safepoint_end_thread(void) {
    if (!OPENSSL_thread_stop) return;
    mouv__safepoint_leave();
    OPENSSL_thread_stop();
    mouv__safepoint_reach();
}
