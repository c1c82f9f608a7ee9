/*
 * The interpreter of the schema language. Each check_*() complains and returns false if its part of
 * the rule is broken.
 */
#include "spec/rule.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "spec/place.h"
#include "spec/scalar.h"

/** A value, where it is, and where to complain. */
typedef struct subject {
    const bson_value_t *value;
    spec_place_t place;
    spec_text_t *why;
} subject_t;

static bool check_value(const spec_rule_t *rule, const subject_t *subject);

/* --- Types ---------------------------------------------------------------------------------- */

static unsigned type_of(const bson_value_t *value) {
    switch (value->value_type) {
    case BSON_TYPE_UTF8:
        return SPEC_STRING;
    case BSON_TYPE_BOOL:
        return SPEC_BOOLEAN;
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
        return SPEC_INTEGER;
    case BSON_TYPE_DOUBLE:
        return fmod(value->value.v_double, 1) == 0 ? SPEC_INTEGER : SPEC_OTHER;
    case BSON_TYPE_DOCUMENT:
        return SPEC_OBJECT;
    case BSON_TYPE_ARRAY:
        return SPEC_ARRAY;
    default:
        return SPEC_OTHER;
    }
}

static bool check_type(const spec_rule_t *rule, const subject_t *subject) {
    static const char *const names[] = {"string", "boolean", "integer", "object", "array"};
    if (rule->types & type_of(subject->value)) return true;
    spec_text_t *wanted = spec_text_new("");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!(rule->types & 1U << i)) continue;
        spec_text_append_printf(wanted, "%s%s", wanted->len ? " or " : "", names[i]);
    }
    char *got = spec_value_text(subject->value);
    spec_complain(subject->why, &subject->place, "expected %s, got %s", wanted->str, got);
    bson_free(got);
    spec_text_free(wanted, true);
    return false;
}

/* --- Strings and booleans ------------------------------------------------------------------- */

bool spec_is_version(const char *text) {
    int numbers = 0;
    for (;;) {
        if (!isdigit((unsigned char)*text)) return false;
        while (isdigit((unsigned char)*text)) text++;
        numbers++;
        if (*text == '\0') return numbers == 2 || numbers == 3;
        if (*text++ != '.') return false;
    }
}

static bool check_enum(const spec_rule_t *rule, const subject_t *subject) {
    const char *text = subject->value->value.v_utf8.str;
    spec_text_t *known = spec_text_new("");
    bool found = false;
    for (const char *const *value = rule->values; *value && !found; value++) {
        found = strcmp(*value, text) == 0;
        spec_text_append_printf(known, "%s%s", known->len ? ", " : "", *value);
    }
    if (!found) {
        spec_complain(subject->why, &subject->place, "'%s' is none of %s", text, known->str);
    }
    spec_text_free(known, true);
    return found;
}

static bool check_string(const spec_rule_t *rule, const subject_t *subject) {
    const char *text = subject->value->value.v_utf8.str;
    if (rule->is_version && !spec_is_version(text)) {
        return spec_complain(subject->why, &subject->place, "'%s' is not a version", text);
    }
    return !rule->values || check_enum(rule, subject);
}

static bool check_boolean(const spec_rule_t *rule, const subject_t *subject) {
    if (!rule->is_true || subject->value->value.v_bool) return true;
    return spec_complain(subject->why, &subject->place, "expected true, got false");
}

/* --- Arrays and objects --------------------------------------------------------------------- */

static bool check_inner(const spec_rule_t *rule, const subject_t *outer, bson_iter_t *iter) {
    const subject_t inner = {
        bson_iter_value(iter),
        {&outer->place, bson_iter_key(iter), outer->value->value_type == BSON_TYPE_ARRAY},
        outer->why};
    return check_value(rule, &inner);
}

static bool check_array(const spec_rule_t *rule, const subject_t *subject) {
    bson_t array;
    bson_iter_t iter;
    spec_view(subject->value, &array);
    uint32_t count = bson_count_keys(&array);
    if (count < rule->min_elements) {
        return spec_complain(subject->why, &subject->place,
                             "expected at least %u element(s), got %u", rule->min_elements, count);
    }
    bson_iter_init(&iter, &array);
    while (rule->elements && bson_iter_next(&iter)) {
        if (!check_inner(rule->elements, subject, &iter)) return false;
    }
    return true;
}

/** Whether `name` is "KEY:NAME". */
static bool is_named(const char *name, const char *key) {
    size_t length = strlen(key);
    if (strncmp(name, key, length) != 0 || name[length] != ':' || !name[length + 1]) return false;
    for (const char *at = name + length + 1; *at; at++) {
        if (!isalnum((unsigned char)*at) && *at != '_') return false;
    }
    return true;
}

/** The keys that are listed, in the order of the list. */
static bool check_listed(const spec_rule_t *rule, const subject_t *subject,
                         const bson_t *document) {
    for (const spec_key_t *key = rule->keys; key && key->name; key++) {
        bson_iter_t iter;
        if (!bson_iter_init_find(&iter, document, key->name)) {
            if (key->kind != SPEC_REQUIRED) continue;
            return spec_complain(subject->why, &subject->place, "missing key '%s'", key->name);
        }
        if (key->kind == SPEC_FORBIDDEN) {
            return spec_complain(subject->why, &subject->place, "key '%s' is not allowed",
                                 key->name);
        }
        if (!check_inner(key->rule, subject, &iter)) return false;
    }
    return true;
}

static bool is_listed(const spec_rule_t *rule, const char *name) {
    const spec_key_t *key = rule->keys;
    while (key && key->name && strcmp(key->name, name) != 0) key++;
    return key && key->name;
}

/** The rule of a key that is not listed; NULL: there is no such key. */
static const spec_rule_t *rule_of_other(const spec_rule_t *rule, const char *name) {
    for (const spec_key_t *key = rule->keys; key && key->name; key++) {
        if (key->kind == SPEC_NAMED && is_named(name, key->name)) return key->rule;
    }
    return rule->others;
}

static bool check_others(const spec_rule_t *rule, const subject_t *subject,
                         const bson_t *document) {
    bson_iter_t iter;
    bson_iter_init(&iter, document);
    while (bson_iter_next(&iter)) {
        const char *name = bson_iter_key(&iter);
        if (is_listed(rule, name)) continue;
        const spec_rule_t *other = rule_of_other(rule, name);
        if (!other) {
            return spec_complain(subject->why, &subject->place, "unknown key '%s'", name);
        }
        if (!check_inner(other, subject, &iter)) return false;
    }
    return true;
}

static bool check_count(const spec_rule_t *rule, const subject_t *subject, const bson_t *document) {
    uint32_t count = bson_count_keys(document);
    if (count < rule->min_keys) {
        return spec_complain(subject->why, &subject->place, "expected at least %u key(s), got %u",
                             rule->min_keys, count);
    }
    if (rule->max_keys > 0 && count > rule->max_keys) {
        return spec_complain(subject->why, &subject->place, "expected at most %u key(s), got %u",
                             rule->max_keys, count);
    }
    return true;
}

static bool check_exclusive(const spec_rule_t *rule, const subject_t *subject,
                            const bson_t *document) {
    bson_iter_t iter;
    if (!rule->exclusive) return true;
    for (const char *const(*pair)[2] = rule->exclusive; (*pair)[0]; pair++) {
        if (!bson_iter_init_find(&iter, document, (*pair)[0])) continue;
        if (!bson_iter_init_find(&iter, document, (*pair)[1])) continue;
        return spec_complain(subject->why, &subject->place, "'%s' and '%s' exclude each other",
                             (*pair)[0], (*pair)[1]);
    }
    return true;
}

static bool check_choice(const spec_rule_t *rule, const subject_t *subject,
                         const bson_t *document) {
    const spec_choice_t *choice = rule->choice;
    bson_iter_t of, by;
    if (!choice || !bson_iter_init_find(&of, document, choice->of)) return true;
    const char *value = NULL;
    if (bson_iter_init_find(&by, document, choice->by)) value = bson_iter_utf8(&by, NULL);
    const struct spec_choice_case *at = choice->cases;
    while (at->value && (!value || strcmp(at->value, value) != 0)) at++;
    return check_inner(at->rule, subject, &of);
}

static bool check_object(const spec_rule_t *rule, const subject_t *subject) {
    bson_t document;
    spec_view(subject->value, &document);
    return check_listed(rule, subject, &document) && check_others(rule, subject, &document) &&
           check_count(rule, subject, &document) && check_exclusive(rule, subject, &document) &&
           check_choice(rule, subject, &document);
}

static bool check_value(const spec_rule_t *rule, const subject_t *subject) {
    if (!check_type(rule, subject)) return false;
    switch (type_of(subject->value)) {
    case SPEC_STRING:
        return check_string(rule, subject);
    case SPEC_BOOLEAN:
        return check_boolean(rule, subject);
    case SPEC_ARRAY:
        return check_array(rule, subject);
    case SPEC_OBJECT:
        return rule->types == SPEC_ANY || check_object(rule, subject);
    default:
        return true;
    }
}

bool spec_rule_check(const spec_rule_t *rule, const bson_t *document, spec_text_t *why) {
    const bson_value_t value = spec_document_value(document);
    const subject_t subject = {&value, {0}, why};
    return check_value(rule, &subject);
}
