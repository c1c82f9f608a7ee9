/*
 * Mail from other threads: a locked list and one uv_async_send for all that gathers in it.
 */
#include "async/loop/mailbox.h"

#include "context/alloc.h"

struct mouv__mailbox {
    uv_mutex_t lock;
    uv_async_t *wake; /* NULL once closed */
    mouv__mail_t *head, *tail;
    size_t references;
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
    return box;
}

mouv__mailbox_t *mouv__mailbox_ref(mouv__mailbox_t *box) {
    uv_mutex_lock(&box->lock);
    box->references++;
    uv_mutex_unlock(&box->lock);
    return box;
}

void mouv__mailbox_unref(mouv__mailbox_t *box) {
    uv_mutex_lock(&box->lock);
    bool last = --box->references == 0;
    uv_mutex_unlock(&box->lock);
    if (!last) return;
    uv_mutex_destroy(&box->lock);
    mouv__free(box);
}

bool mouv__mailbox_post(mouv__mailbox_t *box, mouv__mail_t *mail) {
    mail->next = NULL;
    uv_mutex_lock(&box->lock);
    bool open = box->wake != NULL;
    if (open) {
        bool first = box->head == NULL;
        if (first)
            box->head = mail;
        else
            box->tail->next = mail;
        box->tail = mail;
        /* under the lock: the owner closes the handle only after closing the box */
        if (first) uv_async_send(box->wake);
    }
    uv_mutex_unlock(&box->lock);
    if (!open) mail->discard(mail);
    return open;
}

static mouv__mail_t *mailbox_take_all(mouv__mailbox_t *box, bool close) {
    uv_mutex_lock(&box->lock);
    mouv__mail_t *mail = box->head;
    box->head = box->tail = NULL;
    if (close) box->wake = NULL;
    uv_mutex_unlock(&box->lock);
    return mail;
}

bool mouv__mailbox_empty(mouv__mailbox_t *box) {
    mouv__mail_t *mail = mailbox_take_all(box, false);
    bool any = mail != NULL;
    while (mail != NULL) {
        mouv__mail_t *next = mail->next; /* delivering may free it */
        mail->deliver(mail);
        mail = next;
    }
    return any;
}

void mouv__mailbox_close(mouv__mailbox_t *box) {
    mouv__mail_t *mail = mailbox_take_all(box, true);
    while (mail != NULL) {
        mouv__mail_t *next = mail->next;
        mail->discard(mail);
        mail = next;
    }
}
