/*
 * What a server's answer to hello says of a connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/json.h"
#include "mongo/transport/loop/hello.h"
#include "mongo/wire/op_msg.h"

static mouv__hello_t hello_of(const char *json) {
    bson_t *reply = from_json(json);
    mouv__hello_t hello = mouv__hello_read(reply);
    bson_destroy(reply);
    return hello;
}

static void one_that_says_nothing_has_the_defaults(void **state) {
    (void)state;
    mouv__hello_t hello = hello_of("{'ok': 1}");
    assert_int_equal(hello.message_max_bytes, MOUV__WIRE_MESSAGE_MAX_BYTES);
    assert_int_equal(hello.connection_id, -1);
    assert_int_equal(hello.compressor, -1);
    assert_false(hello.set_member || hello.mongos || hello.sessions || hello.balanced);
}

static void a_member_of_a_set_says_so(void **state) {
    (void)state;
    mouv__hello_t hello = hello_of("{'setName': 'rs0', 'logicalSessionTimeoutMinutes': 30,"
                                   " 'maxMessageSizeBytes': 1000, 'connectionId': 7}");
    assert_true(hello.set_member && hello.sessions);
    assert_false(hello.mongos || hello.balanced);
    assert_int_equal(hello.message_max_bytes, 1000);
    assert_int_equal(hello.connection_id, 7);
}

static void a_mongos_says_so(void **state) {
    (void)state;
    assert_true(hello_of("{'msg': 'isdbgrid'}").mongos);
    assert_false(hello_of("{'msg': 'isdbgri'}").mongos);
    assert_false(hello_of("{'msg': 1}").mongos);
}

/* As a server writes them: int32, int64 or double. */
static void numbers_may_be_of_any_type(void **state) {
    (void)state;
    assert_int_equal(hello_of("{'connectionId': {'$numberLong': '5000000000'}}").connection_id,
                     5000000000);
    assert_int_equal(hello_of("{'connectionId': 7.0}").connection_id, 7);
    assert_int_equal(hello_of("{'connectionId': 'seven'}").connection_id, -1);
    assert_int_equal(hello_of("{'maxMessageSizeBytes': 2000.0}").message_max_bytes, 2000);
}

/* Nor is what no message can be. */
static void a_size_that_is_none_is_not_taken(void **state) {
    (void)state;
    static const char *const none[] = {"{'maxMessageSizeBytes': 0}", "{'maxMessageSizeBytes': -1}",
                                       "{'maxMessageSizeBytes': '1000'}",
                                       "{'maxMessageSizeBytes': {'$numberLong': '5000000000'}}"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_int_equal(hello_of(none[i]).message_max_bytes, MOUV__WIRE_MESSAGE_MAX_BYTES);
}

static void no_timeout_means_no_sessions(void **state) {
    (void)state;
    assert_false(hello_of("{'logicalSessionTimeoutMinutes': null}").sessions);
    assert_true(hello_of("{'logicalSessionTimeoutMinutes': {'$numberLong': '30'}}").sessions);
}

static void behind_a_load_balancer_there_is_a_service(void **state) {
    (void)state;
    char text[25];
    mouv__hello_t hello = hello_of("{'serviceId': {'$oid': '0123456789abcdef01234567'}}");
    assert_true(hello.balanced);
    bson_oid_to_string(&hello.service_id, text);
    assert_string_equal(text, "0123456789abcdef01234567");
    assert_false(hello_of("{'serviceId': 1}").balanced);
}

static void a_compressor_that_mouv_has_is_agreed_on(void **state) {
    (void)state;
    assert_int_equal(hello_of("{'compression': ['martian']}").compressor, -1);
    assert_int_equal(hello_of("{'compression': []}").compressor, -1);
#ifdef MOUV_HAVE_ZLIB
    assert_int_equal(hello_of("{'compression': ['martian', 'zlib']}").compressor, 2);
#endif
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(one_that_says_nothing_has_the_defaults),
        cmocka_unit_test(a_member_of_a_set_says_so),
        cmocka_unit_test(a_mongos_says_so),
        cmocka_unit_test(numbers_may_be_of_any_type),
        cmocka_unit_test(a_size_that_is_none_is_not_taken),
        cmocka_unit_test(no_timeout_means_no_sessions),
        cmocka_unit_test(behind_a_load_balancer_there_is_a_service),
        cmocka_unit_test(a_compressor_that_mouv_has_is_agreed_on),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
