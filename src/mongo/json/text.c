/*
 * UTF-8 as Unicode has it, and surrogate pairs as RFC 8259 has them: yajl lets overlong forms
 * through and makes other characters of half a pair.
 */
#include "mongo/json/text.h"

#include <stdint.h>
#include <string.h>

#define ESCAPE 6 /* bytes of \uXXXX */

size_t mouv__json_character(const unsigned char *at, const unsigned char *end) {
    static const struct {
        unsigned char first, last, low, high; /* of the first byte; of the second one */
        unsigned char size;
    } rows[] = {
        {0x00, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (*at < rows[i].first || *at > rows[i].last) continue;
        size_t size = rows[i].size;
        if ((size_t)(end - at) < size) return 0;
        if (size > 1 && (at[1] < rows[i].low || at[1] > rows[i].high)) return 0;
        for (size_t k = 2; k < size; k++)
            if ((at[k] & 0xc0) != 0x80) return 0;
        return size;
    }
    return 0;
}

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
    while (at < size && (length = mouv__json_character(bytes + at, bytes + size)) > 0) {
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
