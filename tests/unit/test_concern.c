/*
 * Concerns and preferences of handles; timeoutMS in structs and where it counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <mouv/await.h>

#include "../support/json.h"
#include "context/alloc.h"
#include "mongo/base/concern.h"
#include "mongo/base/timeout.h"

static mouv__concerns_t *made(const char *json) {
    bool nomem;
    mouv__concerns_t *concerns = mouv__concern_new(from_json(json), &nomem);
    assert_false(nomem);
    return concerns;
}

static void settings_become_what_operations_take(void **state) {
    (void)state;
    bson_t *clients = from_json("{'readConcern': {'level': 'local'}}");
    mouv__concerns_t *concerns = made("{'readConcern': {'level': 'majority'}, 'timeoutMS': 50,"
                                      " 'writeConcern': {'w': 2}, 'readPreference': 'secondary'}");
    assert_null(concerns->error);
    assert_true(equals_json(mouv__concern_read(concerns, clients),
                            "{'readConcern': {'level': 'majority'}}"));
    assert_true(equals_json(mouv__concern_write(concerns, NULL), "{'writeConcern': {'w': 2}}"));
    assert_int_equal(mongoc_read_prefs_get_mode(mouv__concern_read_prefs(concerns, NULL)),
                     MONGOC_READ_SECONDARY);
    assert_int_equal(concerns->timeout_ms, 50);
    mouv__concern_unref(mouv__concern_ref(concerns));
    mouv__concern_unref(concerns);
    bson_destroy(clients);
}

static void without_settings_the_clients_count(void **state) {
    (void)state;
    bson_t *clients = from_json("{'writeConcern': {'w': 1}}");
    mouv__concerns_t *concerns = made("{'timeoutMS': 0}");
    assert_null(made("{}"));
    assert_ptr_equal(mouv__concern_write(NULL, clients), clients);
    assert_ptr_equal(mouv__concern_write(concerns, clients), clients);
    assert_ptr_equal(mouv__concern_read(concerns, clients), clients);
    assert_null(mouv__concern_read_prefs(concerns, NULL));
    mouv__concern_unref(concerns);
    mouv__concern_unref(NULL);
    bson_destroy(clients);
}

static void what_is_wrong_is_kept_for_the_first_operation(void **state) {
    (void)state;
    static const struct {
        const char *settings, *why;
    } cases[] = {
        {"{'w': 1}", "there is no option 'w'"},
        {"{'readConcern': 1}", "option 'readConcern'"},
        {"{'readPreference': 'nearby'}", "option 'readPreference' makes no sense"},
        {"{'readPreference': {'mode': 'primary', 'tags': [{'dc': 'ny'}]}}", "makes no sense"},
        {"{'readPreference': {'mode': 'nearest', 'tags': {'dc': 'ny'}}}", "makes no sense"},
        {"{'readPreference': {'mode': 'nearest', 'hedge': 1}}", "makes no sense"},
        {"{'readPreference': {'tags': []}}", "makes no sense"},
        {"{'readPreference': {'mode': 'nearest', 'maxStalenessSeconds': -2}}", "makes no sense"},
        {"{'writeConcern': {'wtimeout': -5}}", "'wtimeout': expected a number of 0 or more"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mouv__concerns_t *concerns = made(cases[i].settings);
        assert_non_null(concerns->error);
        assert_int_equal(concerns->error->code, MOUV_EINVAL);
        if (!strstr(concerns->error->message, cases[i].why))
            fail_msg("%s: %s", cases[i].settings, concerns->error->message);
        mouv__concern_unref(concerns);
    }
}

static void a_preference_document_is_read_whole(void **state) {
    (void)state;
    mouv__concerns_t *concerns =
        made("{'readPreference': {'mode': 'secondaryPreferred', 'tags': [{'dc': 'ny'}, {}],"
             " 'maxStalenessSeconds': 120}}");
    const mongoc_read_prefs_t *prefs = mouv__concern_read_prefs(concerns, NULL);
    assert_int_equal(mongoc_read_prefs_get_mode(prefs), MONGOC_READ_SECONDARY_PREFERRED);
    assert_int_equal(mongoc_read_prefs_get_max_staleness_seconds(prefs), 120);
    assert_true(equals_json(mongoc_read_prefs_get_tags(prefs), "{'0': {'dc': 'ny'}, '1': {}}"));
    mouv__concern_unref(concerns);
}

static void given_settings_come_before_those_below(void **state) {
    (void)state;
    mouv__concerns_t *below = made("{'writeConcern': {'w': 1}, 'timeoutMS': 5}");
    bson_t *given = from_json("{'writeConcern': {'w': 2}}");
    bson_t *merged = mouv__concern_merge(given, below);
    assert_true(equals_json(merged, "{'writeConcern': {'w': 2}, 'timeoutMS': 5}"));
    assert_false(mouv__concern_are(below, merged));
    bson_destroy(merged);
    merged = mouv__concern_merge(NULL, below);
    assert_true(mouv__concern_are(below, merged));
    bson_destroy(merged);
    merged = mouv__concern_merge(NULL, NULL);
    assert_true(mouv__concern_are(NULL, merged));
    assert_true(mouv__concern_are(NULL, NULL));
    assert_false(mouv__concern_are(below, merged));
    bson_destroy(merged);
    bson_destroy(given);
    mouv__concern_unref(below);
}

/** Whether both, merged over `below`, are the same settings. */
static bool same(const char *one, const char *other, const mouv__concerns_t *below) {
    bson_t *a = from_json(one), *b = from_json(other);
    bson_t *merged = mouv__concern_merge(a, below), *others = mouv__concern_merge(b, below);
    bool equal = bson_equal(merged, others);
    bson_destroy(merged);
    bson_destroy(others);
    bson_destroy(a);
    bson_destroy(b);
    return equal;
}

static void equal_settings_are_the_same_in_whatever_order_they_are_given(void **state) {
    (void)state;
    mouv__concerns_t *below = made("{'readPreference': 'secondary', 'timeoutMS': 5}");
    const char *first = "{'writeConcern': {'w': 1}, 'timeoutMS': 7}";
    assert_true(same(first, "{'timeoutMS': 7, 'writeConcern': {'w': 1}}", NULL));
    assert_true(same(first, "{'timeoutMS': {'$numberLong': '7'}, 'writeConcern': {'w': 1}}", NULL));
    assert_false(same(first, "{'timeoutMS': 8, 'writeConcern': {'w': 1}}", NULL));
    assert_false(same(first, "{'timeoutMS': 7}", NULL));
    assert_true(same("{}", "{'timeoutMS': 5}", below));
    assert_true(same("{'timeoutMS': 5, 'readPreference': 'secondary'}", "{}", below));
    mouv__concern_unref(below);
}

static void what_is_no_bson_stays_for_who_reads_it(void **state) {
    (void)state;
    uint8_t bytes[] = {20, 0, 0, 0, 3, 'w', 0, 100, 0, 0, 0, 16, 'x', 0, 1, 0, 0, 0, 0, 0};
    bson_t given;
    assert_true(bson_init_static(&given, bytes, sizeof bytes));
    bson_t *merged = mouv__concern_merge(&given, NULL);
    assert_true(bson_equal(merged, &given));
    bson_destroy(merged);
}

static void only_w_0_is_unacknowledged(void **state) {
    (void)state;
    static const struct {
        const char *concern;
        bool expected;
    } cases[] = {{"{'w': 0}", true},     {"{'w': 0.0}", true},
                 {"{'w': 1}", false},    {"{'w': 'm'}", false},
                 {"{}", false},          {"{'j': false}", false},
                 {"{'w': null}", false}, {"{'w': 0, 'j': true}", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bson_t *concern = from_json(cases[i].concern);
        assert_int_equal(mouv__concern_is_unacknowledged(concern), cases[i].expected);
        bson_destroy(concern);
    }
    assert_false(mouv__concern_is_unacknowledged(NULL));
}

static void wtimeout_goes_and_with_it_an_empty_concern(void **state) {
    (void)state;
    static const struct {
        const char *concern, *expected;
    } cases[] = {
        {"{'writeConcern': {'w': 2, 'wtimeout': 5}}", "{'writeConcern': {'w': 2}}"},
        {"{'writeConcern': {'wtimeout': 5}}", "{}"},
        {"{'writeConcern': {'j': true}}", "{'writeConcern': {'j': true}}"},
        {"{}", "{}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bson_t *concern = from_json(cases[i].concern), to = BSON_INITIALIZER;
        mouv__concern_append_untimed(&to, concern);
        assert_true(equals_json(&to, cases[i].expected));
        bson_destroy(&to);
        bson_destroy(concern);
    }
    bson_t to = BSON_INITIALIZER;
    mouv__concern_append_untimed(&to, NULL);
    assert_true(bson_empty(&to));
    bson_destroy(&to);
}

/* --- timeoutMS ------------------------------------------------------------------------------- */

static void a_time_in_a_struct_has_a_default_and_a_forever(void **state) {
    (void)state;
    mouv_error_t error;
    int64_t ms;
    assert_int_equal(mouv__timeout_from_struct(0, "t", &ms, &error), 0);
    assert_int_equal(ms, MOUV__TIMEOUT_UNSET);
    assert_int_equal(mouv__timeout_from_struct(MOUV_FOREVER, "t", &ms, &error), 0);
    assert_int_equal(ms, 0);
    assert_int_equal(mouv__timeout_from_struct(8, "t", &ms, &error), 0);
    assert_int_equal(ms, 8);
    assert_int_equal(mouv__timeout_from_struct(-8, "t", &ms, &error), MOUV_EINVAL);
    assert_int_equal(ms, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_become_what_operations_take),
        cmocka_unit_test(without_settings_the_clients_count),
        cmocka_unit_test(what_is_wrong_is_kept_for_the_first_operation),
        cmocka_unit_test(a_preference_document_is_read_whole),
        cmocka_unit_test(given_settings_come_before_those_below),
        cmocka_unit_test(equal_settings_are_the_same_in_whatever_order_they_are_given),
        cmocka_unit_test(what_is_no_bson_stays_for_who_reads_it),
        cmocka_unit_test(only_w_0_is_unacknowledged),
        cmocka_unit_test(wtimeout_goes_and_with_it_an_empty_concern),
        cmocka_unit_test(a_time_in_a_struct_has_a_default_and_a_forever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
