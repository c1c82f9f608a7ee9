/*
 * The child of a fork() has its parent's memory and file descriptors, but none of its threads. The
 * loop's epoll set and eventfd are one with the parent's: in the child a runtime is dead, and its
 * thread has none until it attaches one of its own.
 */
#ifndef MOUV_ASYNC_LOOP_FORK_H
#define MOUV_ASYNC_LOOP_FORK_H

#include <stdbool.h>
#include <stdint.h>

/** From now on forks are seen. Any number of times. */
void mouv__fork_watch(void);

/** Which process this is: differs between a parent and its child. Any thread; one load. */
uint32_t mouv__fork_number(void);

/** This thread's runtime was its parent's, and there is no other yet. */
bool mouv__fork_orphaned(void);

/** A runtime of its own has been attached. */
void mouv__fork_adopted(void);

#endif
