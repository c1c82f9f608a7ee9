/*
 * The opts of a call, read and split by the table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/json.h"
#include "mongo/base/opts.h"
#include "mongo/base/timeout.h"

static mouv_error_t error;

static int read_as(mouv__opts_t *opts, unsigned families, const bson_t *given) {
    error.code = 0;
    return mouv__opts_read(opts, families, given, &error);
}

static void what_is_not_given_has_its_default(void **state) {
    (void)state;
    mouv__opts_t opts;
    assert_int_equal(read_as(&opts, MOUV__FAMILY_FIND, NULL), 0);
    assert_int_equal(opts.batch_size, -1);
    assert_int_equal(opts.max_await_ms, -1);
    assert_int_equal(opts.timeout_ms, MOUV__TIMEOUT_UNSET);
    assert_true(opts.ordered && opts.prefetch && opts.validate);
    assert_false(opts.upsert || opts.tailable || opts.single_batch || opts.return_new);
    assert_null(opts.read_preference.data);
}

static void values_are_read_into_fields(void **state) {
    (void)state;
    mouv__opts_t opts;
    bson_t *given = from_json("{'limit': -3, 'batchSize': 2.0, 'timeoutMS': 0, 'ordered': false,"
                              " 'readPreference': 'nearest', 'singleBatch': true}");
    assert_int_equal(read_as(&opts, MOUV__FAMILY_FIND, given), 0);
    assert_int_equal(opts.limit, -3);
    assert_int_equal(opts.batch_size, 2);
    assert_int_equal(opts.timeout_ms, 0);
    assert_false(opts.ordered);
    assert_true(opts.single_batch);
    assert_int_equal(opts.read_preference.type, BSON_TYPE_UTF8);
    assert_string_equal((const char *)opts.read_preference.data, "nearest");
    bson_destroy(given);
}

static void what_does_not_fit_is_refused_by_name(void **state) {
    (void)state;
    static const struct {
        const char *given, *why;
    } cases[] = {
        {"{'batchSize': -1}", "option 'batchSize': expected a number of 0 or more, got a negative"},
        {"{'batchSize': 1.5}", "got one with a fraction"},
        {"{'writeConcern': {'w': 1, 'wtimeout': -1}}",
         "'writeConcern': 'wtimeout': expected a number"},
        {"{'batchSize': 'x'}", "got a string"},
        {"{'limit': 1e300}", "or too great"},
        {"{'ordered': 1}", "option 'ordered': expected true or false, got a number"},
        {"{'readPreference': []}", "expected a string or a document, got an array"},
        {"{'collation': 'de'}", "option 'collation': expected a document, got a string"},
        {"{'exhaust': true}", "option 'exhaust': is not supported"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mouv__opts_t opts;
        bson_t *given = from_json(cases[i].given);
        assert_int_equal(read_as(&opts, MOUV__FAMILY_FIND, given), MOUV_EINVAL);
        if (!strstr(error.message, cases[i].why))
            fail_msg("%s: '%s' is not in '%s'", cases[i].given, cases[i].why, error.message);
        bson_destroy(given);
    }
}

static void exhaust_may_be_false(void **state) {
    (void)state;
    mouv__opts_t opts;
    bson_t *given = from_json("{'exhaust': false}");
    assert_int_equal(read_as(&opts, MOUV__FAMILY_FIND, given), 0);
    bson_destroy(given);
}

static void malformed_opts_are_refused(void **state) {
    (void)state;
    /* {hint: "x"} with a string that claims to be longer than the document */
    static const uint8_t bytes[] = {17, 0, 0, 0, 2, 'h', 'i', 'n', 't', 0, 200, 0, 0, 0, 'x', 0, 0};
    mouv__opts_t opts;
    bson_t given;
    assert_true(bson_init_static(&given, bytes, sizeof bytes));
    assert_int_equal(read_as(&opts, MOUV__FAMILY_PLAIN, &given), MOUV_EINVAL);
    assert_non_null(strstr(error.message, "no valid BSON"));
}

static void text_that_is_not_utf8_is_refused_by_its_name(void **state) {
    (void)state;
    static const struct {
        const char *within, *key, *text;
        int length;
        const char *why;
    } rows[] = {
        {NULL, "comment", "\xff", 1, "'opts' is no valid BSON: a string is not UTF-8 in 'comment'"},
        {NULL, "hint", "x\0y", 3, "'opts' is no valid BSON: a string has a NUL in 'hint'"},
        {NULL, "\xff", "x", 1, "'opts' is no valid BSON: a key is not UTF-8"},
        {"let", "name", "\xff", 1, "'opts' is no valid BSON: a string is not UTF-8 in 'let'"},
        {"let", "\xff", "x", 1, "'opts' is no valid BSON: a key is not UTF-8 in 'let'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mouv__opts_t opts;
        bson_t given = BSON_INITIALIZER, inner = BSON_INITIALIZER;
        BSON_APPEND_INT32(&given, "limit", 1);
        bson_append_utf8(rows[i].within ? &inner : &given, rows[i].key, -1, rows[i].text,
                         rows[i].length);
        if (rows[i].within) BSON_APPEND_DOCUMENT(&given, rows[i].within, &inner);
        assert_int_equal(read_as(&opts, MOUV__FAMILY_FIND, &given), MOUV_EINVAL);
        assert_string_equal(error.message, rows[i].why);
        bson_destroy(&inner);
        bson_destroy(&given);
    }
}

static void places(unsigned families, const char *given_json, mouv__place_t place,
                   const char *expected) {
    mouv__opts_t opts;
    bson_t *given = from_json(given_json), to = BSON_INITIALIZER;
    assert_int_equal(read_as(&opts, families, given), 0);
    mouv__opts_append(&opts, place, &to);
    if (!equals_json(&to, expected)) fail_msg("%s at place %d", given_json, place);
    bson_destroy(&to);
    bson_destroy(given);
}

static void the_family_says_where_an_option_goes(void **state) {
    (void)state;
    places(MOUV__FAMILY_PLAIN, "{'collation': {}, 'new thing': 1}", MOUV__PLACE_TOP,
           "{'collation': {}, 'new thing': 1}");
    places(MOUV__FAMILY_STATEMENTS, "{'collation': {}, 'let': {}}", MOUV__PLACE_TOP, "{'let': {}}");
    places(MOUV__FAMILY_STATEMENTS, "{'collation': {}, 'let': {}}", MOUV__PLACE_STATEMENT,
           "{'collation': {}}");
    places(MOUV__FAMILY_STREAM, "{'fullDocument': 'default', 'resumeAfter': {}}", MOUV__PLACE_STAGE,
           "{'fullDocument': 'default'}");
    places(MOUV__FAMILY_STREAM, "{'fullDocument': 'default', 'resumeAfter': {}}", MOUV__PLACE_START,
           "{'resumeAfter': {}}");
    places(MOUV__FAMILY_PLAIN, "{'timeoutMS': 5, 'sessionId': 7, 'ordered': true}", MOUV__PLACE_TOP,
           "{}");
}

static void an_option_may_have_another_name_in_the_command(void **state) {
    (void)state;
    places(MOUV__FAMILY_MODIFY, "{'projection': {'x': 1}}", MOUV__PLACE_TOP,
           "{'fields': {'x': 1}}");
    places(MOUV__FAMILY_FIND, "{'projection': {'x': 1}}", MOUV__PLACE_TOP,
           "{'projection': {'x': 1}}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(values_are_read_into_fields),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(exhaust_may_be_false),
        cmocka_unit_test(malformed_opts_are_refused),
        cmocka_unit_test(text_that_is_not_utf8_is_refused_by_its_name),
        cmocka_unit_test(the_family_says_where_an_option_goes),
        cmocka_unit_test(an_option_may_have_another_name_in_the_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
