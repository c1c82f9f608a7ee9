/*
 * Extended JSON: what is read as what, what is refused and where.
 */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mouv/json.h>

static mouv_error_t error;

/* {"v": VALUE}, which must be read; the caller destroys it. */
static bson_t *read_value(const char *value) {
    bson_t *document;
    char *text = bson_strdup_printf("{\"v\": %s}", value);
    if (mouv_bson_from_json(&document, text, strlen(text), &error) < 0)
        fail_msg("%s: %s", text, error.message);
    bson_free(text);
    return document;
}

static void assert_refused(const char *value, const char *why) {
    bson_t *document = (bson_t *)1;
    char *text = bson_strdup_printf("{\"v\": %s}", value);
    if (mouv_bson_from_json(&document, text, strlen(text), &error) != MOUV_EINVAL)
        fail_msg("%s is taken", text);
    assert_null(document);
    if (!strstr(error.message, why)) fail_msg("%s: %s", text, error.message);
    bson_free(text);
}

/* Reads the value and compares with what libbson makes of the canonical form. */
static void assert_same(const char *value, const char *canonical) {
    bson_t *document = read_value(value);
    char *text = bson_strdup_printf("{\"v\": %s}", canonical);
    bson_t *expected = bson_new_from_json((const uint8_t *)text, -1, NULL);
    assert_non_null(expected);
    if (!bson_equal(document, expected)) fail_msg("%s is not %s", value, canonical);
    bson_free(text);
    bson_destroy(expected);
    bson_destroy(document);
}

static bson_type_t type_of(const char *value) {
    bson_t *document = read_value(value);
    bson_iter_t iter;
    assert_true(bson_iter_init_find(&iter, document, "v"));
    bson_type_t type = bson_iter_type(&iter);
    bson_destroy(document);
    return type;
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void a_whole_number_becomes_what_holds_it(void **state) {
    (void)state;
    assert_same("2147483647", "{\"$numberInt\": \"2147483647\"}");
    assert_same("-2147483648", "{\"$numberInt\": \"-2147483648\"}");
    assert_same("2147483648", "{\"$numberLong\": \"2147483648\"}");
    assert_same("9007199254740993", "{\"$numberLong\": \"9007199254740993\"}");
    assert_same("-9223372036854775808", "{\"$numberLong\": \"-9223372036854775808\"}");
    assert_same("9223372036854775808", "{\"$numberDouble\": \"9223372036854775808\"}");
    assert_same("123456789012345678901234567890", "{\"$numberDouble\": \"1.2345678901234568e29\"}");
    assert_same("1.0", "{\"$numberDouble\": \"1.0\"}");
    assert_same("1e2", "{\"$numberDouble\": \"100.0\"}");
    assert_refused("1e400", "beyond the range of doubles at position 7");
}

static void numbers_that_are_none_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "{\"$numberInt\": \"2147483648\"}",
        "{\"$numberInt\": \"1.0\"}",
        "{\"$numberInt\": \"\"}",
        "{\"$numberInt\": 1}",
        "{\"$numberLong\": \"12x\"}",
        "{\"$numberLong\": \" 1\"}",
        "{\"$numberLong\": \"9223372036854775808\"}",
        "{\"$numberLong\": 5}",
        "{\"$numberDouble\": \"abc\"}",
        "{\"$numberDouble\": \"1,5\"}",
        "{\"$numberDouble\": \"0x10\"}",
        "{\"$numberDouble\": \"inf\"}",
        "{\"$numberDouble\": \"1e400\"}",
        "{\"$numberDouble\": 1.5}",
        "{\"$numberDecimal\": \"12,50\"}",
        "{\"$numberDecimal\": \"Infi\"}",
        "{\"$numberDecimal\": \"\"}",
        "{\"$numberDecimal\": \"1 \"}",
        "{\"$numberDecimal\": \"12345678901234567890123456789012345678\"}",
        "{\"$numberDecimal\": \"1E+6145\"}",
        "{\"$numberDecimal\": 1.5}",
        "{\"$timestamp\": {\"t\": 4294967296, \"i\": 1}}",
        "{\"$timestamp\": {\"t\": -1, \"i\": 1}}",
        "{\"$timestamp\": {\"t\": \"1\", \"i\": 1}}",
        "{\"$timestamp\": {\"t\": 1}}",
        "{\"$timestamp\": {\"t\": 1, \"t\": 1}}",
        "{\"$timestamp\": {\"t\": 1, \"i\": 1, \"x\": 1}}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_refused(wrong[i], ": expected");
    assert_same("{\"$numberDecimal\": \"1.50\"}", "{\"$numberDecimal\": \"1.50\"}");
    assert_same("{\"$numberDecimal\": \"-Infinity\"}", "{\"$numberDecimal\": \"-Infinity\"}");
    assert_same("{\"$timestamp\": {\"i\": 4294967295, \"t\": 1}}",
                "{\"$timestamp\": {\"t\": 1, \"i\": 4294967295}}");
}

/* Digits that are unescaped stand side by side in memory: none may run into the next. */
static void neighbouring_numbers_stay_apart(void **state) {
    (void)state;
    assert_same("[{\"$numberDouble\": \"1\\u002e5\"}, {\"$numberDouble\": \"7\\u002e25\"}]",
                "[{\"$numberDouble\": \"1.5\"}, {\"$numberDouble\": \"7.25\"}]");
}

/* A locale with a decimal comma: one that is there, or one that is made in `folder`. */
static bool set_comma(const char *folder) {
    char command[256];
    if (setlocale(LC_ALL, "de_DE.UTF-8")) return true;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>/dev/null",
             folder);
    setenv("LOCPATH", folder, 1);
    return system(command) == 0 && setlocale(LC_ALL, "de_DE.UTF-8");
}

static void the_locale_changes_nothing(void **state) {
    (void)state;
    char folder[] = "/tmp/mouv-locale-XXXXXX", command[64];
    assert_non_null(mkdtemp(folder));
    bool comma = set_comma(folder);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    if (!comma) skip();
    assert_string_equal(localeconv()->decimal_point, ",");
    bson_t *document = read_value("[1.5, {\"$numberDouble\": \"-2.25\"}]"), *built;
    bson_iter_t iter, child;
    assert_true(bson_iter_init(&iter, document));
    assert_true(bson_iter_find_descendant(&iter, "v.0", &child));
    assert_true(bson_iter_double(&child) == 1.5);
    bson_destroy(document);
    assert_int_equal(mouv_bson_build(&built, &error, "{'x': 1.5}"), 0);
    assert_true(bson_iter_init_find(&iter, built, "x"));
    assert_true(bson_iter_double(&iter) == 1.5);
    bson_destroy(built);
    assert_string_equal(localeconv()->decimal_point, ","); /* what the program has set stays */
    setlocale(LC_ALL, "C");
}

/* --- other values ----------------------------------------------------------------------------- */

static void values_that_are_almost_right_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *value, *why;
    } wrong[] = {
        {"{\"$oid\": \"507f1f77bcf86cd79943901z\"}", "$oid: expected 24 hexadecimal digits"},
        {"{\"$oid\": \"507f\"}", "at position 16, before '\"507f\"}}'"},
        {"{\"$oid\": \"507f1f77bcf86cd799439010\", \"x\": 1}", "$oid: something stands beside it"},
        {"{\"x\": 1, \"$oid\": \"507f1f77bcf86cd799439010\"}", "$oid: something stands beside it"},
        {"{\"$uuid\": \"00112233-4455-6677-8899-aabbccddeef\"}", "$uuid: expected"},
        {"{\"$uuid\": \"0011223-34455-6677-8899-aabbccddeeff\"}", "$uuid: expected"},
        {"{\"$binary\": {\"base64\": \"!!!!\", \"subType\": \"00\"}}", "base64 with its padding"},
        {"{\"$binary\": {\"base64\": \"QQ\", \"subType\": \"00\"}}", "base64 with its padding"},
        {"{\"$binary\": {\"base64\": \"QR==\", \"subType\": \"00\"}}", "base64 with its padding"},
        {"{\"$binary\": {\"base64\": \"QQ==\", \"subType\": \"0x\"}}", "two hexadecimal digits"},
        {"{\"$binary\": {\"base64\": \"QQ==\", \"subType\": 0}}", "$binary: expected"},
        {"{\"$binary\": {\"base64\": \"QQ==\"}}", "$binary: expected"},
        {"{\"$binary\": \"QQ==\"}", "$binary: expected"},
        {"{\"$binary\": \"QQ==\", \"$type\": 0}", "$binary: expected"},
        {"{\"$code\": 1}", "$code: expected a string"},
        {"{\"$code\": \"f\", \"$scope\": 1}", "$code: expected a document as the $scope"},
        {"{\"$code\": \"f\", \"x\": 1}", "$code: a field is missing, or one too many"},
        {"{\"$symbol\": 1}", "$symbol: expected a string"},
        {"{\"$regularExpression\": {\"pattern\": \"a\", \"options\": \"I\"}}", "options among"},
        {"{\"$regularExpression\": {\"pattern\": \"a\"}}", "$regularExpression: expected"},
        {"{\"$regularExpression\": {\"pattern\": \"a\\u0000\", \"options\": \"\"}}",
         "without U+0000"},
        {"{\"$regex\": \"a\", \"$options\": \"q\"}", "options among"},
        {"{\"$dbPointer\": {\"$ref\": \"a\", \"$id\": 1}}", "$dbPointer: expected"},
        {"{\"$minKey\": 2}", "$minKey: expected 1"},
        {"{\"$maxKey\": true}", "$maxKey: expected 1"},
        {"{\"$undefined\": false}", "$undefined: expected true"},
        {"{\"a\\u0000b\": 1}", "a key has U+0000 in it at position 8"},
        {"\"\\ud800\"", "half of a surrogate pair at position 8"},
        {"\"\\ud800\\u0041\"", "half of a surrogate pair"},
        {"\"\\udc00x\"", "half of a surrogate pair"},
        {"\"a\xc0\x80\"", "not UTF-8 at position 9"},
        {"\"\xed\xa0\x80\"", "not UTF-8"},
        {"\"\xff\"", "not UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_refused(wrong[i].value, wrong[i].why);
}

static void old_forms_that_mean_one_thing_are_taken(void **state) {
    (void)state;
    assert_same("{\"$binary\": \"AQ==\", \"$type\": \"04\"}",
                "{\"$binary\": {\"base64\": \"AQ==\", \"subType\": \"04\"}}");
    assert_same("{\"$options\": \"xi\", \"$regex\": \"a\"}",
                "{\"$regularExpression\": {\"pattern\": \"a\", \"options\": \"ix\"}}");
    assert_same("{\"$uuid\": \"00112233-4455-6677-8899-AABBCCDDEEFF\"}",
                "{\"$binary\": {\"base64\": \"ABEiM0RVZneImaq7zN3u/w==\", \"subType\": \"04\"}}");
}

static void operators_of_queries_are_documents(void **state) {
    (void)state;
    static const char *const operators[] = {
        "{\"$type\": 2}",
        "{\"$type\": [\"string\", 2]}",
        "{\"$type\": \"date\"}",
        "{\"$regex\": \"a\"}",
        "{\"$regex\": \"a\", \"$ne\": \"b\"}",
        "{\"$regex\": \"a\", \"$options\": \"i\", \"$nin\": []}",
        "{\"$regex\": {\"$regularExpression\": {\"pattern\": \"a\", \"options\": \"\"}}, "
        "\"$options\": \"i\"}",
        "{\"$options\": \"i\"}",
        "{\"$ref\": 1}",
        "{\"$scope\": {}}",
        "{\"$gt\": 1}",
    };
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (type_of(operators[i]) != BSON_TYPE_DOCUMENT) fail_msg("%s", operators[i]);
}

/* --- dates ------------------------------------------------------------------------------------ */

static int64_t date_of(const char *date) {
    char value[128];
    int64_t ms = 0;
    snprintf(value, sizeof value, "{\"$date\": \"%s\"}", date);
    bson_t *document = read_value(value);
    assert_int_equal(mouv_bson_get_date(document, "v", &ms, NULL), 0);
    bson_destroy(document);
    return ms;
}

static void dates_are_read_with_any_zone_and_precision(void **state) {
    (void)state;
    assert_true(date_of("1970-01-01T00:00:00Z") == 0);
    assert_true(date_of("1969-12-31T23:59:59.999Z") == -1);
    assert_true(date_of("2024-02-29T00:00:00+01:00") == INT64_C(1709161200000));
    assert_true(date_of("2024-02-28T18:30:00.250-0530") == INT64_C(1709164800250));
    assert_true(date_of("2000-03-01T12:30Z") == INT64_C(951913800000));
    assert_true(date_of("2020-01-01T00:00:00.123456789Z") == INT64_C(1577836800123));
    assert_true(date_of("2020-01-01T00:00:00.5Z") == INT64_C(1577836800500));
    assert_true(date_of("0000-01-01T00:00:00Z") == INT64_C(-62167219200000));
    assert_true(date_of("0001-01-01T00:00:00Z") == INT64_C(-62135596800000));
    assert_true(date_of("9999-12-31T23:59:59.999Z") == INT64_C(253402300799999));
    assert_true(date_of("2016-12-31T23:59:60Z") == INT64_C(1483228800000));
    assert_same("{\"$date\": {\"$numberLong\": \"-5\"}}", "{\"$date\": {\"$numberLong\": \"-5\"}}");
}

static void days_and_times_that_are_none_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *date, *why;
    } wrong[] = {
        {"\"2024-02-30T00:00:00Z\"", "$date: there is no such day"},
        {"\"2023-02-29T00:00:00Z\"", "there is no such day"},
        {"\"2100-02-29T00:00:00Z\"", "there is no such day"},
        {"\"2024-04-31T00:00:00Z\"", "there is no such day"},
        {"\"2024-13-01T00:00:00Z\"", "there is no such month"},
        {"\"2024-01-01T24:00:00Z\"", "there is no such time"},
        {"\"2024-01-01T00:60:00Z\"", "there is no such time"},
        {"\"2024-01-01T00:00:00\"", "expected a time zone"},
        {"\"2024-01-01T00:00:00+25:00\"", "there is no such time zone"},
        {"\"2024-01-01T00:00:00.Z\"", "expected digits of a second"},
        {"\"2024-01-01T00:00:00Zx\"", "there is more after the date"},
        {"\"2024-01-01\"", "expected a date such as"},
        {"\"yesterday\"", "expected a date such as"},
        {"\"\"", "expected a date such as"},
        {"1000", "expected a date as a string"},
        {"{\"$numberLong\": 5}", "expected a date as a string"},
        {"{\"$numberLong\": \"5\", \"x\": 1}", "expected a date as a string"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char value[128];
        snprintf(value, sizeof value, "{\"$date\": %s}", wrong[i].date);
        assert_refused(value, wrong[i].why);
    }
}

/* --- shape ------------------------------------------------------------------------------------ */

static void what_is_no_json_is_named_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *text, *why;
    } wrong[] = {
        {"", "the text ends too early at position 1, at the end"},
        {"{\"a\" 30}", "expected ':' at position 6, before '30}'"},
        {"{\"a\":: 1}", "expected a value at position 6"},
        {"{\"a\": 1,}", "expected a key in double quotes at position 9"},
        {"{,}", "expected a key in double quotes at position 2"},
        {"{a: 1}", "expected a key in double quotes at position 2"},
        {"{\"a\": NaN}", "this is not JSON at position 7"},
        {"{\"a\": 01}", "expected ',' or '}' at position 8"},
        {"{\"a\": 1.}", "expected a digit at position 9"},
        {"{\"a\": 1 \"b\": 2}", "expected ',' or '}' at position 9"},
        {"[1 2]", "expected ',' or ']' at position 4"},
        {"[1,]", "expected a value at position 4"},
        {"{\"a\": 1} x", "expected the end after the value at position 10, before 'x'"},
        {"{\"a\": 1}//x", "expected the end after the value"},
        {"{\"a\": \"x\ty\"}", "control character in a string at position 9"},
        {"{\"a\": \"\\q\"}", "unknown escape in a string at position 9"},
        {"{\"a\": \"\\u12g4\"}", "\\u wants four hexadecimal digits at position 12"},
        {"{\n \"a\": 1,\n \"b\"\n}", "expected ':' at line 4, position 1"},
        {"7", "expected a document or an array, not a number"},
        {"\"x\"", "expected a document or an array, not a string"},
        {"{\"$oid\": \"507f1f77bcf86cd799439010\"}", "a single value where a document belongs"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bson_t *document;
        const char *text = wrong[i].text;
        assert_int_equal(mouv_bson_from_json(&document, text, strlen(text), &error), MOUV_EINVAL);
        assert_null(document);
        if (!strstr(error.message, wrong[i].why)) fail_msg("%s: %s", text, error.message);
    }
    bson_t *document;
    assert_int_equal(mouv_bson_from_json(&document, "{}\0", 3, &error), MOUV_EINVAL);
    assert_int_equal(mouv_bson_from_json(&document, NULL, 0, &error), MOUV_EINVAL);
}

static void what_bson_can_hold_is_kept(void **state) {
    (void)state;
    static const char text[] = "{\"\": 1, \"a\": 1, \"a\": 2, \"s\": \"x\\u0000y\\ud83d\\ude00\"}";
    bson_t *document;
    bson_iter_t iter;
    uint32_t length;
    assert_int_equal(mouv_bson_from_json(&document, text, strlen(text), &error), 0);
    assert_int_equal(bson_count_keys(document), 4);
    assert_true(bson_iter_init_find(&iter, document, ""));
    assert_true(bson_iter_init_find(&iter, document, "s"));
    assert_memory_equal(bson_iter_utf8(&iter, &length), "x\0y\xf0\x9f\x98\x80", 7);
    assert_int_equal(length, 7);
    bson_destroy(document);
}

/* Of code with its scope, which has two lengths. */
static void a_scope_comes_after_its_code_in_either_order(void **state) {
    (void)state;
    const char *scoped = "{\"$code\": \"f\", \"$scope\": {\"x\": {\"y\": [1]}}}";
    assert_same(scoped, scoped);
    assert_same("{\"a\": {\"$scope\": {\"x\": {\"y\": [1]}}, \"$code\": \"f\"}, \"b\": 2}",
                "{\"a\": {\"$code\": \"f\", \"$scope\": {\"x\": {\"y\": [1]}}}, \"b\": 2}");
}

static int read_nested(int depth) {
    char *text = bson_malloc((size_t)depth * 6 + 1), *at = text;
    for (int i = 0; i < depth; i++, at += 5) memcpy(at, i == depth - 1 ? "{   }" : "{\"a\":", 5);
    for (int i = 1; i < depth; i++) *at++ = '}';
    bson_t *document;
    int rc = mouv_bson_from_json(&document, text, (size_t)(at - text), &error);
    bson_destroy(document);
    bson_free(text);
    return rc;
}

static void documents_may_be_190_deep(void **state) {
    (void)state;
    assert_int_equal(read_nested(190), 0);
    assert_int_equal(read_nested(191), MOUV_EINVAL);
    assert_non_null(strstr(error.message, "nested too deeply at position 951"));
    assert_int_equal(read_nested(100000), MOUV_EINVAL);
}

/* --- written ---------------------------------------------------------------------------------- */

static void assert_written(const char *canonical, unsigned flags, const char *expected) {
    bson_t *document;
    char *json;
    assert_int_equal(mouv_bson_from_json(&document, canonical, strlen(canonical), &error), 0);
    assert_int_equal(mouv_bson_to_json(document, flags, &json, &error), 0);
    assert_string_equal(json, expected);
    bson_free(json);
    bson_destroy(document);
}

static void values_are_written_as_they_are_read(void **state) {
    (void)state;
    static const struct {
        const char *canonical, *relaxed;
    } values[] = {
        {"{ \"$date\" : { \"$numberLong\" : \"253402300800000\" } }", NULL},
        {"{ \"$date\" : { \"$numberLong\" : \"-1\" } }", NULL},
        {"{ \"$date\" : { \"$numberLong\" : \"253402300799999\" } }",
         "{ \"$date\" : \"9999-12-31T23:59:59.999Z\" }"},
        {"{ \"$date\" : { \"$numberLong\" : \"1709164800000\" } }",
         "{ \"$date\" : \"2024-02-29T00:00:00Z\" }"},
        {"{ \"$numberDouble\" : \"1.1\" }", "1.1"},
        {"{ \"$numberDouble\" : \"0.30000000000000004\" }", "0.30000000000000004"},
        {"{ \"$numberDouble\" : \"1e+300\" }", "1e+300"},
        {"{ \"$numberDouble\" : \"-0.0\" }", "-0.0"},
        {"{ \"$numberDouble\" : \"NaN\" }", NULL},
        {"{ \"$numberLong\" : \"-9223372036854775808\" }", "-9223372036854775808"},
        {"{ \"$binary\" : { \"base64\" : \"AQI=\", \"subType\" : \"02\" } }", NULL},
        {"[ {  }, [  ] ]", "[ { }, [ ] ]"},
        {"{ \"$code\" : \"f\", \"$scope\" : { \"\" : [ true, null ] } }", NULL},
        {"{ \"$timestamp\" : { \"t\" : 4294967295, \"i\" : 1 } }", NULL},
        {"{ \"$undefined\" : true }", NULL},
        {"\"a\\u0000\\u001f\\n\\\"\\\\/\xe2\x80\xa8\"", NULL},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        const char *expected = values[i].relaxed ? values[i].relaxed : values[i].canonical;
        char *text = bson_strdup_printf("{ \"v\" : %s }", values[i].canonical);
        char *wanted = bson_strdup_printf("{ \"v\" : %s }", expected);
        assert_written(text, MOUV_JSON_RELAXED, wanted);
        bson_free(text);
        bson_free(wanted);
    }
    assert_written("{\"a\": [1, {\"$oid\": \"507f1f77bcf86cd799439010\"}], \"b\": {}}",
                   MOUV_JSON_PRETTY,
                   "{\n  \"a\": [\n    1,\n    { \"$oid\": \"507f1f77bcf86cd799439010\" }\n  ],\n"
                   "  \"b\": {}\n}");
}

/* As IEEE 754 has it; what has more than 34 digits could not be read again. */
static void decimals_of_more_than_34_digits_count_as_0(void **state) {
    (void)state;
    const bson_decimal128_t most = {.high = UINT64_C(0x3041ed09bead87c0),
                                    .low = UINT64_C(0x378d8e63ffffffff)},
                            more = {.high = most.high, .low = most.low + 1};
    bson_t *document = bson_new();
    char *json;
    BSON_APPEND_DECIMAL128(document, "most", &most);
    BSON_APPEND_DECIMAL128(document, "more", &more);
    assert_int_equal(mouv_bson_to_json(document, 0, &json, &error), 0);
    assert_string_equal(
        json, "{ \"most\" : { \"$numberDecimal\" : \"9999999999999999999999999999999999\" }, "
              "\"more\" : { \"$numberDecimal\" : \"0\" } }");
    bson_free(json);
    bson_destroy(document);
}

static void what_is_not_utf8_is_named_or_replaced(void **state) {
    (void)state;
    bson_t *document = bson_new(), *inner = bson_new();
    char *json;
    bson_iter_t iter;
    bson_append_utf8(inner, "s", 1, "x\xc0\x80", 3);
    BSON_APPEND_DOCUMENT(document, "a", inner);
    assert_int_equal(mouv_bson_to_json(document, 0, &json, &error), MOUV_EINVAL);
    assert_null(json);
    assert_string_equal(error.message, "text is not UTF-8 in 'a.s'");
    assert_int_equal(mouv_bson_to_json(document, MOUV_JSON_LOSSY, &json, &error), 0);
    assert_string_equal(json, "{ \"a\" : { \"s\" : \"x\xef\xbf\xbd\xef\xbf\xbd\" } }");
    bson_free(json);
    assert_true(bson_iter_init_find(&iter, document, "a"));
    assert_int_equal(mouv_bson_value_to_json(&iter, 0, &json, &error), MOUV_EINVAL);
    assert_int_equal(mouv_bson_value_to_json(&iter, MOUV_JSON_LOSSY, &json, &error), 0);
    assert_string_equal(json, "{ \"s\" : \"x\xef\xbf\xbd\xef\xbf\xbd\" }");
    bson_free(json);
    assert_int_equal(mouv_bson_to_json(NULL, 0, &json, &error), MOUV_EINVAL);
    bson_destroy(inner);
    bson_destroy(document);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_whole_number_becomes_what_holds_it),
        cmocka_unit_test(numbers_that_are_none_are_refused),
        cmocka_unit_test(neighbouring_numbers_stay_apart),
        cmocka_unit_test(the_locale_changes_nothing),
        cmocka_unit_test(values_that_are_almost_right_are_refused),
        cmocka_unit_test(old_forms_that_mean_one_thing_are_taken),
        cmocka_unit_test(operators_of_queries_are_documents),
        cmocka_unit_test(dates_are_read_with_any_zone_and_precision),
        cmocka_unit_test(days_and_times_that_are_none_are_refused),
        cmocka_unit_test(what_is_no_json_is_named_with_its_place),
        cmocka_unit_test(what_bson_can_hold_is_kept),
        cmocka_unit_test(a_scope_comes_after_its_code_in_either_order),
        cmocka_unit_test(documents_may_be_190_deep),
        cmocka_unit_test(values_are_written_as_they_are_read),
        cmocka_unit_test(decimals_of_more_than_34_digits_count_as_0),
        cmocka_unit_test(what_is_not_utf8_is_named_or_replaced),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
