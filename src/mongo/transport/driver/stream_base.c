/*
 * Two streams in one, since TLS keeps to the one that it was begun on. A write is never refused,
 * for OpenSSL wants one that was to be repeated as it was: what the socket does not take is kept.
 */
#include "mongo/transport/driver/stream_base.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "context/alloc.h"
#include "mongo/transport/driver/stream_socket.h"

#define STREAM_TYPE_BASE 0x6d03

#define UNSENT_ROOM (32 * 1024) /* two records of TLS */

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: SO_NOSIGPIPE is set where the socket is made */
#endif

static mouv__stream_base_t *stream_base_of(mongoc_stream_t *stream) {
    return (mouv__stream_base_t *)stream;
}

static bool stream_base_would_block(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

/* --- reading ---------------------------------------------------------------------------------- */

static ssize_t stream_base_receive(mouv__stream_base_t *self, void *to, size_t size) {
    ssize_t count;
    do count = recv(self->fd, to, size, 0);
    while (count < 0 && errno == EINTR);
    if (count == 0 && size > 0) self->ended = true;
    if (count < 0 && stream_base_would_block())
        self->again = true;
    else if (count < 0)
        self->code = errno;
    return count;
}

static ssize_t stream_base_on_readv(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t count,
                                    size_t min_bytes, int32_t timeout_ms) {
    mouv__stream_base_t *self = stream_base_of(stream);
    if (self->socket) return mongoc_stream_readv(self->socket, iov, count, min_bytes, timeout_ms);
    return stream_base_receive(self, iov->iov_base, iov->iov_len); /* TLS reads into one piece */
}

/* --- writing ---------------------------------------------------------------------------------- */

size_t mouv__stream_base_unsent(const mouv__stream_base_t *self) {
    return self->unsent_end - self->unsent_at;
}

static bool stream_base_fail(mouv__stream_base_t *self, int code) {
    self->code = errno = code;
    return false;
}

/* Room for `size` bytes more behind what is there. */
static bool stream_base_reserve(mouv__stream_base_t *self, size_t size) {
    size_t kept = mouv__stream_base_unsent(self);
    if (self->unsent_at > 0 && kept > 0)
        memmove(self->unsent, self->unsent + self->unsent_at, kept);
    self->unsent_at = 0;
    self->unsent_end = kept;
    if (kept + size <= self->unsent_room) return true;
    size_t room = self->unsent_room > 0 ? self->unsent_room : UNSENT_ROOM;
    while (room < kept + size) room *= 2;
    uint8_t *unsent = mouv__realloc(self->unsent, room);
    if (!unsent) return stream_base_fail(self, ENOMEM);
    self->unsent = unsent;
    self->unsent_room = room;
    return true;
}

static bool stream_base_keep(mouv__stream_base_t *self, const uint8_t *bytes, size_t size) {
    if (size > self->unsent_room - self->unsent_end && !stream_base_reserve(self, size))
        return false;
    memcpy(self->unsent + self->unsent_end, bytes, size);
    self->unsent_end += size;
    return true;
}

/* How many bytes the socket has taken; -1: it has failed. */
static ssize_t stream_base_send(mouv__stream_base_t *self, const uint8_t *bytes, size_t size) {
    size_t sent = 0;
    while (sent < size) {
        ssize_t now = send(self->fd, bytes + sent, size - sent, MSG_NOSIGNAL);
        if (now >= 0) {
            sent += (size_t)now;
        } else if (stream_base_would_block()) {
            break;
        } else if (errno != EINTR) {
            stream_base_fail(self, errno);
            return -1;
        }
    }
    return (ssize_t)sent;
}

static bool stream_base_write(mouv__stream_base_t *self, const uint8_t *bytes, size_t size) {
    self->wrote = true;
    if (self->fd < 0) return true; /* TLS says goodbye on a closed one */
    ssize_t sent = 0;
    if (mouv__stream_base_unsent(self) == 0) sent = stream_base_send(self, bytes, size);
    if (sent < 0) return false;
    return (size_t)sent == size || stream_base_keep(self, bytes + sent, size - (size_t)sent);
}

static ssize_t stream_base_on_writev(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t count,
                                     int32_t timeout_ms) {
    mouv__stream_base_t *self = stream_base_of(stream);
    ssize_t taken = 0;
    if (self->socket) return mongoc_stream_writev(self->socket, iov, count, timeout_ms);
    for (size_t i = 0; i < count; i++) {
        if (!stream_base_write(self, (const uint8_t *)iov[i].iov_base, iov[i].iov_len)) return -1;
        taken += (ssize_t)iov[i].iov_len;
    }
    return taken;
}

/* An idle connection keeps no buffer. */
static void stream_base_forget_unsent(mouv__stream_base_t *self) {
    mouv__free(self->unsent);
    self->unsent = NULL;
    self->unsent_at = self->unsent_end = self->unsent_room = 0;
}

bool mouv__stream_base_flush(mouv__stream_base_t *self) {
    size_t kept = mouv__stream_base_unsent(self);
    if (kept == 0) return true;
    ssize_t sent = stream_base_send(self, self->unsent + self->unsent_at, kept);
    if (sent < 0) return false;
    self->unsent_at += (size_t)sent;
    if ((size_t)sent == kept) stream_base_forget_unsent(self);
    return true;
}

/* --- the rest --------------------------------------------------------------------------------- */

static int stream_base_on_flush(mongoc_stream_t *stream) {
    mouv__stream_base_t *self = stream_base_of(stream);
    return self->socket ? mongoc_stream_flush(self->socket) : 0;
}

/* Only of a set-up: who polls a TLS handshake waits on the socket's stream. */
static mongoc_stream_t *stream_base_on_get_base_stream(mongoc_stream_t *stream) {
    return stream_base_of(stream)->socket;
}

static int stream_base_on_setsockopt(mongoc_stream_t *stream, int level, int name, void *value,
                                     mongoc_socklen_t size) {
    mouv__stream_base_t *self = stream_base_of(stream);
    if (self->socket) return mongoc_stream_setsockopt(self->socket, level, name, value, size);
    return setsockopt(self->fd, level, name, value, (socklen_t)size);
}

static bool stream_base_on_check_closed(mongoc_stream_t *stream) {
    mouv__stream_base_t *self = stream_base_of(stream);
    return self->socket ? mongoc_stream_check_closed(self->socket) : self->fd < 0;
}

static bool stream_base_on_timed_out(mongoc_stream_t *stream) {
    mouv__stream_base_t *self = stream_base_of(stream);
    return self->socket && mongoc_stream_timed_out(self->socket);
}

static bool stream_base_on_should_retry(mongoc_stream_t *stream) {
    mouv__stream_base_t *self = stream_base_of(stream);
    return self->socket ? mongoc_stream_should_retry(self->socket) : self->again;
}

static int stream_base_on_close(mongoc_stream_t *stream) {
    mouv__stream_base_t *self = stream_base_of(stream);
    if (self->socket) return mongoc_stream_close(self->socket);
    mouv__stream_base_close(self, false);
    return 0;
}

static void stream_base_on_destroy(mongoc_stream_t *stream) {
    mouv__stream_base_t *self = stream_base_of(stream);
    mongoc_stream_destroy(self->socket);
    mouv__stream_base_close(self, false);
    stream_base_forget_unsent(self);
    mouv__free(self);
}

mouv__stream_base_t *mouv__stream_base_new(mongoc_stream_t *socket) {
    mouv__stream_base_t *self = mouv__alloc(sizeof(*self));
    if (!self) return NULL;
    self->stream = (mongoc_stream_t){
        .type = STREAM_TYPE_BASE,
        .destroy = stream_base_on_destroy,
        .close = stream_base_on_close,
        .flush = stream_base_on_flush,
        .writev = stream_base_on_writev,
        .readv = stream_base_on_readv,
        .setsockopt = stream_base_on_setsockopt,
        .get_base_stream = stream_base_on_get_base_stream,
        .check_closed = stream_base_on_check_closed,
        .failed = stream_base_on_destroy,
        .timed_out = stream_base_on_timed_out,
        .should_retry = stream_base_on_should_retry,
    };
    self->socket = socket;
    self->fd = -1;
    return self;
}

void mouv__stream_base_take_over(mouv__stream_base_t *self) {
    self->fd = mouv__stream_socket_release(self->socket);
    self->socket = NULL;
}

void mouv__stream_base_begin(mouv__stream_base_t *self) {
    self->again = self->ended = self->wrote = false;
    self->code = 0;
}

void mouv__stream_base_close(mouv__stream_base_t *self, bool reset) {
    if (self->fd < 0) return;
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (reset) setsockopt(self->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(self->fd);
    self->fd = -1;
}
