/*
 * BSON being written: bytes that grow. libbson's own functions take text as C strings, which end at
 * a NUL, and want a bson_t for each document inside another.
 */
#ifndef MOUV_MONGO_JSON_BYTES_H
#define MOUV_MONGO_JSON_BYTES_H

#include <stddef.h>
#include <stdint.h>

/** Zeroed it is empty; `data` is libbson's memory. */
typedef struct mouv__bytes {
    uint8_t *data;
    size_t size, capacity;
} mouv__bytes_t;

void mouv__bytes_put(mouv__bytes_t *bytes, const void *data, size_t size);
void mouv__bytes_byte(mouv__bytes_t *bytes, uint8_t byte);

/** Little-endian, as all of BSON. */
void mouv__bytes_int32(mouv__bytes_t *bytes, int32_t value);
void mouv__bytes_int64(mouv__bytes_t *bytes, int64_t value);
void mouv__bytes_double(mouv__bytes_t *bytes, double value);

/** A string with its length before it and its NUL after it. */
void mouv__bytes_string(mouv__bytes_t *bytes, const char *text, size_t size);

/** A string that only its NUL ends. */
void mouv__bytes_cstring(mouv__bytes_t *bytes, const char *text, size_t size);

/** Room for a length that is not known yet; where it is. */
size_t mouv__bytes_reserve_length(mouv__bytes_t *bytes);

/** Fills it in: all bytes from there on. */
void mouv__bytes_fill_length(mouv__bytes_t *bytes, size_t at);

#endif
