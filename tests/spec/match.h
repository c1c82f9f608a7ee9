/*
 * "Evaluating Matches" of MongoDB's unified test format: does a value that a driver delivered match
 * what a test file expects? libbson only; nothing here knows mouv.
 *
 * An operator is a document whose first and only key begins with "$$". All of the format are known:
 * $$exists, $$type, $$matchesEntity, $$matchesHexBytes, $$unsetOrMatches, $$sessionLsid, $$lte,
 * $$matchAsDocument and $$matchAsRoot. An unknown one, one with a wrong argument, and $$placeholder
 * (which stands for a value that a runner fills in, never for one that it compares) are mismatches
 * that say so.
 */
#ifndef MOUV_TESTS_SPEC_MATCH_H
#define MOUV_TESTS_SPEC_MATCH_H

#include <stdbool.h>

#include <bson/bson.h>

#include "spec/text.h"

/** Where operators look up what a test has by name; a missing function knows no names. */
typedef struct spec_match_entities {
    void *context;
    /** For $$matchesEntity; NULL: no such entity. */
    const bson_value_t *(*value)(void *context, const char *id);
    /** For $$sessionLsid; NULL: no such session. */
    const bson_t *(*lsid)(void *context, const char *id);
} spec_match_entities_t;

/**
 * Whether `actual` (NULL: there is no value) matches `expected`.
 *
 * `root`: extra keys are allowed at this level. Of an array that is itself at this level, its
 * documents are root-level then: pass true for what find gives, false for what distinct gives.
 * Numbers but decimal128 are compared by value, keys in any order, all else by type and value.
 *
 * On a mismatch the first difference is appended to `why` (which may be NULL), with its path:
 * "updates[0].q._id: expected int 1, got string "1"". `entities` may be NULL.
 */
bool spec_match(const bson_value_t *expected, const bson_value_t *actual, bool root,
                const spec_match_entities_t *entities, spec_text_t *why);

/** spec_match() of a document; `actual` may be NULL. */
bool spec_match_document(const bson_t *expected, const bson_t *actual, bool root,
                         const spec_match_entities_t *entities, spec_text_t *why);

/**
 * Whether two documents are the same but for the order of keys, as a test's `outcome` demands:
 * no operators, no extra keys at any level, numbers of the same type.
 */
bool spec_match_exactly(const bson_t *expected, const bson_t *actual, spec_text_t *why);

#endif
