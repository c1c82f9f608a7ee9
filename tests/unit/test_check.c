/*
 * What is refused before anything is sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "../support/json.h"
#include "mongo/base/check.h"

static mouv_error_t error;

static void refused(int rc, const char *part) {
    assert_int_equal(rc, MOUV_EINVAL);
    assert_int_equal(error.code, MOUV_EINVAL);
    if (!strstr(error.message, part)) fail_msg("'%s' is not in '%s'", part, error.message);
}

static void names_of_collections(void **state) {
    (void)state;
    char long_name[260];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[259] = '\0';
    assert_int_equal(mouv__check_collection_name("shop", "users", &error), 0);
    assert_int_equal(mouv__check_collection_name("shop", "users.old", &error), 0);
    refused(mouv__check_collection_name("shop", NULL, &error), "empty");
    refused(mouv__check_collection_name("shop", "", &error), "empty");
    refused(mouv__check_collection_name("shop", "a$b", &error), "'$'");
    refused(mouv__check_collection_name("shop", ".a", &error), "between dots");
    refused(mouv__check_collection_name("shop", "a.", &error), "between dots");
    refused(mouv__check_collection_name("shop", "a..b", &error), "between dots");
    refused(mouv__check_collection_name("shop", "\xff", &error), "UTF-8");
    refused(mouv__check_collection_name("shop", long_name, &error), "255");
    long_name[251] = '\0'; /* with "shop." it is 256 */
    refused(mouv__check_collection_name("shop", long_name, &error), "255");
    long_name[250] = '\0';
    assert_int_equal(mouv__check_collection_name("shop", long_name, &error), 0);
}

static void documents_are_there_and_well_formed(void **state) {
    (void)state;
    bson_t *good = from_json("{'a': {'b': ['x', 1, null]}}"), *empty_key = from_json("{'': 1}");
    bson_t bad = BSON_INITIALIZER;
    bson_append_utf8(&bad, "s", -1, "\xff", 1);
    assert_int_equal(mouv__check_document(good, "filter", MOUV__VALIDATE_DEFAULT, &error), 0);
    refused(mouv__check_document(NULL, "filter", MOUV__VALIDATE_DEFAULT, &error),
            "'filter' is NULL");
    refused(mouv__check_document(&bad, "filter", MOUV__VALIDATE_DEFAULT, &error), "not UTF-8");
    assert_int_equal(mouv__check_document(&bad, "filter", BSON_VALIDATE_NONE, &error), 0);
    refused(mouv__check_document(empty_key, "d", MOUV__VALIDATE_DEFAULT | BSON_VALIDATE_EMPTY_KEYS,
                                 &error),
            "empty");
    assert_int_equal(mouv__check_document(empty_key, "d", MOUV__VALIDATE_DEFAULT, &error), 0);
    bson_destroy(&bad);
    bson_destroy(empty_key);
    bson_destroy(good);
}

/** {"a": {"a": ...}} */
static bson_t *nested(int depth) {
    bson_t *inner = bson_new();
    for (int i = 0; i < depth; i++) {
        bson_t *outer = bson_new();
        BSON_APPEND_DOCUMENT(outer, "a", inner);
        bson_destroy(inner);
        inner = outer;
    }
    return inner;
}

static void depth_has_a_limit(void **state) {
    (void)state;
    static const struct {
        int (*check)(const bson_t *, const char *, unsigned, mouv_error_t *);
        int most;
    } cases[] = {{mouv__check_document, 200}, {mouv__check_stored, 179}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bson_t *deep = nested(cases[i].most), *deeper = nested(cases[i].most + 1);
        assert_int_equal(cases[i].check(deep, "d", MOUV__VALIDATE_DEFAULT, &error), 0);
        refused(cases[i].check(deeper, "d", BSON_VALIDATE_NONE, &error), "nested too deeply");
        refused(cases[i].check(deeper, "d", MOUV__VALIDATE_DEFAULT, &error), "levels");
        bson_destroy(deep);
        bson_destroy(deeper);
    }
}

static bson_t *deepest;

/** Called on a small stack: how much of one a check needs must not depend on the document. */
static void *check_deepest(void *rc) {
    *(int *)rc = mouv__check_document(deepest, "d", MOUV__VALIDATE_DEFAULT, &error);
    return NULL;
}

static void depth_costs_no_stack(void **state) {
    (void)state;
    pthread_attr_t small;
    pthread_t thread;
    int rc = 0;
    deepest = nested(2000);
    assert_int_equal(pthread_attr_init(&small), 0);
    assert_int_equal(pthread_attr_setstacksize(&small, (size_t)48 * 1024), 0);
    assert_int_equal(pthread_create(&thread, &small, check_deepest, &rc), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    refused(rc, "nested too deeply");
    pthread_attr_destroy(&small);
    bson_destroy(deepest);
}

static void all_fields_around_nested_documents_are_looked_at(void **state) {
    (void)state;
    static const char *const good[] = {
        "{'a': {'b': {'c': 1}, 'd': {}}, 'e': [[], {}], '\u00e9': 1}"};
    static const char *const bad[] = {"{'a': {'b': {'': 1}}}", "{'a': {'b': {}, '': 1}}",
                                      "{'a': {'b': {}}, '': 1}", "{'a': [{'x': {}}, {'': {}}]}"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        bson_t *document = from_json(good[i]);
        assert_int_equal(mouv__check_document(document, "d", MOUV__VALIDATE_DEFAULT, &error), 0);
        bson_destroy(document);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bson_t *document = from_json(bad[i]);
        refused(mouv__check_document(document, "d",
                                     MOUV__VALIDATE_DEFAULT | BSON_VALIDATE_EMPTY_KEYS, &error),
                "empty");
        bson_destroy(document);
    }
}

static void updates_are_operators_or_pipelines(void **state) {
    (void)state;
    static const struct {
        const char *update, *why; /* NULL: good */
    } cases[] = {
        {"{'$set': {'x': 1}}", NULL},
        {"{'0': {'$set': {'x': 1}}}", NULL},
        {"{}", "is empty"},
        {"{'x': 1}", "'x' is no operator"},
        {"{'$set': {'x': 1}, 'y': 1}", "'y' is no operator"},
        {"{'1': {'$set': {'x': 1}}}", "'1' is no operator"},
        {"{'0': 1}", "'0' is no operator"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bson_t *update = from_json(cases[i].update);
        int rc = mouv__check_update(update, MOUV__VALIDATE_DEFAULT, &error);
        if (cases[i].why)
            refused(rc, cases[i].why);
        else
            assert_int_equal(rc, 0);
        bson_destroy(update);
    }
    refused(mouv__check_update(NULL, MOUV__VALIDATE_DEFAULT, &error), "'update' is NULL");
}

static void replacements_have_no_operators(void **state) {
    (void)state;
    bson_t *good = from_json("{'x': 1}"), *bad = from_json("{'$set': {'x': 1}}"),
           *none = bson_new();
    assert_int_equal(mouv__check_replacement(good, MOUV__VALIDATE_DEFAULT, &error), 0);
    assert_int_equal(mouv__check_replacement(none, MOUV__VALIDATE_DEFAULT, &error), 0);
    refused(mouv__check_replacement(bad, MOUV__VALIDATE_DEFAULT, &error), "operator '$set'");
    bson_destroy(good);
    bson_destroy(bad);
    bson_destroy(none);
}

static void stages_are_an_array_of_documents(void **state) {
    (void)state;
    bson_t *good = from_json("{'0': {'$match': {}}}"), *bad = from_json("{'0': {}, '1': 'x'}");
    assert_int_equal(mouv__check_stages(good, &error), 0);
    refused(mouv__check_stages(bad, &error), "stage 1: expected a document, got a string");
    assert_true(mouv__check_is_pipeline(good));
    assert_false(mouv__check_is_pipeline(bad));
    bson_destroy(good);
    bson_destroy(bad);
    bson_t *document = from_json("{'$match': {}}"), *gap = from_json("{'0': {}, '2': {}}");
    refused(mouv__check_stages(document, &error),
            "expected an array, got a document with '$match'");
    assert_int_equal(mouv__check_stages(gap, &error), 0);
    bson_destroy(document);
    bson_destroy(gap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_collections),
        cmocka_unit_test(documents_are_there_and_well_formed),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(depth_costs_no_stack),
        cmocka_unit_test(all_fields_around_nested_documents_are_looked_at),
        cmocka_unit_test(updates_are_operators_or_pipelines),
        cmocka_unit_test(replacements_have_no_operators),
        cmocka_unit_test(stages_are_an_array_of_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
