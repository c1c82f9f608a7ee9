/*
 * Views into BSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/json.h"
#include "mongo/base/bson_view.h"

static void a_path_leads_through_documents_and_arrays(void **state) {
    (void)state;
    bson_t *document = from_json("{'cursor': {'firstBatch': [{'n': 7}]}, 'ok': 1.0}");
    bson_iter_t field;
    assert_true(mouv__bson_view_find(document, "cursor.firstBatch.0.n", &field));
    assert_int_equal(bson_iter_as_int64(&field), 7);
    assert_false(mouv__bson_view_find(document, "cursor.firstBatch.1.n", &field));
    assert_false(mouv__bson_view_find(document, "ok.n", &field));
    assert_int_equal(mouv__bson_view_number(document, "cursor.firstBatch.0.n"), 7);
    assert_int_equal(mouv__bson_view_number(document, "ok"), 1);
    assert_int_equal(mouv__bson_view_number(document, "missing"), 0);
    bson_destroy(document);
}

static void a_view_is_of_documents_and_arrays_alone(void **state) {
    (void)state;
    bson_t *document = from_json("{'d': {'x': 1}, 'a': [2], 's': 'text', 'e': {}}");
    bson_iter_t field;
    bson_t view;
    assert_true(mouv__bson_view_find(document, "d", &field) && mouv__bson_view_of(&field, &view));
    assert_true(equals_json(&view, "{'x': 1}"));
    assert_true(mouv__bson_view_find(document, "a", &field) && mouv__bson_view_of(&field, &view));
    assert_true(equals_json(&view, "{'0': 2}"));
    assert_true(mouv__bson_view_find(document, "e", &field) && mouv__bson_view_of(&field, &view));
    assert_true(bson_empty(&view));
    assert_true(mouv__bson_view_find(document, "s", &field));
    assert_false(mouv__bson_view_of(&field, &view));
    bson_destroy(document);
}

static void inside_takes_null_and_does_not_follow_dots(void **state) {
    (void)state;
    bson_t *outer = from_json("{'writeConcern': {'w': 0}, 'other': 1, 'a': {'b': {'c': 1}}}");
    bson_t view;
    assert_false(mouv__bson_view_inside(NULL, "writeConcern", &view));
    assert_false(mouv__bson_view_inside(outer, "readConcern", &view));
    assert_false(mouv__bson_view_inside(outer, "other", &view));
    assert_false(mouv__bson_view_inside(outer, "a.b", &view));
    assert_true(mouv__bson_view_inside(outer, "writeConcern", &view));
    assert_int_equal(mouv__bson_view_number(&view, "w"), 0);
    bson_destroy(outer);
}

static void a_timestamp_that_is_none_leaves_the_last_one(void **state) {
    (void)state;
    bson_t *reply = from_json("{'operationTime': {'$timestamp': {'t': 5, 'i': 2}}, 'ok': 1,"
                              " 'cursor': {'atClusterTime': {'$timestamp': {'t': 6, 'i': 3}}}}");
    uint32_t time[2] = {1, 1};
    assert_false(mouv__bson_view_timestamp(reply, "ok", time));
    assert_false(mouv__bson_view_timestamp(reply, "missing", time));
    assert_true(time[0] == 1 && time[1] == 1);
    assert_true(mouv__bson_view_timestamp(reply, "operationTime", time));
    assert_true(time[0] == 5 && time[1] == 2);
    assert_true(mouv__bson_view_timestamp(reply, "cursor.atClusterTime", time));
    assert_true(time[0] == 6 && time[1] == 3);
    bson_destroy(reply);
}

static void which_cluster_time_is_later(void **state) {
    (void)state;
    bson_t *old = from_json("{'clusterTime': {'$timestamp': {'t': 5, 'i': 9}}}");
    bson_t *mid = from_json("{'clusterTime': {'$timestamp': {'t': 6, 'i': 3}}}");
    bson_t *new = from_json("{'clusterTime': {'$timestamp': {'t': 6, 'i': 4}}}");
    bson_t *none = from_json("{}");
    assert_true(mouv__bson_view_cluster_time_is_later(mid, old));
    assert_false(mouv__bson_view_cluster_time_is_later(old, mid));
    assert_true(mouv__bson_view_cluster_time_is_later(new, mid));
    assert_false(mouv__bson_view_cluster_time_is_later(mid, mid));
    assert_true(mouv__bson_view_cluster_time_is_later(old, NULL));
    assert_true(mouv__bson_view_cluster_time_is_later(old, none));
    assert_false(mouv__bson_view_cluster_time_is_later(none, NULL));
    assert_false(mouv__bson_view_cluster_time_is_later(NULL, old));
    bson_destroy(old);
    bson_destroy(mid);
    bson_destroy(new);
    bson_destroy(none);
}

static void names_are_those_of_documents_that_have_one(void **state) {
    (void)state;
    bson_t *array =
        from_json("{'0': {'name': 'one'}, '1': 5, '2': {'x': 1}, '3': {'name': 'two'}}");
    bson_t *none = bson_new();
    char **names = mouv__bson_view_names(array);
    assert_string_equal(names[0], "one");
    assert_string_equal(names[1], "two");
    assert_null(names[2]);
    bson_strfreev(names);
    names = mouv__bson_view_names(none);
    assert_null(names[0]);
    bson_strfreev(names);
    bson_destroy(none);
    bson_destroy(array);
}

static void every_type_has_a_name(void **state) {
    (void)state;
    assert_string_equal(mouv__bson_view_type_name(BSON_TYPE_INT64), "a number");
    assert_string_equal(mouv__bson_view_type_name(BSON_TYPE_UTF8), "a string");
    assert_string_equal(mouv__bson_view_type_name(BSON_TYPE_MINKEY), "a value of another type");
}

static void an_array_can_be_appended_in_place(void **state) {
    (void)state;
    bson_t document = BSON_INITIALIZER, array;
    assert_true(mouv__append_array_begin(&document, "a", &array));
    BSON_APPEND_INT32(&array, "0", 4);
    assert_true(bson_append_array_end(&document, &array));
    assert_true(equals_json(&document, "{'a': [4]}"));
    bson_destroy(&document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_leads_through_documents_and_arrays),
        cmocka_unit_test(a_view_is_of_documents_and_arrays_alone),
        cmocka_unit_test(inside_takes_null_and_does_not_follow_dots),
        cmocka_unit_test(a_timestamp_that_is_none_leaves_the_last_one),
        cmocka_unit_test(which_cluster_time_is_later),
        cmocka_unit_test(names_are_those_of_documents_that_have_one),
        cmocka_unit_test(every_type_has_a_name),
        cmocka_unit_test(an_array_can_be_appended_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
