/*
 * Matching of expected and actual values: documents and arrays here, leaves in scalar.c, and the
 * special operators as a table.
 */
#include "spec/match.h"

#include <string.h>

#include "spec/place.h"
#include "spec/scalar.h"

typedef struct matcher {
    const spec_match_entities_t *entities;
    spec_text_t *why;
    bool exact; /**< no operators, no flexible numbers */
} matcher_t;

static bool match_value(const matcher_t *m, const spec_place_t *place, const bson_value_t *expected,
                        const bson_value_t *actual, bool root);

/* --- What is wrong where -------------------------------------------------------------------- */

static bool mismatch_values(const matcher_t *m, const spec_place_t *place,
                            const bson_value_t *expected, const bson_value_t *actual) {
    char *wanted = spec_value_text(expected), *got = spec_value_text(actual);
    spec_complain(m->why, place, "expected %s, got %s", wanted, got);
    bson_free(wanted);
    bson_free(got);
    return false;
}

/** For operators: "expected at most 5, got int 6". */
static bool mismatch_argument(const matcher_t *m, const spec_place_t *place, const char *relation,
                              const bson_value_t *argument, const bson_value_t *actual) {
    char *wanted = spec_value_json(argument), *got = spec_value_text(actual);
    spec_complain(m->why, place, "expected %s %s, got %s", relation, wanted, got);
    bson_free(wanted);
    bson_free(got);
    return false;
}

/* --- Operators ------------------------------------------------------------------------------ */

/** An operator's work: `argument` is the value of its key, `actual` NULL if there is none. */
typedef bool (*operator_fn_t)(const matcher_t *m, const spec_place_t *place,
                              const bson_value_t *argument, const bson_value_t *actual, bool root);

static bool is_type(const bson_value_t *value, bson_type_t type) {
    return value && value->value_type == type;
}

static bool match_exists(const matcher_t *m, const spec_place_t *place,
                         const bson_value_t *argument, const bson_value_t *actual, bool root) {
    (void)root;
    if (!is_type(argument, BSON_TYPE_BOOL))
        return spec_complain(m->why, place, "$$exists needs a boolean");
    if (argument->value.v_bool == (actual != NULL)) return true;
    if (!actual) return spec_complain(m->why, place, "expected to exist, got nothing");
    char *got = spec_value_text(actual);
    spec_complain(m->why, place, "expected not to exist, got %s", got);
    bson_free(got);
    return false;
}

/** Adds what `name` stands for to `found`: whether `actual` is of that type. */
static bool match_type_name(const matcher_t *m, const spec_place_t *place, const bson_value_t *name,
                            const bson_value_t *actual, bool *found) {
    if (!is_type(name, BSON_TYPE_UTF8))
        return spec_complain(m->why, place, "$$type needs names of types");
    const char *text = name->value.v_utf8.str;
    if (!spec_type_is_known(text))
        return spec_complain(m->why, place, "$$type: unknown type '%s'", text);
    *found = *found || (actual && spec_type_has_name(actual->value_type, text));
    return true;
}

static bool match_type(const matcher_t *m, const spec_place_t *place, const bson_value_t *argument,
                       const bson_value_t *actual, bool root) {
    (void)root;
    bool found = false;
    if (is_type(argument, BSON_TYPE_ARRAY)) {
        bson_iter_t iter;
        bson_t names;
        spec_view(argument, &names);
        bson_iter_init(&iter, &names);
        while (bson_iter_next(&iter)) {
            if (!match_type_name(m, place, bson_iter_value(&iter), actual, &found)) return false;
        }
    } else if (!match_type_name(m, place, argument, actual, &found)) {
        return false;
    }
    return found || mismatch_argument(m, place, "type", argument, actual);
}

static bool match_entity(const matcher_t *m, const spec_place_t *place,
                         const bson_value_t *argument, const bson_value_t *actual, bool root) {
    if (!is_type(argument, BSON_TYPE_UTF8)) {
        return spec_complain(m->why, place, "$$matchesEntity needs the name of an entity");
    }
    const char *id = argument->value.v_utf8.str;
    const bson_value_t *entity = NULL;
    if (m->entities && m->entities->value) entity = m->entities->value(m->entities->context, id);
    if (!entity)
        return spec_complain(m->why, place, "$$matchesEntity: there is no BSON entity '%s'", id);
    return match_value(m, place, entity, actual, root);
}

static bool match_session_lsid(const matcher_t *m, const spec_place_t *place,
                               const bson_value_t *argument, const bson_value_t *actual,
                               bool root) {
    (void)root;
    if (!is_type(argument, BSON_TYPE_UTF8)) {
        return spec_complain(m->why, place, "$$sessionLsid needs the name of a session");
    }
    const char *id = argument->value.v_utf8.str;
    const bson_t *lsid = NULL;
    if (m->entities && m->entities->lsid) lsid = m->entities->lsid(m->entities->context, id);
    if (!lsid) return spec_complain(m->why, place, "$$sessionLsid: there is no session '%s'", id);
    bson_value_t expected = spec_document_value(lsid);
    const matcher_t exact = {m->entities, m->why, true};
    return match_value(&exact, place, &expected, actual, false);
}

static bool match_hex_bytes(const matcher_t *m, const spec_place_t *place,
                            const bson_value_t *argument, const bson_value_t *actual, bool root) {
    (void)root;
    size_t size;
    uint8_t *bytes = is_type(argument, BSON_TYPE_UTF8)
                         ? spec_hex_bytes(argument->value.v_utf8.str, &size)
                         : NULL;
    if (!bytes) {
        return spec_complain(m->why, place,
                             "$$matchesHexBytes needs an even number of hexadecimal digits");
    }
    bool same = false;
    if (is_type(actual, BSON_TYPE_UTF8)) {
        same = actual->value.v_utf8.len == size && !memcmp(actual->value.v_utf8.str, bytes, size);
    } else if (is_type(actual, BSON_TYPE_BINARY)) {
        same = actual->value.v_binary.data_len == size &&
               (size == 0 || !memcmp(actual->value.v_binary.data, bytes, size));
    }
    bson_free(bytes);
    return same || mismatch_argument(m, place, "the bytes of", argument, actual);
}

static bool match_unset_or(const matcher_t *m, const spec_place_t *place,
                           const bson_value_t *argument, const bson_value_t *actual, bool root) {
    return !actual || match_value(m, place, argument, actual, root);
}

static bool match_lte(const matcher_t *m, const spec_place_t *place, const bson_value_t *argument,
                      const bson_value_t *actual, bool root) {
    (void)root;
    if (!spec_is_number(argument)) return spec_complain(m->why, place, "$$lte needs a number");
    if (spec_is_number(actual)) {
        spec_order_t order = spec_compare_numbers(actual, argument);
        if (order == SPEC_LESS || order == SPEC_EQUAL) return true;
    }
    return mismatch_argument(m, place, "at most", argument, actual);
}

static bool match_as_document(const matcher_t *m, const spec_place_t *place,
                              const bson_value_t *argument, const bson_value_t *actual, bool root) {
    (void)root;
    if (!is_type(actual, BSON_TYPE_UTF8)) {
        return mismatch_argument(m, place, "Extended JSON of", argument, actual);
    }
    bson_error_t error;
    const char *text = actual->value.v_utf8.str;
    if (text[strspn(text, " \t\r\n")] == '[') { /* libbson would make a document of it */
        return spec_complain(m->why, place, "expected Extended JSON of a document, got an array");
    }
    bson_t *parsed =
        bson_new_from_json((const uint8_t *)text, (ssize_t)actual->value.v_utf8.len, &error);
    if (!parsed) return spec_complain(m->why, place, "expected Extended JSON: %s", error.message);
    bson_value_t value = spec_document_value(parsed);
    bool same = match_value(m, place, argument, &value, false);
    bson_destroy(parsed);
    return same;
}

static bool match_as_root(const matcher_t *m, const spec_place_t *place,
                          const bson_value_t *argument, const bson_value_t *actual, bool root) {
    (void)root;
    if (!is_type(argument, BSON_TYPE_DOCUMENT)) {
        return spec_complain(m->why, place, "$$matchAsRoot needs a document");
    }
    return match_value(m, place, argument, actual, true);
}

static bool match_placeholder(const matcher_t *m, const spec_place_t *place,
                              const bson_value_t *argument, const bson_value_t *actual, bool root) {
    (void)argument, (void)actual, (void)root;
    return spec_complain(m->why, place, "$$placeholder: no value was put in its place");
}

static const struct {
    const char *name;
    operator_fn_t match;
} operators[] = {
    {"$$exists", match_exists},
    {"$$type", match_type},
    {"$$matchesEntity", match_entity},
    {"$$matchesHexBytes", match_hex_bytes},
    {"$$unsetOrMatches", match_unset_or},
    {"$$sessionLsid", match_session_lsid},
    {"$$lte", match_lte},
    {"$$matchAsDocument", match_as_document},
    {"$$matchAsRoot", match_as_root},
    {"$$placeholder", match_placeholder},
};

/** Stands `iter` on the operator if `value` is one. */
static bool is_operator(const bson_value_t *value, bson_iter_t *iter) {
    bson_t document;
    if (value->value_type != BSON_TYPE_DOCUMENT) return false;
    spec_view(value, &document);
    if (bson_count_keys(&document) != 1) return false;
    return bson_iter_init(iter, &document) && bson_iter_next(iter) &&
           strncmp(bson_iter_key(iter), "$$", 2) == 0;
}

static bool match_operator(const matcher_t *m, const spec_place_t *place, bson_iter_t *iter,
                           const bson_value_t *actual, bool root) {
    const char *name = bson_iter_key(iter);
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (strcmp(operators[i].name, name) == 0) {
            return operators[i].match(m, place, bson_iter_value(iter), actual, root);
        }
    }
    return spec_complain(m->why, place, "unknown operator %s", name);
}

/* --- Documents, arrays, leaves -------------------------------------------------------------- */

/** Whether every key of `actual` is one of `expected`. */
static bool has_no_other_keys(const matcher_t *m, const spec_place_t *place, const bson_t *expected,
                              const bson_t *actual) {
    bson_iter_t iter, found;
    bson_iter_init(&iter, actual);
    while (bson_iter_next(&iter)) {
        const char *key = bson_iter_key(&iter);
        if (bson_iter_init_find(&found, expected, key)) continue;
        char *got = spec_value_text(bson_iter_value(&iter));
        const spec_place_t at = {place, key, false};
        spec_complain(m->why, &at, "unexpected key, its value is %s", got);
        bson_free(got);
        return false;
    }
    return true;
}

static bool match_fields(const matcher_t *m, const spec_place_t *place,
                         const bson_value_t *expected, const bson_value_t *actual, bool root) {
    bson_t wanted, got;
    bson_iter_t iter, found;
    spec_view(expected, &wanted);
    spec_view(actual, &got);
    bson_iter_init(&iter, &wanted);
    while (bson_iter_next(&iter)) {
        const spec_place_t at = {place, bson_iter_key(&iter), false};
        bool is_there = bson_iter_init_find(&found, &got, at.key);
        if (!match_value(m, &at, bson_iter_value(&iter), is_there ? bson_iter_value(&found) : NULL,
                         false)) {
            return false;
        }
    }
    return root || has_no_other_keys(m, place, &wanted, &got);
}

static bool match_elements(const matcher_t *m, const spec_place_t *place,
                           const bson_value_t *expected, const bson_value_t *actual, bool root) {
    bson_t wanted, got;
    bson_iter_t iter, found;
    spec_view(expected, &wanted);
    spec_view(actual, &got);
    uint32_t wanted_count = bson_count_keys(&wanted), got_count = bson_count_keys(&got);
    if (wanted_count != got_count) {
        char *text = spec_value_text(actual);
        spec_complain(m->why, place, "expected %u elements, got %u: %s", wanted_count, got_count,
                      text);
        bson_free(text);
        return false;
    }
    bson_iter_init(&iter, &wanted);
    bson_iter_init(&found, &got);
    while (bson_iter_next(&iter) && bson_iter_next(&found)) {
        const bson_value_t *element = bson_iter_value(&iter);
        const spec_place_t at = {place, bson_iter_key(&iter), true};
        if (!match_value(m, &at, element, bson_iter_value(&found),
                         root && element->value_type == BSON_TYPE_DOCUMENT)) {
            return false;
        }
    }
    return true;
}

/** Code with a scope contains a document that has to be the same, but for the order of its keys. */
static bool match_code_with_scope(const matcher_t *m, const spec_place_t *place,
                                  const bson_value_t *expected, const bson_value_t *actual) {
    if (!spec_same_code(expected, actual)) return mismatch_values(m, place, expected, actual);
    bson_value_t wanted = spec_scope_value(expected), got = spec_scope_value(actual);
    const matcher_t exact = {m->entities, m->why, true};
    const spec_place_t at = {place, "$scope", false};
    return match_value(&exact, &at, &wanted, &got, false);
}

static bool match_value(const matcher_t *m, const spec_place_t *place, const bson_value_t *expected,
                        const bson_value_t *actual, bool root) {
    bson_iter_t iter;
    if (!m->exact && is_operator(expected, &iter)) {
        return match_operator(m, place, &iter, actual, root);
    }
    if (actual && !m->exact && spec_is_number(expected) && spec_is_number(actual)) {
        return spec_compare_numbers(expected, actual) == SPEC_EQUAL ||
               mismatch_values(m, place, expected, actual);
    }
    if (!actual || expected->value_type != actual->value_type) {
        return mismatch_values(m, place, expected, actual);
    }
    switch (expected->value_type) {
    case BSON_TYPE_DOCUMENT:
        return match_fields(m, place, expected, actual, root);
    case BSON_TYPE_ARRAY:
        return match_elements(m, place, expected, actual, root);
    case BSON_TYPE_CODEWSCOPE:
        return match_code_with_scope(m, place, expected, actual);
    default:
        return spec_same_scalar(expected, actual) || mismatch_values(m, place, expected, actual);
    }
}

/* --- Entries -------------------------------------------------------------------------------- */

static const spec_place_t top;

bool spec_match(const bson_value_t *expected, const bson_value_t *actual, bool root,
                const spec_match_entities_t *entities, spec_text_t *why) {
    const matcher_t m = {entities, why, false};
    return match_value(&m, &top, expected, actual, root);
}

static bool match_documents(const matcher_t *m, const bson_t *expected, const bson_t *actual,
                            bool root) {
    bson_value_t wanted = spec_document_value(expected), got = {0};
    if (actual) got = spec_document_value(actual);
    return match_value(m, &top, &wanted, actual ? &got : NULL, root);
}

bool spec_match_document(const bson_t *expected, const bson_t *actual, bool root,
                         const spec_match_entities_t *entities, spec_text_t *why) {
    const matcher_t m = {entities, why, false};
    return match_documents(&m, expected, actual, root);
}

bool spec_match_exactly(const bson_t *expected, const bson_t *actual, spec_text_t *why) {
    const matcher_t m = {NULL, why, true};
    return match_documents(&m, expected, actual, false);
}
