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

typedef bool (*uncompress_fn_t)(const uint8_t *from, size_t size, uint8_t *to, size_t to_size);

static bool compress_by_copying(const uint8_t *from, size_t size, uint8_t *to, size_t to_size) {
    if (size != to_size) return false;
    memcpy(to, from, size);
    return true;
}

#ifdef MOUV_HAVE_SNAPPY
static bool compress_by_snappy(const uint8_t *from, size_t size, uint8_t *to, size_t to_size) {
    size_t length = 0; /* snappy writes what the data says, whatever the room is */
    return snappy_uncompressed_length((const char *)from, size, &length) == SNAPPY_OK &&
           length == to_size &&
           snappy_uncompress((const char *)from, size, (char *)to, &length) == SNAPPY_OK;
}
#else
#define compress_by_snappy NULL
#endif

#ifdef MOUV_HAVE_ZLIB
static bool compress_by_zlib(const uint8_t *from, size_t size, uint8_t *to, size_t to_size) {
    uLongf length = (uLongf)to_size;
    return uncompress(to, &length, from, (uLong)size) == Z_OK && length == to_size;
}
#else
#define compress_by_zlib NULL
#endif

#ifdef MOUV_HAVE_LIBZSTD
static bool compress_by_zstd(const uint8_t *from, size_t size, uint8_t *to, size_t to_size) {
    return ZSTD_decompress(to, to_size, from, size) == to_size;
}
#else
#define compress_by_zstd NULL
#endif

/* By their numbers in the protocol. */
static const struct {
    const char *name;
    uncompress_fn_t uncompress;
} compressors[] = {{"noop", compress_by_copying},
                   {"snappy", compress_by_snappy},
                   {"zlib", compress_by_zlib},
                   {"zstd", compress_by_zstd}};

#define COMPRESSOR_COUNT (sizeof(compressors) / sizeof(compressors[0]))

static bool compress_is_known(const char *name) {
    for (size_t i = 0; i < COMPRESSOR_COUNT; i++)
        if (strcmp(compressors[i].name, name) == 0) return compressors[i].uncompress != NULL;
    return false;
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
        if (!compress_is_known(name)) {
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

bool mouv__compress_undo(uint8_t compressor, const uint8_t *from, size_t size, uint8_t *to,
                         size_t to_size, char *why, size_t why_size) {
    uncompress_fn_t run = compressor < COMPRESSOR_COUNT ? compressors[compressor].uncompress : NULL;
    if (!run)
        snprintf(why, why_size, "a message with unknown compressor %u", compressor);
    else if (!run(from, size, to, to_size))
        snprintf(why, why_size, "a message that %s cannot uncompress to %zu bytes",
                 compressors[compressor].name, to_size);
    else
        return true;
    return false;
}
