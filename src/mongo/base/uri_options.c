/*
 * mouv's own options of a URI.
 */
#include "mongo/base/uri_options.h"

#include <ctype.h>
#include <errno.h>
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

/* 1: `text` is one of mouv's and was read; 0: it is not. */
static int uri_options_read(const char *text, size_t length, mouv__uri_options_t *options,
                            mouv_error_t *error) {
    for (size_t i = 0; i < KNOWN; i++) {
        size_t name_length = strlen(known[i].name);
        if (length <= name_length || text[name_length] != '=' ||
            strncasecmp(text, known[i].name, name_length) != 0)
            continue;
        int64_t *number = (int64_t *)((char *)options + known[i].offset);
        int rc = uri_options_parse_number(known[i].name, text + name_length + 1,
                                          length - name_length - 1, number, error);
        return rc < 0 ? rc : 1;
    }
    return 0;
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
