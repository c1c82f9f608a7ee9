/*
 * Text for people: one line of UTF-8 without control characters, whatever names a server or a user
 * has put into it, and wherever it had to be cut. Any thread.
 */
#ifndef MOUV_ASYNC_LOOP_LINE_H
#define MOUV_ASYNC_LOOP_LINE_H

#include <stdarg.h>
#include <stddef.h>

/** In place, and never longer than before. */
void mouv__line(char *text);

/** As snprintf(), of at most 1023 bytes; `text` may be among the arguments. */
void mouv__line_format(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void mouv__line_vformat(char *text, size_t size, const char *format, va_list args);

#endif
