/*
 * Where timeoutMS comes from, and what it does to an operation.
 */
#include "mongo/base/timeout.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <mouv/await.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/concern.h"
#include "mongo/command/command.h"

#define MS_NS INT64_C(1000000)

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

/* --- Operations ------------------------------------------------------------------------------ */

int64_t mouv__timeout_end_ns(const mouv_client_t *client, mouv__timeout_t timeout) {
    if (timeout.until_ns != MOUV__NEVER) return timeout.until_ns;
    return timeout.ms > 0 ? mouv__deadline_in(mouv__client_runtime(client), timeout.ms)
                          : MOUV__NEVER;
}

static void timeout_shorten(mouv__operation_t *op, int64_t deadline_ns) {
    if (deadline_ns < op->deadline_ns) op->deadline_ns = deadline_ns;
}

/* --- Cursors --------------------------------------------------------------------------------- */

/** `timeoutMode` as given. */
static mouv__timeout_mode_t timeout_read_mode(mouv__command_t *command) {
    const char *text = (const char *)command->opts.timeout_mode.data;
    if (strcmp(text, "iteration") == 0) return MOUV__TIMEOUT_ITERATION;
    if (strcmp(text, "cursorLifetime") != 0)
        mouv__command_fail(command, MOUV_EINVAL,
                           "option 'timeoutMode': expected 'cursorLifetime' or 'iteration', got "
                           "'%.40s'",
                           text);
    return MOUV__TIMEOUT_LIFETIME;
}

static void timeout_check_mode(mouv__command_t *command, const mouv__cursor_timeout_t *limit) {
    bool iteration = limit->mode == MOUV__TIMEOUT_ITERATION;
    bool writes = (command->row->operation.flags & MOUV__OP_WRITE) != 0;
    bool scope = !iteration && mouv__current_deadline_ns() != MOUV__NEVER;
    if (limit->timeout.ms == MOUV__TIMEOUT_UNSET && !scope)
        mouv__command_fail(command, MOUV_EINVAL, "option 'timeoutMode' without 'timeoutMS'");
    else if (iteration && writes)
        mouv__command_fail(command, MOUV_EINVAL,
                           "option 'timeoutMode': a pipeline with $out or $merge has no iteration");
    else if (!iteration && command->opts.tailable)
        mouv__command_fail(command, MOUV_EINVAL,
                           "option 'timeoutMode': a tailable cursor has iteration alone");
}

void mouv__cursor_timeout_init(mouv__cursor_timeout_t *limit, mouv__command_t *command) {
    const mouv__opts_t *opts = &command->opts;
    bool writes = (command->row->operation.flags & MOUV__OP_WRITE) != 0;
    limit->timeout = mouv__command_timeout(command);
    limit->deadline_ns = MOUV__NEVER;
    limit->close_ms = limit->timeout.ms;
    limit->mode = opts->tailable ? MOUV__TIMEOUT_ITERATION : MOUV__TIMEOUT_LIFETIME;
    limit->within = writes || opts->single_batch || opts->limit < 0;
    if (mouv__command_failed(command)) return;
    if (opts->timeout_mode.data) {
        limit->mode = timeout_read_mode(command);
        limit->within = limit->within || limit->mode == MOUV__TIMEOUT_LIFETIME;
        timeout_check_mode(command, limit);
    }
    mouv__command_check_await(command, limit->timeout);
}

void mouv__cursor_timeout_begin(mouv__cursor_timeout_t *limit, mouv__operation_t *op,
                                int64_t deadline_ns, bool await_data) {
    int64_t own_ns = mouv__timeout_end_ns(op->client, limit->timeout);
    bool lifetime = limit->mode == MOUV__TIMEOUT_LIFETIME;
    if (lifetime) {
        limit->deadline_ns = own_ns;
        if (limit->within && deadline_ns < own_ns) limit->deadline_ns = deadline_ns;
    }
    op->has_timeout = limit->timeout.ms != MOUV__TIMEOUT_UNSET;
    timeout_shorten(op, own_ns);
    if (limit->within) return;
    op->own_limit = true;
    op->limit_ns = lifetime || await_data ? own_ns : MOUV__NEVER;
}

void mouv__cursor_timeout_go_on(const mouv__cursor_timeout_t *limit, mouv__operation_t *op) {
    op->has_timeout = limit->timeout.ms != MOUV__TIMEOUT_UNSET;
    timeout_shorten(op, limit->deadline_ns);
}

int64_t mouv__cursor_timeout_wait_ns(const mouv__cursor_timeout_t *limit,
                                     const mouv_client_t *client) {
    if (limit->mode == MOUV__TIMEOUT_LIFETIME) return limit->deadline_ns;
    return mouv__timeout_end_ns(client, limit->timeout);
}
