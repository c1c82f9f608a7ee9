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
#include "mongo/api/client.h"
#include "mongo/base/concern.h"
#include "mongo/command/command.h"
#include "mongo/session/session.h"

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
    return client->timeout_ms;
}

mouv__timeout_t mouv__timeout_of(mouv__command_t *command) {
    mouv__timeout_t timeout = {command->opts.timeout_ms, MOUV__NEVER};
    const mouv_session_t *session = command->session;
    if (mouv__command_failed(command) || !command->database->client) return timeout;
    if (session && session->limited) {
        if (timeout.ms != MOUV__TIMEOUT_UNSET)
            mouv__command_fail(command, MOUV_EINVAL,
                               "option 'timeoutMS': inside mouv_with_transaction() its own limit "
                               "counts for all that is done in its session");
        return session->limit;
    }
    if (timeout.ms == MOUV__TIMEOUT_UNSET)
        timeout.ms = mouv__timeout_inherited(command->database->client, command->defaults);
    return timeout;
}

/* --- Operations ------------------------------------------------------------------------------ */

int64_t mouv__timeout_end_ns(const mouv_client_t *client, mouv__timeout_t timeout) {
    if (timeout.until_ns != MOUV__NEVER) return timeout.until_ns;
    return timeout.ms > 0 ? mouv__deadline_in(mouv__client_runtime(client), timeout.ms)
                          : MOUV__NEVER;
}

int64_t mouv__time_for_server_ms(const mouv_client_t *client, int64_t until_ns) {
    int64_t rtt_ns = __atomic_load_n(&client->driver_pool->least_rtt_ns, __ATOMIC_RELAXED);
    int64_t heartbeat_ns = mouv__listener_rtt_ms(client->driver_pool->listener) * MS_NS;
    if (heartbeat_ns > rtt_ns) rtt_ns = heartbeat_ns;
    return (until_ns - mouv__client_now_ns(client) - rtt_ns) / MS_NS;
}

static void timeout_shorten(mouv__operation_t *op, int64_t deadline_ns) {
    if (deadline_ns < op->deadline_ns) op->deadline_ns = deadline_ns;
}

void mouv__operation_set_timeout(mouv__operation_t *op, mouv__timeout_t timeout) {
    if (timeout.ms == MOUV__TIMEOUT_UNSET) return;
    op->has_timeout = true;
    timeout_shorten(op, mouv__timeout_end_ns(op->client, timeout));
}

void mouv__operation_set_cleanup_timeout(mouv__operation_t *op, int64_t ms) {
    if (ms <= 0) return;
    op->has_timeout = true;
    op->own_limit = true;
    op->deadline_ns = op->limit_ns = mouv__deadline_in(mouv__client_runtime(op->client), ms);
}

/** {writeConcern: {...}} anew without wtimeout; false: it has none. */
static bool timeout_replace_concern(mouv__operation_t *op) {
    bson_t concern;
    if (!mouv__view_inside(op->command, "writeConcern", &concern) ||
        !bson_has_field(&concern, "wtimeout"))
        return false;
    bson_t *untimed = bson_new(), *command = bson_new();
    bson_copy_to_excluding_noinit(&concern, untimed, "wtimeout", NULL);
    bson_copy_to_excluding_noinit(op->command, command, "writeConcern", NULL);
    BSON_APPEND_DOCUMENT(command, "writeConcern", untimed);
    bson_destroy(untimed);
    bson_destroy(op->command);
    op->command = command;
    return true;
}

void mouv__operation_drop_old_timeouts(mouv__operation_t *op) {
    if (!op->has_timeout) return;
    op->user_max_time_ms = 0;
    timeout_replace_concern(op);
}

void mouv__append_untimed_concern(bson_t *to, const bson_t *write_concern) {
    bson_t concern, *untimed = bson_new();
    if (mouv__view_inside(write_concern, "writeConcern", &concern))
        bson_copy_to_excluding_noinit(&concern, untimed, "wtimeout", NULL);
    if (!bson_empty(untimed)) BSON_APPEND_DOCUMENT(to, "writeConcern", untimed);
    bson_destroy(untimed);
}

void mouv__timeout_check_await(mouv__command_t *command, mouv__timeout_t timeout) {
    int64_t await_ms = command->opts.max_await_ms;
    if (timeout.ms > 0 && await_ms >= timeout.ms)
        mouv__command_fail(command, MOUV_EINVAL,
                           "option 'maxAwaitTimeMS': %lld is not less than the 'timeoutMS' of %lld",
                           (long long)await_ms, (long long)timeout.ms);
}
