/*
 * What the texts of single values mean: numbers, identifiers, binary data, dates. Strict: text that is almost one
 * is none. None depends on the locale: its caller has set the C locale, see locale.h.
 */
#ifndef MOUV_MONGO_JSON_SCALAR_H
#define MOUV_MONGO_JSON_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bson/bson.h>

/** Whether a number is whole as it is written: digits after an optional minus. */
bool mouv__scalar_is_whole(const char *text, size_t size);

/** A whole number that fits into int64. */
bool mouv__scalar_int64(const char *text, size_t size, int64_t *value);

/** A number within a double's range; what is written more precisely is rounded. */
bool mouv__scalar_double(const char *text, size_t size, double *value);

/** A number, NaN or an infinity that a Decimal128 holds exactly. */
bool mouv__scalar_decimal(const char *text, size_t size, bson_decimal128_t *value);

/** 24 hexadecimal digits. */
bool mouv__scalar_oid(const char *text, size_t size, bson_oid_t *value);

/** 8-4-4-4-12 hexadecimal digits. */
bool mouv__scalar_uuid(const char *text, size_t size, uint8_t value[16]);

/** One or two hexadecimal digits. */
bool mouv__scalar_subtype(const char *text, size_t size, uint8_t *value);

/** Padded base64 of RFC 4648; writes up to size / 4 * 3 bytes and says how many. */
bool mouv__scalar_base64(const char *text, size_t size, uint8_t *value, size_t *length);

/**
 * A date and time of RFC 3339 as milliseconds since 1970: 2024-02-29T13:05:06.789Z, +01:00 or +0100 for Z,
 * seconds optional, of their fraction what is finer than milliseconds cut off. NULL, or what is wrong.
 */
const char *mouv__scalar_date(const char *text, size_t size, int64_t *ms);

#endif
