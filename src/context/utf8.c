/*
 * UTF-8 as Unicode has it.
 */
#include "context/utf8.h"

size_t mouv__utf8_character(const unsigned char *at, const unsigned char *end) {
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
