/*
 * zlib, snappy and zstd, each in one row.
 */
#include "mongo/wire/compress.h"

#include <stdio.h>
#include <string.h>

#ifdef MOUV_HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef MOUV_HAVE_SNAPPY
#include <snappy-c.h>
#endif
#ifdef MOUV_HAVE_LIBZSTD
#include <zstd.h>
#endif

#include "async/task/runtime.h"

/* Each row's: the most bytes that come out of `size`; -1 is the level that is usual; into exactly
 * `to_size` bytes. */
typedef size_t (*bound_fn_t)(size_t size);
typedef bool (*compress_fn_t)(int level, const uint8_t *from, size_t size, uint8_t *to,
                              size_t *to_size);
typedef bool (*uncompress_fn_t)(const uint8_t *from, size_t size, uint8_t *to, size_t to_size);

typedef struct row {
    const char *name;
    bound_fn_t bound;
    compress_fn_t compress;
    uncompress_fn_t uncompress;
} row_t;

/* --- noop ------------------------------------------------------------------------------------ */

static size_t compress_noop_bound(size_t size) {
    return size;
}

static bool compress_noop_do(int level, const uint8_t *from, size_t size, uint8_t *to,
                             size_t *to_size) {
    (void)level;
    if (*to_size < size) return false;
    if (size > 0) memcpy(to, from, size);
    *to_size = size;
    return true;
}

static bool compress_noop_undo(const uint8_t *from, size_t size, uint8_t *to, size_t to_size) {
    return size == to_size && compress_noop_do(0, from, size, to, &to_size);
}

/* --- snappy ---------------------------------------------------------------------------------- */

#ifdef MOUV_HAVE_SNAPPY
static bool compress_snappy_do(int level, const uint8_t *from, size_t size, uint8_t *to,
                               size_t *to_size) {
    (void)level;
    return snappy_compress((const char *)from, size, (char *)to, to_size) == SNAPPY_OK;
}

static bool compress_snappy_undo(const uint8_t *from, size_t size, uint8_t *to, size_t to_size) {
    size_t length = 0; /* snappy writes what the data says, whatever the room is */
    return snappy_uncompressed_length((const char *)from, size, &length) == SNAPPY_OK &&
           length == to_size &&
           snappy_uncompress((const char *)from, size, (char *)to, &length) == SNAPPY_OK;
}
#define ROW_SNAPPY \
    { "snappy", snappy_max_compressed_length, compress_snappy_do, compress_snappy_undo }
#else
#define ROW_SNAPPY \
    { .name = "snappy" }
#endif

/* --- zlib ------------------------------------------------------------------------------------ */

#ifdef MOUV_HAVE_ZLIB
static size_t compress_zlib_bound(size_t size) {
    return compressBound((uLong)size);
}

static bool compress_zlib_do(int level, const uint8_t *from, size_t size, uint8_t *to,
                             size_t *to_size) {
    uLongf length = (uLongf)*to_size;
    if (compress2(to, &length, from, (uLong)size, level) != Z_OK) return false;
    *to_size = length;
    return true;
}

static bool compress_zlib_undo(const uint8_t *from, size_t size, uint8_t *to, size_t to_size) {
    uLongf length = (uLongf)to_size;
    return uncompress(to, &length, from, (uLong)size) == Z_OK && length == to_size;
}
#define ROW_ZLIB \
    { "zlib", compress_zlib_bound, compress_zlib_do, compress_zlib_undo }
#else
#define ROW_ZLIB \
    { .name = "zlib" }
#endif

/* --- zstd ------------------------------------------------------------------------------------ */

#ifdef MOUV_HAVE_LIBZSTD
static bool compress_zstd_do(int level, const uint8_t *from, size_t size, uint8_t *to,
                             size_t *to_size) {
    (void)level; /* the URI has none for it; 0 is zstd's own choice */
    size_t length = ZSTD_compress(to, *to_size, from, size, 0);
    if (ZSTD_isError(length)) return false;
    *to_size = length;
    return true;
}

static bool compress_zstd_undo(const uint8_t *from, size_t size, uint8_t *to, size_t to_size) {
    return ZSTD_decompress(to, to_size, from, size) == to_size;
}
#define ROW_ZSTD \
    { "zstd", ZSTD_compressBound, compress_zstd_do, compress_zstd_undo }
#else
#define ROW_ZSTD \
    { .name = "zstd" }
#endif

/* --- All of them ----------------------------------------------------------------------------- */

/* By their numbers in the protocol; without functions where the library was missing. */
static const row_t compressors[] = {
    {"noop", compress_noop_bound, compress_noop_do, compress_noop_undo},
    ROW_SNAPPY,
    ROW_ZLIB,
    ROW_ZSTD};

#define COMPRESSOR_COUNT (sizeof(compressors) / sizeof(compressors[0]))

/* NULL where mouv has no such one. */
static const row_t *compress_row(uint8_t compressor) {
    return compressor < COMPRESSOR_COUNT && compressors[compressor].compress
               ? &compressors[compressor]
               : NULL;
}

/* -1 where mouv has no such one. */
static int compress_number_of(const char *name) {
    for (uint8_t i = 0; i < COMPRESSOR_COUNT; i++)
        if (strcmp(compressors[i].name, name) == 0) return compress_row(i) ? i : -1;
    return -1;
}

void mouv__compress_restrict(mongoc_uri_t *uri) {
    char names[64] = "";
    size_t used = 0;
    bool dropped = false;
    bson_iter_t each;
    const bson_t *wanted = mongoc_uri_get_compressors(uri);
    if (!wanted || !bson_iter_init(&each, wanted)) return;
    while (bson_iter_next(&each)) {
        const char *name = bson_iter_key(&each);
        if (compress_number_of(name) == -1) {
            dropped = true;
            mouv__log(MOUV_LOG_WARNING,
                      "the compressor '%s' is not used: mouv was built without its library", name);
        } else if (used < sizeof(names)) {
            used +=
                (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", used ? "," : "", name);
        }
    }
    if (dropped) mongoc_uri_set_compressors(uri, used ? names : NULL);
}

int mouv__compress_agreed(const bson_t *hello) {
    bson_iter_t field, each;
    if (!bson_iter_init_find(&field, hello, "compression") || !BSON_ITER_HOLDS_ARRAY(&field) ||
        !bson_iter_recurse(&field, &each))
        return -1;
    while (bson_iter_next(&each)) {
        int number =
            BSON_ITER_HOLDS_UTF8(&each) ? compress_number_of(bson_iter_utf8(&each, NULL)) : -1;
        if (number != -1) return number;
    }
    return -1;
}

int mouv__compress_level(const mongoc_uri_t *uri) {
    return mongoc_uri_get_option_as_int32(uri, MONGOC_URI_ZLIBCOMPRESSIONLEVEL, -1);
}

size_t mouv__compress_bound(uint8_t compressor, size_t size) {
    const row_t *row = compress_row(compressor);
    return row ? row->bound(size) : 0;
}

bool mouv__compress_do(uint8_t compressor, int level, const uint8_t *from, size_t size, uint8_t *to,
                       size_t *to_size) {
    const row_t *row = compress_row(compressor);
    size_t length = *to_size;
    if (!row || !row->compress(level, from, size, to, &length)) return false;
    *to_size = length;
    return true;
}

bool mouv__compress_undo(uint8_t compressor, const uint8_t *from, size_t size, uint8_t *to,
                         size_t to_size, char *why, size_t why_size) {
    const row_t *row = compress_row(compressor);
    if (!row)
        snprintf(why, why_size, "a message with unknown compressor %u", compressor);
    else if (!row->uncompress(from, size, to, to_size))
        snprintf(why, why_size, "a message that %s cannot uncompress to %zu bytes", row->name,
                 to_size);
    else
        return true;
    return false;
}
