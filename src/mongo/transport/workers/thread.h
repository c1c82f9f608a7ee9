/*
 * The threads that mouv starts: with all signals blocked but faults, and never cut short in what they do last
 * by the end of the process.
 */
#ifndef MOUV_MONGO_TRANSPORT_WORKERS_THREAD_H
#define MOUV_MONGO_TRANSPORT_WORKERS_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Starts `run(arg)`. Nobody has to join the thread: the next one that starts, or exit(), does so
 * once it has called mouv__thread_ends(). `told`: as if mouv__thread_leave_all() had counted it.
 * Any thread. Returns 0 or MOUV_ESYSTEM, MOUV_ENOMEM.
 */
int mouv__thread_start(void (*run)(void *arg), void *arg, size_t stack_bytes, bool told);

/**
 * So many threads have been told to end. exit() waits for them, but no longer than a second: one
 * that is still ending while the exit handlers (OpenSSL's among them) run corrupts the heap. Any
 * thread.
 */
void mouv__thread_leave_all(uint32_t count);

/** The calling thread, one of mouv__thread_start(), ends now; `told`: mouv__thread_leave_all() has
 *  counted it. */
void mouv__thread_ends(bool told);

/** A thread's name as debuggers show it; those that it starts are called so too. */
typedef struct mouv__thread_name {
    char text[16]; /**< empty: not known */
} mouv__thread_name_t;

/** The calling thread is called `name` from now on; `before`, unless NULL, gets what it was. */
void mouv__thread_rename(const char *name, mouv__thread_name_t *before);

/** As mouv__thread_ends(), of one that nobody waits for at exit: it is not joined either. */
void mouv__thread_ends_late(void);

#endif
