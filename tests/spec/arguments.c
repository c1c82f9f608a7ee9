/*
 * From the arguments of operations to the opts of mouv.
 */
#include <string.h>
#include <strings.h>

#include "spec/call.h"
#include "spec/view.h"

/* --- Common options -------------------------------------------------------------------------- */

static bool append_session(spec_test_t *test, const bson_iter_t *iter, bson_t *opts) {
    spec_entity_t *session = spec_entity_of(test, spec_string_at(iter), SPEC_SESSION);
    if (!session) return false;
    mouv_session_append(session->is.session, opts);
    return true;
}

/** Fields under other names; what has none in `names` stays as it is. */
static bool append_renamed(const bson_iter_t *iter, const char *const (*names)[2], bson_t *opts) {
    bson_t inner;
    bson_iter_t field;
    if (!BSON_ITER_HOLDS_DOCUMENT(iter)) return bson_append_iter(opts, NULL, -1, iter);
    bson_append_document_begin(opts, bson_iter_key(iter), -1, &inner);
    bson_iter_recurse(iter, &field);
    while (bson_iter_next(&field)) {
        const char *key = bson_iter_key(&field);
        for (size_t i = 0; names[i][0]; i++) {
            if (strcmp(names[i][0], key) == 0) {
                key = names[i][1];
                break;
            }
        }
        bson_append_iter(&inner, key, -1, &field);
    }
    return bson_append_document_end(opts, &inner);
}

static bool append_read_preference(spec_test_t *test, const bson_iter_t *iter, bson_t *opts) {
    static const char *const names[][2] = {{"tagSets", "tags"}, {NULL, NULL}};
    (void)test;
    return append_renamed(iter, names, opts);
}

static bool append_write_concern(spec_test_t *test, const bson_iter_t *iter, bson_t *opts) {
    static const char *const names[][2] = {
        {"journal", "j"}, {"wtimeoutMS", "wtimeout"}, {NULL, NULL}};
    (void)test;
    return append_renamed(iter, names, opts);
}

static bool append_return_document(spec_test_t *test, const bson_iter_t *iter, bson_t *opts) {
    const char *which = spec_string_at(iter);
    bool after = which && strcasecmp(which, "After") == 0;
    if (!after && !(which && strcasecmp(which, "Before") == 0)) {
        return spec_fail(test, "returnDocument is neither Before nor After: %s", which);
    }
    return BSON_APPEND_UTF8(opts, "returnDocument", after ? "after" : "before");
}

static bool append_cursor_type(spec_test_t *test, const bson_iter_t *iter, bson_t *opts) {
    const char *type = spec_string_at(iter);
    if (!type) return spec_fail(test, "cursorType is no string");
    if (strcasecmp(type, "nonTailable") == 0) return true;
    BSON_APPEND_BOOL(opts, "tailable", true);
    if (strcasecmp(type, "tailable") == 0) return true;
    if (strcasecmp(type, "tailableAwait") != 0) {
        return spec_fail(test, "unknown cursorType: %s", type);
    }
    return BSON_APPEND_BOOL(opts, "awaitData", true);
}

bool spec_append_option(spec_test_t *test, const bson_iter_t *iter, bson_t *opts) {
    static const struct {
        const char *name;
        bool (*append)(spec_test_t *test, const bson_iter_t *iter, bson_t *opts);
    } converted[] = {
        {"cursorType", append_cursor_type},         {"readPreference", append_read_preference},
        {"returnDocument", append_return_document}, {"session", append_session},
        {"writeConcern", append_write_concern},
    };
    for (size_t i = 0; i < sizeof converted / sizeof *converted; i++) {
        if (strcmp(bson_iter_key(iter), converted[i].name) == 0) {
            return converted[i].append(test, iter, opts);
        }
    }
    return bson_append_iter(opts, NULL, -1, iter);
}

bson_t *spec_options(spec_test_t *test, const bson_t *given) {
    bson_t *opts = bson_new();
    bson_iter_t iter;
    bson_iter_init(&iter, given);
    while (bson_iter_next(&iter)) {
        if (spec_append_option(test, &iter, opts)) continue;
        bson_destroy(opts);
        return NULL;
    }
    return opts;
}

/* --- Of one call ----------------------------------------------------------------------------- */

bool spec_call_read(spec_call_t *call) {
    bson_iter_t iter;
    call->opts = bson_new();
    bson_iter_init(&iter, call->arguments);
    while (bson_iter_next(&iter)) {
        const char *name = bson_iter_key(&iter);
        if (spec_has_word(call->operation->own, name)) continue;
        if (!spec_has_word(call->operation->options, name)) {
            return spec_unsupported(call->test, "argument '%s'", name);
        }
        if (!spec_append_option(call->test, &iter, call->opts)) return false;
    }
    return true;
}

bool spec_need_document(spec_call_t *call, const char *name, bson_t *view) {
    return spec_document(call->arguments, name, view) ||
           spec_fail(call->test, "argument '%s' is missing, or no document", name);
}

const char *spec_need_string(spec_call_t *call, const char *name) {
    const char *string = spec_string(call->arguments, name);
    if (!string) spec_fail(call->test, "argument '%s' is missing, or no string", name);
    return string;
}

const bson_value_t *spec_need_value(spec_call_t *call, const char *name, bson_iter_t *iter) {
    const bson_value_t *value = spec_value(call->arguments, name, iter);
    if (!value) spec_fail(call->test, "argument '%s' is missing", name);
    return value;
}

const bson_t *spec_may_document(const spec_call_t *call, const char *name, bson_t *view) {
    spec_document(call->arguments, name, view);
    return view;
}
