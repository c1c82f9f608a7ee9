/*
 * The characters of UTF-8.
 */
#ifndef MOUV_CONTEXT_UTF8_H
#define MOUV_CONTEXT_UTF8_H

#include <stddef.h>

/** Bytes of the character at `at`, 1 to 4; 0 if it is none: not the shortest form, a half of a
 *  surrogate pair, beyond U+10FFFF, cut off by `end`. */
size_t mouv__utf8_character(const unsigned char *at, const unsigned char *end);

#endif
