/*
 * Where timeoutMS comes from, and when it is over.
 */
#include "mongo/base/timeout.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <mouv/await.h>

#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/concern.h"

/* --- Where it is given ----------------------------------------------------------------------- */

static int timeout_parse_number(const char *text, size_t length, int64_t *number,
                                mouv_error_t *error) {
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (length > 0 && isdigit((unsigned char)*text) && end == text + length && errno == 0) {
        *number = value;
        return 0;
    }
    return mouv_error_set(
        error, MOUV_EINVAL,
        "the URI's option 'timeoutMS': expected a number of 0 or more, got '%.*s'",
        length < 40 ? (int)length : 40, text);
}

/** Copies the options of a URI from `from` to `to`, all but timeoutMS. */
static int timeout_copy_options(const char *from, char *to, int64_t *timeout_ms,
                                mouv_error_t *error) {
    static const char name[] = "timeoutMS=";
    size_t name_length = sizeof name - 1;
    char *out = to;
    *out = '\0';
    while (*from) {
        size_t length = strcspn(from, "&;");
        if (strncasecmp(from, name, name_length) == 0) {
            int rc =
                timeout_parse_number(from + name_length, length - name_length, timeout_ms, error);
            if (rc < 0) return rc;
        } else {
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

char *mouv__timeout_from_uri(const char *uri, int64_t *timeout_ms, mouv_error_t *error) {
    size_t size = strlen(uri) + 1;
    char *copy = mouv__alloc(size);
    *timeout_ms = MOUV__TIMEOUT_UNSET;
    if (!copy) {
        mouv_error_set(error, MOUV_ENOMEM, "%s", mouv_error_message(MOUV_ENOMEM));
        return NULL;
    }
    memcpy(copy, uri, size);
    const char *options = strchr(uri, '?');
    if (!options) return copy;
    char *copied = copy + (options + 1 - uri);
    if (timeout_copy_options(options + 1, copied, timeout_ms, error) < 0) {
        mouv__free(copy);
        return NULL;
    }
    if (!*copied) copied[-1] = '\0';
    return copy;
}

int mouv__timeout_from_struct(int64_t given, const char *field, int64_t *timeout_ms,
                              mouv_error_t *error) {
    if (given < 0)
        return mouv_error_set(error, MOUV_EINVAL, "'%s': expected a number of 0 or more", field);
    *timeout_ms = given == MOUV_FOREVER ? 0 : given == 0 ? MOUV__TIMEOUT_UNSET : given;
    return 0;
}

int64_t mouv__timeout_inherited(const mouv_client_t *client, const mouv__concerns_t *defaults) {
    if (defaults && defaults->timeout_ms != MOUV__TIMEOUT_UNSET) return defaults->timeout_ms;
    return mouv__client_ref_of(client)->timeout_ms;
}

int64_t mouv__timeout_end_ns(const mouv_client_t *client, mouv__timeout_t timeout) {
    if (timeout.until_ns != MOUV__NEVER) return timeout.until_ns;
    return timeout.ms > 0 ? mouv__clock_deadline_in(mouv__client_runtime(client), timeout.ms)
                          : MOUV__NEVER;
}
