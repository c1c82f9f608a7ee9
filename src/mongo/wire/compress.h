/*
 * The compressors of the wire protocol, as far as their libraries were there when mouv was built.
 */
#ifndef MOUV_MONGO_WIRE_COMPRESS_H
#define MOUV_MONGO_WIRE_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

/** Takes from the URI the compressors whose answers mouv could not check; says so in the log. */
void mouv__compress_restrict(mongoc_uri_t *uri);

/**
 * Any thread: true if `from` is `to_size` bytes, compressed by the one with this number in the
 * protocol; else `why` says what is wrong.
 */
bool mouv__compress_undo(uint8_t compressor, const uint8_t *from, size_t size, uint8_t *to,
                         size_t to_size, char *why, size_t why_size);

#endif
