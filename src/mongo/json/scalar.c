/*
 * Grammar first, then libc's or libbson's conversion, which by themselves take too much.
 */
#include "mongo/json/scalar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- Numbers ---------------------------------------------------------------------------------- */

static size_t scalar_digits(const char *text, size_t size) {
    size_t count = 0;
    while (count < size && text[count] >= '0' && text[count] <= '9') count++;
    return count;
}

bool mouv__scalar_is_whole(const char *text, size_t size) {
    size_t sign = size > 0 && text[0] == '-';
    return size > sign && scalar_digits(text + sign, size - sign) == size - sign;
}

bool mouv__scalar_int64(const char *text, size_t size, int64_t *value) {
    bool negative = size > 0 && text[0] == '-';
    uint64_t most = (uint64_t)INT64_MAX + negative, number = 0;
    if (!mouv__scalar_is_whole(text, size)) return false;
    for (size_t i = negative; i < size; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (number > (most - digit) / 10) return false;
        number = number * 10 + digit;
    }
    *value = negative ? (int64_t)(0 - number) : (int64_t)number;
    return true;
}

/* An optional sign, digits with an optional point among or around them, an optional exponent. */
static bool scalar_is_number(const char *text, size_t size) {
    size_t at = size > 0 && (text[0] == '-' || text[0] == '+');
    size_t digits = scalar_digits(text + at, size - at);
    at += digits;
    if (at < size && text[at] == '.') {
        size_t fraction = scalar_digits(text + at + 1, size - at - 1);
        digits += fraction;
        at += 1 + fraction;
    }
    if (digits == 0) return false;
    if (at == size) return true;
    if (text[at] != 'e' && text[at] != 'E') return false;
    at++;
    if (at < size && (text[at] == '-' || text[at] == '+')) at++;
    return at < size && scalar_digits(text + at, size - at) == size - at;
}

static bool scalar_special_double(const char *text, size_t size, double *value) {
    static const struct {
        const char *name;
        double value;
    } special[] = {{"NaN", (double)NAN}, {"Infinity", HUGE_VAL}, {"-Infinity", -HUGE_VAL}};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        if (size != strlen(special[i].name) || memcmp(text, special[i].name, size) != 0) continue;
        *value = special[i].value;
        return true;
    }
    return false;
}

/* As a C string, in `small` if it fits; else to be freed. */
static char *scalar_copy(const char *text, size_t size, char small[64]) {
    char *copy = size < 64 ? small : bson_malloc(size + 1);
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

bool mouv__scalar_double(const char *text, size_t size, double *value) {
    if (!scalar_is_number(text, size)) return scalar_special_double(text, size, value);
    char small[64], *number = scalar_copy(text, size, small);
    *value = strtod(number, NULL);
    if (number != small) bson_free(number);
    return isfinite(*value);
}

bool mouv__scalar_decimal(const char *text, size_t size, bson_decimal128_t *value) {
    static const char *const special[] = {"nan", "inf", "infinity"};
    size_t sign = size > 0 && (text[0] == '-' || text[0] == '+');
    bool known = scalar_is_number(text, size);
    for (size_t i = 0; i < sizeof special / sizeof *special && !known; i++)
        known = size - sign == strlen(special[i]) &&
                strncasecmp(text + sign, special[i], size - sign) == 0;
    if (!known) return false;
    char small[64], *number = scalar_copy(text, size, small);
    bool exact = bson_decimal128_from_string(number, value);
    if (number != small) bson_free(number);
    return exact;
}

/* --- Hexadecimal digits and base64 ------------------------------------------------------------ */

static int scalar_hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Two digits a byte. */
static bool scalar_hex_bytes(const char *text, size_t size, uint8_t *value) {
    for (size_t i = 0; i < size; i += 2) {
        int high = scalar_hex(text[i]), low = scalar_hex(text[i + 1]);
        if (high < 0 || low < 0) return false;
        value[i / 2] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool mouv__scalar_oid(const char *text, size_t size, bson_oid_t *value) {
    return size == 2 * sizeof value->bytes && scalar_hex_bytes(text, size, value->bytes);
}

bool mouv__scalar_uuid(const char *text, size_t size, uint8_t value[16]) {
    static const size_t groups[] = {8, 4, 4, 4, 12};
    if (size != 36) return false;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (!scalar_hex_bytes(text, groups[i], value)) return false;
        value += groups[i] / 2;
        text += groups[i];
        if (i < 4 && *text++ != '-') return false;
    }
    return true;
}

bool mouv__scalar_subtype(const char *text, size_t size, uint8_t *value) {
    char digits[2] = {'0', size > 0 ? text[0] : 'x'};
    if (size == 2) memcpy(digits, text, sizeof digits);
    return size <= 2 && scalar_hex_bytes(digits, sizeof digits, value);
}

static int scalar_sextet(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool mouv__scalar_base64(const char *text, size_t size, uint8_t *value, size_t *length) {
    size_t padding = 0, written = 0;
    uint32_t bits = 0;
    if (size % 4 != 0) return false;
    while (padding < 2 && padding < size && text[size - 1 - padding] == '=') padding++;
    for (size_t i = 0; i < size - padding; i++) {
        int sextet = scalar_sextet(text[i]);
        if (sextet < 0) return false;
        bits = bits << 6 | (uint32_t)sextet;
        if (i % 4 != 0) value[written++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *length = written;
    return padding == 0 || (bits & (padding == 1 ? 0x3u : 0xfu)) == 0;
}

/* --- Dates ------------------------------------------------------------------------------------ */

/* The text that is left, and the first thing that was wrong. */
typedef struct cursor {
    const char *at, *end;
    const char *wrong;
} cursor_t;

/* `count` digits, between `least` and `most`. */
static int64_t scalar_field(cursor_t *cursor, size_t count, int64_t least, int64_t most,
                            const char *wrong) {
    int64_t number = 0;
    size_t left = (size_t)(cursor->end - cursor->at);
    if (cursor->wrong) return 0;
    if (left < count || scalar_digits(cursor->at, count) < count) {
        cursor->wrong = "expected a date such as 2024-02-29T13:05:06.789Z";
        return 0;
    }
    for (size_t i = 0; i < count; i++) number = number * 10 + (*cursor->at++ - '0');
    if (number < least || number > most) cursor->wrong = wrong;
    return number;
}

static bool scalar_accept(cursor_t *cursor, char c) {
    if (cursor->wrong || cursor->at == cursor->end || *cursor->at != c) return false;
    cursor->at++;
    return true;
}

static void scalar_expect(cursor_t *cursor, char c) {
    if (!scalar_accept(cursor, c) && !cursor->wrong)
        cursor->wrong = "expected a date such as 2024-02-29T13:05:06.789Z";
}

static bool scalar_is_leap(int64_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970-01-01; the years are counted from March on, so that the odd day is the last one. */
static int64_t scalar_days(int64_t year, int64_t month, int64_t day) {
    int64_t years = month > 2 ? year : year - 1, months = month > 2 ? month - 3 : month + 9;
    int64_t leaps = years >= 0 ? years / 4 - years / 100 + years / 400 : -1;
    return years * 365 + leaps + (months * 153 + 2) / 5 + day - 1 - 719468;
}

static int64_t scalar_take_day(cursor_t *cursor) {
    static const char *const no_day = "there is no such day";
    static const int64_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year = scalar_field(cursor, 4, 0, 9999, no_day);
    scalar_expect(cursor, '-');
    int64_t month = scalar_field(cursor, 2, 1, 12, "there is no such month");
    scalar_expect(cursor, '-');
    int64_t day = scalar_field(cursor, 2, 1, cursor->wrong ? 31 : days[month - 1], no_day);
    if (month == 2 && day == 29 && !scalar_is_leap(year) && !cursor->wrong) cursor->wrong = no_day;
    return cursor->wrong ? 0 : scalar_days(year, month, day);
}

/* Digits after the point, as milliseconds. */
static int64_t scalar_take_fraction(cursor_t *cursor) {
    size_t count = scalar_digits(cursor->at, (size_t)(cursor->end - cursor->at));
    int64_t ms = 0;
    if (count == 0) cursor->wrong = "expected digits of a second";
    for (size_t i = 0; i < 3; i++) ms = ms * 10 + (i < count ? cursor->at[i] - '0' : 0);
    cursor->at += count;
    return ms;
}

static int64_t scalar_take_time(cursor_t *cursor) {
    static const char *const no_time = "there is no such time";
    int64_t seconds = 0, ms = 0, hours = scalar_field(cursor, 2, 0, 23, no_time);
    scalar_expect(cursor, ':');
    int64_t minutes = scalar_field(cursor, 2, 0, 59, no_time);
    if (scalar_accept(cursor, ':')) {
        seconds = scalar_field(cursor, 2, 0, 60, no_time); /* 60: a leap second */
        if (scalar_accept(cursor, '.')) ms = scalar_take_fraction(cursor);
    }
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms;
}

/* What is to be taken off to be at UTC. */
static int64_t scalar_take_zone(cursor_t *cursor) {
    static const char *const no_zone = "there is no such time zone";
    if (scalar_accept(cursor, 'Z')) return 0;
    bool west = scalar_accept(cursor, '-');
    if (!west && !scalar_accept(cursor, '+') && !cursor->wrong)
        cursor->wrong = "expected a time zone: Z, +01:00";
    int64_t hours = scalar_field(cursor, 2, 0, 23, no_zone);
    scalar_accept(cursor, ':');
    int64_t minutes = scalar_field(cursor, 2, 0, 59, no_zone);
    return (hours * 60 + minutes) * 60000 * (west ? -1 : 1);
}

const char *mouv__scalar_date(const char *text, size_t size, int64_t *ms) {
    cursor_t cursor = {text, text + size, NULL};
    int64_t days = scalar_take_day(&cursor);
    scalar_expect(&cursor, 'T');
    int64_t time = scalar_take_time(&cursor);
    int64_t zone = scalar_take_zone(&cursor);
    if (!cursor.wrong && cursor.at < cursor.end) return "there is more after the date";
    *ms = days * 86400000 + time - zone;
    return cursor.wrong;
}
