/*
 * The lowest stream: a TCP or Unix socket. Waits in poll(), from which an interrupt wakes it. After
 * an interrupt or a bad answer it is closed with RST, so that no TIME_WAIT is left and the server
 * notices at once.
 */
#include "mongo/transport/driver/stream_socket.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "context/alloc.h"
#include "mongo/transport/workers/safepoint.h"

/* libmongoc's own types are small numbers; only these two are compared, with each other. */
#define STREAM_TYPE_SOCKET 0x6d01

/* What goes into one sendmsg(). */
#define PIECES_MAX 16

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: SO_NOSIGPIPE is set where the socket is made */
#endif

typedef struct stream {
    mongoc_stream_t stream; /* first */
    mouv__socket_t socket;
    bool timed_out;
    bool asked; /* something was sent since the last receipt: an answer is not there yet */
} stream_t;

/* --- waiting --------------------------------------------------------------------------------- */

/* -1: never. */
static int64_t stream_socket_expiry(int32_t timeout_ms) {
    return timeout_ms < 0 ? -1 : bson_get_monotonic_time() + timeout_ms * INT64_C(1000);
}

static int stream_socket_left_ms(int64_t expires_us) {
    if (expires_us < 0) return -1;
    int64_t left_us = expires_us - bson_get_monotonic_time();
    return left_us <= 0 ? 0 : (int)((left_us + 999) / 1000);
}

static int stream_socket_time_out(stream_t *self) {
    self->timed_out = true;
    errno = ETIMEDOUT;
    return -1;
}

static bool stream_socket_is_cut(const stream_t *self) {
    return __atomic_load_n(&self->socket.cut, __ATOMIC_ACQUIRE);
}

static int stream_socket_poll(struct pollfd *some, size_t count, int timeout_ms) {
    bool had_left = mouv__safepoint_begin_wait();
    int ready = poll(some, (nfds_t)count, timeout_ms);
    mouv__safepoint_end_wait(had_left);
    return ready;
}

static int stream_socket_wait_for(stream_t *self, short events, int64_t expires_us) {
    struct pollfd one = {.fd = self->socket.fd, .events = events};
    for (;;) {
        int count = stream_socket_poll(&one, 1, stream_socket_left_ms(expires_us));
        if (stream_socket_is_cut(self) || count == 0) return stream_socket_time_out(self);
        if (count > 0) return 0;
        if (errno != EINTR) return -1;
    }
}

/* Either an interrupt sees that this waits, or this sees the interrupt. */
static int stream_socket_wait_for_room(stream_t *self, int64_t expires_us) {
    __atomic_store_n(&self->socket.writing, true, __ATOMIC_SEQ_CST);
    bool cut = __atomic_load_n(&self->socket.cut, __ATOMIC_SEQ_CST);
    int rc = cut ? stream_socket_time_out(self) : stream_socket_wait_for(self, POLLOUT, expires_us);
    __atomic_store_n(&self->socket.writing, false, __ATOMIC_SEQ_CST);
    return rc;
}

static bool stream_socket_would_block(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

/* --- reading --------------------------------------------------------------------------------- */

/* Some bytes, 0 at the end, -1. */
static ssize_t stream_socket_receive(stream_t *self, void *to, size_t size, int64_t expires_us) {
    for (;;) {
        if (self->asked && stream_socket_wait_for(self, POLLIN, expires_us) < 0) return -1;
        self->asked = false;
        ssize_t count = recv(self->socket.fd, to, size, 0);
        if (stream_socket_is_cut(self)) return stream_socket_time_out(self);
        if (count >= 0 || (errno != EINTR && !stream_socket_would_block())) return count;
        self->asked = errno != EINTR;
    }
}

static ssize_t stream_socket_socket_readv(mongoc_stream_t *stream, mongoc_iovec_t *iov,
                                          size_t count, size_t min_bytes, int32_t timeout_ms) {
    stream_t *self = (stream_t *)stream;
    int64_t expires_us =
        stream_socket_expiry(mouv__interruptible_timeout(&self->socket, timeout_ms));
    ssize_t got = 0;
    if (!mouv__interruptible_use(&self->socket)) return stream_socket_time_out(self);
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < iov[i].iov_len;) {
            ssize_t now = stream_socket_receive(self, (char *)iov[i].iov_base + at,
                                                iov[i].iov_len - at, expires_us);
            if (now == 0) errno = ECONNRESET;
            if (now <= 0) return (size_t)got >= min_bytes && got > 0 ? got : now;
            got += now;
            at += (size_t)now;
            if ((size_t)got >= min_bytes) return got;
        }
    }
    return got;
}

/* --- writing --------------------------------------------------------------------------------- */

typedef struct place {
    mongoc_iovec_t *iov;
    size_t count;
    size_t at; /* bytes of the first that are sent */
} place_t;

static void stream_socket_advance(place_t *place, size_t bytes) {
    place->at += bytes;
    while (place->count > 0 && place->at >= place->iov->iov_len) {
        place->at -= place->iov->iov_len;
        place->iov++;
        place->count--;
    }
}

static ssize_t stream_socket_send_some(stream_t *self, const place_t *place) {
    struct iovec pieces[PIECES_MAX];
    size_t count = place->count < PIECES_MAX ? place->count : PIECES_MAX;
    for (size_t i = 0; i < count; i++) {
        size_t skip = i == 0 ? place->at : 0;
        pieces[i].iov_base = (char *)place->iov[i].iov_base + skip;
        pieces[i].iov_len = place->iov[i].iov_len - skip;
    }
    struct msghdr message = {.msg_iov = pieces};
    message.msg_iovlen = (int)count;
    return sendmsg(self->socket.fd, &message, MSG_NOSIGNAL);
}

static ssize_t stream_socket_socket_writev(mongoc_stream_t *stream, mongoc_iovec_t *iov,
                                           size_t count, int32_t timeout_ms) {
    stream_t *self = (stream_t *)stream;
    int64_t expires_us =
        stream_socket_expiry(mouv__interruptible_timeout(&self->socket, timeout_ms));
    place_t place = {iov, count, 0};
    ssize_t sent = 0;
    if (!mouv__interruptible_use(&self->socket)) return stream_socket_time_out(self);
    stream_socket_advance(&place, 0);
    self->asked = true;
    while (place.count > 0) {
        ssize_t now = stream_socket_send_some(self, &place);
        if (now >= 0) {
            sent += now;
            stream_socket_advance(&place, (size_t)now);
        } else if (stream_socket_is_cut(self)) {
            return stream_socket_time_out(self);
        } else if (stream_socket_would_block()) {
            if (stream_socket_wait_for_room(self, expires_us) < 0) return -1;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return sent;
}

/* --- the rest -------------------------------------------------------------------------------- */

static ssize_t stream_socket_socket_poll(mongoc_stream_poll_t *streams, size_t count,
                                         int32_t timeout_ms) {
    struct pollfd some[8];
    if (count > sizeof(some) / sizeof(some[0])) { /* only handshakes wait like this, for one */
        errno = EINVAL;
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        some[i] = (struct pollfd){.fd = ((stream_t *)streams[i].stream)->socket.fd,
                                  .events = (short)streams[i].events};
    int ready = stream_socket_poll(some, count, timeout_ms);
    for (size_t i = 0; i < count && ready > 0; i++) streams[i].revents = some[i].revents;
    return ready;
}

static bool stream_socket_socket_check_closed(mongoc_stream_t *stream) {
    stream_t *self = (stream_t *)stream;
    char byte;
    ssize_t count = recv(self->socket.fd, &byte, 1, MSG_PEEK);
    return stream_socket_is_cut(self) || count == 0 ||
           (count < 0 && !stream_socket_would_block() && errno != EINTR);
}

static int stream_socket_socket_setsockopt(mongoc_stream_t *stream, int level, int name,
                                           void *value, mongoc_socklen_t size) {
    return setsockopt(((stream_t *)stream)->socket.fd, level, name, value, (socklen_t)size);
}

static int stream_socket_socket_flush(mongoc_stream_t *stream) {
    (void)stream;
    return 0;
}

static bool stream_socket_socket_timed_out(mongoc_stream_t *stream) {
    return ((stream_t *)stream)->timed_out || stream_socket_is_cut((stream_t *)stream);
}

static bool stream_socket_socket_should_retry(mongoc_stream_t *stream) {
    (void)stream;
    return false;
}

static int stream_socket_socket_close(mongoc_stream_t *stream) {
    stream_t *self = (stream_t *)stream;
    if (self->socket.fd < 0) return 0;
    mouv__interruptible_leave(&self->socket);
    if (stream_socket_is_cut(self)) {
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(self->socket.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    int rc = close(self->socket.fd);
    self->socket.fd = -1;
    return rc;
}

static void stream_socket_socket_destroy(mongoc_stream_t *stream) {
    stream_socket_socket_close(stream);
    mouv__interruptible_unref(((stream_t *)stream)->socket.interruptible);
    mouv__free(stream);
}

mongoc_stream_t *mouv__stream_socket_new(mouv__interruptible_t *interruptible, int fd,
                                         mouv__socket_t **socket) {
    stream_t *self = mouv__alloc(sizeof(*self));
    if (!self) return NULL;
    self->stream = (mongoc_stream_t){
        .type = STREAM_TYPE_SOCKET,
        .destroy = stream_socket_socket_destroy,
        .close = stream_socket_socket_close,
        .flush = stream_socket_socket_flush,
        .writev = stream_socket_socket_writev,
        .readv = stream_socket_socket_readv,
        .setsockopt = stream_socket_socket_setsockopt,
        .check_closed = stream_socket_socket_check_closed,
        .poll = stream_socket_socket_poll,
        .failed = stream_socket_socket_destroy,
        .timed_out = stream_socket_socket_timed_out,
        .should_retry = stream_socket_socket_should_retry,
    };
    self->socket =
        (mouv__socket_t){.interruptible = mouv__interruptible_ref(interruptible), .fd = fd};
    *socket = &self->socket;
    return &self->stream;
}

int mouv__stream_socket_release(mongoc_stream_t *stream) {
    mouv__socket_t *socket = &((stream_t *)stream)->socket;
    int fd = socket->fd;
    mouv__interruptible_leave(socket);
    socket->fd = -1;
    stream_socket_socket_destroy(stream);
    return fd;
}
