/*
 * The reason of a test's failure.
 */
#include "spec/test.h"

#include <stdarg.h>
#include <stdio.h>

static void fail(spec_test_t *test, bool unsupported, const char *format, va_list arguments) {
    if (test->failed) return;
    vsnprintf(test->why, sizeof test->why, format, arguments);
    test->failed = true;
    test->unsupported = unsupported;
}

bool spec_fail(spec_test_t *test, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fail(test, false, format, arguments);
    va_end(arguments);
    return false;
}

bool spec_unsupported(spec_test_t *test, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fail(test, true, format, arguments);
    va_end(arguments);
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
