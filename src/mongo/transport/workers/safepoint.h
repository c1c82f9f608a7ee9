/*
 * Where exit() and fork() can meet a worker. A library that a worker is in (libcrypto, say, which
 * libmongoc asks for random numbers) may hold a lock of its own, or not survive its own clean-up at
 * exit. So both wait until every worker is at a safe point: between two jobs, or in a system call
 * that waits for a server. From there it goes on once fork() is through, and never at exit.
 *
 *     mouv__safepoint_leave();  job->run(job);  mouv__safepoint_reach();
 *          ... within it: mouv__safepoint_reach(); poll(...); mouv__safepoint_leave(); ...
 *
 * All functions: any thread.
 */
#ifndef MOUV_MONGO_TRANSPORT_WORKERS_SAFEPOINT_H
#define MOUV_MONGO_TRANSPORT_WORKERS_SAFEPOINT_H

#include <stdbool.h>

/** The thread goes into the libraries; waits while the process forks, for ever once it exits. */
void mouv__safepoint_leave(void);

/** The thread is joined by the end of the process (libuv's are): at exit it ends where others stay. */
void mouv__safepoint_end_at_exit(void);

/** ... is out of them. */
void mouv__safepoint_reach(void);

/** Around a wait in the libraries: whether the thread had left, which is given back after it. A
 *  thread that never did (libmongoc's monitors have nobody to say so) is kept there at exit too.
 *  `errno` stays. */
bool mouv__safepoint_begin_wait(void);
void mouv__safepoint_end_wait(bool had_left);

/** One more (1), one less (-1) that ends threads of libmongoc's: exit() lets it, for a second. */
void mouv__safepoint_ending(int by);

/** Around work in the libraries of a thread that may be a worker, which has left already, or one of
 *  libmongoc's monitors, which leaves for it alone; the second gets what the first has returned. */
bool mouv__safepoint_begin_work(void);
void mouv__safepoint_end_work(bool had_left);

/** The thread ends: what libcrypto keeps for it is freed here, where fork() does not meet it. */
void mouv__safepoint_end_thread(void);

/** exit() has been called: no job that begins now would end. */
bool mouv__safepoint_exiting(void);

/** With the first thread; libmongoc, and with it OpenSSL, has registered its exit handlers by then.
 */
void mouv__safepoint_init(void);

#endif
