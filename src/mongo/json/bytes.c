/*
 * A buffer that doubles.
 */
#include "mongo/json/bytes.h"

#include <string.h>

#include <bson/bson.h>

#define LENGTH_BYTES 4

void mouv__bytes_put(mouv__bytes_t *bytes, const void *data, size_t size) {
    size_t wanted = bytes->size + size;
    if (wanted > bytes->capacity) {
        bytes->capacity = wanted * 2;
        bytes->data = bson_realloc(bytes->data, bytes->capacity);
    }
    if (size > 0) memcpy(bytes->data + bytes->size, data, size);
    bytes->size = wanted;
}

void mouv__bytes_byte(mouv__bytes_t *bytes, uint8_t byte) {
    mouv__bytes_put(bytes, &byte, 1);
}

void mouv__bytes_int32(mouv__bytes_t *bytes, int32_t value) {
    uint32_t little = BSON_UINT32_TO_LE((uint32_t)value);
    mouv__bytes_put(bytes, &little, sizeof little);
}

void mouv__bytes_int64(mouv__bytes_t *bytes, int64_t value) {
    uint64_t little = BSON_UINT64_TO_LE((uint64_t)value);
    mouv__bytes_put(bytes, &little, sizeof little);
}

void mouv__bytes_double(mouv__bytes_t *bytes, double value) {
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    mouv__bytes_int64(bytes, bits);
}

void mouv__bytes_string(mouv__bytes_t *bytes, const char *text, size_t size) {
    mouv__bytes_int32(bytes, (int32_t)size + 1);
    mouv__bytes_cstring(bytes, text, size);
}

void mouv__bytes_cstring(mouv__bytes_t *bytes, const char *text, size_t size) {
    mouv__bytes_put(bytes, text, size);
    mouv__bytes_byte(bytes, 0);
}

size_t mouv__bytes_reserve_length(mouv__bytes_t *bytes) {
    size_t at = bytes->size;
    mouv__bytes_int32(bytes, 0);
    return at;
}

void mouv__bytes_fill_length(mouv__bytes_t *bytes, size_t at) {
    uint32_t little = BSON_UINT32_TO_LE((uint32_t)(bytes->size - at));
    memcpy(bytes->data + at, &little, LENGTH_BYTES);
}
