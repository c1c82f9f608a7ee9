/*
 * Whether bytes are a BSON document: libbson and libmongoc 1.x take the lengths in it on trust.
 */
#ifndef MOUV_MONGO_WIRE_BSON_CHECK_H
#define MOUV_MONGO_WIRE_BSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Documents inside each other. The server stores at most 180 and puts a few around them. */
#define MOUV__BSON_DEPTH_MAX 250

/**
 * True if exactly these bytes are one document: each length, type, terminator and nested document
 * of it. Text may be any bytes, as the server does not care either. Else `why` says what is wrong
 * and at which byte. Linear in `size`, never recursive. Any thread.
 */
bool mouv__bson_check(const uint8_t *data, size_t size, char *why, size_t why_size);

#endif
