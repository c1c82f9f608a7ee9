/*
 * Fields by path, documents from templates.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <mouv/document.h>

static mouv_error_t error;

static bson_t *json(const char *text) {
    bson_error_t why;
    bson_t *document = bson_new_from_json((const uint8_t *)text, -1, &why);
    assert_non_null(document);
    return document;
}

/** One document for all readers; the caller destroys it. */
static bson_t *sample(void) {
    return json("{\"name\": \"Ada\", \"age\": 36, \"big\": {\"$numberLong\": \"9007199254740993\"},"
                " \"height\": 1.7, \"whole\": 5.0, \"huge\": 1e300, \"live\": true, \"nil\": null,"
                " \"id\": {\"$oid\": \"0123456789abcdef01234567\"},"
                " \"born\": {\"$date\": {\"$numberLong\": \"1234\"}},"
                " \"address\": {\"lines\": [\"first\", {\"zip\": 8000}]}, \"nul\": \"a\\u0000b\"}");
}

static void assert_error(int rc, const char *text) {
    assert_int_equal(rc, MOUV_EINVAL);
    assert_int_equal(error.code, MOUV_EINVAL);
    if (!strstr(error.message, text)) fail_msg("'%s' is not in '%s'", text, error.message);
}

/* --- fields --------------------------------------------------------------------------------- */

static void each_type_is_read(void **state) {
    (void)state;
    bson_t *doc = sample();
    int64_t number = 0;
    double real = 0;
    bool flag = false;
    const char *text = NULL;
    bson_oid_t id;
    char hex[25];
    bson_t view;
    assert_int_equal(mouv_bson_get_int64(doc, "age", &number, &error), 0);
    assert_int_equal(number, 36);
    assert_int_equal(mouv_bson_get_int64(doc, "big", &number, &error), 0);
    assert_true(number == INT64_C(9007199254740993));
    assert_int_equal(mouv_bson_get_int64(doc, "whole", &number, &error), 0);
    assert_int_equal(number, 5);
    assert_int_equal(mouv_bson_get_double(doc, "height", &real, &error), 0);
    assert_true(real == 1.7);
    assert_int_equal(mouv_bson_get_double(doc, "age", &real, &error), 0);
    assert_true(real == 36.0);
    assert_int_equal(mouv_bson_get_bool(doc, "live", &flag, &error), 0);
    assert_true(flag);
    assert_int_equal(mouv_bson_get_utf8(doc, "name", &text, &error), 0);
    assert_string_equal(text, "Ada");
    assert_int_equal(mouv_bson_get_oid(doc, "id", &id, &error), 0);
    bson_oid_to_string(&id, hex);
    assert_string_equal(hex, "0123456789abcdef01234567");
    assert_int_equal(mouv_bson_get_date(doc, "born", &number, &error), 0);
    assert_int_equal(number, 1234);
    assert_int_equal(mouv_bson_get_document(doc, "address", &view, &error), 0);
    assert_true(bson_has_field(&view, "lines"));
    assert_int_equal(mouv_bson_get_array(doc, "address.lines", &view, &error), 0);
    assert_int_equal(bson_count_keys(&view), 2);
    bson_destroy(doc);
}

static void paths_go_through_documents_and_arrays(void **state) {
    (void)state;
    bson_t *doc = sample();
    int64_t zip = 0;
    const char *line = NULL;
    assert_int_equal(mouv_bson_get_int64(doc, "address.lines.1.zip", &zip, NULL), 0);
    assert_int_equal(zip, 8000);
    assert_int_equal(mouv_bson_get_utf8(doc, "address.lines.0", &line, NULL), 0);
    assert_string_equal(line, "first");
    assert_true(mouv_bson_has(doc, "address.lines.1.zip"));
    assert_true(mouv_bson_has(doc, "nil"));
    assert_false(mouv_bson_has(doc, "address.lines.2"));
    assert_false(mouv_bson_has(doc, "addr"));
    assert_false(mouv_bson_has(doc, "name.x"));
    assert_false(mouv_bson_has(NULL, "name"));
    bson_destroy(doc);
}

static void what_is_missing_is_named(void **state) {
    (void)state;
    bson_t *doc = sample();
    int64_t number = 77;
    assert_error(mouv_bson_get_int64(doc, "nope", &number, &error), "no field 'nope'");
    assert_error(mouv_bson_get_int64(doc, "address.town.zip", &number, &error),
                 "no field 'address.town'");
    assert_error(mouv_bson_get_int64(doc, "age.x", &number, &error),
                 "no field 'age.x': 'age' is a number");
    assert_error(mouv_bson_get_int64(doc, "", &number, &error), "no field ''");
    assert_error(mouv_bson_get_int64(doc, "address.", &number, &error), "no field 'address.'");
    assert_error(mouv_bson_get_int64(NULL, "age", &number, &error), "the document is NULL");
    assert_error(mouv_bson_get_int64(doc, NULL, &number, &error), "the path is NULL");
    assert_int_equal(number, 77);
    bson_destroy(doc);
}

static void an_output_that_is_null_is_told(void **state) {
    (void)state;
    bson_t *document =
        BCON_NEW("i", BCON_INT64(1), "d", BCON_DOUBLE(1.5), "b", BCON_BOOL(true), "s",
                 BCON_UTF8("x"), "t", BCON_DATE_TIME(1), "o", "{", "}", "a", "[", "]");
    assert_error(mouv_bson_get_int64(document, "i", NULL, &error), "'value' is NULL");
    assert_error(mouv_bson_get_double(document, "d", NULL, &error), "'value' is NULL");
    assert_error(mouv_bson_get_bool(document, "b", NULL, &error), "'value' is NULL");
    assert_error(mouv_bson_get_utf8(document, "s", NULL, &error), "'value' is NULL");
    assert_error(mouv_bson_get_date(document, "t", NULL, &error), "'value' is NULL");
    assert_error(mouv_bson_get_document(document, "o", NULL, &error), "'value' is NULL");
    assert_error(mouv_bson_get_array(document, "a", NULL, &error), "'value' is NULL");
    bson_destroy(document);
}

static void a_wrong_type_says_what_is_there(void **state) {
    (void)state;
    bson_t *doc = sample(), view;
    int64_t number = 77;
    double real;
    bool flag;
    const char *text = "untouched";
    bson_oid_t id;
    assert_error(mouv_bson_get_int64(doc, "name", &number, &error),
                 "field 'name': expected a number, got a string");
    assert_error(mouv_bson_get_int64(doc, "height", &number, &error),
                 "field 'height': expected a whole number, got 1.7");
    assert_error(mouv_bson_get_int64(doc, "huge", &number, &error), "expected a whole number");
    assert_error(mouv_bson_get_double(doc, "live", &real, &error), "got a boolean");
    assert_error(mouv_bson_get_bool(doc, "age", &flag, &error), "expected a boolean, got a number");
    assert_error(mouv_bson_get_utf8(doc, "nil", &text, &error), "expected a string, got null");
    assert_error(mouv_bson_get_utf8(doc, "nul", &text, &error), "NUL byte");
    assert_error(mouv_bson_get_oid(doc, "name", &id, &error), "expected an object id");
    assert_error(mouv_bson_get_date(doc, "age", &number, &error), "expected a date");
    assert_error(mouv_bson_get_document(doc, "address.lines", &view, &error),
                 "expected a document, got an array");
    assert_error(mouv_bson_get_array(doc, "address", &view, &error), "expected an array");
    assert_int_equal(number, 77);
    assert_string_equal(text, "untouched");
    bson_destroy(doc);
}

static void what_may_be_missing_has_a_fallback(void **state) {
    (void)state;
    bson_t *doc = sample();
    assert_int_equal(mouv_bson_int64_or(doc, "age", 1), 36);
    assert_int_equal(mouv_bson_int32_or(doc, "age", 1), 36);
    assert_true(mouv_bson_double_or(doc, "height", 0) == 1.7);
    assert_true(mouv_bson_bool_or(doc, "live", false));
    assert_int_equal(mouv_bson_date_or(doc, "born", 0), 1234);
    assert_string_equal(mouv_bson_utf8_or(doc, "address.lines.0", NULL), "first");
    static const char *const missing[] = {"none", "address.none", "name.none", "nil", "id"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        assert_int_equal(mouv_bson_int64_or(doc, missing[i], -7), -7);
        assert_int_equal(mouv_bson_int32_or(doc, missing[i], -7), -7);
        assert_true(mouv_bson_double_or(doc, missing[i], 0.5) == 0.5);
        assert_true(mouv_bson_bool_or(doc, missing[i], true));
        assert_int_equal(mouv_bson_date_or(doc, missing[i], 9), 9);
        assert_null(mouv_bson_utf8_or(doc, missing[i], NULL));
    }
    assert_int_equal(mouv_bson_int32_or(doc, "big", 3), 3);
    assert_int_equal(mouv_bson_int64_or(NULL, "age", 3), 3);
    bson_destroy(doc);
}

static void an_int32_is_what_fits(void **state) {
    (void)state;
    bson_t *doc = sample();
    int32_t number = 0;
    assert_int_equal(mouv_bson_get_int32(doc, "age", &number, &error), 0);
    assert_int_equal(number, 36);
    assert_error(mouv_bson_get_int32(doc, "big", &number, &error), "does not fit into 32 bits");
    assert_error(mouv_bson_get_int32(doc, "name", &number, &error), "expected a number");
    assert_error(mouv_bson_get_int32(doc, "age", NULL, &error), "'value' is NULL");
    assert_int_equal(number, 36);
    bson_destroy(doc);
}

static void elements_come_without_a_path(void **state) {
    (void)state;
    bson_t *doc = json("{\"slices\": [{\"sst\": 1}, 5, {\"sst\": 2}, {}], \"empty\": []}"), slice;
    bson_iter_t each;
    int seen[4] = {0}, count = 0;
    assert_true(mouv_bson_each(doc, "slices", &each));
    while (mouv_bson_next(&each, &slice)) seen[count++] = mouv_bson_int32_or(&slice, "sst", -1);
    assert_int_equal(count, 3);
    assert_true(seen[0] == 1 && seen[1] == 2 && seen[2] == -1);
    assert_true(mouv_bson_each(doc, "empty", &each) && !bson_iter_next(&each));
    assert_false(mouv_bson_each(doc, "none", &each) || bson_iter_next(&each));
    assert_false(mouv_bson_each(doc, "slices.0.sst", &each) || bson_iter_next(&each));
    assert_false(mouv_bson_each(NULL, "slices", &each) || bson_iter_next(&each));
    bson_destroy(doc);
}

/* --- templates ------------------------------------------------------------------------------ */

/** Compares and destroys. */
static void assert_built(int rc, bson_t *built, const char *expected) {
    if (rc < 0) fail_msg("%s", error.message);
    char *got = bson_as_canonical_extended_json(built, NULL);
    bson_t *wanted = json(expected);
    char *want = bson_as_canonical_extended_json(wanted, NULL);
    assert_string_equal(got, want);
    bson_free(got);
    bson_free(want);
    bson_destroy(wanted);
    bson_destroy(built);
}

static void each_placeholder_becomes_its_type(void **state) {
    (void)state;
    bson_t *built, *inner = json("{\"x\": 1}"), *list = json("{\"0\": 1, \"1\": 2}");
    bson_oid_t id;
    bson_oid_init_from_string(&id, "0123456789abcdef01234567");
    int rc = mouv_bson_build(&built, &error,
                             "{'s': %s, 'd': %d, 'u': %u, 'l': %ld, 'L': %lld, 'z': %zu,"
                             " 'p': %" PRId64 ", 'f': %f, 'b': %hhd, 'c': %hhd, 'o': %pO,"
                             " 'D': %pD, 'A': %pA}",
                             "text", -1, 4000000000u, -5L, 1LL << 40, (size_t)7, INT64_C(8), 1.5,
                             true, false, (void *)&id, (void *)inner, (void *)list);
    assert_built(rc, built,
                 "{\"s\": \"text\", \"d\": -1, \"u\": {\"$numberLong\": \"4000000000\"},"
                 " \"l\": {\"$numberLong\": \"-5\"}, \"L\": {\"$numberLong\": \"1099511627776\"},"
                 " \"z\": {\"$numberLong\": \"7\"}, \"p\": {\"$numberLong\": \"8\"}, \"f\": 1.5,"
                 " \"b\": true, \"c\": false, \"o\": {\"$oid\": \"0123456789abcdef01234567\"},"
                 " \"D\": {\"x\": 1}, \"A\": [1, 2]}");
    bson_destroy(inner);
    bson_destroy(list);
}

static void every_type_of_value_has_a_placeholder(void **state) {
    (void)state;
    static const uint8_t uuid[16] = "0123456789abcdef";
    bson_t *built;
    bson_decimal128_t price;
    mouv_bson_bytes_t bytes = {"ab\0c", 4, 0}, none = {NULL, 0, 5};
    mouv_bson_timestamp_t time = {1700000000, 7};
    int64_t ms = -86400000;
    assert_true(bson_decimal128_from_string("1.50", &price));
    int rc = mouv_bson_build(&built, &error,
                             "{'d': %" PRId64 "T, 'l': {'$gt': %ldT}, 'ms': %" PRId64 ", 'n': %pN,"
                             " 'b': [%pB, %pB], 'u': %pU, 't': %pS}",
                             ms, 5L, ms, (void *)&price, (void *)&bytes, (void *)&none,
                             (const void *)uuid, (void *)&time);
    bson_t *expected =
        BCON_NEW("d", BCON_DATE_TIME(ms), "l", "{", "$gt", BCON_DATE_TIME(5), "}", "ms",
                 BCON_INT64(ms), "n", BCON_DECIMAL128(&price), "b", "[",
                 BCON_BIN(BSON_SUBTYPE_BINARY, (const uint8_t *)"ab\0c", 4),
                 BCON_BIN(BSON_SUBTYPE_MD5, (const uint8_t *)"", 0), "]", "u",
                 BCON_BIN(BSON_SUBTYPE_UUID, uuid, 16), "t", BCON_TIMESTAMP(1700000000, 7));
    assert_int_equal(rc, 0);
    assert_true(bson_equal(built, expected));
    bson_destroy(built);
    bson_destroy(expected);
}

static void placeholders_stand_anywhere_a_value_can(void **state) {
    (void)state;
    bson_t *built;
    int rc = mouv_bson_build(&built, &error, "{'$or': [{'a': {'$in': [%d, %d]}}, {'b': %s}]}", 1, 2,
                             "x");
    assert_built(rc, built, "{\"$or\": [{\"a\": {\"$in\": [1, 2]}}, {\"b\": \"x\"}]}");
    rc = mouv_bson_build(&built, &error, " [{'$match': {'n': %d}}, {'$limit': %d}] ", 1, 2);
    assert_built(rc, built, "{\"0\": {\"$match\": {\"n\": 1}}, \"1\": {\"$limit\": 2}}");
    rc = mouv_bson_build(&built, &error, "{'n': {'$regex': %s, '$options': 'i'}}", "^a\"b");
    assert_built(rc, built, "{\"n\": {\"$regex\": \"^a\\\"b\", \"$options\": \"i\"}}");
    rc = mouv_bson_build(&built, &error, "{}%s", "");
    assert_error(rc, "after the end");
    assert_null(built);
}

static void a_value_is_never_text(void **state) {
    (void)state;
    static const char *const nasty[] = {
        "'", "\"", "\", \"admin\": true, \"x\": \"", "{'$gt': ''}", "%s", "\\", "\001mouv:1", "",
    };
    for (size_t i = 0; i < sizeof nasty / sizeof *nasty; i++) {
        bson_t *built;
        const char *text = NULL, *other = NULL;
        int rc = mouv_bson_build(&built, &error, "{'a': %s, 'b': %s}", nasty[i], "other");
        assert_int_equal(rc, 0);
        assert_int_equal(bson_count_keys(built), 2);
        assert_int_equal(mouv_bson_get_utf8(built, "a", &text, NULL), 0);
        assert_string_equal(text, nasty[i]);
        assert_int_equal(mouv_bson_get_utf8(built, "b", &other, NULL), 0);
        assert_string_equal(other, "other");
        bson_destroy(built);
    }
}

static void markers_inside_of_arguments_are_not_looked_at(void **state) {
    (void)state;
    bson_t *built, *inner = json("{\"m\": \"\\u0001mouv:0\"}");
    const char *text = NULL;
    int rc = mouv_bson_build(&built, &error, "{'s': %s, 'D': %pD}", "secret", (void *)inner);
    assert_int_equal(rc, 0);
    assert_int_equal(mouv_bson_get_utf8(built, "D.m", &text, NULL), 0);
    assert_string_equal(text, "\001mouv:0");
    bson_destroy(built);
    bson_destroy(inner);
}

static void quotes_and_percents_in_strings(void **state) {
    (void)state;
    bson_t *built;
    int rc = mouv_bson_build(&built, &error,
                             "{'say \"hi\"': 'it\\'s', \"it's\": \"a\\\"b\", 'p': '100 %%'}");
    assert_built(rc, built,
                 "{\"say \\\"hi\\\"\": \"it's\", \"it's\": \"a\\\"b\", \"p\": \"100 %\"}");
    rc = mouv_bson_build(&built, &error, "{'when': {'$date': {'$numberLong': '5'}}, 'n': null}");
    assert_built(rc, built, "{\"when\": {\"$date\": {\"$numberLong\": \"5\"}}, \"n\": null}");
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-extra-args"

static void bad_templates_are_refused_with_the_byte(void **state) {
    (void)state;
    static const struct {
        const char *format, *error;
    } wrong[] = {
        {"{'a': 'x%s'}", "at byte 8, \"%s'}\": a placeholder inside of a string"},
        {"{'a': %q}", "at byte 6, \"%q}\": no such placeholder"},
        {"{'a': %", "at byte 6, \"%\": no such placeholder"},
        {"{'a': 1", "at byte 7, \"\": the document does not end"},
        {"{'a': 'b}", "a string does not end"},
        {"'a'", "at byte 0"},
        {"%s", "at byte 0"},
        {"", "the document does not end"},
        {"{'a': 1} {'b': 2}", "at byte 9"},
        {"{'a': 1}}", "at byte 8"},
        {"{'a': oops}", "at byte 6, \"oops}\": this is not JSON"},
        {"{%s: 1}", "argument 1 (%s): no value can stand there"},
        {"{'a': {'$regex': %s, '$options': %s}}", "argument"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bson_t *built = (bson_t *)1;
        assert_error(mouv_bson_build(&built, &error, wrong[i].format, "x", "y"), wrong[i].error);
        assert_null(built);
    }
    bson_t *built;
    assert_error(mouv_bson_build(&built, &error, NULL), "the template is NULL");
    assert_int_equal(mouv_bson_build(&built, &error, "{'i': {'$oid': %s}}", "x"), MOUV_EINVAL);
}

static void where_json_goes_wrong_after_placeholders_is_found(void **state) {
    (void)state;
    bson_t *built;
    assert_error(mouv_bson_build(&built, &error, "{'a': %s, 'b': %d, 'c': oops}", "x", 1),
                 "at byte 24, \"oops}\"");
}

static void bad_arguments_are_named(void **state) {
    (void)state;
    bson_t *built;
    char *volatile none = NULL; /* else the compiler refuses it first */
    assert_error(mouv_bson_build(&built, &error, "{'a': %d, 'b': %s}", 1, none),
                 "argument 2 (%s): it is NULL");
    assert_error(mouv_bson_build(&built, &error, "{'a': %pD}", (void *)NULL), "(%pD): it is NULL");
    assert_error(mouv_bson_build(&built, &error, "{'a': %s}", "\xff"), "it is not UTF-8");
    assert_error(mouv_bson_build(&built, &error, "{'a': %pU}", (void *)NULL), "(%pU): it is NULL");
    mouv_bson_bytes_t bytes = {NULL, 3, 0};
    assert_error(mouv_bson_build(&built, &error, "{'a': %pB}", (void *)&bytes), "'data' is NULL");
    assert_error(mouv_bson_build(&built, &error, "{'a': %zu}", SIZE_MAX), "int64");
}

static void an_auto_document_is_destroyed_with_its_block(void **state) {
    (void)state;
    {
        MOUV_AUTO_BSON bson_t *none = NULL;
        MOUV_AUTO_BSON bson_t *document = BCON_NEW("a", BCON_INT32(1)); /* valgrind and ASan look */
        assert_null(none);
        assert_true(mouv_bson_has(document, "a"));
    }
}

static void there_is_a_limit_of_64(void **state) {
    (void)state;
    char format[256] = "[%s";
    for (int i = 0; i < 64; i++) strcat(format, ",%s");
    bson_t *built;
    assert_error(mouv_bson_build(&built, &error, strcat(format, "]"), "x"), "more than 64");
}
#pragma GCC diagnostic pop

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(each_type_is_read),
        cmocka_unit_test(paths_go_through_documents_and_arrays),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(an_output_that_is_null_is_told),
        cmocka_unit_test(a_wrong_type_says_what_is_there),
        cmocka_unit_test(what_may_be_missing_has_a_fallback),
        cmocka_unit_test(an_int32_is_what_fits),
        cmocka_unit_test(elements_come_without_a_path),
        cmocka_unit_test(each_placeholder_becomes_its_type),
        cmocka_unit_test(every_type_of_value_has_a_placeholder),
        cmocka_unit_test(placeholders_stand_anywhere_a_value_can),
        cmocka_unit_test(a_value_is_never_text),
        cmocka_unit_test(markers_inside_of_arguments_are_not_looked_at),
        cmocka_unit_test(quotes_and_percents_in_strings),
        cmocka_unit_test(bad_templates_are_refused_with_the_byte),
        cmocka_unit_test(where_json_goes_wrong_after_placeholders_is_found),
        cmocka_unit_test(bad_arguments_are_named),
        cmocka_unit_test(an_auto_document_is_destroyed_with_its_block),
        cmocka_unit_test(there_is_a_limit_of_64),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
