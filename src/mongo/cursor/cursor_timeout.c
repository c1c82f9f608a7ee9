/*
 * timeoutMS of a cursor.
 */
#include "mongo/cursor/cursor_timeout.h"

#include <string.h>

#include "async/task/runtime.h"
#include "mongo/command/command.h"

/** `timeoutMode` as given. */
static mouv__timeout_mode_t cursor_timeout_read_mode(mouv__command_t *command) {
    const char *text = (const char *)command->opts.timeout_mode.data;
    if (strcmp(text, "iteration") == 0) return MOUV__TIMEOUT_ITERATION;
    if (strcmp(text, "cursorLifetime") != 0)
        mouv__command_fail(command, MOUV_EINVAL,
                           "option 'timeoutMode': expected 'cursorLifetime' or 'iteration', got "
                           "'%.40s'",
                           text);
    return MOUV__TIMEOUT_LIFETIME;
}

static void cursor_timeout_check_mode(mouv__command_t *command,
                                      const mouv__cursor_timeout_t *limit) {
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
    bool stream = command->row->families & MOUV__FAMILY_STREAM;
    bool writes = (command->row->operation.flags & MOUV__OP_WRITE) != 0;
    limit->timeout = mouv__command_timeout(command);
    limit->deadline_ns = MOUV__NEVER;
    limit->close_ms = limit->timeout.ms;
    limit->mode = opts->tailable || stream ? MOUV__TIMEOUT_ITERATION : MOUV__TIMEOUT_LIFETIME;
    limit->within = writes || opts->single_batch || opts->limit < 0;
    if (mouv__command_failed(command)) return;
    if (opts->timeout_mode.data && stream) {
        mouv__command_fail(command, MOUV_EINVAL,
                           "option 'timeoutMode': a change stream has iteration alone");
    } else if (opts->timeout_mode.data) {
        limit->mode = cursor_timeout_read_mode(command);
        limit->within = limit->within || limit->mode == MOUV__TIMEOUT_LIFETIME;
        cursor_timeout_check_mode(command, limit);
    }
    mouv__command_check_await(command, limit->timeout);
}

static void cursor_timeout_shorten(const mouv__cursor_timeout_t *limit, mouv__operation_t *op,
                                   int64_t deadline_ns) {
    op->parts.has_timeout = limit->timeout.ms != MOUV__TIMEOUT_UNSET;
    if (deadline_ns < op->deadline_ns) op->deadline_ns = deadline_ns;
}

/** maxTimeMS says this, whatever the deadline: the cursor may outlive that. */
static void cursor_timeout_own_limit(mouv__operation_t *op, int64_t limit_ns) {
    op->own_limit = true;
    op->limit_ns = limit_ns;
}

void mouv__cursor_timeout_begin(mouv__cursor_timeout_t *limit, mouv__operation_t *op,
                                int64_t deadline_ns, bool await_data) {
    int64_t own_ns = mouv__timeout_end_ns(op->client, limit->timeout);
    bool lifetime = limit->mode == MOUV__TIMEOUT_LIFETIME;
    if (lifetime) {
        limit->deadline_ns = own_ns;
        if (limit->within && deadline_ns < own_ns) limit->deadline_ns = deadline_ns;
    }
    cursor_timeout_shorten(limit, op, own_ns);
    if (!limit->within) cursor_timeout_own_limit(op, lifetime || await_data ? own_ns : MOUV__NEVER);
}

void mouv__cursor_timeout_begin_stream(const mouv__cursor_timeout_t *limit, mouv__operation_t *op,
                                       int64_t limit_ns) {
    cursor_timeout_shorten(limit, op, MOUV__NEVER);
    if (op->parts.has_timeout) cursor_timeout_own_limit(op, limit_ns);
}

void mouv__cursor_timeout_go_on(const mouv__cursor_timeout_t *limit, mouv__operation_t *op) {
    cursor_timeout_shorten(limit, op, limit->deadline_ns);
}

int64_t mouv__cursor_timeout_wait_ns(const mouv__cursor_timeout_t *limit,
                                     const mouv_client_t *client) {
    if (limit->mode == MOUV__TIMEOUT_LIFETIME) return limit->deadline_ns;
    return mouv__timeout_end_ns(client, limit->timeout);
}
