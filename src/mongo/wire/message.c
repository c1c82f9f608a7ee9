/*
 * An OP_MSG as a row of pieces: head, the insides of up to three documents that make one, their
 * joint with the sequence, its name, its documents. A piece is known by its index, some are empty.
 */
#include "mongo/wire/message.h"

#include <string.h>

#include "mongo/wire/op_msg.h"

/* A document's length and terminator: what is left out of one that is part of another. */
#define LENGTH_BYTES 4
#define DOCUMENT_BYTES 5

#define SECTION_DOCUMENTS 1

enum {
    PIECE_HEAD,
    PIECE_COMMAND,
    PIECE_FIELDS,
    PIECE_EXTRA,
    PIECE_JOINT,
    PIECE_NAME,
    PIECE_FIRST_DOCUMENT /* and behind the last one: the bytes */
};

static struct iovec message_span(const void *begin, size_t size) {
    return (struct iovec){.iov_base = (void *)(uintptr_t)begin, .iov_len = size};
}

/* What is inside a document, so that it can be appended to another one. */
static struct iovec message_inside(const bson_t *document) {
    return document ? message_span(bson_get_data(document) + LENGTH_BYTES,
                                   document->len - DOCUMENT_BYTES)
                    : message_span(NULL, 0);
}

static struct iovec message_document(const mouv__message_content_t *content, size_t index) {
    if (index == content->document_count) return message_span(content->bytes, content->byte_count);
    const bson_t *document = content->documents[index];
    return message_span(bson_get_data(document), document->len);
}

static size_t message_piece_count(const mouv__message_t *message) {
    return message->content.sequence ? PIECE_FIRST_DOCUMENT + message->content.document_count + 1
                                     : PIECE_NAME;
}

static struct iovec message_piece(const mouv__message_t *message, size_t index) {
    const mouv__message_content_t *content = &message->content;
    switch (index) {
    case PIECE_HEAD:
        return message_span(message->head, sizeof(message->head));
    case PIECE_COMMAND:
        return message_inside(content->command);
    case PIECE_FIELDS:
        return message_inside(content->fields);
    case PIECE_EXTRA:
        return message_inside(content->extra);
    case PIECE_JOINT: /* without a sequence only the terminator */
        return message_span(message->joint, content->sequence ? sizeof(message->joint) : 1);
    case PIECE_NAME:
        return message_span(content->sequence, strlen(content->sequence) + 1);
    default:
        return message_document(content, index - PIECE_FIRST_DOCUMENT);
    }
}

/* Of the pieces from `first` up to `end`. */
static size_t message_size_of(const mouv__message_t *message, size_t first, size_t end) {
    size_t size = 0;
    for (size_t i = first; i < end; i++) size += message_piece(message, i).iov_len;
    return size;
}

/* flags, kind 0, length of the document; its end is in the joint */
static void message_put_head(mouv__message_t *message) {
    const mouv__message_content_t *content = &message->content;
    mouv__op_msg_header_t header = {(int32_t)message->size, content->request_id, 0, MOUV__WIRE_MSG};
    size_t inside = message_size_of(message, PIECE_COMMAND, PIECE_JOINT);
    mouv__op_msg_put_header(&header, message->head);
    mouv__op_msg_put_number(message->head + MOUV__WIRE_HEADER_BYTES, (int32_t)content->flags);
    mouv__op_msg_put_number(message->head + sizeof(message->head) - LENGTH_BYTES,
                            (int32_t)(inside + DOCUMENT_BYTES));
}

static void message_put_joint(mouv__message_t *message) {
    size_t count = message_piece_count(message);
    if (!message->content.sequence) return;
    message->joint[1] = SECTION_DOCUMENTS;
    mouv__op_msg_put_number(message->joint + 2,
                            (int32_t)(LENGTH_BYTES + message_size_of(message, PIECE_NAME, count)));
}

size_t mouv__message_init(mouv__message_t *message, const mouv__message_content_t *content) {
    *message = (mouv__message_t){.content = *content};
    message->size = message_size_of(message, PIECE_HEAD, message_piece_count(message));
    message_put_head(message);
    message_put_joint(message);
    return message->size;
}

/* The piece that the byte at `offset` is in, which is not beyond the end. */
static void message_seek(mouv__message_t *message, size_t offset) {
    if (offset < message->at.begin) message->at.index = message->at.begin = 0;
    for (;;) {
        size_t size = message_piece(message, message->at.index).iov_len;
        if (offset - message->at.begin < size) return;
        message->at.begin += size;
        message->at.index++;
    }
}

size_t mouv__message_pieces(mouv__message_t *message, size_t offset, struct iovec *pieces,
                            size_t max) {
    size_t used = 0, end = message_piece_count(message);
    if (offset >= message->size) return 0;
    message_seek(message, offset);
    size_t done = offset - message->at.begin; /* of the first piece */
    for (size_t i = message->at.index; i < end && used < max; i++) {
        struct iovec piece = message_piece(message, i);
        if (piece.iov_len == 0) continue;
        pieces[used++] = message_span((uint8_t *)piece.iov_base + done, piece.iov_len - done);
        done = 0;
    }
    return used;
}

void mouv__message_copy(const mouv__message_t *message, size_t offset, uint8_t *to) {
    size_t end = message_piece_count(message);
    for (size_t i = 0; i < end; i++) {
        struct iovec piece = message_piece(message, i);
        size_t skipped = offset < piece.iov_len ? offset : piece.iov_len;
        size_t size = piece.iov_len - skipped;
        if (size > 0) memcpy(to, (uint8_t *)piece.iov_base + skipped, size);
        offset -= skipped;
        to += size;
    }
}
