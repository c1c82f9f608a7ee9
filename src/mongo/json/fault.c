/*
 * Mistakes in a text.
 */
#include "mongo/json/fault.h"

#include <stdarg.h>
#include <stdio.h>

bool mouv__json_wrong(mouv__json_fault_t *fault, size_t at, const char *why, ...) {
    va_list arguments;
    fault->at = at;
    va_start(arguments, why);
    vsnprintf(fault->why, sizeof fault->why, why, arguments);
    va_end(arguments);
    return false;
}

/* ", before '30}'": what can be printed of the next few bytes. */
static int fault_rest(const char *at, const char *end) {
    enum { LONGEST = 12 };
    int rest = 0;
    while (rest < LONGEST && at + rest < end && at[rest] >= ' ' && at[rest] <= '~') rest++;
    return rest;
}

void mouv__json_place(const mouv__json_fault_t *fault, const char *text, size_t size, char *place,
                      size_t place_size) {
    const char *at = text + fault->at, *end = text + size, *line_begin = text;
    int line = 1, rest = fault_rest(at, end), length = 0;
    for (const char *byte = text; byte < at; byte++) {
        if (*byte != '\n') continue;
        line++;
        line_begin = byte + 1;
    }
    if (line > 1) length = snprintf(place, place_size, "line %d, ", line);
    length +=
        snprintf(place + length, place_size - (size_t)length, "position %td", at - line_begin + 1);
    if (at == end)
        snprintf(place + length, place_size - (size_t)length, ", at the end");
    else if (rest > 0)
        snprintf(place + length, place_size - (size_t)length, ", before '%.*s'", rest, at);
}
