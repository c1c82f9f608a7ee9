/*
 * The uppermost stream: hands libmongoc an answer only after all of it has been checked (op_msg.h).
 *
 * Small answers, compressed ones and those of a handshake are read whole into the stream's own
 * buffer. libmongoc reads the length of a large one first and then the rest in one piece, so that
 * is received where libmongoc wants it and checked there, without a copy. A compressed answer is
 * uncompressed here, once, and handed on as the message that was in it.
 */
#include "mongo/transport/driver/stream_checked.h"

#include <errno.h>
#include <string.h>

#include "context/alloc.h"
#include "mongo/transport/workers/safepoint.h"
#include "mongo/wire/compress.h"
#include "mongo/wire/op_msg.h"

#define STREAM_TYPE_CHECKED 0x6d02

/* Most answers fit; for others the buffer grows and shrinks again. */
#define BUFFER_BYTES (16 * 1024)

/* A command's name is looked for behind the header, flags, kind, length and type. */
#define NAME_AT (MOUV__WIRE_HEADER_BYTES + 4 + 1 + 4 + 1)
#define NAME_BYTES 24

typedef struct checked {
    mongoc_stream_t stream; /* first */
    mongoc_stream_t *inner;
    mouv__socket_t *socket;
    int32_t request_id; /* of what was sent last */
    bool bad;           /* an answer was not valid: nothing is read any more */
    bool whole;         /* the present answer is in the buffer and checked */
    size_t left;        /* of the present answer, not handed on yet; 0: there is none */
    uint8_t *buffer;
    size_t size, have, at; /* of the buffer: its room, what is in it, what was handed on */
} checked_t;

static bool stream_checked_refuse(checked_t *self, const char *why) {
    self->bad = true;
    mouv__interruptible_fault(self->socket->interruptible, why);
    __atomic_store_n(&self->socket->cut, true, __ATOMIC_RELEASE); /* closed with RST */
    errno = EBADMSG;
    return false;
}

/* --- the buffer ------------------------------------------------------------------------------ */

static bool stream_checked_reserve(checked_t *self, size_t size) {
    if (size <= self->size) return true;
    uint8_t *buffer = mouv__realloc(self->buffer, size);
    if (!buffer) return stream_checked_refuse(self, "there is no memory for it");
    self->buffer = buffer;
    self->size = size;
    return true;
}

/* At least `size` bytes of the answer, and what comes along with them. */
static bool stream_checked_fill(checked_t *self, size_t size, int32_t timeout_ms) {
    if (self->have >= size) return true;
    if (!stream_checked_reserve(self, size)) return false;
    mongoc_iovec_t room = {.iov_base = (char *)self->buffer + self->have,
                           .iov_len = self->size - self->have};
    size_t least = size - self->have;
    ssize_t got = mongoc_stream_readv(self->inner, &room, 1, least, timeout_ms);
    if (got > 0) self->have += (size_t)got;
    return self->have >= size;
}

/* The answer is done: what came behind it moves to the front. */
static void stream_checked_finish(checked_t *self) {
    if (self->at < self->have)
        memmove(self->buffer, self->buffer + self->at, self->have - self->at);
    self->have -= self->at;
    self->at = 0;
    if (self->size <= BUFFER_BYTES || self->have > BUFFER_BYTES) return;
    uint8_t *buffer = mouv__realloc(self->buffer, BUFFER_BYTES);
    if (!buffer) return;
    self->buffer = buffer;
    self->size = BUFFER_BYTES;
}

static void stream_checked_give(checked_t *self, void *to, size_t size) {
    memcpy(to, self->buffer + self->at, size);
    self->at += size;
    self->left -= size;
    if (self->left == 0) stream_checked_finish(self);
}

/* --- an answer ------------------------------------------------------------------------------- */

static bool stream_checked_check(checked_t *self, int32_t opcode, const uint8_t *body,
                                 size_t size) {
    char why[256];
    return mouv__op_msg_check_body(opcode, body, size, why, sizeof(why)) ||
           stream_checked_refuse(self, why);
}

/* Puts the message that is inside in place of the compressed one. */
static bool stream_checked_uncompress(checked_t *self, mouv__op_msg_header_t *header) {
    char why[256];
    mouv__op_msg_compressed_t inside;
    if (!mouv__op_msg_check_compressed(header, self->buffer + MOUV__WIRE_HEADER_BYTES, &inside, why,
                                       sizeof(why)))
        return stream_checked_refuse(self, why);
    size_t length = (size_t)inside.header.length;
    size_t size = length > BUFFER_BYTES ? length : BUFFER_BYTES;
    uint8_t *buffer = mouv__alloc(size);
    if (!buffer) return stream_checked_refuse(self, "there is no memory to uncompress it");
    bool ok = mouv__compress_undo(inside.compressor, inside.data, inside.size,
                                  buffer + MOUV__WIRE_HEADER_BYTES,
                                  length - MOUV__WIRE_HEADER_BYTES, why, sizeof(why));
    mouv__op_msg_put_header(&inside.header, buffer);
    mouv__free(self->buffer);
    self->buffer = buffer;
    self->size = size;
    self->have = length;
    *header = inside.header;
    return ok || stream_checked_refuse(self, why);
}

/* The whole answer is in the buffer. */
static bool stream_checked_complete(checked_t *self, mouv__op_msg_header_t header,
                                    int32_t timeout_ms) {
    if (!stream_checked_fill(self, (size_t)header.length, timeout_ms)) return false;
    if (header.opcode == MOUV__WIRE_COMPRESSED && !stream_checked_uncompress(self, &header))
        return false;
    self->left = (size_t)header.length - self->at;
    self->whole = stream_checked_check(self, header.opcode, self->buffer + MOUV__WIRE_HEADER_BYTES,
                                       (size_t)header.length - MOUV__WIRE_HEADER_BYTES);
    return self->whole;
}

/* libmongoc wants the first `wanted` bytes of an answer. */
static bool stream_checked_begin(checked_t *self, size_t wanted, int32_t timeout_ms) {
    char why[256];
    self->whole = false;
    if (!stream_checked_fill(self, MOUV__WIRE_START_BYTES, timeout_ms)) return false;
    mouv__op_msg_header_t header = mouv__op_msg_header(self->buffer);
    if (!mouv__op_msg_check_header(&header, self->request_id, why, sizeof(why)) ||
        !mouv__op_msg_check_start(&header, self->buffer, why, sizeof(why)))
        return stream_checked_refuse(self, why);
    bool in_place = header.opcode == MOUV__WIRE_MSG && wanted == sizeof(header.length) &&
                    header.length > BUFFER_BYTES;
    self->left = (size_t)header.length;
    return in_place || stream_checked_complete(self, header, timeout_ms);
}

/* The rest of a large one goes where libmongoc wants it. */
static bool stream_checked_receive_in_place(checked_t *self, uint8_t *to, size_t size,
                                            int32_t timeout_ms) {
    size_t at_hand = self->have - self->at;
    mongoc_iovec_t rest = {.iov_base = (char *)to + at_hand, .iov_len = size - at_hand};
    memcpy(to, self->buffer + self->at, at_hand);
    if (mongoc_stream_readv(self->inner, &rest, 1, rest.iov_len, timeout_ms) !=
        (ssize_t)rest.iov_len)
        return false;
    size_t header = MOUV__WIRE_HEADER_BYTES - self->at;
    self->have = self->at = self->left = 0;
    return stream_checked_check(self, MOUV__WIRE_MSG, to + header, size - header);
}

static ssize_t stream_checked_read(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t count,
                                   int32_t timeout_ms) {
    checked_t *self = (checked_t *)stream;
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) wanted += iov[i].iov_len;
    if (self->bad || (self->left == 0 && !stream_checked_begin(self, wanted, timeout_ms)))
        return -1;
    if (wanted > self->left)
        return stream_checked_refuse(self, "it is shorter than it should be"), -1;
    if (!self->whole && count == 1 && wanted == self->left)
        return stream_checked_receive_in_place(self, (uint8_t *)iov->iov_base, wanted, timeout_ms)
                   ? (ssize_t)wanted
                   : -1;
    bool length_only = !self->whole && self->at == 0 && wanted == sizeof(int32_t);
    if (!self->whole && !length_only &&
        !stream_checked_complete(self, mouv__op_msg_header(self->buffer), timeout_ms))
        return -1;
    for (size_t i = 0; i < count; i++) stream_checked_give(self, iov[i].iov_base, iov[i].iov_len);
    return (ssize_t)wanted;
}

/* It is libmongoc's monitors' as well. */
static ssize_t stream_checked_checked_readv(mongoc_stream_t *stream, mongoc_iovec_t *iov,
                                            size_t count, size_t min_bytes, int32_t timeout_ms) {
    bool had_left = mouv__safepoint_begin_work();
    (void)min_bytes; /* libmongoc never wants less than all */
    ssize_t got = stream_checked_read(stream, iov, count, timeout_ms);
    mouv__safepoint_end_work(had_left);
    return got;
}

/* --- a request ------------------------------------------------------------------------------- */

/* The first bytes of what is to be sent; how many there are. */
static size_t stream_checked_peek(const mongoc_iovec_t *iov, size_t count, uint8_t *to,
                                  size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < count && used < size; i++) {
        size_t take = iov[i].iov_len < size - used ? iov[i].iov_len : size - used;
        memcpy(to + used, iov[i].iov_base, take);
        used += take;
    }
    return used;
}

/* What libmongoc sends before a connection is ready for commands. */
static bool stream_checked_is_of_set_up(const mouv__op_msg_header_t *header, const char *name) {
    static const char *const names[] = {"hello",        "isMaster",     "ismaster", "saslStart",
                                        "saslContinue", "authenticate", "getnonce"};
    if (header->opcode == MOUV__WIRE_QUERY) return true;
    if (header->opcode != MOUV__WIRE_MSG) return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static ssize_t stream_checked_checked_writev(mongoc_stream_t *stream, mongoc_iovec_t *iov,
                                             size_t count, int32_t timeout_ms) {
    checked_t *self = (checked_t *)stream;
    uint8_t first[NAME_AT + NAME_BYTES + 1] = {0};
    stream_checked_peek(iov, count, first, sizeof(first) - 1);
    mouv__op_msg_header_t header = mouv__op_msg_header(first);
    self->request_id = header.request_id;
    bool set_up = self->socket->setting_up &&
                  stream_checked_is_of_set_up(&header, (const char *)first + NAME_AT);
    if (!set_up && !mouv__interruptible_send(self->socket)) {
        errno = ETIMEDOUT;
        return -1;
    }
    bool had_left = mouv__safepoint_begin_work();
    ssize_t sent = mongoc_stream_writev(self->inner, iov, count, timeout_ms);
    mouv__safepoint_end_work(had_left);
    return sent;
}

/* --- the rest -------------------------------------------------------------------------------- */

static mongoc_stream_t *stream_checked_inner_of(mongoc_stream_t *stream) {
    return ((checked_t *)stream)->inner;
}

static int stream_checked_checked_close(mongoc_stream_t *stream) {
    return mongoc_stream_close(stream_checked_inner_of(stream));
}

static int stream_checked_checked_flush(mongoc_stream_t *stream) {
    return mongoc_stream_flush(stream_checked_inner_of(stream));
}

static bool stream_checked_checked_check_closed(mongoc_stream_t *stream) {
    return mongoc_stream_check_closed(stream_checked_inner_of(stream));
}

static int stream_checked_checked_setsockopt(mongoc_stream_t *stream, int level, int name,
                                             void *value, mongoc_socklen_t size) {
    return mongoc_stream_setsockopt(stream_checked_inner_of(stream), level, name, value, size);
}

/* True keeps libmongoc from taking the server for lost, and with it all its connections. */
static bool stream_checked_checked_timed_out(mongoc_stream_t *stream) {
    return ((checked_t *)stream)->bad || mongoc_stream_timed_out(stream_checked_inner_of(stream));
}

static bool stream_checked_checked_should_retry(mongoc_stream_t *stream) {
    return mongoc_stream_should_retry(stream_checked_inner_of(stream));
}

static void stream_checked_checked_destroy(mongoc_stream_t *stream) {
    mongoc_stream_destroy(stream_checked_inner_of(stream));
    mouv__free(((checked_t *)stream)->buffer);
    mouv__free(stream);
}

mongoc_stream_t *mouv__stream_checked_new(mongoc_stream_t *inner, mouv__socket_t *socket) {
    checked_t *self = mouv__alloc(sizeof(*self));
    if (self) self->buffer = mouv__alloc(BUFFER_BYTES);
    if (!self || !self->buffer) {
        mouv__free(self);
        return NULL;
    }
    self->stream = (mongoc_stream_t){
        .type = STREAM_TYPE_CHECKED,
        .destroy = stream_checked_checked_destroy,
        .close = stream_checked_checked_close,
        .flush = stream_checked_checked_flush,
        .writev = stream_checked_checked_writev,
        .readv = stream_checked_checked_readv,
        .setsockopt = stream_checked_checked_setsockopt,
        .get_base_stream = stream_checked_inner_of,
        .check_closed = stream_checked_checked_check_closed,
        .failed = stream_checked_checked_destroy,
        .timed_out = stream_checked_checked_timed_out,
        .should_retry = stream_checked_checked_should_retry,
    };
    self->inner = inner;
    self->socket = socket;
    self->size = BUFFER_BYTES;
    return &self->stream;
}

bool mouv__stream_checked_has_more(const mongoc_stream_t *stream) {
    const checked_t *self = (const checked_t *)stream;
    return self->have > self->at;
}

mongoc_stream_t *mouv__stream_checked_release(mongoc_stream_t *stream) {
    checked_t *self = (checked_t *)stream;
    mongoc_stream_t *inner = self->inner;
    if (self->bad || self->left > 0 || mouv__stream_checked_has_more(stream)) return NULL;
    mouv__free(self->buffer);
    mouv__free(self);
    return inner;
}
