/*
 * UTF-8 as Unicode has it, and surrogate pairs as RFC 8259 has them: yajl lets overlong forms
 * through and makes other characters of half a pair.
 */
#include "mongo/json/text.h"

#include <stdint.h>
#include <string.h>

#include "context/utf8.h"

#define ESCAPE 6 /* bytes of \uXXXX */

/* Most text is ASCII: eight bytes at a time. */
static size_t text_ascii_length(const char *text, size_t size) {
    const uint64_t highs = UINT64_C(0x8080808080808080);
    size_t at = 0;
    uint64_t word;
    for (; at + sizeof word <= size; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        if (word & highs) break;
    }
    while (at < size && !((unsigned char)text[at] & 0x80)) at++;
    return at;
}

size_t mouv__json_utf8_length(const char *text, size_t size) {
    const unsigned char *bytes = (const unsigned char *)text;
    size_t at = text_ascii_length(text, size), length;
    while (at < size && (length = mouv__utf8_character(bytes + at, bytes + size)) > 0) {
        at += length;
        at += text_ascii_length(text + at, size - at);
    }
    return at;
}

/* The four digits after \u, or -1. */
static int text_unit(const char *at, const char *end) {
    int unit = 0;
    if (end - at < ESCAPE || at[0] != '\\' || at[1] != 'u') return -1;
    for (int i = 2; i < ESCAPE; i++) {
        char c = at[i], lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            unit = unit * 16 + (c - '0');
        else if (lower >= 'a' && lower <= 'f')
            unit = unit * 16 + (lower - 'a' + 10);
        else
            return -1;
    }
    return unit;
}

/* Bytes of the escape at `at`, with the pair's other half; 0: half a pair. */
static size_t text_escape_length(const char *at, const char *end) {
    int unit = text_unit(at, end);
    if (unit < 0xd800 || unit > 0xdfff) return unit < 0 ? 2 : ESCAPE;
    int other = unit < 0xdc00 ? text_unit(at + ESCAPE, end) : -1;
    return other >= 0xdc00 && other <= 0xdfff ? 2 * ESCAPE : 0;
}

bool mouv__json_text_check(const char *text, size_t size, mouv__json_fault_t *fault) {
    const char *end = text + size, *at = text;
    size_t good = mouv__json_utf8_length(text, size), length;
    if (good < size) return mouv__json_wrong(fault, good, "not UTF-8");
    while (at < end && (at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        length = text_escape_length(at, end);
        if (length == 0)
            return mouv__json_wrong(fault, (size_t)(at - text), "half of a surrogate pair");
        at += length;
    }
    return true;
}
