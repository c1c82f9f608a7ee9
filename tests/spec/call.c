/*
 * What an operation came to: its error, or its result as the format describes it.
 */
#include "spec/call.h"

#include "spec/view.h"

bool spec_await(spec_call_t *call, mouv_future_t future) {
    call->rc = mouv_await(future, &call->error);
    return call->rc >= 0;
}

void spec_failed(spec_call_t *call, const mouv_error_t *error) {
    call->rc = error->code;
    call->error = *error;
}

/* --- Results --------------------------------------------------------------------------------- */

bool spec_result_value(spec_call_t *call, const bson_value_t *value) {
    bson_value_copy(value, &call->result);
    call->has_result = true;
    return true;
}

static bool take(spec_call_t *call, bson_t *document, bool array) {
    if (!document) return true;
    bson_value_t value = spec_value_of(document, array);
    spec_result_value(call, &value);
    bson_destroy(document);
    return true;
}

bool spec_result_document(spec_call_t *call, bson_t *document) {
    return take(call, document, false);
}

bool spec_result_array(spec_call_t *call, bson_t *array) {
    return take(call, array, true);
}

bool spec_result_rows(spec_call_t *call, bson_t *array) {
    call->rows = true;
    return take(call, array, true);
}

bool spec_result_int(spec_call_t *call, int64_t number) {
    bson_value_t value = {.value_type = BSON_TYPE_INT64, .value.v_int64 = number};
    return spec_result_value(call, &value);
}

bool spec_result_string(spec_call_t *call, const char *string) {
    AUTO_BSON *holder = bson_new();
    bson_iter_t iter;
    BSON_APPEND_UTF8(holder, "string", string);
    return spec_result_value(call, spec_value(holder, "string", &iter));
}

bool spec_result_names(spec_call_t *call, char **names) {
    if (!names) return true;
    bson_t *array = bson_new();
    for (char **name = names; *name; name++) spec_append_string(array, *name);
    bson_strfreev(names);
    return spec_result_array(call, array);
}

/* --- Shapes of operations -------------------------------------------------------------------- */

bool spec_note_write(spec_call_t *call, bson_t *reply) {
    if (call->rc >= 0) return spec_result_document(call, reply);
    call->reply = reply;
    return true;
}

bool spec_take_write(spec_call_t *call, mouv_future_t future, bson_t **reply) {
    spec_await(call, future);
    return spec_note_write(call, *reply);
}

bool spec_take_document(spec_call_t *call, mouv_future_t future, bson_t **document) {
    static const bson_value_t nothing = {.value_type = BSON_TYPE_NULL};
    if (!spec_await(call, future)) return true;
    return *document ? spec_result_document(call, *document) : spec_result_value(call, &nothing);
}

bool spec_take_rows(spec_call_t *call, mouv_cursor_t *cursor) {
    bson_t *list = NULL;
    if (spec_await(call, mouv_cursor_to_list_future(cursor, 0, &list))) {
        spec_result_rows(call, list);
    }
    mouv_cursor_unref(cursor);
    if (call->rc < 0) spec_client_settle(call->object->client);
    return true;
}

void spec_call_clear(spec_call_t *call) {
    if (call->has_result) bson_value_destroy(&call->result);
    bson_destroy(call->reply);
    bson_destroy(call->opts);
}
