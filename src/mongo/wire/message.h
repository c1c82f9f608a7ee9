/*
 * A command as the bytes of one OP_MSG, for writev(): the documents are not copied. Pure functions;
 * any thread, one at a time for a message.
 */
#ifndef MOUV_MONGO_WIRE_MESSAGE_H
#define MOUV_MONGO_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <bson/bson.h>

/** Flags of an OP_MSG that mouv sends. */
#define MOUV__MESSAGE_MORE_TO_COME UINT32_C(2) /**< nobody waits for an answer, there is none */
#define MOUV__MESSAGE_EXHAUST_ALLOWED UINT32_C(0x10000) /**< several answers to it are welcome */

/** What one says. All documents and names are the caller's, unchanged until the message is sent. */
typedef struct mouv__message_content {
    int32_t request_id;
    uint32_t flags;
    const bson_t *command; /**< its first field is the command's name */
    const bson_t *fields;  /**< appended to it, or NULL; no name is in two of the three */
    const bson_t *extra;   /**< appended to that, or NULL */

    /** The name of a sequence of documents (a section of kind 1), or NULL: there is none. */
    const char *sequence;
    const bson_t *const *documents; /**< `document_count` of them, in their order; */
    size_t document_count;
    const uint8_t *bytes; /**< and behind them those that lie one after another already */
    size_t byte_count;
} mouv__message_content_t;

/** Header, flags, the kind of the first section and its document's length. */
#define MOUV__MESSAGE_HEAD_BYTES 25

/** The document's terminator; the kind and the size of the section that follows. */
#define MOUV__MESSAGE_JOINT_BYTES 6

/** May be copied and moved while it lives, but pieces that were asked for point into it. */
typedef struct mouv__message {
    mouv__message_content_t content;
    size_t size; /**< in bytes, with the header */
    uint8_t head[MOUV__MESSAGE_HEAD_BYTES];
    uint8_t joint[MOUV__MESSAGE_JOINT_BYTES];
    struct {
        size_t index; /**< of the piece that was wanted first when pieces were last asked for */
        size_t begin; /**< where in the message it begins */
    } at;
} mouv__message_t;

/**
 * Says how many bytes it has; that is looked at before anything is sent: what is longer than the
 * server's maxMessageSizeBytes, or than INT32_MAX, is no message. Linear in the number of documents.
 */
size_t mouv__message_init(mouv__message_t *message, const mouv__message_content_t *content);

/**
 * Gives the pieces from byte `offset` on, up to `max`, and how many they are: 0 at the end. Offsets
 * that grow, as those of partial writes do, cost no more than the pieces that are given; a smaller
 * one than before begins a search at the first piece.
 */
size_t mouv__message_pieces(mouv__message_t *message, size_t offset, struct iovec *pieces,
                            size_t max);

/** Copies what comes from byte `offset` on to `to`, where `size - offset` bytes are. */
void mouv__message_copy(const mouv__message_t *message, size_t offset, uint8_t *to);

#endif
