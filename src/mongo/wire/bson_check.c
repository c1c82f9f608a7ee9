/*
 * The structure of BSON, walked with a stack of the ends of the documents that are open.
 */
#include "mongo/wire/bson_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bson/bson.h>

typedef struct walk {
    const uint8_t *data;
    size_t at;
    size_t ends[MOUV__BSON_DEPTH_MAX]; /* where each open document's last byte is */
    int depth;                         /* of them */
    char *why;
    size_t why_size;
} walk_t;

static bool bson_check_wrong(walk_t *walk, const char *format, ...) BSON_GNUC_PRINTF(2, 3);

static bool bson_check_wrong(walk_t *walk, const char *format, ...) {
    char text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(walk->why, walk->why_size, "%s at byte %zu of a document", text, walk->at);
    return false;
}

static size_t bson_check_left(const walk_t *walk) {
    return walk->ends[walk->depth - 1] - walk->at;
}

static uint32_t bson_check_number_at(const walk_t *walk, size_t at) {
    uint32_t number;
    memcpy(&number, walk->data + at, sizeof(number));
    return BSON_UINT32_FROM_LE(number);
}

/* Opens the document that begins here; `room` is what it may take. */
static bool bson_check_enter(walk_t *walk, size_t room) {
    if (room < 5) return bson_check_wrong(walk, "no room for a document");
    uint32_t length = bson_check_number_at(walk, walk->at);
    if (length < 5 || length > room)
        return bson_check_wrong(walk, "a document's length of %u", length);
    if (walk->data[walk->at + length - 1] != 0)
        return bson_check_wrong(walk, "a document of %u bytes does not end with zero", length);
    if (walk->depth == MOUV__BSON_DEPTH_MAX)
        return bson_check_wrong(walk, "documents nested more than %d deep", MOUV__BSON_DEPTH_MAX);
    walk->ends[walk->depth++] = walk->at + length - 1;
    walk->at += 4;
    return true;
}

static bool bson_check_skip(walk_t *walk, size_t size) {
    if (size > bson_check_left(walk)) return bson_check_wrong(walk, "a value of %zu bytes", size);
    walk->at += size;
    return true;
}

/* Most names are so short that memchr() would not pay. */
static bool bson_check_skip_name(walk_t *walk, const char *what) {
    const uint8_t *at = walk->data + walk->at, *end = walk->data + walk->ends[walk->depth - 1];
    while (at < end && *at) at++;
    if (at == end) return bson_check_wrong(walk, "%s without an end", what);
    walk->at = (size_t)(at - walk->data) + 1;
    return true;
}

static bool bson_check_skip_string(walk_t *walk) {
    if (bson_check_left(walk) < 5) return bson_check_wrong(walk, "no room for a string");
    uint32_t length = bson_check_number_at(walk, walk->at);
    if (length < 1 || length > bson_check_left(walk) - 4)
        return bson_check_wrong(walk, "a string's length of %u", length);
    if (walk->data[walk->at + 4 + length - 1] != 0)
        return bson_check_wrong(walk, "a string of %u bytes does not end with zero", length);
    walk->at += 4 + (size_t)length;
    return true;
}

static bool bson_check_skip_binary(walk_t *walk) {
    if (bson_check_left(walk) < 5) return bson_check_wrong(walk, "no room for binary data");
    uint32_t length = bson_check_number_at(walk, walk->at);
    if (length > bson_check_left(walk) - 5)
        return bson_check_wrong(walk, "binary data's length of %u", length);
    bool has_inner_length = walk->data[walk->at + 4] == BSON_SUBTYPE_BINARY_DEPRECATED;
    if (has_inner_length && (length < 4 || bson_check_number_at(walk, walk->at + 5) != length - 4))
        return bson_check_wrong(walk, "old binary data's inner length");
    walk->at += 5 + (size_t)length;
    return true;
}

static bool bson_check_skip_bool(walk_t *walk) {
    if (bson_check_left(walk) >= 1 && walk->data[walk->at] > 1)
        return bson_check_wrong(walk, "neither true nor false");
    return bson_check_skip(walk, 1);
}

/* int32 length of all, string, document: the document becomes the open one. */
static bool bson_check_enter_code(walk_t *walk) {
    if (bson_check_left(walk) < 14) return bson_check_wrong(walk, "no room for code with a scope");
    size_t begin = walk->at;
    uint32_t length = bson_check_number_at(walk, begin);
    if (length < 14 || length > bson_check_left(walk))
        return bson_check_wrong(walk, "code with a scope of length %u", length);
    walk->at += 4;
    if (!bson_check_skip_string(walk)) return false;
    size_t used = walk->at - begin;
    if (used + 5 > length || bson_check_number_at(walk, walk->at) != length - used)
        return bson_check_wrong(walk, "the length of the scope of code");
    return bson_check_enter(walk, length - used);
}

/* The size of what has one, for the sake of speed; 0: see below. */
static const uint8_t fixed_sizes[256] = {
    [BSON_TYPE_DOUBLE] = 8,      [BSON_TYPE_OID] = 12,  [BSON_TYPE_DATE_TIME] = 8,
    [BSON_TYPE_INT32] = 4,       [BSON_TYPE_INT64] = 8, [BSON_TYPE_TIMESTAMP] = 8,
    [BSON_TYPE_DECIMAL128] = 16,
};

static bool bson_check_skip_value(walk_t *walk, uint8_t type) {
    switch (type) {
    case BSON_TYPE_UNDEFINED:
    case BSON_TYPE_NULL:
    case BSON_TYPE_MINKEY:
    case BSON_TYPE_MAXKEY:
        return true;
    case BSON_TYPE_BOOL:
        return bson_check_skip_bool(walk);
    case BSON_TYPE_UTF8:
    case BSON_TYPE_CODE:
    case BSON_TYPE_SYMBOL:
        return bson_check_skip_string(walk);
    case BSON_TYPE_BINARY:
        return bson_check_skip_binary(walk);
    case BSON_TYPE_REGEX:
        return bson_check_skip_name(walk, "a pattern") &&
               bson_check_skip_name(walk, "a pattern's options");
    case BSON_TYPE_DBPOINTER:
        return bson_check_skip_string(walk) && bson_check_skip(walk, 12);
    case BSON_TYPE_CODEWSCOPE:
        return bson_check_enter_code(walk);
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY:
        return bson_check_enter(walk, bson_check_left(walk));
    default:
        return bson_check_wrong(walk, "unknown type 0x%02x", type);
    }
}

/* The next element of the innermost open document, or its end. */
static bool bson_check_step(walk_t *walk) {
    if (bson_check_left(walk) == 0) {
        walk->at++;
        walk->depth--;
        return true;
    }
    uint8_t type = walk->data[walk->at];
    if (type == 0)
        return bson_check_wrong(walk, "a document ends %zu bytes too early", bson_check_left(walk));
    walk->at++;
    if (!bson_check_skip_name(walk, "a field's name")) return false;
    return fixed_sizes[type] ? bson_check_skip(walk, fixed_sizes[type])
                             : bson_check_skip_value(walk, type);
}

bool mouv__bson_check(const uint8_t *data, size_t size, char *why, size_t why_size) {
    walk_t walk; /* the stack in it is not worth clearing */
    walk.data = data;
    walk.at = 0;
    walk.depth = 0;
    walk.ends[0] = 0;
    walk.why = why;
    walk.why_size = why_size;
    if (!bson_check_enter(&walk, size)) return false;
    if (walk.ends[0] != size - 1) {
        walk.at = 0;
        return bson_check_wrong(&walk, "%zu bytes too many", size - 1 - walk.ends[0]);
    }
    while (walk.depth > 0)
        if (!bson_check_step(&walk)) return false;
    return true;
}
