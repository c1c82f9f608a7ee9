/*
 * Without TLS a channel is recv() and sendmsg(). With TLS libmongoc's stream is asked with a time
 * limit of 0, and what came of it is not read from errno, which OpenSSL may change, but from the
 * base stream below (stream_base.h): it knows whether TLS met the end of what is there.
 */
#include "mongo/transport/driver/channel.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include "context/alloc.h"

/* What goes into one sendmsg(): IOV_MAX of Linux and of macOS. */
#define PIECES_MAX 1024

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: SO_NOSIGPIPE is set where the socket is made */
#endif

struct mouv__channel {
    mouv__stream_base_t *base;
    mongoc_stream_t *tls; /* owns `base`; NULL: none */
};

mouv__channel_t *mouv__channel_new(mouv__stream_base_t *base, mongoc_stream_t *tls) {
    mouv__channel_t *channel = mouv__alloc(sizeof(*channel));
    if (!channel) return NULL;
    mouv__stream_base_take_over(base);
    channel->base = base;
    channel->tls = tls;
    return channel;
}

int mouv__channel_fd(const mouv__channel_t *channel) {
    return channel->base->fd;
}

static ssize_t channel_failure(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK ? MOUV__CHANNEL_AGAIN : MOUV__CHANNEL_FAILED;
}

/* EPROTO: TLS itself refuses what came or will not go on. */
static ssize_t channel_tls_failure(const mouv__channel_t *channel) {
    errno = channel->base->code ? channel->base->code : EPROTO;
    return MOUV__CHANNEL_FAILED;
}

/* TLS asks for no more bytes after the server's goodbye, nor when it does not understand what has
 * come; but then it says so to the server. */
static bool channel_is_at_end(const mouv__channel_t *channel) {
    const mouv__stream_base_t *base = channel->base;
    return base->ended || (base->code == 0 && !base->wrote);
}

static ssize_t channel_tls_read(mouv__channel_t *channel, void *to, size_t size) {
    mouv__stream_base_begin(channel->base);
    if (size > INT_MAX) size = INT_MAX; /* OpenSSL's lengths are ints */
    ssize_t count = mongoc_stream_read(channel->tls, to, size, 1, 0);
    if (count > 0) return count;
    if (channel->base->again) return MOUV__CHANNEL_AGAIN;
    return channel_is_at_end(channel) ? 0 : channel_tls_failure(channel);
}

ssize_t mouv__channel_read(mouv__channel_t *channel, void *to, size_t size) {
    if (channel->tls) return channel_tls_read(channel, to, size);
    ssize_t count;
    do count = recv(channel->base->fd, to, size, 0);
    while (count < 0 && errno == EINTR);
    return count < 0 ? channel_failure() : count;
}

static ssize_t channel_tls_write(mouv__channel_t *channel, const struct iovec *pieces,
                                 size_t count) {
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) wanted += pieces[i].iov_len;
    if (wanted == 0) return 0;
    mouv__stream_base_begin(channel->base);
    ssize_t taken = mongoc_stream_writev(channel->tls, (mongoc_iovec_t *)pieces, count, 0);
    return taken == (ssize_t)wanted ? taken : channel_tls_failure(channel);
}

ssize_t mouv__channel_write(mouv__channel_t *channel, const struct iovec *pieces, size_t count) {
    if (channel->tls) return channel_tls_write(channel, pieces, count);
    struct msghdr message = {.msg_iov = (struct iovec *)pieces};
    message.msg_iovlen = (int)(count < PIECES_MAX ? count : PIECES_MAX);
    ssize_t taken;
    do taken = sendmsg(channel->base->fd, &message, MSG_NOSIGNAL);
    while (taken < 0 && errno == EINTR);
    return taken < 0 ? channel_failure() : taken;
}

size_t mouv__channel_unsent(const mouv__channel_t *channel) {
    return mouv__stream_base_unsent(channel->base);
}

int mouv__channel_flush(mouv__channel_t *channel) {
    if (!mouv__stream_base_flush(channel->base)) {
        errno = channel->base->code;
        return MOUV__CHANNEL_FAILED;
    }
    return mouv__channel_unsent(channel) > 0 ? MOUV__CHANNEL_AGAIN : 0;
}

void mouv__channel_close(mouv__channel_t *channel, bool reset) {
    if (!channel) return;
    if (reset) mouv__stream_base_close(channel->base, true);
    mongoc_stream_destroy(channel->tls ? channel->tls : &channel->base->stream);
    mouv__free(channel);
}
