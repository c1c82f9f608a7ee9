/*
 * The mock server's messages: OP_MSG, and OP_QUERY with OP_REPLY for a driver's first hello.
 */
#include "support/mock_wire.h"

#include <string.h>

enum { OP_REPLY = 1, OP_QUERY = 2004, OP_MSG = 2013 };
enum { CHECKSUM_PRESENT = 1, MORE_TO_COME = 2, CHECKSUM_BYTES = 4 };
enum { SECTION_BODY = 0, SECTION_SEQUENCE = 1 };
enum { BSON_MIN_BYTES = 5 };
enum { MSG_DOCUMENT = MOCK_HEADER_BYTES + 4 + 1, REPLY_DOCUMENT = MOCK_REPLY_OVERHEAD };

int32_t mock_get_int32(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return (int32_t)BSON_UINT32_FROM_LE(value);
}

void mock_put_int32(uint8_t *bytes, int32_t value) {
    uint32_t little = BSON_UINT32_TO_LE((uint32_t)value);
    memcpy(bytes, &little, sizeof little);
}

/* --- Coming --------------------------------------------------------------------------------- */

int64_t mock_message_size(const uint8_t *bytes, size_t available) {
    if (available < 4) return 0;
    int32_t size = mock_get_int32(bytes);
    return size < MOCK_HEADER_BYTES || size > MOCK_MESSAGE_MAX ? -1 : size;
}

/* The size of what begins here with its own length, or 0 if it does not fit. */
static size_t sized(const uint8_t *at, const uint8_t *end) {
    if (end - at < BSON_MIN_BYTES) return 0;
    int32_t size = mock_get_int32(at);
    return size < BSON_MIN_BYTES || size > end - at ? 0 : (size_t)size;
}

static bool take_body(mock_incoming_t *incoming, const uint8_t *at) {
    size_t size = sized(at, incoming->end);
    if (size <= BSON_MIN_BYTES || !memchr(at + 5, 0, size - 5)) return false;
    const char *name = (const char *)at + 5; /* behind the length and the first field's type */
    bool hello = strcmp(name, "isMaster") == 0 || strcmp(name, "ismaster") == 0;
    incoming->request.command = hello ? "hello" : name;
    incoming->request.body = at;
    incoming->request.body_size = size;
    return true;
}

static size_t section_size(const uint8_t *at, const uint8_t *end) {
    size_t size = *at <= SECTION_SEQUENCE ? sized(at + 1, end) : 0;
    return size ? size + 1 : 0;
}

static bool parse_msg(mock_incoming_t *incoming, const uint8_t *message) {
    if (incoming->end - message < MSG_DOCUMENT) return false;
    int32_t flags = mock_get_int32(message + MOCK_HEADER_BYTES);
    if (flags & CHECKSUM_PRESENT) incoming->end -= CHECKSUM_BYTES;
    incoming->no_reply = flags & MORE_TO_COME;
    for (const uint8_t *at = message + MOCK_HEADER_BYTES + 4; at < incoming->end;) {
        size_t size = section_size(at, incoming->end);
        if (!size || (*at == SECTION_BODY && !take_body(incoming, at + 1))) return false;
        at += size;
    }
    return incoming->request.command != NULL;
}

/* flags, the collection's name, how many to skip, how many to return, the command */
static bool parse_query(mock_incoming_t *incoming, const uint8_t *message) {
    const uint8_t *name = message + MOCK_HEADER_BYTES + 4;
    if (name >= incoming->end) return false;
    const uint8_t *name_end = memchr(name, 0, (size_t)(incoming->end - name));
    incoming->legacy = true;
    return name_end && incoming->end - name_end > 1 + 8 && take_body(incoming, name_end + 1 + 8);
}

bool mock_parse(const uint8_t *message, size_t size, mock_incoming_t *incoming) {
    *incoming = (mock_incoming_t){.request = {.message = message, .message_size = size},
                                  .end = message + size,
                                  .id = mock_get_int32(message + 4)};
    switch (mock_get_int32(message + 12)) {
    case OP_MSG:
        return parse_msg(incoming, message);
    case OP_QUERY:
        return parse_query(incoming, message);
    default:
        return false;
    }
}

/* --- Counting ------------------------------------------------------------------------------- */

static int32_t count_sequence(const uint8_t *at, const uint8_t *end) {
    const uint8_t *name_end = memchr(at, 0, (size_t)(end - at));
    int32_t count = 0;
    if (!name_end) return 0;
    at = name_end + 1;
    for (size_t size; at < end && (size = sized(at, end)) > 0; at += size) count++;
    return count;
}

static int32_t count_array(const mock_request_t *request) {
    bson_t body;
    bson_iter_t iter, child;
    int32_t count = 0;
    if (!bson_init_static(&body, request->body, request->body_size)) return 0;
    for (bool more = bson_iter_init(&iter, &body) && bson_iter_next(&iter); more;
         more = bson_iter_next(&iter)) {
        if (!BSON_ITER_HOLDS_ARRAY(&iter) || !bson_iter_recurse(&iter, &child)) continue;
        while (bson_iter_next(&child)) count++;
        break;
    }
    return count;
}

int32_t mock_count_documents(const mock_incoming_t *incoming) {
    const uint8_t *at = incoming->request.message + MOCK_HEADER_BYTES + 4;
    for (size_t size; at < incoming->end; at += size) {
        size = section_size(at, incoming->end);
        if (*at == SECTION_SEQUENCE) return count_sequence(at + 5, at + size);
    }
    return count_array(&incoming->request);
}

/* --- Going ---------------------------------------------------------------------------------- */

size_t mock_document_offset(const mock_incoming_t *to) {
    return to->legacy ? REPLY_DOCUMENT : MSG_DOCUMENT;
}

size_t mock_compose(uint8_t *message, const mock_incoming_t *to, const bson_t *document) {
    size_t offset = mock_document_offset(to), size = offset + document->len;
    memset(message, 0, offset);
    mock_put_int32(message, (int32_t)size);
    mock_put_int32(message + 4, to->id + 1);
    mock_put_int32(message + 8, to->id);
    mock_put_int32(message + 12, to->legacy ? OP_REPLY : OP_MSG);
    if (to->legacy) mock_put_int32(message + offset - 4, 1); /* one document */
    memcpy(message + offset, bson_get_data(document), document->len);
    return size;
}
