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
 * What is agreed on with a server by its answer to hello: the number in the protocol of the first
 * of its compressors that mouv has, as libmongoc chooses; -1: none. Any thread.
 */
int mouv__compress_agreed(const bson_t *hello);

/** The level that the URI wants of zlib: 0 to 9, or -1, zlib's own choice. */
int mouv__compress_level(const mongoc_uri_t *uri);

/** The most bytes that `size`, at least 1, become; 0: mouv has no compressor with this number. Any thread. */
size_t mouv__compress_bound(uint8_t compressor, size_t size);

/**
 * Any thread: compresses to `to`, where `*to_size` bytes are, and says how many they have become.
 * False: no such compressor, no memory, or no room, which the bound above excludes. The level is
 * zlib's alone.
 */
bool mouv__compress_do(uint8_t compressor, int level, const uint8_t *from, size_t size, uint8_t *to,
                       size_t *to_size);

/**
 * Any thread: true if `from` is `to_size` bytes, compressed by the one with this number in the
 * protocol; else `why` says what is wrong.
 */
bool mouv__compress_undo(uint8_t compressor, const uint8_t *from, size_t size, uint8_t *to,
                         size_t to_size, char *why, size_t why_size);

#endif
