/*
 * Signal handlers inside: those that serve once, as mouv_main()'s do.
 */
#ifndef MOUV_ASYNC_OUTSIDE_SIGNAL_H
#define MOUV_ASYNC_OUTSIDE_SIGNAL_H

#include <mouv/signal.h>

/**
 * As mouv_signal_add_handler(), for one signal: the kernel puts the default effect back when it
 * arrives, so that a second one ends the process even if the loop does not turn any more.
 */
int mouv__signal_add_once(int signum, mouv_signal_fn_t fn, void *arg);

/** Removes the handler if it is this one. */
void mouv__signal_remove(int signum, mouv_signal_fn_t fn, void *arg);

#endif
