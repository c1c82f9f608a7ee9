/*
 * One lock each: it orders an interrupt against the end of the call and of the socket.
 */
#include "mongo/transport/driver/interruptible.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <uv.h>

#include "context/alloc.h"

struct mouv__interruptible {
    uint32_t shares; /* atomic */
    uv_mutex_t lock;
    /* under the lock; what only the worker writes it reads without */
    uint64_t call_id;       /* the call under way; 0: none */
    mouv__socket_t *socket; /* that it waits on, or last did; NULL: none yet */
    bool interrupted;
    /* the worker's */
    int32_t limit_ms;
    bool sent, stale;
    char fault[256];
};

mouv__interruptible_t *mouv__interruptible_new(void) {
    mouv__interruptible_t *interruptible = mouv__alloc(sizeof(*interruptible));
    if (!interruptible) return NULL;
    interruptible->shares = 1;
    if (uv_mutex_init(&interruptible->lock) == 0) return interruptible;
    mouv__free(interruptible);
    return NULL;
}

mouv__interruptible_t *mouv__interruptible_ref(mouv__interruptible_t *interruptible) {
    if (interruptible) __atomic_add_fetch(&interruptible->shares, 1, __ATOMIC_RELAXED);
    return interruptible;
}

void mouv__interruptible_unref(mouv__interruptible_t *interruptible) {
    if (!interruptible || __atomic_sub_fetch(&interruptible->shares, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    uv_mutex_destroy(&interruptible->lock);
    mouv__free(interruptible);
}

/* --- calls ----------------------------------------------------------------------------------- */

void mouv__interruptible_begin(mouv__interruptible_t *interruptible, uint64_t call_id,
                               int32_t limit_ms) {
    if (!interruptible) return;
    uv_mutex_lock(&interruptible->lock);
    interruptible->call_id = call_id;
    interruptible->socket = NULL;
    interruptible->interrupted = false;
    uv_mutex_unlock(&interruptible->lock);
    interruptible->limit_ms = limit_ms;
    interruptible->sent = interruptible->stale = false;
    interruptible->fault[0] = '\0';
}

bool mouv__interruptible_end(mouv__interruptible_t *interruptible) {
    if (!interruptible) return false;
    uv_mutex_lock(&interruptible->lock);
    interruptible->call_id = 0;
    bool interrupted = interruptible->interrupted;
    uv_mutex_unlock(&interruptible->lock);
    interruptible->limit_ms = 0;
    return interrupted;
}

bool mouv__interruptible_was_sent(const mouv__interruptible_t *interruptible) {
    return !interruptible || interruptible->sent;
}

bool mouv__interruptible_was_stale(const mouv__interruptible_t *interruptible) {
    return interruptible && interruptible->stale;
}

bool mouv__interruptible_has_set_up(mouv__interruptible_t *interruptible) {
    if (!interruptible) return false;
    uv_mutex_lock(&interruptible->lock);
    bool setting_up = interruptible->socket && interruptible->socket->setting_up;
    if (setting_up) interruptible->socket->setting_up = false;
    uv_mutex_unlock(&interruptible->lock);
    return setting_up;
}

void mouv__interruptible_explain(mouv__interruptible_t *interruptible, bson_error_t *error) {
    if (!interruptible || !interruptible->fault[0]) return;
    bson_set_error(error, MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_INVALID_REPLY,
                   "the server's answer is not valid: %s", interruptible->fault);
}

/*
 * Wakes the worker; the descriptor stays the stream's to close. The end of receiving says nothing
 * to the server, which is to see the RST; only who waits to send needs more to be woken.
 */
static void interruptible_cut(mouv__socket_t *socket) {
    __atomic_store_n(&socket->cut, true, __ATOMIC_SEQ_CST);
    shutdown(socket->fd, __atomic_load_n(&socket->writing, __ATOMIC_SEQ_CST) ? SHUT_RDWR : SHUT_RD);
}

bool mouv__interruptible_interrupt(mouv__interruptible_t *interruptible, uint64_t call_id) {
    if (!interruptible) return false;
    uv_mutex_lock(&interruptible->lock);
    bool found = interruptible->call_id == call_id;
    if (found && !interruptible->interrupted) {
        interruptible->interrupted = true;
        if (interruptible->socket && !interruptible->socket->setting_up)
            interruptible_cut(interruptible->socket);
    }
    uv_mutex_unlock(&interruptible->lock);
    return found;
}

/* --- connections ----------------------------------------------------------------------------- */

bool mouv__interruptible_use(mouv__socket_t *socket) {
    mouv__interruptible_t *interruptible = socket->interruptible;
    if (interruptible->socket != socket) {
        interruptible->stale = __atomic_load_n(&socket->cut, __ATOMIC_ACQUIRE);
        uv_mutex_lock(&interruptible->lock);
        interruptible->socket = socket;
        if (interruptible->interrupted && !socket->setting_up) interruptible_cut(socket);
        uv_mutex_unlock(&interruptible->lock);
    }
    return !__atomic_load_n(&socket->cut, __ATOMIC_ACQUIRE);
}

bool mouv__interruptible_send(mouv__socket_t *socket) {
    mouv__interruptible_t *interruptible = socket->interruptible;
    if (socket->setting_up) {
        uv_mutex_lock(&interruptible->lock);
        socket->setting_up = false;
        if (interruptible->interrupted) interruptible_cut(socket);
        uv_mutex_unlock(&interruptible->lock);
    }
    interruptible->sent = mouv__interruptible_use(socket);
    return interruptible->sent;
}

int32_t mouv__interruptible_timeout(const mouv__socket_t *socket, int32_t timeout_ms) {
    if (socket->setting_up) {
        int64_t left_ms = (socket->set_up_by_us - bson_get_monotonic_time()) / 1000;
        return left_ms > 0 ? (int32_t)left_ms : 0;
    }
    int32_t limit_ms = socket->interruptible->limit_ms;
    return limit_ms != 0 ? limit_ms : timeout_ms;
}

void mouv__interruptible_fault(mouv__interruptible_t *interruptible, const char *what) {
    snprintf(interruptible->fault, sizeof(interruptible->fault), "%s", what);
}

void mouv__interruptible_leave(mouv__socket_t *socket) {
    mouv__interruptible_t *interruptible = socket->interruptible;
    uv_mutex_lock(&interruptible->lock);
    if (interruptible->socket == socket) interruptible->socket = NULL;
    uv_mutex_unlock(&interruptible->lock);
}
