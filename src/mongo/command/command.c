/*
 * Building commands, and handing them over as operations whose results find their way to the user.
 */
#include "mongo/command/command.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "async/loop/error.h"
#include "async/task/runtime.h"
#include "mongo/base/check.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/concern.h"
#include "mongo/command/handles.h"
#include "mongo/operation/limits.h"
#include "mongo/session/session.h"

/* --- Building ------------------------------------------------------------------------------- */

void mouv__command_fail(mouv__command_t *command, int code, const char *format, ...) {
    if (mouv__command_failed(command)) return;
    va_list args;
    va_start(args, format);
    mouv__error_vset(&command->error, code, format, args);
    va_end(args);
}

unsigned mouv__command_validation(const mouv__command_t *command) {
    return command->opts.validate ? MOUV__VALIDATE_DEFAULT : (unsigned)BSON_VALIDATE_NONE;
}

/** What every way to begin shares; false: there is nothing to go on with. */
static bool command_begin(mouv__command_t *command, const mouv__row_t *row,
                          mouv_database_t *database) {
    command->row = row;
    command->database = database;
    command->read_prefs = NULL;
    command->session = NULL;
    command->server_id = 0;
    command->defaults = database ? database->defaults : NULL;
    command->ended = false;
    command->error.code = 0;
    command->bson = bson_new();
    mouv__opts_read(&command->opts, row->families, NULL, &command->error);
    if (!database) {
        mouv__command_fail(command, MOUV_EINVAL, "the client, database or collection is NULL");
    } else if (!database->client) {
        bool unmade = mouv__handles_is_unmade(database);
        mouv__command_fail(command, unmade ? MOUV_ENOMEM : MOUV_EINVAL,
                           unmade ? "there was no memory for the handle" : "the client is NULL");
    }
    if (mouv__command_failed(command)) command->database = NULL;
    return command->database != NULL;
}

static void command_read_opts(mouv__command_t *command, const bson_t *opts) {
    if (mouv__command_failed(command)) return;
    mouv__opts_read(&command->opts, command->row->families, opts, &command->error);
}

void mouv__command_begin_named(mouv__command_t *command, const mouv__row_t *row,
                               mouv_database_t *database, const char *collection,
                               const bson_t *opts) {
    if (!command_begin(command, row, database)) return;
    if (mouv__check_collection_name(database->name, collection, &command->error) == 0) {
        BSON_APPEND_UTF8(command->bson, row->operation.name, collection);
    }
    command_read_opts(command, opts);
}

void mouv__command_begin(mouv__command_t *command, const mouv__row_t *row,
                         const mouv_collection_t *collection, const bson_t *opts) {
    mouv__command_begin_named(command, row, collection ? collection->database : NULL,
                              collection ? collection->name : NULL, opts);
    if (collection) command->defaults = collection->defaults;
}

void mouv__command_begin_database(mouv__command_t *command, const mouv__row_t *row,
                                  mouv_database_t *database, const bson_t *opts) {
    if (!command_begin(command, row, database)) return;
    BSON_APPEND_INT32(command->bson, row->operation.name, 1);
    command_read_opts(command, opts);
}

void mouv__command_begin_bare(mouv__command_t *command, const mouv__row_t *row,
                              mouv_database_t *database, const bson_t *opts) {
    if (command_begin(command, row, database)) command_read_opts(command, opts);
}

void mouv__command_begin_given(mouv__command_t *command, const mouv__row_t *row,
                               mouv_database_t *database, const bson_t *given, const bson_t *opts) {
    if (!command_begin(command, row, database)) return;
    if (mouv__command_checks(command, given, "command")) bson_concat(command->bson, given);
    if (bson_empty(command->bson)) mouv__command_fail(command, MOUV_EINVAL, "'command' is empty");
    command_read_opts(command, opts);
}

bool mouv__command_checks(mouv__command_t *command, const bson_t *document, const char *argument) {
    return !mouv__command_failed(command) &&
           mouv__check_document(document, argument, MOUV__VALIDATE_DEFAULT, &command->error) == 0;
}

void mouv__command_document(mouv__command_t *command, const char *key, const bson_t *document,
                            const char *argument) {
    if (mouv__command_checks(command, document, argument)) {
        bson_append_document(command->bson, key, -1, document);
    }
}

void mouv__command_empty(mouv__command_t *command, const char *key) {
    bson_t empty = BSON_INITIALIZER;
    if (!mouv__command_failed(command)) bson_append_document(command->bson, key, -1, &empty);
}

void mouv__command_update(mouv__command_t *command, const char *key, const bson_t *update) {
    if (mouv__command_failed(command)) return;
    unsigned flags = mouv__command_validation(command);
    if (mouv__check_update(update, flags, &command->error) < 0) return;
    if (mouv__check_is_pipeline(update)) {
        bson_append_array(command->bson, key, -1, update);
    } else {
        bson_append_document(command->bson, key, -1, update);
    }
}

void mouv__command_replacement(mouv__command_t *command, const char *key,
                               const bson_t *replacement) {
    if (mouv__command_failed(command)) return;
    unsigned flags = mouv__command_validation(command);
    if (mouv__check_replacement(replacement, flags, &command->error) == 0) {
        bson_append_document(command->bson, key, -1, replacement);
    }
}

/** `pipeline` itself, or the array in its field of that name, as a view. False: neither. */
static bool command_view_pipeline(const bson_t *pipeline, bson_t *view) {
    bson_iter_t iter;
    const uint8_t *data = bson_get_data(pipeline);
    uint32_t length = pipeline->len;
    if (bson_iter_init_find(&iter, pipeline, "pipeline")) {
        if (!BSON_ITER_HOLDS_ARRAY(&iter)) return false;
        bson_iter_array(&iter, &length, &data);
    }
    return bson_init_static(view, data, length);
}

void mouv__command_pipeline(mouv__command_t *command, const bson_t *pipeline) {
    bson_t stages;
    if (!mouv__command_checks(command, pipeline, "pipeline")) return;
    if (!command_view_pipeline(pipeline, &stages)) {
        mouv__command_fail(command, MOUV_EINVAL, "'pipeline': expected an array");
    } else if (mouv__check_stages(&stages, &command->error) == 0) {
        bson_append_array(command->bson, "pipeline", -1, &stages);
    }
}

void mouv__command_string(mouv__command_t *command, const char *key, const char *value) {
    if (mouv__command_failed(command)) return;
    if (!value) {
        mouv__command_fail(command, MOUV_EINVAL, "'%s' is NULL", key);
    } else if (!bson_utf8_validate(value, strlen(value), false)) {
        mouv__command_fail(command, MOUV_EINVAL, "'%s' is not UTF-8", key);
    } else {
        bson_append_utf8(command->bson, key, -1, value, -1);
    }
}

void mouv__command_bool(mouv__command_t *command, const char *key, bool value) {
    if (!mouv__command_failed(command)) bson_append_bool(command->bson, key, -1, value);
}

void mouv__command_int(mouv__command_t *command, const char *key, int64_t value) {
    if (mouv__command_failed(command)) return;
    if (value >= INT32_MIN && value <= INT32_MAX) {
        bson_append_int32(command->bson, key, -1, (int32_t)value);
    } else {
        bson_append_int64(command->bson, key, -1, value);
    }
}

/* --- Sending -------------------------------------------------------------------------------- */

void mouv__command_end(mouv__command_t *command) {
    if (mouv__command_failed(command) || command->ended) return;
    command->ended = true;
    if (command->defaults && command->defaults->error) {
        command->error = *command->defaults->error;
    }
    const mouv__view_t *preference = &command->opts.read_preference;
    if (preference->data) {
        command->read_prefs = mouv__concern_parse_read_prefs(preference);
        if (!command->read_prefs)
            mouv__command_fail(command, MOUV_EINVAL, "option 'readPreference' makes no sense");
    }
    if (command->opts.session_id != 0 && !mouv__client_is_elsewhere(command->database->client))
        command->session = mouv__session_find(command->database->client, command->opts.session_id,
                                              &command->error);
    int64_t server_id = command->opts.server_id; /* as events of monitoring have it */
    command->server_id = server_id <= UINT32_MAX ? (uint32_t)server_id : 0;
    if (server_id > UINT32_MAX)
        mouv__command_fail(command, MOUV_EINVAL, "option 'serverId': there is no such server");
    mouv__opts_append(&command->opts, MOUV__PLACE_TOP, command->bson);
    if (command->bson->len > MOUV__COMMAND_SIZE_BYTES) {
        mouv__command_fail(command, MOUV_EINVAL,
                           "the command has %u bytes, more than the limit of %u",
                           command->bson->len, (unsigned)MOUV__COMMAND_SIZE_BYTES);
    }
}

mouv__timeout_t mouv__command_timeout(mouv__command_t *command) {
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

void mouv__command_check_await(mouv__command_t *command, mouv__timeout_t timeout) {
    int64_t await_ms = command->opts.max_await_ms;
    if (timeout.ms > 0 && await_ms >= timeout.ms)
        mouv__command_fail(command, MOUV_EINVAL,
                           "option 'maxAwaitTimeMS': %lld is not less than the 'timeoutMS' of %lld",
                           (long long)await_ms, (long long)timeout.ms);
}

void mouv__command_clear(mouv__command_t *command) {
    bson_destroy(command->bson);
    mongoc_read_prefs_destroy(command->read_prefs);
    command->bson = NULL;
    command->read_prefs = NULL;
}

static int command_finish(mouv__operation_t *operation, bson_t *reply, mouv_error_t *error) {
    mouv__request_t *request = (mouv__request_t *)operation;
    const mouv__row_t *row = (const mouv__row_t *)operation->parts.row;
    int rc = error->code;
    if (rc == 0 && row->read) {
        rc = row->read(request, reply);
        if (rc < 0) mouv__operation_fail(operation, error, rc, "the server's reply cannot be read");
    }
    if (request->output.kind == MOUV__TO_REPLY && reply) {
        request->document = mouv__reply_take(operation);
    }
    return rc;
}

mouv__request_t *mouv__command_request(mouv__command_t *command, mouv__output_t output, size_t size,
                                       mouv_future_t *failed) {
    mouv__operation_t *operation = NULL;
    mouv__timeout_t timeout = {MOUV__TIMEOUT_UNSET, MOUV__NEVER};
    if (!command->database) {
        snprintf(command->error.operation, sizeof command->error.operation, "%s",
                 command->row->operation.name);
        *failed = mouv__future_failed_with(mouv__runtime(), &command->error);
    } else {
        mouv__command_end(command);
        timeout = mouv__command_timeout(command);
        if (command->opts.timeout_mode.data)
            mouv__command_fail(command, MOUV_EINVAL, "option 'timeoutMode' is for cursors");
        operation = mouv__operation_new(command->database->client, &command->row->operation,
                                        command->database->name, command->bson, size, failed);
    }
    if (!operation) {
        mouv__command_clear(command);
        return NULL;
    }
    mouv__request_t *request = (mouv__request_t *)operation;
    operation->parts.command = command->bson;
    operation->parts.read_prefs = command->read_prefs;
    operation->parts.defaults = mouv__concern_ref(command->defaults);
    operation->server_id = command->server_id;
    if (command->session) mouv__session_attach(command->session, &operation->parts);
    mouv__limits_set_timeout(operation, timeout);
    operation->finish = command_finish;
    operation->deliver = mouv__reply_deliver;
    operation->release = mouv__reply_release;
    request->output = output;
    if (!mouv__command_failed(command)) return request;
    *failed = mouv__operation_refuse(operation, command->error.code, "%s", command->error.message);
    return NULL;
}

mouv_future_t mouv__command_send(mouv__command_t *command, mouv__output_t output) {
    mouv_future_t failed;
    mouv__request_t *request =
        mouv__command_request(command, output, sizeof(mouv__request_t), &failed);
    return request ? mouv__operation_start(&request->operation) : failed;
}

/** NamespaceNotFound is what servers before 7.0 say. */
static int command_finish_drop(mouv__operation_t *operation, bson_t *reply, mouv_error_t *error) {
    (void)operation, (void)reply;
    return error->code == MOUV_ESERVER && error->server_code == 26 ? 0 : error->code;
}

mouv_future_t mouv__command_send_to_drop(mouv__command_t *command) {
    mouv_future_t failed;
    mouv__request_t *request =
        mouv__command_request(command, mouv__reply_to_nobody(), sizeof *request, &failed);
    if (!request) return failed;
    request->operation.finish = command_finish_drop;
    return mouv__operation_start(&request->operation);
}
