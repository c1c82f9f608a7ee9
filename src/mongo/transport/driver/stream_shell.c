/*
 * The shell is the root of what libmongoc sees: a client that is not pooled (2.x) polls roots, and
 * must find neither a descriptor that is no more, nor a socket without bytes while the checked
 * stream has the rest of an answer in its buffer.
 */
#include "mongo/transport/driver/stream_shell.h"

#include <errno.h>
#include <poll.h>

#include "context/alloc.h"
#include "mongo/transport/driver/stream_checked.h"

#define STREAM_TYPE_SHELL 0x6d04

typedef struct shell {
    mongoc_stream_t stream;   /* first */
    mouv__link_t link;        /* in its factory's */
    mouv__shells_t *shells;   /* NULL: they have gone */
    mongoc_stream_t *checked; /* NULL: empty */
    mouv__stream_parts_t parts;
} shell_t;

/* An empty one; to libmongoc it is a call that took too long, of which it thinks nothing. */
static ssize_t stream_shell_fail(void) {
    errno = ETIMEDOUT;
    return -1;
}

/* --- the stream ------------------------------------------------------------------------------- */

static ssize_t stream_shell_on_readv(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t count,
                                     size_t min_bytes, int32_t timeout_ms) {
    shell_t *self = (shell_t *)stream;
    if (self->checked) return mongoc_stream_readv(self->checked, iov, count, min_bytes, timeout_ms);
    return stream_shell_fail();
}

static ssize_t stream_shell_on_writev(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t count,
                                      int32_t timeout_ms) {
    shell_t *self = (shell_t *)stream;
    if (self->checked) return mongoc_stream_writev(self->checked, iov, count, timeout_ms);
    return stream_shell_fail();
}

/* Until there is something to do, if only to fail, or `timeout_ms` are over. When the time to set
 * it up is over there is: the next read says so, while libmongoc would begin to count anew. */
static ssize_t stream_shell_wait(const shell_t *self, mongoc_stream_poll_t *what,
                                 int32_t timeout_ms) {
    int64_t left_ms = (self->parts.set_up_by_us - bson_get_monotonic_time()) / 1000;
    bool last = timeout_ms < 0 || left_ms < timeout_ms;
    mongoc_stream_poll_t inner = {.stream = self->checked, .events = what->events};
    if (last) timeout_ms = left_ms > 0 ? (int32_t)left_ms : 0;
    ssize_t ready = mongoc_stream_poll(&inner, 1, timeout_ms);
    if (ready == 0 && last) {
        what->revents = what->events;
        return 1;
    }
    what->revents = inner.revents;
    return ready;
}

/* A client polls the stream of one server. An empty one is ready for all: to fail. */
static ssize_t stream_shell_on_poll(mongoc_stream_poll_t *streams, size_t count,
                                    int32_t timeout_ms) {
    shell_t *self = (shell_t *)streams->stream;
    if (count != 1) {
        errno = EINVAL;
        return -1;
    }
    bool at_hand =
        self->checked && (streams->events & POLLIN) && mouv__stream_checked_has_more(self->checked);
    if (self->checked && !at_hand) return stream_shell_wait(self, streams, timeout_ms);
    streams->revents = streams->events | (self->checked ? 0 : POLLERR);
    return 1;
}

static int stream_shell_on_flush(mongoc_stream_t *stream) {
    shell_t *self = (shell_t *)stream;
    return self->checked ? mongoc_stream_flush(self->checked) : 0;
}

static int stream_shell_on_setsockopt(mongoc_stream_t *stream, int level, int name, void *value,
                                      mongoc_socklen_t size) {
    shell_t *self = (shell_t *)stream;
    if (self->checked) return mongoc_stream_setsockopt(self->checked, level, name, value, size);
    return (int)stream_shell_fail();
}

static bool stream_shell_on_check_closed(mongoc_stream_t *stream) {
    shell_t *self = (shell_t *)stream;
    return !self->checked || mongoc_stream_check_closed(self->checked);
}

static bool stream_shell_on_timed_out(mongoc_stream_t *stream) {
    shell_t *self = (shell_t *)stream;
    return !self->checked || mongoc_stream_timed_out(self->checked);
}

static bool stream_shell_on_should_retry(mongoc_stream_t *stream) {
    shell_t *self = (shell_t *)stream;
    return self->checked && mongoc_stream_should_retry(self->checked);
}

static int stream_shell_on_close(mongoc_stream_t *stream) {
    shell_t *self = (shell_t *)stream;
    return self->checked ? mongoc_stream_close(self->checked) : 0;
}

static void stream_shell_on_destroy(mongoc_stream_t *stream) {
    shell_t *self = (shell_t *)stream;
    if (self->shells) mouv__list_remove(&self->shells->list, &self->link);
    mongoc_stream_destroy(self->checked);
    mouv__free(self);
}

mongoc_stream_t *mouv__stream_shell_new(mouv__shells_t *shells, mongoc_stream_t *checked,
                                        const mouv__stream_parts_t *parts) {
    shell_t *self = mouv__alloc(sizeof(*self));
    if (!self) return NULL;
    self->stream = (mongoc_stream_t){
        .type = STREAM_TYPE_SHELL,
        .destroy = stream_shell_on_destroy,
        .close = stream_shell_on_close,
        .flush = stream_shell_on_flush,
        .writev = stream_shell_on_writev,
        .readv = stream_shell_on_readv,
        .setsockopt = stream_shell_on_setsockopt,
        .check_closed = stream_shell_on_check_closed,
        .poll = stream_shell_on_poll,
        .failed = stream_shell_on_destroy,
        .timed_out = stream_shell_on_timed_out,
        .should_retry = stream_shell_on_should_retry,
    };
    self->shells = shells;
    self->checked = checked;
    if (parts) self->parts = *parts;
    mouv__list_push_back(&shells->list, &self->link);
    return &self->stream;
}

/* --- all of a factory's ----------------------------------------------------------------------- */

bool mouv__shells_are_full(const mouv__shells_t *shells) {
    MOUV__LIST_EACH(&shells->list, shell_t, shell, link) {
        if (shell->checked) return true;
    }
    return false;
}

static mouv__channel_t *stream_shell_make_channel(const mouv__stream_parts_t *parts,
                                                  bson_error_t *error) {
    mouv__channel_t *channel = mouv__channel_new(parts->base, parts->tls);
    if (!channel)
        bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, "out of memory");
    return channel;
}

/* What is in it becomes a channel, or is closed. */
static mouv__channel_t *stream_shell_empty(shell_t *self, bson_error_t *error) {
    mongoc_stream_t *checked = self->checked;
    self->checked = NULL;
    mongoc_stream_t *inner = mouv__stream_checked_release(checked);
    if (!inner) {
        mongoc_stream_destroy(checked);
        bson_set_error(error, MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_INVALID_REPLY,
                       "the server has sent more than it was asked for");
        return NULL;
    }
    mouv__channel_t *channel = stream_shell_make_channel(&self->parts, error);
    if (!channel) mongoc_stream_destroy(inner);
    return channel;
}

mouv__channel_t *mouv__shells_take(mouv__shells_t *shells, bson_error_t *error) {
    mouv__channel_t *channel = NULL;
    MOUV__LIST_EACH(&shells->list, shell_t, shell, link) {
        if (!shell->checked) continue;
        mouv__channel_close(channel, true);
        channel = stream_shell_empty(shell, error);
    }
    return channel;
}

void mouv__shells_clear(mouv__shells_t *shells) {
    shell_t *shell;
    while ((shell = MOUV__LIST_POP(&shells->list, shell_t, link))) {
        mongoc_stream_destroy(shell->checked);
        shell->checked = NULL;
        shell->shells = NULL;
    }
}
