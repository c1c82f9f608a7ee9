/*
 * One pass over the bytes; whatever is unusual ends it.
 */
#include "mongo/base/bson_plain.h"

#include <string.h>

#include <bson/bson.h>

#define LENGTH_BYTES 4
#define DOCUMENT_BYTES 5

/* What is left of the innermost document, without its terminator. */
typedef struct bytes {
    const uint8_t *at, *end;
} bytes_t;

static size_t bson_plain_left(const bytes_t *bytes) {
    return (size_t)(bytes->end - bytes->at);
}

static uint32_t bson_plain_number(const uint8_t *at) {
    uint32_t number;
    memcpy(&number, at, sizeof(number));
    return BSON_UINT32_FROM_LE(number);
}

static bool bson_plain_skip(bytes_t *bytes, size_t size) {
    if (size > bson_plain_left(bytes)) return false;
    bytes->at += size;
    return true;
}

/* Most names have few letters. */
static bool bson_plain_name(bytes_t *bytes) {
    const uint8_t *at = bytes->at;
    while (at < bytes->end && (int8_t)*at > 0) at++;
    bool ends = at < bytes->end && *at == 0 && at > bytes->at;
    bytes->at = at + 1;
    return ends;
}

/* All from 1 to 127: eight at a time no byte borrows from the next one. */
static bool bson_plain_text(const uint8_t *text, size_t size) {
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    uint64_t word = ones, bad = 0;
    size_t i = 0;
    for (; i + sizeof(word) <= size; i += sizeof(word)) {
        memcpy(&word, text + i, sizeof(word));
        bad |= word | (word - ones);
    }
    for (; i < size; i++) bad |= (uint64_t)text[i] | ((uint64_t)text[i] - 1);
    return (bad & highs) == 0;
}

static bool bson_plain_string(bytes_t *bytes) {
    if (bson_plain_left(bytes) < LENGTH_BYTES) return false;
    uint32_t length = bson_plain_number(bytes->at);
    const uint8_t *text = bytes->at + LENGTH_BYTES;
    return length > 0 && bson_plain_skip(bytes, LENGTH_BYTES + (size_t)length) &&
           text[length - 1] == 0 && bson_plain_text(text, length - 1);
}

static bool bson_plain_bool(bytes_t *bytes) {
    return bson_plain_skip(bytes, 1) && bytes->at[-1] <= 1;
}

static bool bson_plain_inside(const uint8_t *data, size_t size, int depth);

static bool bson_plain_document(bytes_t *bytes, int depth) {
    if (bson_plain_left(bytes) < DOCUMENT_BYTES || depth == MOUV__BSON_PLAIN_DEPTH) return false;
    const uint8_t *data = bytes->at;
    uint32_t length = bson_plain_number(data);
    return bson_plain_skip(bytes, length) && bson_plain_inside(data, length, depth + 1);
}

static bool bson_plain_value(bytes_t *bytes, uint8_t type, int depth) {
    switch (type) {
    case BSON_TYPE_INT32:
        return bson_plain_skip(bytes, 4);
    case BSON_TYPE_DOUBLE:
    case BSON_TYPE_INT64:
    case BSON_TYPE_DATE_TIME:
        return bson_plain_skip(bytes, 8);
    case BSON_TYPE_OID:
        return bson_plain_skip(bytes, 12);
    case BSON_TYPE_NULL:
        return true;
    case BSON_TYPE_BOOL:
        return bson_plain_bool(bytes);
    case BSON_TYPE_UTF8:
        return bson_plain_string(bytes);
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY:
        return bson_plain_document(bytes, depth);
    default:
        return false;
    }
}

static bool bson_plain_inside(const uint8_t *data, size_t size, int depth) {
    if (size < DOCUMENT_BYTES || bson_plain_number(data) != size || data[size - 1] != 0)
        return false;
    bytes_t bytes = {data + LENGTH_BYTES, data + size - 1};
    while (bytes.at < bytes.end) {
        uint8_t type = *bytes.at++;
        if (!bson_plain_name(&bytes) || !bson_plain_value(&bytes, type, depth)) return false;
    }
    return true;
}

bool mouv__bson_plain(const uint8_t *data, size_t size) {
    return bson_plain_inside(data, size, 0);
}
