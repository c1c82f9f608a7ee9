/*
 * Readers of replies, and where results go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/json.h"
#include "mongo/command/reply.h"

static mouv__request_t request;

static int read_by(mouv__reader_t reader, const char *json) {
    bson_t *reply = from_json(json);
    request = (mouv__request_t){0};
    int rc = reader(&request, reply);
    bson_destroy(reply);
    return rc;
}

static void release(void) {
    mouv__reply_release(&request.operation);
}

static void the_first_document_of_a_cursor(void **state) {
    (void)state;
    assert_int_equal(read_by(mouv__reply_read_first, "{'cursor': {'firstBatch': [{'x': 1}]}}"), 1);
    assert_true(equals_json(request.document, "{'x': 1}"));
    release();
    assert_int_equal(read_by(mouv__reply_read_first, "{'cursor': {'firstBatch': []}}"), 0);
    assert_null(request.document);
    assert_int_equal(read_by(mouv__reply_read_first_options,
                             "{'cursor': {'firstBatch': [{'options': {'capped': true}}]}}"),
                     1);
    assert_true(equals_json(request.document, "{'capped': true}"));
    release();
}

static void values_that_must_be_there(void **state) {
    (void)state;
    assert_int_equal(read_by(mouv__reply_read_values, "{'values': [1, 2]}"), 0);
    assert_true(equals_json(request.document, "{'0': 1, '1': 2}"));
    release();
    assert_int_equal(read_by(mouv__reply_read_values, "{'ok': 1}"), MOUV_ESERVER);
    assert_int_equal(read_by(mouv__reply_read_databases, "{'databases': 1}"), MOUV_ESERVER);
    assert_int_equal(read_by(mouv__reply_read_database_names, "{}"), MOUV_ESERVER);
    assert_int_equal(
        read_by(mouv__reply_read_database_names, "{'databases': [{'name': 'a'}, {'name': 'b'}]}"),
        0);
    assert_string_equal(request.names[1], "b");
    assert_null(request.names[2]);
    release();
}

static void values_that_may_be_missing(void **state) {
    (void)state;
    assert_int_equal(read_by(mouv__reply_read_value, "{'value': null}"), 0);
    assert_null(request.document);
    assert_int_equal(read_by(mouv__reply_read_value, "{'value': {'x': 1}}"), 1);
    release();
    assert_int_equal(read_by(mouv__reply_read_modified, "{'value': {'x': 1}, 'n': 2}"), 1);
    assert_true(equals_json(request.document, "{'value': {'x': 1}, 'n': 2}"));
    release();
    assert_int_equal(read_by(mouv__reply_read_modified, "{'value': null}"), 0);
    assert_true(equals_json(request.document, "{'value': null}"));
    release();
    assert_int_equal(read_by(mouv__reply_read_valid, "{'valid': true}"), 1);
    assert_int_equal(read_by(mouv__reply_read_valid, "{'valid': false}"), 0);
    assert_int_equal(read_by(mouv__reply_read_count, "{'n': 12}"), 0);
    assert_int_equal(request.number, 12);
    read_by(mouv__reply_read_counted, "{'cursor': {'firstBatch': [{'n': 13}]}}");
    assert_int_equal(request.number, 13);
    read_by(mouv__reply_read_counted, "{'cursor': {'firstBatch': []}}");
    assert_int_equal(request.number, 0);
}

static void deliver(mouv__output_t output, int code, bool whole) {
    request.output = output;
    request.operation.future.code = code;
    mouv__reply_deliver(&request.operation, whole);
    release();
}

static void a_reply_is_given_also_with_an_error_a_value_only_on_success(void **state) {
    (void)state;
    bson_t *reply = (bson_t *)1, *value = (bson_t *)1;
    mouv__output_t to_reply = mouv__reply_to_reply(&reply), to_value = mouv__reply_to_value(&value);
    assert_true(reply == NULL && value == NULL);
    read_by(mouv__reply_read_whole, "{'ok': 0}");
    deliver(to_reply, MOUV_ESERVER, true);
    assert_true(equals_json(reply, "{'ok': 0}"));
    bson_destroy(reply);
    read_by(mouv__reply_read_whole, "{'x': 1}");
    deliver(to_value, MOUV_ESERVER, true);
    assert_null(value);
    read_by(mouv__reply_read_whole, "{'x': 1}");
    deliver(to_value, 0, false); /* nobody waits any more for all of it */
    assert_null(value);
    read_by(mouv__reply_read_whole, "{'x': 1}");
    deliver(to_value, 1, true);
    assert_true(equals_json(value, "{'x': 1}"));
    bson_destroy(value);
}

static void numbers_and_names_are_given_on_success(void **state) {
    (void)state;
    int64_t number = 5;
    char **names, *name;
    read_by(mouv__reply_read_count, "{'n': 12}");
    deliver(mouv__reply_to_number(&number), MOUV_ESERVER, true);
    assert_int_equal(number, 5);
    read_by(mouv__reply_read_count, "{'n': 12}");
    deliver(mouv__reply_to_number(&number), 0, true);
    assert_int_equal(number, 12);
    read_by(mouv__reply_read_database_names, "{'databases': [{'name': 'a'}]}");
    deliver(mouv__reply_to_names(&names), 0, true);
    assert_string_equal(names[0], "a");
    bson_strfreev(names);
    read_by(mouv__reply_read_database_names, "{'databases': [{'name': 'a'}]}");
    deliver(mouv__reply_to_name(&name), 0, true);
    assert_string_equal(name, "a");
    bson_free(name);
}

static void nobody_may_want_it(void **state) {
    (void)state;
    read_by(mouv__reply_read_whole, "{'x': 1}");
    deliver(mouv__reply_to_nobody(), 0, true);
    read_by(mouv__reply_read_whole, "{'x': 1}");
    deliver(mouv__reply_to_reply(NULL), 0, true);
    read_by(mouv__reply_read_count, "{'n': 1}");
    deliver(mouv__reply_to_number(NULL), 0, true);
}

static void a_reply_can_be_taken_once(void **state) {
    (void)state;
    request = (mouv__request_t){0};
    request.operation.attempt.exchange.reply = from_json("{'x': 1}");
    bson_t *reply = mouv__reply_take(&request.operation);
    assert_true(equals_json(reply, "{'x': 1}"));
    assert_null(mouv__reply_take(&request.operation));
    bson_destroy(reply);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_document_of_a_cursor),
        cmocka_unit_test(values_that_must_be_there),
        cmocka_unit_test(values_that_may_be_missing),
        cmocka_unit_test(a_reply_is_given_also_with_an_error_a_value_only_on_success),
        cmocka_unit_test(numbers_and_names_are_given_on_success),
        cmocka_unit_test(nobody_may_want_it),
        cmocka_unit_test(a_reply_can_be_taken_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
