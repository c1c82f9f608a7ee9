/*
 * What the tests of matching share: entities, and samples of expected and actual values with what
 * spec_match() says of them. A header only, so that a test program needs no other source.
 */
#ifndef MOUV_TESTS_SPEC_MATCH_SAMPLES_H
#define MOUV_TESTS_SPEC_MATCH_SAMPLES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec/from_json.h"
#include "spec/match.h"

/* --- Entities -------------------------------------------------------------------------------- */

static bson_t *entity_values; /* id -> value */
static bson_t *lsid;          /* of session0 */

static inline const bson_value_t *find_entity(void *context, const char *id) {
    static bson_iter_t iter;
    assert_ptr_equal(context, &entity_values);
    return bson_iter_init_find(&iter, entity_values, id) ? bson_iter_value(&iter) : NULL;
}

static inline const bson_t *find_lsid(void *context, const char *id) {
    (void)context;
    return strcmp(id, "session0") == 0 ? lsid : NULL;
}

static const spec_match_entities_t entities = {&entity_values, find_entity, find_lsid};

static inline int make_entities(void **state) {
    (void)state;
    entity_values = from_json("{'five': 5, 'document': {'x': 1}, 'list': [{'x': 1}]}");
    lsid = from_json("{'id': {'$binary': {'base64': 'AAECAwQFBgcICQoLDA0ODw==', "
                     "'subType': '04'}}}");
    return 0;
}

static inline int drop_entities(void **state) {
    (void)state;
    bson_destroy(entity_values);
    bson_destroy(lsid);
    return 0;
}

/* --- Checks ---------------------------------------------------------------------------------- */

#define SAME NULL

/** What `match` says of the values of "v"; an actual document without one has nothing there. */
typedef struct sample {
    const char *expected, *actual;
    const char *why; /**< SAME, or the error text */
} sample_t;

typedef bool (*match_fn_t)(const bson_t *expected, const bson_t *actual, spec_text_t *why);

static inline void check_sample(const sample_t *sample, match_fn_t match) {
    bson_t *expected = from_json(sample->expected), *actual = from_json(sample->actual);
    spec_text_t *why = spec_text_new("");
    bool same = match(expected, actual, why);
    const char *wanted = sample->why ? sample->why : "";
    if (same != !sample->why || strcmp(why->str, wanted) != 0) {
        fail_msg("%s with %s: %s '%s', expected '%s'", sample->expected, sample->actual,
                 same ? "the same" : "different", why->str, wanted);
    }
    if (match(expected, actual, NULL) != same) fail_msg("%s: needs `why`", sample->expected);
    spec_text_free(why, true);
    bson_destroy(expected);
    bson_destroy(actual);
}

static inline bool match_v(const bson_t *expected, const bson_t *actual, bool root,
                           spec_text_t *why) {
    bson_iter_t wanted, got;
    assert_true(bson_iter_init_find(&wanted, expected, "v"));
    bool is_there = bson_iter_init_find(&got, actual, "v");
    return spec_match(bson_iter_value(&wanted), is_there ? bson_iter_value(&got) : NULL, root,
                      &entities, why);
}

static inline bool nested(const bson_t *expected, const bson_t *actual, spec_text_t *why) {
    return match_v(expected, actual, false, why);
}

static inline bool at_root(const bson_t *expected, const bson_t *actual, spec_text_t *why) {
    return match_v(expected, actual, true, why);
}

static inline bool document_at_root(const bson_t *expected, const bson_t *actual,
                                    spec_text_t *why) {
    return spec_match_document(expected, actual, true, &entities, why);
}

#define CHECK(match, ...) \
    do { \
        const sample_t samples_[] = {__VA_ARGS__}; \
        for (size_t i_ = 0; i_ < sizeof samples_ / sizeof *samples_; i_++) { \
            check_sample(&samples_[i_], (match)); \
        } \
    } while (0)

#endif
