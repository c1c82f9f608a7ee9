/*
 * Running one operation: its entity, its row, its outcome against what the test expects.
 */
#include <string.h>

#include "spec/match.h"
#include "spec/operations.h"
#include "spec/view.h"

/* --- Finding --------------------------------------------------------------------------------- */

/** The tables of each kind, ending with NULL. */
static const spec_operation_t *const tables[SPEC_KINDS][4] = {
    [SPEC_CLIENT] = {spec_client_operations},
    [SPEC_DATABASE] = {spec_database_operations},
    [SPEC_COLLECTION] = {spec_collection_operations, spec_collection_writes, spec_index_operations},
    [SPEC_SESSION] = {spec_session_operations},
    [SPEC_BUCKET] = {spec_bucket_operations},
    [SPEC_CURSOR] = {spec_cursor_operations},
    [SPEC_CHANGE_STREAM] = {spec_change_stream_operations},
};
static const spec_operation_t *const runner_tables[] = {spec_runner_operations,
                                                        spec_thread_operations, NULL};

static const spec_operation_t *find_row(const spec_operation_t *const *each, const char *name) {
    for (; *each; each++) {
        for (const spec_operation_t *row = *each; row->name; row++) {
            if (strcmp(row->name, name) == 0) return row;
        }
    }
    return NULL;
}

static bool find(spec_call_t *call, const bson_t *definition) {
    const char *object = spec_string(definition, "object");
    const char *name = spec_string(definition, "name");
    bool runner = strcmp(object, "testRunner") == 0;
    if (!runner) {
        call->object = spec_entity(call->test, object);
        if (!call->object) return false;
    }
    call->operation = find_row(runner ? runner_tables : tables[call->object->kind], name);
    return call->operation ||
           spec_unsupported(call->test, "operation '%s' of a %s", name,
                            runner ? "test runner" : spec_kind_name(call->object->kind));
}

/* --- Judging --------------------------------------------------------------------------------- */

static const bson_value_t *entity_value(void *context, const char *id) {
    spec_entity_t *entity = spec_entity_of(context, id, SPEC_VALUE);
    return entity ? &entity->is.value : NULL;
}

static const bson_t *entity_lsid(void *context, const char *id) {
    spec_entity_t *entity = spec_entity_of(context, id, SPEC_SESSION);
    return entity ? mouv_session_lsid(entity->is.session) : NULL;
}

bool spec_match_or_fail(spec_test_t *test, const char *what, const bson_value_t *expected,
                        const bson_value_t *actual, bool root) {
    const spec_match_entities_t entities = {test, entity_value, entity_lsid};
    spec_text_t *why = spec_text_new(NULL);
    bool matches = spec_match(expected, actual, root, &entities, why);
    if (!matches) {
        AUTO_TEXT *text = spec_text(actual);
        spec_fail(test, "%s: %s; it is %s", what, why->str, text);
    }
    spec_text_free(why, true);
    return matches;
}

/** An array that is one value (distinct) is none of root-level documents. */
bool spec_result_check(spec_call_t *call, const bson_value_t *expected) {
    bool plain = call->has_result && call->result.value_type == BSON_TYPE_ARRAY && !call->rows;
    return spec_match_or_fail(call->test, "result", expected,
                              call->has_result ? &call->result : NULL, !plain);
}

static bool save(spec_call_t *call, const char *id) {
    if (call->made.kind != SPEC_KINDS) {
        spec_entity_t *entity = spec_entity_add(call->test, id, call->made.kind);
        if (!entity) return false;
        entity->client = call->made.client;
        entity->is = call->made.is;
        call->made.kind = SPEC_KINDS;
        return true;
    }
    if (!call->has_result) return spec_fail(call->test, "there is no result to save as '%s'", id);
    return spec_entity_add_value(call->test, id, &call->result);
}

/** The test's expectations; not all of them may stand together. */
static bool judge(spec_call_t *call, const bson_t *definition) {
    bson_t expected_error;
    bson_iter_t iter;
    const bson_value_t *expected = spec_value(definition, "expectResult", &iter);
    const char *save_as = spec_string(definition, "saveResultAsEntity");
    if (spec_bool(definition, "ignoreResultAndError", false)) return true;
    if (spec_document(definition, "expectError", &expected_error)) {
        if (call->rc >= 0) return spec_fail(call->test, "succeeded, an error was expected");
        return spec_error_check(call, &expected_error);
    }
    if (call->rc < 0) {
        return spec_fail(call->test, "%s: %s (server code %d)", mouv_error_name(call->error.code),
                         call->error.message, call->error.server_code);
    }
    if (expected && !spec_result_check(call, expected)) return false;
    return !save_as || save(call, save_as);
}

/* --- Running --------------------------------------------------------------------------------- */

/** What nobody saved. */
static void drop_made(spec_call_t *call) {
    if (call->made.kind == SPEC_CURSOR) mouv_cursor_unref(call->made.is.cursor);
    if (call->made.kind == SPEC_CHANGE_STREAM)
        mouv_change_stream_unref(call->made.is.change_stream);
}

/** A server's answer is that of this operation from here on. */
static void forget_answer(spec_entity_t *object) {
    spec_events_t *events = object && object->client ? object->client->events : NULL;
    if (!events) return;
    bson_destroy(events->answer);
    events->answer = NULL;
}

bool spec_operation_run_with(spec_test_t *test, const bson_t *definition, mouv_error_t *error) {
    bson_t arguments;
    spec_call_t call = {.test = test, .arguments = &arguments, .made.kind = SPEC_KINDS};
    spec_document(definition, "arguments", &arguments);
    *error = (mouv_error_t){0};
    bool ok = find(&call, definition) && spec_call_read(&call);
    if (ok) forget_answer(call.object);
    ok = ok && call.operation->run(&call) && judge(&call, definition);
    if (call.rc < 0) *error = call.error;
    drop_made(&call);
    spec_call_clear(&call);
    return ok && !test->failed;
}

bool spec_operation_run(spec_test_t *test, const bson_t *definition) {
    mouv_error_t error;
    return spec_operation_run_with(test, definition, &error);
}

bool spec_operations_run(spec_test_t *test, const bson_t *definitions) {
    bson_t definition;
    bson_iter_t iter;
    bson_iter_init(&iter, definitions);
    for (int index = 0; bson_iter_next(&iter); index++) {
        spec_document_at(&iter, &definition);
        if (spec_operation_run(test, &definition)) continue;
        spec_locate(test, "operation %d (%s)", index, spec_string(&definition, "name"));
        return false;
    }
    return true;
}
