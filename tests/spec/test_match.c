/*
 * Matching of documents, arrays and leaves, as the unified test format defines it.
 */
#include "spec/match_samples.h"

/* --- Documents and arrays -------------------------------------------------------------------- */

static void extra_keys_are_allowed_at_the_root_alone(void **state) {
    (void)state;
    CHECK(document_at_root, {"{'x': 1}", "{'x': 1, 'y': 1}", SAME}, {"{}", "{'y': 1}", SAME},
          {"{'x': 1, 'y': 1}", "{'x': 1}", "y: expected int 1, got nothing"},
          {"{'x': {'y': 1}}", "{'x': {'y': 1, 'z': 2}}", "x.z: unexpected key, its value is int 2"},
          {"{'x': [{'y': 1}]}", "{'x': [{'y': 1, 'z': 2}]}",
           "x[0].z: unexpected key, its value is int 2"});
    CHECK(nested,
          {"{'v': {'x': 1}}", "{'v': {'x': 1, 'y': 1}}", "y: unexpected key, its value is int 1"});
}

static void documents_of_an_array_at_the_root_are_root_documents(void **state) {
    (void)state;
    const char *expected = "{'v': [{'x': 1}, {'x': 2}]}";
    const char *actual = "{'v': [{'x': 1, 'y': 1}, {'x': 2, 'y': 2}]}";
    CHECK(at_root, {expected, actual, SAME},
          {"{'v': [[{'x': 1}]]}", "{'v': [[{'x': 1, 'y': 1}]]}",
           "[0][0].y: unexpected key, its value is int 1"});
    CHECK(nested, {expected, actual, "[0].y: unexpected key, its value is int 1"});
}

static void order_of_keys_does_not_matter(void **state) {
    (void)state;
    CHECK(nested, {"{'v': {'x': 1, 'y': {'a': 1, 'b': 2}}}",
                   "{'v': {'y': {'b': 2, 'a': 1}, 'x': 1}}", SAME});
}

static void arrays_have_the_same_elements_in_order(void **state) {
    (void)state;
    CHECK(nested, {"{'v': [1, 2]}", "{'v': [1, 2.0]}", SAME}, {"{'v': []}", "{'v': []}", SAME},
          {"{'v': [1, 2, 3]}", "{'v': [1, 2, 3, 4]}",
           "expected 3 elements, got 4: array [ 1, 2, 3, 4 ]"},
          {"{'v': [1]}", "{'v': []}", "expected 1 elements, got 0: array [ ]"},
          {"{'v': [1, 2]}", "{'v': [2, 1]}", "[0]: expected int 1, got int 2"},
          {"{'v': {'a': [0, {'b': 2}]}}", "{'v': {'a': [0, {'b': 3}]}}",
           "a[1].b: expected int 2, got int 3"});
}

static void kinds_do_not_match_one_another(void **state) {
    (void)state;
    CHECK(at_root, {"{'v': {}}", "{'v': []}", "expected object { }, got array [ ]"},
          {"{'v': []}", "{'v': {}}", "expected array [ ], got object { }"},
          {"{'v': {}}", "{}", "expected object { }, got nothing"},
          {"{'v': null}", "{}", "expected null null, got nothing"},
          {"{'v': null}", "{'v': null}", SAME},
          {"{'v': '1'}", "{'v': 1}", "expected string \"1\", got int 1"},
          {"{'v': 1}", "{'v': true}", "expected int 1, got bool true"},
          {"{'v': {'a.b': 1}}", "{'v': {'a': {'b': 1}}}", "a.b: expected int 1, got nothing"});
}

static void no_document_at_all_is_a_mismatch(void **state) {
    (void)state;
    bson_t *expected = from_json("{'x': {'$$exists': false}}");
    spec_text_t *why = spec_text_new("expectResult: ");
    assert_false(spec_match_document(expected, NULL, true, NULL, why));
    assert_non_null(strstr(why->str, "expectResult: expected object"));
    assert_non_null(strstr(why->str, "got nothing"));
    spec_text_free(why, true);
    bson_destroy(expected);
}

static void check_cut(const char *start) {
    bson_t *expected = from_json("{'x': 1}"), actual = BSON_INITIALIZER;
    spec_text_t *text = spec_text_new(start), *why = spec_text_new("");
    for (int i = 0; i < 500; i++) spec_text_append(text, "\xc3\xa4");
    bson_append_utf8(&actual, "x", -1, text->str, -1);
    assert_false(spec_match_document(expected, &actual, true, NULL, why));
    assert_true(why->len >= 300 && why->len <= 400);
    assert_true(bson_utf8_validate(why->str, why->len, false));
    assert_string_equal(why->str + why->len - 3, "...");
    spec_text_free(text, true);
    spec_text_free(why, true);
    bson_destroy(expected);
    bson_destroy(&actual);
}

static void long_values_are_cut_between_characters(void **state) {
    (void)state;
    check_cut("");
    check_cut("a");
}

/* --- Leaves ---------------------------------------------------------------------------------- */

#define BIG "9007199254740993"        /* 2^53 + 1: no double is that */
#define BIGGEST "9223372036854775807" /* 2^63 - 1 */

static void numbers_are_compared_by_value(void **state) {
    (void)state;
    CHECK(nested, {"{'v': 1}", "{'v': 1.0}", SAME}, {"{'v': 1.0}", "{'v': 1}", SAME},
          {"{'v': 1}", "{'v': {'$numberLong': '1'}}", SAME},
          {"{'v': {'$numberLong': '1'}}", "{'v': {'$numberInt': '1'}}", SAME},
          {"{'v': {'$numberLong': '-1'}}", "{'v': {'$numberDouble': '-1.0'}}", SAME},
          {"{'v': 0}", "{'v': {'$numberDouble': '-0.0'}}", SAME},
          {"{'v': {'$numberLong': '-9223372036854775808'}}",
           "{'v': {'$numberDouble': '-9223372036854775808'}}", SAME},
          {"{'v': {'$numberDouble': 'NaN'}}", "{'v': {'$numberDouble': 'NaN'}}", SAME},
          {"{'v': 1}", "{'v': 1.5}", "expected int 1, got double 1.5"},
          {"{'v': 1}", "{'v': {'$numberDouble': 'NaN'}}",
           "expected int 1, got double { \"$numberDouble\" : \"NaN\" }"},
          {"{'v': {'$numberLong': '" BIG "'}}", "{'v': {'$numberDouble': '9007199254740992'}}",
           "expected long " BIG ", got double 9007199254740992.0"},
          {"{'v': {'$numberLong': '" BIGGEST "'}}", "{'v': {'$numberDouble': 'Infinity'}}",
           "expected long " BIGGEST ", got double { \"$numberDouble\" : \"Infinity\" }"},
          {"{'v': 1}", "{'v': {'$numberDecimal': '1'}}",
           "expected int 1, got decimal { \"$numberDecimal\" : \"1\" }"});
}

static void leaves_are_the_same_if_type_and_value_are(void **state) {
    static const char *const leaves[][2] = {
        {"'abc'", "'abd'"},
        {"'a'", "{'$symbol': 'a'}"},
        {"{'$symbol': 'a'}", "{'$symbol': 'b'}"},
        {"'a\\u0000b'", "'a\\u0000c'"},
        {"true", "false"},
        {"{'$oid': '507f1f77bcf86cd799439011'}", "{'$oid': '507f1f77bcf86cd799439012'}"},
        {"{'$date': {'$numberLong': '5'}}", "{'$date': {'$numberLong': '6'}}"},
        {"{'$numberDecimal': '1.5'}", "{'$numberDecimal': '1.50'}"},
        {"{'$timestamp': {'t': 1, 'i': 2}}", "{'$timestamp': {'t': 1, 'i': 3}}"},
        {"{'$timestamp': {'t': 1, 'i': 2}}", "{'$timestamp': {'t': 2, 'i': 2}}"},
        {"{'$binary': {'base64': 'AAE=', 'subType': '00'}}",
         "{'$binary': {'base64': 'AAE=', 'subType': '80'}}"},
        {"{'$binary': {'base64': 'AAE=', 'subType': '00'}}",
         "{'$binary': {'base64': 'AAI=', 'subType': '00'}}"},
        {"{'$binary': {'base64': '', 'subType': '00'}}",
         "{'$binary': {'base64': 'AA==', 'subType': '00'}}"},
        {"{'$regularExpression': {'pattern': 'a', 'options': 'i'}}",
         "{'$regularExpression': {'pattern': 'b', 'options': 'i'}}"},
        {"{'$regularExpression': {'pattern': 'a', 'options': 'i'}}",
         "{'$regularExpression': {'pattern': 'a', 'options': ''}}"},
        {"{'$code': 'f()'}", "{'$code': 'g()'}"},
        {"{'$code': 'f()'}", "{'$code': 'f()', '$scope': {}}"},
        {"{'$dbPointer': {'$ref': 'c', '$id': {'$oid': '507f1f77bcf86cd799439011'}}}",
         "{'$dbPointer': {'$ref': 'd', '$id': {'$oid': '507f1f77bcf86cd799439011'}}}"},
        {"{'$dbPointer': {'$ref': 'c', '$id': {'$oid': '507f1f77bcf86cd799439011'}}}",
         "{'$dbPointer': {'$ref': 'c', '$id': {'$oid': '507f1f77bcf86cd799439012'}}}"},
        {"null", "{'$undefined': true}"},
        {"{'$minKey': 1}", "{'$maxKey': 1}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) {
        char *one = bson_strdup_printf("{'v': %s}", leaves[i][0]);
        char *other = bson_strdup_printf("{'v': %s}", leaves[i][1]);
        CHECK(nested, {one, one, SAME}, {other, other, SAME});
        bson_t *expected = from_json(one), *actual = from_json(other);
        spec_text_t *why = spec_text_new("");
        if (nested(expected, actual, why)) fail_msg("%s is %s", one, other);
        if (strncmp(why->str, "expected ", 9) != 0) fail_msg("%s", why->str);
        spec_text_free(why, true);
        bson_destroy(expected);
        bson_destroy(actual);
        bson_free(one);
        bson_free(other);
    }
}

static void scopes_are_the_same_exactly_but_for_order(void **state) {
    (void)state;
    const char *expected = "{'v': {'$code': 'f()', '$scope': {'a': 1, 'b': {'c': 2}}}}";
    CHECK(nested, {expected, "{'v': {'$code': 'f()', '$scope': {'b': {'c': 2}, 'a': 1}}}", SAME},
          {expected, "{'v': {'$code': 'f()', '$scope': {'b': {'c': 2}, 'a': 1.0}}}",
           "$scope.a: expected int 1, got double 1.0"},
          {"{'v': {'$code': 'f()', '$scope': {'a': {'$$exists': true}}}}",
           "{'v': {'$code': 'f()', '$scope': {'a': 1}}}",
           "$scope.a: expected object { \"$$exists\" : true }, got int 1"},
          {"{'v': {'$code': 'f()', '$scope': {'a': 1}}}",
           "{'v': {'$code': 'g()', '$scope': {'a': 1}}}",
           "expected javascriptWithScope { \"$code\" : \"f()\", \"$scope\" : { \"a\" : 1 } }, "
           "got javascriptWithScope { \"$code\" : \"g()\", \"$scope\" : { \"a\" : 1 } }"});
}

/* --- Exactly --------------------------------------------------------------------------------- */

static void exactly_allows_another_order_and_nothing_else(void **state) {
    (void)state;
    CHECK(spec_match_exactly,
          {"{'x': 1, 'y': [{'a': 1, 'b': 2}]}", "{'y': [{'b': 2, 'a': 1}], 'x': 1}", SAME},
          {"{'x': 1}", "{'x': 1, 'y': 1}", "y: unexpected key, its value is int 1"},
          {"{'x': 1}", "{'x': 1.0}", "x: expected int 1, got double 1.0"},
          {"{'x': {'$$exists': true}}", "{'x': {'$$exists': true}}", SAME},
          {"{'x': {'$$exists': true}}", "{'x': 1}",
           "x: expected object { \"$$exists\" : true }, got int 1"});
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(extra_keys_are_allowed_at_the_root_alone),
        cmocka_unit_test(documents_of_an_array_at_the_root_are_root_documents),
        cmocka_unit_test(order_of_keys_does_not_matter),
        cmocka_unit_test(arrays_have_the_same_elements_in_order),
        cmocka_unit_test(kinds_do_not_match_one_another),
        cmocka_unit_test(no_document_at_all_is_a_mismatch),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(numbers_are_compared_by_value),
        cmocka_unit_test(leaves_are_the_same_if_type_and_value_are),
        cmocka_unit_test(scopes_are_the_same_exactly_but_for_order),
        cmocka_unit_test(exactly_allows_another_order_and_nothing_else),
    };
    return cmocka_run_group_tests(cases, make_entities, drop_entities);
}
