/*
 * The reason of a test's failure.
 */
#include "spec/test.h"

#include <stdarg.h>
#include <stdio.h>

bool spec_fail(spec_test_t *test, const char *format, ...) {
    if (test->failed) return false;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(test->why, sizeof test->why, format, arguments);
    va_end(arguments);
    test->failed = true;
    return false;
}

void spec_locate(spec_test_t *test, const char *format, ...) {
    char place[200], whole[sizeof test->why];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(place, sizeof place, format, arguments);
    va_end(arguments);
    snprintf(whole, sizeof whole, "%s: %.*s", place, (int)(sizeof whole - sizeof place - 3),
             test->why);
    snprintf(test->why, sizeof test->why, "%s", whole);
}
