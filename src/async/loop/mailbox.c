/*
 * Mail from other threads: a locked list and one uv_async_send for all that gathers in it.
 *
 * Whoever posts embeds the mail in what he sends and gives that away: exactly one of `deliver` (on
 * the loop thread) and `discard` (the box is closed: on the posting or the closing thread) gets it
 * and frees it. The box itself is counted and goes with its last user, who may be a worker that
 * outlives the runtime. No hook is called with the lock held, so each may post again.
 */
#include "async/loop/mailbox.h"

#include "async/loop/fork.h"
#include "context/alloc.h"

struct mouv__mailbox {
    uv_mutex_t lock;
    uv_async_t *wake; /* NULL once closed */
    mouv__list_t mail;
    size_t references; /* atomic */
    uint32_t
        process; /* by mouv__fork_number(); in a child nobody empties it, and it may be locked */
};

mouv__mailbox_t *mouv__mailbox_new(uv_async_t *wake) {
    mouv__mailbox_t *box = mouv__alloc(sizeof *box);
    if (box == NULL) return NULL;
    if (uv_mutex_init(&box->lock) != 0) {
        mouv__free(box);
        return NULL;
    }
    box->wake = wake;
    box->references = 1;
    box->process = mouv__fork_number();
    return box;
}

mouv__mailbox_t *mouv__mailbox_ref(mouv__mailbox_t *box) {
    __atomic_fetch_add(&box->references, 1, __ATOMIC_RELAXED);
    return box;
}

void mouv__mailbox_unref(mouv__mailbox_t *box) {
    if (__atomic_sub_fetch(&box->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    if (!mouv__mailbox_is_orphaned(box)) uv_mutex_destroy(&box->lock);
    mouv__free(box);
}

bool mouv__mailbox_is_orphaned(const mouv__mailbox_t *box) {
    return box->process != mouv__fork_number();
}

static bool mailbox_put(mouv__mailbox_t *box, mouv__mail_t *mail) {
    uv_mutex_lock(&box->lock);
    bool open = box->wake != NULL;
    if (open) {
        bool first = mouv__list_is_empty(&box->mail);
        mouv__list_push_back(&box->mail, &mail->link);
        /* under the lock: the owner closes the handle only after closing the box */
        if (first) uv_async_send(box->wake);
    }
    uv_mutex_unlock(&box->lock);
    return open;
}

bool mouv__mailbox_post(mouv__mailbox_t *box, mouv__mail_t *mail) {
    bool open = !mouv__mailbox_is_orphaned(box) && mailbox_put(box, mail);
    if (!open) mail->discard(mail);
    return open;
}

static mouv__list_t mailbox_take_all(mouv__mailbox_t *box, bool close) {
    uv_mutex_lock(&box->lock);
    mouv__list_t all = mouv__list_take_all(&box->mail);
    if (close) box->wake = NULL;
    uv_mutex_unlock(&box->lock);
    return all;
}

bool mouv__mailbox_empty(mouv__mailbox_t *box) {
    mouv__list_t all = mailbox_take_all(box, false);
    bool any = !mouv__list_is_empty(&all);
    mouv__mail_t *mail;
    while ((mail = MOUV__LIST_POP(&all, mouv__mail_t, link)) != NULL) mail->deliver(mail);
    return any;
}

void mouv__mailbox_close(mouv__mailbox_t *box) {
    mouv__list_t all = mailbox_take_all(box, true);
    mouv__mail_t *mail;
    while ((mail = MOUV__LIST_POP(&all, mouv__mail_t, link)) != NULL) mail->discard(mail);
}
