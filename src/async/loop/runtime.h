/*
 * The runtime as what lives on it sees it: this thread's, its ready queue, what keeps its loop
 * alive, what must end before it. How it is attached, ticks and closes is task/lifetime.c.
 */
#ifndef MOUV_ASYNC_LOOP_RUNTIME_H
#define MOUV_ASYNC_LOOP_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include <mouv/runtime.h>

#include "async/loop/mailbox.h"
#include "context/list.h"

typedef struct mouv__ready mouv__ready_t;
typedef struct mouv__attachment mouv__attachment_t;

/** Something that happens on the next tick. Embedded; queued at most once at a time. */
struct mouv__ready {
    mouv__link_t link;
    void (*run)(mouv__ready_t *self);
};

static inline bool mouv__ready_is_queued(const mouv__ready_t *ready) {
    return mouv__link_is_in_list(&ready->link);
}

/**
 * Something of an upper layer that lives on the runtime (a client) and must end before it.
 * Embedded.
 */
struct mouv__attachment {
    mouv__link_t link;
    /** The runtime closes and every task has ended: begin to close, never block, and call
     *  mouv__runtime_detach() when nothing is left on the loop (now or later, but never later than
     *  a stuck worker: leave that behind). */
    void (*close)(mouv__attachment_t *self);
};

/** The thread's runtime, also while it closes. */
extern _Thread_local mouv_runtime_t *mouv__thread_runtime;

/** This thread's runtime or NULL, as soon as nothing can start on it any more; cheaper than
 *  mouv_runtime_current(). */
mouv_runtime_t *mouv__runtime(void);

void mouv__runtime_attach(mouv_runtime_t *runtime, mouv__attachment_t *attachment);
void mouv__runtime_detach(mouv_runtime_t *runtime, mouv__attachment_t *attachment);

/** Queues `ready` for the next tick, first come first served; it must not be queued already. */
void mouv__runtime_ready(mouv_runtime_t *runtime, mouv__ready_t *ready);

/** Whether anything is. */
bool mouv__runtime_has_ready(const mouv_runtime_t *runtime);

/** Runs what is ready until nothing is, or for about a millisecond. False in the child of a fork()
 *  that came of it: the runtime is the parent's. */
bool mouv__runtime_run_ready(mouv_runtime_t *runtime);

/** The loop turns once more before it waits. */
void mouv__runtime_turn(mouv_runtime_t *runtime);

/**
 * uv_close(); if the program has closed the handle already, as it may with all of its loop's
 * (uv_walk()), `closed` is called once that has taken effect.
 */
void mouv__runtime_close_handle(uv_handle_t *handle, uv_close_cb closed);

/** The mailbox of the runtime; for threads that post to it take a reference. */
mouv__mailbox_t *mouv__runtime_mailbox(mouv_runtime_t *runtime);

/** While the count is above 0 the loop is kept alive. */
void mouv__runtime_keep(mouv_runtime_t *runtime);
void mouv__runtime_unkeep(mouv_runtime_t *runtime);

#endif
