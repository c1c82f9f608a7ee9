/*
 * The structure of BSON, walked with a stack of the ends of the documents that are open.
 *
 * A walk sees a window of the document. Its functions look at what comes next and call each other
 * in the order of the bytes; where the window ends, the one that needs more notes the place and
 * gives up, and is called again in the next window. Values are passed over, so only numbers must
 * lie in one window; the bytes of one that does not are kept until they are together, and then are
 * a window of their own, which that number uses up. Each length is held against what is around it
 * before a byte behind it is wanted: nobody waits for bytes that do not come.
 */
#include "mongo/wire/bson_check.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bson/bson.h>

/* What every element runs through; as calls of functions a check takes half as long again. */
#define HOT static inline __attribute__((always_inline))

/* What comes next. */
enum {
    AT_ROOT, /* the document itself */
    AT_ELEMENT,
    AT_NAME,
    AT_VALUE,
    AT_PATTERN,
    AT_OPTIONS,
    AT_STRING, /* its length */
    AT_TEXT,   /* what is left of it, its zero included */
    AT_SKIP,
    AT_SCOPE
};

/* What a look says. */
typedef enum result {
    RESULT_GO, /* it is good; if nothing else is said, an element or a document's end comes next */
    RESULT_MORE, /* the window ends */
    RESULT_VALID,
    RESULT_BAD
} result_t;

/* Places are counted from the window's beginning, which is byte `begin` of the document. */
typedef struct walk {
    mouv__bson_checker_t *checker;
    const uint8_t *data;
    size_t size;
    size_t at;
    size_t end;  /* the last byte of the innermost open document; it may be behind the window */
    size_t stop; /* where it or the window ends, whichever is first */
    size_t begin;
    char *why;
    size_t why_size;
} walk_t;

static result_t bson_check_wrong(walk_t *walk, const char *format, ...) BSON_GNUC_PRINTF(2, 3);

static result_t bson_check_wrong(walk_t *walk, const char *format, ...) {
    char text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(walk->why, walk->why_size, "%s at byte %zu of a document", text,
             walk->begin + walk->at);
    return RESULT_BAD;
}

/* --- What can be seen ------------------------------------------------------------------------ */

/* Of the innermost open document, without its last byte. */
static size_t bson_check_left(const walk_t *walk) {
    return walk->end - walk->at;
}

static void bson_check_set_end(walk_t *walk, size_t end) {
    walk->end = end;
    walk->stop = end < walk->size ? end : walk->size;
}

static bool bson_check_sees(const walk_t *walk, size_t size) {
    return walk->size - walk->at >= size;
}

/* The next look is one at `state`, when `wanted` bytes from here on lie together. */
static result_t bson_check_pause(walk_t *walk, uint8_t state, uint8_t wanted) {
    walk->checker->state = state;
    walk->checker->wanted = wanted;
    return RESULT_MORE;
}

static uint32_t bson_check_number_at(const walk_t *walk, size_t at) {
    uint32_t number;
    memcpy(&number, walk->data + at, sizeof(number));
    return BSON_UINT32_FROM_LE(number);
}

/* --- Documents ------------------------------------------------------------------------------- */

/* Opens the one that begins here. `room` is what it may take; only that of a field may take less.
 */
static result_t bson_check_enter(walk_t *walk, size_t room, uint8_t state) {
    mouv__bson_checker_t *checker = walk->checker;
    if (room < 5) return bson_check_wrong(walk, "no room for a document");
    if (!bson_check_sees(walk, 4)) return bson_check_pause(walk, state, 4);
    uint32_t length = bson_check_number_at(walk, walk->at);
    if (length < 5 || length > room)
        return bson_check_wrong(walk, "a document's length of %u", length);
    if (length < room && state != AT_VALUE)
        return bson_check_wrong(walk, "a document's length of %u instead of %zu", length, room);
    if (checker->depth == MOUV__BSON_DEPTH_MAX)
        return bson_check_wrong(walk, "documents nested more than %d deep", MOUV__BSON_DEPTH_MAX);
    bson_check_set_end(walk, walk->at + length - 1);
    checker->ends[checker->depth++] = (uint32_t)(walk->begin + walk->end);
    walk->at += 4;
    return RESULT_GO;
}

static result_t bson_check_leave(walk_t *walk) {
    mouv__bson_checker_t *checker = walk->checker;
    if (walk->data[walk->at] != 0)
        return bson_check_wrong(walk, "a document that does not end with zero");
    walk->at++;
    if (--checker->depth == 0) return RESULT_VALID;
    bson_check_set_end(walk, checker->ends[checker->depth - 1] - walk->begin);
    return RESULT_GO;
}

/* --- Values ---------------------------------------------------------------------------------- */

/* Passes over bytes that are in the document and, if not all of them, in the next windows. */
static result_t bson_check_pass(walk_t *walk, size_t size) {
    size_t seen = walk->size - walk->at;
    if (size <= seen) {
        walk->at += size;
        return RESULT_GO;
    }
    walk->at = walk->size;
    walk->checker->skip = (uint32_t)(size - seen);
    return bson_check_pause(walk, AT_SKIP, 1);
}

HOT result_t bson_check_skip(walk_t *walk, size_t size) {
    if (size <= walk->stop - walk->at) {
        walk->at += size;
        return RESULT_GO;
    }
    if (size > bson_check_left(walk)) return bson_check_wrong(walk, "a value of %zu bytes", size);
    return bson_check_pass(walk, size);
}

/* Most names are so short that memchr() would not pay. */
HOT result_t bson_check_skip_name(walk_t *walk, uint8_t state, const char *what) {
    const uint8_t *at = walk->data + walk->at, *stop = walk->data + walk->stop;
    while (at < stop && *at) at++;
    walk->at = (size_t)(at - walk->data);
    if (at < stop) {
        walk->at++;
        return RESULT_GO;
    }
    return walk->at < walk->end ? bson_check_pause(walk, state, 1)
                                : bson_check_wrong(walk, "%s without an end", what);
}

static result_t bson_check_options(walk_t *walk) {
    return bson_check_skip_name(walk, AT_OPTIONS, "a pattern's options");
}

static result_t bson_check_pattern(walk_t *walk) {
    result_t result = bson_check_skip_name(walk, AT_PATTERN, "a pattern");
    return result == RESULT_GO ? bson_check_options(walk) : result;
}

/* The document that is behind code, up to the end of both. */
static result_t bson_check_scope(walk_t *walk) {
    size_t here = walk->begin + walk->at, end = walk->checker->code_end;
    return bson_check_enter(walk, here < end ? end - here : 0, AT_SCOPE);
}

static result_t bson_check_text(walk_t *walk) {
    mouv__bson_checker_t *checker = walk->checker;
    size_t seen = walk->size - walk->at;
    if (seen < checker->skip) {
        checker->skip -= (uint32_t)seen;
        walk->at = walk->size;
        return bson_check_pause(walk, AT_TEXT, 1);
    }
    walk->at += checker->skip - 1;
    if (walk->data[walk->at] != 0)
        return bson_check_wrong(walk, "a string that does not end with zero");
    walk->at++;
    switch (checker->type) {
    case BSON_TYPE_DBPOINTER:
        return bson_check_skip(walk, 12);
    case BSON_TYPE_CODEWSCOPE:
        return bson_check_scope(walk);
    default:
        return RESULT_GO;
    }
}

static result_t bson_check_string(walk_t *walk) {
    if (bson_check_left(walk) < 5) return bson_check_wrong(walk, "no room for a string");
    if (!bson_check_sees(walk, 4)) return bson_check_pause(walk, AT_STRING, 4);
    uint32_t length = bson_check_number_at(walk, walk->at);
    if (length < 1 || length > bson_check_left(walk) - 4)
        return bson_check_wrong(walk, "a string's length of %u", length);
    walk->at += 4;
    walk->checker->skip = length;
    return bson_check_text(walk);
}

static result_t bson_check_binary(walk_t *walk) {
    if (bson_check_left(walk) < 5) return bson_check_wrong(walk, "no room for binary data");
    if (!bson_check_sees(walk, 5)) return bson_check_pause(walk, AT_VALUE, 5);
    uint32_t length = bson_check_number_at(walk, walk->at);
    if (length > bson_check_left(walk) - 5)
        return bson_check_wrong(walk, "binary data's length of %u", length);
    if (walk->data[walk->at + 4] == BSON_SUBTYPE_BINARY_DEPRECATED) {
        if (length >= 4 && !bson_check_sees(walk, 9)) return bson_check_pause(walk, AT_VALUE, 9);
        if (length < 4 || bson_check_number_at(walk, walk->at + 5) != length - 4)
            return bson_check_wrong(walk, "old binary data's inner length");
    }
    return bson_check_pass(walk, 5 + (size_t)length);
}

static result_t bson_check_bool(walk_t *walk) {
    if (bson_check_left(walk) < 1) return bson_check_wrong(walk, "no room for true or false");
    if (!bson_check_sees(walk, 1)) return bson_check_pause(walk, AT_VALUE, 1);
    if (walk->data[walk->at] > 1) return bson_check_wrong(walk, "neither true nor false");
    walk->at++;
    return RESULT_GO;
}

/* int32 length of all, string, document */
static result_t bson_check_code(walk_t *walk) {
    if (bson_check_left(walk) < 14) return bson_check_wrong(walk, "no room for code with a scope");
    if (!bson_check_sees(walk, 4)) return bson_check_pause(walk, AT_VALUE, 4);
    uint32_t length = bson_check_number_at(walk, walk->at);
    if (length < 14 || length > bson_check_left(walk))
        return bson_check_wrong(walk, "code with a scope of length %u", length);
    walk->checker->code_end = (uint32_t)(walk->begin + walk->at + length);
    walk->at += 4;
    return bson_check_string(walk);
}

/* The size of what has one, for the sake of speed; 0: see below. */
static const uint8_t fixed_sizes[256] = {
    [BSON_TYPE_DOUBLE] = 8,      [BSON_TYPE_OID] = 12,  [BSON_TYPE_DATE_TIME] = 8,
    [BSON_TYPE_INT32] = 4,       [BSON_TYPE_INT64] = 8, [BSON_TYPE_TIMESTAMP] = 8,
    [BSON_TYPE_DECIMAL128] = 16,
};

static result_t bson_check_other_value(walk_t *walk) {
    switch (walk->checker->type) {
    case BSON_TYPE_UNDEFINED:
    case BSON_TYPE_NULL:
    case BSON_TYPE_MINKEY:
    case BSON_TYPE_MAXKEY:
        return RESULT_GO;
    case BSON_TYPE_BOOL:
        return bson_check_bool(walk);
    case BSON_TYPE_UTF8:
    case BSON_TYPE_CODE:
    case BSON_TYPE_SYMBOL:
    case BSON_TYPE_DBPOINTER:
        return bson_check_string(walk);
    case BSON_TYPE_BINARY:
        return bson_check_binary(walk);
    case BSON_TYPE_REGEX:
        return bson_check_pattern(walk);
    case BSON_TYPE_CODEWSCOPE:
        return bson_check_code(walk);
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY:
        return bson_check_enter(walk, bson_check_left(walk), AT_VALUE);
    default:
        return bson_check_wrong(walk, "unknown type 0x%02x", walk->checker->type);
    }
}

HOT result_t bson_check_value(walk_t *walk) {
    uint8_t size = fixed_sizes[walk->checker->type];
    return size ? bson_check_skip(walk, size) : bson_check_other_value(walk);
}

/* --- The walk -------------------------------------------------------------------------------- */

HOT result_t bson_check_name(walk_t *walk) {
    result_t result = bson_check_skip_name(walk, AT_NAME, "a field's name");
    return result == RESULT_GO ? bson_check_value(walk) : result;
}

/* The next element of the innermost open document, or its end. */
HOT result_t bson_check_element(walk_t *walk) {
    if (walk->at == walk->stop)
        return walk->at < walk->size ? bson_check_leave(walk)
                                     : bson_check_pause(walk, AT_ELEMENT, 1);
    uint8_t type = walk->data[walk->at];
    if (type == 0)
        return bson_check_wrong(walk, "a document ends %zu bytes too early", bson_check_left(walk));
    walk->at++;
    walk->checker->type = type;
    return bson_check_name(walk);
}

static result_t bson_check_resume(walk_t *walk) {
    switch (walk->checker->state) {
    case AT_ROOT:
        return bson_check_enter(walk, walk->checker->size, AT_ROOT);
    case AT_NAME:
        return bson_check_name(walk);
    case AT_VALUE:
        return bson_check_value(walk);
    case AT_PATTERN:
        return bson_check_pattern(walk);
    case AT_OPTIONS:
        return bson_check_options(walk);
    case AT_STRING:
        return bson_check_string(walk);
    case AT_TEXT:
        return bson_check_text(walk);
    case AT_SKIP:
        return bson_check_pass(walk, walk->checker->skip);
    case AT_SCOPE:
        return bson_check_scope(walk);
    default:
        return RESULT_GO;
    }
}

/* One window, as far as it goes. */
static result_t bson_check_window(walk_t *walk, const uint8_t *data, size_t size) {
    mouv__bson_checker_t *checker = walk->checker;
    walk->data = data;
    walk->size = size;
    walk->at = 0;
    walk->begin = checker->at;
    bson_check_set_end(walk,
                       checker->depth > 0 ? checker->ends[checker->depth - 1] - walk->begin : 0);
    result_t result = bson_check_resume(walk);
    while (result == RESULT_GO) result = bson_check_element(walk);
    checker->at += walk->at;
    return result;
}

/* --- Numbers that do not come in one ---------------------------------------------------------- */

static void bson_check_keep(mouv__bson_checker_t *checker, const uint8_t *data, size_t size) {
    if (size == 0) return; /* `data` may be NULL then */
    memcpy(checker->token + checker->kept, data, size);
    checker->kept += (uint8_t)size;
}

/* Goes on with the bytes kept and as many of `*data` as belong to them. */
static result_t bson_check_complete(walk_t *walk, const uint8_t **data, size_t *size) {
    mouv__bson_checker_t *checker = walk->checker;
    result_t result = RESULT_MORE;
    while (result == RESULT_MORE && checker->kept > 0) {
        size_t missing = checker->wanted - checker->kept;
        size_t taken = missing < *size ? missing : *size;
        bson_check_keep(checker, *data, taken);
        *data += taken;
        *size -= taken;
        if (taken < missing) break;
        result = bson_check_window(walk, checker->token, checker->kept);
        if (walk->at > 0) checker->kept = 0; /* else it wants more of the same */
    }
    return result;
}

void mouv__bson_checker_begin(mouv__bson_checker_t *checker, size_t size) {
    checker->size = size; /* the stack is not worth clearing */
    checker->at = 0;
    checker->skip = 0;
    checker->code_end = 0;
    checker->state = AT_ROOT;
    checker->type = 0;
    checker->depth = 0;
    checker->wanted = 0;
    checker->kept = 0;
}

mouv__bson_verdict_t mouv__bson_checker_feed(mouv__bson_checker_t *checker, const uint8_t *data,
                                             size_t size, char *why, size_t why_size) {
    static const mouv__bson_verdict_t verdicts[] = {[RESULT_MORE] = MOUV__BSON_GOES_ON,
                                                    [RESULT_VALID] = MOUV__BSON_VALID,
                                                    [RESULT_BAD] = MOUV__BSON_BAD};
    walk_t walk = {.checker = checker, .why = why, .why_size = why_size};
    assert(size <= checker->size - checker->at - checker->kept);
    result_t result = bson_check_complete(&walk, &data, &size);
    if (result == RESULT_MORE && checker->kept == 0) {
        result = bson_check_window(&walk, data, size);
        if (result == RESULT_MORE) bson_check_keep(checker, data + walk.at, size - walk.at);
    }
    return verdicts[result];
}

bool mouv__bson_check(const uint8_t *data, size_t size, char *why, size_t why_size) {
    mouv__bson_checker_t checker;
    mouv__bson_checker_begin(&checker, size);
    return mouv__bson_checker_feed(&checker, data, size, why, why_size) == MOUV__BSON_VALID;
}
