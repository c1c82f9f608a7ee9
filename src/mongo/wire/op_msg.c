/*
 * Checks of the framing, as the protocol says; see bson_check.c for the documents.
 */
#include "mongo/wire/op_msg.h"

#include <stdio.h>
#include <string.h>

#include <bson/bson.h>

#include "mongo/wire/bson_check.h"

/* Flags of OP_MSG: those that a receiver must know; mouv never asks for checksums or streams. */
#define MSG_REQUIRED_FLAGS UINT32_C(0xffff)
#define REPLY_FLAGS UINT32_C(0xf)

/* Flags and the kind of the one section; flags, cursor, first, count. */
#define MSG_BODY_BYTES 5
#define REPLY_BODY_BYTES 20
#define DOCUMENT_BYTES 5

static int32_t op_msg_number_at(const uint8_t *bytes) {
    uint32_t number;
    memcpy(&number, bytes, sizeof(number));
    return (int32_t)BSON_UINT32_FROM_LE(number);
}

void mouv__op_msg_put_number(uint8_t *bytes, int32_t value) {
    uint32_t number = BSON_UINT32_TO_LE((uint32_t)value);
    memcpy(bytes, &number, sizeof(number));
}

mouv__op_msg_header_t mouv__op_msg_header(const uint8_t *bytes) {
    return (mouv__op_msg_header_t){op_msg_number_at(bytes), op_msg_number_at(bytes + 4),
                                   op_msg_number_at(bytes + 8), op_msg_number_at(bytes + 12)};
}

void mouv__op_msg_put_header(const mouv__op_msg_header_t *header, uint8_t *bytes) {
    mouv__op_msg_put_number(bytes, header->length);
    mouv__op_msg_put_number(bytes + 4, header->request_id);
    mouv__op_msg_put_number(bytes + 8, header->response_to);
    mouv__op_msg_put_number(bytes + 12, header->opcode);
}

static int32_t op_msg_least_length(int32_t opcode) {
    switch (opcode) {
    case MOUV__WIRE_MSG:
        return MOUV__WIRE_HEADER_BYTES + MSG_BODY_BYTES + DOCUMENT_BYTES;
    case MOUV__WIRE_REPLY:
        return MOUV__WIRE_HEADER_BYTES + REPLY_BODY_BYTES + DOCUMENT_BYTES;
    case MOUV__WIRE_COMPRESSED:
        return MOUV__WIRE_HEADER_BYTES + MOUV__WIRE_COMPRESSED_BYTES;
    default:
        return 0;
    }
}

bool mouv__op_msg_check_header(const mouv__op_msg_header_t *header, int32_t request_id, char *why,
                               size_t why_size) {
    int32_t least = op_msg_least_length(header->opcode);
    if (least == 0)
        snprintf(why, why_size, "a message with opcode %d", header->opcode);
    else if (header->length < least || header->length > MOUV__WIRE_MESSAGE_MAX_BYTES)
        snprintf(why, why_size, "a message with a length of %d bytes", header->length);
    else if (header->response_to != request_id)
        snprintf(why, why_size, "an answer to request %d instead of %d", header->response_to,
                 request_id);
    else
        return true;
    return false;
}

static bool op_msg_check_flags(const uint8_t *body, char *why, size_t why_size) {
    uint32_t flags = (uint32_t)op_msg_number_at(body) & MSG_REQUIRED_FLAGS;
    if (flags != 0)
        snprintf(why, why_size, "a message with unknown flags 0x%x", flags);
    else if (body[4] != 0)
        snprintf(why, why_size, "a message with a section of kind %u", body[4]);
    else
        return true;
    return false;
}

bool mouv__op_msg_check_start(const mouv__op_msg_header_t *header, const uint8_t *bytes, char *why,
                              size_t why_size) {
    const uint8_t *document = bytes + MOUV__WIRE_HEADER_BYTES + MSG_BODY_BYTES;
    if (header->opcode != MOUV__WIRE_MSG) return true; /* others: as a whole */
    if (!op_msg_check_flags(bytes + MOUV__WIRE_HEADER_BYTES, why, why_size)) return false;
    int32_t length = op_msg_number_at(document);
    if (length == header->length - MOUV__WIRE_HEADER_BYTES - MSG_BODY_BYTES) return true;
    snprintf(why, why_size, "a message with a length of %d bytes around a document of %d",
             header->length, length);
    return false;
}

/* An empty one is what libmongoc has where nobody answers. */
static bool op_msg_check_document(const uint8_t *document, size_t size, char *why,
                                  size_t why_size) {
    if (size > DOCUMENT_BYTES) return mouv__bson_check(document, size, why, why_size);
    snprintf(why, why_size, "an empty document");
    return false;
}

static bool op_msg_check_msg(const uint8_t *body, size_t size, char *why, size_t why_size) {
    return op_msg_check_flags(body, why, why_size) &&
           op_msg_check_document(body + MSG_BODY_BYTES, size - MSG_BODY_BYTES, why, why_size);
}

static bool op_msg_check_reply(const uint8_t *body, size_t size, char *why, size_t why_size) {
    uint32_t flags = (uint32_t)op_msg_number_at(body);
    int32_t count = op_msg_number_at(body + 16);
    if (flags & ~REPLY_FLAGS)
        snprintf(why, why_size, "a reply with unknown flags 0x%x", flags);
    else if (count != 1)
        snprintf(why, why_size, "a reply with %d documents", count);
    else
        return op_msg_check_document(body + REPLY_BODY_BYTES, size - REPLY_BODY_BYTES, why,
                                     why_size);
    return false;
}

bool mouv__op_msg_check_body(int32_t opcode, const uint8_t *body, size_t size, char *why,
                             size_t why_size) {
    return opcode == MOUV__WIRE_MSG ? op_msg_check_msg(body, size, why, why_size)
                                    : op_msg_check_reply(body, size, why, why_size);
}

bool mouv__op_msg_check_compressed(const mouv__op_msg_header_t *header, const uint8_t *body,
                                   mouv__op_msg_compressed_t *inside, char *why, size_t why_size) {
    int32_t size = op_msg_number_at(body + 4);
    if (size < 0 || size > MOUV__WIRE_MESSAGE_MAX_BYTES - MOUV__WIRE_HEADER_BYTES) {
        snprintf(why, why_size, "a compressed message of %d bytes", size);
        return false;
    }
    inside->header = *header;
    inside->header.opcode = op_msg_number_at(body);
    inside->header.length = MOUV__WIRE_HEADER_BYTES + size;
    inside->compressor = body[8];
    inside->data = body + MOUV__WIRE_COMPRESSED_BYTES;
    inside->size = (size_t)header->length - MOUV__WIRE_HEADER_BYTES - MOUV__WIRE_COMPRESSED_BYTES;
    if (inside->header.opcode == MOUV__WIRE_COMPRESSED) {
        snprintf(why, why_size, "a message that is compressed twice");
        return false;
    }
    return mouv__op_msg_check_header(&inside->header, header->response_to, why, why_size);
}
