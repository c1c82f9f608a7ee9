/*
 * Lines.
 */
#include "async/loop/line.h"

#include <stdio.h>
#include <string.h>

#include "context/utf8.h"

#define LENGTH_MAX 1024

/* What some programs take for the end of a line. */
static int line_is_break(const unsigned char *at, size_t size) {
    if (size == 1) return *at >= '\t' && *at <= '\r';
    if (size == 2) return memcmp(at, "\xc2\x85", 2) == 0;
    return size == 3 && memcmp(at, "\xe2\x80", 2) == 0 && (at[2] == 0xa8 || at[2] == 0xa9);
}

static int line_is_control(const unsigned char *at, size_t size) {
    if (size == 1) return *at < ' ' || *at == 0x7f;
    return size == 2 && *at == 0xc2 && at[1] < 0xa0;
}

/* Whether these are the first bytes of a character whose others were cut off. */
static int line_is_cut(const unsigned char *at, size_t left) {
    return left < 4 &&
           ((*at >= 0xc2 && *at < 0xe0 && left < 2) || (*at >= 0xe0 && *at < 0xf0 && left < 3) ||
            (*at >= 0xf0 && *at < 0xf5)) &&
           (left < 2 || (at[1] & 0xc0) == 0x80);
}

void mouv__line(char *text) {
    const unsigned char *at = (const unsigned char *)text, *end = at + strlen(text);
    char *out = text;
    while (at < end) {
        size_t size = mouv__utf8_character(at, end);
        if (size == 0 && line_is_cut(at, (size_t)(end - at))) break;
        if (size == 0 || line_is_break(at, size) || line_is_control(at, size)) {
            *out++ = line_is_break(at, size) ? ' ' : '?';
            at += size > 0 ? size : 1;
        } else {
            memmove(out, at, size);
            out += size;
            at += size;
        }
    }
    while (out > text && out[-1] == ' ') out--;
    *out = '\0';
}

void mouv__line_vformat(char *text, size_t size, const char *format, va_list args) {
    char line[LENGTH_MAX];
    vsnprintf(line, size < sizeof line ? size : sizeof line, format, args);
    mouv__line(line);
    memcpy(text, line, strlen(line) + 1);
}

void mouv__line_format(char *text, size_t size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    mouv__line_vformat(text, size, format, args);
    va_end(args);
}
