/*
 * One lock a line: it orders an interrupt against the end of the call and of the socket.
 */
#include "mongo/transport/driver/interruptible.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <uv.h>

#include "context/alloc.h"

struct mouv__line {
    uint32_t shares; /* atomic */
    uv_mutex_t lock;
    /* under the lock; what only the worker writes it reads without */
    uint64_t ticket;        /* the call under way; 0: none */
    mouv__socket_t *socket; /* that it waits on, or last did; NULL: none yet */
    bool interrupted;
    /* the worker's */
    int32_t limit_ms;
    bool sent, stale;
    char fault[256];
};

mouv__line_t *mouv__line_new(void) {
    mouv__line_t *line = mouv__alloc(sizeof(*line));
    if (!line) return NULL;
    line->shares = 1;
    if (uv_mutex_init(&line->lock) == 0) return line;
    mouv__free(line);
    return NULL;
}

mouv__line_t *mouv__line_ref(mouv__line_t *line) {
    if (line) __atomic_add_fetch(&line->shares, 1, __ATOMIC_RELAXED);
    return line;
}

void mouv__line_unref(mouv__line_t *line) {
    if (!line || __atomic_sub_fetch(&line->shares, 1, __ATOMIC_ACQ_REL) > 0) return;
    uv_mutex_destroy(&line->lock);
    mouv__free(line);
}

/* --- calls ----------------------------------------------------------------------------------- */

void mouv__line_begin(mouv__line_t *line, uint64_t ticket, int32_t limit_ms) {
    if (!line) return;
    uv_mutex_lock(&line->lock);
    line->ticket = ticket;
    line->socket = NULL;
    line->interrupted = false;
    uv_mutex_unlock(&line->lock);
    line->limit_ms = limit_ms;
    line->sent = line->stale = false;
    line->fault[0] = '\0';
}

bool mouv__line_end(mouv__line_t *line) {
    if (!line) return false;
    uv_mutex_lock(&line->lock);
    line->ticket = 0;
    bool interrupted = line->interrupted;
    uv_mutex_unlock(&line->lock);
    line->limit_ms = 0;
    return interrupted;
}

bool mouv__line_was_sent(const mouv__line_t *line) {
    return !line || line->sent;
}

bool mouv__line_was_stale(const mouv__line_t *line) {
    return line && line->stale;
}

bool mouv__line_has_set_up(mouv__line_t *line) {
    if (!line) return false;
    uv_mutex_lock(&line->lock);
    bool setting_up = line->socket && line->socket->setting_up;
    if (setting_up) line->socket->setting_up = false;
    uv_mutex_unlock(&line->lock);
    return setting_up;
}

void mouv__line_explain(mouv__line_t *line, bson_error_t *error) {
    if (!line || !line->fault[0]) return;
    bson_set_error(error, MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_INVALID_REPLY,
                   "the server's answer is not valid: %s", line->fault);
}

/*
 * Wakes the worker; the descriptor stays the stream's to close. The end of receiving says nothing
 * to the server, which is to see the RST; only who waits to send needs more to be woken.
 */
static void cut(mouv__socket_t *socket) {
    __atomic_store_n(&socket->cut, true, __ATOMIC_SEQ_CST);
    shutdown(socket->fd, __atomic_load_n(&socket->writing, __ATOMIC_SEQ_CST) ? SHUT_RDWR : SHUT_RD);
}

bool mouv__line_interrupt(mouv__line_t *line, uint64_t ticket) {
    if (!line) return false;
    uv_mutex_lock(&line->lock);
    bool found = line->ticket == ticket;
    if (found && !line->interrupted) {
        line->interrupted = true;
        if (line->socket && !line->socket->setting_up) cut(line->socket);
    }
    uv_mutex_unlock(&line->lock);
    return found;
}

/* --- connections ----------------------------------------------------------------------------- */

bool mouv__line_use(mouv__socket_t *socket) {
    mouv__line_t *line = socket->line;
    if (line->socket != socket) {
        line->stale = __atomic_load_n(&socket->cut, __ATOMIC_ACQUIRE);
        uv_mutex_lock(&line->lock);
        line->socket = socket;
        if (line->interrupted && !socket->setting_up) cut(socket);
        uv_mutex_unlock(&line->lock);
    }
    return !__atomic_load_n(&socket->cut, __ATOMIC_ACQUIRE);
}

bool mouv__line_send(mouv__socket_t *socket) {
    mouv__line_t *line = socket->line;
    if (socket->setting_up) {
        uv_mutex_lock(&line->lock);
        socket->setting_up = false;
        if (line->interrupted) cut(socket);
        uv_mutex_unlock(&line->lock);
    }
    line->sent = mouv__line_use(socket);
    return line->sent;
}

int32_t mouv__line_timeout(const mouv__socket_t *socket, int32_t timeout_ms) {
    if (socket->setting_up) {
        int64_t left_ms = (socket->set_up_by_us - bson_get_monotonic_time()) / 1000;
        return left_ms > 0 ? (int32_t)left_ms : 0;
    }
    int32_t limit_ms = socket->line->limit_ms;
    return limit_ms != 0 ? limit_ms : timeout_ms;
}

void mouv__line_fault(mouv__line_t *line, const char *what) {
    snprintf(line->fault, sizeof(line->fault), "%s", what);
}

void mouv__line_leave(mouv__socket_t *socket) {
    mouv__line_t *line = socket->line;
    uv_mutex_lock(&line->lock);
    if (line->socket == socket) line->socket = NULL;
    uv_mutex_unlock(&line->lock);
}
