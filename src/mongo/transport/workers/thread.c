/*
 * Starting threads, and joining those that have ended.
 */
#include "mongo/transport/workers/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include <mouv/error.h>
#include <uv.h>

#include "context/alloc.h"
#include "context/list.h"
#include "mongo/transport/workers/safepoint.h"

#define EXIT_WAIT_NS (1000 * UINT64_C(1000000))

typedef struct thread {
    mouv__link_t link; /* in `running` or `ended` */
    uv_thread_t id;
    void (*run)(void *arg);
    void *arg;
} thread_t;

static struct {
    uv_once_t once;
    uv_mutex_t lock;
    uv_cond_t changed;
    mouv__list_t running;
    mouv__list_t ended; /* to be joined */
    uint32_t leaving;   /* told to end, and have not */
} all = {.once = UV_ONCE_INIT};

static uv_key_t self;

/* The lock is held on entry and on return. */
static void thread_join_ended(void) {
    thread_t *thread;
    while ((thread = MOUV__LIST_POP(&all.ended, thread_t, link)) != NULL) {
        uv_mutex_unlock(&all.lock);
        uv_thread_join(&thread->id); /* at once: it has nothing left to do */
        mouv__free(thread);
        uv_mutex_lock(&all.lock);
    }
}

static void thread_at_exit(void) {
    uint64_t until = uv_hrtime() + EXIT_WAIT_NS;
    uv_mutex_lock(&all.lock);
    while (all.leaving > 0) {
        uint64_t now = uv_hrtime();
        if (now >= until || uv_cond_timedwait(&all.changed, &all.lock, until - now) != 0) break;
    }
    thread_join_ended();
    uv_mutex_unlock(&all.lock);
}

static void thread_before_fork(void) {
    uv_mutex_lock(&all.lock);
}

static void thread_in_parent(void) {
    uv_mutex_unlock(&all.lock);
}

/* The child of a fork() has no other thread than its own, whatever they were at. */
static void thread_in_child(void) {
    thread_t *thread, *own = uv_key_get(&self);
    if (own) mouv__list_remove(&all.running, &own->link);
    mouv__list_t *lists[] = {&all.running, &all.ended};
    for (int i = 0; i < 2; i++)
        while ((thread = MOUV__LIST_POP(lists[i], thread_t, link)) != NULL) mouv__free(thread);
    if (own) mouv__list_push_back(&all.running, &own->link);
    all.leaving = 0;
    if (uv_mutex_init(&all.lock) != 0 || uv_cond_init(&all.changed) != 0) abort();
}

/* At exit those that are told to end may do so first, then the others are stopped. */
static void thread_init(void) {
    mouv__safepoint_init();
    if (uv_mutex_init(&all.lock) != 0 || uv_cond_init(&all.changed) != 0) abort();
    if (uv_key_create(&self) != 0) abort();
    pthread_atfork(thread_before_fork, thread_in_parent, thread_in_child);
    atexit(thread_at_exit);
}

void mouv__thread_rename(const char *name, mouv__thread_name_t *before) {
    if (before) before->text[0] = '\0';
#ifdef __linux__
    if (before) pthread_getname_np(pthread_self(), before->text, sizeof before->text);
    if (*name) pthread_setname_np(pthread_self(), name);
#else
    (void)name;
#endif
}

static void thread_run_thread(void *arg) {
    thread_t *thread = arg;
    uv_key_set(&self, thread);
    thread->run(thread->arg);
    mouv__safepoint_end_thread();
}

/* Signals are for the program's own threads; but a fault on this one is for its crash reporter, which
 * the kernel does not call where the signal is blocked. */
static void thread_signals(sigset_t *blocked) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigfillset(blocked);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) sigdelset(blocked, faults[i]);
}

int mouv__thread_start(void (*run)(void *arg), void *arg, size_t stack_bytes, bool told) {
    uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = stack_bytes};
    sigset_t blocked, before;
    uv_once(&all.once, thread_init);
    thread_t *thread = mouv__alloc(sizeof *thread);
    if (!thread) return MOUV_ENOMEM;
    *thread = (thread_t){.run = run, .arg = arg};
    thread_signals(&blocked);
    uv_mutex_lock(&all.lock);
    thread_join_ended();
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int rc = uv_thread_create_ex(&thread->id, &options, thread_run_thread, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0) mouv__list_push_back(&all.running, &thread->link);
    if (rc == 0 && told) all.leaving++;
    uv_mutex_unlock(&all.lock);
    if (rc == 0) return 0;
    mouv__free(thread);
    return MOUV_ESYSTEM;
}

void mouv__thread_leave_all(uint32_t count) {
    uv_once(&all.once, thread_init);
    uv_mutex_lock(&all.lock);
    all.leaving += count;
    uv_mutex_unlock(&all.lock);
}

void mouv__thread_ends_late(void) {
    thread_t *thread = uv_key_get(&self);
    pthread_detach(thread->id);
    uv_mutex_lock(&all.lock);
    mouv__list_remove(&all.running, &thread->link);
    uv_mutex_unlock(&all.lock);
    mouv__free(thread);
}

void mouv__thread_ends(bool told) {
    thread_t *thread = uv_key_get(&self);
    uv_mutex_lock(&all.lock);
    mouv__list_remove(&all.running, &thread->link);
    mouv__list_push_back(&all.ended, &thread->link);
    if (told) all.leaving--;
    uv_cond_signal(&all.changed);
    uv_mutex_unlock(&all.lock);
}
