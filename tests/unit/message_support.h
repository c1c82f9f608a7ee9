/*
 * A server's answers as bytes, for the tests of who receives them.
 */
#ifndef MOUV_TESTS_UNIT_MESSAGE_SUPPORT_H
#define MOUV_TESTS_UNIT_MESSAGE_SUPPORT_H

#include <stdlib.h>
#include <string.h>

#include <bson/bson.h>

#include "../support/json.h"
#include "mongo/wire/compress.h"
#include "mongo/wire/op_compressed.h"
#include "mongo/wire/op_msg.h"

/* Header, flags and the kind of the section. */
#define MESSAGE_HEAD_BYTES 21

typedef struct message {
    uint8_t *bytes;
    size_t size;
} message_t;

static inline void message_free(message_t message) {
    free(message.bytes);
}

/* An OP_MSG around any bytes. */
static inline message_t message_around(int32_t response_to, const void *document, size_t size) {
    message_t message = {calloc(1, MESSAGE_HEAD_BYTES + size), MESSAGE_HEAD_BYTES + size};
    if (!message.bytes) abort();
    mouv__op_msg_header_t header = {(int32_t)message.size, 5, response_to, MOUV__WIRE_MSG};
    mouv__op_msg_put_header(&header, message.bytes);
    memcpy(message.bytes + MESSAGE_HEAD_BYTES, document, size);
    return message;
}

static inline message_t message_of(int32_t response_to, const bson_t *document) {
    return message_around(response_to, bson_get_data(document), document->len);
}

static inline message_t message_from_json(int32_t response_to, const char *json) {
    bson_t *document = from_json(json);
    message_t message = message_of(response_to, document);
    bson_destroy(document);
    return message;
}

/* The same in an OP_COMPRESSED; frees what is inside. */
static inline message_t message_pack(uint8_t compressor, message_t inside) {
    message_t message = {malloc(mouv__op_compressed_bound(compressor, inside.size)), 0};
    if (!message.bytes) abort();
    message.size =
        mouv__op_compressed_put(compressor, -1, inside.bytes, inside.size, message.bytes);
    if (message.size == 0) abort();
    message_free(inside);
    return message;
}

static inline void message_put(message_t message, size_t at, int32_t number) {
    mouv__op_msg_put_number(message.bytes + at, number);
}

/* {ok: 1, a: <so many bytes>}, which differ. */
static inline bson_t *document_of(size_t payload) {
    uint8_t *bytes = malloc(payload + !payload);
    if (!bytes) abort();
    for (size_t i = 0; i < payload; i++) bytes[i] = (uint8_t)(i * 7 + i / 251);
    bson_t *document = bson_new();
    BSON_APPEND_INT32(document, "ok", 1);
    BSON_APPEND_BINARY(document, "a", BSON_SUBTYPE_BINARY, bytes, (uint32_t)payload);
    free(bytes);
    return document;
}

#endif
