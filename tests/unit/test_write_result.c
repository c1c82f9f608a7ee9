/*
 * Replies of a write's batches, added up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/json.h"
#include "mongo/command/write_result.h"

static void add(mouv__write_result_t *result, mouv__write_kind_t kind, const char *json,
                mouv__span_t span, bool ordered) {
    bson_t *reply = from_json(json);
    mouv__write_result_add(result, kind, reply, &span, ordered);
    bson_destroy(reply);
}

static void numbers_mean_what_the_command_makes_of_them(void **state) {
    (void)state;
    mouv__write_result_t result = {0};
    add(&result, MOUV__WRITE_INSERT, "{'ok': 1, 'n': 3}", (mouv__span_t){0, 3, NULL}, true);
    add(&result, MOUV__WRITE_UPDATE,
        "{'ok': 1, 'n': 4, 'nModified': 2, 'upserted': [{'index': 1, '_id': 'new'}]}",
        (mouv__span_t){3, 2, NULL}, true);
    add(&result, MOUV__WRITE_DELETE, "{'ok': 1, 'n': 5}", (mouv__span_t){5, 1, NULL}, true);
    assert_int_equal(result.inserted, 3);
    assert_int_equal(result.matched, 3); /* an upserted document was not there to be matched */
    assert_int_equal(result.modified, 2);
    assert_int_equal(result.upserted, 1);
    assert_int_equal(result.deleted, 5);
    assert_true(equals_json(result.upserted_ids, "{'4': 'new'}"));
    assert_true(mouv__write_result_changed(&result));
    mouv__write_result_clear(&result);
    assert_false(mouv__write_result_changed(&result));
}

static void indexes_of_errors_count_over_all_batches(void **state) {
    (void)state;
    mouv__write_result_t result = {0};
    const uint32_t indexes[] = {1, 4, 9};
    bson_t reply = BSON_INITIALIZER;
    add(&result, MOUV__WRITE_INSERT,
        "{'ok': 1, 'n': 1, 'writeErrors': [{'index': 1, 'code': 11000}]}",
        (mouv__span_t){10, 2, NULL}, false);
    add(&result, MOUV__WRITE_DELETE,
        "{'ok': 1, 'n': 0, 'writeErrors': [{'index': 2, 'code': 2}],"
        " 'writeConcernError': {'code': 64}, 'errorLabels': ['RetryableWriteError']}",
        (mouv__span_t){0, 3, indexes}, false);
    mouv__write_result_append_errors(&result, &reply);
    assert_true(equals_json(
        &reply, "{'writeErrors': [{'index': 11, 'code': 11000, 'codeName': 'DuplicateKey'},"
                " {'index': 9, 'code': 2, 'codeName': 'BadValue'}],"
                " 'writeConcernErrors': [{'code': 64}],"
                " 'errorLabels': ['RetryableWriteError']}"));
    assert_int_equal(result.error_count, 2);
    bson_destroy(&reply);
    mouv__write_result_clear(&result);
}

static void without_errors_nothing_is_appended(void **state) {
    (void)state;
    mouv__write_result_t result = {0};
    bson_t reply = BSON_INITIALIZER;
    add(&result, MOUV__WRITE_UPDATE, "{'ok': 1, 'n': 0, 'nModified': 0}",
        (mouv__span_t){0, 1, NULL}, true);
    mouv__write_result_append_errors(&result, &reply);
    assert_true(bson_empty(&reply));
    assert_false(mouv__write_result_changed(&result));
    bson_destroy(&reply);
    mouv__write_result_clear(&result);
}

static void done_of(mouv__write_result_t *result, const char *expected) {
    bson_t *ids = from_json("{'0': 'a', '1': 'b', '2': 'c', '3': 'd'}");
    bson_t done = BSON_INITIALIZER;
    mouv__write_result_append_done(result, ids, &done);
    assert_true(equals_json(&done, expected));
    bson_destroy(&done);
    bson_destroy(ids);
    mouv__write_result_clear(result);
}

static void inserts_in_order_end_with_the_first_error(void **state) {
    (void)state;
    mouv__write_result_t result = {0};
    add(&result, MOUV__WRITE_INSERT, "{'ok': 1, 'n': 1}", (mouv__span_t){0, 1, NULL}, true);
    add(&result, MOUV__WRITE_INSERT,
        "{'ok': 1, 'n': 1, 'writeErrors': [{'index': 1, 'code': 11000}]}",
        (mouv__span_t){1, 3, NULL}, true);
    done_of(&result, "{'0': 'a', '1': 'b'}");
}

static void inserts_without_an_order_are_all_tried(void **state) {
    (void)state;
    mouv__write_result_t result = {0};
    add(&result, MOUV__WRITE_INSERT,
        "{'ok': 1, 'n': 2, 'writeErrors': [{'index': 0, 'code': 11000},"
        " {'index': 2, 'code': 11000}]}",
        (mouv__span_t){0, 4, NULL}, false);
    done_of(&result, "{'1': 'b', '3': 'd'}");
}

static void a_refused_command_has_tried_nothing(void **state) {
    (void)state;
    mouv__write_result_t result = {0};
    add(&result, MOUV__WRITE_INSERT, "{'ok': 1, 'n': 1}", (mouv__span_t){0, 1, NULL}, true);
    add(&result, MOUV__WRITE_INSERT, "{'ok': 0, 'code': 13}", (mouv__span_t){1, 3, NULL}, true);
    done_of(&result, "{'0': 'a'}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_mean_what_the_command_makes_of_them),
        cmocka_unit_test(indexes_of_errors_count_over_all_batches),
        cmocka_unit_test(without_errors_nothing_is_appended),
        cmocka_unit_test(inserts_in_order_end_with_the_first_error),
        cmocka_unit_test(inserts_without_an_order_are_all_tried),
        cmocka_unit_test(a_refused_command_has_tried_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
