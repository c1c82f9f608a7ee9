/*
 * Signals on the loop: handlers, and a future of the next one.
 */
#ifndef MOUV_SIGNAL_H
#define MOUV_SIGNAL_H

#include <stdbool.h>

#include <mouv/base.h>
#include <mouv/future.h>

/** What is called at a signal, on the loop, outside of any task. */
typedef void (*mouv_signal_fn_t)(int signum, void *arg);

MOUV_BEGIN_DECLS

/**
 * Has `fn(signum, arg)` called on the loop, outside of any task, at each such signal: ordinary
 * code, none of the limits of a signal handler. A second call for the same signal replaces the
 * first. For SIGINT and SIGTERM it replaces what mouv_main() does. Several signals in a row may
 * come as one.
 *
 * Handlers end with the runtime and keep no loop alive. Other loops of the process that watch the
 * same signal get it too.
 *
 * Context: a thread with a runtime; never suspends.
 * Errors:  MOUV_EINVAL for no function, no signal, or one that cannot be caught; MOUV_ENOLOOP,
 *          MOUV_ENOMEM, MOUV_ESYSTEM.
 * Like:    loop.add_signal_handler().
 */
MOUV_API int mouv_signal_add_handler(int signum, mouv_signal_fn_t fn, void *arg);

/**
 * Takes the handler away; if nothing else watches the signal it has its default effect again.
 * Returns whether there was one. Without mouv_main()'s, Ctrl-C ends the process at once.
 *
 * Like: loop.remove_signal_handler().
 */
MOUV_API bool mouv_signal_remove_handler(int signum);

/**
 * A future of the next such signal; its result is `signum`. While one is pending the signal goes to
 * it (to all of them) and not to the handler, mouv_main()'s included, so that a main task can wait
 * for SIGTERM and end in good order.
 *
 * Context: a thread with a runtime; never suspends. Pending, it keeps the loop alive.
 * Cancel:  at once.
 * Errors:  as mouv_signal_add_handler().
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_signal_future(int signum);

MOUV_END_DECLS

#endif
