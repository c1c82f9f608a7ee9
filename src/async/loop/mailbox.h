/*
 * The one way from any other thread to the loop thread: mail, delivered in batches by one
 * uv_async_send. A mailbox is counted, so a worker that outlives the loop can still post: its mail
 * is then discarded on the spot.
 */
#ifndef MOUV_ASYNC_LOOP_MAILBOX_H
#define MOUV_ASYNC_LOOP_MAILBOX_H

#include <stdbool.h>
#include <uv.h>

#include "context/list.h"

typedef struct mouv__mailbox mouv__mailbox_t;
typedef struct mouv__mail mouv__mail_t;

/** Embedded in what is posted. */
struct mouv__mail {
    mouv__link_t link;
    /** Runs on the loop thread. */
    void (*deliver)(mouv__mail_t *self);
    /** Runs instead of `deliver`, on the posting (or closing) thread, when the loop has gone. */
    void (*discard)(mouv__mail_t *self);
};

/** Loop thread. `wake` fires mouv__mailbox_empty(); it is the owner's to close. NULL: ENOMEM. */
mouv__mailbox_t *mouv__mailbox_new(uv_async_t *wake);

/** Any thread: one more user of the mailbox. */
mouv__mailbox_t *mouv__mailbox_ref(mouv__mailbox_t *box);
void mouv__mailbox_unref(mouv__mailbox_t *box);

/** In the child of a fork(): it is the parent's. */
bool mouv__mailbox_is_orphaned(const mouv__mailbox_t *box);

/** Any thread that holds a reference. Never blocks for long. False: closed, or orphaned: it was discarded. */
bool mouv__mailbox_post(mouv__mailbox_t *box, mouv__mail_t *mail);

/** Loop thread: delivers what has come so far; returns whether there was any. */
bool mouv__mailbox_empty(mouv__mailbox_t *box);

/** Loop thread: discards what is there and all that comes later. */
void mouv__mailbox_close(mouv__mailbox_t *box);

#endif
