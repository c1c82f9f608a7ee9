/*
 * mouv's own options of a URI.
 */
#include "mongo/base/uri_options.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "context/alloc.h"

static const struct {
    const char *name;
    size_t offset;
} known[] = {
    {"timeoutMS", offsetof(mouv__uri_options_t, timeout_ms)},
    {"minPoolSize", offsetof(mouv__uri_options_t, min_pool_size)},
    {"maxConnecting", offsetof(mouv__uri_options_t, max_connecting)},
};

#define KNOWN (sizeof known / sizeof known[0])

/* libmongoc's times, of which it takes, or passes over, negative ones. */
static const struct {
    const char *name;
    long long least;
} times[] = {
    {"connectTimeoutMS", 0},
    {"heartbeatFrequencyMS", 0},
    {"localThresholdMS", 0},
    {"maxIdleTimeMS", 0},
    {"maxStalenessSeconds", -1}, /* no limit */
    {"serverSelectionTimeoutMS", 0},
    {"socketCheckIntervalMS", 0},
    {"socketTimeoutMS", 0},
    {"waitQueueTimeoutMS", 0},
    {"wTimeoutMS", 0},
};

#define TIMES (sizeof times / sizeof times[0])

static int uri_options_parse_number(const char *name, const char *text, size_t length,
                                    int64_t *number, mouv_error_t *error) {
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (length > 0 && isdigit((unsigned char)*text) && end == text + length && errno == 0) {
        *number = value;
        return 0;
    }
    return mouv_error_set(error, MOUV_EINVAL,
                          "the URI's option '%s': expected a number of 0 or more, got '%.*s'", name,
                          length < 40 ? (int)length : 40, text);
}

/* What stands behind "<name>="; NULL: `text` is another option. */
static const char *uri_options_value(const char *text, size_t length, const char *name) {
    size_t name_length = strlen(name);
    bool is = length > name_length && text[name_length] == '=' &&
              strncasecmp(text, name, name_length) == 0;
    return is ? text + name_length + 1 : NULL;
}

/* Whether one of libmongoc's times is one; what is no number at all is for libmongoc to say. */
static int uri_options_check_time(const char *text, size_t length, mouv_error_t *error) {
    for (size_t i = 0; i < TIMES; i++) {
        const char *value = uri_options_value(text, length, times[i].name);
        if (!value || strtoll(value, NULL, 10) >= times[i].least) continue;
        return mouv_error_set(
            error, MOUV_EINVAL,
            "the URI's option '%s': expected a number of %lld or more, got '%.*s'", times[i].name,
            times[i].least, (int)strcspn(value, "&;"), value);
    }
    return 0;
}

/* 1: `text` is one of mouv's and was read; 0: it is not. */
static int uri_options_read(const char *text, size_t length, mouv__uri_options_t *options,
                            mouv_error_t *error) {
    for (size_t i = 0; i < KNOWN; i++) {
        const char *value = uri_options_value(text, length, known[i].name);
        if (!value) continue;
        int64_t *number = (int64_t *)((char *)options + known[i].offset);
        int rc = uri_options_parse_number(known[i].name, value, (size_t)(text + length - value),
                                          number, error);
        return rc < 0 ? rc : 1;
    }
    return uri_options_check_time(text, length, error);
}

/* Copies the options from `from` to `to`, all but mouv's. */
static int uri_options_copy(const char *from, char *to, mouv__uri_options_t *options,
                            mouv_error_t *error) {
    char *out = to;
    *out = '\0';
    while (*from) {
        size_t length = strcspn(from, "&;");
        int rc = uri_options_read(from, length, options, error);
        if (rc < 0) return rc;
        if (rc == 0) {
            if (out > to) *out++ = '&';
            memcpy(out, from, length);
            out += length;
            *out = '\0';
        }
        from += length;
        if (*from) from++;
    }
    return 0;
}

char *mouv__uri_options_take(const char *uri, mouv__uri_options_t *options, mouv_error_t *error) {
    mouv__uri_options_t found = {.timeout_ms = MOUV__URI_UNSET,
                                 .min_pool_size = MOUV__URI_UNSET,
                                 .max_connecting = MOUV__URI_UNSET};
    size_t size = strlen(uri) + 1;
    char *copy = mouv__alloc(size);
    if (!copy) {
        mouv_error_set(error, MOUV_ENOMEM, "%s", mouv_error_message(MOUV_ENOMEM));
        return NULL;
    }
    memcpy(copy, uri, size);
    const char *text = strchr(uri, '?');
    char *copied = text ? copy + (text + 1 - uri) : NULL;
    if (text && uri_options_copy(text + 1, copied, &found, error) < 0) {
        mouv__free(copy);
        return NULL;
    }
    if (copied && !*copied) copied[-1] = '\0';
    *options = found;
    return copy;
}
