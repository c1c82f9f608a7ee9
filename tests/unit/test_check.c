/*
 * What is refused before anything is sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
    bson_t *deep = nested(200), *deeper = nested(201);
    assert_int_equal(mouv__check_document(deep, "d", MOUV__VALIDATE_DEFAULT, &error), 0);
    refused(mouv__check_document(deeper, "d", MOUV__VALIDATE_DEFAULT, &error), "nested too deeply");
    bson_destroy(deep);
    bson_destroy(deeper);
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

static void stages_are_documents(void **state) {
    (void)state;
    bson_t *good = from_json("{'0': {'$match': {}}}"), *bad = from_json("{'0': {}, '1': 'x'}");
    assert_int_equal(mouv__check_stages(good, &error), 0);
    refused(mouv__check_stages(bad, &error), "stage 1: expected a document, got a string");
    assert_true(mouv__check_is_pipeline(good));
    assert_false(mouv__check_is_pipeline(bad));
    bson_destroy(good);
    bson_destroy(bad);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_collections),
        cmocka_unit_test(documents_are_there_and_well_formed),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(updates_are_operators_or_pipelines),
        cmocka_unit_test(replacements_have_no_operators),
        cmocka_unit_test(stages_are_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
