/*
 * One pass over bytes whose structure has been checked. What is open is kept in frames, so that depth
 * costs no stack.
 */
#include "mongo/json/writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "context/utf8.h"
#include "mongo/json/locale.h"
#include "mongo/wire/bson_check.h"

#define INDENT 2

/** A document or an array that is being written. */
typedef struct frame {
    const uint8_t *end; /**< its terminator */
    const char *key;    /**< where it stands in its own one */
    bool array, scope, empty;
} frame_t;

typedef struct writer {
    mouv__bytes_t *out;
    mouv__json_style_t style;
    const char *key,
        *not_utf8; /**< of the element that is being written; what is wrong in it, or NULL */
    int depth;
    frame_t frames[MOUV__BSON_DEPTH_MAX + 1];
} writer_t;

/* --- Text ------------------------------------------------------------------------------------- */

static void writer_put(writer_t *writer, const char *text) {
    mouv__bytes_put(writer->out, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void writer_print(writer_t *writer, const char *format,
                                                               ...) {
    char text[96];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    writer_put(writer, text);
}

static bool writer_is_plain(unsigned char c) {
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void writer_put_escape(writer_t *writer, char c) {
    static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *at = c ? strchr(named, c) : NULL;
    if (at)
        writer_print(writer, "\\%c", letters[at - named]);
    else
        writer_print(writer, "\\u%04x", (unsigned)c);
}

/* One character that is not plain; how many bytes it has. */
static size_t writer_put_character(writer_t *writer, const char *at, const char *end) {
    if (!((unsigned char)*at & 0x80)) {
        writer_put_escape(writer, *at);
        return 1;
    }
    size_t size = mouv__utf8_character((const unsigned char *)at, (const unsigned char *)end);
    if (size > 0) {
        mouv__bytes_put(writer->out, at, size);
        return size;
    }
    if (!writer->style.lossy && !writer->not_utf8) writer->not_utf8 = writer->key;
    writer_put(writer, "\xef\xbf\xbd");
    return 1;
}

static void writer_put_string(writer_t *writer, const char *text, size_t size) {
    const char *end = text + size;
    mouv__bytes_byte(writer->out, '"');
    while (text < end) {
        const char *plain = text;
        while (text < end && writer_is_plain((unsigned char)*text)) text++;
        mouv__bytes_put(writer->out, plain, (size_t)(text - plain));
        if (text < end) text += writer_put_character(writer, text, end);
    }
    mouv__bytes_byte(writer->out, '"');
}

/* {"$name": and } */
static void writer_wrap(writer_t *writer, const char *name) {
    writer_print(writer, writer->style.pretty ? "{ \"%s\": " : "{ \"%s\" : ", name);
}

static void writer_wrap_next(writer_t *writer, const char *name) {
    writer_print(writer, writer->style.pretty ? ", \"%s\": " : ", \"%s\" : ", name);
}

static void writer_unwrap(writer_t *writer) {
    writer_put(writer, " }");
}

static void writer_put_wrapped(writer_t *writer, const char *name, const char *text) {
    writer_wrap(writer, name);
    writer_print(writer, "\"%s\"", text);
    writer_unwrap(writer);
}

/* --- Single values ---------------------------------------------------------------------------- */

static uint32_t writer_uint32(const uint8_t *at) {
    uint32_t number;
    memcpy(&number, at, sizeof number);
    return BSON_UINT32_FROM_LE(number);
}

static int64_t writer_int64(const uint8_t *at) {
    uint64_t number;
    memcpy(&number, at, sizeof number);
    return (int64_t)BSON_UINT64_FROM_LE(number);
}

static void writer_put_int(writer_t *writer, const char *name, int64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    if (writer->style.canonical)
        writer_put_wrapped(writer, name, text);
    else
        writer_put(writer, text);
}

/* The shortest text that is read as the same number again, and is no integer's. */
static void writer_put_double(writer_t *writer, const uint8_t *at) {
    int64_t bits = writer_int64(at);
    double number;
    char text[40];
    memcpy(&number, &bits, sizeof number);
    if (!isfinite(number)) {
        writer_put_wrapped(writer, "$numberDouble",
                           isnan(number) ? "NaN"
                           : number > 0  ? "Infinity"
                                         : "-Infinity");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) break;
    }
    if (!strpbrk(text, ".e")) strcat(text, ".0");
    if (writer->style.canonical)
        writer_put_wrapped(writer, "$numberDouble", text);
    else
        writer_put(writer, text);
}

/* A significand of more than 34 digits counts as 0 (IEEE 754); libbson would print it, and nothing
 * reads it. */
static void writer_clear_long_decimal(bson_decimal128_t *number) {
    const uint64_t digits = (UINT64_C(1) << 49) - 1, most_high = UINT64_C(0x1ed09bead87c0),
                   most_low = UINT64_C(0x378d8e63ffffffff), high = number->high & digits;
    if ((number->high >> 61 & 3) == 3) return; /* of another form: is 0 anyway */
    if (high < most_high || (high == most_high && number->low <= most_low)) return;
    number->high &= ~digits;
    number->low = 0;
}

static void writer_put_decimal(writer_t *writer, const uint8_t *at) {
    bson_decimal128_t number = {.low = (uint64_t)writer_int64(at),
                                .high = (uint64_t)writer_int64(at + 8)};
    char text[BSON_DECIMAL128_STRING];
    writer_clear_long_decimal(&number);
    bson_decimal128_to_string(&number, text);
    writer_put_wrapped(writer, "$numberDecimal", text);
}

static void writer_put_long_date(writer_t *writer, int64_t ms) {
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, ms);
    writer_wrap(writer, "$date");
    writer_put_wrapped(writer, "$numberLong", text);
    writer_unwrap(writer);
}

/* Only the years from 1970 to 9999 have a relaxed form. */
static void writer_put_date(writer_t *writer, const uint8_t *at) {
    const int64_t last_ms = INT64_C(253402300799999);
    int64_t ms = writer_int64(at);
    if (writer->style.canonical || ms < 0 || ms > last_ms) {
        writer_put_long_date(writer, ms);
        return;
    }
    const time_t seconds = (time_t)(ms / 1000);
    struct tm date;
    char text[24];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &date));
    writer_wrap(writer, "$date");
    writer_print(writer, "\"%s", text);
    if (ms % 1000) writer_print(writer, ".%03d", (int)(ms % 1000));
    writer_put(writer, "Z\"");
    writer_unwrap(writer);
}

static void writer_put_oid(writer_t *writer, const uint8_t *at) {
    bson_oid_t oid;
    char text[25];
    memcpy(oid.bytes, at, sizeof oid.bytes);
    bson_oid_to_string(&oid, text);
    writer_put_wrapped(writer, "$oid", text);
}

static void writer_put_timestamp(writer_t *writer, const uint8_t *at) {
    writer_wrap(writer, "$timestamp");
    writer_wrap(writer, "t");
    writer_print(writer, "%" PRIu32, writer_uint32(at + 4));
    writer_wrap_next(writer, "i");
    writer_print(writer, "%" PRIu32, writer_uint32(at));
    writer_unwrap(writer);
    writer_unwrap(writer);
}

static void writer_put_base64(writer_t *writer, const uint8_t *data, size_t size) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        uint32_t bits = (uint32_t)data[i] << 16;
        if (i + 1 < size) bits |= (uint32_t)data[i + 1] << 8;
        if (i + 2 < size) bits |= data[i + 2];
        char four[4] = {letters[bits >> 18], letters[bits >> 12 & 63],
                        i + 1 < size ? letters[bits >> 6 & 63] : '=',
                        i + 2 < size ? letters[bits & 63] : '='};
        mouv__bytes_put(writer->out, four, sizeof four);
    }
}

static const uint8_t *writer_put_binary(writer_t *writer, const uint8_t *at) {
    uint32_t size = writer_uint32(at);
    uint8_t subtype = at[4];
    const uint8_t *data = at + 5, *next = data + size;
    if (subtype == BSON_SUBTYPE_BINARY_DEPRECATED && size >= 4) data += 4; /* the length again */
    writer_wrap(writer, "$binary");
    writer_wrap(writer, "base64");
    mouv__bytes_byte(writer->out, '"');
    writer_put_base64(writer, data, (size_t)(next - data));
    mouv__bytes_byte(writer->out, '"');
    writer_wrap_next(writer, "subType");
    writer_print(writer, "\"%02x\"", subtype);
    writer_unwrap(writer);
    writer_unwrap(writer);
    return next;
}

/* A string with its length before it; what comes after it. */
static const uint8_t *writer_put_counted(writer_t *writer, const uint8_t *at) {
    uint32_t size = writer_uint32(at);
    writer_put_string(writer, (const char *)at + 4, size - 1);
    return at + 4 + size;
}

static const uint8_t *writer_put_wrapped_counted(writer_t *writer, const char *name,
                                                 const uint8_t *at) {
    writer_wrap(writer, name);
    at = writer_put_counted(writer, at);
    writer_unwrap(writer);
    return at;
}

static const uint8_t *writer_put_regex(writer_t *writer, const uint8_t *at) {
    const char *pattern = (const char *)at, *options = pattern + strlen(pattern) + 1;
    writer_wrap(writer, "$regularExpression");
    writer_wrap(writer, "pattern");
    writer_put_string(writer, pattern, strlen(pattern));
    writer_wrap_next(writer, "options");
    writer_put_string(writer, options, strlen(options));
    writer_unwrap(writer);
    writer_unwrap(writer);
    return (const uint8_t *)options + strlen(options) + 1;
}

static const uint8_t *writer_put_dbpointer(writer_t *writer, const uint8_t *at) {
    writer_wrap(writer, "$dbPointer");
    writer_wrap(writer, "$ref");
    at = writer_put_counted(writer, at);
    writer_wrap_next(writer, "$id");
    writer_put_oid(writer, at);
    writer_unwrap(writer);
    writer_unwrap(writer);
    return at + 12;
}

/* --- Documents and arrays --------------------------------------------------------------------- */

static const uint8_t *writer_open(writer_t *writer, const uint8_t *at, bool array, bool scope) {
    writer->frames[writer->depth++] = (frame_t){.end = at + writer_uint32(at) - 1,
                                                .key = writer->key,
                                                .array = array,
                                                .scope = scope,
                                                .empty = true};
    mouv__bytes_byte(writer->out, array ? '[' : '{');
    return at + 4;
}

static void writer_new_line(writer_t *writer) {
    mouv__bytes_byte(writer->out, '\n');
    for (int i = 0; i < INDENT * writer->depth; i++) mouv__bytes_byte(writer->out, ' ');
}

static const uint8_t *writer_close(writer_t *writer) {
    const frame_t *frame = &writer->frames[--writer->depth];
    if (!writer->style.pretty)
        mouv__bytes_byte(writer->out, ' ');
    else if (!frame->empty)
        writer_new_line(writer);
    mouv__bytes_byte(writer->out, frame->array ? ']' : '}');
    if (frame->scope) writer_unwrap(writer);
    return frame->end + 1;
}

static const uint8_t *writer_put_scope(writer_t *writer, const uint8_t *at) {
    writer_wrap(writer, "$code");
    at = writer_put_counted(writer, at + 4);
    writer_wrap_next(writer, "$scope");
    return writer_open(writer, at, false, true);
}

/* --- Elements --------------------------------------------------------------------------------- */

/* Values of a fixed size; that, or -1. */
static int writer_put_fixed(writer_t *writer, uint8_t type, const uint8_t *at) {
    switch (type) {
    case BSON_TYPE_DOUBLE:
        writer_put_double(writer, at);
        return 8;
    case BSON_TYPE_INT32:
        writer_put_int(writer, "$numberInt", (int32_t)writer_uint32(at));
        return 4;
    case BSON_TYPE_INT64:
        writer_put_int(writer, "$numberLong", writer_int64(at));
        return 8;
    case BSON_TYPE_DECIMAL128:
        writer_put_decimal(writer, at);
        return 16;
    case BSON_TYPE_DATE_TIME:
        writer_put_date(writer, at);
        return 8;
    case BSON_TYPE_TIMESTAMP:
        writer_put_timestamp(writer, at);
        return 8;
    case BSON_TYPE_OID:
        writer_put_oid(writer, at);
        return 12;
    case BSON_TYPE_BOOL:
        writer_put(writer, *at ? "true" : "false");
        return 1;
    default:
        return -1;
    }
}

static const char *writer_name_alone(uint8_t type) {
    return type == BSON_TYPE_UNDEFINED ? "$undefined"
           : type == BSON_TYPE_MINKEY  ? "$minKey"
                                       : "$maxKey";
}

/* Whatever the value is; what comes after it, or of a document its first element. */
static const uint8_t *writer_put_value(writer_t *writer, uint8_t type, const uint8_t *at) {
    int size = writer_put_fixed(writer, type, at);
    if (size >= 0) return at + size;
    switch (type) {
    case BSON_TYPE_UTF8:
        return writer_put_counted(writer, at);
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY:
        return writer_open(writer, at, type == BSON_TYPE_ARRAY, false);
    case BSON_TYPE_BINARY:
        return writer_put_binary(writer, at);
    case BSON_TYPE_REGEX:
        return writer_put_regex(writer, at);
    case BSON_TYPE_DBPOINTER:
        return writer_put_dbpointer(writer, at);
    case BSON_TYPE_CODE:
        return writer_put_wrapped_counted(writer, "$code", at);
    case BSON_TYPE_SYMBOL:
        return writer_put_wrapped_counted(writer, "$symbol", at);
    case BSON_TYPE_CODEWSCOPE:
        return writer_put_scope(writer, at);
    case BSON_TYPE_NULL:
        writer_put(writer, "null");
        return at;
    default:
        writer_wrap(writer, writer_name_alone(type));
        writer_put(writer, type == BSON_TYPE_UNDEFINED ? "true" : "1");
        writer_unwrap(writer);
        return at;
    }
}

static const uint8_t *writer_put_element(writer_t *writer, frame_t *frame, const uint8_t *at) {
    uint8_t type = *at++;
    size_t key_size = strlen((const char *)at);
    writer->key = (const char *)at;
    if (!frame->empty) mouv__bytes_byte(writer->out, ',');
    frame->empty = false;
    if (writer->style.pretty)
        writer_new_line(writer);
    else
        mouv__bytes_byte(writer->out, ' ');
    if (!frame->array) {
        writer_put_string(writer, writer->key, key_size);
        writer_put(writer, writer->style.pretty ? ": " : " : ");
    }
    return writer_put_value(writer, type, at + key_size + 1);
}

/* "a.list.3": as far as it has room, what is not UTF-8 in it as ?. */
static void writer_name_path(const writer_t *writer, char *why, size_t why_size) {
    size_t used = (size_t)snprintf(why, why_size, "text is not UTF-8 in '");
    for (int i = 1; i <= writer->depth; i++) {
        const char *key = i < writer->depth ? writer->frames[i].key : writer->not_utf8;
        if (i > 1 && used + 1 < why_size) why[used++] = '.';
        for (; *key && used + 2 < why_size; key++)
            why[used++] = *key >= ' ' && *key <= '~' ? *key : '?';
    }
    snprintf(why + used, why_size - used, "'");
}

static bool writer_run(writer_t *writer, const uint8_t *at, char *why, size_t why_size) {
    while (writer->depth > 0) {
        frame_t *frame = &writer->frames[writer->depth - 1];
        at = at < frame->end ? writer_put_element(writer, frame, at) : writer_close(writer);
        if (!writer->not_utf8) continue;
        writer_name_path(writer, why, why_size);
        return false;
    }
    return true;
}

static writer_t *writer_new(mouv__bytes_t *out, mouv__json_style_t style) {
    writer_t *writer = bson_malloc(sizeof *writer); /* of the frames those are set that are open */
    writer->out = out;
    writer->style = style;
    writer->key = "";
    writer->not_utf8 = NULL;
    writer->depth = 0;
    return writer;
}

bool mouv__json_write(mouv__bytes_t *out, const bson_t *document, mouv__json_style_t style,
                      char *why, size_t why_size) {
    const uint8_t *data = bson_get_data(document);
    if (!mouv__bson_check(data, document->len, why, why_size)) return false;
    locale_t before = mouv__locale_begin();
    writer_t *writer = writer_new(out, style);
    bool good = writer_run(writer, writer_open(writer, data, false, false), why, why_size);
    bson_free(writer);
    mouv__locale_end(before);
    return good;
}

bool mouv__json_write_value(mouv__bytes_t *out, const bson_iter_t *value, mouv__json_style_t style,
                            char *why, size_t why_size) {
    enum { BEFORE_VALUE = 7 }; /* the length, a type, "v" */
    bson_t one = BSON_INITIALIZER;
    bson_append_iter(&one, "v", 1, value);
    const uint8_t *data = bson_get_data(&one), type = data[4];
    bool good = mouv__bson_check(data, one.len, why, why_size);
    locale_t before = mouv__locale_begin();
    writer_t *writer = writer_new(out, style);
    const uint8_t *at = good ? writer_put_value(writer, type, data + BEFORE_VALUE) : NULL;
    good = good && writer_run(writer, at, why, why_size) && !writer->not_utf8;
    if (writer->not_utf8) snprintf(why, why_size, "text is not UTF-8");
    bson_free(writer);
    mouv__locale_end(before);
    bson_destroy(&one);
    return good;
}
