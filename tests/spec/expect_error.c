/*
 * Whether an operation's error is the one that a test expects.
 */
#include <string.h>
#include <strings.h>

#include "spec/match.h"
#include "spec/operations.h"
#include "spec/view.h"

/* --- What is known of the error -------------------------------------------------------------- */

/** What the server said to the operation's last command, NULL if that was no error. */
static const bson_t *answer(const spec_call_t *call) {
    const spec_entity_t *client = call->object ? call->object->client : NULL;
    return client && client->events ? client->events->answer : NULL;
}

/** A code of the server's; GridFS has errors of its own, with codes of libmongoc's. */
static bool is_from_server(const spec_call_t *call) {
    const mouv_error_t *error = &call->error;
    if (strcmp(error->operation, "gridfs") == 0) return false;
    if (error->code == MOUV_ESERVER) return error->server_code != 0 || answer(call);
    return error->server_code != 0 && error->code_name[0] != '\0';
}

static bool contains(const char *text, const char *part) {
    for (; text && *text; text++) {
        if (strncasecmp(text, part, strlen(part)) == 0) return true;
    }
    return text && !*part;
}

typedef bool (*test_fn_t)(const bson_t *error, const bson_value_t *expected);

static bool has_text(const bson_t *error, const bson_value_t *expected) {
    return contains(spec_string(error, "errmsg"), expected->value.v_utf8.str);
}

static bool has_code_name(const bson_t *error, const bson_value_t *expected) {
    const char *name = spec_string(error, "codeName");
    return name && strcasecmp(name, expected->value.v_utf8.str) == 0;
}

static bool has_code(const bson_t *error, const bson_value_t *expected) {
    return spec_int(error, "code", 0) == expected->value.v_int32;
}

/** Whether an element of an array (NULL: none) passes. */
static bool any_of(const bson_t *errors, test_fn_t test, const bson_value_t *expected) {
    bson_iter_t iter;
    bson_t each;
    bson_iter_init(&iter, errors);
    while (bson_iter_next(&iter)) {
        if (spec_document_at(&iter, &each) && test(&each, expected)) return true;
    }
    return false;
}

/** Whether one of the errors in a document, or it itself, passes. */
static bool any_in(const bson_t *document, test_fn_t test, const bson_value_t *expected) {
    static const char *const lists[] = {"writeErrors", "writeConcernErrors"};
    bson_t inner;
    if (!document) return false;
    if (test(document, expected)) return true;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        spec_document(document, lists[i], &inner);
        if (any_of(&inner, test, expected)) return true;
    }
    return spec_document(document, "writeConcernError", &inner) && test(&inner, expected);
}

/** In the reply that mouv gives with the error, or in the server's. */
static bool anywhere(const spec_call_t *call, test_fn_t test, const bson_value_t *expected) {
    return any_in(call->reply, test, expected) || any_in(answer(call), test, expected);
}

/* --- Assertions ------------------------------------------------------------------------------ */

static bool differs(spec_call_t *call, const char *expectation) {
    return spec_fail(call->test, "expected %s: got %s: %s (server code %d '%s', labels '%s')",
                     expectation, mouv_error_name(call->error.code), call->error.message,
                     call->error.server_code, call->error.code_name, call->error.labels);
}

static bool check_is_error(spec_call_t *call, const bson_value_t *expected) {
    return expected->value.v_bool || spec_fail(call->test, "isError cannot be false");
}

static bool check_client_error(spec_call_t *call, const bson_value_t *expected) {
    return is_from_server(call) != expected->value.v_bool ||
           differs(call, expected->value.v_bool ? "a client error" : "no client error");
}

static bool check_timeout_error(spec_call_t *call, const bson_value_t *expected) {
    return mouv_error_is_timeout(&call->error) == expected->value.v_bool ||
           differs(call, expected->value.v_bool ? "a timeout" : "no timeout");
}

static bool check_contains(spec_call_t *call, const bson_value_t *expected) {
    return contains(call->error.message, expected->value.v_utf8.str) ||
           anywhere(call, has_text, expected) || differs(call, expected->value.v_utf8.str);
}

static bool check_code(spec_call_t *call, const bson_value_t *expected) {
    return (is_from_server(call) && call->error.server_code == expected->value.v_int32) ||
           anywhere(call, has_code, expected) || differs(call, "another code");
}

static bool check_code_name(spec_call_t *call, const bson_value_t *expected) {
    return strcasecmp(call->error.code_name, expected->value.v_utf8.str) == 0 ||
           anywhere(call, has_code_name, expected) || differs(call, expected->value.v_utf8.str);
}

static bool check_labels(spec_call_t *call, const bson_value_t *labels, bool wanted) {
    bson_t list;
    bson_iter_t iter;
    bson_init_static(&list, labels->value.v_doc.data, labels->value.v_doc.data_len);
    bson_iter_init(&iter, &list);
    while (bson_iter_next(&iter)) {
        const char *label = spec_string_at(&iter);
        if (mouv_error_has_label(&call->error, label) == wanted) continue;
        return differs(call, wanted ? label : "fewer labels");
    }
    return true;
}

static bool check_labels_contain(spec_call_t *call, const bson_value_t *labels) {
    return check_labels(call, labels, true);
}

static bool check_labels_omit(spec_call_t *call, const bson_value_t *labels) {
    return check_labels(call, labels, false);
}

static bool check_response(spec_call_t *call, const bson_value_t *expected) {
    const bson_t *document = answer(call) ? answer(call) : call->reply;
    if (!document) return differs(call, "a response of the server");
    bson_value_t actual = spec_value_of(document, false);
    return spec_match_or_fail(call->test, "errorResponse", expected, &actual, true);
}

static bool check_result(spec_call_t *call, const bson_value_t *expected) {
    bson_value_t actual;
    if (call->reply) actual = spec_value_of(call->reply, false);
    return spec_match_or_fail(call->test, "result beside the error", expected,
                              call->reply ? &actual : NULL, true);
}

/** The element of `writeErrors` that has this index. */
static bool find_write_error(const bson_t *errors, int64_t index, bson_t *error) {
    bson_iter_t iter;
    bson_iter_init(&iter, errors);
    while (bson_iter_next(&iter)) {
        if (spec_document_at(&iter, error) && spec_int(error, "index", -1) == index) return true;
    }
    return false;
}

/** {"<index>": {code, ...}} */
static bool check_write_errors(spec_call_t *call, const bson_value_t *expected) {
    bson_t wanted, errors, error;
    bson_iter_t iter;
    const bson_t *reply = call->reply;
    if (!reply || !spec_document(reply, "writeErrors", &errors))
        return differs(call, "writeErrors");
    bson_init_static(&wanted, expected->value.v_doc.data, expected->value.v_doc.data_len);
    if (bson_count_keys(&wanted) != bson_count_keys(&errors)) {
        return differs(call, "another number of writeErrors");
    }
    bson_iter_init(&iter, &wanted);
    while (bson_iter_next(&iter)) {
        int64_t index = bson_ascii_strtoll(bson_iter_key(&iter), NULL, 10);
        if (!find_write_error(&errors, index, &error)) return differs(call, "another writeError");
        bson_value_t actual = spec_value_of(&error, false);
        if (!spec_match_or_fail(call->test, "writeErrors", bson_iter_value(&iter), &actual, true)) {
            return false;
        }
    }
    return true;
}

static bool check_concern_errors(spec_call_t *call, const bson_value_t *expected) {
    bson_t errors;
    if (!call->reply || !spec_document(call->reply, "writeConcernErrors", &errors)) {
        return differs(call, "writeConcernErrors");
    }
    bson_value_t actual = spec_value_of(&errors, true);
    return spec_match_or_fail(call->test, "writeConcernErrors", expected, &actual, true);
}

static const struct {
    const char *name;
    bool (*check)(spec_call_t *call, const bson_value_t *expected);
} assertions[] = {
    {"isError", check_is_error},
    {"isClientError", check_client_error},
    {"isTimeoutError", check_timeout_error},
    {"errorContains", check_contains},
    {"errorCode", check_code},
    {"errorCodeName", check_code_name},
    {"errorLabelsContain", check_labels_contain},
    {"errorLabelsOmit", check_labels_omit},
    {"errorResponse", check_response},
    {"expectResult", check_result},
    {"writeErrors", check_write_errors},
    {"writeConcernErrors", check_concern_errors},
};

static bool check(spec_call_t *call, const bson_iter_t *iter) {
    for (size_t i = 0; i < sizeof assertions / sizeof *assertions; i++) {
        if (strcmp(assertions[i].name, bson_iter_key(iter)) == 0) {
            return assertions[i].check(call, bson_iter_value((bson_iter_t *)iter));
        }
    }
    return spec_unsupported(call->test, "expectError: %s", bson_iter_key(iter));
}

bool spec_error_check(spec_call_t *call, const bson_t *expected) {
    bson_iter_t iter;
    bson_iter_init(&iter, expected);
    while (bson_iter_next(&iter)) {
        if (!check(call, &iter)) return false;
    }
    return true;
}
