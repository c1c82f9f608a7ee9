/*
 * A small schema language for BSON, written as C tables: what a value may be, as a rule that refers
 * to the rules of what is in it. `types` is always given. Of the rest, what is zero demands
 * nothing, but an object's keys are those listed and no others unless `others` says what others
 * are.
 */
#ifndef MOUV_TESTS_SPEC_RULE_H
#define MOUV_TESTS_SPEC_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

#include "spec/text.h"

/** The types of JSON, as bits; a value of another type of BSON is only SPEC_ANY. */
enum {
    SPEC_STRING = 1,
    SPEC_BOOLEAN = 2,
    SPEC_INTEGER = 4, /**< a double without a fraction too */
    SPEC_OBJECT = 8,
    SPEC_ARRAY = 16,
    SPEC_OTHER = 32,
    SPEC_ANY = 63
};

typedef struct spec_rule spec_rule_t;

typedef enum spec_key_kind {
    SPEC_OPTIONAL,
    SPEC_REQUIRED,
    SPEC_FORBIDDEN,
    SPEC_NAMED /**< optional, and "key:name" with a name of letters, digits and _ is the same */
} spec_key_kind_t;

typedef struct spec_key {
    const char *name; /**< NULL ends a list */
    const spec_rule_t *rule;
    spec_key_kind_t kind;
} spec_key_t;

/** The rule of the value of `of` depends on the string in `by`. */
typedef struct spec_choice {
    const char *of, *by;
    const struct spec_choice_case {
        const char *value; /**< NULL: there is no `by`; the last one */
        const spec_rule_t *rule;
    } * cases;
} spec_choice_t;

struct spec_rule {
    unsigned types; /**< SPEC_*; what follows is for values of the type that it belongs to */

    /* strings and booleans */
    const char *const *values; /**< one of these; NULL ends them */
    bool is_version;           /**< "1.2" or "1.2.3" */
    bool is_true;

    /* arrays */
    const spec_rule_t *elements;
    uint32_t min_elements;

    /* objects */
    const spec_key_t *keys;
    const spec_rule_t *others;
    uint32_t min_keys, max_keys;
    const char *const (*exclusive)[2]; /**< pairs that must not be there both; NULL ends them */
    const spec_choice_t *choice;
};

/** Whether `document` obeys `rule`; if not, what is wrong where is appended to `why`. */
bool spec_rule_check(const spec_rule_t *rule, const bson_t *document, spec_text_t *why);

/** Whether a string is a version: two or three numbers with a dot between them. */
bool spec_is_version(const char *text);

#endif
